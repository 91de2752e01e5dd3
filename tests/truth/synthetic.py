"""A release pair of its own for the tests: C-like files with functions, and an upstream that edits them, by seed."""

from __future__ import annotations

import random
import re

from tests.truth.forms import IDENTIFIER, NOUNS, VERBS, renamed

Tree = dict[bytes, list[bytes]]
FILES = 14


class Upstream:
    """Writes the older release and makes the newer one of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.known: list[bytes] = []  # names that a file uses several times

    def word(self) -> bytes:
        """A name, often one that the file knows already."""
        return self.rng.choice(self.known) if self.known and self.rng.random() < 0.4 else self.fresh()

    def fresh(self) -> bytes:
        """A name that is most likely used once."""
        return self.rng.choice(VERBS) + b"_" + self.rng.choice(NOUNS) + b"%d" % self.rng.randrange(100)

    def statement(self, depth: int = 1) -> list[bytes]:
        """A statement of one or a few lines."""
        pad, name, other = b"\t" * depth, self.word(), self.word()
        way = self.rng.randrange(6)
        if way == 0 and depth < 3:
            body = [line for _ in range(self.rng.randrange(1, 4)) for line in self.statement(depth + 1)]
            return [pad + b"if (%s(%s) > %d) {" % (name, other, self.rng.randrange(99)), *body, pad + b"}"]
        if way == 1:
            return [pad + b"if (%s == NULL)" % name, pad + b"\treturn -1;"]
        if way == 2:
            return [pad + b"/* the %s of %s */" % (self.rng.choice(NOUNS), other), pad + b"%s(%s);" % (name, other)]
        return [pad + b"%s = %s(%s, %d);" % (self.word(), name, other, self.rng.randrange(999))]

    def function(self) -> list[bytes]:
        """A function with an empty line behind."""
        name, noun = self.fresh(), self.rng.choice(NOUNS)
        body = [line for _ in range(self.rng.randrange(5, 22)) for line in self.statement()]
        head = [b"static int %s(struct %s *%s)" % (name, noun, noun), b"{", b"\tint ret = 0;", b""]
        return [*head, *body, b"", b"\treturn ret;", b"}", b""]

    def file(self) -> list[bytes]:
        """A file of several hundred lines."""
        self.known = [self.fresh() for _ in range(60)]
        head = [b"/* %s of the %s */" % (self.word(), self.word()), b"#include <stdio.h>", b""]
        return [*head, *(line for _ in range(self.rng.randrange(14, 26)) for line in self.function())]

    def release(self) -> Tree:
        """The older release."""
        return {b"src/%s_%d.c" % (self.rng.choice(NOUNS), at): self.file() for at in range(FILES)}

    def next(self, tree: Tree) -> Tree:
        """The newer release: edits everywhere, one file new, one gone, one renamed, some left alone."""
        found: Tree = {}
        paths = sorted(tree)
        for at, path in enumerate(paths):
            if at == 0:
                continue
            lines = list(tree[path])
            for _ in range(self.rng.randrange(14, 30) if at > 2 else 0):
                lines = self.edit(lines)
            found[b"lib/" + path[4:] if at == 3 else path] = lines
        found[b"src/brought.c"] = self.file()
        return found

    def edit(self, lines: list[bytes]) -> list[bytes]:
        """One edit of upstream's."""
        way = self.rng.randrange(10)
        at = self.rng.choice([at for at, line in enumerate(lines) if line.startswith(b"\t") and line.endswith(b";")])
        if way == 0:
            return self.rename(lines, at)
        if way == 1:
            start = self.rng.choice([end + 2 for end, line in enumerate(lines) if line == b"}"][:-1])
            return [*lines[:start], *self.function(), *lines[start:]]
        if way == 2:
            return self.without_function(lines)
        return self.small_edit(lines, at, way)

    def small_edit(self, lines: list[bytes], at: int, way: int) -> list[bytes]:
        """Some lines put in or taken out, or one reworded."""
        if way < 6:
            count = 12 if way == 5 else 1
            return [*lines[:at], *(line for _ in range(count) for line in self.statement()), *lines[at:]]
        if way == 6:
            stop = next(stop for stop in range(at, len(lines)) if not lines[stop].startswith(b"\t"))
            return [*lines[:at], *lines[min(stop, at + self.rng.randrange(1, 18)) :]]
        return [*lines[:at], self.reworded(lines[at]), *lines[at + 1 :]]

    def reworded(self, line: bytes) -> bytes:
        """A line with another number, or another name for its last word."""
        if re.search(rb"\d", line):
            return re.sub(rb"\d+", b"%d" % self.rng.randrange(100, 999), line, count=1)
        return line.replace(b";", b" + %d;" % self.rng.randrange(9), 1)

    def rename(self, lines: list[bytes], at: int) -> list[bytes]:
        """An identifier renamed in the whole file."""
        names = [name for name in IDENTIFIER.findall(lines[at]) if len(name) > 5 and name != b"return"]
        if not names:
            return lines
        was, now = self.rng.choice(names), self.rng.choice(VERBS) + b"_" + self.rng.choice(NOUNS) + b"_renamed"
        return [renamed(line, was, now) for line in lines]

    def without_function(self, lines: list[bytes]) -> list[bytes]:
        """The file without one of its functions."""
        starts = [start for start, line in enumerate(lines) if line.startswith(b"static int")]
        if len(starts) < 8:
            return lines
        start = self.rng.choice(starts[:-1])
        stop = next(stop for stop in starts if stop > start)
        return [*lines[:start], *lines[stop:]]


def releases(seed: int) -> tuple[Tree, Tree]:
    """Both releases."""
    upstream = Upstream(seed)
    old = upstream.release()
    return old, upstream.next(old)
