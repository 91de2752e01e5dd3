"""A guilty commit of upstream's, taken apart: the edits from the point before it to its own, the patchset on both."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from git_metadiff.bisect.chain import Chain
from git_metadiff.bisect.chain import Point as ChainPoint
from git_metadiff.bisect.chained import ChainSource
from git_metadiff.bisect.edits import take_apart
from git_metadiff.bisect.groups import group_edits
from git_metadiff.bisect.making import releases_of
from git_metadiff.bisect.owners import own_upstream
from git_metadiff.bisect.source import GOOD_END
from git_metadiff.bisect.upstream import Carry
from git_metadiff.git import Git, Scratch
from git_metadiff.model import Comparison


def take_commits_apart(carry: Carry, user: Git, comparison: Comparison, guilty: Sequence[int]) -> ChainSource | None:
    """What these neighbouring steps bring, in groups; None where they are no line, so that no point is before them all.

    Of a merge, it is what the first of its sides that were walked did not have yet.
    """
    steps = carry.steps
    if any(steps[at].parents != (before,) for before, at in pairwise(guilty)):
        return None
    first = min(steps[guilty[0]].parents, default=GOOD_END)
    good, bad = carry.points([first, guilty[-1]])
    old, new = releases_of(comparison)
    with Scratch(user, user.outer) as scratch:
        axis = take_apart(scratch, good.tree, bad.tree)
        axis = own_upstream(scratch, axis, old.tree, new.tree, len(comparison.transitions) - 1)
        groups = group_edits(scratch, axis, lambda _path: True, {})
    ends = (ChainPoint(good.commit, good.tree, None, b""), ChainPoint(bad.commit, bad.tree, None, b""))
    return ChainSource(Chain("upstream", ends, tuple(groups), (axis,)), comparison, user)
