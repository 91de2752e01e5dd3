"""What the stages want to know of the trees of a transition: names, line maps, texts; and lines for the views."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from git_metadiff.apply import FileTrace
from git_metadiff.git import CatFile, Scratch
from git_metadiff.interdiff import Interdiff
from git_metadiff.linemap import LineMap, Tree, diff_blocks
from git_metadiff.lines import LineCache
from git_metadiff.model import InterdiffHunk, Range
from git_metadiff.ownership import OwnedRun
from git_metadiff.port import Port, Trees, is_text
from git_metadiff.renames import true_renames

#: The mode of a submodule: its id names a commit elsewhere, and no text.
SUBMODULE = "160000"


def base_names(
    scratch: Scratch, lines: LineCache, trees: Trees, ported: Port, traces: list[FileTrace], added: Tree
) -> dict[bytes, bytes]:
    """The names in U1 of files of U2 that either patchset touches, where they differ or matter."""
    found = {
        file.upstream: file.base
        for file in ported.files.values()
        if file.upstream is not None and file.base is not None
    }
    unknown = {trace.base: added[trace.base] for trace in traces if trace.base in added and trace.base not in found}
    gone = (
        {path: entry for path, entry in trees.u1.items() if path not in trees.u2 and path not in ported.renames}
        if unknown
        else {}
    )
    found.update({new: old for old, new in true_renames(scratch, lines, gone, unknown, "bases").items()})
    for trace in traces:
        if trace.base is not None and trace.base in trees.u1:
            found.setdefault(trace.base, trace.base)
    return found


def line_maps(scratch: Scratch, trees: Trees, ported: Port, sources: dict[bytes, bytes]) -> dict[bytes, LineMap]:
    """The line map U1 -> U2 of every touched file that upstream changed, by its name in U2."""
    maps = {file.upstream: file.map for file in ported.files.values() if file.upstream is not None and file.map.blocks}
    rest = [
        new
        for new, old in sources.items()
        if new not in maps
        and trees.u1[old][1] != trees.u2[new][1]
        and SUBMODULE not in (trees.u1[old][0], trees.u2[new][0])
    ]
    pairs = [(trees.u1[sources[path]][1], trees.u2[path][1]) for path in rest]
    for path, blocks in zip(rest, diff_blocks(scratch, pairs, "histogram"), strict=True):
        if blocks:
            maps[path] = LineMap(blocks)
    return maps


#: Names of copies that are kept beside a rewritten file; no code lives there.
COPY_KEPT = re.compile(rb"(?:[.~_-](?:old|orig|bak|save|rej)|~)$", re.IGNORECASE)


class Others:
    """Files of U2 that upstream changed or added, likely homes of code that it moved first."""

    #: So many files are looked at: in a kernel, all new ones and the neighbours of those that the patch touches.
    MOST = 1200

    def __init__(self, objects: CatFile, trees: Trees) -> None:
        self._objects = objects
        self._trees = trees

    def files(self, near: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Name and content, new files first, then the neighbours of `near`; to be consumed to the end."""
        old, new = self._trees.u1, self._trees.u2
        folders = {path.rpartition(b"/")[0] for path in near}
        changed = [
            path
            for path, entry in new.items()
            if is_text(entry[0]) and old.get(path) != entry and not COPY_KEPT.search(path)
        ]
        changed.sort(key=lambda path: (path in old, path.rpartition(b"/")[0] not in folders, path))
        paths = changed[: self.MOST]
        yield from zip(paths, self._objects.read_many([new[path][1] for path in paths]), strict=True)

    def before(self, path: bytes) -> bytes:
        """The content of such a file in U1; nothing for a new one."""
        entry = self._trees.u1.get(path)
        return self._objects.read(entry[1]) if entry is not None and is_text(entry[0]) else b""


class Texts:
    """Files of U1 (`old`) and U2 (`new`) as lines, by their name in U2."""

    def __init__(self, lines: LineCache, trees: Trees, sources: dict[bytes, bytes]) -> None:
        self._lines = lines
        self._trees = trees
        self._sources = sources

    def _id(self, side: str, file: bytes) -> str | None:
        entry = self._trees.u1.get(self._sources.get(file, file)) if side == "old" else self._trees.u2.get(file)
        return entry[1] if entry is not None and entry[0] != SUBMODULE else None

    def fetch(self, side: str, files: Sequence[bytes]) -> None:
        """Read many files in one batch."""
        self._lines.keep([oid for oid in (self._id(side, file) for file in files) if oid is not None])

    def __call__(self, side: str, file: bytes) -> list[bytes]:
        """The lines of a file; none for one that is not there."""
        oid = self._id(side, file)
        return self._lines.one(oid) if oid is not None else []


def kept_lines(trees: Trees, old: list[FileTrace], new: list[FileTrace]) -> dict[str, list[bytes]]:
    """The lines that applying has left of files that upstream changed: of U1 and D1, and of U2."""
    known: dict[str, list[bytes]] = {}
    for trace in old:
        if trace.base is not None and trace.before is not None:
            known[trees.u1[trace.base][1]] = trace.before
            if trace.after is not None and trace.alive:
                known[trace.target] = trace.after
    for trace in new:
        if trace.base is not None and trace.before is not None:
            known[trees.u2[trace.base][1]] = trace.before
    return known


def label_hunks(interdiff: Interdiff, runs: Sequence[OwnedRun]) -> list[InterdiffHunk]:
    """Every `@@` of the interdiff with the ids of the hunks that own one of its lines."""
    by_file: dict[bytes, list[OwnedRun]] = defaultdict(list)
    for run in runs:
        by_file[run.path].append(run)
    found = []
    for file in interdiff.files:
        for hunk in file.patch.hunks:
            start, stop = hunk.old_start - (hunk.old_lines > 0), hunk.old_start - (hunk.old_lines > 0) + hunk.old_lines
            inside = (run for run in by_file[file.path] if start <= run.block.a and run.block.b <= stop)
            ids = dict.fromkeys(item.hunk.id for run in inside for item in run.owners)
            found.append(InterdiffHunk(file.path, hunk.old_start, hunk.new_start, tuple(ids)))
    return found


def upstream_lines(
    paths: set[bytes], maps: dict[bytes, LineMap], traces: list[FileTrace]
) -> dict[bytes, tuple[Range, ...]]:
    """Per file of D2, the ranges of its lines that upstream changed since U1."""
    by_path = {trace.path: trace for trace in traces if trace.alive}
    found: dict[bytes, tuple[Range, ...]] = {}
    for path in sorted(paths):
        trace = by_path.get(path)
        lines = maps.get(path if trace is None else trace.base or b"")
        if lines is None:
            continue
        fresh = [(block.c, block.d) for block in lines.blocks if block.d > block.c]
        ranges = fresh if trace is None else through_runs(fresh, trace.runs)
        if ranges:
            found[path] = tuple(ranges)
    return found


def through_runs(ranges: list[Range], runs: list[tuple[int, int]]) -> list[Range]:
    """Ranges of lines of U2 as lines of D2."""
    found = []
    at = index = 0
    for length, start in runs:
        if start >= 0:
            while index < len(ranges) and ranges[index][1] <= start:
                index += 1
            scan = index
            while scan < len(ranges) and ranges[scan][0] < start + length:
                low, high = max(ranges[scan][0], start), min(ranges[scan][1], start + length)
                found.append((at + low - start, at + high - start))
                scan += 1
        at += length
    return found
