"""Trees between the two ends of an axis: written in one stream, each from the one before it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.bisect.edits import Axis, File, Side
from git_metadiff.git import CatFile, FastImport, Git, delete, modify
from git_metadiff.lines import join_lines, split_lines

#: Their commits are only names for what is being written.
WORK_REF = "refs/heads/work-bisect"
#: More files than this are worth a second process that packs them.
MANY = 200
MESSAGE = b"A tree between two others\n"


@dataclass(frozen=True, slots=True)
class Mixed:
    """The content of a file of which some edits are in and others are not."""

    file: int  # its number
    chosen: tuple[int, ...]  # the edits that are in


@dataclass(frozen=True, slots=True)
class Version:
    """A file as it stands at some step."""

    path: bytes
    mode: str
    content: str | Mixed  # the id of a content that is there already, or one to be put together


@dataclass(frozen=True, slots=True)
class Step:
    """What one step changes: paths that go, and files that come or are other than before."""

    gone: tuple[bytes, ...]
    come: tuple[Version, ...]


class Walker:
    """Moves along an axis, any edits in or out at each step, and says what each step changes; nothing is read.

    It stands at the first tree in the beginning.
    """

    def __init__(self, axis: Axis) -> None:
        self.axis = axis
        self._inside: set[int] = set()
        self._shown: dict[int, Version | None] = {}  # number of a file -> how it stands, once it was touched

    def go(self, selection: Collection[int]) -> Step:
        """To the tree with exactly these edits."""
        return self.turn(self._inside ^ set(selection))

    def turn(self, edits: Iterable[int]) -> Step:
        """These edits come in, where they were out, or go out, where they were in."""
        turned = set(edits)
        self._inside ^= turned
        gone, come = [], []
        for number in sorted({file for edit in turned for file in self.axis.homes[edit]}):
            file = self.axis.files[number]
            before = self._shown[number] if number in self._shown else version_of(file.old)
            after = self._shown[number] = self.version(file, number)
            if before is not None and (after is None or after.path != before.path):
                gone.append(before.path)
            if after is not None and after != before:
                come.append(after)
        return Step(tuple(gone), tuple(come))

    def version(self, file: File, number: int) -> Version | None:
        """How a file stands now; None if it is not there."""
        is_moved = file.presence is None or file.presence in self._inside
        side = file.new if is_moved else file.old
        if side is None or file.old is None or file.new is None:
            return version_of(side)
        chosen = tuple(one for one in file.content if one in self._inside)
        content: str | Mixed = Mixed(number, chosen)
        if len(chosen) == len(file.content):
            content = file.new.oid
        elif not chosen:
            content = file.old.oid
        return Version(side.path, (file.new if self._has_new_mode(file) else file.old).mode, content)

    def _has_new_mode(self, file: File) -> bool:
        if file.mode is not None:
            return file.mode in self._inside
        return bool(file.content) and file.content[0] in self._inside  # the modes differ with the content only


def version_of(side: Side | None) -> Version | None:
    """A file as it is in one of the two trees."""
    return None if side is None else Version(side.path, side.mode, side.oid)


class Weaver:
    """Writes what steps need that is not there yet, and spells them in fast-import's words.

    The contents of one file are written one after the other, so that each is kept as a delta against the one before.
    """

    def __init__(self, git: Git, writer: FastImport, axis: Axis, steps: Iterable[Step]) -> None:
        wanted: dict[int, dict[Mixed, None]] = {}
        for step in steps:
            for one in step.come:
                if isinstance(one.content, Mixed):
                    wanted.setdefault(one.content.file, {})[one.content] = None
        self._marks: dict[Mixed, str] = {}  # or ids, of what another writer wrote
        if wanted:
            self._write(git, writer, axis, wanted)

    def _write(self, git: Git, writer: FastImport, axis: Axis, wanted: Mapping[int, Iterable[Mixed]]) -> None:
        """To pack takes longer than to put together, so many files are shared by two writers."""
        ids = [side.oid for number in wanted for side in (axis.files[number].old,) if side is not None]
        beside: dict[Mixed, str] = {}
        with contextlib.ExitStack() as stack:
            objects = stack.enter_context(CatFile(git))
            second = stack.enter_context(writer.twin()) if len(ids) > MANY else None
            for at, (mixtures, data) in enumerate(zip(wanted.values(), objects.read_many(ids), strict=True)):
                lines = split_lines(data)
                for one in mixtures:
                    content = join_lines(put_together(axis, lines, one.chosen))
                    if second and at % 2:
                        beside[one] = second.blob(content)
                    else:
                        self._marks[one] = writer.blob(content)
            if second:
                self._marks |= zip(beside, second.ids(list(beside.values())), strict=True)

    def spell(self, step: Step) -> list[bytes]:
        """A step in fast-import's words."""
        come = [modify(one.mode, self._id_of(one.content), one.path) for one in step.come]
        return [*map(delete, step.gone), *come]

    def _id_of(self, content: str | Mixed) -> str:
        return self._marks[content] if isinstance(content, Mixed) else content


def put_together(axis: Axis, old: Sequence[bytes], chosen: Iterable[int]) -> list[bytes]:
    """The lines of a file with some of its edits, in their order."""
    found: list[bytes] = []
    at = 0
    for number in chosen:
        edit = axis.edits[number]
        found += old[at : edit.old_start - 1]
        found += edit.added
        at = edit.old_start - 1 + len(edit.removed)
    return found + list(old[at:])


def write_trees(git: Git, axis: Axis, selections: Sequence[Collection[int]]) -> list[str]:
    """The ids of the trees with these edits of an axis, in one stream.

    `git` is a scratch repository; the trees are there, and no ref holds them.
    """
    walker = Walker(axis)
    steps = [walker.go(selection) for selection in selections]
    with FastImport(git) as writer:
        weaver = Weaver(git, writer, axis, steps)
        marks: list[str] = []
        for step in steps:
            tree = None if marks else axis.start
            marks.append(writer.commit(WORK_REF, MESSAGE, marks[-1:], weaver.spell(step), tree=tree))
        commits = writer.ids(marks)
    return trees_of(git, commits)


def trees_of(git: Git, commits: Sequence[str]) -> list[str]:
    """The trees of many commits, in one call of git."""
    asked = "".join(f"{commit}^{{tree}}\n" for commit in commits)
    return git.text("cat-file", "--batch-check=%(objectname)", stdin=asked.encode()).split()
