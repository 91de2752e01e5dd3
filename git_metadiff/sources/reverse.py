"""A patch turned round, for entries of a quilt series with the option `-R`."""

from __future__ import annotations

import re

from git_metadiff.errors import MetadiffError
from git_metadiff.hunks import FilePatch, Scanner

RANGES = re.compile(rb"@@ -(\S+) \+(\S+) @@")
IDS = re.compile(rb"(index )([0-9a-f]+)\.\.([0-9a-f]+)")
MODES = {b"new file mode": b"deleted file mode", b"deleted file mode": b"new file mode"}
SIGNS = {b"+": b"-", b"-": b"+"}


def reverse_patch(data: bytes, name: str) -> bytes:
    """The text of a patch that undoes `data`, line for line. Raises MetadiffError for what text alone cannot undo."""
    lines = data.split(b"\n")
    for file in Scanner(data, name).scan():
        if not file.hunks or file.lineless:
            raise MetadiffError(
                f"{name}:{file.line}: renames, modes and binary content are not applied in reverse",
                "refresh the patch with quilt so that it applies forward",
            )
        turn_header(lines, file)
        for hunk in file.hunks:
            at = hunk.line - 1
            lines[at] = RANGES.sub(rb"@@ -\2 +\1 @@", lines[at], count=1)
            for place in range(at + 1, at + 1 + len(hunk.body)):
                lines[place] = SIGNS.get(lines[place][:1], lines[place][:1]) + lines[place][1:]
    return b"\n".join(lines)


def turn_header(lines: list[bytes], file: FilePatch) -> None:
    """Swap the two sides in the headers of a file with hunks."""
    old, new = file.hunks[0].line - 3, file.hunks[0].line - 2
    lines[old], lines[new] = b"--- " + lines[new][4:], b"+++ " + lines[old][4:]
    for at in range(file.line - 1, old):
        lines[at] = IDS.sub(rb"\1\3..\2", lines[at])
        for mode, other in MODES.items():
            if lines[at].startswith(mode):
                lines[at] = other + lines[at][len(mode) :]
                break
