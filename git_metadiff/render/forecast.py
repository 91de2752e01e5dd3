"""The head of a forecast: what the next rebase will meet, and which upstream commits make the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from git_metadiff.model import OUTCOMES, Forecast, Hunk, UpstreamCommit, outcome
from git_metadiff.render.head import (
    MOST,
    Item,
    certificate,
    collisions_line,
    first_line,
    named,
    notices_of,
)
from git_metadiff.render.lookup import Lookup, alias
from git_metadiff.render.paint import ink, line, plural
from git_metadiff.render.view import View

#: Work for the person who rebases.
WORK = ("conflict", "ambiguous", "orphaned")
#: So much of a commit's id is shown.
SHORT = 12
TITLES = {"absorbed": "absorbed by", "broken": "broken by"}


def forecast_head(lookup: Lookup, view: View, *, brief: bool) -> Iterator[bytes]:
    """The head of a transition whose later patchset does not exist yet; `brief` cuts long lists."""
    olds, _ = lookup.sides(view)
    forecast = lookup.transition.forecast
    assert forecast is not None
    yield from _title(lookup, olds, view)
    if not olds:
        return
    yield from collisions_line(lookup, view)
    most = MOST if brief else None
    inside = {hunk.id for hunk in olds}
    yield from _commits("absorbed", forecast, inside, most, view)
    yield from _commits("broken", forecast, inside, most, view)
    if forecast.missing and any(_of(lookup, olds, word) for word in OUTCOMES[1:]):
        yield b"\n"
        yield line(f"upstream commits are not named: {forecast.missing}")
    told = {name for one in forecast.commits for name in one.hunks}
    rest = [hunk for word in OUTCOMES[1:] for hunk in _of(lookup, olds, word) if hunk.id not in told]
    if rest and not forecast.missing:
        yield line(f"no upstream commit was found for {plural(len(rest), 'hunk')}")
    for word in (*WORK, "absorbed"):
        yield from named(word, list(_items(lookup, olds, word)), most, view, "warn" if word in WORK[:2] else "")
    yield from notices_of(lookup, view, most)


def _title(lookup: Lookup, olds: list[Hunk], view: View) -> Iterator[bytes]:
    counts = Counter(outcome(lookup.verdict(hunk.id)) for hunk in olds)
    told = ", ".join(f"{counts[word]} {word}" for word in OUTCOMES)
    limit = f", limited to {view.limit_text}" if view.limit_text else ""
    title = ink(view, "meta", f"forecast for {lookup.new_release.name}{limit}")
    yield line(f"{title}   {plural(len(olds), 'hunk')}: {told}   {certificate(lookup, view)}")
    name = alias(lookup.transition.start)
    yield line(f"  {name} = {lookup.old.name or name}, on {lookup.old_release.name}")


def _of(lookup: Lookup, olds: list[Hunk], word: str) -> list[Hunk]:
    return [hunk for hunk in olds if outcome(lookup.verdict(hunk.id)) == word]


def _commits(kind: str, forecast: Forecast, inside: set[str], most: int | None, view: View) -> Iterator[bytes]:
    """The commits of one kind, those with most hunks first."""
    rows: list[tuple[int, UpstreamCommit]] = []
    for one in forecast.commits:
        count = len(inside.intersection(one.hunks))
        if one.kind == kind and count:
            rows.append((count, one))
    rows.sort(key=lambda row: (-row[0], row[1].commit))
    if rows:
        yield b"\n"
    for count, one in rows[:most]:
        tag = f"  ({one.tag})" if one.tag else ""
        yield line(f'{TITLES[kind]:<11}  {one.commit[:SHORT]}  "{plain(one.subject)}"{tag}   {plural(count, "hunk")}')
    if most is not None and len(rows) > most:
        yield line(f"  ... and {plural(len(rows) - most, 'commit')} more (--summary names all)")


def _items(lookup: Lookup, olds: list[Hunk], word: str) -> Iterator[Item]:
    """The changes with one outcome, each with its reason."""
    for hunk in olds:
        for at, verdict in enumerate(lookup.changes[hunk.id]):
            if outcome(verdict) == word:
                said = first_line(hunk.changes[at]) or hunk.essence or hunk.kind
                yield Item(f"{lookup.place(hunk, at)}   {hunk.id}", verdict.text, lookup.patch_name(hunk), said)


def plain(subject: str) -> str:
    """A subject without terminal escapes."""
    return "".join(char if char.isprintable() else "?" for char in subject)
