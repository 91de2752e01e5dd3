"""Which function a line of a diff belongs to, read from the diff alone.

git's `@@` text names the function before a hunk; inside the hunk, a line at the margin that opens a parameter list
and does not end in a semicolon starts the next one, and a closing brace at the margin ends it. That is C's habit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

IDENTIFIER_BEFORE_PARENTHESIS = re.compile(rb"([A-Za-z_$][\w$.]*)\s*\(")
#: Some indent no statement of a function's first level.
STATEMENT = re.compile(rb"(?:if|else|for|while|do|switch|case|return|goto)\b")
DEFINITION = re.compile(rb"(?!(?:if|else|for|while|do|switch|case|return|goto)\b)[A-Za-z_][^;]*\([^;]*$")
C_NAMES = (b".c", b".h", b".cc", b".cpp", b".cxx", b".hpp")
#: What opens a function at the margin is known of these alone.
CODE_NAMES = (*C_NAMES, b".java", b".js", b".go", b".rs")
LABEL = re.compile(rb"\w+:\s*(?:$|\t)")
ARRAY = re.compile(rb"(\w+(?:\[[^\]]*\])+)\s*(?:=|$)")
LONGEST_TITLE = 48
#: A name in capitals, or what a Makefile has before a bracket.
MACRO = re.compile(rb"[^a-z]*")
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
    return plain[0] if plain else named[-1] if named else text.rstrip(b"{:= \t")


def _at_top(text: bytes, at: int) -> bool:
    return text.count(b"(", 0, at) == text.count(b")", 0, at)


def sections_of_lines(section: bytes, body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """For each line of a hunk: the text that opens what it stands in (empty: file scope), the line, and whether it is
    itself such a text."""
    current = section
    for text in body:
        content = text[1:]
        opens = bool(DEFINITION.match(content))
        if opens:
            current = content
        yield current, text, opens
        if content[:1] == b"}":
            current = b""


def owners_of_lines(section: bytes, body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """For each line of a hunk: its function (empty: file scope), the line, and whether it opens the function."""
    named: dict[bytes, bytes] = {}
    for opener, text, opens in sections_of_lines(section, body):
        if opener not in named:
            named[opener] = function_of(opener)
        yield named[opener], text, opens


def changed_in(section: bytes, body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """`owners_of_lines` of the removed and added lines alone."""
    return (found for found in owners_of_lines(section, body) if found[1][:1] in (b"+", b"-"))


def titles(path: bytes, section: bytes, body: Sequence[bytes]) -> list[bytes]:
    """What each change of a hunk body stands in, for people, in order; empty for file scope."""
    found: list[bytes] = []
    inside = False
    around = section if can_enclose(path, section) else b""
    lines = sections_of_lines(around, body) if path.endswith(CODE_NAMES) else ((around, text, False) for text in body)
    for opener, text, _ in lines:
        changed = text[:1] in (b"+", b"-")
        if changed and not inside:
            found.append(opener)
        elif changed and not found[-1]:  # a comment, and then the function that it is about
            found[-1] = opener
        inside = changed or (inside and text[:1] == b"\\")
    return [_short(title_of(opener)) for opener in found]


def _short(title: bytes) -> bytes:
    return title if len(title) <= LONGEST_TITLE else title[: LONGEST_TITLE - 3] + b"..."


def can_enclose(path: bytes, section: bytes) -> bool:
    """Whether lines can stand inside a section: not in a declaration, nor in C's labels and statements at the margin,
    which git takes for one."""
    in_c = path.endswith(C_NAMES)
    return not section.rstrip().endswith(b";") and not (in_c and (LABEL.match(section) or STATEMENT.match(section)))


def title_of(section: bytes) -> bytes:
    """`function_of` for people: a macro is told with what it is given, `ENTRY(memcpy)`, an array by its name."""
    name = function_of(section)
    array = ARRAY.search(name)
    if array:
        return array[1]
    if MACRO.fullmatch(name):
        if not re.search(rb"\w", name):  # the dollar of a Makefile's variable
            return section.strip()
        whole = re.search(re.escape(name) + rb"\s*\([^(),]*", section)
        return whole[0] + b")" if whole else section.strip()
    return name


def span_of(section: bytes, body: Sequence[bytes], function: bytes) -> tuple[int, int] | None:
    """The lines of a hunk body (half-open) from the first to the last that belong to `function`."""
    mine = [at for at, (name, _, _) in enumerate(owners_of_lines(section, body)) if name == function]
    return (mine[0], mine[-1] + 1) if mine else None
