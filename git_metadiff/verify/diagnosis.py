"""Why a file does not verify: is it wrong on the disk, is a cached page wrong, or does it change while nobody writes?

The file is read several times through the page cache, and from the disk the first and the last time and wherever a
reading differs from the one before. What is kept of a reading is a digest for every page, so that memory does not grow
with the number of readings; of pages that differ, the contents are kept too, for as many as a person can look at.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from git_metadiff.verify.digests import MAIN_ALGORITHM, Digester
from git_metadiff.verify.pages import PAGE, Pages, State

Verdict = Literal["sound", "wrong on disk", "cache differs from disk", "unstable", "written"]
#: From the mildest to the worst; a file has the worst of its verdicts.
VERDICTS: tuple[Verdict, ...] = ("sound", "wrong on disk", "cache differs from disk", "unstable", "written")
Side = Literal["cache", "disk"]

DIGEST = 16  # bytes of a page's digest
#: Bytes read at once.
CHUNK = 1 << 20
#: Digests are kept for so many units: pages, and of a file with more pages, runs of 2, 4, 8 ... pages. 16 MiB in all.
MOST_UNITS = 1 << 20
#: A file of up to so many bytes is kept as the first reading gave it, so that no content is gone when it changes.
KEPT_WHOLE = 16 << 20
#: Pages whose contents are kept; of others that differ, the numbers alone.
MOST_KEPT = 256
#: Contents kept of one page, of each side.
MOST_CONTENTS = 8

#: Told how far a reading is: its number, bytes done, bytes in all.
Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of the whole file."""

    number: int  # from 1
    began: float  # seconds since the first one began
    ended: float
    cached: Mapping[str, str]  # digests of the file by algorithm, as the page cache gave it
    disk: Mapping[str, str] | None  # as the disk gave it; None where it was not read


@dataclass(frozen=True, slots=True)
class Content:
    """What a page was seen to hold."""

    side: Side
    reading: int  # in which this was first seen
    data: bytes
    frame: int | None = None  # where it was, of a cached page

    @property
    def digest(self) -> str:
        """MD5, as the tools of the kernel's side print it for a page."""
        return page_digest(self.data).hex()


@dataclass(slots=True)
class SuspectPage:
    """A page that was not always the same, or not the same everywhere."""

    index: int
    contents: list[Content] = field(default_factory=list)
    cache_changed: bool = False  # between two readings through the cache
    disk_changed: bool = False  # between two readings from the disk
    differs: bool = False  # the cache from the disk, at one time

    @property
    def stable(self) -> bool:
        """Whether every reading of the same side gave the same."""
        return not self.cache_changed and not self.disk_changed

    @property
    def good(self) -> Content:
        """What the others are held against: what the disk held, else what was seen first."""
        return next((one for one in self.contents if one.side == "disk"), self.contents[0])

    def offsets(self) -> list[int]:
        """The bytes of the page that differ, by their offsets in it, in any two of its contents."""
        found: set[int] = set()
        for one in self.contents:
            found.update(differing(self.good.data, one.data))
        return sorted(found)

    def add(self, content: Content) -> None:
        """Keep what the page was seen to hold, unless the same was seen on that side before."""
        same_side = [one for one in self.contents if one.side == content.side]
        if len(same_side) < MOST_CONTENTS and all(one.data != content.data for one in same_side):
            self.contents.append(content)


@dataclass(slots=True)
class Diagnosis:
    """What a file was found to be. Its pages are numbered from 0."""

    size: int
    way: str
    readings: list[Reading] = field(default_factory=list)
    pages: dict[int, SuspectPage] = field(default_factory=dict)
    more: set[int] = field(default_factory=set)  # pages that differ beyond those whose contents are kept
    changed_units: list[tuple[int, int]] = field(default_factory=list)  # runs of pages in which one changed, unseen
    written: bool = False  # somebody wrote the file meanwhile
    expected: Mapping[str, str] = field(default_factory=dict)  # digest by algorithm
    every: list[PageLine] = field(default_factory=list)  # all units of the last reading, if asked for

    @property
    def page_size(self) -> int:
        """Bytes of a page."""
        return PAGE

    @property
    def seconds(self) -> float:
        """For how long it was looked at."""
        return self.readings[-1].ended

    @property
    def verdicts(self) -> list[Verdict]:
        """All that was found, the worst first."""
        pages = list(self.pages.values())
        found: set[Verdict] = set()
        if self.written:
            found.add("written")
        elif self.changed_units or not all(one.stable for one in pages) or not self.is_steady():
            found.add("unstable")
        if any(one.differs for one in pages):
            found.add("cache differs from disk")
        if self.is_right("disk") is False or (self.way == "none" and self.is_right("cache") is False):
            found.add("wrong on disk")
        return sorted(found or {"sound"}, key=VERDICTS.index, reverse=True)

    @property
    def verdict(self) -> Verdict:
        """The worst that was found."""
        return self.verdicts[0]

    def is_steady(self) -> bool:
        """Whether all readings of each side gave the same file."""
        cached = {one.cached[MAIN_ALGORITHM] for one in self.readings}
        disk = {one.disk[MAIN_ALGORITHM] for one in self.readings if one.disk is not None}
        return len(cached) == 1 and len(disk) <= 1

    def is_right(self, side: Side) -> bool | None:
        """Whether the last reading of a side gave the expected digests; None if there are none, or it was not read."""
        digests = self.last(side)
        if not self.expected or digests is None:
            return None
        return all(digests[name] == digest for name, digest in self.expected.items())

    def last(self, side: Side) -> Mapping[str, str] | None:
        """The digests of the file in the last reading of a side."""
        if side == "cache":
            return self.readings[-1].cached
        return next((one.disk for one in reversed(self.readings) if one.disk is not None), None)

    def common_offsets(self) -> list[int]:
        """The offsets that differ in every page whose contents are known: what a stray writer leaves."""
        sets = [set(one.offsets()) for one in self.pages.values()]
        return sorted(set.intersection(*sets)) if sets else []


