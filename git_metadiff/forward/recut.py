"""The hunks of one file of one patch, cut anew for the ported tree.

Each change of the author's is taken through the line map from the file it was made for to the ported one, and the
result is held against the file that must come out. Changes that stand together form a hunk as `diff` would cut it; an
author's hunk that fits as it is keeps its own lines, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.forward.prefixes import mend_ends
from git_metadiff.hunks import NO_NEWLINE, RawHunk, mark_ends
from git_metadiff.linemap import Block, LineMap
from git_metadiff.model import Hunk

#: Context where a patch has none: neither git nor patch applies such hunks without being told.
CONTEXT = 3
#: The line that git shows behind `@@` begins so, and is cut there.
FUNCTION = re.compile(rb"[A-Za-z_$]")
SECTION = 80

ChangeKey = tuple[str, int]  # id of a hunk, index of the change in it


@dataclass(frozen=True, slots=True)
class Source:
    """A hunk as it stands in the patch, and as it was applied."""

    raw: RawHunk
    hunk: Hunk
    lines: Sequence[bytes]  # the text of it in the patch, its `@@` line first


@dataclass(frozen=True, slots=True)
class Piece:
    """A change at its place: lines `[x, y)` of the ported file become `added`."""

    x: int
    y: int
    added: Sequence[bytes]
    key: ChangeKey | None = None


@dataclass(slots=True)
class Cut:
    """The hunks of one section, written."""

    lines: list[bytes] = field(default_factory=list)
    carried: set[ChangeKey] = field(default_factory=set)
    verbatim: set[str] = field(default_factory=set)  # ids of hunks that kept their own lines
    sure: bool = True  # `carried` is known change by change


@dataclass(frozen=True, slots=True)
class Sides:
    """A file before and after a patch, in the ported tree; and the line map to it from the file the patch was for."""

    before: list[bytes]
    after: list[bytes]
    map: LineMap
    blocks: Sequence[Block]  # before -> after


def recut(sources: Sequence[Source], sides: Sides, context: int) -> Cut:
    """Cut the hunks of a section so that they lead from one file to the other."""
    pieces = list(mapped(sources, sides))
    touching = [piece for piece in pieces if any(meets(piece, block) for block in sides.blocks)]
    for tried in (pieces, touching):
        if applied(sides.before, tried) == sides.after:
            return Cutter(sides, context, sources).cut(tried)
    rest = [Piece(block.a, block.b, sides.after[block.c : block.d]) for block in sides.blocks]
    if applied(sides.before, rest) != sides.after:
        raise AssertionError("a diff does not lead from one file to the other")
    keys = {(piece.x, piece.y, tuple(piece.added)): piece.key for piece in pieces}
    known = [Piece(one.x, one.y, one.added, keys.get((one.x, one.y, tuple(one.added)))) for one in rest]
    found = Cutter(sides, context, sources).cut(known)
    found.sure = all(piece.key is not None for piece in known)
    return found


def mapped(sources: Sequence[Source], sides: Sides) -> Iterator[Piece]:
    """The changes that have a place, in the order of the file."""
    found = []
    for source in sources:
        first = source.hunk.old_start + (source.hunk.old_lines == 0)
        start = source.hunk.applied_start - (source.hunk.old_lines > 0)
        for at, change in enumerate(source.hunk.changes):
            low = start + change.old_start - first
            place = place_of(low, low + len(change.removed), sides.map)
            if place is not None:
                found.append(Piece(*place, change.added, (source.hunk.id, at)))
    yield from sorted(found, key=lambda piece: (piece.x, piece.y))


def place_of(start: int, stop: int, lines: LineMap) -> tuple[int, int] | None:
    """Where lines of the old file stand, or the gap between them; as P places changes."""
    if stop > start:
        pieces = lines.pieces(start, stop)
        whole = len(pieces) == 1 and pieces[0][2] == stop - start
        return (pieces[0][1], pieces[0][1] + stop - start) if whole else None
    low, high = lines.gap(start)
    if low == high:
        return low, low
    below, above = lines.line(start) is not None, start == 0 or lines.line(start - 1) is not None
    return (high, high) if below else (low, low) if above else None


def meets(piece: Piece, block: Block) -> bool:
    """Whether a change stands where the file really changes."""
    return piece.x <= block.b and block.a <= piece.y


def applied(before: list[bytes], pieces: Sequence[Piece]) -> list[bytes] | None:
    """The file after the changes; None if they overlap."""
    out: list[bytes] = []
    at = 0
    for piece in pieces:
        if piece.x < at:
            return None
        out += before[at : piece.x]
        out += piece.added
        at = piece.y
    return mend_ends(out + before[at:])


class Cutter:
    """Writes changes as hunks."""

    def __init__(self, sides: Sides, context: int, sources: Sequence[Source]) -> None:
        self.before, self.after = sides.before, sides.after
        self.context = context
        self.sources = {source.hunk.id: source for source in sources}
        self.found = Cut()

    def cut(self, pieces: Sequence[Piece]) -> Cut:
        """The hunks of these changes, in order and without overlap."""
        grown = end = 0
        groups = list(self._groups(pieces))
        stops = [*(group[0].x - self.context for group in groups[1:]), len(self.before)]
        for group, stop in zip(groups, stops, strict=True):
            own = self._own(group)
            low, high = self._extent(group, own, end, max(stop, group[-1].y))
            size = high - low + sum(len(piece.added) - (piece.y - piece.x) for piece in group)
            lines = self._verbatim(own, low, high, low + grown, size) if own else None
            self.found.lines += lines or self._write(group, low, high, low + grown, size, own)
            if lines and own:
                self.found.verbatim.add(own.hunk.id)
            self.found.carried.update(piece.key for piece in group if piece.key is not None)
            grown += size - (high - low)
            end = high
        return self.found

    def _groups(self, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
        """Changes so near to each other that their context meets, or as near as the author had them in one hunk."""
        group: list[Piece] = []
        for piece in pieces:
            if group and piece.x - group[-1].y > max(2 * self.context, self._held(group[-1], piece)):
                yield group
                group = []
            group.append(piece)
        if group:
            yield group

    def _held(self, one: Piece, other: Piece) -> int:
        """How many lines stand between two neighbours in the author's hunk, where it is one."""
        if one.key is None or other.key is None or one.key[0] != other.key[0] or other.key[1] != one.key[1] + 1:
            return 0
        return len(self.sources[one.key[0]].hunk.changes[other.key[1]].before)

    def _extent(self, group: Sequence[Piece], own: Source | None, end: int, stop: int) -> tuple[int, int]:
        """The lines that a hunk covers: with as much context as the author showed, where git and patch allow it.

        Both want a hunk with less context behind than before its changes to end the file.
        """
        first, last, size = group[0].x, group[-1].y, len(self.before)
        if own is not None:
            low, high = first - len(own.hunk.changes[0].before), last + len(own.hunk.changes[-1].after)
            even = high == size or high - last >= max(first - low, 1)
            if end <= low and high <= min(stop, size) and even:
                return low, high
        return max(end, first - self.context, 0), min(last + self.context, size)

    def _own(self, group: Sequence[Piece]) -> Source | None:
        """The author's hunk that these changes are, all of them and no other."""
        names = {None if piece.key is None else piece.key[0] for piece in group}
        name = names.pop() if len(names) == 1 else None
        source = self.sources.get(name) if name is not None else None
        return source if source is not None and len(source.hunk.changes) == len(group) else None

    def _verbatim(self, own: Source, low: int, high: int, new: int, size: int) -> list[bytes] | None:
        """The hunk with the author's own lines, if they are what stands there."""
        body = mark_ends(own.raw.body)
        old = [text[1:] for text in body if text[:1] != b"+"]
        fresh = [text[1:] for text in body if text[:1] != b"-"]
        if old != self.before[low:high] or fresh != self.after[new : new + size]:
            return None
        raw, head = own.raw, own.lines[0]
        numbers = place_number(low, high - low), high - low, place_number(new, size), size
        if numbers != (raw.old_start, raw.old_lines, raw.new_start, raw.new_lines):
            head = header(*numbers) + head[head.index(b"@@", 2) + 2 :]
        return [head, *own.lines[1:]]

    def _write(
        self, group: Sequence[Piece], low: int, high: int, new: int, size: int, own: Source | None
    ) -> list[bytes]:
        """A hunk of these changes, its context from the file."""
        body: list[bytes] = []
        at, made = low, new
        for piece in group:
            body += [b" " + text for text in self.before[at : piece.x]]
            body += [b"-" + text for text in self.before[piece.x : piece.y]]
            made += piece.x - at
            body += [b"+" + text for text in self.after[made : made + len(piece.added)]]
            made += len(piece.added)
            at = piece.y
        body += [b" " + text for text in self.before[at:high]]
        head = header(place_number(low, high - low), high - low, place_number(new, size), size)
        section = self._section(low, group, own)
        return [head + (b" " + section if section else b""), *plain_ends(body)]

    def _section(self, low: int, group: Sequence[Piece], own: Source | None) -> bytes:
        """What stands behind the second @@: the author's, while a line above begins so; nothing if he shows none."""
        names = [piece.key[0] for piece in group if piece.key is not None]
        told = own.raw.section if own else self.sources[names[0]].raw.section if names else b""
        if not told and names:
            return b""
        above = (line for line in reversed(self.before[:low]) if FUNCTION.match(line))
        nearest = next(above, b"").removesuffix(NO_NEWLINE)
        return told if told and nearest.startswith(told) else nearest[:SECTION].rstrip()


def place_number(start: int, size: int) -> int:
    """The line number of a hunk's side in its header."""
    return start + 1 if size else start


def header(old: int, old_size: int, new: int, new_size: int) -> bytes:
    """The `@@ … @@` of a hunk."""
    return b"@@ -%b +%b @@" % (extent(old, old_size), extent(new, new_size))


def extent(start: int, size: int) -> bytes:
    """The lines of one side, as git writes them."""
    return b"%d" % start if size == 1 else b"%d,%d" % (start, size)


def plain_ends(body: Sequence[bytes]) -> list[bytes]:
    """The lines of a hunk, the mark of a missing newline as a line of its own."""
    out: list[bytes] = []
    for text in body:
        if text.endswith(NO_NEWLINE):
            out += [text.removesuffix(NO_NEWLINE), b"\\ No newline at end of file"]
        else:
            out.append(text)
    return out
