"""The corners of a comparison: U2, F and D2, each a commit to build; their outcomes say where to search."""

from __future__ import annotations

from dataclasses import dataclass

from git_metadiff.bisect.chain import ends_of
from git_metadiff.bisect.making import forced_tree, publish, releases_of
from git_metadiff.bisect.trial import parent_of
from git_metadiff.git import FastImport, Git, Scratch
from git_metadiff.model import Comparison


@dataclass(frozen=True, slots=True)
class Corner:
    """A tree that is worth a build."""

    name: str  # `D1`, `U2`, `F`, `D2`
    tree: str
    commit: str
    ref: str  # what keeps it


@dataclass(frozen=True, slots=True)
class Corners:
    """The trees between what works and what fails."""

    older: Corner  # D1, which works
    upstream: Corner  # U2
    forced: Corner  # F
    newer: Corner  # D2, which fails
    ported_tree: str  # P, of which F is made
    releases: tuple[str, str]  # names of U1 and U2


def find_corners(user: Git, comparison: Comparison) -> Corners:
    """Write the corners that are no commits yet, and keep all of them under refs."""
    base = f"refs/metadiff/{comparison.name}/bisect/corners"
    with Scratch(user, user.outer) as scratch:
        older, forced, newer = ends_of(comparison, "both", forced_tree(scratch, comparison))
        upstream, _ = ends_of(comparison, "patchset", forced.tree)
        with FastImport(scratch) as writer:
            ends = (older, upstream, forced, newer)
            marks = {one.name: parent_of(writer, comparison, one) for one in ends}
            [marks["F"]] = writer.ids([marks["F"]])
        publish(scratch, comparison, {f"{base}/{name}": commit for name, commit in marks.items()})
    found = {one.name: Corner(one.name, one.tree, marks[one.name], f"{base}/{one.name}") for one in ends}
    old, new = releases_of(comparison)
    ported = comparison.transitions[-1].ported_tree
    return Corners(found["D1"], found["U2"], found["F"], found["D2"], ported, (old.name, new.name))
