"""A search under way, as text, as JSON, and as a log for git's own bisect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from git_metadiff.bisect.candidates import Candidate
from git_metadiff.bisect.chained import Part
from git_metadiff.bisect.drive import Ending, presumed_points
from git_metadiff.bisect.minimize import Minimal
from git_metadiff.bisect.reduce import Reduction
from git_metadiff.bisect.runner import Outcome
from git_metadiff.bisect.search import Verdict, halvings, members
from git_metadiff.bisect.search import suspects as left_of
from git_metadiff.bisect.session import Session
from git_metadiff.bisect.source import GOOD_END, Point
from git_metadiff.render.paint import line, plural, quoted, readable

SCHEMA = "git-metadiff-bisect-search/1"
SHORT = 12
#: So many of a list are shown.
MOST = 10
INDENT = "    "


def name_of(session: Session, at: int | None) -> str:
    """A point in words: `D1`, or `step 17 of 64: arch/x86/xen/pmu.c`."""
    if at is None:
        return "a step in parts"
    first, last = session.plan.ends
    if at == GOOD_END:
        return first
    title = readable(session.plan.steps[at].title)
    end = f", {last}" if at == session.last else ""
    return f"step {at + 1} of {len(session.plan.steps)}{end}: {title}"


def heading(session: Session) -> Iterator[bytes]:
    """What is searched, and how far it is."""
    first, last = session.plan.ends
    left = left_of(session.order, session.known()).bit_count()
    steps = len(session.plan.steps)
    what = "commits" if session.plan.kind == "carry" else "steps"
    yield line(f"{session.state.axis}   {first} works, {last} fails   {steps} {what}, {left} can be guilty")


def next_points(session: Session, verdict: Verdict, at: Sequence[int], points: Sequence[Point]) -> Iterator[bytes]:
    """What to test next."""
    yield from heading(session)
    for step, point in zip(at, points, strict=True):
        share = verdict.mass.get(step)
        weight = f"   {share:.0%} of the suspicion is in it" if share is not None else "   an end, to be sure of it"
        yield line(f"test   {point.commit[:SHORT]}  {name_of(session, step)}{weight}")
        yield from (line(INDENT + note) for note in point.notes[:MOST])
    due = session.due_ends(all_of_them=False)  # an end that is as it has to be leaves all suspects
    more = halvings(len(verdict.suspects)) + (len(due) - len(at) if due else -1)
    yield line(f"then   about {plural(max(more, 0), 'test')} more")
    yield line("answer git metadiff bisect good | bad | skip [<commit>]")


def outcome_line(session: Session, at: int | None, point: Point, outcome: Outcome | None) -> bytes:
    """What became of a test, or that it begins."""
    place = f"{point.commit[:SHORT]}  {name_of(session, at)}"
    if outcome is None:
        return line(f"test   {place}")
    seconds = f"   {outcome.seconds:.1f} s" if outcome.seconds else ""
    return line(f"{outcome.answer:<6} {place}   {outcome.why}{seconds}")


def ending(session: Session, end: Ending) -> Iterator[bytes]:
    """What was found, and what it cost."""
    steps = session.plan.steps
    if len(end.guilty) == 1:
        at = end.guilty[0]
        [point] = session.points([at])
        step = steps[at]
        backwards = bool(session.state.options.get("base_fails"))
        yield line(f"{'repaired by' if backwards else 'guilty'} {name_of(session, at)}")
        if backwards:
            yield line(f"{INDENT}on the older release's side; the newer release does not have it")
        yield line(f"{INDENT}git show {step.upstream or point.commit}")
        yield from hunks(step.hunks)
    else:
        yield line(
            f"could not be determined: one of {plural(len(end.guilty), 'step')}, between which nothing can be tested"
        )
        yield from (line(f"{INDENT}{name_of(session, at)}") for at in end.guilty[:MOST])
        if len(end.guilty) > MOST:
            yield line(f"{INDENT}... and {len(end.guilty) - MOST} more")
        yield from reasons(session, end.guilty)
    yield line(costs(session, end))


def further(session: Session, end: Ending) -> Iterator[bytes]:
    """How to go on, where the guilty step has several hunks."""
    names = session.plan.steps[end.guilty[0]].hunks if len(end.guilty) == 1 else ()
    if len(names) > 1:
        yield line(f"then   git metadiff bisect run --minimize finds which of its {len(names)} hunks matter")


def hunks(names: Sequence[str]) -> Iterator[bytes]:
    """The ids of hunks, a line each."""
    yield from (line(f"{INDENT}hunk {name}") for name in names[:MOST])
    if len(names) > MOST:
        yield line(f"{INDENT}... and {len(names) - MOST} more hunks")


def reasons(session: Session, guilty: Iterable[int]) -> Iterator[bytes]:
    """Why the points between some steps could not be tested."""
    mine = set(guilty)
    given = session.answered()
    words = dict.fromkeys(
        given[at].why or "skipped by hand" for at in sorted(mine & given.keys()) if given[at].answer == "skip"
    )
    yield from (line(f"{INDENT}{one}") for one in list(words)[:MOST])
    presumed = len(mine & set(presumed_points(session)))
    if presumed:
        yield line(f"{INDENT}{plural(presumed, 'point')} between two with the same error, not tested")


def costs(session: Session, end: Ending) -> str:
    """How many tests it took, and how many plain halving would have taken."""
    skipped = f", {end.skipped} of them skipped" if end.skipped else ""
    fused = f"; steps fused {plural(session.state.fused, 'time')}" if session.state.fused else ""
    plain = f"; plain halving needs {end.plain}, if all can be tested" if end.plain is not None else ""
    return f"{plural(end.tests, 'test')} between the ends{skipped}{plain}{fused}"


def status(session: Session, verdict: Verdict) -> Iterator[bytes]:
    """How far a search is, with all answers."""
    yield from heading(session)
    answered = session.answered()
    for at in sorted(answered):
        one = answered[at]
        why = one.why or "by hand"
        yield line(f"{one.answer:<6} {one.commit[:SHORT]}  {name_of(session, at)}   {why}")
    presumed = list(presumed_points(session))
    if presumed:
        yield line(f"skip   {plural(len(presumed), 'point')} between two with the same error, not tested")
    for at in session.state.current:
        if at not in answered:
            [point] = session.points([at])
            yield line(f"now    {point.commit[:SHORT]}  {name_of(session, at)}")
    if verdict.done:
        yield line("done   git metadiff bisect next shows what was found")


def set_aside(gone: Iterable[Candidate]) -> Iterator[bytes]:
    """What the build never compiled."""
    for one in gone:
        place = quoted(one.path) + (f"  {one.section}" if one.section else "")
        yield line(f"aside  {one.side:<10}  {place}  ({plural(len(one.pieces), 'hunk')})")


def log(session: Session) -> Iterator[bytes]:
    """The answers in the form of git's own log: `git bisect replay` takes it."""
    first, last = session.plan.ends
    [start, end] = session.points([GOOD_END, session.last])
    given = session.answered()
    if session.plan.kind == "carry":  # git would walk upstream's own commits between them, without the patchset
        yield line("# each of these commits stands on one of upstream's: git's own bisect cannot go on from here")
    yield line("git bisect start")
    yield from logged("bad", end.commit, last)
    yield from logged("good", start.commit, first)
    points = dict(session.known_points())
    known = session.known()
    for word, chosen in (("good", known.good), ("bad", known.bad - {session.last}), ("skip", known.skip)):
        for at in sorted(chosen):
            if at in points:
                presumed = "" if at in given else ", not tested: it lies between two with the same error"
                yield from logged(word, points[at].commit, name_of(session, at) + presumed)


