"""Stage 4, first part: is a left-over change of p1 in U2 as upstream has refined it since?

A change that came from upstream's own later work is in the new release, but often not word by word: upstream renamed
an argument, fixed a format, added a line to the function. Nearly all its words then stand in upstream's new lines at
its place, in order, and every name that it uses is among them. A guard that is merely like upstream's uses other names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rapidfuzz.distance import LCSseq

from git_metadiff.bare import bare_line
from git_metadiff.correspond.items import Item
from git_metadiff.correspond.words import tokens
from git_metadiff.linemap import LineMap, words_in
from git_metadiff.model import Range, Verdict

#: A code of fewer letters and digits may be like another's by chance.
TELLING = 60
#: So much of the words of a change must stand in upstream's lines, in order.
ENOUGH = 0.85
#: A word of so many letters is a name: all must be there.
NAME = re.compile(rb"[A-Za-z_]\w{3,}")
#: A text of more lines is not looked for.
LARGE = 200
#: Upstream's form may have so many lines more than the change.
ROOM = 6
#: So many lines of U2 away something still stands beside its place.
NEARBY = 12
TWICE = "upstream holds its effect already, at line {} of the new release, in a form of its own: it is applied twice"
REFINED = Verdict(
    "absorbed", None, "refined", "the new release holds its effect at line {}, as upstream has refined it"
)
REFINED_FILE = Verdict("absorbed", None, "refined", "the new release has this file, as upstream has refined it")


def find_refined(item: Item, lines: Sequence[bytes], known: LineMap, near: int) -> Range | None:
    """Where upstream's new lines, at most `near` lines from the change, hold a refined form of what it adds."""
    wanted, gone = (code_words(side) for side in (item.change.added, item.change.removed))
    size = len(item.change.added)
    if size > LARGE or words_in(b"".join(wanted)) < TELLING:
        return None
    names = {word for word in wanted if NAME.fullmatch(word)}
    best: tuple[float, Range] | None = None
    for place, text in windows(item, lines, known, near, size + ROOM):
        if names <= set(text):
            share = held(wanted, text) / len(wanted)
            if share >= ENOUGH and (best is None or share > best[0]) and not is_older(gone, wanted, text):
                best = share, place
    return best[1] if best is not None else None


def held(words: list[bytes], text: list[bytes]) -> int:
    """How many of some words stand in a text, in order."""
    return int(LCSseq.similarity(words, text))


def is_older(gone: list[bytes], wanted: list[bytes], text: list[bytes]) -> bool:
    """Whether upstream's text is a form of what a change takes out rather than of what it adds.

    Where the change is a word more in a long line, nearly all of the line is there without it. So the text must have
    two thirds of what is new in the added lines, beyond what it has of the removed ones.
    """
    if not gone or gone == wanted:
        return False
    older, newer, fresh = held(gone, text), held(wanted, text), len(wanted) - held(gone, wanted)
    if not fresh:  # words are taken out
        return older == len(gone)
    return older * len(wanted) > newer * len(gone) and (newer - older) * 3 < fresh * 2


def windows(
    item: Item, lines: Sequence[bytes], known: LineMap, near: int, height: int
) -> Iterator[tuple[Range, list[bytes]]]:
    """The words of upstream's new lines around a change, `height` lines at a time, from every new line on."""
    low, high = max(0, item.place[0] - near - height), min(len(lines), item.place[1] + near + height)
    fresh = [(at, tokens((code,))) for at in range(low, high) if known.is_new(at) and (code := code_of(lines[at]))]
    for first, (start, _) in enumerate(fresh):
        inside = [(at, words) for at, words in fresh[first:] if at < start + height]
        stop = inside[-1][0] + 1
        if max(0, start - item.place[1], item.place[0] - stop) <= near:
            yield (start, stop), [word for _, words in inside for word in words]


def is_held_twice(old: Item, lines: Sequence[bytes], known: LineMap) -> Range | None:
    """Where upstream's new lines hold a form of what a carried insertion adds beside them: it is there twice then."""
    reach = NEARBY + len(old.change.added) + ROOM
    if old.change.removed or old.state != "placed" or not old.change.added:
        return None
    if not any(block.d > block.c for block in known.touches(old.place[0] - reach, old.place[1] + reach)):
        return None
    return find_refined(old, lines, known, NEARBY)


def is_refined_file(item: Item, lines: Sequence[bytes]) -> bool:
    """Whether upstream's file of the same name is what a patchset created, with little changed."""
    wanted, text = tokens(item.change.added), tokens(tuple(lines))
    return len(wanted) > 0 and float(LCSseq.similarity(wanted, text)) / len(wanted) >= ENOUGH


def code_words(lines: tuple[bytes, ...]) -> list[bytes]:
    """The words and signs of some lines, without those that are all comment."""
    return tokens(tuple(filter(None, map(code_of, lines))))


def code_of(line: bytes) -> bytes:
    """A line, or nothing for one that is all comment."""
    return line if bare_line(line) else b""
