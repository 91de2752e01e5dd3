"""Bad copies of a file held against good ones: which bytes of which pages, and which offsets all copies have in common.

A stray writer leaves a mark: the same offset in whatever page it hits.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from git_metadiff.verify.diagnosis import CHUNK, MOST_KEPT, differing, split
from git_metadiff.verify.digests import open_regular
from git_metadiff.verify.pages import PAGE

#: Told which part is done: bytes, and bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class PagePair:
    """A page that a bad copy holds otherwise than the good ones."""

    index: int
    good: bytes
    bad: bytes
    offsets: tuple[int, ...]  # in the page, of the bytes that differ


@dataclass(slots=True)
class Copy:
    """A bad copy."""

    path: Path
    size: int = 0
    pages: list[PagePair] = field(default_factory=list)
    count: int = 0  # of the pages that differ; those in `pages` are the first of them
    counts: array[int] = field(default_factory=lambda: array("Q", bytes(8 * PAGE)))  # pages, by differing offset

    def offsets(self) -> set[int]:
        """The offsets that differ in any of its pages."""
        return {offset for offset, count in enumerate(self.counts) if count}


@dataclass(slots=True)
class Against:
    """What came out."""

    goods: tuple[Path, ...]
    good_size: int
    copies: list[Copy]
    doubtful: list[int] = field(default_factory=list)  # pages in which the good copies differ among themselves
    uneven: bool = False  # whether the good copies differ in size

    @property
    def differs(self) -> bool:
        """Whether any copy is not as the good ones are."""
        return any(one.count or one.size != self.good_size for one in self.copies)

    def common(self) -> list[tuple[int, int]]:
        """The offsets that differ in all copies that differ at all, each with the number of pages concerned."""
        bad = [one for one in self.copies if one.count]
        shared = set.intersection(*(one.offsets() for one in bad)) if bad else set()
        return [(offset, sum(one.counts[offset] for one in bad)) for offset in sorted(shared)]

    @property
    def page_count(self) -> int:
        """The pages that differ, of all copies."""
        return sum(one.count for one in self.copies)


def hold_against(bads: Sequence[Path], goods: Sequence[Path], progress: Progress | None = None) -> Against:
    """Compare copies byte by byte, in bounded memory. Bytes that the good copies do not agree on are left out.

    Raises MetadiffError for a file that cannot be read.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(open_regular(path)) for path in (*goods, *bads)]
        good_files, bad_files = opened[: len(goods)], opened[len(goods) :]
        sizes = [file.seek(0, 2) for file in opened]
        result = Against(
            tuple(goods),
            sizes[0],
            [Copy(path, size) for path, size in zip(bads, sizes[len(goods) :], strict=True)],
            uneven=len(set(sizes[: len(goods)])) > 1,
        )
        for at in range(0, max(sizes), CHUNK):
            good, doubtful = agreed(good_files, at, result)
            for copy, file in zip(result.copies, bad_files, strict=True):
                compare(copy, at, good, read_at(file, at), doubtful)
            if progress is not None:
                progress(min(at + CHUNK, max(sizes)), max(sizes))
    return result


def read_at(file: IO[bytes], at: int) -> bytes:
    """A piece of a file, whole but at its end."""
    file.seek(at)
    found = [file.read(CHUNK)]
    while found[-1] and sum(map(len, found)) < CHUNK:
        found.append(file.read(CHUNK - sum(map(len, found))))
    return b"".join(found)


def agreed(files: Sequence[IO[bytes]], at: int, result: Against) -> tuple[bytes, dict[int, set[int]]]:
    """A piece of the first good copy, and by page the offsets that the others hold otherwise."""
    good, *others = (read_at(file, at) for file in files)
    doubtful: dict[int, set[int]] = {}
    for other in others:
        if other == good:
            continue
        for index, (one, two) in enumerate(zip(split(good, PAGE), split(other, PAGE), strict=False), at // PAGE):
            if one != two:
                doubtful.setdefault(index, set()).update(differing(one, two))
    result.doubtful += sorted(doubtful)[: MOST_KEPT - len(result.doubtful)]
    return good, doubtful


def compare(copy: Copy, at: int, good: bytes, bad: bytes, doubtful: dict[int, set[int]]) -> None:
    """Note the pages of a piece that differ, as far as both files go."""
    length = min(len(good), len(bad))
    if good[:length] == bad[:length]:
        return
    for index, (one, two) in enumerate(
        zip(split(good[:length], PAGE), split(bad[:length], PAGE), strict=True), at // PAGE
    ):
        if one == two:
            continue
        offsets = [offset for offset in differing(one, two) if offset not in doubtful.get(index, ())]
        if not offsets:
            continue
        copy.count += 1
        for offset in offsets:
            copy.counts[offset] += 1
        if len(copy.pages) < MOST_KEPT:
            copy.pages.append(PagePair(index, one, two, tuple(offsets)))
