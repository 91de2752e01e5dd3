"""The chain: a history that never existed, one synthetic commit a group, on which git's own bisect runs.

upstream     D1 to F     what upstream did, under the old patchset, as its author adapted it
downstream   F to D2     what downstream itself changed
patchset     U2 to D2    all of the newer patchset, standing hunks too
both         D1 to F to D2
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from git_metadiff.bisect.edits import Axis
from git_metadiff.bisect.groups import Group
from git_metadiff.bisect.weave import Walker, trees_of, weaver, write_trees
from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git
from git_metadiff.model import Comparison
from git_metadiff.store import check_name

AXES = ("upstream", "downstream", "patchset", "both")
#: D1 with the hunks of downstream's that are guilty, to D2: what upstream did that they fail with (see `partner`).
PARTNER = "partner"
#: Refs of the scratch repository; only their commits leave it.
WORK_REF = "refs/heads/work-chain"
#: Of chains of deltas: one tree of a chain differs from the next in one file.
DEPTH = 50
#: So many files and ids are named in the message of a commit.
MOST_NAMED = 200


@dataclass(frozen=True, slots=True)
class Point:
    """A tree of the chain that can be tested."""

    commit: str
    tree: str
    group: int | None  # index of the group that it brings; None for the first point
    title: bytes


@dataclass(frozen=True)
class Chain:
    """Trees from one that works to one that fails, each one group further than the one before."""

    axis: str  # one of AXES
    points: tuple[Point, ...]  # points[k] holds the groups 0 to k - 1
    groups: tuple[Group, ...]
    legs: tuple[Axis, ...]  # one, or for the axis `both` two: the groups of the second stand on all of the first

    def leg_of(self, group: int) -> Axis:
        """The axis that a group's edits are of."""
        return self.legs[self.groups[group].leg]


@dataclass(frozen=True, slots=True)
class End:
    """A tree that an axis leads from or to, and the synthetic commit that holds it."""

    name: str  # `D1`, `F`, `U2`, `D2`
    tree: str
    commit: str = ""


def ends_of(comparison: Comparison, axis: str, forced: str) -> list[End]:
    """The trees that an axis leads over, of the last transition; `forced` is the id of F."""
    transition = comparison.transitions[-1]
    if transition.stop >= len(comparison.patchsets):
        raise MetadiffError(
            "a forecast has no newer patchset to search in", "compare with the patchset of the newer release"
        )
    release = comparison.releases[min(transition.stop, len(comparison.releases) - 1)]
    older, newer = (comparison.patchsets[at] for at in (transition.start, transition.stop))
    first = End("D1", older.tree, older.commit)
    upstream, last, middle = End("U2", release.tree, release.commit), End("D2", newer.tree), End("F", forced)
    return {
        "upstream": [first, middle],
        "downstream": [middle, last],
        "patchset": [upstream, last],
        "both": [first, middle, last],
    }[axis]


def write_chain(git: Git, axis: str, start: End, legs: Sequence[Axis], groups: Sequence[Group]) -> Chain:
    """Write the commits of a chain, in one stream; `git` is a scratch repository.

    The first point is the commit of `start`, or a new one if it has none.
    """
    marks: list[str] = []
    with FastImport(git, DEPTH) as writer:
        first = start.commit
        if not first:
            first = writer.commit(WORK_REF, f"{start.name}\n".encode(), [], [], tree=start.tree)
        for number, leg in enumerate(legs):
            walker, mine = Walker(leg), [one for one in groups if one.leg == number]
            steps = [walker.turn(group.edits) for group in mine]
            with weaver(git, writer, leg, steps) as words:
                for group, step in zip(mine, steps, strict=True):
                    parent = marks[-1] if marks else first
                    message = message_of(group, leg, axis, len(groups))
                    marks.append(writer.commit(WORK_REF, message, [parent], words.spell(step)))
        commits = writer.ids([one for one in [first, *marks] if one[0] == ":"])
    commits = commits if not start.commit else [start.commit, *commits]
    trees = trees_of(git, commits)
    titles: list[tuple[int | None, bytes]] = [(None, start.name.encode()), *((one.index, one.title) for one in groups)]
    points = [Point(commit, tree, *told) for commit, tree, told in zip(commits, trees, titles, strict=True)]
    if (trees[0], trees[-1]) != (start.tree, legs[-1].end):
        raise MetadiffError(
            f"the chain does not lead to {legs[-1].end}", "this is a fault of git metadiff; please report it"
        )
    return Chain(axis, tuple(points), tuple(groups), tuple(legs))


