"""`git metadiff --patches P1 P2` without releases: read, match, show; nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.paths import predicate
from git_metadiff.cli.repository import current_folder, find_place
from git_metadiff.cli.terminal import Progress, screen, show_lines
from git_metadiff.errors import EXIT_DIFFERENT, EXIT_OK, UsageError

if TYPE_CHECKING:
    from git_metadiff.alone import Reading
    from git_metadiff.render.view import View

#: Options that ask for what only the trees tell, or for something that is not made here.
NEED_RELEASES = {
    "--patch": "the interdiff stands on the release",
    "--collisions": "what upstream changed is not in the patches",
    "--trace": "what upstream changed is not in the patches",
    "--name-status": "the interdiff stands on the release",
    "--function-context": "the functions are not in the patches",
    "--unified": "the patches hold no more context than they show",
    "--partial": "nothing is applied",
    "--name": "nothing is stored",
}


def compare_alone(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Compare patchsets by their text, and show what they tell; the exit status tells differences only if asked to."""
    check(invocation)
    cwd = current_folder()
    place = find_place(environ, cwd)
    wanted = predicate(invocation.paths, place, environ)
    reading = read_all(invocation, environ)
    if "--quiet" not in invocation.flags:
        if "--json" in invocation.flags:
            from git_metadiff.render.alone_document import alone_document

            write_all(alone_document(reading))
        else:
            show(reading, invocation, wanted, environ)
    asked = {"--quiet", "--exit-code"} & invocation.flags
    return EXIT_DIFFERENT if asked and is_different(reading, wanted) else EXIT_OK


def check(invocation: Invocation) -> None:
    """Refuse what needs the releases."""
    for name, why in NEED_RELEASES.items():
        if name in invocation.flags or name in invocation.values:
            raise UsageError(
                f"option {name} needs the releases: {why}",
                "git metadiff <release> <release> --patches <patchset> <patchset>",
            )


def read_all(invocation: Invocation, environ: Mapping[str, str]) -> Reading:
    """Read the patchsets and match neighbours."""
    from git_metadiff.alone import compare_sides, find_alone, read_side
    from git_metadiff.cli.compare import vouchers_of
    from git_metadiff.git import Git
    from git_metadiff.verify.sources import verify_patchsets

    cwd = current_folder()
    git_dir = find_place(environ, cwd).git_dir
    user = Git(git_dir, environ) if git_dir is not None else None
    with Progress(environ, wanted="--quiet" not in invocation.flags) as progress:
        vouchers = vouchers_of(invocation)
        verified = verify_patchsets(invocation.patchsets, cwd, vouchers, environ, progress)
        sides = []
        for at, argument in enumerate(invocation.patchsets):
            progress(f"reading {argument}", at, len(invocation.patchsets))
            sides.append(read_side(find_alone(argument, user, cwd, invocation.number("--strip"), verified), at))
        return compare_sides(sides, diff_only="--diff-only" in invocation.flags, progress=progress)


def is_different(reading: Reading, wanted: Callable[[bytes], bool]) -> bool:
    """Whether a hunk within the path limits is anything but kept or refreshed."""
    from git_metadiff.alone import is_change

    paths = {hunk.id: (hunk.path, hunk.old_path or hunk.path) for side in reading.sides for hunk in side.hunks}
    return any(
        is_change(verdicts) and any(map(wanted, paths[name]))
        for step in reading.steps
        for found in (step.fates, step.origins)
        for name, verdicts in found.items()
    )


def show(reading: Reading, invocation: Invocation, wanted: Callable[[bytes], bool], environ: Mapping[str, str]) -> None:
    """Print the views that were asked for, by default the full one."""
    from git_metadiff.render.view import View

    looks = screen(invocation, environ, current_folder())
    view = View(
        colors=looks.colors,
        wanted=wanted,
        limit_text=" ".join(invocation.paths),
        everything="--all" in invocation.flags,
        width=looks.width,
    )
    show_lines(views(reading, invocation.views() or ("",), view), looks.pager, environ)


def views(reading: Reading, names: Iterable[str], view: View) -> Iterator[bytes]:
    """The lines of the views, with an empty line between two."""
    from git_metadiff.render import alone

    known = {"--summary": alone.summary, "--series": alone.series, "--stat": alone.stat}
    for number, name in enumerate(names):
        if number:
            yield b"\n"
        yield from known.get(name, alone.full)(reading, view)
