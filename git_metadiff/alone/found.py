"""What patchsets alone tell, as frozen data.

The words are those of a comparison, with two differences. `gone` stands for absorbed, orphaned and dropped, which only
the releases tell apart. A cause is named only where the two hunks prove it.
"""

from __future__ import annotations

from dataclasses import dataclass

from git_metadiff.model import Edge, Hunk, Notice, Patch, PatchEdge, Verdict

GONE, NEW = "gone", "new"
FATES = ("kept", "refreshed", "edited", "moved", "ambiguous", GONE)
ORIGINS = ("kept", "refreshed", "edited", "moved", "ambiguous", NEW)
#: A hunk takes the worst verdict of its changes; from worst to best.
WORST_FIRST = (GONE, NEW, "ambiguous", "edited", "moved", "refreshed", "kept")
#: The text of an edit of which nothing tells the cause.
UNTOLD = "the author's edit or upstream's doing: the patches do not tell"
#: What needs the trees, as `unknown` lists it.
UNKNOWN = (
    "absorbed",
    "orphaned",
    "dropped",
    "misplaced",
    "moved-by-upstream",
    "cause",
    "interdiff",
    "certificate",
)


@dataclass(frozen=True, slots=True)
class Side:
    """One patchset, read. Hunks stand at the lines that their headers name: nothing was applied."""

    name: str
    patches: tuple[Patch, ...]
    hunks: tuple[Hunk, ...]
    contents: tuple[bytes, ...] = ()  # the text of each patch
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Shift:
    """How upstream moved, as far as hunks that live on show it."""

    files: int = 0  # files in which such a hunk stands at another line
    contexts: int = 0  # hunks whose changed lines are the same and whose context is not
    renames: tuple[tuple[bytes, bytes], ...] = ()  # files that are patched alike under another name: old, new


@dataclass(frozen=True, slots=True)
class Step:
    """Two neighbouring patchsets: verdicts by hunk id and change, and the edges between hunks and between patches."""

    start: int  # index of the earlier patchset
    fates: dict[str, tuple[Verdict, ...]]
    origins: dict[str, tuple[Verdict, ...]]
    edges: tuple[Edge, ...]
    patch_edges: tuple[PatchEdge, ...]
    shift: Shift


@dataclass(frozen=True, slots=True)
class Reading:
    """All patchsets and what lies between each two neighbours."""

    sides: tuple[Side, ...]
    steps: tuple[Step, ...]


def worst_of(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The verdict that a hunk takes from its changes."""
    return min(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.word))


def shown_word(verdicts: tuple[Verdict, ...]) -> str:
    """The word of the worst verdict."""
    return worst_of(verdicts).word


def is_change(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether a hunk is anything but kept or refreshed."""
    return shown_word(verdicts) not in ("kept", "refreshed")
