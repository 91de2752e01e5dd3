"""Work trees: the only code that changes one, for a bisection that the user has asked for.

Nothing of the user's is ever overwritten: a tree with local changes is refused, and git itself refuses to replace
untracked and ignored files. Hooks and filters do not run, here as everywhere. Files that two points have in common are
not touched, so they keep their times and an incremental build stays incremental.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from git_metadiff.errors import MetadiffError
from git_metadiff.git.failures import GitResult, git_failed, write_failed
from git_metadiff.git.process import Git

#: What git leaves in its folder while something else is under way -> what that is.
UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase or an am",
    "BISECT_LOG": "a bisection of git's own",
}


class Head(NamedTuple):
    """Where a work tree stands."""

    commit: str
    branch: str | None  # its full ref; None: detached


class WorkTree(Git):
    """git in one work tree, sealed as everywhere."""

    def __init__(self, git_dir: Path, top: Path, environ: Mapping[str, str]) -> None:
        super().__init__(git_dir, environ)
        self.top = self.folder = Path(os.path.abspath(top))
        self.environ["GIT_WORK_TREE"] = str(self.top)

    def head(self) -> Head:
        """Where it stands."""
        commit = self.resolve("HEAD")
        if commit is None:
            raise MetadiffError("this work tree has no commit yet", "give --worktree <folder> for the trees to test")
        branch = self.try_run("symbolic-ref", "-q", "HEAD")
        return Head(commit, os.fsdecode(branch.out).strip() if branch.status == 0 else None)

    def check_clean(self) -> None:
        """Raise MetadiffError if something would be lost or confused by a checkout."""
        for name, what in UNDER_WAY.items():
            if (self.git_dir / name).exists():
                raise MetadiffError(
                    f"{what} is under way in {self.top}", "finish it first, or give --worktree <folder>"
                )
        changed = self.changes()
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise MetadiffError(
                f"{self.top} has local changes: {os.fsdecode(changed[0])}{more}",
                "commit or stash them, or give --worktree <folder> for the trees to test",
            )

    def changes(self) -> list[bytes]:
        """The tracked files that differ from HEAD."""
        status = self.run("status", "--porcelain", "-z", "--no-renames", "-uno", "--ignore-submodules=all")
        return [record[3:] for record in status.split(b"\0") if record]

    def check_out(self, commit: str, *, force: bool = False) -> None:
        """Check out a commit with a detached HEAD; `force` overwrites what was changed meanwhile."""
        how = "--force" if force else "--no-overwrite-ignore"
        result = self.try_run("checkout", "-q", "--detach", how, commit, "--")
        if result.status != 0:
            raise self._refused(result)

    def go_back(self, head: Head, *, force: bool = False) -> None:
        """Check out where it stood before; a branch as it is now, if it still is there."""
        commit = (self.ref(head.branch) if head.branch else None) or head.commit
        self.check_out(commit, force=force)
        if head.branch and self.ref(head.branch) is not None:
            self.run("symbolic-ref", "-m", "git metadiff bisect: back", "HEAD", head.branch)

    def _refused(self, result: GitResult) -> MetadiffError:
        words = result.err.decode("utf-8", "replace")
        if "would be overwritten" in words or "would be removed" in words:
            names = [line.strip() for line in words.splitlines() if line.startswith("\t")]
            named = f": {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
            return MetadiffError(
                f"files in {self.top} would be overwritten{named}",
                "commit, move or remove them, then go on; nothing was changed",
            )
        if "File exists" in words:
            hint = "another git process holds this lock, or left it behind: wait, or remove it"
            return MetadiffError(f"git checkout: {result.complaint()}", hint)
        return git_failed(self.git_dir, ["checkout"], result)


def open_work_tree(folder: Path, user: Git) -> WorkTree | None:
    """The work tree of the user's repository whose top is `folder`; None if nothing but an empty folder is there."""
    mark = folder / ".git"
    try:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return None
        git_dir = mark if mark.is_dir() else folder / linked(mark.read_bytes())
        found = WorkTree(git_dir, folder, user.outer)
        if found.common_dir == user.common_dir.resolve():
            return found
    except (OSError, ValueError, MetadiffError) as error:
        raise foreign(folder) from error
    raise foreign(folder)


def linked(content: bytes) -> Path:
    """The git folder that the file `.git` of a linked work tree names."""
    head, found, path = content.rstrip(b"\n").partition(b"gitdir: ")
    if head or not found:
        raise ValueError("no link")
    return Path(os.fsdecode(path))


def foreign(folder: Path) -> MetadiffError:
    """The error for a folder that is something else."""
    return MetadiffError(
        f"{folder} is not empty, and no work tree of this repository",
        "give --worktree an empty or new folder, or one made by 'git worktree add'",
    )


def add_work_tree(folder: Path, commit: str, user: Git) -> WorkTree:
    """Make a linked work tree in a new or empty folder. Nothing is checked out there yet."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_failed(folder.parent, error) from error
    result = user.try_run("worktree", "add", "-q", "-f", "--detach", "--no-checkout", str(folder), commit)
    if result.status != 0:
        raise MetadiffError(f"cannot make a work tree in {folder}: {result.complaint()}", "give another --worktree")
    made = open_work_tree(folder, user)
    if made is None:
        raise foreign(folder)
    return made
