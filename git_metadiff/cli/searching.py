"""What the subcommands of a search share: the comparison behind it, its points, and the work tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from git_metadiff.cli.compare import read_trace_text
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.paths import Predicate, predicate
from git_metadiff.cli.repository import Place, current_folder, find_place
from git_metadiff.errors import MetadiffError

if TYPE_CHECKING:
    from git_metadiff.bisect import Candidate, Facts, Suspect
    from git_metadiff.bisect.kept import State
    from git_metadiff.bisect.session import Planned, Session
    from git_metadiff.git import WorkTree
    from git_metadiff.model import Comparison
    from git_metadiff.store import Store

#: In the git folder of a work tree that a search made.
OURS = "metadiff-ours"
CHAIN = "chain.json"


class Ground(NamedTuple):
    """Where a subcommand stands."""

    place: Place
    store: Store
    environ: Mapping[str, str]

    @property
    def git_dir(self) -> Path:
        """The git folder of this work tree, where its search is kept."""
        return self.store.git.git_dir


def find_ground(environ: Mapping[str, str]) -> Ground:
    """The repository around the current folder."""
    from git_metadiff.store import open_store

    place = find_place(environ, current_folder())
    return Ground(place, open_store(place.git_dir, environ), environ)


# What is searched


def options_of(invocation: Invocation, ground: Ground, axis: str) -> dict[str, object]:
    """What decides a search, as it is kept; the trace is text."""
    name = invocation.values.get("--name") or ground.store.last() or "default"
    return {
        "comparison": ground.store.commit_of(name),
        "name": name,
        "axis": axis,
        "paths": list(invocation.paths),
        "prefix": ground.place.prefix.decode("latin-1"),
        "trace": read_trace_text(invocation.values.get("--trace")).decode("latin-1"),
        "built": os.path.abspath(invocation.values["--built"]) if "--built" in invocation.values else "",
        "carry": "--carry" in invocation.flags,
        "base_fails": False,
    }


class Search(NamedTuple):
    """A comparison with its suspects, as the options of a search want them."""

    comparison: Comparison
    suspects: list[Suspect]
    aside: Aside
    wanted: Predicate  # what the paths and the build leave


class Aside(NamedTuple):
    """What the build in the folder of `--built` never compiled."""

    facts: Facts  # without its suspects
    gone: tuple[Candidate, ...]
    has: Callable[[bytes], bool]  # whether a file is set aside


def set_aside(facts: Facts, comparison: Comparison, built: str, ground: Ground) -> Aside:
    """The suspects that the build in a folder compiled, if one is named; the others are counted on standard error."""
    if not built:
        return Aside(facts, (), lambda _path: False)
    from git_metadiff.bisect.compiled import compiled_in

    compiled = compiled_in(Path(built), comparison, ground.store.git)
    out = compiled.left_out({one.path for one in facts.candidates})
    gone = tuple(one for one in facts.candidates if one.path in out)
    hunks = sum(len(one.pieces) for one in gone)
    count = f"{len(gone)} of {len(facts.candidates)} suspects ({hunks} hunks)"
    write_all(f"aside  {count} in files that the build did not compile\n".encode(), descriptor=2)
    kept = tuple(one for one in facts.candidates if one.path not in out)
    return Aside(replace(facts, candidates=kept), gone, lambda path: bool(compiled.left_out([path])))


def read_search(ground: Ground, options: Mapping[str, object]) -> Search:
    """The comparison and the suspects, ranked; MetadiffError for one that was made anew since."""
    from git_metadiff.bisect import gather, rank
    from git_metadiff.cli.bisect import check_paths, check_trace, names_of
    from git_metadiff.trace import canonical, parse_trace

    name, paths = str(options["name"]), options["paths"]
    assert isinstance(paths, list)
    if ground.store.commit_of(name) != options["comparison"]:
        raise MetadiffError(
            f"the comparison '{name}' was made anew since this search began",
            "'git metadiff bisect reset', and start again",
        )
    comparison = ground.store.load(name)
    text = str(options["trace"]).encode("latin-1")
    trace = parse_trace(text) if text else None
    place = ground.place._replace(prefix=str(options["prefix"]).encode("latin-1"))
    wanted = predicate(paths, place, ground.environ)
    traced = {canonical(frame.function) for frame in trace.frames} if trace else set()
    facts = gather(comparison, ground.store.reader().git, wanted, limited=bool(paths), traced=traced)
    if trace is not None:
        check_trace(trace, facts)
    check_paths(paths, names_of(facts, comparison), place, ground.environ)
    aside = set_aside(facts, comparison, str(options["built"]), ground)
    left = rank(aside.facts, trace)
    return Search(comparison, left, aside, lambda path: wanted(path) and not aside.has(path))


def make_source(ground: Ground, options: Mapping[str, object]) -> Planned:
    """The points of a search, made from the comparison."""
    if options["carry"]:
        return make_carry(ground, options)
    from git_metadiff.bisect.chain import PARTNER
    from git_metadiff.bisect.chained import ChainSource
    from git_metadiff.bisect.making import make_chain, scores_of
    from git_metadiff.bisect.partner import make_partner_chain

    search = read_search(ground, options)
    user, scores = ground.store.git, scores_of(search.suspects)
    if options["axis"] == PARTNER:
        hunks = options["hunks"]
        assert isinstance(hunks, list)
        chain = make_partner_chain(user, search.comparison, hunks, search.wanted, scores)
    else:
        chain = make_chain(user, search.comparison, str(options["axis"]), search.wanted, scores)
    return ChainSource(chain, search.comparison, user)


def make_carry(ground: Ground, options: Mapping[str, object]) -> Planned:
    """Upstream's real commits as points."""
    from git_metadiff.bisect.upstream import Carry

    search = read_search(ground, options)
    base_fails = bool(options["base_fails"])
    return Carry(ground.store, ground.environ, search.comparison, search.suspects, base_fails=base_fails)


