"""`git metadiff lineage`: families of hunks through the releases."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from git_metadiff.lineage import PRESENT, QUIET, Event, Family, Step, tally, worst_event
from git_metadiff.model import PAIRED, WORST_FIRST, Change, Comparison, Hunk, Verdict
from git_metadiff.render.functions import titles
from git_metadiff.render.gutter import shortened
from git_metadiff.render.labels import SAID, slot, with_text, words
from git_metadiff.render.lookup import alias
from git_metadiff.render.paint import diff_line, hunk_header, ink, line, plural, quoted, readable
from git_metadiff.render.upstream import LONG
from git_metadiff.render.view import View

if TYPE_CHECKING:
    from git_metadiff.taken import Taken

SCHEMA = "git-metadiff-lineage/1"
BORN_EARLIER = "present in the oldest release given: born earlier"
#: So many quiet steps in a row are told as one line.
LONG_RUN = 4
#: How many families the overview names.
MOST = 30
COLUMNS = (PRESENT, *reversed(WORST_FIRST))


@dataclass(frozen=True)
class Told:
    """Families that are to be shown, with what is known of their hunks."""

    comparison: Comparison
    families: Sequence[Family]
    asked: str = ""  # what they were chosen by, in words; empty if they are all
    notes: tuple[str, ...] = ()  # what is to be said of the question
    diff: bool = False
    upstream: str = ""  # the revision of which is asked whether it holds them
    taken: dict[str, Taken] = field(default_factory=dict)  # what it holds, by family
    has_history: bool = True  # of that revision

    @cached_property
    def hunks(self) -> dict[str, Hunk]:
        """All hunks by id."""
        return {hunk.id: hunk for hunk in self.comparison.hunks()}

    @cached_property
    def parents(self) -> dict[str, list[str]]:
        """The hunks of the patchset before that a hunk comes from."""
        found: dict[str, list[str]] = defaultdict(list)
        for edge in self.comparison.edges:
            if edge.kind in PAIRED:
                found[edge.b].append(edge.a)
        return found

    @cached_property
    def labels(self) -> list[str]:
        """What each patchset is called: its release, and its number where several stand on one release."""
        names = [release.name for release in self.comparison.releases]
        count = max(len(names), len(self.comparison.patchsets))
        names += names[-1:] * (count - len(names))
        times = Counter(names)
        labels = [name if times[name] == 1 else f"{name}+{alias(at)}" for at, name in enumerate(names)]
        return [*labels[:-1], f"{labels[-1]} (forecast)"] if self.forecast else labels

    @property
    def forecast(self) -> bool:
        """Whether the last patchset is only foreseen."""
        return any(one.forecast is not None for one in self.comparison.transitions)

    def place(self, family: Family) -> tuple[bytes, int]:
        """Where its newest hunk stands, to sort families by."""
        hunk = self.hunks[family.hunks[-1]]
        return hunk.path, hunk.applied_start

    def of(self, names: Sequence[str]) -> list[Hunk]:
        """Hunks by their ids."""
        return [self.hunks[name] for name in names]

    def patch(self, hunk: Hunk) -> str:
        """The name of a hunk's patch; empty where its patchset is one patch."""
        patches = self.comparison.patchsets[hunk.release].patches
        return patches[hunk.patch].name if len(patches) > 1 else ""


def show_families(told: Told, view: View) -> Iterator[bytes]:
    """The families asked for, each with its steps; without a question, how they all fared and the eventful ones."""
    if not told.asked:
        yield from _overview(told, view)
        return
    for note in told.notes:
        yield line(note)
    if not told.families:
        yield line(f"no family of hunks for {told.asked}")
    for at, family in enumerate(sorted(told.families, key=told.place)):
        if at or told.notes:
            yield b"\n"
        yield from _family(told, family, view)


# All families


