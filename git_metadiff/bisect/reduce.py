"""From a guilty step to the hunks that matter, and from these to the hunks of the other side that they fail with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from git_metadiff.bisect.chained import ChainSource, Part
from git_metadiff.bisect.drive import Driver
from git_metadiff.bisect.minimize import Minimal, Pair, ddmin, pair
from git_metadiff.bisect.search import Answer


@dataclass(frozen=True)
class Reduction:
    """What was found inside the guilty steps, and beside them."""

    minimal: Minimal[Part] | None  # None: no tree holds some of these steps without others
    partner: Minimal[Part] | None = None  # the hunks of the other side that matter
    pair: Pair[Part] | None = None
    why: str = ""  # why no partner was found, in words


@dataclass
class Reducer:
    """Tests parts of the guilty steps of one session."""

    driver: Driver
    source: ChainSource
    leg: int = 0  # the leg of what was reduced

    def reduce(self, guilty: Sequence[int]) -> Minimal[Part] | None:
        """The hunks of these neighbouring steps that matter; None where steps stand on two legs, so that no tree can
        hold some of both."""
        steps = self.driver.session.plan.steps
        groups = [group for at in guilty for group in steps[at].groups]
        return self.reduce_groups(groups, [group for at in range(guilty[0]) for group in steps[at].groups])

    def reduce_groups(self, groups: Sequence[int], before: Sequence[int] = ()) -> Minimal[Part] | None:
        """The same of groups, and those that are `before` them: first by groups and then by hunks."""
        legs = {self.source.chain.groups[group].leg for group in groups}
        if len(legs) != 1:
            return None
        [self.leg] = legs
        leg = self.leg
        base = self.source.edits_of(before, leg)
        coarse = ddmin(groups, lambda chosen: self._test(leg, base | self.source.edits_of(chosen, leg)))
        parts = self.source.parts(coarse.parts)
        fine = ddmin(parts, lambda chosen: self._test(leg, base.union(*(one.edits for one in chosen))))
        return Minimal(fine.parts, fine.needed, coarse.tests + fine.tests)

    def without(self, parts: frozenset[Part]) -> Answer:
        """What the end of that leg does without some hunks."""
        gone = frozenset().union(*(one.edits for one in parts))
        return self._test(self.leg, self.source.chain.legs[self.leg].all - gone)

    def _test(self, leg: int, edits: frozenset[int]) -> Answer:
        point = self.source.trial(leg, edits, b"git metadiff bisect: a step in parts")
        [(outcome, _)] = self.driver.test([None], [point])
        self.driver.watch(None, point, outcome)
        return outcome.answer


def find_pair(upstream: tuple[Reducer, Minimal[Part]], downstream: tuple[Reducer, Minimal[Part]]) -> Pair[Part]:
    """Whether the hunks found on the upstream axis and those found on the patchset axis fail only together."""
    sides: dict[str, Callable[[frozenset[Part]], Answer]] = {
        "upstream": upstream[0].without,
        "downstream": downstream[0].without,
    }
    return pair(upstream[1], downstream[1], lambda side, parts: sides[side](parts))
