"""What the guard compares on each occasion: what is staged, a commit at which a rebase stopped, a finished rebase, a
merge request. Each gives a `Report`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git, Scratch
from git_metadiff.guard.accept import accept, read_trailers
from git_metadiff.guard.commits import compare_texts, lies_in, range_texts, tree_text
from git_metadiff.guard.findings import BLOCK, SILENT, Finding, Report, order_of
from git_metadiff.guard.folders import LIKELY, LISTINGS, PLAIN, SERIES, folders_of
from git_metadiff.guard.needless import find_needless
from git_metadiff.guard.patchfiles import Outcome, Task, compare_folder
from git_metadiff.guard.repository import State, attempted, rebased_range
from git_metadiff.guard.verdicts import Circumstances
from git_metadiff.sources.patchset import PATCH_NAME

NO_UPSTREAM = "name the upstream branch: git config metadiff.guard.upstream origin/master; or give --from and --to"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user has configured."""

    patches: tuple[str, ...] = ()  # `metadiff.guard.patches`: folders of patches
    upstream: str = ""  # `metadiff.guard.upstream`: what the downstream commits stand on
    levels: Mapping[str, str] = field(default_factory=dict)  # verdict -> level


@dataclass(frozen=True, slots=True)
class Guard:
    """The repository that is looked at, and how."""

    scratch: Scratch
    user: Git
    state: State
    settings: Settings
    values: tuple[str, ...] = ()  # trailers that are known already

    @property
    def given(self) -> Circumstances:
        """The circumstances as the state of the repository tells them."""
        return Circumstances(rebase=self.state.is_rebase, levels=self.settings.levels)


def staged_tree(scratch: Scratch, index: Path) -> str:
    """The tree of what is staged. The index is copied: git would write into it."""
    copy = scratch.index("staged")
    try:
        shutil.copyfile(index, copy)
        for shared in index.parent.glob("sharedindex.*"):
            shutil.copyfile(shared, scratch.git_dir / shared.name)
    except FileNotFoundError:
        return scratch.text("mktree")
    return scratch.text("write-tree", "--missing-ok", index=copy)


def look_at_folder(task: Task) -> Outcome:
    """What became of a folder's patches, and which of those that stayed as they were can go now."""
    outcome = compare_folder(task)
    needless = {one.patch: one for one in find_needless(task)}
    told = {one.patch for one in outcome.findings if one.verdict == "absorbed"}
    outcome.findings = [
        one for one in outcome.findings if one.verdict != "unapplied" or one.level == BLOCK or one.patch not in needless
    ]
    outcome.findings += [one for name, one in needless.items() if one.level != SILENT and name not in told]
    outcome.base_moved = outcome.base_moved or bool(needless)
    return outcome


def check_staged(guard: Guard, index: Path, *, every: bool = False) -> Report:
    """What the coming commit does: HEAD against the index, and the commit at which git has stopped, if it has.

    With `every` folder of patches is looked at, also where upstream alone moved.
    """
    head = guard.user.resolve("HEAD")
    if head is None:
        return Report("patches", "the first commit")
    tree = guard.user.resolve("HEAD", "tree") or ""
    new = staged_tree(guard.scratch, index)
    folders = find_folders(guard, tree, new)
    if every:
        folders = list(dict.fromkeys([*folders, *all_folders(guard, [new])]))
    outcome = Outcome()
    for folder in folders:
        merged = guard.user.resolve(guard.state.merged, "tree") or "" if guard.state.merged else ""
        outcome.take(look_at_folder(Task(guard.scratch, folder, tree, new, guard.given, head, merged)))
    original = guard.state.original
    if original and guard.state.operation in ("rebase", "cherry-pick"):
        outcome.take(check_resolution(guard, original, head, new, folders))
    elif guard.state.operation == "am":
        outcome.take(check_mail(guard, tree, new, b"", replace(guard.given, resolution=True), folders))
    kind = "patches" if folders else "commits"
    return report(kind, "HEAD and what is staged", outcome, guard.values)


def check_resolution(guard: Guard, original: str, head: str, new: str, folders: Sequence[str]) -> Outcome:
    """The commit at which git has stopped, against what is to be committed in its place."""
    scratch, edit = guard.scratch, guard.state.edit
    base = head
    if edit:
        edit = guard.user.resolve(edit) or edit
        if head != edit:  # the commit is being split, or more commits follow: the end of the rebase tells
            return Outcome()
        base = guard.user.resolve(f"{edit}^") or ""
    before, after = parent_tree(scratch, original), parent_tree(scratch, base, itself=True)
    message = scratch.run("log", "-1", "--format=%B", original)
    name = guard.user.resolve(original) or original
    old, fresh = (
        tree_text(scratch, before, f"{original}^{{tree}}", name, message),
        tree_text(scratch, after, new, name, message),
    )
    given = replace(guard.given, resolution=not edit)
    outcome = compare_texts(scratch, (before, old), (after, fresh), given, folders)
    outcome.messages = []  # the old message says nothing of this commit
    return outcome


