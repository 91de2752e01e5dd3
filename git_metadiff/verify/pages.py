"""A file read through the page cache and past it, and the frames of memory in which its cached pages lie.

The page cache is what every ordinary reading gets. Past it leads O_DIRECT, which neither uses cached pages nor drops
them; where a file system has none, the file's own clean pages are dropped first (posix_fadvise), so that the next
reading comes from the disk. A file in memory (tmpfs) has no other copy at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from git_metadiff.errors import MetadiffError
from git_metadiff.sources.folder import unreadable
from git_metadiff.verify.digests import open_checked

PAGE = mmap.PAGESIZE
#: File systems without a disk behind them.
IN_MEMORY = frozenset(("tmpfs", "ramfs", "devtmpfs", "hugetlbfs"))
#: Bytes read in one step.
STEP = 1 << 20
#: How the disk is read: past the cache, after dropping cached pages, or not at all.
Way = Literal["direct", "dropped", "none"]

PAGEMAP = "/proc/self/pagemap"
PRESENT = 1 << 63
FRAME = (1 << 55) - 1
#: What keeps a process without CAP_SYS_ADMIN from frame numbers: Linux then gives zeros.
NO_FRAMES = "the frame numbers of pages are for the superuser alone (CAP_SYS_ADMIN)"


@dataclass(frozen=True, slots=True)
class State:
    """What changes when somebody writes a file."""

    size: int
    mtime_ns: int


class Pages(Protocol):
    """A file that is looked at page by page. Offsets and lengths are multiples of the page size, but for the end."""

    way: Way

    def state(self) -> State:
        """What the file looks like from outside."""

    def cached(self, at: int, length: int) -> bytes:
        """Bytes through the page cache; fewer at the end of the file."""

    def disk(self, at: int, length: int) -> bytes | None:
        """Bytes from the disk; fewer at the end; None where there is no other way than through the cache."""

    def frames(self, at: int, count: int) -> Sequence[int | None]:
        """The numbers of the frames that hold `count` cached pages from the one at `at`; None where not known."""


class RealPages:
    """A file of this machine."""

    def __init__(self, path: Path, *, may_be_direct: bool = True) -> None:
        self.path = path
        self._cached = open_checked(path)
        self._direct: int | None = None
        self._buffer = mmap.mmap(-1, STEP)  # aligned, as O_DIRECT wants it
        self._frames = Frames(self._cached)
        self.frames_said = self._frames.said
        self.way: Way = self._find_way(may_be_direct)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.close()
        os.close(self._cached)
        if self._direct is not None:
            os.close(self._direct)
        self._buffer.close()

    def state(self) -> State:
        """What the file looks like from outside."""
        found = os.fstat(self._cached)
        return State(found.st_size, found.st_mtime_ns)

    def cached(self, at: int, length: int) -> bytes:
        """Bytes through the page cache."""
        return self._read(self._cached, at, length)

    def disk(self, at: int, length: int) -> bytes | None:
        """Bytes from the disk, as `way` tells."""
        if self._direct is not None:
            return self._read(self._direct, at, length)
        if self.way == "none":
            return None
        with contextlib.suppress(OSError):  # what is not yet written is not dropped
            os.fdatasync(self._cached)
        os.posix_fadvise(self._cached, at, length, os.POSIX_FADV_DONTNEED)
        return self._read(self._cached, at, length)

    def frames(self, at: int, count: int) -> Sequence[int | None]:
        """The frames of cached pages."""
        return self._frames.of(at, count)

    def _find_way(self, may_be_direct: bool) -> Way:
        if kind_of(os.fstat(self._cached).st_dev) in IN_MEMORY:
            return "none"  # where O_DIRECT may be had, and reads the same pages
        if may_be_direct and self._open_direct():
            return "direct"
        return "dropped"

    def _open_direct(self) -> bool:
        """Open the file past the cache; some file systems refuse only the first reading."""
        try:
            self._direct = os.open(self.path, os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC | os.O_NONBLOCK)
            if os.path.sameopenfile(self._direct, self._cached):
                os.preadv(self._direct, [memoryview(self._buffer)[:PAGE]], 0)
                return True
        except OSError:
            pass
        if self._direct is not None:
            os.close(self._direct)
            self._direct = None
        return False

    def _read(self, descriptor: int, at: int, length: int) -> bytes:
        """Bytes from a descriptor; a reading may give fewer than asked for before the end, so it goes on."""
        found: list[bytes] = []
        done = 0
        try:
            with memoryview(self._buffer) as view:
                while done < length:
                    got = os.preadv(descriptor, [view[: length - done]], at + done)
                    found.append(bytes(view[:got]))
                    done += got
                    if got == 0 or got % PAGE:  # the end: O_DIRECT cannot go on from anywhere else
                        break
        except OSError as error:
            if error.errno != errno.EIO:
                raise unreadable(self.path, error) from error
            raise MetadiffError(
                f"cannot read {self.path} between {at} and {at + length}: {error.strerror}",
                "the disk itself reports an error: see the kernel's log",
            ) from error
        return b"".join(found)


def kind_of(device: int) -> str:
    """The type of the file system with this device number; empty if nobody tells."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            found = re.match(r"\d+ \d+ (\S+) .* - (\S+) ", line)
            if found and found[1] == wanted:
                return found[2]
    return ""


