"""Renames that are ones: git takes a short file for the new name of another where half of both is the same licence."""

from __future__ import annotations

from collections.abc import Sequence

from git_metadiff.git import Git
from git_metadiff.linemap import Tree, find_renames, words_in
from git_metadiff.lines import LineCache

#: Least share of the telling lines of the smaller file, without the comment at its head, that both have.
OWN = 0.3
#: A line of so many letters and digits tells something.
TELLING = 4
#: How a comment at the head of a file begins, and how it ends; without an end it goes on while lines begin so.
COMMENTS = ((b"/*", b"*/"), (b"#", b""), (b"//", b""), (b";", b""), (b'.\\"', b""), (b"dnl", b""))


def true_renames(git: Git, lines: LineCache, gone: Tree, come: Tree, name: str) -> dict[bytes, bytes]:
    """The renames that git finds between two sets of files, without those whose content says otherwise.

    A file that keeps the last part of its name is believed.
    """
    found = find_renames(git, gone, come, name)
    doubtful = [
        (old, new)
        for old, new in found.items()
        if gone[old][1] != come[new][1] and old.rpartition(b"/")[2] != new.rpartition(b"/")[2]
    ]
    ids = [oid for old, new in doubtful for oid in (gone[old][1], come[new][1])]
    texts = iter([telling_lines(text) for text in lines.many(ids)])
    for (old, _), one, other in zip(doubtful, texts, texts, strict=True):
        if len(one & other) < OWN * min(len(one), len(other)) or not (one and other):
            del found[old]
    return found


def telling_lines(lines: Sequence[bytes]) -> set[bytes]:
    """The lines of a file that tell something, behind the comment at its head."""
    return {line.strip() for line in lines[head_of(lines) :] if words_in(line) >= TELLING}


def head_of(lines: Sequence[bytes]) -> int:
    """How many lines the comment at the head of a file has, licence and all."""
    at = 0
    while at < len(lines) and (not lines[at].strip() or lines[at].startswith(b"#!")):
        at += 1
    for begin, end in COMMENTS:
        if at < len(lines) and lines[at].lstrip().startswith(begin):
            return end_of(lines, at, begin, end)
    return 0


def end_of(lines: Sequence[bytes], at: int, begin: bytes, end: bytes) -> int:
    """The line behind a comment that begins at line `at`."""
    if end:
        return next((number + 1 for number in range(at, len(lines)) if end in lines[number]), 0)
    while at < len(lines) and lines[at].lstrip().startswith(begin):
        at += 1
    return at
