"""Patchsets without releases: a table, then each hunk that is more than carried, p1's against p2's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rapidfuzz.distance import Indel

from git_metadiff.alone.found import (
    GONE,
    NEW,
    UNTOLD,
    WORST_FIRST,
    Reading,
    Side,
    Step,
    is_change,
    shown_word,
    worst_of,
)
from git_metadiff.headers import read_header
from git_metadiff.model import Edge, Hunk, Notice, Patch, PatchEdge, Verdict
from git_metadiff.render.paint import diff_line, ink, line, paint, plural, quoted, readable
from git_metadiff.render.view import View
from git_metadiff.sections import short_name

COLUMNS = ("kept", "refreshed", "edited", "moved", "ambiguous", GONE, NEW)
SLOTS = {
    "kept": "ok",
    "refreshed": "ok",
    GONE: "warn",
    "ambiguous": "warn",
    "edited": "downstream",
    "moved": "meta",
    NEW: "new",
}
#: A hunk that stands alone is cut after so many lines, unless everything is asked for.
LONG = 40
#: A patch without hunks.
EMPTY = "empty"
#: So much of a commit's id is shown.
SHORT = 12
NOTICE = (
    "not known without the releases: whether what is gone was absorbed, orphaned or dropped; whose doing an edit is;",
    "whether upstream moved a hunk or it is misplaced; the interdiff and its certificate. The releases tell:",
    "git metadiff <release> <release> --patches <patchset> <patchset>",
)


class Unit(NamedTuple):
    """What stands together in the view: a hunk and its partner, or a hunk alone."""

    old: Hunk | None
    new: Hunk | None
    verdict: Verdict
    edge: Edge | None = None

    @property
    def shown(self) -> Hunk:
        """The hunk that gives file and place."""
        hunk = self.new or self.old
        assert hunk is not None
        return hunk


@dataclass(slots=True)
class Pair:
    """Two neighbouring patchsets as a view sees them, within the path limits."""

    old: Side
    new: Side
    step: Step
    view: View
    hunks: dict[str, Hunk] = field(default_factory=dict)  # all, whatever the limits
    olds: list[Hunk] = field(default_factory=list)
    news: list[Hunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.hunks = {hunk.id: hunk for side in (self.old, self.new) for hunk in side.hunks}
        self.olds = [hunk for hunk in self.old.hunks if wanted(hunk, self.view)]
        self.news = [hunk for hunk in self.new.hunks if wanted(hunk, self.view)]

    def verdicts(self, name: str) -> tuple[Verdict, ...]:
        """The verdicts of the changes of a hunk of either side."""
        return self.step.fates.get(name) or self.step.origins.get(name) or ()

    def word(self, hunk: Hunk) -> str:
        """The word of a hunk."""
        return shown_word(self.verdicts(hunk.id))

    def title(self) -> str:
        """`p1 -> p2`."""
        return f"p{self.step.start + 1} -> p{self.step.start + 2}"


def pairs_of(reading: Reading, view: View) -> Iterator[Pair]:
    """Neighbours in turn."""
    for step in reading.steps:
        yield Pair(reading.sides[step.start], reading.sides[step.start + 1], step, view)


def wanted(hunk: Hunk, view: View) -> bool:
    """Whether the path limits let a hunk pass, under either of its names."""
    return view.wanted(hunk.path) or (hunk.old_path is not None and view.wanted(hunk.old_path))


def full(reading: Reading, view: View) -> Iterator[bytes]:
    """The summary of each step, and below it the hunks."""
    for number, pair in enumerate(pairs_of(reading, view)):
        if number:
            yield b"\n"
        yield from head(pair)
        yield from bodies(pair)


def summary(reading: Reading, view: View) -> Iterator[bytes]:
    """The summary of each step."""
    for number, pair in enumerate(pairs_of(reading, view)):
        if number:
            yield b"\n"
        yield from head(pair)


# The head


def head(pair: Pair) -> Iterator[bytes]:
    """What a person should know first: names, table, how upstream moved, and what is not known."""
    view = pair.view
    limit = f", limited to {view.limit_text}" if view.limit_text else ""
    yield line(f"{ink(view, 'meta', pair.title() + limit)}   {ink(view, 'warn', 'patches alone, without releases')}")
    for number, side in ((1, pair.old), (2, pair.new)):
        counted = f" ({len(side.patches)} patches)" if len(side.patches) > 1 else ""
        yield line(f"  p{pair.step.start + number} = {readable(side.name.encode('utf-8', 'surrogateescape'))}{counted}")
    yield b"\n"
    if not pair.olds and not pair.news:
        yield line("No hunk of either patchset is there.")
        return
    yield from table(pair)
    yield from moves(pair)
    yield from notices(pair)
    yield b"\n"
    for text in NOTICE:
        yield line(text)


def table(pair: Pair) -> Iterator[bytes]:
    """How many hunks of both sides have which word."""
    counts = [Counter(map(pair.word, hunks)) for hunks in (pair.olds, pair.news)]
    columns = [word for word in COLUMNS if word not in ("moved", "ambiguous") or any(tally[word] for tally in counts)]
    yield line(f"{'':9}{'total':>10} " + " ".join(f"{word:>10}" for word in columns))
    for number, tally in enumerate(counts, pair.step.start + 1):
        cells = []
        for word in columns:
            absent = (number == pair.step.start + 1 and word == NEW) or (number != pair.step.start + 1 and word == GONE)
            text = f"{'' if absent else tally[word]:>10}"
            cells.append(ink(pair.view, SLOTS[word], text) if tally[word] else text)
        yield line(f"{f'p{number} hunks':9}{tally.total():>10} {' '.join(cells)}".rstrip())


def moves(pair: Pair) -> Iterator[bytes]:
    """How upstream moved, as far as the hunks show it."""
    shift, view = pair.step.shift, pair.view
    said = []
    if shift.contexts:
        said.append(f"other context around {plural(shift.contexts, 'hunk')}")
    if shift.files:
        said.append(f"other lines in {plural(shift.files, 'file')}")
    if shift.renames:
        said.append(f"{plural(len(shift.renames), 'file')} under another name")
    if said and not view.limit_text:
        yield b"\n"
        yield line(f"{ink(view, 'upstream', 'upstream')}, as far as hunks that live on show it: {', '.join(said)}")
        for old, new in shift.renames:
            yield line(f"  {quoted(old)} => {quoted(new)}")


def notices(pair: Pair) -> Iterator[bytes]:
    """What is odd about the input."""
    found: list[Notice] = [*pair.old.notices, *pair.new.notices]
    if found and not pair.view.limit_text:
        yield b"\n"
        yield line(f"notices ({len(found)})")
        shown = found if pair.view.everything else found[:5]
        for notice in shown:
            yield line(f"  {notice.text}")
        if len(shown) < len(found):
            yield line(f"  ... and {len(found) - len(shown)} more (--all names them)")


# The hunks


def bodies(pair: Pair) -> Iterator[bytes]:
    """Per file, the hunks that are more than carried; of the others, how many there are."""
    view = pair.view
    by_path: dict[bytes, list[Unit]] = defaultdict(list)
    for unit in units(pair):
        by_path[unit.shown.path].append(unit)
    if by_path:
        yield b"\n"
        one, two = ink(view, "old", "1"), ink(view, "new", "2")
        marks = f"{one} only in p{pair.step.start + 1}'s hunk, {two} only in p{pair.step.start + 2}'s"
        yield line(marks)
    for path in sorted(by_path):
        yield b"\n"
        yield line(ink(view, "meta", quoted(path)))
        for unit in sorted(by_path[path], key=lambda unit: (unit.shown.old_start, unit.shown.id)):
            yield from one_unit(pair, unit)
    carried = sum(not is_change(pair.verdicts(hunk.id)) for hunk in pair.news)
    if carried and not view.everything:
        yield b"\n"
        yield line(f"{plural(carried, 'hunk')} kept or refreshed, not shown (--all shows the refreshed ones)")


def units(pair: Pair) -> Iterator[Unit]:
    """The pairs and the single hunks to show. A hunk that lost a change is shown with its partner, and says so."""
    inside = {hunk.id for hunk in (*pair.olds, *pair.news)}
    told: set[str] = set()
    for edge in sorted(pair.step.edges, key=lambda edge: WORST_FIRST.index(edge.kind)):
        if edge.kind == "ambiguous" or not inside & {edge.a, edge.b}:
            continue
        verdicts = [worst_of(pair.verdicts(name)) for name in (edge.a, edge.b)]
        lost = [one for name, one in zip((edge.a, edge.b), verdicts, strict=True) if name not in told]
        found = min([*lost, Verdict(edge.kind)], key=lambda one: WORST_FIRST.index(one.word))
        if found.word == "kept" or (found.word == "refreshed" and not pair.view.everything):
            continue
        told |= {edge.a, edge.b}
        text = next((one for one in verdicts if one.word == found.word), found)
        yield Unit(pair.hunks[edge.a], pair.hunks[edge.b], text, edge)
    paired = {name for edge in pair.step.edges if edge.kind != "ambiguous" for name in (edge.a, edge.b)}
    for hunk in pair.olds:
        if hunk.id not in paired:
            yield Unit(hunk, None, worst_of(pair.verdicts(hunk.id)))
    for hunk in pair.news:
        if hunk.id not in paired:
            yield Unit(None, hunk, worst_of(pair.verdicts(hunk.id)))


def one_unit(pair: Pair, unit: Unit) -> Iterator[bytes]:
    """The head of a pair or hunk, and its lines."""
    view, verdict = pair.view, unit.verdict
    word = ink(view, SLOTS[verdict.word], f"{verdict.word}{f' {verdict.cause}' if verdict.cause else ''}")
    names = " -> ".join(named(pair, hunk, unit) for hunk in (unit.old, unit.new) if hunk is not None)
    yield line(f" {word}{part(pair, unit)}  {names}")
    if verdict.text and verdict.text != UNTOLD and verdict.word not in (GONE, NEW):
        yield line(f"     {verdict.text}")
    yield from lines_of(unit, view)


def named(pair: Pair, hunk: Hunk, unit: Unit) -> str:
    """`id @@ -10,6 +10,9 @@ function`, with the path where it is not that of the heading, and the patch of a series."""
    where = f"-{hunk.old_start},{hunk.old_lines} +{hunk.new_start},{hunk.new_lines}"
    place = ink(pair.view, "frag", f"@@ {where} @@") if hunk.kind == "text" else hunk.kind
    section = short_name(hunk.section)
    path = f"{quoted(hunk.path)} " if hunk.path != unit.shown.path else ""
    side = pair.old if hunk is unit.old else pair.new
    patch = f" ({side.patches[hunk.patch].name})" if len(side.patches) > 1 else ""
    return f"{hunk.id} {path}{place}{f' {section}' if section else ''}{patch}"


def part(pair: Pair, unit: Unit) -> str:
    """` (1 of its 3 changes)`, where a hunk's changes have different words."""
    for hunk in (unit.old, unit.new):
        verdicts = pair.verdicts(hunk.id) if hunk is not None else ()
        alike = sum(one.word == unit.verdict.word for one in verdicts)
        if 0 < alike < len(verdicts):
            return f" ({alike} of its {len(verdicts)} changes)"
    return ""


