"""Signals that end the program: each unwinds it, so that context managers remove the scratch repository."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as `typing` has it, which `-h` has no time to import
if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: Seconds in which another signal counts as the one before.
REPEATED = 1.0
#: Seconds until one that was dropped is sent again.
SOON = 0.001


class Terminated(SystemExit):
    """A signal asks the program to end; whatever is under way is undone first."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def catch_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt or Terminated, once.

    A git that started us passes a signal on which the whole process group has got already, so each comes twice: the
    second one must not cut into the undoing. One that falls into a destructor, where Python drops what is raised, is
    sent again.
    """
    import signal
    import time

    last = -REPEATED

    def end(number: int, _frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < REPEATED:
            return
        last = now
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    def dropped(one: UnraisableHookArgs) -> None:
        nonlocal last
        if not isinstance(one.exc_value, KeyboardInterrupt | Terminated):
            sys.__unraisablehook__(one)
            return
        last = -REPEATED
        send_soon(one.exc_value.number if isinstance(one.exc_value, Terminated) else signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    sys.unraisablehook = dropped


def send_soon(number: int) -> None:
    """Send this process a signal when what it is at now has been left."""
    import os
    import time

    from git_metadiff.git.signals import start_thread

    def send() -> None:
        time.sleep(SOON)
        os.kill(os.getpid(), number)

    start_thread(send)
