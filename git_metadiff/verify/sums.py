"""Sums files as release sites publish them: which digest a file of that name should have.

Forms, also mixed in one file: `digest  name` and `digest *name` (GNU coreutils), `SHA256 (name) = digest` (BSD, and
`--tag` of coreutils), `SHA2-256(name)= digest` (OpenSSL), ` digest size name` (the control files of Debian). A leading
backslash says that the name is escaped. Other lines are text for people.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from git_metadiff.errors import MetadiffError
from git_metadiff.verify.digests import BY_LENGTH

GNU = re.compile(rb"(?P<escape>\\?)(?P<digest>[0-9A-Fa-f]{32,128})(?: [ *]|\t+)(?P<name>.+)", re.DOTALL)
BSD = re.compile(
    rb"(?P<escape>\\?)(?P<tag>[A-Za-z0-9/-]+) ?\((?P<name>.+)\) ?= ?(?P<digest>[0-9A-Fa-f]{32,128})", re.DOTALL
)
DEBIAN = re.compile(rb" (?P<digest>[0-9A-Fa-f]{32,128}) +(?P<size>\d+) +(?P<name>\S+)")
#: How BSD, coreutils and OpenSSL spell the algorithms.
TAGS = {name.upper(): name for name in BY_LENGTH.values()} | {
    "SHA2-224": "sha224",
    "SHA2-256": "sha256",
    "SHA2-384": "sha384",
    "SHA2-512": "sha512",
    "BLAKE2B": "blake2b",
    "BLAKE2B-512": "blake2b",
}
LENGTHS = {name: length for length, name in BY_LENGTH.items()} | {"blake2b": 128}
ESCAPES = {b"\\\\": b"\\", b"\\n": b"\n", b"\\r": b"\r"}


@dataclass(frozen=True, slots=True)
class Sum:
    """One line of a sums file."""

    name: bytes  # as it stands there, unescaped; it may have folders
    algorithm: str
    digest: str  # in lower case
    line: int  # counted from 1


def read_sums(data: bytes, source: str) -> list[Sum]:
    """The sums in a text; `source` is its name for messages. Raises MetadiffError if there are none."""
    found = list(lines_of(data))
    if not found:
        raise MetadiffError(f"{source}: no line of it is a digest with a name", "a sums file is what sha256sum prints")
    return found


def lines_of(data: bytes) -> Iterator[Sum]:
    """The sums in a text, line by line."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        one = read_line(line.removesuffix(b"\r"), number)
        if one is not None:
            yield one


def read_line(line: bytes, number: int) -> Sum | None:
    """One line; None for text."""
    found = BSD.fullmatch(line)
    if found:
        algorithm = TAGS.get(found["tag"].decode().upper())
    else:
        found = GNU.fullmatch(line) or DEBIAN.fullmatch(line)
        if not found:
            return None
        algorithm = BY_LENGTH.get(len(found["digest"]))
    if algorithm is None or len(found["digest"]) != LENGTHS[algorithm]:
        return None
    escaped = found.re is not DEBIAN and found["escape"]
    name = re.sub(rb"\\[\\nr]", lambda one: ESCAPES[one[0]], found["name"]) if escaped else found["name"]
    return Sum(name, algorithm, found["digest"].decode().lower(), number)


def sums_of(sums: Sequence[Sum], path: bytes, source: str) -> list[Sum]:
    """What the sums say of the file `path`: a sum for each algorithm, or none.

    A name with folders is one file among several of that name: the one whose folders are the file's own is meant; where
    that does not decide between different digests, MetadiffError is raised, and nothing is guessed.
    """
    named = [one for one in sums if posixpath.basename(one.name) == posixpath.basename(path)]
    best = max((common_folders(one.name, path) for one in named), default=0)
    named = [one for one in named if common_folders(one.name, path) == best]
    chosen: dict[str, Sum] = {}
    for one in named:
        other = chosen.setdefault(one.algorithm, one)
        if other.digest != one.digest:
            name = posixpath.basename(path).decode("utf-8", "backslashreplace")
            raise MetadiffError(
                f"{source}: lines {other.line} and {one.line} give different digests for {name}",
                "give the digest of the file itself: --sha256 <hex>",
            )
    return list(chosen.values())


def common_folders(name: bytes, path: bytes) -> int:
    """How many components two paths have in common at their ends."""
    ones, others = components(name), components(path)
    pairs = zip(reversed(ones), reversed(others), strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(ones), len(others)))


def components(path: bytes) -> list[bytes]:
    """The components of a path that tell something."""
    return [part for part in path.split(b"/") if part not in (b"", b".")]
