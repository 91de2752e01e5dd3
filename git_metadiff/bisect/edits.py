"""An axis of the search, taken apart: two trees and the non-overlapping edits that lead from one to the other.

An edit is a run of changed lines as `git diff-tree -U0` gives it, or what a file changes as a whole: it appears, goes,
changes its name, its mode or its binary content. Edits of one file never overlap, so any set of them can be applied:
none gives the first tree, all give the second, byte for byte.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Literal

from git_metadiff.bisect.names import is_build_file
from git_metadiff.git import Git
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import HEADER, block_of, diff_text
from git_metadiff.sections import HEAD, short_name

Kind = Literal["text", "create", "delete", "rename", "mode", "content", "swap"]

#: So many pairs of contents at a time: two processes of git's work on the next ones while these are read.
MANY = 1000
#: Fewer than these are left to one.
FEW = 100
REGULAR = ("100644", "100755")
#: A line in the body of a hunk that may open a function.
OPENER = re.compile(rb"\n[+-]([A-Za-z_$].*\(.*)")


@dataclass(frozen=True, slots=True)
class Edit:
    """The smallest part of an axis that can be applied or left out.

    `content` exchanges a file's content (binary, a link, a submodule); `swap` stands for files that cannot come before
    others have gone, as a folder in the place of a file.
    """

    kind: Kind
    path: bytes  # in the second tree (in the first one of a file that goes)
    old_start: int = 0  # 1-based line of the first tree at which it stands; an insertion stands before it
    new_start: int = 0  # the same in the second tree
    removed: tuple[bytes, ...] = ()  # lines without their newline
    added: tuple[bytes, ...] = ()
    sections: tuple[str, ...] = ()  # the function around it, by git's rule, and those that it opens
    hunks: tuple[str, ...] = ()  # ids of the hunks (or upstream hunks) of the comparison that it is a part of

    @property
    def size(self) -> int:
        """How many lines it removes and adds."""
        return len(self.removed) + len(self.added)

    def owned(self, hunks: tuple[str, ...]) -> Edit:
        """The same edit as a part of these hunks; written out, for a chain has a hundred thousand."""
        place = self.old_start, self.new_start
        return Edit(self.kind, self.path, *place, self.removed, self.added, self.sections, hunks)


@dataclass(frozen=True, slots=True)
class Side:
    """A file in one of the two trees."""

    path: bytes
    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class File:
    """A file that differs, and the numbers of its edits."""

    old: Side | None  # None: it is not in the first tree
    new: Side | None
    presence: int | None = None  # the edit by which it comes, goes or changes its name
    mode: int | None = None
    content: tuple[int, ...] = ()  # in the order of their lines

    @property
    def edits(self) -> tuple[int, ...]:
        """All of them."""
        rest = (one for one in (self.presence, self.mode) if one is not None)
        return (*rest, *self.content)

    @property
    def path(self) -> bytes:
        """The name to show."""
        side = self.new or self.old
        assert side is not None
        return side.path


@dataclass(frozen=True)
class Axis:
    """Two trees and the edits between them."""

    start: str  # id of the first tree
    end: str
    edits: tuple[Edit, ...]
    files: tuple[File, ...]

    @cached_property
    def homes(self) -> dict[int, tuple[int, ...]]:
        """Number of an edit -> numbers of its files (one, but for a swap)."""
        found: dict[int, list[int]] = defaultdict(list)
        for at, file in enumerate(self.files):
            for edit in file.edits:
                found[edit].append(at)
        return {edit: tuple(files) for edit, files in found.items()}

    @cached_property
    def all(self) -> frozenset[int]:
        """The numbers of all edits."""
        return frozenset(range(len(self.edits)))

    def owned(self, owners: Mapping[int, tuple[str, ...]]) -> Axis:
        """The same axis, its edits with the ids of the hunks that they are a part of."""
        edits = list(self.edits)
        for at, hunks in owners.items():
            edits[at] = edits[at].owned(hunks)
        return Axis(self.start, self.end, tuple(edits), self.files)


Pair = tuple[Side | None, Side | None]


def take_apart(git: Git, start: str, end: str) -> Axis:
    """The axis between two trees (ids), in few calls of git; `git` must be one in which trees may be written."""
    pairs = list(changed_pairs(git, start, end))
    builder = _Builder(entangled(pairs))
    for at, texts in enumerate(text_edits(git, pairs)):
        builder.add(at, *pairs[at], texts)
    return Axis(start, end, tuple(builder.edits), tuple(builder.files))


def changed_pairs(git: Git, start: str, end: str) -> Iterator[Pair]:
    """The files that differ, renames followed; a copy counts as a new file."""
    fields = iter(git.run("diff-tree", "-r", "-M", "-l0", "--raw", "-z", start, end).split(b"\0"))
    for meta in fields:
        if not meta:
            continue
        old_mode, mode, old_oid, oid, status = meta.decode("ascii").removeprefix(":").split(" ")
        path = next(fields)
        target = next(fields) if status[0] in "RC" else path
        old = None if status[0] in "AC" else Side(path, old_mode, old_oid)
        yield old, None if status == "D" else Side(target, mode, oid)


def text_edits(git: Git, pairs: Sequence[Pair]) -> list[list[Edit] | None]:
    """The runs of changed lines of each pair, in one call of git; None where contents have no lines to compare.

    A file that comes or goes has one, against an empty one.
    """
    empty = git.text("hash-object", "-w", "-t", "blob", "--stdin")
    asked = [at for at, pair in enumerate(pairs) if all(side is None or side.mode in REGULAR for side in pair)]
    names = [(old.oid if old else empty, new.oid if new else empty) for old, new in (pairs[at] for at in asked)]
    found: dict[int, list[Edit] | None] = {at: [] for at in asked}
    paths = [name_of(*pairs[at]) for at in asked]
    for number, edit in read_batches(git, names, paths):
        at = asked[number]
        mine = found[at]
        if edit is None or mine is None:
            found[at] = None
        else:
            mine.append(edit)
    return [found.get(at) for at in range(len(pairs))]


def read_batches(
    git: Git, names: Sequence[tuple[str, str]], paths: Sequence[bytes]
) -> Iterator[tuple[int, Edit | None]]:
    """The edits of many pairs of contents, each with the number of its pair; a few calls of git share them."""
    size = MANY if len(names) > MANY else max(FEW, -(-len(names) // 2))
    starts = range(0, len(names), size)
    with ThreadPoolExecutor(min(2, max(1, len(starts)))) as pool:
        asked = [names[start : start + size] for start in starts]
        texts = pool.map(lambda batch: diff_text(git, batch, "histogram"), asked)
        try:
            for start, text in zip(starts, texts, strict=True):
                for number, edit in read_edits(text, paths[start : start + size]):
                    yield start + number, edit
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # an interrupt does not wait for all batches


def read_edits(text: bytes, paths: Sequence[bytes]) -> Iterator[tuple[int, Edit | None]]:
    """The edits in a `-U0` diff of numbered files (with these paths), each with its number; None for a file that git
    takes for binary."""
    number = 0
    text = b"\n" + text
    matches = HEADER.finditer(text)
    match = next(matches, None)
    while match is not None:
        following = next(matches, None)
        if match[1] is not None:
            number = int(match[1])
        elif match[2] is None:
            yield number, None
        else:
            block, path = block_of(match), paths[number]
            body = text[match.end() : following.start() + 1 if following else len(text)]
            removed, added = split_body(body, block.b - block.a)
            is_whole = not (match[2] != b"0" and match[4] != b"0")  # a file that comes or goes
            sections = () if is_build_file(path) else sections_of(match[6], b"" if is_whole else body)
            yield number, Edit("text", path, block.a + 1, block.c + 1, removed, added, sections)
        match = following


def split_body(body: bytes, count: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The removed lines (so many) and the added lines of a hunk without context, a newline before and behind each."""
    if b"\n\\" not in body:  # each line is behind its sign, the removed ones first
        gone, _, come = body.partition(b"\n+") if count else (b"", b"", body[2:])
        return tuple(gone.rstrip(b"\n").split(b"\n-")[1:]), tuple(come[:-1].split(b"\n+")) if come else ()
    texts = body.split(b"\n")[1:-1]
    lines: dict[bytes, list[bytes]] = {b"-": [], b"+": []}
    last = lines[b"+"]
    for text in texts:
        if text[:1] in lines:
            last = lines[text[:1]]
            last.append(text[1:])
        else:
            last[-1] += NO_NEWLINE
    return tuple(lines[b"-"]), tuple(lines[b"+"])


