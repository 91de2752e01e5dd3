"""What is under way in a repository: a rebase, a pick, a merge; told by the files that git keeps for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from git_metadiff.git.process import Git


@dataclass(frozen=True, slots=True)
class State:
    """What git is in the middle of."""

    operation: str = ""  # `rebase`, `am`, `cherry-pick`, `revert`, `merge`, `bisect`, or nothing
    folder: Path | None = None  # where git keeps the state of a rebase or am
    original: str = ""  # the commit whose change is being made anew, where git has stopped at it
    edit: str = ""  # the commit that a rebase made before it stopped for an edit
    onto: str = ""  # of a rebase
    merged: str = ""  # the other side of a merge

    @property
    def is_rebase(self) -> bool:
        """Whether commits are being made anew on another base."""
        return self.operation in ("rebase", "am", "cherry-pick")


def read_state(git_dir: Path) -> State:
    """Find out what is under way; no process is started."""
    merge, apply = git_dir / "rebase-merge", git_dir / "rebase-apply"
    if merge.is_dir():
        return State("rebase", merge, word(merge / "stopped-sha"), word(merge / "amend"), word(merge / "onto"))
    if apply.is_dir():
        original = word(apply / "original-commit")
        operation = "rebase" if (apply / "rebasing").exists() else "am"
        return State(operation, apply, original, "", word(apply / "onto"))
    for name, operation in (("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert")):
        if picked := word(git_dir / name):
            return State(operation, None, picked if operation == "cherry-pick" else "")
    if merged := word(git_dir / "MERGE_HEAD"):
        return State("merge", merged=merged)
    return State("bisect" if (git_dir / "BISECT_LOG").exists() else "")


def word(path: Path) -> str:
    """The first word of a small file; empty if it is not there."""
    try:
        return path.read_bytes()[:256].decode("ascii", "replace").partition("\n")[0].strip()
    except OSError:
        return ""


def rebased_range(git: Git, state: State, rewritten: dict[str, str]) -> tuple[str, str, str] | None:
    """The old range of a finished rebase and its new base: (old base, old tip, onto); None where git does not tell.

    The old base is the parent of the first commit that the rebase was to make anew: the branch that the user named is
    written nowhere, and the merge base is another one under `--onto`.
    """
    if state.folder is None:
        return None
    first = first_commit(state.folder) or next(iter(rewritten), "")
    tip, onto = word(state.folder / "orig-head"), state.onto
    if rewritten and not (tip and onto):
        tip, onto = unwritten_ends(git, first, rewritten)
    if not (tip and onto and first):
        return None
    old = git.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{first}^")
    return (old.out.decode().strip(), git.resolve(tip) or tip, git.resolve(onto) or onto) if old.status == 0 else None


def unwritten_ends(git: Git, first: str, rewritten: dict[str, str]) -> tuple[str, str]:
    """The old tip and the new base of a rebase by `am` that never stopped: git writes them down only when it stops.

    ORIG_HEAD is the tip, unless it is some other commit; the first commit that was made stands on the new base.
    """
    tip, last = git.resolve("ORIG_HEAD"), list(rewritten)[-1]
    known = git.try_run("rev-list", f"{first}^..{tip}") if tip else None
    whole = known is not None and known.status == 0 and set(rewritten) <= set(known.out.decode("ascii").split())
    return tip if tip and whole else last, git.resolve(f"{next(iter(rewritten.values()))}^") or ""


def attempted(folder: Path) -> set[str]:
    """The commits that a rebase got to, to make them anew; one that its list drops is none of them."""
    try:
        lines = (folder / "done").read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    words = [line.split() for line in lines]
    return {one[1] for one in words if len(one) > 1 and one[0] not in ("drop", "d", "exec", "x", "#")}


def first_commit(folder: Path) -> str:
    """The first commit that a rebase was to make anew, by its list of things to do, or by its first mail."""
    for name in ("git-rebase-todo.backup", "done"):
        try:
            lines = (folder / name).read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 1 and words[0] in ("pick", "p", "edit", "e", "reword", "r"):
                return words[1]
    mail = word(folder / "0001").split()
    return mail[1] if mail[:1] == ["From"] and len(mail) > 1 else ""
