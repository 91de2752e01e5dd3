"""Which change is which, by text, order, estimated place and context: cheap and certain first, vague last."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from git_metadiff.correspond.content import match_contents, match_equal
from git_metadiff.correspond.exact import match_lineless
from git_metadiff.correspond.items import Item, Key, Sides, pair
from git_metadiff.correspond.place import likeness, pair_best
from git_metadiff.correspond.upstream import same_neighbours
from git_metadiff.correspond.words import same_edit, same_words
from git_metadiff.linemap import words_in
from git_metadiff.model import Change

#: Leaving a change alone costs more than any pairing.
FAR = 1 << 40
#: So many lines a different neighbour counts as, a different function, and a place that nobody knows at most.
NEIGHBOUR, SECTION, MOST_APART = 40, 60, 4000
#: Estimated places that lie within so many lines are one place.
SLACK = 8
LIKE_HERE = 0.5
LIKE_EDIT = 0.85
#: Least likeness within so many lines, and further away in the file.
LIKE_NEARBY, NEARBY, LIKE_FAR = 0.7, 40, 0.85
TELLING = 16
#: A line of fewer letters and digits is in any change.
LINE_TELLS = 4


def match(sides: Sides) -> None:
    """Pair the changes of two patchsets whose places were brought together."""
    match_lineless(sides)
    match_same_text(sides, lambda item: item.key)
    match_same_text(sides, lambda item: ("slid", *slid(item.change)), "effect")
    match_recut(sides)
    pair_best(sides, "place", alike_here)
    match_equal(sides)
    pair_best(sides, "nearby", alike_nearby)
    match_contents(sides)


def match_same_text(sides: Sides, key: Callable[[Item], Key], evidence: str = "text") -> None:
    """Pair changes of one key in the same file, in order, over the least distance."""
    groups: dict[tuple[bytes, Key], tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
    for item in [*sides.open_old(), *sides.open_new()]:
        if item.hunk.kind == "text":
            groups[item.file, key(item)][item.side].append(item)
    for old, new in groups.values():
        if len(old) == len(new) == 1:
            pair(old[0], new[0], evidence)
        elif old and new:
            align(sorted(old, key=order), sorted(new, key=order), evidence)


def order(item: Item) -> tuple[int, int]:
    """By place, then by patch."""
    return item.place[0], item.serial


def align(old: Sequence[Item], new: Sequence[Item], evidence: str) -> None:
    """Pair in order, as many as possible, over the least total distance (dynamic programming, n x m)."""
    apart = [[distance(one, other) for other in new] for one in old]
    cost = [[FAR * (row or column) for column in range(len(new) + 1)] for row in range(len(old) + 1)]
    for row in range(1, len(old) + 1):
        for column in range(1, len(new) + 1):
            met = cost[row - 1][column - 1] + apart[row - 1][column - 1]
            cost[row][column] = min(met, cost[row - 1][column] + FAR, cost[row][column - 1] + FAR)
    row, column = len(old), len(new)
    while row and column:
        if cost[row][column] == cost[row - 1][column - 1] + apart[row - 1][column - 1]:
            row, column = row - 1, column - 1
            pair(old[row], new[column], evidence)
        elif cost[row][column] == cost[row - 1][column] + FAR:
            row -= 1
        else:
            column -= 1


def distance(old: Item, new: Item) -> int:
    """How little two changes of one text look like the same place, in lines."""
    one, other = old.change, new.change
    differs = (one.before[-1:] != other.before[-1:]) + (one.after[:1] != other.after[:1])
    differs += (one.before[-2:-1] != other.before[-2:-1]) + (one.after[1:2] != other.after[1:2])
    return min(gap(old, new), MOST_APART) + NEIGHBOUR * differs + SECTION * (old.hunk.section != new.hunk.section)


def gap(old: Item, new: Item) -> int:
    """Lines between two places; 0 if they touch."""
    return max(0, new.place[0] - old.place[1], old.place[0] - new.place[1])


def slid(change: Change) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """A change slid up as far as its hunk's context shows that it can: another diff may cut it there."""
    removed, added, before = change.removed, change.added, change.before
    if bool(removed) == bool(added):
        return removed, added
    lines = removed or added
    for text in reversed(before):
        if lines[-1] != text:
            break
        lines = (text, *lines[:-1])
    return (lines, ()) if removed else ((), lines)


def match_recut(sides: Sides) -> None:
    """Pair the parts of changes that were split or merged: all lines of the smaller are in the larger, near by."""
    news: dict[bytes, list[Item]] = defaultdict(list)
    for item in sides.open_new():
        news[item.file].append(item)
    olds = [item for item in sides.open_old() if item.hunk.kind == "text" and item.file in news]
    found = [(old, new) for old in olds for new in news[old.file] if is_part(old, new)]
    mates: dict[Item, list[Item]] = defaultdict(list)
    for old, new in found:
        mates[old].append(new)
        mates[new].append(old)
    for old, new in found:
        pair(old, new, "effect" if adds_up(old, mates[old]) or adds_up(new, mates[new]) else "shared lines")


def is_part(old: Item, new: Item) -> bool:
    """Whether one of two changes near each other holds all lines of the other, and they say something."""
    if new.hunk.kind != "text" or gap(old, new) > NEARBY:
        return False
    one, other = Counter(old.lines), Counter(new.lines)
    common = one & other
    return common.total() == min(one.total(), other.total()) and any(words_in(line) > LINE_TELLS for line in common)


def adds_up(whole: Item, parts: Sequence[Item]) -> bool:
    """Whether the parts hold the lines of the whole, each as often."""
    return Counter(whole.lines) == Counter(line for part in parts for line in part.lines)


def alike_here(old: Item, new: Item) -> float:
    """How alike two changes are that stand at one place, by its estimate or by what is around them; 0: not enough."""
    if old.creates and new.creates:
        return max(likeness(old, new), LIKE_HERE)
    near = gap(old, new) <= SLACK
    if not near and not same_neighbours(old, new):
        return 0.0
    if same_words(old.change, new.change):
        return 1.0
    score = likeness(old, new)
    if same_edit(old.change, new.change):
        return max(score, LIKE_EDIT)
    takes_same = near and words_in(b"".join(old.change.removed)) >= TELLING and old.change.removed == new.change.removed
    return max(score, LIKE_HERE) if takes_same else score if score >= LIKE_HERE else 0.0


def alike_nearby(old: Item, new: Item) -> float:
    """How alike two changes of one file are; the further apart, the more alike they must be."""
    if same_words(old.change, new.change):
        return 1.0 / (1.0 + gap(old, new) / MOST_APART)
    if min(words_in(old.text), words_in(new.text)) < TELLING:
        return 0.0
    score = likeness(old, new)
    return score if score >= (LIKE_NEARBY if gap(old, new) <= NEARBY else LIKE_FAR) else 0.0
