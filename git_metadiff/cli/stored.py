"""`git metadiff list` and `git metadiff forget NAME`."""

from __future__ import annotations

import os
from collections.abc import Mapping

from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.program import one_line
from git_metadiff.cli.repository import current_folder, find_place
from git_metadiff.errors import EXIT_OK


def list_stored(_invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Print one line for each stored comparison: name, releases and patchsets, between tabs."""
    from git_metadiff.store import open_store

    store = open_store(find_place(environ, current_folder()).git_dir, environ)
    rows = [(stored.name, " ".join(stored.releases), " ".join(stored.patchsets)) for stored in store.names()]
    write_all(os.fsencode("".join("\t".join(map(one_line, row)) + "\n" for row in rows)))
    return EXIT_OK


def forget(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Remove a stored comparison."""
    from git_metadiff.store import open_store

    open_store(find_place(environ, current_folder()).git_dir, environ).forget(invocation.words[0])
    return EXIT_OK
