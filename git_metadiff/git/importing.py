"""Objects written: `fast-import`, fed by a thread of its own, and the lines that it reads."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import IO, Self

from git_metadiff.errors import MetadiffError
from git_metadiff.git.objects import Child
from git_metadiff.git.process import Git
from git_metadiff.git.settings import EPOCH, IDENTITY
from git_metadiff.git.signals import start_thread


class Feeder:
    """Writes to a pipe from a thread of its own, so that packing goes on beside the work that makes the data.

    At most `LIMIT` bytes wait; a writer that is further ahead is held back. Small parts are gathered first.
    """

    LIMIT = 96 << 20
    GATHER = 1 << 18

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._parts: list[bytes] = []
        self._size = 0
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._written: queue.SimpleQueue[int] = queue.SimpleQueue()  # sizes, to be taken off `_waiting`
        self._waiting = 0
        self._broken = False
        self._done = False
        self._thread = start_thread(self._work)

    def write(self, parts: Sequence[bytes]) -> bool:
        """Queue some bytes; False once the reader is gone."""
        self._parts += parts
        self._size += sum(map(len, parts))
        if self._size >= self.GATHER:
            self.flush()
        return not self._broken

    def flush(self) -> None:
        """Pass on what was gathered."""
        if self._parts and not self._done:
            data = b"".join(self._parts)
            self._parts, self._size = [], 0
            self._queue.put(data)
            self._waiting += len(data)
            while self._waiting > self.LIMIT:
                self._waiting -= self._written.get()

    def finish(self) -> None:
        """Pass on everything, close the pipe and end the thread."""
        if not self._done:
            self.flush()
            self._done = True
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (data := self._queue.get()) is not None:
            if not self._broken:
                try:
                    self._pipe.write(data)
                    self._pipe.flush()
                except (OSError, ValueError):
                    self._broken = True
            self._written.put(len(data))
        with contextlib.suppress(OSError, ValueError):
            self._pipe.close()


class FastImport:
    """A `git fast-import` that writes one pack. Marks are numbers from 1 on, shared by blobs and commits.

    `depth` is the longest chain of deltas, each object against the one before it in its place: worth its time where
    thousands of trees follow each other.
    """

    def __init__(self, git: Git, depth: int = 0) -> None:
        self._git, self._depth = git, depth
        # Larger blobs are streamed into the pack, not held in memory (git's own threshold is 512 MiB).
        # Its refs are only names for what is being written, and move anywhere.
        options = ("--quiet", "--done", "--force", f"--depth={depth}", "--date-format=raw-permissive")
        self._child = Child(git, "fast-import", *options, "--big-file-threshold=16m")
        self._out = self._child.output
        self._feed = Feeder(self._child.input)
        self._mark = 0
        self._ended = False

    def twin(self) -> FastImport:
        """Another one, which packs beside this one; what it wrote is there for this one once it is closed."""
        return FastImport(self._git, self._depth)

    def blob(self, data: bytes) -> str:
        """Store a blob and return its mark (`:7`)."""
        self._mark += 1
        self._write(b"blob\nmark :%d\ndata %d\n" % (self._mark, len(data)), data, b"\n")
        return f":{self._mark}"

    def apart(self) -> None:
        """Keep the next blob from being compared with the one before it, of which it has nothing.

        fast-import looks for a delta against the last blob, whatever that was, and to find none takes longest; in one
        that is shorter than its window there is nothing to find. No ref will hold that one.
        """
        if self._depth:
            self.blob(b"%d" % self._mark)

    def blob_stream(self, size: int, chunks: Iterable[bytes]) -> str:
        """Store a blob of `size` bytes given piecemeal and return its mark."""
        self._mark += 1
        self._write(b"blob\nmark :%d\ndata %d\n" % (self._mark, size))
        for chunk in chunks:
            self._write(chunk)
        self._write(b"\n")
        return f":{self._mark}"

    def commit(
        self,
        ref: str,
        message: bytes,
        parents: Sequence[str],
        changes: Iterable[bytes],
        *,
        tree: str | None = None,
        author: bytes | None = None,
        seconds: int = EPOCH,
    ) -> str:
        """Write a commit on top of `parents` (marks or ids) and return its mark.

        `tree` replaces the first parent's tree before `changes` (lines made by `modify` and `delete`) are applied;
        `author` is `Name <mail> seconds zone` where it is known.
        """
        self._mark += 1
        committer = f"{IDENTITY} {seconds} +0000".encode()
        head = [b"reset %s\n" % ref.encode()] if not parents else []
        head += [b"commit %s\nmark :%d\nauthor %s\n" % (ref.encode(), self._mark, author or committer)]
        head += [b"committer %s\ndata %d\n%s\n" % (committer, len(message), message)]
        head += [b"from %s\n" % parents[0].encode()] if parents else []
        head += [b"merge %s\n" % parent.encode() for parent in parents[1:]]
        if tree is not None:
            head.append(b"M 040000 %s \n" % tree.encode() if tree else b"deleteall\n")
        self._write(b"".join(head), b"".join(changes), b"\n")
        return f":{self._mark}"

    def ids(self, marks: Sequence[str]) -> list[str]:
        """The object ids behind `marks`."""
        for mark in marks:
            self._write(b"get-mark %s\n" % mark.encode())
        self._flush()
        return [self._answer().decode() for _ in marks]

    def checkpoint(self) -> None:
        """Make what was written so far readable by other git processes."""
        self._write(b"checkpoint\n\nprogress flushed\n")
        self._flush()
        while self._answer() != b"progress flushed":
            pass

    def close(self) -> None:
        """Finish the pack, unless that was done; a failure of git is fatal."""
        if self._ended:
            return
        try:
            self._write(b"done\n")
            self._flush()
            self._feed.finish()
            self._out.read()
            if self._child.wait() != 0:
                raise self._failed()
        finally:
            self.abort()

    def abort(self) -> None:
        """End the process, finished or not."""
        self._ended = True
        self._child.kill()  # first: it frees the thread that writes
        self._feed.finish()
        self._child.end()

    def _answer(self) -> bytes:
        line = self._out.readline()
        if not line:
            raise self._failed()
        return line.strip()

    def _write(self, *parts: bytes) -> None:
        if not self._feed.write(parts):
            raise self._failed()

    def _flush(self) -> None:
        self._feed.flush()

    def _failed(self) -> MetadiffError:
        self._feed.finish()
        return self._child.failed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


def modify(mode: str, target: str, path: bytes) -> bytes:
    """A fast-import line that sets `path` to the object `target` (mark or id)."""
    return b"M %s %s %s\n" % (mode.encode(), target.encode(), quote_path(path))


def delete(path: bytes) -> bytes:
    """A fast-import line that removes `path`."""
    return b"D %s\n" % quote_path(path)


def quote_path(path: bytes) -> bytes:
    """`path` in the quoting that fast-import reads; plain names stay as they are."""
    if path and path[:1] != b'"' and b"\n" not in path and b" " not in path:
        return path
    escaped = path.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'"' + escaped + b'"'
