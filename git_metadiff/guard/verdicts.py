"""From fates to findings: what is said of each change of the older patchset, and how loudly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from git_metadiff.guard.findings import BLOCK, DEFAULTS, SILENT, SPEAK, Finding
from git_metadiff.guard.matched import Matched
from git_metadiff.model import APPLIED_TWICE, Change, Hunk, Verdict, outcome

#: Fates of a change that lives on as it was.
STANDING = ("kept", "refreshed")
#: Reasons of fates that tell of no loss: another hunk of the series answers for the change.
ANSWERED = ("superseded", "cancelled")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides how loud a verdict is."""

    rebase: bool = False  # a rebase, pick or am runs, or has just ended
    resolution: bool = False  # a conflict was resolved by hand
    base_moved: bool = False  # upstream changed; the comparison itself may tell so too
    folder: str = ""
    old: Collection[str] | None = None  # names of the older patches to judge; None: all
    new: Collection[str] | None = None
    gone: Collection[str] = ()  # names of patches that the new series does not have
    levels: Mapping[str, str] = field(default_factory=dict)  # verdict -> level, as the user configured it

    def level(self, verdict: str, level: str | None = None) -> str:
        """How loud a verdict is: by the configuration, else `level`, else by default."""
        return self.levels.get(verdict) or level or DEFAULTS[verdict]


@dataclass(frozen=True, slots=True)
class Piece:
    """A change of an older patch, with its fate."""

    hunk: Hunk
    change: Change
    verdict: Verdict

    @property
    def lines(self) -> tuple[bytes, ...]:
        """Its text, with + and -."""
        return (*(b"-" + line for line in self.change.removed), *(b"+" + line for line in self.change.added))

    @property
    def is_blank(self) -> bool:
        """Whether it is of blank lines alone."""
        return bool(self.lines) and not any(line[1:].strip() for line in self.lines)


