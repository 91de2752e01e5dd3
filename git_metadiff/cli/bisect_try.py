"""`git metadiff bisect try` and `git metadiff bisect corners`: trees to build before any search."""

from __future__ import annotations

from collections.abc import Mapping

from git_metadiff.cli.compare import make_view
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.repository import current_folder
from git_metadiff.cli.searching import find_ground, options_of, read_search
from git_metadiff.cli.terminal import screen, show_lines
from git_metadiff.errors import EXIT_OK, UsageError


def try_out(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Write a tree without some hunks, or with only them, and say what its outcome will mean."""
    from git_metadiff import render
    from git_metadiff.bisect.trial import choose, try_out

    if invocation.lists.get("--without") and invocation.lists.get("--only"):
        raise UsageError("--without does not go with --only", "a hunk beside what is left out is named by --with")
    ground = find_ground(environ)
    axis = invocation.values.get("--axis")
    search = read_search(ground, options_of(invocation, ground, axis or "both"))
    only = (*invocation.lists.get("--only", ()), *invocation.lists.get("--with", ()))
    without = invocation.lists.get("--without", ())
    question = choose(None if axis == "both" else axis, without, only, search.comparison, search.suspects)
    found = try_out(ground.store.git, search.comparison, question)
    if "--json" in invocation.flags:
        write_all(render.trial_document(search.comparison, found))
        return EXIT_OK
    looks = screen(invocation, environ, current_folder())
    view = make_view(invocation, looks, ground.place, environ)
    show_lines(render.trial(search.comparison, found, view), looks.pager, environ)
    return EXIT_OK


def corners(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Write U2, F and D2 as commits, and say which to build first and what each outcome means."""
    from git_metadiff import render
    from git_metadiff.bisect.corners import find_corners

    ground = find_ground(environ)
    comparison = ground.store.load(invocation.values.get("--name"))
    found = find_corners(ground.store.git, comparison)
    if "--json" in invocation.flags:
        write_all(render.corners_document(comparison, found))
        return EXIT_OK
    looks = screen(invocation, environ, current_folder())
    view = make_view(invocation, looks, ground.place, environ)
    show_lines(render.corners(comparison, found, view), looks.pager, environ)
    return EXIT_OK
