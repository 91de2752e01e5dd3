"""A chain as a source of points, and trees with some of a step's hunks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from git_metadiff.bisect.chain import PARTNER, Chain, assemble
from git_metadiff.bisect.groups import Group, together_suspicious
from git_metadiff.bisect.kept import Plan
from git_metadiff.bisect.source import GOOD_END, Point, Step
from git_metadiff.bisect.weave import write_trees
from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git, Scratch
from git_metadiff.model import Comparison

WORK_REF = "refs/heads/work-chained"
#: The ends that the user came with: D1 works, D2 fails. F and U2 were never built.
SURE = ("D1", "D2")
ENDS = {
    "upstream": ("D1", "F"),
    "downstream": ("F", "D2"),
    "patchset": ("U2", "D2"),
    "both": ("D1", "D2"),
    PARTNER: ("D1 with these hunks", "D2"),
}


#: Where to look instead, if the ends of an axis are the same tree.
INSTEAD = {
    "upstream": "so upstream changed nothing under the patchset: search with --axis downstream",
    "downstream": "so downstream itself changed nothing: search with --axis patchset, then --axis upstream",
    "patchset": "so the new patchset is empty: git bisect between the releases, without any patch",
    "both": "is it the right comparison, and the right configuration?",
    PARTNER: "so they fail alone",
}


class NothingBetweenError(MetadiffError):
    """The ends of a search are the same tree."""


def plan_of(chain: Chain) -> Plan:
    """The plan to search a chain: a step a group. Raises NothingBetweenError for a chain without any."""
    if not chain.groups:
        raise NothingBetweenError("{} and {} are the same tree".format(*ENDS[chain.axis]), INSTEAD[chain.axis])
    whole = whole_cost(chain)
    steps = tuple(step_of((group,), at, whole) for at, group in enumerate(chain.groups))
    points = {at: Point(one.commit, one.tree) for at, one in enumerate(chain.points, GOOD_END)}
    first, last = ENDS[chain.axis]
    return Plan("chain", steps, (first, last), (first in SURE, last in SURE), points)


def whole_cost(chain: Chain) -> float:
    """What all groups together cost to build again; above 0."""
    return max(sum(group.cost for group in chain.groups), 1e-9)


def step_of(groups: Sequence[Group], at: int, whole: float) -> Step:
    """The step that brings these groups, as the one number `at` of a line."""
    return Step(
        b" + ".join(group.title for group in groups),
        together_suspicious(group.weight for group in groups),
        min(1.0, sum(group.cost for group in groups) / whole),
        (at - 1,) if at else (),
        tuple(dict.fromkeys(name for group in groups for name in group.hunks)),
        groups=tuple(group.index for group in groups),
    )


@dataclass(frozen=True)
class Part:
    """The smallest part of a step that is tested by itself: a hunk, with all its edits of one leg."""

    name: str  # the id of the hunk; of what has none, the file and line
    path: bytes
    sections: tuple[str, ...]
    edits: frozenset[int]


class ChainSource:
    """A chain whose legs are there, so that trees can be put together; `user` is the repository that holds it."""

    kind = "chain"

    def __init__(self, chain: Chain, comparison: Comparison, user: Git) -> None:
        self.chain, self._comparison, self._user = chain, comparison, user

    @cached_property
    def plan(self) -> Plan:
        """The plan to search it."""
        return plan_of(self.chain)

    @property
    def steps(self) -> Sequence[Step]:
        """A step a group."""
        return self.plan.steps

    def points(self, at: Sequence[int]) -> list[Point]:
        """All points of a chain are there."""
        return [self.plan.made[one] for one in at]

    def find(self, commit: str) -> int | None:
        """The step of a commit."""
        return next((at for at, one in self.plan.made.items() if one.commit == commit), None)

    def parts(self, groups: Iterable[int]) -> list[Part]:
        """The hunks in some groups of one leg, in the order of their edits."""
        chosen = sorted(groups)
        leg = self.chain.leg_of(chosen[0])
        found: dict[str, list[int]] = {}
        for at in sorted(edit for group in chosen for edit in self.chain.groups[group].edits):
            edit = leg.edits[at]
            path = edit.path.decode("utf-8", "surrogateescape")
            found.setdefault(edit.hunks[0] if edit.hunks else f"{path}:{edit.old_start}", []).append(at)
        return [
            Part(
                name,
                leg.edits[mine[0]].path,
                tuple(dict.fromkeys(section for at in mine for section in leg.edits[at].sections)),
                frozenset(mine),
            )
            for name, mine in found.items()
        ]

    def edits_of(self, groups: Iterable[int], leg: int) -> frozenset[int]:
        """The edits of some groups that are of one leg."""
        mine = [one.edits for at in groups for one in (self.chain.groups[at],) if one.leg == leg]
        return frozenset().union(*mine)

    def trial(self, leg: int, edits: Collection[int], title: bytes) -> Point:
        """The tree with exactly these edits of a leg, as a commit that a ref of the comparison keeps."""
        with Scratch(self._user, self._user.outer) as scratch:
            [tree] = write_trees(scratch, self.chain.legs[leg], [edits])
            [commit] = write_line(scratch, None, [(tree, title)])
            self._publish(scratch, "trial", commit)
        return Point(commit, tree)

    def line(
        self, start: Point, steps: Sequence[Step], trees: Sequence[str | None], before: Collection[int]
    ) -> list[Point]:
        """New commits for `steps` on top of `start`, which holds the groups `before`; a tree that is None is put
        together. The last of them is the new end of the chain."""
        with Scratch(self._user, self._user.outer) as scratch:
            prefix = set(before)
            wanted = []
            for step, tree in zip(steps, trees, strict=True):
                prefix |= set(step.groups)
                if tree is None:
                    wanted.append(sorted(prefix))
            fresh = iter(assemble(scratch, self.chain, wanted) if wanted else [])
            whole = [next(fresh) if tree is None else tree for tree in trees]
            titled = [(tree, step.title) for tree, step in zip(whole, steps, strict=True)]
            commits = write_line(scratch, start.commit, titled)
            self._publish(scratch, "last", commits[-1])
        return [Point(commit, tree) for commit, tree in zip(commits, whole, strict=True)]

    def _publish(self, scratch: Scratch, name: str, tip: str) -> None:
        ref = f"refs/metadiff/{self._comparison.name}/bisect/{self.chain.axis}/{name}"
        before = self._user.ref(ref)
        if before != tip:
            scratch.publish({ref: (tip, before)}, [self.chain.points[-1].commit])


def write_line(git: Git, parent: str | None, trees: Sequence[tuple[str, bytes]]) -> list[str]:
    """Commits with these trees and messages, one on top of the other; `git` is a scratch repository."""
    with FastImport(git) as writer:
        marks: list[str] = []
        for tree, title in trees:
            parents = marks[-1:] or ([parent] if parent else [])
            marks.append(writer.commit(WORK_REF, title + b"\n", parents, [], tree=tree))
        return writer.ids(marks)
