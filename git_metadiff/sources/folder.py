"""A folder of patches, on disk or in a tree of git: the one thing that quilt series are read through."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git


class Folder(Protocol):
    """Files by name."""

    name: str

    def names(self) -> list[str]:
        """The names of its files and links, sorted."""

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of files, by their paths from here; None for one that is not there."""


class DiskFolder:
    """A folder on disk."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name

    def names(self) -> list[str]:
        """The names of its files and links, sorted."""
        try:
            return sorted(entry.name for entry in self.path.iterdir() if entry.is_symlink() or entry.is_file())
        except OSError as error:
            raise unreadable(self.path, error) from error

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of files, by their paths from here; None for one that is not there."""
        paths = [self.path / name for name in names]
        return [read_file(path) if is_there(path) and path.is_file() else None for path in paths]


class TreeFolder:
    """The folder `prefix` (empty: the top) of the tree `root` in git. Links within the tree are followed."""

    def __init__(self, git: Git, root: str, prefix: str, name: str) -> None:
        self.git = git
        self.root = root
        self.prefix = prefix
        self.name = name

    def tree(self) -> str | None:
        """The id of this folder's tree, or None if it is no folder."""
        found = re.fullmatch(rb"([0-9a-f]{40,64}) tree \d+\n", self._ask("--batch-check", [self.prefix]))
        return found[1].decode() if found else None

    def names(self) -> list[str]:
        """The names of its files and links, sorted."""
        out = self.git.run("ls-tree", "-z", self.tree() or "")
        records = [record.split(b"\t", 1) for record in out.split(b"\0") if record]
        return sorted(name.decode("utf-8", "surrogateescape") for meta, name in records if b" blob " in meta)

    def read(self, names: Sequence[str]) -> list[bytes | None]:
        """The contents of files, by their paths from here; None for one that is not there."""
        inside = [inner_path(self.prefix, name) for name in names]
        paths = [path for path in inside if path is not None]
        out = self._ask("--batch", paths)
        found: list[bytes | None] = []
        at = 0
        for path in inside:
            content = None
            if path is not None:
                content, at = next_object(out, at, self._object(path))
            found.append(content)
        return found

    def _ask(self, form: str, paths: Sequence[str]) -> bytes:
        asked = b"".join(self._object(path) + b"\0" for path in paths)
        return self.git.run("cat-file", form, "--follow-symlinks", "-z", stdin=asked)

    def _object(self, path: str) -> bytes:
        return f"{self.root}:{path}".encode("utf-8", "surrogateescape")


def inner_path(prefix: str, name: str) -> str | None:
    """The path of a file as `REV:PATH` takes it; None for one outside the tree. A `..` stays: it may follow a link."""
    parts = [part for part in posixpath.join(prefix, name).split("/") if part not in ("", ".")]
    return None if name.startswith("/") or "\0" in name or parts[:1] == [".."] else "/".join(parts)


def next_object(out: bytes, at: int, asked: bytes) -> tuple[bytes | None, int]:
    """The file `asked` at `at` in the output of `cat-file --batch --follow-symlinks`, and where the next one begins."""
    missing = asked + b" missing\n"
    if out.startswith(missing, at):
        return None, at + len(missing)
    end = out.index(b"\n", at)
    words = out[at:end].split(b" ")  # `<id> blob <size>`, or `dangling <size>` and other words for a link to nowhere
    stop = end + 1 + int(words[-1])
    return out[end + 1 : stop] if words[1] == b"blob" else None, stop + 1


def is_there(path: Path) -> bool:
    """Whether a path exists; one that cannot be looked at (no permission, a name too long) does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def read_file(path: Path, verified: str = "") -> bytes:
    """The content of a file; one that cannot be read, or has not the SHA-256 `verified`, raises MetadiffError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    if verified:
        check_same(path, verified, hashlib.sha256(data).hexdigest())
    return data


def check_same(path: Path, verified: str, found: str) -> None:
    """Raise MetadiffError if what was read of a file is not what was verified: no two readings need be the same."""
    if verified != found:
        raise MetadiffError(
            f"{path}: it was verified, and then read otherwise (SHA-256 {found})",
            f"'git metadiff verify --pages {path}' tells whether the disk or the memory of this machine is at fault",
        )


def unreadable(path: Path, error: OSError) -> MetadiffError:
    """The error for a file or folder that is there and cannot be read."""
    return MetadiffError(f"cannot read {path}: {error.strerror}", "check the name and its permissions")