def load_session(ground: Ground) -> Session:
    """The search that is under way here; its source is made when it is needed."""
    from git_metadiff.bisect.session import load

    def make(state: State) -> Planned:
        return make_source(ground, state.options)

    return load(ground.git_dir, make)


# Where trees are checked out


def own_tree(ground: Ground) -> WorkTree | None:
    """The work tree around the current folder; None in a bare repository, or outside any."""
    from git_metadiff.git import WorkTree

    if ground.place.git_dir is None or not ground.place.top:
        return None
    return WorkTree(ground.place.git_dir, Path(ground.place.top.decode("utf-8", "surrogateescape")), ground.environ)


def tree_in(folder: Path, commit: str, ground: Ground) -> tuple[WorkTree, bool]:
    """The work tree in a folder, made if it is not there, and whether a search made it."""
    from git_metadiff.git import add_work_tree, open_work_tree, uninterrupted

    found = open_work_tree(folder, ground.store.git)
    if found is None:
        with uninterrupted():  # one without the mark would be taken for the user's
            found = add_work_tree(folder, commit, ground.store.git)
            (found.git_dir / OURS).write_bytes(b"")
        found.check_out(commit, force=True)
    return found, (found.git_dir / OURS).exists()


def tree_of(session: Session, ground: Ground) -> tuple[WorkTree, bool] | None:
    """The work tree of a search, and whether a search made it; None if nothing is checked out."""
    if session.state.worktree:
        [start] = session.points([-1])
        return tree_in(Path(session.state.worktree), start.commit, ground)
    if session.state.head is None:
        return None
    found = own_tree(ground)
    return (found, False) if found is not None else None


def check_out(session: Session, ground: Ground, commit: str) -> None:
    """Check a point out where the search has its work tree, if it has one."""
    found = tree_of(session, ground)
    if found is not None:
        tree, ours = found
        tree.check_out(commit, force=ours)
