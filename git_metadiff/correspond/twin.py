"""A change that stands, in its own function, between lines that look like its own and are others.

`patch` and `git apply` take the place nearest to the line number at which the context fits. Where a function has the
same lines several times, as cases of a switch do, that may be another one's, and nothing fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from git_metadiff.correspond.items import Item
from git_metadiff.linemap import LineMap, words_in
from git_metadiff.model import Range

#: So many lines on either side make a tool believe that it is the place.
CONTEXT = 3
#: Lines within which its surroundings, on either side, must turn out to be others.
FAR = 30
#: A context of fewer letters and digits may be alike by chance, and somebody's own choice.
TELLING = 16
TWIN_WORDS = "it stands between lines that are like those it was made for, and are others of the same function"


def stands_at_twin(old: Item, new: Item, before: Sequence[bytes], after: Sequence[bytes], known: LineMap) -> bool:
    """Whether a change of p2 stands where the lines of U2 (`after`) are like those of U1 (`before`) around its change
    of p1, but not these. Where all of a file's lines up to its end agree with such a place too, the answer is no.
    """
    there = alike(before, old.base, after, new.place)
    if min(there) < CONTEXT or max(there) >= FAR:
        return False
    start, stop = new.place
    if words_in(b"".join((*after[start - CONTEXT : start], *after[stop : stop + CONTEXT]))) < TELLING:
        return False
    stood = known.back(start - 1) is not None and stop < len(after) and known.back(stop) is not None
    low, high = known.region(*old.base)
    if old.state == "unplaced":
        return stood and (stop < low or high < start)
    home = alike(before, old.base, after, old.place)
    return sum(home) > sum(there) and (stood or all(ours >= theirs for ours, theirs in zip(home, there, strict=True)))


def alike(before: Sequence[bytes], old: Range, after: Sequence[bytes], new: Range) -> tuple[int, int]:
    """How many lines above and below are the same in two files; `FAR` at most, and also where both files end."""
    above = below = 0
    while above < FAR and min(old[0], new[0]) > above and before[old[0] - above - 1] == after[new[0] - above - 1]:
        above += 1
    room = min(len(before) - old[1], len(after) - new[1])
    while below < min(FAR, room) and before[old[1] + below] == after[new[1] + below]:
        below += 1
    ends = old[0] == new[0] == above, len(before) - old[1] == len(after) - new[1] == below
    return FAR if ends[0] else above, FAR if ends[1] else below
