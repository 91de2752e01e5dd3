"""Is it upstream yet? Whether a revision of upstream holds what a hunk does, and since which commit.

A change counts as held if the revision has its added lines more often than the release that the hunk was made for, and
what it removes less often. That is told from texts alone, without porting the patchset, so it says where lines are,
and nothing about changes that upstream made in another form.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from git_metadiff.git import CatFile, Git
from git_metadiff.linemap import Tree, find_renames, list_tree, words_in
from git_metadiff.lines import split_lines
from git_metadiff.model import Change, Hunk

#: A text of fewer letters and digits is everywhere.
TELLING = 6
#: Commits are looked for in so many files at most: git reads the whole history of each.
MOST_FILES = 20


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision of upstream."""

    name: str  # as the user named it
    tree: str
    commit: str | None  # None for a bare tree, which has no history


@dataclass(frozen=True, slots=True)
class Taken:
    """What a revision holds of some hunks."""

    held: int = 0  # changes
    changes: int = 0  # of those that can be told
    unknown: str = ""  # why nothing can be told
    path: bytes = b""  # of the first held change, in the revision
    lines: tuple[int, int] = (0, 0)  # 1-based, of its added lines: first and last; (0, 0) if they are not known
    gone: bytes = b""  # a line that it no longer has, where only that is known
    commits: tuple[str, ...] = ()  # short ids and subjects of the commits that did it, where history tells

    @property
    def state(self) -> str:
        """`held`, `part`, `absent` or `unknown`."""
        if self.unknown or not self.changes:
            return "unknown"
        return "held" if self.held == self.changes else "part" if self.held else "absent"


def find_revision(user: Git, name: str) -> Revision | None:
    """The revision called `name`; None if the repository has none."""
    tree = user.resolve(name, "tree")
    return None if tree is None else Revision(name, tree, user.resolve(name, "commit"))


def taken(git: Git, tree: str, revision: Revision, families: Mapping[str, Sequence[Hunk]]) -> dict[str, Taken]:
    """What `revision` holds of each family, given by its newest hunks, which stand on the upstream tree `tree`."""
    files = Files(git, tree, revision.tree, [hunk for hunks in families.values() for hunk in hunks])
    found = {name: _of_hunks(files, hunks) for name, hunks in families.items()}
    return found if revision.commit is None else _with_commits(git, revision.commit, found)


class Files:
    """The files of two upstream trees that some hunks are about, read in one go."""

    def __init__(self, git: Git, old: str, new: str, hunks: Sequence[Hunk]) -> None:
        self._old, self._new = list_tree(git, old), list_tree(git, new)
        names = dict.fromkeys(name_before(hunk) for hunk in hunks)
        self._names = self._follow(git, names)
        ids = {self._old[name][1] for name in names if name in self._old}
        ids |= {self._new[name][1] for name in self._names.values()}
        with CatFile(git) as objects:
            ordered = sorted(ids)
            self._lines = dict(zip(ordered, map(split_lines, objects.read_many(ordered)), strict=True))

    def _follow(self, git: Git, names: Iterable[bytes]) -> dict[bytes, bytes]:
        """The names that files have in the new tree, through renames; a file that went has none."""
        found = {name: name for name in names if name in self._new}
        gone: Tree = {name: self._old[name] for name in names if name in self._old and name not in self._new}
        come: Tree = {name: entry for name, entry in self._new.items() if name not in self._old} if gone else {}
        return found | find_renames(git, gone, come, "taken")

    def pair(self, hunk: Hunk) -> tuple[list[bytes], list[bytes] | None, bytes]:
        """The lines of a hunk's file in both trees (None: the new tree lacks it), and its name in the new one."""
        name = name_before(hunk)
        old = self._lines[self._old[name][1]] if name in self._old else []
        new = self._names.get(name)
        return old, None if new is None else self._lines[self._new[new][1]], new or b""

    def knew(self, hunk: Hunk) -> bool:
        """Whether the old tree has the hunk's file; else downstream made it."""
        return name_before(hunk) in self._old


def name_before(hunk: Hunk) -> bytes:
    """The name that a hunk's file has upstream."""
    return hunk.old_path or hunk.path


def _of_hunks(files: Files, hunks: Sequence[Hunk]) -> Taken:
    """What is held of some hunks, and where the first of it stands."""
    first: Taken | None = None
    held = changes = 0
    missing = ""
    for hunk in hunks:
        old, new, name = files.pair(hunk)
        if new is None and files.knew(hunk):
            missing = "its file is not there"
            continue
        for change in hunk.changes if hunk.kind == "text" else ():
            if not _tells(change):
                continue
            changes += 1
            place = None if new is None else held_lines(change, old, new)
            if place is not None:
                held += 1
                first = first or Taken(path=name, lines=place, gone=b"" if change.added else _longest(change.removed))
    if not changes:
        return Taken(unknown=missing or "what it changes is in no line, or in lines that are everywhere")
    return replace(first or Taken(), held=held, changes=changes)


