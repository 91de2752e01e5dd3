#!/usr/bin/env python3
"""Measure how many tests it takes to find a planted fault: in a chain over a real release pair, one step is guilty.

A run draws an axis of a pair, and of its chain a step; the test program is a line of that step's text in a file. Three
searches look for the step: one without a trace, one with a trace that names a function beside the guilty change (a
caller of it, and two functions from anywhere), and plain halving by the rule of `git bisect` on the same chain. With
`--git`, git runs too: `git bisect run` on the chain's commits, so that the rule is held against what git really does.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from gitbisect import bisect  # noqa: E402
from suspects import bodies, oops  # noqa: E402

from git_metadiff.bisect import Facts, gather, rank  # noqa: E402
from git_metadiff.bisect.chain import AXES, Chain  # noqa: E402
from git_metadiff.bisect.chained import plan_of  # noqa: E402
from git_metadiff.bisect.edits import Axis, Edit, File  # noqa: E402
from git_metadiff.bisect.groups import Group, shared, together_suspicious  # noqa: E402
from git_metadiff.bisect.kept import Given, Plan, State  # noqa: E402
from git_metadiff.bisect.making import make_chain, scores_of  # noqa: E402
from git_metadiff.bisect.search import plain_tests  # noqa: E402
from git_metadiff.bisect.session import Session  # noqa: E402
from git_metadiff.compare import compare  # noqa: E402
from git_metadiff.linemap import words_in  # noqa: E402
from git_metadiff.model import Comparison  # noqa: E402
from git_metadiff.store import Store, TreeReader, open_store  # noqa: E402
from git_metadiff.trace import canonical, parse_trace  # noqa: E402

#: A line with fewer letters and digits is not looked for.
TELLING = 6
#: Functions of any files in a trace.
NOISE = 2
SOURCES = (b".c", b".cc")


def everything(_path: bytes) -> bool:
    """No limits."""
    return True


@dataclass
class Pair:
    """Two releases with their patchsets, in a repository of our own."""

    name: str
    store: Store
    environ: Mapping[str, str]
    comparison: Comparison
    home: Path  # of the repository
    _chains: dict[str, Chain] = field(default_factory=dict)

    @classmethod
    def open(cls, words: Sequence[str], folder: Path) -> Pair:
        """Compare; `words` are the repository, which is only read, two releases and two patchsets."""
        repo, *rest = words
        environ = {
            "HOME": str(folder), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"
        }  # fmt: skip
        store = folder / "store.git"
        clone = ["git", "clone", "-q", "--bare", "--shared", "--", str(Path(repo).resolve()), str(store)]
        subprocess.run(clone, env=environ, check=True)
        comparison = compare(store, rest[:2], rest[2:], environ=environ, cwd=Path.cwd())
        return cls(f"{Path(repo).stem} {rest[0]}..{rest[1]}", open_store(store, environ), environ, comparison, store)

    @cached_property
    def reader(self) -> TreeReader:
        """Reads trees and files."""
        return self.store.reader()

    @cached_property
    def facts(self) -> Facts:
        """The suspects without a trace."""
        return gather(self.comparison, self.reader.git, everything)

    @cached_property
    def scores(self) -> dict[str, float]:
        """How suspicious hunks are without a trace."""
        return scores_of(rank(self.facts))

    def chain(self, axis: str) -> Chain:
        """The chain of an axis, without a trace."""
        if axis not in self._chains:
            self._chains[axis] = make_chain(self.store.git, self.comparison, axis, everything, self.scores)
        return self._chains[axis]

    def drop(self) -> None:
        """Let go of the chains: those of several pairs are not needed at a time."""
        self._chains.clear()

    def plan(self, axis: str, trace: bytes = b"") -> Plan:
        """What is searched; with a trace, the steps of the same chain have other weights."""
        chain = self.chain(axis)
        if not trace:
            return plan_of(chain)
        parsed = parse_trace(trace)
        traced = {canonical(frame.function) for frame in parsed.frames}
        scores = scores_of(rank(gather(self.comparison, self.reader.git, everything, traced=traced), parsed))
        shares = [(shared(leg, self.scores), shared(leg, scores)) for leg in chain.legs]
        groups = tuple(weighed(chain.leg_of(one.index), one, shares[one.leg]) for one in chain.groups)
        return plan_of(replace(chain, groups=groups))

    @cached_property
    def sources(self) -> list[bytes]:
        """All source files with the newer patchset."""
        tree = self.comparison.patchsets[-1].tree
        paths = self.reader.git.run("ls-tree", "-r", "-z", "--name-only", tree).split(b"\0")
        return [path for path in paths if path.endswith(SOURCES)]

    def any_functions(self, chance: random.Random) -> list[str]:
        """Some functions of any files."""
        tree = self.comparison.patchsets[-1].tree
        texts = (self.reader.read(tree, path) or b"" for path in chance.sample(self.sources, min(4, len(self.sources))))
        found = [chance.choice(names) for names in (list(bodies(text)) for text in texts) if names]
        return found[:NOISE]

    @cache  # noqa: B019 - a pair lives as long as its runs
    def beside(self, axis: str, leg: int) -> dict[bytes, list[Edit]]:
        """The edits of a leg, by file."""
        found: dict[bytes, list[Edit]] = defaultdict(list)
        for edit in self.chain(axis).legs[leg].edits:
            found[edit.path].append(edit)
        return found

    __hash__ = object.__hash__


def weighed(leg: Axis, group: Group, shares: tuple[Mapping[str, float], Mapping[str, float]]) -> Group:
    """A group with the weight that other scores give it, by the rules of `groups.finish`."""
    parts = Counter(name for at in group.edits for name in leg.edits[at].hunks)
    before, after = (
        together_suspicious(one[name] * count for name, count in parts.items() if name in one) for one in shares
    )
    return replace(group, weight=max(0.0, group.weight + after - before))


@dataclass(frozen=True)
class Check:
    """The test program: a tree fails if a line stands in a file, or if it does not."""

    path: bytes
    line: bytes
    there: bool

    def __call__(self, pair: Pair, tree: str) -> bool:
        """Whether a tree fails."""
        text = pair.reader.read(tree, self.path)
        return text is not None and (self.line in text.split(b"\n")) == self.there

    @property
    def command(self) -> list[str]:
        """The same for a shell in a work tree; exits 1 for a tree that fails."""
        status = "! " if self.there else ""
        path, line = os.fsdecode(self.path), os.fsdecode(self.line)
        return ["sh", "-c", f'[ ! -e "$1" ] || {status}grep -qxF -e "$2" -- "$1"', "check", path, line]


@dataclass(frozen=True)
class Fault:
    """A guilty step, how it shows, and the trace that names a function beside it (empty: there is none)."""

    axis: str
    guilty: int
    check: Check
    trace: bytes


def checks(pair: Pair, axis: str, group: int) -> Iterator[tuple[Edit, Check]]:
    """The lines by which a step is known: one of its edits alone brings it, or takes it away; none in a file with
    another name, which brings all old lines."""
    chain = pair.chain(axis)
    leg = chain.leg_of(group)
    for number in sorted(chain.groups[group].edits):
        edit = leg.edits[number]
        moved = any(file.old and file.new and file.old.path != file.new.path for file in files_of(leg, number))
        if edit.kind not in ("text", "create") or moved:
            continue
        others = [one for one in pair.beside(axis, chain.groups[group].leg)[edit.path] if one is not edit]
        added = {line for one in others for line in one.added}
        removed = {line for one in others for line in one.removed}
        for line in edit.added:
            if words_in(line) >= TELLING and line not in added | removed and line not in edit.removed:
                yield edit, Check(edit.path, line, True)
        for line in edit.removed:
            if words_in(line) >= TELLING and line not in added | removed and line not in edit.added:
                yield edit, Check(edit.path, line, False)


def files_of(leg: Axis, number: int) -> list[File]:
    """The files of an edit."""
    return [leg.files[at] for at in leg.homes[number]]


def draw(pair: Pair, chance: random.Random) -> Fault:
    """A fault of a pair."""
    while True:
        axis = chance.choice(AXES)
        chain = pair.chain(axis)
        if not chain.groups:  # downstream itself changed nothing
            continue
        group = chance.randrange(len(chain.groups))
        found = list(checks(pair, axis, group))
        if not found:
            continue
        edit, check = chance.choice(found)
        if is_planted(pair, chain, group, check):
            return Fault(axis, group, check, trace_beside(pair, edit, chance))


def is_planted(pair: Pair, chain: Chain, group: int, check: Check) -> bool:
    """Whether the ends and both trees around the step answer as they must."""
    trees = [chain.points[at].tree for at in (0, group, group + 1, len(chain.points) - 1)]
    return [check(pair, tree) for tree in trees] == [False, False, True, True]


def trace_beside(pair: Pair, edit: Edit, chance: random.Random) -> bytes:
    """A trace that dies in a function next to that of the edit, called by others of its file, and by any."""
    if not edit.path.endswith(SOURCES):
        return b""
    functions = bodies(pair.reader.read(pair.comparison.patchsets[-1].tree, edit.path) or b"")
    names = list(functions)
    inside = {at for at, name in enumerate(names) if name in edit.sections}
    beside = [names[at] for one in inside for at in (one - 1, one + 1) if 0 <= at < len(names) and at not in inside]
    if not beside:
        return b""
    stack = [chance.choice(sorted(beside))]
    call = re.compile(rb"\b" + stack[0].encode() + rb"\s*\(")
    callers = [name for name in names if name not in (*edit.sections, *stack) and call.search(functions[name])]
    stack += chance.sample(callers, min(1, len(callers)))
    return oops([*stack, *pair.any_functions(chance)], chance)


class Quiet(Session):
    """A session that is kept nowhere."""

    def save(self) -> None:
        """Nothing."""

    def save_plan(self) -> None:
        """Nothing."""


def search(pair: Pair, plan: Plan, check: Check, *, traced: bool) -> tuple[tuple[int, ...], int]:
    """The steps that can be guilty in the end, and the number of tests between the ends."""
    session = Quiet(Path(), plan, State("faults", "", {"trace": "x"} if traced else {}))
    tests, built = 0, ""
    while True:
        verdict = session.verdict(built)
        if verdict.done:
            return verdict.suspects, tests
        [at] = verdict.points
        [point] = session.points([at])
        session.add(at, Given(point.tree, point.commit, "bad" if check(pair, point.tree) else "good", tested=True))
        tests, built = tests + 1, point.tree


@dataclass(frozen=True)
class Result:
    """One run."""

    pair: str
    axis: str
    steps: int
    plain: int
    without: int
    traced: int | None
    found: bool
    git: int | None = None  # tests of `git bisect run`, where it was asked


def measure(pair: Pair, chance: random.Random, *, git: bool = False) -> Result:
    """Plant a fault, and look for it; with `git` by `git bisect` itself too."""
    fault = draw(pair, chance)
    plan = pair.plan(fault.axis)
    found, without = search(pair, plan, fault.check, traced=False)
    good = found == (fault.guilty,)
    traced = None
    if fault.trace:
        found, traced = search(pair, pair.plan(fault.axis, fault.trace), fault.check, traced=True)
        good &= found == (fault.guilty,)
    session = Quiet(Path(), plan, State("faults", ""))
    plain = plain_tests(session.order, fault.guilty)
    tests = None
    if git:
        points, check = pair.chain(fault.axis).points, fault.check
        ends = points[0].commit, points[-1].commit
        commit, tests = bisect(pair.home, pair.environ, ends, (check.path, check.line, check.there))
        good &= commit == points[fault.guilty + 1].commit
    return Result(pair.name, fault.axis, len(plan.steps), plain, without, traced, good, tests)


def report(results: Sequence[Result]) -> None:
    """Print the figures."""
    for name, count in sorted(Counter(one.pair for one in results).items()):
        mine = [one for one in results if one.pair == name]
        print(f"{count:>4} runs  {name}  {min(one.steps for one in mine)} to {max(one.steps for one in mine)} steps")
    print(f"found {sum(one.found for one in results)} of {len(results)}")
    say("without a trace", [(one.plain, one.without) for one in results])
    say("with a trace", [(one.plain, one.traced) for one in results if one.traced is not None])
    say_git(results)


def say_git(results: Sequence[Result]) -> None:
    """Print how the rule of plain halving compares with git's own tests."""
    asked = [(one.git, one) for one in results if one.git is not None]
    if asked:
        more = Counter(tests - one.plain for tests, one in asked)
        differing = ", ".join(f"{by:+d} in {count}" for by, count in sorted(more.items()) if by) or "nowhere"
        mean = sum(tests for tests, _ in asked) / len(asked)
        plain = sum(one.plain for _, one in asked) / len(asked)
        print(
            f"git bisect run   {len(asked)} runs: {mean:.2f} tests, plain halving {plain:.2f}; "
            f"equal in {more[0]}, git's differ: {differing}"
        )
        say("without a trace", [(tests, one.without) for tests, one in asked], "git bisect run")
        say("with a trace", [(tests, one.traced) for tests, one in asked if one.traced is not None], "git bisect run")


