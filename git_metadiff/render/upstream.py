"""What upstream did to a file between the two releases, read when a view needs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from git_metadiff.hunks import RawHunk
from git_metadiff.render.functions import changed_in, span_of
from git_metadiff.render.gutter import guttered
from git_metadiff.render.lookup import Lookup
from git_metadiff.render.paint import hunk_header
from git_metadiff.render.sections import FileDiff, read_sections
from git_metadiff.render.view import Reader, View

#: A longer hunk of upstream's is cut to what a view is about.
LONG = 60


class Upstream:
    """The diff from U1 to U2, limited to some paths, fetched in one call."""

    def __init__(self, lookup: Lookup, view: View, reader: Reader, paths: Iterable[bytes]) -> None:
        wanted = sorted(set(paths))
        self.files: list[FileDiff] = []
        if wanted and not lookup.same_release:
            trees = lookup.old_release.tree, lookup.new_release.tree
            self.files = read_sections(reader.diff(*trees, view.context, view.function_context, wanted))
        self._by_path: dict[bytes, list[FileDiff]] = defaultdict(list)
        for file in self.files:
            for path in {file.path, file.old_path}:
                if path is not None:
                    self._by_path[path].append(file)

    def of(self, path: bytes) -> list[FileDiff]:
        """What happened to `path`, under its old or its new name."""
        return self._by_path.get(path, [])


def parse_id(name: str) -> tuple[bytes, int] | None:
    """The path and the old start of an upstream hunk's id, `upstream:<transition>:<path>:<old_start>`."""
    parts = name.split(":", 2)
    if len(parts) != 3 or parts[0] != "upstream":
        return None
    path, _, start = parts[2].rpartition(":")
    return (path.encode("utf-8", "surrogateescape"), int(start)) if start.isdigit() else None


def holds(hunk: RawHunk, start: int) -> bool:
    """Whether the upstream hunk that starts at `start` (of the old file, with no context) is part of `hunk`."""
    return hunk.old_start - 1 <= start <= hunk.old_start + hunk.old_lines


def in_function(hunk: RawHunk, function: bytes) -> bool:
    """Whether a hunk changes a line of `function`."""
    return any(name == function for name, _, _ in changed_in(hunk.section, hunk.body))


def cut(hunk: RawHunk, start: int, stop: int) -> RawHunk:
    """The part of a hunk from line `start` to `stop` (half-open) of its body."""
    above, inside = hunk.body[:start], hunk.body[start:stop]
    old_lines, new_lines = _count(inside, b"+"), _count(inside, b"-")
    old, new = hunk.old_start + _count(above, b"+"), hunk.new_start + _count(above, b"-")
    return RawHunk(hunk.line, old, old_lines, new, new_lines, hunk.section, inside)


def _count(body: Sequence[bytes], without: bytes) -> int:
    return sum(text[:1] not in (without, b"\\") for text in body)


def cut_to_function(hunk: RawHunk, function: bytes) -> RawHunk:
    """A long hunk (a new file, say) cut to the lines of `function`; others stay whole."""
    span = span_of(hunk.section, hunk.body, function) if len(hunk.body) > LONG else None
    return cut(hunk, *span) if span else hunk


def hunk_lines(view: View, hunk: RawHunk) -> Iterator[bytes]:
    """An upstream hunk, its lines marked `U`."""
    yield hunk_header(view, hunk)
    yield from guttered(view, hunk.body, 0, None, b"U")
