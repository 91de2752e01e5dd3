"""Families of hunks over all releases of a comparison: when one was born, what became of it, and when it ended.

A family is a connected set of hunks through edges that say "the same change" (kept, refreshed, edited, moved), so the
parts of a split hunk are one family, and so are two that were merged. Everything here is a pure function of a stored
`Comparison`, and its work grows with the number of hunks and edges: linearly with the number of releases.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.model import PAIRED, WORST_FIRST, Comparison, Edge, Hunk, Patchset, Verdict

#: Fates after which a change is no longer in the patchset.
LOST = ("absorbed", "orphaned", "dropped", "ambiguous")
#: What is said of a hunk of the oldest patchset, of which nobody knows since when it is there.
PRESENT = "present"
#: Words of steps in which nothing happened.
QUIET = (PRESENT, "kept", "refreshed")
#: A hunk is near a line that nobody patched if it stands at most so many lines away: the context of a diff.
NEAR = 3

Keep = Callable[[Hunk], bool]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened to some changes of a family in one step; several if its changes fared differently."""

    word: str  # a fate, an origin, or PRESENT
    cause: str | None
    reason: str | None
    text: str
    lost: bool  # a fate: the hunks are of the patchset before; else an origin, and the hunks are of this one
    hunks: tuple[str, ...]
    changes: int  # how many changes of these hunks


