"""Stage 3, last part: changes whose code upstream rewrote where it stood or moved elsewhere.

Left over are changes of p1 without a place in U2 and changes of p2 on code that upstream brought. Upstream has renamed
words in and around them, so no line need be the same: rare words find the candidates, then the edit itself, its text
and its surroundings decide together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from rapidfuzz.distance import Indel

from git_metadiff.correspond.items import Item, Sides, map_of, pair
from git_metadiff.correspond.place import LIKE_NEARBY, NEARBY, likeness
from git_metadiff.correspond.upstream import Texts, renamed
from git_metadiff.correspond.words import same_edit, tokens
from git_metadiff.linemap import words_in

#: A word that more changes of p2 hold than this finds nothing, nor does one of fewer letters.
RARE = 12
WORD = 4
#: So many candidates of a change are looked at closely.
CANDIDATES = 6
#: Least score, and by how much it must exceed that of the next best partner.
ENOUGH = 0.7
CLEAR = 0.05
#: Lines of context on either side that count as surroundings.
AROUND = 4
#: A text of fewer letters and digits needs the very same edit.
TELLING = 12


def match_rewritten(old: Sequence[Item], new: Sequence[Item]) -> None:
    """Pair changes of p1 that have no place with changes of p2 that stand on upstream's new code, the best first."""
    index: dict[bytes, list[Item]] = defaultdict(list)
    for item in new:
        for word in words_of(item):
            index[word].append(item)
    scored = []
    for item in old:
        votes: Counter[Item] = Counter()
        for word in words_of(item):
            if len(index.get(word, ())) <= RARE:
                votes.update(index.get(word, ()))
        scored += [(score(item, other), item.serial, other.serial, item, other) for other, _ in best_of(votes)]
    scored.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    rivals: dict[Item, list[float]] = defaultdict(list)
    for points, _, _, one, other in scored:
        rivals[one].append(points)
        rivals[other].append(points)
    for points, _, _, one, other in scored:
        if (
            points >= ENOUGH
            and not one.partners
            and not other.partners
            and is_clear(points, rivals[one], rivals[other])
        ):
            pair(one, other, "rewritten")


def match_renamed(sides: Sides, texts: Texts) -> None:
    """Pair a change that has its place with one a few lines off, where upstream's renaming is all that differs.

    Two changes that are merely alike are two; one that follows upstream's renaming of a word is the same one.
    """
    waiting: dict[bytes, list[Item]] = defaultdict(list)
    for item in sides.open_new():
        if item.hunk.kind == "text" and map_of(sides, item.file).blocks:
            waiting[item.file].append(item)
    found: list[tuple[Item, Item]] = []
    for item in sides.open_old():
        if item.state == "placed" and item.hunk.kind == "text" and words_in(item.text) >= TELLING:
            found += [
                (item, other) for other in waiting.get(item.file, ()) if follows_renaming(item, other, sides, texts)
            ]
    counts = Counter(item for both in found for item in both)
    for one, other in found:
        if counts[one] == counts[other] == 1:
            pair(one, other, "renamed")


def follows_renaming(old: Item, new: Item, sides: Sides, texts: Texts) -> bool:
    """Whether two changes near each other differ in words that upstream replaced, and in nothing else."""
    apart = max(0, new.place[0] - old.place[1], old.place[0] - new.place[1])
    if apart > NEARBY or old.change.removed != new.change.removed or likeness(old, new) < LIKE_NEARBY:
        return False
    return renamed(old.change, new.change, new, map_of(sides, old.file), texts)


def best_of(votes: Counter[Item]) -> list[tuple[Item, int]]:
    """The candidates with the most rare words in common, in an order that does not depend on hashes."""
    return sorted(votes.items(), key=lambda entry: (-entry[1], entry[0].serial))[:CANDIDATES]


def is_clear(points: float, *rivals: list[float]) -> bool:
    """Whether no other partner of either side comes close."""
    return all(sum(other > points - CLEAR for other in scores) == 1 for scores in rivals)


def words_of(item: Item) -> set[bytes]:
    """The words that a change can be found by: those of its lines and of the lines around it."""
    change = item.change
    lines = (*change.before[-AROUND:], *change.removed, *change.added, *change.after[:AROUND])
    return {word for word in tokens(lines) if len(word) >= WORD}


def score(old: Item, new: Item) -> float:
    """How well two changes fit, 0 to 1: by their text and the text around them; the same edit weighs a fifth."""
    same = same_edit(old.change, new.change)
    if not same and min(words_in(old.text), words_in(new.text)) < TELLING:
        return 0.0
    text = likeness(old, new)
    around = float(Indel.normalized_similarity(surroundings(old), surroundings(new)))
    return 0.4 * text + 0.4 * around + 0.2 * same if same else 0.6 * text + 0.4 * around


def surroundings(item: Item) -> list[bytes]:
    """The words of the old text: what is taken out, with its context."""
    change = item.change
    return tokens((*change.before[-AROUND:], *change.removed, *change.after[:AROUND]))
