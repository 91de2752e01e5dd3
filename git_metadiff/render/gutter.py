"""The column in front of a diff line that says who changed it: `U` upstream, `D` downstream."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from git_metadiff.model import Range
from git_metadiff.render.paint import diff_line, line, paint, plural
from git_metadiff.render.view import View

SLOTS = {b"U": "upstream", b"D": "downstream"}


class Lines:
    """A set of lines (0-based) given as sorted ranges."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._ranges = sorted(ranges)
        self._starts = [start for start, _ in self._ranges]

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._ranges[at][1]


def guttered(
    view: View, body: Sequence[bytes], first: int, upstream: Lines | None, changer: bytes = b"D"
) -> Iterator[bytes]:
    """The lines of a hunk body, marked.

    `first` is the number (0-based) of the first line of the new side; `upstream` the new side's lines that upstream
    changed; `changer` the mark of removed and added lines.
    """
    number = first
    for text in body:
        prefix = text[:1]
        mark = b" "
        if prefix in (b"+", b"-"):
            mark = changer
        elif prefix == b" " and upstream is not None and number in upstream:
            mark = b"U"
        number += prefix in (b" ", b"+")
        yield paint(view, SLOTS.get(mark, ""), mark) + b"|" + diff_line(view, text) + b"\n"


def shortened(view: View, lines: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The first lines of a long hunk and how many there are more; all if the view shows everything."""
    more = 0
    for at, text in enumerate(lines):
        if at <= most or view.everything:  # the @@ line does not count
            yield text
        else:
            more += 1
    if more:
        yield line(f" | ... {plural(more, 'line')} more (--all shows them)")
