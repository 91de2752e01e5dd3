"""The lines of P_k: the port of the first k patches, so that the last one of them is P.

P tells which net changes of the whole series have a place in the new release, and where. A region of U1 that such a net
change replaces holds in P_k what it holds in D_k; so each patch of the written series does there just what it did in
its own series. Changes that the series takes back later are placed by the rules of P. What has no place in P is in no
P_k either: a patch would have to take it out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from git_metadiff.forward.states import Slot, State, to_merge
from git_metadiff.git import FastImport, Git
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import Block, LineMap, diff_many
from git_metadiff.lines import LineCache, join_lines
from git_metadiff.placing import NetChange, Placer


@dataclass(frozen=True, slots=True)
class Region:
    """Lines `[a, b)` of U1 that stand at `[x, y)` of U2, untouched by upstream."""

    a: int
    b: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines `[x, y)` of U2 become others. `a` is the line of U1, for the order of insertions."""

    x: int
    y: int
    a: int
    lines: list[bytes]


def merge_states(git: Git, lines: LineCache, writer: FastImport, slots: Sequence[Slot]) -> None:
    """Merge the states that need it: their blobs are written, and their ids set once `writer` tells them."""
    jobs = list(to_merge(slots))
    if not jobs:
        return
    ids = [ids_of(slot, state) for slot, state in jobs]
    downstream, upstream = diff_many(
        git, [[(one[0], one[2]) for one in ids], [(one[0], one[1]) for one in ids]], "histogram"
    )
    contents = lines.many([oid for one in ids for oid in one])
    marks: list[tuple[State, str]] = []
    for (slot, state), mine, theirs in zip(jobs, downstream, upstream, strict=True):
        u1, u2, dk = (next(contents) for _ in range(3))
        if mine is None or theirs is None or state.new is None:
            continue
        state.blocks = mine
        finals = [] if slot.file is None else slot.file.changes
        merged = Prefix(u1, u2, dk, LineMap(theirs), mine).run(finals)
        if merged != u2:
            marks.append((state, writer.blob(join_lines(merged))))
    next(contents, None)
    writer.checkpoint()
    for (state, _), oid in zip(marks, writer.ids([mark for _, mark in marks]), strict=True):
        assert state.new is not None
        path, (mode, _) = state.new
        state.new = path, (mode, oid)


def ids_of(slot: Slot, state: State) -> tuple[str, str, str]:
    """The blobs of U1, U2 and D_k."""
    assert slot.start[0] is not None and slot.start[1] is not None and state.old is not None
    return slot.start[0][1][1], slot.start[1][1][1], state.old[1][1]


class Prefix:
    """One file of P_k. Lines as `split_lines` gives them; `blocks` lead from U1 to D_k, `lines` from U1 to U2."""

    def __init__(
        self, u1: list[bytes], u2: list[bytes], dk: list[bytes], lines: LineMap, blocks: Sequence[Block]
    ) -> None:
        self.u1, self.u2, self.dk = u1, u2, dk
        self.map = lines
        self.blocks = blocks

    def run(self, finals: Sequence[NetChange]) -> list[bytes]:
        """The lines of P_k, given the net changes of the whole series as they stand in P."""
        regions = [Region(one.a, one.b, one.x, one.y) for one in finals if one.state == "placed"]
        lost = [(one.a, one.b) for one in finals if one.state != "placed"]
        marks = [(one.a, one.b) for one in regions] + lost
        moves = [self._slide(at, marks) for at in range(len(self.blocks))]
        edits: list[Edit] = []
        for region in regions:
            group = [one for one in moves if touch((one.a, one.b), (region.a, region.b))]
            edit = self._replace(region, group, marks) if group else None
            edits += [] if edit is None else [edit]
        left = [
            NetChange(one.a, one.b, one.c, one.d)
            for one in moves
            if not any(touch((one.a, one.b), mark) for mark in marks)
        ]
        edits += self._passing(left)
        return self._join(edits)

    def _slide(self, at: int, marks: Sequence[tuple[int, int]]) -> Block:
        """A block as another diff would cut it, if only so it touches a place that is known."""
        block = self.blocks[at]
        if any(touch((block.a, block.b), mark) for mark in marks):
            return block
        low = self.blocks[at - 1].b if at else 0
        high = self.blocks[at + 1].a if at + 1 < len(self.blocks) else len(self.u1)
        placer = Placer(self.u1, self.u2, self.dk, self.map)
        for one in placer.variants(NetChange(block.a, block.b, block.c, block.d), low, high):
            if any(touch((one.a, one.b), mark) for mark in marks):
                return Block(one.a, one.b, one.c, one.d)
        return block

    def _replace(self, region: Region, group: Sequence[Block], marks: Sequence[tuple[int, int]]) -> Edit | None:
        """What a region holds in D_k; None if that reaches into lines that upstream changed, or another region."""
        first, last = group[0], group[-1]
        low, high = min(region.a, first.a), max(region.b, last.b)
        others = [mark for mark in marks if mark != (region.a, region.b)]
        x, y = region.x - (region.a - low), region.y + (high - region.b)
        if any(touch((low, high), mark) for mark in others) or x < 0 or self.u2[x:y] != self.u1[low:high]:
            return None
        if (low, high) != (region.a, region.b) and not self._survives(low, high, x):
            return None
        return Edit(x, y, low, self.dk[first.c - (first.a - low) : last.d + (high - last.b)])

    def _survives(self, low: int, high: int, x: int) -> bool:
        """Whether lines of U1 are the lines of U2 from `x` on."""
        return self.map.pieces(low, high) == [(low, x, high - low)]

    def _passing(self, changes: Sequence[NetChange]) -> list[Edit]:
        """Changes that a later patch takes back: by the rules of P."""
        placer = Placer(self.u1, self.u2, self.dk, self.map)
        for at, change in enumerate(changes):
            low = changes[at - 1].b if at else 0
            high = changes[at + 1].a if at + 1 < len(changes) else len(self.u1)
            placer.place(change, low, high)
        return [
            Edit(one.x, one.y, one.a, self.dk[one.c : one.d]) for one in changes if one.state == "placed" and one.sure
        ]

    def _join(self, edits: list[Edit]) -> list[bytes]:
        """U2 with the edits."""
        out: list[bytes] = []
        at = 0
        for edit in sorted(edits, key=lambda one: (one.x, one.y, one.a)):
            if edit.x >= at:
                out += self.u2[at : edit.x]
                out += edit.lines
                at = edit.y
        return mend_ends(out + self.u2[at:])


def touch(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two runs of lines overlap or stand side by side."""
    return one[0] <= other[1] and other[0] <= one[1]


def mend_ends(lines: list[bytes]) -> list[bytes]:
    """Only the last line may lack its newline."""
    last = len(lines) - 1
    if not any(line.endswith(NO_NEWLINE) for line in lines[:-1]):
        return lines
    return [line.removesuffix(NO_NEWLINE) if at < last else line for at, line in enumerate(lines)]
