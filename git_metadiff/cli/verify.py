"""`git metadiff verify`: files held against what vouches for them, and the diagnosis of what does not verify."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from git_metadiff.cli.compare import vouchers_of
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.program import one_line
from git_metadiff.cli.repository import current_folder
from git_metadiff.cli.terminal import Progress, screen, show_lines
from git_metadiff.errors import EXIT_DIFFERENT, EXIT_OK
from git_metadiff.verify import Subject, Vouchers, check_files, diagnose, hold_against
from git_metadiff.verify.check import pages_hint
from git_metadiff.verify.diagnosis import Diagnosis, Plan
from git_metadiff.verify.pages import PAGE, RealPages

if TYPE_CHECKING:
    from git_metadiff.render.view import View
    from git_metadiff.verify import Against, Report

#: A diagnosis: the file's name, what was found, and why there are no frame numbers, if there are none.
Diagnosed = tuple[str, Diagnosis, str]


def verify(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Verify files; the exit status is 1 if anything speaks against one of them."""
    subjects = [Subject(name, Path(name)) for name in dict.fromkeys(invocation.words)]
    vouchers = vouchers_of(invocation)
    goods = invocation.lists.get("--against", ())
    quiet = "--quiet" in invocation.flags
    report, result = None, None
    diagnoses: list[Diagnosed] = []
    with Progress(environ, wanted=not quiet) as progress:
        if vouchers or not ({"--pages"} & invocation.flags or goods):
            report = check_files(subjects, vouchers, environ, progress)
        if "--pages" in invocation.flags:
            diagnoses = [look(one, expected_of(report, one), invocation, progress) for one in subjects]
        if goods:
            tell = labelled(progress, "comparing")
            result = hold_against([one.path for one in subjects], list(map(Path, goods)), tell)
    holds = is_good(report, diagnoses, result)
    names = [one.name for one in subjects]
    if not quiet:
        show(invocation, environ, vouchers, report, diagnoses, result, names, holds)
    return EXIT_OK if holds else EXIT_DIFFERENT


def labelled(progress: Progress, label: str) -> Callable[[int, int], None]:
    """`progress` for one step."""
    return lambda done, total: progress(label, done, total)


def is_good(report: Report | None, diagnoses: Sequence[Diagnosed], result: Against | None) -> bool:
    """Whether nothing that was looked at speaks against a file."""
    sound = all(found.verdict == "sound" for _, found, _ in diagnoses)
    return sound and (report is None or report.holds) and (result is None or not result.differs)


def expected_of(report: Report | None, subject: Subject) -> Mapping[str, str]:
    """The digests that a file should have, by algorithm."""
    findings = report.findings if report is not None else ()
    return {one.algorithm: one.digest for found in findings if found.subject == subject for one in found.expected}


def look(subject: Subject, expected: Mapping[str, str], invocation: Invocation, progress: Progress) -> Diagnosed:
    """Diagnose one file."""
    plan = Plan(
        watch=invocation.number("--watch") or 0,
        every=invocation.number("--every") or 1,
        list_all="--all" in invocation.flags,
    )

    def tell(number: int, done: int, total: int) -> None:
        progress(f"reading {subject.name}, {number}", done, total)

    with RealPages(subject.path) as pages:
        return subject.name, diagnose(pages, expected, plan, tell), pages.frames_said


def show(
    invocation: Invocation,
    environ: Mapping[str, str],
    vouchers: Vouchers,
    report: Report | None,
    diagnoses: Sequence[Diagnosed],
    result: Against | None,
    names: Sequence[str],
    holds: bool,
) -> None:
    """Print what was found, and what to do about a file that does not verify."""
    if "--json" in invocation.flags:
        from git_metadiff.render.verify_document import document

        write_all(document(report, diagnoses, result, names, holds))
        return
    from git_metadiff.render.view import View

    looks = screen(invocation, environ, current_folder())
    view = View(colors=looks.colors, everything="--all" in invocation.flags, width=looks.width)
    show_lines(lines(vouchers, report, diagnoses, result, names, view), looks.pager, environ)
    wrong = [one for one in report.findings if one.verdict not in ("ok", "not checked")] if report else []
    if wrong and not diagnoses:
        write_all(f"hint: {one_line(pages_hint(wrong[0].subject.name))}\n".encode("utf-8", "surrogateescape"), 2)


def lines(
    vouchers: Vouchers,
    report: Report | None,
    diagnoses: Sequence[Diagnosed],
    result: Against | None,
    names: Sequence[str],
    view: View,
) -> Iterator[bytes]:
    """All that was asked for."""
    from git_metadiff.render import verify as texts

    if report is not None:
        yield from texts.checks(report, view) if vouchers else texts.digests(report)
    for name, found, said in diagnoses:
        yield from texts.diagnosis(name, found, view, said)
    if result is not None:
        yield from texts.against(result, dict(enumerate(names)), PAGE, view)