def say(name: str, pairs: Sequence[tuple[int, int]], other: str = "plain halving") -> None:
    """Print the tests of plain halving (or of something else) and of a search."""
    if not pairs:
        return
    plain, ours = sum(one for one, _ in pairs), sum(one for _, one in pairs)
    savings = sorted(1 - mine / most for most, mine in pairs if most)
    worse = sum(mine > most for most, mine in pairs)
    print(
        f"{name:<16} {len(pairs)} runs: {other} {plain / len(pairs):.2f} tests, ours {ours / len(pairs):.2f}; "
        f"saving: median {statistics.median(savings):.0%}, mean {1 - ours / plain:.0%}; "
        f"worse in {worse}, by {max(mine - most for most, mine in pairs)} at most"
    )


def main() -> int:
    """Compare, plant, search, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pair",
        required=True,
        nargs=5,
        action="append",
        metavar=("REPO", "U1", "U2", "P1", "P2"),
        help="may be repeated",
    )
    parser.add_argument("--runs", type=int, default=100, help="of all pairs together (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--git", action="store_true", help="run git bisect too")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for number, words in enumerate(arguments.pair):
            home = Path(folder) / str(number)
            home.mkdir()
            pair = Pair.open(words, home)
            mine = arguments.runs // len(arguments.pair) + (number < arguments.runs % len(arguments.pair))
            for run in range(mine):
                results.append(measure(pair, random.Random(f"{arguments.seed}:{number}:{run}"), git=arguments.git))
                print(results[-1], file=sys.stderr)
    report(results)
    return 0 if all(one.found for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
