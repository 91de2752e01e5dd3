"""git for a hook that has a few hundredths of a second: one process a question, sealed, and nothing else imported.

Processes are started by `posix_spawn`: Python takes as long to import `subprocess` as to start.
"""

from __future__ import annotations

import os
import select

from git_metadiff.git.settings import PINNED, sealed_environment

TYPE_CHECKING = False  # as `typing` has it, which a hook has no time to import
if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a hook's git must know of its surroundings; the rest is sealed off.
SURROUNDINGS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
#: Bytes that pass through a pipe at once.
CHUNK = 1 << 16


class QuickGit:
    """git where the hook runs, on the index of the commit under way."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._outer = dict(environ)
        kept = {name: environ[name] for name in SURROUNDINGS if name in environ}
        self._environ = sealed_environment(environ) | kept

    def ask(self, *arguments: str, stdin: bytes = b"") -> bytes | None:
        """What git answers, or None if it fails."""
        pinned = [word for setting in PINNED for word in ("-c", setting)]
        status, out = run(["git", "--literal-pathspecs", *pinned, *arguments], self._environ, stdin)
        return out if status == 0 else None

    def settings(self, pattern: str) -> bytes:
        """The user's own settings, as `git config --null` gives them."""
        return run(["git", "config", "--null", "--get-regexp", pattern], self._outer)[1]

    def blobs(self, names: list[bytes]) -> list[bytes | None]:
        """The contents of objects, by ids or names like `:path`; None for one that is not there or is no blob."""
        asked = b"".join(name + b"\0" for name in names)
        out = self.ask("cat-file", "--batch", "--buffer", "-z", stdin=asked) if names else b""
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


def run(command: list[str], environ: Mapping[str, str], stdin: bytes = b"") -> tuple[int, bytes]:
    """Run a program; its exit status (negative: the signal that ended it) and its output.

    Raises OSError if it cannot be started, or stops reading.
    """
    theirs, feed = os.pipe()
    source, output = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, theirs, 0),
        (os.POSIX_SPAWN_DUP2, output, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    try:
        process = os.posix_spawnp(command[0], command, environ, file_actions=actions)
    except OSError:
        os.close(feed)
        os.close(source)
        raise
    finally:
        os.close(theirs)
        os.close(output)
    try:
        out = exchange(feed, source, stdin)
    finally:
        os.close(source)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status, out


def exchange(feed: int, source: int, data: bytes) -> bytes:
    """Write `data` into one pipe, close it, and read the other one to its end; neither side waits for the other."""
    found, at = [], 0
    os.set_blocking(feed, False)
    poll = select.poll()
    poll.register(source, select.POLLIN)
    poll.register(feed, select.POLLOUT)
    try:
        while at < len(data):
            for ready, _ in poll.poll():
                if ready == source:
                    found.append(os.read(source, CHUNK))
                else:
                    at += os.write(feed, data[at : at + CHUNK])
    finally:
        os.close(feed)
    while chunk := os.read(source, CHUNK):
        found.append(chunk)
    return b"".join(found)