def sections_of(section: bytes, body: bytes) -> tuple[str, ...]:
    """The function that git names for the place of an edit, and those that its lines open."""
    around = section_name(section)
    names = [] if around is None else [around]
    for text in OPENER.findall(body):
        if HEAD.match(text) and not text.rstrip().endswith((b";", b"\\")):
            names.append(short_name(text))
    return tuple(dict.fromkeys(names))


@lru_cache(maxsize=1024)
def section_name(section: bytes) -> str | None:
    """The name of the function that git gives behind a `@@`; kept, since it gives one for each edit."""
    head = section.rstrip()
    return short_name(head) if head and not head.endswith(b";") and HEAD.match(head) else None


def entangled(pairs: Sequence[Pair]) -> dict[int, int]:
    """Files that can only come once others have gone (a folder takes the place of a file, or a file that of a folder):
    number of a pair -> the number that stands for all that are entangled with it."""
    gone = {old.path: at for at, (old, new) in enumerate(pairs) if old and (new is None or new.path != old.path)}
    come = {new.path: at for at, (old, new) in enumerate(pairs) if new and (old is None or new.path != old.path)}
    groups: dict[int, int] = {}

    def root(at: int) -> int:
        while groups.get(at, at) != at:
            at = groups[at]
        return at

    for inner, outer in ((come, gone), (gone, come)):
        for path, at in inner.items():
            for parent in parents_of(path):
                if parent in outer:
                    low, high = sorted((root(at), root(outer[parent])))
                    groups[high] = groups[low] = low
    return {at: root(at) for at in groups}


