"""What the guard says, as frozen data: findings, their verdicts and how loud each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BLOCK, SPEAK, SILENT = "block", "speak", "silent"
LEVELS = (BLOCK, SPEAK, SILENT)

#: Verdict -> what it does by default, in the order in which findings are shown. `dropped` and `unapplied` block where
#: the circumstances say so (see `verdicts`), and speak elsewhere.
DEFAULTS: Mapping[str, str] = {
    "marker": BLOCK,
    "missing": BLOCK,
    "resolution": BLOCK,
    "dropped": BLOCK,
    "misplaced": BLOCK,
    "applied-twice": BLOCK,
    "unapplied": BLOCK,
    "unchecked": SPEAK,
    "removed": SPEAK,
    "orphaned": SPEAK,
    "ambiguous": SPEAK,
    "edited": SPEAK,
    "absorbed": SPEAK,
    "boundary": SPEAK,
    "refreshed": SILENT,
}

#: Verdict -> the words of a report.
WORDS: Mapping[str, str] = {
    "marker": "conflict marker left",
    "missing": "the series names a patch that is not there",
    "resolution": "dropped by the conflict's resolution",
    "dropped": "dropped",
    "misplaced": "misplaced",
    "applied-twice": "applied twice",
    "unapplied": "does not apply",
    "unchecked": "not checked",
    "removed": "patch taken out",
    "orphaned": "orphaned",
    "ambiguous": "ambiguous",
    "edited": "edited beyond the rebase",
    "absorbed": "absorbed",
    "boundary": "blank lines at a hunk's edge",
    "refreshed": "refreshed",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that happened to a patchset."""

    verdict: str  # a key of DEFAULTS
    level: str  # one of LEVELS
    patch: str  # the patch: its file, or the subject of its commit
    path: bytes = b""  # the file that the hunk changes
    line: int = 0  # 1-based line of `path` where it would belong; 0: not known
    section: bytes = b""  # the function there, as the hunk names it
    hunk: str = ""  # id of the hunk
    lines: tuple[bytes, ...] = ()  # its old text, with + and -
    text: str = ""  # the reason in words
    count: int = 1  # so many hunks are told by this one line
    folder: str = ""  # the patch folder, where the patch is a file
    accepted: str | None = None  # why it is meant, where somebody said so


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run found."""

    kind: str  # `patches` or `commits`
    title: str  # what was compared with what
    base_moved: bool = False  # upstream changed under the patches
    findings: tuple[Finding, ...] = ()
    silent: Mapping[str, int] = field(default_factory=dict)  # verdict -> hunks of which nothing is said

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """What stops the commit."""
        return tuple(one for one in self.findings if one.level == BLOCK and one.accepted is None)


def order_of(finding: Finding) -> tuple[int, str, bytes, int]:
    """Worst first, then by patch and place."""
    return list(DEFAULTS).index(finding.verdict), finding.patch, finding.path, finding.line
