"""What is run on each tree of a search, and whether a result is of the same job."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from git_metadiff.errors import MetadiffError

#: A file of a command that is larger is taken by its size and time alone.
MOST_HASHED = 1 << 22


@dataclass(frozen=True)
class Job:
    """What is run on each tree."""

    command: tuple[str, ...] = ()  # a program and its arguments; none: `test`
    build: str = ""  # a line for the shell; empty: nothing is built
    test: str = ""  # a line for the shell
    expect: str = ""  # a regular expression: only a test with this in its output is bad
    confirm: int = 1  # an answer counts once it came so often

    def key(self, top: Path, tracked: Collection[str] = ()) -> str:
        """Tells whether a result is of the same job: the commands, and the contents of the files that they name.

        `tracked` are those of its words that git knows in `top`: their contents go with the tree.
        """
        told = {name: value for name, value in asdict(self).items() if name != "confirm"}
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
        for word in self.words():
            if word not in tracked:
                digest.update(_content(top / word))
        return digest.hexdigest()

    def words(self) -> Iterator[str]:
        """All words of its commands."""
        yield from self.command
        for line in (self.build, self.test):
            with contextlib.suppress(ValueError):
                yield from shlex.split(line)

    def check(self, environ: Mapping[str, str]) -> None:
        """Raise MetadiffError for a pattern that is none, or a program that is not there; one inside the tree is not
        looked for."""
        try:
            re.compile(os.fsencode(self.expect))
        except re.error as error:
            raise MetadiffError(
                f"--expect '{self.expect}' is no regular expression: {error}",
                "it is one of Python's; a backslash takes away the meaning of a character",
            ) from error
        program = self.command[0] if self.command else "sh"
        if os.sep not in program and not shutil.which(program, path=environ.get("PATH")):
            raise cannot_start(program, "it is not on PATH")


def _content(path: Path) -> bytes:
    """What tells a file of a command from a later version of it; empty if there is no such file."""
    try:
        if not path.is_file():
            return b""
        status = path.stat()
        if status.st_size <= MOST_HASHED:
            return hashlib.sha256(path.read_bytes()).digest()
        return f"{status.st_size} {status.st_mtime_ns}".encode()
    except (OSError, ValueError):
        return b""


def cannot_start(program: str, reason: str) -> MetadiffError:
    """The error for a command that cannot be started."""
    return MetadiffError(f"cannot start '{program}': {reason}", "it must be on PATH, or in the tree by its path")