def parents_of(path: bytes) -> Iterator[bytes]:
    """The folders that a path lies in."""
    while path := posixpath.dirname(path):
        yield path


def name_of(old: Side | None, new: Side | None) -> bytes:
    """The name to show of a file that differs."""
    side = new or old
    assert side is not None
    return side.path


class _Builder:
    """Numbers the edits of one file after the other."""

    def __init__(self, entangled: Mapping[int, int]) -> None:
        self.edits: list[Edit] = []
        self.files: list[File] = []
        self._entangled = entangled
        self._swaps: dict[int, int] = {}  # what stands for entangled files -> their common edit

    def add(self, at: int, old: Side | None, new: Side | None, texts: list[Edit] | None) -> None:
        """Take in a file; `texts` are its runs of changed lines, None if its content has no lines to compare."""
        presence = None
        if old is None or new is None or old.path != new.path:
            presence = self._presence(at, old, new, texts)
        if old is None or new is None:
            self.files.append(File(old, new, presence))
            return
        both_regular = old.mode in REGULAR and new.mode in REGULAR
        mode = None
        if both_regular and old.mode != new.mode:
            mode = self._number(Edit("mode", new.path))
        content: tuple[int, ...] = ()
        if texts is not None:
            content = tuple(self._number(one) for one in texts)
        elif (old.oid, old.mode) != (new.oid, new.mode):
            content = (self._number(Edit("content", new.path)),)
        self.files.append(File(old, new, presence, mode, content))

    def _presence(self, at: int, old: Side | None, new: Side | None, texts: list[Edit] | None) -> int:
        """The number of the edit by which a file comes, goes or changes its name."""
        if at in self._entangled:
            chosen = self._entangled[at]
            if chosen not in self._swaps:
                self._swaps[chosen] = self._number(Edit("swap", name_of(old, new)))
            return self._swaps[chosen]
        if old is not None and new is not None:
            return self._number(Edit("rename", new.path))
        kind: Kind = "create" if old is None else "delete"
        return self._number(replace(texts[0], kind=kind) if texts else Edit(kind, name_of(old, new)))

    def _number(self, edit: Edit) -> int:
        self.edits.append(edit)
        return len(self.edits) - 1
