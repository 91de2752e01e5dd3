"""The `.rej` of a patch: the hunks without a place, each with the reason and with what upstream put there.

It is a patch itself: what stands before each header is text that patch and git pass over. Of a hunk that is placed in
part, the placed changes are context, so that it is what is left to be done.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from git_metadiff.forward.recut import CONTEXT, header, plain_ends
from git_metadiff.forward.sections import Section
from git_metadiff.forward.words import HunkFate, Spot
from git_metadiff.hunks import mark_ends

#: So many lines of upstream's change are shown.
MOST = 60
SHORT = 12

#: What became of the other changes of a hunk, in words.
OTHERS = {"placed": b"placed", "void": b"without effect", "absorbed": b"in the new release already"}

#: What upstream did where a change stood: for each of its changes the lines, `@@`, `-` and `+`.
Seen = Callable[[HunkFate, int], Sequence[tuple[bytes, ...]]]


def rejects_of(
    lines: Sequence[bytes], sections: Sequence[Section], fates: Sequence[HunkFate], seen: Seen, subject: str
) -> bytes:
    """The text of the `.rej` file of a patch; empty if all has found its place."""
    by_id = {fate.hunk.id: fate for fate in fates}
    out: list[bytes] = []
    for section in sections:
        if section.whole is not None and by_id[section.whole.id].result == "rejected":
            out += [*about(by_id[section.whole.id], seen), *lines[section.head : first_hunk(section)], b""]
        if section.missing:
            out += left_out(lines, section)
        for source in section.sources:
            fate = by_id[source.hunk.id]
            if fate.result in ("rejected", "partial"):
                out += [*about(fate, seen), *names(lines, section), *remainder(source.raw.body, fate), b""]
    return b"\n".join([b"# " + escaped(subject), b"", *out]) if out else b""


def first_hunk(section: Section) -> int:
    """The line of a section where its header ends."""
    return section.sources[0].raw.line - 1 if section.sources else section.stop


def about(fate: HunkFate, seen: Seen) -> Iterator[bytes]:
    """Why a hunk has no place, and what upstream did there: file, lines and text."""
    hunk = fate.hunk
    yield b"# hunk %d, %b, %b" % (fate.order, named(hunk.path), hunk.id.encode())
    reasons = [change.text or change.reason or "" for change in fate.changes if change.result == "rejected"]
    for reason in dict.fromkeys(reasons):
        yield b"# not placed: " + escaped(reason)
    yield from rest_of(fate)
    if fate.path is not None and fate.path != hunk.path:
        yield b"# the file is now " + named(fate.path)
    for commit in fate.commits:
        tag = f" ({commit.tag})" if commit.tag else ""
        word = b"took it in" if commit.kind == "absorbed" else b"took its place"
        yield b"# upstream commit that %b: " % word + escaped(f"{commit.commit[:SHORT]} {commit.subject}{tag}")
    lost = [at for at, change in enumerate(fate.changes) if change.result == "rejected"]
    shown = [line for block in dict.fromkeys(one for at in lost for one in seen(fate, at)) for line in block]
    if shown:
        spot = next((one.upstream for one in fate.changes if one.result == "rejected" and one.upstream), None)
        yield b"# upstream has there" + (b", in " + named(spot.path) if spot is not None else b"") + b":"
        yield from (b"#   " + line for line in shown[:MOST])
        if len(shown) > MOST:
            yield b"#   ... and %d lines more" % (len(shown) - MOST)


def rest_of(fate: HunkFate) -> Iterator[bytes]:
    """What became of the other changes of a hunk of which some have no place."""
    count = Counter(one.result for one in fate.changes)
    others = [(count[word], told) for word, told in OTHERS.items() if count[word]]
    if not others:
        return
    spots = dict.fromkeys(spotted(one.upstream) for one in fate.changes if one.result == "absorbed" and one.upstream)
    words = b", ".join(b"%d %b" % other for other in others)
    where = b" (" + b", ".join(spots) + b")" if spots else b""
    yield b"# left of its %d changes: %d; the others are context here: %b%b" % (
        len(fate.changes),
        count["rejected"],
        words,
        where,
    )


def spotted(spot: Spot) -> bytes:
    """`path:line`."""
    return named(spot.path) + (b":%d" % spot.line if spot.line else b"")


def named(path: bytes) -> bytes:
    """A path for a comment line."""
    return escaped(path.decode("utf-8", "backslashreplace"))


def left_out(lines: Sequence[bytes], section: Section) -> Iterator[bytes]:
    """The hunks that did not apply to the old release either, as they are."""
    yield b"# did not apply to the old release either"
    patch = section.target.patch
    known = {source.raw.line for source in section.sources}
    if patch.lineless and section.whole is None:
        yield from lines[section.head : section.stop]
        yield b""
        return
    yield from names(lines, section)
    for raw in patch.hunks:
        if raw.line not in known:
            yield from lines[raw.line - 1 : raw.line + len(raw.body)]
    yield b""


def names(lines: Sequence[bytes], section: Section) -> list[bytes]:
    """The `---` and `+++` lines of a section."""
    at = section.target.patch.hunks[0].line - 1
    return list(lines[at - 2 : at])


def remainder(body: Sequence[bytes], fate: HunkFate) -> list[bytes]:
    """A hunk with its placed changes as context, no longer than the author's own at its ends."""
    rows: list[tuple[bytes, int, int]] = []  # a line, and how many of the old and the new file stand before it
    old, new = fate.hunk.old_start, fate.hunk.new_start
    for prefix, text, at in by_change(mark_ends(body)):
        done = at is not None and fate.changes[at].result != "rejected"
        if not done or prefix == b"+":
            rows.append(((b" " if done else prefix) + text, old, new))
        old, new = old + (prefix != b"+"), new + (prefix != b"-")
    changed = [number for number, (line, _, _) in enumerate(rows) if line[:1] != b" "]
    ends = fate.hunk.changes[0].before, fate.hunk.changes[-1].after
    width = max(CONTEXT, *map(len, ends))
    rows = rows[max(0, changed[0] - width) : changed[-1] + 1 + width]
    out = [line for line, _, _ in rows]
    sizes = [sum(line[:1] != sign for line in out) for sign in (b"+", b"-")]
    section = b" " + fate.hunk.section if fate.hunk.section else b""
    return [header(rows[0][1], sizes[0], rows[0][2], sizes[1]) + section, *plain_ends(out)]


def by_change(body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, int | None]]:
    """Each line of a hunk: prefix, text, and the change that it belongs to."""
    at, inside = -1, False
    for line in body:
        changed = line[:1] in (b"-", b"+")
        at += changed and not inside
        inside = changed
        yield line[:1], line[1:], at if changed else None


def escaped(text: str) -> bytes:
    """Words for a comment line: nothing in it can end the line."""
    return re.sub(rb"[\x00-\x1f\x7f]+", b" ", text.encode("utf-8", "surrogateescape"))
