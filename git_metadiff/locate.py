"""Where a hunk fits in a file: by git's rules, else by GNU patch's.

git looks for all lines of a hunk, first at the line that the header names in the patched file, then ever farther on
either side; a hunk that begins or ends its file stays there, and what earlier hunks wrote is not looked at. GNU patch
follows the offset of the hunk before, goes through a file from top to bottom only, looks at context that earlier hunks
have seen, and leaves out up to two lines of context at either end (`locate_hunk` in its `patch.c`, version 2.7.6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from git_metadiff.hunks import NO_NEWLINE, RawHunk, prefixes_of

MAX_FUZZ = 2


@dataclass(frozen=True, slots=True)
class Image:
    """A hunk as the lines it looks for."""

    hunk: RawHunk
    old: list[bytes]
    leading: int  # context lines before its first change
    trailing: int  # context lines after its last


@dataclass(frozen=True, slots=True)
class Found:
    """A place for a hunk."""

    place: int  # 0-based line of the file, as patched so far, of the hunk's first line (left out by fuzz or not)
    fuzz: int = 0
    by_git: bool = True  # git finds it too
    cuts_end: bool = False  # the file loses the newline at its end, of which the hunk's context knows nothing


@dataclass(slots=True)
class Put:
    """A hunk in its place."""

    start: int  # lines [start, stop) of the file as patched so far are its new side
    stop: int
    growth: int  # lines added less lines removed


def image_of(hunk: RawHunk) -> Image:
    """Read the old side of a hunk."""
    body, first = prefixes_of(hunk.body)
    context = len(first) - len(first.lstrip(b" ")), len(first) - len(first.rstrip(b" "))
    return Image(hunk, [line[1:] for line in body if line[:1] != b"+"], *context)


class Locator:
    """Finds places for the hunks of one file in the order of the patch. `lines` change as the caller puts hunks.

    `zero` tells that no hunk of the patch has context: then they are placed as by `git apply --unidiff-zero`.
    """

    def __init__(self, lines: list[bytes], *, zero: bool = False) -> None:
        self.lines = lines
        self.zero = zero
        self._puts: list[Put] = []
        self._end = 0  # where the last of them ends
        self._growth = 0  # of all of them
        self._offset = 0  # GNU patch: how far the last hunk stood from where its header says
        self._frozen = 0  # GNU patch: the lines before it are written

    def find(self, image: Image) -> Found | None:
        """The place of the next hunk, or None."""
        found = self._find_as_git(image)
        return found if found is not None else self._find_as_patch(image)

    def put(self, image: Image, place: int, growth: int) -> None:
        """Note that a hunk stands at `place` and has made the file grow."""
        raw = image.hunk
        self._offset = self.before(place) - first_line(raw)
        if place < self._end:
            for put in self._puts:
                if put.stop > place:
                    put.start, put.stop = put.start + growth, put.stop + growth
            self._end += growth
        if place < self._frozen:
            self._frozen += growth
        self._puts.append(Put(place, place + raw.new_lines, growth))
        self._end = max(self._end, place + raw.new_lines)
        self._growth += growth
        self._frozen = max(self._frozen, place + raw.new_lines - image.trailing)

    def before(self, place: int) -> int:
        """`place` as a line of the file as it was before all of these hunks."""
        if place >= self._end:
            return place - self._growth
        return place - sum(put.growth for put in self._puts if put.stop <= place)

    def _find_as_git(self, image: Image) -> Found | None:
        raw, old = image.hunk, image.old
        last = len(self.lines) - len(old)
        at_start = raw.old_start == 0 or (raw.old_start == 1 and not self.zero)
        at_end = image.trailing == 0 and not self.zero
        guess = max(raw.new_start - 1, 0)
        for place in places(self.lines, old, guess, last if at_end else 0, 0 if at_start else last):
            if self._free(place, len(old)):
                # A place off the mark is told where no context speaks for it.
                return Found(place, 0, not self.zero or place in (guess, guess + (raw.new_lines == 0)))
        return self._find_cut(image, 0 if at_start else last)

    def _find_cut(self, image: Image, high: int) -> Found | None:
        """git also takes a hunk whose context ends without a newline to the end of a file that has one."""
        last = len(self.lines) - len(image.old)
        if not image.trailing or not image.old[-1].endswith(NO_NEWLINE) or not 0 <= last <= high:
            return None
        old = [*image.old[:-1], image.old[-1].removesuffix(NO_NEWLINE)]
        fits = self.lines[last:] == old and self._free(last, len(old))
        return Found(last, cuts_end=True) if fits else None

    def _free(self, place: int, size: int) -> bool:
        """Whether no earlier hunk has written any of these lines."""
        if place >= self._end or not size:
            return True
        return not any(put.start < put.stop and put.start < place + size and place < put.stop for put in self._puts)

    def _find_as_patch(self, image: Image) -> Found | None:
        context = max(image.leading, image.trailing)
        for fuzz in range(min(MAX_FUZZ, context) + 1):
            place = self._fuzzy(image, fuzz + image.leading - context, fuzz + image.trailing - context)
            if place is not None:
                return Found(place, fuzz, False)
        return None

    def _fuzzy(self, image: Image, head: int, tail: int) -> int | None:
        """Where a hunk fits without `head` lines at its beginning and `tail` at its end.

        Where one is negative, that end has less context than the other: it is an end of the file.
        """
        old, lines = image.old, self.lines
        low, high = self._frozen, len(lines) - len(old) + max(tail, 0)
        if head < 0 and image.hunk.old_start <= 1:
            high = 0
        elif tail < 0:
            low = max(low, high)
        cut = max(head, 0)
        part = old[cut : len(old) - max(tail, 0)]
        guess = first_line(image.hunk) + self._offset + self._growth
        return next((place - cut for place in places(lines, part, guess + cut, low + cut, high + cut)), None)


def first_line(raw: RawHunk) -> int:
    """The 0-based line at which a hunk begins in the old file, by its header."""
    return max(raw.old_start - (raw.old_lines > 0), 0)


def places(lines: list[bytes], part: list[bytes], guess: int, low: int, high: int) -> Iterator[int]:
    """The places in `[low, high]` where `part` stands in `lines`: nearest to `guess` first, the later one of two."""
    if low > high:
        return
    guess = max(low, min(guess, high))
    size = len(part)
    if lines[guess : guess + size] == part:
        yield guess
    if not size:
        return
    found = [place for place in occurrences(lines, part, low, high) if place != guess]
    yield from sorted(found, key=lambda place: (abs(place - guess), place < guess))


def occurrences(lines: list[bytes], part: list[bytes], low: int, high: int) -> Iterator[int]:
    """The places in `[low, high]` where `part` stands in `lines`, in order; found by its longest line."""
    size = len(part)
    key = max(range(size), key=lambda at: len(part[at]))
    at = low + key
    while True:
        try:
            at = lines.index(part[key], at, high + key + 1)
        except ValueError:
            return
        if lines[at - key : at - key + size] == part:
            yield at - key
        at += 1
