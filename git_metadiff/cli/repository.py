"""Which repository the user means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_metadiff.errors import MetadiffError
from git_metadiff.git import check_git_version


class Place(NamedTuple):
    """Where the command runs."""

    git_dir: Path | None  # the repository's own folder (of a linked worktree: the worktree's); None outside any
    top: bytes = b""  # the top of the work tree; empty if there is none
    prefix: bytes = b""  # the current folder below the top, `a/b/` or empty


def current_folder() -> Path:
    """The current folder; MetadiffError if it was removed."""
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise MetadiffError("the current folder no longer exists", "change to a folder that does") from error


def find_place(environ: Mapping[str, str], cwd: Path) -> Place:
    """Find the repository around `cwd`, or the one that GIT_DIR names."""
    check_git_version(environ)
    import git

    named = environ.get("GIT_DIR")
    try:
        repository = git.Repo(named or cwd, search_parent_directories=not named)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError) as error:
        if named:
            raise MetadiffError(f"not a git repository: '{named}'", "check GIT_DIR or --git-dir") from error
        return Place(None)
    git_dir = Path(os.path.abspath(repository.git_dir))
    work_tree = repository.working_tree_dir
    repository.close()
    if work_tree is None:
        return Place(git_dir)
    top, here = (os.fsencode(os.path.realpath(folder)) for folder in (work_tree, cwd))
    return Place(git_dir, top, prefix_below(top, here))


def prefix_below(top: bytes, here: bytes) -> bytes:
    """The folder `here` relative to `top`, with a slash at its end; empty if it is not below it."""
    if here == top or not here.startswith(top.rstrip(b"/") + b"/"):
        return b""
    return os.path.relpath(here, top) + b"/"