def _overview(told: Told, view: View) -> Iterator[bytes]:
    count = len(told.comparison.patchsets) - told.forecast
    patchsets = f"{count} patchset" + "s" * (count != 1) + " and a forecast" * told.forecast
    title = f"{told.comparison.name}: {_families(len(told.families))} in {patchsets}"
    yield line(ink(view, "meta", title))
    yield b"\n"
    yield from _table(told)
    eventful = sorted((family for family in told.families if not family.is_quiet), key=lambda one: _rank(told, one))
    yield b"\n"
    if not eventful:
        yield line("nothing but kept and refreshed since the oldest release given")
        return
    yield line(f"{_families(len(eventful))} with more to tell than kept and refreshed, losses first")
    shown = eventful if view.everything else eventful[:MOST]
    for family in shown:
        yield from _row(told, family, view)
    if len(shown) < len(eventful):
        yield line(f"  ... and {len(eventful) - len(shown)} more (--all names them; a path or --fate narrows them)")


def _families(count: int) -> str:
    return f"{count} family" if count == 1 else f"{count} families"


def _table(told: Told) -> Iterator[bytes]:
    counts = tally(told.families, len(told.comparison.patchsets))
    used = [word for word in COLUMNS if any(count[word] for count in counts)]
    width = max(map(len, told.labels))
    yield line(f"  {'':<{width}}" + "".join(f"{word:>11}" for word in used))
    for name, count in zip(told.labels, counts, strict=False):
        cells = "".join(f"{count[word] or '':>11}" for word in used)
        yield line(f"  {name:<{width}}{cells}".rstrip())


def _rank(told: Told, family: Family) -> tuple[int, bytes, int]:
    """Worst first: a loss before an edit, an edit before what is new; then by place."""
    found = {event.word for step in family.steps for event in step.events} - {*QUIET}
    best = min(WORST_FIRST.index(word) if word != "new" else len(WORST_FIRST) for word in found)
    return best, *told.place(family)


def _row(told: Told, family: Family, view: View) -> Iterator[bytes]:
    """A family in one line, or in two where that is too wide."""
    head = f"  {family.id}  {_place(told.hunks[family.hunks[-1]])}"
    parts = [f"{_short(step, family)} {told.labels[step.patchset]}" for step in family.steps if not step.is_quiet]
    text = ", ".join(parts)
    if len(head) + 3 + len(text) > view.width:
        yield line(head)
        yield line(f"      {text}")
    else:
        yield line(f"{head}   {text}")


def _short(step: Step, family: Family) -> str:
    event = worst_event(step)
    return "introduced in" if _is_birth(event, step, family) else f"{words(_verdict(event))} in"


# One family


def _family(told: Told, family: Family, view: View) -> Iterator[bytes]:
    hunk = told.hunks[family.hunks[-1]]
    said = first_line(hunk)
    title = f"family {family.id}  {_place(hunk)}   (+{hunk.added} -{hunk.removed})"
    yield line(ink(view, "meta", title) + (f"   {said}" if said else ""))
    yield from _patches(told, family)
    width = max(len(told.labels[step.patchset]) for step in family.steps)
    for run in _runs(family, view):
        yield from _steps(told, family, run, width, view)
    if family.id in told.taken:
        yield line(f"  {_upstream(told, told.taken[family.id])}")


def _upstream(told: Told, one: Taken) -> str:
    """Whether a family is upstream yet, in words."""
    if one.state == "unknown":
        return f"upstream: cannot be told of {told.upstream}: {one.unknown}"
    if one.state == "absent":
        return f"upstream: not in {told.upstream}"
    part = "it" if one.state == "held" else f"{one.held} of {plural(one.changes, 'change')}"
    first, last = one.lines
    place = quoted(one.path) + (f":{first}" if first else "") + (f"-{last}" if last > first else "")
    since = f", since {'; '.join(one.commits)}" if one.commits else ""
    if not one.commits:
        since = "; since which commit is not known" if told.has_history else "; it has no history to tell since when"
    return f"upstream: {told.upstream} holds {part}: {place}{since}"


def _runs(family: Family, view: View) -> Iterator[list[Step]]:
    """The steps, those that say no more than the one before them together where they are many."""
    runs: list[list[Step]] = []
    for step in family.steps:
        same = runs and _says(runs[-1][-1]) == _says(step) == "kept"
        if same:
            runs[-1].append(step)
        else:
            runs.append([step])
    for run in runs:
        yield from ([run] if len(run) >= LONG_RUN and not view.everything else ([step] for step in run))


