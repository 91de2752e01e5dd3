"""The only door to git: every git process of the project is started here.

Two kinds of repositories pass through it. The *user's* repository is read (revisions, objects) and, at the very end,
given one pack and one ref transaction. All work happens in a *scratch* repository: a bare repository of our own that
borrows the user's objects through alternates and sees none of the user's configuration, attributes, hooks or replace
refs, because each of these has been seen to change a result or to run a program (see "the door to git" in the design).
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from git_metadiff.errors import MetadiffError

OLDEST_GIT = (2, 38)

#: Settings that decide a result, pinned on every call; a user's configuration is not read, git's defaults may change.
PINNED = (
    "core.attributesFile=/dev/null",
    "core.hooksPath=/dev/null",
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


def sealed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without anything that git obeys, and with what shuts other settings out."""
    kept = {key: value for key, value in environ.items() if not key.startswith("GIT_")}
    kept.update(
        LC_ALL="C",
        LANGUAGE="C",
        TZ="UTC",
        GIT_CONFIG_NOSYSTEM="1",
        GIT_CONFIG_GLOBAL=os.devnull,
        GIT_ATTR_NOSYSTEM="1",
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
        lines = self.err.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {self.status}"


class Git:
    """git in one repository, sealed from every setting outside it.

    `git_dir` is the repository's own folder (of a linked worktree: the worktree's), `environ` the environment that
    its processes start from.
    """

    def __init__(self, git_dir: Path, environ: Mapping[str, str]) -> None:
        self.git_dir = git_dir
        self.environ = sealed_environment(environ)
        self.environ["GIT_DIR"] = str(git_dir)
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
        return GitResult(done.returncode, done.stdout, done.stderr)

    def run(self, *arguments: str | bytes, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """Run git and return its standard output; a failure is fatal."""
        result = self.try_run(*arguments, stdin=stdin, index=index)
        if result.status != 0:
            raise git_failed(arguments, result)
        return result.out

    def text(self, *arguments: str | bytes, stdin: bytes = b"", index: Path | None = None) -> str:
        """Run git and return its standard output as one stripped string."""
        return os.fsdecode(self.run(*arguments, stdin=stdin, index=index)).strip()

    def popen(self, *arguments: str | bytes, stdin: int | None = None) -> subprocess.Popen[bytes]:
        """Start git with pipes on its output and, with `stdin=subprocess.PIPE`, on its input."""
        with start_error_named():
            return subprocess.Popen(
                self.command(arguments),
                stdin=stdin if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._env(None),
                cwd=self.git_dir,
            )

    def resolve(self, revision: str, kind: str = "commit") -> str | None:
        """The id of `revision` peeled to `kind`, or None if it names none."""
        result = self.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{{kind}}}")
        return result.out.decode().strip() if result.status == 0 else None

    @property
    def common_dir(self) -> Path:
        """The folder that holds objects and refs, shared by all linked worktrees."""
        if self._common_dir is None:
            self._common_dir = (self.git_dir / self.text("rev-parse", "--git-common-dir")).resolve()
        return self._common_dir

    @property
    def object_format(self) -> str:
        """`sha1` or `sha256`."""
        if self._object_format is None:
            self._object_format = self.text("rev-parse", "--show-object-format")
        return self._object_format

    def _env(self, index: Path | None) -> dict[str, str]:
        return self.environ if index is None else {**self.environ, "GIT_INDEX_FILE": str(index)}


@contextlib.contextmanager
def start_error_named() -> Iterator[None]:
    """Turn a git that cannot be started into our own error."""
    try:
        yield
    except FileNotFoundError as error:
        raise MetadiffError("cannot run git", "install git 2.38 or later and put it on PATH") from error


def git_failed(arguments: Sequence[str | bytes], result: GitResult) -> MetadiffError:
    """The error for a git process that failed where it never should, or because the machine is out of something."""
    words = result.last_words()
    name = next((os.fsdecode(word) for word in arguments if not os.fsdecode(word).startswith("-")), "git")
    lower = words.lower()
    if "no space left" in lower:
        return MetadiffError(
            f"git {name}: {words}", "free some disk space and run the command again; nothing was changed"
        )
    if "permission denied" in lower or "read-only" in lower:
        return MetadiffError(f"git {name}: {words}", "git metadiff needs write access to the repository")
    return MetadiffError(
        f"git {name} failed: {words}", "check the repository with 'git fsck', then run the command again"
    )


def check_git_version(environ: Mapping[str, str]) -> None:
    """Raise MetadiffError if git is missing or older than 2.38."""
    with start_error_named():
        done = subprocess.run(["git", "--version"], capture_output=True, env=dict(environ), check=False)
    words = done.stdout.decode("ascii", "replace").split()
    numbers = words[2].split(".")[:2] if len(words) > 2 else []
    version = tuple(int(part) for part in numbers if part.isdigit())
    if version < OLDEST_GIT:
        found = words[2] if len(words) > 2 else "unknown"
        raise MetadiffError(f"git {found} is too old", "install git 2.38 or later")


class CatFile:
    """A long-lived `git cat-file --batch`: object contents in the order asked for."""

    def __init__(self, git: Git) -> None:
        self._process = git.popen("cat-file", "--batch", stdin=subprocess.PIPE)

    def read_many(self, names: Sequence[str]) -> Iterator[bytes]:
        """Yield the content of each object; a missing one is fatal. Requests are written by a thread, so the pipe never
        blocks; the whole iterator must be consumed."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        writer = threading.Thread(target=self._ask, args=(process.stdin, names), daemon=True)
        writer.start()
        for name in names:
            yield self._one(process.stdout, name)
        writer.join()

    def read(self, name: str) -> bytes:
        """The content of one object."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{name}\n".encode())
        process.stdin.flush()
        return self._one(process.stdout, name)

    @staticmethod
    def _ask(pipe: IO[bytes], names: Iterable[str]) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):
            pipe.write("".join(f"{name}\n" for name in names).encode())
            pipe.flush()

    @staticmethod
    def _one(pipe: IO[bytes], name: str) -> bytes:
        header = pipe.readline().split()
        if len(header) != 3:
            raise MetadiffError(f"object {name} is missing", "check the repository with 'git fsck'")
        data = pipe.read(int(header[2]) + 1)
        return data[:-1]

    def close(self) -> None:
        """End the process."""
        end_process(self._process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes of `process` and wait for it; a process that does not end is killed."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):
                pipe.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
        self._room = threading.Condition()
        self._waiting = 0
        self._broken = False
        self._done = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

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
            with self._room:
                self._room.wait_for(lambda: self._waiting < self.LIMIT or self._broken)
                self._waiting += len(data)
            self._queue.put(data)

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
            with self._room:
                self._waiting -= len(data)
                self._room.notify()
        with contextlib.suppress(OSError, ValueError):
            self._pipe.close()


class FastImport:
    """A `git fast-import` that writes one pack. Marks are numbers from 1 on, shared by blobs and commits."""

    def __init__(self, git: Git) -> None:
        self._git = git
        # Larger blobs are streamed into the pack, not held in memory (git's own threshold is 512 MiB).
        options = ("--quiet", "--done", "--depth=0", "--date-format=raw-permissive", "--big-file-threshold=16m")
        self._process = git.popen("fast-import", *options, stdin=subprocess.PIPE)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._out = self._process.stdout
        self._feed = Feeder(self._process.stdin)
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
        return [self._out.readline().decode().strip() for _ in marks]

    def checkpoint(self) -> None:
        """Make what was written so far readable by other git processes."""
        self._write(b"checkpoint\n\nprogress flushed\n")
        self._flush()
        while True:
            line = self._out.readline()
            if line == b"progress flushed\n":
                return
            if not line:
                raise self._failed()

    def close(self) -> None:
        """Finish the pack; a failure of git is fatal."""
        self._write(b"done\n")
        self._flush()
        self._feed.finish()
        self._out.read()
        if self._process.wait() != 0:
            raise self._failed()
        end_process(self._process)

    def abort(self) -> None:
        """End the process without finishing."""
        if self._process.poll() is None:
            self._process.kill()
        self._feed.finish()
        end_process(self._process)

    def _write(self, *parts: bytes) -> None:
        if not self._feed.write(parts):
            raise self._failed()

    def _flush(self) -> None:
        self._feed.flush()

    def _failed(self) -> MetadiffError:
        self._feed.finish()
        assert self._process.stderr is not None
        words = self._process.stderr.read() if not self._process.stderr.closed else b""
        fatal = [line for line in words.splitlines() if line.startswith((b"fatal:", b"error:"))]
        return git_failed(["fast-import"], GitResult(self._process.wait(), b"", b"\n".join(fatal) or words))

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


class Scratch(Git):
    """A bare repository of our own, in a temporary folder of the user's repository, removed on exit.

    It lies inside the user's repository so that finished packs can be moved, not copied, and so that a full or
    read-only disk shows before any work is done.
    """

    def __init__(self, user: Git, environ: Mapping[str, str]) -> None:
        self.user = user
        remove_stale(user.common_dir)
        try:
            folder = Path(tempfile.mkdtemp(prefix=SCRATCH_PREFIX, dir=user.common_dir))
        except OSError as error:
            raise MetadiffError(
                f"cannot write to {user.common_dir}: {error.strerror}",
                "git metadiff needs write access to the repository",
            ) from error
        super().__init__(folder, environ)
        try:
            self._lay_out(user)
        except OSError as error:
            self.remove()
            raise MetadiffError(f"cannot write to {folder}: {error.strerror}", "free some disk space") from error
        self._common_dir = folder
        self._object_format = user.object_format

    def _lay_out(self, user: Git) -> None:
        (self.git_dir / "objects" / "info").mkdir(parents=True)
        (self.git_dir / "objects" / "pack").mkdir()
        (self.git_dir / "refs").mkdir()
        (self.git_dir / "HEAD").write_text("ref: refs/heads/none\n")
        objects = str(user.common_dir / "objects")
        line = (
            '"' + objects.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"') + '"'
            if "\n" in objects
            else objects
        )
        (self.git_dir / "objects" / "info" / "alternates").write_bytes(os.fsencode(line) + b"\n")
        config = "[core]\n\tbare = true\n\trepositoryformatversion = 1\n"
        extensions = promisor_settings(user)
        if user.object_format != "sha1":
            extensions = f"[extensions]\n\tobjectFormat = {user.object_format}\n" + extensions
        (self.git_dir / "config").write_text(config + extensions)

    def index(self, name: str) -> Path:
        """The path of a temporary index of that name."""
        return self.git_dir / f"index-{name}"

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.git_dir, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def publish(self) -> None:
        """Move every object made here into the user's repository, as one pack."""
        folder = self.git_dir / "objects" / "pack"
        packs = sorted(folder.glob("pack-*.pack"))
        if len(packs) > 1:
            packs = [self._join(packs)]
        target = self.user.common_dir / "objects" / "pack"
        try:
            target.mkdir(exist_ok=True)
            for pack in packs:
                for suffix in (".rev", ".pack", ".idx"):
                    part = pack.with_suffix(suffix)
                    if part.exists():
                        part.chmod(0o444)
                        os.replace(part, target / part.name)
        except OSError as error:
            raise MetadiffError(
                f"cannot write to {target}: {error.strerror}", "git metadiff needs write access to the repository"
            ) from error

    def _join(self, packs: Sequence[Path]) -> Path:
        """One pack of all that the given packs hold; their compressed objects are copied as they are."""
        listed = [
            self.run("show-index", f"--object-format={self.object_format}", stdin=pack.with_suffix(".idx").read_bytes())
            for pack in packs
        ]
        names = dict.fromkeys(line.split()[1] for text in listed for line in text.splitlines())
        base = self.git_dir / "pack"
        name = self.text(
            "pack-objects", "-q", "--window=0", "--delta-base-offset", str(base), stdin=b"\n".join(names) + b"\n"
        )
        return Path(f"{base}-{name}.pack")


def promisor_settings(user: Git) -> str:
    """The settings by which a partial clone fetches what it lacks, as configuration text; empty for a full clone."""
    result = user.try_run("config", "--local", "--null", "--get-regexp", r"^(remote\..*|extensions\.partialclone)$")
    pairs = [item.partition(b"\n") for item in result.out.split(b"\0") if item]
    if not any(key.endswith(b".promisor") or key == b"extensions.partialclone" for key, _, _ in pairs):
        return ""
    text = ""
    for raw_key, _, raw_value in pairs:
        section, _, variable = os.fsdecode(raw_key).rpartition(".")
        head, _, name = section.partition(".")
        escaped = os.fsdecode(raw_value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        text += f'[{head} "{name}"]\n' if name else f"[{head}]\n"
        text += f'\t{variable} = "{escaped}"\n'
    return text


def remove_stale(folder: Path) -> None:
    """Remove scratch folders that a killed run left behind more than a day ago."""
    for path in folder.glob(SCRATCH_PREFIX + "*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if stat.S_ISDIR(status.st_mode) and time.time() - status.st_mtime > STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def update_refs(user: Git, updates: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Change refs in one atomic transaction.

    `updates` maps a ref to its new id (None deletes it) and the id that it must have now (None: must not exist).
    """
    zero = "0" * (40 if user.object_format == "sha1" else 64)
    lines = [
        f"update {ref}\0{new or zero}\0{old or zero}\0" if new else f"delete {ref}\0{old or ''}\0"
        for ref, (new, old) in updates.items()
    ]
    stdin = "start\0" + "".join(lines) + "prepare\0commit\0"
    result = user.try_run("update-ref", "--stdin", "-z", stdin=stdin.encode())
    if result.status != 0:
        words = result.last_words()
        if "cannot lock" in words or "is at" in words or "reference already exists" in words:
            raise MetadiffError(
                f"another run changed the comparison at the same time: {words}", "run the command again, or use --name"
            )
        raise git_failed(["update-ref"], result)


# The user's own settings. Only the command line asks for them, for colours and the pager; never for a result.


def user_settings(pattern: str, environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The user's settings whose lower-case names match `pattern`; a name without a value counts as `true`.

    Empty where git cannot read them: what looks different must not stop the work.
    """
    command = ["git", "config", "--null", "--get-regexp", pattern]
    with start_error_named():
        done = subprocess.run(command, capture_output=True, env=dict(environ), cwd=cwd, check=False)
    pairs = [item.partition(b"\n") for item in done.stdout.split(b"\0") if item]
    return {os.fsdecode(name): os.fsdecode(value) if equals else "true" for name, equals, value in pairs}


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
