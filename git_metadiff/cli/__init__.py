"""The command line: the only place that reads arguments, environment, configuration and terminal.

One file a command. What a command needs is imported when it runs, because `git metadiff -h` must start about as fast as
Python itself.
"""

from __future__ import annotations

import atexit
import io
import os
import sys

TYPE_CHECKING = False  # as `typing` has it, which a hook has no time to import
if TYPE_CHECKING:
    from collections.abc import Sequence

#: The arguments of the hooks that run on each commit and each rebase: most are settled without the rest of the program.
PRE_COMMIT = ["guard", "--hook", "pre-commit"]
POST_REWRITE = ["guard", "--hook", "post-rewrite", "rebase"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program on `arguments` and return its exit status.

    Without any, on the process's own; then it does not return: freeing a kernel's comparison object by object would
    take Python a tenth of a second.
    """
    if arguments is None and sys.argv[1:4] == PRE_COMMIT:
        from git_metadiff.guard.quick import nothing_lost

        if nothing_lost(os.environ):
            os._exit(0)
    if arguments is None and sys.argv[1:] == POST_REWRITE:
        from git_metadiff.guard.quick_rebase import nothing_lost_in

        rewritten = sys.stdin.buffer.read()
        if nothing_lost_in(rewritten, os.environ):
            os._exit(0)
        sys.stdin = io.TextIOWrapper(io.BytesIO(rewritten))
    from git_metadiff.cli.program import run

    if arguments is not None:
        return run(arguments, os.environ)
    status = run(sys.argv[1:], os.environ)
    atexit._run_exitfuncs()  # removes scratch folders that are still there
    os._exit(status)  # nothing is buffered: output goes out by os.write, and standard error line by line
