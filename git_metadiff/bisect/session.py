"""A search under way: its plan, the answers so far, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

from git_metadiff.bisect.kept import (
    FOLDER,
    LOGS,
    PLAN,
    STATE,
    Given,
    Plan,
    State,
    exists,
    pack_plan,
    pack_state,
    unpack_plan,
    unpack_state,
)
from git_metadiff.bisect.search import (
    TRACED,
    UNTRACED,
    Answer,
    Costs,
    Known,
    Order,
    Prior,
    Trust,
    Verdict,
    allowance,
    choose,
    presumed,
    suspects,
)
from git_metadiff.bisect.source import GOOD_END, Point, Source
from git_metadiff.errors import MetadiffError
from git_metadiff.git import replace_file

NONE = "no search is under way here"
AGAIN = "'git metadiff bisect reset', and start again"
BEGIN = "begin one with 'git metadiff bisect start'"

Side = Literal["good", "bad"]


class WrongEndError(MetadiffError):
    """An end of the search is not what it has to be: what should work fails, or the other way round."""

    def __init__(self, message: str, hint: str, at: int, given: Given) -> None:
        super().__init__(message, hint)
        self.at, self.given = at, given


class Planned(Source, Protocol):
    """A source that says how it is to be searched."""

    @property
    def plan(self) -> Plan:
        """The steps, the ends, and what is known of them."""


class Session:
    """A search in one work tree. `maker` makes the source again where a point or a fusion needs it."""

    def __init__(self, folder: Path, plan: Plan, state: State, maker: Callable[[], Source] | None = None) -> None:
        self.folder, self.plan, self.state = folder, plan, state
        self._maker = maker
        self._source: Source | None = None
        self._set_plan(plan)

    def _set_plan(self, plan: Plan) -> None:
        self.plan = plan
        count = len(plan.steps)
        is_line = all(step.parents == ((at - 1,) if at else ()) for at, step in enumerate(plan.steps))
        self.order = Order.line(count) if is_line else Order([step.parents for step in plan.steps])
        self.trust: Trust = TRACED if self.state.options.get("trace") else UNTRACED
        self.prior = Prior([step.weight for step in plan.steps], self.trust)

    @property
    def last(self) -> int:
        """The step whose point is the end that fails."""
        return len(self.plan.steps) - 1

    @property
    def source(self) -> Source:
        """The source, made again when it is first needed."""
        if self._source is None:
            if self._maker is None:
                raise MetadiffError(
                    "the points of this search are gone", "'git metadiff bisect reset', and start again"
                )
            self._source = self._maker()
        return self._source

    # Points

    def points(self, at: Sequence[int]) -> list[Point]:
        """The points of some steps; what is not there yet is made, and kept."""
        lacking = [one for one in at if one not in self.plan.made and one not in self.state.made]
        if lacking:
            self.state.made.update(zip(lacking, self.source.points(lacking), strict=True))
            self.save()
        return [self.plan.made.get(one) or self.state.made[one] for one in at]

    def known_points(self) -> Iterator[tuple[int, Point]]:
        """All points that were made, by their steps."""
        yield from self.plan.made.items()
        yield from ((at, one) for at, one in self.state.made.items() if at not in self.plan.made)

    def find(self, commit: str) -> int | None:
        """The step of a commit's full id: of a point, or the real commit that a step stands for.

        Backwards a step takes the commit away that it names, so its point is on another one: only the source knows.
        """
        for at, point in self.known_points():
            if point.commit == commit:
                return at
        if self.state.options.get("base_fails"):
            return None
        for at, step in enumerate(self.plan.steps):
            if step.upstream and step.upstream == commit:
                return at
        return None

    # Answers

    def latest(self) -> dict[str, Given]:
        """The last answer of each tree."""
        return {one.tree: one for one in self.state.answers}

    def answered(self) -> dict[int, Given]:
        """The last answer of each point that has one."""
        latest = self.latest()
        found = {at: latest[point.tree] for at, point in self.known_points() if point.tree in latest}
        for at, point in self.known_points():
            if point.untestable and at not in found:
                found[at] = Given(point.tree, point.commit, "skip", point.untestable)
        return found

    def known(self) -> Known:
        """What is known of the steps, with what follows: the last one fails, and what lies between two points with the
        same error cannot be tested either."""
        given = self.answered()
        answers: dict[int, Answer] = {at: one.answer for at, one in given.items() if at != GOOD_END}
        answers[self.last] = "bad"
        known = Known.of(answers)
        errors = {at: one.signature for at, one in given.items() if one.answer == "skip" and one.signature}
        return replace(known, skip=known.skip | presumed(self.order, errors, known))

    def add(self, at: int, given: Given) -> None:
        """Take an answer to the point of a step; MetadiffError if it cannot be, next to the others."""
        self.check_end(at, given)
        before = list(self.state.answers)
        self.state.answers.append(given)
        if suspects(self.order, self.known()) == 0 or self._at_odds():
            self.state.answers = before
            raise MetadiffError(
                f"'{given.answer}' for {given.commit[:12]} contradicts other answers: no step could be guilty then",
                "'git metadiff bisect log' shows them: answer the wrong one anew; an unsteady test wants --confirm",
            )
        self.state.current = [one for one in self.state.current if one != at]
        self.save()

    def _at_odds(self) -> bool:
        """Whether both ends have the same tree as a point that answered otherwise."""
        given = self.answered()
        return (GOOD_END in given and given[GOOD_END].answer == "bad") or (
            self.last in given and given[self.last].answer == "good"
        )

    def check_end(self, at: int, given: Given) -> None:
        """Raise WrongEndError if this answer says that an end is not what it has to be."""
        first, last = self.plan.ends
        if at == GOOD_END and given.answer != "good":
            says = f"the end that works, {first}, fails" if given.answer == "bad" else f"{first} cannot be tested"
            raise WrongEndError(f"{says}{told(given)}", self.hint_of("good", given.answer), at, given)
        if at == self.last and given.answer != "bad":
            says = f"the end that fails, {last}, works" if given.answer == "good" else f"{last} cannot be tested"
            raise WrongEndError(f"{says}{told(given)}", self.hint_of("bad", given.answer), at, given)

    def hint_of(self, side: Side, answer: Answer) -> str:
        """What to do about an end that is not what it has to be."""
        end = self.plan.ends[side == "bad"]
        if answer == "skip":
            other = "; --axis both needs no answer for F" if end == "F" else ""
            return f"mend the build or the test, then go on: no search makes sense before the ends are sure{other}"
        if side == "bad" and end in ("F", "P"):
            return "so downstream's own change is guilty: 'git metadiff bisect reset', then start --axis downstream"
        if side == "good" and end == "F":
            return "so it fails before downstream's own change: 'git metadiff bisect reset', then start --axis upstream"
        if side == "good" and end == "U2":
            return "so the new release fails without any patch: search upstream's own history, with git bisect"
        return "there is nothing to search between them: is it the right test, and the right configuration?"

    # The search

    def due_ends(self, *, all_of_them: bool) -> list[int]:
        """The ends that have to be tested before any search; of those that the user is sure of only if asked."""
        given = self.answered()
        ends = ((GOOD_END, self.plan.sure[0]), (self.last, self.plan.sure[1]))
        return [at for at, sure in ends if at not in given and (all_of_them or not sure)]

    def verdict(self, built: str = "", parallel: int = 1) -> Verdict:
        """Where the search is; `built` is the tree that was built last, of this search or of another."""
        known = self.known()
        costs = Costs([step.cost for step in self.plan.steps], self._set_of(built))
        fair = self.trust.spare == 0
        return choose(self.order, self.prior, known, costs, budget=self.budget(), parallel=parallel, fair=fair)

    def _set_of(self, built: str) -> int:
        """The steps in a tree; none, where it is of no point: steps that are fused or turned have other numbers."""
        at = next((at for at, point in self.known_points() if point.tree == built), GOOD_END)
        return 0 if at == GOOD_END else self.order.before[at]

    def budget(self) -> int:
        """How many tests may be spent in the worst case: skipped points cost nothing of it."""
        return max(1, allowance(len(self.plan.steps), self.trust) - self.spent())

    def spent(self) -> int:
        """How many points between the ends got an answer that tells something."""
        ends = (GOOD_END, self.last)
        return sum(one.answer != "skip" for at, one in self.answered().items() if at not in ends)

    # Fusing

    def fuse(self, plan: Plan) -> None:
        """Go on with another plan over the same ends, in which steps are joined; answers stay with their trees."""
        self.state.made = {}
        self.state.current = []
        self.state.fused += 1
        self._set_plan(plan)
        self.save_plan()
        self.save()

    def turn(self, source: Planned) -> None:
        """Go on with another source; answers stay with their trees."""
        self._source = source
        self.state.made, self.state.current = {}, []
        self._set_plan(source.plan)
        self.save_plan()
        self.save()

    # Files

    def save(self) -> None:
        """Write the state."""
        replace_file(self.folder / STATE, pack_state(self.state), self._workplace())

    def save_plan(self) -> None:
        """Write the plan."""
        replace_file(self.folder / PLAN, pack_plan(self.plan), self._workplace())

    def _workplace(self) -> Path:
        workplace = self.folder / "new"
        workplace.mkdir(parents=True, exist_ok=True)
        return workplace

    def log_of(self, tree: str) -> Path:
        """Where the output of the commands on a tree goes."""
        folder = self.folder / LOGS
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{tree}.log"


def told(given: Given) -> str:
    """Why an answer was given, to be put behind it."""
    return f" ({given.why})" if given.why else ""


def begin(git_dir: Path, plan: Plan, state: State, maker: Callable[[], Source] | None = None) -> Session:
    """A new search, written; MetadiffError if one is under way."""
    folder = git_dir / FOLDER
    if exists(git_dir):
        raise MetadiffError(
            "a search is under way here already", "'git metadiff bisect status' shows it, 'reset' ends it"
        )
    folder.mkdir(exist_ok=True)
    session = Session(folder, plan, state, maker)
    session.save_plan()
    session.save()
    return session


def load(git_dir: Path, maker: Callable[[State], Source] | None = None) -> Session:
    """The search that is under way in this work tree."""
    folder = git_dir / FOLDER
    try:
        state = unpack_state((folder / STATE).read_bytes())
        plan = unpack_plan((folder / PLAN).read_bytes())
        if not all(GOOD_END <= at < len(plan.steps) for at in state.current):
            raise ValueError("no such step")
    except FileNotFoundError as error:
        raise MetadiffError(NONE, BEGIN) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MetadiffError(
            f"the search kept in {folder} is damaged or of another version",
            "'git metadiff bisect reset', and start again",
        ) from error
    return Session(folder, plan, state, (lambda: maker(state)) if maker is not None else None)
