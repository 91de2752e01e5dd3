"""Edits that open or close what nests: one opens a condition or a brace, another one closes it.

Neither makes a text that can be read without the other: a Makefile with an `endif` too many is read no further. The
balance of an edit is how many more it opens than it closes; edits of one file go together from the first that is out
of balance up to the one that brings the sum back to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from git_metadiff.bisect.edits import Axis, Edit, File
from git_metadiff.bisect.names import is_build_file, is_code

KCONFIG = re.compile(rb"(?:^|/)(?:Kconfig[^/]*|Config\.(?:in|src))$")
#: Braces in these are text.
LITERAL = re.compile(
    rb"'(?:\\.|[^'\\\n])'|\"(?:\\.|[^\"\\\n])*\"|//[^\n]*|/\*.*?(?:\*/|\Z)",
    re.DOTALL,
)
OTHERWISE = re.compile(rb"[ \t]*#[ \t]*el(?:se|if)")


def is_c(path: bytes) -> bool:
    """Whether a file is C, or goes through its preprocessor."""
    return is_code(path) or path.endswith((b".y", b".l"))


def is_make(path: bytes) -> bool:
    """Whether a file is read by make, or by automake."""
    return is_build_file(path) or path.endswith(b".am")


class Nest(NamedTuple):
    """What opens and what closes, at the beginning of a line, and in which files. A tab before it makes a command of a
    line of a Makefile."""

    applies: Callable[[bytes], object]
    opening: re.Pattern[bytes]
    closing: re.Pattern[bytes]


CONDITIONS = (
    Nest(is_c, re.compile(rb"[ \t]*#[ \t]*if"), re.compile(rb"[ \t]*#[ \t]*endif")),
    Nest(is_make, re.compile(rb" *if(?:n?eq|n?def)?[ \t(]"), re.compile(rb" *endif\b")),
    Nest(is_make, re.compile(rb" *define[ \t]+\S+[ \t]*$"), re.compile(rb" *endef\b")),
    Nest(KCONFIG.search, re.compile(rb"if[ \t]"), re.compile(rb"endif\b")),
    Nest(KCONFIG.search, re.compile(rb"menu[ \t]"), re.compile(rb"endmenu\b")),
)
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
        applies, opening, closing = CONDITIONS[kind]
        return sum(bool(opening.match(text)) - bool(closing.match(text)) for text in lines) if applies(path) else 0
    if not is_c(path):
        return 0
    bare = LITERAL.sub(b"", b"\n".join(first_branches(lines)))
    return bare.count(b"{") - bare.count(b"}")


def first_branches(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Lines without the other branches of their conditions: what both branches open is closed once."""
    opening, closing = CONDITIONS[0].opening, CONDITIONS[0].closing
    level = -1  # of conditions inside a branch that is left out; -1 outside of one
    for text in lines:
        if level >= 0:
            level += bool(opening.match(text)) - bool(closing.match(text))
        elif OTHERWISE.match(text):
            level = 0
        else:
            yield text
