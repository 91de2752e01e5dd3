"""The proof that runs on every comparison: replay, accounting, agreement."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from git_metadiff.correspond.classify import Correspondence
from git_metadiff.correspond.items import Item, Sides
from git_metadiff.git import Scratch
from git_metadiff.hunks import count_hunks
from git_metadiff.model import Hunk, Verdict
from git_metadiff.ownership import OwnedRun

Verdicts = Mapping[str, Sequence[Verdict]]
STANDING = ("kept", "refreshed")
#: Reasons that say that only the place of a kept change differs.
PLACE_REASONS = ("place", "unplaced", "superseded", "recut")


def replay(scratch: Scratch, ported: str, interdiff: bytes) -> str:
    """Apply the interdiff to P by git and return the tree that comes out."""
    if not interdiff:
        return ported
    index = scratch.index("replay")
    scratch.run("read-tree", ported, index=index)
    arguments = ("apply", "--cached", "--whitespace=nowarn", "--no-ignore-whitespace", "--unidiff-zero", "-p1", "-")
    result = scratch.try_run(*arguments, stdin=interdiff, index=index)
    tree = scratch.text("write-tree", index=index) if result.status == 0 else f"git apply: {result.last_words()}"
    index.unlink(missing_ok=True)
    return tree


def count_input(texts: Iterable[bytes]) -> int:
    """How many hunks the input files hold, counted without our reader: text hunks, and sections without lines."""
    return sum(count_hunks(text) + count_lineless(text) for text in texts)


def count_lines(scratch: Scratch, texts: Iterable[bytes]) -> tuple[int, int] | None:
    """How many lines the input adds and removes, as `git apply --numstat` reads it; None where git cannot read it."""
    data = b"\n".join(texts)
    result = scratch.try_run("apply", "--numstat", "-z", "--unidiff-zero", "-", stdin=data)
    if result.status != 0:
        return None
    counts = re.findall(rb"(?:^|\0)(\d+)\t(\d+)\t", result.out)
    return sum(int(plus) for plus, _ in counts), sum(int(minus) for _, minus in counts)


def count_lineless(data: bytes) -> int:
    """The git sections of a patch that change a mode, a name, binary content or an empty file."""
    found = 0
    for section in re.split(rb"^diff --git ", data, flags=re.MULTILINE)[1:]:
        header, hunk, _ = section.partition(b"\n@@ -")
        special = re.search(rb"^(old mode |rename (from|old) |copy from |GIT binary patch)", header, re.MULTILINE)
        made = re.search(rb"^(new file|deleted file) mode ", header, re.MULTILINE)
        stub = re.search(rb"^(Binary )?[Ff]iles .* differ", header, re.MULTILINE)
        found += bool(special) or bool(made and not hunk and not stub)
    return found


def accounted(
    scratch: Scratch, hunks: Sequence[Hunk], left_out: int, texts: Sequence[bytes], verdicts: Verdicts
) -> bool:
    """Whether every hunk of the input is there, each once, each change with one verdict.

    `left_out` hunks were rejected under `--partial`; the count of lines is then git's to tell no more.
    """
    ids = [hunk.id for hunk in hunks]
    lines = None if left_out else count_lines(scratch, texts)
    return (
        len(ids) + left_out == count_input(texts)
        and len(set(ids)) == len(ids)
        and all(len(verdicts.get(hunk.id, ())) == len(hunk.changes) for hunk in hunks)
        and lines in (None, (sum(hunk.added for hunk in hunks), sum(hunk.removed for hunk in hunks)))
    )


def disagreements(sides: Sides, runs: Sequence[OwnedRun], found: Correspondence) -> list[str]:
    """Where verdicts and interdiff tell different stories, in words; empty when they agree."""
    words = [
        f"{run.path!r}: the interdiff changes {run.block} and nothing accounts for it"
        for run in runs
        if not run_explained(run)
    ]
    touched = {item for run in runs for item in run.owners}
    for item in sides.old:
        verdict = item.verdict
        if verdict is None or item.state != "placed" or item.superseded:
            continue
        if item in touched and verdict.word in STANDING and verdict.reason not in PLACE_REASONS:
            words.append(f"{item.hunk.id}: {verdict.word}, but the interdiff takes it out")
        if item not in touched and verdict.word == "dropped" and (item.size or item.hunk.kind == "text"):
            words.append(f"{item.hunk.id}: dropped, but the interdiff leaves it alone")
    return words


def run_explained(run: OwnedRun) -> bool:
    """Whether some owner of a changed run is not simply kept where it was."""
    return any(not stands(item) for item in run.owners)


def stands(item: Item) -> bool:
    """Whether an item is kept or refreshed at the place where P has it."""
    verdict = item.verdict
    if verdict is None or verdict.word not in STANDING or verdict.reason in PLACE_REASONS:
        return False
    old = [item] if item.side == 0 else list(item.partners)
    return all(other.state == "placed" for other in old)
