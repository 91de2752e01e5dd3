"""Edits that open or close what nests: one opens a condition or a brace, another one closes it.

Neither makes a text that can be read without the other: a Makefile with an `endif` too many is read no further. The
balance of an edit is how many more it opens than it closes; edits of one file go together from the first that is out
of balance up to the one that brings the sum back to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from git_metadiff.bisect.edits import Axis, Edit, File

#: What opens and what closes, at the beginning of a line: the conditions of C, of make, of Kconfig and the shell.
CONDITIONS = (
    (re.compile(rb"[ \t]*#[ \t]*if"), re.compile(rb"[ \t]*#[ \t]*endif")),
    (re.compile(rb"[ \t]*if(?:n?eq|n?def)\b"), re.compile(rb"[ \t]*endif\b")),
    (re.compile(rb"[ \t]*define[ \t]+\S+[ \t]*$"), re.compile(rb"[ \t]*endef\b")),
    (re.compile(rb"menu[ \t]"), re.compile(rb"endmenu\b")),
)
#: Braces in these are text.
LITERAL = re.compile(rb"'(?:\\.|[^'\\])'|\"(?:\\.|[^\"\\])*\"|//.*|/\*.*?\*/")
BRACED = (b".c", b".h", b".cc", b".cpp", b".hpp", b".S", b".y", b".l")
#: A balance that so many edits do not restore is none: a brace that both branches of a condition open is there twice.
MOST = 12


def nested(axis: Axis, file: File) -> Iterator[tuple[int, ...]]:
    """The sets of a file's edits (by number) that are in balance only together."""
    for kind in range(len(CONDITIONS) + 1):
        found: list[int] = []
        level = 0
        for number in file.content:
            change = balance_of(kind, axis.edits[number])
            if change:
                found.append(number)
                level += change
            if found and not level:
                if len(found) <= MOST:
                    yield tuple(found)
                found = []


def out_of_balance(axis: Axis, file: File) -> Iterator[int]:
    """The edits of a file that opens more, or fewer, than it closes in the first tree than in the second."""
    for kind in range(len(CONDITIONS) + 1):
        found = {at: balance_of(kind, axis.edits[at]) for at in file.content}
        if sum(found.values()):
            yield from (at for at, change in found.items() if change)


def balance_of(kind: int, edit: Edit) -> int:
    """How many more of a kind an edit opens than it closes."""
    return balance(kind, edit.path, edit.added) - balance(kind, edit.path, edit.removed)


def balance(kind: int, path: bytes, lines: Sequence[bytes]) -> int:
    """How many more of a kind lines open than they close; the last kind are braces."""
    if kind < len(CONDITIONS):
        opening, closing = CONDITIONS[kind]
        return sum(bool(opening.match(text)) - bool(closing.match(text)) for text in lines)
    if not path.endswith(BRACED):
        return 0
    bare = (LITERAL.sub(b"", text) for text in lines)
    return sum(text.count(b"{") - text.count(b"}") for text in bare)
