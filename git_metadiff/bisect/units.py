"""Units: edits of one file that no step should part, since they stand side by side or in one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import NamedTuple

from git_metadiff.bisect.edits import Axis, Edit, File
from git_metadiff.bisect.names import kind_of
from git_metadiff.git import CatFile, Git

#: So many unchanged lines may stand between neighbours.
NEAR = 3
#: Within a function, edits this close are in one piece of it; beyond, the file is asked whether it ends in between.
CLOSE = 8


class Unit(NamedTuple):
    """Edits of one file, in order."""

    file: int  # number of the file (the first one, of a swap)
    edits: tuple[int, ...]


def units_of(axis: Axis, git: Git, files: Sequence[int], is_whole: Callable[[int], bool]) -> list[Unit]:
    """The units of these files (by number); a file that is to be taken whole is one."""
    parted = [at for at in files if not is_whole(at) and len(axis.files[at].content) > 1]
    texts = read_texts(axis, git, [at for at in parted if doubtful(axis, axis.files[at])])
    found: list[Unit] = []
    swapped: set[int] = set()
    for at in files:
        file = axis.files[at]
        edits = [one for one in file.edits if one not in swapped]
        swapped.update(one for one in edits if axis.edits[one].kind == "swap")
        if is_whole(at) or len(edits) < 2:
            found += [Unit(at, tuple(edits))] if edits else []
            continue
        found += [Unit(at, (one,)) for one in edits if one not in file.content]
        found += [Unit(at, run) for run in runs_of(axis, file, texts.get(at))]
    return found


def runs_of(axis: Axis, file: File, text: bytes | None) -> Iterator[tuple[int, ...]]:
    """The runs of a file's edits that stand together; `text` is its content in the first tree, where it matters."""
    lines = text.split(b"\n") if text is not None else None
    run: list[int] = []
    for number in file.content:
        if run and not together(axis, run[-1], number, lines):
            yield tuple(run)
            run = []
        run.append(number)
    if run:
        yield tuple(run)


def together(axis: Axis, before: int, after: int, lines: Sequence[bytes] | None) -> bool:
    """Whether two edits are neighbours, or in one function, or of one hunk of a table."""
    gap = gap_between(axis, before, after)
    if gap <= NEAR or in_table(axis.edits[before], axis.edits[after]):
        return True
    if not same_section(axis, before, after):
        return False
    if gap <= CLOSE or lines is None:
        return gap <= CLOSE
    first = axis.edits[before].old_start - 1 + len(axis.edits[before].removed)
    return not any(text[:1] == b"}" for text in lines[first : first + gap])


def in_table(before: Edit, after: Edit) -> bool:
    """Whether one hunk holds both edits, in a file that is no code: where a patch renews a table, git's diff finds
    hundreds of edits in its one hunk, and each step of a chain would hold the whole file once more."""
    return bool(before.hunks) and before.hunks == after.hunks and kind_of(before.path) == "other"


def doubtful(axis: Axis, file: File) -> bool:
    """Whether some neighbours among a file's edits are far apart, in what git takes for one function."""
    pairs = zip(file.content, file.content[1:], strict=False)
    return any(gap_between(axis, *pair) > CLOSE and same_section(axis, *pair) for pair in pairs)


def gap_between(axis: Axis, before: int, after: int) -> int:
    """How many unchanged lines stand between two edits of a file."""
    one = axis.edits[before]
    return axis.edits[after].old_start - one.old_start - len(one.removed)


def same_section(axis: Axis, before: int, after: int) -> bool:
    """Whether git names the same function for the places of two edits (or the first opens that of the second)."""
    one, other = axis.edits[before].sections, axis.edits[after].sections
    return bool(one) and bool(other) and other[0] in one


def read_texts(axis: Axis, git: Git, files: Sequence[int]) -> Mapping[int, bytes]:
    """The contents of files in the first tree, in one batch."""
    ids = [side.oid for at in files for side in (axis.files[at].old,) if side is not None]
    if not ids:
        return {}
    with CatFile(git) as objects:
        return dict(zip(files, objects.read_many(ids), strict=True))


def parted(units: Sequence[Unit], edits: Set[int]) -> tuple[list[Unit], set[int]]:
    """The same units, those cut in two that hold some of these edits and others; and the numbers of those that hold
    none but these."""
    found: list[Unit] = []
    chosen = set()
    for unit in units:
        mine = tuple(at for at in unit.edits if at in edits)
        others = tuple(at for at in unit.edits if at not in edits)
        if mine:
            chosen.add(len(found))
            found.append(Unit(unit.file, mine))
        if others:
            found.append(Unit(unit.file, others))
    return found, chosen
