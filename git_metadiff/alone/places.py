"""Where changes stand: in lines of the release that nobody has, and in those of the next one, as far as both tell."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from git_metadiff.alone.found import Side
from git_metadiff.correspond.items import Item
from git_metadiff.linemap import words_in
from git_metadiff.model import Hunk, Range

#: A text of fewer letters and digits does not speak for a renamed file.
TELLING = 16


class Book:
    """Follows the files of a series from patch to patch: their names, and how they grow."""

    def __init__(self) -> None:
        self._names: dict[bytes, bytes] = {}  # name now -> name before the first patch
        self._edits: dict[bytes, list[tuple[int, int]]] = defaultdict(list)  # of the patches before: line, growth

    def take(self, hunks: Sequence[Hunk]) -> list[tuple[bytes, list[int]]]:
        """The base name and base lines (0-based) of the changes of each hunk of the next patch."""
        found: list[tuple[bytes, list[int]]] = []
        grown: dict[bytes, list[tuple[int, int]]] = defaultdict(list)
        for hunk in hunks:
            if hunk.old_path is not None and hunk.kind != "copy" and hunk.path not in self._names:
                self._names[hunk.path] = self._names.pop(hunk.old_path, hunk.old_path)
            name = self._names.get(hunk.path, hunk.path)
            lines = [self._base(name, max(0, change.old_start - 1)) for change in hunk.changes]
            grown[name] += [
                (line, len(change.added) - len(change.removed))
                for line, change in zip(lines, hunk.changes, strict=True)
                if len(change.added) != len(change.removed)
            ]
            found.append((name, lines))
        for name, edits in grown.items():
            self._edits[name] = sorted([*self._edits[name], *edits])
        return found

    def _base(self, name: bytes, line: int) -> int:
        """The line of the file before the first patch that is now `line`, or that stood where it was added."""
        shift = last = 0
        for at, growth in self._edits.get(name, ()):
            if at + shift >= line:
                break
            shift, last = shift + growth, at
        return max(last, line - shift)


def items_of(side: Side, number: int) -> list[Item]:
    """The changes of a patchset as items. Those of the older one (`number` 0) count as unplaced: nobody placed them."""
    book, items = Book(), list[Item]()
    by_patch: dict[int, list[Hunk]] = defaultdict(list)
    for hunk in side.hunks:
        by_patch[hunk.patch].append(hunk)
    for patch in side.patches:
        hunks = by_patch[patch.index]
        for hunk, (name, lines) in zip(hunks, book.take(hunks), strict=True):
            for index, (change, line) in enumerate(zip(hunk.changes, lines, strict=True)):
                item = Item(number, len(items), hunk, change, index, name, hunk.path)
                item.state = "placed" if number else "unplaced"
                item.base = item.place = (line, line + len(change.removed))
                items.append(item)
    return items


def find_renames(olds: Iterable[Item], news: Iterable[Item]) -> dict[bytes, bytes]:
    """Files of the release that both patchsets patch alike under different names: the older name to the newer.

    A file that a patchset itself adds is no file of the release.
    """
    first, second = by_file(olds), by_file(news)
    gone = {name: items for name, items in first.items() if name not in second and not makes(items)}
    come = {name: items for name, items in second.items() if name not in first and not makes(items)}
    index: dict[object, set[bytes]] = defaultdict(set)
    for name, items in come.items():
        for item in items:
            index[item.key].add(name)
    votes: dict[bytes, Counter[bytes]] = defaultdict(Counter)
    for name, items in gone.items():
        for item in items:
            if words_in(item.text) >= TELLING:
                votes[name].update(index.get(item.key, ()))
    scored = [(count, old, new) for old, tally in votes.items() for new, count in tally.items()]
    found: dict[bytes, bytes] = {}
    for count, old, new in sorted(
        scored, key=lambda one: (-one[0], one[1].rpartition(b"/")[2] != one[2].rpartition(b"/")[2], *one[1:])
    ):
        namesakes = old.rpartition(b"/")[2] == new.rpartition(b"/")[2]
        enough = 2 * count >= min(len(gone[old]), len(come[new]))
        if old not in found and new not in found.values() and (enough or namesakes):
            found[old] = new
    return found


def by_file(items: Iterable[Item]) -> dict[bytes, list[Item]]:
    """Changes of lines by the base name of their file."""
    found: dict[bytes, list[Item]] = defaultdict(list)
    for item in items:
        if item.hunk.kind == "text":
            found[item.file].append(item)
    return found


def makes(items: Sequence[Item]) -> bool:
    """Whether a patchset itself adds the file of these changes."""
    return any(item.creates for item in items)


def bring_together(olds: Sequence[Item], news: Sequence[Item], renames: Mapping[bytes, bytes]) -> None:
    """Give the older changes the newer names of their files, and places in lines of the newer release.

    The places are estimates: the offset of the nearest change that both sides hold once.
    """
    for item in olds:
        item.file = renames.get(item.file, item.file)
    second = by_file(news)
    for name, items in by_file(olds).items():
        if name in second:
            shift_all(items, anchors(items, second[name]))


def anchors(olds: Sequence[Item], news: Sequence[Item]) -> list[Range]:
    """Lines of both releases that belong together, rising on both sides: changes of one text, alone in its file."""
    pairs: set[Range] = set()
    for exact in (True, False):
        first, second = alone(olds, exact), alone(news, exact)
        pairs |= {(first[key].base[0], second[key].base[0]) for key in first.keys() & second.keys()}
    return longest_rise(sorted(pairs))


def alone(items: Sequence[Item], exact: bool) -> dict[object, Item]:
    """Changes whose text (and nearest context, if `exact`) no other of these has."""
    keys = [(item.key, item.change.before[-1:], item.change.after[:1]) if exact else item.key for item in items]
    counts = Counter(keys)
    return {key: item for key, item in zip(keys, items, strict=True) if counts[key] == 1}


def longest_rise(pairs: Sequence[Range]) -> list[Range]:
    """The longest run of pairs that rises on both sides (patience sorting)."""
    tails: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for at, (_, line) in enumerate(pairs):
        place = bisect_left(tails, line)
        before.append(ends[place - 1] if place else -1)
        tails[place : place + 1], ends[place : place + 1] = [line], [at]
    found, at = [], ends[-1] if ends else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]


def shift_all(items: Sequence[Item], known: Sequence[Range]) -> None:
    """Move the places of changes by the offset of the nearest anchor."""
    if not known:
        return
    starts = [old for old, _ in known]
    for item in items:
        start, stop = item.base
        at = bisect_right(starts, start)
        near = min(known[max(0, at - 1) : at + 1], key=lambda pair: abs(pair[0] - start))
        offset = near[1] - near[0]
        item.place = (start + offset, stop + offset)
