#!/usr/bin/env python3
"""Measure how well `git metadiff bisect list` orders suspects: the rank of the hunks of a function, given a trace.

Functions are drawn by a seed from those in which one of the sides has a hunk. Each gets three oopses of its own: the
function at frame 0 with callers from its file above it; the same at frame 2, below it two others of its file; and only
others of its file, without the function. Its rank is that of the first suspect with one of the function's hunks;
beside it stands the rank without a trace.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from git_metadiff.bisect import Facts, Suspect, gather, rank  # noqa: E402
from git_metadiff.bisect.candidates import opened  # noqa: E402
from git_metadiff.compare import compare  # noqa: E402
from git_metadiff.model import Comparison  # noqa: E402
from git_metadiff.store import TreeReader, open_store  # noqa: E402
from git_metadiff.trace import canonical, parse_trace  # noqa: E402

NAME = re.compile(r"[a-z_]\w{3,}")
MOST_CALLERS = 4
TOP = 5


#: Where the function is in the trace.
POSITIONS = ("frame 0", "frame 2", "beside")


@dataclass(frozen=True)
class Drawn:
    """A function, and where it is."""

    path: bytes
    name: str
    hunks: frozenset[str]  # the ids of both sides' hunks in it


@dataclass(frozen=True)
class Result:
    """How one function fared."""

    drawn: Drawn
    before: int  # rank without a trace
    places: dict[str, int]  # position in the trace -> rank
    seconds: float


def everything(_path: bytes) -> bool:
    """No limits."""
    return True


def drawable(facts: Facts) -> list[Drawn]:
    """The C functions in which one of the sides has a hunk."""
    hunks: dict[tuple[bytes, str], set[str]] = defaultdict(set)
    for one in facts.candidates:
        if one.section is not None and one.path.endswith(b".c") and NAME.fullmatch(one.section):
            hunks[one.path, one.section].update(one.hunks)
    return [Drawn(path, name, frozenset(mine)) for (path, name), mine in sorted(hunks.items())]


def bodies(text: bytes) -> dict[str, bytes]:
    """The functions of a C file, each with its text, as far as the margin tells."""
    found: dict[str, list[bytes]] = {}
    current: list[bytes] | None = None
    for line in text.split(b"\n"):
        names = opened([line]) if current is None else []
        if names and NAME.fullmatch(names[0]):
            current = found.setdefault(names[0], [])
        if current is not None:
            current.append(line)
        if line[:1] == b"}":
            current = None
    return {name: b"\n".join(lines) for name, lines in found.items()}


def stacks_of(drawn: Drawn, text: bytes, chance: random.Random) -> dict[str, list[str]]:
    """The stack of each position; none where the file has no other function."""
    functions = bodies(text)
    callers = [drawn.name]
    while len(callers) <= MOST_CALLERS:
        call = re.compile(rb"\b" + callers[-1].encode() + rb"\s*\(")
        others = [name for name in sorted(functions) if name not in callers]
        calling = [name for name in others if call.search(functions[name])]
        if not others or (not calling and len(callers) > 2):
            break
        callers.append(chance.choice(calling or others))
    others = [name for name in sorted(functions) if name not in callers]
    below = chance.sample(others, min(2, len(others)))
    stacks = {"frame 0": callers, "frame 2": [*below, *callers], "beside": [*below, *callers[1:]]}
    return {position: stack for position, stack in stacks.items() if stack}


def oops(stack: Sequence[str], chance: random.Random) -> bytes:
    """A stack in the shape of a kernel's report on x86."""
    frames = [f"{name}+{chance.randrange(1, 0x200):#x}/{chance.randrange(0x200, 0x400):#x}" for name in stack]
    address = 0xFFFFFFFF81000000
    lines = [
        "BUG: unable to handle kernel NULL pointer dereference at 0000000000000008",
        f"IP: [<{address:016x}>] {frames[0]}",
        "Oops: 0000 [#1] SMP",
        f"RIP: 0010:[<{address:016x}>]  [<{address:016x}>] {frames[0]}",
        "RAX: 0000000000000000 RBX: ffff88003d3e1c00 RCX: 0000000000000001",
        "Call Trace:",
        *(f" [<{address + 0x1000 * at:016x}>] {frame}" for at, frame in enumerate(frames[1:], 1)),
    ]
    return "".join(f"[  796.{at:06d}] {line}\n" for at, line in enumerate(lines)).encode()


def find(found: Sequence[Suspect], drawn: Drawn) -> int:
    """The rank of the first suspect that holds a hunk of that function."""
    here = (one.rank for one in found if not drawn.hunks.isdisjoint(one.candidate.hunks))
    return next(here, len(found) + 1)


def measure(comparison: Comparison, reader: TreeReader, count: int, seed: int) -> tuple[list[Result], int]:
    """The results of `count` functions, and how many suspects there are."""
    chance = random.Random(seed)
    plain = gather(comparison, reader.git, everything)
    before = rank(plain)
    results = []
    for drawn in chance.sample(drawable(plain), count):
        text = reader.read(comparison.patchsets[-1].tree, drawn.path) or b""
        start = time.perf_counter()
        places = {}
        for position, stack in stacks_of(drawn, text, chance).items():
            trace = parse_trace(oops(stack, chance))
            traced = {canonical(frame.function) for frame in trace.frames}
            places[position] = find(rank(gather(comparison, reader.git, everything, traced=traced), trace), drawn)
        seconds = (time.perf_counter() - start) / max(1, len(places))
        results.append(Result(drawn, find(before, drawn), places, seconds))
    return results, len(before)


def report(results: Sequence[Result], total: int) -> None:
    """Print every function, and the figures."""
    print("".join(f"{name:>9}" for name in (*POSITIONS, "none")), " function, seconds a list")
    for one in results:
        places = "".join(f"{one.places.get(position, '-'):>9}" for position in POSITIONS)
        print(f"{places}{one.before:>9}  {one.drawn.path.decode()} {one.drawn.name}  {one.seconds:.1f}")
    for position in POSITIONS:
        say(position, [one.places[position] for one in results if position in one.places], total)
    say("no trace", [one.before for one in results], total)


def say(name: str, ranks: Sequence[int], total: int) -> None:
    """Print the figures of one position."""
    first, few = sum(at == 1 for at in ranks), sum(at <= TOP for at in ranks)
    median = statistics.median(ranks)
    print(f"{name:<9} top 1: {first:>2} of {len(ranks)}   top {TOP}: {few:>2}   median {median:g} of {total} suspects")


def main() -> int:
    """Compare, draw, measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", required=True, type=Path, help="a repository with both releases; nothing is written")
    parser.add_argument("--releases", required=True, nargs=2, metavar="RELEASE")
    parser.add_argument("--patches", required=True, nargs=2, metavar="PATCHSET")
    parser.add_argument("--count", type=int, default=20, help="how many functions (default 20)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environ: Mapping[str, str] = {
            "HOME": folder, "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"
        }  # fmt: skip
        store = Path(folder) / "store.git"
        clone = ["git", "clone", "-q", "--bare", "--shared", "--", str(arguments.repo.resolve()), str(store)]
        subprocess.run(clone, env=environ, check=True)
        comparison = compare(store, arguments.releases, arguments.patches, environ=environ, cwd=Path.cwd())
        reader = open_store(store, environ).reader()
        results, total = measure(comparison, reader, arguments.count, arguments.seed)
    report(results, total)
    return 0


if __name__ == "__main__":
    sys.exit(main())
