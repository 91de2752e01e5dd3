"""Which function a line stands in, by git's own default rule: the nearest line above that begins like a definition."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

#: git's default: a line that begins with a letter, `_` or `$`; here a label is none.
HEAD = re.compile(rb"[A-Za-z_$](?!\w*:\s*$)")
FIRST = frozenset(bytes((byte,)) for byte in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_$")
NAME = re.compile(rb"([A-Za-z_$][\w$]*)\s*\(")
Texts = Callable[[str, bytes], list[bytes]]


def heads_of(lines: list[bytes]) -> list[int]:
    """The lines that open a section."""
    return [at for at, line in enumerate(lines) if line[:1] in FIRST and HEAD.match(line)]


def short_name(line: bytes) -> str:
    """The name in a section's line: the word before the first bracket, else the line."""
    match = NAME.search(line)
    return (match[1] if match else line.strip()[:60]).decode("utf-8", "backslashreplace")


class Sections:
    """The sections of files of U1 (`old`) and U2 (`new`), by name in U2; each file is read once."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._heads: dict[tuple[str, bytes], list[int]] = {}

    def _of(self, side: str, file: bytes) -> list[int]:
        if (side, file) not in self._heads:
            self._heads[side, file] = heads_of(self._texts(side, file))
        return self._heads[side, file]

    def name(self, side: str, file: bytes, line: int) -> str | None:
        """The name of the section that 0-based `line` stands in; None above the first."""
        heads = self._of(side, file)
        at = bisect_right(heads, line) - 1
        return short_name(self._texts(side, file)[heads[at]]) if at >= 0 else None

    def names(self, side: str, file: bytes, start: int, stop: int) -> set[str | None]:
        """The names of all sections that 0-based lines `[start, stop)` reach into."""
        heads, lines = self._of(side, file), self._texts(side, file)
        first, last = bisect_right(heads, start), bisect_right(heads, max(start, stop - 1))
        inner: set[str | None] = {short_name(lines[at]) for at in heads[first:last]}
        return inner | {short_name(lines[heads[first - 1]]) if first else None}

    def holds(self, side: str, file: bytes, name: str | None) -> bool:
        """Whether a file has a section of that name."""
        lines = self._texts(side, file)
        return name is None or any(short_name(lines[at]) == name for at in self._of(side, file))
