"""Groups: edits of an axis that must go together, and the order in which they come.

Units (edits side by side, or in one function) that need each other are one group. What lies outside the limits is one
group, the rest, and comes first: so a suspect stands on the newer release as it will be. What of the rest needs a
suspect goes with it.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from git_metadiff.bisect.cost import DEAR, cost_of, cost_of_file
from git_metadiff.bisect.edits import Axis
from git_metadiff.bisect.needs import Mentions, Need, mentions_of, needs_of
from git_metadiff.bisect.order import condense, connect
from git_metadiff.bisect.units import Unit, units_of
from git_metadiff.git import Git

Wanted = Callable[[bytes], bool]

#: What every line weighs by itself, beside the scores of the suspects: any change may be guilty.
WEIGHT_OF_LINE = 0.0001
#: More lines say no more: they are a change log, or a table.
MOST_LINES = 200
#: Of more groups than this, those with little suspicion are joined: a search pays for each doubling with one test, and
#: `--minimize` takes a guilty group apart.
MOST_STEPS = 5000
#: So many of the most suspicious groups are steps of their own then.
MOST_ALONE = 1000
#: Lines of edits, at most, in steps that are joined.
JOINED_LINES = 300
#: Of more edits than this, only files with a suspect are taken apart.
MOST_EDITS = 20_000
#: So many units of the rest go with a suspect that they need; more are left in the rest.
MOST_DRAWN = 16
REST = b"the rest"


@dataclass(frozen=True, slots=True)
class Group:
    """Edits that go in together, as one step of a chain."""

    index: int  # its place in the order, from 0; step `index + 1` of the chain brings it
    title: bytes
    edits: frozenset[int]  # numbers of edits of the axis of its leg
    weight: float  # how suspicious it is, above 0; only the ratio to other groups says something
    needs: frozenset[int] = frozenset()  # indexes of the groups that must be in before it
    hunks: tuple[str, ...] = ()  # ids of the hunks and upstream hunks that it holds
    suspect: bool = True  # False for the rest: what lies outside the limits
    leg: int = 0  # which part of the chain it is in, of an axis that has several
    cost: float = 1.0  # an estimate of how many files must be compiled again


@dataclass(slots=True)
class _Draft:
    """A group in the making."""

    units: list[Unit]
    needs: set[int]  # places of drafts
    suspect: bool = True
    title: bytes = b""
    lines: int = 0
    edits: list[int] = field(default_factory=list)


def group_edits(git: Git, axis: Axis, wanted: Wanted, scores: Mapping[str, float]) -> list[Group]:
    """The groups of an axis of its own; `git` is a repository that has the first tree."""
    return group_units(axis, units_within(git, axis, wanted), mentions_of(axis), wanted, scores)


def group_units(
    axis: Axis,
    units: Sequence[Unit],
    mentions: Mentions,
    wanted: Wanted,
    scores: Mapping[str, float],
    leg: int = 0,
    first: int = 0,
) -> list[Group]:
    """The groups of an axis, in the order of the chain, `first` the index of the first one.

    `wanted` tells whether a file is under suspicion, `scores` how suspicious a hunk is, by its id; units and mentions
    are those of the axis.
    """
    inside = [is_wanted(axis, at, wanted) for at in range(len(axis.files))]
    suspects = {at for at, unit in enumerate(units) if inside[unit.file]}
    if not units:
        return []
    drafts = [rest_of(units)]
    if suspects:
        drafts = joined(axis, arrange(axis, units, suspects, needs_of(units, mentions)), scores)
    shares = shared(axis, scores)
    return [finish(axis, draft, at, shares, leg, first) for at, draft in enumerate(drafts)]


def units_within(git: Git, axis: Axis, wanted: Wanted, scores: Mapping[str, float] | None = None) -> list[Unit]:
    """The units of an axis; files that are not wanted are taken whole. With `scores`, where the others have very many
    edits, those files are too of which no hunk is a suspect: `--minimize` takes a guilty group apart."""
    parted = [is_wanted(axis, at, wanted) for at in range(len(axis.files))]
    edits = sum(len(file.edits) for file, one in zip(axis.files, parted, strict=True) if one)
    if scores is not None and edits > MOST_EDITS:
        suspects = {at for at, edit in enumerate(axis.edits) if any(scores.get(name) for name in edit.hunks)}
        parted = [one and not suspects.isdisjoint(file.edits) for one, file in zip(parted, axis.files, strict=True)]
    return units_of(axis, git, range(len(axis.files)), lambda at: not parted[at])


def shared(axis: Axis, scores: Mapping[str, float]) -> dict[str, float]:
    """The score of each hunk for each of its edits: one that several groups hold parts of is one suspect, not more."""
    count = Counter(name for edit in axis.edits for name in edit.hunks)
    return {name: scores[name] / count[name] for name in count.keys() & scores.keys()}


def is_wanted(axis: Axis, number: int, wanted: Wanted) -> bool:
    """Whether a file is under suspicion, under either of its names."""
    file = axis.files[number]
    return any(side is not None and wanted(side.path) for side in (file.old, file.new))


def rest_of(units: Sequence[Unit]) -> _Draft:
    """The group of all that is under no suspicion."""
    return _Draft(list(units), set(), suspect=False, title=REST)


def arrange(axis: Axis, units: Sequence[Unit], suspects: set[int], needs: Sequence[Need]) -> list[_Draft]:
    """The groups: the rest first, then the suspects, what they need before them."""
    chosen = sorted(suspects | drawn_along(needs, suspects))
    number = {unit: at for at, unit in enumerate(chosen)}
    mine = needs if len(chosen) == len(units) else list(renumbered(needs, number, suspects))
    order, before = condense(
        connect(len(chosen), mine), lambda members: key_of(axis, [units[chosen[at]] for at in members])
    )
    drafts = [_Draft([units[chosen[at]] for at in members], set()) for members in order]
    rest = [unit for at, unit in enumerate(units) if at not in number]
    shift = 1 if rest else 0
    for draft, places in zip(drafts, before, strict=True):
        draft.needs = {place + shift for place in places}
    return [rest_of(rest), *drafts] if rest else drafts


def renumbered(needs: Iterable[Need], number: Mapping[int, int], suspects: Set[int]) -> Iterator[Need]:
    """The needs among some units, by new numbers; what of the rest needs a suspect goes with it."""
    for one in needs:
        if one.user in number and one.other in number:
            user, other = number[one.user], number[one.other]
            yield Need(user, other, one.rank)
            if one.user not in suspects and one.other in suspects:
                yield Need(other, user, one.rank)


def drawn_along(needs: Iterable[Need], suspects: set[int]) -> set[int]:
    """The units of the rest that need a suspect, unless too many do."""
    users: dict[int, set[int]] = defaultdict(set)
    for one in needs:
        if one.other in suspects and one.user not in suspects:
            users[one.other].add(one.user)
    return {user for mine in users.values() if len(mine) <= MOST_DRAWN for user in mine}


def key_of(axis: Axis, units: Sequence[Unit]) -> tuple[int, bytes, bytes, int]:
    """What decides the order where needs leave a choice: what is dear to build first, in one block, then what only
    adds, then by folder."""
    paths = [axis.files[unit.file].path for unit in units]
    edits = [axis.edits[at] for unit in units for at in unit.edits]
    if any(cost_of_file(path) >= DEAR for path in paths):
        block = 0
    else:
        block = 1 if all(edit.added and not edit.removed for edit in edits) else 2
    first = min(paths)
    return block, posixpath.dirname(first), first, edits[0].old_start


def joined(axis: Axis, drafts: Sequence[_Draft], scores: Mapping[str, float]) -> list[_Draft]:
    """The same groups, fewer where they are too many: neighbours in the order with little suspicion become one.

    Neighbours in an order that keeps every need before its user can be joined without making a cycle.
    """
    if len(drafts) <= MOST_STEPS:
        return list(drafts)
    found: list[_Draft] = []
    place: list[int] = []  # of each draft, where it went
    for draft, quiet in zip(drafts, quiet_ones(axis, drafts, scores), strict=True):
        lines = sum(axis.edits[at].size for unit in draft.units for at in unit.edits)
        last = found[-1] if found else None
        fits = last is not None and 0 < last.lines <= JOINED_LINES - lines
        if quiet and last is not None and fits and alike(axis, last, draft):
            last.units += draft.units
            last.needs |= draft.needs
            last.lines += lines
        else:
            found.append(replace(draft, lines=max(1, lines) if quiet else 0))
        place.append(len(found) - 1)
    for at, draft in enumerate(found):
        draft.needs = {place[one] for one in draft.needs} - {at}
    return found


def quiet_ones(axis: Axis, drafts: Sequence[_Draft], scores: Mapping[str, float]) -> list[bool]:
    """Of each group, whether it may be joined to others: all but the rest and the most suspicious ones."""
    found = [together_suspicious(scores.get(name, 0.0) for name in hunks_of(axis, draft)) for draft in drafts]
    loud = sorted(found, reverse=True)[:MOST_ALONE][-1]
    return [draft.suspect and (score < loud or not score) for draft, score in zip(drafts, found, strict=True)]


def alike(axis: Axis, one: _Draft, other: _Draft) -> bool:
    """Whether two groups begin in one part of the tree, as `drivers/net`."""
    parts = [axis.files[draft.units[0].file].path.split(b"/")[:-1][:2] for draft in (one, other)]
    return parts[0] == parts[1]


def hunks_of(axis: Axis, draft: _Draft) -> tuple[str, ...]:
    """The ids of the hunks in a group."""
    edits = (axis.edits[at] for unit in draft.units for at in unit.edits)
    return tuple(dict.fromkeys(name for edit in edits for name in edit.hunks))


def finish(axis: Axis, draft: _Draft, place: int, shares: Mapping[str, float], leg: int, first: int) -> Group:
    """A draft as a group."""
    edits = frozenset(at for unit in draft.units for at in unit.edits)
    lines = sum(axis.edits[at].size for at in edits)
    hunks = hunks_of(axis, draft)
    parts = Counter(name for at in edits for name in axis.edits[at].hunks if name in shares)
    suspicion = together_suspicious(shares[name] * count for name, count in parts.items())
    weight = WEIGHT_OF_LINE * min(max(1, lines), MOST_LINES) + suspicion
    paths = {axis.edits[at].path for at in edits}
    needs = frozenset(first + one for one in draft.needs)
    title = draft.title or title_of(axis, draft.units)
    return Group(first + place, title, edits, weight, needs, hunks, draft.suspect, leg, cost_of(paths))


def together_suspicious(scores: Iterable[float]) -> float:
    """How suspicious hunks are together: as the most suspicious one.

    Their sum would let a step of seventy hunks that nothing speaks against drown the one function that a trace names.
    """
    return max(scores, default=0.0)


def title_of(axis: Axis, units: Sequence[Unit]) -> bytes:
    """`arch/x86/xen/pmu.c: pmu_msr_read, and 3 more files`."""
    lines: dict[bytes, int] = defaultdict(int)
    for unit in units:
        lines[axis.files[unit.file].path] += sum(max(1, axis.edits[at].size) for at in unit.edits)
    path = max(sorted(lines), key=lambda one: lines[one])
    here = [axis.edits[at] for unit in units for at in unit.edits if axis.edits[at].path == path]
    names = list(dict.fromkeys(name for edit in here for name in edit.sections[:1]))
    what = WORDS.get(here[0].kind, "") if len(here) == 1 and here[0].kind != "text" else ", ".join(names[:2])
    title = path + (b": " + what.encode("utf-8", "surrogateescape") if what else b"")
    more = len(lines) - 1
    return title + (b", and %d more %s" % (more, b"file" if more == 1 else b"files") if more else b"")


WORDS = {
    "create": "new file",
    "delete": "removed",
    "rename": "renamed",
    "mode": "mode",
    "content": "binary content",
    "swap": "a folder for a file, or a file for a folder",
}
