"""Which function a line stands in, by git's own default rule: the nearest line above that begins like a definition.

Unlike git, a closing brace at the start of a line ends the section, a line that ends in `;` opens none, nor does one
between such braces: what follows a function is file scope (None), not part of the function above.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

#: git's default: a line that begins with a letter, `_` or `$`; here a label is none.
HEAD = re.compile(rb"[A-Za-z_$](?!\w*:\s*$)")
#: What encloses definitions without being one.
WRAPPER = re.compile(rb'(?:inline\s+)?namespace\b|extern\s+"')
BORDER = re.compile(rb"[A-Za-z_${}]")
OPEN, CLOSE = b"{}"
NAME = re.compile(rb"(?<![\w$])([A-Za-z_]\w*)\s*\(")
#: Words with brackets of their own that stand before a name.
ATTRIBUTES = frozenset((b"__attribute__", b"__declspec", b"__printf", b"__scanf", b"__aligned", b"__section"))
#: Macros that define what they name: a symbol of assembly, and a system call.
SYMBOL = re.compile(rb"(?:ENTRY|GLOBAL|(?:SYM|ASM)_\w*START\w*)\(\s*(\w+)")
#: A macro that makes a name of its only argument: `SUFFIX (grub_open) (int fd)`, `TEST(parses)`.
MACRO = re.compile(rb"([A-Z][A-Z0-9_]+)\s*\(\s*(\w+)\s*\)")
SYSCALL = re.compile(rb"(?:COMPAT_)?SYSCALL_DEFINE\d\(\s*\w+")
Texts = Callable[[str, bytes], list[bytes]]


def borders_of(lines: list[bytes]) -> list[int]:
    """The lines that open a section or end one. The first bytes are searched as one text: most lines are indented.

    Between braces that stand at the start of their lines nothing else opens a section: some projects (exim) indent the
    bodies of their functions by nothing.
    """
    first = b"".join([line[:1] or b"\n" for line in lines])
    found: list[int] = []
    match = BORDER.search(first)
    while match:
        at = match.start()
        inside = False
        if first[at] == CLOSE:
            found.append(at)
        elif first[at] == OPEN:
            inside = bool(found) and first[found[-1]] != CLOSE
        elif lines[at][-1:] != b";" and HEAD.match(lines[at]):
            found.append(at)
            inside = lines[at].endswith(b"{") and not WRAPPER.match(lines[at])
        match = BORDER.search(first, after_braces(first, at + 1) if inside else at + 1)
    return found


def after_braces(first: bytes, at: int) -> int:
    """Where to go on behind an opened brace: at the one that closes it, but if another opens before, right here."""
    end = first.find(b"}", at)
    end = len(first) if end < 0 else end
    return end if first.find(b"{", at, end) < 0 else at


def short_name(line: bytes) -> str:
    """The name in a section's line: the word before the first bracket, or the symbol that a macro defines; else the
    line."""
    if match := SYSCALL.match(line):
        name = re.sub(rb"\s", b"", match[0]) + b")"
    elif match := SYMBOL.match(line):
        name = match[1]
    else:
        found = next((match for match in NAME.finditer(line) if match[1] not in ATTRIBUTES), None)
        macro = MACRO.match(line, found.start()) if found else None
        name = b"%b(%b)" % macro.groups() if macro else found[1] if found else line.strip()[:60]
    return name.decode("utf-8", "backslashreplace")


class Sections:
    """The sections of files of U1 (`old`) and U2 (`new`), by name in U2; each file is read once."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._borders: dict[tuple[str, bytes], list[int]] = {}

    def _of(self, side: str, file: bytes) -> tuple[list[int], list[bytes]]:
        lines = self._texts(side, file)
        if (side, file) not in self._borders:
            self._borders[side, file] = borders_of(lines)
        return self._borders[side, file], lines

    def name(self, side: str, file: bytes, line: int) -> str | None:
        """The name of the section that 0-based `line` stands in; None in file scope."""
        borders, lines = self._of(side, file)
        at = bisect_right(borders, line) - 1
        if at > 0 and borders[at] == line and lines[line][:1] == b"}":
            at -= 1  # the closing brace is part of what it closes
        if at < 0 or lines[borders[at]][:1] == b"}":
            return None
        return short_name(lines[borders[at]])

    def names(self, side: str, file: bytes, start: int, stop: int) -> set[str | None]:
        """The names of all sections that 0-based lines `[start, stop)` reach into."""
        borders, lines = self._of(side, file)
        first, last = bisect_right(borders, start), bisect_right(borders, max(start, stop - 1))
        inner: set[str | None] = {short_name(lines[at]) for at in borders[first:last] if lines[at][:1] != b"}"}
        return inner | {self.name(side, file, start)}

    def holds(self, side: str, file: bytes, name: str | None) -> bool:
        """Whether a file has a section of that name."""
        borders, lines = self._of(side, file)
        return name is None or any(short_name(lines[at]) == name for at in borders)
