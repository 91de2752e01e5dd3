"""What `-h`, `--help`, `--version` and `--git-completion-helper` print."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import git_metadiff
from git_metadiff.cli.options import COMMANDS, EACH, GROUPS, MAIN, OPTIONS, USAGE, VALUE, Option, spelled

COLUMN = 30  # where the explanations begin


def answer(command: str) -> str:
    """The text that one of these options prints."""
    if command == "--version":
        return f"git-metadiff {git_metadiff.__version__}\n"
    if command == "--git-completion-helper":
        return " ".join(completions()) + "\n"
    return short_help()


def short_help() -> str:
    """Usage, commands and options."""
    lines = [f"{'usage:' if not number else '   or:'} {usage}" for number, usage in enumerate(USAGE)]
    lines += ["", "What did downstream itself change between two patchsets for two upstream releases?", ""]
    lines += ["Commands"]
    lines += [row(name, text) for name, text in COMMANDS.items() if name != MAIN]
    for group in GROUPS:
        lines += ["", group]
        lines += [row(spelled(option), option.text) for option in OPTIONS if option.group == group]
    return "\n".join(lines) + "\n"


def row(name: str, text: str) -> str:
    """One line of the help; a long name gets a line of its own."""
    return f"    {name:<{COLUMN - 4}}{text}" if len(name) < COLUMN - 5 else f"    {name}\n{' ' * COLUMN}{text}"


def completions() -> list[str]:
    """The long options in the form that git's completion reads: a required single value is announced by `=`."""
    return [completion(option) for option in OPTIONS if option.name.startswith("--") and option.name != "--help"]


def completion(option: Option) -> str:
    """One option for git's completion; behind `--patches` file names follow, so no `=` there."""
    return f"{option.name}=" if option.kind in (VALUE, EACH) else option.name


def show_manual(environ: Mapping[str, str]) -> None:
    """Become `man` on our page, as `git metadiff --help` does; return if page or `man` is missing."""
    page = os.path.join(sys.prefix, "share", "man", "man1", "git-metadiff.1")
    if os.path.exists(page):
        try:
            os.execvpe("man", ["man", page], environ)
        except OSError:
            return
