"""Stage 5: every change gets its verdict, with a reason in words, and the graph its edges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from git_metadiff.correspond.absorbed import find_absorbed
from git_metadiff.correspond.content import match_contents, match_equal
from git_metadiff.correspond.elsewhere import Others, find_moved_code
from git_metadiff.correspond.exact import match_exact
from git_metadiff.correspond.items import Item, Sides, map_of
from git_metadiff.correspond.joined import match_joined
from git_metadiff.correspond.place import match_nearby, match_places, similarity
from git_metadiff.correspond.refined import TWICE, is_held_twice
from git_metadiff.correspond.rewritten import match_renamed, match_rewritten
from git_metadiff.correspond.twin import TWIN_WORDS, stands_at_twin
from git_metadiff.correspond.upstream import (
    Texts,
    explained,
    meet_upstream,
    same_neighbours,
    sits_on_upstream,
    stands_on_nothing,
    undoes_upstream,
)
from git_metadiff.linemap import words_in
from git_metadiff.model import APPLIED_TWICE, PAIRED, WORST_FIRST, Change, Edge, Hunk, Unplaced, Verdict
from git_metadiff.ownership import OwnedRun, own_displaced
from git_metadiff.placing import said_alike
from git_metadiff.port import REASONS
from git_metadiff.sections import Sections

#: How much context on either side decides between kept and refreshed, where two hunks are cut differently.
CONTEXT = 3
#: Lines within which a function stands beside a change.
BESIDE = 3
DELETED_WORDS = "it removes a file that upstream changed, and the new patchset does not remove it"
UNLIKE_WORDS = "upstream has much of what it stands in, nothing of it, and the new patchset does not hold it"
PLACE_WORDS = "only its place differs from where upstream's line map leads"


@dataclass(slots=True)
class Correspondence:
    """What the stages found, by hunk id."""

    fates: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    origins: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    placed: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    superseded: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Upstream:
    """What is known of upstream beyond the line maps."""

    transition: int
    texts: Texts
    sections: Sections
    new_files: set[bytes]  # files of U2 that are in no form in U1
    others: Others


def correspond(sides: Sides, upstream: Upstream, runs: list[OwnedRun]) -> tuple[Correspondence, list[OwnedRun]]:
    """Run the stages. `runs` are the changed runs of the interdiff; they come back with all their owners."""
    match_exact(sides)
    match_places(sides)
    # An equal text in another file is a better partner than one here that is but alike.
    match_equal(sides)
    match_nearby(sides)
    match_contents(sides)
    match_rewritten(*rewritten_by_upstream(sides, upstream))
    match_renamed(sides, upstream.texts)
    match_joined(sides)
    meet_upstream(sides, upstream.transition)
    find_absorbed(sides, upstream.texts, upstream.sections, upstream.transition)
    find_moved_code(sides, upstream.others)
    runs, displaced = own_displaced(runs, [*sides.old, *sides.new])
    touched = {item for run in runs for item in run.owners}
    kinds = judge_pairs(sides, upstream, touched, displaced)
    for item in sides.old:
        item.verdict = (
            fate_alone(item, touched, upstream)
            if not item.partners
            else worst_of(kinds[item, other] for other in item.partners)
        )
    for item in sides.new:
        item.verdict = (
            origin_alone(item, sides, upstream)
            if not item.partners
            else worst_of(kinds[other, item] for other in item.partners)
        )
    follow_superseders(sides.old, kinds)
    follow_superseders(sides.new, kinds)
    return collect(sides, kinds), runs


def rewritten_by_upstream(sides: Sides, upstream: Upstream) -> tuple[list[Item], list[Item]]:
    """What is left of p1 without a place, and what is left of p2 on code that upstream brought."""
    old = [item for item in sides.open_old() if item.state == "unplaced" and item.hunk.kind == "text"]
    new = [item for item in sides.open_new() if item.hunk.kind == "text"] if old else []
    return old, [item for item in new if sits_on_upstream(item, sides, upstream.new_files)]


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts of one change."""
    return min(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.word))


def judge_pairs(
    sides: Sides, upstream: Upstream, touched: set[Item], displaced: set[Item]
) -> dict[tuple[Item, Item], Verdict]:
    """The verdict of every pair; that of a displaced one says so."""
    found = {}
    for old in sides.old:
        for new, evidence in old.partners.items():
            alone = old not in touched and new not in touched and old.state == "placed"
            verdict = judge(old, new, "exact" if evidence == "text" and alone else evidence, sides, upstream)
            if old in displaced and verdict.word in ("kept", "refreshed") and verdict.reason is None:
                verdict = Verdict(verdict.word, None, "place", PLACE_WORDS)
            found[old, new] = told_twice(verdict, old, sides, upstream)
    return found