def logged(word: str, commit: str, words: str) -> Iterator[bytes]:
    """One answer in the form of git's own log."""
    yield line(f"# {word}: [{commit}] {words}")
    yield line(f"git bisect {word} {commit}")


def document(
    session: Session, verdict: Verdict, at: Sequence[int], end: Ending | None, reduction: Reduction | None = None
) -> bytes:
    """What to test next, or what was found, as JSON for other programs."""
    points = session.points(at)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "name": session.state.name,
        "axis": session.state.axis,
        "kind": session.plan.kind,
        "done": verdict.done and not at,
        "steps": len(session.plan.steps),
        "suspects": list(verdict.suspects),
        "points": [described(session, verdict, *one) for one in zip(at, points, strict=True)],
        "answers": [
            {"step": step, "commit": one.commit, "tree": one.tree, "answer": one.answer, "why": one.why}
            for step, one in sorted(session.answered().items())
        ],
        "found": None,
    }
    if end is not None:
        found["found"] = {
            "guilty": [told(session, one) for one in end.guilty] if len(end.guilty) == 1 else None,
            "undetermined": [told(session, one) for one in end.guilty] if len(end.guilty) != 1 else None,
            "tests": end.tests,
            "skipped": end.skipped,
            "plain_halving": end.plain,
            "minimal": reduction and (reduction.minimal and parts_told(reduction.minimal)),
            "partner": reduction and (reduction.partner and parts_told(reduction.partner)),
            "pair": reduction and pair_told(reduction),
        }
    return json.dumps(found, sort_keys=True).encode("ascii") + b"\n"


def parts_told(found: Minimal[Part]) -> dict[str, Any]:
    """The hunks that matter; one that is not needed for certain is one that could not be told from the others."""
    hunks = [
        {"hunk": one.name, "path": readable(one.path), "sections": list(one.sections), "needed": one in found.needed}
        for one in found.parts
    ]
    return {"hunks": hunks, "certain": found.is_certain, "tests": found.tests}


def pair_told(found: Reduction) -> dict[str, Any]:
    """The hunks of both sides that fail only together, or why there is no such pair."""
    pair = found.pair
    return {
        "found": pair is not None and not pair.doubt,
        "upstream": [one.name for one in pair.upstream] if pair else [],
        "downstream": [one.name for one in pair.downstream] if pair else [],
        "why": (pair.doubt if pair else found.why) or None,
    }


def told(session: Session, at: int) -> dict[str, Any]:
    """A step: its number from 0, what it is called, its hunks, and the commit of upstream's that it stands for."""
    step = session.plan.steps[at]
    title = readable(step.title)
    return {"step": at, "title": title, "hunks": list(step.hunks), "upstream": step.upstream or None}


def described(session: Session, verdict: Verdict, at: int, point: Point) -> dict[str, Any]:
    """A point to test: its commit and tree, and which of the steps that can be guilty are in it."""
    inside = 0 if at == GOOD_END else session.order.before[at] & left_of(session.order, session.known())
    return {
        "step": at,
        "commit": point.commit,
        "tree": point.tree,
        "title": name_of(session, at),
        "contents": [told(session, one) for one in members(inside)],
        "notes": list(point.notes),
        "untestable": point.untestable or None,
        "share": round(verdict.mass[at], 6) if at in verdict.mass else None,
    }
