"""What a rendering is told (`View`) and the one thing that it may ask of git (`Reader`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


def any_path(path: bytes) -> bool:
    """The path limit of a view without one."""
    return True


@dataclass(frozen=True, slots=True)
class View:
    """How the command line wants to see a comparison."""

    context: int = 3
    function_context: bool = False
    #: slot -> ANSI sequence, empty for no colour. The slots: meta frag func old new context as in git, upstream
    #: downstream warn ok, and reset.
    colors: Mapping[str, bytes] = field(default_factory=dict)
    wanted: Callable[[bytes], bool] = any_path  # path limits: they narrow views only
    limit_text: str = ""  # the path limits in words, for the head line
    everything: bool = False  # show collapsed files and folded hunks too
    width: int = 80

    @property
    def as_stored(self) -> bool:
        """Whether the interdiff can be shown with the context it was stored with."""
        return self.context == 3 and not self.function_context


class Reader(Protocol):
    """Reads trees. Only views that need more than the comparison holds ask it."""

    def diff(self, old_tree: str, new_tree: str, context: int, function_context: bool, paths: Sequence[bytes]) -> bytes:
        """The text of `git diff-tree -r -M -p --full-index --binary`; no paths means all."""

    def read(self, tree: str, path: bytes) -> bytes | None:
        """The content of a file, None if the tree has no such file."""
