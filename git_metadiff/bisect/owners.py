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

from git_metadiff.bisect.edits import Axis, Edit
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


def owners_of(edit: Edit, claims: Sequence[Claim]) -> list[Claim]:
    """The changes, of those in its file, that own one of its lines; of what a file changes as a whole, all such."""
    if edit.kind != "text" and not edit.size:
        return [one for one in claims if not one.has_lines] or list(claims)
    found = voted(edit, claims, LEAST_WORDS)
    return found or voted(edit, claims, 0)


def voted(edit: Edit, claims: Sequence[Claim], least: int) -> list[Claim]:
    """The owners by lines of at least so many letters and digits; in the order of the claims."""
    chosen = set()
    sides = [(set(edit.removed), [one.removed for one in claims]), (set(edit.added), [one.added for one in claims])]
    for lines, theirs in sides:
        for text in lines:
            if words_in(text) < least:
                continue
            having = [at for at, one in enumerate(theirs) if text in one]
            if having:
                chosen.add(min(having, key=lambda at: abs(claims[at].start - edit.new_start)))
    return [claims[at] for at in sorted(chosen)]


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


def own(axis: Axis, claims: Mapping[bytes, Sequence[Claim]]) -> Axis:
    """The axis, its edits with the ids of the hunks that own them; others keep those that they have."""
    found = {}
    for at, edit in enumerate(axis.edits):
        mine = claims.get(edit.path)
        owners = ids_of(owners_of(edit, mine)) if mine else ()
        if owners:
            found[at] = owners
    return axis.owned(found)
