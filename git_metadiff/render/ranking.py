"""Where to look first: what happened in each file, counted and ordered."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from git_metadiff.model import Hunk
from git_metadiff.render.folding import has_data_name
from git_metadiff.render.lookup import MISPLACED, Lookup
from git_metadiff.render.view import View

#: What was lost, or may have been.
LOST = (MISPLACED, "dropped", "ambiguous")
#: What the author wanted.
WANTED = ("edited downstream", "moved downstream", "new downstream")
#: What a file is said to hold, in this order; what is in neither group above is only named, it does not rank.
NAMED = (*LOST, *WANTED, "orphaned", "collisions")
#: A hunk of the author's in code that upstream changed too; counted to rank, not to be named.
MET = "met"
#: The file is downstream's own.
OWN = "own file"

Tally = Counter[str]
Ranked = tuple[bytes, Tally]


def look_first(
    lookup: Lookup, sides: tuple[Sequence[Hunk], Sequence[Hunk]], view: View
) -> tuple[list[Ranked], list[Ranked], list[Ranked]]:
    """The files with a loss, those that the author changed, and those with nothing but collisions; each list sorted.

    Of the author's work, that in upstream's files comes before files of downstream's own, and what stands in code that
    upstream changed too comes first: there the two had to be reconciled by hand.
    """
    lost, wanted, rest = [], [], []
    for file in tallies(lookup, sides, view).items():
        if any(file[1][kind] for kind in LOST):
            lost.append(file)
        elif any(file[1][kind] for kind in WANTED):
            wanted.append(file)
        elif file[1]["collisions"]:
            rest.append(file)
    return (
        sorted(lost, key=lambda file: ([-file[1][kind] for kind in (*LOST, *WANTED)], file[0])),
        sorted(wanted, key=lambda file: (file[1][OWN], [-file[1][kind] for kind in (MET, *WANTED)], file[0])),
        sorted(rest, key=lambda file: file[0]),
    )


def tallies(lookup: Lookup, sides: tuple[Sequence[Hunk], Sequence[Hunk]], view: View) -> dict[bytes, Tally]:
    """Per file, how many hunks of each kind it holds (kinds as in NAMED) and how many collisions."""
    found: dict[bytes, Tally] = defaultdict(Counter)
    collisions = lookup.collisions(view)
    met = {name for collision in collisions if collision.section for name in collision.hunks}
    for at, side in enumerate(sides):
        for hunk in side:
            kinds = _kinds(lookup, hunk, bool(at))
            home = lookup.home(hunk) if kinds else b""
            for kind in kinds:
                found[home][kind] += 1
                found[home][MET] += hunk.id in met and kind in WANTED
                found[home][OWN] |= creates(hunk) or has_data_name(home)
    for collision in collisions:
        found[collision.path]["collisions"] += 1
    return found


def creates(hunk: Hunk) -> bool:
    """Whether a hunk makes a file that upstream does not have."""
    return hunk.kind == "text" and hunk.old_start == hunk.old_lines == 0


def _kinds(lookup: Lookup, hunk: Hunk, new: bool) -> list[str]:
    """What a hunk counts as. A pair counts on its new side, what has no partner on its own."""
    verdict = lookup.verdict(hunk.id)
    if hunk.id in lookup.misplaced and (new or not lookup.partners(hunk.id)):
        return [MISPLACED]
    if new:
        kind = f"{verdict.word} {verdict.cause}" if verdict.cause else verdict.word
        return [kind] if kind in NAMED else []
    return [verdict.word] if verdict.word in NAMED else []


def tally_words(tally: Tally) -> str:
    """`1 dropped, 2 edited downstream, 1 collision`."""
    said = [f"{tally[kind]} {kind}" for kind in NAMED if tally[kind]]
    said = [part.removesuffix("s") if part == "1 collisions" else part for part in said]
    return ", ".join([*said, "downstream's own file"] if tally[OWN] else said)
