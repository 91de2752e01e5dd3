"""Objects read: a git process that lives for a while, and `cat-file --batch`."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from git_metadiff.errors import MetadiffError
from git_metadiff.git.failures import FSCK, GitResult, git_failed, write_failed
from git_metadiff.git.process import Git
from git_metadiff.git.signals import pass_on, start_thread


class Child:
    """A git process that lives for a while, with pipes on its input and output.

    What it complains about goes to a file: nobody would empty a third pipe, and git would wait for that for ever.
    """

    def __init__(self, git: Git, *arguments: str) -> None:
        try:
            self._errors = tempfile.TemporaryFile(dir=git.git_dir)  # noqa: SIM115 - closed in `end`
        except OSError as error:
            raise write_failed(git.git_dir, error) from error
        self._process = git.popen(*arguments, stderr=self._errors)
        assert self._process.stdin is not None and self._process.stdout is not None
        self.input, self.output = self._process.stdin, self._process.stdout
        self._git, self._name = git, arguments[0]

    def wait(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        return self._process.wait()

    def kill(self) -> None:
        """End it. A thread that waits on one of its pipes goes on."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def failed(self) -> MetadiffError:
        """The error for its early end."""
        status = self.wait()
        pass_on(status)
        self._errors.seek(0)
        return git_failed(self._git.git_dir, [self._name], GitResult(status, b"", self._errors.read()))

    def end(self) -> None:
        """Kill it, close everything, and wait."""
        self.kill()
        for pipe in (self.input, self.output, self._errors):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()


class CatFile:
    """A long-lived `git cat-file --batch`: object contents in the order asked for."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._child = Child(git, "cat-file", "--batch")

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the content of each object; a missing one is fatal. Requests are written by a thread, so the pipe never
        blocks; the whole iterator must be consumed."""
        self._git.fetch_missing(names)
        writer = start_thread(lambda: self._ask(names))
        for name in names:
            yield self._one(name)
        writer.join()

    def read(self, name: str) -> bytes:
        """The content of one object."""
        self._ask([name])
        return self._one(name)

    def _ask(self, names: Iterable[str]) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._child.input.write("".join(f"{name}\n" for name in names).encode())
            self._child.input.flush()

    def _one(self, name: str) -> bytes:
        line = self._child.output.readline()
        header = line.split()
        if line and len(header) != 3:
            raise MetadiffError(f"object {name} is missing", FSCK)
        data = self._child.output.read(int(header[2]) + 1) if line else b""
        if not data.endswith(b"\n") or len(data) != int(header[2]) + 1:
            raise self._child.failed()
        return data[:-1]

    def close(self) -> None:
        """End the process."""
        self._child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
