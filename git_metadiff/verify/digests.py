"""Digests of files: one reading, whatever the number of algorithms, in bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from git_metadiff.errors import MetadiffError
from git_metadiff.sources.folder import unreadable

#: The algorithms of sums files, by the number of hexadecimal digits.
BY_LENGTH = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
#: Those whose collisions are cheap: they tell damage, and no longer who made a file.
WEAK = frozenset(("md5", "sha1"))
#: The algorithm that is always computed, and kept.
MAIN_ALGORITHM = "sha256"
#: Bytes read in one step: large, so that hashing, and not the calls, takes the time.
STEP = 1 << 20

#: Told how far a reading is: bytes read so far, bytes in all.
Progress = Callable[[int, int], None]


class Digester:
    """Several digests of one stream of bytes."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        names = dict.fromkeys([MAIN_ALGORITHM, *algorithms])
        # not for security: a Python built for FIPS refuses md5 otherwise, and old sums files have nothing else
        self._states = {name: hashlib.new(name, usedforsecurity=False) for name in names}

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        for state in self._states.values():
            state.update(data)

    def result(self) -> dict[str, str]:
        """The digests in hexadecimal digits, by algorithm."""
        return {name: state.hexdigest() for name, state in self._states.items()}


def open_checked(path: Path) -> int:
    """A descriptor of a regular file, for reading; anything else raises MetadiffError."""
    try:  # a FIFO would be waited for; O_NONBLOCK means nothing to a regular file
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:  # a name with a NUL
        raise MetadiffError(f"cannot read {path}: no such name", "check the name") from error
    try:
        check_regular(path, os.fstat(descriptor).st_mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """A regular file, open for reading without a buffer. Errors while it is read are turned into our own too."""
    with os.fdopen(open_checked(path), "rb", buffering=0) as file:
        try:
            yield file
        except OSError as error:
            raise unreadable(path, error) from error


def check_regular(path: Path, mode: int) -> None:
    """Raise MetadiffError for what is no regular file, whose bytes would not be the same twice."""
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"))
    if not stat.S_ISREG(mode):
        what = next((words for test, words in kinds if test(mode)), "a FIFO or socket")
        raise MetadiffError(f"{path} is {what}, not a file", "only regular files have a digest to verify")


def digest_file(path: Path, algorithms: Iterable[str], progress: Progress | None = None) -> tuple[int, dict[str, str]]:
    """The size of a file, and its digests by algorithm; SHA-256 is always among them.

    Raises MetadiffError if it cannot be read, is no regular file, or shrinks while it is read.
    """
    digester = Digester(algorithms)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        done = 0
        for piece in pieces(file):
            digester.update(piece)
            done += len(piece)
            if progress is not None:
                progress(done, max(size, done))
    if done < size:
        raise shrunk(path)
    return done, digester.result()


def pieces(file: IO[bytes]) -> Iterator[memoryview]:
    """The bytes of an open file in pieces, each to be used before the next one is asked for."""
    view = memoryview(bytearray(STEP))
    while length := os.readv(file.fileno(), [view]):
        yield view[:length]


def shrunk(path: Path) -> MetadiffError:
    """The error for a file that became shorter."""
    return MetadiffError(f"{path} became shorter while it was read", "something writes it: let that end, and try again")
