"""The forced tree F: P, and all that upstream forced downstream to change.

P is made without p2, so it stops where upstream's work and the old patchset contradict each other. F takes from p2
what answers to that, so the old intent stands on the new release as its author adapted it. By their owners, the edits
of P..D2 are of three kinds:

- answers: the cause of their changes is `upstream`, and p1 had a form of them; or they are kept or refreshed, and in
  P..D2 only since P has no place, or another one, for them; or P has no place for the change of p1 that became
  them; or they take back a change of p1 whose fate upstream decided: absorbed, orphaned, or edited or moved with that
  cause; or P cannot build with the lines that they take out (see `broken`);
- additions: new changes that stand on upstream's new code, or undo it;
- all others are downstream's own, and so is one that shares its lines with such a change.

What belongs together comes together (see `_Settling`): an answer takes with it what answers to the same conflict and
what it cannot do without; an addition that is a piece of work of downstream's own stays out with the rest of it. Half
of either does not build, while P without the one, and D2 with the other, may.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from git_metadiff.bare import bare_line
from git_metadiff.bisect.broken import broken_by_upstream
from git_metadiff.bisect.edits import Axis, Edit
from git_metadiff.bisect.owners import Claim, Claims, Labels, claims_by_path
from git_metadiff.bisect.ties import tied, ties_of, untied
from git_metadiff.bisect.units import NEAR, gap_between, units_of
from git_metadiff.git import Git
from git_metadiff.linemap import words_in
from git_metadiff.model import Comparison, Transition, Verdict

#: A line of fewer letters and digits tells nothing.
TELLS = 5
#: Fates that upstream decided, whatever their cause.
UPSTREAM_FATES = ("absorbed", "orphaned", "kept", "refreshed")

Kind = Literal["answer", "addition", "own"]
#: A hunk by its id, or a patch of the newer patchset by its number.
Work = str | int


@dataclass(frozen=True, slots=True)
class Standing:
    """What an edit of P..D2 is to F."""

    kind: Kind
    hunks: frozenset[str] = frozenset()  # of either patchset, that own it
    is_carried: bool = False  # p1 had a form of it, and p2 has one
    is_withdrawn: bool = False  # it only takes back what p1 changed


def forced_edits(git: Git, comparison: Comparison, transition: Transition, interdiff: Axis) -> frozenset[int]:
    """The numbers of the edits of the axis P..D2 that are in F; `git` has its trees."""
    judge = _Judge(comparison, transition)
    standings = [judge.standing(edit) for edit in interdiff.edits]
    last = len(comparison.releases) - 1
    old, new = (comparison.releases[min(at, last)].tree for at in (transition.start, transition.stop))
    own = [at for at, one in enumerate(standings) if one.kind == "own" and (one.is_carried or one.is_withdrawn)]
    for at in broken_by_upstream(git, (old, new), interdiff, own):
        standings[at] = replace(standings[at], kind="answer")
    return _Settling(git, interdiff, standings, own_works(comparison, transition)).forced()


class _Judge:
    """Knows the changes of both patchsets and their verdicts."""

    def __init__(self, comparison: Comparison, transition: Transition) -> None:
        older, newer = (comparison.patchsets[at].hunks for at in (transition.start, transition.stop))
        self._new = by_hunk(claims_by_path(newer))
        self._old = by_hunk(claims_by_path(older, undone=True))
        self._origins, self._fates = comparison.origins, comparison.fates
        self._labels = Labels(transition.interdiff_hunks)
        self._homeless = homeless(comparison, transition)
        self._indexes: dict[tuple[bytes, bool, frozenset[str] | None], Claims] = {}

    def standing(self, edit: Edit) -> Standing:
        """What an edit of P..D2 is, by the verdicts of its owners in p2, or if it has none there in p1."""
        names = self._labels.at(edit) if edit.kind == "text" else None
        mine = self._owners_of(edit, names, newer=True)
        theirs = self._owners_of(edit, names, newer=False)
        hunks = frozenset(one.hunk for one in (*mine, *theirs))
        if mine:
            origins = verdicts_of(mine, self._origins)
            is_carried = any(one is not None and one.word != "new" for one in origins)
            kind: Kind = "own"
            if all(is_answer(one) for one in origins):
                kind = "answer" if is_carried else "addition"
            elif not theirs and any(shares_line(edit, self._homeless.get(one.hunk)) for one in mine):
                kind = "answer"
            return Standing(kind, hunks, is_carried)
        fates = verdicts_of(theirs, self._fates)
        is_carried = any(one is not None and one.word != "dropped" for one in fates)
        is_upstreams_own = bool(theirs) and all(is_upstreams(one) for one in fates)
        return Standing("answer" if is_upstreams_own else "own", hunks, is_carried, is_withdrawn=bool(theirs))

    def _owners_of(self, edit: Edit, names: frozenset[str] | None, *, newer: bool) -> list[Claim]:
        """The changes of these hunks of one of the patchsets that own an edit; a table is one hunk with many edits."""
        key = edit.path, newer, names
        if key not in self._indexes:
            claims = self._new if newer else self._old
            self._indexes[key] = Claims(within(claims.get(edit.path, {}), names))
        return self._indexes[key].owners_of(edit)


class _Settling:
    """Decides edit by edit from what they are and what they belong to."""

    def __init__(self, git: Git, axis: Axis, standings: Sequence[Standing], own: Mapping[str, bool]) -> None:
        self._axis = axis
        self._standings = standings
        self._own = own
        files = [at for at, file in enumerate(axis.files) if file.edits]
        self._units = [unit.edits for unit in units_of(axis, git, files, lambda _file: False)]
        self._ties = ties_of(axis)

    def forced(self) -> frozenset[int]:
        """The edits that are in F."""
        kinds: dict[Kind, set[int]] = defaultdict(set)
        for at, one in enumerate(self._standings):
            kinds[one.kind].add(at)
        additions = {at for at in kinds["addition"] if not self._is_own_work(at)}
        inside = self._taken_along(kinds["answer"] | self._rewritten(kinds["own"], additions))
        return frozenset(inside | untied(self._ties, inside, additions - inside))

    def _rewritten(self, own: set[int], additions: set[int]) -> set[int]:
        """Changes of p1 that are taken back beside an addition, and the addition: it is there in their stead, on lines
        that upstream brought."""
        found = set()
        for file in self._axis.files:
            for pair in pairwise(file.content):
                old, new = (pair, pair[::-1])[pair[0] in additions]
                is_near = gap_between(self._axis, *pair) <= 2 * NEAR  # of one `@@`
                if is_near and new in additions and old in own and self._standings[old].is_withdrawn:
                    found |= {old, new}
        return found

    def _taken_along(self, answers: set[int]) -> set[int]:
        """Answers, what answers to the same conflicts, and what these cannot do without."""
        inside = set(answers)
        for unit in self._units:
            inside |= self._same_conflict(unit, answers)
        return tied(self._ties, inside)

    def _same_conflict(self, unit: Sequence[int], answers: set[int]) -> set[int]:
        """Of edits side by side or in one function, those that belong to the answers among them: whatever p1 had a form
        of in that function, since P holds half of it, and what else the hunks of the answers change."""
        mine = [at for at in unit if at in answers]
        hunks = {name for at in mine for name in self._standings[at].hunks}
        places = {name for at in mine for name in self._axis.edits[at].sections[:1]}
        found = set()
        for at in unit:
            one = self._standings[at]
            is_near = one.is_carried and not places.isdisjoint(self._axis.edits[at].sections[:1])
            if is_near or not hunks.isdisjoint(one.hunks):
                found.add(at)
        return found

    def _is_own_work(self, at: int) -> bool:
        """Whether an addition is a part of a piece of work that downstream did of its own."""
        return any(self._own.get(name, False) for name in self._standings[at].hunks)


def own_works(comparison: Comparison, transition: Transition) -> dict[str, bool]:
    """Of each hunk of p2, whether downstream's own decision is in it, or in the rest of a patch that is new.

    A patchset of one patch is no piece of work, and neither is a patch that lived on.
    """
    newer = comparison.patchsets[transition.stop]
    lived_on = {edge.b for edge in comparison.patch_edges if edge.release == transition.start}
    works: dict[str, Work] = {}
    for hunk in newer.hunks:
        is_new = len(newer.patches) > 1 and hunk.patch not in lived_on
        works[hunk.id] = hunk.patch if is_new else hunk.id
    own = {works[hunk.id] for hunk in newer.hunks if any(is_own(one) for one in comparison.origins.get(hunk.id, ()))}
    return {name: work in own for name, work in works.items()}


def homeless(comparison: Comparison, transition: Transition) -> dict[str, frozenset[bytes]]:
    """Hunks of p2 -> the bare lines of those changes of the hunks of p1 that they became for which P has no place."""
    hunks = {hunk.id: hunk for hunk in comparison.patchsets[transition.start].hunks}
    lines: dict[str, set[bytes]] = defaultdict(set)
    for one in transition.unplaced:
        fates = comparison.fates.get(one.hunk, ())
        if one.change < len(fates) and fates[one.change].word in ("edited", "moved"):
            change = hunks[one.hunk].changes[one.change]
            lines[one.hunk] |= {bare_line(text) for text in (*change.removed, *change.added) if words_in(text) > TELLS}
    found: dict[str, set[bytes]] = defaultdict(set)
    for edge in comparison.edges:
        if edge.a in lines:
            found[edge.b] |= lines[edge.a]
    return {name: frozenset(mine - {b""}) for name, mine in found.items()}


def shares_line(edit: Edit, lines: frozenset[bytes] | None) -> bool:
    """Whether an edit has one of these lines, whatever their white space."""
    return lines is not None and any(bare_line(text) in lines for text in (*edit.removed, *edit.added))


def is_own(origin: Verdict) -> bool:
    """Whether a change of p2 is new, and upstream has no part in it."""
    return origin.word == "new" and origin.cause == "downstream"


def by_hunk(claims: Mapping[bytes, Iterable[Claim]]) -> dict[bytes, dict[str, list[Claim]]]:
    """The changes of each file, by their hunks."""
    found: dict[bytes, dict[str, list[Claim]]] = {}
    for path, mine in claims.items():
        hunks = found[path] = {}
        for one in mine:
            hunks.setdefault(one.hunk, []).append(one)
    return found


def within(claims: Mapping[str, Sequence[Claim]], names: frozenset[str] | None) -> list[Claim]:
    """The changes of these hunks; all, if it is not told which."""
    chosen = claims if names is None else sorted(names & claims.keys())
    return [one for name in chosen for one in claims[name]]


def verdicts_of(claims: Iterable[Claim], verdicts: Mapping[str, tuple[Verdict, ...]]) -> list[Verdict | None]:
    """The verdict of each change; None for one that has none."""
    found: list[Verdict | None] = []
    for one in claims:
        mine = verdicts.get(one.hunk, ())
        found.append(mine[one.change] if one.change < len(mine) else None)
    return found


def is_answer(origin: Verdict | None) -> bool:
    """Whether a change of p2 answers to upstream: by its cause, or since only P's limits show it in the interdiff."""
    if origin is None or origin.reason == "misplaced":
        return False
    return origin.cause == "upstream" or origin.word in ("kept", "refreshed")


def is_upstreams(fate: Verdict | None) -> bool:
    """Whether upstream decided what became of a change of p1."""
    if fate is None or fate.reason == "misplaced":
        return False
    return fate.cause == "upstream" or fate.word in UPSTREAM_FATES
