"""The main job: compare releases and patchsets, and show what was found."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.paths import Predicate, predicate
from git_metadiff.cli.repository import Place, current_folder, find_place
from git_metadiff.cli.terminal import Progress, Screen, screen, show_lines
from git_metadiff.errors import EXIT_DIFFERENT, EXIT_OK, MetadiffError

if TYPE_CHECKING:
    from git_metadiff.model import Comparison
    from git_metadiff.render.view import Reader, View
    from git_metadiff.trace import Trace
    from git_metadiff.verify.check import Vouchers


#: Notices of what is no part of the comparison.
LEFT_OUT = ("stub", "rejected")


def is_alone(invocation: Invocation) -> bool:
    """Whether two patchsets or more were given, and no release: then they are compared by their text."""
    return not invocation.words and len(invocation.patchsets) > 1


def compare_patchsets(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Run the comparison and show it; the exit status tells differences only if asked to."""
    if is_alone(invocation):
        from git_metadiff.cli.alone import compare_alone

        return compare_alone(invocation, environ)
    cwd = current_folder()
    place = find_place(environ, cwd)
    wanted = predicate(invocation.paths, place, environ)
    trace = read_trace(invocation.values.get("--trace"))
    quiet = "--quiet" in invocation.flags
    with Progress(environ, wanted=not quiet) as progress:
        comparison = make(invocation, place, environ, cwd, progress)
    if not quiet:
        tell_left_out(comparison, invocation)
        show(comparison, invocation, trace, place, environ)
    asked = {"--quiet", "--exit-code"} & invocation.flags
    differs = asked and is_different(comparison, wanted if invocation.paths else None)
    return EXIT_DIFFERENT if differs else EXIT_OK


def tell_left_out(comparison: Comparison, invocation: Invocation) -> None:
    """Name on standard error what the comparison had to leave out, where the view that was asked for does not."""
    views = invocation.views()
    if "--json" not in invocation.flags and (not views or "--summary" in views):
        return
    left_out = [
        f"note: {notice.text}\n"
        for patchset in comparison.patchsets
        for notice in patchset.notices
        if notice.kind in LEFT_OUT
    ]
    write_all("".join(left_out).encode("utf-8", "surrogateescape"), descriptor=2)


def make(invocation: Invocation, place: Place, environ: Mapping[str, str], cwd: Path, progress: Progress) -> Comparison:
    """Make the comparison that was asked for, or continue one."""
    from git_metadiff.compare import append, compare

    name = invocation.values.get("--name")
    run = partial(append, name=name) if "--append" in invocation.flags else partial(compare, name=name or "default")
    return run(
        place.git_dir,
        invocation.words,
        invocation.patchsets,
        strip=invocation.number("--strip"),
        partial="--partial" in invocation.flags,
        diff_only="--diff-only" in invocation.flags,
        jobs=invocation.number("--jobs"),
        vouchers=vouchers_of(invocation),
        environ=environ,
        cwd=cwd,
        progress=progress,
    )


def vouchers_of(invocation: Invocation) -> Vouchers:
    """What the user gave to hold files against."""
    from git_metadiff.verify.check import Vouchers

    def paths(name: str) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(map(Path, invocation.lists.get(name, ()))))

    digests = tuple(dict.fromkeys(digest.lower() for digest in invocation.lists.get("--sha256", ())))
    return Vouchers(paths("--sums"), digests, paths("--signature"), paths("--keyring"))


def read_trace(name: str | None) -> Trace | None:
    """Read the stack trace that `--trace` names, before any work is done; `-` is standard input."""
    if name is None:
        return None
    from git_metadiff.trace import parse_trace

    return parse_trace(read_trace_text(name))


def read_trace_text(name: str | None) -> bytes:
    """The text that `--trace` names, as it stands; empty if it was not given."""
    if name is None:
        return b""
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise MetadiffError(
            f"cannot read the trace {name}: {error.strerror}", "--trace takes a file, or - for standard input"
        ) from error


def is_different(comparison: Comparison, wanted: Predicate | None) -> bool:
    """Whether any interdiff changes something, or a file within the path limits if there are any.

    A forecast has none: there it is whether a hunk is neither carried nor absorbed.
    """
    if meets_work(comparison, wanted):
        return True
    if wanted is None:
        return any(transition.interdiff for transition in comparison.transitions)
    from git_metadiff.render.head import wanted_files
    from git_metadiff.render.sections import read_sections
    from git_metadiff.render.view import View

    view = View(wanted=wanted)
    return any(wanted_files(read_sections(transition.interdiff), view) for transition in comparison.transitions)


def meets_work(comparison: Comparison, wanted: Predicate | None) -> bool:
    """Whether the comparison ends in a forecast and the next rebase has something to do."""
    from git_metadiff.model import outcome, worst

    if comparison.transitions[-1].forecast is None:
        return False
    hunks = [
        hunk
        for hunk in comparison.patchsets[-2].hunks
        if wanted is None or any(wanted(path) for path in (hunk.path, hunk.old_path) if path is not None)
    ]
    return any(outcome(worst(comparison.fates[hunk.id])) not in ("carried", "absorbed") for hunk in hunks)


def show(
    comparison: Comparison, invocation: Invocation, trace: Trace | None, place: Place, environ: Mapping[str, str]
) -> None:
    """Print the views that were asked for, by default the full one; JSON goes out as it is."""
    from git_metadiff import render
    from git_metadiff.store import open_store

    if "--json" in invocation.flags:
        write_all(render.json_document(comparison))
        return
    looks = screen(invocation, environ, current_folder())
    view = make_view(invocation, looks, place, environ)
    reader = open_store(place.git_dir, environ).reader()
    show_lines(views(comparison, invocation.views(), trace, view, reader), looks.pager, environ)


def make_view(invocation: Invocation, looks: Screen, place: Place, environ: Mapping[str, str]) -> View:
    """The options and the terminal as the rendering sees them."""
    from git_metadiff.render.view import View

    return View(
        context=3 if (context := invocation.number("--unified")) is None else context,
        function_context="--function-context" in invocation.flags,
        colors=looks.colors,
        wanted=predicate(invocation.paths, place, environ),
        limit_text=" ".join(invocation.paths),
        everything="--all" in invocation.flags,
        width=looks.width,
    )


def views(
    comparison: Comparison, names: Sequence[str], trace: Trace | None, view: View, reader: Reader
) -> Iterator[bytes]:
    """The lines of the views, with an empty line between two."""
    for number, name in enumerate(names or [""]):
        if number:
            yield b"\n"
        yield from one_view(name, comparison, trace, view, reader)


def one_view(name: str, comparison: Comparison, trace: Trace | None, view: View, reader: Reader) -> Iterable[bytes]:
    """The lines of one view; without a name, of the full one."""
    from git_metadiff import render

    if name == "--trace" and trace is not None:
        return render.trace(comparison, trace, view, reader)
    if name in PLAIN:
        plain: Callable[..., Iterable[bytes]] = getattr(render, PLAIN[name])
        return plain(comparison, view)
    if name == "--collisions":
        return render.collisions(comparison, view, reader)
    return (render.patch if name == "--patch" else render.full)(comparison, view, reader)


#: Views that need nothing but the comparison, and the functions that make them.
PLAIN = {"--summary": "summary", "--stat": "stat", "--name-status": "name_status", "--series": "series"}
