#!/usr/bin/env python3
"""Measure how often a planted interaction is found and minimised: an upstream and a downstream hunk, guilty together.

The test program is a line of each hunk: a tree fails if it has both. In half of the runs (`--new`) the downstream hunk
is new, in the others it stands: both patchsets have it. Pairs whose newer patchset has nothing of its own get standing
ones, and the others make up for them. Each run does what `bisect run --axis patchset --minimize` does: the
guilty step, its hunks, the partner's axis, its hunks, and the check that each is needed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from faults import Check, Pair, Quiet, checks, everything  # noqa: E402

from git_metadiff.bisect.candidates import STANDING  # noqa: E402
from git_metadiff.bisect.chain import Chain  # noqa: E402
from git_metadiff.bisect.chained import ChainSource, Part  # noqa: E402
from git_metadiff.bisect.drive import Driver, Stand  # noqa: E402
from git_metadiff.bisect.job import Job  # noqa: E402
from git_metadiff.bisect.kept import State  # noqa: E402
from git_metadiff.bisect.minimize import Minimal  # noqa: E402
from git_metadiff.bisect.partner import make_partner_chain  # noqa: E402
from git_metadiff.bisect.reduce import Reducer, find_pair  # noqa: E402
from git_metadiff.bisect.results import Results  # noqa: E402
from git_metadiff.bisect.runner import Outcome  # noqa: E402
from git_metadiff.bisect.session import WrongEndError  # noqa: E402
from git_metadiff.bisect.source import Point  # noqa: E402
from git_metadiff.git import WorkTree  # noqa: E402
from git_metadiff.model import worst  # noqa: E402


@dataclass(frozen=True)
class Planted:
    """An interaction: the hunks and how each shows."""

    upstream: str
    downstream: str
    checks: tuple[Check, Check]

    def fails(self, pair: Pair, tree: str) -> bool:
        """Whether both hunks are in a tree."""
        return all(check(pair, tree) for check in self.checks)


@dataclass
class Dry(Driver):
    """A driver that looks at trees instead of running something in them."""

    pair: Pair | None = None
    planted: Planted | None = None
    answers: dict[str, bool] = field(default_factory=dict)

    def test(self, at: Sequence[int | None], points: Sequence[Point]) -> list[tuple[Outcome, bool]]:
        """What the planted interaction says of the trees of points."""
        assert self.pair is not None and self.planted is not None
        for point in points:
            self.answers[point.tree] = self.planted.fails(self.pair, point.tree)
        return [(Outcome("bad" if self.answers[point.tree] else "good", "planted"), True) for point in points]


def hold_nothing(*_arguments: object) -> None:
    """Watch nothing."""


def reduced(pair: Pair, chain: Chain, planted: Planted, seen: dict[str, bool]) -> tuple[Reducer, Minimal[Part]] | None:
    """The hunks that matter of the guilty step of a chain; None if they could not be found. `seen` are tested trees."""
    source = ChainSource(chain, pair.comparison, pair.store.git)
    session = Quiet(Path(), source.plan, State("interactions", chain.axis), lambda: source)
    nothing = cast("Results", None)  # a dry test looks nothing up
    stands = [Stand(cast("WorkTree", None), True)]
    driver = Dry(session, Job(), stands, nothing, {}, hold_nothing, pair=pair, planted=planted, answers=seen)
    reducer = Reducer(driver, source)
    found = reducer.reduce(driver.run().guilty)
    return None if found is None else (reducer, found)


class Partners:
    """Chains on which partners are found, by the downstream hunk."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._chains: dict[str, Chain] = {}

    def chain(self, hunk: str, *, stands: bool) -> Chain:
        """The chain for a hunk; for all that stand it is the same."""
        key = "" if stands else hunk
        if key not in self._chains:
            pair = self._pair
            git, scores = pair.store.git, pair.scores
            self._chains[key] = make_partner_chain(git, pair.comparison, [key] * bool(key), everything, scores)
        return self._chains[key]


def has_new(pair: Pair) -> bool:
    """Whether downstream itself changed something."""
    return any(one.cause == "downstream" for found in pair.comparison.origins.values() for one in found) and bool(
        pair.chain("downstream").groups
    )