def lines_of(unit: Unit, view: View) -> Iterator[bytes]:
    """The lines of one hunk, or of two, each that only one of them has behind that one's mark."""
    if unit.old is None or unit.new is None:
        body = unit.shown.body
        shown = body if view.everything or len(body) <= LONG else body[:LONG]
        yield from (marked(view, b"1" if unit.new is None else b"2", text) for text in shown)
        if len(shown) < len(body):
            yield line(f"   ... and {plural(len(body) - len(shown), 'line')} more (--all)")
        return
    first, second = unit.old.body, unit.new.body
    at = other = 0
    for block in Indel.opcodes(first, second).as_matching_blocks():
        yield from (marked(view, b"1", text) for text in first[at : block.a])
        yield from (marked(view, b"2", text) for text in second[other : block.b])
        at, other = block.a + block.size, block.b + block.size
        yield from folded([marked(view, b" ", text) for text in first[block.a : at]], view)


def folded(run: Sequence[bytes], view: View) -> Iterable[bytes]:
    """Lines that both hunks have, the middle of many left out."""
    if len(run) <= 8 or view.everything:
        return run
    return [*run[:3], line(f"   ... {len(run) - 6} lines in both"), *run[-3:]]


def marked(view: View, mark: bytes, text: bytes) -> bytes:
    """A line of a hunk behind its mark."""
    slot = {b"1": "old", b"2": "new"}.get(mark, "context")
    return b"   " + paint(view, slot, mark) + b"|" + diff_line(view, text) + b"\n"


