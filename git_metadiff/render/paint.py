"""Colours, and the border between text for people (str) and content (bytes).

Names and messages are put together as str, decoded so that any byte survives the way back; content stays bytes.
"""

from __future__ import annotations

import re

from git_metadiff.hunks import RawHunk
from git_metadiff.model import Hunk
from git_metadiff.render.view import View

DIFF_SLOTS = {b"+": "new", b"-": "old", b"@": "frag"}
UNSAFE = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')
ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def readable(text: bytes) -> str:
    """Bytes as str; `line` gives the same bytes back."""
    return text.decode("utf-8", "surrogateescape")


def line(text: str) -> bytes:
    """One line of output, ended."""
    return text.encode("utf-8", "surrogateescape") + b"\n"


def quoted(path: bytes) -> str:
    """A path as git prints it: C-quoted if it holds anything but plain characters."""
    if not UNSAFE.search(path):
        return path.decode("ascii")
    return '"' + "".join(map(_escaped, path)) + '"'


def _escaped(byte: int) -> str:
    if byte in ESCAPES:
        return ESCAPES[byte]
    return chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}"


def paint(view: View, slot: str, text: bytes) -> bytes:
    """`text` in the colour of `slot`."""
    color = view.colors.get(slot)
    return color + text + view.colors.get("reset", b"\x1b[m") if color and text else text


def ink(view: View, slot: str, text: str) -> str:
    """`paint` for text that is still str."""
    return readable(paint(view, slot, text.encode("utf-8", "surrogateescape"))) if view.colors else text


def diff_line(view: View, text: bytes) -> bytes:
    """A line of a hunk body (without newline) in git's colours."""
    return paint(view, DIFF_SLOTS.get(text[:1], "context"), text)


def hunk_header(view: View, hunk: Hunk | RawHunk) -> bytes:
    """The `@@` line of a hunk."""
    extents = _extent(hunk.old_start, hunk.old_lines), _extent(hunk.new_start, hunk.new_lines)
    frag = paint(view, "frag", b"@@ -%b +%b @@" % extents)
    return (frag + b" " + paint(view, "func", hunk.section) if hunk.section else frag) + b"\n"


def _extent(start: int, lines: int) -> bytes:
    return b"%d" % start if lines == 1 else b"%d,%d" % (start, lines)


def plural(number: int, word: str) -> str:
    """`1 hunk`, `2 hunks`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
