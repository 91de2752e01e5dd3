"""What tests of reading and applying patches share: trees made fast, our way and git's way to apply, random worlds."""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from git_metadiff import history
from git_metadiff.apply import Applied, Applier, Authored, FileTrace, PatchText
from git_metadiff.git import CatFile, FastImport, Git, Scratch
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import list_tree
from git_metadiff.lines import blob_id, split_lines

Entry = tuple[str, bytes]  # mode and content; of a submodule, the id of its commit
Files = dict[bytes, Entry]
FILE, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
FULL = ("--binary", "--full-index")


def files(**contents: bytes | str) -> Files:
    """Ordinary files: `files(a="1\\n")`."""
    return {name.encode(): (FILE, as_bytes(content)) for name, content in contents.items()}


def as_bytes(content: bytes | str) -> bytes:
    """Text in the encoding of git."""
    return content.encode() if isinstance(content, str) else content


@dataclass(frozen=True)
class Result:
    """A patchset, applied."""

    tree: str
    entries: dict[bytes, tuple[str, str]]  # of D: mode and id
    applied: Applied

    def kinds(self) -> list[str]:
        """The kinds of its notices."""
        return [notice.kind for notice in self.applied.notices]


@dataclass
class Bench:
    """A repository to apply in. What the fast-import lines of all steps lead to is checked at the end, in one go."""

    scratch: Scratch
    objects: CatFile
    writer: FastImport
    numbers: Iterator[int] = field(default_factory=itertools.count)
    promised: list[tuple[str, str]] = field(default_factory=list)  # commit and tree

    def tree(self, contents: Mapping[bytes, Entry]) -> str:
        """Write a tree and return its id."""
        entries = {
            path: (mode, content.decode() if mode == SUBMODULE else self.blob(content))
            for path, (mode, content) in contents.items()
        }
        return self.tree_of(entries)

    def tree_of(self, entries: Mapping[bytes, tuple[str, str]]) -> str:
        """The id of the tree of these modes and ids."""
        index = self.scratch.index(f"tree-{next(self.numbers)}")
        lines = [f"{mode} {oid}\t".encode() + path for path, (mode, oid) in entries.items()]
        self.scratch.run("update-index", "-z", "--index-info", stdin=b"\0".join([*lines, b""]), index=index)
        tree = self.scratch.text("write-tree", "--missing-ok", index=index)
        index.unlink()
        return tree

    def blob(self, content: bytes) -> str:
        """Write a loose object: thousands of processes would take too long."""
        oid = blob_id(content, self.scratch.object_format)
        path = self.scratch.git_dir / "objects" / oid[:2] / oid[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(b"blob %d\0" % len(content) + content, 1))
        return oid

    def diff(self, old: str, new: str, *options: str) -> bytes:
        """The patch between two trees by git."""
        return self.scratch.run("diff-tree", "-r", "-p", *(options or FULL), old, new)

    def apply(self, tree: str, *patches: bytes | PatchText, partial: bool = False) -> Result:
        """Apply patches our way. Those given as bytes are called p0, p1 and so on."""
        texts = [PatchText(f"p{at}", patch) if isinstance(patch, bytes) else patch for at, patch in enumerate(patches)]
        base = list_tree(self.scratch, tree)
        applied = Applier(base, 0, self.objects, self.writer, partial=partial).run(texts)
        marks = sorted({oid for _, oid in applied.tree.values() if oid.startswith(":")})
        ids = dict(zip(marks, self.writer.ids(marks), strict=True))
        entries = {path: (mode, ids.get(oid, oid)) for path, (mode, oid) in applied.tree.items()}
        found = self.tree_of(entries)
        start = self.writer.commit("refs/heads/u", b"u\n", [], [], tree=tree if base else "")
        self.promised.append(
            (self.writer.ids([history.write_series(self.writer, start, applied.patches, applied.steps)])[0], found)
        )
        return Result(found, entries, applied)

    def git_apply(self, tree: str, patch: bytes, *options: str) -> str | None:
        """The tree that `git apply --cached` makes, or None where it refuses."""
        index = self.scratch.index(f"apply-{next(self.numbers)}")
        self.scratch.run("read-tree", tree, index=index)
        result = self.scratch.try_run(
            "apply", "--cached", "--whitespace=nowarn", *options, "-", stdin=patch, index=index
        )
        found = self.scratch.text("write-tree", index=index) if result.status == 0 else None
        index.unlink()
        return found

    def content(self, result: Result, path: bytes) -> bytes:
        """The content of a file of D; blobs are readable only after a checkpoint, so this is for single cases."""
        self.writer.checkpoint()
        return self.scratch.run("cat-file", "blob", result.entries[path][1])

    def keep_promises(self) -> None:
        """Compare the trees of all commits with those that `Applied.tree` told."""
        self.writer.checkpoint()
        asked = "".join(f"{commit}^{{tree}}\n" for commit, _ in self.promised).encode()
        found = self.scratch.run("cat-file", "--batch-check=%(objectname)", stdin=asked).decode().split()
        assert found == [tree for _, tree in self.promised]


