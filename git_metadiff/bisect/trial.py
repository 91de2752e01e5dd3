"""Experiments before a search: a tree of the comparison without some hunks, or with only them, ready to be built.

What needs a hunk that is left out is left out too, and what a hunk needs that is put in comes along.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass

from git_metadiff.bisect.chain import End, ends_of
from git_metadiff.bisect.edits import Axis
from git_metadiff.bisect.making import forced_tree, heirs_of, owned_axis, publish
from git_metadiff.bisect.needs import closed, mentions_of, needs_of
from git_metadiff.bisect.suspicion import Suspect
from git_metadiff.bisect.units import parted, units_of
from git_metadiff.bisect.weave import write_trees
from git_metadiff.errors import MetadiffError, UsageError
from git_metadiff.git import FastImport, Git, Scratch
from git_metadiff.model import Comparison

WORK_REF = "refs/heads/work-trial"
#: Shorter prefixes of ids are numbers of suspects, or nothing.
LEAST_PREFIX = 4
UPSTREAM = "upstream:"
SEE = "'git metadiff bisect list' names the hunks and their numbers"


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be tried, by ids of hunks and upstream hunks."""

    axis: str  # `upstream`, `downstream` or `patchset`
    without: tuple[str, ...]
    only: tuple[str, ...]


@dataclass(frozen=True)
class Trial:
    """A tree to build, and what it is."""

    question: Question
    base: str  # what it is made from: `D2`, `F`, `D1` or `U2`
    axis: Axis
    turned: frozenset[int]  # the edits of the named hunks
    along: frozenset[int]  # the edits that go with them
    tree: str
    commit: str
    ref: str


def choose(
    axis: str | None, without: Sequence[str], only: Sequence[str], comparison: Comparison, suspects: Sequence[Suspect]
) -> Question:
    """The question that a user's words ask: ids, their first letters, or numbers of suspects.

    Without an axis, upstream's hunks are tried on the upstream axis, the newer patch's on the patchset axis, and what
    was lost of the older one on the downstream axis.
    """
    heirs = heirs_of(comparison)
    found = [
        tuple(dict.fromkeys(heirs.get(name, name) for word in words for name in resolve(word, comparison, suspects)))
        for words in (without, only)
    ]
    return Question(axis or axis_for([*found[0], *found[1]], comparison), *found)


def resolve(word: str, comparison: Comparison, suspects: Sequence[Suspect]) -> tuple[str, ...]:
    """The ids that a word stands for; raises MetadiffError for none or several."""
    if re.fullmatch(r"[0-9]{1,3}", word):
        if not 1 <= int(word) <= len(suspects):
            raise MetadiffError(f"there is no suspect number {word}", SEE)
        return suspects[int(word) - 1].candidate.hunks
    if word.startswith(UPSTREAM):
        return (word,)
    step = comparison.transitions[-1]
    hunks = [hunk.id for at in (step.start, step.stop) for hunk in comparison.patchsets[at].hunks]
    found = [name for name in dict.fromkeys(hunks) if name.startswith(word) and len(word) >= LEAST_PREFIX]
    if word in found or len(found) == 1:
        return (word,) if word in found else (found[0],)
    if not found:
        raise MetadiffError(f"there is no hunk '{word}'", SEE)
    raise MetadiffError(f"'{word}' could be {len(found)} hunks: {', '.join(found[:4])}", "give more of the id")


def axis_for(names: Iterable[str], comparison: Comparison) -> str:
    """The axis on which hunks are tried."""
    newer = {hunk.id for hunk in comparison.patchsets[-1].hunks}
    axes = {"upstream" if one.startswith(UPSTREAM) else "patchset" if one in newer else "downstream" for one in names}
    if "upstream" in axes and len(axes) > 1:
        raise UsageError(
            "an upstream hunk and one of the patch cannot be tried in one tree",
            "try one of them: the pair fails together, so either one will do",
        )
    return "downstream" if "downstream" in axes else axes.pop()


def try_out(user: Git, comparison: Comparison, question: Question) -> Trial:
    """Write the tree that a question asks for, as a commit under a ref of its own.

    `without` starts from the tree that fails, `only` from the one that works; with both, `only` says what stays in
    nevertheless.
    """
    with Scratch(user, user.outer) as scratch:
        start, end = ends_of(comparison, question.axis, forced_tree(scratch, comparison))
        axis = owned_axis(scratch, comparison, start, end)
        out = edits_of(axis, question.without, start, end)
        put = edits_of(axis, question.only, start, end)
        if question.without:
            turned = out
            leave = follow(scratch, axis, out, backwards=True)
            leave -= follow(scratch, axis, put) if put else frozenset()
            base, selection, moved = end, axis.all - leave, leave
        else:
            turned = put
            moved = follow(scratch, axis, put)
            base, selection = start, moved
        [tree] = write_trees(scratch, axis, [selection])
        commit = write_commit(scratch, comparison, base, tree, message_of(question, base))
        ref = f"refs/metadiff/{comparison.name}/bisect/try/{tree[:12]}"
        publish(scratch, comparison, {ref: commit})
    return Trial(question, base.name, axis, turned & moved, moved - turned, tree, commit, ref)


def edits_of(axis: Axis, names: Collection[str], start: End, end: End) -> frozenset[int]:
    """The edits of some hunks; raises MetadiffError for a hunk without any between these trees."""
    owned: dict[str, set[int]] = {name: set() for name in names}
    for at, edit in enumerate(axis.edits):
        for name in edit.hunks:
            if name in owned:
                owned[name].add(at)
    for name, mine in owned.items():
        if not mine:
            raise MetadiffError(
                f"{name} changes nothing from {start.name} to {end.name}",
                "choose where to try it with --axis upstream, downstream or patchset",
            )
    return frozenset().union(*owned.values())


def follow(git: Git, axis: Axis, edits: Set[int], *, backwards: bool = False) -> frozenset[int]:
    """Some edits and what they need; `backwards`, what needs them."""
    units, chosen = parted(units_of(axis, git, range(len(axis.files)), lambda _: False), edits)
    found = closed(needs_of(units, mentions_of(axis)), chosen, backwards=backwards)
    return frozenset(at for number in found for at in units[number].edits)


def write_commit(git: Git, comparison: Comparison, base: End, tree: str, message: bytes) -> str:
    """A commit on top of that of `base`; F, which has none, gets one on top of D1's."""
    with FastImport(git) as writer:
        parent = parent_of(writer, comparison, base)
        return writer.ids([writer.commit(WORK_REF, message, [parent], [], tree=tree)])[0]


def parent_of(writer: FastImport, comparison: Comparison, base: End) -> str:
    """The commit (or its mark) of one of the trees of an axis."""
    step = comparison.transitions[-1]
    known = {"D1": comparison.patchsets[step.start].commit, "D2": comparison.patchsets[step.stop].commit}
    if base.name == "F":
        text = b"F: the older patch on the newer release, as upstream forced its author to change it\n"
        return writer.commit(WORK_REF, text, [known["D1"]], [], tree=base.tree)
    return known.get(base.name) or base.commit


def message_of(question: Question, base: End) -> bytes:
    """The message of a trial."""
    word = "without" if question.without else "with only"
    names = question.without or question.only
    rest = f", but with {', '.join(question.only)}" if question.without and question.only else ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    body = "".join(f"Hunk: {name}\n" for name in names)
    return f"{base.name} {word} {shown}{rest}\n\n{body}".encode("utf-8", "surrogateescape").replace(b"\0", b"")
