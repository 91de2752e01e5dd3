"""The place of each net change of a file in the new release: the rules that P is made by.

Lines are as `split_lines` gives them. A rule looks at the three texts of one file and at the line map U1..U2 alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import LCSseq

from git_metadiff.bare import bare, find_bare
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import LineMap, words_in

CONTEXT = 3
#: So many letters and digits make a text that is not there twice by chance.
TELLING = 40
#: So many make one that is like another not by chance alone.
ALIKE = 16
#: An insertion that says so much that upstream's does not is more than a form of it: several patches made it.
OWN = 1500
#: By so many lines more upstream may have wrapped what it took over.
WRAPPED = 8


@dataclass(slots=True)
class NetChange:
    """A net change of U1..D1: `[a, b)` of U1 became `[c, d)` of D1."""

    a: int
    b: int
    c: int
    d: int
    state: str = "placed"  # `placed`, `absorbed` or `unplaced`
    reason: str = ""
    x: int = 0  # placed: it replaces `[x, y)` of U2; else: about where it would stand
    y: int = 0
    sure: bool = True  # its place is certain: every line around it is still there
    p: int = 0  # its lines are `[p, p + d - c)` of P
    places: tuple[int, ...] = ()  # unplaced for several places: the lines of U2 (0-based) at which it could stand


class Placer:
    """Places the net changes of one file. Lines as `split_lines` gives them."""

    def __init__(self, u1: list[bytes], u2: list[bytes], d1: list[bytes], lines: LineMap) -> None:
        self.u1 = u1
        self.u2 = u2
        self.d1 = d1
        self.map = lines
        self.blocks = {(block.a, block.b): block for block in lines.blocks}

    def run(self, changes: list[NetChange]) -> list[bytes]:
        """Set the state and place of each change and return the lines of P."""
        for at, change in enumerate(changes):
            low = changes[at - 1].b if at else 0
            high = changes[at + 1].a if at + 1 < len(changes) else len(self.u1)
            self.place(change, low, high)
        placed = sorted(
            (change for change in changes if change.state == "placed"),
            key=lambda change: (change.x, change.y, change.a),
        )
        out: list[bytes] = []
        at = 0
        for change in placed:
            if change.x < at:
                change.state, change.reason = "unplaced", "overlap"
                continue
            out += self.u2[at : change.x]
            change.p = len(out)
            out += self.d1[change.c : change.d]
            at = change.y
        return self._mend_end(out + self.u2[at:])

    def _mend_end(self, lines: list[bytes]) -> list[bytes]:
        """Only the last line may lack its newline."""
        if not any(text and text[-1].endswith(NO_NEWLINE) for text in (self.u2, self.d1)):
            return lines
        return [
            line[: -len(NO_NEWLINE)] if line.endswith(NO_NEWLINE) and at + 1 < len(lines) else line
            for at, line in enumerate(lines)
        ]

    def place(self, change: NetChange, low: int, high: int) -> None:
        """Decide one change: placed at `[x, y)` of U2, absorbed, or unplaced with a reason.

        `low` and `high` are the lines of U1 between which it may slide to an equal place.
        """
        change.x, change.y = self.map.region(change.a, change.b)
        variants = list(self.variants(change, low, high))
        if any(self._by_upstream(slid) for slid in [change, *variants]):
            change.state = "absorbed"
            return
        if change.a == change.b and self._beside_its_like(change, variants):
            return
        for slid in [change, *variants]:
            if self._by_map(slid):
                for name in ("a", "b", "c", "d", "x", "y", "state", "sure"):
                    setattr(change, name, getattr(slid, name))
                return
        if self._absorbed(change):
            change.state = "absorbed"
            return
        self._by_context(change)

    def variants(self, change: NetChange, low: int, high: int) -> Iterator[NetChange]:
        """A pure insertion or removal as other diffs would cut it, slid among equal lines, the nearest first."""
        if change.b > change.a and change.d > change.c:
            return
        lines, start, stop = (self.u1, change.a, change.b) if change.b > change.a else (self.d1, change.c, change.d)
        for step in (1, -1):
            shift = step
            while low <= change.a + shift and change.b + shift <= high:
                leaves, enters = (start + shift - 1, stop + shift - 1) if step > 0 else (stop + shift, start + shift)
                if lines[leaves] != lines[enters]:
                    break
                yield replace(change, a=change.a + shift, b=change.b + shift, c=change.c + shift, d=change.d + shift)
                shift += step

    def _by_upstream(self, change: NetChange) -> bool:
        """Whether upstream made the very same change."""
        block = self.blocks.get((change.a, change.b))
        return block is not None and self.u2[block.c : block.d] == self.d1[change.c : change.d]

    def _beside_its_like(self, change: NetChange, variants: Sequence[NetChange]) -> bool:
        """Whether upstream inserted the same or nearly the same where an insertion would go, or where it slides to.

        Put beside that it would be there twice, which a merge does too where the insertion slides away from
        upstream's. All of its lines in order are its effect; more than half of what they say is left to a person.
        """
        for slid in [change, *variants]:
            low, high = self.map.gap(slid.a)
            if low == high:
                continue
            added, there = self.d1[slid.c : slid.d], self.u2[low:high]
            words = words_in(b"".join(added))
            same = said_alike(added, there)
            if same == words >= TELLING or self._absorbed(slid):
                change.state = "absorbed"
                return True
            if same * 2 > words >= ALIKE and words - same < OWN:
                change.state, change.reason, change.sure = "unplaced", "alike", False
                return True
        return False

    def _by_map(self, change: NetChange) -> bool:
        if change.b > change.a:
            pieces = self.map.pieces(change.a, change.b)
            whole = len(pieces) == 1 and pieces[0][2] == change.b - change.a
            if whole:
                change.x = pieces[0][1]
                change.y = change.x + pieces[0][2]
            return whole
        low, high = self.map.gap(change.a)
        above = change.a == 0 or self.map.line(change.a - 1) is not None
        below = change.a == len(self.u1) or self.map.line(change.a) is not None
        if (low < high or not (above and below)) and self._absorbed(change):
            change.state = "absorbed"
            return True
        if not above and not below:
            return False
        change.x = change.y = high if below else low
        change.sure = above and below and low == high
        return True

    def _absorbed(self, change: NetChange) -> bool:
        """Whether U2 already holds the effect: the added lines stand where upstream changed the code."""
        low, high = self.map.region(change.a, change.b)
        added = self.d1[change.c : change.d]
        if not added:
            above = change.a == 0 or self.map.line(change.a - 1) is not None
            below = change.b == len(self.u1) or self.map.line(change.b) is not None
            return not self.map.pieces(change.a, change.b) and above and below
        if self.u2[low:high] == added:
            return True
        words = words_in(b"".join(added))
        if words < 4:
            return False
        text, room = bare(added), len(added) + WRAPPED
        found = find_bare(text, self.u2, max(0, low - room), min(len(self.u2), high + room)) if text else ()
        if any(stop > low and start < high and self._is_fresh(start, stop) for start, stop in found):
            return True
        return words >= TELLING and self._taken_elsewhere(added)

    def _is_fresh(self, start: int, stop: int) -> bool:
        """Whether at least half of these lines of U2 are upstream's own since U1."""
        return sum(self.map.is_new(line) for line in range(start, stop)) * 2 >= stop - start

    def _taken_elsewhere(self, added: list[bytes]) -> bool:
        """Whether upstream added the same lines at one other place of the file, and nothing else has them."""
        places = [at for at in occurrences(self.u2, added) if self._moved_here(at, len(added))]
        return (
            len(places) == 1
            and next(occurrences(self.u1, added), None) is None
            and len(list(occurrences(self.d1, added))) == 1
        )

    def _by_context(self, change: NetChange) -> None:
        """The one place where the old lines stand with their context, in lines that upstream moved there."""
        core = self.u1[change.a : change.b]
        change.state = "unplaced"
        change.reason = "conflict" if core else "no-context"
        for width in range(CONTEXT, 0, -1):
            head = self.u1[max(0, change.a - width) : change.a]
            needle = head + core + self.u1[change.b : change.b + width]
            if not any(words_in(line) >= 4 for line in needle):
                return
            places = [at for at in occurrences(self.u2, needle) if self._moved_here(at, len(needle))]
            if len(places) == 1:
                change.state, change.reason, change.sure = "placed", "", False
                change.x = places[0] + len(head)
                change.y = change.x + len(core)
                return
            if places:
                change.reason = "several-places"
                change.places = tuple(at + len(head) for at in places)
                return

    def _moved_here(self, at: int, size: int) -> bool:
        return all(self.map.is_new(line) for line in range(at, at + size))


def said_alike(lines: list[bytes], others: list[bytes]) -> int:
    """How many letters and digits of `lines` stand in `others` too, in whole lines and in order."""
    blocks = LCSseq.opcodes(lines, others)
    return sum(words_in(b"".join(lines[one.src_start : one.src_end])) for one in blocks if one.tag == "equal")


def occurrences(lines: list[bytes], needle: list[bytes]) -> Iterator[int]:
    """Every place where `needle` stands in `lines`."""
    first, size = needle[0], len(needle)
    at = -1
    while True:
        try:
            at = lines.index(first, at + 1)
        except ValueError:
            return
        if lines[at : at + size] == needle:
            yield at
