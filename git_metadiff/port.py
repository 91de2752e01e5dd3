"""The ported tree P: U2 with every change of p1 that still has a place, and nothing else.

P is a function of the trees U1, U2 and D1 alone. The net changes of U1..D1 and the line map U1..U2 both come from git's
histogram diff; each net change is placed alone, by the rules of `place_change`. Where `git merge-file` merges cleanly
these rules give its very result (a test holds that), so no merge is run: one set of rules knows the place of every
change exactly, and a conflict costs only the changes that have no place.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field, replace

from rapidfuzz.distance import LCSseq

from git_metadiff.apply import FileTrace
from git_metadiff.bare import bare, find_bare
from git_metadiff.git import FastImport, Scratch, delete, modify
from git_metadiff.hunks import NO_NEWLINE
from git_metadiff.linemap import IDENTITY, Block, LineMap, Tree, diff_many, words_in
from git_metadiff.lines import LineCache, blob_id, join_lines
from git_metadiff.model import Range
from git_metadiff.renames import true_renames

CONTEXT = 3
#: So many letters and digits make a text that is not there twice by chance.
TELLING = 40
#: So many make one that is like another not by chance alone.
ALIKE = 16
#: By so many lines more upstream may have wrapped what it took over.
WRAPPED = 8

#: Why a change has no place in U2, in words.
REASONS = {
    "conflict": "upstream changed the lines that it removes",
    "no-context": "upstream removed the code around it",
    "several-places": "its context fits several places of the new release",
    "overlap": "its place is taken by another change of the same patchset",
    "alike": "upstream put most of its lines there already, in a form of its own",
    "file-deleted": "upstream deleted the file",
    "file-exists": "upstream added a file of the same name",
    "file-changed": "upstream changed a file that it removes or replaces as a whole",
    "path-taken": "upstream has a file where it needs a folder, or a folder where it needs a file",
}


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
    merging = []
    for file in files:
        result.files[file.base if file.base is not None else file.old or b""] = file
        if settle_whole(file, trees):
            take_whole(file, trees, result)
        else:
            merging.append(file)
    merge_all(scratch, lines, writer, trees, merging, result, written)
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


def take_whole(file: PortedFile, trees: Trees, result: Port) -> None:
    """Bring a settled file into P."""
    if file.whole != "placed":
        file.path = file.upstream if file.base is not None else file.old
        return
    if file.old is None:
        result.lines.append(delete(file.upstream or b""))
        result.tree.pop(file.upstream or b"", None)
        return
    theirs = trees.d1[file.old]
    if file.base is None:
        put(file, file.old, theirs, result)
        return
    base, ours = trees.u1[file.base], trees.u2[file.upstream or b""]
    content = theirs[1] if ours[1] == base[1] else ours[1]
    put(file, target_path(file), (merge_modes(base[0], ours[0], theirs[0]), content), result)


def target_path(file: PortedFile) -> bytes:
    """The name in P: p1's own new name, else upstream's."""
    assert file.old is not None and file.upstream is not None
    return file.upstream if file.old == file.base else file.old


def merge_modes(base: str, ours: str, theirs: str) -> str:
    """The mode that a three-way merge gives; upstream's where both changed it."""
    return theirs if ours == base else ours


def put(file: PortedFile, path: bytes, entry: tuple[str, str], result: Port) -> None:
    """Set `path` of P; a path that clashes with a folder or a file of U2 stays unplaced."""
    moved = file.upstream is not None and file.upstream != path
    if (path not in result.tree and path_taken(path, result.tree)) or (moved and path in result.tree):
        file.whole, file.reason, file.path = "unplaced", "path-taken", file.upstream
        return
    if moved and file.upstream is not None:
        result.lines.append(delete(file.upstream))
        result.tree.pop(file.upstream, None)
    file.path = path
    result.tree[path] = entry
    result.lines.append(modify(entry[0], entry[1], path))


def path_taken(path: bytes, tree: Tree) -> bool:
    """Whether a folder of `path` is a file of the tree, or `path` itself a folder of it."""
    parts = path.split(b"/")
    if any(b"/".join(parts[:depth]) in tree for depth in range(1, len(parts))):
        return True
    return len(parts) == 1 and any(name.startswith(path + b"/") for name in tree)


def merge_all(
    scratch: Scratch,
    lines: LineCache,
    writer: FastImport,
    trees: Trees,
    files: list[PortedFile],
    result: Port,
    written: Container[str],
) -> None:
    """Place the changes of all files that both sides changed."""
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
        put(file, target_path(file), (merge_modes(base[0], ours[0], theirs[0]), target), result)
    next(contents, None)


def store(content: bytes, scratch: Scratch, writer: FastImport, written: Container[str]) -> str:
    """The id or mark of a blob; one that is stored already is not written again."""
    oid = blob_id(content, scratch.object_format)
    return oid if oid in written else writer.blob(content)


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
            if same * 2 > words >= ALIKE:
                change.state, change.reason = "unplaced", "alike"
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
