"""What a failed build says: its errors in a form in which two builds can be compared, and the names that it missed."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Lines of compilers, linkers, make and others that say what is wrong.
ERROR = re.compile(
    rb"(?:fatal )?error(?:\[\w+\])?:|undefined reference to|multiple definition of|undefined symbol:|undefined!$"
    rb"|No rule to make target|No such file or directory|Error: |Error$|\*\*\* .*Stop\.$"
)
#: Where there is none of these, a line near the end that begins with a file and a line may tell: `Config.in:7: ...`.
LOCATED = re.compile(rb"^[\w./+-]+:\d+(?::\d+)?: (?!\s*(?:warning|note)\b)(?!warning)")
NEAR_THE_END = 40
#: What make says of an error that something else has told before, and what differs between two runs.
ECHO = re.compile(rb"^(?:make|ninja|gmake)(?:\[\d+\])?: .*(?:Error \d+|Interrupt|Waiting for|Target .* not remade)")
NUMBERS = re.compile(rb"0x[0-9a-fA-F]+|\d+")
ESCAPES = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
#: Quotation marks as compilers print them: ASCII, grave, and UTF-8.
OPEN, CLOSE = rb"(?:['`\"]|\xe2\x80\x98)", rb"(?:['\"]|\xe2\x80\x99)"
NAME = rb"(?:struct |union |enum |class )?([A-Za-z_]\w*)"


def forms(*texts: bytes) -> tuple[re.Pattern[bytes], ...]:
    """Patterns of what is said of a name; `%(o)s%(n)s%(c)s` stands for the name in quotation marks."""
    return tuple(re.compile(text % {b"o": OPEN, b"c": CLOSE, b"n": NAME}) for text in texts)


#: What says that a name is not there, or not in the form in which it is used.
MISSING = forms(
    rb"%(o)s%(n)s%(c)s undeclared",
    rb"implicit declaration of function %(o)s%(n)s%(c)s",
    rb"call to undeclared (?:library )?function %(o)s%(n)s%(c)s",
    rb"use of undeclared identifier %(o)s%(n)s%(c)s",
    rb"unknown type name %(o)s%(n)s%(c)s",
    rb"no member named %(o)s%(n)s%(c)s",
    rb"undefined type %(o)s%(n)s%(c)s",
    rb"incomplete (?:definition of )?type %(o)s%(n)s%(c)s",
    rb"too (?:few|many) arguments to function %(o)s%(n)s",
    rb"conflicting types for %(o)s%(n)s%(c)s",
    rb"undefined reference to %(o)s%(n)s",
    rb"undefined symbol: %(n)s",
    rb"\"%(n)s\" \[[^\]]*\] undefined",
    rb"name %(o)s%(n)s%(c)s is not defined",
    rb"cannot find %(n)s",
    rb"undefined: %(n)s",
)
#: The same for files: `x.h: No such file or directory`, `No rule to make target 'x.o'`.
MISSING_FILE = (
    re.compile(rb"error: ([\w./+-]+): No such file or directory"),
    re.compile(rb"%s([\w./+-]+)%s file not found" % (OPEN, CLOSE)),
    re.compile(rb"No rule to make target %s([\w./+-]+)%s" % (OPEN, CLOSE)),
)
#: What says that a name is there twice, or where it must not be: it was moved, and only half of the move is in.
DOUBLED = forms(
    rb"redefinition of %(o)s%(n)s%(c)s",
    rb"redeclaration of (?:enumerator )?%(o)s%(n)s%(c)s",
    rb"duplicate member %(o)s%(n)s%(c)s",
    rb"multiple definition of %(o)s%(n)s",
    rb"unknown option %(o)s%(n)s%(c)s",
)
#: So many errors tell one failure from another.
MOST = 20
#: So long is an error, as it is kept.
LONGEST = 200


def signature(output: bytes) -> tuple[str, ...]:
    """The errors in the output of a build, without numbers and folders, each once, at most MOST; none were found:
    empty."""
    return tuple(dict.fromkeys(map(shortened, errors(output))))[:MOST]


def errors(output: bytes) -> list[bytes]:
    """The lines that say what is wrong."""
    lines = [line for line in lines_of(output) if line and not ECHO.match(line)]
    found = [line for line in lines if ERROR.search(line)]
    return found or [line for line in lines[-NEAR_THE_END:] if LOCATED.match(line)]


def lines_of(output: bytes) -> Iterator[bytes]:
    """The lines of an output, without colours."""
    for line in ESCAPES.sub(b"", output).splitlines():
        yield line.strip()


def shortened(line: bytes) -> str:
    """An error without what differs from tree to tree: line numbers, addresses, the folder that it was built in."""
    words = [word.rpartition(b"/")[2] if word.startswith(b"/") else word for word in line.split()]
    return NUMBERS.sub(b"N", b" ".join(words)).decode("utf-8", "replace")[:LONGEST]


def first_error(output: bytes) -> str:
    """The first error as it stands, for people; else the last line; empty if there is no output."""
    found = errors(output) or [line for line in lines_of(output) if line][-1:]
    return found[0].decode("utf-8", "replace")[:LONGEST] if found else ""


def doubled(output: bytes) -> tuple[str, ...]:
    """The names that a failed build found twice, in the order in which it said so."""
    found = (one.decode("ascii") for line in lines_of(output) for form in DOUBLED for one in form.findall(line))
    return tuple(dict.fromkeys(found))


def missing(output: bytes) -> tuple[str, ...]:
    """The names and files that a failed build missed, in the order in which it said so."""
    found: dict[str, None] = {}
    for line in lines_of(output):
        for form in MISSING:
            found.update((one.decode("ascii"), None) for one in form.findall(line))
        for form in MISSING_FILE:
            found.update((one.decode("ascii"), None) for one in form.findall(line))
    return tuple(found)
