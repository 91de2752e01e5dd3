"""`git metadiff port [OLD] NEW [--patches PATCHSET] -o DIR`: the patchset carried onto a new release."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from git_metadiff.cli.compare import vouchers_of
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.repository import current_folder, find_place
from git_metadiff.cli.terminal import Progress, screen, show_lines
from git_metadiff.errors import EXIT_DIFFERENT, EXIT_OK

if TYPE_CHECKING:
    from git_metadiff.forward.start import Asked


def port(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Write the series; the exit status tells whether all of it has its place."""
    from git_metadiff.forward.folder import check_folder, write_folder
    from git_metadiff.forward.start import port_forward
    from git_metadiff.render import carried, carried_document
    from git_metadiff.render.view import View

    cwd = current_folder()
    place = find_place(environ, cwd)
    folder = cwd / invocation.values["--output"]
    check_folder(folder)
    quiet = "--quiet" in invocation.flags
    with Progress(environ, wanted=not quiet) as progress:
        result = port_forward(place.git_dir, asked(invocation), environ=environ, cwd=cwd, progress=progress)
    write_folder(folder, result.files)
    if "--json" in invocation.flags and not quiet:
        write_all(carried_document(result, invocation.values["--output"]))
    elif not quiet:
        looks = screen(invocation, environ, cwd)
        view = View(colors=looks.colors, everything="--all" in invocation.flags, width=looks.width)
        show_lines(carried(result, invocation.values["--output"], view), looks.pager, environ)
    return EXIT_OK if result.complete else EXIT_DIFFERENT


def asked(invocation: Invocation) -> Asked:
    """The command line as the stage takes it."""
    from git_metadiff.forward.start import NAME, Asked

    *olds, new = invocation.words
    name = invocation.values.get("--name")
    return Asked(
        new,
        olds[0] if olds else None,
        invocation.patchsets[0] if invocation.patchsets else None,
        source=None if olds else name,
        name=name or NAME if olds else NAME,
        strip=invocation.number("--strip"),
        partial="--partial" in invocation.flags,
        vouchers=vouchers_of(invocation),
    )
