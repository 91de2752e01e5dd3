"""The clean rebase, settled quickly: every commit was made anew, and each does what it did.

Like `quick` it knows one answer, and gives up where it is not certain: where a commit has other changed lines than
before or stands below another function's name, where commits were joined, left out or added, where upstream added a
line that a commit adds too, for then it may be there twice, and where `git apply` may have taken lines for others.
"""

from __future__ import annotations

import os
import re

from git_metadiff.git.quick import QuickGit
from git_metadiff.guard.quick import GiveUp, need

TYPE_CHECKING = False  # as `typing` has it, which a hook has no time to import
if TYPE_CHECKING:
    from collections.abc import Mapping

#: A line of fewer letters and digits is in any change.
TELLING = 8
NO_WORD = re.compile(rb"[^0-9A-Za-z]+")
HUNK = re.compile(rb"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@(.*)$")
PLACE = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
#: Headers whose ids differ between two diffs that do the same.
IDS = re.compile(rb"^index [0-9a-f]+\.\.[0-9a-f]+")
COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
DIFF = ("-p", "-U0", "--no-renames", "--diff-algorithm=histogram", "--binary", "--full-index")

#: What a commit does, line by line without the places; and the lines that it adds.
Deed = tuple[list[bytes], set[bytes]]


def nothing_lost_in(rewritten: bytes, environ: Mapping[str, str]) -> bool:
    """Whether the rebase that has just ended lost nothing, beyond doubt. `rewritten` is what post-rewrite is given."""
    try:
        look(QuickGit(environ), rewritten, environ.get("GIT_DIR", ".git"))
    except (GiveUp, ValueError, LookupError, OSError):
        return False
    return True


def look(git: QuickGit, rewritten: bytes, git_dir: str) -> None:
    """Compare the commits one by one; raise GiveUp unless it is the clean case."""
    folder = os.path.join(git_dir, "rebase-merge")
    if not os.path.isdir(folder):
        folder = os.path.join(git_dir, "rebase-apply")
    need(not os.path.exists(os.path.join(git_dir, "metadiff-guard-accepted")))
    pairs = [line.split()[:2] for line in rewritten.splitlines()]
    olds, news = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    need(olds and len(set(olds)) == len(olds) and len(set(news)) == len(news))
    if os.path.exists(os.path.join(folder, "onto")):
        tip, onto = (first_word(os.path.join(folder, name)) for name in ("orig-head", "onto"))
    else:  # `am` has not stopped: then git writes neither
        tip, onto = commit(git, "ORIG_HEAD"), commit(git, f"{news[0].decode()}^")
    # The first commit's parent is the old base; that all of the range was made anew, and nothing else, is counted.
    need(sorted(log(git, f"{olds[0].decode()}^..{tip}")) == sorted(olds))
    need(sorted(log(git, f"{onto}..HEAD")) == sorted(news))
    deeds = read_deeds(git, [*olds, *news])
    added: set[bytes] = set()
    paths: set[bytes] = set()
    for old, new in zip(olds, news, strict=True):
        need(deeds[old][0] == deeds[new][0])
        added |= deeds[new][1]
        paths |= {line[6:] for line in deeds[new][0] if line.startswith((b"--- a/", b"+++ b/"))}
    need(not any(path.startswith(b'"') for path in paths))
    names = [os.fsdecode(path.split(b"\t")[0]) for path in sorted(paths)]
    if names and folder.endswith("rebase-apply"):
        need(same_places(git, f"{olds[0].decode()}^", tip, onto, names))
    if added:
        out = git.ask("diff-tree", "-r", *DIFF, f"{olds[0].decode()}^", onto, "--", *names)
        need(out is not None and added.isdisjoint(added_lines((out or b"").split(b"\n"))))


def same_places(git: QuickGit, base: str, tip: str, onto: str, names: list[str]) -> bool:
    """Whether what the commits do together stands where upstream's own changes have moved its lines.

    A merge knows which line is which; `git apply` takes the nearest lines that look like the context.
    """
    upstream, old, new = (blocks(git, *ends, names) for ends in ((base, onto), (base, tip), (onto, "HEAD")))
    if old.keys() != new.keys():
        return False
    for name, ours in old.items():
        moved = [moved_by(upstream.get(name, []), start, stop) for start, stop, _ in ours]
        if moved != [(start, stop) for start, stop, _ in new[name]]:
            return False
    return True


def blocks(git: QuickGit, old: str, new: str, names: list[str]) -> dict[bytes, list[tuple[int, int, int]]]:
    """By file, the runs of lines `[start, stop)` of the older side that differ, 0-based, and by how many they grow."""
    out = git.ask("diff-tree", "-r", *DIFF, old, new, "--", *names)
    need(out is not None)
    found: dict[bytes, list[tuple[int, int, int]]] = {}
    runs: list[tuple[int, int, int]] = []
    for line in (out or b"").split(b"\n"):
        if line.startswith(b"diff --git "):
            runs = found.setdefault(line, [])
        elif match := PLACE.match(line):
            start, size, grown = int(match[1]), int(match[2] or 1), int(match[3] or 1)
            start -= size > 0  # of an insertion, git names the line before it
            runs.append((start, start + size, grown - size))
    return found


def moved_by(upstream: list[tuple[int, int, int]], start: int, stop: int) -> tuple[int, int]:
    """Where lines that upstream did not touch are now; give up if it did."""
    need(all(last < start or stop < first for first, last, _ in upstream))
    shift = sum(grown for _, last, grown in upstream if last < start)
    return start + shift, stop + shift


def first_word(path: str) -> str:
    """What a file of the rebase's state holds: the id of a commit."""
    with open(path, "rb") as file:
        name = file.read(256).split()[0]
    need(COMMIT.fullmatch(name))
    return name.decode()


def commit(git: QuickGit, name: str) -> str:
    """The id of the commit that a revision names."""
    out = git.ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    need(out)
    return (out or b"").strip().decode()


def log(git: QuickGit, revisions: str) -> list[bytes]:
    """The commits of a range; merges are not settled here."""
    out = git.ask("rev-list", "--parents", revisions)
    need(out is not None)
    lines = [line.split() for line in (out or b"").splitlines()]
    need(all(len(line) == 2 for line in lines))
    return [line[0] for line in lines]


def read_deeds(git: QuickGit, commits: list[bytes]) -> dict[bytes, Deed]:
    """What each commit does; all in one process."""
    out = git.ask("diff-tree", "--stdin", "-r", *DIFF, stdin=b"".join(name + b"\n" for name in commits))
    need(out is not None)
    found: dict[bytes, Deed] = {}
    wanted, lines = set(commits), list[bytes]()
    for line in (out or b"").removesuffix(b"\n").split(b"\n"):
        if line in wanted and line not in found:
            lines = []
            found[line] = lines, set()
        elif not IDS.match(line):
            match = HUNK.match(line)
            lines.append(b"@@" + match[1] if match else line)
    need(len(found) == len(wanted))
    return {name: (lines, added_lines(lines)) for name, (lines, _) in found.items()}


def added_lines(lines: list[bytes]) -> set[bytes]:
    """The added lines of a diff that say something, without the white space around them."""
    texts = {line[1:].strip() for line in lines if line[:1] == b"+" and not line.startswith(b"+++ ")}
    return {text for text in texts if len(NO_WORD.sub(b"", text)) >= TELLING}