def draw(pair: Pair, chance: random.Random, *, stands: bool) -> Planted:
    """An interaction that fails in D2, in neither D1 nor U2, and in F if the downstream hunk stands."""
    last = pair.comparison.patchsets[-1]
    word = {hunk.id: worst(pair.comparison.origins[hunk.id]).word for hunk in last.hunks}
    first, second = pair.chain("patchset" if stands else "downstream"), pair.chain("upstream")
    older, release = pair.comparison.patchsets[-2].tree, pair.comparison.releases[-1].tree
    forced = second.points[-1].tree
    while True:
        groups = [chance.randrange(len(chain.groups)) for chain in (first, second)]
        mine, theirs = ([*checks(pair, chain.axis, at)] for chain, at in zip((first, second), groups, strict=True))
        if not mine or not theirs:
            continue
        (edit, down), (other, up) = chance.choice(mine), chance.choice(theirs)
        owners = [name for name in edit.hunks if (word.get(name) in STANDING) == stands and name in word]
        if len(edit.hunks) != 1 or not owners or not other.hunks or not other.hunks[0].startswith("upstream:"):
            continue
        planted = Planted(other.hunks[0], owners[0], (up, down))
        ups = [up(pair, tree) for tree in (older, release, forced, last.tree)]
        downs = [down(pair, tree) for tree in (older, release, forced, last.tree)]
        if ups == [False, True, True, True] and downs == [stands, False, stands, True]:
            return planted


def plan(runs: Sequence[int], able: Sequence[bool], share: float) -> list[list[bool]]:
    """Of each pair and run, whether the downstream hunk is new: this share of all runs, if enough pairs are able."""
    wanted = round(share * sum(runs))
    room = sum(count for count, can in zip(runs, able, strict=True) if can)
    part = min(1.0, wanted / room) if room else 0.0
    found: list[list[bool]] = []
    seen = 0  # runs of able pairs
    for count, can in zip(runs, able, strict=True):
        found.append([can and int((seen + at + 1) * part) > int((seen + at) * part) for at in range(count)])
        seen += count if can else 0
    return found


@dataclass(frozen=True)
class Result:
    """One run."""

    pair: str
    stands: bool
    outcome: str  # `found`, or what went wrong
    tests: int


def measure(pair: Pair, partners: Partners, chance: random.Random, *, stands: bool) -> Result:
    """Plant an interaction, and look for it."""
    planted = draw(pair, chance, stands=stands)
    seen: dict[str, bool] = {}
    return Result(pair.name, stands, look(pair, partners, planted, seen, stands=stands), len(seen))


def look(pair: Pair, partners: Partners, planted: Planted, seen: dict[str, bool], *, stands: bool) -> str:
    """Find an interaction as the command line does; in a word, how that ended."""
    downstream = reduced(pair, pair.chain("patchset"), planted, seen)
    if downstream is None or [one.name for one in downstream[1].parts] != [planted.downstream]:
        return "downstream half not found"
    try:
        upstream = reduced(pair, partners.chain(planted.downstream, stands=stands), planted, seen)
    except WrongEndError:
        return "no partner"
    if upstream is None or [one.name for one in upstream[1].parts] != [planted.upstream]:
        return "upstream half not found"
    return find_pair(upstream, downstream).doubt or "found"


def run_pair(pair: Pair, kinds: Sequence[bool], seed: str) -> list[Result]:
    """The runs of a pair; `kinds` tells of each whether the downstream hunk is new."""
    partners, results = Partners(pair), []
    for at, is_new in enumerate(kinds):
        results.append(measure(pair, partners, random.Random(f"{seed}:{at}"), stands=not is_new))
        print(results[-1], file=sys.stderr, flush=True)
    return results


def main() -> int:
    """Compare, plant, search, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("REPO", "U1", "U2", "P1", "P2")
    parser.add_argument("--pair", required=True, nargs=5, action="append", metavar=names, help="may be repeated")
    parser.add_argument("--runs", type=int, default=100, help="of all pairs together (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--new", type=float, default=0.5, metavar="SHARE", help="of runs with a new hunk (default 0.5)")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for number, words in enumerate(arguments.pair):
            home = Path(folder) / str(number)
            home.mkdir()
            pairs.append(Pair.open(words, home))
        parts = len(pairs)
        runs = [arguments.runs // parts + (at < arguments.runs % parts) for at in range(parts)]
        kinds = plan(runs, [has_new(pair) for pair in pairs], arguments.new)
        for number, mine in enumerate(kinds):
            results += run_pair(pairs[number], mine, f"{arguments.seed}:{number}")
            pairs[number].drop()
    for stands in (True, False):
        some = [one for one in results if one.stands == stands]
        found = sum(one.outcome == "found" for one in some)
        tests = sum(one.tests for one in some) / max(1, len(some))
        print(
            f"{'standing' if stands else 'new':<9} {found} of {len(some)} found and minimised, {tests:.1f} tests a run"
        )
    return 0 if all(one.outcome == "found" for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
