"""Arguments become an `Invocation`.

The rules differ from argparse's, on purpose: everything behind the first `--` is a path; options and releases mix in
any order; `--patches` takes what follows up to the next option, and appends when given again; nothing is abbreviated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, NoReturn

from git_metadiff.cli.options import (
    BISECT,
    COMMANDS,
    EACH,
    FLAG,
    GUARD,
    INFORMATION,
    LIMITED,
    LINEAGE,
    MAIN,
    MANY,
    OPTIONAL,
    PORT,
    VALUE,
    VERIFY,
    VIEW_ORDER,
    Option,
    find,
)
from git_metadiff.errors import MetadiffError, UsageError

SEE_HELP = "'git metadiff -h' lists commands and options"
MEANT = "--patch asks for a view; did you mean --patches, which names the patchsets?"
RELEASES_FIRST = "put the releases before --patches, then nothing is left to guess"


class Invocation(NamedTuple):
    """A command line, understood."""

    command: str = MAIN  # a key of COMMANDS, or one of INFORMATION
    words: tuple[str, ...] = ()  # releases, or the arguments of a command
    patchsets: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()  # long names
    values: Mapping[str, str] = {}  # long name -> value
    paths: tuple[str, ...] = ()  # path limits
    lists: Mapping[str, tuple[str, ...]] = {}  # long name -> what it took, of options that take several values
    behind: tuple[str, ...] = ()  # the command behind `--` of `bisect run`

    def number(self, name: str) -> int | None:
        """The value of a numeric option, None if it was not given."""
        return int(self.values[name]) if name in self.values else None

    def views(self) -> tuple[str, ...]:
        """The views asked for, in the order in which they are printed."""
        return tuple(name for name in VIEW_ORDER if name in self.flags or name in self.values)


def parse(arguments: Sequence[str], only_patchset: Callable[[str], bool] | None = None) -> Invocation:
    """Understand a command line, or raise UsageError.

    `only_patchset` tells arguments that can be nothing but a patchset; by default by a look at the files they name.
    """
    words = list(arguments)
    split = words.index("--") if "--" in words else len(words)
    limited = split < len(words)
    scan = Scan(words[:split])
    if scan.information:
        return Invocation(scan.information)
    if limited and scan.command not in LIMITED:
        raise UsageError(f"'{scan.command}' takes no path limits", SEE_HELP)
    invocation = Invocation(
        command=scan.command,
        flags=frozenset(scan.flags),
        values=scan.values,
        paths=(*scan.files, *words[split + 1 :]),
        lists={name: tuple(taken) for name, taken in scan.many.items()},
    )
    check_trust(invocation)
    if scan.command == PORT:
        releases, patchsets = tell_apart(scan.words, scan.lists, only_patchset or is_only_patchset)
        return check_port(invocation._replace(words=tuple(releases), patchsets=tuple(patchsets)))
    if scan.command == BISECT:
        from git_metadiff.cli.subcommands import check_bisect

        return check_bisect(invocation._replace(words=tuple(scan.words)), tuple(scan.files), limited=limited)
    if scan.command != MAIN:
        return check_words(invocation._replace(words=tuple(scan.words)))
    if scan.appended:
        return check_append(invocation._replace(words=tuple(scan.words)), scan)
    releases, patchsets = tell_apart(scan.words, scan.lists, only_patchset or is_only_patchset)
    if "--chain" in invocation.values:
        from git_metadiff.cli.chain import read_chain

        before = read_chain(invocation.values["--chain"])
        releases, patchsets = before[0] + list(releases), before[1] + list(patchsets)
    return check_main(invocation._replace(words=tuple(releases), patchsets=tuple(patchsets)))


class Scan:
    """One pass over the arguments before `--`: which option, which value, which word."""

    def __init__(self, arguments: list[str]) -> None:
        self.rest = list(reversed(arguments))
        self.command = MAIN
        self.information = ""
        self.words: list[str] = []
        self.lists: list[list[str]] = []  # what each --patches took
        self.many: dict[str, list[str]] = {}  # what other options took that take several values
        self.flags: set[str] = set()
        self.values: dict[str, str] = {}
        while self.rest and not self.information:
            self.take(self.rest.pop())
        self.check_options()

    def take(self, argument: str) -> None:
        """Understand one argument, with the values that belong to it."""
        if argument in INFORMATION:
            self.information = argument
        elif argument.startswith("-") and argument != "-":
            self.take_option(argument)
        elif not self.words and not self.lists and self.command == MAIN and argument in COMMANDS:
            self.command = argument
        else:
            self.words.append(argument)

    def take_option(self, argument: str) -> None:
        """Understand one option."""
        name, equals, value = argument.partition("=")
        short = None if argument.startswith("--") or len(argument) == len("-U") else find(argument[:2])
        if short is not None and short.kind == VALUE:
            name, equals, value = argument[:2], "=", argument[2:]
        option = find(name) or unknown(name)
        if option.kind == MANY:
            self.take_list(option, [value] if equals else [])
        elif option.kind == FLAG:
            self.take_flag(option if not equals else no_value(option))
        elif equals or option.kind == OPTIONAL:
            self.take_value(option, value if equals else "always")
        elif self.rest:
            self.take_value(option, self.rest.pop())
        else:
            raise UsageError(f"option {name} needs a value", SEE_HELP)

    def take_value(self, option: Option, value: str) -> None:
        """Note an option with its value."""
        value = check_value(option, value)
        if option.kind == EACH:
            self.many.setdefault(option.name, []).append(value)
        else:
            self.values[option.name] = value

    def take_flag(self, option: Option) -> None:
        """Note an option without a value."""
        if option.name == "--no-color":
            self.values["--color"] = "never"  # the last of both counts
        else:
            self.flags.add(option.name)

    def take_list(self, option: Option, taken: list[str]) -> None:
        """Give an option everything up to the next one."""
        while self.rest and (not self.rest[-1].startswith("-") or self.rest[-1] == "-"):
            taken.append(self.rest.pop())
        if not taken:
            raise UsageError(f"option {option.name} needs a value", SEE_HELP)
        if option.name == "--patches":
            self.lists.append(taken)
        else:
            self.many.setdefault(option.name, []).extend(taken)

    @property
    def files(self) -> list[str]:
        """What `--file` took."""
        return self.many.get("--file", [])

    @property
    def appended(self) -> list[str]:
        """What `--append` took."""
        return self.many.get("--append", [])

    def check_options(self) -> None:
        """Raise UsageError for an option that does not belong to the command."""
        for name in (*self.flags, *self.values, *self.many, *(["--patches"] if self.lists else [])):
            option = find(name)
            if option and self.command not in option.commands:
                raise UsageError(f"option {name} does not go with '{self.command}'", SEE_HELP)


def unknown(name: str) -> NoReturn:
    """Raise UsageError for an option that does not exist, with the nearest one that does."""
    if name in ("--no-pager", "-P", "--paginate"):
        raise UsageError(f"{name} is an option of git itself", f"write: git {name} metadiff ...")
    from difflib import get_close_matches

    from git_metadiff.cli.options import OPTIONS

    near = get_close_matches(name, [option.name for option in OPTIONS], 1)
    raise UsageError(f"unknown option {name}", f"did you mean {near[0]}?" if near else SEE_HELP)


def no_value(option: Option) -> NoReturn:
    """Raise UsageError for a value behind an option that takes none."""
    hint = "did you mean --patches?" if option.name == "--patch" else SEE_HELP
    raise UsageError(f"option {option.name} takes no value", hint)


def check_value(option: Option, value: str) -> str:
    """Return `value` if it suits the option."""
    if option.value in ("n", "seconds") and not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise UsageError(f"option {option.name} wants a number, not '{value}'", SEE_HELP)
    if option.value == "when" and value not in ("always", "never", "auto"):
        raise UsageError(f"option {option.name} wants always, never or auto, not '{value}'", SEE_HELP)
    if option.choices and value not in option.choices:
        known = f"{', '.join(option.choices[:-1])} or {option.choices[-1]}"
        raise UsageError(f"option {option.name} wants {known}, not '{value}'", SEE_HELP)
    if option.value == "hex" and not re.fullmatch("[0-9A-Fa-f]{64}", value):
        raise UsageError(f"option {option.name} wants 64 hexadecimal digits, not '{value}'", SEE_HELP)
    if option.kind in (VALUE, EACH) and not value:
        raise UsageError(f"option {option.name} needs a value", SEE_HELP)
    return value


def tell_apart(
    words: list[str], lists: list[list[str]], only_patchset: Callable[[str], bool]
) -> tuple[list[str], list[str]]:
    """Releases and patchsets.

    Where releases stand by themselves, everything that `--patches` took is a patchset. Where they do not
    (`--patches p1 p2 v1 v2`), each `--patches` ends at its last argument that can be nothing but a patchset, and the
    releases are what follows. What could be read both ways is refused, never guessed.
    """
    taken = [word for words_of_one in lists for word in words_of_one]
    ends = [last_patchset(one, only_patchset) for one in lists]
    behind = [word for one, end in zip(lists, ends, strict=True) if end for word in one[end:]]
    before = [word for one, end in zip(lists, ends, strict=True) if end for word in one[:end]]
    if not words:
        if not all(ends):
            raise UsageError("no releases given, and --patches may have taken them", RELEASES_FIRST)
        return behind, before
    if behind and len(words) != len(taken) and len(words) + len(behind) == len(taken) - len(behind):
        raise UsageError(f"'{behind[0]}' may be a release or a patchset", RELEASES_FIRST)
    return words, taken


def last_patchset(arguments: list[str], only_patchset: Callable[[str], bool]) -> int:
    """How many of `arguments` end with the last one that can be nothing but a patchset; 0 if there is none."""
    return max((index + 1 for index, argument in enumerate(arguments) if only_patchset(argument)), default=0)


ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tbz", ".tar.zst", ".tzst")


def is_only_patchset(argument: str) -> bool:
    """Whether `argument` can be a patchset and cannot be a release.

    That is a file that is no archive, a folder with a `series` or with patches in it, a range, or `REV:PATH`.
    """
    if os.path.isdir(argument):
        return any(name == "series" or name.endswith((".patch", ".diff", ".mbox")) for name in os.listdir(argument))
    if os.path.exists(argument):
        return not argument.lower().endswith(ARCHIVES)
    return ".." in argument or ":" in argument[1:]


def check_words(invocation: Invocation) -> Invocation:
    """Check the arguments of a command other than the main job."""
    words = list(invocation.words)
    if invocation.command == "forget" and not words and "--name" in invocation.values:
        return invocation._replace(words=(invocation.values["--name"],))
    wanted = {"show": "hunk", "forget": "name"}.get(invocation.command)
    if wanted and len(words) != 1:
        problem = "takes one" if words else "needs a"
        raise UsageError(f"'{invocation.command}' {problem} {wanted}", "see 'git metadiff list' and the ids in --json")
    if invocation.command == VERIFY:
        return check_verify(invocation)
    if invocation.command == GUARD:
        return check_guard(invocation)
    if not wanted and words and invocation.command != LINEAGE:
        hint = "path limits stand behind a --" if invocation.command in LIMITED else SEE_HELP
        raise UsageError(f"'{invocation.command}' takes no arguments", hint)
    return check_explain(invocation)


def check_verify(invocation: Invocation) -> Invocation:
    """Check what `verify` was given."""
    if not invocation.words:
        raise UsageError("'verify' needs a file", "git metadiff verify <file>... [--sums <file>]")
    for name, needed in (("--watch", "--pages" in invocation.flags), ("--every", "--watch" in invocation.values)):
        if name in invocation.values and not needed:
            raise UsageError(f"option {name} needs {'--pages' if name == '--watch' else '--watch'}", SEE_HELP)
    if invocation.number("--every") == 0:
        raise UsageError("option --every wants at least 1", SEE_HELP)
    return invocation


def check_trust(invocation: Invocation) -> None:
    """Check that signatures and keyrings come together, as far as the command line tells."""
    lists = invocation.lists
    if "--signature" in lists and "--keyring" not in lists:
        raise UsageError("option --signature needs --keyring", "a signature tells nothing without a key that you trust")
    if "--keyring" in lists and "--signature" not in lists and "--sums" not in lists:
        raise UsageError("option --keyring needs --signature, or --sums that are signed inside", SEE_HELP)


def check_port(invocation: Invocation) -> Invocation:
    """Check the releases, the patchset and the folder of a forward port."""
    form = "git metadiff port [OLD] NEW [--patches PATCHSET] -o DIR"
    releases, patchsets = len(invocation.words), len(invocation.patchsets)
    if releases not in (1, 2):
        raise UsageError("port takes the new release, and the old one before it if need be", form)
    if patchsets > 1:
        raise UsageError(f"port carries one patchset, not {patchsets}", form)
    if releases == 2 and not patchsets:
        raise UsageError(f"no patchset given for '{invocation.words[0]}'", form)
    if "--output" not in invocation.values:
        raise UsageError("port needs a folder to write to", form)
    return invocation


#: What `guard` does, one at a time; each with the option that it needs, and whether arguments may follow.
GUARD_JOBS = {
    "--base": ("--head", False),
    "--from": ("--to", False),
    "--accept": ("", True),
    "--install": ("", False),
    "--uninstall": ("", False),
    "--hook": ("", True),
}


def check_guard(invocation: Invocation) -> Invocation:
    """Check that `guard` is asked for one thing, with all that it needs."""
    given = invocation.flags | set(invocation.values)
    jobs = [name for name in GUARD_JOBS if name in given]
    if len(jobs) > 1:
        raise UsageError(f"{jobs[0]} does not go with {jobs[1]}", "ask for one of them")
    for name, (partner, _) in GUARD_JOBS.items():
        if partner and (name in given) != (partner in given):
            here, missing = (name, partner) if name in given else (partner, name)
            raise UsageError(f"option {here} needs {missing}", SEE_HELP)
    if {"--json", "--markdown"} <= given:
        raise UsageError("--json does not go with --markdown", "ask for one of them")
    if invocation.words and not (jobs and GUARD_JOBS[jobs[0]][1]):
        raise UsageError(
            f"'guard' takes no argument '{invocation.words[0]}'", "git metadiff guard --base REV --head REV"
        )
    return invocation


def check_explain(invocation: Invocation) -> Invocation:
    """Check that an explanation is asked for by itself: it is of one hunk, whatever its file or family."""
    others = [name for name in ("--format", "--family") if name in invocation.values]
    others += ["a path limit"] if invocation.paths else []
    if "--explain" in invocation.values and others:
        raise UsageError(f"--explain does not go with {others[0]}", "ask for one of them")
    return invocation


def check_append(invocation: Invocation, scan: Scan) -> Invocation:
    """Check a chain that is to grow; its releases become the words, and `--append` a flag."""
    if invocation.words or "--chain" in invocation.values:
        what = f"the release '{invocation.words[0]}'" if invocation.words else "--chain"
        hint = "git metadiff --append <release>... --patches <patchset>...: the releases before are stored"
        raise UsageError(f"--append does not go with {what}", hint)
    check_json(invocation)
    check_jobs(invocation)
    taken = tuple(word for one in scan.lists for word in one)
    flags = invocation.flags | {"--append"}
    return invocation._replace(words=tuple(scan.appended), patchsets=taken, flags=flags)


def check_json(invocation: Invocation) -> None:
    """Check that JSON is asked for by itself."""
    if "--json" in invocation.flags and invocation.views():
        raise UsageError(f"--json does not go with {invocation.views()[0]}", "ask for one of them")


def check_jobs(invocation: Invocation) -> None:
    """Check that there is at least one process to do the work."""
    if invocation.number("--jobs") == 0:
        raise UsageError("option --jobs wants at least 1", SEE_HELP)


def check_main(invocation: Invocation) -> Invocation:
    """Check what the main job was given; whether the numbers of releases and patchsets match, the engine sees to."""
    releases, patchsets = len(invocation.words), len(invocation.patchsets)
    check_json(invocation)
    check_jobs(invocation)
    if not patchsets:
        if not releases:
            raise UsageError("no releases and no patchsets given", SEE_HELP)
        hint = MEANT if "--patch" in invocation.flags else "git metadiff <release>... --patches <patchset>..."
        raise UsageError("no patchsets given", hint)
    mistaken = releases > patchsets + 1 or any(map(is_only_patchset, invocation.words))  # one more is a forecast
    if "--patch" in invocation.flags and releases > max(patchsets, 1) and mistaken:
        raise MetadiffError(f"{releases} releases, but {count(patchsets, 'patchset')}", MEANT)
    return invocation


def count(number: int, noun: str) -> str:
    """A number and its noun: `2 patchsets`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
