"""The forecast: what the next rebase will meet, where the last release has no patchset yet.

Its patchset is implied: the diff from U2 to P, one patch. So the interdiff is empty, the certificate of every
transition holds here too, and what is carried has a partner. Nothing is `dropped`: nobody has decided anything yet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from git_metadiff.apply import PatchText
from git_metadiff.correspond.absorbed import find_absorbed
from git_metadiff.correspond.classify import Correspondence, Upstream, collect, follow_superseders, kept_or_refreshed
from git_metadiff.correspond.classify import worst_of as worst_verdict
from git_metadiff.correspond.elsewhere import find_moved_code
from git_metadiff.correspond.exact import match_exact
from git_metadiff.correspond.items import Item, Sides, pair
from git_metadiff.correspond.place import match_places
from git_metadiff.correspond.upstream import meet_upstream
from git_metadiff.git import Scratch
from git_metadiff.model import NO_EFFECT, Hunk, PatchVerdict, Verdict, worst
from git_metadiff.port import REASONS
from git_metadiff.series import Claim, tally, weigh
from git_metadiff.sources import PatchsetSource

#: The name of the implied patchset and of its one patch.
NAME = "forecast"
#: So many places that a change could take are named.
MOST_PLACES = 5
IN_PART = "; a part of it is carried"
WITHIN = "it has no effect on the release: what it changes comes and goes within its patchset"
CODE_MOVED = "; the new patchset has nothing there"

Pairs = dict[tuple[Item, Item], Verdict]


def implied_patchset(scratch: Scratch, release: str, ported: str) -> PatchsetSource:
    """The patchset that leads from the tree of a release to P; without a patch where nothing is carried."""
    options = ("-r", "-M", "-p", "--binary", "--full-index", "--diff-algorithm=histogram")
    text = scratch.run("diff-tree", *options, release, ported)
    return PatchsetSource(NAME, (PatchText(NAME, text, 1),) if text else ())


def foresee(sides: Sides, upstream: Upstream) -> Correspondence:
    """The fates of the last patchset by its places in P alone, and the origins of the implied one.

    A change is carried if all of it has a place; its partners are those that own its lines.
    """
    pair_carried(sides)
    for item in sides.old:
        if item.state == "placed" and not item.partners and not item.superseded:
            item.verdict = Verdict("absorbed", None, NO_EFFECT, WITHIN)
    meet_upstream(sides, upstream.transition)
    find_absorbed(sides, upstream.texts, upstream.sections, upstream.transition)
    find_moved_code(sides, upstream.others)
    kinds = judge_pairs(sides.old)
    for item in sides.old:
        item.verdict = fate_of(item, kinds)
    for item in sides.new:
        item.verdict = origin_of(item, kinds)
    follow_superseders(sides.old, kinds)
    for item in reversed(sides.old):
        later = sides.old[item.later].verdict if item.superseded and not item.partners and item.later >= 0 else None
        if later is not None and later.reason == NO_EFFECT:
            item.verdict = later
    return collect(sides, kinds)


def pair_carried(sides: Sides) -> None:
    """Pair what has a place with its lines in the implied patchset; first what is carried whole."""
    whole = [item for item in sides.old if item.state == "placed"]
    part = [item for item in sides.old if item.state == "unplaced" and item.size]
    for items in (whole, part):
        some = Sides(items, sides.new, sides.maps, sides.sources)
        match_exact(some)
        match_places(some)
    for old in whole:
        if not old.partners:
            for new in old.shared:
                pair(old, new, "shared lines")
    pair_rest(whole, sides.new)
    pair_recut(whole)


def pair_rest(olds: Sequence[Item], news: Sequence[Item]) -> None:
    """Pair what shares no line, since git shows another of some equal lines as added: with the nearest of its file."""
    for ones, others in ((olds, news), (news, olds)):
        by_path: dict[bytes, list[Item]] = defaultdict(list)
        for other in others:
            by_path[other.path].append(other)
        for one in ones:
            near = by_path[one.path]
            if one.partners or not near or (one.side == 0 and not has_effect(one)):
                continue
            other = min(near, key=lambda other: (other.key != one.key, far(one, other), other.serial))
            pair(*((one, other) if one.side == 0 else (other, one)), "place")


def pair_recut(olds: Sequence[Item]) -> None:
    """Pair what another change of its own hunk makes up for: the net diff shows those lines as unchanged."""
    partners: dict[str, dict[Item, None]] = defaultdict(dict)
    for old in olds:
        partners[old.hunk.id].update(dict.fromkeys(old.partners))
    for old in olds:
        near = partners[old.hunk.id]
        if near and not old.partners and not old.superseded:
            pair(old, min(near, key=lambda other: (far(old, other), other.serial)), "effect")


def has_effect(item: Item) -> bool:
    """Whether a change of p1 does anything in P."""
    return item.size > 0 or item.hunk.kind != "text"


def far(one: Item, other: Item) -> int:
    """How far apart two changes stand in U2, in lines."""
    return max(0, one.place[0] - other.place[1], other.place[0] - one.place[1])


def judge_pairs(olds: Sequence[Item]) -> Pairs:
    """The verdict of every pair."""
    return {(old, new): judge(old, new) for old in olds for new in old.partners}


def judge(old: Item, new: Item) -> Verdict:
    """What one change is in the implied patchset."""
    if old.state != "placed":
        return Verdict("edited", "upstream", None, "only a part of it has a place")
    if old.hunk.kind == "text" and old.key == new.key:
        return kept_or_refreshed(old.change, new.change, old.hunk, new.hunk)
    if old.key == new.key:
        return Verdict("kept")
    return Verdict("refreshed", None, "recut", "the same lines, cut into other hunks or slid to an equal place")


def fate_of(item: Item, kinds: Pairs) -> Verdict:
    """What the next rebase will meet."""
    if item.state == "placed" and item.partners:
        return worst_verdict(kinds[item, other] for other in item.partners)
    found = item.verdict
    if found is not None and found.word == "dropped":  # upstream moved its code to another file
        return Verdict("orphaned", None, found.reason, found.text.removesuffix(CODE_MOVED))
    if found is not None:
        return found
    if item.state != "unplaced":
        return Verdict("absorbed", None, None, "the new release already holds its effect")
    word = "ambiguous" if item.reason == "several-places" else "orphaned"
    text = REASONS.get(item.reason, item.reason) + places_of(item) + IN_PART * bool(item.partners)
    return Verdict(word, None, item.reason, text)


def places_of(item: Item) -> str:
    """Where a change could stand in the new release, if its context fits several places."""
    if not item.places:
        return ""
    shown = ", ".join(str(at + 1) for at in item.places[:MOST_PLACES])
    more = f" and {len(item.places) - MOST_PLACES} more" if len(item.places) > MOST_PLACES else ""
    return f": lines {shown}{more}"


def origin_of(item: Item, kinds: Pairs) -> Verdict:
    """Where a change of the implied patchset comes from."""
    if item.partners:
        return worst_verdict(kinds[other, item] for other in item.partners)
    return Verdict("new", "upstream", None, "it comes from the merge of modes or names")


def foresee_patches(
    release: int,
    side: str,
    hunks: Iterable[Hunk],
    verdicts: Mapping[str, tuple[Verdict, ...]],
    claims: Mapping[int, Claim],
) -> list[PatchVerdict]:
    """The verdict of each patch: the worst of its hunks'. The implied patchset is one patch, so no edge says more."""
    by_patch: dict[int, list[Verdict]] = defaultdict(list)
    for hunk in hunks:
        by_patch[hunk.patch].append(weigh(verdicts[hunk.id]))
    found = []
    for patch, mine in sorted(by_patch.items()):
        standing = tuple(one for one in mine if one.reason != "superseded") or tuple(mine)
        one = worst(standing)
        claim = claims.get(patch)
        named = claim if claim is not None and claim.proven is not False else Claim()
        named = named if any(verdict.word == "absorbed" for verdict in mine) else Claim()
        verdict = Verdict(one.word, one.cause, one.reason, tally(mine, one.word))
        found.append(PatchVerdict(release, patch, side, verdict, named.commit, checked=named.proven is True))
    return found
