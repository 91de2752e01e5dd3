"""`--collisions`: functions that upstream changed and in which downstream has a hunk, standing or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from git_metadiff.hunks import RawHunk
from git_metadiff.model import Collision, Comparison
from git_metadiff.render import downstream
from git_metadiff.render.functions import function_of
from git_metadiff.render.labels import inked
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.paint import ink, line, paint, plural, quoted, readable
from git_metadiff.render.upstream import Upstream, cut_to_function, holds, hunk_lines, in_function, parse_id
from git_metadiff.render.view import Reader, View


def collisions(comparison: Comparison, view: View, reader: Reader) -> Iterator[bytes]:
    """Each collision with upstream's hunks beside downstream's."""
    for lookup in lookups(comparison):
        mine = lookup.collisions(view)
        limit = f" in {view.limit_text}" if view.limit_text else ""
        releases = f"{lookup.old_release.name} -> {lookup.new_release.name}"
        yield line(ink(view, "meta", f"{releases}: {plural(len(mine), 'collision')}{limit}"))
        upstream = Upstream(lookup, view, reader, _paths(lookup, mine))
        for at, collision in enumerate(mine):
            yield b"\n"
            yield line(_title(collision, at + 1, lookup, view))
            yield from _upstream_side(collision, upstream, view)
            yield from _downstream_side(collision, lookup, view, reader)


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


def _title(collision: Collision, number: int, lookup: Lookup, view: View) -> str:
    where = readable(collision.section) if collision.section else "file scope"
    title = f"collision {number}  {quoted(collision.path)}  {where}"
    if collision.definition == collision.section and collision.definition:
        title += f"  new in {lookup.new_release.name}, called from patched code"
    elif collision.definition:
        title += f"  calls upstream's new {readable(collision.definition)}"
    return ink(view, "meta", title)


def _upstream_side(collision: Collision, upstream: Upstream, view: View) -> Iterator[bytes]:
    for path, starts in _starts(collision).items():
        yield line(f"  {ink(view, 'upstream', 'upstream')}  {quoted(path)}")
        for hunk in _hunks(collision, upstream, path, starts):
            yield from hunk_lines(view, hunk)


def _hunks(collision: Collision, upstream: Upstream, path: bytes, starts: list[int]) -> list[RawHunk]:
    """Upstream's hunks that the collision names; by function where the numbers do not fit (another algorithm)."""
    found = [hunk for file in upstream.of(path) for hunk in file.hunks]
    named = [hunk for hunk in found if any(holds(hunk, start) for start in starts)]
    function = function_of(collision.definition or collision.section or b"")
    chosen = named or [hunk for hunk in found if in_function(hunk, function)] or found
    return [cut_to_function(hunk, function) for hunk in chosen]


def _downstream_side(collision: Collision, lookup: Lookup, view: View, reader: Reader) -> Iterator[bytes]:
    for name in collision.hunks:
        if name not in lookup.hunks:
            continue
        hunk = lookup.hunks[name]
        side = ink(view, "downstream", "downstream")
        elsewhere = f"  {quoted(hunk.path)}" if hunk.path != collision.path else ""
        yield line(f"  {side}  {inked(lookup.verdict(name), view)}  {name} ({lookup.title(name)}){elsewhere}")
        yield from downstream.hunk_lines(lookup, hunk, view, reader)
        if not hunk.body:
            yield paint(view, "", b" |") + hunk.essence.encode() + b"\n"
