"""Signals: held back from what must not be cut in two, kept from threads, and passed on from a git that got one."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

#: Signals that wait until a step that must not be cut in two is done.
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back, from us and from every git that is started inside; they are delivered at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let signals through again, in a process that was started while they were held back."""
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pass_on(status: int) -> None:
    """End as a git process did that was interrupted: such a signal was meant for the whole group, so for us too."""
    if status == -signal.SIGINT:
        raise KeyboardInterrupt
    if -status in HELD:
        raise SystemExit(128 - status)


def start_thread(work: Callable[[], None]) -> threading.Thread:
    """Start a thread that no signal comes to. Python's own way of starting one fails when a signal cuts in."""
    thread = threading.Thread(target=work, daemon=True)
    with uninterrupted():
        thread.start()
    return thread
