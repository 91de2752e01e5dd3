"""Where the hunks of a file fit: by git's rules, or else by GNU patch's.

git looks for all lines of a hunk, first at the line that the header names in the patched file, then ever farther on
either side; a hunk that begins or ends its file stays there, and what earlier hunks wrote is not looked at. GNU patch
follows the offset of the hunk before, goes through a file from top to bottom only, looks at context that earlier hunks
have seen, and leaves out up to two lines of context at either end (`locate_hunk` in its `patch.c`, version 2.7.6).
Where git refuses one hunk of a file, all of them are placed by GNU patch's rules, as somebody did by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

    place: int  # 0-based line of the file, before any of its hunks, of the hunk's first line (left out by fuzz or not)
    end: int  # line after its last change there
    fuzz: int = 0
    by_git: bool = True  # git puts it there too
    cuts_end: bool = False  # the file loses the newline at its end, of which the hunk's context knows nothing


def image_of(hunk: RawHunk) -> Image:
    """Read the old side of a hunk."""
    body, first = prefixes_of(hunk.body)
    context = len(first) - len(first.lstrip(b" ")), len(first) - len(first.rstrip(b" "))
    return Image(hunk, [line[1:] for line in body if line[:1] != b"+"], *context)


def locate(lines: list[bytes], hunks: Sequence[RawHunk], *, zero: bool = False) -> list[Found | None]:
    """Find the places of all hunks of a file; None for one that has none.

    `zero` tells that no hunk of the patch has context: then they are placed as by `git apply --unidiff-zero`.
    """
    images = [image_of(hunk) for hunk in hunks]
    git = GitRules(lines, zero=zero)
    found = [git.find(image) for image in images]
    if None not in found:
        return found
    patch = PatchRules(lines)
    other = [patch.find(image, known) for image, known in zip(images, found, strict=True)]
    return other if other.count(None) <= found.count(None) else found


class Shift:
    """How far lines of a file move as hunks before them make it grow."""

    def __init__(self) -> None:
        self.total = 0
        self._parts: list[tuple[int, int]] = []
        self._end = 0

    def add(self, end: int, growth: int) -> None:
        """Note a hunk whose last change ends at line `end`."""
        self._parts.append((end, growth))
        self._end = max(self._end, end)
        self.total += growth

    def of(self, place: int) -> int:
        """How far the line at `place` has moved."""
        return self.total if place >= self._end else sum(growth for end, growth in self._parts if end <= place)


class GitRules:
    """Finds places as `find_pos` in git's `apply.c` does."""

    def __init__(self, lines: list[bytes], *, zero: bool) -> None:
        self.lines = lines
        self.zero = zero
        self._taken: list[tuple[int, int]] = []  # first line and end, context included, of the hunks found
        self._end = 0  # the last of these ends
        self._shift = Shift()

    def find(self, image: Image) -> Found | None:
        """The place of the next hunk."""
        raw, size = image.hunk, len(image.old)
        last = len(self.lines) - size
        low = last if image.trailing == 0 and not self.zero else 0
        high = 0 if raw.old_start == 0 or (raw.old_start == 1 and not self.zero) else last
        guess = max(raw.new_start - 1, 0)
        if raw.new_lines == 0 and self._at(image.old, guess + 1, low, high):
            # git looks one line before where a hunk that only removes stands; among equal lines we know better.
            guess += 1
        place = self._search(image.old, guess, low, high)
        if place is None:
            return self._find_cut(image, high)
        # Where no context speaks for a place off the mark, it is told.
        marked = not self.zero or place + self._shift.of(place) - raw.new_start in (-1, 0)
        return self._take(image, Found(place, place + size - image.trailing, by_git=marked))

    def _search(self, old: list[bytes], guess: int, low: int, high: int) -> int | None:
        """The place nearest to line `guess` of the patched file."""
        if self._at(old, guess, low, high):
            return guess - self._shift.total
        size = len(old)
        guess = min(guess, len(self.lines) + self._shift.total)
        found = occurrences(self.lines, old, low, high) if old else range(low, high + 1)
        free = [(at + self._shift.of(at), at) for at in found if self._free(at, size)]
        return min(free, key=lambda pair: (abs(pair[0] - guess), pair[0] < guess))[1] if free else None

    def _at(self, old: list[bytes], guess: int, low: int, high: int) -> bool:
        """Whether the hunk fits at line `guess` of the patched file, behind all hunks before it."""
        place = guess - self._shift.total
        return self._end <= place and low <= place <= high and self.lines[place : place + len(old)] == old

    def _find_cut(self, image: Image, high: int) -> Found | None:
        """git also takes a hunk whose context ends without a newline to the end of a file that has one."""
        last = len(self.lines) - len(image.old)
        if not image.trailing or not image.old[-1].endswith(NO_NEWLINE) or not 0 <= last <= high:
            return None
        old = [*image.old[:-1], image.old[-1].removesuffix(NO_NEWLINE)]
        if self.lines[last:] != old or not self._free(last, len(old)):
            return None
        return self._take(image, Found(last, len(self.lines) - image.trailing, cuts_end=True))

    def _take(self, image: Image, found: Found) -> Found:
        stop = found.place + len(image.old)
        self._taken.append((found.place, stop))
        self._end = max(self._end, stop)
        self._shift.add(stop, image.hunk.new_lines - image.hunk.old_lines)
        return found

    def _free(self, place: int, size: int) -> bool:
        """Whether no earlier hunk covers any of these lines, or the one that is to stand behind an insertion."""
        return place >= self._end or not any(start < place + size and place < stop for start, stop in self._taken)


class PatchRules:
    """Finds places as `locate_hunk` in GNU patch's `patch.c` does."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines
        self._offset = 0  # how far the last hunk stood from where its header says
        self._frozen = 0  # the lines before it are written

    def find(self, image: Image, known: Found | None) -> Found | None:
        """The place of the next hunk; `known` is the one that git gives it."""
        context = max(image.leading, image.trailing)
        for fuzz in range(min(MAX_FUZZ, context) + 1):
            place = self._search(image, fuzz + image.leading - context, fuzz + image.trailing - context)
            if place is not None:
                self._offset = place - first_line(image.hunk)
                self._frozen = place + len(image.old) - image.trailing
                return Found(place, self._frozen, fuzz, known is not None and known.place == place)
        return None

    def _search(self, image: Image, head: int, tail: int) -> int | None:
        """Where a hunk fits without `head` lines at its beginning and `tail` at its end.

        Where one is negative, that end has less context than the other: it is an end of the file.
        """
        old = image.old
        low, high = self._frozen, len(self.lines) - len(old) + max(tail, 0)
        if head < 0 and image.hunk.old_start <= 1:
            high = 0
        elif tail < 0:
            low = max(low, high)
        cut = max(head, 0)
        part = old[cut : len(old) - max(tail, 0)]
        guess = max(low, min(first_line(image.hunk) + self._offset, high))
        if low > high or not part:
            return guess if low <= high else None
        found = (place - cut for place in occurrences(self.lines, part, low + cut, high + cut))
        return min(found, key=lambda place: (abs(place - guess), place < guess), default=None)


def first_line(raw: RawHunk) -> int:
    """The 0-based line at which a hunk begins in the old file, by its header."""
    return max(raw.old_start - (raw.old_lines > 0), 0)


def occurrences(lines: list[bytes], part: list[bytes], low: int, high: int) -> Iterator[int]:
    """The places in `[low, high]` where `part`, not empty, stands in `lines`, in order; found by its longest line."""
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
