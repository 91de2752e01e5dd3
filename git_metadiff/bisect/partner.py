"""The other half of an interaction: what upstream did that the guilty hunks of downstream fail with.

The chain leads from D1 with these hunks to D2. If they stand, D1 has them already; if they are new, they are put into
it first. Where that works, a step behind it brings what they need to fail.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from git_metadiff.bisect.chain import PARTNER, Chain, End, refs_of_chain
from git_metadiff.bisect.edits import Edit
from git_metadiff.bisect.groups import Wanted
from git_metadiff.bisect.making import chain_between, owned_axis, publish
from git_metadiff.bisect.owners import LEAST_WORDS
from git_metadiff.bisect.weave import write_trees
from git_metadiff.git import Git, Scratch
from git_metadiff.linemap import words_in
from git_metadiff.model import Comparison, Hunk


def make_partner_chain(
    user: Git, comparison: Comparison, hunks: Collection[str], wanted: Wanted, scores: Mapping[str, float]
) -> Chain:
    """Write the chain on which the partner of these hunks (ids) of the newer patchset is found."""
    transition = comparison.transitions[-1]
    older, newer = (comparison.patchsets[at] for at in (transition.start, transition.stop))
    start, end = End("D1", older.tree, older.commit), End("D2", newer.tree)
    with Scratch(user, user.outer) as scratch:
        axis = owned_axis(scratch, comparison, start, end)
        guilty = [one for one in newer.hunks if one.id in hunks]
        mine = [at for at, edit in enumerate(axis.edits) if brings(edit, guilty)]
        if mine:
            start = End("D1", write_trees(scratch, axis, [mine])[0])
        chain = chain_between(scratch, comparison, PARTNER, [start, end], wanted, scores)
        publish(scratch, comparison, refs_of_chain(comparison.name, chain))
    return chain


def brings(edit: Edit, hunks: Sequence[Hunk]) -> bool:
    """Whether an edit is a part of one of these hunks, or has some of its lines beside upstream's own."""
    return any(
        one.id in edit.hunks
        or (one.path == edit.path and any(shares(edit.added, each.added) for each in one.changes))
        or (one.path == edit.path and any(shares(edit.removed, each.removed) for each in one.changes))
        for one in hunks
    )


def shares(lines: Sequence[bytes], others: Sequence[bytes]) -> bool:
    """Whether both have a line that says something."""
    return any(words_in(text) >= LEAST_WORDS for text in set(lines).intersection(others))
