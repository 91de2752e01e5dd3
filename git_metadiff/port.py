"""The ported tree P: U2 with every change of p1 that still has a place, and nothing else.

P is a function of the trees U1, U2 and D1 alone. The net changes of U1..D1 and the line map U1..U2 both come from git's
histogram diff; each net change is placed alone, by the rules of `placing`. Where `git merge-file` merges cleanly
these rules give its very result (a test holds that), but for an insertion that slides to where upstream inserted the
same: a merge holds it twice. So no merge is run: one set of rules knows the place of every change exactly, and a
conflict costs only the changes that have no place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from git_metadiff.apply import FileTrace
from git_metadiff.git import FastImport, Scratch, delete, modify
from git_metadiff.linemap import IDENTITY, Block, LineMap, Tree, diff_many
from git_metadiff.lines import LineCache, blob_id, join_lines
from git_metadiff.model import Range
from git_metadiff.placing import NetChange, Placer
from git_metadiff.renames import true_renames

#: Why a change has no place in U2, in words.
REASONS = {
    "conflict": "upstream changed the lines that it removes",
    "no-context": "upstream removed the code around it",
    "several-places": "its context fits several places of the new release",
    "overlap": "its place is taken by another change of the same patchset",
    "alike": "upstream inserted much the same in its place, in a form of its own",
    "file-deleted": "upstream deleted the file",
    "file-exists": "upstream added a file of the same name",
    "file-changed": "upstream changed a file that it removes or replaces as a whole",
    "path-taken": "upstream has a file where it needs a folder, or a folder where it needs a file",
}


@dataclass(slots=True)
class PortedFile:
    """A file of D1 that p1 changed, on its way to P."""

    base: bytes | None  # name in U1
    old: bytes | None  # name in D1; None: deleted there
    upstream: bytes | None  # name in U2
    path: bytes | None = None  # name in P; None: not in P
    whole: str = ""  # state of the file as a whole: `placed`, `absorbed`, `unplaced`; empty: see `changes`
    reason: str = ""
    changes: list[NetChange] = field(default_factory=list)
    map: LineMap = IDENTITY  # U1 -> U2


@dataclass(slots=True)
class Port:
    """P and what became of every net change."""

    files: dict[bytes, PortedFile]  # by name in U1, or in D1 for files that p1 creates
    tree: Tree
    lines: list[bytes]  # fast-import lines from U2 to P
    renames: dict[bytes, bytes]  # upstream's renames of files that p1 touches


@dataclass(frozen=True, slots=True)
class Put:
    """A file that P is to hold."""

    file: PortedFile
    path: bytes
    entry: tuple[str, str]  # mode, and id or mark


@dataclass(frozen=True, slots=True)
class Trees:
    """The three trees that P is a function of."""

    u1: Tree
    u2: Tree
    d1: Tree


def port(scratch: Scratch, lines: LineCache, writer: FastImport, trees: Trees, written: Container[str]) -> Port:
    """Build P. `writer` receives its new blobs; the lines of the result lead from U2's tree to P's.

    `written` names blobs that are stored already, by id: it saves writing them again and decides nothing.
    """
    touched = {path for path in trees.u1.keys() | trees.d1.keys() if trees.u1.get(path) != trees.d1.get(path)}
    renames = upstream_renames(scratch, lines, trees.u1, trees.u2, {path for path in touched if path in trees.u1})
    files = pair_files(scratch, lines, trees, touched, renames)
    result = Port({}, dict(trees.u2), [], renames)
    merging, puts = [], []
    for file in files:
        result.files[file.base if file.base is not None else file.old or b""] = file
        if settle_whole(file, trees):
            puts += take_whole(file, trees, result)
        else:
            merging.append(file)
    puts += merge_all(scratch, lines, writer, trees, merging, written)
    put_all(puts, result)
    return result


def upstream_renames(scratch: Scratch, lines: LineCache, u1: Tree, u2: Tree, touched: set[bytes]) -> dict[bytes, bytes]:
    """Upstream's renames of the files `touched`; asked with only those, for git's detection is quadratic."""
    gone = {path: u1[path] for path in sorted(touched) if path not in u2 and u1[path][0] != "160000"}
    come = {path: entry for path, entry in u2.items() if path not in u1 and entry[0] != "160000"} if gone else {}
    return true_renames(scratch, lines, gone, come, "upstream")


def pair_files(
    scratch: Scratch, lines: LineCache, trees: Trees, touched: set[bytes], renames: dict[bytes, bytes]
) -> list[PortedFile]:
    """The files of p1 with their names in U1, D1 and U2."""
    gone = {path: trees.u1[path] for path in sorted(touched) if path not in trees.d1}
    come = {path: trees.d1[path] for path in sorted(touched) if path not in trees.u1}
    own = true_renames(scratch, lines, gone, come, "downstream")
    moved_to = set(own.values())
    files = []
    for path in sorted(touched):
        if path in moved_to:
            continue
        base = path if path in trees.u1 else None
        old = own.get(path, path if path in trees.d1 else None)
        upstream = None if base is None else path if path in trees.u2 else renames.get(path)
        files.append(PortedFile(base, old, upstream))
    return files


def is_text(mode: str) -> bool:
    """Whether a file of this mode is merged line by line."""
    return mode in ("100644", "100755")


def settle_whole(file: PortedFile, trees: Trees) -> bool:
    """Decide a file that needs no line by line merge: set `whole` and `reason`. False if it does need one."""
    base = trees.u1[file.base] if file.base is not None else None
    theirs = trees.d1[file.old] if file.old is not None else None
    if base is None:
        ours = trees.u2.get(file.old or b"")
        state = "placed" if ours is None else "absorbed" if ours == theirs else "unplaced"
        return settled(file, state, "file-exists")
    ours = trees.u2[file.upstream] if file.upstream is not None else None
    if theirs is None:
        state = "absorbed" if ours is None else "placed" if ours == base else "unplaced"
        return settled(file, state, "file-changed")
    if ours is None or types_clash(base, ours, theirs):
        return settled(file, "unplaced", "file-deleted" if ours is None else "file-changed")
    if ours[1] == base[1] or ours[1] == theirs[1] or theirs[1] == base[1]:
        state = "absorbed" if ours == theirs and file.upstream == file.old else "placed"
        return settled(file, state, "")
    if not all(is_text(entry[0]) for entry in (base, ours, theirs)):
        return settled(file, "unplaced", "file-changed")
    return False


def types_clash(base: tuple[str, str], ours: tuple[str, str], theirs: tuple[str, str]) -> bool:
    """Whether a file became a link or a submodule, or the reverse, on one side, while the other side changed it too."""
    kinds = {entry[0][:3] for entry in (base, ours, theirs)}
    return len(kinds) > 1 and base not in (ours, theirs) and ours != theirs


def settled(file: PortedFile, state: str, reason: str) -> bool:
    """Set the state of a whole file."""
    file.whole, file.reason = state, reason if state == "unplaced" else ""
    return True


def take_whole(file: PortedFile, trees: Trees, result: Port) -> list[Put]:
    """Bring a settled file into P: what is deleted goes at once, what is to be put there is returned."""
    if file.whole != "placed":
        file.path = file.upstream if file.base is not None else file.old
        return []
    if file.old is None:
        result.lines.append(delete(file.upstream or b""))
        result.tree.pop(file.upstream or b"", None)
        return []
    theirs = trees.d1[file.old]
    if file.base is None:
        return [Put(file, file.old, theirs)]
    base, ours = trees.u1[file.base], trees.u2[file.upstream or b""]
    content = theirs[1] if ours[1] == base[1] else ours[1]
    return [Put(file, target_path(file), (merge_modes(base[0], ours[0], theirs[0]), content))]


def target_path(file: PortedFile) -> bytes:
    """The name in P: p1's own new name, else upstream's."""
    assert file.old is not None and file.upstream is not None
    return file.upstream if file.old == file.base else file.old


def merge_modes(base: str, ours: str, theirs: str) -> str:
    """The mode that a three-way merge gives; upstream's where both changed it."""
    return theirs if ours == base else ours


