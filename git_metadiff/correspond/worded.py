"""Stage 4, first part: do the lines that upstream put in place of those that a change takes out have the change?

Upstream rewrote the same lines, with the change in them: a longer list that has the new word, a call with one argument
more. A merge of the three texts word by word tells: what the change puts in stands, unbroken, where upstream changed
the same words, and what it takes out does not. So no likeness decides, and a line that lacks the one word has it not.
"""

from __future__ import annotations

from collections.abc import Sequence

from git_metadiff.correspond.items import Item
from git_metadiff.correspond.words import Edit, Tokens, edits, tokens
from git_metadiff.linemap import LineMap, words_in
from git_metadiff.model import Range

#: Lines of which more are not merged.
LARGE = 60
#: What a change puts in and takes out must say so much in all, by letters and digits.
TELLING = 8
#: An edit that says less must be all that upstream did there.
SIGN = 3
#: So much of the lines' words must have stayed in upstream's: else it wrote other lines, not these.
STAYED = 0.5


def find_worded(item: Item, old: Sequence[bytes], new: Sequence[bytes], known: LineMap) -> Range | None:
    """The lines of U2 that stand for those that a change replaces, if they have the change; `old` and `new` are U1's
    and U2's lines of the file."""
    start, stop = item.base
    blocks = [block for block in known.blocks if block.a < stop and start < block.b]
    if not blocks or tuple(old[start:stop]) != item.change.removed:
        return None
    low, high = min(start, blocks[0].a), max(stop, blocks[-1].b)
    place = blocks[0].c - (blocks[0].a - low), blocks[-1].d + (high - blocks[-1].b)
    if max(high - low, place[1] - place[0]) > LARGE:
        return None
    base, ours = tokens(tuple(old[low:high])), tokens(tuple(new[slice(*place)]))
    mine = tokens((*old[low:start], *item.change.added, *old[stop:high]))
    return place if is_held(base, mine, ours) else None


def is_held(base: Tokens, mine: Tokens, ours: Tokens) -> bool:
    """Whether `ours` has all that makes `mine` of `base`."""
    wanted, theirs = edits(base, mine), edits(base, ours)
    says = sum(words_in(b"".join((*text, *base[start:stop]))) for start, stop, text in wanted)
    stayed = len(base) - sum(stop - start for start, stop, _ in theirs)
    if says < TELLING or stayed < STAYED * len(base):
        return False
    return all(has_edit(edit, base, theirs) for edit in wanted)


def has_edit(edit: Edit, base: Tokens, theirs: Sequence[Edit]) -> bool:
    """Whether one edit of words is among what upstream did to the same words."""
    start, stop, text = edit
    beside = [one for one in theirs if one[0] <= stop and start <= one[1]]
    if not beside:
        return False
    low, high = min(start, beside[0][0]), max(stop, beside[-1][1])
    there, at = Tokens(), low
    for first, last, words in beside:
        there += [*base[at:first], *words]
        at = last
    there += base[at:high]
    if words_in(b"".join((*text, *base[start:stop]))) < SIGN:
        return there == [*base[low:start], *text, *base[stop:high]]
    gone = base[start:stop]
    found = spelled(there)
    rest = found.replace(spelled(text), b"\n", 1) if text else found
    return (not text or spelled(text) in found) and not (gone and spelled(gone) in rest)


def spelled(words: Tokens) -> bytes:
    """Some words, each between line ends."""
    return b"".join(b"\n" + word for word in words) + b"\n"
