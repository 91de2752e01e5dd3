"""The folder of a forward port: written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from git_metadiff.errors import MetadiffError
from git_metadiff.forward.words import Written

EMPTY = "name a folder that does not exist yet, or an empty one"


def check_folder(path: Path) -> None:
    """Raise MetadiffError if a series cannot be written to `path`, before any work is done."""
    try:
        if path.is_symlink() and not path.exists():
            raise MetadiffError(f"'{path}' is a link that leads nowhere", EMPTY)
        if path.exists() and not path.is_dir():
            raise MetadiffError(f"'{path}' is there already, and no folder", EMPTY)
        if path.is_dir() and any(path.iterdir()):
            raise MetadiffError(f"the folder '{path}' is not empty", EMPTY)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error


def write_folder(path: Path, files: Sequence[Written]) -> None:
    """Write the files to a temporary folder, which becomes `path` at the very end.

    A folder that is there, and empty, stays the folder it is: somebody may stand in it, or a disk be mounted there.
    """
    try:
        target = Path(os.path.realpath(path))
        there = target.is_dir()
        parent = target if there else target.parent
        parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=parent))
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from error
    try:
        fill(fresh, files)
        if there:
            move_into(fresh, target)
        else:
            os.rename(fresh, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            shutil.rmtree(fresh)
        if isinstance(error, OSError | ValueError):
            raise cannot_write(path, error) from error
        raise


def fill(folder: Path, files: Sequence[Written]) -> None:
    """Write the files, and give the folder the permissions of an ordinary one."""
    for file in files:
        place = folder / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)


def move_into(fresh: Path, target: Path) -> None:
    """Move what is in `fresh` into the folder `target` around it, if nothing else is there; `series` comes last."""
    if any(entry != fresh for entry in target.iterdir()):
        raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
    moved = []
    try:
        for entry in sorted(fresh.iterdir(), key=lambda one: (one.name == "series", one.name)):
            os.rename(entry, target / entry.name)
            moved.append(entry.name)
        fresh.rmdir()
    except BaseException:
        for name in moved:
            os.rename(target / name, fresh / name)
        raise


def cannot_write(path: Path, error: Exception) -> MetadiffError:
    """The error for a folder that cannot be written."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return MetadiffError(f"cannot write the folder '{path}': {said}", f"{EMPTY}, on a disk that has room")
