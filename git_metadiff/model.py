"""The words of the project as frozen, typed data. This module knows no other.

Paths, lines and names from files are bytes; ids, codes and words for people are str. Line numbers of a patch are
 1-based as in its `@@` lines; ranges inside the program are 0-based and half-open, `(start, stop)`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Range = tuple[int, int]

FATES = ("kept", "refreshed", "edited", "moved", "absorbed", "orphaned", "dropped", "ambiguous")
ORIGINS = ("kept", "refreshed", "edited", "moved", "new", "ambiguous")
#: A hunk takes the worst verdict of its changes; from worst to best.
WORST_FIRST = ("dropped", "new", "ambiguous", "orphaned", "edited", "moved", "absorbed", "refreshed", "kept")
#: Verdicts of hunks that are in both patchsets.
PAIRED = ("kept", "refreshed", "edited", "moved")
#: How many patches stand at the two ends of a patch edge: one and one, one and several, several and one, several twice.
SHAPES = ("one", "split", "folded", "mixed")

Cause = Literal["upstream", "downstream"]


@dataclass(frozen=True, slots=True)
class Release:
    """An upstream tree."""

    name: str  # as the user named it
    tree: str  # id of the tree
    commit: str = ""  # id of the synthetic commit, once history is written


@dataclass(frozen=True, slots=True)
class Change:
    """A maximal run of removed and added lines inside a hunk: the unit of matching."""

    old_start: int  # 1-based line of the old file at which the change stands; an insertion stands before it
    new_start: int  # the same in the new file
    removed: tuple[bytes, ...]  # lines without their newline
    added: tuple[bytes, ...]
    before: tuple[bytes, ...]  # context lines of the hunk up to the previous change
    after: tuple[bytes, ...]  # context lines up to the next change


@dataclass(frozen=True, slots=True)
class Hunk:
    """A hunk of a patch as its author wrote it: the unit of accounting.

    A hunk without lines (mode, rename, binary content, empty file) has `kind` other than `text`, no body and one change
    of no lines; `essence` then tells two of them apart (modes, names, digest of the content).
    """

    id: str  # made of patchset, path, change text and an ordinal among equals
    release: int  # index of the patchset
    patch: int  # index of the patch in its patchset
    path: bytes  # name in the new tree (in the old one for a deleted file)
    old_path: bytes | None  # name in the old tree where it differs
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    applied_start: int  # line of the old file where it really was applied
    section: bytes  # text behind the second @@
    body: tuple[bytes, ...]  # lines with their prefix, without newline
    changes: tuple[Change, ...]
    kind: str = "text"
    essence: str = ""
    fuzz: int = 0

    @property
    def added(self) -> int:
        """How many lines the hunk adds."""
        return sum(len(change.added) for change in self.changes)

    @property
    def removed(self) -> int:
        """How many lines the hunk removes."""
        return sum(len(change.removed) for change in self.changes)


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch of a patchset."""

    index: int
    name: str  # file name, or abbreviated id of a commit
    subject: str | None
    message: bytes = b""
    author: bytes | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person must be told about an input: a stub left out, a rejected hunk, another strip level."""

    kind: str  # `stub`, `rejected`, `strip`, `fuzz`, `offset`
    text: str
    patch: int = 0
    path: bytes = b""


@dataclass(frozen=True, slots=True)
class Patchset:
    """The downstream work for one release, applied."""

    name: str
    tree: str  # id of D
    patches: tuple[Patch, ...]
    hunks: tuple[Hunk, ...]
    notices: tuple[Notice, ...] = ()
    commit: str = ""  # id of Dn on the downstream branch, once history is written


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a change or hunk (`fate`) or where it comes from (`origin`)."""

    word: str  # one of FATES or ORIGINS
    cause: str | None = None  # `upstream` or `downstream`, only for edited, moved and new
    reason: str | None = None  # a code
    text: str = ""  # the reason in words


@dataclass(frozen=True, slots=True)
class Edge:
    """A correspondence between two hunks, or between a hunk and an upstream hunk (`upstream:…`)."""

    a: str
    b: str
    kind: str
    similarity: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unplaced:
    """A change of p1 that is not in P."""

    hunk: str
    change: int
    reason: str


@dataclass(frozen=True, slots=True)
class InterdiffHunk:
    """One `@@` of the interdiff and the hunks whose lines it shows."""

    path: bytes
    old_start: int
    new_start: int
    hunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collision:
    """A function (or file scope, section None) in which upstream and downstream both have hunks."""

    path: bytes
    section: bytes | None
    upstream: tuple[str, ...]
    hunks: tuple[str, ...]
    definition: bytes | None = None  # an upstream definition that such code now calls


