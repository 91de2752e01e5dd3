"""What a patch alone can carry, though the series as a whole has no place for it in P.

P judges the net change of a series: where upstream took an early patch in and a later one edits its lines, or a later
patch rewrites what an early one added and both together meet upstream's work, P has nothing of either. In the file as
it stands before a patch, in the ported series, each of its hunks has a place by itself, or not. Only certain places
count, of all that is lost of a hunk: all removed lines are there, together; an insertion stands between the very lines
that it stood between. Nothing that P has is moved for it, and what a later patch does to the same lines keeps it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise

from git_metadiff.forward.prefixes import mend_ends, touch
from git_metadiff.forward.recut import place_of
from git_metadiff.forward.rewrite import Work
from git_metadiff.forward.sections import Section
from git_metadiff.forward.states import Entry, Slot, Walk
from git_metadiff.forward.words import HunkFate
from git_metadiff.git import FastImport, Git
from git_metadiff.linemap import Block, LineMap, diff_many
from git_metadiff.lines import LineCache, join_lines
from git_metadiff.model import Hunk
from git_metadiff.port import is_text

Fates = Sequence[Sequence[HunkFate]]
Lost = dict[int, list[tuple[Hunk, int]]]  # patch -> changes without a place


@dataclass(frozen=True, slots=True)
class Extra:
    """A change at its place in a state of the ported file: lines `[x, y)` become `added`."""

    x: int
    y: int
    added: Sequence[bytes]
    hunk: str  # id


@dataclass(slots=True)
class Job:
    """A file of which something is lost: its versions before the first patch and after each one that touches it."""

    slot: Slot
    lost: Lost
    olds: list[Entry] = field(default_factory=list)  # U1, D_k, …
    news: list[Entry] = field(default_factory=list)  # U2, P_k, …


def regain(git: Git, lines: LineCache, writer: FastImport, walk: Walk, works: Sequence[Work], fates: Fates) -> int:
    """Put what can be carried alone into the states of its files; how many hunks that were."""
    jobs = list(find_jobs(walk, works, fates))
    if not jobs:
        return 0
    steps = [list(zip(job.olds, job.news, job.news[1:], strict=False)) for job in jobs]
    maps, own = diff_many(
        git,
        [
            [(old[1], new[1]) for step in steps for old, new, _ in step],
            [(new[1], then[1]) for step in steps for _, new, then in step],
        ],
        "histogram",
    )
    found, at = 0, 0
    marks = []
    for job in jobs:
        stop = at + len(job.olds) - 1
        if None not in maps[at:stop] and None not in own[at:stop]:
            series = place_all(job, [one or [] for one in maps[at:stop]], [one or [] for one in own[at:stop]])
            found += len({extra.hunk for extras in series for extra in extras})
            for state, entry, extras in zip(job.slot.states, job.news[1:], series, strict=True):
                if extras:
                    marks.append((state, writer.blob(join_lines(spliced(lines.one(entry[1]), extras)))))
        at = stop
    writer.checkpoint()
    for (state, _), oid in zip(marks, writer.ids([mark for _, mark in marks]), strict=True):
        assert state.new is not None
        path, (mode, _) = state.new
        state.new = path, (mode, oid)
    return found


def find_jobs(walk: Walk, works: Sequence[Work], fates: Fates) -> Iterator[Job]:
    """The files of which changes of lines are lost, and that are text in both series from end to end."""
    lost: dict[int, Lost] = {}
    slots: dict[int, Slot] = {}
    for work, rows in zip(works, fates, strict=True):
        by_id = {fate.hunk.id: fate for fate in rows}
        for section in work.sections:
            slot = slot_of(walk, section)
            for source in section.sources if slot is not None else ():
                for at, change in enumerate(by_id[source.hunk.id].changes):
                    if change.result == "rejected" and slot is not None:
                        slots[id(slot)] = slot
                        lost.setdefault(id(slot), {}).setdefault(work.number, []).append((source.hunk, at))
    for name, slot in slots.items():
        if slot.file is not None:
            sides = [slot.start, *((state.old, state.new) for state in slot.states)]
            olds = [old[1] for old, _ in sides if old is not None and is_text(old[1][0])]
            news = [new[1] for _, new in sides if new is not None and is_text(new[1][0])]
            names = {new[0] for _, new in sides if new is not None}
            if len(olds) == len(news) == len(sides) and len(names) == 1:
                yield Job(slot, lost[name], olds, news)


def slot_of(walk: Walk, section: Section) -> Slot | None:
    """The file of a section."""
    return next(iter(walk.by_path.get(section.target.path) or walk.by_path.get(section.target.old or b"") or ()), None)


def place_all(job: Job, maps: Sequence[Sequence[Block]], own: Sequence[Sequence[Block]]) -> list[list[Extra]]:
    """The changes that each state of a file holds beyond P's: per state, at their places in it.

    `maps` lead from the old series to the ported one before each state, `own` from there to that state. A hunk that a
    later patch meets is left out from the start.
    """
    hopeless: set[str] = set()
    while True:
        series: list[list[Extra]] = []
        extras: list[Extra] = []
        met: set[str] = set()
        for state, known, blocks in zip(job.slot.states, maps, own, strict=True):
            met |= {one.hunk for one in extras if meets(one, blocks)}
            for name, rows in groupby(job.lost.get(state.patch, ()), key=lambda row: row[0].id):
                some = [] if name in hopeless else [place(*row, LineMap(known)) for row in rows]
                extras += fitting(some, extras, blocks)
            extras = [shifted(one, LineMap(blocks)) for one in extras]
            series.append(list(extras))
        if not met:
            return series
        hopeless |= met


def fitting(some: Sequence[Extra | None], others: Sequence[Extra], blocks: Sequence[Block]) -> list[Extra]:
    """The lost changes of one hunk if all of them have their place: half of an `#if` and `#endif` helps nobody."""
    found = [one for one in some if one is not None]
    taken = [(one.x, one.y) for one in others]
    free = not any(meets(one, blocks) or any(touch((one.x, one.y), place) for place in taken) for one in found)
    apart = all(one.y < other.x for one, other in pairwise(found))
    return found if len(found) == len(some) and free and apart else []


def place(hunk: Hunk, at: int, known: LineMap) -> Extra | None:
    """Where a change certainly has its place."""
    change = hunk.changes[at]
    start = hunk.applied_start - (hunk.old_lines > 0) + change.old_start - hunk.old_start - (hunk.old_lines == 0)
    stop = start + len(change.removed)
    if stop > start:
        where = place_of(start, stop, known)
    else:
        low, high = known.gap(start)
        beside = [at for at in (start - 1, start) if at >= 0]  # past the end, the map leads past the end
        where = (low, high) if low == high and all(known.line(at) is not None for at in beside) else None
    return None if where is None else Extra(*where, change.added, hunk.id)


def meets(extra: Extra, blocks: Sequence[Block]) -> bool:
    """Whether a change touches one of P's own."""
    return any(touch((extra.x, extra.y), (block.a, block.b)) for block in blocks)


def shifted(extra: Extra, known: LineMap) -> Extra:
    """A change that touches no block of a map, behind it."""
    by = known.gap(extra.x)[0] - extra.x
    return replace(extra, x=extra.x + by, y=extra.y + by)


def spliced(text: list[bytes], extras: Sequence[Extra]) -> list[bytes]:
    """A file with its changes."""
    out: list[bytes] = []
    at = 0
    for extra in sorted(extras, key=lambda one: one.x):
        out += text[at : extra.x]
        out += extra.added
        at = extra.y
    return mend_ends(out + text[at:])
