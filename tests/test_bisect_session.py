"""The search: what to test next, minimal parts, sessions by hand and by a command, interrupts, and bad input."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_metadiff.bisect.chain import Chain, End, write_chain
from git_metadiff.bisect.chained import ChainSource, plan_of
from git_metadiff.bisect.complaints import doubled, first_error, missing, signature
from git_metadiff.bisect.drive import Driver, Stand
from git_metadiff.bisect.edits import take_apart
from git_metadiff.bisect.fuse import defined_in, fused
from git_metadiff.bisect.groups import Group
from git_metadiff.bisect.job import Job
from git_metadiff.bisect.kept import State
from git_metadiff.bisect.minimize import Minimal, Pair, ddmin, pair
from git_metadiff.bisect.results import Results
from git_metadiff.bisect.runner import Bench, Outcome
from git_metadiff.bisect.search import (
    TRACED,
    UNTRACED,
    Answer,
    Costs,
    Known,
    Order,
    Prior,
    Trust,
    allowance,
    choose,
    halvings,
    plain_tests,
    presumed,
)
from git_metadiff.bisect.session import begin, load
from git_metadiff.bisect.source import Point
from git_metadiff.cli.parse import parse
from git_metadiff.cli.program import run as run_program
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError, UsageError
from git_metadiff.git import Git, Scratch, add_work_tree
from tests.conftest import Metadiff, Repository
from tests.pairs import copy_of

# What to test next


def search(
    order: Order, guilty: int, weights: Sequence[float] = (), trust: Trust = UNTRACED, broken: Sequence[int] = ()
) -> tuple[tuple[int, ...], list[int]]:
    """The suspects at the end of a search, and the points that were tested; points `broken` cannot be."""
    prior = Prior(weights or [0.0] * len(order), trust)
    answers: dict[int, Answer] = {len(order) - 1: "bad"}
    tested: list[int] = []
    budget = allowance(len(order), trust)
    while True:
        verdict = choose(order, prior, Known.of(answers), budget=budget)
        if verdict.done:
            return verdict.suspects, tested
        [at] = verdict.points
        assert at not in tested
        tested.append(at)
        answers[at] = "skip" if at in broken else "bad" if order.before[at] >> guilty & 1 else "good"
        budget = max(1, budget - (at not in broken))


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 70), seed=st.integers(0, 10**6), traced=st.booleans())
def test_a_line_is_searched_within_what_may_be_spent(count: int, seed: int, traced: bool) -> None:
    chance = random.Random(seed)
    trust = TRACED if traced else UNTRACED
    weights = [chance.expovariate(6) for _ in range(count)]
    guilty = chance.randrange(count)
    found, tested = search(Order.line(count), guilty, weights, trust)
    assert found == (guilty,)
    assert len(tested) <= allowance(count, trust)


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 40), seed=st.integers(0, 10**6))
def test_a_history_with_merges_is_searched(count: int, seed: int) -> None:
    chance = random.Random(seed)
    parents = [
        sorted({chance.randrange(at) for _ in range(chance.choice((1, 1, 2)))}) if at else [] for at in range(count)
    ]
    heads = set(range(count)) - {one for mine in parents for one in mine}
    parents.append(sorted(heads))  # one last point that holds everything
    order = Order(parents)
    assert order.before[-1] == (1 << count + 1) - 1
    guilty = chance.randrange(count + 1)
    found, _ = search(order, guilty)
    assert found == (guilty,)


def test_even_suspicion_is_plain_halving() -> None:
    for count in (2, 3, 17, 64, 100):
        order = Order.line(count)
        for guilty in range(count):
            assert len(search(order, guilty)[1]) <= halvings(count)
            assert plain_tests(order, guilty) in (halvings(count), halvings(count) - 1)


def test_suspicion_that_is_right_saves_tests_and_one_that_is_wrong_costs_few() -> None:
    order = Order.line(400)
    sharp = [0.02] * 400
    sharp[217] = 0.9
    assert len(search(order, 217, sharp, TRACED)[1]) <= 3 < plain_tests(order, 217)
    assert len(search(order, 30, sharp, TRACED)[1]) <= allowance(400, TRACED)
    assert len(search(order, 30, sharp, UNTRACED)[1]) <= halvings(400), "without a trace nothing is risked"


def test_what_must_be_built_again_counts_against_a_point() -> None:
    order = Order.line(9)
    known = Known(bad=frozenset({8}))
    prior = Prior([1.0] * 9)
    [even] = choose(order, prior, known).points
    costs = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    [cheap] = choose(order, prior, known, Costs(costs)).points
    assert (even, cheap) == (3, 2) or (even, cheap) == (4, 2)


def test_a_stretch_that_cannot_be_tested_costs_few_tests() -> None:
    order = Order.line(300)
    found, tested = search(order, 250, broken=range(100, 200))
    assert found == (250,) and len(tested) < 20
    found, tested = search(order, 150, broken=range(140, 160))
    assert set(found) == set(range(140, 161)), "one of those between which nothing can be tested"


def test_what_lies_between_two_points_with_the_same_error_is_presumed() -> None:
    order = Order.line(20)
    errors = {4: ("a.c: error: x",), 9: ("b.c: error: y", "a.c: error: x"), 15: ("z",)}
    assert presumed(order, errors, Known()) == {5, 6, 7, 8}
    assert presumed(order, errors, Known(good=frozenset({6}))) == frozenset()


def test_points_for_tests_at_the_same_time_divide_the_suspicion() -> None:
    known = Known(bad=frozenset({99}))
    points = choose(Order.line(100), Prior([0.0] * 100), known, parallel=3).points
    assert points == (24, 49, 74)
    assert choose(Order.line(2), Prior([0.0] * 2), Known(bad=frozenset({1})), parallel=3).points == (0,)


def test_answers_that_contradict_each_other_leave_nobody() -> None:
    verdict = choose(Order.line(5), Prior([0.0] * 5), Known(good=frozenset({3}), bad=frozenset({2, 4})))
    assert verdict.done and verdict.suspects == ()


def test_plain_halving_is_that_of_git(repository: Repository) -> None:
    commits = [repository.commit({"f": str(at)}) for at in range(24)]
    order = Order.line(23)  # the first commit is the end that works
    for guilty in (0, 7, 16, 22):
        good, bad, tests = [commits[0]], commits[-1], 0
        while True:
            middle = repository.git("rev-list", "--bisect", bad, *(f"^{one}" for one in good))
            if middle == bad:
                break
            tests += 1
            if commits.index(middle) - 1 >= guilty:
                bad = middle
            else:
                good.append(middle)
        assert commits.index(bad) - 1 == guilty
        assert abs(tests - plain_tests(order, guilty)) <= 1


# Minimal parts


@pytest.mark.parametrize(
    ("count", "needed"), [(1, {0}), (2, {1}), (8, {0, 7}), (8, {3}), (13, {2, 3, 11}), (5, {0, 1, 2, 3, 4})]
)
def test_delta_debugging_finds_what_is_needed(count: int, needed: set[int]) -> None:
    asked: list[frozenset[int]] = []

    def test(chosen: frozenset[int]) -> Answer:
        asked.append(chosen)
        return "bad" if needed <= chosen else "good"

    found = ddmin(range(count), test)
    assert set(found.parts) == needed and found.is_certain and found.undetermined == ()
    assert len(asked) == len(set(asked)) == found.tests, "nothing is asked twice"
    assert frozenset() not in asked and frozenset(range(count)) not in asked


def test_parts_without_which_nothing_can_be_tested_are_told_from_those_that_are_needed() -> None:
    def test(chosen: frozenset[int]) -> Answer:
        if (2 in chosen) != (5 in chosen):
            return "skip"  # does not build
        return "bad" if 2 in chosen else "good"

    found = ddmin(range(8), test)
    assert set(found.parts) == {2, 5} and not found.is_certain
    assert set(found.undetermined) == {2, 5}


@pytest.mark.parametrize(
    ("upstream", "downstream", "doubt"),
    [("good", "good", ""), ("good", "bad", "fails without the downstream"), ("skip", "good", "without the upstream")],
)
def test_a_pair_is_one_if_it_works_without_either(upstream: Answer, downstream: Answer, doubt: str) -> None:
    answers = {"upstream": upstream, "downstream": downstream}
    sides = (Minimal((1,), frozenset({1}), 0), Minimal((2,), frozenset({2}), 0))
    found = pair(*sides, lambda side, parts: answers[side])
    assert doubt in found.doubt and bool(found.doubt) == bool(doubt)


def test_what_cannot_be_told_from_a_needed_part_is_in_the_pair() -> None:
    known: Minimal[int] = Minimal((2,), frozenset({2}), 0)
    asked = []

    def without(side: str, parts: frozenset[int]) -> Answer:
        asked.append((side, set(parts)))
        return "good"

    assert pair(Minimal((1, 3), frozenset({1}), 0), known, without) == Pair((1, 3), (2,))
    assert asked == [("upstream", {1, 3}), ("downstream", {2})]
    bound: dict[frozenset[int], Answer] = {frozenset({1, 3}): "skip", frozenset({1}): "good", frozenset({2}): "good"}
    assert pair(Minimal((1, 3), frozenset({1}), 0), known, lambda _, parts: bound[parts]) == Pair((1, 3), (2,))
    unsure = pair(Minimal((1, 3), frozenset(), 0), known, without)
    assert unsure == Pair((1, 3), (2,), "which of the upstream hunks matter")


# What builds say


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("a.c:3:5: error: \u2018pmu_read\u2019 undeclared (first use in this function)", ("pmu_read",)),
        ("a.c:3: error: 'pmu_read' undeclared here", ("pmu_read",)),
        ("a.c:9:2: error: implicit declaration of function 'frob'; did you mean 'frog'?", ("frob",)),
        ("a.c:1:1: error: unknown type name 'u128'", ("u128",)),
        ("a.c:7:4: error: 'struct mm' has no member named 'guard'", ("guard",)),
        ("a.c:7:4: error: use of undeclared identifier 'x_y'", ("x_y",)),
        ("ld: main.o: in function `main': main.c:(.text+0x5): undefined reference to `helper'", ("helper",)),
        ("ld.lld: error: undefined symbol: helper", ("helper",)),
        ('ERROR: modpost: "helper" [drivers/x.ko] undefined!', ("helper",)),
        ("a.c:1:10: fatal error: linux/new.h: No such file or directory", ("linux/new.h",)),
        ("make[2]: *** No rule to make target 'lib/pmu.o', needed by 'all'.  Stop.", ("lib/pmu.o",)),
        ("a.c:3: error: expected ';' before 'return'", ()),
        ("warning: nothing", ()),
    ],
)
def test_names_that_a_build_missed(line: str, names: tuple[str, ...]) -> None:
    assert missing(f"CC a.o\n\x1b[1m{line}\x1b[0m\n".encode()) == names


def test_one_error_is_known_again_wherever_it_is() -> None:
    first = signature(b"/tmp/a/x.c:12:3: error: 'a' undeclared\nmake: *** [Makefile:3: x.o] Error 1\n")
    second = signature(b"/home/b/x.c:99:1: error: 'a' undeclared\nmake[1]: *** [x.o] Error 2\n")
    assert first == second == ("x.c:N:N: error: 'a' undeclared",)
    assert signature(b"all is well\n") == ()


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ('lib/Config.in:273: unknown option "INSERT"\nmake: *** [Makefile:44: config] Error 2\n', "unknown option"),
        ("SYSLOGD [N/y/?] n\n/b/Makefile.flags:193: *** extraneous 'endif'.  Stop.\nmake: *** Error 2\n", "endif"),
        ("a.c:3: warning: x\na.c:4: error: y\nb.c:5: error: z\n", "a.c:4: error: y"),
        ("only words\nand more\n", "and more"),
        ("Config.in:12:warning: 'select' used by a symbol refers to undefined symbol 'X'\nfailed\n", "failed"),
    ],
)
def test_the_error_to_show_is_the_first_one(output: str, error: str) -> None:
    assert error in first_error(output.encode())


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"#define PMU_BASE 0x10", b"PMU_BASE"),
        (b"static inline int pmu_read(int msr)", b"pmu_read"),
        (b"extern bool pmu_ready;", b"pmu_ready"),
        (b"\tint guard;", b"guard"),
        (b"struct pmu_state {", b"pmu_state"),
        (b"\tPMU_MAX = 4,", b"PMU_MAX"),
        (b"config XEN_PMU", b"XEN_PMU"),
    ],
)
def test_names_that_a_line_defines(line: bytes, name: bytes) -> None:
    assert name in defined_in(line)
    assert defined_in(b"\treturn pmu_ready;") == frozenset()


# Running


def bench(tmp_path: Path) -> Bench:
    """A bench in an empty folder."""
    return Bench(tmp_path, os.environ, tmp_path / "log")


@pytest.mark.parametrize(
    ("build", "test", "expect", "answer"),
    [
        ("", "exit 0", "", "good"),
        ("", "exit 1", "", "bad"),
        ("", "exit 127", "", "bad"),
        ("", "exit 125", "", "skip"),
        ("exit 1", "exit 1", "", "skip"),
        ("exit 0", "exit 1", "", "bad"),
        ("", "echo Oops: 0002; exit 1", "Oops: \\d+", "bad"),
        ("", "echo Oops: 0002; exit 0", "Oops: \\d+", "bad"),
        ("", "echo other; exit 1", "Oops", "skip"),
        ("", "exit 0", "Oops", "good"),
        ("echo Oops", "exit 0", "Oops", "good"),
    ],
)
def test_what_the_end_of_a_command_means(build: str, test: str, expect: str, answer: Answer, tmp_path: Path) -> None:
    assert bench(tmp_path).run(Job(build=build, test=test, expect=expect)).answer == answer


@pytest.mark.parametrize(
    ("test", "message"), [("exit 128", "status 128"), ("exit 200", "200"), ("kill -9 $$", "SIGKILL")]
)
def test_a_command_that_ends_otherwise_ends_the_search(test: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MetadiffError, match=message):
        bench(tmp_path).run(Job(test=test))
    with pytest.raises(MetadiffError, match="the build ended with status 130"):
        bench(tmp_path).run(Job(build="exit 130", test=test))


def test_a_test_that_is_not_steady_is_repeated(tmp_path: Path) -> None:
    count = "n=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) >n; "
    found = bench(tmp_path).run(Job(test=count + "test $n -ne 1", confirm=3))
    assert (found.answer, found.votes) == ("good", 3) and "3 of 4 runs" in found.why
    (tmp_path / "n").unlink()
    found = bench(tmp_path).run(Job(test=count + "test $n -ne 1 || { echo BUG; exit 1; }", confirm=3, expect="BUG"))
    assert (found.answer, found.votes) == ("bad", 1), "the searched failure counts at once"


def test_what_a_test_leaves_running_does_not_hold_it(tmp_path: Path) -> None:
    begun = time.monotonic()
    assert bench(tmp_path).run(Job(test="sleep 60 & echo done")).answer == "good"
    assert time.monotonic() - begun < 20


def test_variables_of_git_do_not_reach_a_command(tmp_path: Path) -> None:
    place = Bench(tmp_path, os.environ | {"GIT_DIR": "/none", "KEPT": "1"}, tmp_path / "log")
    assert place.run(Job(test='test -z "$GIT_DIR" && test -n "$KEPT"')).answer == "good"


def test_a_job_is_another_one_when_its_script_changed(tmp_path: Path) -> None:
    script = tmp_path / "check"
    script.write_text("exit 0")
    job = Job(command=("sh", str(script)))
    key = job.key(tmp_path)
    assert job.key(tmp_path) == key == Job(command=job.command, confirm=5).key(tmp_path)
    script.write_text("exit 1")
    assert job.key(tmp_path) != key and Job(test="true").key(tmp_path) != key


# Steps that belong together


class Bare(NamedTuple):
    """A repository with a chain of one group a file, which nobody looked into for what belongs together."""

    repository: Repository
    source: ChainSource


#: Files in the order of their steps: what uses `frob` comes two steps before what defines it.
BEFORE = {"a.c": "int a;\n", "m.c": "int m;\n", "n.c": "int n;\n", "z.h": "int z;\n", "zz.c": "int zz;\n"}
AFTER = {"a.c": "int a = 1;\n", "m.c": "int m = frob(1);\n", "n.c": "int n = 1;\n", "z.h": "int z;\nint frob(int x);\n"}


@pytest.fixture
def bare(repository: Repository) -> Bare:
    """The chain, stored under the name of a comparison that holds nothing else."""
    start = repository.commit(BEFORE)
    repository.commit(AFTER | {"zz.c": "int zz = 1;\n"})
    user = Git(repository.path / ".git", os.environ)
    trees = [repository.git("rev-parse", f"{one}^{{tree}}") for one in (start, "HEAD")]
    with Scratch(user, os.environ) as scratch:
        axis = take_apart(scratch, *trees)
        groups = [
            Group(at, axis.edits[at].path, frozenset({at}), 1.0, hunks=(axis.edits[at].path.decode(),))
            for at in range(len(axis.edits))
        ]
        chain: Chain = write_chain(scratch, "upstream", End("D1", trees[0], start), [axis], groups)
        scratch.publish({"refs/metadiff/bare/bisect/upstream/last": (chain.points[-1].commit, None)})
    comparison: Any = type("Named", (), {"name": "bare"})
    return Bare(repository, ChainSource(chain, comparison, user))


def test_a_name_that_a_build_missed_joins_the_steps_that_use_and_define_it(bare: Bare) -> None:
    plan = plan_of(bare.source.chain)
    titles = [step.title for step in plan.steps]
    assert titles == [b"a.c", b"m.c", b"n.c", b"z.h", b"zz.c"]
    joined = fused(bare.source, plan, 2, ["frob"], [1, 2, 3, 4])
    assert joined is not None
    assert [step.title for step in joined.steps] == [b"a.c", b"m.c + z.h", b"n.c", b"zz.c"]
    assert [step.parents for step in joined.steps] == [(), (0,), (1,), (2,)]
    assert joined.made[0] == plan.made[0] and joined.made[3].tree == plan.made[4].tree
    show = bare.repository.git("show", "--stat", "--format=%s", joined.made[1].commit)
    assert "m.c" in show and "z.h" in show and "n.c" not in show
    line = bare.repository.git("rev-list", "--first-parent", "refs/metadiff/bare/bisect/upstream/last").splitlines()
    assert line[:5] == [joined.made[at].commit for at in (3, 2, 1, 0, -1)], "git's own bisect finds it too"
    again = fused(bare.source, joined, 0, ["n"], [1, 2, 3])
    assert again is None, "nothing on the other side of the point has to do with it"


@pytest.mark.parametrize(
    ("at", "name", "within"), [(3, "frob", [1, 2, 3, 4]), (2, "none", [1, 2, 3, 4]), (2, "frob", [1, 2])]
)
def test_steps_that_do_not_explain_the_failure_stay_apart(bare: Bare, at: int, name: str, within: list[int]) -> None:
    names = [name]
    assert fused(bare.source, plan_of(bare.source.chain), at, names, within) is None


def test_a_name_that_is_there_twice_joins_both_halves_of_its_move(repository: Repository) -> None:
    lines = "".join(f"line {at}\n" for at in range(20))
    start = repository.commit({"a": f"INSERT\n{lines}", "b": "b\n"})
    repository.commit({"a": f"{lines}INSERT\n", "b": "B\n"})
    trees = [repository.git("rev-parse", f"{one}^{{tree}}") for one in (start, "HEAD")]
    user = Git(repository.path / ".git", os.environ)
    with Scratch(user, os.environ) as scratch:
        axis = take_apart(scratch, *trees)
        order = sorted(range(len(axis.edits)), key=lambda at: -axis.edits[at].old_start)
        groups = [Group(at, axis.edits[one].path, frozenset({one}), 1.0) for at, one in enumerate(order)]
        chain = write_chain(scratch, "upstream", End("D1", trees[0], start), [axis], groups)
        scratch.publish({"refs/metadiff/bare/bisect/upstream/last": (chain.points[-1].commit, None)})
    comparison: Any = type("Named", (), {"name": "bare"})
    source = ChainSource(chain, comparison, user)
    names = doubled(b'a:21: unknown option "INSERT"\n')
    joined = fused(source, source.plan, 0, names, range(3), is_move=True)
    assert joined is not None and len(joined.steps) == 2 and joined.steps[0].title == b"a + a"
    assert joined.made[1].tree == trees[1]
    assert fused(source, source.plan, 0, names, range(3)) is None, "it is not missing"


def test_a_definition_that_went_joins_the_step_that_takes_its_use_away(bare: Bare) -> None:
    repository = bare.repository
    trees = [repository.git("rev-parse", f"{one}^{{tree}}") for one in ("HEAD", "HEAD~1")]
    with Scratch(Git(repository.path / ".git", os.environ), os.environ) as scratch:
        axis = take_apart(scratch, *trees)
        order = sorted(range(len(axis.edits)), key=lambda at: axis.edits[at].path != b"z.h")
        groups = [Group(at, axis.edits[one].path, frozenset({one}), 1.0) for at, one in enumerate(order)]
        chain = write_chain(scratch, "upstream", End("D1", trees[0]), [axis], groups)
        scratch.publish({"refs/metadiff/bare/bisect/upstream/first": (chain.points[-1].commit, None)})
    comparison: Any = type("Named", (), {"name": "bare"})
    source = ChainSource(chain, comparison, Git(repository.path / ".git", os.environ))
    joined = fused(source, plan_of(chain), 1, ["frob"], range(5))
    assert joined is not None and joined.steps[0].title == b"z.h + m.c"


def test_a_run_fuses_steps_where_a_build_asks_for_it(bare: Bare, tmp_path: Path) -> None:
    repository, source = bare
    state = State("bare", "upstream")
    session = begin(tmp_path, source.plan, state, lambda: source)
    assert session.plan.ends == ("D1", "F")
    user = Git(repository.path / ".git", os.environ)
    tree = add_work_tree(tmp_path / "tree", source.plan.made[-1].commit, user)
    tree.check_out(source.plan.made[-1].commit, force=True)
    broken = "grep -q frob m.c && ! grep -q frob z.h"
    build = f"if {broken}; then echo \"m.c:1: error: 'frob' undeclared\"; exit 1; fi"
    job = Job(build=build, test="! grep -q 'int frob' z.h")
    seen: list[tuple[int | None, str]] = []

    def watch(at: int | None, _point: Point, outcome: Outcome | None) -> None:
        if outcome is not None:
            seen.append((at, outcome.answer))

    driver = Driver(
        session, job, [Stand(tree, ours=True)], Results(tmp_path, job.key(tmp_path), job), os.environ, watch
    )
    end = driver.run()
    assert [session.plan.steps[at].title for at in end.guilty] == [b"m.c + z.h"]
    assert session.state.fused == 1 and (2, "skip") in seen and end.skipped == 1
    again = load(tmp_path)
    assert again.plan == session.plan and again.verdict().suspects == end.guilty, "it is kept"


# Sessions

#: So many files upstream changes, each in a step of its own.
FILES = 8
#: It fails with upstream's change of the third file and the patch's of the fifth.
TEST = 'if grep -q "upstream 3" src/f3.c && grep -q "patched 5" src/f5.c; then echo BUG: both; exit 1; fi'


def body(at: int, *words: str) -> str:
    """A file of some functions, with words in the first one."""
    extra = "".join(f'\tsay("{one}");\n' for one in words)
    rest = "".join(f"\nint other_{at}_{line}(void)\n{{\n\treturn {line};\n}}\n" for line in range(4))
    first = f"int work_{at}(void)\n{{\n\tbegin({at});\n\tone({at});\n\ttwo({at});\n"
    return f"{first}{extra}\tthree({at});\n\tfour({at});\n\treturn {at};\n}}\n{rest}"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves its repository for all others."""
    return tmp_path_factory.mktemp("search") / "repository"


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Repository:
    """Two releases, two patchsets (the patch of file 5 stands; that of file 6 is new) and their comparison."""
    if not template.exists():
        made = Repository(template)
        for tag, word in (("v1", ""), ("v2", "upstream")):
            changed = [at for at in range(FILES) if word and at not in (5, 6)]
            release = {f"src/f{at}.c": body(at, *([f"{word} {at}"] * (at in changed))) for at in range(FILES)}
            made.commit(release, tag=tag)
            patched = {"src/f5.c": body(5, "patched 5")} | ({"src/f6.c": body(6, "patched 6")} if word else {})
            made.commit(patched)
            (tmp_path / f"{tag}.patch").write_bytes(made.diff(tag, "HEAD"))
            made.git("reset", "-q", "--hard", tag)
        patches = [str(tmp_path / f"{tag}.patch") for tag in ("v1", "v2")]
        compare(template / ".git", ["v1", "v2"], patches, environ=os.environ, cwd=template)
    return copy_of(Repository(template), tmp_path / "project")


