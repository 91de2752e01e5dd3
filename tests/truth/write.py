"""Unified diffs from planted edits. The edits are the changes: nothing is diffed, so nothing slides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.truth.model import Edit, Lines, Spot, Written

CONTEXT = 3


@dataclass(slots=True)
class Place:
    """An edit at its lines of the file as it is when its patch applies."""

    serial: int
    patch: int
    start: int
    stop: int
    added: tuple[bytes, ...]


def apply(lines: Lines, edits: Sequence[Place]) -> list[bytes]:
    """The file after edits that are sorted and do not overlap."""
    out: list[bytes] = []
    done = 0
    for edit in edits:
        out += lines[done : edit.start]
        out += edit.added
        done = edit.stop
    return [*out, *lines[done:]]


def groups(edits: Sequence[Place]) -> Iterator[list[Place]]:
    """The edits of each hunk: those whose contexts touch."""
    group: list[Place] = []
    for edit in edits:
        if group and edit.start - group[-1].stop > 2 * CONTEXT:
            yield group
            group = []
        group.append(edit)
    if group:
        yield group


def section(lines: Lines, start: int) -> bytes:
    """What stands behind the second `@@`."""
    for line in range(start - 1, -1, -1):
        if lines[line][:1].isalpha() or lines[line][:1] in (b"_", b"$"):
            return b" " + lines[line][:80].rstrip()
    return b""


def hunk(lines: Lines, group: Sequence[Place], shift: int) -> list[bytes]:
    """One hunk with its head."""
    start, stop = max(0, group[0].start - CONTEXT), min(len(lines), group[-1].stop + CONTEXT)
    body: list[bytes] = []
    at = start
    for edit in group:
        body += [b" " + line for line in lines[at : edit.start]]
        body += [b"-" + line for line in lines[edit.start : edit.stop]]
        body += [b"+" + line for line in edit.added]
        at = edit.stop
    body += [b" " + line for line in lines[at:stop]]
    grown = sum(len(edit.added) - (edit.stop - edit.start) for edit in group)
    old, new = stop - start, stop - start + grown
    head = b"@@ -%d,%d +%d,%d @@" % (start + (old > 0), old, start + shift + (new > 0), new)
    return [head + section(lines, start), *body]


def file_patch(path: bytes, lines: Lines, edits: Sequence[Place]) -> list[bytes]:
    """All of one patch that concerns a file."""
    out = [b"diff --git a/%s b/%s" % (path, path), b"--- a/" + path, b"+++ b/" + path]
    if not lines:
        out[1:2] = [b"new file mode 100644", b"--- /dev/null"]
    shift = 0
    for group in groups(edits):
        out += hunk(lines, group, shift)
        shift += sum(len(edit.added) - (edit.stop - edit.start) for edit in group)
    return out


def spots(path: bytes, lines: Lines, edits: Sequence[Place]) -> Iterator[tuple[int, Spot]]:
    """Where each edit of a file stands, with its context as the patch shows it."""
    for at, edit in enumerate(edits):
        low = edits[at - 1].stop if at else 0
        high = edits[at + 1].start if at + 1 < len(edits) else len(lines)
        before = tuple(lines[max(low, edit.start - CONTEXT) : edit.start])
        after = tuple(lines[edit.stop : min(high, edit.stop + CONTEXT)])
        wide = (tuple(lines[max(0, edit.start - CONTEXT) : edit.start]), tuple(lines[edit.stop : edit.stop + CONTEXT]))
        near = min(edit.start - low if at else 99, high - edit.stop if at + 1 < len(edits) else 99)
        removed = tuple(lines[edit.start : edit.stop])
        yield (
            edit.serial,
            Spot(edit.patch, path, edit.start + 1, before, after, wide, removed, edit.added, near <= 2 * CONTEXT),
        )


def write(release: Mapping[bytes, Lines], edits: Sequence[tuple[int, int, Edit]]) -> Written:
    """Write a patchset. `edits` are (serial, patch, edit) in lines of the release; patches get numbers without gaps."""
    numbers = {patch: at for at, patch in enumerate(sorted({patch for _, patch, _ in edits}))}
    texts: list[list[bytes]] = [[] for _ in numbers]
    found: dict[int, Spot] = {}
    by_path: dict[bytes, list[Place]] = defaultdict(list)
    for serial, patch, edit in edits:
        by_path[edit.path].append(Place(serial, numbers[patch], edit.start, edit.stop, edit.added))
    for path in sorted(by_path):
        lines, waiting = list(release.get(path, ())), sorted(by_path[path], key=lambda place: (place.start, place.stop))
        for one, other in pairwise(waiting):
            assert one.stop < other.start, (path, one, other)
        for patch in sorted({place.patch for place in waiting}):
            now = [place for place in waiting if place.patch == patch]
            waiting = [place for place in waiting if place.patch != patch]
            texts[patch] += file_patch(path, lines, now)
            found.update(spots(path, lines, now))
            lines = apply(lines, now)
            for place in waiting:
                shift = sum(len(one.added) - (one.stop - one.start) for one in now if one.stop <= place.start)
                place.start += shift
                place.stop += shift
    return Written(tuple(b"\n".join([*text, b""]) for text in texts), found)


def rewrite(release: Mapping[bytes, Lines], upstream: Sequence[Edit]) -> dict[bytes, list[bytes]]:
    """The files of U2 that the planted upstream changes touch, changed."""
    by_path: dict[bytes, list[Place]] = defaultdict(list)
    for edit in upstream:
        by_path[edit.path].append(Place(0, 0, edit.start, edit.stop, edit.added))
    return {
        path: apply(release[path], sorted(places, key=lambda place: (place.start, place.stop)))
        for path, places in by_path.items()
    }


def settle(edit: Edit, upstream: Sequence[Edit]) -> Edit:
    """An edit of p2, told in lines of U2, in lines of U2 after what was planted into it.

    Where upstream's plant stands at the same line, the edit comes after it.
    """
    if edit.inside is not None:
        base = settle(Edit(edit.inside.path, edit.inside.start, edit.inside.start, ()), without(upstream, edit.inside))
        return Edit(base.path, base.start + edit.start, base.start + edit.stop, edit.added)
    shift = sum(
        len(one.added) - (one.stop - one.start) for one in upstream if one.path == edit.path and one.stop <= edit.start
    )
    return Edit(edit.path, edit.start + shift, edit.stop + shift, edit.added)


def without(edits: Sequence[Edit], one: Edit) -> list[Edit]:
    """All edits but one."""
    return [edit for edit in edits if edit is not one]
