"""`git metadiff bisect try` and `corners`: what was written, how to build it, and what each outcome means."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from git_metadiff.bisect.candidates import path_of
from git_metadiff.bisect.corners import Corner, Corners
from git_metadiff.bisect.trial import UPSTREAM, Trial
from git_metadiff.model import Comparison
from git_metadiff.render.lookup import Lookup
from git_metadiff.render.paint import ink, line, plural, quoted, readable
from git_metadiff.render.view import View

TRY_SCHEMA = "git-metadiff-try/1"
CORNERS_SCHEMA = "git-metadiff-corners/1"
#: So many places and hunks are named; `--all` names all.
MOST = 12
#: Digits of a commit's id.
SHORT = 12


def trial(comparison: Comparison, found: Trial, view: View) -> Iterator[bytes]:
    """What the tree is, what went along, and what to do with it."""
    lookup = Lookup(comparison, comparison.transitions[-1])
    without, only = (_names(names, lookup, view) for names in (found.question.without, found.question.only))
    word = f"without {without}" if without else f"with only {only}"
    yield line(f"{ink(view, 'meta', found.base)} {word}{f', but with {only}' if without and only else ''}")
    yield from _places(found, found.turned, view)
    if found.along:
        reason = "left out too, since it needs that" if without else "put in too, since that needs it"
        yield line(f"{reason}  ({plural(len(found.along), 'edit')})")
        yield from _places(found, found.along, view)
    yield line(f"commit  {found.commit[:SHORT]}  {found.ref}")
    yield b"\n"
    yield from _advice(found.ref, view)
    yield from _table(_outcomes_without(found) if without else _outcomes_only(found))


def _names(names: Sequence[str], lookup: Lookup, view: View) -> str:
    """The hunks in words: `D xen_start_kernel (kept) 8da597639eb3`."""
    shown = names if view.everything else names[:MOST]
    more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
    return ", ".join(_name(one, lookup) for one in shown) + more


def _name(name: str, lookup: Lookup) -> str:
    if name.startswith(UPSTREAM):
        path = path_of(name)
        return f"U {quoted(path) if path is not None else name}:{name.rpartition(':')[2]}"
    hunk = lookup.hunks[name]
    loss = "the loss of " if name in lookup.olds else ""
    return f"{loss}D {lookup.function(hunk) or quoted(hunk.path)} ({lookup.word(hunk)}) {name}"


def _places(found: Trial, edits: Collection[int], view: View) -> Iterator[bytes]:
    """Where these edits are: file, function, lines."""
    places: dict[tuple[bytes, str], list[int]] = {}
    for at in sorted(edits):
        edit = found.axis.edits[at]
        size = places.setdefault((edit.path, edit.sections[0] if edit.sections else ""), [0, 0])
        size[0] += len(edit.added)
        size[1] += len(edit.removed)
    shown = list(places.items())[: None if view.everything else MOST]
    for (path, section), (added, removed) in shown:
        yield line(f"  {quoted(path)}" + (f"  {section}" if section else "") + f"  +{added} -{removed}")
    if len(shown) < len(places):
        yield line(f"  and {plural(len(places) - len(shown), 'more place')} (--all names them)")


def _advice(ref: str, view: View) -> Iterator[bytes]:
    """How to get the tree."""
    yield line(f"{ink(view, 'meta', 'build it')}  git worktree add --detach <folder> {ref}")
    yield line("          or, in a work tree without changes: git checkout --detach " + ref)


def _outcomes_without(found: Trial) -> list[tuple[str, str]]:
    rows = [
        ("it works", "what was left out is guilty, alone or with a partner: 'git metadiff bisect list' names partners"),
        ("it fails as before", "the fault does not need it: try another, or 'git metadiff bisect start'"),
        ("it does not build", "what is left still needs it: name that too, or 'git metadiff bisect start' and skip"),
    ]
    if found.base == "F":
        rows.append(("F itself works", "then this says nothing: 'git metadiff bisect corners' has F to build first"))
    return rows


def _outcomes_only(found: Trial) -> list[tuple[str, str]]:
    return [
        ("it fails", f"what was put on {found.base} is enough for the fault: it is guilty"),
        ("it works", "it is not guilty, or not alone: a partner is missing"),
        ("it does not build", "it needs more: name that too, or 'git metadiff bisect start' and skip"),
    ]


def _table(rows: Sequence[tuple[str, str]]) -> Iterator[bytes]:
    width = max(len(first) for first, _ in rows)
    for first, second in rows:
        yield line(f"  {first:<{width}}  {second}")


def trial_document(comparison: Comparison, found: Trial) -> bytes:
    """A trial as JSON."""
    axis = found.axis
    document = {
        "schema": TRY_SCHEMA,
        "name": comparison.name,
        "axis": found.question.axis,
        "base": found.base,
        "without": list(found.question.without),
        "only": list(found.question.only),
        "along": [
            {
                "path": readable(axis.edits[at].path),
                "old_start": axis.edits[at].old_start,
                "hunks": [*axis.edits[at].hunks],
            }
            for at in sorted(found.along)
        ],
        "commit": found.commit,
        "tree": found.tree,
        "ref": found.ref,
    }
    return json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"


def corners(comparison: Comparison, found: Corners, view: View) -> Iterator[bytes]:
    """The trees, which to build first, and what each outcome means."""
    lookup = Lookup(comparison, comparison.transitions[-1])
    yield line(ink(view, "meta", lookup.names()) + "   D1 works and D2 fails, you say: two builds tell where to search")
    for number, corner in enumerate((found.upstream, found.forced, found.newer), 1):
        yield line(f"  {number}  {corner.name:<2}  {corner.commit[:SHORT]}  {_what(corner, found)}")
    yield b"\n"
    yield line(f"{ink(view, 'meta', 'build them')}  git worktree add --detach <folder> {found.upstream.ref}")
    yield from _table(outcomes(found))
    yield line("search with  git metadiff bisect start --axis <axis> [--trace <file>]")


def _what(corner: Corner, found: Corners) -> str:
    """A corner in words."""
    older, newer = found.releases
    if corner.name == "U2":
        return f"{newer} without the patch"
    if corner.name == "D2":
        same = " (the same tree as F)" if corner.tree == found.forced.tree else ""
        return f"{newer} with the new patch: fails{same}"
    same = " (nothing was forced: it is P)" if corner.tree == found.ported_tree else ""
    return f"{newer} with the patch of {older}, and what upstream forced its author to change{same}"


def outcomes(found: Corners) -> list[tuple[str, str]]:
    """What the outcomes of the builds mean, in the order of the builds."""
    older, newer = found.releases
    rows = []
    if found.upstream.tree == found.newer.tree:
        return [("U2 is D2", "the new patch changes nothing: search upstream's own history, with git bisect")]
    alone = f"upstream alone does it: git bisect between {older} and {newer}, without any patch"
    rows.append(("U2 fails", alone if older != newer else f"{newer} fails by itself: neither patch is the cause"))
    if found.forced.tree == found.newer.tree:
        interaction = "an interaction of upstream with the patch, as downstream itself changed nothing (F is D2)"
        return [*rows, ("U2 works", f"{interaction}: --axis patchset, then upstream")]
    if found.forced.tree == found.older.tree:
        return [*rows, ("U2 works", "upstream changed nothing (F is D1): --axis downstream")]
    rows.append(
        (
            "U2 works, F fails",
            "an interaction of upstream with the old patch, standing hunks too: bisect start --axis patchset",
        )
    )
    rows.append(("U2 works, F works", "what downstream itself changed: --axis downstream"))
    rows.append(
        (
            "F does not build",
            "nothing is known of it: --axis both, where steps that do not build are skipped",
        )
    )
    return rows


def corners_document(comparison: Comparison, found: Corners) -> bytes:
    """The corners as JSON."""
    each = (found.older, found.upstream, found.forced, found.newer)
    document = {
        "schema": CORNERS_SCHEMA,
        "name": comparison.name,
        "corners": [{"name": one.name, "commit": one.commit, "tree": one.tree, "ref": one.ref} for one in each],
        "outcomes": [{"if": first, "then": second} for first, second in outcomes(found)],
    }
    return json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"
