"""Who owns the lines of each hunk of a rendered interdiff.

The comparison names the owners of the hunks as stored, with three lines of context. With another context git cuts the
same changes into other hunks, so owners are found by the lines that are changed, not by the numbers of the header.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from git_metadiff.hunks import RawHunk
from git_metadiff.model import Transition
from git_metadiff.render.sections import FileDiff, core

Names = tuple[str, ...]


class Owners:
    """The owners of interdiff hunks, by file and changed lines."""

    def __init__(self, transition: Transition, stored: Iterable[FileDiff]) -> None:
        self._of_file: dict[bytes, dict[tuple[int, int], Names]] = defaultdict(dict)
        for hunk in transition.interdiff_hunks:
            before = self._of_file[hunk.path].get((hunk.old_start, hunk.new_start), ())
            self._of_file[hunk.path][hunk.old_start, hunk.new_start] = before + hunk.hunks
        self._cores = {file.path: self._with_cores(file) for file in stored if file.hunks}

    def _with_cores(self, file: FileDiff) -> list[tuple[tuple[int, int, int, int], Names]]:
        known = self._of_file.get(file.path, {})
        return [(core(hunk), known.get((hunk.old_start, hunk.new_start), ())) for hunk in file.hunks]

    def of_file(self, path: bytes) -> Names:
        """All owners in a file, each once."""
        return tuple(dict.fromkeys(name for names in self._of_file.get(path, {}).values() for name in names))

    def of_header(self, file: FileDiff) -> Names:
        """The owners of what a file changes without lines: modes, names, binary content."""
        return self._of_file.get(file.path, {}).get((0, 0), ()) if file.hunks else self.of_file(file.path)

    def of_hunk(self, path: bytes, hunk: RawHunk) -> Names:
        """The owners of the changed lines of a hunk."""
        known = self._of_file.get(path, {})
        if not known:
            return ()
        mine = core(hunk)
        found = (name for other, names in self._cores.get(path, ()) if meet(mine, other) for name in names)
        return tuple(dict.fromkeys(found))


def meet(one: tuple[int, int, int, int], two: tuple[int, int, int, int]) -> bool:
    """Whether two changed regions overlap or touch, in the old and in the new file."""
    return one[0] <= two[2] and two[0] <= one[2] and one[1] <= two[3] and two[1] <= one[3]