# The shorter views


def stat(reading: Reading, view: View) -> Iterator[bytes]:
    """One line a file that holds more than carried hunks: how many have which word."""
    for pair in pairs_of(reading, view):
        found: dict[bytes, Counter[str]] = defaultdict(Counter)
        for unit in units(pair):
            if unit.verdict.word != "refreshed":
                found[unit.shown.path][unit.verdict.word] += 1
        width = max((len(quoted(path)) for path in found), default=0)
        for path in sorted(found):
            words = [ink(view, SLOTS[word], f"{found[path][word]} {word}") for word in WORST_FIRST if found[path][word]]
            yield line(f" {quoted(path):<{width}} | {', '.join(words)}")
        total = Counter[str]()
        for tally in found.values():
            total += tally
        said = ", ".join(f"{total[word]} {word}" for word in WORST_FIRST if total[word])
        carried = sum(not is_change(pair.verdicts(hunk.id)) for hunk in pair.news)
        yield line(
            f" {pair.title()}: {plural(len(found), 'file')}{': ' if said else ''}{said}; {carried} kept or refreshed"
        )


@dataclass(slots=True)
class Row:
    """A line of `--series`: patches by index, and the hunks that it accounts for."""

    olds: tuple[int, ...]
    news: tuple[int, ...]
    likest: int = -1  # of the older patches, that of which it has most
    mine: list[Hunk] = field(default_factory=list)
    theirs: list[Hunk] = field(default_factory=list)


