"""Folders and files in or beside a repository, made, replaced and removed whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from git_metadiff.git.failures import write_failed
from git_metadiff.git.process import Git


def make_folder(parent: Path, prefix: str) -> Path:
    """A new temporary folder."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise write_failed(parent, error) from error


def remove_folder(folder: Path) -> None:
    """Remove a folder; a git that is dying may put something there while we are at it."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def replace_file(path: Path, content: bytes, workplace: Path) -> None:
    """Write a file of the repository whole or not at all, by way of a file in the folder `workplace`."""
    fresh = workplace / path.name
    try:
        fresh.write_bytes(content)
        os.replace(fresh, path)
    except OSError as error:
        raise write_failed(path.parent, error) from error


def make_bare(path: Path, environ: Mapping[str, str]) -> None:
    """Make a bare repository at `path`, or find that another process just did."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as folder:
            made = Git(Path(folder) / "made", environ)
            made.git_dir.mkdir()
            made.run("init", "-q", "--bare", "--template=")
            os.rename(made.git_dir, path)
    except OSError as error:
        if not (path / "HEAD").is_file():
            raise write_failed(path, error) from error
