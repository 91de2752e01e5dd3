"""Refs of the user's repository: the one transaction that changes them, and those that are broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from git_metadiff.errors import MetadiffError
from git_metadiff.git.failures import git_failed
from git_metadiff.git.process import Git


def update_refs(user: Git, updates: Mapping[str, tuple[str | None, str | None]]) -> None:
    """Change refs in one atomic transaction.

    `updates` maps a ref to its new id (None deletes it) and the id that it must have now (None: must not exist).
    """
    zero = "0" * (40 if user.object_format == "sha1" else 64)
    lines = [
        f"update {ref}\0{new or zero}\0{old or zero}\0" if new else f"delete {ref}\0{old or ''}\0"
        for ref, (new, old) in updates.items()
    ]
    if not lines:
        return
    stdin = "start\0" + "".join(lines) + "prepare\0commit\0"
    result = user.try_run("update-ref", "--no-deref", "--stdin", "-z", stdin=stdin.encode())
    if result.status == 0:
        return
    words = result.complaint()
    if "reference broken" in words:
        raise MetadiffError(f"git update-ref: {words}", "'git metadiff forget' with its name removes it")
    if "is at" in words or "reference already exists" in words or "unable to resolve reference" in words:
        raise MetadiffError(
            f"another run changed the comparison at the same time: {words}", "run the command again, or use --name"
        )
    if "File exists" in words:
        raise MetadiffError(
            f"git update-ref: {words}", "another git process holds this lock, or left it behind: wait, or remove it"
        )
    raise git_failed(user.git_dir, ["update-ref"], result)


def broken_refs(user: Git, folder: str) -> set[str]:
    """The refs below `folder` that git cannot read; a machine that lost its power leaves empty ones."""
    words = user.try_run("for-each-ref", folder).err.decode("utf-8", "replace")
    return {line.rpartition(" ")[2] for line in words.splitlines() if "broken ref" in line}


def remove_broken(user: Git, refs: Iterable[str]) -> None:
    """Remove refs that git cannot read: it deletes none that it cannot read, but writes over them."""
    for ref in refs:
        user.run("symbolic-ref", ref, "refs/metadiff/broken")
        update_refs(user, {ref: (None, None)})