class Said(NamedTuple):
    """What the program said."""

    status: int
    out: str
    err: str


Bisect = Callable[..., Said]


@pytest.fixture
def bisect(project: Repository, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Bisect]:
    """Runs `git metadiff bisect` in the project, in this process."""
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGHUP)]

    def start(*words: str | Path, cwd: Path | None = None) -> Said:
        monkeypatch.chdir(cwd or project.path)
        status = run_program(["bisect", *map(str, words)], os.environ)
        return Said(status, *capfd.readouterr())

    yield start
    for number, handler in before:
        signal.signal(number, handler)


def test_a_search_by_hand_finds_the_step_and_comes_back(project: Repository, bisect: Bisect) -> None:
    project.git("checkout", "-q", "-b", "topic", "v1")
    said = bisect("start", "--axis", "upstream")
    assert said.status == 0 and "upstream   D1 works, F fails" in said.out and "to be sure of it" in said.out
    assert "6 steps, 6 can be guilty" in said.out and "about 3 tests more" in said.out, "F tells none of them apart"
    assert "upstream 3" in (project.path / "src" / "f3.c").read_text(), "F is checked out"
    for _ in range(10):
        fails = "upstream 3" in (project.path / "src" / "f3.c").read_text()
        said = bisect("bad" if fails else "good")
        assert said.status == 0, said.err
        if "\nguilty" in said.out:
            break
    assert re.search(r"guilty step \d of \d: src/f3\.c", said.out) and "plain halving needs" in said.out
    assert bisect("reset").status == 0
    assert project.git("symbolic-ref", "HEAD") == "refs/heads/topic"
    assert project.git("status", "--porcelain") == "" and not (project.path / ".git" / "metadiff-bisect").exists()


