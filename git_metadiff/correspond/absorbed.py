"""Stage 4, first part: is the effect of a left-over change of p1 in U2, though not where the line map leads?

Upstream often takes a change over a few lines away, indented or wrapped otherwise, with another comment. Then it stands
in the new release as upstream's own code, in the same function. Each such place can explain one change only: of twins,
upstream may have taken one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from git_metadiff.bare import bare, find_bare
from git_metadiff.correspond.items import Item, Sides, map_of
from git_metadiff.correspond.refined import NEARBY, REFINED, REFINED_FILE, find_refined, is_refined_file
from git_metadiff.correspond.upstream import Texts, upstream_id
from git_metadiff.correspond.worded import find_worded
from git_metadiff.linemap import Block, LineMap, words_in
from git_metadiff.model import Range, Verdict
from git_metadiff.placing import WRAPPED
from git_metadiff.sections import Sections

#: A text of fewer letters and digits is known again only beside its place.
TELLING = 16
#: One of so many near its place too, if the release has it once and the earlier one had it nowhere.
SHORT = 8
#: A text of so many may stand anywhere in the file.
CERTAIN = 40
WORDS = "the new release holds its effect at line {}, as upstream's own code"


def find_absorbed(sides: Sides, texts: Texts, sections: Sections, transition: int) -> None:
    """Give what is left of p1 and is in U2 its verdict, and the upstream hunks that hold it."""
    waiting: dict[tuple[bytes, bytes], list[Item]] = defaultdict(list)
    taken: dict[tuple[bytes, bytes], list[Item]] = defaultdict(list)
    for item in sides.old:
        if item.hunk.kind != "text" or not item.change.added or not map_of(sides, item.file).blocks:
            continue
        if item.state == "absorbed":
            taken[item.file, bare(item.change.added)].append(item)
        elif not item.partners and item.verdict is None and not item.superseded and is_gone(item, sides):
            waiting[item.file, bare(item.change.added)].append(item)
    for (file, text), items in waiting.items():
        size = len(items[0].change.added)
        places = fresh_places(text, size, texts("new", file), map_of(sides, file)) if text else []
        for item in taken[file, text]:
            places = [place for place in places if distance(item, place) > 0] or places[:-1]
        for item in items:
            found = next((place for place in places if fits(item, place, sections)), None)
            if found is None and is_only_one(item, places, texts):
                found = places[0]
            if found is not None:
                places.remove(found)
                settle(item, found, Verdict("absorbed", None, "elsewhere", WORDS), sides, transition)
    settle_refined([item for items in waiting.values() for item in items], sides, texts, transition)
    for item in sides.open_old():
        if item.reason == "file-exists" and is_refined_file(item, texts("new", item.file)):
            item.verdict = REFINED_FILE


def is_only_one(item: Item, places: list[Range], texts: Texts) -> bool:
    """Whether a short text, which tells little, stands near its place and nowhere else in either release."""
    if len(places) != 1 or words_in(b"".join(item.change.added)) < SHORT or distance(item, places[0]) > NEARBY:
        return False
    text, old, new = bare(item.change.added), texts("old", item.file), texts("new", item.file)
    return not find_bare(text, old, 0, len(old)) and len(find_bare(text, new, 0, len(new))) == 1


def settle_refined(items: list[Item], sides: Sides, texts: Texts, transition: int) -> None:
    """Give what is still left, and is in U2 as upstream has refined it, its verdict; each place explains one change."""
    taken: set[tuple[bytes, Range]] = set()
    for item in sorted(items, key=lambda one: one.serial):
        if item.verdict is None:
            place = find_refined(item, texts("new", item.file), map_of(sides, item.file), NEARBY)
            if place is not None and (item.file, place) not in taken:
                taken.add((item.file, place))
                settle(item, place, REFINED, sides, transition)
        if item.verdict is None and item.state == "unplaced" and item.change.removed:
            place = find_worded(item, texts("old", item.file), texts("new", item.file), map_of(sides, item.file))
            if place is not None:  # its own lines: no other change can be meant
                settle(item, place, REFINED, sides, transition)


def is_gone(item: Item, sides: Sides) -> bool:
    """Whether U2 has none of the lines that a change takes out, braces and the like aside."""
    left = map_of(sides, item.file).pieces(*item.base) if item.change.removed else []
    if not left or item.base[1] - item.base[0] != len(item.change.removed):
        return not left
    lines = (item.change.removed[start - item.base[0] : start - item.base[0] + size] for start, _, size in left)
    return all(words_in(line) <= 3 for piece in lines for line in piece)


def distance(item: Item, place: Range) -> int:
    """How many lines of U2 lie between a change's place and another."""
    return max(0, place[0] - item.place[1], item.place[0] - place[1])


def fresh_places(text: bytes, size: int, lines: list[bytes], known: LineMap) -> list[Range]:
    """Where the bare text of `size` lines stands in upstream's new lines; nothing else of the file is looked at."""
    room, found = size + WRAPPED, []
    low = high = 0
    for block in [*known.blocks, Block(0, 0, len(lines) + room, len(lines) + room)]:
        if block.c - room > high or block.c > len(lines):
            found += find_bare(text, lines, low, min(high, len(lines)))
            low = block.c - room
        high = block.d + room
    return [place for place in found if sum(known.is_new(at) for at in range(*place)) * 2 > place[1] - place[0]]


def fits(item: Item, place: Range, sections: Sections) -> bool:
    """Whether a text in U2 can be what became of a change: near enough, for what it says."""
    apart, says = distance(item, place), words_in(b"".join(item.change.added))
    if says < TELLING:
        return apart == 0
    if apart <= NEARBY or says >= CERTAIN:
        return True
    here, there = sections.name("new", item.file, item.place[0]), sections.name("new", item.file, place[0])
    return here is not None and here == there


def settle(item: Item, place: Range, verdict: Verdict, sides: Sides, transition: int) -> None:
    """Give a change its verdict, in whose words the place is put."""
    item.verdict = replace(verdict, text=verdict.text.format(place[0] + 1))
    path = sides.sources.get(item.file, item.file)
    item.upstream = tuple(upstream_id(transition, path, block) for block in map_of(sides, item.file).touches(*place))