def told_twice(verdict: Verdict, old: Item, sides: Sides, upstream: Upstream) -> Verdict:
    """The verdict of a pair that stands, with the reason `applied-twice` if upstream has taken the change in too."""
    known = map_of(sides, old.file)
    if verdict.word not in ("kept", "refreshed") or verdict.reason is not None or not known.blocks:
        return verdict
    place = is_held_twice(old, upstream.texts("new", old.file), known)
    return verdict if place is None else Verdict(verdict.word, None, APPLIED_TWICE, TWICE.format(place[0] + 1))


def judge(old: Item, new: Item, evidence: str, sides: Sides, upstream: Upstream) -> Verdict:
    """The verdict of one pair, by what paired it."""
    if evidence == "lineless":
        same = old.key == new.key
        return Verdict("kept") if same else Verdict("edited", "downstream", None, "the same file is changed otherwise")
    if old.file != new.file:
        return moved_to_file(old, new, evidence, sides, upstream)
    if evidence == "exact":
        return kept_or_refreshed(old.change, new.change, old.hunk, new.hunk)
    if evidence == "effect":
        return Verdict("refreshed", None, "recut", "the same lines, cut into other hunks or slid to an equal place")
    if evidence == "text":
        return judge_same_text(old, new, sides, upstream)
    return judge_edited(old, new, sides, upstream)


def kept_or_refreshed(one: Change, other: Change, hunk: Hunk, partner: Hunk) -> Verdict:
    """Kept if the context is the same too: the whole hunk, or the nearest lines where hunks are cut differently."""
    if hunk.body == partner.body or (
        one.before[-CONTEXT:] == other.before[-CONTEXT:] and one.after[:CONTEXT] == other.after[:CONTEXT]
    ):
        return Verdict("kept")
    return Verdict("refreshed")


def judge_same_text(old: Item, new: Item, sides: Sides, upstream: Upstream) -> Verdict:
    """Equal text in the same file that P and D2 do not share: without a place in P, or at another place."""
    plain = kept_or_refreshed(old.change, new.change, old.hunk, new.hunk)
    if old.state == "unplaced":
        stray = stray_place(old, new, sides, upstream) or twin_place(old, new, sides, upstream)
        return stray or Verdict(plain.word, None, "unplaced", f"it is not in P: {REASONS.get(old.reason, old.reason)}")
    if old.size == 0 or new.size == 0:
        return Verdict(plain.word, None, "superseded", "a later patch of its series took its lines out again")
    here, there = (upstream.sections.name("new", old.file, item.place[0]) for item in (old, new))
    low, high = map_of(sides, old.file).region(*old.base)
    # By the author's own cut, that is; the net change may be cut otherwise.
    at_home = low <= new.place[1] and new.place[0] <= high
    placed = Verdict(plain.word, None, "place", PLACE_WORDS)
    if here == there and not at_home and old.sure:
        return twin_place(old, new, sides, upstream) or placed
    if here == there or at_home:
        return placed
    if not old.sure:
        return stray_place(old, new, sides, upstream) or placed
    words = f"it stands in {there or 'file scope'}; upstream's line map leads to {here or 'file scope'}"
    return Verdict("moved", "downstream", "misplaced", words)


def stray_place(old: Item, new: Item, sides: Sides, upstream: Upstream) -> Verdict | None:
    """Moved, if p2 has it in another function that was there before; None if it is in its own or in a new one.

    Misplaced, if it stands on old code and its own function is still there: nothing but a fuzzy patch explains that.
    """
    sections = upstream.sections
    lines = map_of(sides, new.file)
    at = new.place[0]
    back = lines.back(at)
    if back is None and at > 0:
        back = lines.back(at - 1)
    home = sections.name("old", old.file, old.base[0])
    there = sections.name("new", new.file, at) if back is None else sections.name("old", old.file, back)
    if home == there:
        return None
    if back is None:
        known = there is not None and home is not None and sections.holds("old", new.file, there)
        words = f"from {home} to {there}, on code that upstream brought"
        return Verdict("moved", "upstream", "other-function", words) if known else None
    if not sections.holds("new", old.file, home):
        words = f"from {home or 'file scope'}, which is gone, to {there or 'file scope'}"
        return Verdict("moved", "downstream", "other-function", words)
    words = f"it stands in {there or 'file scope'}; it was in {home or 'file scope'}, which is still there"
    return Verdict("moved", "downstream", "misplaced", words)


