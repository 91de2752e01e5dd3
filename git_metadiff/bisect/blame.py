"""Which commits of upstream's brought the hunks that are suspected, so that suspicion passes on to them.

One walk of history over the files of the suspects: a commit that adds a line which the upstream hunk adds, or removes
one that it removes, has a part in it. The suspicion of a hunk is divided by these parts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from git_metadiff.bisect.candidates import Piece, path_of
from git_metadiff.bisect.suspicion import Suspect
from git_metadiff.causes import net_lines, telling
from git_metadiff.git import Git

#: More bytes of paths are not passed on: the system limits what one process is told.
MANY_BYTES = 1 << 17
#: So much of a hunk's suspicion is passed on to all that touch its file, for what lines do not tell.
BY_FILE = 0.1
HEAD = re.compile(rb"([0-9a-f]{40,64})\n")
LOG = (
    "log",
    "--format=%x00%H",
    "-p",
    "-U0",
    "--no-renames",
    "--diff-algorithm=histogram",
    "--no-color",
    "--no-ext-diff",
)

Line = tuple[bytes, bytes, int]  # path, text without outer blanks, and 1 if it came or -1 if it went
Weights = dict[str, tuple[float, tuple[str, ...]]]


def weigh_commits(git: Git, start: str, stop: str, suspects: Sequence[Suspect], *, backwards: bool = False) -> Weights:
    """Per commit of `start..stop` with a part in a suspected upstream hunk: its suspicion, 0 to 1, and those hunks.

    `backwards` says that these commits are on the older release's side, so that U1..U2 undoes what they did. Empty
    where history is not whole: a prior must not stop the work.
    """
    wanted: dict[Line, list[tuple[int, str]]] = defaultdict(list)
    for at, suspect in enumerate(suspects):
        for piece in suspect.candidate.pieces:
            for line in lines_of(piece, suspect.candidate.path, -1 if backwards else 1):
                wanted[line].append((at, piece.id))
    paths = frozenset(path for path, _, _ in wanted)
    parts: list[Counter[str]] = [Counter() for _ in suspects]
    near: dict[bytes, set[str]] = defaultdict(set)
    hunks: dict[str, dict[str, None]] = defaultdict(dict)
    for commit, counts in read_log(git, start, stop, paths):
        for (path, text), count in counts.items():
            near[path].add(commit)
            for at, name in wanted.get((path, text, (count > 0) - (count < 0)), ()):
                parts[at][commit] += 1
                hunks[commit][name] = None
    innocence: dict[str, float] = defaultdict(lambda: 1.0)
    for suspect, mine in zip(suspects, parts, strict=True):
        total = sum(mine.values())
        for commit, count in mine.items():
            innocence[commit] *= 1 - suspect.score * (1 - BY_FILE) * count / total
        beside = near.get(suspect.candidate.path, ())
        for commit in beside:
            innocence[commit] *= 1 - suspect.score * BY_FILE / len(beside)
    return {commit: (1 - rest, tuple(hunks.get(commit, ()))) for commit, rest in innocence.items()}


def lines_of(piece: Piece, path: bytes, sign: int) -> Iterator[Line]:
    """The lines by which a commit is known that had a part in a hunk, under both names of its file."""
    for name in {path, path_of(piece.id) or path}:
        for text in telling(piece.added):
            yield name, text, sign
        for text in telling(piece.removed):
            yield name, text, -sign


def read_log(
    git: Git, start: str, stop: str, paths: frozenset[bytes]
) -> Iterator[tuple[str, Counter[tuple[bytes, bytes]]]]:
    """For each commit that touches one of the paths, how many times more it adds a line to a file than removes it."""
    limits = sorted(paths) if sum(map(len, paths)) < MANY_BYTES else []
    found = git.try_run(*LOG, stop, f"^{start}", "--", *limits) if paths else None
    if found is None or found.status != 0:
        return
    for entry in found.out.split(b"\0"):
        head = HEAD.match(entry)
        if head is not None:
            yield head[1].decode(), net_lines(entry[head.end() :], set(paths))
