"""git for a hook that has a few hundredths of a second: one process a question, sealed, and nothing else imported."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from git_metadiff.git.settings import PINNED, sealed_environment

#: What a hook's git must know of its surroundings; the rest is sealed off.
SURROUNDINGS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")


class QuickGit:
    """git where the hook runs, on the index of the commit under way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._outer = dict(environ)
        kept = {name: environ[name] for name in SURROUNDINGS if name in environ}
        self._environ = sealed_environment(environ) | kept

    def ask(self, *arguments: str, stdin: bytes = b"") -> bytes | None:
        """What git answers, or None if it fails."""
        pinned = [word for setting in PINNED for word in ("-c", setting)]
        command = ["git", "--literal-pathspecs", *pinned, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, env=self._environ, check=False)
        return done.stdout if done.returncode == 0 else None

    def settings(self, pattern: str) -> bytes:
        """The user's own settings, as `git config --null` gives them."""
        command = ["git", "config", "--null", "--get-regexp", pattern]
        return subprocess.run(command, capture_output=True, env=self._outer, check=False).stdout

    def blobs(self, names: list[bytes]) -> list[bytes | None]:
        """The contents of objects, by ids or names like `:path`; None for one that is not there or is no blob."""
        asked = b"".join(name + b"\0" for name in names)
        out = self.ask("cat-file", "--batch", "-z", stdin=asked) if names else b""
        found: list[bytes | None] = []
        at = 0
        for name in names if out is not None else ():
            assert out is not None
            missing = name + b" missing\n"
            if out.startswith(missing, at):
                found.append(None)
                at += len(missing)
                continue
            end = out.index(b"\n", at)
            _, kind, size = out[at:end].split(b" ")
            at = end + 1 + int(size)
            found.append(out[end + 1 : at] if kind == b"blob" else None)
            at += 1
        return found if out is not None else [None] * len(names)
