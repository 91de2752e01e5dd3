#!/usr/bin/env python3
"""Measure how a patchset is carried onto each of upstream's real commits between two releases: how whole, how fast."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from git_metadiff.bisect.carry import Carrier  # noqa: E402
from git_metadiff.bisect.source import GOOD_END  # noqa: E402
from git_metadiff.bisect.upstream import Carry, trees_of  # noqa: E402
from git_metadiff.compare import compare  # noqa: E402
from git_metadiff.git import CatFile, FastImport, Scratch  # noqa: E402
from git_metadiff.model import Comparison  # noqa: E402
from git_metadiff.store import Store, open_store  # noqa: E402


def lost_hunks(store: Store, comparison: Comparison, commits: list[str]) -> list[int]:
    """How many hunks could not be carried whole onto each commit."""
    older = comparison.patchsets[-2]
    with Scratch(store.git, store.git.outer) as scratch, CatFile(scratch) as objects, FastImport(scratch) as writer:
        release = comparison.releases[-2].tree
        carrier = Carrier(scratch, objects, writer, release, older.tree, older)
        return [len(one.lost) for one in carrier.carry(trees_of(store.git, commits))]


def report(store: Store, comparison: Comparison, carry: Carry) -> bool:
    """Carry everything and print the figures; whether both ends are exact."""
    steps = carry.steps
    start = time.perf_counter()
    points = carry.points(range(GOOD_END, len(steps)))
    seconds = time.perf_counter() - start
    alone = time.perf_counter()
    Carry(store, store.git.outer, comparison).points([len(steps) // 2])
    alone = time.perf_counter() - alone
    lost = lost_hunks(store, comparison, [step.upstream for step in steps])
    hunks = len(comparison.patchsets[-2].hunks)
    whole = sum(not one.notes for one in points[1:])
    exact = points[-1].tree == comparison.transitions[-1].ported_tree
    print(f"{len(steps)} commits, {sum(len(step.parents) > 1 for step in steps)} merges; {hunks} hunks")
    print(f"{1000 * seconds / len(points):.1f} ms a commit when all are carried, {alone:.2f} s for one alone")
    shares = [1 - one / hunks for one in lost]
    print(f"carried whole: {whole} of {len(steps)} commits ({whole / len(steps):.0%})")
    print(f"hunks carried: median {statistics.median(shares):.1%}, least {min(shares):.1%}")
    print(f"the last tree is P: {exact}; the first is D1: {points[0].tree == comparison.patchsets[-2].tree}")
    return exact


def main() -> int:
    """Compare, carry, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", required=True, type=Path, help="a repository with the history; nothing is written")
    parser.add_argument("--releases", required=True, nargs=2, metavar="RELEASE")
    parser.add_argument("--patches", required=True, nargs="+", metavar="PATCHSET", help="one, or two")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environ = {
            "HOME": folder, "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"
        }  # fmt: skip
        path = Path(folder) / "store.git"
        clone = ["git", "clone", "-q", "--bare", "--shared", "--", str(arguments.repo.resolve()), str(path)]
        subprocess.run(clone, env=environ, check=True)
        comparison: Comparison = compare(path, arguments.releases, arguments.patches, environ=environ, cwd=Path.cwd())
        store = open_store(path, environ)
        exact = report(store, comparison, Carry(store, environ, comparison))
    return 0 if exact else 1


if __name__ == "__main__":
    sys.exit(main())