@dataclass(frozen=True, slots=True)
class PageLine:
    """A page (of a large file, a run of them) in the last reading."""

    index: int
    count: int
    digest: str
    frame: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """How often to read."""

    readings: int = 3  # at least
    watch: float = 0.0  # seconds; readings go on until they have passed
    every: float = 1.0  # seconds between the beginnings of two readings
    list_all: bool = False  # whether to list every page


def diagnose(
    file: Pages,
    expected: Mapping[str, str],
    plan: Plan,
    progress: Progress | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Diagnosis:
    """Read a file as `plan` says, and tell where readings differ. `expected` are its right digests, as far as known.

    Raises MetadiffError if the file cannot be read.
    """
    state = file.state()
    result = Diagnosis(state.size, file.way, expected=expected)
    examiner = Examiner(file, state, result, progress)
    start = clock()
    for number in itertools.count(1):
        try:
            began = clock() - start
            last = number >= plan.readings and plan.watch - began < plan.every
            # a way that drops cached pages destroys what is looked for, so there the disk has its turn at the end
            with_disk = last or (number == 1 and file.way == "direct")
            cached, disk = examiner.read(number, with_disk=with_disk, list_all=last and plan.list_all)
            result.readings.append(Reading(number, began, clock() - start, cached, disk))
            if last or file.state().size < state.size:
                break
            if plan.watch:
                sleep(max(0.0, began + plan.every - (clock() - start)))
        except KeyboardInterrupt:  # who watches has seen enough: what was found until now counts
            if not plan.watch or not result.readings:
                raise
            break
    return result


class Examiner:
    """Reads a file again and again, and holds each reading against the one before."""

    def __init__(self, file: Pages, state: State, result: Diagnosis, progress: Progress | None) -> None:
        self.file = file
        self.state = state
        self.result = result
        self.progress = progress
        pages = -(-state.size // PAGE)
        self.step = unit_of(pages)  # pages of a unit
        self.chunk = max(CHUNK, self.step * PAGE)
        self.cached = bytearray()  # the digests of all units, one behind the other, of the last reading
        self.disk: dict[int, bytes] = {}  # what the disk gave for suspect pages, the last time
        self.whole: dict[int, bytes] = {}  # the first reading, of a small file
        self.digests: tuple[Digester, Digester] = (Digester(()), Digester(()))

    def read(
        self, number: int, *, with_disk: bool, list_all: bool
    ) -> tuple[Mapping[str, str], Mapping[str, str] | None]:
        """Read the file once; its digests, of the cache and of the disk if that was read."""
        names = list(self.result.expected)
        self.digests = Digester(names), Digester(names)
        with_disk = with_disk and self.file.way != "none"
        for at in range(0, self.state.size, self.chunk):
            wanted = min(self.chunk, self.state.size - at)
            data = self.file.cached(at, self.chunk)[:wanted]
            self.digests[0].update(data)
            self.examine(number, at, data, with_disk=with_disk, list_all=list_all)
            if self.progress is not None:
                self.progress(number, at + wanted, self.state.size)
            if len(data) < wanted:  # it has become shorter
                break
        if self.file.state() != self.state:
            self.result.written = True
        return self.digests[0].result(), self.digests[1].result() if with_disk else None

    def examine(self, number: int, at: int, data: bytes, *, with_disk: bool, list_all: bool) -> None:
        """Hold a piece of a reading against the last one, and against the disk."""
        changed = list(self.changes(number, at, data))
        disk = self.file.disk(at, self.chunk) if with_disk or changed else None
        disk = None if disk is None else disk[: len(data)]
        if with_disk and disk is not None:
            self.digests[1].update(disk)
        if number == 1 and self.state.size <= KEPT_WHOLE:
            self.whole[at] = data
        for unit in changed:
            self.change(number, at, unit, data, disk)
        if disk is not None and disk != data:
            self.differences(number, at, data, disk, changed)
        if disk is not None:
            self.check_disk(number, at, disk)
        if list_all:
            self.list_units(at, data)

    def changes(self, number: int, at: int, data: bytes) -> Iterator[int]:
        """The units of a piece whose digests are not those of the last reading; the digests are kept."""
        first = at // PAGE // self.step
        start = first * DIGEST
        digests = b"".join(map(page_digest, split(data, self.step * PAGE)))
        before = self.cached[start : start + len(digests)]
        self.cached[start : start + len(digests)] = digests
        if number > 1 and before != digests:
            for place in range(0, len(digests), DIGEST):
                if before[place : place + DIGEST] != digests[place : place + DIGEST]:
                    yield first + place // DIGEST

    def differences(self, number: int, at: int, data: bytes, disk: bytes, changed: Sequence[int]) -> None:
        """Note the pages that the cache and the disk hold differently.

        Where both held the same in the first reading and the cache still does, it is the disk that has changed.
        """
        for place, (one, other) in enumerate(zip(split(data, PAGE), split(disk, PAGE), strict=False), at // PAGE):
            if one == other:
                continue
            fresh = place not in self.result.pages and place // self.step not in changed
            page = self.page(place)
            if page is not None:
                page.differs = True
                page.disk_changed |= fresh and number > 1 and self.file.way == "direct"
                page.add(Content("disk", number, other))
                page.add(Content("cache", number, one, self.file.frames(place * PAGE, 1)[0]))

    def change(self, number: int, at: int, unit: int, data: bytes, disk: bytes | None) -> None:
        """Note what changed in a unit since the last reading through the cache."""
        seen = False
        for place in range(unit * self.step, (unit + 1) * self.step):
            now = slice_of(data, at, place)
            before = self.before(at, place)
            if not now or (self.step > 1 and (before == now or (before is None and place not in self.result.pages))):
                continue
            page = self.page(place)
            seen = True
            if page is None:
                continue
            page.cache_changed = True
            if before is not None:
                page.add(Content("cache", number - 1, before))
            if disk is not None:
                page.add(Content("disk", number, slice_of(disk, at, place)))
            page.add(Content("cache", number, now, self.file.frames(place * PAGE, 1)[0]))
        if not seen:
            self.result.changed_units.append((unit * self.step, self.step))

    def before(self, at: int, place: int) -> bytes | None:
        """What the cache gave for a page before, as far as that was kept."""
        page = self.result.pages.get(place)
        kept = [one.data for one in page.contents if one.side == "cache"] if page is not None else []
        if kept:
            return kept[-1]
        return slice_of(self.whole[at], at, place) if at in self.whole else None

    def check_disk(self, number: int, at: int, disk: bytes) -> None:
        """Note suspect pages for which the disk gives something else than it gave before."""
        for place in [place for place in self.result.pages if at <= place * PAGE < at + self.chunk]:
            now, page = slice_of(disk, at, place), self.result.pages[place]
            if self.disk.get(place, now) != now:
                page.disk_changed = True
                page.add(Content("disk", number, now))
            self.disk[place] = now

    def page(self, place: int) -> SuspectPage | None:
        """The record of a page; None if there are too many, then it is only counted."""
        found = self.result.pages.get(place)
        if found is None and len(self.result.pages) < MOST_KEPT:
            found = self.result.pages[place] = SuspectPage(place)
        if found is None:
            self.result.more.add(place)
        return found

    def list_units(self, at: int, data: bytes) -> None:
        """List all units of a piece."""
        count = -(-len(data) // PAGE)
        frames = self.file.frames(at, count)
        for place, unit in enumerate(split(data, self.step * PAGE)):
            pages = -(-len(unit) // PAGE)
            line = PageLine(at // PAGE + place * self.step, pages, page_digest(unit).hex(), frames[place * self.step])
            self.result.every.append(line)


def unit_of(pages: int) -> int:
    """How many pages share a digest: 1, or the least power of two that keeps the number of digests bounded."""
    step = 1
    while pages > step * MOST_UNITS:
        step *= 2
    return step


def page_digest(data: bytes) -> bytes:
    """The digest of a page: MD5, which the module that prints digests of cached pages uses too."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def split(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in pieces."""
    return (data[at : at + size] for at in range(0, len(data), size))


def slice_of(data: bytes, at: int, place: int) -> bytes:
    """The page `place` of a piece of the file that begins at `at`."""
    start = place * PAGE - at
    return data[start : start + PAGE]


def differing(one: bytes, other: bytes) -> Sequence[int]:
    """The offsets at which two contents differ; what only the longer one has differs too."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        common: list[int] = []
    else:  # one exclusive or of large numbers costs less than a loop over bytes
        mixed = int.from_bytes(one[:length], "big") ^ int.from_bytes(other[:length], "big")
        common = [at for at, byte in enumerate(mixed.to_bytes(length, "big")) if byte]
    return common + list(range(length, max(len(one), len(other))))
