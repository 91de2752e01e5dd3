"""Files as lists of lines, by object id; what an earlier stage has split already is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from git_metadiff.git import CatFile
from git_metadiff.hunks import NO_NEWLINE


def split_lines(data: bytes) -> list[bytes]:
    """The lines of a file without their newlines; a last line without one is marked by NO_NEWLINE."""
    lines = data.split(b"\n")
    if lines[-1]:
        lines[-1] += NO_NEWLINE
    else:
        lines.pop()
    return lines


def join_lines(lines: Sequence[bytes]) -> bytes:
    """The file that `split_lines` came from, or the part of it that these lines are."""
    if not lines:
        return b""
    text = b"\n".join(lines)
    return text[: -len(NO_NEWLINE)] if lines[-1].endswith(NO_NEWLINE) else text + b"\n"


def blob_id(content: bytes, object_format: str) -> str:
    """The id that git gives a blob of this content."""
    return hashlib.new(object_format, b"blob %d\0" % len(content) + content).hexdigest()


class LineCache:
    """Lines of blobs. `known` are those at hand, by id; they are not to be changed."""

    def __init__(self, objects: CatFile, known: Mapping[str, list[bytes]]) -> None:
        self._objects = objects
        self._known = dict(known)

    def many(self, ids: Sequence[str]) -> Iterator[list[bytes]]:
        """The lines of many blobs, read in one batch; they are not kept. The iterator must be consumed."""
        contents = self._objects.read_many([oid for oid in ids if oid not in self._known])
        for oid in ids:
            known = self._known.get(oid)
            yield known if known is not None else split_lines(next(contents))
        next(contents, None)

    def keep(self, ids: Sequence[str]) -> None:
        """Read many blobs in one batch, to have them at hand."""
        wanted = [oid for oid in dict.fromkeys(ids) if oid not in self._known]
        self._known.update(zip(wanted, self.many(wanted), strict=True))

    def one(self, oid: str) -> list[bytes]:
        """The lines of one blob, kept."""
        if oid not in self._known:
            self._known[oid] = split_lines(self._objects.read(oid))
        return self._known[oid]
