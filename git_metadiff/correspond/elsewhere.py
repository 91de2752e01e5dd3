"""Stage 4, between: is the code of a change that found no place gone, or did upstream move it to another file?

The change could have been carried there. Where the lines that it stood among are found, once, among what upstream added
to another file, and the new patchset has nothing there, the change is dropped and not orphaned. What upstream itself
brought there is absorbed, though the change may have a place in the old file still; so is a deletion of lines that the
patchset had moved there itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from git_metadiff.correspond.absorbed import is_gone
from git_metadiff.correspond.items import Item, Sides
from git_metadiff.linemap import words_in
from git_metadiff.model import Verdict

#: Lines of context on either side that must be found with what the change takes out; more where the fewer say little.
AROUND = (2, 3)
#: So many letters and digits they must have.
TELLING = 28
#: So many a text must have to be known again without any context.
ALONE = 60


MOVED_TOO = Verdict(
    "absorbed", None, "elsewhere", "it moves these lines to another file, and upstream took them out, too"
)


class Others(Protocol):
    """Files of U2 that upstream changed or added."""

    def files(self, near: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Name and content, the likeliest homes of code from the files `near` first; to be consumed to the end."""

    def before(self, path: bytes) -> bytes:
        """The content of such a file in U1; nothing for a new one."""


@dataclass(frozen=True, slots=True)
class Needle:
    """Lines to look for: those that a change found (`done` is false), or those that it left."""

    item: Item
    text: bytes
    done: bool
    alone: bool = False  # the added lines without any context


def find_moved_code(sides: Sides, others: Others) -> None:
    """Give what is left of p1 its verdict where upstream moved its code, or brought its text, to another file."""
    brought = added_lines(sides)
    needles: dict[bytes, list[Needle]] = defaultdict(list)  # by their most telling line
    for item in sides.open_old():
        if has_moved_itself(item, brought) and is_gone(item, sides):
            item.verdict = MOVED_TOO
        elif item.hunk.kind == "text" and not item.superseded:
            for key, needle in needles_of(item) if item.state == "unplaced" else alone(item):
                needles[key].append(needle)
    if not needles:
        return
    found: dict[Needle, list[tuple[bytes, int]]] = defaultdict(list)
    for path, content in others.files(sorted({one.item.file for group in needles.values() for one in group})):
        lines = content.split(b"\n")
        if needles.keys().isdisjoint(lines):
            continue
        for key in needles.keys() & set(lines):
            for needle in needles[key]:
                if path != needle.item.file:
                    found[needle] += [(path, at) for at in places(content, needle.text)]
    for needle in sorted(found, key=lambda one: (one.item.serial, one.done)):
        hits = found[needle]
        if len(hits) == 1 and not places(others.before(hits[0][0]), needle.text):
            needle.item.verdict = judge(needle, *hits[0], brought[hits[0][0]]) or needle.item.verdict


def needles_of(item: Item) -> Iterator[tuple[bytes, Needle]]:
    """What to look for: the lines that a change found, and those that it left, with the context around both."""
    change = item.change
    for inner, done in ((change.removed, False), (change.added, True)):
        for width in AROUND:
            lines = [*change.before[-width:], *inner, *change.after[:width]]
            if words_in(b"".join(lines)) >= TELLING and len(lines) > len(inner) + 1:
                yield max(lines, key=words_in), Needle(item, b"\n".join(lines) + b"\n", done)
                break


def alone(item: Item) -> Iterator[tuple[bytes, Needle]]:
    """What a change adds, where it says enough by itself."""
    lines = item.change.added
    if not item.change.removed and not item.creates and words_in(b"".join(lines)) >= ALONE:
        yield max(lines, key=words_in), Needle(item, b"\n".join(lines) + b"\n", done=True, alone=True)


def added_lines(sides: Sides) -> dict[bytes, set[bytes]]:
    """What p1 itself adds to each file."""
    found: dict[bytes, set[bytes]] = defaultdict(set)
    for item in sides.old:
        found[item.file].update(item.change.added)
    return found


def has_moved_itself(item: Item, brought: dict[bytes, set[bytes]]) -> bool:
    """Whether a change takes lines out of one file that p1 adds to another one, and upstream took them out, too."""
    gone = item.change.removed
    if item.state != "unplaced" or item.reason != "conflict" or item.change.added or words_in(b"".join(gone)) < TELLING:
        return False
    return any(path != item.file and lines.issuperset(gone) for path, lines in brought.items())


def places(content: bytes, needle: bytes) -> list[int]:
    """The 1-based lines at which some whole lines stand in a file."""
    whole, found = b"\n" + content, []
    at = whole.find(b"\n" + needle)
    while at >= 0:
        found.append(content.count(b"\n", 0, at) + 1)
        at = whole.find(b"\n" + needle, at + 1)
    return found


def judge(needle: Needle, path: bytes, line: int, brought: set[bytes]) -> Verdict | None:
    """The verdict of a change whose code stands in another file now, to which p1 itself adds the lines `brought`.

    None for a text that p1 adds there too: upstream has taken that one, if any.
    """
    where = f"{path.decode('utf-8', 'backslashreplace')}:{line}"
    change = needle.item.change
    if needle.alone and brought.issuperset(change.added):
        return None
    if needle.done:
        return Verdict("absorbed", None, "elsewhere", f"the new release holds its effect in {where}")
    words = f"upstream moved its code to {where}; the new patchset has nothing there"
    return Verdict("dropped", None, "code-moved", words)
