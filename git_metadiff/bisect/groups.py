"""Groups: edits of an axis that must go together, and the order in which they come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.bisect.edits import Axis

Wanted = Callable[[bytes], bool]

#: What every edit weighs by itself, beside the scores of the suspects that it belongs to.
LEAST_WEIGHT = 0.001
REST = b"the rest"


@dataclass(frozen=True, slots=True)
class Group:
    """Edits that go in together, as one step of a chain."""

    index: int  # its place in the order, from 0; step `index + 1` of the chain brings it
    title: bytes
    edits: frozenset[int]  # numbers of edits of the axis of its leg
    weight: float  # how suspicious it is, above 0; only the ratio to other groups says something
    needs: frozenset[int] = frozenset()  # indexes of the groups that must be in before it
    hunks: tuple[str, ...] = ()  # ids of the hunks and upstream hunks that it holds
    suspect: bool = True  # False for the rest: what lies outside the limits
    leg: int = 0  # which part of the chain it is in, of an axis that has several
    cost: float = 1.0  # an estimate of how much must be compiled again, in files


def group_edits(axis: Axis, wanted: Wanted, scores: Mapping[str, float], leg: int = 0, first: int = 0) -> list[Group]:
    """The groups of an axis in the order of the chain, the rest in front of them.

    `wanted` tells whether a file is under suspicion, `scores` how suspicious a hunk is, by its id; `first` is the index
    of the first group.
    """
    rest: list[int] = []
    by_file: dict[bytes, list[int]] = defaultdict(list)
    for at, edit in enumerate(axis.edits):
        if wanted(edit.path):
            by_file[edit.path].append(at)
        else:
            rest.append(at)
    found = [(REST, rest, False)] if rest else []
    found += [(path, mine, True) for path, mine in sorted(by_file.items())]
    return [
        Group(first + at, title, frozenset(mine), *weigh(axis, mine, scores), suspect=suspect, leg=leg)
        for at, (title, mine, suspect) in enumerate(found)
    ]


def weigh(
    axis: Axis, edits: Sequence[int], scores: Mapping[str, float]
) -> tuple[float, frozenset[int], tuple[str, ...]]:
    """The weight of a group, no needs, and the ids of its hunks."""
    hunks = tuple(dict.fromkeys(name for at in edits for name in axis.edits[at].hunks))
    return sum(scores.get(name, 0.0) for name in hunks) + LEAST_WEIGHT * len(edits), frozenset(), hunks
