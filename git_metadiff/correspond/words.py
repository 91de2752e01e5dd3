"""What a change does to the words of its lines: changes told apart, and known again, by words instead of lines."""

from __future__ import annotations

import re
from functools import lru_cache

from rapidfuzz.distance import Indel

from git_metadiff.model import Change

Tokens = list[bytes]
Edit = tuple[int, int, Tokens]
TOKEN = re.compile(rb"\w+|[^\w\s]")
#: Changes of more lines are not taken apart into words.
LARGE = 400


def tokens(lines: tuple[bytes, ...]) -> Tokens:
    """The words and signs of some lines, without white space."""
    return TOKEN.findall(b"\n".join(lines))


def edits(old: Tokens, new: Tokens) -> list[Edit]:
    """How `old` becomes `new`: ranges of `old` and what stands there instead, in order, never touching."""
    found: list[Edit] = []
    for code in Indel.opcodes(old, new):
        if code.tag == "equal":
            continue
        start, stop, text = code.src_start, code.src_end, new[code.dest_start : code.dest_end]
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], stop, found[-1][2] + text)
        else:
            found.append((start, stop, text))
    return found


def same_words(one: Change, other: Change) -> bool:
    """Whether two changes differ in white space alone."""
    return tokens(one.removed) == tokens(other.removed) and tokens(one.added) == tokens(other.added)


def same_edit(one: Change, other: Change) -> bool:
    """Whether two changes turn the same words into the same others, whatever stands around them."""
    if bool(one.removed) != bool(other.removed) or bool(one.added) != bool(other.added):
        return False
    if one.removed and not one.added:
        return tokens(one.removed) == tokens(other.removed)
    signature = edit_of(one.removed, one.added)
    return bool(signature) and signature == edit_of(other.removed, other.added)


@lru_cache(maxsize=4096)
def edit_of(removed: tuple[bytes, ...], added: tuple[bytes, ...]) -> tuple[tuple[tuple[bytes, ...], ...], ...]:
    """Which words become which others, in order; nothing for a change too large to be taken apart."""
    if len(removed) + len(added) > LARGE:
        return ()
    old = tokens(removed)
    return tuple((tuple(old[start:stop]), tuple(text)) for start, stop, text in edits(old, tokens(added)))