@dataclass(frozen=True, slots=True)
class Certificate:
    """The proof that runs on every comparison."""

    replayed_tree: str
    equals_downstream: bool
    hunks_accounted: bool
    verdicts_agree: bool

    @property
    def holds(self) -> bool:
        """Whether all three parts hold."""
        return self.equals_downstream and self.hunks_accounted and self.verdicts_agree


@dataclass(frozen=True, slots=True)
class InterdiffSize:
    """The interdiff as `git diff-tree -r -M --numstat` counts it."""

    files: int
    added: int
    removed: int
    binary: int


@dataclass(frozen=True, slots=True)
class UpstreamCommit:
    """A commit between two releases, and the hunks of the patchset that it took in or that it broke."""

    kind: str  # `absorbed` or `broken`
    commit: str  # its full id
    subject: str
    tag: str  # the first tag that contains it; empty if none does
    hunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a transition without a later patchset tells beyond the fates: who did it upstream.

    Its later patchset is implied: the diff from U2 to P, so every hunk that is carried has its partner there.
    """

    missing: str = ""  # why history does not tell the commits, in words; empty if it does
    commits: tuple[UpstreamCommit, ...] = ()  # those with the most hunks first


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of the chain, from release `start` to release `stop`."""

    start: int
    stop: int
    ported_tree: str
    unplaced: tuple[Unplaced, ...]
    interdiff: bytes  # the patch from P to D2
    size: InterdiffSize
    interdiff_hunks: tuple[InterdiffHunk, ...]
    collisions: tuple[Collision, ...]
    certificate: Certificate
    #: per path of D2, the ranges of its lines that upstream changed since U1
    upstream_lines: dict[bytes, tuple[Range, ...]] = field(default_factory=dict)
    forecast: Forecast | None = None  # of the last release, where it has no patchset yet


@dataclass(frozen=True, slots=True)
class PatchEdge:
    """A correspondence between two patches of neighbouring series."""

    release: int  # index of the earlier patchset
    a: int
    b: int
    similarity: float  # share of the changed lines of both that both have, 0 to 1, whatever their order
    kind: str = "kept"  # the fate that the edge carries
    shape: str = "one"  # one of SHAPES
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchVerdict:
    """What became of a patch, or where it comes from: the worst of its hunks' verdicts."""

    release: int  # index of its patchset
    patch: int
    side: str  # `fate`, seen from the next patchset, or `origin`, seen from the one before
    verdict: Verdict
    #: the commit that a patch names which is gone and of which upstream holds something; in full where history has it
    upstream_commit: str | None = None
    checked: bool = False  # that commit is in the history of the later release, and not in that of the earlier


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was found: pure data, stored in git, read by everything after it."""

    name: str
    releases: tuple[Release, ...]
    patchsets: tuple[Patchset, ...]
    fates: dict[str, tuple[Verdict, ...]]  # hunk id -> verdict of each change
    origins: dict[str, tuple[Verdict, ...]]
    placed: dict[str, tuple[bool, ...]]  # hunk id -> is each change in P
    superseded: dict[str, str]  # hunk id -> id of the later hunk that replaced all its lines
    edges: tuple[Edge, ...]
    patch_edges: tuple[PatchEdge, ...]
    transitions: tuple[Transition, ...]
    patch_verdicts: tuple[PatchVerdict, ...] = ()  # by release, side and patch; none for a patch without hunks

    def hunks(self) -> list[Hunk]:
        """All hunks, in the order of patchsets and patches."""
        return [hunk for patchset in self.patchsets for hunk in patchset.hunks]


def worst(verdicts: tuple[Verdict, ...]) -> Verdict:
    """The verdict that a hunk takes from its changes."""
    return min(verdicts, key=lambda verdict: (WORST_FIRST.index(verdict.word), verdict.cause != "downstream"))


#: What a forecast says of a hunk of the last patchset, in the order of its line.
OUTCOMES = ("carried", "conflict", "absorbed", "orphaned", "ambiguous")
#: Reasons of orphaned changes whose code is gone; any other one has code to be fitted to.
CODE_GONE = ("no-context", "file-deleted", "superseded")
#: The reason of a change that another one of its patchset makes up for: it has no effect on a release.
NO_EFFECT = "no-effect"
#: The reason of what p2 puts where upstream holds it already.
APPLIED_TWICE = "applied-twice"


def outcome(verdict: Verdict) -> str:
    """One of OUTCOMES, for a fate in a forecast.

    What comes and goes within its patchset is carried with it: it needs no place, and to leave it out would be wrong.
    """
    if verdict.reason == NO_EFFECT:
        return "carried"
    if verdict.word in ("absorbed", "ambiguous"):
        return verdict.word
    if verdict.word == "orphaned":
        return "orphaned" if verdict.reason in CODE_GONE else "conflict"
    return "carried"
