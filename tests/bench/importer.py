"""Feeds a repository to one `git fast-import`, blobs as they are made and commits last."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_WHO = "Benchmark <benchmark@example.org>"


class Importer:
    """A bare repository in the making. Nothing of it is to be used before `finish`."""

    def __init__(self, repo: Path) -> None:
        """Create the repository `repo` and start the import, with no configuration but git's defaults."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        env |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        init = ["git", "init", "--quiet", "--bare", "--initial-branch=main", "--object-format=sha1", str(repo)]
        subprocess.run(init, check=True, env=env)
        # No deltas: fast-import tries only the blob before, mostly another file, and reading through such chains made
        # `git apply` three times slower. In a real clone of two kernels three quarters of the objects are whole.
        command = ["git", f"--git-dir={repo}", "fast-import", "--quiet", "--done", "--depth=0"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, env=env)
        assert self._process.stdin is not None
        self._stream: IO[bytes] = self._process.stdin
        self._mark = 0

    def blob(self, text: str) -> int:
        """Store a latin-1 text and give its mark."""
        self._mark += 1
        content = text.encode("latin-1")
        self._stream.write(b"blob\nmark :%d\ndata %d\n%b\n" % (self._mark, len(content), content))
        return self._mark

    def release(self, tag: str, date: int, changes: Sequence[str]) -> None:
        """Commit changes (lines of fast-import's) on top of the release before, and tag it; `date` in Unix seconds."""
        self._mark += 1
        who, message = f"{_WHO} {date} +0000", f"data {len(tag) + 1}\n{tag}\n"
        commit = f"commit refs/heads/main\nmark :{self._mark}\ncommitter {who}\n{message}"
        body = "\n".join(changes)
        self._stream.write(f"{commit}{body}\n\ntag {tag}\nfrom :{self._mark}\ntagger {who}\n{message}\n".encode())

    def finish(self) -> None:
        """End the import; a failure of git's raises CalledProcessError."""
        self._stream.write(b"done\n")
        self._stream.close()
        if self._process.wait():
            raise subprocess.CalledProcessError(self._process.returncode, self._process.args)