def judge(found: Matched, given: Circumstances) -> tuple[list[Finding], dict[str, int]]:
    """The findings, and of how many hunks nothing is said, by their fate."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    for hunk in found.old:
        verdicts = found.fates[hunk.id]
        pieces[hunk.patch] += [Piece(hunk, *pair) for pair in zip(hunk.changes, verdicts, strict=True)]
    names = {patch.index: name_of(patch.name, patch.subject, given) for patch in found.old_patches}
    findings, silent = [], dict[str, int]()
    for patch in found.old_patches:
        if given.old is not None and patch.name not in given.old:
            continue
        mine = [one for one in pieces[patch.index] if one.verdict.reason not in ANSWERED]
        if not mine:
            continue
        if patch.name in given.gone and not any(alive(one.verdict) for one in mine):
            findings.append(whole(mine, names[patch.index], found, given))
        else:
            findings += judge_patch(mine, patch.name, names[patch.index], found, given)
        for one in mine:
            if one.verdict.word in STANDING:
                silent[one.verdict.word] = silent.get(one.verdict.word, 0) + 1
    findings += judge_new(found, given)
    return [one for one in findings if one.level != SILENT], silent


def name_of(name: str, subject: str | None, given: Circumstances) -> str:
    """What a patch is called: a file by its name, a commit by its subject."""
    return name if given.folder or not subject else subject


def alive(verdict: Verdict) -> bool:
    """Whether a change is in the new patchset in some form."""
    return verdict.word in (*STANDING, "edited", "moved")


def whole(mine: Sequence[Piece], name: str, found: Matched, given: Circumstances) -> Finding:
    """The one finding of a patch that was taken out as a whole."""
    lacks = [one for one in mine if one.verdict.word != "absorbed"]
    hunks = list(dict.fromkeys(one.hunk.id for one in lacks))
    total = len({one.hunk.id for one in mine})
    if not lacks:
        text = f"taken out; upstream holds what it does ({total} hunk{'s' * (total > 1)})"
        return Finding("absorbed", given.level("absorbed"), name, count=total, text=text, folder=given.folder)
    told = any(one.verdict.reason != "alone" for one in lacks)
    text = f"upstream lacks {len(hunks)} of its {total} hunks" if told else f"{total} hunks; upstream is not at hand"
    first = lacks[0]
    return Finding(
        "removed",
        given.level("removed"),
        name,
        first.hunk.path,
        found.line(first.hunk, first.change),
        first.hunk.section,
        first.hunk.id,
        first.lines,
        text,
        len(hunks),
        given.folder,
    )


def judge_patch(mine: Sequence[Piece], patch: str, name: str, found: Matched, given: Circumstances) -> list[Finding]:
    """The findings of a patch that lives on, or of which a part does."""
    moved = given.base_moved or found.base_moved or given.rebase
    groups: dict[str, list[Piece]] = defaultdict(list)
    for one in mine:
        word = code_of(one, moved)
        if word:
            groups[word].append(one)
    loud = moved or only_removal(mine, patch, found)
    findings = []
    for one in groups.pop("dropped", []):
        word = "resolution" if given.resolution else "dropped"
        findings.append(say(word, given.level(word, BLOCK if loud else SPEAK), name, one, found, given))
    for one in groups.pop("resolution", []):
        findings.append(say("resolution", given.level("resolution"), name, one, found, given))
    for one in groups.pop("misplaced", []):
        findings.append(say("misplaced", given.level("misplaced"), name, one, found, given))
    for word, group in groups.items():
        first, count = group[0], len({one.hunk.id for one in group})
        findings.append(say(word, given.level(word), name, first, found, given, count))
    return findings


def code_of(piece: Piece, moved: bool) -> str:
    """What is to be said of a change; nothing for most.

    Where the base stands still, an edit is what the author is doing just now, and no news to anybody.
    """
    verdict = piece.verdict
    if verdict.reason == "misplaced":
        return "misplaced"
    if verdict.word == "dropped":
        return "boundary" if piece.is_blank else "dropped"
    if verdict.word in ("edited", "moved") and verdict.cause == "downstream":
        return ("boundary" if piece.is_blank else "edited") if moved else ""
    if verdict.word == "absorbed" and verdict.reason != "held":
        return "absorbed" if moved else ""
    if verdict.word == "orphaned" and outcome(verdict) == "conflict":
        return "resolution" if moved else ""  # its code is there: whoever resolved the conflict left the change out
    return verdict.word if verdict.word in ("orphaned", "ambiguous") and moved else ""


def only_removal(mine: Sequence[Piece], patch: str, found: Matched) -> bool:
    """Whether a patch that is in both patchsets lost something and changed in no other way."""
    if any(one.verdict.word not in (*STANDING, "dropped", "absorbed") for one in mine):
        return False
    numbers = {one.index for one in found.new_patches if one.name == patch}
    fresh = [found.origins[hunk.id] for hunk in found.new if hunk.patch in numbers]
    return all(verdict.word in STANDING for verdicts in fresh for verdict in verdicts)


def say(
    verdict: str, level: str, name: str, piece: Piece, found: Matched, given: Circumstances, count: int = 1
) -> Finding:
    """The finding of one change."""
    hunk = piece.hunk
    return Finding(
        verdict,
        level,
        name,
        hunk.path,
        found.line(hunk, piece.change),
        hunk.section,
        hunk.id,
        piece.lines,
        piece.verdict.text,
        count,
        given.folder,
    )


def judge_new(found: Matched, given: Circumstances) -> list[Finding]:
    """What the new patchset does that nobody can want: what upstream holds, once more."""
    findings = []
    names = {patch.index: patch for patch in found.new_patches}
    for hunk in found.new:
        patch = names[hunk.patch]
        if given.new is not None and patch.name not in given.new:
            continue
        for change, verdict in zip(hunk.changes, found.origins[hunk.id], strict=True):
            if verdict.reason == APPLIED_TWICE and verdict.word == "new":  # one that stands is not this commit's doing
                piece, name = Piece(hunk, change, verdict), name_of(patch.name, patch.subject, given)
                findings.append(say("applied-twice", given.level("applied-twice"), name, piece, found, given))
    return findings
