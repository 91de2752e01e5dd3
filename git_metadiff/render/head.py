"""The summary: what a person should know before reading a single hunk."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from git_metadiff.model import APPLIED_TWICE, FATES, ORIGINS, Change, Comparison, Hunk, Notice
from git_metadiff.render.folding import Sweeps
from git_metadiff.render.labels import with_text
from git_metadiff.render.lookup import MISPLACED, Lookup, alias, lookups
from git_metadiff.render.paint import ink, line, plural, quoted, readable
from git_metadiff.render.ranking import Ranked, look_first, tally_words
from git_metadiff.render.sections import FileDiff, read_sections
from git_metadiff.render.view import View

COLUMNS = ("kept", "refreshed", "edited", "moved", "absorbed", "orphaned", "ambiguous", "dropped", "new")
WARNED = ("ambiguous", "dropped")
#: How many files, notices and looser losses the head names; `--summary` names all.
MOST = 10

#: So many functions that upstream added are named.
MOST_NEW = 3
#: So much of a change's first line is shown even where its place takes the whole width.
SHORTEST_LINE = 40

Sides = tuple[list[Hunk], list[Hunk]]


class Item(NamedTuple):
    """Something that a list of the head names."""

    what: str  # where it is, and its id
    why: str = ""
    patch: str = ""  # of a series
    said: str = ""  # its first line, cut to what the view has room for


def summary(comparison: Comparison, view: View) -> Iterator[bytes]:
    """The head of every transition, with everything named."""
    for at, lookup in enumerate(lookups(comparison)):
        if at:
            yield b"\n"
        files = wanted_files(read_sections(lookup.transition.interdiff), view)
        yield from head(lookup, files, {}, view, brief=False)


def wanted_files(files: Iterable[FileDiff], view: View) -> list[FileDiff]:
    """The files that the path limits let pass, under either of their names."""
    return [file for file in files if any(view.wanted(path) for path in (file.path, file.old_path) if path is not None)]


def head(
    lookup: Lookup, files: Sequence[FileDiff], sweeps: Sweeps, view: View, *, brief: bool = True
) -> Iterator[bytes]:
    """The head of one transition; `brief` cuts long lists, except of what was lost or misplaced."""
    if lookup.transition.forecast is not None:
        from git_metadiff.render.forecast import forecast_head

        yield from forecast_head(lookup, view, brief=brief)
        return
    sides = lookup.sides(view)
    yield from _title(lookup, view)
    yield from _size(lookup, files, view)
    yield b"\n"
    if not any(sides):
        yield line("No hunk of either patchset is there.")
        return
    yield from _table(lookup, sides, view)
    yield from _who(lookup, sides, view)
    yield from _lost(lookup, sides, view, MOST if brief else None)
    yield from _look_first(lookup, files, sides, view, MOST if brief else None)
    yield from _sweeps(sweeps)
    yield from notices_of(lookup, view, MOST if brief else None)
    yield from _unplaced(lookup, view)


def _title(lookup: Lookup, view: View) -> Iterator[bytes]:
    old, new = alias(lookup.transition.start), alias(lookup.transition.stop)
    names = lookup.names() + (", same upstream: every change is downstream's" if lookup.same_release else "")
    limit = f", limited to {view.limit_text}" if view.limit_text else ""
    yield line(f"{ink(view, 'meta', names + limit)}   {certificate(lookup, view)}")
    for name, patchset in ((old, lookup.old), (new, lookup.new)):
        if patchset.name not in ("", name):
            yield line(f"  {name} = {patchset.name}")


def certificate(lookup: Lookup, view: View) -> str:
    """Whether the proof holds, in words."""
    proof = lookup.transition.certificate
    if proof.holds:
        return ink(view, "ok", "certificate ok")
    parts = {"replay": proof.equals_downstream, "accounting": proof.hunks_accounted, "agreement": proof.verdicts_agree}
    failed = ", ".join(name for name, holds in parts.items() if not holds)
    return ink(view, "warn", f"certificate FAILED: {failed}")


def _size(lookup: Lookup, files: Sequence[FileDiff], view: View) -> Iterator[bytes]:
    within = f" within {view.limit_text}" if view.limit_text and lookup.transition.interdiff else " (P = D2)"
    if files:
        added, removed = sum(file.added for file in files), sum(file.removed for file in files)
        binary = sum(file.binary for file in files)
        tail = f", {binary} binary" if binary else ""
        yield line(f"interdiff   {plural(len(files), 'file')}, +{added} -{removed}{tail}")
    else:
        yield line(f"interdiff empty{within}: downstream itself changed nothing{' there' if view.limit_text else ''}")
    yield from collisions_line(lookup, view)


def collisions_line(lookup: Lookup, view: View) -> Iterator[bytes]:
    """How many there are: what did not change stands on code that did."""
    if lookup.same_release:
        return
    found = lookup.collisions(view)
    if not found:
        yield line("collisions  none: upstream did not change code under the patch")
        return
    new = list(dict.fromkeys(readable(one.definition) for one in found if one.definition is not None))
    names = f" ({', '.join(new)})" if len(new) <= MOST_NEW else ""
    reached = f", {plural(len(new), 'new function')} within reach{names}" if new else ""
    yield line(f"collisions  {len(found)} where upstream changed code under the patch{reached}: see --collisions")


def _table(lookup: Lookup, sides: Sides, view: View) -> Iterator[bytes]:
    rows = [(title, Counter(found)) for title, found in _rows(lookup, sides)]
    columns = [word for word in COLUMNS if any(row[word] for _, row in rows)]
    yield line(f"{'':<12}{'total':>8}" + "".join(f"  {word:>9}" for word in columns))
    for title, row in rows:
        known = FATES if title.startswith(alias(lookup.transition.start)) else ORIGINS
        cells = "".join("  " + _cell(row[word], word, word in known, view) for word in columns)
        yield line(f"{title:<12}{row.total():>8}{cells}".rstrip())


def _rows(lookup: Lookup, sides: Sides) -> Iterator[tuple[str, list[str]]]:
    for index, side in zip((lookup.transition.start, lookup.transition.stop), sides, strict=True):
        yield f"{alias(index)} hunks", [lookup.verdict(hunk.id).word for hunk in side]
        yield f"{alias(index)} changes", [verdict.word for hunk in side for verdict in lookup.changes[hunk.id]]


def _cell(number: int, word: str, possible: bool, view: View) -> str:
    text = f"{number if possible else '':>9}"
    return ink(view, "warn", text) if number and word in WARNED else text


def _who(lookup: Lookup, sides: Sides, view: View) -> Iterator[bytes]:
    """Who wanted it: what the author did, and what upstream made him do."""
    found = Counter((verdict.cause, verdict.word) for verdict in (lookup.verdict(hunk.id) for hunk in sides[1]))
    dropped = sum(lookup.verdict(hunk.id).word == "dropped" for hunk in sides[0])
    yield b"\n"
    for cause, title in (("downstream", "downstream itself "), ("upstream", "forced by upstream")):
        parts = [f"{found[cause, word]} {word}" for word in ("edited", "moved", "new") if found[cause, word]]
        parts += [f"{dropped} dropped"] if dropped and cause == "downstream" else []
        if parts or not lookup.same_release:
            yield line(f"{ink(view, cause, title)}   {', '.join(parts) or 'nothing'}")


def _lost(lookup: Lookup, sides: Sides, view: View, most: int | None) -> Iterator[bytes]:
    """What may have gone wrong: misplaced first, each dropped change by name, then what is only to be looked at."""
    yield from named(MISPLACED, list(_misplaced(lookup, sides)), None, view, "warn")
    yield from named("applied twice", list(_twice(lookup, sides)), None, view, "warn")
    yield from named("dropped", list(_changes_of(lookup, sides[0], "dropped")), None, view, "warn")
    ambiguous = [*_changes_of(lookup, sides[0], "ambiguous"), *_changes_of(lookup, sides[1], "ambiguous")]
    yield from named("ambiguous", ambiguous, most, view, "warn")
    yield from named("orphaned", list(_changes_of(lookup, sides[0], "orphaned")), most, view, "")
    if most is None:
        yield from named("absorbed", list(_changes_of(lookup, sides[0], "absorbed")), most, view, "")


def named(title: str, items: list[Item], most: int | None, view: View, slot: str) -> Iterator[bytes]:
    """A list; what several items have in common as their reason is said once, above them."""
    if not items:
        return
    groups: dict[str, list[Item]] = defaultdict(list)
    shared = Counter(item.why for item in items)
    for item in items:
        groups[item.why if shared[item.why] > 1 else ""].append(item)
    room = len(items) if most is None else most
    yield b"\n"
    for why, group in sorted(groups.items(), key=lambda pair: -len(pair[1])):
        if room > 0:
            name = f"{title} ({len(group)})" if len(groups) == 1 else f"{title} ({len(group)} of {len(items)})"
            yield from with_text(ink(view, slot, name), why, len(name), view)
        patch = ""
        for item in group[: max(room, 0)]:
            if item.patch != patch:
                patch = item.patch
                yield line(f"  {patch}")
            yield from _item(item, "" if why else item.why, view)
        room -= len(group)
    if room < 0:
        yield line(f"  ... and {-room} more (--summary names all)")


def _item(item: Item, why: str, view: View) -> Iterator[bytes]:
    what = f"    {item.what}" if item.patch else f"  {item.what}"
    room = max(view.width - len(what) - 3, SHORTEST_LINE)
    said = item.said if len(item.said) <= room else item.said[: room - 3] + "..."
    what += f"   {said}" if said else ""
    yield from with_text(what, why, len(what), view)


def _misplaced(lookup: Lookup, sides: Sides) -> Iterator[Item]:
    told: set[str] = set()
    for hunk in sides[0] + sides[1]:
        if hunk.id in told or hunk.id not in lookup.misplaced:
            continue
        verdicts = lookup.changes[hunk.id]
        at = next(at for at, verdict in enumerate(verdicts) if verdict.reason == MISPLACED)
        partners = [partner for _, partner in lookup.partners(hunk.id)]
        told.update(partner.id for partner in partners)
        arrow = "->" if hunk.id in lookup.olds else "<-"
        there = "".join(f"  {arrow}  {lookup.place(partner)}" for partner in partners[:1])
        yield Item(f"{lookup.place(hunk, at)}{there}   {hunk.id}", verdicts[at].text, lookup.patch_name(hunk))


def _twice(lookup: Lookup, sides: Sides) -> Iterator[Item]:
    for hunk in sides[1]:
        for at, verdict in enumerate(lookup.changes[hunk.id]):
            if verdict.reason == APPLIED_TWICE:
                said = first_line(hunk.changes[at])
                yield Item(f"{lookup.place(hunk, at)}   {hunk.id}", verdict.text, lookup.patch_name(hunk), said)


def _changes_of(lookup: Lookup, hunks: Iterable[Hunk], word: str) -> Iterator[Item]:
    for hunk in hunks:
        for at, verdict in enumerate(lookup.changes[hunk.id]):
            if verdict.word == word:
                said = first_line(hunk.changes[at]) or hunk.essence or hunk.kind
                why = verdict.text or verdict.reason or ""
                if word == "ambiguous" and (rivals := [partner.id for _, partner in lookup.partners(hunk.id)]):
                    why = f"{why}; candidates: {', '.join(rivals)}".removeprefix("; ")
                yield Item(f"{lookup.place(hunk, at)}   {hunk.id}", why, lookup.patch_name(hunk), said)


def first_line(change: Change) -> str:
    """The first line of a change that says anything, with its sign and single blanks."""
    signed = [("-", text) for text in change.removed] + [("+", text) for text in change.added]
    said = ((sign, " ".join(readable(text).split())) for sign, text in signed)
    blank = f"{'+' if change.added else '-'} (a blank line)" if signed else ""
    return next((f"{sign} {text}" for sign, text in said if text), blank)


def _look_first(
    lookup: Lookup, files: Sequence[FileDiff], sides: Sides, view: View, most: int | None
) -> Iterator[bytes]:
    """The files in which something was lost, then those that the author changed; the rest is counted."""
    lost, wanted, rest = look_first(lookup, sides, view)
    shown = [*islice(lost, most), *islice(wanted, most)]
    if shown:
        yield b"\n"
        yield line("look first")
        yield from _files(shown, {file.path: f"+{file.added} -{file.removed}" for file in files})
    hidden = {
        "with losses": len(lost) - (most or len(lost)),
        "of the author's": len(wanted) - (most or len(wanted)),
    }
    told = [f"{number} more {what}" for what, number in hidden.items() if number > 0]
    if told:
        told[-1] += " (--summary names all)"
    told += [f"{len(rest)} where only upstream moved (--collisions)"] if rest else []
    if told and shown:
        yield line(f"  ... and {', '.join(told)}")


def _files(shown: Sequence[Ranked], sizes: dict[bytes, str]) -> Iterator[bytes]:
    width = max(len(quoted(path)) for path, _ in shown)
    for path, tally in shown:
        yield line(f"  {quoted(path):<{width}}  {sizes.get(path, ''):<10}  {tally_words(tally)}")


def _sweeps(sweeps: Sweeps) -> Iterator[bytes]:
    if sweeps:
        yield b"\n"
    for (old, new), paths in sorted(sweeps.items(), key=lambda sweep: -sweep[1].total()):
        where = f"{plural(len(paths), 'file')}, {plural(paths.total(), 'line')}, folded (--all shows them)"
        yield line(f"sweep  {readable(old)} -> {readable(new)}   {where}")


def notices_of(lookup: Lookup, view: View, most: int | None) -> Iterator[bytes]:
    """What is odd about the inputs."""
    for index, patchset in ((lookup.transition.start, lookup.old), (lookup.transition.stop, lookup.new)):
        for kind in dict.fromkeys(notice.kind for notice in patchset.notices):
            notices = [notice for notice in patchset.notices if notice.kind == kind]
            # What is left out of the comparison is always named, whole.
            limit = None if kind in ("stub", "rejected") else most
            slot = "warn" if kind in ("stub", "rejected", "fuzz") else ""
            yield from named(f"{alias(index)} {kind}", [Item(_notice(notice)) for notice in notices], limit, view, slot)


def _notice(notice: Notice) -> str:
    path = quoted(notice.path)
    return f"{path}: {notice.text}" if path and path not in notice.text else notice.text


def _unplaced(lookup: Lookup, view: View) -> Iterator[bytes]:
    mine = [item for item in lookup.transition.unplaced if lookup.wanted(lookup.hunks[item.hunk], view)]
    if mine:
        reasons = Counter(item.reason for item in mine)
        order = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
        told = ", ".join(f"{number} {reason}" for reason, number in order)
        yield b"\n"
        start, release = alias(lookup.transition.start), lookup.new_release.name
        yield line(f"unplaced   {plural(len(mine), 'change')} of {start} without a place in {release}: {told}")
