"""`git metadiff bisect run`: a search that runs a test by itself, to its end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from git_metadiff.cli.bisect_session import begin_search, turn_back
from git_metadiff.cli.ending import Terminated
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.searching import Ground, find_ground, load_session, tree_in, tree_of
from git_metadiff.cli.subcommands import begins
from git_metadiff.errors import EXIT_DIFFERENT, EXIT_INTERRUPTED, EXIT_OK, MetadiffError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from git_metadiff.bisect.drive import Driver, Stand
    from git_metadiff.bisect.job import Job
    from git_metadiff.bisect.runner import Outcome
    from git_metadiff.bisect.session import Session
    from git_metadiff.bisect.source import Point

GO_ON = "nothing is lost: 'git metadiff bisect run' goes on from here"


def run(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Search to the end; begin first, if no search is under way."""
    from git_metadiff.bisect.kept import alone, exists

    ground = find_ground(environ)
    with alone(ground.git_dir):
        if exists(ground.git_dir):
            if begins(invocation):
                raise MetadiffError(
                    "a search is under way here already, and these options begin one",
                    "'git metadiff bisect reset' ends it; 'git metadiff bisect run' without them goes on",
                )
            session = load_session(ground)
            job = job_of(invocation, session)
            job.check(environ)
            forget_other(session, job)
        else:
            job = job_of(invocation, None)
            job.check(environ)
            check_parallel(invocation, invocation.values.get("--worktree", ""))
            session = begin_search(invocation, ground)
        session.state.job = asdict(job)
        session.save()
        with interrupts_told():
            return drive(invocation, session, job, ground)


def forget_other(session: Session, job: Job) -> None:
    """Set the answers of another test aside; those that were given by hand stay."""
    before = session.state.job
    if before is None or asdict(replace(job, confirm=1)) == before | {
        "confirm": 1,
        "command": tuple(before["command"]),
    }:
        return
    by_hand = [one for one in session.state.answers if not one.why]
    gone = len(session.state.answers) - len(by_hand)
    session.state.answers = by_hand
    if gone:
        write_all(f"another test than before: its {gone} answers are set aside\n".encode(), descriptor=2)


@contextmanager
def interrupts_told() -> Iterator[None]:
    """Say of an interrupt, or another signal that ends a run, that nothing is lost by it."""
    try:
        yield
    except Terminated as end:
        raise MetadiffError(f"stopped by signal {end.number}", GO_ON, 128 + end.number) from end
    except KeyboardInterrupt as error:
        raise MetadiffError("interrupted", GO_ON, EXIT_INTERRUPTED) from error


def job_of(invocation: Invocation, session: Session | None) -> Job:
    """The job that is asked for; without one, the last one of the session."""
    from git_metadiff.bisect.job import Job

    values = invocation.values
    if invocation.behind or "--test" in values:
        return Job(
            invocation.behind,
            values.get("--build", ""),
            values.get("--test", ""),
            values.get("--expect", ""),
            invocation.number("--confirm") or 1,
        )
    kept = session.state.job if session is not None else None
    if kept is None:
        raise MetadiffError("no test was given", "git metadiff bisect run --test <command>, or run -- <command>")
    try:
        job = Job(**(kept | {"command": tuple(kept["command"])}))
    except (TypeError, LookupError) as error:
        raise MetadiffError("the test of this search cannot be read", "give it again: run -- <command>") from error
    return replace(job, confirm=int(job.confirm))


def drive(invocation: Invocation, session: Session, job: Job, ground: Ground) -> int:
    """Run a job to the end of a search, and tell what was found."""
    from git_metadiff.bisect.kept import alone

    check_parallel(invocation, session.state.worktree)
    stands = stands_of(session, invocation.number("--parallel") or 1, ground)
    with ExitStack() as stack:
        for stand in stands:
            if stand.tree.git_dir.resolve() != ground.git_dir.resolve():
                check_free(stand)
                stack.enter_context(alone(stand.tree.git_dir))
        return drive_in(stands, invocation, session, job, ground)


def check_free(stand: Stand) -> None:
    """Raise MetadiffError if a work tree has a search of its own."""
    from git_metadiff.bisect.kept import exists

    if exists(stand.tree.git_dir):
        raise MetadiffError(
            f"{stand.tree.top} has a search of its own",
            "'git metadiff bisect reset' there ends it",
        )


def drive_in(stands: list[Stand], invocation: Invocation, session: Session, job: Job, ground: Ground) -> int:
    """Run a job in work trees that nobody else uses."""
    from git_metadiff.bisect.session import WrongEndError
    from git_metadiff.cli.bisect_minimize import minimize, write_lines
    from git_metadiff.render.search import document, ending, further

    driver = driver_of(session, job, stands, ground)
    try:
        end = driver.run()
    except WrongEndError as error:
        turn_back(session, error, ground)
        end = driver.run()
    as_text = "--json" not in invocation.flags
    if as_text:
        write_all(b"".join(ending(session, end)))
    found = None
    if "--minimize" in invocation.flags:
        found = minimize(driver, end, ground, write_lines if as_text else None)
    elif as_text:
        write_all(b"".join(further(session, end)))
    if not as_text:
        write_all(document(session, session.verdict(), [], end, found))
    return EXIT_OK if len(end.guilty) == 1 else EXIT_DIFFERENT


def driver_of(session: Session, job: Job, stands: list[Stand], ground: Ground) -> Driver:
    """What runs a job on the points of a session, and tells on standard error what happens."""
    from git_metadiff.bisect.drive import Driver
    from git_metadiff.bisect.results import Results
    from git_metadiff.render.search import outcome_line

    def watch(at: int | None, point: Point, outcome: Outcome | None) -> None:
        write_all(outcome_line(session, at, point, outcome), descriptor=2)

    def echo(data: bytes) -> None:
        write_all(data, descriptor=2)

    tree = stands[0].tree
    words = [word for word in job.words() if word and not word.startswith((os.sep, ".."))]
    tracked = os.fsdecode(tree.try_run("ls-files", "-z", "--", *words).out).split("\0")
    key = job.key(tree.top, [*tracked, *(f"./{name}" for name in tracked)])
    results = Results(ground.store.git.common_dir, key, job)
    return Driver(session, job, stands, results, ground.environ, watch, echo if len(stands) == 1 else None)


def check_parallel(invocation: Invocation, folder: str) -> None:
    """Raise MetadiffError if several tests are to run at the same time, and there is no folder of `--worktree`."""
    if (invocation.number("--parallel") or 1) > 1 and not folder:
        raise MetadiffError(
            "--parallel needs a search with --worktree", "so many work trees are made beside that folder"
        )


def stands_of(session: Session, parallel: int, ground: Ground) -> list[Stand]:
    """The work trees in which tests run."""
    from git_metadiff.bisect.drive import Stand

    found = tree_of(session, ground)
    if found is None:
        raise MetadiffError(
            "there is no work tree to test in",
            "begin the search with --worktree <folder>; or test elsewhere, with 'git metadiff bisect next --json'",
        )
    stands = [Stand(*found)]
    [start] = session.points([-1])
    for number in range(2, parallel + 1):
        stands.append(Stand(*tree_in(Path(f"{session.state.worktree}-{number}"), start.commit, ground)))
    return stands
