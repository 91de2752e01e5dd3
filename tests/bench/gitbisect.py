"""`git bisect run` on a chain: which step it finds, and how many tests it makes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

#: The test program, without a work tree: file, line, whether that is the fault, and a file that gets a line for each
#: test. A file that is not there is no fault.
PROGRAM = """
echo >>"$4"
text=$(mktemp) && trap 'rm -f "$text"' EXIT
git cat-file blob "BISECT_HEAD:$1" >"$text" 2>"$text.said" || { rm -f "$text.said"; exit 0; }
rm -f "$text.said"
grep -aqxF -e "$2" -- "$text"
found=$?
test "$found" -le 1 || exit 255
if test "$3" = there; then exit $((1 - found)); else exit "$found"; fi
"""
FIRST_BAD = re.compile(rb"^([0-9a-f]{40,64}) is the first bad commit$", re.MULTILINE)


def bisect(
    repo: Path, environ: Mapping[str, str], ends: tuple[str, str], check: tuple[bytes, bytes, bool]
) -> tuple[str, int]:
    """The commit that `git bisect run` finds between a good and a bad one, and its number of tests; `check` are the
    file, the line, and whether the line makes a tree fail (else its absence does). `repo` is bare and of our own.

    Raises CalledProcessError if git fails, and ValueError if it names no commit.
    """
    count = repo / "tests-made"
    count.write_bytes(b"")
    good, bad = ends
    path, line, there = check
    words = [path, line, b"there" if there else b"gone", os.fsencode(count.resolve())]

    def git(*arguments: str | bytes) -> bytes:
        command = [b"git", *map(os.fsencode, arguments)]
        settings = {**environ, "LC_ALL": "C"}
        return subprocess.run(command, cwd=repo, env=settings, check=True, capture_output=True).stdout

    git("update-ref", "--no-deref", "HEAD", bad)  # a bisection starts from something that is there
    git("bisect", "start", "--no-checkout", bad, good)
    try:
        found = FIRST_BAD.search(git("bisect", "run", "sh", "-c", PROGRAM, "test", *words))
    finally:
        git("bisect", "reset", bad)
    if found is None:
        raise ValueError("git bisect named no commit")
    return found[1].decode("ascii"), len(count.read_bytes())
