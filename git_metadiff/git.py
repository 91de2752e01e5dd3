"""The only door to git: every git process of the project is started here.

Two kinds of repositories pass through it. The *user's* repository is read (revisions, objects) and, at the very end,
given one pack and one ref transaction. All work happens in a *scratch* repository: a bare repository of our own that
borrows the user's objects through alternates and sees none of the user's configuration, attributes, hooks or replace
refs, because each of these has been seen to change a result or to run a program (see "the door to git" in the design).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from git_metadiff.errors import MetadiffError

OLDEST_GIT = (2, 38)

#: Settings that decide a result, pinned on every call; a user's configuration is not read, git's defaults may change.
PINNED = (
    "core.attributesFile=/dev/null",
    "core.filesRefLockTimeout=200",
    "core.hooksPath=/dev/null",
    "core.logAllRefUpdates=false",
    "core.packedRefsTimeout=3000",
    "core.ignoreCase=false",
    "core.precomposeUnicode=false",
    "core.quotePath=true",
    "core.compression=1",
    "core.autocrlf=false",
    "diff.algorithm=myers",
    "diff.indentHeuristic=true",
    "diff.renames=false",
    "diff.renameLimit=0",
    "diff.suppressBlankEmpty=false",
    "i18n.commitEncoding=UTF-8",
    "fastimport.unpackLimit=0",
    "gc.auto=0",
    "maintenance.auto=false",
    "pack.threads=2",
)

#: The identity and the date of synthetic commits: fixed, so that the same inputs give the same ids on any machine.
IDENTITY = "git-metadiff <git-metadiff@localhost>"
EPOCH = 1_000_000_000


#: What stays of the user's GIT_* variables: how a partial clone reaches its remote, which decides no result.
TRANSPORT = (
    "GIT_ALLOW_PROTOCOL",
    "GIT_ASKPASS",
    "GIT_PROTOCOL_FROM_USER",
    "GIT_PROXY_COMMAND",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_SSH_VARIANT",
)


def sealed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without anything that git obeys, and with what shuts other settings out."""
    kept = {key: value for key, value in environ.items() if not key.startswith("GIT_") or key in TRANSPORT}
    kept.update(
        LC_ALL="C",
        LANGUAGE="C",
        TZ="UTC",
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
        GIT_GRAFT_FILE=f"{os.devnull}/none",  # git would give advice about one that exists
        GIT_NO_REPLACE_OBJECTS="1",
        GIT_TERMINAL_PROMPT="0",
        GIT_OPTIONAL_LOCKS="0",
        GIT_ADVICE="0",
        GIT_AUTHOR_NAME="git-metadiff",
        GIT_AUTHOR_EMAIL="git-metadiff@localhost",
        GIT_AUTHOR_DATE=f"{EPOCH} +0000",
        GIT_COMMITTER_NAME="git-metadiff",
        GIT_COMMITTER_EMAIL="git-metadiff@localhost",
        GIT_COMMITTER_DATE=f"{EPOCH} +0000",
    )
    return kept


@dataclass(frozen=True, slots=True)
class GitResult:
    """What one git process gave: exit status, standard output and standard error as bytes."""

    status: int
    out: bytes
    err: bytes

    def last_words(self) -> str:
        """The last line of standard error, for a message."""
        lines = self._lines()
        return lines[-1] if lines else self._ending()

    def complaint(self) -> str:
        """What git says is wrong, without its `fatal: `: the first such line, because advice may follow it."""
        lines = self._lines()
        for start in ("fatal: ", "error: "):
            for line in lines:
                if line.startswith(start):
                    return line.removeprefix(start)
        return self.last_words()

    def _lines(self) -> list[str]:
        return self.err.decode("utf-8", "replace").strip().splitlines()

    def _ending(self) -> str:
        if self.status >= 0:
            return f"exit status {self.status}"
        return f"killed by {signal.Signals(-self.status).name}"


