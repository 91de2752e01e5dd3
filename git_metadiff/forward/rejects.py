"""The `.rej` of a patch: the hunks without a place, each with the reason and with what upstream put there.

It is a patch itself: what stands before each header is text that patch and git pass over. Of a hunk that is placed in
part, the placed changes are context, so that it is what is left to be done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from git_metadiff.forward.recut import header, plain_ends
from git_metadiff.forward.sections import Section
from git_metadiff.forward.words import HunkFate
from git_metadiff.hunks import mark_ends

#: So many lines of upstream's change are shown.
MOST = 60
SHORT = 12

#: What upstream did where a change stood: lines with `-`, `+` or ` `.
Seen = Callable[[HunkFate, int], list[bytes]]


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
    """Why a hunk has no place, and what upstream did there."""
    hunk = fate.hunk
    yield b"# hunk %d, %b" % (fate.order, escaped(hunk.path.decode("utf-8", "backslashreplace")))
    reasons = [change.text or change.reason or "" for change in fate.changes if change.result == "rejected"]
    for reason in dict.fromkeys(reasons):
        yield b"# not placed: " + escaped(reason)
    if fate.result == "partial":
        yield b"# the rest of it is placed; what is left:"
    if fate.path is not None and fate.path != hunk.path:
        yield b"# the file is now " + escaped(fate.path.decode("utf-8", "backslashreplace"))
    for commit in fate.commits:
        tag = f" ({commit.tag})" if commit.tag else ""
        yield b"# upstream commit " + escaped(f"{commit.commit[:SHORT]} {commit.subject}{tag}")
    shown = [line for at, change in enumerate(fate.changes) if change.result == "rejected" for line in seen(fate, at)]
    if shown:
        yield b"# upstream has there:"
        yield from (b"#   " + line for line in shown[:MOST])
        if len(shown) > MOST:
            yield b"#   ... and %d lines more" % (len(shown) - MOST)


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
    """A hunk with its placed changes as context."""
    out: list[bytes] = []
    for prefix, text, at in by_change(mark_ends(body)):
        done = at is not None and fate.changes[at].result != "rejected"
        if not done:
            out.append(prefix + text)
        elif prefix == b"+":
            out.append(b" " + text)
    old, new = (sum(line[:1] != sign for line in out) for sign in (b"+", b"-"))
    section = b" " + fate.hunk.section if fate.hunk.section else b""
    return [header(fate.hunk.old_start, old, fate.hunk.new_start, new) + section, *plain_ends(out)]


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
