#!/usr/bin/env python3
"""Measure how long the chain of all groups takes beside the main job, by turns, and whether it is exact.

Each round has a fresh clone: `git metadiff` compares in it, in a process of its own, and then the chain of an axis is
written from the stored comparison, in another. Wall time is that of the main job as a command, and of `make_chain`
alone; processor time is of all their processes. Exit code 1 if a chain does not lead over the trees of its ends and F.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from measure import BenchError, Usage, measure, sealed  # noqa: E402

from git_metadiff.bisect import gather, rank  # noqa: E402
from git_metadiff.bisect.chain import AXES, ends_of  # noqa: E402
from git_metadiff.bisect.making import forced_tree, make_chain, scores_of  # noqa: E402
from git_metadiff.collection import no_collection  # noqa: E402
from git_metadiff.git import Scratch  # noqa: E402
from git_metadiff.store import open_store  # noqa: E402

LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Chained:
    """What a chain took, in seconds, and what it is."""

    seconds: float
    cpu: float
    steps: int
    is_exact: bool  # it leads over the trees of its ends, and F


def write(store: Path, axis: str) -> Chained:
    """Write the chain of an axis, in a process that does nothing else."""
    opened = open_store(store, os.environ)
    comparison = opened.load(None)
    scores = scores_of(rank(gather(comparison, opened.reader().git, lambda _path: True)))
    before, begun = used(), time.monotonic()
    with no_collection():
        chain = make_chain(opened.git, comparison, axis, lambda _path: True, scores)
    wall, cpu = time.monotonic() - begun, used() - before
    with Scratch(opened.git, os.environ) as scratch:
        ends = [end.tree for end in ends_of(comparison, axis, forced_tree(scratch, comparison))]
    places = [0, *(sum(one.leg < leg for one in chain.groups) for leg in range(1, len(chain.legs))), -1]
    reached = [opened.git.text("rev-parse", f"{chain.points[at].commit}^{{tree}}") for at in places]
    return Chained(wall, cpu, len(chain.groups), reached == ends)


def used() -> float:
    """Processor time of this process and those that it waited for, in seconds."""
    spent = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def one_round(repository: Path, releases: Sequence[str], patches: Sequence[str], axis: str) -> tuple[Usage, Chained]:
    """What the main job took in a fresh clone, and the chain of its comparison."""
    with tempfile.TemporaryDirectory() as folder:
        env = sealed(Path(folder), {"PYTHONPATH": str(ROOT)})
        store = Path(folder) / "store.git"
        clone = ["git", "clone", "-q", "--bare", "--shared", "--", str(repository.resolve()), str(store)]
        subprocess.run(clone, env=env, check=True)
        paths = [str(Path(one).resolve()) for one in patches]
        words = [sys.executable, "-m", "git_metadiff", *releases, "--patches", *paths]
        job = measure(words, env, store, Path(folder) / "log", LONGEST)
        if job.code:
            raise BenchError(f"git metadiff ended with {job.code}: {job.complaint}")
        asked = [sys.executable, __file__, "--write", str(store), axis]
        done = subprocess.run(asked, env=env, check=True, stdout=subprocess.PIPE)
        return job, Chained(**json.loads(done.stdout))


def main() -> int:
    """Measure both by turns, and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", required=True, type=Path, help="a repository with both releases; nothing is written")
    parser.add_argument("--releases", required=True, nargs=2, metavar="RELEASE")
    parser.add_argument("--patches", required=True, nargs=2, metavar="PATCHSET")
    parser.add_argument("--axis", choices=AXES, default="both")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    ratios, is_exact = [], True
    for number in range(1, asked.rounds + 1):
        job, chain = one_round(asked.repo, asked.releases, asked.patches, asked.axis)
        ratios.append(chain.seconds / job.seconds)
        is_exact &= chain.is_exact
        took = f"chain of {chain.steps} steps {chain.seconds:.1f} s ({chain.cpu:.1f} s CPU)"
        print(f"round {number}: main job {job.seconds:.1f} s ({job.cpu:.1f} s CPU), {took}: {ratios[-1]:.2f} times")
    exact = "exact" if is_exact else "NOT exact"
    print(f"{asked.axis}: median {statistics.median(ratios):.2f} times the main job, {exact} at its ends and F")
    return 0 if is_exact else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        print(json.dumps(asdict(write(Path(sys.argv[2]), sys.argv[3]))))
        sys.exit(0)
    sys.exit(main())
