"""What a git process gave, and the error for each way in which git, a disk or a folder fails."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_metadiff.errors import MetadiffError

FULL = ("no space left", "out of diskspace", "disk quota exceeded")
FREE_SPACE = "free some disk space and run the command again; nothing was changed"
OPEN_FILES = "raise the limit of open files (ulimit -n)"
FILE_SIZE = "raise the limit of file sizes (ulimit -f)"
WRITE_ACCESS = "git metadiff needs write access to the repository"
FSCK = "check the repository with 'git fsck', then run the command again"

#: What git says of an object that is gone or damaged.
UNREADABLE = re.compile(rb"(unable to (read|find)|(failed to|could not) read|bad object|corrupt).*[0-9a-f]{40}", re.I)


@dataclass(frozen=True, slots=True)
class GitResult:
    """What one git process gave: exit status, standard output and standard error as bytes."""

    status: int
    out: bytes
    err: bytes

    def last_words(self) -> str:
        """The last line of standard error, for a message."""
        lines = self._lines()
        return lines[-1] if lines else self._ending()

    def complaint(self) -> str:
        """What git says is wrong, without its `fatal: `: the first such line, because advice may follow it."""
        lines = self._lines()
        for start in ("fatal: ", "error: "):
            for line in lines:
                if line.startswith(start):
                    return line.removeprefix(start)
        return self.last_words()

    def _lines(self) -> list[str]:
        return self.err.decode("utf-8", "replace").strip().splitlines()

    def _ending(self) -> str:
        if self.status >= 0:
            return f"exit status {self.status}"
        return f"killed by {signal.Signals(-self.status).name}"


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written there; git does not always say that this was the reason."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 1 << 14 or 0 == disk.f_favail < disk.f_files


def git_failed(git_dir: Path, arguments: Sequence[str | bytes], result: GitResult) -> MetadiffError:
    """The error for a git process that failed where it never should, or because the machine is out of something."""
    words = result.complaint()
    name = next((os.fsdecode(word) for word in arguments if not os.fsdecode(word).startswith("-")), "git")
    everything = os.fsdecode(result.err).lower()
    if any(sign in everything for sign in FULL) or is_full(git_dir):
        return MetadiffError(f"git {name}: {words}", FREE_SPACE)
    if result.status == -signal.SIGXFSZ or "file too large" in everything:
        return MetadiffError(f"git {name}: a file grew too large", FILE_SIZE)
    if result.status == -signal.SIGKILL or "out of memory" in everything:
        return MetadiffError(f"git {name}: {words}", "out of memory, it seems: run it on a machine with more")
    if any(sign in everything for sign in ("permission denied", "read-only", "unable to create directory")):
        return MetadiffError(f"git {name}: {words}", WRITE_ACCESS)
    if "promisor" in everything:
        return MetadiffError(f"git {name}: {words}", "this is a partial clone: its remote must be reachable")
    return MetadiffError(f"git {name} failed: {words}", FSCK)


def write_failed(path: Path | str | bytes, error: OSError) -> MetadiffError:
    """The error for a file or folder of the repository that cannot be written."""
    hint = "check that this folder still exists, and the disk that it is on"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = FREE_SPACE
    elif error.errno == errno.EFBIG:
        hint = FILE_SIZE
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = WRITE_ACCESS
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        hint = OPEN_FILES
    return MetadiffError(f"cannot write to {os.fsdecode(path)}: {error.strerror}", hint)


@contextlib.contextmanager
def start_error_named() -> Iterator[None]:
    """Turn a git that cannot be started into our own error."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename is not None and os.fsdecode(error.filename) != "git":  # the folder to run it in
            raise write_failed(error.filename, error) from error
        raise MetadiffError("cannot run git", "install git 2.38 or later and put it on PATH") from error
    except OSError as error:
        hint = OPEN_FILES if error.errno in (errno.EMFILE, errno.ENFILE) else "put a git that runs here on PATH"
        raise MetadiffError(f"cannot run git: {error.strerror}", hint) from error
