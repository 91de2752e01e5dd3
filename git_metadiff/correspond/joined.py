"""Stage 3, last: what is left of p1 without a place, and is a part of a larger change of p2.

Upstream touched the lines between two changes, and the author's two have become one. It is paired already, with the
other of the two; all the words of this one, removed and added, stand in it, and its partners have none of them.
"""

from __future__ import annotations

from collections import defaultdict

from git_metadiff.correspond.items import Item, Sides, pair
from git_metadiff.correspond.words import tokens
from git_metadiff.linemap import words_in
from git_metadiff.model import Change

#: A change of fewer letters and digits may be part of another one by chance.
TELLING = 16


def match_joined(sides: Sides) -> None:
    """Pair what is left of p1 and replaces lines with the one change of p2 in its file that holds it."""
    waiting: dict[bytes, list[Item]] = defaultdict(list)
    for new in sides.new:
        if new.partners and new.hunk.kind == "text" and new.change.removed and new.change.added:
            waiting[new.file].append(new)
    for old in sides.open_old():
        if old.state != "unplaced" or not is_telling(old):
            continue
        holders = [new for new in waiting.get(old.file, ()) if holds(new.change, old.change)]
        if len(holders) == 1 and not any(shares(other.change, old.change) for other in holders[0].partners):
            pair(old, holders[0], "joined")


def is_telling(old: Item) -> bool:
    """Whether a change replaces lines, with words enough to be known again."""
    change = old.change
    return (
        old.hunk.kind == "text" and min(words_in(b"".join(side)) for side in (change.removed, change.added)) >= TELLING
    )


def holds(larger: Change, part: Change) -> bool:
    """Whether a change removes and adds all that another one does, white space aside."""
    return spelled(part.removed) in spelled(larger.removed) and spelled(part.added) in spelled(larger.added)


def shares(one: Change, other: Change) -> bool:
    """Whether a change removes or adds all that another one does: then it may be that one's twin."""
    return spelled(other.removed) in spelled(one.removed) or spelled(other.added) in spelled(one.added)


def spelled(lines: tuple[bytes, ...]) -> bytes:
    """The words and signs of some lines, each between line ends."""
    return b"".join(b"\n" + word for word in tokens(lines)) + b"\n"
