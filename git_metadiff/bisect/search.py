"""Which point to test next: halving by suspicion. Pure functions over numbers; no git, no file, no clock.

Steps are numbered from 0 in an order in which what must be before a step stands before it. Exactly one step is taken to
be guilty: the point of a step fails if that step is in it. Sets of steps are the bits of an integer, so that a history
of ten thousand commits with merges costs what a line does.

The next point is the one that tells most for what it costs: the entropy of its answer (one bit if the suspicion is
halved), divided by the cost of the test, which is 1 and what must be built again since the last test. As suspicion may
be wrong, part of it is spread evenly, and no choice may lead beyond plain halving by more than a few tests in the worst
case; how much is risked depends on whether there is a trace (`Trust`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Answer = Literal["good", "bad", "skip"]

#: Suspicion is told apart in so many degrees: a step of the scale is a factor of the square root of two.
DEGREES = 24


class Trust(NamedTuple):
    """How far the order of the suspects is trusted."""

    share: float  # how much of the prior is suspicion; the rest is spread evenly
    power: float  # scores are raised to this: the higher, the more the first suspects count
    spare: int  # so many tests more than plain halving are risked


#: Measured with planted faults in real releases and a trace that names a function beside the guilty one
#: (tests/bench/faults.py): a power of 4 trusts the traced function itself too much, one of 2 the file too little.
TRACED = Trust(0.85, 3, 2)
#: Without a trace: what suspicion gains where it is right must cost nothing where it knows nothing.
UNTRACED = Trust(0.5, 1, 0)


class Order:
    """Which steps are in before the point of which: a line, or a history with merges."""

    def __init__(self, parents: Sequence[Sequence[int]]) -> None:
        self.before: list[int] = []  # for each step, the set of the steps that its point holds: itself, and all before
        for at, mine in enumerate(parents):
            found = 1 << at
            for parent in mine:
                if not 0 <= parent < at:
                    raise ValueError("a step must come after its parents")
                found |= self.before[parent]
            self.before.append(found)

    @classmethod
    def line(cls, count: int) -> Order:
        """`count` steps, one after the other."""
        return cls([[at - 1] if at else [] for at in range(count)])

    def __len__(self) -> int:
        return len(self.before)


@dataclass(frozen=True)
class Known:
    """What was answered so far: steps by the answer that their points got."""

    good: frozenset[int] = frozenset()
    bad: frozenset[int] = frozenset()
    skip: frozenset[int] = frozenset()  # cannot be tested, or it is presumed

    @classmethod
    def of(cls, answers: Mapping[int, Answer]) -> Known:
        """From the answer of each step."""
        sets = {word: frozenset(at for at, one in answers.items() if one == word) for word in ("good", "bad", "skip")}
        return cls(**sets)


@dataclass(frozen=True)
class Costs:
    """What a test costs, in tests that build nothing."""

    steps: Sequence[float] = ()  # what each step makes necessary to build again, 0 to 1; none: nothing
    built: int = 0  # the set of steps in the tree that was built last


@dataclass(frozen=True)
class Verdict:
    """Where the search is: test `points` next; or it has ended, and the guilty step is one of `suspects`."""

    suspects: tuple[int, ...]
    points: tuple[int, ...] = ()
    mass: Mapping[int, float] = field(default_factory=dict)  # point -> the share of suspicion that is in it

    @property
    def done(self) -> bool:
        """Whether there is nothing left that could be tested."""
        return not self.points


def suspects(order: Order, known: Known) -> int:
    """The set of steps that can be guilty: in everything that fails, and in nothing that works. Empty: the answers
    contradict each other."""
    found = (1 << len(order)) - 1
    for at in known.bad:
        found &= order.before[at]
    for at in known.good:
        found &= ~order.before[at]
    return found


def presumed(order: Order, errors: Mapping[int, Collection[str]], known: Known) -> frozenset[int]:
    """The points that lie between two which could not be tested for the same error, and nothing tested between them.

    `errors` are the errors of each point that could not be tested.
    """
    found: set[int] = set()
    tested = known.good | known.bad
    for late in errors:
        for early in errors:
            if early == late or not order.before[late] >> early & 1 or not {*errors[early]} & {*errors[late]}:
                continue
            between = [at for at in members(order.before[late]) if order.before[at] >> early & 1]
            if tested.isdisjoint(between):
                found.update(between)
    return frozenset(found - errors.keys())


def members(chosen: int) -> Iterator[int]:
    """The steps of a set, in order."""
    while chosen:
        low = chosen & -chosen
        yield low.bit_length() - 1
        chosen ^= low


def set_of(steps: Iterable[int]) -> int:
    """The set of some steps."""
    found = 0
    for at in steps:
        found |= 1 << at
    return found


class Prior:
    """How suspicious each step is: a mixture of its weight and of what all get."""

    def __init__(self, weights: Sequence[float], trust: Trust = UNTRACED) -> None:
        sharp = [max(weight, 0.0) ** trust.power for weight in weights]
        total, count = sum(sharp), len(weights)
        share = trust.share / total if total > 0 else 0.0
        even = (1 - trust.share if total > 0 else 1.0) / max(count, 1)
        masses = [even + share * weight for weight in sharp]
        self._classes = list(_classes(masses))

    def mass(self, chosen: int) -> float:
        """The suspicion in a set of steps."""
        return sum(mass * (mine & chosen).bit_count() for mass, mine in self._classes)


def _classes(masses: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Steps of about the same mass together: their common mass, and their set."""
    top = max(masses, default=0.0)
    found: dict[int, list[int]] = {}
    for at, mass in enumerate(masses):
        degree = round(2 * math.log2(top / mass)) if mass > 0 else DEGREES
        found.setdefault(min(degree, DEGREES), []).append(at)
    for mine in found.values():
        yield sum(masses[at] for at in mine) / len(mine), set_of(mine)


