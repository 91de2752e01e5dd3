"""Work shared out over processes: the same bytes for every number of them, and no trace of one that fails."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from git_metadiff.cli.options import MAIN
from git_metadiff.cli.parse import parse
from git_metadiff.compare import append, compare
from git_metadiff.errors import MetadiffError, UsageError
from git_metadiff.git import Git
from git_metadiff.linemap import FEW_PAIRS, diff_many, split_pairs
from git_metadiff.workers import ahead, default_jobs, run_forked
from tests.conftest import Repository
from tests.pairs import copy_of, make_pair, snapshot

#: There and back again, and a forecast at the end.
CHAIN = ("v1", "v2", "v1", "v2", "v1", "v2")
PATCHSETS = ("p1.patch", "p2.patch", "p1.patch", "p2.patch", "p1.patch")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the pair for all others."""
    return tmp_path_factory.mktemp("jobs") / "pair"


@pytest.fixture
def pair(made: Path) -> Repository:
    """A repository with two releases and their patches; nothing may change in it."""
    return Repository(made) if made.exists() else make_pair(Repository(made))


def compare_chain(repository: Repository, jobs: int, patchsets: tuple[str, ...] = PATCHSETS) -> str:
    """Compare a chain; the ids of all that is stored."""
    compare(repository.path / ".git", CHAIN, patchsets, jobs=jobs, environ=os.environ, cwd=repository.path)
    return refs_of(repository)


def refs_of(repository: Repository) -> str:
    return repository.git("for-each-ref", "refs/metadiff/")


def test_the_same_for_every_number(pair: Repository, tmp_path: Path) -> None:
    found = {jobs: compare_chain(copy_of(pair, tmp_path / str(jobs)), jobs) for jobs in (1, 2, 3, 9)}
    assert len(set(found.values())) == 1
    assert found[1].count("\n") == 2


def test_a_chain_that_grows_in_two_processes(pair: Repository, tmp_path: Path) -> None:
    whole = compare_chain(copy_of(pair, tmp_path / "whole"), 1)
    grown = copy_of(pair, tmp_path / "grown")
    git_dir = grown.path / ".git"
    compare(git_dir, CHAIN[:2], PATCHSETS[:2], jobs=2, environ=os.environ, cwd=grown.path)
    append(git_dir, CHAIN[2:], PATCHSETS[2:], jobs=2, environ=os.environ, cwd=grown.path)
    assert refs_of(grown) == whole


def test_what_one_process_refuses_is_told_once(pair: Repository, tmp_path: Path) -> None:
    repository = copy_of(pair, tmp_path / "pair")
    before = snapshot(repository.path)
    wrong = (*PATCHSETS[:3], "p1.patch", "p1.patch")  # the fourth is for the other release
    said = []
    for jobs in (1, 4):
        with pytest.raises(MetadiffError, match=r"^p1\.patch: .* does not apply") as caught:
            compare_chain(repository, jobs, wrong)
        said.append((caught.value.message, caught.value.hint, caught.value.status))
    assert said[0] == said[1]
    assert snapshot(repository.path) == before


def fail() -> int:
    raise MetadiffError("message", "hint", 7)


def stumble() -> int:
    raise ZeroDivisionError("by zero")


def die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def end_early() -> int:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        (fail, MetadiffError, "^message$"),
        (stumble, ZeroDivisionError, "by zero"),
        (die, MetadiffError, "was killed"),
        (end_early, KeyboardInterrupt, "^$"),
        (lambda: lambda: 0, Exception, "pickle"),
    ],
)
def test_a_task_that_fails_ends_those_behind_it(task: Callable[[], int], kind: type[BaseException], words: str) -> None:
    def sleep() -> int:
        time.sleep(60)
        return 1

    begin = time.monotonic()
    with pytest.raises(kind, match=words):
        run_forked([lambda: 1, task, sleep], lambda _: None)
    assert time.monotonic() - begin < 30
    with pytest.raises(ChildProcessError):  # none is left
        os.waitpid(-1, os.WNOHANG)


def test_values_come_in_order() -> None:
    def task(number: int) -> Callable[[], int]:
        def work() -> int:
            time.sleep((3 - number) / 50)
            return number

        return work

    ended: list[int] = []
    assert run_forked([task(number) for number in range(4)], ended.append) == [0, 1, 2, 3]
    assert ended == [1, 2, 3, 4]


@pytest.mark.parametrize("is_worth_it", [True, False])
def test_a_task_is_done_beside_other_work(is_worth_it: bool) -> None:
    with ahead(os.getpid, is_worth_it) as value:
        assert (value() == os.getpid()) != (is_worth_it and default_jobs() > 1)
    with pytest.raises(MetadiffError, match=r"^message$"), ahead(fail, is_worth_it) as value:
        value()
    with ahead(fail, is_worth_it):
        pass  # nobody asked
    with pytest.raises(ChildProcessError):  # none is left
        os.waitpid(-1, os.WNOHANG)


def test_files_are_shared_out(repository: Repository) -> None:
    blobs = [repository.git("hash-object", "-w", "--stdin", stdin=b"x\n" * number) for number in range(1, 42)]
    pairs = [(one, other) for one in blobs[:20] for other in blobs[20:]]
    git = Git(repository.path / ".git", os.environ)
    alone = diff_many(git, [pairs, pairs[:3], []], "histogram")
    git.processes = 3
    assert diff_many(git, [pairs, pairs[:3], []], "histogram") == alone
    assert [len(part) for part in split_pairs(pairs[: 3 * FEW_PAIRS], 2)] == [150, 150]
    assert len(alone[0]) == len(pairs) and all(alone[0])


@pytest.mark.parametrize(("value", "problem"), [("0", "at least 1"), ("two", "wants a number"), ("-1", "number")])
def test_bad_numbers(value: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        parse(["-j", value, "v1", "v2", "--patches", "p1", "p2"])
    assert parse(["-j3", "v1", "v2", "--patches", "p1", "p2"])._replace(command=MAIN).number("--jobs") == 3
