"""Builds and tests of one tree: the user's commands, run as `git bisect run` runs them, and what their end means.

0 is good, 125 cannot be tested, 1 to 127 bad, and anything else ends the search: 128 and more is a signal or a fault of
the test itself. A build that fails is never bad. The commands run in the top folder of the tree, with nothing on their
input, as a process group of their own, so that an interrupt leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from git_metadiff.bisect.complaints import doubled, first_error, missing, signature
from git_metadiff.bisect.job import Job, cannot_start
from git_metadiff.bisect.search import Answer
from git_metadiff.errors import EXIT_FATAL, MetadiffError
from git_metadiff.git import uninterrupted

SKIPPED = 125
#: Variables that would lead git inside of a command to another repository.
OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
#: Seconds between two looks at a running command, and those that it has to end when asked.
PAUSE = 0.05
GRACE = 3.0
#: More of a log is not searched: its end is what counts.
MOST_READ = 1 << 26


@dataclass(frozen=True)
class Outcome:
    """What became of one tree."""

    answer: Answer
    why: str  # in words
    signature: tuple[str, ...] = ()  # the errors of a tree that could not be tested
    missing: tuple[str, ...] = ()  # the names that its build missed
    doubled: tuple[str, ...] = ()  # those that it found twice
    seconds: float = 0.0
    votes: int = 1  # how many runs of the test gave this answer


class Stopped(Exception):
    """Another thread asks for the end."""


@dataclass
class Bench:
    """Where a job runs."""

    top: Path  # the top folder of the tree
    environ: Mapping[str, str]
    log: Path  # all output of the commands goes there
    echo: Callable[[bytes], None] | None = None  # and there
    stopped: Callable[[], bool] = lambda: False

    def run(self, job: Job) -> Outcome:
        """Build and test the tree that is checked out."""
        begun = time.monotonic()
        self.log.write_bytes(b"")
        outcome = self._build(job) or self._test_often(job)
        return replace(outcome, seconds=round(time.monotonic() - begun, 3))

    def _build(self, job: Job) -> Outcome | None:
        """None if the build was fine."""
        if not job.build:
            return None
        status, output = self._command(("sh", "-c", job.build))
        if status == 0:
            return None
        check_status(status, "the build")
        why = with_error("the build failed", output)
        return Outcome("skip", why, signature(output), missing(output), doubled(output))

    def _test_often(self, job: Job) -> Outcome:
        """Run the test until an answer came as often as is asked for; the searched failure needs no confirmation."""
        votes: Counter[Answer] = Counter()
        while True:
            found = self._test(job)
            votes[found.answer] += 1
            if votes[found.answer] >= job.confirm or (job.expect and found.answer == "bad"):
                runs = sum(votes.values())
                why = found.why if runs == 1 else f"{found.why} ({votes[found.answer]} of {runs} runs)"
                return Outcome(found.answer, why, found.signature, found.missing, votes=votes[found.answer])

    def _test(self, job: Job) -> Outcome:
        status, output = self._command(job.command or ("sh", "-c", job.test))
        check_status(status, "the test")
        if status == SKIPPED:
            why = "the test says that it cannot test this"
            return Outcome("skip", why, signature(output), missing(output), doubled(output))
        if job.expect and re.search(os.fsencode(job.expect), output):
            return Outcome("bad", "the expected failure")
        if status == 0:
            return Outcome("good", "the test passed")
        if job.expect:
            return Outcome("skip", with_error("another failure than the expected one", output), signature(output))
        return Outcome("bad", f"the test ended with status {status}")

    def _command(self, words: tuple[str, ...]) -> tuple[int, bytes]:
        """Run one command; its exit status (negative: a signal) and its output."""
        start = self.log.stat().st_size
        environ = {name: value for name, value in self.environ.items() if name not in OF_GIT}
        with self.log.open("ab") as log, self.log.open("rb") as reader:
            reader.seek(start)
            try:
                process = subprocess.Popen(
                    words,
                    cwd=self.top,
                    env=environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            except OSError as error:
                raise cannot_start(words[0], error.strerror or str(error)) from error
            try:
                status = self._wait(process, reader.read)
            finally:
                end(process)
        return status, tail(self.log, start)

    def _wait(self, process: subprocess.Popen[bytes], more: Callable[[], bytes]) -> int:
        """Wait for the end, not for the output to be closed: a test may leave something running behind it."""
        while True:
            try:
                status: int | None = process.wait(PAUSE)
            except subprocess.TimeoutExpired:
                status = None
            if self.echo is not None and (data := more()):
                self.echo(data)
            if status is not None:
                return status
            if self.stopped():
                raise Stopped


def with_error(words: str, output: bytes) -> str:
    """What happened, with the first error of its output; it may have none."""
    error = first_error(output)
    return f"{words}: {error}" if error else words


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and all that it started, if it has not ended by itself; another signal to us waits for that."""
    with uninterrupted():
        if process.poll() is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(GRACE)
                return


def tail(log: Path, start: int) -> bytes:
    """What a log holds from `start` on, as far as it is searched."""
    with log.open("rb") as reader:
        reader.seek(max(start, log.stat().st_size - MOST_READ))
        return reader.read()


def check_status(status: int, what: str) -> None:
    """Raise MetadiffError for a status that says nothing about the tree."""
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        raise aborted(f"{what} was killed by {name}")
    if status >= EXIT_FATAL:
        raise aborted(f"{what} ended with status {status}")


def aborted(message: str) -> MetadiffError:
    """The error for a test that ends the search."""
    return MetadiffError(
        message, "128 and more ends the search: nothing is lost, 'git metadiff bisect run' goes on when it is mended"
    )
