"""Ties: what an edit of P..D2 cannot do without, by names and by nesting.

Stricter than what groups a chain (`needs`): a tie decides to which side of F an edit belongs, where a mistake is seen,
so only names count that tell something by themselves, and of several definitions of a name one is enough.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from git_metadiff.bisect.edits import Axis, Edit
from git_metadiff.bisect.names import WORD, is_code
from git_metadiff.bisect.needs import CHANGED, MOST_DEFINITIONS, Sharers, mentions_of
from git_metadiff.bisect.nesting import nested

#: Names of several words, of capital letters, and those of files: `offset` may be a member of any struct, and what
#: begins with two underscores is an attribute, which stands where a name is defined.
TELLING = re.compile(rb"(?!__)(?:.*[a-z0-9]_+[A-Za-z0-9]|.*[a-z][A-Z]|[A-Z][A-Z0-9_]{3,}$|.* )", re.DOTALL)

#: A function whose name begins a line of its own, below its type.
OPENED = re.compile(rb"^(\w{4,})[ \t]*\([^;]*$", re.MULTILINE)
DECLARATION = re.compile(rb"(?:extern\b.*|[A-Za-z_][^={]*\([^={]*);[ \t]*(?:/[*/].*)?$")


@dataclass(frozen=True, slots=True)
class Tie:
    """Where one of `users` is in, `others` must be: all of them, or any."""

    users: frozenset[int]
    others: frozenset[int]
    is_whole: bool = True

    def is_torn(self, inside: Set[int]) -> bool:
        """Whether a user is in without what it cannot do without."""
        if self.users.isdisjoint(inside):
            return False
        return not self.others <= inside if self.is_whole else self.others.isdisjoint(inside)


def ties_of(axis: Axis) -> list[Tie]:
    """The ties between the edits of an axis."""
    found = [Tie(frozenset(nest), frozenset(nest)) for file in axis.files for nest in nested(axis, file)]
    for (name, _), mine in mentions_of(axis).items():
        if TELLING.match(name):
            found += ties_by(axis, name, Sharers(*map(set, mine)))
    return [*found, *ties_of_functions(axis)]


def ties_of_functions(axis: Axis) -> Iterator[Tie]:
    """The ties of functions that come, their names below their types, to what calls them."""
    openers: dict[bytes, set[int]] = defaultdict(set)
    for at, edit in enumerate(axis.edits):
        for name in OPENED.findall(b"\n".join(edit.added)) if is_code(edit.path) else ():
            openers[name].add(at)
    users: dict[bytes, set[int]] = defaultdict(set)
    for at, edit in enumerate(axis.edits):
        for name in openers.keys() & WORD.findall(b"\n".join(edit.removed)):
            del openers[name]  # it was there before
        for name in openers.keys() & WORD.findall(b"\n".join(edit.added)):
            users[name].add(at)
    for name, definers in openers.items():
        if TELLING.match(name) and len(definers) <= MOST_DEFINITIONS and len(users[name]) <= CHANGED:
            yield Tie(frozenset(users[name] - definers), frozenset(definers), is_whole=False)


def ties_by(axis: Axis, name: bytes, one: Sharers) -> Iterator[Tie]:
    """The ties of the edits that share a name."""
    definers = frozenset(one.defined | one.undefined)
    if len(definers) > MOST_DEFINITIONS or len(definers | one.used | one.unused) > CHANGED:
        return
    if one.defined and one.undefined:
        changed = frozenset(one.used & one.unused) - definers
        yield Tie(definers, definers | changed)
        yield Tie(changed, definers)
    elif one.defined and not one.unused:  # else it was there before, defined elsewhere
        users = frozenset(one.used) - definers
        proper = frozenset(at for at in definers if not is_declaration(axis.edits[at], name))
        yield Tie(users | definers if proper else users, proper or definers, is_whole=False)
        if name.startswith(b"object "):  # a file that comes is no use without its Makefile line
            yield Tie(definers, users)
    elif one.undefined and not one.used:
        yield Tie(definers, frozenset(one.unused) - definers)


def is_declaration(edit: Edit, name: bytes) -> bool:
    """Whether an edit declares a name only: `extern struct form forms[];`."""
    lines = [text for text in edit.added if name in text]
    return bool(lines) and all(DECLARATION.match(text) for text in lines)


def tied(ties: Sequence[Tie], inside: Set[int]) -> set[int]:
    """Some edits, and all that they cannot do without."""
    found = set(inside)
    while torn := [one for one in ties if one.is_torn(found)]:
        for one in torn:
            found |= one.others
    return found


def untied(ties: Sequence[Tie], inside: Set[int], left: Set[int]) -> set[int]:
    """Those of the edits `left` that can be in beside `inside` without what is in neither."""
    found = set(left)
    while True:
        lost = {at for one in ties if one.is_torn(found | inside) for at in one.users & found}
        if not lost:
            return found
        found -= lost
