"""`git metadiff bisect`: its subcommands, and the first of them, `list`: what to suspect first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from git_metadiff.cli.compare import make_view, read_trace
from git_metadiff.cli.options import LIST_SUSPECTS
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.paths import predicate
from git_metadiff.cli.repository import Place, current_folder
from git_metadiff.cli.terminal import screen, show_lines
from git_metadiff.errors import EXIT_OK, MetadiffError

if TYPE_CHECKING:
    from git_metadiff.bisect import Facts
    from git_metadiff.cli.program import Command
    from git_metadiff.model import Comparison
    from git_metadiff.trace import Trace

#: So many functions of a trace are named in an error.
MOST_NAMED = 6


#: Subcommand -> the module below `cli` that carries it out, and the function there.
HOMES = {
    "list": ("bisect", "list_suspects"),
    "try": ("bisect_try", "try_out"),
    "corners": ("bisect_try", "corners"),
    "start": ("bisect_session", "start"),
    "run": ("bisect_run", "run"),
    "next": ("bisect_session", "tell_next"),
    "good": ("bisect_session", "answer"),
    "bad": ("bisect_session", "answer"),
    "skip": ("bisect_session", "answer"),
    "status": ("bisect_session", "status"),
    "log": ("bisect_session", "log"),
    "reset": ("bisect_session", "reset"),
}


def bisect(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Carry out a subcommand; only its own modules are loaded."""
    from importlib import import_module

    module, function = HOMES[invocation.words[0] if invocation.words else LIST_SUSPECTS]
    command: Command = getattr(import_module(f"git_metadiff.cli.{module}"), function)
    return command(invocation, environ)


def list_suspects(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """List the suspects, or print them as JSON."""
    from git_metadiff import render
    from git_metadiff.bisect import gather, rank
    from git_metadiff.cli.searching import find_ground, set_aside
    from git_metadiff.trace import canonical

    cwd = current_folder()
    ground = find_ground(environ)
    place, store = ground.place, ground.store
    comparison = store.load(invocation.values.get("--name"))
    trace = read_trace(invocation.values.get("--trace"))
    wanted = predicate(invocation.paths, place, environ)
    traced = {canonical(frame.function) for frame in trace.frames} if trace else set()
    facts = gather(comparison, store.reader().git, wanted, limited=bool(invocation.paths), traced=traced)
    if trace is not None:
        check_trace(trace, facts)
    check_paths(invocation.paths, names_of(facts, comparison), place, environ)
    facts = set_aside(facts, comparison, invocation.values.get("--built", ""), ground).facts
    found = rank(facts, trace)
    most = invocation.number("--max-count")
    if "--json" in invocation.flags:
        write_all(render.suspects_document(comparison, found[:most]))
        return EXIT_OK
    looks = screen(invocation, environ, cwd)
    view = make_view(invocation, looks, place, environ)
    show_lines(render.suspects(comparison, found, facts, trace, view, most), looks.pager, environ)
    return EXIT_OK


def check_trace(trace: Trace, facts: Facts) -> None:
    """Raise MetadiffError if the newer release and its patchset have none of the trace's functions."""
    if facts.homes:
        return
    names = list(dict.fromkeys(frame.function for frame in trace.frames))
    shown = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    raise MetadiffError(
        "no function of the trace is defined in the newer release or its patchset",
        f"looked for: {shown}; is it a trace of this program?",
    )


def names_of(facts: Facts, comparison: Comparison) -> set[bytes]:
    """The files of the suspects, under all their names."""
    from git_metadiff.bisect.candidates import path_of

    mine = {name for one in facts.candidates for name in one.hunks}
    hunks = [hunk for hunk in comparison.hunks() if hunk.id in mine]
    found = {path for name in mine for path in (path_of(name),) if path is not None}
    found.update(path for hunk in hunks for path in (hunk.path, hunk.old_path) if path is not None)
    return found | {one.path for one in facts.candidates}


def check_paths(specs: Sequence[str], names: Collection[bytes], place: Place, environ: Mapping[str, str]) -> None:
    """Raise MetadiffError for a path in which there is nothing to suspect; `names` are the files in which there is."""
    for spec in specs:
        wanted = predicate([spec], place, environ)
        if not any(map(wanted, names)):
            raise MetadiffError(
                f"there is nothing to suspect in '{spec}'",
                "upstream did not change it, and no hunk of the patches in it changed or is met by upstream",
            )