def _says(step: Step) -> str:
    """The one word of a step in which all changes fared alike and nothing is to be added."""
    told = {(event.word, event.text) for event in step.events}
    return step.events[0].word if len(told) == 1 and not step.events[0].text else ""


def _patches(told: Told, family: Family) -> Iterator[bytes]:
    """The patch that a family belongs to, where it is the same in every release."""
    names = {told.patch(hunk) for hunk in told.of(family.hunks)}
    if len(names) == 1 and "" not in names:
        newest = told.hunks[family.hunks[-1]]
        patch = told.comparison.patchsets[newest.release].patches[newest.patch]
        yield line(f"  patch {patch.name}" + (f"   {patch.subject}" if patch.subject else ""))


def _steps(told: Told, family: Family, run: Sequence[Step], width: int, view: View) -> Iterator[bytes]:
    """One step, or a run of quiet ones."""
    step, name = run[-1], told.labels[run[0].patchset]
    if len(run) > 1:
        yield line(f"  {name} to {told.labels[step.patchset]}   kept in each of {len(run)}   {_ids(step.hunks)}")
        return
    events = [event for event in step.events if event.word != "kept"] or list(step.events)
    for at, event in enumerate(events):
        label = name if not at else ""
        head, plain, text = _event(told, family, step, event, view)
        plain = f"  {label:<{width}}  {plain}"
        yield from with_text(f"  {label:<{width}}  {head}", text, len(plain), view)
        if told.diff:
            yield from _texts(told, family, step, event, view)


def _event(told: Told, family: Family, step: Step, event: Event, view: View) -> tuple[str, str, str]:
    """The head of an event with colours, without them, and its text."""
    verdict, whole = _verdict(event), _changes_of(told, family, step, event)
    part = f"{event.changes} of {plural(whole, 'change')} " if event.changes < whole else ""
    said = words(verdict)
    if event.word == PRESENT:
        said = BORN_EARLIER
    elif _is_birth(event, step, family):
        said = "introduced" + (f" {event.cause}" if event.cause else "")
    size = _size(told, event) if event.word in ("edited", "moved") else ""
    rest = size + _ids(event.hunks) + _elsewhere(told, family, step)
    text = "" if event.text in SAID else event.text
    return part + ink(view, slot(verdict), said) + rest, part + said + rest, text


def _verdict(event: Event) -> Verdict:
    return Verdict("" if event.word == PRESENT else event.word, event.cause, event.reason, event.text)


def _is_birth(event: Event, step: Step, family: Family) -> bool:
    return event.word == "new" and step.patchset == family.born


def _changes_of(told: Told, family: Family, step: Step, event: Event) -> int:
    """How many changes the event's side has in this step."""
    names = _before(family, step) if event.lost else step.hunks
    return sum(len(hunk.changes) for hunk in told.of(names))


def _before(family: Family, step: Step) -> tuple[str, ...]:
    at = step.patchset - family.steps[0].patchset
    return family.steps[at - 1].hunks if at else ()


def _ids(names: Sequence[str]) -> str:
    return "   " + ", ".join(names)


def _elsewhere(told: Told, family: Family, step: Step) -> str:
    """The file and the patch of a step, where they differ from those of the step before."""
    before, here = told.of(_before(family, step)), told.of(step.hunks)
    if not before or not here:
        return ""
    old, new = ({hunk.path for hunk in side} for side in (before, here))
    was, patches = ({told.patch(hunk) for hunk in side} for side in (before, here))
    file = f"   in {', '.join(map(quoted, sorted(new - old)))}" if new - old else ""
    return file + (f"   in patch {', '.join(sorted(patches))}" if patches != was and "" not in patches else "")


