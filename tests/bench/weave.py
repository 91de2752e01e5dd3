"""Turns the plan of one file into edits: upstream's and p1's on the first release, p2's on the second."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ctext import reworded, statements, stem
from edits import Edit, shift
from plan import CELL, CHURN_MEDIAN, CHURN_SPREAD, CONFLICT_KINDS, NEAR_SHARE, Fate, FilePlan, HunkPlan

# Where in its cell a hunk may start, counted from the cell's first line; upstream's own edits start sooner.
_HUNK_OFFSETS = range(6, 10)
_UPSTREAM_OFFSETS = range(4, 8)
_LONGEST_INSERTION = 8
_CHURN_PER_EDIT = 8
# Of the hunks that are neither alike nor in conflict: the shares that insert, replace and delete; the rest holds two
# or three changes (a fifth, as in a real monolithic patch).
_INSERTING, _REPLACING, _DELETING = 0.45, 0.32, 0.03
_EDITED_BY_ONE_LINE_MORE = 0.4


@dataclass(slots=True)
class Woven:
    """The edits of one file, each list sorted and without overlaps.

    `fates` has the 1-based line of each hunk's first edit in the first release; `near` counts the hunks whose context
    upstream changed.
    """

    upstream: list[Edit] = field(default_factory=list)
    first: list[Edit] = field(default_factory=list)
    second: list[Edit] = field(default_factory=list)
    fates: list[tuple[int, Fate]] = field(default_factory=list)
    near: int = 0


def weave(rng: Random, plan: FilePlan, lines: list[str]) -> Woven:
    """Make the edits of a file; `lines`, its first release, gets the lines that alike hunks are to replace."""
    return _Weaver(rng, plan, lines).weave()


class _Weaver:
    """The edits of one file in the making."""

    def __init__(self, rng: Random, plan: FilePlan, lines: list[str]) -> None:
        self._rng, self._plan, self._lines = rng, plan, lines
        self._prefix = stem(plan.path)
        self._woven = Woven()
        # p2's edits by their place in the first release, each with the lines of upstream's that it comes after.
        self._carried: list[tuple[Edit, int]] = []

    def weave(self) -> Woven:
        """Make the edits hunk by hunk, then upstream's others, then p2's, which need all of upstream's."""
        woven, plan = self._woven, self._plan
        for hunk in plan.hunks:
            edits = self._hunk(hunk)
            if hunk.fate is not Fate.NEW:
                woven.first += edits
            woven.fates.append((edits[0].start + 1, hunk.fate))
            if not plan.deleted:
                partner = self._partner(hunk, edits)
                woven.upstream += partner
                self._carry(hunk, edits, sum(len(edit.added) for edit in partner))
        if plan.changed and not plan.deleted:
            self._churn()
        woven.upstream.sort()
        for edit, skipped in self._carried:
            start = edit.start + shift(woven.upstream, edit.start) + skipped
            woven.second.append(Edit(start, edit.removed, edit.added))
        return woven

    def _hunk(self, hunk: HunkPlan) -> list[Edit]:
        """Write a hunk of p1, or a new one of p2, as edits of the first release."""
        rng = self._rng
        start = hunk.cell * CELL + rng.choice(_HUNK_OFFSETS)
        if hunk.sweep:
            if hunk.sweep.old is not None:
                self._lines[start] = hunk.sweep.old
            return [Edit(start, int(hunk.sweep.old is not None), hunk.sweep.new)]
        kind = rng.random()
        if hunk.fate is Fate.INSERT or (hunk.fate not in CONFLICT_KINDS and kind < _INSERTING):
            return [Edit(start, 0, self._statements(1 + min(_LONGEST_INSERTION - 1, int(rng.expovariate(0.4)))))]
        if hunk.fate in CONFLICT_KINDS or kind < _INSERTING + _REPLACING:
            return [self._replacement(start, rng.choice((1, 1, 1, 2, 3)))]
        if kind < _INSERTING + _REPLACING + _DELETING:
            return [Edit(start, rng.choice((1, 2)), ())]
        return [self._replacement(start + 3 * number, 1) for number in range(rng.choice((2, 2, 3)))]

    def _statements(self, lines: int) -> tuple[str, ...]:
        return statements(self._rng, self._prefix, lines)

    def _reworded(self, line: str) -> str:
        return reworded(self._rng, line, self._prefix)

    def _replacement(self, start: int, removed: int) -> Edit:
        """Reword some lines, and now and then add one."""
        added = tuple(self._reworded(line) for line in self._lines[start : start + removed])
        return Edit(start, removed, added + self._statements(self._rng.choice((0, 0, 1))))

    def _partner(self, hunk: HunkPlan, edits: list[Edit]) -> list[Edit]:
        """Give upstream's edit in the cell of a hunk, if any: the conflict, or a change of the context."""
        first, after = edits[0], edits[-1].end + 1
        if hunk.fate is Fate.OVERLAP:
            return [Edit(first.start, first.removed, self._statements(first.removed))]
        if hunk.fate is Fate.INSERT:
            return [Edit(first.start, 0, self._statements(self._rng.choice((1, 2, 3))))]
        if hunk.fate is Fate.BESIDE:
            return [Edit(first.end, 1, self._statements(1))]
        if hunk.fate is Fate.GONE:
            return [Edit(first.start - 2, first.removed + 4, ())]
        if not self._plan.changed or hunk.fate is Fate.NEW or self._rng.random() >= NEAR_SHARE:
            return []
        self._woven.near += 1
        # One line stays between both, so that it is no conflict.
        return [Edit(after, 1, (self._reworded(self._lines[after]),))]

    def _carry(self, hunk: HunkPlan, edits: list[Edit], upstream: int) -> None:
        """Note p2's edits for a hunk; `upstream` lines come before it where both insert at one place."""
        if hunk.fate in (Fate.DROPPED, Fate.GONE):
            return
        if hunk.fate in (Fate.EDITED, Fate.OVERLAP):
            first = edits[0]
            edits = [Edit(first.start, first.removed, self._edited(first.added)), *edits[1:]]
        self._carried += [(edit, upstream if hunk.fate is Fate.INSERT else 0) for edit in edits]

    def _edited(self, added: tuple[str, ...]) -> tuple[str, ...]:
        """Write the other lines of a hunk that p2 edits: the last one reworded, or one more."""
        if not added or self._rng.random() < _EDITED_BY_ONE_LINE_MORE:
            return added + self._statements(1)
        return (*added[:-1], self._reworded(added[-1]))

    def _churn(self) -> None:
        """Add upstream's edits in the cells that no hunk lies in, at most one a cell."""
        rng = self._rng
        taken = {hunk.cell for hunk in self._plan.hunks}
        free = [cell for cell in range(self._plan.cells) if cell not in taken]
        churn = max(1, int(CHURN_MEDIAN * rng.lognormvariate(0, CHURN_SPREAD)))
        size = min(_CHURN_PER_EDIT, churn)
        for cell in rng.sample(free, min(len(free), -(-churn // size))):
            start, removed = cell * CELL + rng.choice(_UPSTREAM_OFFSETS), rng.randrange(size + 1)
            added = tuple(self._reworded(line) for line in self._lines[start : start + removed // 2])
            added += self._statements(max(0, size - removed - len(added)))
            self._woven.upstream.append(Edit(start, removed, added))
