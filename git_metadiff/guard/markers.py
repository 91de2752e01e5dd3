"""Conflict markers that were left in a patch, or in what a patch adds."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: git's markers, of the usual size; `=======` alone underlines titles, so the other two must be there.
OPENING = re.compile(rb"^[+ ]?<{7}(?: .*)?$")
CLOSING = re.compile(rb"^[+ ]?>{7}(?: .*)?$")


def find_markers(old: bytes, new: bytes) -> list[tuple[int, bytes]]:
    """The 1-based lines of `new` that are conflict markers, with their text, where `old` has none like it.

    A line that a patch removes is none; nor is one that stands alone, for a text may tell of markers.
    """
    if b"<<<<<<<" not in new or b">>>>>>>" not in new:
        return []
    found = list(marked(new))
    known = {text.lstrip(b"+ ") for _, text in marked(old)}
    kinds = {text.lstrip(b"+ ")[:1] for _, text in found}
    return [] if len(kinds) < 2 else [(at, text) for at, text in found if text.lstrip(b"+ ") not in known]


def marked(data: bytes) -> Iterator[tuple[int, bytes]]:
    """All lines that look like the first or last of a conflict."""
    for at, line in enumerate(data.split(b"\n"), 1):
        text = line.rstrip(b"\r")
        if OPENING.match(text) or CLOSING.match(text):
            yield at, text
