"""`bisect run --minimize`: what of the guilty steps matters, and what of the other side it fails with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from git_metadiff.cli.output import write_all
from git_metadiff.cli.searching import Ground, make_source

if TYPE_CHECKING:
    from git_metadiff.bisect.chained import Part
    from git_metadiff.bisect.drive import Driver, Ending
    from git_metadiff.bisect.minimize import Minimal
    from git_metadiff.bisect.reduce import Reducer, Reduction

Tell = Callable[[Iterable[bytes]], None]


def write_lines(lines: Iterable[bytes]) -> None:
    """Show what is known so far: the next part may take many builds."""
    write_all(b"".join(lines))


def minimize(driver: Driver, end: Ending, ground: Ground, tell: Tell | None) -> Reduction:
    """Find the hunks of the guilty steps that matter, and the other side's that they fail with; `tell` shows each part
    when it is found."""
    from git_metadiff.bisect.chained import NothingBetweenError
    from git_metadiff.bisect.reduce import Reduction, find_pair
    from git_metadiff.bisect.session import WrongEndError
    from git_metadiff.render.parts import alone, paired, parts

    tell = tell or (lambda _lines: None)
    reducer, found = reduce(driver, end, ground)
    tell(parts(found))
    if found is None or reducer is None:
        return Reduction(None)
    is_upstream = found_upstream(driver.session.state.axis, reducer.leg)
    try:
        other = partner(driver, None if is_upstream else [one.name for one in found.parts], ground)
    except (WrongEndError, NothingBetweenError) as error:
        known = not isinstance(error, WrongEndError) or error.given.answer != "skip"
        why = f"{'none' if known else 'could not be determined'}: {error.message}"
        tell([alone(why)])
        return Reduction(found, why=why)
    if other is None:
        why = "could not be determined: nothing can be tested around the partner"
        tell([alone(why)])
        return Reduction(found, why=why)
    tell(parts(other[1]))
    sides = ((reducer, found), other) if is_upstream else (other, (reducer, found))
    both = find_pair(*sides)
    tell(paired(both))
    return Reduction(found, other[1], both)


def reduce(driver: Driver, end: Ending, ground: Ground) -> tuple[Reducer | None, Minimal[Part] | None]:
    """The hunks of the guilty steps that matter, of a chain or of real commits; None where that cannot be tested."""
    from git_metadiff.bisect.apart import take_commits_apart
    from git_metadiff.bisect.chained import ChainSource
    from git_metadiff.bisect.reduce import Reducer
    from git_metadiff.bisect.upstream import Carry

    source = driver.session.source
    if isinstance(source, ChainSource):
        reducer = Reducer(driver, source)
        return reducer, reducer.reduce(end.guilty)
    assert isinstance(source, Carry)
    comparison = ground.store.load(driver.session.state.name)
    commits = take_commits_apart(source, ground.store.git, comparison, end.guilty)
    if commits is None:
        return None, None
    reducer = Reducer(driver, commits)
    return reducer, reducer.reduce_groups(range(len(commits.chain.groups)))


def found_upstream(axis: str, leg: int) -> bool:
    """Whether what was found on a leg of an axis is upstream's."""
    return axis == "upstream" or (axis == "both" and leg == 0)


def partner(driver: Driver, hunks: Sequence[str] | None, ground: Ground) -> tuple[Reducer, Minimal[Part]] | None:
    """Search the other side by the same job: its hunks that matter, or None where that is not known.

    Of `hunks` of downstream's, upstream's; without them, those of the patchset.
    """
    from git_metadiff.bisect.chain import PARTNER
    from git_metadiff.bisect.chained import ChainSource
    from git_metadiff.bisect.kept import FOLDER, State
    from git_metadiff.bisect.reduce import Reducer
    from git_metadiff.bisect.session import Session
    from git_metadiff.cli.bisect_run import driver_of
    from git_metadiff.render.search import heading

    before = driver.session.state
    axis = "patchset" if hunks is None else PARTNER
    options = before.options | {"axis": axis, "hunks": list(hunks or ()), "carry": False}
    source = make_source(ground, options)
    assert isinstance(source, ChainSource)
    state = State(before.name, axis, options, before.head, before.worktree)
    session = Session(ground.git_dir / FOLDER / "pair", source.plan, state, lambda: source)
    write_all(b"".join(heading(session)), descriptor=2)
    mine = driver_of(session, driver.job, list(driver.stands), ground)
    end = mine.run()
    reducer = Reducer(mine, source)
    found = reducer.reduce(end.guilty)
    return None if found is None else (reducer, found)
