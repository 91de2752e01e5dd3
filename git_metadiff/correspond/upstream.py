"""Stage 4: upstream as the third party. What it did where a change stands, and whether it explains a difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from git_metadiff.bare import bare_line
from git_metadiff.correspond.items import Item, Sides, map_of
from git_metadiff.correspond.words import Tokens, edits, same_edit, same_words, tokens
from git_metadiff.linemap import Block, LineMap, words_in
from git_metadiff.model import Change

#: Reads the lines of a file of U1 (`old`) or U2 (`new`) by its name in U2.
Texts = Callable[[str, bytes], list[bytes]]


def upstream_id(transition: int, path: bytes, block: Block) -> str:
    """The id of an upstream hunk: the line is that of `diff-tree -U0`, which for an insertion is the line before."""
    line = block.a + 1 if block.b > block.a else block.a
    return f"upstream:{transition}:{path.decode('utf-8', 'surrogateescape')}:{line}"


def meet_upstream(sides: Sides, transition: int) -> None:
    """Note on every change the upstream hunks at its place, for those that need an explanation."""
    for item in [*sides.old, *sides.new]:
        lines = map_of(sides, item.file)
        if lines.blocks and needs_explaining(item):
            path = sides.sources.get(item.file, item.file)
            item.upstream = tuple(upstream_id(transition, path, block) for block in lines.touches(*item.place))


def needs_explaining(item: Item) -> bool:
    """Whether a change is not simply where it was."""
    return not item.partners or any(evidence != "exact" for evidence in item.partners.values())


def merge_tokens(base: Tokens, ours: Tokens, theirs: Tokens) -> Tokens | None:
    """A three-way merge of words; None where both sides change the same words differently."""
    merged = sorted({(start, stop, tuple(text)) for start, stop, text in edits(base, ours) + edits(base, theirs)})
    out: Tokens = []
    at = 0
    last = -1
    for start, stop, text in merged:
        if start < at or start == last:
            return None
        out += base[at:start]
        out += text
        at, last = stop, start
    return out + base[at:]


def explained(old: Item, new: Item, sides: Sides, texts: Texts) -> bool:
    """Whether upstream's own change accounts for the whole difference between two forms of a change."""
    lines = map_of(sides, new.file)
    if not lines.blocks:
        return False
    one, other = old.change, new.change
    if one.added == other.added:
        return removal_explained(old, new, lines)
    if not follows(old, new, lines):
        return False
    if same_words(one, other):
        return reindented(one, other)
    same_intent = bool(one.removed) and (same_edit(one, other) or merges_to(one, other))
    return (
        same_intent or half_absorbed(old, new, lines, texts("new", new.file)) or renamed(one, other, new, lines, texts)
    )


def renamed(one: Change, other: Change, new: Item, lines: LineMap, texts: Texts) -> bool:
    """Whether all words that differ between two changes are words that upstream replaced just so in the file."""
    changed = substitutions(one.added, other.added)
    return bool(changed) and changed <= upstream_substitutions(new.file, lines, texts)


def follows(old: Item, new: Item, lines: LineMap) -> bool:
    """Whether what a change of p2 stands on can be upstream's form of what the earlier one stood on.

    It is at the place that the line map leads to, or in lines that upstream brought.
    """
    low, high = lines.region(*old.base)
    if low <= new.place[1] and new.place[0] <= high:
        return True
    if not new.gone:
        return lines.is_new(new.place[0]) and lines.is_new(max(0, new.place[0] - 1))
    return all(lines.is_new(at) for start, stop in new.gone for at in range(start, stop))


def merges_to(one: Change, other: Change) -> bool:
    """Whether a merge by words of what upstream and the first change make of the old lines gives the second change."""
    merged = merge_tokens(tokens(one.removed), tokens(other.removed), tokens(one.added))
    return merged == tokens(other.added)


def half_absorbed(old: Item, new: Item, lines: LineMap, text: list[bytes]) -> bool:
    """Whether upstream took over those lines of a change that the new patchset no longer adds, at its place."""
    rest = list(old.change.added)
    for line in new.change.added:
        if line not in rest:
            return False
        rest.remove(line)
    held = {bare_line(text[at]) for block in lines.touches(*new.place) for at in range(block.c, block.d)}
    telling = [line for line in rest if words_in(line) > 3]
    return bool(telling) and all(bare_line(line) in held for line in telling)


