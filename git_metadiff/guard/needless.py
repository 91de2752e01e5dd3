"""Patches that upstream has overtaken: as they were, failing on the new release, because it holds what they do.

Asked only where upstream moved under an unchanged patch of which a hunk does not fit its file any more. What would be
lost if the patch went is what the engine tells of it beside no patches at all: nothing, where all of it is absorbed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping

from git_metadiff.apply import PatchText
from git_metadiff.git import CatFile
from git_metadiff.guard.cutting import Cut, close_names, keep_files, try_cut
from git_metadiff.guard.findings import Finding
from git_metadiff.guard.folders import read_held
from git_metadiff.guard.matched import Moment, match
from git_metadiff.guard.patchfiles import Task, find_root, release_files
from git_metadiff.guard.verdicts import ANSWERED
from git_metadiff.hunks import Scanner
from git_metadiff.linemap import Tree
from git_metadiff.series import UPSTREAM_COMMIT

#: The file that a section of a patch changes.
NAMED = re.compile(rb"^(?:---|\+\+\+) (?:[^\t\n]*/)?([^/\t\n]+)", re.MULTILINE)
WORDS = "does not apply as it is, and upstream holds what it does: this patch can go"


def find_needless(task: Task) -> list[Finding]:
    """The unchanged patches of a folder that fail because upstream holds all that they do; one finding each."""
    moved = moved_files(task)
    if not moved:
        return []
    tails = {path.rpartition(b"/")[2] for path in moved}
    before, after = (read_held(task.scratch, tree, task.folder) for tree in (task.old_tree, task.new_tree))
    new = {text.name: text.data for text in after.texts}
    same = [text for text in before.texts if new.get(text.name) == text.data]
    cuts = [cut for text in same if touches(text, tails) and (cut := try_cut(text)) is not None]
    root = find_root(task, {name for cut in cuts for name in cut.names}) if cuts else None
    if root is None:
        return []
    cuts = [cut for cut in cuts if not moved.isdisjoint(root + name for name in cut.names)]
    files = close_names(cuts, {name for cut in cuts for name in cut.names})
    old_files, new_files = release_files(task, files, root)
    contents = read_files(task, new_files or {}, files)
    failing = [cut for cut in cuts if fails(cut, contents)]
    return [finding_of(task, *pair) for pair in absorbed(task, failing, (old_files, new_files))]


def moved_files(task: Task) -> set[bytes]:
    """The files that differ between both trees, beside the patches themselves."""
    out = task.scratch.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", task.old_tree, task.new_tree)
    own = os.fsencode(f"{task.folder}/")
    return {path for path in out.split(b"\0") if path and not path.startswith(own)}


def touches(text: PatchText, tails: Collection[bytes]) -> bool:
    """Whether a patch changes a file of one of these names, wherever it is."""
    return any(match[1].rstrip(b"\r") in tails for match in NAMED.finditer(text.data))


def read_files(task: Task, tree: Tree, names: Collection[bytes]) -> dict[bytes, bytes]:
    """The contents of those files that the tree has, each with a newline before its first line."""
    wanted = {name: tree[name][1] for name in sorted(names) if name in tree and tree[name][0] != "160000"}
    with CatFile(task.scratch) as reader:
        texts = list(reader.read_many(list(wanted.values())))
    return {name: b"\n" + text for name, text in zip(wanted, texts, strict=True)}


def fails(cut: Cut, contents: Mapping[bytes, bytes]) -> bool:
    """Whether a file does not hold the old lines of some hunk, wherever they may be."""
    for names, data in cut.sections:
        texts = [contents[name] for name in names if name in contents]
        for hunk in (hunk for file in Scanner(data, cut.text.name).scan() for hunk in file.hunks):
            old = b"".join(b"\n" + line[1:] for line in hunk.body if line[:1] in (b" ", b"-"))
            if not any(old in text for text in texts):
                return True
    return False


def absorbed(task: Task, cuts: list[Cut], trees: tuple[Tree | None, Tree | None]) -> list[tuple[str, int]]:
    """The names of those patches of which upstream holds every change, and how many hunks they have."""
    if not cuts:
        return []
    texts = tuple(keep_files(cuts, {name for cut in cuts for name in cut.names}))
    found = match(task.scratch, Moment("before", texts, trees[0]), Moment("after", (), trees[1]))
    rejected = {name for name, _ in found.old_rejected}
    hunks: dict[int, int] = {}
    lacking: set[int] = set()
    for hunk in found.old:
        told = [verdict for verdict in found.fates[hunk.id] if verdict.reason not in ANSWERED]
        hunks[hunk.patch] = hunks.get(hunk.patch, 0) + bool(told)
        # The word of a header is believed of a patch that somebody took out, and of no other.
        if any(verdict.word != "absorbed" or verdict.reason == UPSTREAM_COMMIT for verdict in told):
            lacking.add(hunk.patch)
    names = {patch.index: patch.name for patch in found.old_patches}
    return [
        (names[at], count) for at, count in hunks.items() if count and at not in lacking and names[at] not in rejected
    ]


def finding_of(task: Task, name: str, count: int) -> Finding:
    """The one line of such a patch."""
    return Finding("absorbed", task.given.level("absorbed"), name, count=count, text=WORDS, folder=task.folder)
