"""`git metadiff lineage`: reads a stored comparison and chooses the families that were asked for."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from git_metadiff.cli.compare import make_view
from git_metadiff.cli.output import write_all
from git_metadiff.cli.parse import Invocation
from git_metadiff.cli.paths import normalise, predicate
from git_metadiff.cli.repository import Place, current_folder, find_place
from git_metadiff.cli.terminal import screen, show_lines
from git_metadiff.errors import EXIT_OK, MetadiffError

if TYPE_CHECKING:
    from git_metadiff.git import Git
    from git_metadiff.model import Comparison, Hunk
    from git_metadiff.render.lineage import Told
    from git_metadiff.render.view import Reader
    from git_metadiff.store import Store
    from git_metadiff.taken import Revision, Taken

Keep = Callable[["Hunk"], bool]
AT_LINE = re.compile(r"([^:].*):([1-9]\d{0,8})", re.DOTALL)


@dataclass(frozen=True)
class Question:
    """Which families are asked for: those of which each of `keeps` keeps a hunk."""

    keeps: tuple[Keep, ...]
    words: str  # the same for a person; empty if all families are
    notes: tuple[str, ...] = ()  # what is to be said before the answer


def show_lineage(invocation: Invocation, environ: Mapping[str, str]) -> int:
    """Show the families of a stored comparison, or print them as JSON."""
    from git_metadiff import render
    from git_metadiff.lineage import families, select
    from git_metadiff.render.lineage import Told
    from git_metadiff.store import open_store

    cwd = current_folder()
    place = find_place(environ, cwd)
    store = open_store(place.git_dir, environ)
    comparison = store.load(invocation.values.get("--name"))
    question = understand(invocation, comparison, place, store.reader(), environ)
    fate = invocation.values.get("--fate")
    hunks = {hunk.id: hunk for hunk in comparison.hunks()}
    chosen = select(families(comparison), hunks, question.keeps, {fate} if fate else set())
    told = Told(comparison, chosen, question.words, question.notes, "--diff" in invocation.flags)
    if told.diff and not told.asked and "--json" not in invocation.flags:
        told = replace(told, asked="--diff", families=[family for family in chosen if not family.is_quiet])
    if "--upstream" in invocation.values:
        told = with_upstream(told, invocation.values["--upstream"], store)
    if "--json" in invocation.flags:
        write_all(render.families_document(told))
        return EXIT_OK
    looks = screen(invocation, environ, cwd)
    show_lines(render.show_families(told, make_view(invocation, looks, place, environ)), looks.pager, environ)
    return EXIT_OK


def with_upstream(told: Told, name: str, store: Store) -> Told:
    """The same families with what a revision of upstream holds of them; of all families, those that it holds."""
    from git_metadiff.taken import find_revision

    revision = find_revision(store.git, name)
    if revision is None:
        raise MetadiffError(f"'{name}' is not a revision", "--upstream takes a tag, branch or commit of the repository")
    found = held_by(revision, told, store.reader().git)
    told = replace(told, upstream=name, taken=found, has_history=revision.commit is not None)
    if told.asked:
        return told
    counts = Counter(one.state for one in found.values())
    states = {"held": "held", "part": "held in part", "absent": "absent", "unknown": "cannot be told"}
    words = ", ".join(f"{counts[state]} {text}" for state, text in states.items() if counts[state])
    chosen = [family for family in told.families if found[family.id].state in ("held", "part")]
    return replace(told, families=chosen, asked=f"--upstream {name}", notes=(f"of {len(found)} families {words}",))


def held_by(revision: Revision, told: Told, git: Git) -> dict[str, Taken]:
    """What a revision holds of each family: of its newest hunks, seen from the release that they are for."""
    from git_metadiff.taken import taken

    by_release: dict[int, dict[str, list[Hunk]]] = defaultdict(dict)
    for family in told.families:
        newest = next(step for step in reversed(family.steps) if step.hunks)
        by_release[newest.patchset][family.id] = told.of(newest.hunks)
    found: dict[str, Taken] = {}
    for at, families in by_release.items():
        found |= taken(git, told.comparison.releases[at].tree, revision, families)
    return found


def understand(
    invocation: Invocation, comparison: Comparison, place: Place, reader: Reader, environ: Mapping[str, str]
) -> Question:
    """What the paths and options of the command line ask for; MetadiffError for what is in no release."""
    keeps: list[Keep] = []
    words: list[str] = []
    notes: list[str] = []
    if invocation.words or invocation.paths:
        keep, notes = by_place(invocation, comparison, place, reader, environ)
        keeps.append(keep)
        words.append(" ".join((*invocation.words, *invocation.paths)))
    for option, maker in (("--family", by_family), ("--function", by_function), ("--in-patch", by_patch)):
        if option in invocation.values:
            keeps.append(maker(comparison, invocation.values[option]))
            words.append(f"{option} {invocation.values[option]}")
    if "--fate" in invocation.values:
        words.append(f"--fate {invocation.values['--fate']}")
    return Question(tuple(keeps), ", ".join(words), tuple(notes))


def by_place(
    invocation: Invocation, comparison: Comparison, place: Place, reader: Reader, environ: Mapping[str, str]
) -> tuple[Keep, list[str]]:
    """Hunks in one of the files, or at one of the lines, that the command line names."""
    lines = [match for match in map(AT_LINE.fullmatch, invocation.words) if match]
    specs = [word for word in invocation.words if not AT_LINE.fullmatch(word)] + list(invocation.paths)
    names: set[str] = set()
    notes = []
    for match in lines:
        found, note = at_line(comparison, full_path(match[1], place), int(match[2]), reader)
        names.update(found)
        notes += note
    wanted = predicate(specs, place, environ)

    def keep(hunk: Hunk) -> bool:
        inside = bool(specs) and any(wanted(path) for path in (hunk.path, hunk.old_path) if path is not None)
        return inside or hunk.id in names

    return keep, notes


def full_path(name: str, place: Place) -> bytes:
    """A path given in the current folder, from the top of the tree."""
    full = normalise(os.fsencode(name), place.prefix, place.top)
    if full is None:
        raise MetadiffError(f"'{name}' is outside the repository", "give a path of the newest downstream tree")
    return full


def at_line(comparison: Comparison, path: bytes, line: int, reader: Reader) -> tuple[list[str], list[str]]:
    """The ids of the hunks at a line of the newest downstream tree, and a note if it is upstream's own."""
    from git_metadiff.lineage import owners_at

    newest = comparison.patchsets[-1]
    content = reader.read(newest.tree, path)
    shown = os.fsdecode(path)
    if content is None:
        hint = "path:line is read in the tree of the newest release with its patchset"
        raise MetadiffError(f"'{shown}' is not in the newest downstream tree", hint)
    count = content.count(b"\n") + (not content.endswith(b"\n"))
    if line > count:
        hint = "line numbers count in the tree of the newest release with its patchset"
        raise MetadiffError(f"'{shown}' has {count} lines in the newest downstream tree, not {line}", hint)
    names, is_theirs = owners_at(newest, path, line)
    if is_theirs:
        return names, []
    what = "these stand beside it" if names else "no hunk stands beside it"
    return names, [f"{shown}:{line} is upstream's own line; {what}"]


