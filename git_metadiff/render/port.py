"""What a forward port gave: patch by patch what was placed, and what has no place and why.

The JSON document `git-metadiff-port/1` (data/port.schema.json) is only ever added to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from git_metadiff.forward import CarriedPatch, ChangeFate, ForwardPort, HunkFate
from git_metadiff.forward.words import BESIDE, TWICE
from git_metadiff.model import Hunk, UpstreamCommit
from git_metadiff.render.paint import ink, line, plural, quoted, readable
from git_metadiff.render.view import View

SCHEMA = "git-metadiff-port/1"
#: So many rejected hunks of one patch are named.
MOST_HUNKS = 12
SHORT = 12
#: So many absorbed hunks of one patch are named.
MOST_HELD = 3
#: Results in the order of the head line, and how people call them.
WORDS = {
    "placed": "placed",
    "refreshed": "refreshed",
    "partial": "placed in part",
    "absorbed": "absorbed",
    "void": "without effect",
    "rejected": "not placed",
}
#: The patches that are shown, by result.
TITLES = {
    "not placed, or in part": ("rejected", "partial"),
    "absorbed": ("absorbed",),
    "without effect": ("void",),
}
#: Placed changes that a person should look at, by reason.
DOUBTS = {
    TWICE: "placed, and upstream brought the same lines elsewhere",
    BESIDE: "placed beside lines that upstream put into the same place",
}
SLOTS = {"placed": "ok", "refreshed": "ok", "absorbed": "upstream", "rejected": "warn", "partial": "warn"}


def carried(result: ForwardPort, folder: str, view: View) -> Iterator[bytes]:
    """The summary for a person."""
    yield from head(result, folder, view)
    for title, results in TITLES.items():
        some = [patch for patch in result.patches if patch.result in results]
        if some:
            yield b"\n"
            yield line(f"{title}: {patches(len(some))}")
        for patch in some:
            yield from one_patch(patch, view)
    yield from doubtful(result, view)
    rest = [patch for patch in result.patches if patch.result in ("placed", "refreshed")]
    if rest and view.everything:
        yield b"\n"
        for patch in rest:
            yield from one_patch(patch, view)
    yield from last_words(result, rest, view)


def doubtful(result: ForwardPort, view: View) -> Iterator[bytes]:
    """What is placed, and a person should see whether it is right."""
    for reason, title in DOUBTS.items():
        found = [
            (patch, fate, change.upstream)
            for patch in result.patches
            for fate in patch.hunks
            for change in fate.changes
            if change.reason == reason and change.upstream is not None
        ]
        if found:
            yield b"\n"
            yield line(f"{title}: {plural(len(found), 'change')}")
        for patch, fate, spot in found if view.everything else found[:MOST_HUNKS]:
            name = ink(view, "warn", printable(patch.name))
            yield line(f"  {name}   {spotted(fate.hunk)}  {fate.hunk.id}  {quoted(spot.path)}:{spot.line}")
        if len(found) > MOST_HUNKS and not view.everything:
            yield line(f"  ... and {len(found) - MOST_HUNKS} more (--all names them)")


def head(result: ForwardPort, folder: str, view: View) -> Iterator[bytes]:
    """What was carried where, with the counts of hunks and patches."""
    fates = [fate for patch in result.patches for fate in patch.hunks]
    title = ink(view, "meta", f"{result.patchset}: {result.old} -> {result.new}")
    missing = sum(patch.missing for patch in result.patches)
    left = f", {missing} left out" if missing else ""
    yield line(
        f"{title}   {plural(len(fates) + missing, 'hunk')}: {counts(fates)}{left}   {ink(view, 'ok', 'certificate ok')}"
    )
    written = sum(patch.file is not None for patch in result.patches)
    rejects = sum(patch.rejects is not None for patch in result.patches)
    also = f", and {rejects} .rej of what has no place" if rejects else ""
    yield line(f"  {written} of {patches(len(result.patches))} written to {printable(folder)}{also}")


def counts(fates: Sequence[HunkFate]) -> str:
    """`12 placed, 3 refreshed`."""
    found = Counter(fate.result for fate in fates)
    return ", ".join(f"{found[result]} {word}" for result, word in WORDS.items() if found[result]) or "none"


def one_patch(patch: CarriedPatch, view: View) -> Iterator[bytes]:
    """A patch, and each of its hunks that a person must look at."""
    name = ink(view, SLOTS.get(patch.result, ""), printable(patch.name))
    where = f"   {printable(patch.rejects)}" if patch.rejects else ""
    left = f", {patch.missing} did not apply to the old release" if patch.missing else ""
    yield line(f"  {name}   {counts(patch.hunks)}{left}{where}")
    if patch.result in ("absorbed", "void"):
        for commit in named_commits(patch.hunks):
            yield line(f"      {commit}")
    rejected = [fate for fate in patch.hunks if fate.result in ("rejected", "partial")]
    for fate in rejected if view.everything else rejected[:MOST_HUNKS]:
        yield from one_hunk(fate)
    if len(rejected) > MOST_HUNKS and not view.everything:
        yield line(f"      ... and {len(rejected) - MOST_HUNKS} more in {printable(patch.rejects or '')}")
    if view.everything or patch.result == "absorbed":
        held = [fate for fate in patch.hunks if fate.result == "absorbed"]
        for fate in held if view.everything else held[:MOST_HELD]:
            yield line(f"      {spotted(fate.hunk)}  {fate.hunk.id}  in the new release{held_at(fate)}")
        if len(held) > MOST_HELD and not view.everything:
            yield line(f"      ... and {plural(len(held) - MOST_HELD, 'hunk')} more (--all names them)")


def one_hunk(fate: HunkFate) -> Iterator[bytes]:
    """A hunk that has no place, with the reason and the commit."""
    lost = [change for change in fate.changes if change.result == "rejected"]
    part = f" {len(lost)} of {len(fate.changes)} changes:" if len(lost) < len(fate.changes) else ""
    reasons = "; ".join(dict.fromkeys(change.text or change.reason or "" for change in lost))
    yield line(f"      {spotted(fate.hunk)}  {fate.hunk.id} {part} {reasons}".rstrip())
    for commit in fate.commits[:2]:
        yield line(f"          {told(commit)}")


def spotted(hunk: Hunk) -> str:
    """`path:line`, of the old release; a file that is made, or has no lines, is named alone."""
    return quoted(hunk.path) + (f":{hunk.old_start}" if hunk.old_start else "")


def held_at(fate: HunkFate) -> str:
    """` at path:line, path:line`: where upstream holds what a hunk does."""
    spots = [change.upstream for change in fate.changes if change.upstream is not None]
    told = dict.fromkeys(quoted(one.path) + (f":{one.line}" if one.line else "") for one in spots)
    return f" at {', '.join(told)}" if told else ""


def named_commits(fates: Sequence[HunkFate]) -> list[str]:
    """The commits that took a patch in, each once."""
    return list(dict.fromkeys(told(commit) for fate in fates for commit in fate.commits if commit.kind == "absorbed"))


def told(commit: UpstreamCommit) -> str:
    """A commit in a line."""
    return f'{commit.commit[:SHORT]} "{printable(commit.subject)}"' + (f" ({commit.tag})" if commit.tag else "")


def last_words(result: ForwardPort, rest: Sequence[CarriedPatch], view: View) -> Iterator[bytes]:
    """What is not shown, and what to do next."""
    yield b"\n"
    if rest and not view.everything:
        kept = sum(patch.result == "placed" for patch in rest)
        yield line(f"placed: {patches(kept)} with their own lines, {len(rest) - kept} refreshed (--all names them)")
    if result.beyond:
        some = plural(result.beyond, "hunk")
        yield line(f"{some} placed patch by patch: for what the series as a whole makes there, upstream left no place")
    if result.missing and any(
        fate.result in ("rejected", "partial", "absorbed") for one in result.patches for fate in one.hunks
    ):
        yield line(f"upstream commits are not named: {result.missing}")
    if not result.complete:
        yield line(f"hint: git metadiff show --name {result.name} <hunk> explains why a hunk has no place")


def patches(number: int) -> str:
    """`1 patch`, `2 patches`."""
    return f"{number} patch" + "es" * (number != 1)


def printable(text: str) -> str:
    """A name without terminal escapes."""
    return "".join(char if char.isprintable() or "\udc80" <= char <= "\udcff" else "?" for char in text)


# The document


def carried_document(result: ForwardPort, folder: str) -> bytes:
    """Everything, as JSON."""
    fates = Counter(fate.result for patch in result.patches for fate in patch.hunks)
    data = {
        "schema": SCHEMA,
        "name": result.name,
        "releases": [result.old, result.new],
        "patchset": result.patchset,
        "folder": folder,
        "ported_tree": result.tree,
        "complete": result.complete,
        "missing": result.missing or None,
        "beyond": result.beyond,
        "counts": {word: fates[word] for word in WORDS},
        "patches": [patch_row(index, patch) for index, patch in enumerate(result.patches)],
    }
    text = json.dumps(data, ensure_ascii=True, indent=1, sort_keys=False)
    return text.encode() + b"\n"


def patch_row(index: int, patch: CarriedPatch) -> dict[str, Any]:
    """One patch of the document."""
    return {
        "index": index,
        "name": patch.name,
        "result": patch.result,
        "file": patch.file,
        "rejects": patch.rejects,
        "left_out": patch.missing,
        "hunks": [hunk_row(fate) for fate in patch.hunks],
    }


def hunk_row(fate: HunkFate) -> dict[str, Any]:
    """One hunk of the document."""
    return {
        "id": fate.hunk.id,
        "path": readable(fate.hunk.path),
        "new_path": None if fate.path is None else readable(fate.path),
        "old_start": fate.hunk.old_start,
        "result": fate.result,
        "verbatim": fate.verbatim,
        "changes": [change_row(one) for one in fate.changes],
        "commits": [
            {"kind": one.kind, "commit": one.commit, "subject": one.subject, "tag": one.tag or None}
            for one in fate.commits
        ],
    }


def change_row(one: ChangeFate) -> dict[str, Any]:
    """One change of the document."""
    spot = one.upstream
    return {
        "result": one.result,
        "reason": one.reason,
        "text": one.text,
        "upstream": None if spot is None else {"path": readable(spot.path), "line": spot.line or None},
    }
