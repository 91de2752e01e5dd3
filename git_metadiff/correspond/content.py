"""Stage 3: what is left, anywhere: the same or nearly the same text in another file or another place."""

from __future__ import annotations

from collections import Counter, defaultdict

from git_metadiff.correspond.items import Item, Key, Sides, pair
from git_metadiff.correspond.place import LARGE, common_lines, is_certain, is_other_file, likeness, takes_other
from git_metadiff.correspond.rivals import settle_rivals
from git_metadiff.correspond.upstream import same_neighbours, sits_on_upstream
from git_metadiff.correspond.words import tokens
from git_metadiff.linemap import words_in

#: Least likeness of a change and its partner elsewhere.
LIKE_ENOUGH = 0.8
#: So many letters and digits a text must have to be known again in another file.
TELLING = 16
TELLING_LOSS = 40
#: A word that no other change has, of so many letters, tells enough: a name that downstream itself brought.
LONG_WORD = 8
#: A line of fewer letters and digits tells nothing.
LINE_TELLS = 16
#: So many candidates of a change are looked at closely.
CANDIDATES = 3
#: Least likeness of two new files of one name in different folders.
LIKE_FILE = 0.4
#: A line that more changes than this hold tells nothing about any of them.
RARE = 4


def match_contents(sides: Sides) -> None:
    """Pair text that shares rare lines, then new files by their name."""
    match_rare(sides)
    match_new_files(sides)


def telling(item: Item) -> bool:
    """Whether a change says enough to be known again elsewhere.

    One that still has its place in P must say more: a false move would hide a loss.
    """
    least = TELLING_LOSS if item.side == 0 and item.state == "placed" else TELLING
    return item.hunk.kind == "text" and words_in(item.text) >= least


def match_equal(sides: Sides) -> None:
    """Pair text that one open change of each side has; several are told apart by their surroundings, or not."""
    groups: dict[Key, tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
    for item in [*sides.open_old(), *sides.open_new()]:
        if item.hunk.kind == "text" and words_in(item.text) >= TELLING and item.state != "absorbed":
            groups[item.key][item.side].append(item)
    doubtful = []
    for old, new in groups.values():
        if len(old) == len(new) == 1:
            if telling(old[0]) and telling(new[0]):
                pair(old[0], new[0], "content")
            else:
                doubtful.append((old[0], new[0]))
        elif old and new and all(map(telling, (*old, *new))):
            settle_rivals(old, new)
    if doubtful:
        common = common_words(sides)
        for one, other in doubtful:
            own = any(len(word) >= LONG_WORD and word not in common for word in tokens(one.change.added))
            if own and (same_neighbours(one, other) or not sits_on_upstream(other, sides, set())):
                pair(one, other, "content")


def common_words(sides: Sides) -> set[bytes]:
    """The words that more than one change of a side adds or takes out."""
    common: set[bytes] = set()
    for items in (sides.old, sides.new):
        seen: set[bytes] = set()
        for item in items:
            words = {word for word in tokens(item.change.removed + item.change.added) if len(word) >= LONG_WORD}
            common |= words & seen
            seen |= words
    return common


def match_rare(sides: Sides) -> None:
    """Pair the most alike first among changes that share a rare line (inverted index over added lines)."""
    index: dict[bytes, list[Item]] = defaultdict(list)
    for new in sides.open_new():
        for line in {line.strip() for line in new.lines}:
            if telling(new) and words_in(line) >= LINE_TELLS:
                index[line].append(new)
    common = common_lines(sides.old) | common_lines(sides.new)
    scored = []
    for old in sides.open_old():
        if not telling(old) or old.state == "absorbed":
            continue
        votes: Counter[Item] = Counter()
        for line in {line.strip() for line in old.lines}:
            if len(index.get(line, ())) <= RARE:
                votes.update(index.get(line, ()))
        for new, _ in sorted(votes.items(), key=lambda entry: (-entry[1], entry[0].serial))[:CANDIDATES]:
            score = likeness(old, new)
            doubtful = takes_other(old, new) or (is_certain(old) and words_in(old.text) < LARGE)
            if score >= LIKE_ENOUGH and not doubtful and not is_other_file(old, new, common):
                scored.append((score, old.serial, new.serial, old, new))
    scored.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    for _, _, _, old, new in scored:
        if not old.partners and not new.partners:
            pair(old, new, "rare lines")


def match_new_files(sides: Sides) -> None:
    """Pair files that downstream itself adds, now in another folder: the only two of their name, somewhat alike."""
    groups: dict[bytes, tuple[list[Item], list[Item]]] = defaultdict(lambda: ([], []))
    for item in [*sides.open_old(), *sides.open_new()]:
        if item.hunk.kind == "text" and item.creates and item.state != "absorbed":
            groups[item.path.rpartition(b"/")[2]][item.side].append(item)
    for old, new in groups.values():
        if len(old) == len(new) == 1 and likeness(old[0], new[0]) >= LIKE_FILE:
            pair(old[0], new[0], "file name")
