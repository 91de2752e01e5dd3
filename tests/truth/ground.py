"""What really happened to a file between two releases, line by line, as the planter needs it."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property

from tests.truth.model import Block, FilePair, Lines

STATEMENT = re.compile(rb"^[ \t]+[^\s#/*{}:][^{}:\\]*;\s*$")
SETTLED = re.compile(rb"[;{}]\s*$")
HEAD = re.compile(rb"^[A-Za-z_$][^:;=#]*\(")
CONTROL = re.compile(rb"^(if|for|while|switch|return|else|do|typedef|DEBUG|HDEBUG)\b")
TELLING = re.compile(rb"\w")


def telling(line: bytes) -> bool:
    """Whether a line is more than braces and short words."""
    return len(TELLING.findall(line)) >= 8


class Ground:
    """A file of both releases (or of one), its line map, its functions and the places that suit a plant."""

    def __init__(self, pair: FilePair) -> None:
        self.pair = pair
        self.before, self.after = pair.before, pair.after
        self.to_new = [-1] * len(self.before)
        self.to_old = [-1] * len(self.after)
        if pair.old is not None and pair.new is not None:
            self._map(pair.blocks)
        self.heads = heads(self.before)
        self.new_heads = heads(self.after)

    def _map(self, blocks: tuple[Block, ...]) -> None:
        at, to = 0, 0
        for a, b, c, d in (*blocks, (len(self.before), len(self.before), len(self.after), len(self.after))):
            assert a - at == c - to, (self.pair.old, a, b, c, d)
            for step in range(a - at):
                self.to_new[at + step], self.to_old[to + step] = to + step, at + step
            at, to = b, d

    @property
    def path(self) -> bytes:
        """Its name in U1 (in U2 for a new file)."""
        path = self.pair.old if self.pair.old is not None else self.pair.new
        assert path is not None
        return path

    @cached_property
    def unique(self) -> set[bytes]:
        """Telling lines that stand once in each release's file: they prove an alignment."""
        old, new = Counter(self.before), Counter(self.after)
        return {line for line, count in old.items() if count == 1 and new[line] == 1 and telling(line)}

    @cached_property
    def statements(self) -> list[int]:
        """Lines of U1 before which a statement may be planted."""
        return statements(self.before)

    @cached_property
    def new_statements(self) -> list[int]:
        """Lines of U2 before which a statement may be planted."""
        return statements(self.after)

    @cached_property
    def gaps(self) -> list[int]:
        """Lines of U1 before which a function may be planted."""
        return [
            at
            for at in range(2, len(self.before) - 1)
            if self.before[at - 2] == b"}" and not self.before[at - 1].strip() and HEAD.match(self.before[at])
        ]

    @cached_property
    def functions(self) -> list[tuple[int, int]]:
        """The functions of U1 with the empty line behind: between such lines they can be moved whole."""
        found = []
        for start in self.gaps:
            stop = next((at for at in range(start, len(self.before) - 1) if self.before[at] == b"}"), -1)
            if stop > 0 and not self.before[stop + 1].strip() and self.heads[stop - 1]:
                found.append((start, stop + 2))
        return found

    def solid(self, low: int, high: int) -> bool:
        """Whether lines low..high of U1 live on side by side, and the alignment there is beyond doubt."""
        if low < 0 or high > len(self.before) or low >= high or self.to_new[low] < 0:
            return False
        if any(self.to_new[at] != self.to_new[low] + at - low for at in range(low, high)):
            return False
        return self.anchored(low, high)

    def anchored(self, low: int, high: int) -> bool:
        """Whether the unbroken run around these lines holds a line that stands only once in either file."""
        shift = self.to_new[low] - low
        start, stop = low, high
        while start > max(0, low - 12) and self.to_new[start - 1] == start - 1 + shift:
            start -= 1
        while stop < min(len(self.before), high + 12) and self.to_new[stop] == stop + shift:
            stop += 1
        return any(self.before[at] in self.unique for at in range(start, stop))

    def head_of(self, line: int) -> bytes:
        """The head of the function in which a line of U1 stands."""
        return self.heads[min(line, len(self.heads) - 1)]

    def name_of(self, line: int) -> bytes:
        """The name of that function: two functions of one name (of two builds) are not told apart."""
        return self.head_of(line).split(b"(")[0].split(b" ")[-1].lstrip(b"*")

    def lives(self, line: int) -> bool:
        """Whether the function of a line of U1 has the same head in U2 at the mapped line."""
        to = self.to_new[line]
        return to >= 0 and self.new_heads[to] == self.heads[line] != b""


def statements(lines: Lines) -> list[int]:
    """Lines before which a statement may stand: whole statements that follow one or a brace, inside a function."""
    return [
        at
        for at in range(1, len(lines) - 1)
        if STATEMENT.match(lines[at]) and SETTLED.search(lines[at - 1]) and b"case " not in lines[at]
    ]


def heads(lines: Lines) -> list[bytes]:
    """For each line inside a function's braces the head of the function; empty elsewhere.

    A function is what a brace in the first column opens and one closes; its head is the last line before it that
    starts like a declaration and has a parenthesis. Text in comments and code in the first column is none of these.
    """
    found: list[bytes] = []
    head = now = b""
    for line in lines:
        if now:
            found.append(now)
            if line.startswith(b"}"):
                head = now = b""
            continue
        if HEAD.match(line) and not CONTROL.match(line):
            head = line
        elif line.startswith((b"}", b" *", b"/*")) or line.rstrip().endswith(b";"):
            head = b""
        if head and (line.startswith(b"{") or (HEAD.match(line) and line.rstrip().endswith(b"{"))):
            now = head
        found.append(now)
    return found
