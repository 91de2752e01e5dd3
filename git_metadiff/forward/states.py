"""What each patch of a series does to each file, in the old tree and in the ported one.

A file of the patchset is a *slot*: its names in U1, in D and in P. The state of a slot after a patch is its content in
D_k, the release with the first k patches, and in P_k, the port of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from git_metadiff.git import Git
from git_metadiff.linemap import Block, Tree
from git_metadiff.port import (
    Port,
    PortedFile,
    count_folders,
    folders_of,
    is_text,
    merge_modes,
    path_blocked,
    types_clash,
)

Entry = tuple[str, str]  # mode, id
Named = tuple[bytes, Entry]  # path, mode and id
Moves = dict[bytes, Entry | None]  # what a patch sets paths to; None: gone

LISTING = ("diff-tree", "--stdin", "-r", "-z", "--raw", "--no-renames")


@dataclass(slots=True)
class State:
    """A slot after a patch that touches it."""

    patch: int
    old: Named | None  # in D_k
    new: Named | None = None  # in P_k
    merge: bool = False  # the lines of `new` are still to be merged; its id is that of U2's file
    blocks: list[Block] = field(default_factory=list)  # U1 -> D_k, of a state to be merged


@dataclass(slots=True)
class Slot:
    """A file that the patchset touches."""

    base: bytes | None  # name in U1
    own: bytes | None  # name in D, or that it has for a while
    upstream: bytes | None  # name in U2
    start: tuple[Named | None, Named | None]  # in U1 and in U2
    file: PortedFile | None = None  # how it stands in P; None: the series leaves it as it was
    states: list[State] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether nothing of it is in P."""
        if self.file is None:
            return self.base is not None and self.upstream is None
        return self.file.whole in ("unplaced", "absorbed")

    def before(self, patch: int) -> tuple[Named | None, Named | None]:
        """The slot in D and P before a patch."""
        found = self.start
        for state in self.states:
            if state.patch >= patch:
                break
            found = state.old, state.new
        return found

    def after(self, patch: int) -> tuple[Named | None, Named | None]:
        """The slot in D and P after a patch."""
        return self.before(patch + 1)


def read_moves(git: Git, trees: Sequence[str]) -> list[Moves]:
    """What leads from each of these trees to the next one; all in one process."""
    heads = [f"{old} {new}\n".encode() for old, new in pairwise(trees)]
    out = git.run(*LISTING, stdin=b"".join(heads))
    found: list[Moves] = []
    at = 0
    for head in heads:
        moves: Moves = {}
        if out.startswith(head, at):
            at += len(head)
        while at < len(out) and out[at : at + 1] == b":":
            meta, path, _ = out[at + 1 : out.index(b"\0", out.index(b"\0", at) + 1) + 1].split(b"\0")
            at += len(meta) + len(path) + 3
            _, mode, _, oid, status = meta.decode("ascii").split(" ")
            moves[path] = None if status[0] == "D" else (mode, oid)
        found.append(moves)
    return found