class Frames:
    """Numbers of the frames that cached pages of one file lie in, from /proc/self/pagemap."""

    def __init__(self, descriptor: int) -> None:
        self._file = descriptor
        self._map: int | None = None
        #: Why there are none, in words; empty if there are.
        self.said = ""
        self._library = ctypes.CDLL(None, use_errno=True)
        self._library.mmap.restype = ctypes.c_void_p
        try:
            self._map = os.open(PAGEMAP, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self.said = f"no frame numbers of pages: {PAGEMAP}: {error.strerror}"
        else:
            if not may_see_frames(self._map):
                self.close()
                self.said = NO_FRAMES

    def close(self) -> None:
        """Let go of the map."""
        if self._map is not None:
            os.close(self._map)
            self._map = None

    def of(self, at: int, count: int) -> Sequence[int | None]:
        """The frames of `count` pages from the one at `at`; None for a page without one, and for all if not allowed."""
        if self._map is None:
            return [None] * count
        with self._mapped(at, count * PAGE) as address:
            if address is None:
                return [None] * count
            entries = os.pread(self._map, count * 8, address // PAGE * 8)
        found = struct.unpack(f"={len(entries) // 8}Q", entries[: len(entries) // 8 * 8])
        frames = [entry & FRAME if entry & PRESENT and entry & FRAME else None for entry in found]
        return frames + [None] * (count - len(frames))

    @contextlib.contextmanager
    def _mapped(self, at: int, length: int) -> Iterator[int | None]:
        """Map a part of the file while its frames are read.

        Python's own mmap tells no address of a map that is only read. MAP_POPULATE brings the pages in without a touch
        of ours, which would kill the process where the file has become shorter.
        """
        size, offset = ctypes.c_size_t(length), ctypes.c_long(at)
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        address = self._library.mmap(None, size, mmap.PROT_READ, flags, self._file, offset)
        if address is None or address == ctypes.c_void_p(-1).value:
            yield None
            return
        try:
            yield address
        finally:
            self._library.munmap(ctypes.c_void_p(address), size)


def may_see_frames(descriptor: int) -> bool:
    """Whether Linux tells this process frame numbers: a page of its own must have one."""
    own = ctypes.create_string_buffer(b"\1" * PAGE)
    entry = os.pread(descriptor, 8, ctypes.addressof(own) // PAGE * 8)
    return len(entry) == 8 and struct.unpack("=Q", entry)[0] & FRAME != 0
