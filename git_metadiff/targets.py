"""Which file a section of a patch means: levels of `-p`, and which of its names is the one."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from git_metadiff.errors import MetadiffError
from git_metadiff.hunks import FilePatch, strip_name

#: Levels to try, by preference: git's own, then none, then ever deeper ones.
LEVELS = (1, 0, 2, 3, 4, 5, 6)
#: Characters that HFS+ passes over in a name.
IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")


@dataclass(frozen=True, slots=True)
class Target:
    """A file patch with its names stripped and looked up."""

    patch: FilePatch
    old: bytes | None  # None: it makes the file
    new: bytes | None  # None: it deletes the file

    @property
    def path(self) -> bytes:
        """The name to show: the new one, or the old one of a deleted file."""
        name = self.new if self.new is not None else self.old
        assert name is not None
        return name

    @property
    def from_other(self) -> bool:
        """Whether the content comes from a file of another name."""
        return self.patch.renames or self.patch.copies

    @property
    def leaving(self) -> bool:
        """Whether its old name is free afterwards."""
        return self.patch.renames or self.new is None


class Overlay:
    """The files of a tree, as the sections of one patch read so far leave them."""

    def __init__(self, tree: Container[bytes]) -> None:
        self._tree = tree
        self._changed: dict[bytes, bool] = {}

    def __contains__(self, path: object) -> bool:
        assert isinstance(path, bytes)
        there = self._changed.get(path)
        return path in self._tree if there is None else there

    def take(self, target: Target) -> None:
        """Take in what a section does to the names."""
        if target.leaving and target.old is not None:
            self._changed[target.old] = False
        if target.new is not None:
            self._changed[target.new] = True


def resolve(files: Sequence[FilePatch], level: int, tree: Container[bytes]) -> list[Target | None]:
    """The files of a patch at this level; None for one that has no name there."""
    overlay = Overlay(tree)
    targets = []
    for patch in files:
        target = resolve_one(patch, level, overlay)
        targets.append(target)
        if target is not None and (not patch.stub or patch.lineless):
            overlay.take(target)
    return targets


def resolve_one(patch: FilePatch, level: int, tree: Container[bytes]) -> Target | None:
    """One file of a patch; `tree` as the sections before it leave it."""
    old, new = names_at(patch, level)
    if patch.renames or patch.copies:
        return Target(patch, old, new) if old is not None and new is not None else None
    path = choose(old, new, tree)
    if path is None:
        names = (patch.new_name, patch.old_name)
        return next((Target(patch, name, name) for name in names if name), None) if patch.stub else None
    if patch.creates:
        return Target(patch, None, path)
    if patch.deletes:
        return Target(patch, path, None)
    return Target(patch, None if patch.creates is None and path not in tree else path, path)


def choose(old: bytes | None, new: bytes | None, tree: Container[bytes]) -> bytes | None:
    """The name that git takes of two (the old one if the new one but adds an ending), or else the one that is there."""
    if old is None or new is None:
        return new if old is None else old
    first, second = (old, new) if new.startswith(old) else (new, old)
    return second if first not in tree and second in tree else first


def names_at(patch: FilePatch, level: int) -> tuple[bytes | None, bytes | None]:
    """The two names stripped by `level`; names from rename lines carry no prefix, so they lose one level less."""
    depth = max(level - 1, 0) if patch.bare_names else level
    return strip_name(patch.old_name, depth), strip_name(patch.new_name, depth)


def names_agree(patch: FilePatch, level: int) -> bool:
    """Whether both header names are the same file at this level (or one is /dev/null, or the patch renames)."""
    old, new = names_at(patch, level)
    return old == new or patch.old_name is None or patch.new_name is None or patch.renames or patch.copies


def levels_for(files: Sequence[FilePatch], tree: Container[bytes]) -> list[int]:
    """The levels worth trying, best first: every file is found there, and rather where both header names agree.

    A patch that only makes files would do so at any level; then the first of LEVELS it is.
    """
    counts = {level: count_found(files, level, tree) for level in LEVELS}
    most = max(-1 if count is None else count for count in counts.values())
    viable = [level for level, count in counts.items() if count == most]
    if most < 1:
        return viable[:1] if most == 0 else [1]
    agreeing = [level for level in viable if all(names_agree(patch, level) for patch in files)]
    return list(dict.fromkeys([*agreeing, *viable]))


def count_found(files: Sequence[FilePatch], level: int, tree: Container[bytes]) -> int | None:
    """How many files are there at this level; None if one has no name, or is not there and must be."""
    overlay = Overlay(tree)
    count = 0
    for patch in files:
        if patch.stub and not patch.lineless:
            continue
        target = resolve_one(patch, level, overlay)
        if target is None or (target.old is not None and target.old not in overlay and target.old not in tree):
            return None
        count += target.old is not None
        overlay.take(target)
    return count


def parents(path: bytes) -> Iterator[bytes]:
    """The folders that a path lies in, the nearest first."""
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        yield path


def check_path(path: bytes, name: str, line: int) -> None:
    """Refuse a path that leaves the tree or enters a repository's own folder."""
    if path.startswith(b"/") or any(unsafe(part) for part in path.split(b"/")):
        raise MetadiffError(
            f"{name}:{line}: unsafe path {show(path)}", "look at the patch; give the level with --strip N"
        )


def unsafe(part: bytes) -> bool:
    """Whether a component of a path is none, climbs, or is `.git` to some file system."""
    if part in (b"", b".", b".."):
        return True
    name = IGNORED.sub("", part.decode("utf-8", "replace")).partition(":")[0].rstrip(". ").lower()
    return name in (".git", "git~1")


def show(path: bytes) -> str:
    """A path for a message."""
    return path.decode("utf-8", "backslashreplace")