def put_all(puts: Sequence[Put], result: Port) -> None:
    """Set files of P; one that clashes with a folder or a file which stays is unplaced.

    Files that are moved make room for others, so what is blocked is tried again after them.
    """
    folders = count_folders(result.tree) if any(one.path not in result.tree for one in puts) else Counter()
    waiting = list(puts)
    while waiting:
        blocked = [one for one in waiting if not put(one, result, folders)]
        if len(blocked) == len(waiting):
            break
        waiting = blocked
    for one in waiting:
        one.file.whole, one.file.reason, one.file.path = "unplaced", "path-taken", one.file.upstream


def put(one: Put, result: Port, folders: Counter[bytes]) -> bool:
    """Set a file of P, if nothing lies in its way. `folders` counts the files below each folder of P."""
    source = one.file.upstream if one.file.upstream != one.path else None
    above = folders_of(source) if source is not None else []
    new = one.path not in result.tree
    if new and (folders[one.path] > above.count(one.path) or path_blocked(one.path, result.tree, source)):
        return False
    if source is not None:
        if not new:
            return False
        result.lines.append(delete(source))
        result.tree.pop(source, None)
        folders.subtract(above)
    if new:
        folders.update(folders_of(one.path))
    one.file.path = one.path
    result.tree[one.path] = one.entry
    result.lines.append(modify(one.entry[0], one.entry[1], one.path))
    return True


