"""Stage 1: the same text in the same file. What P and D2 share decides first, then order and place."""

from __future__ import annotations

from collections import defaultdict

from git_metadiff.correspond.items import Item, Key, Sides, pair

#: A cost that no real distance reaches: leaving an item alone is worse than any pairing.
FAR = 1 << 40


def match_exact(sides: Sides) -> None:
    """Pair changes of equal text whose whole effect is the same; then the rest of equal text, by order and place."""
    for old in sides.old:
        same = [new for new, count in old.shared.items() if new.key == old.key and count == old.size == new.size]
        if len(same) == 1 and not same[0].partners:
            pair(old, same[0], "exact")
    match_lineless(sides)
    match_in_order(sides)


def match_lineless(sides: Sides) -> None:
    """Pair hunks without lines: one of a kind a file."""
    waiting = {(item.file, item.hunk.kind): item for item in sides.open_new() if item.hunk.kind != "text"}
    for old in sides.open_old():
        if old.hunk.kind != "text":
            new = waiting.pop((old.file, old.hunk.kind), None)
            if new is not None:
                pair(old, new, "lineless")


def match_in_order(sides: Sides) -> None:
    """Pair what is left of equal text in the same file.

    An absorbed change stays out: its twin is a second application.
    """
    groups: dict[tuple[bytes, Key], tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
    for item in sides.open_old():
        if item.hunk.kind == "text" and item.state != "absorbed":
            groups[item.file, item.key][0].append(item)
    for item in sides.open_new():
        if item.hunk.kind == "text":
            groups[item.file, item.key][1].append(item)
    for old, new in groups.values():
        if old and new:
            align(sorted(old, key=lambda item: item.place), sorted(new, key=lambda item: item.place))


def align(old: list[Item], new: list[Item]) -> None:
    """Pair in order, as many as possible, over the least total distance (dynamic programming, n x m)."""
    rows, columns = len(old), len(new)
    cost = [[0] * (columns + 1) for _ in range(rows + 1)]
    for at in range(1, rows + 1):
        cost[at][0] = cost[at - 1][0] + FAR
    for at in range(1, columns + 1):
        cost[0][at] = cost[0][at - 1] + FAR
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            met = cost[row - 1][column - 1] + distance(old[row - 1], new[column - 1])
            cost[row][column] = min(met, cost[row - 1][column] + FAR, cost[row][column - 1] + FAR)
    row, column = rows, columns
    while row and column:
        one, other = old[row - 1], new[column - 1]
        if cost[row][column] == cost[row - 1][column - 1] + distance(one, other):
            pair(one, other, "text")
            row, column = row - 1, column - 1
        elif cost[row][column] == cost[row - 1][column] + FAR:
            row -= 1
        else:
            column -= 1


def distance(old: Item, new: Item) -> int:
    """How far apart two changes of equal text stand in U2, in lines; other context weighs as some lines more."""
    apart = max(0, new.place[0] - old.place[1], old.place[0] - new.place[1])
    return 4 * apart + (old.change.before != new.change.before) + (old.change.after != new.change.after)
