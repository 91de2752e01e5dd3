"""`git metadiff graph --explain HUNK`: each edge of a hunk with its evidence in words, and its changes in P.

`show` tells what became of a hunk; this tells what that rests on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from git_metadiff.hunks import RawHunk
from git_metadiff.linemap import Block, LineMap
from git_metadiff.model import Change, Comparison, Edge, Hunk
from git_metadiff.render.labels import slot, told, words
from git_metadiff.render.lookup import Lookup
from git_metadiff.render.one_hunk import find_hunk
from git_metadiff.render.paint import ink, line, plural, quoted
from git_metadiff.render.upstream import Upstream, parse_id
from git_metadiff.render.view import Reader, View

#: What the stages of the correspondence call their evidence, in words.
EVIDENCE = {
    "exact": "stage 1, exact: the same text, and the ported tree and the newer tree hold the same lines of it",
    "lineless": "stage 1, exact: the same kind of change without lines, in the same file",
    "text": "stage 1, in order: the same text in the same file; of several, order and the least distance decide",
    "effect": "stage 2, effect: the same effect on the same lines, cut into other hunks or slid to an equal place",
    "shared lines": "stage 2, shared lines: both have some of the same lines of the newer tree, or take them out",
    "place": "stage 2, place: it overlaps or touches where upstream's line map leads, the most alike first",
    "nearby": "stage 2, nearby: elsewhere in the same file, the most alike first; the further away, the more alike",
    "content": "stage 3, content: equal text somewhere else, and no other open change has it in surroundings as alike",
    "joined": "stage 3, joined: all its words stand in one change of its file, which holds another one too",
    "rare lines": "stage 3, rare lines: it shares lines that few changes hold, the most alike first",
    "file name": "stage 3, file name: two files that downstream adds, the only ones of that name, somewhat alike",
    "rewritten": "stage 3, rewritten: upstream rewrote the code there; the edit, its text and its surroundings agree, "
    "and clearly more than those of any other",
    "renamed": "stage 3, renamed: a few lines off, and all that differs are words that upstream replaced just so",
    "upstream": "stage 4, upstream: the upstream hunk stands where the change does",
    "superseded": "by its superseder: a later patch of its series replaced it, and this is what that one became",
}
AMBIGUOUS = "stage 3, among equals: a candidate, with equal text; not even the surroundings tell the candidates apart"
#: Hunks that share less of the changed lines are no candidates; so many are named.
LIKE = 0.5
MOST = 5


class Candidate(NamedTuple):
    """Another hunk that an edge might have led to."""

    score: float
    hunk: Hunk


def explain_hunk(comparison: Comparison, prefix: str, view: View, reader: Reader) -> Iterator[bytes]:
    """What the edges of the hunk rest on whose id starts with `prefix`; MetadiffError if that is none or several."""
    hunk = find_hunk(comparison, prefix)
    steps = [step for step in comparison.transitions if hunk.release in (step.start, step.stop)]
    return _explained(
        [Lookup(comparison, step) for step in sorted(steps, key=lambda step: step.stop)], hunk, view, reader
    )


def _explained(lookups: Sequence[Lookup], hunk: Hunk, view: View, reader: Reader) -> Iterator[bytes]:
    for at, lookup in enumerate(lookups):
        if not at:
            title = f"hunk {hunk.id}  {lookup.place(hunk)}  ({lookup.title(hunk.id)})"
            yield line(ink(view, "meta", title))
        yield b"\n"
        yield from _step(lookup, hunk, view, reader)


def _step(lookup: Lookup, hunk: Hunk, view: View, reader: Reader) -> Iterator[bytes]:
    """What one transition says of the hunk."""
    is_old = hunk.id in lookup.olds
    verdict = lookup.verdict(hunk.id)
    side = "fate" if is_old else "origin"
    yield line(f"{lookup.names()}   {side}: {ink(view, slot(verdict), words(verdict))}")
    partners = lookup.partners(hunk.id)
    if not partners:
        yield line(f"  no edge to a hunk of the {'later' if is_old else 'earlier'} patchset")
    for edge, partner in partners:
        yield from _edge(lookup, edge, partner)
    yield from _upstream_edges(lookup, hunk)
    yield from _candidates(lookup, hunk, [partner for _, partner in partners], view)
    yield from _changes(lookup, hunk, reader)


def _edge(lookup: Lookup, edge: Edge, partner: Hunk) -> Iterator[bytes]:
    yield line(f"  {edge.kind}, similarity {edge.similarity:.4g}: {_named(lookup, partner)}")
    yield from _evidence(edge)


def _evidence(edge: Edge) -> Iterator[bytes]:
    for word in edge.evidence:
        yield line(f"    {AMBIGUOUS if edge.kind == 'ambiguous' else EVIDENCE.get(word, word)}")
    if not edge.evidence:
        yield line("    no evidence was stored")


def _named(lookup: Lookup, hunk: Hunk) -> str:
    return f"{hunk.id}  {lookup.place(hunk)}  ({lookup.title(hunk.id)})"


def _upstream_edges(lookup: Lookup, hunk: Hunk) -> Iterator[bytes]:
    for edge in lookup.upstream_edges(hunk.id):
        path, start = parse_id(edge.b) or parse_id(edge.a) or (b"", 0)
        where = f"{lookup.old_release.name} -> {lookup.new_release.name}, {quoted(path)}:{start}"
        yield line(f"  {edge.kind}, similarity {edge.similarity:.4g}: upstream's own hunk {where}")
        yield from _evidence(edge)


# Candidates


def _candidates(lookup: Lookup, hunk: Hunk, partners: Sequence[Hunk], view: View) -> Iterator[bytes]:
    """Which other hunks of the other patchset are like this one. They are no part of what is stored."""
    found = candidates(lookup, hunk, partners)
    what = "other candidates" if partners else "candidates"
    if not found:
        yield line(
            f"  {what}: none; no{' other' if partners else ''} hunk of these files shares half of its changed lines"
        )
        return
    yield line(f"  {what} in these files, by the changed lines that they share (weighed now, from the texts):")
    shown = found if view.everything else found[:MOST]
    for score, other in shown:
        yield line(f"    {score:.2f}  {_named(lookup, other)}, {_taken(lookup, other)}")
    if len(shown) < len(found):
        yield line(f"    ... and {len(found) - len(shown)} more (--all names them)")


def candidates(lookup: Lookup, hunk: Hunk, partners: Sequence[Hunk]) -> list[Candidate]:
    """Hunks of the other patchset, in the files of a hunk and its partners, that are at least LIKE it, best first."""
    from git_metadiff.correspond.place import similarity

    others = lookup.new if hunk.id in lookup.olds else lookup.old
    paths = {path for one in (hunk, *partners) for path in (one.path, one.old_path) if path is not None}
    known = {partner.id for partner in partners}
    mine = _changed(hunk)
    scored = [
        Candidate(similarity(mine, _changed(other)), other)
        for other in others.hunks
        if other.id not in known and mine and not paths.isdisjoint((other.path, other.old_path))
    ]
    return sorted((one for one in scored if one.score >= LIKE), key=lambda one: (-one.score, _apart(hunk, one.hunk)))


def _apart(hunk: Hunk, other: Hunk) -> int:
    return abs(other.applied_start - hunk.applied_start)


def _changed(hunk: Hunk) -> list[bytes]:
    return [text for text in hunk.body if text[:1] in (b"-", b"+")]


def _taken(lookup: Lookup, other: Hunk) -> str:
    """Why a candidate was not chosen, as far as the graph tells."""
    partners = lookup.partners(other.id)
    if partners:
        edge, partner = partners[0]
        return f"which is {edge.kind} with {partner.id}"
    return f"which is {words(lookup.verdict(other.id))}"


# Changes in P


def _changes(lookup: Lookup, hunk: Hunk, reader: Reader) -> Iterator[bytes]:
    """The verdict of each change, and for those of the earlier patchset whether and why they are in P."""
    is_old = hunk.id in lookup.olds
    lines = _line_map(lookup, hunk, reader) if is_old else None
    placed = lookup.comparison.placed.get(hunk.id, ())
    for at, (change, verdict) in enumerate(zip(hunk.changes, lookup.changes.get(hunk.id, ()), strict=False)):
        where = f" at line {change.old_start}" if hunk.kind == "text" else ""
        yield line(f"  change {at + 1}{where} (+{len(change.added)} -{len(change.removed)}): {told(verdict)}")
        if is_old and at < len(placed):
            yield line(f"    {_in_p(lookup, hunk, at, lines) if placed[at] else _not_in_p(lookup, hunk, at)}")


def _not_in_p(lookup: Lookup, hunk: Hunk, at: int) -> str:
    """Why a change is not in P."""
    from git_metadiff.port import REASONS

    reason = lookup.unplaced.get(hunk.id, {}).get(at)
    if reason == "absorbed":
        return f"not in P: {lookup.new_release.name} already holds its effect"
    if reason is not None:
        return f"not in P ({reason}): {REASONS.get(reason, reason)}"
    if hunk.id in lookup.comparison.superseded:
        later = lookup.comparison.superseded[hunk.id]
        return f"not in P by itself: hunk {later} of a later patch replaced it"
    return "not in P; no reason was stored"


def _in_p(lookup: Lookup, hunk: Hunk, at: int, lines: LineMap | None) -> str:
    """What gives a change its place in P."""
    new = lookup.new_release.name
    if hunk.kind != "text":
        return "in P: a change without lines, to a file that is still there"
    if lookup.same_release:
        return "in P, where it was: both patchsets stand on the same release"
    if lines is None:
        return "in P; its line in the older release is not known from the patch alone, earlier ones change the file too"
    if not lines.blocks:
        return f"in P, where it was: the file is the same in {new}"
    return f"in P: {_placing(hunk, hunk.changes[at], lines, new)}"


def _placing(hunk: Hunk, change: Change, lines: LineMap, new: str) -> str:
    """Which of the rules places a change: by the lines that it removes, or by its neighbours."""
    start = _base(hunk, change)
    size = len(change.removed)
    if size:
        kept = lines.pieces(start, start + size)
        if len(kept) == 1 and kept[0][2] == size:
            return f"what it removes is {_numbered(kept[0][1], size)} of {new}, unchanged by upstream"
        return f"upstream's diff does not keep all that it removes; it fits {new} in one place, by its context"
    above, below = lines.line(start - 1) if start else -1, lines.line(start)
    if above is not None and below is not None:
        between = f"between its neighbours, {plural(below - above - 1, 'line')} of upstream's in front of the lower one"
        return f"at line {below + 1} of {new}, " + (between if below - above > 1 else "between its own neighbours")
    if above is None and below is None:
        return f"both of its neighbours are gone; its context fits {new} in one place"
    there = below if below is not None else (above or 0) + 1
    return f"at line {there + 1} of {new}, beside the one of its neighbours that upstream left"


def _numbered(start: int, size: int) -> str:
    return f"line {start + 1}" if size == 1 else f"lines {start + 1} to {start + size}"


def _base(hunk: Hunk, change: Change) -> int:
    """The line (0-based) of the older release that a change removes, or that it stands before."""
    return change.old_start - 1 + hunk.applied_start - hunk.old_start


def _line_map(lookup: Lookup, hunk: Hunk, reader: Reader) -> LineMap | None:
    """Which line of the older release is which of the newer one; None if the hunk's numbers count in another tree."""
    names = {hunk.path, hunk.old_path}
    if any(other.patch < hunk.patch and names & {other.path, other.old_path} for other in lookup.old.hunks):
        return None
    partners = [partner.path for _, partner in lookup.partners(hunk.id)]
    upstream = Upstream(lookup, View(context=0), reader, [path for path in (*names, *partners) if path is not None])
    mine = [file for file in upstream.files if names & {file.old_path or file.path}]
    return LineMap([_block(raw) for file in mine for raw in file.hunks])


def _block(raw: RawHunk) -> Block:
    """A hunk without context; one that takes or adds no line names the line before it."""
    old, new = raw.old_start - (raw.old_lines > 0), raw.new_start - (raw.new_lines > 0)
    return Block(old, old + raw.old_lines, new, new + raw.new_lines)
