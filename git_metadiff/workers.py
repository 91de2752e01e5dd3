"""Work shared out over processes: each is forked, so it sees what its parent has read, and sends back one value."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from git_metadiff.errors import MetadiffError
from git_metadiff.git import interruptible, uninterrupted

T = TypeVar("T")

#: Without a wish of the user's, no more processes than this: each holds its part of a chain in memory.
MOST = 4
DIED = MetadiffError("a process that did a part of the work was killed", "with -j1 there is only one, in less memory")


def default_jobs() -> int:
    """How many processes to use if nobody says: one for each processor, `MOST` at most."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not everywhere
        count = os.cpu_count() or 1
    return min(count, MOST)


def run_forked(tasks: Sequence[Callable[[], T]], finished: Callable[[int], None]) -> list[T]:
    """Run every task in a process of its own, all at the same time, and return their values in order.

    `finished` is told how many have ended. Values must be picklable. The exception of a task that fails is raised here
    when those before it are done, and ends those behind it. The caller must hold no thread and no pipe that a task
    would use.
    """
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        for task in tasks:
            with uninterrupted():
                workers.append(start(task))
        return collect([connection for _, connection in workers], finished)
    finally:
        with uninterrupted():
            end(workers)


@contextlib.contextmanager
def ahead(task: Callable[[], T], is_worth_it: bool = True) -> Iterator[Callable[[], T]]:
    """Do a task beside what the body does, in a forked process; the body calls what it is given to have the value.

    The same limits hold as for `run_forked`. What is not worth a process, or finds one processor only, is done when the
    value is asked for.
    """
    if not is_worth_it or default_jobs() == 1:
        yield task
        return
    workers: list[tuple[BaseProcess, Connection]] = []
    try:
        with uninterrupted():
            workers.append(start(task))
        yield lambda: collect([workers[0][1]], lambda _: None)[0]
    finally:
        with uninterrupted():
            end(workers)


def start(task: Callable[[], Any]) -> tuple[BaseProcess, Connection]:
    """Fork a process that does the task; what it sends arrives at the connection. Signals must be held back."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(task, sender), daemon=True)
    process.start()
    sender.close()
    return process, receiver


def work(task: Callable[[], Any], sender: Connection) -> None:
    """In the new process: do the task, and send its value or what it raised."""
    try:
        with interruptible():
            answer = pickle.dumps((task(), None), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        answer = pickle.dumps((None, portable(error)))
    with contextlib.suppress(OSError):  # the parent has ended
        sender.send_bytes(answer)


def portable(error: BaseException) -> BaseException:
    """The exception as it can be sent, with its traceback as a note; one that ends a process is an interrupt."""
    if not isinstance(error, Exception):
        return KeyboardInterrupt()
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def collect(connections: Sequence[Connection], finished: Callable[[int], None]) -> list[Any]:
    """Wait for all answers, in their order: of several errors the first one in that order is told, every time."""
    answers = []
    for connection in connections:
        try:
            value, error = pickle.loads(connection.recv_bytes())
        except EOFError:
            raise DIED from None
        if error is not None:
            raise error
        answers.append(value)
        finished(len(answers))
    return answers


def end(workers: Sequence[tuple[BaseProcess, Connection]]) -> None:
    """End what still runs, and wait for all."""
    for process, connection in workers:
        connection.close()
        if process.is_alive():
            process.terminate()
    for process, _ in workers:
        process.join()
