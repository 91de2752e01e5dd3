"""`git metadiff guard`: run by hand, by the hooks, and for merge requests."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_metadiff.cli.colors import boolean
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.repository import current_folder
from git_metadiff.errors import EXIT_DIFFERENT, EXIT_OK, EXIT_REFUSED, MetadiffError, UsageError
from git_metadiff.git import Git, check_git_version, read_settings, user_paths

if TYPE_CHECKING:
    from git_metadiff.guard.checks import Guard, Settings
    from git_metadiff.guard.findings import Report

#: How a report begins where the message may still accept what it tells.
WAITS = ": the commit is refused unless its message accepts it"
#: Turns the guard off for one command.
SWITCH = "METADIFF_GUARD"
#: The git process that runs a hook, as the hook's shell knows it.
PROCESS = "METADIFF_GUARD_PROCESS"


class Here(NamedTuple):
    """Where the command runs."""

    git_dir: Path
    staged: Path  # the index
    hooks: Path
    environ: Mapping[str, str]
    cwd: Path


def guard(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Do what was asked for: install, accept, run as a hook, review, or look at what is staged."""
    here = find_here(environ)
    if {"--install", "--uninstall"} & invocation.flags:
        return change_hooks(invocation, here)
    if "--accept" in invocation.values:
        return accept_loss(invocation, here)
    hook = invocation.values.get("--hook")
    if hook is not None:
        if is_off(environ):
            return EXIT_OK
        return HOOKS[hook](invocation, here)
    with opened(here) as one:
        found = look(invocation, here, one)
    show(found, invocation)
    if found.blocking:
        keep(found, here)
    return EXIT_DIFFERENT if found.blocking else EXIT_OK


def is_off(environ: Mapping[str, str]) -> bool:
    """Whether METADIFF_GUARD switches the guard off."""
    value = environ.get(SWITCH, "")
    return value != "" and boolean(value) is False


def find_here(environ: Mapping[str, str]) -> Here:
    """Find the repository. Raises MetadiffError outside any."""
    cwd = current_folder()
    found = user_paths(environ, cwd)
    if found is None:
        check_git_version(environ)
        raise MetadiffError("not a git repository", "the guard looks at commits: run it in a repository")
    return Here(*found, environ, cwd)


def read_guard_settings(here: Here) -> Settings:
    """What `metadiff.guard.*` says. Raises MetadiffError for a level that is none."""
    from git_metadiff.guard.checks import Settings
    from git_metadiff.guard.findings import DEFAULTS, LEVELS

    patches, upstream, levels = [], "", {}
    for name, value in read_settings(r"^metadiff\.guard\.", here.environ, here.cwd):
        key, text = os.fsdecode(name).removeprefix("metadiff.guard."), os.fsdecode(value)
        if key == "patches":
            patches += [one.strip("/") for one in text.split() if one.strip("/")]
        elif key == "upstream":
            upstream = text
        elif key in DEFAULTS:
            if text not in LEVELS:
                raise MetadiffError(f"metadiff.guard.{key} is '{text}'", f"it takes {', '.join(LEVELS)}")
            levels[key] = text
    return Settings(tuple(patches), upstream, levels)


@contextmanager
def opened(here: Here) -> Iterator[Guard]:
    """The repository with a place to work in."""
    from git_metadiff.git import Scratch
    from git_metadiff.guard.accept import read_accepted
    from git_metadiff.guard.checks import Guard
    from git_metadiff.guard.repository import read_state

    user = Git(here.git_dir, here.environ)
    settings = read_guard_settings(here)
    head = user.ref("HEAD") or ""
    with Scratch(user, here.environ) as scratch:
        yield Guard(scratch, user, read_state(here.git_dir), settings, tuple(read_accepted(here.git_dir, head)))


def look(invocation: Invocation, here: Here, one: Guard) -> Report:
    """The report that was asked for."""
    from git_metadiff.guard.checks import check_ranges, check_review, check_staged

    values = invocation.values
    if "--base" in values:
        base, head = (commit_of(one.user, values[name]) for name in ("--base", "--head"))
        return check_review(one, base, head)
    if "--from" in values:
        old, new = (range_of(one.user, values[name], name) for name in ("--from", "--to"))
        return check_ranges(one, old, new)
    if not here.staged.exists():
        raise MetadiffError("there is no index here, so nothing is staged", "--base and --head compare two revisions")
    return check_staged(one, here.staged, every=True)


