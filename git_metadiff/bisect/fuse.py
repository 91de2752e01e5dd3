"""Steps of a chain that turn out to belong together: what a failed build misses says which.

A build that misses a name at a point fails since one step that is in uses it, and another that is not in yet defines
it; or since one that is in took the definition away, and another that is not in yet takes the use away. A build that
finds a name twice has one half of a move in, and not the other. Both become one step, with all that the later one
needs, and the points between them are put together anew. The ends stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from git_metadiff.bisect.chained import ChainSource, step_of, whole_cost
from git_metadiff.bisect.edits import Edit
from git_metadiff.bisect.kept import Plan
from git_metadiff.bisect.source import GOOD_END, Step

WORD = re.compile(rb"\w+")
#: What defines a name, by the name that it catches: a macro; a type; a function, variable or member; an enumerator.
DEFINITIONS = (
    re.compile(rb"^\s*#\s*define\s+(\w+)"),
    re.compile(rb"^\s*(?:typedef\s+)?(?:struct|union|enum)\s+(\w+)\s*(?:\{|$)"),
    re.compile(rb"^\s*(?:[A-Za-z_]\w*[\s*]+)+(\w+)\s*(?:\(|\[|=|:|;|,|\{|$)"),
    re.compile(rb"^\s*(\w+)\s*(?:=[^=].*|),$"),
    re.compile(rb"^(\w+)\s*\([^;]*$"),
    re.compile(rb"^\s*(?:menu)?config\s+(\w+)"),
)
#: The steps before a point, and those behind it.
Sides = tuple[Sequence[int], Sequence[int]]
#: Words that stand before a name which they do not define: `return x;`, `goto out;`.
NOT_TYPES = frozenset((b"return", b"goto", b"else", b"case", b"sizeof"))


def fused(
    source: ChainSource, plan: Plan, at: int, names: Collection[str], within: Sequence[int], *, is_move: bool = False
) -> Plan | None:
    """The plan in which the steps that the names at the point `at` tie together are one; None if there are none.

    `within` are the steps that can be guilty still, a run of numbers; only they change their places. With `is_move` the
    names are there twice, else they are missing.
    """
    words = frozenset(name.encode() for name in names)
    sides = [one for one in within if one <= at], [one for one in within if one > at]
    ends = moved(source, plan, sides, words) if is_move else missed(source, plan, sides, words)
    joined = None if ends is None else to_join(source, plan, ends, within)
    if joined is None:
        return None
    first = min(joined)
    runs: list[tuple[int, ...]] = [(one,) for one in range(first)]
    runs += [tuple(sorted(joined))]
    runs += [(one,) for one in range(first + 1, len(plan.steps)) if one not in joined]
    return rewritten(source, plan, runs, first, within[-1])


def to_join(source: ChainSource, plan: Plan, ends: tuple[int, int], within: Sequence[int]) -> set[int] | None:
    """Two steps that belong together, with those between them that the later one needs."""
    first, second = ends
    joined, pending = {first, second}, [second]
    while pending:
        needs = {need for group in plan.steps[pending.pop()].groups for need in source.chain.groups[group].needs}
        more = [
            one for one in within if one > first and one not in joined and not needs.isdisjoint(plan.steps[one].groups)
        ]
        joined.update(more)
        pending += more
    legs = {source.chain.groups[group].leg for one in joined for group in plan.steps[one].groups}
    return joined if len(legs) == 1 else None


def missed(source: ChainSource, plan: Plan, sides: Sides, words: frozenset[bytes]) -> tuple[int, int] | None:
    """The steps on both sides of a point of which one defines and the other uses a name that is missing there."""
    return meeting(source, plan, sides, words, added=True) or meeting(source, plan, sides, words, added=False)


def moved(source: ChainSource, plan: Plan, sides: Sides, words: frozenset[bytes]) -> tuple[int, int] | None:
    """The last early step that adds a line with a name, and the first late one that takes such a line of that file
    away: many files may have a line that moves."""
    early, late = sides
    for word in sorted(words):
        one = frozenset((word,))
        added = {at: places(source, plan.steps[at], one, added=True) for at in early}
        removed = {at: places(source, plan.steps[at], one, added=False) for at in late}
        for first in reversed(early):
            for second in late:
                if not added[first].isdisjoint(removed[second]):
                    return first, second
    return None


def places(source: ChainSource, step: Step, words: frozenset[bytes], *, added: bool) -> set[bytes]:
    """The files in which a step adds (or removes) a line with one of these."""
    return {edit.path for edit in edits_of(source, step) if speaks(edit, words, define=False, added=added)}


def meeting(
    source: ChainSource, plan: Plan, sides: Sides, words: frozenset[bytes], *, added: bool
) -> tuple[int, int] | None:
    """The last early step and the first late one of which one defines and the other uses a name."""
    early, late = sides
    for word in sorted(words):
        one = frozenset((word,))
        # what is added is used early and defined late; what is removed is defined early and used late
        first = [at for at in early if touches(source, plan.steps[at], one, define=not added, added=added)]
        second = [at for at in late if touches(source, plan.steps[at], one, define=added, added=added)]
        if first and second:
            return first[-1], second[0]
    return None


def touches(source: ChainSource, step: Step, words: frozenset[bytes], *, define: bool, added: bool) -> bool:
    """Whether a step adds (or removes) a line, or a file, that defines (or uses) one of these."""
    return any(speaks(edit, words, define=define, added=added) for edit in edits_of(source, step))


def edits_of(source: ChainSource, step: Step) -> Iterator[Edit]:
    """The edits of a step."""
    for group in step.groups:
        leg = source.chain.leg_of(group)
        for number in source.chain.groups[group].edits:
            yield leg.edits[number]


def speaks(edit: Edit, words: frozenset[bytes], *, define: bool, added: bool) -> bool:
    """Whether an edit adds (or removes) a line, or a file, that defines (or uses) one of these."""
    files = [word for word in words if b"." in word]
    if files and define:
        kind = "create" if added else "delete"
        return edit.kind in (kind, "rename") and any(is_file(edit.path, word) for word in files)
    lines = edit.added if added else edit.removed
    if files:
        names = [word.rpartition(b"/")[2] for word in files]
        return any(name in text for name in names for text in lines)
    if define:
        return any(not words.isdisjoint(defined_in(text)) for text in lines)
    return any(not words.isdisjoint(WORD.findall(text)) for text in lines)


def defined_in(text: bytes) -> frozenset[bytes]:
    """The names that a line may define or declare."""
    first = WORD.search(text)
    if first is not None and first[0] in NOT_TYPES:
        return frozenset()
    matches = (form.match(text) for form in DEFINITIONS)
    return frozenset(match[1] for match in matches if match is not None)


def is_file(path: bytes, name: bytes) -> bool:
    """Whether a build calls a file by this name: `pmu.o` is made of `pmu.c`, `linux/x.h` is `include/linux/x.h`."""
    wanted = name.rpartition(b".")[0] if name.endswith((b".o", b".ko", b".obj")) else name
    mine = path.rpartition(b".")[0] if wanted != name else path
    return mine == wanted or mine.endswith(b"/" + wanted) or wanted.endswith(b"/" + mine)


def rewritten(source: ChainSource, plan: Plan, runs: Sequence[tuple[int, ...]], first: int, last: int) -> Plan:
    """The plan whose steps are these runs of old ones; only from the step `first` on does it differ, and from the old
    step `last` on the trees are the same again."""
    whole = whole_cost(source.chain)
    groups = source.chain.groups
    steps = [
        step_of([groups[group] for one in run for group in plan.steps[one].groups], at, whole)
        for at, run in enumerate(runs)
    ]
    same = len(plan.steps) - len(runs)  # so much further down an old point is that with the same steps
    trees = [plan.made[at + same].tree if at + same >= last else None for at in range(first, len(runs))]
    before = {group for step in steps[:first] for group in step.groups}
    points = source.line(plan.made[first - 1], steps[first:], trees, before)
    made = {at: plan.made[at] for at in range(GOOD_END, first)} | dict(enumerate(points, first))
    return replace(plan, steps=tuple(steps), made=made)
