"""Edits of P..D2 without which P cannot build, whatever their verdicts say: upstream broke the lines that they change.

A patchset that brings whole files is one change a file, so that its author's fit to upstream's new interface cannot be
told from the rest of his work by lines alone. It can by names: P still uses one that upstream took out of a header, or
defines once more what upstream itself defines by now. And P may close more than it opens, where upstream moved the
lines that p1 stood between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from git_metadiff.bisect.edits import Axis, Edit, text_edits
from git_metadiff.bisect.names import WORD, defined_in, is_code, is_header
from git_metadiff.bisect.nesting import out_of_balance
from git_metadiff.bisect.owners import changed_sides
from git_metadiff.bisect.ties import OPENED, TELLING
from git_metadiff.git import Git


def broken_by_upstream(git: Git, releases: tuple[str, str], axis: Axis, candidates: Iterable[int]) -> set[int]:
    """Of some edits of P..D2, all of lines that p1 brought, those that take out what upstream broke between two trees:
    `releases`."""
    chosen = set(candidates)
    mine = [at for at in chosen if is_code(axis.edits[at].path)]
    twice = {at: names for at in mine if (names := undefined_by(axis.edits[at]))}
    homes = {axis.edits[at].path for at in twice}
    sides = changed_sides(git, *releases)
    pairs = {path: pair for path, pair in sides.items() if all(pair) and (is_header(path) or path in homes)}
    changes = dict(zip(pairs, text_edits(git, list(pairs.values())), strict=True))
    gone = taken_out(one for path, found in changes.items() if is_header(path) for one in found or ())
    brought = {path: defined_by(changes[path] or ()) for path in homes & changes.keys()}
    again = set[bytes]().union(*(names & brought.get(axis.edits[at].path, set()) for at, names in twice.items()))
    uses = {at for at in mine if not gone.isdisjoint(taken_out([axis.edits[at]]))}
    uses |= {at for at in mine if not again.isdisjoint(WORD.findall(b"\n".join(axis.edits[at].removed)))}
    torn = {at for file in axis.files for at in out_of_balance(axis, file) if at in chosen}
    return uses | torn


def undefined_by(edit: Edit) -> set[bytes]:
    """The names that an edit takes a definition of away: fewer of its new lines than of the old ones mention them."""
    names = {name for name in definitions(edit, edit.removed) if TELLING.match(name)}
    return {name for name in names if mentions(edit.removed, name) > mentions(edit.added, name)}


def mentions(lines: Sequence[bytes], name: bytes) -> int:
    """How many lines have a word."""
    return sum(name in WORD.findall(text) for text in lines)


def defined_by(edits: Iterable[Edit]) -> set[bytes]:
    """The names that edits of a file bring the definition of."""
    come: set[bytes] = set()
    gone: set[bytes] = set()
    for edit in edits:
        come |= definitions(edit, edit.added)
        gone |= definitions(edit, edit.removed)
    return come - gone


def definitions(edit: Edit, lines: Sequence[bytes]) -> set[bytes]:
    """The names that lines of an edit define."""
    text = b"\n".join(lines)
    return {one.name for one in defined_in(edit.path, text, edit.sections)} | set(OPENED.findall(text))


def taken_out(edits: Iterable[Edit]) -> set[bytes]:
    """The words that are in lines taken out, and in none put in."""
    gone: set[bytes] = set()
    come: set[bytes] = set()
    for edit in edits:
        gone.update(WORD.findall(b"\n".join(edit.removed)))
        come.update(WORD.findall(b"\n".join(edit.added)))
    return {name for name in gone - come if TELLING.match(name)}
