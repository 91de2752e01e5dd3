"""What upstream did where a change of a patch would have its place, for a person who has to put it there by hand."""

from __future__ import annotations

from git_metadiff.forward.rejects import Seen
from git_metadiff.forward.states import Slot, Walk
from git_metadiff.forward.words import HunkFate
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import Block, LineMap
from git_metadiff.lines import LineCache
from git_metadiff.model import Range
from git_metadiff.port import blocks_of

#: Upstream's changes count that stand so many lines from a change.
AROUND = 3


class Upstream:
    """Upstream's changes of the files of a series."""

    def __init__(self, walk: Walk, lines: LineCache) -> None:
        self.walk = walk
        self.lines = lines

    def of(self, patch: int) -> Seen:
        """What was done where changes of one patch stand."""
        return lambda fate, at: self.seen(patch, fate, at)

    def seen(self, patch: int, fate: HunkFate, at: int) -> list[bytes]:
        """Upstream's changes around one change, each with its `@@` line."""
        slot = next(
            (
                slot
                for slot in self.walk.by_path.get(fate.hunk.old_path or fate.hunk.path, ())
                if slot.file is not None and slot.file.map.blocks and slot.start[0] and slot.start[1]
            ),
            None,
        )
        if slot is None or slot.file is None or fate.hunk.kind != "text":
            return []
        low, high = self.base(slot, patch, fate, at)
        near = [one for one in slot.file.map.blocks if one.a <= high and low <= one.b]
        near = near or [one for one in slot.file.map.blocks if one.a <= high + AROUND and low - AROUND <= one.b]
        return [line for block in near for line in self.show(slot, block)]

    def base(self, slot: Slot, patch: int, fate: HunkFate, at: int) -> Range:
        """The lines of U1 that a change takes out, or the gap that it fills."""
        hunk, change = fate.hunk, fate.hunk.changes[at]
        start = hunk.applied_start - (hunk.old_lines > 0) + change.old_start - hunk.old_start - (hunk.old_lines == 0)
        stop = start + len(change.removed)
        before = [state for state in slot.states if state.patch < patch]
        if not before:
            return start, stop
        assert slot.file is not None
        last = slot.states[-1] is before[-1]
        return back_range(LineMap(blocks_of(slot.file) if last else before[-1].blocks), start, stop)

    def show(self, slot: Slot, block: Block) -> list[bytes]:
        """One of upstream's changes."""
        assert slot.start[0] is not None and slot.start[1] is not None
        old, new = self.lines.one(slot.start[0][1][1]), self.lines.one(slot.start[1][1][1])
        head = b"@@ -%d,%d +%d,%d @@" % (block.a + 1, block.b - block.a, block.c + 1, block.d - block.c)
        removed = [b"-" + text.removesuffix(NO_NEWLINE) for text in old[block.a : block.b]]
        return [head, *removed, *(b"+" + text.removesuffix(NO_NEWLINE) for text in new[block.c : block.d])]


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
