"""Stage 3, among equals: several changes of one text are left on a side. Their surroundings may tell them apart.

What nothing tells apart is ambiguous, and the candidates are named: a guess would be right half of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Indel

from git_metadiff.correspond.items import Item, pair
from git_metadiff.correspond.words import tokens
from git_metadiff.model import Verdict

#: By so much the surroundings of one pair must be more alike than those of any other with either of the two.
CLEAR = 0.1
#: Of more equal changes than this nobody can say which one came from which: they stay apart.
CROWD = 8


def settle_rivals(old: Sequence[Item], new: Sequence[Item]) -> None:
    """Pair equal changes by their surroundings, the clearest first; what is left on both sides is ambiguous."""
    if max(len(old), len(new)) > CROWD:
        return
    scores = {(one, other): around(one, other) for one in old for other in new}
    waiting = dict(scores)
    while waiting:
        clear = [both for both in waiting if is_clear(both, waiting)]
        if not clear:
            break
        one, other = max(clear, key=lambda both: (waiting[both], -both[0].serial, -both[1].serial))
        pair(one, other, "content")
        waiting = {both: score for both, score in waiting.items() if one not in both and other not in both}
    for one, other in waiting:
        one.rivals.append(other)
        other.rivals.append(one)
    for item in (*old, *new):
        if item.rivals:
            names = ", ".join(sorted({rival.hunk.id for rival in item.rivals}))
            item.verdict = Verdict("ambiguous", None, "equal-partners", f"these fit equally: {names}")


def is_clear(both: tuple[Item, Item], scores: dict[tuple[Item, Item], float]) -> bool:
    """Whether no other pair with one of the two comes close."""
    least = scores[both] - CLEAR
    return all(
        score <= least for pair, score in scores.items() if pair != both and (pair[0] is both[0] or pair[1] is both[1])
    )


def around(old: Item, new: Item) -> float:
    """How alike the context of two changes is, by words, 0 to 1; without context on either side, 1."""
    before = Indel.normalized_similarity(tokens(old.change.before), tokens(new.change.before))
    after = Indel.normalized_similarity(tokens(old.change.after), tokens(new.change.after))
    return float(before + after) / 2
