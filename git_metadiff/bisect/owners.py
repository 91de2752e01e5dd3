"""Whose an edit is: the hunks of the comparison that it is a part of.

A comparison keeps its hunks as their authors wrote them, and an axis is cut by git's diff, so the two are brought
together by their lines: a line of an edit belongs to the change of that file which removes or adds the same line, and
among several to the nearest one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.bisect.edits import Axis, Edit, Pair, Side, text_edits
from git_metadiff.git import Git
from git_metadiff.linemap import words_in
from git_metadiff.model import Hunk, InterdiffHunk

#: A line with fewer letters and digits (a brace, `return;`) names an owner only if no other line does.
LEAST_WORDS = 6


@dataclass(frozen=True, slots=True)
class Claim:
    """A change that may own edits of a file."""

    hunk: str
    change: int  # its number in the hunk
    start: int  # line of the newer file near which it is
    removed: frozenset[bytes]
    added: frozenset[bytes]
    has_lines: bool = True


def claims_of(hunk: Hunk, *, undone: bool = False) -> Iterator[Claim]:
    """The changes of a hunk; `undone` as they look where they are taken back."""
    for at, change in enumerate(hunk.changes):
        removed, added = frozenset(change.removed), frozenset(change.added)
        sides = (added, removed) if undone else (removed, added)
        yield Claim(hunk.id, at, change.new_start, *sides, has_lines=hunk.kind == "text")


def claims_by_path(hunks: Iterable[Hunk], *, undone: bool = False) -> dict[bytes, list[Claim]]:
    """The changes of many hunks, by both names of their files."""
    found: dict[bytes, list[Claim]] = defaultdict(list)
    for hunk in hunks:
        for path in {hunk.path, hunk.old_path or hunk.path}:
            found[path] += claims_of(hunk, undone=undone)
    return found


class Claims:
    """The changes that may own edits of one file, by their lines."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.all = claims
        self._removed: dict[bytes, list[int]] = defaultdict(list)
        self._added: dict[bytes, list[int]] = defaultdict(list)
        for at, one in enumerate(claims):
            for text in one.removed:
                self._removed[text].append(at)
            for text in one.added:
                self._added[text].append(at)

    def owners_of(self, edit: Edit) -> list[Claim]:
        """The changes that own one of an edit's lines; of what a file changes as a whole, all such."""
        if edit.kind != "text" and not edit.size:
            return [one for one in self.all if not one.has_lines] or list(self.all)
        return self._voted(edit, LEAST_WORDS) or self._voted(edit, 0)

    def _voted(self, edit: Edit, least: int) -> list[Claim]:
        """The owners by lines of at least so many letters and digits; in the order of the claims."""
        chosen = set()
        for lines, index in ((edit.removed, self._removed), (edit.added, self._added)):
            for text in set(lines):
                having = index.get(text)
                if having and words_in(text) >= least:
                    chosen.add(min(having, key=lambda at: abs(self.all[at].start - edit.new_start)))
        return [self.all[at] for at in sorted(chosen)]


def ids_of(claims: Iterable[Claim]) -> tuple[str, ...]:
    """The ids of their hunks, each once."""
    return tuple(dict.fromkeys(one.hunk for one in claims))


class Labels:
    """The `@@` of an interdiff, by file and place: which hunks own one of its lines."""

    def __init__(self, hunks: Iterable[InterdiffHunk]) -> None:
        self._by_path: dict[bytes, list[InterdiffHunk]] = defaultdict(list)
        for one in hunks:
            self._by_path[one.path].append(one)
        self._starts = {path: [one.old_start for one in mine] for path, mine in self._by_path.items()}

    def at(self, edit: Edit) -> frozenset[str] | None:
        """The ids of the hunks in the `@@` that holds an edit of P..D2; None if the interdiff has none there."""
        mine = self._by_path.get(edit.path)
        if not mine:
            return None
        return frozenset(mine[max(0, bisect_right(self._starts[edit.path], edit.old_start) - 1)].hunks)


def own(axis: Axis, *claims: Mapping[bytes, Sequence[Claim]]) -> Axis:
    """The axis, its edits with the ids of the hunks that own them, of the first of `claims` that have some; those that
    are owned already stay as they are."""
    for mine in claims:
        known: dict[bytes, Claims] = {}
        found = {}
        for at, edit in enumerate(axis.edits):
            if edit.hunks or edit.path not in mine:
                continue
            if edit.path not in known:
                known[edit.path] = Claims(mine[edit.path])
            owners = ids_of(known[edit.path].owners_of(edit))
            if owners:
                found[at] = owners
        axis = axis.owned(found)
    return axis


def own_upstream(git: Git, axis: Axis, old: str, new: str, transition: int) -> Axis:
    """The axis, its edits with the ids of the upstream hunks (of trees `old` to `new`) that they are a part of.

    Where a file of the axis is upstream's at both ends, its edits are upstream's hunks; the others are brought together
    with them by their lines.
    """
    sides = changed_sides(git, old, new)
    found: dict[int, tuple[str, ...]] = {}
    patched: dict[bytes, Pair] = {}
    for file in axis.files:
        before = sides.get(file.old.path if file.old else file.path, (None, None))[0]
        after = sides.get(file.path, (None, None))[1] if file.new else None
        if before is None and after is None:
            continue
        if [side and side.oid for side in (before, after)] == [side and side.oid for side in (file.old, file.new)]:
            found |= {at: (upstream_name(transition, (before, after), axis.edits[at]),) for at in file.edits}
        else:
            patched[file.path] = before, after
    claims = {}
    for (path, pair), edits in zip(patched.items(), text_edits(git, list(patched.values())), strict=True):
        claims[path] = [claim_upstream(transition, pair, edit) for edit in edits or [Edit("content", b"")]]
    return own(axis.owned(found), claims)


def changed_sides(git: Git, old: str, new: str) -> dict[bytes, Pair]:
    """The files that differ between two trees, by their names; the axis knows the renames."""
    fields = git.run("diff-tree", "-r", "--no-renames", "--raw", "-z", old, new).split(b"\0")
    found: dict[bytes, Pair] = {}
    for meta, path in zip(fields[0:-1:2], fields[1::2], strict=False):
        old_mode, mode, old_oid, oid, status = meta.decode("ascii").removeprefix(":").split(" ")
        before = None if status == "A" else Side(path, old_mode, old_oid)
        found[path] = before, None if status == "D" else Side(path, mode, oid)
    return found


def upstream_name(transition: int, pair: Pair, edit: Edit) -> str:
    """The id of an upstream hunk."""
    side = pair[0] or pair[1]
    assert side is not None
    start = edit.old_start if edit.removed or not edit.old_start else edit.old_start - 1
    return f"upstream:{transition}:{side.path.decode('utf-8', 'surrogateescape')}:{start}"


def claim_upstream(transition: int, pair: Pair, edit: Edit) -> Claim:
    """An upstream hunk as the owner of edits."""
    lines = frozenset(edit.removed), frozenset(edit.added)
    return Claim(upstream_name(transition, pair, edit), 0, edit.new_start, *lines, has_lines=edit.size > 0)
