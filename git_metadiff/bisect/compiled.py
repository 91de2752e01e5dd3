"""What a build compiled: the files that its folder names, so that suspects outside of them can be set aside.

Two forms are read: kbuild's `.NAME.o.cmd` files, which name an object's source and all headers that it includes, and a
compile_commands.json, which names sources only, so that headers stay in. The build may be of the older release or of
the newer one: a file that only one of them has is judged by its folder.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from git_metadiff.bisect.candidates import Candidate
from git_metadiff.bisect.names import is_build_file, is_header, is_kconfig
from git_metadiff.bisect.suspicion import DOCUMENTATION
from git_metadiff.errors import MetadiffError

COMMANDS = "compile_commands.json"
#: In a `.cmd` file: `source_kernel/fork.o := kernel/fork.c`, and what the object depends on.
SOURCE = re.compile(rb"^source_\S+\s*:=\s*(\S+)", re.MULTILINE)
DEPENDENCIES = re.compile(rb"^deps_\S+\s*:=\s*((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
#: `$(wildcard include/config/FOO.h)` is a configuration symbol, no file.
WILDCARD = re.compile(rb"\$\([^)]*\)")
#: What a compiler is given: sources and headers. Of anything else a build says nothing.
CODE = (".c", ".cc", ".cpp", ".cxx", ".C", ".S", ".s", ".m", ".rs", ".h", ".hh", ".hpp", ".hxx")


@dataclass(frozen=True)
class Built:
    """The files that a build read, with `/` between folders; relative ones from the top of the tree."""

    files: frozenset[bytes]
    has_headers: bool  # whether headers are among them
    top: bytes = b""  # the folder of the tree, of which absolute names are parts; empty if it is not known

    @cached_property
    def _tails(self) -> frozenset[bytes]:
        """The same files by all tails of their names, for a build outside of its tree: `../linux/kernel/fork.c`."""
        return frozenset(tail for name in self.files for tail in tails(name))

    @cached_property
    def _folders(self) -> frozenset[bytes]:
        return frozenset(tail for name in self.files if not name.endswith(b".h") for tail in tails(posixpath.dirname(name)))

    def has(self, path: bytes) -> bool:
        """Whether the build read a file of the tree."""
        return path in self._tails

    def has_folder(self, folder: bytes) -> bool:
        """Whether it compiled something in a folder."""
        return folder in self._folders


def tails(name: bytes) -> Iterator[bytes]:
    """`a/b/c`, `b/c` and `c`, of a name that leads out of the build's folder; of any other the name alone."""
    name = posixpath.normpath(name)
    yield name.lstrip(b"/")
    if name.startswith((b"/", b"../")):
        parts = name.lstrip(b"/").split(b"/")
        yield from (b"/".join(parts[at:]) for at in range(1, len(parts)))


def read_built(folder: Path) -> Built:
    """What the build in a folder compiled; raises MetadiffError for a folder without a build."""
    if not folder.is_dir():
        raise MetadiffError(f"'{folder}' is no folder", "--built takes the folder in which the program was built")
    commands = [Path(top) / name for top, _, names in os.walk(folder) for name in names if is_command_file(name)]
    if commands:
        return Built(frozenset(name for path in sorted(commands) for name in read_command(path)), has_headers=True)
    database = folder / COMMANDS
    if database.is_file():
        return Built(frozenset(read_database(database, folder)), has_headers=False)
    raise MetadiffError(
        f"there is no build in '{folder}'", f"--built looks for the .cmd files of kbuild, or a {COMMANDS}"
    )


def is_command_file(name: str) -> bool:
    """Whether kbuild keeps a command of an object under this name."""
    return name.startswith(".") and name.endswith((".o.cmd", ".s.cmd", ".lds.cmd", ".i.cmd", ".ko.cmd"))


def read_command(path: Path) -> Iterator[bytes]:
    """The source and the headers that a `.cmd` file names."""
    text = path.read_bytes()
    yield from SOURCE.findall(text)
    for names in DEPENDENCIES.findall(text):
        yield from WILDCARD.sub(b"", names).replace(b"\\\n", b" ").split()


def read_database(path: Path, folder: Path) -> Iterator[bytes]:
    """The sources in a compile_commands.json, relative to the folder where they can be."""
    try:
        entries = json.loads(path.read_bytes())
        for entry in entries:
            place = os.path.join(str(entry.get("directory", folder)), str(entry["file"]))
            yield os.fsencode(inside(place, folder))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MetadiffError(f"'{path}' is no list of compile commands", "make it again with the build") from error


def inside(place: str, folder: Path) -> str:
    """A path relative to a folder, if it is below it, else as it is."""
    top = os.path.abspath(folder)
    place = os.path.abspath(os.path.join(top, place))
    return os.path.relpath(place, top) if place.startswith(top + os.sep) else place


@dataclass(frozen=True, slots=True)
class Aside:
    """What was set aside."""

    files: frozenset[bytes]

    def __len__(self) -> int:
        return len(self.files)


def set_aside(paths: Iterable[bytes], built: Built, in_both: Callable[[bytes], bool], folders: Callable[[bytes], bool]) -> Aside:
    """The files, of those under suspicion, that the build never compiled."""
    return Aside(frozenset(path for path in set(paths) if is_aside(path, built, in_both, folders)))