class Git:
    """git in one repository, sealed from every setting outside it.

    `git_dir` is the repository's own folder (of a linked worktree: the worktree's), `environ` the environment that
    its processes start from.
    """

    def __init__(self, git_dir: Path, environ: Mapping[str, str]) -> None:
        self.git_dir = Path(os.path.abspath(git_dir))
        self.outer = environ
        self.environ = sealed_environment(environ)
        self.environ["GIT_DIR"] = str(self.git_dir)
        self._common_dir: Path | None = None
        self._object_format: str | None = None

    def command(self, arguments: Sequence[str | bytes]) -> list[str | bytes]:
        """The full argument list of one git process."""
        pinned = [word for setting in PINNED for word in ("-c", setting)]
        return ["git", "--literal-pathspecs", *pinned, *arguments]

    def try_run(self, *arguments: str | bytes, stdin: bytes = b"", index: Path | None = None) -> GitResult:
        """Run git and return what it gave, whatever its exit status."""
        with start_error_named():
            done = subprocess.run(
                self.command(arguments),
                input=stdin,
                capture_output=True,
                env=self._env(index),
                cwd=self.git_dir,
                check=False,
            )
        pass_on(done.returncode)
        result = GitResult(done.returncode, done.stdout, done.stderr)
        if result.status != 0 and index is not None and (is_full(self.git_dir) or UNREADABLE.search(result.err)):
            raise git_failed(self, arguments, result)  # no answer to what was asked
        return result

    def run(self, *arguments: str | bytes, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """Run git and return its standard output; a failure is fatal."""
        result = self.try_run(*arguments, stdin=stdin, index=index)
        if result.status != 0:
            raise git_failed(self, arguments, result)
        return result.out

    def text(self, *arguments: str | bytes, stdin: bytes = b"", index: Path | None = None) -> str:
        """Run git and return its standard output as one stripped string."""
        return os.fsdecode(self.run(*arguments, stdin=stdin, index=index)).strip()

    def popen(self, *arguments: str | bytes, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start git with pipes on its input and output."""
        with start_error_named():
            return subprocess.Popen(
                self.command(arguments),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._env(None),
                cwd=self.git_dir,
            )

    def resolve(self, revision: str, kind: str = "commit") -> str | None:
        """The id of `revision` peeled to `kind`, or None if it names none; a broken repository is fatal."""
        found = self._parse(f"{revision}^{{{kind}}}")
        if found is None and not re.fullmatch(r"[0-9a-f]{40,64}", revision):
            self._check_there(revision)
        return found

    def _check_there(self, revision: str) -> None:
        """Raise MetadiffError if `revision` names an object that cannot be read, and so none of the wrong kind."""
        oid = self._parse(revision)
        if oid is not None:
            said = self.try_run("cat-file", "--batch-check=%(objecttype)", stdin=f"{oid}^{{}}\n".encode()).out.strip()
            if said not in (b"tree", b"blob"):
                raise MetadiffError(f"'{revision}' names {oid}, which is missing or damaged", FSCK)

    def has(self, name: str) -> bool:
        """Whether an object is there."""
        return self.try_run("cat-file", "-e", name).status == 0

    def ref(self, name: str) -> str | None:
        """The id that a ref holds, whether or not the object is there; None if there is no such ref."""
        return self._parse(name)

    def _parse(self, revision: str) -> str | None:
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", revision)
        result = self.try_run(*arguments)
        if result.status > 1 and b"fatal: " in result.err:
            raise git_failed(self, arguments, result)
        return result.out.decode().strip() if result.status == 0 else None

    def fetch_missing(self, names: Iterable[str]) -> None:
        """Make sure that these blobs are here, before they are read one by one."""

    def settings(self, pattern: str) -> list[tuple[bytes, bytes]]:
        """The repository's own settings whose lower-case names match `pattern`."""
        return split_settings(self.try_run("config", "--null", "--get-regexp", pattern).out)

    @property
    def common_dir(self) -> Path:
        """The folder that holds objects and refs, shared by all linked worktrees."""
        if self._common_dir is None:
            self._ask_what_it_is()
        assert self._common_dir is not None
        return self._common_dir

    @property
    def object_format(self) -> str:
        """`sha1` or `sha256`."""
        if self._object_format is None:
            self._ask_what_it_is()
        assert self._object_format is not None
        return self._object_format

    def _ask_what_it_is(self) -> None:
        out = self.run("rev-parse", "--git-common-dir", "--show-object-format").removesuffix(b"\n")
        path, _, name = out.rpartition(b"\n")
        self._common_dir, self._object_format = (self.git_dir / os.fsdecode(path)).resolve(), name.decode()

    def _env(self, index: Path | None) -> dict[str, str]:
        return self.environ if index is None else {**self.environ, "GIT_INDEX_FILE": str(index)}


@contextlib.contextmanager
def start_error_named() -> Iterator[None]:
    """Turn a git that cannot be started into our own error."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename is not None and os.fsdecode(error.filename) != "git":  # the folder to run it in
            raise write_failed(error.filename, error) from error
        raise MetadiffError("cannot run git", "install git 2.38 or later and put it on PATH") from error
    except OSError as error:
        hint = OPEN_FILES if error.errno in (errno.EMFILE, errno.ENFILE) else "put a git that runs here on PATH"
        raise MetadiffError(f"cannot run git: {error.strerror}", hint) from error


#: Signals that wait until a step that must not be cut in two is done.
HELD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back, from us and from every git that is started inside; they are delivered at the end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pass_on(status: int) -> None:
    """End as a git process did that was interrupted: such a signal was meant for the whole group, so for us too."""
    if status == -signal.SIGINT:
        raise KeyboardInterrupt
    if -status in HELD:
        raise SystemExit(128 - status)


FULL = ("no space left", "out of diskspace", "disk quota exceeded")
FREE_SPACE = "free some disk space and run the command again; nothing was changed"
OPEN_FILES = "raise the limit of open files (ulimit -n)"
FILE_SIZE = "raise the limit of file sizes (ulimit -f)"
WRITE_ACCESS = "git metadiff needs write access to the repository"
FSCK = "check the repository with 'git fsck', then run the command again"


#: What git says of an object that is gone or damaged.
UNREADABLE = re.compile(rb"(unable to (read|find)|(failed to|could not) read|bad object|corrupt).*[0-9a-f]{40}", re.I)


def is_full(folder: Path) -> bool:
    """Whether nothing more can be written there; git does not always say that this was the reason."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 1 << 14 or 0 == disk.f_favail < disk.f_files


def git_failed(git: Git, arguments: Sequence[str | bytes], result: GitResult) -> MetadiffError:
    """The error for a git process that failed where it never should, or because the machine is out of something."""
    words = result.complaint()
    name = next((os.fsdecode(word) for word in arguments if not os.fsdecode(word).startswith("-")), "git")
    everything = os.fsdecode(result.err).lower()
    if any(sign in everything for sign in FULL) or is_full(git.git_dir):
        return MetadiffError(f"git {name}: {words}", FREE_SPACE)
    if result.status == -signal.SIGXFSZ or "file too large" in everything:
        return MetadiffError(f"git {name}: a file grew too large", FILE_SIZE)
    if result.status == -signal.SIGKILL or "out of memory" in everything:
        return MetadiffError(f"git {name}: {words}", "out of memory, it seems: run it on a machine with more")
    if any(sign in everything for sign in ("permission denied", "read-only", "unable to create directory")):
        return MetadiffError(f"git {name}: {words}", WRITE_ACCESS)
    if "promisor" in everything:
        return MetadiffError(f"git {name}: {words}", "this is a partial clone: its remote must be reachable")
    return MetadiffError(f"git {name} failed: {words}", FSCK)


def write_failed(path: Path | str | bytes, error: OSError) -> MetadiffError:
    """The error for a file or folder of the repository that cannot be written."""
    hint = "check that this folder still exists, and the disk that it is on"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = FREE_SPACE
    elif error.errno == errno.EFBIG:
        hint = FILE_SIZE
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = WRITE_ACCESS
    elif error.errno in (errno.EMFILE, errno.ENFILE):
        hint = OPEN_FILES
    return MetadiffError(f"cannot write to {os.fsdecode(path)}: {error.strerror}", hint)


def check_git_version(environ: Mapping[str, str]) -> None:
    """Raise MetadiffError if git is missing or older than 2.38."""
    with start_error_named():
        done = subprocess.run(["git", "--version"], capture_output=True, env=sealed_environment(environ), check=False)
    words = done.stdout.decode("ascii", "replace").split()
    numbers = words[2].split(".")[:2] if len(words) > 2 else []
    version = tuple(int(part) for part in numbers if part.isdigit())
    if version < OLDEST_GIT:
        found = words[2] if len(words) > 2 else "of an unknown version"
        raise MetadiffError(f"git {found} is too old", "install git 2.38 or later")


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
        return git_failed(self._git, [self._name], GitResult(status, b"", self._errors.read()))

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


def start_thread(work: Callable[[], None]) -> threading.Thread:
    """Start a thread that no signal comes to. Python's own way of starting one fails when a signal cuts in."""
    thread = threading.Thread(target=work, daemon=True)
    with uninterrupted():
        thread.start()
    return thread


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
    """A `git fast-import` that writes one pack. Marks are numbers from 1 on, shared by blobs and commits."""

    def __init__(self, git: Git) -> None:
        self._git = git
        # Larger blobs are streamed into the pack, not held in memory (git's own threshold is 512 MiB).
        # Its refs are only names for what is being written, and move anywhere.
        options = ("--quiet", "--done", "--force", "--depth=0", "--date-format=raw-permissive")
        self._child = Child(git, "fast-import", *options, "--big-file-threshold=16m")
        self._out = self._child.output
        self._feed = Feeder(self._child.input)
        self._mark = 0

    def blob(self, data: bytes) -> str:
        """Store a blob and return its mark (`:7`)."""
        self._mark += 1
        self._write(b"blob\nmark :%d\ndata %d\n" % (self._mark, len(data)), data, b"\n")
        return f":{self._mark}"

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
        """Finish the pack; a failure of git is fatal."""
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


SCRATCH_PREFIX = "metadiff-scratch-"
STALE_SECONDS = 24 * 3600
ALIVE = "metadiff-alive"  # locked while the run that made the folder lives
MOVING = "metadiff-moving"  # names the pack that is being moved into the user's repository


class Borrowing(Git):
    """A bare repository of our own that sees the objects of the user's, and nothing else of it."""

    def __init__(self, parent: Path, prefix: str, user: Git, environ: Mapping[str, str]) -> None:
        with uninterrupted():
            folder = make_folder(parent, prefix)
            self._finalizer = weakref.finalize(self, remove_folder, folder)  # also if nobody calls `remove`
        super().__init__(folder, environ)
        self.user = user
        self._common_dir = folder
        self._partial = False
        try:
            self._object_format = user.object_format
            self.lay_out()
        except OSError as error:
            self.remove()
            raise write_failed(folder, error) from error
        except BaseException:
            self.remove()
            raise

    def command(self, arguments: Sequence[str | bytes]) -> list[str | bytes]:
        """The full argument list; only the pack that leaves this repository must have reached the disk."""
        fleeting = () if arguments[0] == "pack-objects" else ("-c", "core.fsync=none")
        return super().command([*fleeting, *arguments])

    def remove(self) -> None:
        """Remove the folder and all in it."""
        with uninterrupted():
            self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def lay_out(self) -> None:
        """Write what makes the folder a repository."""
        info = self.git_dir / "objects" / "info"
        info.mkdir(parents=True)
        (self.git_dir / "objects" / "pack").mkdir()
        (self.git_dir / "refs").mkdir()
        (self.git_dir / "HEAD").write_bytes(b"ref: refs/heads/none\n")
        (info / "alternates").write_bytes(alternate(self.user.common_dir / "objects") + further_alternates(self.user))
        (self.git_dir / "config").write_bytes(self._config())
        with contextlib.suppress(FileNotFoundError):  # where a shallow clone ends
            shutil.copyfile(self.user.common_dir / "shallow", self.git_dir / "shallow")

    def _config(self) -> bytes:
        settings = [(b"core.bare", b"true"), (b"core.repositoryformatversion", b"1")]
        if self.object_format != "sha1":
            settings.append((b"extensions.objectformat", self.object_format.encode()))
        found = self.user.settings(r"^(core\.sharedrepository|extensions\.partialclone|remote\..*\.promisor)$")
        shared = [setting for setting in found if setting[0] == b"core.sharedrepository"]
        settings += shared
        self._partial = len(shared) < len(found)
        if self._partial:
            settings += promisor_settings(self.user, self.outer)
        return b"".join(config_line(name, value) for name, value in settings)

    def fetch_missing(self, names: Iterable[str]) -> None:
        """In a partial clone, let git fetch these blobs at once, as it does for a diff; one by one takes minutes."""
        lines = "".join(f"100644 blob {name}\t{name}\0" for name in dict.fromkeys(names))
        if self._partial and lines:
            trees = [self.text("mktree", "-z", "--missing", stdin=text.encode()) for text in ("", lines)]
            self.run("diff-tree", "--shortstat", *trees)


class Reading(Borrowing):
    """For reading only, somewhere among the system's temporary files: the user's repository may be read-only."""

    def __init__(self, user: Git) -> None:
        super().__init__(Path(tempfile.gettempdir()), "metadiff-reading-", user, user.outer)


class Scratch(Borrowing):
    """Where the work is done: a temporary folder inside the user's repository, removed on exit.

    It lies there so that finished packs can be moved, not copied, and so that a full or read-only disk shows before
    any work is done.
    """

    def __init__(self, user: Git, environ: Mapping[str, str]) -> None:
        remove_dead(user.common_dir)
        super().__init__(user.common_dir, SCRATCH_PREFIX, user, environ)

    def lay_out(self) -> None:
        """Write what makes the folder a repository, and say that it is in use."""
        self._alive = hold(self.git_dir)
        super().lay_out()

    def index(self, name: str) -> Path:
        """The path of a temporary index of that name."""
        return self.git_dir / f"index-{name}"

    def publish(
        self, updates: Mapping[str, tuple[str | None, str | None]] | None = None, there: Iterable[str] = ()
    ) -> None:
        """Move every object that the new refs need into the user's repository, as one pack, and change the refs.

        `there` are trees that refs of the user's hold already. What a partial clone had to fetch goes along, in the
        packs it came in. Signals wait meanwhile, and `.keep` files hold the packs until the refs do, as in git's own
        fetch: a gc meanwhile would take them for garbage.
        """
        updates = updates or {}
        tips = [new for new, _ in updates.values() if new]
        before = [old for _, old in updates.values() if old and self.has(old)]
        packs = [*self._fetched(), *self._made(tips, [*there, *before])]
        target = self.user.common_dir / "objects" / "pack"
        with uninterrupted():
            try:
                target.mkdir(exist_ok=True)
                (self.git_dir / MOVING).write_text("".join(f"{pack.stem}\n" for pack in packs))
                for pack in packs:
                    (target / f"{pack.stem}.keep").write_bytes(KEEP)
                    move_pack(pack, target)
                update_refs(self.user, updates)
            except OSError as error:
                raise write_failed(target, error) from error
            finally:
                tidy_move(self.git_dir, target)

    def _fetched(self) -> list[Path]:
        """The packs that came from a remote."""
        return [mark.with_suffix(".pack") for mark in (self.git_dir / "objects" / "pack").glob("pack-*.promisor")]

    def _made(self, tips: Sequence[str], there: Iterable[str]) -> list[Path]:
        """One pack of what `tips` need beyond what is `there`; without tips, all packs as they are.

        It is found by following the tips, not by listing what was written here: git writes no object that it finds in
        a pack, and that may be of a comparison that was forgotten, and gone at the next gc. For the same reason the
        comparisons of other names do not count as there: they may be forgotten while we are at it.
        """
        if not tips:
            return sorted(set((self.git_dir / "objects" / "pack").glob("pack-*.pack")) - set(self._fetched()))
        wanted = "\n".join([*tips, *(f"^{name}" for name in dict.fromkeys(there)), ""])
        options = ("-q", "--revs", "--non-empty", "--window=0", "--delta-base-offset", "--missing=allow-promisor")
        name = self.text("pack-objects", *options, str(self.git_dir / "pack"), stdin=wanted.encode())
        return [self.git_dir / f"pack-{name}.pack"] if name else []


#: In the order in which they must arrive: a pack counts once it has an index.
PARTS = (".promisor", ".rev", ".pack", ".idx")
KEEP = b"git metadiff\n"


def move_pack(pack: Path, target: Path) -> None:
    """Move a pack with its index into the folder `target`, which may lie on another disk."""
    for suffix in PARTS:
        part = pack.with_suffix(suffix)
        if part.exists():
            try:
                os.replace(part, target / part.name)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                copied = target / f"tmp_{part.name}"  # a name that git's own gc removes
                shutil.copy2(part, copied)
                os.replace(copied, target / part.name)


def tidy_move(scratch: Path, target: Path) -> None:
    """End the move that `scratch` has noted: nothing holds the packs any more, and a half of one is removed."""
    try:
        stems = (scratch / MOVING).read_text().split()
    except (OSError, ValueError):
        return
    for stem in stems:
        keep = target / f"{stem}.keep"
        parts = [] if (target / f"{stem}.idx").exists() else [target / f"{stem}{suffix}" for suffix in PARTS]
        with contextlib.suppress(OSError):
            for part in parts:
                part.unlink(missing_ok=True)
            if keep.read_bytes() == KEEP:
                keep.unlink()


def make_folder(parent: Path, prefix: str) -> Path:
    """A new temporary folder."""
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise write_failed(parent, error) from error


def remove_folder(folder: Path) -> None:
    """Remove a folder; a git that is dying may put something there while we are at it."""
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def hold(folder: Path) -> int | None:
    """Lock a file in the folder until this process ends, however it ends; None where files cannot be locked.

    It gets its name once it is locked, so that nobody finds it free.
    """
    descriptor = os.open(folder / f"{ALIVE}.new", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    os.rename(folder / f"{ALIVE}.new", folder / ALIVE)
    return descriptor


def remove_dead(common_dir: Path) -> None:
    """Remove scratch folders that killed runs left behind, and what was half moved out of them."""
    for folder in common_dir.glob(SCRATCH_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if is_dead(folder):
                tidy_move(folder, common_dir / "objects" / "pack")
                remove_folder(folder)


def is_dead(folder: Path) -> bool:
    """Whether the run that made a scratch folder has ended: its lock is free.

    Without a lock it is known by its age: a minute if it never came to anything, a day where files cannot be locked.
    """
    try:
        descriptor = os.open(folder / ALIVE, os.O_RDWR)
    except FileNotFoundError:
        limit = STALE_SECONDS if (folder / "objects").exists() else 60
        return folder.is_dir() and time.time() - folder.lstat().st_mtime > limit
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def replace_file(path: Path, content: bytes, workplace: Path) -> None:
    """Write a file of the repository whole or not at all, by way of a file in the folder `workplace`."""
    fresh = workplace / path.name
    try:
        fresh.write_bytes(content)
        os.replace(fresh, path)
    except OSError as error:
        raise write_failed(path.parent, error) from error


def make_bare(path: Path, environ: Mapping[str, str]) -> None:
    """Make a bare repository at `path`, or find that another process just did."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as folder:
            made = Git(Path(folder) / "made", environ)
            made.git_dir.mkdir()
            made.run("init", "-q", "--bare", "--template=")
            os.rename(made.git_dir, path)
    except OSError as error:
        if not (path / "HEAD").is_file():
            raise write_failed(path, error) from error


def alternate(objects: Path) -> bytes:
    """A line for `objects/info/alternates`: git reads a line up to its end, unless it is quoted."""
    path = os.fsencode(objects)
    if b"\n" in path:
        path = b'"' + path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b'"', b'\\"') + b'"'
    return path + b"\n"


def further_alternates(user: Git) -> bytes:
    """What the user's repository borrows from others, in the same form: git follows such a chain five steps only."""
    if not (user.common_dir / "objects" / "info" / "alternates").exists():
        return b""
    lines = user.run("count-objects", "-v").splitlines(keepends=True)
    return b"".join(line.removeprefix(b"alternate: ") for line in lines if line.startswith(b"alternate: "))


def config_line(name: bytes, value: bytes) -> bytes:
    """A setting as git's configuration files spell it."""
    section, _, variable = name.rpartition(b".")
    head, dot, rest = section.partition(b".")
    rest = rest.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    value = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
    return b'[%s%s]\n\t%s = "%s"\n' % (head, b' "%s"' % rest if dot else b"", variable, value)


#: What decides how git reaches a remote, wherever it is set.
REMOTE = (
    r"^(remote\..*|url\..*|http\..*|credential\..*|protocol\..*|ssh\.variant"
    r"|core\.(askpass|gitproxy|sshcommand)|extensions\.partialclone)$"
)
#: Variables that would point git at another repository than the one that it stands in.
LOCAL = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


def promisor_settings(user: Git, environ: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The settings by which a partial clone fetches what it lacks.

    They name programs, so git itself must find the repository and read them: it trusts none of another person's.
    """
    bare = user.common_dir.name != ".git"
    top = user.common_dir if bare else user.common_dir.parent
    outside = {name: value for name, value in environ.items() if name not in LOCAL}
    found = read_settings(REMOTE, outside, top)
    return [
        (name, absolute_url(value, top) if name.startswith(b"remote.") and name.endswith(b"url") else value)
        for name, value in found
    ]


def absolute_url(url: bytes, top: Path) -> bytes:
    """A remote's address, which may be a path relative to the top of the work tree."""
    scheme, colon, _ = url.partition(b":")
    is_path = not colon or b"/" in scheme
    return os.path.normpath(os.path.join(os.fsencode(top), url)) if is_path else url


def update_refs(user: Git, updates: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Change refs in one atomic transaction.

    `updates` maps a ref to its new id (None deletes it) and the id that it must have now (None: must not exist).
    """
    zero = "0" * (40 if user.object_format == "sha1" else 64)
    lines = [
        f"update {ref}\0{new or zero}\0{old or zero}\0" if new else f"delete {ref}\0{old or ''}\0"
        for ref, (new, old) in updates.items()
    ]
    if not lines:
        return
    stdin = "start\0" + "".join(lines) + "prepare\0commit\0"
    result = user.try_run("update-ref", "--no-deref", "--stdin", "-z", stdin=stdin.encode())
    if result.status == 0:
        return
    words = result.complaint()
    if "reference broken" in words:
        raise MetadiffError(f"git update-ref: {words}", "'git metadiff forget' with its name removes it")
    if "is at" in words or "reference already exists" in words or "unable to resolve reference" in words:
        raise MetadiffError(
            f"another run changed the comparison at the same time: {words}", "run the command again, or use --name"
        )
    if "File exists" in words:
        raise MetadiffError(
            f"git update-ref: {words}", "another git process holds this lock, or left it behind: wait, or remove it"
        )
    raise git_failed(user, ["update-ref"], result)


def broken_refs(user: Git, folder: str) -> set[str]:
    """The refs below `folder` that git cannot read; a machine that lost its power leaves empty ones."""
    words = user.try_run("for-each-ref", folder).err.decode("utf-8", "replace")
    return {line.rpartition(" ")[2] for line in words.splitlines() if "broken ref" in line}


def remove_broken(user: Git, refs: Iterable[str]) -> None:
    """Remove refs that git cannot read: it deletes none that it cannot read, but writes over them."""
    for ref in refs:
        user.run("symbolic-ref", ref, "refs/metadiff/broken")
        update_refs(user, {ref: (None, None)})


# The user's own settings. Only the command line asks for them, for colours and the pager; never for a result.


def user_settings(pattern: str, environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The user's settings whose lower-case names match `pattern`; a name without a value counts as `true`.

    Empty where git cannot read them: what looks different must not stop the work.
    """
    return {os.fsdecode(name): os.fsdecode(value) for name, value in read_settings(pattern, environ, cwd)}


def read_settings(pattern: str, environ: Mapping[str, str], cwd: Path) -> list[tuple[bytes, bytes]]:
    """Names and values of the user's settings, all values of a name."""
    command = ["git", "config", "--null", "--get-regexp", pattern]
    with start_error_named():
        done = subprocess.run(command, capture_output=True, env=dict(environ), cwd=cwd, check=False)
    return split_settings(done.stdout)


def split_settings(out: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values in the output of `git config --null`; a name without a value counts as `true`."""
    pairs = [item.partition(b"\n") for item in out.split(b"\0") if item]
    return [(name, value if equals else b"true") for name, equals, value in pairs]


def user_pager(environ: Mapping[str, str], cwd: Path) -> str:
    """The pager that git would start; empty or `cat` for none."""
    with start_error_named():
        done = subprocess.run(["git", "var", "GIT_PAGER"], capture_output=True, env=dict(environ), cwd=cwd, check=False)
    return os.fsdecode(done.stdout).strip()


def start_pager(command: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the pager with a pipe on its input, and git's defaults for less and lv."""
    defaults = {"LESS": "FRX", "LV": "-c", "GIT_PAGER_IN_USE": "true"}
    with start_error_named():
        return subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=defaults | dict(environ))
