"""`--collisions`: functions that upstream changed and in which downstream has a hunk, standing or not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from git_metadiff.hunks import RawHunk
from git_metadiff.model import Collision, Comparison
from git_metadiff.render import downstream
from git_metadiff.render.functions import function_of
from git_metadiff.render.gutter import shortened
from git_metadiff.render.labels import inked
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.paint import ink, line, paint, plural, quoted, readable
from git_metadiff.render.upstream import Upstream, cut_to_function, holds, hunk_lines, in_function, parse_id
from git_metadiff.render.view import Reader, View

STANDING = ("kept", "refreshed")
#: By suspicion.
KINDS = (
    "with a function within reach that is new in {}",
    "with a standing hunk in a function that upstream changed",
    "with changed hunks only, or at file scope",
)
#: More collisions get an index before they are shown.
MOST_WITHOUT_INDEX = 12
SHORTEST_NAMES = 30
#: Longer hunks are cut.
MOST_LINES = 40
#: So many hunks of each side are shown, upstream's nearest to downstream's; `--all` or a path limit shows all.
MOST_HUNKS = 8


def collisions(comparison: Comparison, view: View, reader: Reader) -> Iterator[bytes]:
    """How many there are and where; then file by file, upstream's hunks beside downstream's."""
    for at, lookup in enumerate(lookups(comparison)):
        if at:
            yield b"\n"
        files = ordered(lookup, view)
        mine = [collision for _, found in files for collision in found]
        yield from _overview(lookup, files, mine, view)
        shown = _shown(lookup, mine, view)
        wanted = set(map(id, shown))
        upstream = Upstream(lookup, view, reader, _paths(lookup, shown))
        for number, collision in enumerate(mine, 1):
            if id(collision) in wanted:
                yield b"\n"
                yield line(_title(collision, number, lookup, view))
                yield from _upstream_side(lookup, collision, upstream, view)
                yield from _downstream_side(collision, lookup, view, reader)
        if len(shown) < len(mine):
            yield b"\n"
            yield line(f"{len(mine) - len(shown)} of the last kind are only listed above (--all or a path shows them)")


def _shown(lookup: Lookup, mine: list[Collision], view: View) -> list[Collision]:
    """The collisions to show in full: where there are many and nothing was asked for, not the least suspicious."""
    if _all(view) or len(mine) <= MOST_WITHOUT_INDEX:
        return mine
    return [collision for collision in mine if suspicion(lookup, collision) < len(KINDS) - 1] or mine


def ordered(lookup: Lookup, view: View) -> list[tuple[bytes, list[Collision]]]:
    """The collisions by file; files and collisions of a file with the most suspicious first."""
    by_file: dict[bytes, list[Collision]] = defaultdict(list)
    for collision in sorted(lookup.collisions(view), key=lambda one: (suspicion(lookup, one), one.section or b"")):
        by_file[collision.path].append(collision)
    return sorted(by_file.items(), key=lambda item: (suspicion(lookup, item[1][0]), item[0]))


def suspicion(lookup: Lookup, collision: Collision) -> int:
    """0 for the call of a new definition, 1 for a standing hunk in a function that upstream changed, 2 for the rest.

    A hunk that changed was looked at by its author, one that stands perhaps by nobody.
    """
    if collision.definition is not None:
        return 0
    stands = any(lookup.verdict(name).word in STANDING for name in collision.hunks)
    return 1 if stands and collision.section else 2


def _overview(
    lookup: Lookup, files: list[tuple[bytes, list[Collision]]], mine: list[Collision], view: View
) -> Iterator[bytes]:
    limit = f" in {view.limit_text}" if view.limit_text else ""
    where = f" in {plural(len(files), 'file')}" if len(files) > 1 and not limit else limit
    releases = f"{lookup.old_release.name} -> {lookup.new_release.name}"
    yield line(ink(view, "meta", f"{releases}: {plural(len(mine), 'collision')}{where}"))
    counts = Counter(suspicion(lookup, collision) for collision in mine)
    width = len(str(len(mine)))
    for kind, text in enumerate(KINDS):
        if counts[kind]:
            yield line(f"  {counts[kind]:>{width}} {text.format(lookup.new_release.name)}")
    if len(mine) <= MOST_WITHOUT_INDEX:
        return
    yield b"\n"
    longest = min(max(len(quoted(path)) for path, _ in files), view.width // 2)
    for path, found in files:
        names = ", ".join(dict.fromkeys(_where(collision) for collision in found))
        start = f"  {quoted(path):<{longest}}  {len(found):>3}  "
        room = max(view.width - len(start), SHORTEST_NAMES)
        yield line(start + (names if len(names) <= room else names[: room - 3] + "..."))


def _paths(lookup: Lookup, found: list[Collision]) -> Iterator[bytes]:
    """The files of the collisions, and the names that they had before upstream renamed them."""
    for collision in found:
        yield collision.path
        yield from _starts(collision)
        for name in collision.hunks:
            yield from (partner.path for _, partner in lookup.partners(name))


def _starts(collision: Collision) -> dict[bytes, list[int]]:
    """The old lines at which upstream's hunks start, per file."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for parsed in filter(None, map(parse_id, collision.upstream)):
        found[parsed[0]].append(parsed[1])
    return found