@contextmanager
def workbench(folder: Path, *options: str) -> Iterator[Bench]:
    """A bench in a new repository, made with these options of `git init`."""
    user = Git(folder, {"PATH": os.environ["PATH"], "HOME": str(folder)})
    folder.mkdir()
    user.run("init", "-q", "--bare", *options, str(folder))
    with Scratch(user, user.environ) as scratch, CatFile(scratch) as objects, FastImport(scratch) as writer:
        bench = Bench(scratch, objects, writer)
        yield bench
        bench.keep_promises()


# What must hold of every patchset that was applied


def check_owned(applied: Applied, old: Mapping[bytes, Entry], new: Mapping[bytes, Entry]) -> None:
    """Every line of D is U's or a change's, every line of U is in D or taken out by a change, and all in order."""
    for trace in applied.traces:
        before = lines_of(old[trace.base]) if trace.base is not None else []
        after = lines_of(new[trace.path]) if trace.alive else []
        mine = [one for one in applied.authored if one.trace is trace]
        check_trace(trace, mine, before, after)
    for one in applied.authored:
        hunk = applied.hunks[one.hunk]
        change = hunk.changes[one.change]
        if hunk.kind == "text":
            assert size(one.ranges) + one.lost == len(change.added)
            assert size(one.removed) + one.took == len(change.removed)
        assert (one.later >= 0) == (one.lost > 0) and (one.later == -1 or one.later > one.serial)
    assert [one.serial for one in applied.authored] == list(range(len(applied.authored)))
    assert len({hunk.id for hunk in applied.hunks}) == len(applied.hunks)


def check_trace(trace: FileTrace, mine: Sequence[Authored], before: list[bytes], after: list[bytes]) -> None:
    """One file: `before` in U, `after` in D, and the changes that are its own."""
    assert sum(length for length, _ in trace.runs) == len(after)
    kept_old: list[int] = []
    kept_new: list[int] = []
    at = 0
    for length, start in trace.runs:
        assert length > 0
        if start >= 0:
            assert bare(before[start : start + length]) == bare(after[at : at + length])
            kept_old += range(start, start + length)
            kept_new += range(at, at + length)
        at += length
    assert kept_old == sorted(set(kept_old))
    assert spread(one.removed for one in mine) == sorted(set(range(len(before))) - set(kept_old))
    assert spread(one.ranges for one in mine) == sorted(set(range(len(after))) - set(kept_new))


def lines_of(entry: Entry) -> list[bytes]:
    """The lines of a file as a diff shows it."""
    mode, content = entry
    return [b"Subproject commit " + content] if mode == SUBMODULE else split_lines(content)


def bare(lines: list[bytes]) -> list[bytes]:
    """Lines whatever their newline: a hunk placed with fuzz may give or take that of the last one."""
    return [line.removesuffix(NO_NEWLINE) for line in lines]


def size(ranges: Sequence[tuple[int, int]]) -> int:
    """How many lines ranges hold."""
    return sum(stop - start for start, stop in ranges)


def spread(groups: Iterator[list[tuple[int, int]]]) -> list[int]:
    """All lines of some ranges; one that is in two comes twice."""
    return sorted(line for ranges in groups for start, stop in ranges for line in range(start, stop))


# Random worlds

