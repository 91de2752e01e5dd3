"""`git metadiff bisect start|next|good|bad|skip|status|log|reset`: a search by hand, answer by answer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.searching import (
    Ground,
    check_out,
    find_ground,
    load_session,
    make_source,
    options_of,
    own_tree,
    read_search,
    tree_in,
    tree_of,
)
from git_metadiff.cli.terminal import screen, show_lines
from git_metadiff.errors import EXIT_OK, MetadiffError, UsageError

if TYPE_CHECKING:
    from git_metadiff.bisect.search import Answer
    from git_metadiff.bisect.session import Session, WrongEndError
    from git_metadiff.git import Head

#: A ref that each work tree has of its own.
HELD = "refs/worktree/metadiff-bisect"
BY_HAND = "name a commit that 'git metadiff bisect next' gave, or one of the chain"


def start(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Begin a search, and check out what to test first."""
    from git_metadiff.bisect.kept import alone

    ground = find_ground(environ)
    with alone(ground.git_dir):
        session = begin_search(invocation, ground)
        return go_on(session, ground)


def begin_search(invocation: Invocation, ground: Ground) -> Session:
    """A new search, kept on disk; the work tree is where it was."""
    from git_metadiff.bisect.kept import State, exists
    from git_metadiff.bisect.session import begin

    if exists(ground.git_dir):
        raise MetadiffError(
            "a search is under way here already",
            "'git metadiff bisect status' shows it, 'git metadiff bisect reset' ends it",
        )
    axis = axis_of(invocation)
    head, folder = where(invocation, ground)
    options = options_of(invocation, ground, axis)
    source = make_source(ground, options)
    state = State(str(options["name"]), axis, dict(options), head, folder)
    session = begin(ground.git_dir, source.plan, state, lambda: source)
    hold(session, ground)
    if folder:
        [point] = session.points([-1])
        try:
            tree_in(Path(folder), point.commit, ground)
        except BaseException:
            drop(ground)
            raise
    return session


def axis_of(invocation: Invocation) -> str:
    """The axis that is asked for; real commits are upstream's."""
    axis = invocation.values.get("--axis")
    if "--carry" in invocation.flags:
        if axis not in (None, "upstream"):
            raise UsageError(
                f"--carry does not go with --axis {axis}", "upstream's commits lead along the upstream axis"
            )
        return "upstream"
    return axis or "both"


def where(invocation: Invocation, ground: Ground) -> tuple[Head | None, str]:
    """Where the trees are to be checked out: what to come back to, and the folder of `--worktree`."""
    from git_metadiff.git import open_work_tree

    folder = invocation.values.get("--worktree", "")
    if folder:
        path = Path(os.path.abspath(folder))
        found = open_work_tree(path, ground.store.git)
        if found is None or (found.git_dir / "metadiff-ours").exists():
            return None, str(path)
        found.check_clean()
        return found.head(), str(path)
    tree = own_tree(ground)
    if tree is None or "--no-checkout" in invocation.flags:
        return None, ""
    tree.check_clean()
    return tree.head(), ""


def hold(session: Session, ground: Ground) -> None:
    """Keep the commits of a search from gc by a ref of this work tree: another search may take over the shared ones."""
    from git_metadiff.git import update_refs

    tip = session.plan.made.get(session.last)
    if tip is not None:
        git = ground.store.git
        update_refs(git, {HELD: (tip.commit, git.ref(HELD))})


def drop(ground: Ground) -> None:
    """Forget a search."""
    from git_metadiff.bisect.kept import remove
    from git_metadiff.git import update_refs

    remove(ground.git_dir)
    git = ground.store.git
    held = git.ref(HELD)
    if held is not None:
        update_refs(git, {HELD: (None, held)})


def go_on(session: Session, ground: Ground) -> int:
    """Check out what to test next and say so; or say what was found."""
    from git_metadiff.render.search import next_points

    due = session.due_ends(all_of_them=False)[:1]
    verdict = session.verdict()
    at = due or list(verdict.points)
    if not at:
        return tell_end(session)
    points = session.points(at)
    session.state.current = list(at)
    session.save()
    check_out(session, ground, points[0].commit)
    write_all(b"".join(next_points(session, verdict, at, points)))
    return EXIT_OK


def tell_end(session: Session) -> int:
    """Say what was found."""
    from git_metadiff.bisect.drive import ending_of
    from git_metadiff.render.search import ending, heading

    end = ending_of(session, session.verdict())
    write_all(b"".join([*heading(session), *ending(session, end)]))
    return EXIT_OK


