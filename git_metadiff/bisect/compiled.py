"""What a build compiled: its suspects stay, others are set aside, counted and never silently.

Read from the `.cmd` files that the kernel's build leaves beside each object (sources and headers), or from a
compile_commands.json (sources only; headers all stay in then). What says how others are compiled stays in: Kconfig,
Makefiles, linker scripts, programs of the build. A build is of one release, so nothing is known of a file that only the
other one has: it stays in.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from git_metadiff.bisect.names import is_build_file, is_kconfig
from git_metadiff.bisect.suspicion import DOCUMENTATION
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git
from git_metadiff.model import Comparison

COMMANDS = "compile_commands.json"
SOURCES = (b".c", b".cc", b".cpp", b".cxx", b".C", b".S", b".s", b".m", b".rs", b".dts")
HEADERS = (b".h", b".hh", b".hpp", b".hxx", b".dtsi")
#: `source_x.o := x.c`, and the lines below `deps_x.o := \`, without `$(wildcard include/config/x.h)`.
SOURCE = re.compile(rb"^source_\S+ := (\S+)", re.MULTILINE)
DEPENDENCY = re.compile(rb"^  (?!\s|\$)(\S+)(?: \\)?$", re.MULTILINE)
#: A larger file is no `.cmd` file.
LARGEST = 1 << 24


@dataclass(frozen=True)
class Built:
    """The files that a build read, by every ending of their names: where its folder was does not matter."""

    endings: frozenset[bytes]
    has_headers: bool

    def reads(self, path: bytes) -> bool:
        """Whether a file of the tree was read; one at the top may be taken for another of that name."""
        return path in self.endings


@dataclass(frozen=True)
class Compiled:
    """Which files of two trees a build compiled; `older` and `newer` are the names of their files."""

    built: Built
    older: Set[bytes]
    newer: Set[bytes]

    @cached_property
    def known(self) -> Set[bytes]:
        """The files of the release that was built, as far as that can be told; else those of both."""
        fresh = any(map(self.built.reads, filter(is_source, self.newer - self.older)))
        gone = any(map(self.built.reads, filter(is_source, self.older - self.newer)))
        if fresh != gone:
            return self.newer if fresh else self.older
        return self.older & self.newer

    def left_out(self, paths: Iterable[bytes]) -> frozenset[bytes]:
        """Those files that were certainly not compiled."""
        return frozenset(filter(self._is_out, paths))

    def _is_out(self, path: bytes) -> bool:
        if is_build_file(path) or is_kconfig(path):
            return False
        if is_source(path) or (self.built.has_headers and path.endswith(HEADERS)):
            return path in self.known and not self.built.reads(path)
        return DOCUMENTATION.search(path) is not None


def is_source(path: bytes) -> bool:
    """Whether a compiler is given this file by its name."""
    return path.endswith(SOURCES)


def compiled_in(folder: Path, comparison: Comparison, git: Git) -> Compiled:
    """What the build in a folder compiled of the last step of a comparison."""
    built = read_built(folder)
    step = comparison.transitions[-1]
    older, newer = (comparison.patchsets[at].tree for at in (step.start, min(step.stop, len(comparison.patchsets) - 1)))
    names = (git.run("ls-tree", "-r", "-z", "--name-only", tree).split(b"\0") for tree in (older, newer))
    return Compiled(built, *map(frozenset, names))


def read_built(folder: Path) -> Built:
    """What the build in a folder compiled; MetadiffError if there is none."""
    if not folder.is_dir():
        raise MetadiffError(f"--built {folder}: there is no such folder", "give the folder in which it was built")
    names: set[bytes] = set()
    for path in command_files(folder):
        data = read(path)
        names.update(SOURCE.findall(data))
        names.update(DEPENDENCY.findall(data))
    has_headers = bool(names)
    names.update(listed(folder / COMMANDS))
    if not names:
        raise MetadiffError(
            f"--built {folder}: nothing there tells what was compiled",
            f"looked for the .cmd files of the kernel's build, and for {COMMANDS}",
        )
    return Built(frozenset(ending for name in names for ending in endings(name)), has_headers)


def command_files(folder: Path) -> Iterator[Path]:
    """The `.x.o.cmd` files below a folder."""
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".git"]
        yield from (Path(place) / name for name in files if name.startswith(".") and name.endswith(".o.cmd"))


def read(path: Path) -> bytes:
    """A file; nothing of one that cannot be read."""
    try:
        return path.read_bytes() if path.stat().st_size < LARGEST else b""
    except OSError:
        return b""


def listed(path: Path) -> Iterator[bytes]:
    """The sources in a compile_commands.json, if there is one; MetadiffError if it is something else."""
    if not path.exists():
        return
    try:
        for entry in json.loads(path.read_bytes()):
            yield os.fsencode(os.path.join(str(entry.get("directory", "")), str(entry["file"])))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise MetadiffError(f"{path} is no list of compile commands", "let the build write it again") from error


def endings(name: bytes) -> Iterator[bytes]:
    """Every ending of a path, from the whole of it to its last name."""
    parts = os.path.normpath(name).strip(b"/").split(b"/")
    yield from (b"/".join(parts[at:]) for at in range(len(parts)))
