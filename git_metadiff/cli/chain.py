"""`--chain FILE`: releases and their patchsets from a file, so that nobody retypes ten of them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from git_metadiff.errors import MetadiffError

WHAT = "a chain holds one release and its patchset in a line, quoted as in a shell"


def read_chain(name: str) -> tuple[list[str], list[str]]:
    """The releases and the patchsets that a file names, oldest first; `#` begins a comment.

    They are as on the command line: relative paths count from the current folder.
    """
    try:
        text = os.fsdecode(Path(name).read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such name"
        raise MetadiffError(f"cannot read the chain {name}: {reason}", WHAT) from error
    pairs = [words for at, line in enumerate(text.splitlines(), 1) if (words := read_line(name, at, line))]
    if not pairs:
        raise MetadiffError(f"{name}: the chain is empty", WHAT)
    return [words[0] for words in pairs], [words[1] for words in pairs]


def read_line(name: str, at: int, line: str) -> list[str]:
    """The two words of line `at`; none if it is empty or a comment."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise MetadiffError(f"{name}:{at}: a quotation mark is not closed", WHAT) from error
    if words and (len(words) != 2 or not all(words)):
        found = (
            "an empty name"
            if len(words) == 2
            else f"{len(words)} {'name' if len(words) == 1 else 'names'} instead of two"
        )
        raise MetadiffError(f"{name}:{at}: {found}", WHAT)
    if any("\0" in word for word in words):
        raise MetadiffError(f"{name}:{at}: a name holds a NUL", WHAT)
    return words
