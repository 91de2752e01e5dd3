"""Stage 2: the same place. What shares lines, overlaps or touches in U2 is the same change, edited."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from rapidfuzz.distance import Indel

from git_metadiff.correspond.items import Item, Sides, pair
from git_metadiff.correspond.words import same_edit, same_words
from git_metadiff.linemap import words_in
from git_metadiff.placing import said_alike

#: Least likeness of two texts that only stand at the same place and take out none of the same lines.
LIKE_ENOUGH = 0.5
#: Least likeness of two texts that stand within so many lines of each other, and of those further apart in a file.
LIKE_NEARBY = 0.7
NEARBY = 40
LIKE_FAR = 0.85
#: A text of fewer letters and digits is not known again at another place.
TELLING = 16
#: A change with a sure place must have so many to be known again elsewhere in its file.
LARGE = 100
#: So many lines halve the score of equal words: twins pair with the nearest.
FAR_AWAY = 10_000
#: A line that more new files of a side hold is a licence's, or the like; it makes no file the other's new name.
COMMON = 4
#: Least share of the lines of the smaller of two new files, without such lines, that both have.
OWN = 0.3


def match_places(sides: Sides) -> None:
    """Pair what shares lines, then what stands at the same place."""
    match_shared(sides)
    match_touching(sides)


def match_shared(sides: Sides) -> None:
    """Pair the parts of a split or merged change: all that share lines of D2 or take out the same lines of U2.

    A group in which every line is shared has the same effect on both sides, cut into other hunks or slid to an equal
    place by another diff.
    """
    edges: dict[Item, list[Item]] = defaultdict(list)
    common = common_lines(sides.old) | common_lines(sides.new)
    for old in sides.open_old():
        for new, count in old.shared.items():
            if not new.partners and is_solid(old, new, count) and not is_other_file(old, new, common):
                edges[old].append(new)
                edges[new].append(old)
    for group in components(edges):
        olds = [item for item in group if item.side == 0]
        news = [item for item in group if item.side == 1]
        whole = all(sum(item.shared.get(other, 0) for other in news) == item.size for item in olds) and all(
            sum(item.shared.get(other, 0) for other in olds) == item.size for item in news
        )
        for one in olds:
            for other in edges[one]:
                pair(one, other, "effect" if whole else "shared lines")


def components(edges: Mapping[Item, Sequence[Item]]) -> Iterator[list[Item]]:
    """The connected parts of a graph that gives each node's neighbours.

    Not networkx's, whose import takes longer than all else that a hook does.
    """
    seen: set[Item] = set()
    for start in edges:
        if start in seen:
            continue
        part = [start]
        seen.add(start)
        for item in part:  # grows while it is walked
            fresh = [other for other in edges[item] if other not in seen]
            seen.update(fresh)
            part += fresh
        yield part


def is_solid(old: Item, new: Item, count: int) -> bool:
    """Whether what two changes share is more than a brace or an empty line."""
    if count in (old.size, new.size):
        return True
    common = set(old.lines) & set(new.lines)
    return any(sum(byte > 47 for byte in line) > 3 for line in common)


def common_lines(items: Iterable[Item]) -> set[bytes]:
    """The lines that many of the files hold that a patchset adds."""
    counts = Counter(line for item in items if item.creates for line in set(item.change.added))
    return {line for line, count in counts.items() if count > COMMON}


def is_other_file(old: Item, new: Item, common: set[bytes]) -> bool:
    """Whether two new files of different names have little more than such lines in common.

    git takes a short file for the new name of another one where half of both is the same licence.
    """
    if not (old.creates and new.creates) or old.path.rpartition(b"/")[2] == new.path.rpartition(b"/")[2]:
        return False
    one, other = ({line for line in item.change.added if words_in(line) > 3} - common for item in (old, new))
    return len(one & other) < OWN * min(len(one), len(other)) or not (one and other)


def match_touching(sides: Sides) -> None:
    """Pair the most alike first among changes that overlap or touch in U2."""
    pair_best(sides, "place", alike_here)


def match_nearby(sides: Sides) -> None:
    """Pair the most alike first among changes that stand elsewhere in the same file: moved a little and edited."""
    pair_best(sides, "nearby", alike_nearby)


def alike_here(old: Item, new: Item) -> float:
    """How alike two changes are that overlap or touch; 0 if they do not, or if too little to be one change."""
    if not touch(old, new) or takes_other(old, new):
        return 0.0
    score = likeness(old, new)
    if same_edit(old.change, new.change) or is_rest(old, new):
        return max(score, LIKE_FAR)
    return score if score >= LIKE_ENOUGH or takes_same(old, new, score) else 0.0


def is_rest(old: Item, new: Item) -> bool:
    """Whether p2 adds, of an insertion that upstream has most of, what upstream lacks: little of the whole text."""
    if old.reason != "alike" or new.change.removed:
        return False
    return said_alike(list(new.change.added), list(old.change.added)) * 2 > words_in(b"".join(new.change.added))


def alike_nearby(old: Item, new: Item) -> float:
    """How alike two changes of one file are; the further apart, the more alike they must be."""
    if takes_other(old, new) or is_opposite(old, new):
        return 0.0
    apart = max(0, new.place[0] - old.place[1], old.place[0] - new.place[1])
    if old.state == "unplaced" and same_words(old.change, new.change):
        return 1.0 / (1.0 + apart / FAR_AWAY)
    if min(words_in(old.text), words_in(new.text)) < (LARGE if is_certain(old) else TELLING):
        return 0.0
    least = LIKE_NEARBY if apart <= NEARBY else LIKE_FAR
    score = likeness(old, new)
    return score if score >= least else 0.0


def pair_best(sides: Sides, evidence: str, score: Callable[[Item, Item], float]) -> None:
    """Pair changes of one file by falling score; an item may be part of several pairs while one side is still alone."""
    waiting: dict[bytes, list[Item]] = defaultdict(list)
    for new in sides.open_new():
        if new.hunk.kind == "text":
            waiting[new.file].append(new)
    scored = []
    for old in sides.open_old():
        if old.hunk.kind == "text" and old.state != "absorbed":
            scored += [(score(old, new), old.serial, new.serial, old, new) for new in waiting.get(old.file, ())]
    scored.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    for points, _, _, old, new in scored:
        if points > 0 and not (old.partners and new.partners):
            pair(old, new, evidence)


def touch(old: Item, new: Item) -> bool:
    """Whether two places of U2 overlap or touch."""
    return old.place[0] <= new.place[1] and new.place[0] <= old.place[1]


def is_certain(old: Item) -> bool:
    """Whether a change has its place in P for sure: then what stands elsewhere in p2 is hardly the same change.

    Guards and casts are alike all over a file; one that is lost here and one that is new there are two changes.
    """
    return old.state == "placed" and old.sure


def takes_other(old: Item, new: Item) -> bool:
    """Whether two changes take out different lines of U2, though the first one's are still there."""
    if old.state != "placed" or not old.gone or not new.gone:
        return False
    return not any(low < stop and start < high for low, high in old.gone for start, stop in new.gone)


def is_opposite(old: Item, new: Item) -> bool:
    """Whether one change only takes out and the other only adds: what they have in common goes two ways."""
    return not (old.change.added or new.change.removed) or not (old.change.removed or new.change.added)


def takes_same(old: Item, new: Item, score: float) -> bool:
    """Whether p2 changes lines that p1's change, unplaced, would stand on: upstream's form of the same lines."""
    overlap = min(old.place[1], new.place[1]) - max(old.place[0], new.place[0])
    return overlap > 0 and bool(old.change.removed) and bool(new.change.removed) and score >= LIKE_ENOUGH / 2


def likeness(old: Item, new: Item) -> float:
    """Indel similarity of the changed text of two items, by bytes, 0 to 1."""
    return float(Indel.normalized_similarity(old.text[:20000], new.text[:20000]))


def similarity(old: list[bytes], new: list[bytes]) -> float:
    """Indel similarity of two lists of lines, 0 to 1."""
    return float(Indel.normalized_similarity(old, new)) if old or new else 1.0
