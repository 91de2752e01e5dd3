"""What upstream did where a change of a patch would have its place, for a person who has to put it there by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from git_metadiff.bare import bare, find_bare
from git_metadiff.forward.recut import header, place_number
from git_metadiff.forward.rejects import Seen
from git_metadiff.forward.states import Slot, Walk
from git_metadiff.forward.words import BESIDE, TWICE, ChangeFate, HunkFate, Spot
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import Block, LineMap, words_in
from git_metadiff.lines import LineCache, join_lines
from git_metadiff.model import Range
from git_metadiff.port import blocks_of, is_text

#: Upstream's changes count that stand so many lines from a change.
AROUND = 3
#: An insertion of so many lines, and so many letters and digits, is not brought twice by chance.
BLOCK = 3
TELLING = 24
#: An absorbed change is looked for so many lines around its place.
NEARBY = 40


class Upstream:
    """Upstream's changes of the files of a series."""

    def __init__(self, walk: Walk, lines: LineCache) -> None:
        self.walk = walk
        self.lines = lines
        self.texts: dict[str, bytes] = {}

    def of(self, patch: int) -> Seen:
        """What was done where changes of one patch stand."""
        return lambda fate, at: self.seen(patch, fate, at)

    def locate(self, patch: int, fate: HunkFate) -> HunkFate:
        """A hunk with the lines of the new release at which upstream holds it, or has something else."""
        changes = [
            self.doubtful(patch, fate, at)
            if one.result == "placed"
            else replace(one, upstream=self.spot(patch, fate, at))
            for at, one in enumerate(fate.changes)
        ]
        return replace(fate, changes=tuple(changes))

    def doubtful(self, patch: int, fate: HunkFate, at: int) -> ChangeFate:
        """A placed change; with a reason if a person should see whether it is right."""
        slot = self.slot(fate)
        if slot is None or slot.file is None or not slot.file.map.blocks or not slot.start[0] or not slot.start[1]:
            return fate.changes[at]
        return self.twice(slot, fate, at) or self.beside(slot, patch, fate, at) or fate.changes[at]

    def beside(self, slot: Slot, patch: int, fate: HunkFate, at: int) -> ChangeFate | None:
        """An insertion where upstream inserted too: P puts it behind upstream's lines where it can."""
        assert slot.file is not None and slot.start[1] is not None
        if fate.hunk.changes[at].removed:
            return None
        where = self.base(slot, patch, fate, at)[0]
        low, high = slot.file.map.gap(where)
        net = [one for one in slot.file.changes if one.state == "placed" and not one.sure and one.a == one.b == where]
        if not net or low == high:
            return None
        text = "upstream put lines there too"
        return replace(fate.changes[at], reason=BESIDE, text=text, upstream=Spot(slot.start[1][0], low + 1))

    def twice(self, slot: Slot, fate: HunkFate, at: int) -> ChangeFate | None:
        """A change of which upstream brought the very lines that it adds, elsewhere in the file."""
        assert slot.start[0] is not None and slot.start[1] is not None
        added = fate.hunk.changes[at].added
        if words_in(b"".join(added)) < TELLING or len(added) < BLOCK:
            return None
        needle = b"\n" + b"\n".join(added) + b"\n"
        found = self.text(slot.start[1][1][1]).find(needle)
        if found < 0 or needle in self.text(slot.start[0][1][1]):
            return None
        spot = Spot(slot.start[1][0], self.text(slot.start[1][1][1]).count(b"\n", 0, found) + 1)
        return replace(fate.changes[at], reason=TWICE, text="upstream brought the same lines", upstream=spot)

    def text(self, oid: str) -> bytes:
        """A file after a newline."""
        if oid not in self.texts:
            self.texts[oid] = b"\n" + join_lines(self.lines.one(oid))
        return self.texts[oid]

    def spot(self, patch: int, fate: HunkFate, at: int) -> Spot | None:
        """Where upstream holds an absorbed change, or has its own one in the place of a rejected one."""
        if fate.changes[at].result not in ("absorbed", "rejected"):
            return None
        slot = self.slot(fate)
        if slot is None or slot.start[1] is None:
            blocked = self.walk.in_the_way(fate.hunk.path) if fate.changes[at].result == "rejected" else None
            return None if blocked is None else Spot(blocked, 0)
        path = slot.start[1][0]
        if fate.hunk.kind != "text" or slot.start[0] is None or slot.file is None or not is_text(slot.start[1][1][0]):
            return Spot(path, 0)
        if fate.changes[at].result == "absorbed":
            return Spot(path, self.held(slot, patch, fate, at) + 1)
        near = self.near(slot, patch, fate, at)
        return Spot(path, near[0].c + (near[0].c < near[0].d)) if near else None

    def held(self, slot: Slot, patch: int, fate: HunkFate, at: int) -> int:
        """The line of U2 (0-based) at which it holds what a change adds, or from which it lacks what one removes."""
        assert slot.file is not None and slot.start[1] is not None
        change = fate.hunk.changes[at]
        low, high = self.base(slot, patch, fate, at)
        if slot.file.whole == "absorbed":  # U2's file is that of D
            low = high = change.new_start - 1
        else:
            low, high = slot.file.map.region(low, high)
        there = self.lines.one(slot.start[1][1][1])
        room = len(change.added) + NEARBY
        found = find_bare(bare(change.added), there, max(0, low - room), min(len(there), high + room))
        return min((start for start, _ in found), key=lambda start: abs(start - low), default=low)

    def slot(self, fate: HunkFate) -> Slot | None:
        """The file of a hunk."""
        return next(iter(self.walk.by_path.get(fate.hunk.old_path or fate.hunk.path, ())), None)

    def near(self, slot: Slot, patch: int, fate: HunkFate, at: int) -> list[Block]:
        """Upstream's changes where a change would have its place, or at least around it."""
        assert slot.file is not None
        low, high = self.base(slot, patch, fate, at)
        blocks = slot.file.map.blocks
        return [one for one in blocks if one.a <= high and low <= one.b] or [
            one for one in blocks if one.a <= high + AROUND and low - AROUND <= one.b
        ]

    def seen(self, patch: int, fate: HunkFate, at: int) -> list[tuple[bytes, ...]]:
        """Upstream's changes around one change, each with its `@@` line; else the file that lies in its way."""
        slot = self.slot(fate)
        if slot is not None and slot.file is not None and slot.start[0] and slot.start[1] and fate.hunk.kind == "text":
            return [self.show(slot, block) for block in self.near(slot, patch, fate, at)]
        spot = fate.changes[at].upstream
        return [] if spot is None or slot is None or slot.start[0] is not None else [(b"+++ " + spot.path,)]

    def base(self, slot: Slot, patch: int, fate: HunkFate, at: int) -> Range:
        """The lines of U1 that a change takes out, or the gap that it fills."""
        hunk, change = fate.hunk, fate.hunk.changes[at]
        start = hunk.applied_start - (hunk.old_lines > 0) + change.old_start - hunk.old_start - (hunk.old_lines == 0)
        stop = start + len(change.removed)
        before = [state for state in slot.states if state.patch < patch]
        if not before:
            return start, stop
        assert slot.file is not None
        blocks: Sequence[Block] = before[-1].blocks
        if slot.states[-1] is before[-1]:
            blocks = blocks_of(slot.file)
        elif before[-1].old is not None and slot.start[1] is not None and before[-1].old[1][1] == slot.start[1][1][1]:
            blocks = slot.file.map.blocks  # upstream's file is what the patches before made of it
        return back_range(LineMap(blocks), start, stop)

    def show(self, slot: Slot, block: Block) -> tuple[bytes, ...]:
        """One of upstream's changes."""
        assert slot.start[0] is not None and slot.start[1] is not None
        old, new = self.lines.one(slot.start[0][1][1]), self.lines.one(slot.start[1][1][1])
        sizes = block.b - block.a, block.d - block.c
        head = header(place_number(block.a, sizes[0]), sizes[0], place_number(block.c, sizes[1]), sizes[1])
        removed = [b"-" + text.removesuffix(NO_NEWLINE) for text in old[block.a : block.b]]
        return (head, *removed, *(b"+" + text.removesuffix(NO_NEWLINE) for text in new[block.c : block.d]))


def back_range(lines: LineMap, start: int, stop: int) -> Range:
    """The old lines that new lines `[start, stop)` stand for, earlier patches' lines left out."""
    above = start - 1
    while above >= 0 and lines.back(above) is None:
        above -= 1
    low = 0 if above < 0 else (lines.back(above) or 0) + 1
    size = 0
    for line in range(start, stop):
        found = lines.back(line)
        size = size if found is None else found + 1 - low
    return low, low + size