def commit_of(user: Git, name: str) -> str:
    """The commit that a revision names."""
    found = user.resolve(name)
    if found is None:
        raise MetadiffError(f"'{name}' is no revision", "'git tag' and 'git branch' list them")
    return found


def range_of(user: Git, text: str, option: str) -> tuple[str, str]:
    """The two ends of `A..B`."""
    start, dots, stop = text.partition("..")
    if not dots or not start or stop.startswith("."):
        raise UsageError(f"option {option} wants a range A..B, not '{text}'", "the upstream end first")
    return commit_of(user, start), commit_of(user, stop or "HEAD")


def show(found: Report, invocation: Invocation) -> None:
    """Print a report in the form that was asked for."""
    from git_metadiff.render import guard as rendered

    if "--json" in invocation.flags:
        write_all(rendered.document(found))
        return
    lines = list(
        rendered.markdown(found)
        if "--markdown" in invocation.flags
        else rendered.text_report(found, verbose="--verbose" in invocation.flags)
    )
    if not lines:
        lines = [f"guard: nothing lost between {found.title}"]
    write_all(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))


def tell(lines: list[str]) -> None:
    """Write to standard error, where git shows what hooks say."""
    if lines:
        write_all(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"), descriptor=2)


def keep(found: Report, here: Here, process: str = "", *, waits: bool = False) -> None:
    """Keep what was refused for `--accept`."""
    from git_metadiff.guard.accept import Pending, kept, write_pending

    head = Git(here.git_dir, here.environ).ref("HEAD") or ""
    write_pending(here.git_dir, Pending(head, process, kept(found.blocking), waits))


def change_hooks(invocation: Invocation, here: Here) -> int:
    """Install or remove the hooks, and say what was done."""
    from git_metadiff.guard.install import install, uninstall

    told = (install if "--install" in invocation.flags else uninstall)(here.hooks)
    lines = [f"{here.hooks}: {line}" for line in told] or [f"{here.hooks}: nothing to do"]
    write_all(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    return EXIT_OK


def accept_loss(invocation: Invocation, here: Here) -> int:
    """Note that a loss is meant; the coming commit gets the trailer."""
    from git_metadiff.guard.accept import TRAILER, choose, note_accepted, read_pending

    reason = re.sub(r"\s+", " ", " ".join(invocation.words)).strip()
    values = choose(read_pending(here.git_dir), invocation.values["--accept"], reason)
    note_accepted(here.git_dir, Git(here.git_dir, here.environ).ref("HEAD") or "", values)
    lines = [f"the coming commit gets: {TRAILER}: {value}" for value in values]
    write_all(("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    return EXIT_OK


# Hooks


def staged_report(here: Here, accepted: Sequence[str] = ()) -> Report:
    """What the coming commit does; `accepted` are trailers of its message."""
    from git_metadiff.guard.checks import check_staged

    with opened(here) as one:
        return check_staged(replace(one, values=(*one.values, *accepted)), here.staged)


def speak(found: Report, refused: str = "") -> None:
    """Say what was found, as a hook."""
    from git_metadiff.render.guard import text_report

    tell(list(text_report(found, refused=refused)))


def pre_commit(invocation: Invocation, here: Here) -> int:
    """Look at what is staged. Where the hook that sees the message is installed too, that one refuses.

    As a commit-msg hook of the pre-commit framework it is given the message, which may accept what it finds.
    """
    from git_metadiff.guard.accept import read_trailers
    from git_metadiff.guard.install import is_ours

    told = bool(invocation.words)
    found = staged_report(here, read_trailers(read_message(invocation)) if told else ())
    waits = not told and bool(found.blocking) and is_ours(here.hooks / "commit-msg") and PROCESS in here.environ
    speak(found, WAITS if waits else ": refused")
    keep(found, here, here.environ.get(PROCESS, ""), waits=waits)
    return EXIT_REFUSED if found.blocking and not waits else EXIT_OK


def commit_msg(invocation: Invocation, here: Here) -> int:
    """Refuse what pre-commit of the same commit left open, unless the message accepts it."""
    from git_metadiff.guard.accept import Pending, accept, kept, read_pending, read_trailers, write_pending

    pending = read_pending(here.git_dir)
    if pending is None or not pending.waits or pending.process != here.environ.get(PROCESS, ""):
        return EXIT_OK
    message = read_message(invocation)
    findings = pending.restored()
    left = [one for one in accept(findings, read_trailers(message)) if one.accepted is None]
    write_pending(here.git_dir, Pending(pending.head, "", kept(left)))
    if not left:
        return EXIT_OK
    tell([f"guard: refused: the message accepts {len(findings) - len(left)} of {len(findings)} losses"])
    return EXIT_REFUSED


def prepare_commit_msg(invocation: Invocation, here: Here) -> int:
    """Write accepted losses into the message; where a rebase goes on behind a stop, look at what it commits."""
    from git_metadiff.guard.accept import read_accepted, read_pending
    from git_metadiff.guard.repository import read_state

    user = Git(here.git_dir, here.environ)
    values = read_accepted(here.git_dir, user.ref("HEAD") or "")
    status = EXIT_OK
    pending, state = read_pending(here.git_dir), read_state(here.git_dir)
    looked = pending is not None and pending.waits and pending.process == here.environ.get(PROCESS, "")
    if state.operation == "rebase" and (state.original or state.edit) and not looked:
        found = staged_report(here)
        speak(found, ": refused; the rebase waits for 'git rebase --continue'")
        keep(found, here, here.environ.get(PROCESS, ""))
        status = EXIT_REFUSED if found.blocking else EXIT_OK
    if values and status == EXIT_OK:
        write_trailers(user, invocation, values)
    return status


def write_trailers(user: Git, invocation: Invocation, values: list[str]) -> None:
    """Add trailers to the message that is being prepared, those that it does not have."""
    from git_metadiff.guard.accept import TRAILER

    path = Path(invocation.words[0])
    options = [word for value in values for word in ("--trailer", f"{TRAILER}: {value}")]
    arguments = ("interpret-trailers", "--if-exists=addIfDifferent", *options)
    path.write_bytes(user.run(*arguments, stdin=path.read_bytes()))


def read_message(invocation: Invocation) -> bytes:
    """The message in the file that the hook was given."""
    try:
        return Path(invocation.words[0]).read_bytes()
    except (OSError, LookupError) as error:
        raise MetadiffError("the message of the commit cannot be read", "the hook gives its file") from error


def pre_applypatch(_invocation: Invocation, here: Here) -> int:
    """Look at what `am --continue` commits.

    git has read the message already: what is accepted is kept with the state of the rebase, for its end.
    """
    from git_metadiff.guard.accept import note_accepted, read_accepted

    found = staged_report(here)
    speak(found, ": refused")
    keep(found, here, here.environ.get(PROCESS, ""))
    values = read_accepted(here.git_dir, Git(here.git_dir, here.environ).ref("HEAD") or "")
    if values and (here.git_dir / "rebase-apply").is_dir():
        note_accepted(here.git_dir / "rebase-apply", "", values)
    return EXIT_REFUSED if found.blocking else EXIT_OK


def post_applypatch(_invocation: Invocation, here: Here) -> int:
    """Say what a patch lost on its way into the commit that `am` has made of it."""
    from git_metadiff.guard.checks import check_applied

    with opened(here) as one:
        speak(check_applied(one))
    return EXIT_OK


def post_rewrite(invocation: Invocation, here: Here) -> int:
    """Say what a finished rebase lost; nothing can be stopped any more."""
    from git_metadiff.guard.accept import read_accepted
    from git_metadiff.guard.checks import check_rewritten

    if invocation.words[:1] != ("rebase",):
        return EXIT_OK
    lines = [line.split() for line in sys.stdin.buffer.read().decode("ascii", "replace").splitlines()]
    rewritten = {words[0]: words[1] for words in lines if len(words) > 1}
    values = read_accepted(here.git_dir / "rebase-apply", "")
    with opened(here) as one:
        found = check_rewritten(replace(one, values=(*one.values, *values)), rewritten)
    if found is not None:
        speak(found, "; 'git reset --hard ORIG_HEAD' undoes the rebase")
    return EXIT_OK


#: Hook -> what it does.
HOOKS: dict[str, Callable[[Invocation, Here], int]] = {
    "pre-commit": pre_commit,
    "commit-msg": commit_msg,
    "prepare-commit-msg": prepare_commit_msg,
    "pre-applypatch": pre_applypatch,
    "post-applypatch": post_applypatch,
    "post-rewrite": post_rewrite,
}
