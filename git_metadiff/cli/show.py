"""`git metadiff show HUNK`."""

from __future__ import annotations

from collections.abc import Mapping

from git_metadiff.cli.compare import make_view
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.repository import current_folder, find_place
from git_metadiff.cli.terminal import screen, show_lines
from git_metadiff.errors import EXIT_OK


def show(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Show one hunk of a stored comparison: old patch, upstream, new patch, and why."""
    from git_metadiff import render
    from git_metadiff.store import open_store

    cwd = current_folder()
    place = find_place(environ, cwd)
    store = open_store(place.git_dir, environ)
    comparison = store.load(invocation.values.get("--name"))
    looks = screen(invocation, environ, cwd)
    view = make_view(invocation, looks, place, environ)
    show_lines(render.show_hunk(comparison, invocation.words[0], view, store.reader()), looks.pager, environ)
    return EXIT_OK
