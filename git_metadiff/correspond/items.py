"""The changes of both patchsets in common coordinates: lines of U2 and lines that they own in P and in D2."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.apply import Applied, Authored
from git_metadiff.interdiff import Interdiff
from git_metadiff.linemap import IDENTITY, LineMap
from git_metadiff.model import Change, Hunk, Range, Verdict
from git_metadiff.placing import NetChange
from git_metadiff.port import Port, PortedFile, p_ranges, trace_key

Key = tuple[object, ...]


@dataclass(slots=True, eq=False)
class Item:
    """A change of one side, with what the stages find out about it."""

    side: int  # 0: p1, 1: p2
    serial: int
    hunk: Hunk
    change: Change
    index: int  # of the change in its hunk
    file: bytes  # name in U2 of the file that it stands in (own name for a file that its patchset creates)
    path: bytes  # name in P or D2
    state: str = "placed"  # of p1: `placed`, `absorbed`, `unplaced`
    reason: str = ""
    places: tuple[
        int, ...
    ] = ()  # of p1, unplaced for several places: the lines of U2 (0-based) at which it could stand
    sure: bool = True  # of p1: its place in P is certain
    base: Range = (0, 0)  # lines of U1 that it takes out, or the gap it fills (side 0)
    place: Range = (0, 0)  # lines of U2 that it takes out, or the gap it fills, or about where it would
    ranges: list[Range] = field(default_factory=list)  # its lines in P (side 0) or D2 (side 1)
    gone: list[Range] = field(default_factory=list)  # lines of U2 that it takes out
    later: int = -1  # serial of the change that took its last line out again
    superseded: bool = False
    #: lines that it shares with items of the other side: the same line of D2, or the same line of U2 taken out
    shared: dict[Item, int] = field(default_factory=dict)
    partners: dict[Item, str] = field(default_factory=dict)  # item of the other side -> evidence
    rivals: list[Item] = field(default_factory=list)  # partners that fit equally well
    upstream: tuple[str, ...] = ()  # ids of the upstream hunks that it meets
    verdict: Verdict | None = None

    @property
    def key(self) -> Key:
        """Equal for changes of the same text (or the same effect, without lines)."""
        if self.hunk.kind != "text":
            return (self.hunk.kind, self.hunk.essence)
        return (self.change.removed, self.change.added)

    @property
    def creates(self) -> bool:
        """Whether it is the whole of a file that its patchset adds."""
        return self.hunk.old_start == 0 == self.hunk.old_lines and len(self.hunk.changes) == 1

    @property
    def size(self) -> int:
        """How many lines it has an effect on, after the whole series."""
        return sum(stop - start for start, stop in self.ranges) + sum(stop - start for start, stop in self.gone)

    @property
    def lines(self) -> list[bytes]:
        """Its changed lines with their prefix."""
        return [b"-" + line for line in self.change.removed] + [b"+" + line for line in self.change.added]

    @property
    def text(self) -> bytes:
        """Its changed lines as one text."""
        return b"\n".join((*self.change.removed, *self.change.added))


@dataclass(slots=True)
class Sides:
    """Everything that the stages work on."""

    old: list[Item]
    new: list[Item]
    maps: dict[bytes, LineMap]  # by name in U2: U1 -> U2
    sources: dict[bytes, bytes]  # by name in U2: name in U1
    _absorbed: dict[tuple[bytes, Key], Item] | None = None

    def open_old(self) -> list[Item]:
        """Items of p1 without a partner and without a verdict."""
        return [item for item in self.old if not item.partners and item.verdict is None]

    def absorbed(self) -> dict[tuple[bytes, Key], Item]:
        """Items of p1 that U2 holds already, by file and text."""
        if self._absorbed is None:
            self._absorbed = {(item.file, item.key): item for item in self.old if item.state == "absorbed"}
        return self._absorbed

    def open_new(self) -> list[Item]:
        """Items of p2 without a partner and without a verdict."""
        return [item for item in self.new if not item.partners and item.verdict is None]


def gather(old: Applied, new: Applied, port: Port, interdiff: Interdiff, maps: dict[bytes, LineMap]) -> Sides:
    """Build the items of both sides and count what they share."""
    shares = assign_nets(old.authored, port)
    first = [old_item(old, authored, port, shares.get(authored.serial)) for authored in old.authored]
    second = [new_item(new, authored) for authored in new.authored]
    share_lines(first, second, interdiff)
    share_removals(first, second)
    sources = {
        file.upstream: file.base for file in port.files.values() if file.upstream is not None and file.base is not None
    }
    return Sides(first, second, maps, sources)


@dataclass(slots=True)
class Share:
    """What a change of p1 owns of the net changes of its file: lines of D1 and of U1."""

    nets: list[NetChange] = field(default_factory=list)
    ranges: list[Range] = field(default_factory=list)
    removed: list[Range] = field(default_factory=list)


def assign_nets(authored: Sequence[Authored], port: Port) -> dict[int, Share]:
    """Give every line of every net change to the changes that hold it, by serial.

    A line of a net change that no change of its author holds was slid there by another diff; it goes to the first
    owner of that net change, or to the change nearest to it.
    """
    by_file: dict[bytes, list[Authored]] = defaultdict(list)
    for one in authored:
        by_file[trace_key(one.trace)].append(one)
    shares: dict[int, Share] = defaultdict(Share)
    for name, group in by_file.items():
        file = port.files.get(name)
        if file is None or not file.changes:
            continue
        added = sorted((start, stop, one.serial) for one in group for start, stop in one.ranges)
        removed = sorted((start, stop, one.serial) for one in group for start, stop in one.removed)
        for net in file.changes:
            lines, gone = within(added, net.c, net.d), within(removed, net.a, net.b)
            owners = list(dict.fromkeys(serial for _, _, serial in [*lines, *gone]))
            if not owners:
                owners = [min(group, key=lambda one: abs(one.at - net.a)).serial]
            for serial in owners:
                shares[serial].nets.append(net)
            give(net.c, net.d, lines, {serial: shares[serial].ranges for serial in owners})
            give(net.a, net.b, gone, {serial: shares[serial].removed for serial in owners})
    return shares


def within(entries: list[tuple[int, int, int]], start: int, stop: int) -> list[tuple[int, int, int]]:
    """The parts of disjoint, sorted entries (start, stop, serial) that lie in `[start, stop)`."""
    at = max(0, bisect_left(entries, (start,)) - 1)
    found = []
    for low, high, serial in entries[at:]:
        if low >= stop:
            break
        if high > start:
            found.append((max(low, start), min(high, stop), serial))
    return found


def give(start: int, stop: int, held: list[tuple[int, int, int]], takers: dict[int, list[Range]]) -> None:
    """Split `[start, stop)` among owners by what each holds; what none holds goes to the first."""
    first = next(iter(takers.values()))
    at = start
    for low, high, serial in held:
        if low > at:
            first.append((at, low))
        takers[serial].append((low, high))
        at = max(at, high)
    if at < stop:
        first.append((at, stop))


def old_item(applied: Applied, authored: Authored, port: Port, share: Share | None) -> Item:
    """A change of p1, seen through its net changes in P."""
    hunk = applied.hunks[authored.hunk]
    trace = authored.trace
    file = port.files.get(trace_key(trace))
    name = trace_key(trace) if file is None else file.upstream or trace_key(trace)
    item = Item(0, authored.serial, hunk, hunk.changes[authored.change], authored.change, name, name)
    item.later = authored.later
    item.superseded = is_superseded(authored, hunk)
    item.base = (authored.at, max([authored.at, *(stop for _, stop in authored.removed)]))
    item.place = item.base
    if file is None:  # the patchset as a whole leaves the file as it was
        return item
    item.path = file.path or name
    if file.whole:
        whole_item(item, authored, file)
    else:
        net_item(item, file, share or Share())
    return item


def whole_item(item: Item, authored: Authored, file: PortedFile) -> None:
    """Take state and place from a file that was decided as a whole."""
    item.state, item.reason = file.whole, file.reason
    if file.whole == "placed":
        item.ranges = list(authored.ranges)
        item.gone = list(authored.removed)


def net_item(item: Item, file: PortedFile, share: Share) -> None:
    """Take state and place from the net changes that own a line of the change."""
    nets = share.nets
    states = {net.state for net in nets}
    item.place = (min(net.x for net in nets), max(net.y for net in nets)) if nets else file.map.region(*item.base)
    item.state = "unplaced" if "unplaced" in states else "placed" if "placed" in states or not nets else "absorbed"
    item.reason = next((net.reason for net in nets if net.state == "unplaced"), "")
    item.places = next((net.places for net in nets if net.places), ())
    item.sure = all(net.sure for net in nets)
    item.ranges = p_ranges(file, share.ranges)
    for start, stop in share.removed:
        for net in nets:
            low, high = max(start, net.a), min(stop, net.b)
            if low < high and net.state == "placed":
                item.gone.append((net.x + low - net.a, net.x + high - net.a))


def is_superseded(authored: Authored, hunk: Hunk) -> bool:
    """Whether no line of the change lives to D, though it added some."""
    added = len(hunk.changes[authored.change].added)
    return authored.lost > 0 and authored.lost >= added and not authored.removed


def new_item(applied: Applied, authored: Authored) -> Item:
    """A change of p2; it stands in U2 as it is."""
    hunk = applied.hunks[authored.hunk]
    trace = authored.trace
    name = trace.base if trace.base is not None else trace.path
    item = Item(1, authored.serial, hunk, hunk.changes[authored.change], authored.change, name, trace.path)
    item.later = authored.later
    item.superseded = is_superseded(authored, hunk)
    item.place = (authored.at, max([authored.at, *(stop for _, stop in authored.removed)]))
    item.ranges = list(authored.ranges)
    item.gone = list(authored.removed)
    return item


def by_range(items: Sequence[Item], which: str) -> dict[bytes, list[tuple[int, int, Item]]]:
    """The ranges of items by file, sorted: `ranges` by path, `gone` by name in U2."""
    found: dict[bytes, list[tuple[int, int, Item]]] = defaultdict(list)
    for item in items:
        for start, stop in item.ranges if which == "ranges" else item.gone:
            found[item.path if which == "ranges" else item.file].append((start, stop, item))
    for entries in found.values():
        entries.sort(key=lambda entry: entry[:2])
    return found


def overlaps(entries: list[tuple[int, int, Item]], start: int, stop: int) -> Iterator[tuple[Item, int]]:
    """The entries that overlap `[start, stop)` and by how many lines. Entries are disjoint and sorted."""
    low, high = 0, len(entries)
    while low < high:
        middle = (low + high) // 2
        if entries[middle][1] <= start:
            low = middle + 1
        else:
            high = middle
    for first, last, item in entries[low:]:
        if first >= stop:
            return
        if min(last, stop) > max(first, start):
            yield item, min(last, stop) - max(first, start)


def share_lines(old: list[Item], new: list[Item], interdiff: Interdiff) -> None:
    """Count the lines of P and D2 that the interdiff holds for the same and that both sides own."""
    owners = by_range(new, "ranges")
    for item in old:
        if not item.ranges:
            continue
        path, lines = interdiff.map_from(item.path)
        if path not in owners:
            continue
        for start, stop in item.ranges:
            for _, place, length in lines.pieces(start, stop):
                for other, count in overlaps(owners[path], place, place + length):
                    link(item, other, count)


def share_removals(old: list[Item], new: list[Item]) -> None:
    """Count the lines of U2 that both sides take out."""
    owners = by_range(new, "gone")
    for item in old:
        for start, stop in item.gone:
            for other, count in overlaps(owners.get(item.file, []), start, stop):
                link(item, other, count)


def link(old: Item, new: Item, count: int) -> None:
    """Note that two items share lines."""
    old.shared[new] = old.shared.get(new, 0) + count
    new.shared[old] = new.shared.get(old, 0) + count


def pair(old: Item, new: Item, evidence: str) -> None:
    """Make two items partners."""
    old.partners[new] = evidence
    new.partners[old] = evidence


def map_of(sides: Sides, file: bytes) -> LineMap:
    """The line map U1 -> U2 of a file."""
    return sides.maps.get(file, IDENTITY)
