"""Which unit needs which: a use needs its definition in before it, and a definition that goes needs its uses gone.

A name that few units share holds them together; one that many share only orders them, so that no widely used
identifier makes one step of everything.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from git_metadiff.bisect.edits import Axis
from git_metadiff.bisect.names import defined_in, used_in, whole_names
from git_metadiff.bisect.units import Unit

#: Up to so many units with a name in common go together.
NARROW = 8
#: Where a definition itself changes, so do its uses: all of them together, up to so many.
CHANGED = 32
#: A name that more units share is too common to say anything.
COMMON = 400
#: More definitions of one name are one for each architecture or driver.
MOST_DEFINITIONS = 6
#: A link that only holds together what could also come one after the other is as weak as that of a name that sixteen
#: times as many units share.
SOFT = 4

#: A scope in which a name means one thing: a file, or None for everywhere.
Scope = bytes | None


class Need(NamedTuple):
    """`user` cannot be in without `other`."""

    user: int
    other: int
    rank: int  # the higher, the weaker: the first to be given up where too much would go together
    is_soft: bool = False  # it could do without; they only belong together


@dataclass(slots=True)
class Sharers:
    """The units that define or use a name, by what they do with it."""

    defined: set[int]  # in added lines
    undefined: set[int]  # in removed lines
    used: set[int]
    unused: set[int]


#: The edits that have a name in the four places of `Sharers`, an edit once for each of its sides.
Mentioned = tuple[list[int], list[int], list[int], list[int]]
#: A name in its scope -> what mentions it.
Mentions = dict[tuple[bytes, Scope], Mentioned]


def needs_of(units: Sequence[Unit], mentions: Mentions) -> list[Need]:
    """What the units need of each other, by the names in their lines."""
    home = {at: number for number, unit in enumerate(units) for at in unit.edits}
    found: list[Need] = []
    for mine in mentions.values():
        if sum(map(len, mine)) > 1:
            found += links(Sharers(*({home[at] for at in edits if at in home} for edits in mine)))
    return found


def mentions_of(axis: Axis) -> Mentions:
    """Every name that some edit defines or undefines, in its scope, with the edits that mention it."""
    found: Mentions = {}
    for at, edit in enumerate(axis.edits):
        for name, scope, comes in definitions(axis, at):
            found.setdefault((name, scope), ([], [], [], []))[not comes].append(at)
        if edit.kind == "rename":
            old = axis.files[axis.homes[at][0]].old
            assert old is not None
            for name in whole_names("delete", old.path):
                found.setdefault((name, None), ([], [], [], []))[1].append(at)
    nothing: set[bytes] = set()
    local: dict[bytes, set[bytes]] = defaultdict(set)
    everywhere = {name for name, scope in found if scope is None}
    for name, scope in found:
        if scope is not None:
            local[scope].add(name)
    for at, edit in enumerate(axis.edits):
        mine = local.get(edit.path, nothing)
        for place, lines in ((2, edit.added), (3, edit.removed)):
            if lines:
                words = used_in(edit.path, b"\n".join(lines))
                for name in words & mine:  # the narrowest scope that has it
                    found[name, edit.path][place].append(at)
                for name in (words & everywhere) - mine:
                    found[name, None][place].append(at)
    return found


def definitions(axis: Axis, at: int) -> Iterator[tuple[bytes, Scope, bool]]:
    """What an edit defines: name, scope, and whether the definition comes (or goes)."""
    edit = axis.edits[at]
    is_whole = edit.kind in ("create", "delete")  # of one unit: what is local to it needs nobody else
    for lines, comes in ((edit.added, True), (edit.removed, False)):
        if lines:
            for one in defined_in(edit.path, b"\n".join(lines), edit.sections, is_whole=is_whole):
                yield one.name, edit.path if one.is_local else None, comes
    for name in whole_names(edit.kind, edit.path):
        yield name, None, edit.kind != "delete"


def links(one: Sharers) -> Iterator[Need]:
    """What the units that share a name need of each other."""
    width = len(one.defined | one.undefined | one.used | one.unused)
    if not 1 < width <= COMMON or len(one.defined | one.undefined) > MOST_DEFINITIONS:
        return
    rank = round(math.log2(width))
    if one.defined and one.undefined:
        yield from links_of_changed(one, width, rank)
    elif one.defined and not one.unused:  # else it was there before, defined elsewhere
        yield from directed(one.used, one.defined, rank, is_narrow=width <= NARROW)
        yield from bound(one.defined, rank + SOFT, is_soft=True)
    elif one.undefined and not one.used:
        yield from directed(one.undefined, one.unused, rank, is_narrow=width <= NARROW)
        yield from bound(one.undefined, rank + SOFT, is_soft=True)


def links_of_changed(one: Sharers, width: int, rank: int) -> Iterator[Need]:
    """A definition that changes or moves: its parts are one, and so are those uses that change with it."""
    definers = one.defined | one.undefined
    yield from bound(definers, rank)
    changed = (one.used & one.unused) - definers
    if width <= CHANGED:
        for user in changed:
            yield from bound([user, *definers], rank + 1)
    else:
        yield from directed(changed, definers, rank, is_narrow=False)
    yield from directed(one.used - one.unused, one.defined, rank, is_narrow=width <= NARROW)
    yield from directed(one.undefined, one.unused - one.used, rank, is_narrow=width <= NARROW)


def directed(users: Iterable[int], others: Iterable[int], rank: int, *, is_narrow: bool) -> Iterator[Need]:
    """Each of `users` needs each of `others`; narrow ones go together."""
    others = list(others)
    for user in users:
        for other in others:
            if user != other:
                yield Need(user, other, rank)
                if is_narrow:
                    yield Need(other, user, rank + SOFT, True)


def bound(units: Iterable[int], rank: int, *, is_soft: bool = False) -> Iterator[Need]:
    """All of these need each other."""
    for one, other in combinations(sorted(units), 2):
        yield Need(one, other, rank, is_soft)
        yield Need(other, one, rank, is_soft)


def closed(needs: Iterable[Need], seeds: Set[int], *, backwards: bool = False) -> set[int]:
    """Some units and all that they cannot do without; `backwards`, all that cannot do without them."""
    steps: dict[int, set[int]] = defaultdict(set)
    for one in needs:
        if not one.is_soft:
            before, after = (one.other, one.user) if backwards else (one.user, one.other)
            steps[before].add(after)
    found, pending = set(seeds), list(seeds)
    while pending:
        fresh = steps[pending.pop()] - found
        found |= fresh
        pending += fresh
    return found