def parent_tree(git: Git, commit: str, *, itself: bool = False) -> str:
    """The tree of a commit's parent, or of itself; the empty tree where there is none."""
    name = commit if itself else f"{commit}^"
    found = git.resolve(name, "tree") if name else None
    return found or git.text("mktree")


def check_rewritten(guard: Guard, rewritten: Mapping[str, str]) -> Report | None:
    """A finished rebase: the old range against the new one; None where git does not tell what it was."""
    known = rebased_range(guard.user, guard.state, dict(rewritten))
    if known is None:
        return None
    base, tip, onto = known
    folder = guard.state.folder
    # A commit of which a resolution leaves nothing counts as made anew, though there is none; one that was skipped not.
    lost = attempted(folder) & set(rewritten) if folder is not None else set()
    title = f"{short(tip)} rebased onto {short(onto)}"
    ranges = (base, tip), (onto, guard.user.resolve("HEAD") or "HEAD")
    return check_ranges(guard, *ranges, title=title, tried=lost)


def check_ranges(
    guard: Guard, old: tuple[str, str], new: tuple[str, str], *, title: str = "", tried: Iterable[str] = ()
) -> Report:
    """Two ranges of commits, each with the commit that it stands on; `tried` are old
    commits that were not left out on purpose."""
    scratch = guard.scratch
    texts = [range_texts(scratch, *ends) for ends in (old, new)]
    trees = [scratch.text("rev-parse", f"{base}^{{tree}}") for base, _ in (old, new)]
    given = replace(guard.given, rebase=True)
    folders = find_folders(guard, *(scratch.text("rev-parse", f"{tip}^{{tree}}") for _, tip in (old, new)))
    outcome = compare_texts(scratch, (trees[0], texts[0]), (trees[1], texts[1]), given, folders)
    names = {text.name: text.subject for text in texts[0]}
    lost = {names.get(commit[:12]) for commit in tried}
    outcome.findings = [as_lost(one, given) if one.patch in lost else one for one in outcome.findings]
    title = title or f"{short(old[0])}..{short(old[1])} and {short(new[0])}..{short(new[1])}"
    return report("commits", title, outcome, guard.values)


def as_lost(one: Finding, given: Circumstances) -> Finding:
    """A commit that was picked and of which nothing is left was lost in its conflict, not taken out."""
    if one.verdict != "removed":
        return one
    return replace(
        one, verdict="resolution", level=given.level("resolution"), text=f"nothing of it is left; {one.text}"
    )


def check_review(guard: Guard, base: str, head: str) -> Report:
    """A merge request: every patch folder in both trees, or else the commits on top of the configured upstream."""
    trees = [guard.scratch.text("rev-parse", f"{commit}^{{tree}}") for commit in (base, head)]
    folders = all_folders(guard, trees)
    values = (*guard.values, *trailers_between(guard, base, head))
    guard = replace(guard, values=values)
    title = f"{short(base)} and {short(head)}"
    if not folders:
        return replace(check_upstream(guard, base, head), title=title)
    outcome = Outcome()
    for folder in folders:
        outcome.take(
            look_at_folder(Task(guard.scratch, folder, trees[0], trees[1], guard.given, base, everything=True))
        )
    return report("patches", title, outcome, guard.values)


def check_upstream(guard: Guard, base: str, head: str) -> Report:
    """The commits of both revisions on top of what `metadiff.guard.upstream` names."""
    upstream = guard.settings.upstream
    if not upstream:
        raise MetadiffError("there is no patch folder in these trees, and no upstream is configured", NO_UPSTREAM)
    named = guard.user.resolve(upstream)
    if named is None:
        raise MetadiffError(f"metadiff.guard.upstream: '{upstream}' is no revision", NO_UPSTREAM)
    ranges = []
    for tip in (base, head):
        fork = guard.user.try_run("merge-base", named, tip)
        if fork.status != 0:
            raise MetadiffError(f"'{upstream}' and {short(tip)} share no history", NO_UPSTREAM)
        ranges.append((fork.out.decode().strip(), tip))
    return check_ranges(guard, ranges[0], ranges[1])