def twin_place(old: Item, new: Item, sides: Sides, upstream: Upstream) -> Verdict | None:
    """Misplaced, if a change went to lines of its own function that only look like those it stood between."""
    texts = upstream.texts("old", old.file), upstream.texts("new", new.file)
    if not stands_at_twin(old, new, *texts, map_of(sides, old.file)):
        return None
    return Verdict("moved", "downstream", "misplaced", TWIN_WORDS)


def moved_to_file(old: Item, new: Item, evidence: str, sides: Sides, upstream: Upstream) -> Verdict:
    """A change that is in another file now: upstream's doing if it stands there on code that upstream brought."""
    where = new.file.decode("utf-8", "backslashreplace")
    if (old.creates and new.creates) or evidence in ("exact", "effect", "shared lines"):  # downstream renamed the file
        return Verdict("moved", "downstream", "other-file", f"now in {where}")
    carried = same_neighbours(old, new)
    brought = sits_on_upstream(new, sides, upstream.new_files)
    if old.state == "placed" and not carried and not (brought and went_along(old, new, upstream.sections)):
        return Verdict("moved", "downstream", "misplaced", f"now in {where}; its old place is still there")
    carried = carried or brought
    cause = "upstream" if carried else "downstream"
    return Verdict("moved", cause, "other-file", f"now in {where}")


def went_along(old: Item, new: Item, sections: Sections) -> bool:
    """Whether upstream moved a function beside which a change stood to the file in which it stands now."""
    start, stop = old.base
    beside = sections.names("old", old.file, max(0, start - BESIDE), stop + BESIDE) - {None}
    return any(
        not sections.holds("new", old.file, name) and sections.holds("new", new.file, name)
        for name in sorted(beside, key=str)
    )


def judge_edited(old: Item, new: Item, sides: Sides, upstream: Upstream) -> Verdict:
    """The same change with other lines: whose doing?"""
    if old.key == new.key:
        return Verdict("refreshed", None, "recut", "the same lines, shared with other hunks")
    if explained(old, new, sides, upstream.texts):
        return Verdict("edited", "upstream", None, "upstream's own change of these lines explains the difference")
    return Verdict("edited", "downstream", None, "the author changed it")


def fate_alone(item: Item, touched: set[Item], upstream: Upstream) -> Verdict:
    """The fate of a change of p1 without a partner."""
    if item.verdict is not None:
        return item.verdict
    held = held_anyway(item, touched)
    if held is not None:
        return held
    if item.state == "unplaced":
        return unplaced_alone(item, upstream.texts)
    if not item.sure and not item.gone and stands_on_nothing(item, upstream.texts):
        return Verdict("orphaned", None, "no-context", REASONS["no-context"])
    return Verdict(
        "dropped", None, None, "it still has its place in the new release, and the new patchset does not hold it"
    )


def unplaced_alone(item: Item, texts: Texts) -> Verdict:
    """The fate of a change without a place and without a partner: orphaned, or dropped if it could be carried."""
    if item.reason == "file-changed" and item.hunk.new_start == 0 == item.hunk.new_lines:
        return Verdict("dropped", None, item.reason, DELETED_WORDS)
    if item.reason == "alike" and not stands_alike(item, texts):
        return Verdict("dropped", None, item.reason, UNLIKE_WORDS)
    return Verdict("orphaned", None, item.reason, REASONS.get(item.reason, item.reason))


def stands_alike(item: Item, texts: Texts) -> bool:
    """Whether upstream's lines at the place hold much of this very change: P judged it with its neighbours."""
    added = list(item.change.added)
    there = texts("new", item.file)[item.place[0] : item.place[1]]
    return said_alike(added, there) * 2 > words_in(b"".join(added))


def held_anyway(item: Item, touched: set[Item]) -> Verdict | None:
    """Absorbed, if the new trees hold the effect of a change without a hunk for it; None if they do not."""
    if item.state == "absorbed":
        return Verdict("absorbed", None, None, "the new release already holds its effect")
    if item.state == "unplaced":
        return None
    if not item.size and item.hunk.kind == "text":
        return Verdict(
            "absorbed", None, "cancelled", "it undoes what an earlier patch of its series did; nothing is left"
        )
    if item.size and item not in touched:
        return Verdict("absorbed", None, "held", "the new downstream tree holds its effect without a hunk of its own")
    return None


