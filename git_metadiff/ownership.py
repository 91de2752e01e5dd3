"""Whose the changed lines of the interdiff are: of which changes of p1 and of p2."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from git_metadiff.apply import FileTrace
from git_metadiff.correspond.items import Item, by_range, overlaps
from git_metadiff.interdiff import Interdiff, InterdiffFile, block_of
from git_metadiff.linemap import Block
from git_metadiff.model import Change, Range
from git_metadiff.port import Port, PortedFile

#: Runs of lines of P or D2: (length, first line of U2) or (length, -1) for lines that are not U2's.
Runs = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class OwnedRun:
    """A maximal run of changed lines of the interdiff and the items that own one of them."""

    path: bytes
    block: Block
    owners: tuple[Item, ...]
    file: bytes  # name in U2
    base: tuple[Range, ...]  # lines of U2 that it shows
    lines: frozenset[bytes]  # the text of its lines


class Ownership:
    """Looks up owners.

    P and D2 are both edits of U2; a line of neither side's is U2's, kept by one and not by the other.
    """

    def __init__(
        self, old: list[Item], new: list[Item], port: Port, before: list[FileTrace], after: list[FileTrace]
    ) -> None:
        self.old_lines = by_range(old, "ranges")
        self.new_lines = by_range(new, "ranges")
        self.old_gone = by_range(old, "gone")
        self.new_gone = by_range(new, "gone")
        self.ported = {file.path: file for file in port.files.values() if file.path is not None}
        self.traces = {trace.path: trace for trace in after if trace.alive}
        self.before = {trace.path: trace for trace in before if trace.alive}

    def runs(self, interdiff: Interdiff) -> list[OwnedRun]:
        """Every changed run of the interdiff with its owners."""
        return [self._run(file, change) for file in interdiff.files for change in file.changes]

    def _run(self, file: InterdiffFile, change: Change) -> OwnedRun:
        block = block_of(change)
        found: dict[Item, None] = {}
        base: list[Range] = []
        name = file.path
        if file.old is not None:
            found.update((item, None) for item, _ in overlaps(self.old_lines.get(file.old, []), block.a, block.b))
            name, runs = self._ported_runs(file.old)
            pieces = list(base_pieces(runs, block.a, block.b))
            found.update((item, None) for item in taken(self.new_gone.get(name, []), pieces))
            base += pieces
        if file.new is not None:
            found.update((item, None) for item, _ in overlaps(self.new_lines.get(file.new, []), block.c, block.d))
            trace = self.traces.get(file.new)
            name = file.new if trace is None or trace.base is None else trace.base
            pieces = list(base_pieces(None if trace is None else trace.runs, block.c, block.d))
            found.update((item, None) for item in taken(self.old_gone.get(name, []), pieces))
            base += pieces
        return OwnedRun(file.path, block, tuple(found), name, tuple(base), frozenset((*change.removed, *change.added)))

    def _ported_runs(self, path: bytes) -> tuple[bytes, Runs | None]:
        file = self.ported.get(path)
        if file is None:
            return path, None
        name = file.upstream or path
        if file.whole:
            # Where upstream left the file alone, P holds D1's content, and lines of U1 are lines of U2.
            trace = self.before.get(file.old or b"") if file.whole == "placed" else None
            return name, None if trace is None else trace.runs
        return name, ported_runs(file)


def ported_runs(file: PortedFile) -> Runs:
    """The runs of a merged file of P."""
    runs: Runs = []
    at = 0
    for change in sorted(
        (change for change in file.changes if change.state == "placed"),
        key=lambda change: (change.x, change.y, change.a),
    ):
        runs.append((change.x - at, at))
        runs.append((change.d - change.c, -1))
        at = change.y
    return [*runs, (1 << 40, at)]


def taken(entries: list[tuple[int, int, Item]], pieces: list[Range]) -> Iterator[Item]:
    """The items that take out some of these lines of U2."""
    for low, high in pieces:
        for item, _ in overlaps(entries, low, high):
            yield item


def own_displaced(runs: list[OwnedRun], items: list[Item]) -> tuple[list[OwnedRun], set[Item]]:
    """Give runs that nobody owns to those that they come from.

    Where P has a change before a line of U2 and D2 has it behind, git may show that line as moved instead of the
    change: a line that neither patchset touches. And among equal lines git may show another than the one that was
    added or taken out. Returns the runs with owners, and the items that only their place sets apart.
    """
    waiting: dict[bytes, list[Item]] = defaultdict(list)
    files = {run.file for run in runs if not run.owners}
    for item in items:
        if item.file in files:
            waiting[item.file].append(item)
    found, displaced = [], set()
    for run in runs:
        owners = [] if run.owners else crossing(run, waiting[run.file]) or nearest_like(run, waiting[run.file])
        owners = list(dict.fromkeys([*owners, *(other for item in owners for other in item.partners)]))
        displaced.update(owners)
        found.append(replace(run, owners=(*run.owners, *owners)))
    return found, displaced


def crossing(run: OwnedRun, items: list[Item]) -> list[Item]:
    """The items that stand on one side of the run's lines in P and on the other in D2."""
    return [
        item
        for item in items
        if item.side == 0 and any(other.place != item.place for other in item.partners) and crosses(item, run.base)
    ]


def nearest_like(run: OwnedRun, items: list[Item]) -> list[Item]:
    """The item that changes one of the run's lines (or else any), nearest to it; one that is not simply kept first."""
    at = run.base[0][0] if run.base else run.block.a

    def rank(item: Item) -> tuple[bool, bool, int]:
        alike = run.lines.isdisjoint((*item.change.removed, *item.change.added))
        return alike, "exact" in item.partners.values(), min(abs(item.place[0] - at), abs(item.place[1] - at))

    return [min(items, key=rank)] if items else []


def crosses(item: Item, base: tuple[Range, ...]) -> bool:
    """Whether some of these lines of U2 lie between the place of an item and its partner's."""
    for other in item.partners:
        low, high = min(item.place[0], other.place[0]), max(item.place[1], other.place[1])
        if any(start < high and low < stop for start, stop in base):
            return True
    return False


def base_pieces(runs: Runs | None, start: int, stop: int) -> Iterator[Range]:
    """The lines of U2 among lines `[start, stop)`."""
    if runs is None:
        yield start, stop
        return
    at = 0
    for length, base in runs:
        low, high = max(start, at), min(stop, at + length)
        if base >= 0 and low < high:
            yield base + low - at, base + high - at
        at += length
        if at >= stop:
            return
