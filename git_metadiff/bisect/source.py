"""Where the points of a search come from: the protocol between those that make points and those that test them.

A *source* is a list of steps that lead from an end that works to one that fails. A *point* is the tree with a step and
all that must be before it. Steps are known at once; points are made when they are asked for, because a point may cost a
merge or a port. There are two sources: the chain of synthetic commits, one for each group of hunks, and upstream's real
commits with the patchset carried onto them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

#: The index of the end that works; the last step's point is the end that fails.
GOOD_END = -1


@dataclass(frozen=True, slots=True)
class Step:
    """What a point adds to those before it."""

    title: bytes  # one line, for people
    weight: float  # how suspicious it is, 0 to 1, as `suspicion` scores
    cost: float = 0.0  # how much of a whole build it makes necessary again, 0 to 1
    parents: tuple[int, ...] = ()  # the steps right before it, smaller than its own index; none: the end that works
    hunks: tuple[str, ...] = ()  # ids of the hunks in it, of the comparison or `upstream:...`
    upstream: str = ""  # the real commit that it stands for, if it does
    groups: tuple[int, ...] = ()  # the groups of the chain that it brings, by index


@dataclass(frozen=True, slots=True)
class Point:
    """A tree to test, as a commit that git can check out."""

    commit: str  # its id
    tree: str  # the id of its tree
    notes: tuple[str, ...] = ()  # what a person must know of it: hunks that could not be carried
    untestable: str = ""  # why it is no use to test it, in words; empty if it is


class Source(Protocol):
    """What can be searched."""

    kind: str  # `chain` or `carry`

    @property
    def steps(self) -> Sequence[Step]:
        """All steps; a step's parents stand before it."""

    def points(self, at: Sequence[int]) -> list[Point]:
        """The points of some steps, in that order, made in one batch; GOOD_END is the end that works."""

    def find(self, commit: str) -> int | None:
        """The step of a commit's full id, that of its point (made or not) or the real one; GOOD_END, or None."""
