"""`--series`: two series patch by patch."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from git_metadiff.model import WORST_FIRST, Comparison, Hunk, Patch
from git_metadiff.render.head import certificate
from git_metadiff.render.labels import SLOTS, WARNED
from git_metadiff.render.lookup import MISPLACED, Lookup, lookups
from git_metadiff.render.paint import ink, line
from git_metadiff.render.view import View

#: From worst to best, a hunk in the wrong place right behind a lost one.
WORST_WORDS = ("dropped", MISPLACED, *WORST_FIRST[1:])

#: A patch without hunks.
EMPTY = "empty"
#: A patch that is named by its commit says nothing by that.
COMMIT = re.compile(r"[0-9a-f]{7,64}")

Row = tuple[tuple[int, ...], tuple[int, ...]]


def series(comparison: Comparison, view: View) -> Iterator[bytes]:
    """A line for each patch: its number in the old and in the new series, what became of it, its name."""
    for lookup in lookups(comparison):
        yield from _transition(lookup, view)


def _transition(lookup: Lookup, view: View) -> Iterator[bytes]:
    olds, news = _by_patch(lookup.old.hunks), _by_patch(lookup.new.hunks)
    counts = f"{len(lookup.old.patches)} -> {len(lookup.new.patches)} patches"
    yield line(f"{ink(view, 'meta', lookup.names())}   {counts}   {certificate(lookup, view)}")
    rows = [row for row in rows_of(lookup) if _wanted(lookup, row, olds, news, view)]
    widths = [max([3, *(len(_numbers(row[side])) for row in rows)]) for side in (0, 1)]
    yield line(f" {'old':>{widths[0]}}  {'new':>{widths[1]}}")
    found: Counter[str] = Counter()
    for row in rows:
        hunks = [hunk for index in row[0] for hunk in olds[index]], [hunk for index in row[1] for hunk in news[index]]
        word, told = _verdict(lookup, *hunks)
        found[word] += 1
        shown = word.upper() if word in ("dropped", MISPLACED) else word
        slot = "warn" if word in (*WARNED, MISPLACED) else SLOTS.get(word, "")
        numbers = f" {_numbers(row[0]):>{widths[0]}}  {_numbers(row[1]):>{widths[1]}}"
        yield line(f"{numbers}  {ink(view, slot, f'{shown:<9}')}  {_names(lookup, row)}{told}")
    if len(rows) > 1:
        said = [f"{found[word]} {word}" for word in (*WORST_WORDS, EMPTY) if found[word]]
        yield line(f"in all: {', '.join(said)}")


def rows_of(lookup: Lookup) -> list[Row]:
    """Which patches stand together, in the order of the new series; old ones without a partner where they stood."""
    edges = [edge for edge in lookup.comparison.patch_edges if edge.release == lookup.transition.start]
    partners: dict[int, list[int]] = defaultdict(list)
    for edge in sorted(edges, key=lambda edge: edge.a):
        partners[edge.b].append(edge.a)
    paired = {edge.a for edge in edges}
    rows: list[Row] = []
    at = 0
    for patch in lookup.new.patches:
        for old in range(at, max(partners[patch.index], default=-1)):
            rows += [((old,), ())] if old not in paired else []
        at = max(at, max(partners[patch.index], default=-1) + 1)
        rows.append((tuple(partners[patch.index]), (patch.index,)))
    return rows + [((old,), ()) for old in range(at, len(lookup.old.patches)) if old not in paired]


def _by_patch(hunks: Sequence[Hunk]) -> dict[int, list[Hunk]]:
    found: dict[int, list[Hunk]] = defaultdict(list)
    for hunk in hunks:
        found[hunk.patch].append(hunk)
    return found


def _wanted(lookup: Lookup, row: Row, olds: dict[int, list[Hunk]], news: dict[int, list[Hunk]], view: View) -> bool:
    """Whether the path limits leave anything of a row; a patch without hunks is shown when there are none."""
    hunks = [hunk for index in row[0] for hunk in olds[index]] + [hunk for index in row[1] for hunk in news[index]]
    return any(lookup.wanted(hunk, view) for hunk in hunks) or (not hunks and not view.limit_text)


def _verdict(lookup: Lookup, olds: list[Hunk], news: list[Hunk]) -> tuple[str, str]:
    """The worst word over both sides of a row, and how many hunks have which."""
    found = Counter(lookup.word(hunk) for hunk in lookup.once(olds, news))
    ranked = [word for word in WORST_WORDS if found[word]]
    if not ranked:
        return EMPTY, ""
    # A new hunk in a patch that lived on is an edit of the patch.
    word = "edited" if ranked[0] == "new" and olds else ranked[0]
    told = ", ".join(f"{found[name]} {name}" for name in ranked)
    return word, f"   {told}" if ranked != ["kept"] else ""


def _numbers(indexes: tuple[int, ...]) -> str:
    return "+".join(str(index + 1) for index in indexes) or "-"


def _names(lookup: Lookup, row: Row) -> str:
    old, new = _names_of(lookup.old.patches, row[0]), _names_of(lookup.new.patches, row[1])
    return old if not new else new if not old or old == new else f"{old} -> {new}"


def _names_of(patches: Sequence[Patch], indexes: tuple[int, ...]) -> str:
    return " + ".join(_patch_name(patches[index]) for index in indexes)


def _patch_name(patch: Patch) -> str:
    return f"{patch.name} {patch.subject}" if patch.subject and COMMIT.fullmatch(patch.name) else patch.name