def message_of(group: Group, leg: Axis, axis: str, count: int) -> bytes:
    """The message of a step: what is in it."""
    lines = [group.title, b"", f"Step {group.index + 1} of {count}, {axis} axis.".encode()]
    files: dict[bytes, tuple[int, int]] = {}
    for at in sorted(group.edits):
        edit = leg.edits[at]
        removed, added = files.get(edit.path, (0, 0))
        files[edit.path] = removed + len(edit.removed), added + len(edit.added)
    lines += [b"", *shortened([b"%b  +%d -%d" % (path, new, old) for path, (old, new) in files.items()])]
    if group.hunks:
        lines += [b"", *shortened([b"Hunk: " + one.encode("utf-8", "surrogateescape") for one in group.hunks])]
    return b"\n".join(lines).replace(b"\0", b"") + b"\n"


def shortened(lines: Sequence[bytes]) -> Iterator[bytes]:
    """So many lines as a message holds, and how many more there are."""
    yield from lines[:MOST_NAMED]
    if len(lines) > MOST_NAMED:
        yield b"... and %d more" % (len(lines) - MOST_NAMED)


def assemble(git: Git, chain: Chain, selections: Sequence[Collection[int]]) -> list[str]:
    """The trees with exactly these groups (by index), in one stream; `git` is a scratch repository.

    Groups of a later leg stand on all of the earlier legs: asking for them without raises MetadiffError.
    """
    chosen = [_leg_and_edits(chain, set(selection)) for selection in selections]
    found: dict[int, str] = {}
    for leg in sorted({number for number, _ in chosen}):
        mine = [at for at, (number, _) in enumerate(chosen) if number == leg]
        found |= zip(mine, write_trees(git, chain.legs[leg], [chosen[at][1] for at in mine]), strict=True)
    return [found[at] for at in range(len(chosen))]


def _leg_and_edits(chain: Chain, selection: set[int]) -> tuple[int, frozenset[int]]:
    last = max((chain.groups[at].leg for at in selection), default=0)
    missing = [one.index for one in chain.groups if one.leg < last and one.index not in selection]
    if missing:
        raise MetadiffError(
            f"step {missing[0] + 1} cannot be left out here: it comes before F, and later ones stand on F",
            "search one axis at a time: 'upstream', then 'downstream'",
        )
    edits = [chain.groups[at].edits for at in selection if chain.groups[at].leg == last]
    return last, frozenset().union(*edits)


def refs_of_chain(name: str, chain: Chain) -> dict[str, str]:
    """The refs that keep a chain, with the commits that they hold."""
    check_name(name)
    base = f"refs/metadiff/{name}/bisect/{chain.axis}"
    return {f"{base}/first": chain.points[0].commit, f"{base}/last": chain.points[-1].commit}


def pack_chain(chain: Chain) -> bytes:
    """A chain as JSON, without the edits, which `take_apart` finds again from the same trees."""
    document = {
        "axis": chain.axis,
        "legs": [[leg.start, leg.end, len(leg.edits)] for leg in chain.legs],
        "points": [[one.commit, one.tree] for one in chain.points],
        "groups": [_packed(one) for one in chain.groups],
    }
    return json.dumps(document, ensure_ascii=True).encode() + b"\n"


def _packed(group: Group) -> dict[str, Any]:
    data = asdict(group)
    return data | {
        "title": group.title.decode("latin-1"),
        "edits": sorted(group.edits),
        "needs": sorted(group.needs),
    }


def unpack_chain(data: bytes, legs: Sequence[Axis] = ()) -> Chain:
    """The chain in what `pack_chain` made; without `legs` trees can be looked up in it, but none put together.

    Raises ValueError, LookupError or TypeError for anything else.
    """
    document = json.loads(data)
    groups = [
        Group(
            **one
            | {
                "title": one["title"].encode("latin-1"),
                "edits": frozenset(one["edits"]),
                "needs": frozenset(one["needs"]),
                "hunks": tuple(one["hunks"]),
            }
        )
        for one in document["groups"]
    ]
    known = [(leg.start, leg.end, len(leg.edits)) for leg in legs]
    if legs and known != [tuple(one) for one in document["legs"]]:
        raise ValueError("the chain is of other trees")
    titles: list[tuple[int | None, bytes]] = [(None, b""), *((one.index, one.title) for one in groups)]
    points = [Point(commit, tree, *told) for (commit, tree), told in zip(document["points"], titles, strict=True)]
    points[0] = replace(points[0], title=b"")
    return Chain(document["axis"], tuple(points), tuple(groups), tuple(legs))
