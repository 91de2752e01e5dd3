"""A patchset carried onto upstream's real commits: each tree is that commit with the older patchset ported onto it.

The rules are those of `port`, so the tree on the newer release is P. Cheap, because only the files that the patchset
touches are looked at; the rest of a tree is the commit's own. What many commits have in common is done once: the net
change of a file, and its place in a content of upstream's that stayed for a hundred commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from git_metadiff.git import CatFile, FastImport, Git, Scratch, delete, modify
from git_metadiff.lineage import Run, file_runs
from git_metadiff.linemap import Block, LineMap, Tree, diff_many, list_next, list_tree
from git_metadiff.lines import LineCache, join_lines
from git_metadiff.model import Patchset
from git_metadiff.placing import NetChange, Placer
from git_metadiff.port import (
    Port,
    PortedFile,
    Put,
    Trees,
    merge_modes,
    pair_files,
    put_all,
    settle_whole,
    take_whole,
    target_path,
    upstream_renames,
)

#: So many commits are looked at together: their diffs are asked of git in one call.
TOGETHER = 64


@dataclass(frozen=True, slots=True)
class Left:
    """What could not be carried onto a commit."""

    path: bytes  # in D
    reason: str  # a key of `port.REASONS`
    hunks: tuple[str, ...]  # the hunks that own it


@dataclass(frozen=True, slots=True)
class Carried:
    """A commit of upstream's with the patchset on it."""

    lines: tuple[bytes, ...]  # fast-import lines from its tree to the tree with the patchset
    left: tuple[Left, ...]

    @property
    def lost(self) -> frozenset[str]:
        """The ids of all hunks that are not, or not whole, in it."""
        return frozenset(name for one in self.left for name in one.hunks)


@dataclass(frozen=True, slots=True)
class Merged:
    """A file in which both sides changed lines, ported."""

    target: str  # id or mark of its content; empty if it cannot be ported line by line
    changes: tuple[NetChange, ...]


Contents = tuple[str, str, str]  # of a file in U1, in the commit, in D1


