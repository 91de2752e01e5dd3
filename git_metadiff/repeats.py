"""Files that two patchsets patch alike: where upstream left a file alone, the next patchset mostly does the same to it.

More than half of a monolithic patch repeats the last one so. What was done to the file is then taken over, without
reading, splitting, joining and storing it once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from git_metadiff.model import Hunk
from git_metadiff.targets import Target
from git_metadiff.traces import Authored, FileTrace

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to a file that one section of one patchset patches."""

    trace: FileTrace
    hunks: tuple[Hunk, ...]
    authored: tuple[Authored, ...]


class Repeats:
    """Remembers what was done to a file, by its content and the hunks."""

    def __init__(self) -> None:
        self._done: dict[Key, Done] = {}

    def find(self, key: Key) -> Done | None:
        """What was done before to the same content by the same hunks."""
        return self._done.get(key)

    def remember(self, key: Key, trace: FileTrace, hunks: Sequence[Hunk], authored: Sequence[Authored]) -> None:
        """Note what was done. The trace must be final: no later section of its patchset touches the file."""
        self._done[key] = Done(trace, tuple(hunks), tuple(authored))


def key_of(target: Target, entry: tuple[str, str]) -> Key | None:
    """What decides the result of a section that changes lines of an existing file; None for any other section."""
    patch = target.patch
    plain = not (patch.lineless or patch.stub or patch.binary is not None or target.from_other)
    if not plain or not patch.hunks or target.old != target.new:
        return None
    hunks = tuple((one.old_start, one.old_lines, one.new_start, one.new_lines, one.body) for one in patch.hunks)
    return (*entry, patch.new_mode, hunks)
