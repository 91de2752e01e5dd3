"""Edits of a file as values, and unified diffs in git's style made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

CONTEXT = 3


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """`removed` lines from the 0-based line `start` on give way to the lines `added`, each with its newline."""

    start: int
    removed: int
    added: tuple[str, ...]

    @property
    def end(self) -> int:
        """The first line after the removed ones."""
        return self.start + self.removed

    @property
    def growth(self) -> int:
        """How many lines longer the file becomes."""
        return len(self.added) - self.removed


def apply_edits(lines: Sequence[str], edits: Sequence[Edit]) -> list[str]:
    """Apply sorted edits that do not overlap."""
    result: list[str] = []
    done = 0
    for edit in edits:
        result += lines[done : edit.start]
        result += edit.added
        done = edit.end
    result += lines[done:]
    return result


def shift(edits: Iterable[Edit], line: int) -> int:
    """Say how far the edits that end at or before `line` move it."""
    return sum(edit.growth for edit in edits if edit.end <= line and edit.start < line)


def blob_id(text: str) -> str:
    """Give git's (SHA-1) id of a latin-1 text."""
    content = text.encode("latin-1")
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _groups(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Put edits into one hunk when their contexts touch, as git does."""
    group: list[Edit] = []
    for edit in edits:
        if group and edit.start - group[-1].end > 2 * CONTEXT:
            yield group
            group = []
        group.append(edit)
    if group:
        yield group


def _section(lines: Sequence[str], before: int) -> str:
    """Find the text after the second `@@`: the last line before the hunk that starts like a declaration."""
    for number in range(before - 1, -1, -1):
        first = lines[number][:1]
        if first.isascii() and (first.isalpha() or first in "_$"):
            return " " + lines[number][:80].rstrip()
    return ""


def _range(start: int, length: int) -> str:
    """Write one side of a hunk's head from a 0-based start; git leaves out a length of 1."""
    return f"{start + 1}" if length == 1 else f"{start + 1},{length}"


def _hunk(lines: Sequence[str], group: Sequence[Edit], offset: int) -> str:
    """Write one hunk; `offset` is the growth of all earlier ones."""
    start, end = max(0, group[0].start - CONTEXT), min(len(lines), group[-1].end + CONTEXT)
    body: list[str] = []
    done = start
    for edit in group:
        body += [" " + line for line in lines[done : edit.start]]
        body += ["-" + line for line in lines[edit.start : edit.end]]
        body += ["+" + line for line in edit.added]
        done = edit.end
    body += [" " + line for line in lines[done:end]]
    old, new = end - start, end - start + sum(edit.growth for edit in group)
    head = f"@@ -{_range(start, old)} +{_range(start + offset, new)} @@{_section(lines, start)}\n"
    return head + "".join(body)


def changed_file(path: str, lines: Sequence[str], edits: Sequence[Edit]) -> tuple[str, int]:
    """Write the patch of a changed file, and count its hunks."""
    old, new = blob_id("".join(lines)), blob_id("".join(apply_edits(lines, edits)))
    parts = [f"diff --git a/{path} b/{path}\nindex {old[:7]}..{new[:7]} 100644\n--- a/{path}\n+++ b/{path}\n"]
    offset = 0
    for group in _groups(edits):
        parts.append(_hunk(lines, group, offset))
        offset += sum(edit.growth for edit in group)
    return "".join(parts), len(parts) - 1


def new_file(path: str, text: str) -> str:
    """Write the patch that creates a file: one hunk."""
    lines = text.splitlines(keepends=True)
    head = f"diff --git a/{path} b/{path}\nnew file mode 100644\nindex 0000000..{blob_id(text)[:7]}\n--- /dev/null\n"
    return head + f"+++ b/{path}\n@@ -0,0 +{_range(0, len(lines))} @@\n" + "".join("+" + line for line in lines)
