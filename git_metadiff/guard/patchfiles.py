"""A patch folder before and after, each on the upstream tree that it stands on at that moment.

Only the patches that changed are judged, on the files that they touch: the other patches of the series are cut down to
those files, so that a commit costs what it changes. Where the older patch does not apply any more (upstream was
imported some commits ago), it is taken with the tree of the commit that wrote it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Scratch
from git_metadiff.guard.cutting import Cut, close_names, cut_patch, keep_files, try_cut
from git_metadiff.guard.findings import BLOCK, SPEAK, Finding
from git_metadiff.guard.folders import Held, read_held
from git_metadiff.guard.markers import find_markers
from git_metadiff.guard.matched import Matched, Moment, list_files, match
from git_metadiff.guard.verdicts import Circumstances, judge
from git_metadiff.linemap import Tree


@dataclass(slots=True)
class Outcome:
    """What the comparison of one folder, or of one range, gave."""

    findings: list[Finding] = field(default_factory=list)
    silent: dict[str, int] = field(default_factory=dict)
    base_moved: bool = False
    messages: list[bytes] = field(default_factory=list)  # headers in which a loss may be accepted

    def take(self, other: Outcome) -> None:
        """Add what another comparison gave."""
        self.findings += other.findings
        self.messages += other.messages
        self.base_moved = self.base_moved or other.base_moved
        for word, count in other.silent.items():
            self.silent[word] = self.silent.get(word, 0) + count


@dataclass(frozen=True, slots=True)
class Task:
    """One folder to compare, between two trees."""

    scratch: Scratch
    folder: str
    old_tree: str
    new_tree: str
    given: Circumstances
    head: str = ""  # the commit of the older tree, whose history tells when a patch was written
    merged: str = ""  # the tree of the other side of a merge
    everything: bool = False  # judge every patch where upstream moved, not only those that changed


@dataclass(frozen=True, slots=True)
class Differences:
    """Which patches of a folder differ, by name."""

    old: dict[str, PatchText]
    new: dict[str, PatchText]
    changed: frozenset[str]
    added: frozenset[str]
    gone: frozenset[str]

    @property
    def touched(self) -> frozenset[str]:
        """All of them."""
        return self.changed | self.added | self.gone


def compare_folder(task: Task) -> Outcome:
    """Compare a folder in the two trees of the task."""
    before, after = (read_held(task.scratch, tree, task.folder) for tree in (task.old_tree, task.new_tree))
    found = differences(before, after, read_held(task.scratch, task.merged, task.folder) if task.merged else None)
    outcome = Outcome(plain_findings(task, before, after, found))
    outcome.messages = [header_news(found.old.get(name), found.new[name]) for name in found.changed | found.added]
    bad = {one.patch for one in outcome.findings if one.verdict in ("marker", "unapplied")}
    if not task.everything and not found.touched - bad:
        return outcome
    try:
        outcome.take(compare_patches(task, before, after, found, bad))
    except MetadiffError as error:
        level = task.given.level("unchecked")
        outcome.findings.append(Finding("unchecked", level, task.folder, text=error.message, folder=task.folder))
    return outcome


def differences(before: Held, after: Held, merged: Held | None) -> Differences:
    """Which patches differ; those that come from the other side of a merge as they are do not count."""
    old, new = ({text.name: text for text in held.texts} for held in (before, after))
    changed = {name for name in old.keys() & new.keys() if not same(old[name], new[name])}
    added, gone = new.keys() - old.keys(), old.keys() - new.keys()
    if merged is not None:
        others = {text.name: text for text in merged.texts}
        changed = {name for name in changed if name not in others or not same(others[name], new[name])}
        added = {name for name in added if name not in others or not same(others[name], new[name])}
        gone = {name for name in gone if name in others}
    return Differences(old, new, frozenset(changed), frozenset(added), frozenset(gone))


def same(one: PatchText, other: PatchText) -> bool:
    """Whether two patches are the same text, applied in the same way."""
    return one.data == other.data and one.strip == other.strip


def header_news(old: PatchText | None, new: PatchText) -> bytes:
    """What the header of a patch says that the older one did not."""
    known = set(head_of(old).splitlines()) if old is not None else set()
    return b"\n".join(line for line in head_of(new).splitlines() if line not in known)


def head_of(text: PatchText) -> bytes:
    """The header of a patch."""
    cut = try_cut(text)
    return text.message or (cut.message if cut is not None else b"")


def plain_findings(task: Task, before: Held, after: Held, found: Differences) -> list[Finding]:
    """What the text of series and patches tells by itself."""
    given, findings = task.given, list[Finding]()

    def tell(verdict: str, patch: str, text: str, line: int = 0, lines: tuple[bytes, ...] = ()) -> None:
        path = os.fsencode(f"{task.folder}/{patch}")
        level = given.level(verdict)
        findings.append(Finding(verdict, level, patch, path, line, lines=lines, text=text, folder=task.folder))

    for name in after.missing:
        if name not in before.missing:
            tell("missing", name, f"{task.folder}/series names it")
    twice = [name for name, count in Counter(after.names).items() if count > 1]
    for name in twice:
        if before.names.count(name) < 2:
            tell("applied-twice", name, f"{task.folder}/series names it twice")
    for name in sorted(found.changed | found.added):
        old, new = found.old.get(name), found.new[name]
        markers = find_markers(old.data if old else b"", new.data)
        if markers:
            tell("marker", name, "", markers[0][0], tuple(text for _, text in markers))
            continue
        try:
            cut_patch(new)
        except MetadiffError as error:
            if old is None or try_cut(old) is not None:
                tell("unapplied", name, error.message)
    return findings


def compare_patches(task: Task, before: Held, after: Held, found: Differences, bad: Collection[str]) -> Outcome:
    """Match the patches that differ, and judge them."""
    every = frozenset((*found.old, *found.new)) if task.everything else found.touched
    matched = match_moments(task, before, after, every - frozenset(bad))
    given = replace(task.given, folder=task.folder, gone=found.gone)
    if task.everything and not matched.base_moved:
        every = found.touched
    old = (every & found.old.keys()) - frozenset(bad)
    outcome = Outcome(base_moved=matched.base_moved)
    stale = {name for name, _ in matched.old_rejected if name in old} if not matched.base_moved else set()
    for tree, names in written_at(task, stale).items():
        earlier = replace(task, old_tree=tree)
        older = read_held(task.scratch, tree, task.folder)
        again = match_moments(earlier, older, after, every - frozenset(bad))
        if {name for name, _ in again.old_rejected}.isdisjoint(names):
            old -= names
            outcome.take(judged(again, replace(given, old=names, new=names)))
    outcome.take(judged(matched, replace(given, old=old, new=every & found.new.keys())))
    outcome.findings += unapplied(task, matched, found, every)
    return outcome


def judged(matched: Matched, given: Circumstances) -> Outcome:
    """The findings of one comparison."""
    findings, silent = judge(matched, given)
    return Outcome(findings, silent, matched.base_moved)


def written_at(task: Task, names: Collection[str]) -> dict[str, set[str]]:
    """The trees of the commits that last wrote these patches, each with its patches."""
    found: dict[str, set[str]] = {}
    for name in names if task.head else ():
        commit = task.scratch.text("log", "-1", "--format=%T", task.head, "--", f"{task.folder}/{name}")
        if commit and commit != task.old_tree:
            found.setdefault(commit, set()).add(name)
    return found


def match_moments(task: Task, before: Held, after: Held, names: Collection[str]) -> Matched:
    """Compare both series on the files that these patches touch."""
    old, new = cut_for(before.texts, names), cut_for(after.texts, names)
    chosen = [cut for cut in (*old, *new) if cut.text.name in names]
    files = close_names([*old, *new], {name for cut in chosen for name in cut.names})
    root = find_root(task, files)
    trees = [None, None] if root is None else release_files(task, files, root)
    moments = [
        Moment(label, tuple(keep_files(cuts, files)), tree)
        for label, cuts, tree in zip(("before", "after"), (old, new), trees, strict=True)
    ]
    return match(task.scratch, moments[0], moments[1])


def cut_for(texts: Sequence[PatchText], names: Collection[str]) -> list[Cut]:
    """The patches that touch a file of one of `names`, cut; the others are not even read."""
    chosen = {text.name: cut for text in texts if text.name in names and (cut := try_cut(text)) is not None}
    tails = {name.rpartition(b"/")[2] for cut in chosen.values() for name in cut.names}
    found = []
    for text in texts:
        known = chosen.get(text.name)
        if known is None and any(tail in text.data for tail in tails):
            known = try_cut(text)
        if known is not None:
            found.append(known)
    return found


def find_root(task: Task, names: Collection[bytes]) -> bytes | None:
    """The folder on which the patches apply: that above the patch folder which has most of their files; None: none."""
    parts = task.folder.split("/")
    best, most = None, 0
    for count in range(len(parts)):
        prefix = os.fsencode("/".join([*parts[:count], ""]) if count else "")
        held = max(
            len(list_files(task.scratch, tree, sorted(names), prefix)) for tree in (task.old_tree, task.new_tree)
        )
        if held > most:
            best, most = prefix, held
    return best


def release_files(task: Task, names: Collection[bytes], root: bytes) -> list[Tree | None]:
    """Those files in both releases; where upstream removed one, also what it may have renamed it to."""
    wanted = sorted(names)
    old, new = (list_files(task.scratch, tree, wanted, root) for tree in (task.old_tree, task.new_tree))
    if not old.keys() - new.keys():
        return [old, new]
    fields = task.scratch.run("diff-tree", "-r", "-z", "--raw", "--no-renames", task.old_tree, task.new_tree).split(
        b"\0"
    )
    packaging = os.fsencode(task.folder).split(b"/")[0] + b"/"
    for meta, path in zip(fields[0:-1:2], fields[1::2], strict=False):
        if path.startswith(packaging) or not path.startswith(root):
            continue
        _, mode, _, oid, status = meta.decode("ascii").split(" ")
        if status == "A":
            new[path[len(root) :]] = (mode, oid)
    return [old, new]


def unapplied(task: Task, matched: Matched, found: Differences, names: Collection[str]) -> Iterable[Finding]:
    """What does not apply, of the patches judged.

    It blocks only what this commit did: the patch is in it, its base is not, and nothing before it fails in that file.
    """
    order = [patch.name for patch in matched.new_patches]
    first: dict[bytes, str] = {}  # the first patch that fails, by file
    for name, path in sorted(matched.new_rejected, key=lambda one: order.index(one[0])):
        first.setdefault(path, name)
    for (name, path), text in matched.new_rejected.items():
        if name not in names:
            continue
        mine = name in found.changed | found.added and not matched.base_moved
        held_before = name in found.added or not any(name == one for one, _ in matched.old_rejected)
        loud = mine and first[path] == name and held_before
        level = task.given.level("unapplied", BLOCK if loud else SPEAK)
        yield Finding("unapplied", level, name, path, text=text, folder=task.folder)
