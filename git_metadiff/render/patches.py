"""`--series`: two series patch by patch, like the list of `git range-diff`, and whether anything is lost."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.model import APPLIED_TWICE, WORST_FIRST, Comparison, Hunk, Patch, PatchEdge
from git_metadiff.render.head import certificate
from git_metadiff.render.labels import SLOTS, WARNED
from git_metadiff.render.lookup import MISPLACED, Lookup, lookups
from git_metadiff.render.paint import ink, line, plural
from git_metadiff.render.view import View

#: From worst to best, a hunk in the wrong place right behind a lost one.
WORST_WORDS = ("dropped", MISPLACED, *WORST_FIRST[1:])

#: A patch without hunks.
EMPTY = "empty"
#: A patch that is named by its commit says nothing by that.
COMMIT = re.compile(r"[0-9a-f]{7,64}")
#: So much of a commit's id is shown.
SHORT = 12


@dataclass(slots=True)
class Row:
    """Patches that stand in one line, and the hunks that it accounts for."""

    olds: tuple[int, ...]
    news: tuple[int, ...]
    old_hunks: list[Hunk] = field(default_factory=list)
    new_hunks: list[Hunk] = field(default_factory=list)
    likest: int = 0  # of the old ones, that of which it has most
    reordered: bool = False


def series(comparison: Comparison, view: View) -> Iterator[bytes]:
    """A line for each patch: its number in the old and in the new series, what became of it, its name."""
    for lookup in lookups(comparison):
        yield from _transition(lookup, view)


def _transition(lookup: Lookup, view: View) -> Iterator[bytes]:
    forecast = lookup.transition.forecast is not None  # its patchset is implied: what is carried, as one patch
    olds, news = len(lookup.old.patches), len(lookup.new.patches)
    counts = f"forecast, {olds} {'patch' if olds == 1 else 'patches'}" if forecast else f"{olds} -> {news} patches"
    yield line(f"{ink(view, 'meta', lookup.names())}   {counts}   {certificate(lookup, view)}")
    edges = [edge for edge in lookup.comparison.patch_edges if edge.release == lookup.transition.start]
    rows = rows_of(lookup, edges)
    _share_out(lookup, rows, view)
    rows = [row for row in rows if _wanted(row, view) and not (forecast and row.news)]
    old_width = max([3, *(len(_numbers(row.olds)) for row in rows)])
    new_width = max([3, *(len(_numbers(row.news)) for row in rows)])
    yield line(f" {'old':>{old_width}}  {'new':>{new_width}}")
    found: Counter[str] = Counter()
    shapes = _Shapes(edges)
    for row in rows:
        word, told = _verdict(lookup, row)
        found[word] += 1
        shown = word.upper() if word in ("dropped", MISPLACED) else word
        slot = "warn" if word in (*WARNED, MISPLACED) else SLOTS.get(word, "")
        numbers = f" {_numbers(row.olds):>{old_width}}  {_numbers(row.news):>{new_width}}"
        said = [*shapes.words(row), *([told] if told else []), *_header(lookup, row)]
        tail = "".join(f"   {text}" for text in said)
        yield line(f"{numbers}  {ink(view, slot, f'{shown:<9}')}  {_names(lookup, row)}{tail}")
    if len(rows) > 1:
        listed = [f"{found[word]} {word}" for word in (*WORST_WORDS, EMPTY) if found[word]]
        yield line(f"in all: {', '.join(listed)}")
    yield line(_account(lookup, rows, view))


def rows_of(lookup: Lookup, edges: Sequence[PatchEdge]) -> list[Row]:
    """Which patches stand together, in the order of the new series; old ones without a partner where they stood."""
    partners: dict[int, list[int]] = defaultdict(list)
    likest: dict[int, int] = {}
    for edge in sorted(edges, key=lambda edge: edge.a):
        partners[edge.b].append(edge.a)
    for edge in sorted(edges, key=lambda edge: edge.similarity):
        likest[edge.b] = edge.a
    paired = {edge.a for edge in edges}
    rows: list[Row] = []
    at = 0
    for patch in lookup.new.patches:
        for old in range(at, max(partners[patch.index], default=-1)):
            rows += [Row((old,), ())] if old not in paired else []
        at = max(at, max(partners[patch.index], default=-1) + 1)
        rows.append(Row(tuple(partners[patch.index]), (patch.index,), likest=likest.get(patch.index, 0)))
    rows += [Row((old,), ()) for old in range(at, len(lookup.old.patches)) if old not in paired]
    _mark_reordered([row for row in rows if row.olds and row.news])
    return rows


def _mark_reordered(rows: Sequence[Row]) -> None:
    """Mark the fewest rows without which the patches stand in their old order (longest non-decreasing subsequence)."""
    tails: list[tuple[int, int]] = []  # the least first patch that ends a run of each length, and its row
    before: dict[int, int] = {}
    for at, row in enumerate(rows):
        place = bisect_left(tails, (row.likest, len(rows)))
        before[at] = tails[place - 1][1] if place else -1
        tails[place : place + 1] = [(row.likest, at)]
    kept, at = set(), tails[-1][1] if tails else -1
    while at >= 0:
        kept.add(at)
        at = before[at]
    for at, row in enumerate(rows):
        row.reordered = at not in kept


def _share_out(lookup: Lookup, rows: Sequence[Row], view: View) -> None:
    """Give every hunk inside the path limits to one row: that of its partner, else the first of its patch."""
    of_old: dict[int, list[Row]] = defaultdict(list)
    of_new = {index: row for row in rows for index in row.news}
    for row in rows:
        for index in row.olds:
            of_old[index].append(row)
    olds, news = lookup.sides(view)
    for hunk in olds:
        homes = [of_new[partner.patch] for _, partner in lookup.partners(hunk.id) if partner.patch in of_new]
        mine = of_old[hunk.patch]
        next((row for row in homes if any(row is one for one in mine)), mine[0]).old_hunks.append(hunk)
    for hunk in news:
        of_new[hunk.patch].new_hunks.append(hunk)


def _wanted(row: Row, view: View) -> bool:
    """Whether the path limits leave anything of a row; a patch without hunks is shown when there are none."""
    return bool(row.old_hunks or row.new_hunks) or not view.limit_text


def _verdict(lookup: Lookup, row: Row) -> tuple[str, str]:
    """The worst word over both sides of a row, and how many hunks have which."""
    hunks = list(lookup.once(row.old_hunks, row.new_hunks))
    found = Counter(map(lookup.word, hunks))
    ranked = [word for word in WORST_WORDS if found[word]]
    if not ranked:
        return EMPTY, ""
    # What a later patch of its own series replaced is told there.
    standing = {lookup.word(hunk) for hunk in hunks if lookup.verdict(hunk.id).reason != "superseded"}
    worst_word = next((word for word in ranked if word in standing), ranked[0])
    # A new hunk in a patch that lived on is an edit of the patch.
    word = "edited" if worst_word == "new" and row.olds else worst_word
    told = ", ".join(f"{found[name]} {name}" for name in ranked)
    return word, told if ranked != ["kept"] else ""


class _Shapes:
    """Which patches have more than one partner."""

    def __init__(self, edges: Sequence[PatchEdge]) -> None:
        self._news: dict[int, list[int]] = defaultdict(list)
        for edge in sorted(edges, key=lambda edge: edge.b):
            self._news[edge.a].append(edge.b)

    def words(self, row: Row) -> list[str]:
        """`split`, `folded`, `reordered`, with the other halves."""
        said = [f"split into {_numbers(self._news[old])}" for old in row.olds if len(self._news[old]) > 1]
        return said + ["folded"] * (len(row.olds) > 1) + ["reordered"] * row.reordered


def _header(lookup: Lookup, row: Row) -> Iterator[str]:
    """The upstream commit that the header of a patch names, which upstream took in."""
    if row.news:
        return
    for one in lookup.comparison.patch_verdicts:
        mine = one.side == "fate" and one.release == lookup.transition.start and one.patch in row.olds
        if mine and one.upstream_commit:
            holds = f"; {lookup.new_release.name} contains it" if one.checked else ""
            yield f"header: {one.upstream_commit[:SHORT]}{holds}"


def _account(lookup: Lookup, rows: Sequence[Row], view: View) -> str:
    """How many patches lost something, hold something in a wrong place, or apply what upstream has; and the rest."""
    lost, strays, twice = (
        sum(any(marks(lookup, hunk) for hunk in (*row.old_hunks, *row.new_hunks)) for row in rows)
        for marks in (_is_lost, _is_misplaced, _is_twice)
    )
    hunks = [hunk for row in rows for hunk in (*row.old_hunks, *row.new_hunks)]
    known = sum(bool(lookup.changes.get(hunk.id)) for hunk in hunks)
    head = f"{lost} dropped, {strays} misplaced, {twice} applied twice."
    text = f"{head} Everything else accounted for: {known} of {plural(len(hunks), 'hunk')}."
    return ink(view, "warn" if lost or strays or twice else "ok", text)


def _is_lost(lookup: Lookup, hunk: Hunk) -> bool:
    return any(verdict.word == "dropped" for verdict in lookup.changes.get(hunk.id, ()))


def _is_misplaced(lookup: Lookup, hunk: Hunk) -> bool:
    return hunk.id in lookup.misplaced


def _is_twice(lookup: Lookup, hunk: Hunk) -> bool:
    return any(verdict.reason == APPLIED_TWICE for verdict in lookup.changes.get(hunk.id, ()))


def _numbers(indexes: Sequence[int]) -> str:
    return "+".join(str(index + 1) for index in indexes) or "-"


def _names(lookup: Lookup, row: Row) -> str:
    old, new = _names_of(lookup.old.patches, row.olds), _names_of(lookup.new.patches, row.news)
    return old if not new else new if not old or old == new else f"{old} -> {new}"


def _names_of(patches: Sequence[Patch], indexes: tuple[int, ...]) -> str:
    return " + ".join(_patch_name(patches[index]) for index in indexes)


def _patch_name(patch: Patch) -> str:
    return f"{patch.name} {patch.subject}" if patch.subject and COMMIT.fullmatch(patch.name) else patch.name