@dataclass(frozen=True, slots=True)
class Step:
    """A family in one patchset, and how it came there."""

    patchset: int  # its index
    hunks: tuple[str, ...]  # of this patchset; none in the step in which the family ended
    events: tuple[Event, ...]  # worst first

    @property
    def changes(self) -> int:
        """How many changes the events tell of."""
        return sum(event.changes for event in self.events)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing happened in it."""
        return all(event.word in QUIET for event in self.events)


@dataclass(frozen=True, slots=True)
class Family:
    """The same piece of downstream work through the releases; it is named by its first hunk."""

    steps: tuple[Step, ...]  # of neighbouring patchsets, from the first to the last, or to the one after its end

    @property
    def id(self) -> str:
        """The id of its first hunk."""
        return self.steps[0].hunks[0]

    @property
    def hunks(self) -> list[str]:
        """The ids of all its hunks, oldest first."""
        return [name for step in self.steps for name in step.hunks]

    @property
    def born(self) -> int | None:
        """The patchset that introduced it; None if it is in the oldest one, which tells nothing of its birth."""
        return self.steps[0].patchset or None

    @property
    def ended(self) -> int | None:
        """The patchset that no longer has it; None if the newest one does."""
        last = self.steps[-1]
        return None if last.hunks else last.patchset

    @property
    def is_quiet(self) -> bool:
        """Whether nothing ever happened to it."""
        return all(step.is_quiet for step in self.steps)

    @property
    def words(self) -> set[str]:
        """Every verdict that it ever had, and `misplaced` where that was a reason."""
        events = [event for step in self.steps for event in step.events]
        return {event.word for event in events} | {"misplaced" for event in events if event.reason == "misplaced"}


def families(comparison: Comparison) -> list[Family]:
    """All families, in the order of their first hunks."""
    hunks = comparison.hunks()
    known = {hunk.id: hunk for hunk in hunks}
    return [_family(comparison, known, members) for members in group([hunk.id for hunk in hunks], comparison.edges)]


def group(names: Sequence[str], edges: Iterable[Edge]) -> list[list[str]]:
    """The connected sets of `names`, each in the order of `names`, by their first member."""
    order = {name: at for at, name in enumerate(names)}
    parents = list(range(len(names)))

    def find(at: int) -> int:
        while parents[at] != at:
            parents[at] = parents[parents[at]]
            at = parents[at]
        return at

    for edge in edges:
        if edge.kind in PAIRED and edge.a in order and edge.b in order:
            one, other = sorted((find(order[edge.a]), find(order[edge.b])))
            parents[other] = one
    found: dict[int, list[str]] = defaultdict(list)
    for at, name in enumerate(names):
        found[find(at)].append(name)
    return list(found.values())


def _family(comparison: Comparison, known: Mapping[str, Hunk], members: Sequence[str]) -> Family:
    """The family of some hunks, which are sorted by patchset."""
    by_patchset: dict[int, list[str]] = defaultdict(list)
    for name in members:
        by_patchset[known[name].release].append(name)
    first, last = min(by_patchset), max(by_patchset)
    steps = []
    for at in range(first, last + 2):
        before, here = by_patchset.get(at - 1, []), by_patchset.get(at, [])
        events = [*_arrivals(comparison, at, here), *_losses(comparison, before)]
        if here or events:
            steps.append(Step(at, tuple(here), tuple(events)))
    return Family(tuple(steps))


def _arrivals(comparison: Comparison, at: int, here: Sequence[str]) -> list[Event]:
    """How the hunks of a patchset came into it."""
    if at == 0:
        changes = sum(len(comparison.fates.get(name, ())) for name in here)
        return [Event(PRESENT, None, None, "", False, tuple(here), changes)] if here else []
    return _events((name, verdict) for name in here for verdict in comparison.origins.get(name, ()))


def _losses(comparison: Comparison, before: Sequence[str]) -> list[Event]:
    """What of the patchset before did not come along."""
    fates = ((name, verdict) for name in before for verdict in comparison.fates.get(name, ()))
    return _events(((name, verdict) for name, verdict in fates if verdict.word in LOST), lost=True)


def _events(told: Iterable[tuple[str, Verdict]], *, lost: bool = False) -> list[Event]:
    """Changes with the same verdict as one event, worst first."""
    found: dict[Verdict, list[str]] = defaultdict(list)
    for name, verdict in told:
        found[verdict].append(name)
    ranked = sorted(found.items(), key=lambda pair: WORST_FIRST.index(pair[0].word))
    return [
        Event(one.word, one.cause, one.reason, one.text, lost, tuple(dict.fromkeys(names)), len(names))
        for one, names in ranked
    ]


def select(found: Iterable[Family], hunks: Mapping[str, Hunk], keeps: Sequence[Keep], words: set[str]) -> list[Family]:
    """The families of which each of `keeps` keeps a hunk, and which had one of the verdicts `words` (none: any)."""

    def passes(family: Family) -> bool:
        if words and not words & family.words:
            return False
        mine = [hunks[name] for name in family.hunks]
        return all(any(keep(hunk) for hunk in mine) for keep in keeps)

    return [family for family in found if passes(family)]


def tally(found: Iterable[Family], patchsets: int) -> list[Counter[str]]:
    """For each patchset, how many families had their worst event there under which word; new ones are `new`."""
    counts: list[Counter[str]] = [Counter() for _ in range(patchsets + 1)]
    for family in found:
        for step in family.steps:
            counts[step.patchset][worst_event(step).word] += 1
    return counts[:patchsets]


def worst_event(step: Step) -> Event:
    """The event that a step goes by: a loss hides behind nothing."""
    return min(step.events, key=lambda event: WORST_FIRST.index(event.word) if event.word in WORST_FIRST else 0)


# Lines of the newest tree


@dataclass(frozen=True, slots=True)
class Run:
    """Some lines of a file of D and the hunk that added them (None: upstream's); of no length: lines it took out."""

    length: int
    hunk: str | None


#: Longer than any file: upstream's lines of a file are not counted here.
ENDLESS = 1 << 60


def owners_at(patchset: Patchset, path: bytes, line: int) -> tuple[list[str], bool]:
    """The ids of the hunks that stand at 1-based `line` of a file of D, and whether one of them made the line.

    Where upstream made it, these are the hunks that changed something within NEAR lines, the nearest first.
    """
    at = 1
    near: list[tuple[int, str]] = []
    for run in file_runs(patchset, path):
        if run.hunk is not None:
            if run.length and at <= line < at + run.length:
                return [run.hunk], True
            # What was taken out stands between two lines: it is as near to the one as to the other.
            away = at - line if at > line else line - max(at + run.length - 1, at - 1)
            if away <= NEAR:
                near.append((away, run.hunk))
        at += run.length
    return list(dict.fromkeys(name for _, name in sorted(near, key=lambda pair: pair[0]))), False


def file_runs(patchset: Patchset, path: bytes) -> list[Run]:
    """The lines of a file of D by the hunks that added them, after the whole series, through its renames."""
    names = {path}
    for hunk in reversed(patchset.hunks):
        if hunk.path in names and hunk.old_path is not None:
            names.add(hunk.old_path)
    files: dict[bytes, list[Run]] = {}
    for batch in _batches(hunk for hunk in patchset.hunks if hunk.path in names):
        name = batch[0].path
        before = files.get(batch[0].old_path or name, [Run(ENDLESS, None)])
        files[name] = before
        for hunk in reversed(batch):  # from below, so that the numbers of those above still count
            files[name] = _applied(files[name], hunk)
    return files.get(path, [])


def _batches(hunks: Iterable[Hunk]) -> Iterator[list[Hunk]]:
    """Hunks whose numbers count in the same state of a file: those of one file in one patch, in order of place."""
    batch: list[Hunk] = []
    for hunk in hunks:
        last = batch[-1] if batch else hunk
        if (hunk.patch, hunk.path) != (last.patch, last.path) or hunk.applied_start < last.applied_start:
            yield batch
            batch = []
        batch.append(hunk)
    if batch:
        yield batch


def _applied(runs: list[Run], hunk: Hunk) -> list[Run]:
    """The runs of a file after one more hunk."""
    above, rest = _split(runs, hunk.applied_start - (hunk.old_lines > 0))
    for sign, length in _strokes(hunk.body):
        taken, rest = ([], rest) if sign == b"+" else _split(rest, length)
        above += taken if sign == b" " else [Run(length if sign == b"+" else 0, hunk.id)]
    return above + rest


def _strokes(body: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Runs of context, removed and added lines."""
    signs = [text[:1] for text in body if text[:1] in (b" ", b"-", b"+")]
    start = 0
    for at in range(1, len(signs) + 1):
        if at == len(signs) or signs[at] != signs[start]:
            yield signs[start], at - start
            start = at


def _split(runs: list[Run], length: int) -> tuple[list[Run], list[Run]]:
    """Runs cut after `length` lines; what was taken out there stays above."""
    for at, run in enumerate(runs):
        if length < run.length:
            cut = [Run(length, run.hunk)] if length else []
            return runs[:at] + cut, [Run(run.length - length, run.hunk), *runs[at + 1 :]]
        length -= run.length
    return runs, []