def _longest(lines: Sequence[bytes]) -> bytes:
    """The line that says most."""
    return max(lines, key=words_in)


def _tells(change: Change) -> bool:
    return words_in(b"".join((*change.added, *change.removed))) >= TELLING


def held_lines(change: Change, old: Sequence[bytes], new: Sequence[bytes]) -> tuple[int, int] | None:
    """The 1-based lines of `new` that hold what a change adds, None if it is not held.

    (0, 0) where no lines can be named: it only removes, or the old file had such lines too.
    """
    before, after = _places(change.added, old), _places(change.added, new)
    if change.added and len(after) <= len(before):
        return None
    had = len(_places(change.removed, old))  # none, where an earlier patch of the series brought what this one removes
    if had and len(_places(change.removed, new)) >= had:
        return None
    if not change.added:
        return (0, 0) if had else None
    # Which of several is the new one is not told.
    return (0, 0) if before else (after[0] + 1, after[0] + len(change.added))


def _places(block: Sequence[bytes], lines: Sequence[bytes]) -> list[int]:
    """Where a block of lines stands, white space at both ends of a line aside."""
    wanted = [text.strip() for text in block]
    if not wanted:
        return []
    starts = (at for at, text in enumerate(lines) if text.strip() == wanted[0])
    return [at for at in starts if [text.strip() for text in lines[at : at + len(wanted)]] == wanted]


# Commits


def _with_commits(git: Git, commit: str, found: dict[str, Taken]) -> dict[str, Taken]:
    """The same with the commits that brought the held lines, one call of git a file; none where history is cut off."""
    by_path: dict[bytes, list[str]] = defaultdict(list)
    for name, one in found.items():
        if one.held and one.lines != (0, 0):
            by_path[one.path].append(name)
    ids: dict[str, list[str]] = {}
    for path, names in list(by_path.items())[:MOST_FILES]:
        ids |= _brought(git, commit, path, {name: found[name].lines for name in names})
    for name in [name for name, one in found.items() if one.gone][:MOST_FILES]:
        ids[name] = _took_out(git, commit, found[name].path, found[name].gone)
    subjects = _subjects(git, {oid for mine in ids.values() for oid in mine})
    told = {name: tuple(subjects[oid] for oid in mine) for name, mine in ids.items()}
    return {name: replace(one, commits=told.get(name, ())) for name, one in found.items()}


def _brought(git: Git, commit: str, path: bytes, lines: Mapping[str, tuple[int, int]]) -> dict[str, list[str]]:
    """The commits that brought some runs of lines of a file."""
    ranges = [f"-L{first},{last}" for first, last in lines.values()]
    blamed = git.try_run("blame", "-s", "--incremental", "--no-textconv", *ranges, commit, "--", path)
    owners = _owners(blamed.out) if blamed.status == 0 else {}
    return {
        name: list(dict.fromkeys(owners[at] for at in range(first, last + 1) if at in owners))
        for name, (first, last) in lines.items()
    }


def _took_out(git: Git, commit: str, path: bytes, text: bytes) -> list[str]:
    """The last commit that changed how often a line is in a file."""
    options = ("log", "-1", "--format=%H", "--no-textconv", "--no-ext-diff")
    found = git.try_run(*options, b"-S" + text, commit, "--", path)
    return found.out.decode("ascii").split() if found.status == 0 else []


def _owners(text: bytes) -> dict[int, str]:
    """The commit of each line, from `git blame --incremental`: `<id> <old line> <line> <count>`."""
    found = {}
    for match in re.finditer(rb"^([0-9a-f]{40,64}) \d+ (\d+) (\d+)$", text, re.MULTILINE):
        for at in range(int(match[2]), int(match[2]) + int(match[3])):
            found[at] = match[1].decode("ascii")
    return found


def _subjects(git: Git, commits: Iterable[str]) -> dict[str, str]:
    """The short id and the subject of each commit, in one call."""
    known = sorted(commits)
    if not known:
        return {}
    asked = "".join(f"{oid}\n" for oid in known).encode()
    text = git.run("log", "--no-walk=unsorted", "--stdin", "--format=%H %h %s", stdin=asked)
    lines = (os.fsdecode(line).split(" ", 1) for line in text.splitlines())
    return {oid: rest for oid, rest in lines}
