"""RELEASE: a revision of the repository, a directory, or a tarball."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git
from git_metadiff.sources.archive import import_archive, import_directory, is_archive
from git_metadiff.sources.folder import check_same, is_there

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class ReleaseSource:
    """A release as the user named it, found but not imported."""

    name: str
    tree: str = ""  # id, for a revision
    path: Path | None = None
    sha256: str = ""  # of an archive that was verified: what is imported must have it too

    @property
    def key(self) -> str | None:
        """What tells two sources apart without importing them; None for a directory, which must be read for that."""
        if self.tree:
            return f"tree {self.tree}"
        if self.path is not None and self.path.is_file():
            with self.path.open("rb") as file:
                return f"archive {hashlib.file_digest(file, 'sha256').hexdigest()}"
        return None


def find_release(argument: str, user: Git, cwd: Path) -> ReleaseSource:
    """Find what RELEASE names: a path if it says so by a leading `.` or `/`, else a revision or a path, never both."""
    path = cwd / argument
    explicit = argument.startswith(("./", "../", "/")) or argument in (".", "..")
    tree = None if explicit or not argument else user.resolve(argument, "tree")
    exists = bool(argument) and is_there(path)
    if tree is not None and exists:
        raise MetadiffError(
            f"'{argument}' is both a revision and a path",
            f"write './{argument}' for the path, or the full name of the ref",
        )
    if tree is not None:
        return ReleaseSource(argument, tree)
    if not exists:
        raise MetadiffError(
            f"'{argument}' is neither a revision nor a path",
            "name a release by a tag, a directory or a tarball; 'git tag' lists the tags",
        )
    if path.is_dir():
        return ReleaseSource(path.resolve().name, "", path)
    if not is_archive(path):
        raise MetadiffError(
            f"'{argument}' is no archive that can be read",
            "a release is a .tar, .tar.gz, .tar.xz, .tar.bz2 or .tar.zst file",
        )
    return ReleaseSource(path.name, "", path)


def import_release(source: ReleaseSource, writer: FastImport, number: int, progress: Progress | None) -> str:
    """Bring a release into the scratch repository; return its tree id, or the mark of a commit that holds it."""
    if source.path is None:
        return source.tree

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(f"importing {source.name}", done, total)

    ref = f"refs/import/{number}"
    if source.path.is_dir():
        return import_directory(source.path, writer, ref, report)
    state = hashlib.sha256()
    mark = import_archive(source.path, writer, ref, report, state.update if source.sha256 else None)
    if source.sha256:
        check_same(source.path, source.sha256, state.hexdigest())
    return mark
