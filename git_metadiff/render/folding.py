"""What the default view leaves out of sight, and counts: tables, sweeps, and what only P's limits put there."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from git_metadiff.hunks import RawHunk
from git_metadiff.render.lookup import MISPLACED, Lookup
from git_metadiff.render.owners import Names, Owners
from git_metadiff.render.sections import FileDiff
from git_metadiff.render.view import View

#: Names that data goes by; such a file is a table whatever it holds.
DATA_NAMES = (b".data", b".hash")
#: A longer diff is a table's if nine lines in ten have one of three shapes.
TABLE_LINES = 200
TABLE_SHAPES = 3
TABLE_SHARE = 0.9
#: In so many lines one replacement is a sweep.
SWEEP_PLACES = 3
WORD = re.compile(rb"\w+")
TOKENS = re.compile(rb"\w+|\s+|[^\w\s]")
UNCHANGED = ("kept", "refreshed")
#: Never folded into a sweep: these want to be read.
LOUD = ("dropped", MISPLACED, "ambiguous", "orphaned")

Replacement = tuple[bytes, bytes]
Sweeps = dict[Replacement, Counter[bytes]]  # lines of each, by path


@dataclass(slots=True)
class Fold:
    """What is folded: by identity of the hunk, why; and the sweeps."""

    tables: set[bytes] = field(default_factory=set)
    limits: set[int] = field(default_factory=set)  # id() of hunks that only show what P could not hold
    swept: dict[int, Replacement] = field(default_factory=dict)
    sweeps: Sweeps = field(default_factory=dict)


def fold(files: Iterable[FileDiff], owners: Owners, lookup: Lookup, view: View) -> Fold:
    """Decide what to leave out of `files`; nothing if the view shows everything."""
    found = Fold()
    if view.everything:
        return found
    candidates: dict[Replacement, list[tuple[bytes, RawHunk, int]]] = defaultdict(list)
    for file in files:
        if is_table(file):
            found.tables.add(file.path)
            continue
        for hunk in file.hunks:
            names = owners.of_hunk(file.path, hunk)
            if only_limits(lookup, names):
                found.limits.add(id(hunk))
            elif not loud(lookup, names) and (swept := replacement(hunk)):
                candidates[swept[0]].append((file.path, hunk, swept[1]))
    _take_sweeps(found, candidates)
    return found


def _take_sweeps(found: Fold, candidates: dict[Replacement, list[tuple[bytes, RawHunk, int]]]) -> None:
    for swept, places in candidates.items():
        if sum(lines for _, _, lines in places) < SWEEP_PLACES:
            continue
        found.sweeps[swept] = Counter()
        for path, hunk, lines in places:
            found.sweeps[swept][path] += lines
            found.swept[id(hunk)] = swept


def is_table(file: FileDiff) -> bool:
    """Whether a file is generated or data: its name says so, or its many changed lines look alike.

    The shape of a line is what is left when each word becomes one letter and each run of blanks one blank.
    """
    if not file.hunks:
        return False
    if has_data_name(file.path):
        return True
    if sum(len(hunk.body) for hunk in file.hunks) <= TABLE_LINES:
        return False
    changed = [text[1:] for hunk in file.hunks for text in hunk.body if text[:1] in (b"+", b"-")]
    if len(changed) <= TABLE_LINES:
        return False
    shapes = Counter(b" ".join(WORD.sub(b"w", text).split()) for text in changed)
    return sum(count for _, count in shapes.most_common(TABLE_SHAPES)) >= TABLE_SHARE * len(changed)


def has_data_name(path: bytes) -> bool:
    """Whether a file is data by its name."""
    return path.endswith(DATA_NAMES)


def only_limits(lookup: Lookup, names: Names) -> bool:
    """Whether nothing but P's limits stands behind a hunk: each owner is the same on both sides."""
    words = _words(lookup, names)
    return bool(words) and words <= {*UNCHANGED}


def loud(lookup: Lookup, names: Names) -> bool:
    """Whether an owner must not be folded away."""
    return bool(_words(lookup, names) & {*LOUD})


def _words(lookup: Lookup, names: Names) -> set[str]:
    """The words of the owners and of their partners: a loss may be told by one side alone."""
    known = [lookup.hunks[name] for name in names if name in lookup.hunks]
    partners = [partner for hunk in known for _, partner in lookup.partners(hunk.id)]
    return {lookup.word(hunk) for hunk in known + partners}


def replacement(hunk: RawHunk) -> tuple[Replacement, int] | None:
    """The one word that a hunk replaces by another, and in how many lines; None if it does anything else."""
    found: set[Replacement] = set()
    lines = 0
    for removed, added in _runs(hunk.body):
        if len(removed) != len(added):
            return None
        for old, new in zip(removed, added, strict=True):
            found.update(_replaced(old, new))
            lines += 1
            if len(found) != 1:
                return None
    return (found.pop(), lines) if found else None


def _runs(body: Iterable[bytes]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    removed: list[bytes] = []
    added: list[bytes] = []
    for text in body:
        if text[:1] == b"-":
            removed.append(text[1:])
        elif text[:1] == b"+":
            added.append(text[1:])
        elif removed or added:
            yield removed, added
            removed, added = [], []
    if removed or added:
        yield removed, added


def _replaced(old: bytes, new: bytes) -> set[Replacement]:
    """The pairs of words in which two lines differ; two different ones where they differ in more than words."""
    before, after = TOKENS.findall(old), TOKENS.findall(new)
    pairs = {pair for pair in zip(before, after, strict=False) if pair[0] != pair[1]}
    if len(before) != len(after) or not all(WORD.match(token) for pair in pairs for token in pair):
        return {(b"", b"-"), (b"", b"+")}
    return pairs
