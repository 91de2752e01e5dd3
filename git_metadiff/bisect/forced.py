"""The forced tree F: P, and all that upstream forced downstream to change.

P is made without p2, so it stops where upstream's work and the old patchset contradict each other. F takes from p2
what answers to that, so the old intent stands on the new release as its author adapted it. Of the edits of P..D2
those are forced

- whose changes of p2 have the cause `upstream`;
- whose changes of p2 are kept or refreshed: they are in P..D2 only since P has no place, or another one, for them;
- that take back a change of p1 whose fate upstream decided: absorbed, orphaned, or edited or moved with that cause.

All others are downstream's own, and so is one that shares its lines with such a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from git_metadiff.bisect.edits import Axis, Edit
from git_metadiff.bisect.owners import Claim, Claims, Labels, claims_by_path
from git_metadiff.model import Comparison, Transition, Verdict

#: Fates that upstream decided, whatever their cause.
UPSTREAM_FATES = ("absorbed", "orphaned", "kept", "refreshed")


def forced_edits(comparison: Comparison, transition: Transition, interdiff: Axis) -> frozenset[int]:
    """The numbers of the edits of the axis P..D2 that are in F."""
    judge = _Judge(comparison, transition)
    return frozenset(at for at, edit in enumerate(interdiff.edits) if judge.is_forced(edit))


class _Judge:
    """Knows the changes of both patchsets and their verdicts."""

    def __init__(self, comparison: Comparison, transition: Transition) -> None:
        older, newer = (comparison.patchsets[at].hunks for at in (transition.start, transition.stop))
        self._new = by_hunk(claims_by_path(newer))
        self._old = by_hunk(claims_by_path(older, undone=True))
        self._origins, self._fates = comparison.origins, comparison.fates
        self._labels = Labels(transition.interdiff_hunks)
        self._indexes: dict[tuple[bytes, bool, frozenset[str] | None], Claims] = {}

    def is_forced(self, edit: Edit) -> bool:
        """Whether an edit of P..D2 is in F."""
        names = self._labels.at(edit) if edit.kind == "text" else None
        mine = self._owners_of(edit, names, newer=True)
        if mine:
            return all(is_answer(one) for one in verdicts_of(mine, self._origins))
        theirs = self._owners_of(edit, names, newer=False)
        return bool(theirs) and all(is_upstreams(one) for one in verdicts_of(theirs, self._fates))

    def _owners_of(self, edit: Edit, names: frozenset[str] | None, *, newer: bool) -> list[Claim]:
        """The changes of these hunks of one of the patchsets that own an edit; a table is one hunk with many edits."""
        key = edit.path, newer, names
        if key not in self._indexes:
            claims = self._new if newer else self._old
            self._indexes[key] = Claims(within(claims.get(edit.path, {}), names))
        return self._indexes[key].owners_of(edit)


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
