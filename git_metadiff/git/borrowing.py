"""Repositories of our own that see the user's objects and nothing else of it, but for what a partial clone needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from git_metadiff.git.failures import write_failed
from git_metadiff.git.files import make_folder, remove_folder
from git_metadiff.git.process import Git
from git_metadiff.git.signals import uninterrupted
from git_metadiff.git.user import read_settings


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
