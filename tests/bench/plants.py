"""Losses planted in patches: a hunk taken out, or one change inside a hunk that lives on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from git_metadiff.hunks import FilePatch, RawHunk, Scanner, changes_of


@dataclass(frozen=True, slots=True)
class Plant:
    """A loss: what was taken out of which patch."""

    kind: str  # `hunk` or `change`
    patch: str
    path: bytes
    lines: tuple[bytes, ...]  # with + and -, that say something


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that can be taken out of a patch."""

    kind: str
    file: FilePatch
    hunk: RawHunk
    change: int = 0


def plant_one(name: str, text: bytes, kind: str, rng: random.Random) -> tuple[Plant, bytes] | None:
    """Take one thing of that kind out of a patch: the loss, and the text that is left. None if there is nothing."""
    found = list(choices(text, name, kind))
    if not found:
        return None
    choice = rng.choice(found)
    lines = text.split(b"\n")
    if kind == "hunk":
        lost, left = lost_lines(choice.hunk, None), without_hunk(lines, choice)
    else:
        lost, left = lost_lines(choice.hunk, choice.change), without_change(lines, choice)
    path = (choice.file.new_name or choice.file.old_name or b"").partition(b"/")[2]
    return Plant(kind, name, path, lost), b"\n".join(left)


def choices(text: bytes, name: str, kind: str) -> Iterator[Choice]:
    """What can be taken out so that the patch still is one: whole new files and blank lines are left alone."""
    files = Scanner(text, name).scan()
    total = sum(len(file.hunks) for file in files)
    for file in files:
        if file.lineless or file.creates or file.deletes:
            continue
        for hunk in file.hunks:
            if kind == "hunk" and total > 1 and lost_lines(hunk, None):
                yield Choice(kind, file, hunk)
            count = len(changes_of(hunk))
            for at in range(count) if kind == "change" and count > 1 else ():
                if lost_lines(hunk, at):
                    yield Choice(kind, file, hunk, at)


def lost_lines(hunk: RawHunk, only: int | None) -> tuple[bytes, ...]:
    """The changed lines of a hunk, or of one of its changes, that are not blank."""
    found = []
    for at, change in enumerate(changes_of(hunk)):
        if only is None or at == only:
            found += [b"-" + line for line in change.removed] + [b"+" + line for line in change.added]
    return tuple(line for line in found if line[1:].strip())


def without_hunk(lines: list[bytes], choice: Choice) -> list[bytes]:
    """The patch without a hunk, and without its file where that is the only one."""
    start, stop = choice.hunk.line - 1, choice.hunk.line + len(choice.hunk.body)
    if len(choice.file.hunks) == 1:
        start = choice.file.line - 1
    return lines[:start] + lines[stop:]


def without_change(lines: list[bytes], choice: Choice) -> list[bytes]:
    """The patch with one change of a hunk undone: what it removed is context again."""
    body, at, inside = [], -1, False
    for line in choice.hunk.body:
        changed = line[:1] in b"+-" and line[:1] != b""
        at += changed and not inside
        inside = changed or (inside and line[:1] == b"\\")
        if not (changed and at == choice.change):
            body.append(line)
        elif line[:1] == b"-":
            body.append(b" " + line[1:])
    old = sum(line[:1] in (b" ", b"-") for line in body)
    new = sum(line[:1] in (b" ", b"+") for line in body)
    hunk = choice.hunk
    head = b"@@ -%d,%d +%d,%d @@" % (hunk.old_start, old, hunk.new_start, new)
    start = hunk.line - 1
    return [*lines[:start], head, *body, *lines[start + 1 + len(hunk.body) :]]