def series(reading: Reading, view: View) -> Iterator[bytes]:
    """A line for each patch: its number in both series, the worst word of its hunks, its name."""
    for pair in pairs_of(reading, view):
        counts = f"{len(pair.old.patches)} -> {len(pair.new.patches)} patches"
        alone = ink(view, "warn", "patches alone, without releases")
        yield line(f"{ink(view, 'meta', pair.title())}   {counts}   {alone}")
        rows = rows_of(pair.old.patches, pair.new.patches, pair.step.patch_edges)
        share_out(pair, rows)
        rows = [row for row in rows if row.mine or row.theirs or not view.limit_text]
        widths = [max([3, *(len(numbers(side)) for side in sides)]) for sides in columns_of(rows)]
        yield line(f"  {'old':>{widths[0]}}  {'new':>{widths[1]}}")
        total: Counter[str] = Counter()
        for row in rows:
            word, told = row_words(pair, row)
            total[word] += 1
            place = f"  {numbers(row.olds):>{widths[0]}}  {numbers(row.news):>{widths[1]}}"
            said = "".join(f"   {text}" for text in (*shapes(pair, row), *told, *claims(pair, row)))
            yield line(f"{place}  {ink(view, SLOTS.get(word, ''), f'{word:<9}')}  {row_names(pair, row)}{said}")
        listed = [f"{total[word]} {word}" for word in (*WORST_FIRST, EMPTY) if total[word]]
        yield line(f"in all: {', '.join(listed)}; whether what is gone was absorbed or dropped needs the releases")


