"""`git metadiff show HUNK`: a hunk, its partners, what upstream did there, and whether it is in P."""

from __future__ import annotations

from collections.abc import Iterator

from git_metadiff.errors import MetadiffError
from git_metadiff.hunks import RawHunk
from git_metadiff.model import Comparison, Edge, Hunk
from git_metadiff.render import downstream
from git_metadiff.render.gutter import Lines, guttered, shortened
from git_metadiff.render.labels import slot, told, words
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.paint import hunk_header, ink, line, plural, quoted
from git_metadiff.render.sections import FileDiff, read_sections
from git_metadiff.render.upstream import LONG, Upstream, cut, holds, hunk_lines, parse_id
from git_metadiff.render.view import Reader, View

#: Upstream's hunks that stand so many lines from a hunk are "there".
NEAR = 20
NAMED_CANDIDATES = 5


def show_hunk(comparison: Comparison, prefix: str, view: View, reader: Reader) -> Iterator[bytes]:
    """All that is known of the one hunk whose id starts with `prefix`; MetadiffError if that is none or several."""
    hunk = find_hunk(comparison, prefix)
    return _shown(comparison, hunk, view, reader)


def find_hunk(comparison: Comparison, prefix: str) -> Hunk:
    """The hunk whose id is `prefix`, or the only one whose id starts with it."""
    hunks = [hunk for hunk in comparison.hunks() if hunk.id.startswith(prefix)] if prefix else []
    exact = [hunk for hunk in hunks if hunk.id == prefix]
    if exact or len(hunks) == 1:
        return (exact or hunks)[0]
    if not hunks:
        hint = "the default view and --json show the ids; --name picks another comparison"
        raise MetadiffError(f"no hunk '{prefix}' in the comparison '{comparison.name}'", hint)
    named = ", ".join(f"{hunk.id} ({quoted(hunk.path)}:{hunk.old_start})" for hunk in hunks[:NAMED_CANDIDATES])
    more = f" and {len(hunks) - NAMED_CANDIDATES} more" if len(hunks) > NAMED_CANDIDATES else ""
    raise MetadiffError(f"hunk id '{prefix}' is ambiguous ({len(hunks)} hunks)", f"give more of it: {named}{more}")


def _shown(comparison: Comparison, hunk: Hunk, view: View, reader: Reader) -> Iterator[bytes]:
    mine = [lookup for lookup in lookups(comparison) if hunk.id in lookup.hunks]
    for at, lookup in enumerate(mine):
        if at == 0:
            yield line(ink(view, "meta", f"hunk {hunk.id}  {lookup.place(hunk)}  ({lookup.title(hunk.id)})"))
            yield from _facts(hunk, comparison.superseded.get(hunk.id))
            yield from shortened(view, downstream.hunk_lines(lookup, hunk, view, reader), LONG)
        yield from _story(lookup, hunk, view, reader)


def _facts(hunk: Hunk, later: str | None) -> Iterator[bytes]:
    if hunk.kind != "text":
        yield line(f"  {hunk.kind}: {hunk.essence}")
    if hunk.applied_start != hunk.old_start and hunk.old_lines:
        yield line(f"  applied at line {hunk.applied_start} (offset {hunk.applied_start - hunk.old_start:+d})")
    if hunk.fuzz:
        yield line(f"  applied with fuzz {hunk.fuzz}: {plural(hunk.fuzz, 'line')} of context at each end did not fit")
    if later:
        yield line(f"  superseded: a later patch of its series replaced all its lines, in hunk {later}")


def _story(lookup: Lookup, hunk: Hunk, view: View, reader: Reader) -> Iterator[bytes]:
    """What one transition says of the hunk: its past if it belongs to the later patchset, else its future."""
    is_old = hunk.id in lookup.olds
    release = lookup.new_release if is_old else lookup.old_release
    verdict = lookup.verdict(hunk.id)
    yield b"\n"
    title = f"fate in {release.name}" if is_old else f"origin in {release.name}"
    yield line(f"{title}: {ink(view, slot(verdict), told(verdict))}")
    yield from _changes(lookup, hunk, is_old)
    if is_old:
        yield from _in_p(lookup, hunk)
    partners = lookup.partners(hunk.id)
    for edge, partner in partners:
        yield b"\n"
        yield from _partner(lookup, edge, partner, view, reader)
    yield from _difference(lookup, hunk, view)
    if not partners:
        yield line(f"no partner in {'the later' if is_old else 'the earlier'} patchset")
    yield from _upstream_there(lookup, hunk, [partner for _, partner in partners], view, reader)


def _changes(lookup: Lookup, hunk: Hunk, is_old: bool) -> Iterator[bytes]:
    verdicts = lookup.changes.get(hunk.id, ())
    if len(verdicts) < 2:
        return
    placed = lookup.comparison.placed.get(hunk.id, ()) if is_old else ()
    for at, (change, verdict) in enumerate(zip(hunk.changes, verdicts, strict=False)):
        in_p = ("  in P" if placed[at] else "  not in P") if at < len(placed) else ""
        size = f"+{len(change.added)} -{len(change.removed)}"
        said = words(verdict) if verdict.text == lookup.verdict(hunk.id).text else told(verdict)
        yield line(f"  change {at + 1} at line {change.old_start} ({size}): {said}{in_p}")


def _in_p(lookup: Lookup, hunk: Hunk) -> Iterator[bytes]:
    placed = lookup.comparison.placed.get(hunk.id, ())
    reasons = lookup.unplaced.get(hunk.id, {})
    if placed and all(placed):
        yield line(f"in P: yes, it has its place in {lookup.new_release.name}")
    elif not placed:
        yield line("in P: not known")
    else:
        out = [at for at, is_placed in enumerate(placed) if not is_placed]
        # Without an entry in `unplaced` nothing was refused: U2 holds the effect, or a later patch took the lines out.
        why = {at: _in_words(reasons[at]) if at in reasons else _unrefused(lookup, hunk, at) for at in out}
        if len(placed) == 1:
            yield line(f"in P: no, {why[0]}")
        else:
            told = "; ".join(f"change {at + 1}: {text}" for at, text in why.items())
            yield line(f"in P: {'no' if len(out) == len(placed) else 'in part'} ({told})")