def _size(told: Told, event: Event) -> str:
    """How many changed lines came and went: `   +2 -1`."""
    new = Counter(text for hunk in told.of(event.hunks) for text in _changed(hunk))
    old = Counter(text for hunk in told.of(_parents(told, event)) for text in _changed(hunk))
    came, went = (new - old).total(), (old - new).total()
    return f"   +{came} -{went}" if came or went else ""


def _changed(hunk: Hunk) -> Iterator[bytes]:
    return (text for text in hunk.body if text[:1] in (b"+", b"-"))


def _parents(told: Told, event: Event) -> list[str]:
    return list(dict.fromkeys(parent for name in event.hunks for parent in told.parents.get(name, ())))


def _texts(told: Told, family: Family, step: Step, event: Event, view: View) -> Iterator[bytes]:
    """The text of the hunks of an event: before and after an edit, what came, or what went."""
    if event.word in ("edited", "moved"):
        yield from _bodies("old", told.of(_parents(told, event)), view)
        yield from _bodies("new", told.of(event.hunks), view)
    elif event.lost:
        yield from _bodies("lost", told.of(event.hunks), view)
    elif event.word in ("new", PRESENT):
        yield from _bodies("text", told.of(event.hunks), view)


def _bodies(title: str, hunks: Sequence[Hunk], view: View) -> Iterator[bytes]:
    for hunk in hunks:
        yield line(f"    {title}  {hunk.id}  {_place(hunk)}")
        lines = [hunk_header(view, hunk), *(diff_line(view, text) + b"\n" for text in hunk.body)] if hunk.body else []
        yield from (b"    " + text for text in shortened(view, lines, LONG))


def _place(hunk: Hunk) -> str:
    """`path:line  function` of the first change of a hunk."""
    where = quoted(hunk.path) + (f":{hunk.changes[0].old_start}" if hunk.kind == "text" else "")
    functions = functions_of(hunk)
    return f"{where}  {readable(functions[0])}" if functions and functions[0] else where


def functions_of(hunk: Hunk) -> list[bytes]:
    """The function that each change of a hunk stands in; empty for file scope."""
    return titles(hunk.path, hunk.section, hunk.body) if hunk.old_start else []


def first_line(hunk: Hunk) -> str:
    """The first changed line that says anything, an added one if there is one, with single blanks."""
    for change in hunk.changes:
        said = _first_of(change)
        if said:
            return said
    return hunk.essence


def _first_of(change: Change) -> str:
    signed = [("+", text) for text in change.added] + [("-", text) for text in change.removed]
    found = (f"{sign} {' '.join(readable(text).split())}" for sign, text in signed if any(byte > 47 for byte in text))
    return next(found, "")


# JSON


def families_document(told: Told) -> bytes:
    """The families as JSON (`git-metadiff-lineage/1`), in their order; undecodable bytes become lone surrogates."""
    document = {
        "schema": SCHEMA,
        "name": told.comparison.name,
        "releases": [release.name for release in told.comparison.releases],
        "patchsets": [patchset.name for patchset in told.comparison.patchsets],
        "families": [_as_json(told, family) for family in told.families],
    }
    return json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"


def _as_json(told: Told, family: Family) -> dict[str, Any]:
    newest = told.hunks[family.hunks[-1]]
    functions = functions_of(newest)
    return {
        "id": family.id,
        "path": readable(newest.path),
        "function": readable(functions[0]) if functions and functions[0] else None,
        "born": family.born,
        "ended": family.ended,
        "upstream": _taken_json(told, told.taken.get(family.id)),
        "steps": [
            {"release": step.patchset, "hunks": list(step.hunks), "events": [_event_json(one) for one in step.events]}
            for step in family.steps
        ],
    }


def _taken_json(told: Told, one: Taken | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "revision": told.upstream,
        "state": one.state,
        "held": one.held,
        "changes": one.changes,
        "path": readable(one.path) or None,
        "line": one.lines[0] or None,
        "commits": [commit.split(" ", 1)[0] for commit in one.commits],
        "text": one.unknown,
    }


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "word": event.word,
        "cause": event.cause,
        "reason": event.reason,
        "text": event.text,
        "lost": event.lost,
        "hunks": list(event.hunks),
        "changes": event.changes,
    }
