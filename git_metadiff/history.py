"""Synthetic commits on parallel branches, so that git's own tools work on a history that never existed.

    refs/metadiff/NAME/upstream      U1 <-- U2 <-- U3
    refs/metadiff/NAME/downstream    D1 <-- D2 <-- D3      parents of Dn: D(n-1), then the tip of the series on Un
    refs/metadiff/NAME/comparison    holds the Comparison; its parents keep all of it from gc

Author, committer and date are fixed, and names are as the user gave them without folders, so the same inputs give the
same ids on any machine. The message of a release or patchset that was verified on the way in ends in its SHA-256.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from git_metadiff.git import EPOCH, FastImport, modify
from git_metadiff.model import Patch

#: Refs of the scratch repository; only their commits leave it.
WORK_REF = "refs/heads/work"


def titled(title: str, trailer: str, digest: str) -> bytes:
    """A message of one line, with the digest of the file that it came from where that was verified."""
    text = f"{title}\n\n{trailer}: {digest}\n" if digest else f"{title}\n"
    return text.encode("utf-8", "surrogateescape")


def write_upstream(
    writer: FastImport, names: Sequence[str], trees: Sequence[str], digests: Mapping[int, str]
) -> list[str]:
    """One commit a release, each on top of the one before; several patchsets on one release share its commit.

    `digests` are the SHA-256 of the releases that are verified files, by their index.
    """
    marks: list[str] = []
    for at, (name, tree) in enumerate(zip(names, trees, strict=True)):
        if at and (names[at - 1], trees[at - 1]) == (name, tree):
            marks.append(marks[-1])
            continue
        parents = marks[-1:]
        message = titled(name, "Release-Sha256", digests.get(at, ""))
        marks.append(writer.commit(WORK_REF + "-upstream", message, parents, [], tree=tree))
    return marks


def write_series(writer: FastImport, upstream: str, patches: Sequence[Patch], steps: Sequence[list[bytes]]) -> str:
    """One commit a patch on top of its release; the mark of the tip. `steps` are the fast-import lines of each."""
    tip = upstream
    for patch, lines in zip(patches, steps, strict=True):
        tip = writer.commit(WORK_REF + "-series", patch_message(patch), [tip], lines, author=clean_author(patch.author))
    return tip


def clean_author(author: bytes | None) -> bytes | None:
    """`Name <mail> seconds zone` as git accepts it; old histories hold brackets in names, and dates that are none."""
    found = re.match(rb"([^\n\0]*)<([^\n\0]*)>([^\n\0]*)", author or b"")
    if found is None:
        return None
    name, mail, date = (re.sub(rb"[<>]", b"", part).strip() for part in found.groups())
    if not re.fullmatch(rb"\d{1,12} [+-]\d{4}", date):
        date = b"%d +0000" % EPOCH
    return b"%s <%s> %s" % (name, mail, date)


def patch_message(patch: Patch) -> bytes:
    """The message of a patch's commit: its subject, its header, and the name it had."""
    subject = patch.subject or patch.name
    body = patch.message.strip(b"\n")
    parts = [subject.encode("utf-8", "surrogateescape")]
    if body and body != parts[0]:
        parts.append(body)
    parts.append(f"Patch-Name: {patch.name}".encode("utf-8", "surrogateescape"))
    return b"\n\n".join(parts) + b"\n"


def write_downstream(
    writer: FastImport,
    before: str | None,
    tip: str,
    base: str,
    steps: Sequence[list[bytes]],
    name: str,
    digest: str = "",
) -> str:
    """Dn: the tree after the whole patchset, on top of D(n-1) and the tip of its series. `base` is the tree of Un.

    `digest` is the SHA-256 of a patchset that is a verified file.
    """
    parents = [tip] if before is None else [before, tip]
    lines = [line for step in steps for line in step] if before is not None else []
    tree = base if before is not None else None
    message = titled(name, "Patchset-Sha256", digest)
    return writer.commit(WORK_REF + "-downstream", message, parents, lines, tree=tree)


def write_comparison(writer: FastImport, name: str, key: str, parents: Sequence[str], files: dict[bytes, bytes]) -> str:
    """The commit that holds a Comparison. `key` tells whether the same inputs were compared before."""
    lines = [modify("100644", writer.blob(content), path) for path, content in files.items()]
    message = f"Comparison {name}\n\nMetadiff-Key: {key}\n".encode("utf-8", "surrogateescape")
    return writer.commit(WORK_REF + "-comparison", message, list(parents), lines, tree="")