def _all(view: View) -> bool:
    """Whether a view is narrow enough, or asked, to leave nothing out."""
    return view.everything or bool(view.limit_text)


def _title(collision: Collision, number: int, lookup: Lookup, view: View) -> str:
    title = f"collision {number}  {quoted(collision.path)}  {_where(collision)}"
    if collision.definition == collision.section and collision.definition:
        title += f"  new in {lookup.new_release.name}, called from patched code"
    elif collision.definition:
        title += f"  calls upstream's new {readable(collision.definition)}"
    return ink(view, "meta", title)


def _where(collision: Collision) -> str:
    return readable(collision.section) if collision.section else "file scope"


def _upstream_side(lookup: Lookup, collision: Collision, upstream: Upstream, view: View) -> Iterator[bytes]:
    met = [lookup.hunks[name].applied_start for name in collision.hunks if name in lookup.hunks]
    for path, starts in _starts(collision).items():
        yield line(f"  {ink(view, 'upstream', 'upstream')}  {quoted(path)}")
        found = _hunks(collision, upstream, path, starts)
        shown = found if _all(view) or path != collision.path else _nearest(found, met)
        for hunk in shown:
            yield from shortened(view, hunk_lines(view, hunk), MOST_LINES)
        yield from _left_out(len(found) - len(shown), "hunk of upstream's")


def _nearest(found: list[RawHunk], places: list[int]) -> list[RawHunk]:
    """The hunks that stand nearest to one of these lines of the new file, in their order."""
    if not places:
        return found[:MOST_HUNKS]
    distances = {id(hunk): min(abs(hunk.new_start - place) for place in places) for hunk in found}
    near = sorted(found, key=lambda hunk: distances[id(hunk)])[:MOST_HUNKS]
    return [hunk for hunk in found if hunk in near]


def _left_out(number: int, what: str) -> Iterator[bytes]:
    if number > 0:
        yield line(
            f"  ... and {number} more {what if number == 1 else what.replace('hunk', 'hunks')} (--all shows them)"
        )


def _hunks(collision: Collision, upstream: Upstream, path: bytes, starts: list[int]) -> list[RawHunk]:
    """Upstream's hunks that the collision names; by function where the numbers do not fit (another algorithm)."""
    found = [hunk for file in upstream.of(path) for hunk in file.hunks]
    named = [hunk for hunk in found if any(holds(hunk, start) for start in starts)]
    function = function_of(collision.definition or collision.section or b"")
    chosen = named or [hunk for hunk in found if in_function(hunk, function)] or found
    return [cut_to_function(hunk, function) for hunk in chosen]


def _downstream_side(collision: Collision, lookup: Lookup, view: View, reader: Reader) -> Iterator[bytes]:
    known = [lookup.hunks[name] for name in collision.hunks if name in lookup.hunks]
    shown = known if _all(view) else known[:MOST_HUNKS]
    for hunk in shown:
        side = ink(view, "downstream", "downstream")
        elsewhere = f"  {quoted(hunk.path)}" if hunk.path != collision.path else ""
        verdict = inked(lookup.verdict(hunk.id), view)
        yield line(f"  {side}  {verdict}  {hunk.id} ({lookup.title(hunk.id)}){elsewhere}")
        yield from shortened(view, downstream.hunk_lines(lookup, hunk, view, reader), MOST_LINES)
        if not hunk.body:
            yield paint(view, "", b" |") + hunk.essence.encode() + b"\n"
    yield from _left_out(len(known) - len(shown), "hunk of downstream's")