def choose(
    order: Order,
    prior: Prior,
    known: Known,
    costs: Costs | None = None,
    *,
    budget: int | None = None,
    parallel: int = 1,
    fair: bool = False,
) -> Verdict:
    """What to test next; up to `parallel` points that can be tested at the same time.

    `budget` is how many tests may be spent from here in the worst case (see `allowance`); None: as many as it takes.
    `fair` keeps to what costs nothing on average were every step as suspicious as any other (see `free_half`).
    """
    chosen = suspects(order, known)
    found = tuple(members(chosen))
    masses = {at: prior.mass(chosen & order.before[at]) for at in testable(order, chosen, known)}
    if not masses:
        return Verdict(found)
    total = prior.mass(chosen)
    shares = {at: mass / total for at, mass in masses.items()}
    if parallel > 1:
        points = spread(order, chosen, shares, parallel)
    else:
        is_clear = not any(chosen >> at & 1 for at in known.skip)  # else it must step aside
        least = free_half(len(found)) if fair and is_clear else 1
        points = (best(order, chosen, shares, known, costs or Costs(), budget, least),)
    return Verdict(found, points, {at: shares[at] for at in points})


def testable(order: Order, chosen: int, known: Known) -> list[int]:
    """The points that tell something and are not known to be beyond testing."""
    return [at for at in members(chosen) if at not in known.skip and chosen & ~order.before[at]]


def best(
    order: Order,
    chosen: int,
    shares: Mapping[int, float],
    known: Known,
    costs: Costs,
    budget: int | None,
    least: int = 1,
) -> int:
    """The point that tells most for its cost, of those that keep the worst case within the budget and leave `least`
    steps on either side, or come nearest to that."""
    count = chosen.bit_count()
    halves = {at: (chosen & order.before[at]).bit_count() for at in shares}
    larger = {at: max(mine, count - mine) for at, mine in halves.items()}
    limit = count - least if budget is None else min(count - least, 1 << max(budget - 1, 0))
    limit = max(limit, min(larger.values()))
    allowed = [at for at, most in larger.items() if most <= limit]
    odds = Odds(halves, known, order, chosen)
    rebuilt = Rebuilt(order, costs)

    def value(at: int) -> tuple[float, float, int]:
        worth = entropy(shares[at]) * odds.testable(at) / (1 + rebuilt.cost(at))
        return round(worth, 9), -abs(halves[at] - count / 2), -at

    return max(allowed, key=value)


