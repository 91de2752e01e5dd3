"""A user's argument becomes the hunks of a patchset, with no release to apply it to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from git_metadiff.alone.found import Side
from git_metadiff.apply import PatchText, Read, essence_of, other_name, read_patch, subject_of
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git, Reading
from git_metadiff.hunks import FilePatch, RawHunk
from git_metadiff.model import Notice, Patch
from git_metadiff.sources.folder import is_there
from git_metadiff.sources.patchset import NOTHING_VERIFIED, PatchsetSource, find_revision, not_found, read_path
from git_metadiff.targets import LEVELS, Target, names_agree, names_at, resolve, show
from git_metadiff.traces import Ledger

WHAT = "without releases a patchset is a patch file, a quilt directory, a series file or an mbox"


def find_alone(
    argument: str, user: Git | None, cwd: Path, strip: int | None, verified: Mapping[Path, str] = NOTHING_VERIFIED
) -> PatchsetSource:
    """Read what PATCHSET names: a file or folder; where `user` is a repository, also `REV:PATH` and `A..B`.

    One revision is no patchset here, for it is the difference from a release. Nothing is written anywhere but among
    the system's temporary files. `verified` tells the SHA-256 that files must have. Raises MetadiffError if the
    argument names nothing or holds no patch.
    """
    path = cwd / argument
    if argument and is_there(path):
        name, texts = path.resolve().name, read_path(path, argument, verified.get(path, ""))
    else:
        name, texts = argument, from_revision(argument, user)
    if strip is not None:
        texts = [replace(text, strip=strip) for text in texts]
    return PatchsetSource(name, tuple(texts))


def from_revision(argument: str, user: Git | None) -> list[PatchText]:
    """The patches of `REV:PATH` or `A..B`."""
    if user is None or not argument:
        raise MetadiffError(f"there is no file or folder '{argument}'", WHAT)
    if ".." in argument or ":" in argument:
        with Reading(user) as git:
            found = find_revision(argument, "", git, user)
        if found is not None:
            return found
    elif user.resolve(argument) is not None:
        raise MetadiffError(
            f"'{argument}' is a revision, and a patchset of one revision is its difference from a release",
            "give the releases: git metadiff <release> <release> --patches <patchset> <patchset>",
        )
    raise not_found(argument, user)


def read_side(source: PatchsetSource, index: int) -> Side:
    """The hunks of a patchset, whose place among the patchsets is `index`; ids are those of a comparison."""
    ledger = Ledger(index)
    patches, notices = [], []
    reads = [read_patch(text) for text in source.texts]
    levels = [
        text.strip if text.strip is not None else guess_level(read.files)
        for text, read in zip(source.texts, reads, strict=True)
    ]
    known = agreed_names(reads, levels)
    for number, (text, read) in enumerate(zip(source.texts, reads, strict=True)):
        message = text.message or read.message
        patches.append(Patch(number, text.name, text.subject or subject_of(message), message, text.author))
        notices += [Notice(kind, f"{text.name}:{line}: {words}", number) for kind, line, words in read.notes]
        level = levels[number]
        if level != 1 and text.strip is None:
            words = f"{text.name}: read with -p{level}, by its names alone (--strip tells otherwise)"
            notices.append(Notice("strip", words, number))
        for patch, target in zip(read.files, resolve(read.files, level, known), strict=True):
            if target is None:
                raise MetadiffError(
                    f"{text.name}:{patch.line}: no file name is left with -p{level}",
                    "give the patch level with --strip N",
                )
            notices += record(ledger, number, target, text.name)
    contents = tuple(text.data for text in source.texts)
    return Side(source.name, tuple(patches), tuple(ledger.hunks), contents, tuple(notices))


def agreed_names(reads: Sequence[Read], levels: Sequence[int]) -> set[bytes]:
    """The names in which both headers of a section agree: where two differ elsewhere, the one among these is meant."""
    names = [names_at(one, level) for read, level in zip(reads, levels, strict=True) for one in read.files]
    return {old for old, new in names if old is not None and old == new}


def record(ledger: Ledger, number: int, target: Target, name: str) -> list[Notice]:
    """Add the hunks of one section to the ledger, one of no lines first; tell of a binary stub."""
    patch = target.patch
    old = other_name(target)
    if patch.lineless:
        kind, essence = essence_of(target)
        ledger.record(number, target.path, old, RawHunk(patch.line, 0, 0, 0, 0, b"", ()), 0, kind=kind, essence=essence)
    for raw in patch.hunks:
        ledger.record(number, target.path, old, raw, raw.old_start)
    if patch.stub and not patch.lineless:
        words = f"{name}:{patch.line}: {show(target.path)}: binary files differ, without data; left out"
        return [Notice("stub", words, number, target.path)]
    return []


def guess_level(files: Sequence[FilePatch]) -> int:
    """The level that the names of a patch speak for, with no tree to look them up in.

    Where both names of every section agree, first components and all, there is no prefix to take off.
    """
    real = [one for one in files if not one.stub or one.lineless]
    both = [one for one in real if one.old_name is not None and one.new_name is not None and not one.bare_names]
    if both and all(one.old_name == one.new_name for one in both):
        return 0
    usable = [level for level in LEVELS if all(has_name(one, level) for one in real)]
    agreeing = [level for level in usable if all(names_agree(one, level) for one in real)]
    return next(iter([*agreeing, *usable]), 1)


def has_name(patch: FilePatch, level: int) -> bool:
    """Whether a section has a name left at this level."""
    return any(name is not None for name in names_at(patch, level))
