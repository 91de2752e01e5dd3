"""Which function a line of a diff belongs to, read from the diff alone.

git's `@@` text names the function before a hunk; inside the hunk, a line at the margin that opens a parameter list
and does not end in a semicolon starts the next one, and a closing brace at the margin ends it. That is C's habit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

IDENTIFIER_BEFORE_PARENTHESIS = re.compile(rb"([A-Za-z_$][\w$.]*)\s*\(")
DEFINITION = re.compile(rb"[A-Za-z_][^;]*\([^;]*$")
NOT_A_NAME = {b"__attribute__", b"__declspec", b"if", b"while", b"for", b"switch", b"return", b"sizeof"}


def function_of(section: bytes) -> bytes:
    """The function that an `@@` text or a definition names: `xen_start_kernel` of `void xen_start_kernel(void)`.

    What opens no function (`struct foo {`, a declaration, `EXPORT_SYMBOL(x);`, a name alone) is returned stripped.
    """
    text = section.strip()
    if text.endswith(b";"):
        return text
    found = [match[1] for match in IDENTIFIER_BEFORE_PARENTHESIS.finditer(text) if _at_top(text, match.start())]
    named = [name for name in found if name not in NOT_A_NAME]
    # What begins with two underscores is likelier an annotation: `static __printf(1, 2) void say(`.
    plain = [name for name in named if not name.startswith(b"__")]
    return plain[0] if plain else named[-1] if named else text.rstrip(b"{:=").strip()


def _at_top(text: bytes, at: int) -> bool:
    return text.count(b"(", 0, at) == text.count(b")", 0, at)


def owners_of_lines(section: bytes, body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """For each line of a hunk: its function (empty: file scope), the line, and whether it opens the function."""
    current = function_of(section)
    for text in body:
        content = text[1:]
        opens = bool(DEFINITION.match(content))
        if opens:
            current = function_of(content)
        yield current, text, opens
        if content[:1] == b"}":
            current = b""


def changed_in(section: bytes, body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """`owners_of_lines` of the removed and added lines alone."""
    return (found for found in owners_of_lines(section, body) if found[1][:1] in (b"+", b"-"))


def span_of(section: bytes, body: Sequence[bytes], function: bytes) -> tuple[int, int] | None:
    """The lines of a hunk body (half-open) from the first to the last that belong to `function`."""
    mine = [at for at, (name, _, _) in enumerate(owners_of_lines(section, body)) if name == function]
    return (mine[0], mine[-1] + 1) if mine else None
