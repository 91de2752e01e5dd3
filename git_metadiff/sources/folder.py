"""A folder of patches, on disk or in a tree of git: the one thing that quilt series are read through."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git


class Folder(Protocol):
    """Files by name."""

    name: str

    def names(self) -> list[str]:
        """The names of its files, sorted."""

    def read(self, name: str) -> bytes | None:
        """The content of a file below it, or None."""


class DiskFolder:
    """A folder on disk."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    def names(self) -> list[str]:
        """The names of its files, sorted."""
        return sorted(entry.name for entry in self.path.iterdir() if entry.is_file())

    def read(self, name: str) -> bytes | None:
        """The content of a file below it, or None."""
        path = self.path / name
        return read_file(path) if path.is_file() else None


class TreeFolder:
    """A folder in a tree of git. `spec` names the tree (`REV:PATH`, resolved)."""

    def __init__(self, git: Git, tree: str, name: str) -> None:
        self.git = git
        self.tree = tree
        self.name = name

    def names(self) -> list[str]:
        """The names of its files, sorted."""
        out = self.git.run("ls-tree", "-z", self.tree)
        records = [record.split(b"\t", 1) for record in out.split(b"\0") if record]
        return sorted(name.decode("utf-8", "surrogateescape") for meta, name in records if b" blob " in meta)

    def read(self, name: str) -> bytes | None:
        """The content of a file below it, or None."""
        result = self.git.try_run("cat-file", "blob", f"{self.tree}:{name.removeprefix('./')}")
        return result.out if result.status == 0 else None


def read_file(path: Path) -> bytes:
    """The content of a file; one that cannot be read raises MetadiffError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise MetadiffError(f"cannot read {path}: {error.strerror}", "check the name and its permissions") from error
