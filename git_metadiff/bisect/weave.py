"""Trees between the two ends of an axis: written in one stream, each from the one before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence

from git_metadiff.bisect.edits import Axis, File, Side
from git_metadiff.git import CatFile, FastImport, Git, delete, modify
from git_metadiff.lines import join_lines, split_lines

#: Their commits are only names for what is being written.
WORK_REF = "refs/heads/work-bisect"
MESSAGE = b"A tree between two others\n"


class Weaver:
    """Moves along an axis, any edits in or out at each step, and says in fast-import's words what each step changes.

    It stands at the first tree in the beginning. Only files of which some edits are in and others are not are put
    together and written; any other content is there already.
    """

    #: So many files are kept as lines.
    KEPT = 128

    def __init__(self, axis: Axis, objects: CatFile, writer: FastImport) -> None:
        self.axis = axis
        self._objects = objects
        self._writer = writer
        self._inside: set[int] = set()
        self._shown: dict[int, Side | None] = {}  # number of a file -> how it stands, where that is not as at first
        self._written: dict[tuple[int, frozenset[int]], str] = {}
        self._lines: OrderedDict[str, list[bytes]] = OrderedDict()

    def go(self, selection: Collection[int]) -> list[bytes]:
        """What changes to get from here to the tree with exactly these edits."""
        return self.turn(self._inside ^ set(selection))

    def turn(self, edits: Iterable[int]) -> list[bytes]:
        """What changes if these edits come in, where they were out, or go out, where they were in."""
        turned = set(edits)
        self._inside ^= turned
        removed, added = [], []
        for number in sorted({file for edit in turned for file in self.axis.homes[edit]}):
            file = self.axis.files[number]
            before, after = self._shown.get(number, file.old), self.state(file, number)
            self._shown[number] = after
            if before is not None and (after is None or after.path != before.path):
                removed.append(delete(before.path))
            if after is not None and after != before:
                added.append(modify(after.mode, after.oid, after.path))
        return removed + added

    def state(self, file: File, number: int) -> Side | None:
        """How a file stands now; None if it is not there. The id of an assembled content may be a mark."""
        is_moved = file.presence is None or file.presence in self._inside
        side = file.new if is_moved else file.old
        if side is None or file.old is None or file.new is None:
            return side
        chosen = [one for one in file.content if one in self._inside]
        mode = file.new.mode if self._has_new_mode(file) else file.old.mode
        return Side(side.path, mode, self._content(file, number, chosen))

    def _has_new_mode(self, file: File) -> bool:
        if file.mode is not None:
            return file.mode in self._inside
        return bool(file.content) and file.content[0] in self._inside  # the modes differ with the content only

    def _content(self, file: File, number: int, chosen: Sequence[int]) -> str:
        assert file.old is not None and file.new is not None
        if len(chosen) == len(file.content):
            return file.new.oid
        if not chosen:
            return file.old.oid
        key = number, frozenset(chosen)
        if key not in self._written:
            self._written[key] = self._writer.blob(join_lines(self._assemble(file.old.oid, chosen)))
        return self._written[key]

    def _assemble(self, oid: str, chosen: Iterable[int]) -> list[bytes]:
        """The lines of a file with some of its edits."""
        old = self._read(oid)
        found: list[bytes] = []
        at = 0
        for number in chosen:
            edit = self.axis.edits[number]
            found += old[at : edit.old_start - 1]
            found += edit.added
            at = edit.old_start - 1 + len(edit.removed)
        return found + old[at:]

    def _read(self, oid: str) -> list[bytes]:
        if oid not in self._lines:
            self._lines[oid] = split_lines(self._objects.read(oid))
            if len(self._lines) > self.KEPT:
                self._lines.popitem(last=False)
        self._lines.move_to_end(oid)
        return self._lines[oid]


def write_trees(git: Git, axis: Axis, selections: Sequence[Collection[int]]) -> list[str]:
    """The ids of the trees with these edits of an axis, in one stream.

    `git` is a scratch repository; the trees are there, and no ref holds them.
    """
    with CatFile(git) as objects, FastImport(git) as writer:
        weaver = Weaver(axis, objects, writer)
        marks: list[str] = []
        for selection in selections:
            tree = None if marks else axis.start
            marks.append(writer.commit(WORK_REF, MESSAGE, marks[-1:], weaver.go(selection), tree=tree))
        commits = writer.ids(marks)
    return trees_of(git, commits)


def trees_of(git: Git, commits: Sequence[str]) -> list[str]:
    """The trees of many commits, in one call of git."""
    asked = "".join(f"{commit}^{{tree}}\n" for commit in commits)
    return git.text("cat-file", "--batch-check=%(objectname)", stdin=asked.encode()).split()
