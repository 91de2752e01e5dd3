"""The sections of a patch's text: which lines of it belong to which file, and its headers with other names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from git_metadiff.forward.recut import CONTEXT, Source
from git_metadiff.forward.states import Entry
from git_metadiff.hunks import FilePatch, strip_name
from git_metadiff.model import Hunk
from git_metadiff.targets import Target, choose

#: Lines that belong to the section behind them.
BEFORE = re.compile(rb"Index: |={20,}\s*$|diff (?!--git )-|Only in ")
INDEX = re.compile(rb"^index ([0-9a-f]+)\.\.([0-9a-f]+)(?: (\d+))?(\r?)$")


@dataclass(slots=True)
class Section:
    """What a patch does to one file: lines `[first, stop)` of its text, from line `head` on those of the diff."""

    target: Target
    first: int
    head: int
    stop: int
    whole: Hunk | None = None  # the hunk of no lines
    sources: list[Source] = field(default_factory=list)
    missing: int = 0  # hunks that did not apply to the old release

    @property
    def hunks(self) -> list[Hunk]:
        """All of its hunks."""
        return ([] if self.whole is None else [self.whole]) + [source.hunk for source in self.sources]


def find_sections(lines: Sequence[bytes], files: Sequence[FilePatch], targets: Sequence[Target]) -> list[Section]:
    """The sections of a patch in order."""
    found: list[Section] = []
    starts = [patch.line - 1 for patch in files]
    for at, (patch, target) in enumerate(zip(files, targets, strict=True)):
        low = found[-1].stop if found else 0
        first = starts[at]
        while first > low and BEFORE.match(lines[first - 1]):
            first -= 1
        limit = starts[at + 1] if at + 1 < len(starts) else len(lines)
        found.append(Section(target, first, starts[at], section_end(lines, patch, starts[at], limit)))
    return found


def section_end(lines: Sequence[bytes], patch: FilePatch, start: int, limit: int) -> int:
    """The line after a section."""
    if patch.hunks:
        last = patch.hunks[-1]
        return last.line + len(last.body)
    if patch.binary is None:
        at = start + 1
        while at < limit and is_header(lines[at]):
            at += 1
        return at
    at = start
    while lines[at].rstrip(b"\r") != b"GIT binary patch":
        at += 1
    for _ in range(2):  # one part for each direction
        while at < limit and lines[at].strip():
            at += 1
        if at + 1 < limit and re.match(rb"(literal|delta) \d", lines[at + 1]):
            at += 1
    return min(at + 1, limit)


def is_header(line: bytes) -> bool:
    """Whether a line can be one of git's extended headers, or a stub."""
    words = (b"old mode ", b"new mode ", b"deleted file ", b"new file ", b"copy ", b"rename ", b"similarity index ")
    return line.startswith((*words, b"dissimilarity index ", b"index ", b"Binary files "))


def match_hunks(sections: Sequence[Section], lines: Sequence[bytes], hunks: Sequence[Hunk]) -> None:
    """Give each section the hunks that were applied, in the order of the patch; those left out are counted."""
    at = 0
    for section in sections:
        patch = section.target.patch
        if patch.stub and not patch.lineless:
            continue
        if patch.lineless:
            if at < len(hunks) and hunks[at].kind != "text" and hunks[at].path == section.target.path:
                section.whole = hunks[at]
                at += 1
            else:
                section.missing += 1
        for raw in patch.hunks:
            hunk = hunks[at] if at < len(hunks) else None
            if hunk is not None and hunk.path == section.target.path and same(hunk, raw.old_start, raw.body):
                section.sources.append(
                    Source(raw, hunk, lines[raw.line - 1 : raw.line + text_size(lines, raw.line, raw.body)])
                )
                at += 1
            else:
                section.missing += 1


def same(hunk: Hunk, start: int, body: Sequence[bytes]) -> bool:
    """Whether a hunk that was applied is the one in the text."""
    return hunk.kind == "text" and hunk.old_start == start and hunk.body == tuple(body)


def text_size(lines: Sequence[bytes], line: int, body: Sequence[bytes]) -> int:
    """How many lines of text the body of a hunk has."""
    return min(len(body), len(lines) - line)


def context_of(hunks: Sequence[Hunk]) -> int:
    """How many lines of context a patch was made with: what most of its hunks have at their longer end."""
    sizes = Counter(
        max(len(hunk.changes[0].before), len(hunk.changes[-1].after)) for hunk in hunks if hunk.kind == "text"
    )
    return (sizes.most_common(1)[0][0] if sizes else 0) or CONTEXT


def names_fit(section: Section, level: int) -> bool:
    """Whether git takes the names in the header of a section for its file: some are known to patch(1) alone."""
    patch, target = section.target.patch, section.target
    if target.from_other:
        return True
    names = [strip_name(name, level) for name in (patch.old_name, patch.new_name) if name is not None]
    if patch.git or patch.creates or patch.deletes:
        return all(name == target.path for name in names)
    return choose(names[0], names[-1], ()) == target.path if names[0] and names[-1] else False


def head_lines(
    lines: Sequence[bytes], section: Section, level: int, now: bytes, entries: tuple[Entry, Entry]
) -> list[bytes] | None:
    """The header of a section of text hunks, of a file that is called `now`; None if that name cannot be put in.

    `entries` are the file before and after, for the ids and the mode that a header of git's tells.
    """
    first_hunk = section.sources[0].raw.line - 1 if section.sources else section.stop
    head = [with_ids(line, entries) for line in lines[section.first : first_hunk]]
    if section.target.path == now and names_fit(section, level):
        return head
    patch, was = section.target.patch, section.target.path
    names = [prefix_of(name, level) for name in (patch.old_name, patch.new_name)]
    if unusual(now) or unusual(was) or None in names:
        return None
    old, new = (prefix or b"" for prefix in names)
    return [with_name(line, old + now, new + now, was, now) for line in head]


def with_ids(line: bytes, entries: tuple[Entry, Entry]) -> bytes:
    """An `index` line with the ids of these files, as long as they were; any other line as it is."""
    match = INDEX.match(line)
    if match is None:
        return line
    size = len(match[1])
    mode = b" %b" % entries[0][0].encode() if match[3] else b""
    ids = [oid[:size].encode() for _, oid in entries]
    return b"index %b..%b%b%b" % (*ids, mode, match[4])


def with_name(line: bytes, old: bytes, new: bytes, was: bytes, now: bytes) -> bytes:
    """A line of a header with another name."""
    ending = b"\r" if line.endswith(b"\r") else b""
    if line.startswith(b"diff --git "):
        return b"diff --git %b %b%b" % (old, new, ending)
    if line.startswith((b"--- ", b"+++ ")):
        stamp = line.partition(b"\t")
        name = old if line.startswith(b"---") else new
        return line[:4] + name + (b"".join(stamp[1:]) or ending)
    return line.replace(was, now) if line.startswith((b"diff ", b"Index: ")) else line


def prefix_of(name: bytes | None, level: int) -> bytes | None:
    """What the patch level takes off a name."""
    rest = strip_name(name, level)
    return None if name is None or rest is None or not name.endswith(rest) else name[: len(name) - len(rest)]


def unusual(path: bytes) -> bool:
    """Whether git would quote a path, or a blank in it might end it."""
    return any(byte <= 32 or byte >= 127 or byte in b'"\\' for byte in path)
