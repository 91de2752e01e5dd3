"""The terminal: colours, width, pager and progress. The only place that asks for the user's git settings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from git_metadiff import git
from git_metadiff.cli.colors import boolean, palette, wants_color
from git_metadiff.cli.output import OutputClosed, write_all, write_lines
from git_metadiff.errors import MetadiffError

if TYPE_CHECKING:
    from git_metadiff.cli.parse import Invocation

#: What is read of the user's settings, in one process.
SETTINGS = r"^(color\.(metadiff|ui|pager|diff)(\..*)?|pager\.(metadiff|color))$"
DEFAULT_WIDTH = 80


class Screen(NamedTuple):
    """How to show text where the output goes."""

    colors: Mapping[str, bytes]
    pager: str | None  # the command to start; None when there is no terminal, no wish, or git has started one
    width: int


def screen(invocation: Invocation, environ: Mapping[str, str], cwd: Path) -> Screen:
    """Find out about colours, pager and width."""
    terminal = os.isatty(1)
    paged = boolean(environ.get("GIT_PAGER_IN_USE", "")) is True  # by git: it reads `pager.metadiff` itself
    when = invocation.values.get("--color")
    settings = {} if when == "never" and not terminal else git.user_settings(SETTINGS, environ, cwd)
    pager = None
    if terminal and not paged and "--exit-code" not in invocation.flags:
        pager = choose_pager(environ, settings, cwd)
    if (paged or pager) and boolean(settings.get("color.pager", settings.get("pager.color", "true"))) is False:
        terminal = paged = False
    colored = wants_color(when, environ, settings, terminal=terminal or paged)
    return Screen(palette(settings, colored=colored), pager, width(environ))


def choose_pager(environ: Mapping[str, str], settings: Mapping[str, str], cwd: Path) -> str | None:
    """The pager to start: GIT_PAGER (`git --no-pager` sets it to cat), `pager.metadiff`, else what git would take."""
    setting = settings.get("pager.metadiff", "true")
    wanted = boolean(setting)
    command = setting if wanted is None and "GIT_PAGER" not in environ else git.user_pager(environ, cwd)
    return None if wanted is False or command in ("", "cat") else command


def width(environ: Mapping[str, str]) -> int:
    """Columns of the terminal; git sets COLUMNS when it has started the pager."""
    with suppress(ValueError):
        columns = int(environ.get("COLUMNS", ""))
        if columns > 0:
            return columns
    for descriptor in (1, 2):
        with suppress(OSError):
            return os.get_terminal_size(descriptor).columns or DEFAULT_WIDTH
    return DEFAULT_WIDTH


def show_lines(lines: Iterable[bytes], pager: str | None, environ: Mapping[str, str]) -> None:
    """Write lines to standard output, or into the pager."""
    if pager is None:
        write_lines(lines)
        return
    with paging(pager, environ) as descriptor:
        write_lines(lines, descriptor)


@contextmanager
def paging(command: str, environ: Mapping[str, str]) -> Iterator[int]:
    """Start the pager, give the descriptor of its input, and wait until the user leaves it, also when interrupted."""
    process = git.start_pager(command, environ)
    assert process.stdin is not None
    try:
        yield process.stdin.fileno()
    finally:
        with suppress(OSError):
            process.stdin.close()
        while process.returncode is None:
            with suppress(KeyboardInterrupt):  # belongs to the pager
                process.wait()


class Progress:
    """A progress bar on a terminal's standard error, erased when done; silent elsewhere."""

    PAUSE = 0.1  # seconds between two drawings
    BAR = 20  # characters

    def __init__(self, environ: Mapping[str, str], *, wanted: bool = True) -> None:
        self.on = wanted and os.isatty(2) and environ.get("TERM", "dumb") != "dumb"
        self.columns = width({}) if self.on else 0
        self.drawn_at = 0.0
        self.label = ""

    def __call__(self, label: str, done: int, total: int) -> None:
        """Note that `done` of `total` is done; a `total` of 0 means that nobody knows."""
        now = time.monotonic()
        if not self.on or (label == self.label and now - self.drawn_at < self.PAUSE):
            return
        self.label, self.drawn_at = label, now
        self.write(b"\r" + self.bar(label, done, total)[: self.columns - 1].encode("utf-8", "replace") + b"\x1b[K")

    def bar(self, label: str, done: int, total: int) -> str:
        """The text of the bar: `reading linux.tar.xz [#####     ]  25%`."""
        if total <= 0:
            return f"{label} {done}" if done else label
        part = min(max(done / total, 0.0), 1.0)
        filled = int(part * self.BAR)
        return f"{label} [{'#' * filled}{' ' * (self.BAR - filled)}] {int(part * 100):3d}%"

    def write(self, data: bytes) -> None:
        """Write to standard error; a terminal that went away ends the bar, not the work."""
        try:
            write_all(data, descriptor=2)
        except (MetadiffError, OutputClosed):
            self.on = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.label:
            self.write(b"\r\x1b[K")
