#!/usr/bin/env python3
"""Measure which patch became which: git metadiff --diff-only beside git range-diff, file names being the truth.

A patch of one name in two neighbouring series is one patch, unless less than a fifth of the smaller one's changed lines
is in both: then the name was used again, and the pair is left out. A pair that is claimed is false if its patches share
less than a fifth of the smaller one's changed lines.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from git_metadiff.compare import compare  # noqa: E402
from git_metadiff.model import Comparison, Patchset  # noqa: E402

LEAST = 0.2
#: The limits that the project has set itself.
RECALL, PRECISION = 0.98, 0.995
#: Seconds that range-diff may take; on two patches of a megabyte each it takes minutes.
TIMEOUT = 100
ROW = re.compile(rb" *(\d+|-): +[0-9a-f-]+ ([=!<>]) +(\d+|-): +[0-9a-f-]+ ")

Pair = tuple[int, int]


@dataclass
class Score:
    """Counts of pairs, added up over packages."""

    wanted: int = 0
    found: int = 0
    claimed: int = 0
    false: int = 0
    seconds: float = 0.0
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another's counts."""
        self.wanted += other.wanted
        self.found += other.found
        self.claimed += other.claimed
        self.false += other.false
        self.seconds += other.seconds

    @property
    def recall(self) -> float:
        """Found of wanted."""
        return self.found / self.wanted if self.wanted else 1.0

    @property
    def precision(self) -> float:
        """True of claimed."""
        return 1 - self.false / self.claimed if self.claimed else 1.0

    def words(self) -> str:
        """One line."""
        return (
            f"recall {self.recall:7.2%} ({self.found} of {self.wanted})   "
            f"precision {self.precision:7.2%} ({self.claimed - self.false} of {self.claimed})   {self.seconds:5.1f} s"
        )


def changed_lines(patchset: Patchset) -> list[Counter[bytes]]:
    """The changed lines of every patch with their sign."""
    found: list[Counter[bytes]] = [Counter() for _ in patchset.patches]
    for hunk in patchset.hunks:
        for change in hunk.changes:
            found[hunk.patch].update(b"-" + text for text in change.removed)
            found[hunk.patch].update(b"+" + text for text in change.added)
    return found


def share(one: Counter[bytes], other: Counter[bytes]) -> float:
    """The share of the smaller one's changed lines that both have."""
    return (one & other).total() / max(1, min(one.total(), other.total()))


def truth(old: Patchset, new: Patchset) -> set[Pair]:
    """The patches of one file name, which each series has once."""
    sides = [[patch.name.rpartition("/")[2] for patch in one.patches] for one in (old, new)]
    counts = [Counter(names) for names in sides]
    where = {name: at for at, name in enumerate(sides[1])}
    return {
        (at, where[name])
        for at, name in enumerate(sides[0])
        if name in where and counts[0][name] == counts[1][name] == 1
    }


def score(comparison: Comparison, claimed: set[Pair], seconds: float) -> Score:
    """Hold claimed pairs against the names."""
    old, new = comparison.patchsets
    first, second = changed_lines(old), changed_lines(new)
    wanted = {(a, b) for a, b in truth(old, new) if share(first[a], second[b]) >= LEAST}
    false = {(a, b) for a, b in claimed if share(first[a], second[b]) < LEAST}

    def named(pairs: set[Pair]) -> list[str]:
        return [f"{old.patches[a].name} -> {new.patches[b].name}" for a, b in sorted(pairs)]

    found = wanted & claimed
    return Score(len(wanted), len(found), len(claimed), len(false), seconds, named(wanted - claimed), named(false))


def range_diff(git_dir: Path, comparison: Comparison, factor: int, environ: Mapping[str, str]) -> set[Pair]:
    """The pairs of git range-diff over the synthetic commits of the same series."""
    ranges = []
    for release, patchset in zip(comparison.releases, comparison.patchsets, strict=True):
        parents = run_git(git_dir, environ, "log", "-1", "--format=%P", patchset.commit).decode().split()
        ranges.append(f"{release.commit}..{parents[-1]}")
    out = run_git(git_dir, environ, "range-diff", "--no-color", "-s", f"--creation-factor={factor}", *ranges)
    rows = (ROW.match(row) for row in out.splitlines())
    return {(int(row[1]) - 1, int(row[3]) - 1) for row in rows if row and row[2] in b"=!"}


def run_git(git_dir: Path, environ: Mapping[str, str], *arguments: str) -> bytes:
    """The output of git; raises subprocess.TimeoutExpired."""
    command = ["git", f"--git-dir={git_dir}", *arguments]
    return subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, timeout=TIMEOUT).stdout


def measure_step(chain: Sequence[str], at: int, factors: Sequence[int], names: bool) -> dict[str, Score]:
    """Both contenders on one step of a chain, in a store of its own."""
    releases, patchsets = [chain[at], chain[at + 2]], [chain[at + 1], chain[at + 3]]
    with tempfile.TemporaryDirectory() as home:
        environ = {"HOME": home, "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        start = time.perf_counter()
        comparison = compare(None, releases, patchsets, environ=environ, cwd=Path.cwd(), diff_only=not names)
        pairs = {(edge.a, edge.b) for edge in comparison.patch_edges}
        scores = {"metadiff": score(comparison, pairs, time.perf_counter() - start)}
        store = Path(home) / ".local/share/git-metadiff/store.git"
        for factor in factors:
            start = time.perf_counter()
            try:
                pairs = range_diff(store, comparison, factor, environ)
            except subprocess.TimeoutExpired:
                print(f"  range-diff {factor} gave no answer in {TIMEOUT} s: left out", flush=True)
                continue
            scores[f"range-diff {factor}"] = score(comparison, pairs, time.perf_counter() - start)
    return scores


def main() -> int:
    """Measure every neighbouring pair of every chain; exit 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--chain", action="append", nargs="+", required=True, metavar="ARG",
        help="NAME, then two or more releases, each followed by its patches: NAME ORIG PATCHES ORIG PATCHES ...",
    )  # fmt: skip
    parser.add_argument("--creation-factor", type=int, action="append", help="of range-diff; default: 60 and 90")
    parser.add_argument("--names", action="store_true", help="let names and messages be evidence too")
    options = parser.parse_args()
    totals: dict[str, Score] = defaultdict(Score)
    for name, *chain in options.chain:
        if len(chain) < 4 or len(chain) % 2:
            parser.error(f"--chain {name}: give two or more releases, each with its patches")
        for step, (old, new) in enumerate(pairwise(range(0, len(chain), 2))):
            print(f"{name} {step + 1}: {Path(chain[old]).name} -> {Path(chain[new]).name}", flush=True)
            factors = options.creation_factor or [60, 90]
            for contender, one in measure_step(chain, old, factors, options.names).items():
                print(f"  {contender:<14} {one.words()}", flush=True)
                print("".join(f"      missed {text}\n" for text in one.missed), end="")
                print("".join(f"      false  {text}\n" for text in one.wrong), end="", flush=True)
                totals[contender].add(one)
    print("all")
    for contender, one in totals.items():
        print(f"  {contender:<14} {one.words()}")
    ours = totals["metadiff"]
    return int(ours.recall < RECALL or ours.precision < PRECISION)


if __name__ == "__main__":
    sys.exit(main())