def reindented(one: Change, other: Change) -> bool:
    """Whether upstream's own change of white space, in what is taken out or next to it, explains that of a change."""
    if one.removed or other.removed:
        return one.removed != other.removed
    pairs = ((one.before[-1:], other.before[-1:]), (one.after[:1], other.after[:1]))
    return any(was != now and tokens(was) == tokens(now) for was, now in pairs)


def removal_explained(old: Item, new: Item, lines: LineMap) -> bool:
    """Whether each line that only one side takes out is upstream's: gone from U2, or new in it."""
    gone = {at for at in range(*old.base) if lines.line(at) is None}
    fresh = {at for start, stop in new.gone for at in range(start, stop) if lines.is_new(at)}
    kept = Counter(text for at, text in enumerate(old.change.removed, old.base[0]) if at not in gone)
    taken = Counter(text for at, text in enumerate(new.change.removed, new.place[0]) if at not in fresh)
    return kept == taken


def substitutions(old: tuple[bytes, ...], new: tuple[bytes, ...]) -> set[tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
    """Which words became which. White space and pure additions count as a substitution of nothing."""
    before = tokens(old)
    return {(tuple(before[start:stop]), tuple(text)) for start, stop, text in edits(before, tokens(new))}


def upstream_substitutions(
    file: bytes, lines: LineMap, texts: Texts
) -> set[tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
    """The substitutions that upstream made in a file."""
    old, new = texts("old", file), texts("new", file)
    found: set[tuple[tuple[bytes, ...], tuple[bytes, ...]]] = set()
    for block in lines.blocks:
        if block.b > block.a and block.d > block.c and block.b - block.a + block.d - block.c < 200:
            found |= substitutions(tuple(old[block.a : block.b]), tuple(new[block.c : block.d]))
    return {(was, now) for was, now in found if was and now}


def sits_on_upstream(item: Item, sides: Sides, upstream_files: set[bytes]) -> bool:
    """Whether a change of p2 stands wholly on code that upstream added since U1."""
    if item.file in upstream_files:
        return True
    lines = map_of(sides, item.file)
    if not lines.blocks:
        return False
    if item.gone:
        return all(lines.is_new(at) for start, stop in item.gone for at in range(start, stop))
    return lines.is_new(item.place[0]) and lines.is_new(max(0, item.place[0] - 1))


def same_neighbours(old: Item, new: Item) -> bool:
    """Whether two changes stand between the same lines, which say something."""
    before, after = old.change.before[-1:], old.change.after[:1]
    says = words_in(b"".join((*before, *after))) >= 8
    return says and before == new.change.before[-1:] and after == new.change.after[:1]


def stands_on_nothing(item: Item, texts: Texts) -> bool:
    """Whether nothing that says anything is left of what an insertion stood between.

    P may still have it beside a brace or an empty line that survived.
    """
    was = telling_neighbours(texts("old", item.file), *item.base)
    now = telling_neighbours(texts("new", item.file), *item.place)
    return None not in was and was[0] != now[0] and was[1] != now[1]


def telling_neighbours(lines: list[bytes], start: int, stop: int) -> tuple[bytes | None, bytes | None]:
    """The nearest lines that say something, above and below `[start, stop)`."""
    above = next((lines[at] for at in range(min(start, len(lines)) - 1, -1, -1) if words_in(lines[at]) > 3), None)
    below = next((lines[at] for at in range(stop, len(lines)) if words_in(lines[at]) > 3), None)
    return above, below


def undoes_upstream(item: Item, sides: Sides, texts: Texts) -> bool:
    """Whether a change of p2 puts back exactly what upstream changed."""
    if not item.change.removed and not item.change.added:
        return False
    for block in map_of(sides, item.file).touches(*item.place):
        if (block.c, block.d) == item.place and tuple(texts("old", item.file)[block.a : block.b]) == item.change.added:
            return True
    return False
