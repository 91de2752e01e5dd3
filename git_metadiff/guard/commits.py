"""Commits on top of an upstream: the old range against the new one, each on its own base."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from git_metadiff.apply import PatchText
from git_metadiff.git import Git, Scratch
from git_metadiff.guard.cutting import cut_patch
from git_metadiff.guard.findings import Finding
from git_metadiff.guard.markers import find_markers
from git_metadiff.guard.matched import Moment, list_files, match
from git_metadiff.guard.patchfiles import Outcome, judged
from git_metadiff.guard.verdicts import Circumstances
from git_metadiff.linemap import Tree
from git_metadiff.sources.range import list_commits, read_range


def range_texts(git: Git, start: str, stop: str) -> list[PatchText]:
    """The patches of `start..stop`; none for an empty range."""
    return read_range(git, start, stop) if list_commits(git, start, stop) else []


def tree_text(git: Git, old: str, new: str, name: str, message: bytes = b"") -> list[PatchText]:
    """The difference of two trees as one patch; none where they are the same."""
    data = git.run("diff-tree", "-r", "-p", "-M", "--binary", "--full-index", old, new)
    subject = message.decode("utf-8", "replace").partition("\n")[0] or None
    return [PatchText(name, data, 1, subject, message)] if data else []


def compare_texts(
    scratch: Scratch,
    old: tuple[str, Sequence[PatchText]],
    new: tuple[str, Sequence[PatchText]],
    given: Circumstances,
    ignored: Collection[str] = (),
) -> Outcome:
    """Compare two ranges, each given as the tree of its base and its patches; `ignored` are folders left to others."""
    outcome = Outcome(marked(old[1], new[1], given))
    outcome.messages = [text.message for text in new[1]]
    if not old[1]:
        return outcome
    names = sorted({name for _, texts in (old, new) for text in texts for name in cut_patch(text).names})
    trees = [list_files(scratch, tree, names) for tree, _ in (old, new)]
    add_renamed(scratch, old[0], new[0], trees)
    moments = [
        Moment(label, tuple(texts), tree)
        for label, (_, texts), tree in zip(("before", "after"), (old, new), trees, strict=True)
    ]
    present = {text.subject for text in new[1]}
    gone = [text.name for text in old[1] if text.subject not in present]
    found = judged(match(scratch, moments[0], moments[1]), replace(given, gone=gone))
    outcome.take(found)
    outcome.findings = [one for one in outcome.findings if not lies_in(one.path, ignored)]
    return outcome


def lies_in(path: bytes, folders: Collection[str]) -> bool:
    """Whether a path lies in one of these folders."""
    return any(path.startswith(folder.encode("utf-8", "surrogateescape") + b"/") for folder in folders)


def add_renamed(scratch: Scratch, old: str, new: str, trees: Sequence[Tree]) -> None:
    """Where upstream removed a file that is patched, add those that it may have been renamed to."""
    if not trees[0].keys() - trees[1].keys():
        return
    fields = scratch.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--diff-filter=A", old, new).split(b"\0")
    for meta, path in zip(fields[0:-1:2], fields[1::2], strict=False):
        _, mode, _, oid, _ = meta.decode("ascii").split(" ")
        trees[1].setdefault(path, (mode, oid))


def marked(old: Sequence[PatchText], new: Sequence[PatchText], given: Circumstances) -> list[Finding]:
    """Conflict markers that the new commits add."""
    before = b"\n".join(text.data for text in old)
    findings = []
    for text in new:
        for cut in cut_patch(text).sections if b"<<<<<<<" in text.data else ():
            added = b"\n".join(line for line in cut[1].split(b"\n") if line[:1] == b"+")
            found = find_markers(before, added)
            if found:
                lines = tuple(line for _, line in found)
                name = text.subject or text.name
                findings.append(Finding("marker", given.level("marker"), name, max(cut[0]), lines=lines))
    return findings
