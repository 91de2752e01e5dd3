"""Signals that end the program: each unwinds it, so that context managers remove the scratch repository."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as `typing` has it, which `-h` has no time to import
if TYPE_CHECKING:
    from sys import UnraisableHookArgs
    from types import FrameType

#: Seconds in which another signal counts as the one before.
REPEATED = 1.0
#: Seconds between two tries to raise what was dropped.
AGAIN = 0.001


class Terminated(SystemExit):
    """A signal asks the program to end; whatever is under way is undone first."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def catch_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt or Terminated, once.

    A git that started us passes a signal on which the whole process group has got already, so each comes twice: the
    second one must not cut into the undoing. What is raised in a destructor is dropped by Python: a timer raises it
    again once that has been left.
    """
    import signal
    import time

    last = -REPEATED
    owed: BaseException | None = None  # what was dropped

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < REPEATED:
            return
        last = now
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    def dropped(one: UnraisableHookArgs) -> None:
        nonlocal owed
        if not isinstance(one.exc_value, KeyboardInterrupt | Terminated):
            sys.__unraisablehook__(one)
            return
        owed = one.exc_value.with_traceback(None)
        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, AGAIN, AGAIN)

    def again(_number: int, frame: FrameType | None) -> None:
        held = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        if owed is None or signal.SIGTERM in held or is_within(frame, dropped.__code__):
            return  # the timer goes on
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise owed

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    sys.unraisablehook = dropped


def is_within(frame: FrameType | None, code: object) -> bool:
    """Whether a function is running, given its code."""
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back
    return frame is not None
