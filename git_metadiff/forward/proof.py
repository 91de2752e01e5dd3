"""The certificate of a written series: git itself applies it to the new release, and gets the ported tree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from git_metadiff.errors import MetadiffError
from git_metadiff.git import Scratch

#: As the door to git demands: nothing is mended, nothing is forgiven. `git apply` knows no fuzz.
APPLY = ("apply", "--cached", "--whitespace=nowarn", "--no-ignore-whitespace")
REPORT = "this is a fault of git metadiff: please report it with the input"
#: So many patches go into one process.
MANY = 200


class Candidate(NamedTuple):
    """A patch that is to be written."""

    name: str
    text: bytes
    level: int


def prove(scratch: Scratch, ends: tuple[str, str], patches: Sequence[Candidate]) -> None:
    """Raise MetadiffError unless the patches, in order, lead from the one tree to the other."""
    fault = find_fault(scratch, ends, patches)
    if fault is not None:
        raise MetadiffError(f"the certificate does not hold: {fault}", REPORT)


def find_fault(scratch: Scratch, ends: tuple[str, str], patches: Sequence[Candidate]) -> str | None:
    """Why the patches do not lead from the one tree to the other, in words; None if they do."""
    index = scratch.index("proof")
    scratch.run("read-tree", ends[0], index=index)
    (scratch.git_dir / "proof").mkdir(exist_ok=True)
    for level, group in groupby(patches, key=lambda one: one.level):
        some = list(group)
        for at in range(0, len(some), MANY):
            fault = apply_some(scratch, some[at : at + MANY], level)
            if fault is not None:
                return fault
    found = scratch.text("write-tree", index=index)
    return None if found == ends[1] else f"the written series gives the tree {found}, not {ends[1]}"


def apply_some(scratch: Scratch, patches: Sequence[Candidate], level: int) -> str | None:
    """Apply patches of one level in one process; what is wrong, in words."""
    paths = []
    for number, one in enumerate(patches):
        path = scratch.git_dir / "proof" / str(number)
        path.write_bytes(one.text)
        paths.append(str(path))
    done = scratch.try_run(*APPLY, f"-p{level}", *paths, index=scratch.index("proof"))
    if done.status == 0:
        return None
    lines = done.err.decode("utf-8", "backslashreplace").splitlines()
    said = [line for line in lines if line.startswith(("error: ", "fatal: "))] or ["git apply refuses it"]
    names = patches[0].name if len(patches) == 1 else f"{patches[0].name} to {patches[-1].name}"
    return f"in {names}: {said[0].removeprefix('error: ')}"
