"""Where to look first: what happened in each file, counted and ordered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from git_metadiff.model import Hunk
from git_metadiff.render.lookup import Lookup, misplaced
from git_metadiff.render.view import View

#: What makes a file worth looking at, most urgent first; what follows is only named, it does not rank.
RANKED = ("dropped", "misplaced", "edited downstream", "new downstream", "collisions")
NAMED = (*RANKED, "moved downstream", "ambiguous", "orphaned")

Tally = Counter[str]


def tallies(lookup: Lookup, sides: tuple[Sequence[Hunk], Sequence[Hunk]], view: View) -> dict[bytes, Tally]:
    """Per file, how many hunks of each kind it holds (kinds as in NAMED) and how many collisions."""
    found: dict[bytes, Tally] = defaultdict(Counter)
    for at, side in enumerate(sides):
        for hunk in side:
            for kind in _kinds(lookup, hunk, bool(at)):
                found[lookup.home(hunk)][kind] += 1
    for collision in lookup.collisions(view):
        found[collision.path]["collisions"] += 1
    return found


def _kinds(lookup: Lookup, hunk: Hunk, new: bool) -> list[str]:
    """What a hunk counts as. A pair counts on its new side, what has no partner on its own."""
    verdict = lookup.verdict(hunk.id)
    kinds = []
    if misplaced(lookup.changes[hunk.id]) and (new or not lookup.partners(hunk.id)):
        kinds.append("misplaced")
    if new:
        kinds.append(f"{verdict.word} {verdict.cause}" if verdict.cause else verdict.word)
    elif verdict.word in ("dropped", "ambiguous", "orphaned"):
        kinds.append(verdict.word)
    return [kind for kind in kinds if kind in NAMED]


def ranked(found: dict[bytes, Tally]) -> list[tuple[bytes, Tally]]:
    """The files worth looking at, the first to read first."""
    files = [(path, tally) for path, tally in found.items() if any(tally[kind] for kind in RANKED)]
    return sorted(files, key=lambda file: ([-file[1][kind] for kind in RANKED], file[0]))


def tally_words(tally: Tally) -> str:
    """`1 dropped, 2 edited downstream, 1 collision`."""
    said = [f"{tally[kind]} {kind}" for kind in NAMED if tally[kind]]
    return ", ".join(part.removesuffix("s") if part == "1 collisions" else part for part in said)
