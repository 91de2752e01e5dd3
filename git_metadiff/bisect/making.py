"""From a comparison to a chain in the user's repository: the axis taken apart, its edits owned, grouped and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise

from git_metadiff.bisect.chain import AXES, Chain, End, ends_of, refs_of_chain, write_chain
from git_metadiff.bisect.edits import Axis, take_apart
from git_metadiff.bisect.forced import forced_edits
from git_metadiff.bisect.groups import Group, Wanted, group_units, units_within
from git_metadiff.bisect.needs import mentions_of
from git_metadiff.bisect.owners import claims_by_path, own, own_upstream
from git_metadiff.bisect.suspicion import Suspect
from git_metadiff.bisect.units import Unit
from git_metadiff.bisect.weave import write_trees
from git_metadiff.errors import UsageError
from git_metadiff.git import Git, Scratch
from git_metadiff.model import Comparison, Release
from git_metadiff.workers import ahead

#: Whose more edits than these are is found by a process of its own, beside their names.
MANY = 5000


def scores_of(suspects: Iterable[Suspect]) -> dict[str, float]:
    """How suspicious each hunk and upstream hunk is, by its id."""
    return {name: one.score for one in suspects for name in one.candidate.hunks}


def make_chain(user: Git, comparison: Comparison, axis: str, wanted: Wanted, scores: Mapping[str, float]) -> Chain:
    """Write the chain of an axis (one of AXES) into the user's repository, as one pack and under refs of its own.

    Files that are not `wanted` are one step, the rest. Between equal trees there is no step.
    """
    if axis not in AXES:
        raise UsageError(f"there is no axis '{axis}'", f"it is one of {', '.join(AXES)}")
    with Scratch(user, user.outer) as scratch:
        ends = ends_of(comparison, axis, forced_tree(scratch, comparison))
        chain = chain_between(scratch, comparison, axis, ends, wanted, scores)
        publish(scratch, comparison, refs_of_chain(comparison.name, chain))
    return chain


def chain_between(
    scratch: Scratch,
    comparison: Comparison,
    axis: str,
    ends: Sequence[End],
    wanted: Wanted,
    scores: Mapping[str, float],
) -> Chain:
    """The chain over these trees, its commits in the scratch repository."""
    legs: list[Axis] = []
    groups: list[Group] = []
    for number, (start, end) in enumerate(pairwise(ends)):
        leg = take_apart(scratch, start.tree, end.tree)
        with ahead(
            partial(owners_and_units, scratch, comparison, leg, start, wanted, scores), len(leg.edits) > MANY
        ) as parts:
            mentions = mentions_of(leg)  # as long a work as the other
            owners, units = parts()
        legs.append(leg.owned(owners))
        groups += group_units(legs[-1], units, mentions, wanted, scores, number, len(groups))
    return write_chain(scratch, axis, ends[0], legs, groups)


def owners_and_units(
    scratch: Scratch, comparison: Comparison, leg: Axis, start: End, wanted: Wanted, scores: Mapping[str, float]
) -> tuple[dict[int, tuple[str, ...]], list[Unit]]:
    """The hunks of a leg's edits, of those that have some, and the units."""
    axis = owned(scratch, comparison, leg, start)
    return {at: edit.hunks for at, edit in enumerate(axis.edits) if edit.hunks}, units_within(
        scratch, axis, wanted, scores
    )


def forced_tree(scratch: Scratch, comparison: Comparison) -> str:
    """The id of F of the last transition, written."""
    transition = comparison.transitions[-1]
    interdiff = take_apart(scratch, transition.ported_tree, comparison.patchsets[-1].tree)
    return write_trees(scratch, interdiff, [forced_edits(scratch, comparison, transition, interdiff)])[0]


def owned_axis(scratch: Scratch, comparison: Comparison, start: End, end: End) -> Axis:
    """The axis between two trees of a comparison, its edits with the ids of their hunks."""
    return owned(scratch, comparison, take_apart(scratch, start.tree, end.tree), start)


def owned(scratch: Scratch, comparison: Comparison, axis: Axis, start: End) -> Axis:
    """An axis that begins at one of the trees of a comparison, its edits with the ids of their hunks."""
    transition = comparison.transitions[-1]
    if start.name == "D1":  # an edit with upstream's lines is upstream's
        old, new = releases_of(comparison)
        axis = own_upstream(scratch, axis, old.tree, new.tree, len(comparison.transitions) - 1)
    axis = own(axis, claims_by_path(comparison.patchsets[-1].hunks))
    if start.name == "U2":
        return axis
    older = comparison.patchsets[transition.start].hunks
    heirs = heirs_of(comparison)
    return renamed(own(axis, claims_by_path(older, undone=True)), {hunk.id: heirs.get(hunk.id) for hunk in older})


def releases_of(comparison: Comparison) -> tuple[Release, Release]:
    """The two releases of the last transition; several patchsets may share one."""
    step, last = comparison.transitions[-1], len(comparison.releases) - 1
    return comparison.releases[min(step.start, last)], comparison.releases[min(step.stop, last)]


def heirs_of(comparison: Comparison) -> dict[str, str]:
    """Hunks of the older patchset -> the hunk of the newer one that each became; what is lost has none."""
    newer = {hunk.id for hunk in comparison.patchsets[-1].hunks}
    return {edge.a: edge.b for edge in comparison.edges if edge.b in newer}


def renamed(axis: Axis, names: Mapping[str, str | None]) -> Axis:
    """The axis with other ids for these hunks; those without one stay."""
    found = {}
    for at, edit in enumerate(axis.edits):
        if any(names.get(one) for one in edit.hunks):
            found[at] = tuple(dict.fromkeys(names.get(one) or one for one in edit.hunks))
    return axis.owned(found)


def publish(scratch: Scratch, comparison: Comparison, refs: Mapping[str, str]) -> None:
    """Move what these refs need into the user's repository, and set them."""
    before = {ref: scratch.user.ref(ref) for ref in refs}
    there = [*(one.tree for one in comparison.releases), *(one.tree for one in comparison.patchsets)]
    scratch.publish({ref: (new, before[ref]) for ref, new in refs.items()}, there)