def trailers_between(guard: Guard, base: str, head: str) -> list[str]:
    """What the commits of a merge request accept."""
    return read_trailers(guard.scratch.run("log", "--format=%B", f"{base}..{head}"))


def find_folders(guard: Guard, old: str, new: str) -> list[str]:
    """The patch folders in which two trees differ."""
    out = guard.scratch.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)

    def there(name: str) -> bool:
        return any(guard.scratch.has(f"{tree}:{name}") for tree in (old, new))

    def has_patches(folder: str) -> bool:
        trees = [f"{tree}:{folder}" for tree in (old, new)]
        known = [guard.scratch.try_run("ls-tree", "-z", "--name-only", tree).out for tree in trees]
        return any(PATCH_NAME.fullmatch(os.fsdecode(name)) for names in known for name in names.split(b"\0"))

    return folders_of([path for path in out.split(b"\0") if path], guard.settings.patches, there, has_patches)


def all_folders(guard: Guard, trees: Sequence[str]) -> list[str]:
    """Every patch folder of some trees: those configured, or those that have a list or look like OpenWrt's."""
    names = {
        os.fsdecode(path)
        for tree in trees
        for path in guard.scratch.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", tree).split(b"\0")
    }
    if guard.settings.patches:
        return [one for one in guard.settings.patches if any(name.startswith(f"{one}/") for name in names)]
    holders = {name.rpartition("/")[0] for name in names if PATCH_NAME.fullmatch(name)}
    listed = {
        folder
        for folder, _, name in (name.rpartition("/") for name in names)
        if (name in LISTINGS and LIKELY.search(folder.rpartition("/")[2]))
        or (name == SERIES and folder and folder in holders)
    }
    plain = {
        folder
        for folder, _, name in (name.rpartition("/") for name in names)
        if PATCH_NAME.fullmatch(name) and PLAIN.fullmatch(folder.rpartition("/")[2])
    }
    below = [os.fsencode(one) for one in plain]
    return sorted(listed | {os.fsdecode(one) for one in below if not lies_in(one + b"/", sorted(listed))})


def report(kind: str, title: str, outcome: Outcome, values: Sequence[str]) -> Report:
    """The report of an outcome; what a new header or a known trailer accepts is marked."""
    known = [*values, *(value for message in outcome.messages for value in read_trailers(message))]
    findings = accept(dict.fromkeys(outcome.findings), known)
    return Report(kind, title, outcome.base_moved, tuple(sorted(findings, key=order_of)), outcome.silent)


def short(name: str) -> str:
    """A commit's id, abbreviated."""
    return name[:12]


def check_applied(guard: Guard) -> Report:
    """The mail that `am` has just applied, against the commit that it made."""
    head = guard.user.resolve("HEAD") or ""
    before, after = parent_tree(guard.scratch, head), parent_tree(guard.scratch, head, itself=True)
    message = guard.scratch.run("log", "-1", "--format=%B", head)
    outcome = check_mail(guard, before, after, message, replace(guard.given, rebase=True), ())
    return report("commits", "the mail and its commit", outcome, guard.values)


def check_mail(
    guard: Guard, before: str, after: str, message: bytes, given: Circumstances, folders: Sequence[str]
) -> Outcome:
    """The mail that `am` is at, against the step from one tree to another that it has become."""
    scratch, folder = guard.scratch, guard.state.folder
    patch = folder / "patch" if folder is not None else None
    if folder is None or patch is None or not patch.is_file():
        return Outcome()
    message = message or (folder / "final-commit").read_bytes()
    subject = message.decode("utf-8", "replace").partition("\n")[0]
    text = PatchText("mail", patch.read_bytes(), 1, subject, message)
    old = mail_base(scratch, folder / "patch-merge-index", text.data) or before
    outcome = compare_texts(
        scratch, (old, [text]), (before, tree_text(scratch, before, after, "mail", message)), given, folders
    )
    outcome.messages = []
    return outcome


def mail_base(scratch: Scratch, index: Path, patch: bytes) -> str | None:
    """The tree that a mail was made on, as far as it changes it; None where no three-way merge needed it.

    git keeps an index of it, to which it has applied the mail already: so that is taken back.
    """
    if not index.is_file():
        return None
    copy = scratch.index("mail")
    shutil.copyfile(index, copy)
    taken_back = scratch.try_run("apply", "--cached", "-R", "--whitespace=nowarn", "-", stdin=patch, index=copy)
    return scratch.text("write-tree", "--missing-ok", index=copy) if taken_back.status == 0 else None
