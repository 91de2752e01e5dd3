"""A folder of patches, on disk or in a tree of git: the one thing that quilt series are read through."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git


class Folder(Protocol):
    """Files by name."""

    name: str

    def names(self) -> list[str]:
        """The names of its files, sorted."""

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of files, by their paths from here; None for one that is not there."""


class DiskFolder:
    """A folder on disk."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    def names(self) -> list[str]:
        """The names of its files, sorted."""
        try:
            return sorted(entry.name for entry in self.path.iterdir() if entry.is_file())
        except OSError as error:
            raise unreadable(self.path, error) from error

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of files, by their paths from here; None for one that is not there."""
        paths = [self.path / name for name in names]
        return [read_file(path) if is_there(path) and path.is_file() else None for path in paths]


class TreeFolder:
    """The folder `prefix` (empty: the top) of the tree `root` in git."""

    def __init__(self, git: Git, root: str, prefix: str, name: str) -> None:
        self.git = git
        self.root = root
        self.prefix = prefix
        self.name = name

    def names(self) -> list[str]:
        """The names of its files, sorted."""
        out = self.git.run("ls-tree", "-z", f"{self.root}:{self.prefix}")
        records = [record.split(b"\t", 1) for record in out.split(b"\0") if record]
        return sorted(name.decode("utf-8", "surrogateescape") for meta, name in records if b" blob " in meta)

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of files, by their paths from here; links within the tree are followed."""
        paths = [posixpath.normpath(posixpath.join(self.prefix, name)) for name in names]
        asked = "".join(f"{self.root}:{path}\n" for path in paths).encode("utf-8", "surrogateescape")
        out = self.git.run("cat-file", "--batch", "--follow-symlinks", stdin=asked)
        found = []
        at = 0
        for _ in paths:
            content, at = next_object(out, at)
            found.append(content)
        return found


def next_object(out: bytes, at: int) -> tuple[bytes | None, int]:
    """The file at `at` in the output of `cat-file --batch --follow-symlinks`, and where the next one begins."""
    end = out.index(b"\n", at)
    header = out[at:end]
    if header.endswith((b" missing", b" ambiguous")):
        return None, end + 1
    words = header.split(b" ")  # `<id> blob <size>`, or `dangling <size>` and other words for a link to nowhere
    stop = end + 1 + int(words[-1])
    return out[end + 1 : stop] if words[1] == b"blob" else None, stop + 1


def is_there(path: Path) -> bool:
    """Whether a path exists; one that cannot be looked at (no permission, a name too long) does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_file(path: Path) -> bytes:
    """The content of a file; one that cannot be read raises MetadiffError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: OSError) -> MetadiffError:
    """The error for a file or folder that is there and cannot be read."""
    return MetadiffError(f"cannot read {path}: {error.strerror}", "check the name and its permissions")