def test_a_search_by_a_command_finds_the_step_and_needs_no_test_twice(
    project: Repository, bisect: Bisect, tmp_path: Path
) -> None:
    folder = tmp_path / "tree"
    count = f"echo x >>{tmp_path}/count; "
    options = ("--axis", "patchset", "--worktree", folder)
    said = bisect("run", *options, "--test", count + TEST)
    assert said.status == 0 and re.search(r"guilty step \d of \d: src/f5\.c", said.out)
    assert "--minimize" not in said.out, "one hunk cannot be taken apart"
    tests = len((tmp_path / "count").read_text().splitlines())
    assert f"{tests - 2} test" in said.out
    assert bisect("run").out == said.out, "it goes on where it ended"
    bisect("reset")
    assert bisect("run", *options, "--test", count + TEST, "--expect", "BUG: b").status == 0, "another job"
    again = len((tmp_path / "count").read_text().splitlines())
    assert again > tests
    bisect("reset")
    assert bisect("run", *options, "--test", count + TEST).out == said.out
    assert len((tmp_path / "count").read_text().splitlines()) == again, "results are kept"
    assert project.git("status", "--porcelain") == "" and project.git("symbolic-ref", "HEAD") == "refs/heads/main"


def test_the_pair_is_found_from_both_sides(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    for axis in ("upstream", "patchset"):
        said = bisect("run", "--axis", axis, "--worktree", tmp_path / "tree", "--minimize", "--test", TEST)
        assert said.status == 0 and "it fails only with both, and works without either" in said.out
        upstream, downstream = said.out.partition("  upstream\n")[2].split("  downstream\n")
        assert upstream.split()[1] == "src/f3.c" and downstream.split()[1] == "src/f5.c"
        bisect("reset")


def test_a_partner_is_found_though_its_ends_are_known(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    """The tree that was built last is of the other search then, whose steps are others."""
    test = f'! {{ grep -q "upstream {FILES - 1}" src/f{FILES - 1}.c && grep -q "patched 5" src/f5.c; }}'
    options = ("--worktree", tmp_path / "tree", "--test", test)
    bisect("run", "--axis", "patchset", *options)
    bisect("reset")
    said = bisect("run", "--axis", "upstream", "--minimize", *options)
    assert said.status == 0 and "it fails only with both, and works without either" in said.out, said.err


def test_unchanged_files_keep_their_time(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    bisect("start", "--axis", "patchset", "--worktree", folder)
    (folder / "built.o").write_text("kept")
    for path in folder.rglob("*.c"):
        os.utime(path, (1, 1))
    project.git("-C", str(folder), "update-index", "-q", "--refresh")
    before = {path: path.read_bytes() for path in folder.rglob("*.c")}
    assert bisect("run", "--test", TEST).status == 0
    same = [path for path, content in before.items() if path.read_bytes() == content]
    times = {path.stat().st_mtime for path in same if path.name not in ("f5.c", "f6.c")}
    assert len(same) >= FILES - 2 and times == {1}
    assert (folder / "built.o").exists()
    bisect("reset")
    assert (folder / "built.o").exists(), "the tree stays, with what was built in it"


def test_a_build_that_fails_is_never_bad(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    broken = 'grep -q "upstream 2" src/f2.c && ! grep -q "upstream 4" src/f4.c'
    build = f'{broken} && {{ echo "f2.c:1: error: no way"; exit 1; }}; true'
    said = bisect("run", "--axis", "upstream", "--worktree", tmp_path / "tree", "--build", build, "--test", TEST)
    assert said.status == 1 and "could not be determined: one of 3 steps" in said.out
    assert "the build failed: f2.c:1: error: no way" in said.out and "skipped" in said.out
    document = json.loads(bisect("status", "--json").out)
    assert document["done"] and len(document["found"]["undetermined"]) == 3 and document["found"]["guilty"] is None


def test_answers_come_by_commit_in_any_order(project: Repository, bisect: Bisect) -> None:
    assert bisect("start", "--axis", "upstream", "--no-checkout").status == 0
    head = project.git("rev-parse", "HEAD")
    document = json.loads(bisect("next", "--json", "--parallel", "3").out)
    assert [one["step"] for one in document["points"]] == [document["steps"] - 1], "F is to be tested first"
    assert bisect("bad", document["points"][0]["commit"]).status == 0
    while not document["done"]:
        document = json.loads(bisect("next", "--json", "--parallel", "3").out)
        for point in reversed(document["points"]):
            inside = project.git("ls-tree", "-r", point["tree"], "src/f3.c") != project.git("ls-tree", "v1", "src/f3.c")
            assert point["tree"] == project.git("rev-parse", f"{point['commit']}^{{tree}}")
            assert any("f3.c" in one["title"] for one in point["contents"]) <= inside
            assert bisect("bad" if inside else "good", point["commit"]).status == 0
    [guilty] = document["found"]["guilty"]
    assert "src/f3.c" in guilty["title"]
    assert project.git("rev-parse", "HEAD") == head and project.git("status", "--porcelain") == ""


def test_git_bisect_goes_on_by_hand(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    bisect("start", "--axis", "upstream", "--no-checkout")
    [end] = json.loads(bisect("next", "--json").out)["points"]
    bisect("bad", end["commit"])
    [point] = json.loads(bisect("next", "--json").out)["points"]
    bisect("skip", point["commit"])
    (tmp_path / "log").write_text(bisect("log").out)
    bisect("reset")
    project.git("bisect", "replay", str(tmp_path / "log"))
    assert end["commit"] in project.git("bisect", "log") and f"skip {point['commit']}" in project.git("bisect", "log")
    assert "src/" in project.git("bisect", "visualize", "--oneline")
    found = project.git("bisect", "run", "sh", "-c", TEST)
    assert "is the first bad commit" in found and "src/f3.c" in found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_the_middle_of_a_test_loses_nothing(
    number: signal.Signals, project: Repository, metadiff: Metadiff, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    slow = f"if test -e {tmp_path}/go; then {TEST}; else echo $$ >{mark}.new; mv {mark}.new {mark}; sleep 60; fi"
    words = ("bisect", "run", "--axis", "patchset", "--worktree", str(tmp_path / "tree"), "--test", slow)
    pipe = subprocess.PIPE
    # The tests may run in the background, where a shell ignores interrupts.
    command = ["env", "--default-signal=INT", "git", "metadiff", *words]
    process = subprocess.Popen(command, cwd=project.path, stdout=pipe, stderr=pipe, process_group=0)
    limit = time.monotonic() + 60
    while not mark.exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    busy = metadiff("bisect", "skip", cwd=project.path)
    assert busy.returncode == 128 and b"another 'git metadiff bisect' is at work here" in busy.stderr
    os.killpg(process.pid, number)
    err = process.communicate(timeout=60)[1]
    assert process.returncode in (128 + number, -number), "git itself got the signal too"
    said = b"interrupted" if number == signal.SIGINT else b"stopped by signal 15"
    assert b"fatal: %b\nhint: nothing is lost" % said in err
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)  # the test was ended too
    (tmp_path / "go").touch()
    done = metadiff("bisect", "run", cwd=project.path)
    assert done.returncode == 0 and b"src/f5.c" in done.stdout


@pytest.mark.parametrize(("pause", "more"), [(0.0, ()), (1.5, ()), (1.5, ("--parallel", "2"))])
def test_a_second_signal_does_not_leave_the_test_running(
    pause: float, more: tuple[str, ...], project: Repository, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    stubborn = f"trap '' TERM; if grep -q 'patched 5' src/f5.c; then exit 1; fi; touch {marks}/$$; sleep 60"
    words = ("bisect", "run", "--axis", "patchset", "--worktree", str(tmp_path / "tree"), *more, "--test", stubborn)
    process = subprocess.Popen(
        ["git", "metadiff", *words],
        cwd=project.path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        process_group=0,
    )
    limit = time.monotonic() + 60
    while not any(marks.iterdir()) and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGTERM)  # git passes it on: we get it twice from this alone
    time.sleep(pause)
    os.killpg(process.pid, signal.SIGTERM)
    assert b"\nfatal: stopped by signal 15\nhint: nothing is lost" in process.communicate(timeout=60)[1]
    for mark in marks.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(mark.name), 0)


def test_each_work_tree_has_a_search_of_its_own(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    other = tmp_path / "linked"
    project.git("worktree", "add", "-q", str(other), "v2")
    assert bisect("start", "--axis", "upstream").status == 0
    assert bisect("status", cwd=other).status == 128
    assert bisect("start", "--axis", "patchset", cwd=other).status == 0
    assert "patchset" in bisect("status", cwd=other).out and "upstream" in bisect("status").out
    assert bisect("reset", cwd=other).status == 0 and bisect("status").status == 0
    assert project.git("-C", str(other), "rev-parse", "HEAD") == project.git("rev-parse", "v2")


@pytest.mark.parametrize(
    ("state", "words", "message"),
    [
        ("", ("good",), "no search is under way"),
        ("", ("reset",), "no search is under way"),
        ("", ("run",), "no test was given"),
        ("", ("run", "--", "no-such-program"), "cannot start 'no-such-program'"),
        ("", ("run", "--test", "true", "--expect", "("), "is no regular expression"),
        ("", ("run", "--parallel", "2", "--test", "true"), "--parallel needs a search with --worktree"),
        ("", ("start", "--name", "other"), "there is no comparison named 'other'"),
        ("", ("start", "--file", "none"), "nothing to suspect in 'none'"),
        ("", ("start", "--worktree", "src"), "src is not empty, and no work tree of this repository"),
        ("", ("start", "--carry", "--axis", "both"), "--carry does not go with --axis both"),
        ("dirty", ("start",), "has local changes: src/f0.c"),
        ("merging", ("start",), "a merge is under way"),
        ("started", ("start",), "a search is under way here already"),
        ("started", ("run", "--axis", "both", "--test", "true"), "these options begin one"),
        ("started", ("good", "nothing"), "'nothing' is no commit"),
        ("started", ("good", "v1"), "'v1' is no point of this search"),
        ("started", ("run", "--test", "true"), "the end that fails, F, works"),
        ("started", ("run", "--test", "false"), "the end that works, D1, fails"),
        ("started", ("run", "--test", "exit 125"), "D1 cannot be tested"),
        ("started", ("run", "--build", "exit 1", "--test", "true"), "D1 cannot be tested (the build failed)"),
        ("started", ("run", "--test", "exit 129"), "the test ended with status 129"),
        ("started", ("run", "--parallel", "2", "--test", "true"), "--parallel needs a search with --worktree"),
        ("started", ("good",), "the end that fails, F, works"),
        ("damaged", ("status",), "is damaged or of another version"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(
    state: str, words: tuple[str, ...], message: str, project: Repository, bisect: Bisect
) -> None:
    if state == "dirty":
        project.write({"src/f0.c": "mine\n"})
    elif state == "merging":
        project.git("update-ref", "MERGE_HEAD", "v1")
    elif state:
        bisect("start", "--axis", "upstream")
    if state == "damaged":
        (project.path / ".git" / "metadiff-bisect" / "state.json").write_text("{}")
    answers = json.loads(bisect("status", "--json").out)["answers"] if state == "started" else []
    said = bisect(*words)
    assert (said.status, said.out.count("guilty")) in ((128, 0), (129, 0))
    assert f"fatal: {message}" in said.err or message in said.err.partition("fatal: ")[2].partition("\n")[0]
    assert re.search(r"^hint: .", said.err, re.MULTILINE) and "Traceback" not in said.err
    if state == "dirty":
        assert (project.path / "src" / "f0.c").read_text() == "mine\n"
    if not state:
        assert not (project.path / ".git" / "metadiff-bisect").exists(), "no search is begun"
    if state == "started":
        after = json.loads(bisect("status", "--json").out)["answers"]
        assert [one for one in after if one not in answers] in ([], [one for one in after if one["step"] == -1])


def test_local_changes_are_never_lost(project: Repository, bisect: Bisect) -> None:
    bisect("start", "--axis", "upstream")
    assert bisect("bad").status == 0
    before = project.git("rev-parse", "HEAD")
    names = project.git("diff-tree", "-r", "--name-only", "HEAD", "v1").splitlines()
    project.write({name: "mine\n" for name in names})
    assert names
    said = bisect("reset")
    assert said.status == 128 and "would be overwritten" in said.err and "hint: commit, move or remove" in said.err
    assert project.git("rev-parse", "HEAD") == before
    bisect("good")  # to a tree that has the same files
    assert {(project.path / name).read_text() for name in names} == {"mine\n"}
    project.git("checkout", "-q", ".")
    assert bisect("reset").status == 0 and project.git("symbolic-ref", "HEAD") == "refs/heads/main"


def test_files_that_git_ignores_are_not_overwritten_either(project: Repository, bisect: Bisect) -> None:
    project.git("checkout", "-q", "--orphan", "empty")
    project.git("rm", "-rqf", ".")
    project.commit({".gitignore": "src/\n"})
    project.write({"src/f3.c": "precious\n"})
    said = bisect("start", "--axis", "upstream")
    assert said.status == 128 and "would be overwritten: src/f3.c" in said.err
    assert (project.path / "src" / "f3.c").read_text() == "precious\n"
    assert bisect("reset").status == 0


def test_an_answer_that_contradicts_others_is_refused(project: Repository, bisect: Bisect) -> None:
    bisect("start", "--axis", "upstream", "--no-checkout")
    [end] = json.loads(bisect("next", "--json").out)["points"]
    bisect("bad", end["commit"])
    chain = project.git("rev-list", "--reverse", end["commit"], "^v1").splitlines()
    assert bisect("good", chain[-3]).status == 0
    said = bisect("bad", chain[-4])
    assert said.status == 128 and "contradicts other answers" in said.err
    assert bisect("good", chain[-4]).status == 0


def test_commands_that_do_not_fit_are_usage_errors() -> None:
    for line, message in (
        ("bisect nonsense", "no subcommand of bisect"),
        ("bisect run make", "takes no arguments"),
        ("bisect start --test x", "--test does not go with 'bisect start'"),
        ("bisect good -- x", "takes no path limits"),
        ("bisect run --build x", "--build needs a test"),
        ("bisect run --test x -- y", "--test does not go with a command"),
        ("bisect run --confirm 0 --test x", "--confirm wants at least 1"),
        ("bisect next --parallel 65", "at most 64"),
        ("bisect run --parallel 2 --axis both --test x", "--parallel needs --worktree"),
        ("bisect log --json", "--json does not go with 'bisect log'"),
        ("bisect try", "'bisect try' needs --without or --only"),
        ("bisect start --axis sideways", "--axis wants upstream, downstream, patchset or both"),
        ("list --axis both", "--axis does not go with 'list'"),
    ):
        with pytest.raises(UsageError, match=re.escape(message)):
            parse(line.split())
    found = parse(["bisect", "run", "--file", "a", "b", "--", "make", "--json", "--", "x"])
    assert (found.words, found.paths, found.behind) == (("run",), ("a", "b"), ("make", "--json", "--", "x"))


def test_another_test_does_not_believe_the_answers_of_the_first(
    project: Repository, bisect: Bisect, tmp_path: Path
) -> None:
    bisect("start", "--axis", "patchset", "--worktree", tmp_path / "tree")
    wrong = 'grep -q "patched 6" src/f6.c && exit 1; exit 0'
    assert "src/f6.c" in bisect("run", "--test", wrong).out
    said = bisect("run", "--test", TEST)
    assert said.status == 0 and "src/f5.c" in said.out and "answers are set aside" in said.err
    assert "set aside" not in bisect("run", "--test", TEST, "--confirm", "1").err
    document = json.loads(bisect("status", "--json").out)
    assert {one["why"] for one in document["answers"]} <= {"the test passed", "the test ended with status 1"}


def test_tests_at_the_same_time_have_work_trees_of_their_own(
    project: Repository, bisect: Bisect, tmp_path: Path
) -> None:
    where = f"pwd >>{tmp_path}/places; "
    options = ("--axis", "upstream", "--worktree", tmp_path / "tree", "--parallel", "2")
    said = bisect("run", *options, "--test", where + TEST)
    assert said.status == 0 and "src/f3.c" in said.out
    assert set((tmp_path / "places").read_text().split()) == {str(tmp_path / "tree"), str(tmp_path / "tree-2")}
    bisect("reset")
    said = bisect("run", *options, "--test", "sleep 30 & exit 200")
    assert said.status == 128 and "the test ended with status 200" in said.err


def test_a_lock_that_was_left_behind_is_named(project: Repository, bisect: Bisect) -> None:
    bisect("start", "--axis", "upstream")
    (project.path / ".git" / "index.lock").touch()
    said = bisect("bad")
    assert said.status == 128 and "index.lock" in said.err and "left it behind" in said.err
    (project.path / ".git" / "index.lock").unlink()
    assert json.loads(bisect("status", "--json").out)["answers"][0]["answer"] == "bad", "the answer is kept"
    assert bisect("next").status == 0


def test_a_search_can_be_of_a_bare_repository(project: Repository, bisect: Bisect, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    project.git("clone", "-q", "--mirror", str(project.path), str(bare))
    assert bisect("start", "--axis", "patchset", cwd=bare).status == 0
    assert "there is no work tree to test in" in bisect("run", "--test", TEST, cwd=bare).err
    assert bisect("reset", cwd=bare).status == 0
    said = bisect("run", "--axis", "patchset", "--worktree", tmp_path / "tree", "--test", TEST, cwd=bare)
    assert said.status == 0 and "src/f5.c" in said.out


def test_forgetting_a_comparison_removes_what_its_searches_made(project: Repository, bisect: Bisect) -> None:
    bisect("start", "--axis", "upstream", "--no-checkout")
    assert "refs/metadiff/default/bisect/upstream/last" in project.git("for-each-ref", "--format=%(refname)")
    assert project.git("rev-parse", "--verify", "refs/worktree/metadiff-bisect")
    bisect("reset")
    run_program(["forget", "default"], os.environ)
    assert project.git("for-each-ref", "refs/metadiff", "refs/worktree") == ""


@pytest.mark.parametrize("name", ["state.json", "plan.json"])
@pytest.mark.parametrize("how", ["empty", "cut", "null", "steps", "names"])
def test_a_search_that_was_damaged_says_so_and_can_be_ended(
    project: Repository, bisect: Bisect, name: str, how: str
) -> None:
    bisect("start", "--axis", "upstream")
    path = project.path / ".git" / "metadiff-bisect" / name
    text = path.read_text()
    document = json.loads(text)
    changes = {"steps": {"steps": [], "current": [99]}, "names": {"made": {"0": ["--output=x", "x", [], ""]}}}
    document |= changes.get(how, {})
    path.write_text({"empty": "", "cut": text[:-20], "null": "null"}.get(how, json.dumps(document)))
    for words in (("status",), ("next",), ("good",), ("log",), ("run", "--test", "true")):
        said = bisect(*words)
        assert said.status == 128 and "is damaged or of another version" in said.err
    said = bisect("reset")
    assert said.status == 0 and "git checkout <branch>" in said.err
    assert "no search is under way" in bisect("status").err
