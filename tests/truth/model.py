"""What is planted, as values. Lines are bytes without their newline; positions are 0-based and half-open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Lines = Sequence[bytes]
Block = tuple[int, int, int, int]  # lines a..b of the old file became c..d of the new one
#: A verdict and its cause. A None cause where the word has one means that both causes are accepted.
Says = tuple[str, str | None]

CARRIED: tuple[Says, ...] = (("carried", None),)
DROPPED: tuple[Says, ...] = (("dropped", None),)
ORPHANED: tuple[Says, ...] = (("orphaned", None),)
ABSORBED: tuple[Says, ...] = (("absorbed", None),)
BY_AUTHOR: tuple[Says, ...] = (("edited", "downstream"),)
BY_UPSTREAM: tuple[Says, ...] = (("edited", "upstream"),)
MOVED: tuple[Says, ...] = (("moved", "downstream"),)


@dataclass(frozen=True, slots=True)
class FilePair:
    """A file of both releases, or of only one of them."""

    old: bytes | None  # path in U1
    new: bytes | None  # path in U2
    before: Lines
    after: Lines
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two releases: the files in which may be planted."""

    files: tuple[FilePair, ...]


@dataclass(slots=True, eq=False)
class Edit:
    """Lines start..stop of a file of a release give way to `added`."""

    path: bytes
    start: int
    stop: int
    added: tuple[bytes, ...]
    inside: Edit | None = None  # start and stop count from the first line that this edit of U2 brings


@dataclass(slots=True, eq=False)
class Plant:
    """One downstream change in both patchsets (`old` in p1, `new` in p2), or in one of them.

    `fates` and `origins` are the accepted verdicts, the first of them the one that counts; `carried` stands for kept
    or refreshed, decided by the context when everything is planted.
    """

    kind: str  # how it was planted
    old: Edit | None
    new: Edit | None
    fates: tuple[Says, ...] = ()
    origins: tuple[Says, ...] = ()
    reason: str | None = None  # the code that its verdict should name
    serial: int = -1


@dataclass(slots=True)
class Planting:
    """Everything that was planted into one pair."""

    plants: list[Plant] = field(default_factory=list)
    upstream: list[Edit] = field(default_factory=list)  # what is planted into U2, in lines of U2
    renames: dict[bytes, bytes] = field(default_factory=dict)  # files of U2 that are renamed


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a planted change stands in a written patchset."""

    patch: int
    path: bytes
    line: int  # 1-based line of the old file at which the change stands
    before: tuple[bytes, ...]  # its context as the patch shows it, at most three lines, up to the next change
    after: tuple[bytes, ...]
    wide: tuple[tuple[bytes, ...], tuple[bytes, ...]]  # three lines of the release either side, whatever is planted
    removed: tuple[bytes, ...]
    added: tuple[bytes, ...]
    crowded: bool  # shares its hunk with another change


@dataclass(frozen=True, slots=True)
class Written:
    """A patchset as text, and where each plant stands in it."""

    patches: tuple[bytes, ...]
    spots: dict[int, Spot]  # by serial
