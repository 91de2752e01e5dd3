"""A search driven by a job to its end: ends first, then point after point, each answer kept before the next test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from git_metadiff.bisect.chained import ChainSource
from git_metadiff.bisect.fuse import fused
from git_metadiff.bisect.job import Job
from git_metadiff.bisect.kept import Given
from git_metadiff.bisect.results import Results
from git_metadiff.bisect.runner import Bench, Outcome
from git_metadiff.bisect.search import Verdict, members, plain_tests, suspects
from git_metadiff.bisect.session import Session
from git_metadiff.bisect.source import GOOD_END, Point
from git_metadiff.errors import MetadiffError
from git_metadiff.git import WorkTree, uninterrupted

#: Sees what happens: the step (None: no step of the session), its point, and the outcome; None before the test.
Watch = Callable[[int | None, Point, Outcome | None], None]


@dataclass
class Stand:
    """A work tree in which tests run, one at a time."""

    tree: WorkTree
    ours: bool  # made for the search: what tests changed in it is overwritten
    built: str = ""  # the tree that was tested last in it


@dataclass(frozen=True)
class Ending:
    """How a search ended."""

    guilty: tuple[int, ...]  # one step: found; several: which of them could not be determined
    tests: int  # made by now, those of the ends not counted
    skipped: int  # of these, how many told nothing
    plain: int | None  # how many plain halving needs for the same step; None if it was not found


@dataclass
class Driver:
    """Runs a job on the points of a session."""

    session: Session
    job: Job
    stands: Sequence[Stand]
    results: Results
    environ: Mapping[str, str]
    watch: Watch
    echo: Callable[[bytes], None] | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Ending:
        """Search to the end. What was answered is kept, however this is left."""
        due = self.session.due_ends(all_of_them=True)
        for at in [due] if len(self.stands) > 1 and due else [[one] for one in due]:
            self.take(at)
        while True:
            verdict = self.next()
            if verdict.done:
                return ending_of(self.session, verdict)
            self.take(verdict.points)

    def next(self) -> Verdict:
        """What to test now."""
        return self.session.verdict(self.stands[0].built, len(self.stands))

    def take(self, at: Sequence[int]) -> None:
        """Test the points of some steps at the same time and answer; steps are fused where a build asks for it."""
        points = self.session.points(at)
        self.session.state.current = list(at)
        self.session.save()
        for step, point, (outcome, fresh) in zip(at, points, self.test(at, points), strict=True):
            self.watch(step, point, outcome)
            self._answer(step, point, outcome, fresh)
            if (outcome.missing or outcome.doubled) and len(at) == 1:
                self._fuse(step, outcome)

    def _answer(self, at: int, point: Point, outcome: Outcome, fresh: bool) -> None:
        given = Given(
            point.tree, point.commit, outcome.answer, outcome.why, outcome.signature, outcome.seconds, tested=fresh
        )
        try:
            self.session.add(at, given)
        except MetadiffError:
            self.results.drop(point.tree)  # it may be wrong, and must not be believed again
            raise

    def test(self, at: Sequence[int | None], points: Sequence[Point]) -> list[tuple[Outcome, bool]]:
        """What the job says of some points, and whether it was run for that."""
        if len(points) == 1 or len(self.stands) == 1:
            return [self._test(self.stands[0], *one) for one in zip(at, points, strict=True)]
        self._stop.clear()
        with ThreadPoolExecutor(len(self.stands)) as pool:
            work = [pool.submit(self._test, *one) for one in zip(self.stands, at, points, strict=False)]
            try:
                return [one.result() for one in work]
            except BaseException:
                with uninterrupted():  # another signal waits until all tests have ended
                    self._stop.set()
                    pool.shutdown()
                raise

    def _test(self, stand: Stand, at: int | None, point: Point) -> tuple[Outcome, bool]:
        if point.untestable:
            return Outcome("skip", point.untestable), False
        known = self.results.find(point.tree)
        if known is not None:
            return known, False
        self.watch(at, point, None)
        stand.tree.check_out(point.commit, force=stand.ours)
        stand.built = point.tree
        log = self.session.log_of(point.tree)
        bench = Bench(stand.tree.top, self.environ, log, self.echo, self._stop.is_set)
        outcome = bench.run(self.job)
        self.results.keep(point.tree, outcome)
        return outcome, True

    def _fuse(self, at: int, outcome: Outcome) -> None:
        """Join the steps that the names in an error tie together, if they are known."""
        source = self.session.source if self.session.plan.kind == "chain" else None
        if not isinstance(source, ChainSource):
            return
        within = list(members(suspects(self.session.order, self.session.known())))
        for names, is_move in ((outcome.missing, False), (outcome.doubled, True)):
            plan = fused(source, self.session.plan, at, names, within, is_move=is_move) if len(within) > 1 else None
            if plan is not None:
                self.session.fuse(plan)
                return


def ending_of(session: Session, verdict: Verdict) -> Ending:
    """What the end of a search tells."""
    given = [one for at, one in session.answered().items() if at not in (GOOD_END, session.last)]
    ends = {one.tree for at, one in session.answered().items() if at in (GOOD_END, session.last)}
    # answers to points that a fusion has replaced were tests too
    tests = {one.tree for one in session.state.answers} - ends
    skipped = sum(one.answer == "skip" for one in session.latest().values() if one.tree not in ends)
    plain = plain_tests(session.order, verdict.suspects[0]) if len(verdict.suspects) == 1 else None
    return Ending(verdict.suspects, max(len(tests), len(given)), skipped, plain)


def presumed_points(session: Session) -> Iterator[int]:
    """The points that were not tested, since those around them failed with one error."""
    given = session.answered()
    yield from sorted(at for at in session.known().skip if at not in given)
