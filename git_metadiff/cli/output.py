"""Writing bytes to the terminal, a pipe or a pager."""

from __future__ import annotations

import os
from collections.abc import Iterable

from git_metadiff.errors import MetadiffError

CHUNK = 1 << 16


class OutputClosed(Exception):
    """Nobody reads the output any more (`git metadiff … | head`, or a pager that was left)."""


def write_all(data: bytes | bytearray, descriptor: int = 1) -> None:
    """Write all of `data` at once; raise OutputClosed when the reader is gone.

    The descriptor is written directly: Python's own standard output would try once more at exit, and complain.
    """
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError as error:
        raise OutputClosed from error
    except OSError as error:
        raise MetadiffError(
            f"cannot write the output: {error.strerror}", "check the disk, file or pipe that the output goes to"
        ) from error


def write_lines(lines: Iterable[bytes], descriptor: int = 1) -> None:
    """Write what `lines` yields, in large pieces, as it comes."""
    pending = bytearray()
    for line in lines:
        pending += line
        if len(pending) >= CHUNK:
            write_all(pending, descriptor)
            pending = bytearray()
    write_all(pending, descriptor)
