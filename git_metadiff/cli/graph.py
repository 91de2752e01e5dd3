"""`git metadiff graph`: the graph of a stored comparison for other programs, or one hunk's edges explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from git_metadiff.cli.compare import make_view
from git_metadiff.cli.output import write_lines
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.paths import predicate
from git_metadiff.cli.repository import current_folder, find_place
from git_metadiff.cli.terminal import screen, show_lines
from git_metadiff.errors import EXIT_OK

if TYPE_CHECKING:
    from git_metadiff.model import Comparison


def show_graph(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Print the graph, for programs; or explain a hunk, for a person."""
    from git_metadiff import render
    from git_metadiff.store import open_store

    cwd = current_folder()
    place = find_place(environ, cwd)
    store = open_store(place.git_dir, environ)
    comparison = store.load(invocation.values.get("--name"))
    if "--explain" in invocation.values:
        looks = screen(invocation, environ, cwd)
        view = make_view(invocation, looks, place, environ)
        lines = render.explain_hunk(comparison, invocation.values["--explain"], view, store.reader())
        show_lines(lines, looks.pager, environ)
        return EXIT_OK
    from git_metadiff.render.view import View

    view = View(wanted=predicate(invocation.paths, place, environ))
    names = members(comparison, invocation.values.get("--family"))
    write_lines(render.graph_text(comparison, invocation.values.get("--format", "json"), view, names))
    return EXIT_OK


def members(comparison: Comparison, prefix: str | None) -> set[str] | None:
    """The hunks of the family of the hunk whose id starts with `prefix`; None if no family was asked for."""
    if prefix is None:
        return None
    from git_metadiff.lineage import group
    from git_metadiff.render.one_hunk import find_hunk

    hunk = find_hunk(comparison, prefix)
    found = group([one.id for one in comparison.hunks()], comparison.edges)
    return next(set(names) for names in found if hunk.id in names)