def by_family(comparison: Comparison, prefix: str) -> Keep:
    """The one hunk whose id starts with `prefix`; MetadiffError if that is none or several."""
    from git_metadiff.render.one_hunk import find_hunk

    name = find_hunk(comparison, prefix).id
    return lambda hunk: hunk.id == name


def by_function(_comparison: Comparison, name: str) -> Keep:
    """Hunks with a change in the function `name`."""
    from git_metadiff.render.lineage import functions_of

    wanted = os.fsencode(name)
    return lambda hunk: wanted in functions_of(hunk)


def by_patch(comparison: Comparison, name: str) -> Keep:
    """Hunks of the patches that are called `name`, or that it is a pattern for; MetadiffError if there are none."""
    patches = [(at, patch) for at, patchset in enumerate(comparison.patchsets) for patch in patchset.patches]
    known = list(dict.fromkeys(patch.name for _, patch in patches))
    names = {name} if name in known else {one for one in known if fnmatchcase(one, name)}
    if not names:
        raise MetadiffError(f"no patch '{name}' in the comparison '{comparison.name}'", nearest(name, known))
    chosen = {(at, patch.index) for at, patch in patches if patch.name in names}
    return lambda hunk: (hunk.release, hunk.patch) in chosen


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the name that was meant."""
    close = get_close_matches(name, list(known), 1)
    return f"did you mean {close[0]}?" if close else "the view --series of the comparison names its patches"
