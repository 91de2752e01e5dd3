"""`git metadiff bisect list`: the suspects, the most suspicious first, as text and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from git_metadiff.bisect import Candidate, Facts, Suspect
from git_metadiff.bisect.candidates import Side, path_of
from git_metadiff.model import Comparison
from git_metadiff.render.lookup import Lookup
from git_metadiff.render.paint import ink, line, plural, quoted, readable
from git_metadiff.render.view import View
from git_metadiff.trace import Frame, Trace, canonical

SCHEMA = "git-metadiff-bisect/1"
#: So many suspects are shown; `-n` or `--all` shows more.
MOST = 20
#: So many partners and reasons are named; `--all` names all.
MOST_PARTNERS = 2
MOST_REASONS = 3
#: Columns in front of what is said about a suspect.
INDENT = " " * 12
SLOTS = {"upstream": "upstream", "downstream": "downstream", "standing": "downstream"}
PARTS: tuple[Side, ...] = ("upstream", "downstream", "standing")


def suspects(
    comparison: Comparison, found: Sequence[Suspect], facts: Facts, trace: Trace | None, view: View, most: int | None
) -> Iterator[bytes]:
    """How many there are, where the trace was, and then suspect by suspect."""
    lookup = Lookup(comparison, comparison.transitions[-1])
    homes = Homes(facts)
    yield from _head(lookup, found, view)
    if trace is not None:
        yield from _frames(trace, facts)
    if found:
        yield b"\n"
    shown = found[: len(found) if view.everything and most is None else MOST if most is None else most]
    for suspect in shown:
        yield from _suspect(suspect, lookup, homes, view)
    if len(shown) < len(found):
        yield line(f"... and {len(found) - len(shown)} more, less suspicious (-n or --all shows them)")


class Homes:
    """Which candidate a hunk belongs to."""

    def __init__(self, facts: Facts) -> None:
        self._of: Mapping[str, Candidate] = {name: one for one in facts.candidates for name in one.hunks}

    def of(self, name: str) -> Candidate | None:
        """The candidate of a hunk; None if the limits left it out."""
        return self._of.get(name)


def _head(lookup: Lookup, found: Sequence[Suspect], view: View) -> Iterator[bytes]:
    counts = Counter(suspect.candidate.side for suspect in found)
    told = ", ".join(f"{counts[side]} {side}" for side in PARTS if counts[side])
    hunks = sum(len(suspect.candidate.pieces) for suspect in found)
    limit = f", limited to {view.limit_text}" if view.limit_text else ""
    words = f"{plural(len(found), 'suspect')} ({told}), {plural(hunks, 'hunk')}" if found else "nothing to suspect"
    yield line(f"{ink(view, 'meta', lookup.names() + limit)}   {words}")


def _frames(trace: Trace, facts: Facts) -> Iterator[bytes]:
    """The stack, and which file each function is in."""
    repeated = f" ({trace.repeated} repeated, dropped)" if trace.repeated else ""
    yield line(f"trace  {plural(len(trace.frames), 'frame')}{repeated}")
    width = max(len(_frame(frame)) for frame in trace.frames)
    for frame in trace.frames:
        paths = facts.homes.get(canonical(frame.function), ())
        where = ", ".join(map(quoted, paths[:MOST_PARTNERS])) or "not in a file that either side changed"
        more = f" and {len(paths) - MOST_PARTNERS} more" if len(paths) > MOST_PARTNERS else ""
        yield line(f"  {_frame(frame):<{width}}  {where}{more}")


def _frame(frame: Frame) -> str:
    return f"#{frame.at} {'' if frame.reliable else '? '}{frame.function}"


def _suspect(suspect: Suspect, lookup: Lookup, homes: Homes, view: View) -> Iterator[bytes]:
    one = suspect.candidate
    place = quoted(one.path) + (f"  {one.section}" if one.section else "")
    count = f"  ({plural(len(one.pieces), 'hunk')})" if len(one.pieces) > 1 else ""
    side = ink(view, SLOTS[one.side], f"{one.side:<10}")
    name = "" if one.side == "upstream" else f"  {one.hunks[0]}"
    yield line(f"{suspect.rank:>4}  {suspect.score:.2f}  {side}  {place}{name}{count}")
    partners = list(dict.fromkeys(_partner(other, lookup, homes) for other in suspect.partners))
    if partners:
        shown = partners if view.everything else partners[:MOST_PARTNERS]
        more = f"; and {len(partners) - len(shown)} more" if len(shown) < len(partners) else ""
        yield line(f"{INDENT}x {'; '.join(shown)}{more}")
    reasons = suspect.why if view.everything else suspect.why[:MOST_REASONS]
    if reasons:
        yield line(f"{INDENT}{'; '.join(reasons)}")


def _partner(name: str, lookup: Lookup, homes: Homes) -> str:
    """A hunk of the other side: `D xen_start_kernel (kept) 8da597639eb3`, `U arch/x86/xen/pmu.c pmu_msr_read`."""
    home = homes.of(name)
    if name in lookup.hunks:
        hunk = lookup.hunks[name]
        where = (home.section if home else None) or lookup.function(hunk) or quoted(hunk.path)
        return f"D {where} ({lookup.word(hunk)}) {name}"
    if home is None:
        path = path_of(name)
        return f"U {quoted(path) if path is not None else name} (outside the limits)"
    return f"U {quoted(home.path)}" + (f" {home.section}" if home.section else "")


def suspects_document(comparison: Comparison, found: Sequence[Suspect]) -> bytes:
    """The suspects as JSON; the same inputs give the same bytes."""
    document = {
        "schema": SCHEMA,
        "name": comparison.name,
        "candidates": [
            {
                "rank": one.rank,
                "side": one.candidate.side,
                "path": readable(one.candidate.path),
                "section": one.candidate.section,
                "hunks": list(one.candidate.hunks),
                "partners": list(one.partners),
                "score": one.score,
                "why": list(one.why),
            }
            for one in found
        ],
    }
    return json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"
