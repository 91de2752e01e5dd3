"""What a forward port gives: pure data, read by the rendering and by what writes the folder."""

from __future__ import annotations

from dataclasses import dataclass

from git_metadiff.model import Hunk, UpstreamCommit

#: What became of a hunk or a patch, worst first: the codes of the document.
RESULTS = ("rejected", "partial", "absorbed", "void", "refreshed", "placed")


#: The reason of a placed change whose lines upstream brought too, at another place of the file.
TWICE = "twice"
#: The reason of a placed insertion where upstream inserted too: it stands behind upstream's lines, or before them.
BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Spot:
    """A line of the new release."""

    path: bytes
    line: int  # 1-based; 0: the file as a whole


@dataclass(frozen=True, slots=True)
class ChangeFate:
    """What became of one change of a hunk."""

    result: str  # `placed`, `rejected`, `absorbed`, or `void`: it comes and goes within the series
    reason: str | None = None  # a code
    text: str = ""  # the reason in words
    #: Absorbed: where upstream holds it. Rejected: where upstream's own change stands. Placed: see TWICE and BESIDE.
    upstream: Spot | None = None


@dataclass(frozen=True, slots=True)
class HunkFate:
    """What became of one hunk of the patchset."""

    hunk: Hunk
    order: int  # 1-based, among the hunks of its patch
    changes: tuple[ChangeFate, ...]
    verbatim: bool  # it was written with its own lines; only its line numbers may differ
    path: bytes | None = None  # the file of the new release that it is in now, or would be
    commits: tuple[UpstreamCommit, ...] = ()  # the upstream commits that took it in, or took its place

    @property
    def result(self) -> str:
        """One of RESULTS."""
        found = {change.result for change in self.changes}
        if "rejected" in found:
            return "partial" if "placed" in found or "absorbed" in found else "rejected"
        if "placed" in found:
            return "placed" if self.verbatim and found == {"placed"} else "refreshed"
        return "absorbed" if "absorbed" in found else "void"


@dataclass(frozen=True, slots=True)
class Written:
    """A file of the folder that is to be written."""

    name: str  # with `/` between folders
    data: bytes


@dataclass(frozen=True, slots=True)
class CarriedPatch:
    """One patch of the series, carried onto the new release."""

    name: str
    text: bytes  # empty: nothing of it is placed
    level: int
    hunks: tuple[HunkFate, ...]
    missing: int = 0  # hunks that did not apply to the old release either
    file: str | None = None  # the file that holds it; None: not written
    rejects: str | None = None  # the file that holds what has no place

    @property
    def result(self) -> str:
        """One of RESULTS, as for a hunk."""
        found = {fate.result for fate in self.hunks}
        if self.missing or found & {"rejected", "partial"}:
            return "partial" if self.text else "rejected"
        if self.text:
            return "placed" if found <= {"placed", "void"} else "refreshed"
        return "absorbed" if "absorbed" in found else "void"


@dataclass(frozen=True, slots=True)
class ForwardPort:
    """A patchset carried onto another release."""

    old: str  # names of the releases
    new: str
    patchset: str
    tree: str  # that the written series gives on the new release: P, and what `beyond` counts
    patches: tuple[CarriedPatch, ...]
    files: tuple[Written, ...] = ()
    missing: str = ""  # why no upstream commits are named, in words
    name: str = ""  # of the stored comparison
    beyond: int = 0  # hunks that have a place in their own patch, though none in P, which judges the series as one

    @property
    def complete(self) -> bool:
        """Whether nothing was left without a place."""
        return all(patch.result not in ("rejected", "partial") for patch in self.patches)
