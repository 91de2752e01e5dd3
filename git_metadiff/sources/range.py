"""A range A..B of commits as patches: one a commit of B's first-parent line, from A's tree to B's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git

LOG_FORMAT = "--format=%x00%H%x00%T%x00%P%x00%an <%ae> %ad%x00%B"
#: An author as fast-import takes it.
AUTHOR = re.compile(rb"[^<>\n]* <[^<>\n]*> \d+ [-+]\d{4}")


@dataclass(frozen=True, slots=True)
class Commit:
    """What becomes a patch's name and message."""

    oid: str
    tree: str
    parent: str  # the first one; empty for a root
    author: bytes | None
    message: bytes


def read_range(git: Git, start: str, stop: str) -> list[PatchText]:
    """The patches of `start..stop`, so that on the tree of `start` they end in the tree of `stop`, merges or not."""
    commits = list_commits(git, start, stop)
    if not commits:
        raise MetadiffError("the range holds no commit", "write it as UPSTREAM..DOWNSTREAM, the older end first")
    kept, first = after_merge(git, commits, start, stop)
    tree = git.text("rev-parse", f"{first}^{{tree}}") if first else git.text("mktree")
    texts = []
    for commit, data in zip(kept, diffs(git, tree, kept), strict=True):
        subject = commit.message.decode("utf-8", "replace").partition("\n")[0]
        texts.append(PatchText(commit.oid[:12], data, 1, subject, commit.message, commit.author))
    return texts


def list_commits(git: Git, start: str, stop: str) -> list[Commit]:
    """The commits of the first-parent line, the oldest first."""
    out = git.run("log", "--reverse", "--first-parent", "--date=raw", "--no-patch", LOG_FORMAT, f"{start}..{stop}")
    fields = out.split(b"\0")[1:]
    commits = []
    for at in range(0, len(fields) - 4, 5):
        oid, tree, parents, author, message = fields[at : at + 5]
        parent = parents.decode().partition(" ")[0]
        known = author if AUTHOR.fullmatch(author) else None
        commits.append(Commit(oid.decode(), tree.decode(), parent, known, message))
    return commits


def after_merge(git: Git, commits: list[Commit], start: str, stop: str) -> tuple[list[Commit], str]:
    """The commits that stand on `start`, and what the first of them is compared with.

    Where downstream merged `start` in, the commits before that stand on an older release; the merge has brought them
    onto this one, and its difference from `start` is all of them in one.
    """
    if commits[0].parent == start:
        return commits, start
    on_start = set(git.text("rev-list", "--ancestry-path", f"{start}..{stop}").split())
    kept = [commit for commit in commits if commit.oid in on_start]
    return (kept, start) if kept else (commits, commits[0].parent)


def diffs(git: Git, tree: str, commits: list[Commit]) -> list[bytes]:
    """The diff of each commit to the one before it, of the first to `tree`; all in one process."""
    trees = [tree, *(commit.tree for commit in commits)]
    heads = [f"{old} {new}\n".encode() for old, new in pairwise(trees)]
    out = b"\n" + git.run("diff-tree", "--stdin", "-r", "-p", "-M", "--binary", "--full-index", stdin=b"".join(heads))
    ends = []  # of each head; no line of a diff looks like one
    at = 0
    for head in heads:
        at = out.index(b"\n" + head, at) + len(head)
        ends.append(at)
    stops = [end - len(head) for end, head in zip(ends[1:], heads[1:], strict=True)]
    return [out[end + 1 : stop + 1] for end, stop in zip(ends, [*stops, len(out)], strict=True)]