@dataclass(slots=True)
class Walk:
    """The slots of a series, and the tree before each of its patches."""

    u1: Tree
    u2: Tree
    ported: Tree
    port: Port
    slots: list[Slot] = field(default_factory=list)
    by_path: dict[bytes, list[Slot]] = field(default_factory=dict)
    present: Moves = field(default_factory=dict)  # what differs from U1 so far
    folders: Mapping[bytes, int] = field(default_factory=dict)  # of U2

    def __post_init__(self) -> None:
        self.folders = count_folders(self.u2)
        for file in self.port.files.values():
            self.add(file.base, file.old, file.upstream, file)

    def add(self, base: bytes | None, own: bytes | None, upstream: bytes | None, file: PortedFile | None) -> Slot:
        """A new slot."""
        name = upstream if base is not None else own
        first = named(base, self.u1), named(name, self.u2)
        slot = Slot(base, own, upstream, first, file)
        self.slots.append(slot)
        for path in {base, own} - {None}:
            self.by_path.setdefault(path or b"", []).append(slot)
        return slot

    def now(self, path: bytes | None) -> Entry | None:
        """What a path is in the tree walked to."""
        if path is None:
            return None
        return self.present[path] if path in self.present else self.u1.get(path)

    def __contains__(self, path: object) -> bool:
        assert isinstance(path, bytes)
        return self.now(path) is not None

    def step(self, patch: int, moves: Moves) -> None:
        """Go on by one patch."""
        self.present.update(moves)
        touched: dict[int, Slot] = {}
        for path in moves:
            for slot in self.by_path.get(path) or [self.passing(path)]:
                touched[id(slot)] = slot
        for slot in touched.values():
            slot.states.append(self.state(slot, patch))

    def passing(self, path: bytes) -> Slot:
        """A slot for a file that the series as a whole leaves as it was, or does not leave at all."""
        base = path if path in self.u1 else None
        return self.add(base, path, path if path in self.u2 else None, None)

    def state(self, slot: Slot, patch: int) -> State:
        """The state of a slot after the patch just walked over."""
        names = (slot.base, slot.own)
        name = next((one for one in names if one is not None and self.now(one) is not None), None)
        entry = self.now(name)
        old = None if name is None or entry is None else (name, entry)
        found = State(patch, old, slot.start[1])
        if slot.settled:
            return found
        if slot.base is None:
            free = slot.start[1] is None and old is not None and not self.blocked(old[0])
            found.new = old if free else slot.start[1]
            return found
        self.merge(slot, found)
        return found

    def merge(self, slot: Slot, found: State) -> None:
        """Bring a file of both releases into P_k by the rules of `port.settle_whole`."""
        assert slot.start[0] is not None and slot.start[1] is not None
        (_, base), (path, ours) = slot.start[0], slot.start[1]
        if found.old is None:
            found.new = None if ours == base else slot.start[1]
            return
        name, theirs = found.old
        if types_clash(base, ours, theirs):
            found.new = slot.start[1]
            return
        target = path if name == slot.base else name
        content = ours[1] if theirs[1] == base[1] else theirs[1]
        if base[1] not in (ours[1], theirs[1]) and ours[1] != theirs[1]:
            content, found.merge = ours[1], all(is_text(one[0]) for one in (base, ours, theirs))
        mode = merge_modes(base[0], ours[0], theirs[0])
        found.new = (target, (mode, content)) if target == path or target not in self.u2 else slot.start[1]

    def blocked(self, path: bytes) -> bool:
        """Whether the new release has a folder at this path, or a file where the path needs a folder."""
        return path in self.folders or path_blocked(path, self.u2)

    def in_the_way(self, path: bytes) -> bytes | None:
        """The file of the new release, or the folder, that keeps a file from being made at this path."""
        if path in self.u2 or path in self.folders:
            return path
        return next((folder for folder in folders_of(path) if folder in self.u2), None)

    def names(self) -> dict[bytes, bytes]:
        """The names that files of the patchset have in P, or in U2 where P has none."""
        found = {}
        for slot in self.slots:
            now = slot.upstream if slot.file is None else slot.file.path or slot.upstream
            found.update({name: now for name in (slot.base, slot.own) if name is not None and now is not None})
        return found

    def finish(self) -> None:
        """What a slot is after the last patch that touches it is what it is in P."""
        for slot in self.slots:
            if slot.states and slot.file is not None:
                last = slot.states[-1]
                last.new, last.merge = named(slot.file.path, self.ported), False


def named(path: bytes | None, tree: Mapping[bytes, Entry]) -> Named | None:
    """A file of a tree."""
    return None if path is None or path not in tree else (path, tree[path])


def to_merge(slots: Sequence[Slot]) -> Iterator[tuple[Slot, State]]:
    """The states whose lines must be merged."""
    for slot in slots:
        for state in slot.states:
            if state.merge:
                yield slot, state
