"""Which line of one file is which line of another, from git's own diff; asked in one batch for many pairs of files."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from git_metadiff.git import Git
from git_metadiff.model import Range

Tree = dict[bytes, tuple[str, str]]
#: With the newline before it, which takes a third of the time of searching for the beginning of a line.
HEADER = re.compile(rb"\n(?:diff --git a/(\d+) |@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)|Binary files )")


NO_WORDS = bytes(byte for byte in range(256) if not chr(byte).isalnum() or byte > 127)


def words_in(text: bytes) -> int:
    """How many ASCII letters and digits a text has: how much it says."""
    return len(text.translate(None, NO_WORDS))


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines that differs: `[a, b)` of the old file against `[c, d)` of the new one, 0-based."""

    a: int
    b: int
    c: int
    d: int
    section: bytes = b""


class LineMap:
    """The monotone map between the equal lines of two files, given by the blocks in which they differ."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = blocks
        self._ends = [block.b for block in blocks]
        self._starts = [block.a for block in blocks]
        self._new_ends = [block.d for block in blocks]

    def line(self, at: int) -> int | None:
        """The new line that old line `at` is, or None if it is gone."""
        index = bisect_right(self._starts, at) - 1
        if index < 0:
            return at
        block = self.blocks[index]
        return None if at < block.b else at - block.b + block.d

    def gap(self, at: int) -> Range:
        """Where the gap before old line `at` lies in the new file: from after its nearest surviving line above to the
        nearest surviving one at or below."""
        index = bisect_left(self._ends, at)  # first block that ends at or after the gap
        shift = self.blocks[index - 1].d - self.blocks[index - 1].b if index else 0
        if index == len(self.blocks) or self.blocks[index].a > at:
            return at + shift, at + shift
        low = self.blocks[index].c
        high = self.blocks[index].d
        while index + 1 < len(self.blocks) and self.blocks[index + 1].a <= at:
            index += 1
            high = self.blocks[index].d
        return low, high

    def region(self, start: int, stop: int) -> Range:
        """The new lines between the nearest surviving lines around old lines `[start, stop)`."""
        low = self.gap(start)[0]
        return low, max(low, self.gap(stop)[1])

    def pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """The surviving pieces of old lines `[start, stop)`: (old start, new start, length)."""
        found = []
        index = bisect_right(self._ends, start)
        shift = self.blocks[index - 1].d - self.blocks[index - 1].b if index else 0
        at = start
        while at < stop:
            block = self.blocks[index] if index < len(self.blocks) else None
            end = min(stop, block.a) if block else stop
            if end > at:
                found.append((at, at + shift, end - at))
            if block is None or block.a >= stop:
                break
            at = max(at, block.b)
            shift = block.d - block.b
            index += 1
        return found

    def is_new(self, at: int) -> bool:
        """Whether new line `at` is no old line."""
        index = bisect_right(self._new_ends, at)
        return index < len(self.blocks) and self.blocks[index].c <= at < self.blocks[index].d

    def back(self, at: int) -> int | None:
        """The old line that new line `at` was, or None if it is new."""
        index = bisect_right(self._new_ends, at)
        if index < len(self.blocks) and self.blocks[index].c <= at:
            return None
        return at - (self.blocks[index - 1].d - self.blocks[index - 1].b) if index else at

    def touches(self, start: int, stop: int) -> list[Block]:
        """The blocks whose new lines overlap or touch `[start, stop)`."""
        index = bisect_left(self._new_ends, start)
        found = []
        while index < len(self.blocks) and self.blocks[index].c <= stop:
            found.append(self.blocks[index])
            index += 1
        return found


IDENTITY = LineMap(())


Pairs = Sequence[tuple[str, str]]
#: A process of git's is not started for fewer than this.
FEW_PAIRS = 100


def diff_blocks(git: Git, pairs: Pairs, algorithm: str) -> list[list[Block] | None]:
    """The blocks of each pair of blobs, in one call of git; None for a pair that git takes for binary."""
    return diff_many(git, [pairs], algorithm)[0]


def diff_many(git: Git, batches: Sequence[Pairs], algorithm: str) -> list[list[list[Block] | None]]:
    """The blocks of several batches of pairs, all batches at the same time, large ones in parts.

    The pairs become two flat trees whose names are numbers, so that no path needs quoting and renames need no search.
    """
    parts = [part for pairs in batches for part in split_pairs(pairs, git.processes)]
    with ThreadPoolExecutor(max(1, len(parts))) as pool:
        texts = pool.map(lambda pairs: diff_text(git, pairs, algorithm) if pairs else b"", parts)
        found = iter([read_blocks(text, len(pairs)) for text, pairs in zip(texts, parts, strict=True)])
    return [[blocks for _ in split_pairs(pairs, git.processes) for blocks in next(found)] for pairs in batches]


def split_pairs(pairs: Pairs, count: int) -> list[Pairs]:
    """Some pairs in `count` parts, or in fewer where they are too few to be worth it."""
    count = max(1, min(count, len(pairs) // FEW_PAIRS))
    return [pairs[len(pairs) * at // count : len(pairs) * (at + 1) // count] for at in range(count)]


def diff_text(git: Git, pairs: Pairs, algorithm: str) -> bytes:
    """The `-U0` diff of many pairs of blobs, each under its number."""
    trees = []
    for side in (0, 1):
        lines = [b"100644 blob %s\t%07d\0" % (pair[side].encode(), number) for number, pair in enumerate(pairs)]
        trees.append(git.text("mktree", "-z", "--missing", stdin=b"".join(lines)))
    return git.run("diff-tree", "-r", "-p", "-U0", "--no-renames", f"--diff-algorithm={algorithm}", *trees)


def read_blocks(text: bytes, count: int) -> list[list[Block] | None]:
    """The blocks of each numbered file of a `-U0` diff."""
    found: list[list[Block] | None] = [[] for _ in range(count)]
    blocks: list[Block] = []
    number = 0
    for match in HEADER.finditer(b"\n" + text):
        if match[1] is not None:
            number = int(match[1])
            blocks = []
            found[number] = blocks
        elif match[2] is not None:
            blocks.append(block_of(match))
        else:
            found[number] = None
    return found


def block_of(match: re.Match[bytes]) -> Block:
    """A `-U0` hunk header as a block."""
    old, size, new, grown = int(match[2]), int(match[3] or 1), int(match[4]), int(match[5] or 1)
    start = old - 1 if size else old
    place = new - 1 if grown else new
    return Block(start, start + size, place, place + grown, match[6])


def find_renames(
    git: Git, gone: Mapping[bytes, tuple[str, str]], come: Mapping[bytes, tuple[str, str]], name: str
) -> dict[bytes, bytes]:
    """Renames among the files that went and those that came, by git's own detection with no limit on their number."""
    if not gone or not come:
        return {}
    trees = []
    for side, files in (("old", gone), ("new", come)):
        index = git.git_dir / f"index-{name}-{side}-{os.getpid()}"
        lines = [b"%s %s\t%s\0" % (mode.encode(), oid.encode(), path) for path, (mode, oid) in files.items()]
        git.run("update-index", "-z", "--index-info", stdin=b"".join(lines), index=index)
        trees.append(git.text("write-tree", "--missing-ok", index=index))
        index.unlink()
    out = git.run("diff-tree", "-r", "-z", "--raw", "-M50%", "-l0", *trees).split(b"\0")
    found = {}
    at = 0
    while at + 1 < len(out):
        if out[at].rsplit(b" ", 1)[-1].startswith(b"R"):
            found[out[at + 1]] = out[at + 2]
            at += 3
        else:
            at += 2
    return found


def list_tree(git: Git, tree: str) -> Tree:
    """Every file of a tree: path -> (mode, object id)."""
    files: Tree = {}
    for record in git.run("ls-tree", "-r", "-z", "--full-tree", tree).split(b"\0"):
        if record:
            meta, path = record.split(b"\t", 1)
            mode, _, oid = meta.decode("ascii").split(" ")
            files[path] = (mode, oid)
    return files


def list_next(git: Git, known: Tree, old: str, new: str) -> Tree:
    """Every file of tree `new`, from those of `old`: only what differs is asked for."""
    files = dict(known)
    fields = git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new).split(b"\0")
    for meta, path in zip(fields[0:-1:2], fields[1::2], strict=False):
        _, mode, _, oid, status = meta.decode("ascii").split(" ")
        if status == "D":
            del files[path]
        else:
            files[path] = (mode, oid)
    return files
