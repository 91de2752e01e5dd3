"""Two or more patchsets become a `Reading`: neighbours are matched in turn, and every change gets its verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from git_metadiff.alone.found import GONE, NEW, UNTOLD, Reading, Shift, Side, Step, worst_of
from git_metadiff.alone.matching import match
from git_metadiff.alone.places import bring_together, find_renames, items_of
from git_metadiff.correspond.classify import kept_or_refreshed
from git_metadiff.correspond.items import Item, Sides
from git_metadiff.correspond.place import similarity
from git_metadiff.correspond.words import same_edit
from git_metadiff.model import Edge, Verdict
from git_metadiff.sections import short_name
from git_metadiff.series import Series, match_patches

Pairs = dict[tuple[Item, Item], Verdict]
Progress = Callable[[str, int, int], None]

IS_GONE = Verdict(GONE, None, None, "absorbed, orphaned or dropped: the patches do not tell")
IS_NEW = Verdict(NEW)
SAME_EDIT = "the lines that it changes are upstream's in another form; the author's edit is the same"


def compare_sides(sides: Sequence[Side], *, diff_only: bool = False, progress: Progress | None = None) -> Reading:
    """Match each patchset with the next; `diff_only` leaves the names and messages of patches out of the evidence."""
    steps = []
    for at, (old, new) in enumerate(pairwise(sides)):
        if progress is not None:
            progress("comparing", at, len(sides) - 1)
        steps.append(compare_two(at, old, new, names=not diff_only))
    return Reading(tuple(sides), tuple(steps))


def compare_two(start: int, old: Side, new: Side, *, names: bool) -> Step:
    """The step from one patchset to the next."""
    olds, news = items_of(old, 0), items_of(new, 1)
    renames = find_renames(olds, news)
    bring_together(olds, news, renames)
    match(Sides(olds, news, {}, {}))
    pairs: Pairs = {
        (one, other): judge(one, other, evidence) for one in olds for other, evidence in one.partners.items()
    }
    for item in [*olds, *news]:
        item.verdict = verdict_of(item, pairs)
    edges = [*pair_edges(pairs), *rival_edges(olds)]
    first, second = (Series(side.patches, side.hunks, side.contents) for side in (old, new))
    patch_edges = match_patches(start, first, second, [edge for edge in edges if edge.kind != "ambiguous"], names=names)
    return Step(start, by_hunk(olds), by_hunk(news), tuple(edges), tuple(patch_edges), find_shift(pairs, renames))


def judge(old: Item, new: Item, evidence: str) -> Verdict:
    """The verdict of one pair."""
    if evidence == "lineless":
        return (
            Verdict("kept")
            if old.key == new.key
            else Verdict("edited", None, None, "the same file is changed otherwise")
        )
    if old.file != new.file:
        where = new.file.decode("utf-8", "backslashreplace")
        return Verdict("moved", None, "other-file", f"now in {where}; whether upstream moved the code is not told")
    if evidence == "effect":
        return Verdict("refreshed", None, "recut", "the same lines, cut into other hunks or slid to an equal place")
    if old.key == new.key:
        return with_section(old, new, kept_or_refreshed(old.change, new.change, old.hunk, new.hunk))
    if old.change.removed != new.change.removed and same_edit(old.change, new.change):
        return Verdict("edited", "upstream", None, SAME_EDIT)
    return Verdict("edited", None, None, UNTOLD)


def with_section(old: Item, new: Item, verdict: Verdict) -> Verdict:
    """The verdict, saying so where the two hunks stand in different functions by their headers."""
    here, there = (short_name(item.hunk.section) for item in (old, new))
    if verdict.word == "kept" or not here or not there or here == there:
        return verdict
    return Verdict(
        verdict.word, None, "other-section", f"below {here}, then below {there}, by the headers of the hunks"
    )


def verdict_of(item: Item, pairs: Pairs) -> Verdict:
    """The verdict of one change: the worst of its pairs', or what it is alone."""
    if item.partners:
        both = [(item, other) if item.side == 0 else (other, item) for other in item.partners]
        return worst_of(tuple(pairs[one] for one in both))
    return item.verdict or (IS_NEW if item.side else IS_GONE)


def by_hunk(items: Iterable[Item]) -> dict[str, tuple[Verdict, ...]]:
    """The verdicts of the changes of each hunk."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for item in items:
        assert item.verdict is not None
        found[item.hunk.id].append(item.verdict)
    return {name: tuple(verdicts) for name, verdicts in found.items()}


def pair_edges(pairs: Pairs) -> list[Edge]:
    """One edge for each pair of hunks, carrying the worst of its changes' verdicts."""
    groups: dict[tuple[str, str], list[tuple[Item, Item]]] = defaultdict(list)
    for old, new in pairs:
        groups[old.hunk.id, new.hunk.id].append((old, new))
    edges = []
    for (a, b), members in sorted(groups.items()):
        word = worst_of(tuple(pairs[one] for one in members)).word
        olds, news = (
            [text for one in dict.fromkeys(side) for text in one.lines] for side in zip(*members, strict=True)
        )
        score = 1.0 if olds == news else similarity(olds, news)
        evidence = tuple(sorted({old.partners[new] for old, new in members}))
        edges.append(Edge(a, b, word, score, evidence))
    return edges


def rival_edges(olds: Iterable[Item]) -> list[Edge]:
    """Edges between hunks that may be partners, where others fit as well."""
    pairs = {(old.hunk.id, new.hunk.id) for old in olds for new in old.rivals}
    return [Edge(a, b, "ambiguous", 1.0, ("content",)) for a, b in sorted(pairs)]


def find_shift(pairs: Pairs, renames: dict[bytes, bytes]) -> Shift:
    """How upstream moved, by the hunks that live on."""
    alike = [
        (old, new)
        for (old, new), verdict in pairs.items()
        if verdict.word in ("kept", "refreshed") and old.key == new.key
    ]
    files = {new.file for old, new in alike if old.base[0] != new.base[0]}
    contexts = {old.hunk.id for old, new in alike if pairs[old, new].word == "refreshed"}
    return Shift(len(files), len(contexts), tuple(sorted(renames.items())))
