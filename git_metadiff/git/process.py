"""git in one repository, sealed; and whether there is a git that can be used."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from git_metadiff.errors import MetadiffError
from git_metadiff.git.failures import FSCK, UNREADABLE, GitResult, git_failed, is_full, start_error_named
from git_metadiff.git.settings import PINNED, sealed_environment
from git_metadiff.git.signals import pass_on
from git_metadiff.git.user import split_settings

OLDEST_GIT = (2, 38)


class Git:
    """git in one repository, sealed from every setting outside it.

    `git_dir` is the repository's own folder (of a linked worktree: the worktree's), `environ` the environment that
    its processes start from; large pieces of work may be shared by `processes` of them.
    """

    def __init__(self, git_dir: Path, environ: Mapping[str, str]) -> None:
        self.git_dir = Path(os.path.abspath(git_dir))
        self.folder = self.git_dir  # where its processes run
        self.outer = environ
        self.environ = sealed_environment(environ)
        self.environ["GIT_DIR"] = str(self.git_dir)
        self.processes = 1  # how many may share a large piece of work
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
                cwd=self.folder,
                check=False,
            )
        pass_on(done.returncode)
        result = GitResult(done.returncode, done.stdout, done.stderr)
        if result.status != 0 and index is not None and (is_full(self.git_dir) or UNREADABLE.search(result.err)):
            raise git_failed(self.git_dir, arguments, result)  # no answer to what was asked
        return result

    def run(self, *arguments: str | bytes, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """Run git and return its standard output; a failure is fatal."""
        result = self.try_run(*arguments, stdin=stdin, index=index)
        if result.status != 0:
            raise git_failed(self.git_dir, arguments, result)
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
                cwd=self.folder,
            )

    def resolve(self, revision: str, kind: str = "commit") -> str | None:
        """The id of `revision` peeled to `kind`, or None if it names none; a broken repository is fatal."""
        if "\0" in revision or re.search(r":\.\.?/", revision):  # the latter asks for a work tree; none is here
            return None
        named = self._parse(revision) if ":" in revision else revision  # `REV:PATH^{tree}` is a path that ends so
        found = self._parse(f"{named}^{{{kind}}}") if named is not None else None
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
            raise git_failed(self.git_dir, arguments, result)
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