def origin_alone(item: Item, sides: Sides, upstream: Upstream) -> Verdict:
    """The origin of a change of p2 without a partner."""
    if item.verdict is not None:
        return item.verdict
    twin = applied_twice(item, sides)
    if twin is not None:
        return Verdict(
            "new", "downstream", APPLIED_TWICE, f"the new release already holds the effect of {twin.hunk.id}"
        )
    if undoes_upstream(item, sides, upstream.texts):
        return Verdict("new", "upstream", "reverts-upstream", "it puts back what upstream changed")
    if sits_on_upstream(item, sides, upstream.new_files):
        return Verdict("new", "upstream", None, "it stands on code that upstream added")
    return Verdict("new", "downstream")


def applied_twice(item: Item, sides: Sides) -> Item | None:
    """The absorbed change of p1 whose text a change of p2 applies once more."""
    return sides.absorbed().get((item.file, item.key)) if item.change.added else None


def follow_superseders(items: list[Item], kinds: dict[tuple[Item, Item], Verdict]) -> None:
    """A change of which no line lives to D, without a partner, shares the verdict of the one that replaced it.

    It shares its partners too, so that every hunk that lives on has an edge. It is never dropped itself: that loss is
    its superseder's, and named there.
    """
    for item in reversed(items):
        if not item.superseded or item.partners or item.later < 0:
            continue
        later = items[item.later]
        if later.verdict is None:
            continue
        word = "orphaned" if later.verdict.word == "dropped" else later.verdict.word
        item.verdict = Verdict(word, later.verdict.cause, "superseded", f"replaced by {later.hunk.id}")
        if word in PAIRED:
            for other in list(later.partners):
                item.partners[other] = "superseded"
                kinds[(item, other) if item.side == 0 else (other, item)] = item.verdict


def collect(sides: Sides, kinds: dict[tuple[Item, Item], Verdict]) -> Correspondence:
    """Gather verdicts by hunk and pairs into edges."""
    found = Correspondence()
    for items, verdicts in ((sides.old, found.fates), (sides.new, found.origins)):
        for item in items:
            assert item.verdict is not None
            verdicts[item.hunk.id] = (*verdicts.get(item.hunk.id, ()), item.verdict)
            if item.superseded:
                found.superseded.setdefault(item.hunk.id, items[item.later].hunk.id)
    for item in sides.old:
        in_p = item.state == "placed" and not item.superseded
        found.placed[item.hunk.id] = (*found.placed.get(item.hunk.id, ()), in_p)
        if item.state != "placed" and not item.superseded:
            found.unplaced.append(Unplaced(item.hunk.id, item.index, item.reason or item.state))
    whole = {item.hunk.id for side in (sides.old, sides.new) for item in side if not item.superseded}
    found.superseded = {one: other for one, other in found.superseded.items() if one not in whole}
    found.edges = [*pair_edges(kinds), *rival_edges(sides), *upstream_edges(sides)]
    return found


def pair_edges(kinds: dict[tuple[Item, Item], Verdict]) -> list[Edge]:
    """One edge for each pair of hunks, carrying the worst of its changes' verdicts."""
    groups: dict[tuple[str, str], list[tuple[Item, Item, Verdict]]] = defaultdict(list)
    for (old, new), verdict in kinds.items():
        groups[old.hunk.id, new.hunk.id].append((old, new, verdict))
    edges = []
    for (a, b), members in sorted(groups.items()):
        word = worst_of(verdict for _, _, verdict in members).word
        olds = list(dict.fromkeys(old for old, _, _ in members))
        news = list(dict.fromkeys(new for _, new, _ in members))
        same = all(old.key == new.key for old, new, _ in members)
        score = (
            1.0
            if same
            else similarity([line for old in olds for line in old.lines], [line for new in news for line in new.lines])
        )
        evidence = tuple(sorted({old.partners.get(new) or new.partners[old] for old, new, _ in members}))
        edges.append(Edge(a, b, word, score, evidence))
    return edges


def rival_edges(sides: Sides) -> list[Edge]:
    """Edges between hunks that may be partners, where others fit as well."""
    pairs = {(old.hunk.id, new.hunk.id) for old in sides.old for new in old.rivals}
    return [Edge(a, b, "ambiguous", 1.0, ("content",)) for a, b in sorted(pairs)]


def upstream_edges(sides: Sides) -> list[Edge]:
    """Edges to the upstream hunks that took a change in, or that explain it."""
    found: dict[tuple[str, str], Edge] = {}
    for item in [*sides.old, *sides.new]:
        verdict = item.verdict
        if verdict is None or (verdict.word in PAIRED and verdict.cause != "upstream"):
            continue
        if verdict.word == "absorbed" or verdict.cause == "upstream" or verdict.word == "orphaned":
            for name in item.upstream:
                found.setdefault((item.hunk.id, name), Edge(item.hunk.id, name, verdict.word, 1.0, ("upstream",)))
    return [found[key] for key in sorted(found)]