def columns_of(rows: Sequence[Row]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The older and the newer patches of all lines."""
    return [row.olds for row in rows], [row.news for row in rows]


def rows_of(olds: Sequence[Patch], news: Sequence[Patch], edges: Sequence[PatchEdge]) -> list[Row]:
    """Which patches stand together, in the order of the newer series; what is gone stands where it stood."""
    partners: dict[int, list[PatchEdge]] = defaultdict(list)
    for edge in edges:
        partners[edge.b].append(edge)
    paired = {edge.a for edge in edges}
    rows, at = list[Row](), 0
    for patch in news:
        mine = tuple(sorted(edge.a for edge in partners[patch.index]))
        stop = max(mine, default=-1)
        rows += [Row((old,), ()) for old in range(at, stop) if old not in paired]
        at = max(at, stop + 1)
        likest = max(partners[patch.index], key=lambda edge: edge.similarity, default=None)
        rows.append(Row(mine, (patch.index,), likest.a if likest else -1))
    return rows + [Row((old,), ()) for old in range(at, len(olds)) if old not in paired]


def share_out(pair: Pair, rows: Sequence[Row]) -> None:
    """Give every hunk to one line: that of its partner, else the one that has most of its patch."""
    homes = {index: row for row in rows for index in row.news}
    partners = {edge.a: pair.hunks[edge.b].patch for edge in pair.step.edges if edge.kind != "ambiguous"}
    for hunk in pair.news:
        homes[hunk.patch].theirs.append(hunk)
    by_old: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        for index in row.olds:
            by_old[index].append(row)
    for hunk in pair.olds:
        mine = by_old[hunk.patch]
        home = homes.get(partners.get(hunk.id, -1))
        best = max(mine, key=lambda row: row.likest == hunk.patch)
        (home if home is not None and any(home is row for row in mine) else best).mine.append(hunk)


def row_words(pair: Pair, row: Row) -> tuple[str, list[str]]:
    """The word of a line, and how many hunks have which; a new or lost hunk of a patch that lives on edits it."""
    old, new = Counter(map(pair.word, row.mine)), Counter(map(pair.word, row.theirs))
    found = Counter({word: max(old[word], new[word]) for word in {*old, *new}})
    ranked = [word for word in WORST_FIRST if found[word]]
    if not ranked:
        return EMPTY, []
    lives = row.olds and row.news and ranked[0] in (GONE, NEW)
    told = [", ".join(f"{found[word]} {word}" for word in ranked)] if ranked != ["kept"] else []
    return "edited" if lives else ranked[0], told


def shapes(pair: Pair, row: Row) -> list[str]:
    """`split into 19+21`, `folded`."""
    said = []
    for old in row.olds:
        parts = sorted(edge.b for edge in pair.step.patch_edges if edge.a == old)
        said += [f"split into {numbers(parts)}"] if len(parts) > 1 else []
    return said + ["folded"] * (len(row.olds) > 1)


def claims(pair: Pair, row: Row) -> list[str]:
    """The upstream commits that the header of a patch names which is gone: a word, not a proof."""
    if row.news:
        return []
    patches = [pair.old.patches[index] for index in row.olds]
    names = [name[:SHORT] for one in patches for name in read_header(one.message, one.author).commits]
    return [f"header names upstream's {', '.join(dict.fromkeys(names))}"] if names else []


def row_names(pair: Pair, row: Row) -> str:
    """The names of the patches of a line, both where they differ."""
    old = " + ".join(pair.old.patches[index].name for index in row.olds)
    new = " + ".join(pair.new.patches[index].name for index in row.news)
    return new or old if not old or not new or old == new else f"{old} -> {new}"


def numbers(indexes: Sequence[int]) -> str:
    """`3` or `3+4`; a dash for none."""
    return "+".join(str(index + 1) for index in indexes) or "-"
