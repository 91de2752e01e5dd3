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
from git_metadiff.bisect.complaints import missing, signature
from git_metadiff.bisect.edits import take_apart
from git_metadiff.bisect.fuse import defined_in, fused
from git_metadiff.bisect.groups import Group
from git_metadiff.bisect.job import Job
from git_metadiff.bisect.minimize import Minimal, ddmin, pair
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
from git_metadiff.cli.parse import parse
from git_metadiff.cli.program import run as run_program
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError, UsageError
from git_metadiff.git import Git, Scratch
from git_metadiff.store import open_store
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
    unsure = Minimal((1, 3), frozenset({1}), 0)
    assert "upstream hunks matter" in pair(unsure, sides[1], lambda side, parts: "good").doubt


# What builds say


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("a.c:3:5: error: ‘pmu_read’ undeclared (first use in this function)", ("pmu_read",)),
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
    assert (found.answer, found.runs) == ("good", 4) and "3 of 4 runs" in found.why
    (tmp_path / "n").unlink()
    found = bench(tmp_path).run(Job(test=count + "test $n -ne 1 || { echo BUG; exit 1; }", confirm=3, expect="BUG"))
    assert (found.answer, found.runs) == ("bad", 2), "the searched failure counts at once"


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
