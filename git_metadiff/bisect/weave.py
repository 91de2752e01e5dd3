"""Trees between the two ends of an axis: written in one stream, each from the one before it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.bisect.edits import Axis, File, Side
from git_metadiff.git import CatFile, FastImport, Git, delete, modify
from git_metadiff.lines import join_lines, split_lines

#: Their commits are only names for what is being written.
WORK_REF = "refs/heads/work-bisect"
#: More files than this are worth other processes that pack their contents, so many files each.
MANY = 200
PART = 100
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


@contextlib.contextmanager
def weaver(git: Git, writer: FastImport, axis: Axis, steps: Iterable[Step]) -> Iterator[Weaver]:
    """What spells these steps, in this order."""
    wanted: dict[int, dict[Mixed, None]] = {}  # by file, the one that is needed first in front
    for step in steps:
        for one in step.come:
            if isinstance(one.content, Mixed):
                wanted.setdefault(one.content.file, {})[one.content] = None
    with contextlib.ExitStack() as stack:
        yield Weaver(stack, git, writer, axis, wanted)


class Weaver:
    """Writes what steps need that is not there yet, and spells them in fast-import's words.

    The contents of one file are written one after the other, so that each is kept as a delta against the one before.
    To pack them takes twice as long as to write the commits. So many are packed in parts, by writers of their own: the
    next part beside the commits that need the one before.
    """

    def __init__(
        self,
        stack: contextlib.ExitStack,
        git: Git,
        writer: FastImport,
        axis: Axis,
        wanted: Mapping[int, Collection[Mixed]],
    ) -> None:
        self._stack, self._git, self._writer, self._axis = stack, git, writer, axis
        self._ids: dict[Mixed, str] = {}  # or marks of `writer`
        self._parts = self._written(wanted)
        self._ahead: deque[tuple[FastImport, dict[Mixed, str]]] = deque()  # parts under way, with marks of their own

    def spell(self, step: Step) -> list[bytes]:
        """A step in fast-import's words."""
        come = [modify(one.mode, self._id_of(one.content), one.path) for one in step.come]
        return [*map(delete, step.gone), *come]

    def _id_of(self, content: str | Mixed) -> str:
        if isinstance(content, str):
            return content
        while content not in self._ids:
            self._finish_part()
        return self._ids[content]

    def _finish_part(self) -> None:
        """Have the ids of the next part, while the one after it is packed already."""
        while len(self._ahead) < 2 and (part := next(self._parts, None)):
            self._ahead.append(part)
        writer, marks = self._ahead.popleft()
        if writer is not self._writer:
            marks = dict(zip(marks, writer.ids(list(marks.values())), strict=True))
            writer.close()
        self._ids |= marks

    def _written(self, wanted: Mapping[int, Collection[Mixed]]) -> Iterator[tuple[FastImport, dict[Mixed, str]]]:
        """Put the contents together and hand them to writers, part by part."""
        olds = [self._axis.files[number].old for number in wanted]
        objects = self._stack.enter_context(CatFile(self._git))
        contents = objects.read_many([side.oid for side in olds if side is not None])
        writer, marks = self._writer, dict[Mixed, str]()
        for at, (mixed, data) in enumerate(zip(wanted.values(), contents, strict=True)):
            if at % PART == 0 and len(wanted) > MANY:
                writer, marks = self._stack.enter_context(self._writer.twin()), {}
            writer.apart()
            marks |= zip(mixed, map(writer.blob, mixtures(self._axis, split_lines(data), mixed)), strict=True)
            if at % PART == PART - 1 or at == len(wanted) - 1:
                yield writer, marks


def mixtures(axis: Axis, old: Sequence[bytes], wanted: Collection[Mixed]) -> Iterator[bytes]:
    """The contents of a file with some of its edits each; what lies between two edits is joined once for all."""
    pieces: list[tuple[int, bytes, bytes, bytes]] = []  # an edit, the lines before it, those without it, those with it
    at = 0
    for number in sorted({one for mixed in wanted for one in mixed.chosen}):
        edit = axis.edits[number]
        start, stop = edit.old_start - 1, edit.old_start - 1 + len(edit.removed)
        pieces.append((number, join_lines(old[at:start]), join_lines(old[start:stop]), join_lines(edit.added)))
        at = stop
    rest = join_lines(old[at:])
    for mixed in wanted:
        chosen = set(mixed.chosen)
        parts = [
            one
            for number, before, without, within in pieces
            for one in (before, within if number in chosen else without)
        ]
        yield b"".join([*parts, rest])


def write_trees(git: Git, axis: Axis, selections: Sequence[Collection[int]]) -> list[str]:
    """The ids of the trees with these edits of an axis, in one stream.

    `git` is a scratch repository; the trees are there, and no ref holds them.
    """
    walker = Walker(axis)
    steps = [walker.go(selection) for selection in selections]
    with FastImport(git) as writer:
        marks: list[str] = []
        with weaver(git, writer, axis, steps) as words:
            for step in steps:
                tree = None if marks else axis.start
                marks.append(writer.commit(WORK_REF, MESSAGE, marks[-1:], words.spell(step), tree=tree))
        commits = writer.ids(marks)
    return trees_of(git, commits)


def trees_of(git: Git, commits: Sequence[str]) -> list[str]:
    """The trees of many commits, in one call of git."""
    asked = "".join(f"{commit}^{{tree}}\n" for commit in commits)
    return git.text("cat-file", "--batch-check=%(objectname)", stdin=asked.encode()).split()