def _in_words(code: str) -> str:
    from git_metadiff.port import REASONS

    return REASONS.get(code, code)


def _unrefused(lookup: Lookup, hunk: Hunk, change: int) -> str:
    if hunk.id in lookup.comparison.superseded:
        return "superseded"
    verdicts = lookup.changes.get(hunk.id, ())
    return verdicts[change].word if change < len(verdicts) else "no reason recorded"


def _partner(lookup: Lookup, edge: Edge, partner: Hunk, view: View, reader: Reader) -> Iterator[bytes]:
    title = f"partner {partner.id}  {lookup.place(partner)}  ({lookup.title(partner.id)})"
    yield line(ink(view, "meta", title))
    yield line(f"  {edge.kind}, similarity {edge.similarity:.4g}, evidence: {', '.join(edge.evidence) or 'none'}")
    yield from shortened(view, downstream.hunk_lines(lookup, partner, view, reader), LONG)


def _difference(lookup: Lookup, hunk: Hunk, view: View) -> Iterator[bytes]:
    """What of the interdiff belongs to the hunk: for an edited pair, what its author changed."""
    mine = [found for found in lookup.transition.interdiff_hunks if hunk.id in found.hunks]
    places = {(found.path, found.old_start, found.new_start) for found in mine}
    paths = {found.path for found in mine}
    files = [file for file in read_sections(lookup.transition.interdiff) if file.path in paths] if mine else []
    found = [(file, change) for file in files for change in file.hunks if (file.path, *_starts(change)) in places]
    if not found:
        return
    yield b"\n"
    yield line(f"{ink(view, 'downstream', 'in the interdiff')}: {plural(len(found), 'hunk')}")
    for file, change in found:
        upstream = Lines(lookup.transition.upstream_lines.get(file.path, ()))
        yield hunk_header(view, change)
        first = change.new_start - (change.new_lines > 0)
        yield from shortened(view, guttered(view, change.body, first, upstream), LONG)


def _starts(change: RawHunk) -> tuple[int, int]:
    return change.old_start, change.new_start


def _upstream_there(lookup: Lookup, hunk: Hunk, partners: list[Hunk], view: View, reader: Reader) -> Iterator[bytes]:
    if lookup.same_release:
        return
    named = [parsed for edge in lookup.upstream_edges(hunk.id) for parsed in map(parse_id, (edge.a, edge.b)) if parsed]
    paths = [path for one in (hunk, *partners) for path in (one.path, one.old_path) if path]
    upstream = Upstream(lookup, view, reader, [*paths, *(path for path, _ in named)])
    found = [(file, change) for file in upstream.files if file.letter != "D" for change in file.hunks]
    near = [pair for pair in found if _is_there(lookup, hunk, *pair, named)]
    yield b"\n"
    title = f"upstream's own changes, {lookup.old_release.name} -> {lookup.new_release.name}"
    yield line(f"{ink(view, 'upstream', title)}: {_what(upstream, len(found), len(near))}")
    for at, (file, change) in enumerate(near):
        if not at or near[at - 1][0] is not file:
            yield line(ink(view, "meta", quoted(file.path)))
        yield from hunk_lines(view, _cut(lookup, hunk, change))


def _what(upstream: Upstream, found: int, near: int) -> str:
    if not upstream.files:
        return "none in this file"
    gone = [f"it deleted {quoted(file.path)}" for file in upstream.files if file.letter == "D"]
    renamed = [file for file in upstream.files if file.letter == "R"]
    gone += [f"it renamed {quoted(file.old_path or b'')} to {quoted(file.path)}" for file in renamed]
    said = f"{plural(near, 'hunk')} here, {found - near} elsewhere in these files"
    return "; ".join([*gone, said]) + (":" if near else "")


def _is_there(lookup: Lookup, hunk: Hunk, file: FileDiff, change: RawHunk, named: list[tuple[bytes, int]]) -> bool:
    """Whether an upstream hunk is one that an edge names, or stands near the hunk in its file."""
    if any(file.touches([path]) and holds(change, start) for path, start in named):
        return True
    if not file.touches([hunk.path, hunk.old_path or hunk.path]):
        return False
    first, size = _extent(lookup, hunk, change)
    return first - NEAR <= hunk.applied_start + hunk.old_lines and hunk.applied_start <= first + size + NEAR


def _extent(lookup: Lookup, hunk: Hunk, change: RawHunk) -> tuple[int, int]:
    """Start and size of an upstream hunk on the side in which the hunk counts: p1's in U1's lines, p2's in U2's."""
    if hunk.id in lookup.olds:
        return change.old_start, change.old_lines
    return change.new_start, change.new_lines


def _cut(lookup: Lookup, hunk: Hunk, change: RawHunk) -> RawHunk:
    """A long upstream hunk cut to the lines near the hunk; one that an edge names from far away is cut at its start."""
    if len(change.body) <= LONG:
        return change
    other = b"+" if hunk.id in lookup.olds else b"-"
    number, mine = _extent(lookup, hunk, change)[0], []
    for at, text in enumerate(change.body):
        if hunk.applied_start - NEAR <= number <= hunk.applied_start + hunk.old_lines + NEAR:
            mine.append(at)
        number += text[:1] != other
    return cut(change, mine[0], mine[-1] + 1) if mine else cut(change, 0, LONG)
