"""The text of a diff by git, split into its files without losing a byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from git_metadiff.hunks import FilePatch, RawHunk, Scanner

SIMILARITY = re.compile(rb"^similarity index (\d+)%$", re.MULTILINE)
#: Header lines that tell of a change beside the lines.
LOUD = (b"old mode ", b"new mode ", b"rename ", b"copy ", b"deleted file mode ", b"new file mode ")


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What a diff says of one file."""

    path: bytes  # in the new tree; in the old one for a deleted file
    old_path: bytes | None  # where it differs
    lines: Sequence[bytes]  # the whole section, lines without newline
    header: Sequence[bytes]  # those before the first hunk
    letter: str  # A, D, M or R, as in `--name-status`
    similarity: int | None
    modes: tuple[str, str] | None  # old and new where both exist and differ
    binary: bool
    hunks: Sequence[RawHunk]

    @property
    def added(self) -> int:
        """How many lines are added."""
        return sum(body_line.startswith(b"+") for hunk in self.hunks for body_line in hunk.body)

    @property
    def removed(self) -> int:
        """How many lines are removed."""
        return sum(body_line.startswith(b"-") for hunk in self.hunks for body_line in hunk.body)

    def touches(self, paths: Sequence[bytes]) -> bool:
        """Whether one of its names is in `paths`."""
        return self.path in paths or self.old_path in paths


def read_sections(text: bytes) -> list[FileDiff]:
    """The files of a diff, in its order; their lines together are the text."""
    scanner = Scanner(text, "diff")
    found = scanner.scan()
    starts = [*(file.line - 1 for file in found), len(scanner.lines)]
    return [_section(file, scanner.lines, end) for file, end in zip(found, starts[1:], strict=True)]


def _section(file: FilePatch, lines: list[bytes], end: int) -> FileDiff:
    start = file.line - 1
    header = lines[start : file.hunks[0].line - 1 if file.hunks else end]
    old, new = _bare(file.old_name, file), _bare(file.new_name, file)
    path = new if new is not None else old or b""
    modes = (file.old_mode, file.new_mode) if file.old_mode and file.new_mode else None
    return FileDiff(
        path=path,
        old_path=old if old not in (None, path) else None,
        lines=lines[start:end],
        header=header,
        letter="A" if file.creates else "D" if file.deletes else "R" if file.renames else "M",
        similarity=_similarity(header) if file.renames else None,
        modes=modes if modes and modes[0] != modes[1] else None,
        binary=file.binary is not None or file.stub,
        hunks=file.hunks,
    )


def _bare(name: bytes | None, file: FilePatch) -> bytes | None:
    return name if name is None or file.bare_names else name.partition(b"/")[2]


def _similarity(header: list[bytes]) -> int | None:
    match = SIMILARITY.search(b"\n".join(header))
    return int(match[1]) if match else None


def core(hunk: RawHunk) -> tuple[int, int, int, int]:
    """Where a hunk really changes something: first old and new line (0-based), and where they end."""
    old, new = hunk.old_start - (hunk.old_lines > 0), hunk.new_start - (hunk.new_lines > 0)
    first: tuple[int, int] | None = None
    last = (old, new)
    for body_line in hunk.body:
        prefix = body_line[:1]
        if prefix == b"\\":
            continue
        if prefix != b" " and first is None:
            first = (old, new)
        old, new = old + (prefix != b"+"), new + (prefix != b"-")
        if prefix != b" ":
            last = (old, new)
    return (*(first or last), *last)
