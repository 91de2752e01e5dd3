"""The command line: the only place that reads arguments, environment, configuration and terminal.

One file a command. What a command needs is imported when it runs, because `git metadiff -h` must start about as fast as
Python itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from git_metadiff.cli.program import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program on `arguments` (by default the process's own) and return its exit status."""
    return run(sys.argv[1:] if arguments is None else arguments, os.environ)
