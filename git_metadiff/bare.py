"""The bare form of code: what is left of lines without white space and comments.

Upstream often takes a change over in other form: indented otherwise, wrapped otherwise, with another comment. The bare
text of both is the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

SPACE = re.compile(rb"\s+")
#: A comment within a line, or to its end.
COMMENT = re.compile(rb"/\*.*?(?:\*/|$)|(?<![:\w])//.*$")
#: A line inside a comment of several lines, or a comment of a shell script or Makefile, but no directive of C.
COMMENT_LINE = re.compile(rb"\s*(?:\*(?![\w*(])|#(?!\s*(?:if|el|endif|def|undef|inc|pragma|error|warn|line))(?:\s|$))")


def bare_line(line: bytes) -> bytes:
    """A line without white space and comments; empty if it says nothing else."""
    if b"/" in line or b"*" in line or b"#" in line:
        if COMMENT_LINE.match(line):
            return b""
        line = COMMENT.sub(b"", line)
    return SPACE.sub(b"", line)


def bare(lines: Sequence[bytes]) -> bytes:
    """The bare text of some lines, as one."""
    return b"".join([bare_line(line) for line in lines])


def find_bare(text: bytes, lines: Sequence[bytes], low: int, high: int) -> list[tuple[int, int]]:
    """Where lines `[low, high)` of a file hold the bare `text`: ranges of whole lines, in order, each the shortest."""
    parts = [bare_line(line) for line in lines[low:high]]
    starts, at = {}, 0
    ends = {}
    for number, part in enumerate(parts):
        if part:
            starts[at] = number
            at += len(part)
            ends[at] = number + 1
    whole = b"".join(parts)
    found = []
    at = whole.find(text) if text else -1
    while at >= 0:
        if at in starts and at + len(text) in ends:
            found.append((low + starts[at], low + ends[at + len(text)]))
        at = whole.find(text, at + 1)
    return found
