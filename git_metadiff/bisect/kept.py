"""What a search keeps on disk, under the git folder of its work tree: each work tree has its own.

Two files: the *plan* (the steps, written once, and again when steps are fused) and the *state* (everything else,
written after each answer). Both are replaced whole, so that an interrupt at any time leaves the last complete one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from git_metadiff.bisect.search import Answer
from git_metadiff.bisect.source import Point, Step
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Head

FOLDER = "metadiff-bisect"
PLAN, STATE, LOCK, LOGS = "plan.json", "state.json", "lock", "logs"
FORMAT = 1
OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Given:
    """An answer, as it was given."""

    tree: str
    commit: str
    answer: Answer
    why: str = ""  # in words; empty if a person gave it
    signature: tuple[str, ...] = ()  # errors of a tree that could not be tested
    seconds: float = 0.0
    tested: bool = False  # by a job, now; not by hand, and not known from before


@dataclass(frozen=True)
class Plan:
    """What is searched."""

    kind: str  # of the source
    steps: tuple[Step, ...]
    ends: tuple[str, str]  # what the two ends are called: `D1`, `F`
    sure: tuple[bool, bool]  # whether the user came with the knowledge that the first works, and the last fails
    made: Mapping[int, Point]  # points that were made at the start


@dataclass
class State:
    """What changes while it is searched."""

    name: str  # of the comparison
    axis: str
    options: dict[str, Any] = field(default_factory=dict)  # how the source was made, to make it again
    head: Head | None = None  # where the work tree was; None: no work tree is used
    worktree: str = ""  # the folder of --worktree
    made: dict[int, Point] = field(default_factory=dict)  # further points
    answers: list[Given] = field(default_factory=list)  # in the order in which they came
    current: list[int] = field(default_factory=list)  # steps whose points were handed out
    job: dict[str, Any] | None = None  # the last one that was run
    fused: int = 0  # how often steps were fused


def exists(git_dir: Path) -> bool:
    """Whether a search is under way."""
    return (git_dir / FOLDER / STATE).exists()


def remove(git_dir: Path) -> None:
    """End the search: the state goes first, so that what an interrupt leaves counts for nothing."""
    folder = git_dir / FOLDER
    with suppress(FileNotFoundError):
        (folder / STATE).unlink()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def alone(git_dir: Path) -> Iterator[None]:
    """Hold the search against other processes; MetadiffError if one of them has it."""
    folder = git_dir / FOLDER
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(OSError):  # where files cannot be locked
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise MetadiffError(
                    "another 'git metadiff bisect' is at work here", "wait until it has ended, or interrupt it"
                ) from error
        yield
    finally:
        os.close(descriptor)
        with suppress(OSError):
            if not exists(git_dir):
                (folder / LOCK).unlink()
                folder.rmdir()


def pack_plan(plan: Plan) -> bytes:
    """A plan as JSON."""
    document = {
        "format": FORMAT,
        "kind": plan.kind,
        "ends": plan.ends,
        "sure": plan.sure,
        "steps": [asdict(step) | {"title": step.title.decode("latin-1")} for step in plan.steps],
        "made": pack_points(plan.made),
    }
    return json.dumps(document).encode() + b"\n"


def unpack_plan(data: bytes) -> Plan:
    """A plan from what `pack_plan` made."""
    document = json.loads(data)
    check_format(document)
    steps = tuple(
        Step(
            one["title"].encode("latin-1"),
            float(one["weight"]),
            float(one["cost"]),
            tuple(map(int, one["parents"])),
            tuple(map(str, one["hunks"])),
            str(one["upstream"]),
            tuple(map(int, one["groups"])),
        )
        for one in document["steps"]
    )
    if not steps or any(parent >= at for at, step in enumerate(steps) for parent in step.parents):
        raise ValueError("no steps, or one before its parents")
    first, last = map(str, document["ends"])
    sure_first, sure_last = map(bool, document["sure"])
    return Plan(str(document["kind"]), steps, (first, last), (sure_first, sure_last), unpack_points(document["made"]))


def pack_points(points: Mapping[int, Point]) -> dict[str, Any]:
    """Points as JSON has them."""
    return {str(at): [one.commit, one.tree, list(one.notes), one.untestable] for at, one in points.items()}


def unpack_points(data: Mapping[str, Any]) -> dict[int, Point]:
    """Points from what `pack_points` made."""
    found = {int(at): Point(one[0], one[1], tuple(one[2]), one[3]) for at, one in data.items()}
    if not all(OBJECT.fullmatch(name) for one in found.values() for name in (one.commit, one.tree)):
        raise ValueError("no name of an object")
    return found


def pack_state(state: State) -> bytes:
    """A state as JSON; bytes in it as latin-1."""
    document = asdict(state) | {
        "format": FORMAT,
        "head": list(state.head) if state.head else None,
        "made": pack_points(state.made),
    }
    return json.dumps(document).encode() + b"\n"


def unpack_state(data: bytes) -> State:
    """A state from what `pack_state` made."""
    document = json.loads(data)
    check_format(document)
    head = Head(*document["head"]) if document["head"] else None
    answers = [
        Given(
            one["tree"],
            one["commit"],
            cast(Answer, one["answer"]),
            one["why"],
            tuple(one["signature"]),
            float(one["seconds"]),
            bool(one["tested"]),
        )
        for one in document["answers"]
    ]
    rest = {name: document[name] for name in ("name", "axis", "options", "worktree", "current", "job", "fused")}
    return State(**rest, head=head, made=unpack_points(document["made"]), answers=answers)


def check_format(document: Mapping[str, Any]) -> None:
    """Raise ValueError for what another version wrote."""
    if document["format"] != FORMAT:
        raise ValueError("another format")