def free_half(count: int) -> int:
    """So many of `count` steps must be on the smaller side of a test, so that it costs nothing on average.

    Of `count` equal steps, with 2^k < `count` <= 2^(k+1), the mean number of tests is the least possible for every
    division whose sides both have 2^(k-1) to 2^k steps, since the path length of a binary tree is least where its
    leaves lie on two neighbouring levels. Within that, the choice is free.
    """
    power = 1 << max(halvings(count) - 1, 0)  # 2^k
    return max(1, power // 2, count - power)


class Rebuilt:
    """What must be built again to come from one tree to another."""

    def __init__(self, order: Order, costs: Costs) -> None:
        self._order, self._built = order, costs.built
        self._prior = list(_classes(costs.steps)) if any(costs.steps) else []

    def cost(self, at: int) -> float:
        """The share of a whole build; no more than 1."""
        differ = self._built ^ self._order.before[at]
        return min(1.0, sum(cost * (mine & differ).bit_count() for cost, mine in self._prior))


class Odds:
    """How likely a point can be tested, seen from those that could not: what broke one breaks its neighbours.

    With every point that was skipped the search steps further aside, so that a stretch that cannot be tested costs a
    number of tests that grows with the logarithm of its length.
    """

    def __init__(self, places: Mapping[int, int], known: Known, order: Order, chosen: int) -> None:
        inside = [at for at in known.skip if chosen >> at & 1]
        self._skipped = sorted((chosen & order.before[at]).bit_count() for at in inside)
        self._places = places
        self._reach = max(1.0, chosen.bit_count() / 16)

    def testable(self, at: int) -> float:
        """0 to 1; 1 far from all that was skipped."""
        if not self._skipped:
            return 1.0
        distance = min(abs(self._places[at] - place) for place in self._skipped)
        return max(1e-6, 1 - 2 ** (-distance / self._reach))


def entropy(share: float) -> float:
    """What the answer of a point tells, in bits, if this share of the suspicion is in it."""
    rest = 1 - share
    if share <= 0 or rest <= 0:
        return 0.0
    return -share * math.log2(share) - rest * math.log2(rest)


def spread(order: Order, chosen: int, shares: Mapping[int, float], parallel: int) -> tuple[int, ...]:
    """Points that divide the suspicion into equal parts, for tests that run at the same time."""
    left = dict(shares)
    found = []
    for number in range(1, parallel + 1):
        if left:
            aim = number / (parallel + 1)
            at = min(left, key=lambda one: (abs(left[one] - aim), one))
            found.append(at)
            same = chosen & order.before[at]
            left = {one: share for one, share in left.items() if chosen & order.before[one] != same}
    return tuple(sorted(found))


def allowance(count: int, trust: Trust = UNTRACED) -> int:
    """How many tests a search among `count` steps may take in the worst case."""
    return halvings(count) + trust.spare


def halvings(count: int) -> int:
    """How many tests halving needs among `count` steps in the worst case."""
    return max(count - 1, 0).bit_length()


def plain_tests(order: Order, guilty: int, within: Collection[int] | None = None) -> int:
    """How many tests plain halving would have needed to find the guilty step, every point being testable.

    Plain halving is that of `git bisect`: the point with as many steps in it as not.
    """
    chosen = (1 << len(order)) - 1 if within is None else set_of(within)
    tests = 0
    while chosen.bit_count() > 1:
        count = chosen.bit_count()
        middle = max(
            (min(mine, count - mine), -at)
            for at in members(chosen)
            for mine in ((chosen & order.before[at]).bit_count(),)
        )
        before = order.before[-middle[1]]
        chosen &= before if before >> guilty & 1 else ~before
        tests += 1
    return tests