def count_folders(tree: Tree) -> Counter[bytes]:
    """How many files lie below each folder of a tree."""
    found: Counter[bytes] = Counter()
    for parent, count in Counter(path.rpartition(b"/")[0] for path in tree).items():
        for folder in [*folders_of(parent), parent] if parent else ():
            found[folder] += count
    return found


def folders_of(path: bytes) -> list[bytes]:
    """The folders that a path needs, the outermost first."""
    parts = path.split(b"/")
    return [b"/".join(parts[:depth]) for depth in range(1, len(parts))]


def path_blocked(path: bytes, tree: Container[bytes], source: bytes | None = None) -> bool:
    """Whether a folder of `path` is a file of the tree, other than the one that moves there."""
    return any(folder in tree and folder != source for folder in folders_of(path))


def merge_all(
    scratch: Scratch,
    lines: LineCache,
    writer: FastImport,
    trees: Trees,
    files: list[PortedFile],
    written: Container[str],
) -> list[Put]:
    """Place the changes of all files that both sides changed; the files to be put into P."""
    puts = []
    entries = [
        (trees.u1[file.base or b""], trees.u2[file.upstream or b""], trees.d1[file.old or b""]) for file in files
    ]
    to_ours = [(base[1], ours[1]) for base, ours, _ in entries]
    to_theirs = [(base[1], theirs[1]) for base, _, theirs in entries]
    upstream, downstream = diff_many(scratch, [to_ours, to_theirs], "histogram")
    contents = lines.many([entry[1] for group in entries for entry in group])
    for file, (base, ours, theirs), theirs_map, net in zip(files, entries, upstream, downstream, strict=True):
        u1, u2, d1 = (next(contents) for _ in range(3))
        if theirs_map is None or net is None:
            file.whole, file.reason, file.path = "unplaced", "file-changed", file.upstream
            continue
        file.map = LineMap(theirs_map)
        file.changes = [NetChange(block.a, block.b, block.c, block.d) for block in net]
        merged = Placer(u1, u2, d1, file.map).run(file.changes)
        target = ours[1] if merged == u2 else store(join_lines(merged), scratch, writer, written)
        puts.append(Put(file, target_path(file), (merge_modes(base[0], ours[0], theirs[0]), target)))
    next(contents, None)
    return puts


def store(content: bytes, scratch: Scratch, writer: FastImport, written: Container[str]) -> str:
    """The id or mark of a blob; one that is stored already is not written again."""
    oid = blob_id(content, scratch.object_format)
    return oid if oid in written else writer.blob(content)


def blocks_of(file: PortedFile) -> list[Block]:
    """The net changes of a file as blocks U1..D1."""
    return [Block(change.a, change.b, change.c, change.d) for change in file.changes]


def trace_key(trace: FileTrace) -> bytes:
    """The key of a trace's file in `Port.files`."""
    return trace.base if trace.base is not None else trace.path


def p_ranges(file: PortedFile, ranges: list[Range]) -> list[Range]:
    """Where lines of D1 that stand in P are."""
    if file.whole:
        return list(ranges) if file.whole == "placed" else []
    found = []
    for start, stop in ranges:
        for change in file.changes:
            low, high = max(start, change.c), min(stop, change.d)
            if low < high and change.state == "placed":
                found.append((change.p + low - change.c, change.p + high - change.c))
    return found