class Carrier:
    """Carries one patchset onto many trees. `writer` receives the contents that are made."""

    def __init__(
        self, scratch: Scratch, objects: CatFile, writer: FastImport, release: str, downstream: str, patchset: Patchset
    ) -> None:
        self._scratch, self._writer = scratch, writer
        self._lines = LineCache(objects, {})
        self._release, self._patchset = release, patchset
        whole = list_tree(scratch, release)
        patched = list_next(scratch, whole, release, downstream)
        self.touched = {path for path in whole.keys() | patched.keys() if whole.get(path) != patched.get(path)}
        self._known = whole.keys()
        self._u1: Tree = {path: whole[path] for path in sorted(self.touched) if path in whole}
        self._d1: Tree = {path: patched[path] for path in sorted(self.touched) if path in patched}
        self._pairs = pair_files(scratch, self._lines, Trees(self._u1, {}, self._d1), self.touched, {})
        self._maps: dict[tuple[str, str], list[Block] | None] = {}
        self._merged: dict[Contents, Merged] = {}
        self._renames: tuple[Tree, dict[bytes, bytes]] = ({}, {})
        self._runs: dict[bytes, list[Run]] = {}

    def carry(self, trees: Sequence[str]) -> Iterator[Carried]:
        """Carry the patchset onto trees (ids), neighbours of each other as far as possible."""
        before, at = self._release, dict(self._u1)
        for first in range(0, len(trees), TOGETHER):
            some = trees[first : first + TOGETHER]
            ports = []
            for narrow in self._narrow([before, *some], at):
                ports.append(self._start(narrow))
                at = narrow
            before = some[-1]
            self._merge(key for one in ports for key in one.keys)
            yield from map(self._finish, ports)

    def _narrow(self, trees: Sequence[str], first: Tree) -> Iterator[Tree]:
        """Of each tree but the first, the files that the patchset touches and those that U1 does not have."""
        files = first
        for changes in diff_raw(self._scratch, list(pairwise(trees))):
            files = dict(files)
            for path, entry in changes:
                if entry is None:
                    files.pop(path, None)
                elif path in self.touched or path not in self._known:
                    files[path] = entry
            yield files

    def _start(self, narrow: Tree) -> Started:
        """Everything of a port but the files in which both sides changed lines."""
        trees = Trees(self._u1, narrow, self._d1)
        renames = self._upstream_renames(trees)
        started = Started(trees, Port({}, dict(narrow), [], renames), [], [])
        for pair in self._pairs:
            base = pair.base
            upstream = None if base is None else base if base in narrow else renames.get(base)
            file = replace(pair, upstream=upstream, changes=[])
            started.port.files[base if base is not None else file.old or b""] = file
            if settle_whole(file, trees):
                started.puts.extend(take_whole(file, trees, started.port))
            else:
                started.merging.append(file)
        return started

    def _upstream_renames(self, trees: Trees) -> dict[bytes, bytes]:
        """Upstream's renames; looked for again only where another file came or went."""
        if all(path in trees.u2 for path in trees.u1):
            return {}
        gone: Tree = {path: entry for path, entry in trees.u1.items() if path not in trees.u2}
        come: Tree = {path: entry for path, entry in trees.u2.items() if path not in trees.u1}
        state = gone | come
        if self._renames[0] != state:
            touched = self.touched & trees.u1.keys()
            self._renames = state, upstream_renames(self._scratch, self._lines, trees.u1, trees.u2, touched)
        return self._renames[1]

    def _merge(self, keys: Iterable[Contents]) -> None:
        """Port the contents that were not met yet, in few calls of git."""
        fresh = [key for key in dict.fromkeys(keys) if key not in self._merged]
        pairs = dict.fromkeys(pair for base, ours, theirs in fresh for pair in ((base, ours), (base, theirs)))
        unknown = [pair for pair in pairs if pair not in self._maps]
        if unknown:
            self._maps.update(zip(unknown, diff_many(self._scratch, [unknown], "histogram")[0], strict=True))
        self._lines.keep([base for base, _, _ in fresh] + [theirs for _, _, theirs in fresh])
        contents = self._lines.many([ours for _, ours, _ in fresh])
        for key, ours in zip(fresh, contents, strict=True):
            self._merged[key] = self._place(key, ours)

    def _place(self, key: Contents, ours: list[bytes]) -> Merged:
        base, upstream, theirs = key
        lines, net = self._maps[base, upstream], self._maps[base, theirs]
        if lines is None or net is None:
            return Merged("", ())
        changes = [NetChange(block.a, block.b, block.c, block.d) for block in net]
        placer = Placer(self._lines.one(base), ours, self._lines.one(theirs), LineMap(lines))
        merged = placer.run(changes)
        target = upstream if merged == ours else self._writer.blob(join_lines(merged))
        return Merged(target, tuple(changes))

    def _finish(self, started: Started) -> Carried:
        """Bring the merged files in, and gather what differs from the commit's own tree."""
        trees, port = started.trees, started.port
        for file, key in zip(started.merging, started.keys, strict=True):
            merged = self._merged[key]
            if not merged.target:
                file.whole, file.reason, file.path = "unplaced", "file-changed", file.upstream
                continue
            file.changes = list(merged.changes)
            base, ours, theirs = started.entries(file)
            entry = merge_modes(base[0], ours[0], theirs[0]), merged.target
            started.puts.append(Put(file, target_path(file), entry))
        put_all(started.puts, port)
        gone = [delete(path) for path in sorted(trees.u2.keys() - port.tree.keys())]
        come = [
            modify(entry[0], entry[1], path) for path, entry in sorted(port.tree.items()) if trees.u2.get(path) != entry
        ]
        left = (self._left(file) for file in port.files.values())
        return Carried((*gone, *come), tuple(one for some in left for one in some))

    def _left(self, file: PortedFile) -> Iterator[Left]:
        """What of a file has no place."""
        path = file.old if file.old is not None else file.base or b""
        if file.whole == "unplaced":
            yield Left(path, file.reason, self._hunks_of(file))
        for change in file.changes if not file.whole else ():
            if change.state == "unplaced":
                yield Left(path, change.reason, self._owners(path, change))

    def _hunks_of(self, file: PortedFile) -> tuple[str, ...]:
        names = {file.base, file.old} - {None}
        return tuple(one.id for one in self._patchset.hunks if one.path in names or one.old_path in names)

    def _owners(self, path: bytes, change: NetChange) -> tuple[str, ...]:
        """The hunks that made a net change: of its lines of D1, and of what they take out before, between or after."""
        if path not in self._runs:
            self._runs[path] = file_runs(self._patchset, path)
        found: dict[str, None] = {}
        at = 0
        for run in self._runs[path]:
            stop = at + run.length
            inside = at < change.d and stop > change.c if run.length else change.c <= at <= change.d
            if run.hunk is not None and inside:
                found[run.hunk] = None
            at = stop
        return tuple(found)


@dataclass(frozen=True)
class Started:
    """A port under way: what is left are the files in which both sides changed lines."""

    trees: Trees
    port: Port
    merging: list[PortedFile]
    puts: list[Put]

    def entries(self, file: PortedFile) -> tuple[tuple[str, str], tuple[str, str], tuple[str, str]]:
        """Mode and content of a file in U1, in the commit and in D1."""
        trees = self.trees
        return trees.u1[file.base or b""], trees.u2[file.upstream or b""], trees.d1[file.old or b""]

    @cached_property
    def keys(self) -> list[Contents]:
        """The three contents of each file that is to be merged."""
        found = []
        for file in self.merging:
            base, ours, theirs = self.entries(file)
            found.append((base[1], ours[1], theirs[1]))
        return found


Changes = list[tuple[bytes, tuple[str, str] | None]]


def diff_raw(git: Git, pairs: Sequence[tuple[str, str]]) -> Iterator[Changes]:
    """The files in which trees differ, with mode and id in the second one (None: gone), many pairs in one call."""
    asked = [pair for pair in pairs if pair[0] != pair[1]]
    stdin = "".join(f"{old} {new}\n" for old, new in asked).encode()
    out = git.run("diff-tree", "--stdin", "-r", "--raw", "-z", "--no-renames", stdin=stdin) if asked else b""
    found: list[Changes] = []
    fields = iter(out.split(b"\0"))
    for meta in fields:
        head, newline, rest = meta.rpartition(b"\n")  # `old new`, before the first file of a pair
        if newline:
            found.extend([] for _ in head.split(b"\n"))
        if rest:
            _, mode, _, oid, status = rest.decode("ascii").split(" ")
            found[-1].append((next(fields), None if status == "D" else (mode, oid)))
    told = iter(found)
    for old, new in pairs:
        yield [] if old == new else next(told)
