"""From arguments to an exit status: chooses the command and holds the only error handler of the project."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence

from git_metadiff.cli.ending import Terminated, catch_signals
from git_metadiff.cli.options import BISECT, FORGET, GRAPH, GUARD, INFORMATION, LINEAGE, LIST, MAIN, PORT, SHOW, VERIFY
from git_metadiff.cli.output import OutputClosed, write_all
from git_metadiff.cli.parse import Invocation, parse
from git_metadiff.collection import no_collection
from git_metadiff.errors import EXIT_FATAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_PIPE, MetadiffError

STOPPED = "a comparison is stored whole or not at all: run the command again"
Command = Callable[[Invocation, Mapping[str, str]], int]


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do what `arguments` ask for; every error ends here as one `fatal:` and one `hint:` line."""
    try:
        invocation = parse(arguments)
        if invocation.command in INFORMATION:
            return information(invocation, environ)
        catch_signals()
        with no_collection():
            return command_for(invocation.command)(invocation, environ)
    except MetadiffError as error:
        complain(error.message, error.hint)
        return error.status
    except OutputClosed:
        return EXIT_PIPE
    except (KeyboardInterrupt, Terminated) as end:
        return stopped(end)
    except MemoryError:
        complain("out of memory", "limit the work (fewer releases at once), or run it on a machine with more memory")
    except OSError as error:
        complain(*describe(error))
        show_traceback(environ)
    except Exception as error:
        complain(
            f"internal error: {type(error).__name__}: {error}",
            "this is a fault of git metadiff; METADIFF_TRACEBACK=1 shows where it happened, for a report",
        )
        show_traceback(environ)
    return EXIT_FATAL


def stopped(end: KeyboardInterrupt | Terminated) -> int:
    """Say that a signal has ended the program, and return its exit status."""
    number = end.number if isinstance(end, Terminated) else EXIT_INTERRUPTED - 128
    complain(f"stopped by signal {number}" if isinstance(end, Terminated) else "interrupted", STOPPED)
    return 128 + number


def information(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Answer `-h`, `--help`, `--version` and git's question for completions: no repository, no engine."""
    from git_metadiff.cli import help as texts

    if invocation.command == "--help":
        texts.show_manual(environ)
    write_all(texts.answer(invocation.command).encode())
    return EXIT_OK


#: Command -> the module below `cli` that carries it out, and the function there.
HOMES = {
    MAIN: ("compare", "compare_patchsets"),
    SHOW: ("show", "show"),
    LINEAGE: ("lineage", "show_lineage"),
    GRAPH: ("graph", "show_graph"),
    BISECT: ("bisect", "bisect"),
    VERIFY: ("verify", "verify"),
    PORT: ("port", "port"),
    GUARD: ("guard", "guard"),
    LIST: ("stored", "list_stored"),
    FORGET: ("stored", "forget"),
}


def command_for(name: str) -> Command:
    """The function that carries out a command; only its own modules are loaded."""
    from importlib import import_module

    module, function = HOMES[name]
    command: Command = getattr(import_module(f"git_metadiff.cli.{module}"), function)
    return command


def describe(error: OSError) -> tuple[str, str]:
    """Message and hint for an error of the operating system that nothing nearer to it has explained."""
    reason = error.strerror or str(error)
    message = f"{os.fsdecode(error.filename)}: {reason}" if isinstance(error.filename, str | bytes) else reason
    hints = {
        errno.ENOSPC: "free some disk space and run the command again; nothing was changed",
        errno.EDQUOT: "free some disk space and run the command again; nothing was changed",
        errno.EACCES: "check the permissions of that file or folder",
        errno.EROFS: "git metadiff needs write access to the repository",
        errno.ENOENT: "check that this file or folder still exists",
        errno.EMFILE: "raise the limit of open files (ulimit -n)",
    }
    unknown = "METADIFF_TRACEBACK=1 shows where it happened, for a report"
    return message, hints.get(error.errno or 0, unknown)


def complain(message: str, hint: str) -> None:
    """Write one `fatal:` line and one `hint:` line to standard error."""
    text = f"fatal: {one_line(message)}\nhint: {one_line(hint)}\n"
    with contextlib.suppress(MetadiffError, OutputClosed):  # nobody is left to tell
        write_all(text.encode("utf-8", "surrogateescape"), descriptor=2)


def one_line(text: str) -> str:
    """`text` without line ends and terminal escapes, which names of files may hold."""
    return "".join(char if char.isprintable() or "\udc80" <= char <= "\udcff" else repr(char)[1:-1] for char in text)


def show_traceback(environ: Mapping[str, str]) -> None:
    """Print the traceback of the error at hand, if METADIFF_TRACEBACK asks for it."""
    if environ.get("METADIFF_TRACEBACK", "0") not in ("", "0"):
        import traceback

        traceback.print_exc(file=sys.stderr)
