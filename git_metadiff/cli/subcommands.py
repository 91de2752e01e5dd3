"""The subcommands of bisect: which words and options go with which."""

from __future__ import annotations

from git_metadiff.cli.options import BEGINNING, LIST_SUSPECTS, LISTING, SUBCOMMANDS, find
from git_metadiff.cli.parse import SEE_HELP, Invocation
from git_metadiff.errors import UsageError

FILES = "give files and folders as --file <path>..., or behind a --"
ANSWERS = ("good", "bad", "skip")
#: Options of general use, which say nothing of what a subcommand does.
GENERAL = ("--name", "--color", "--all", "--json")
#: What can print JSON.
PRINTED = (LIST_SUSPECTS, "try", "corners", "run", "next", "status")
#: What takes the name of a comparison; the others have that of the search under way.
NAMED = LISTING
NUMBERS = ("--max-count", "--confirm", "--parallel")
#: More of them at the same time is a mistake.
MOST_PARALLEL = 64


def check_bisect(invocation: Invocation, files: tuple[str, ...], *, limited: bool) -> Invocation:
    """Check a command line of bisect; its first word is the subcommand; none is left of `list`."""
    words = invocation.words or (LIST_SUSPECTS,)
    name = words[0]
    if name not in SUBCOMMANDS:
        raise UsageError(f"'{name}' is no subcommand of bisect", FILES)
    if len(words) > 1 and name == LIST_SUSPECTS:
        raise UsageError(f"'{words[1]}' is no subcommand of bisect", FILES)
    if len(words) > 1 and name not in ANSWERS:
        hint = "a command stands behind a --" if name == "run" else "path limits stand behind a --"
        raise UsageError(f"'bisect {name}' takes no arguments", hint if name in LISTING else SEE_HELP)
    if limited and name not in LISTING:
        raise UsageError(f"'bisect {name}' takes no path limits", SEE_HELP)
    check_options(invocation, name)
    check_numbers(invocation)
    if name == "run":
        behind = invocation.paths[len(files) :]
        return check_run(invocation._replace(words=words, paths=files, behind=behind))
    if name == "try" and not {"--without", "--only", "--with"} & invocation.lists.keys():
        raise UsageError("'bisect try' needs --without or --only", "with ids of hunks, or numbers of 'bisect list'")
    return invocation._replace(words=words if name != LIST_SUSPECTS else ())


def check_options(invocation: Invocation, name: str) -> None:
    """Raise UsageError for an option that does not go with the subcommand."""
    for given in (*invocation.flags, *invocation.values, *invocation.lists):
        option = find(given)
        fits = option is None or not option.subcommands or name in option.subcommands
        if given == "--json":
            fits = name in PRINTED
        elif given in ("--name", "--trace"):
            fits = name in NAMED
        if not fits:
            raise UsageError(f"option {given} does not go with 'bisect {name}'", SEE_HELP)


def check_numbers(invocation: Invocation) -> None:
    """Raise UsageError for a number that means nothing."""
    for name in NUMBERS:
        if invocation.number(name) == 0:
            raise UsageError(f"option {name} wants at least 1", SEE_HELP)
    if (invocation.number("--parallel") or 1) > MOST_PARALLEL:
        raise UsageError(f"option --parallel wants at most {MOST_PARALLEL}", SEE_HELP)


def check_run(invocation: Invocation) -> Invocation:
    """Check what is to be run: one test, as a line for the shell or as a command; none goes on with the last one."""
    if invocation.behind and "--test" in invocation.values:
        raise UsageError("--test does not go with a command behind --", "give the test one way or the other")
    others = [one for one in ("--build", "--expect", "--confirm") if one in invocation.values]
    if others and not invocation.behind and "--test" not in invocation.values:
        raise UsageError(f"{others[0]} needs a test", "--test <command>, or -- <command>")
    if invocation.number("--parallel") not in (None, 1) and not takes_folder(invocation):
        raise UsageError("--parallel needs --worktree", "so many work trees are made beside that folder")
    return invocation


def takes_folder(invocation: Invocation) -> bool:
    """Whether a folder for work trees was given; a search under way may have one, and is asked later."""
    return "--worktree" in invocation.values or not begins(invocation)


def begins(invocation: Invocation) -> bool:
    """Whether options were given that only the beginning of a search takes."""
    only = [name for name in (*invocation.values, *invocation.flags, *invocation.lists) if is_beginning(name)]
    return bool(only)


def is_beginning(name: str) -> bool:
    """Whether an option says what to search."""
    option = find(name)
    return name in ("--name", "--trace", "--file") or (
        option is not None and bool(option.subcommands) and set(BEGINNING) <= set(option.subcommands)
    )
