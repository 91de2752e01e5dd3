"""Runs one command sealed off from its user, and says what it cost."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_ORPHAN_SECONDS = 5.0
_COMPLAINT_BYTES = 4096
# Linux counts ru_maxrss in kibibytes, macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG")


class BenchError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a command cost, or several one after the other.

    `seconds` is wall time and `cpu` the processor time of the whole process tree, both in seconds; `peak` is the
    resident set of the largest single process of the tree, in bytes; `code` is the exit code, negative for a signal;
    `complaint` is the last line on standard error; `output` is the file with standard output, for as long as it lives.
    """

    seconds: float
    cpu: float
    peak: int
    code: int
    complaint: str = ""
    output: Path = Path(os.devnull)

    def __add__(self, other: Usage) -> Usage:
        """Join two commands that ran one after the other: the first exit code that is not 0 stays."""
        peak, code = max(self.peak, other.peak), self.code or other.code
        complaint = self.complaint if self.code else other.complaint
        return Usage(self.seconds + other.seconds, self.cpu + other.cpu, peak, code, complaint, other.output)

    def lines(self) -> Iterator[bytes]:
        """Give the lines of standard output, one at a time to stay small (see `memory_floor`)."""
        with self.output.open("rb") as file:
            for line in file:
                yield line.rstrip(b"\n")

    def first_line(self) -> str:
        """Give the first line of standard output."""
        return next(self.lines(), b"").decode(errors="replace")


def memory_floor() -> int:
    """Give the smallest peak that `measure` can see, in bytes.

    A child counts the pages of the process that it was started from until it executes its own program, so this
    process has to stay small: outputs go to files and are read line by line.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def sealed(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make an environment with a home of its own and nothing of the user's git or Python settings."""
    env = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    env |= {"HOME": str(home), "LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "dumb", "PAGER": "cat", "GIT_PAGER": "cat"}
    env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    return env | dict(extra or {})


def adopt_orphans() -> None:
    """Become the parent of processes that outlive theirs, where the system can do that, so that none goes uncounted."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(command: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, timeout: float) -> Usage:
    """Run a command and wait for it and for what it leaves behind.

    Output goes to the file `log` with the suffix `.out`, errors to `.err`. After `timeout` seconds the command is
    killed, and its exit code is the signal's.
    """
    output, errors = log.with_suffix(".out"), log.with_suffix(".err")
    with output.open("wb") as out, errors.open("wb") as err:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env, cwd=cwd, start_new_session=True
            )
        except OSError as error:
            raise BenchError(f"{command[0]}: {error.strerror}") from error
        timer = threading.Timer(timeout, _kill, [process.pid])
        timer.daemon = True
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _kill(process.pid)
            process.wait()
            raise
        finally:
            timer.cancel()
        seconds = time.perf_counter() - start
    # Popen must not wait for a process that is gone.
    process.returncode = os.waitstatus_to_exitcode(status)
    total = Usage(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT, process.returncode)
    total += _orphans(process.pid)
    return replace(total, complaint=_last_line(errors), output=output)


def _last_line(file: Path) -> str:
    """Give the last line that says something; a command may have complained at length."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _COMPLAINT_BYTES))
        lines = opened.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _kill(group: int) -> None:
    """Kill a command and all of its session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def _orphans(group: int) -> Usage:
    """Reap what the command left running, without counting the time; kill it when it takes too long."""
    total = Usage(0.0, 0.0, 0, 0)
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return total
        if pid:
            total += Usage(0.0, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS_UNIT, 0)
        elif time.monotonic() > deadline:
            _kill(group)
            # What has a session of its own by now is no part of the measure any more.
            return total
        else:
            time.sleep(0.01)