def tell_next(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """What to test next; as JSON nothing is checked out, for tests elsewhere."""
    from git_metadiff.bisect.drive import ending_of
    from git_metadiff.bisect.kept import alone
    from git_metadiff.render.search import document, next_points

    ground = find_ground(environ)
    parallel = invocation.number("--parallel") or 1
    with alone(ground.git_dir):
        session = load_session(ground)
        if "--json" not in invocation.flags and parallel == 1:
            return go_on(session, ground)
        due = session.due_ends(all_of_them=False)
        verdict = session.verdict(parallel=parallel)
        at = due[:parallel] or list(verdict.points)
        points = session.points(at)
        session.state.current = list(at)
        session.save()
        if "--json" not in invocation.flags:
            if not at:
                return tell_end(session)
            write_all(b"".join(next_points(session, verdict, at, points)))
            return EXIT_OK
        end = ending_of(session, verdict) if not at else None
        write_all(document(session, verdict, at, end))
    return EXIT_OK


def answer(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Take answers by hand, and go on."""
    from git_metadiff.bisect.kept import Given, alone
    from git_metadiff.bisect.session import WrongEndError

    word = cast("Answer", invocation.words[0])
    ground = find_ground(environ)
    with alone(ground.git_dir):
        session = load_session(ground)
        for at in steps_of(session, invocation.words[1:], ground):
            [point] = session.points([at])
            try:
                session.add(at, Given(point.tree, point.commit, word))
            except WrongEndError as error:
                session = turn_back(session, error, ground)
        return go_on(session, ground)


def turn_back(session: Session, error: WrongEndError, ground: Ground) -> Session:
    """Search the other way, where the patchset on the merge base fails: for what repaired it on the older side.

    Any other wrong end is raised again.
    """
    from git_metadiff.bisect.source import GOOD_END

    is_base = session.plan.kind == "carry" and error.at == GOOD_END and not session.plan.sure[0]
    if not is_base or error.given.answer != "bad":
        raise error
    session.state.options["base_fails"] = True
    session.state.answers.append(error.given)
    source = make_source(ground, session.state.options)
    session.turn(source)
    session.points([session.last])  # it is the end that fails now, and has its answer
    return session


def steps_of(session: Session, revisions: Sequence[str], ground: Ground) -> list[int]:
    """The steps that are answered: of these revisions, else the one that was handed out."""
    if not revisions:
        current = session.state.current
        if len(current) != 1:
            what = "nothing was handed out" if not current else "several points were handed out"
            raise MetadiffError(what, "say which commit it is about; 'git metadiff bisect status' names them")
        return list(current)
    return [step_of(session, one, ground) for one in revisions]


def step_of(session: Session, revision: str, ground: Ground) -> int:
    """The step of one revision."""
    commit = ground.store.git.resolve(revision)
    if commit is None:
        raise MetadiffError(f"'{revision}' is no commit", BY_HAND)
    at = session.find(commit)
    if at is None and session.plan.kind == "carry":
        at = session.source.find(commit)
    if at is None:
        raise MetadiffError(f"'{revision}' is no point of this search", BY_HAND)
    return at


def status(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """How far the search is."""
    from git_metadiff.bisect.drive import ending_of
    from git_metadiff.render.search import document, set_aside
    from git_metadiff.render.search import status as shown

    ground = find_ground(environ)
    session = load_session(ground)
    if "--aside" in invocation.flags:
        gone = read_search(ground, session.state.options).aside.gone
        show_lines(set_aside(gone), screen(invocation, environ, Path.cwd()).pager, environ)
        return EXIT_OK
    verdict = session.verdict()
    if "--json" in invocation.flags:
        end = ending_of(session, verdict) if verdict.done and not session.due_ends(all_of_them=False) else None
        write_all(document(session, verdict, session.state.current, end))
        return EXIT_OK
    looks = screen(invocation, environ, Path.cwd())
    show_lines(shown(session, verdict), looks.pager, environ)
    return EXIT_OK


def log(_invocation: Invocation, environ: Mapping[str, str]) -> int:
    """The answers, in the form that `git bisect replay` takes."""
    from git_metadiff.render.search import log as logged

    write_all(b"".join(logged(load_session(find_ground(environ)))))
    return EXIT_OK


def reset(_invocation: Invocation, environ: Mapping[str, str]) -> int:
    """End the search; the work tree comes back to where it was."""
    from git_metadiff.bisect.kept import alone, exists
    from git_metadiff.bisect.session import AGAIN, BEGIN, NONE

    ground = find_ground(environ)
    if not exists(ground.git_dir):
        raise MetadiffError(NONE, BEGIN)
    with alone(ground.git_dir):
        try:
            session = load_session(ground)
        except MetadiffError as error:
            if error.hint != AGAIN:
                raise
            drop(ground)  # damaged: nothing tells where the work tree was
            write_all(b"the work tree stays as it is: 'git checkout <branch>' brings it back\n", descriptor=2)
            return EXIT_OK
        folder = session.state.worktree
        if session.state.head is not None and (not folder or Path(folder).exists()):
            found = tree_of(session, ground)
            if found is not None:
                found[0].go_back(session.state.head)
        drop(ground)
    return EXIT_OK
