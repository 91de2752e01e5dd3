"""The interdiff, from P to D2, and which changes own its lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from git_metadiff.git import Scratch
from git_metadiff.hunks import FilePatch, Scanner, changes_of
from git_metadiff.linemap import IDENTITY, Block, LineMap
from git_metadiff.model import Change, InterdiffSize


@dataclass(slots=True)
class InterdiffFile:
    """One file of the interdiff."""

    old: bytes | None  # name in P
    new: bytes | None  # name in D2
    map: LineMap  # P -> D2
    changes: list[Change]  # one for each block of the map
    patch: FilePatch

    @property
    def path(self) -> bytes:
        """The name to show."""
        return self.new if self.new is not None else self.old or b""


@dataclass(slots=True)
class Interdiff:
    """The diff from P to D2 by `git diff-tree -r -M -p --binary --full-index`."""

    text: bytes
    files: list[InterdiffFile]
    size: InterdiffSize
    by_old: dict[bytes, InterdiffFile] = field(default_factory=dict)
    by_new: dict[bytes, InterdiffFile] = field(default_factory=dict)

    def map_from(self, path: bytes) -> tuple[bytes, LineMap]:
        """The name in D2 of a file of P, and the line map between them."""
        file = self.by_old.get(path)
        return (path, IDENTITY) if file is None else (file.new or path, file.map)


def diff_trees(scratch: Scratch, ported: str, downstream: str) -> Interdiff:
    """Take the interdiff of two trees."""
    text = scratch.run("diff-tree", "-r", "-M", "-p", "--binary", "--full-index", ported, downstream)
    return read_interdiff(text)


def read_interdiff(text: bytes) -> Interdiff:
    """Read an interdiff back from its text."""
    files = []
    added = removed = binary = 0
    for patch in Scanner(text, "interdiff").scan():
        old = None if patch.creates else bare(patch.old_name, patch)
        new = None if patch.deletes else bare(patch.new_name, patch)
        changes = [change for hunk in patch.hunks for change in changes_of(hunk)]
        files.append(InterdiffFile(old, new, LineMap([block_of(change) for change in changes]), changes, patch))
        binary += patch.binary is not None or patch.stub
        for hunk in patch.hunks:
            added += sum(line[:1] == b"+" for line in hunk.body)
            removed += sum(line[:1] == b"-" for line in hunk.body)
    result = Interdiff(text, files, InterdiffSize(len(files), added, removed, binary))
    result.by_old = {file.old: file for file in files if file.old is not None}
    result.by_new = {file.new: file for file in files if file.new is not None}
    return result


def bare(name: bytes | None, patch: FilePatch) -> bytes | None:
    """A header's name without its `a/` or `b/`."""
    return name if name is None or patch.bare_names else name.partition(b"/")[2]


def block_of(change: Change) -> Block:
    """A change of the interdiff as a block."""
    old, new = change.old_start - 1, change.new_start - 1
    return Block(old, old + len(change.removed), new, new + len(change.added))
