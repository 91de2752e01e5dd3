"""What became of every hunk: what was written tells what is placed, the forecast tells why the rest is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from git_metadiff.forward.rewrite import Work
from git_metadiff.forward.words import ChangeFate, HunkFate
from git_metadiff.model import NO_EFFECT, Comparison, Hunk, UpstreamCommit, Verdict, outcome

PLACED = ChangeFate("placed")
LATER = "its effect is in the ported tree through a later patch of the series"
LOST = "its text is not in the ported tree"


def fates_of(comparison: Comparison, works: Sequence[Work], where: Mapping[bytes, bytes]) -> list[list[HunkFate]]:
    """The fates of the hunks of every patch. `where` are the names that files have in the new release."""
    forecast = comparison.transitions[-1].forecast
    assert forecast is not None
    commits: dict[str, list[UpstreamCommit]] = {}
    for commit in forecast.commits:
        for name in commit.hunks:
            commits.setdefault(name, []).append(commit)
    found = []
    for work in works:
        hunks = [hunk for section in work.sections for hunk in section.hunks]
        rows = []
        for order, hunk in enumerate(hunks, 1):
            changes = tuple(change_fate(comparison, work, hunk, at) for at in range(len(hunk.changes)))
            told = () if all(one.result == "placed" for one in changes) else tuple(commits.get(hunk.id, ()))
            path = where.get(hunk.path)
            rows.append(HunkFate(hunk, order, changes, hunk.id in work.verbatim, path, told))
        found.append(rows)
    return found


def change_fate(comparison: Comparison, work: Work, hunk: Hunk, at: int) -> ChangeFate:
    """What became of one change."""
    verdict = comparison.fates[hunk.id][at]
    placed = comparison.placed[hunk.id][at]
    if (hunk.id, at) in work.carried or (hunk.id in work.unsure and placed and outcome(verdict) != "absorbed"):
        return PLACED
    if verdict.reason == NO_EFFECT:
        return ChangeFate("void", verdict.reason, verdict.text)
    if outcome(verdict) == "absorbed":
        return ChangeFate("absorbed", verdict.reason, verdict.text)
    if placed:
        return ChangeFate("void", "later", LATER)
    return ChangeFate("rejected", *told(verdict))


def told(verdict: Verdict) -> tuple[str | None, str]:
    """Why a change has no place: code and words."""
    if outcome(verdict) == "carried":
        return verdict.reason or "part", verdict.text or LOST
    return verdict.reason, verdict.text