#: Lines that look like something else.
LINES = [
    *(b"alpha", b"beta", b"}", b"", b"{", b"\tint x;", b" lead", b"trail ", b"\x0cform", b"lone\rcr", b"caf\xe9"),
    *(b"-- x", b"++ y", b"--- a/q", b"+++ b/q", b"@@ -1 +1 @@", b"diff --git a/x b/x", b"*** x", b"GIT binary patch"),
    *(b"\\ No newline at end of file", b"Binary files a and b differ", b"From a b 00:00:00 2001", "été".encode()),
]
NAMES = [
    *(b"a", b"b", b"c", b"d/e", b"d/f", b"d/sub/z", b"k.c", b"k.c.orig", b"g h", b"x b/y", b"a b/a b", b" lead"),
    *("é.c".encode(), b"\xe9raw", b'q"uote', b"tab\there", b"nl\nname", b"back\\slash", b"trail "),
]


def random_content(rng: Random) -> bytes:
    """A text, now and then empty, binary, with CRLF or without its last newline."""
    kind = rng.random()
    if kind < 0.07:
        return b""
    if kind < 0.14:
        return rng.randbytes(rng.randrange(1, 400)) + b"\0"
    lines = [rng.choice(LINES) + (b"%d" % rng.randrange(9)) * rng.randrange(2) for _ in range(rng.choice(SIZES))]
    newline = rng.choice([b"\n", b"\n", b"\n", b"\r\n"])
    return newline.join(lines) + newline * (rng.random() < 0.75)


SIZES = (1, 2, 3, 5, 8, 13, 30)


def random_edit(rng: Random, content: bytes) -> bytes:
    """The content with a few lines changed, or another."""
    if rng.random() < 0.1:
        return random_content(rng)
    lines = content.split(b"\n")
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(lines) + 1)
        stop = at + rng.choice([0, 0, 1, 1, 2, 4])
        lines[at:stop] = [rng.choice(LINES) for _ in range(rng.choice([0, 1, 1, 2, 3]))]
    return b"\n".join(lines)


def random_entry(rng: Random) -> Entry:
    """Anything that a tree holds."""
    kind = rng.random()
    if kind < 0.1:
        return LINK, rng.choice([b"a", b"../x", b"d/e", b"long/" * 5])
    if kind < 0.15:
        return SUBMODULE, rng.choice([b"1", b"2", b"3"]) * 40
    return rng.choice([FILE, FILE, PROGRAM]), random_content(rng)


def random_files(rng: Random) -> Files:
    """A small world."""
    world: Files = {}
    for name in rng.sample(NAMES, rng.randrange(1, 10)):
        put(world, name, random_entry(rng))
    return world


def put(world: Files, name: bytes, entry: Entry) -> None:
    """Set a file, in the place of what cannot be beside it."""
    for other in list(world):
        if other.startswith(name + b"/") or name.startswith(other + b"/"):
            del world[other]
    world[name] = entry


def touched(rng: Random, entry: Entry) -> Entry:
    """The same file with another content."""
    mode, content = entry
    if mode == SUBMODULE:
        return mode, rng.choice([b"4", b"5"]) * 40
    return mode, b"other" if mode == LINK else random_edit(rng, content)


def random_step(rng: Random, world: Files) -> Files:
    """The next state of a world: edits, new and deleted files, renames, copies, swaps, modes, types."""
    world = dict(world)
    for _ in range(rng.choice([1, 2, 3, 5])):
        names = list(world)
        kind = rng.choice(
            ["edit"] * 8 + ["delete", "delete", "new", "new", "rename", "rename", "copy", "mode", "swap", "type"]
        )
        if kind == "new" or not names:
            put(world, rng.choice(NAMES), random_entry(rng))
            continue
        name, other = rng.choice(names), rng.choice(names)
        mode, content = world[name]
        if kind == "edit":
            world[name] = touched(rng, world[name])
        elif kind == "delete":
            del world[name]
        elif kind in ("rename", "copy"):
            entry = world.pop(name) if kind == "rename" else world[name]
            put(world, rng.choice(NAMES), touched(rng, entry) if rng.random() < 0.5 else entry)
        elif kind == "mode" and mode in (FILE, PROGRAM):
            world[name] = (PROGRAM if mode == FILE else FILE, content)
        elif kind == "swap":
            world[name], world[other] = world[other], world[name]
        elif kind == "type":
            world[name] = random_entry(rng)
    return world


def forest(worlds: Sequence[Files]) -> Files:
    """Many worlds side by side: one tree, one patch, one run of git for all."""
    return {b"%d/" % at + name: entry for at, world in enumerate(worlds) for name, entry in world.items()}
