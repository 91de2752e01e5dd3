"""Measures `git metadiff verify` beside sha256sum on the same file, by turns: time, memory, and the diagnosis.

    python3 tests/bench/verify.py [--size MIB] [--rounds N] [--work DIR] [--metadiff COMMAND]

The file is random and made anew, read once before the first round, and removed at the end. Exit code 1 if the median
speed is below 0.8 of sha256sum's, or the memory above 100 MiB.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Usage, measure, sealed

LEAST_SPEED = 0.8  # of sha256sum's
MOST_MEMORY = 100  # MiB


def make_file(path: Path, size: int) -> str:
    """Write `size` MiB of random bytes, and return their SHA-256."""
    with path.open("wb") as file:
        for _ in range(size):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    return subprocess.run(["sha256sum", path], capture_output=True, check=True, text=True).stdout.split()[0]


def contenders(metadiff: list[str], file: Path, digest: str) -> dict[str, list[str]]:
    """The commands, each of which ends with 0 on a file that is right."""
    sums = file.with_suffix(".sums")
    sums.write_text(f"{digest}  {file.name}\n", encoding="ascii")
    return {
        "sha256sum -c": ["sha256sum", "-c", str(sums)],
        "verify --sums": [*metadiff, "verify", str(file), "--sums", str(sums)],
        "verify --pages": [*metadiff, "verify", str(file), "--pages"],
    }


def run(commands: dict[str, list[str]], folder: Path, rounds: int) -> dict[str, list[Usage]]:
    """Every command once a round."""
    found: dict[str, list[Usage]] = {name: [] for name in commands}
    env = sealed(folder, {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ})
    for number in range(rounds):
        for name, command in commands.items():
            usage = measure(command, env, folder, folder / f"{number}-out", 3600)
            if usage.code:
                sys.exit(f"{name}: exit {usage.code}: {usage.complaint}")
            found[name].append(usage)
    return found


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2048, help="of the file, in MiB (default 2048)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where the work folder goes")
    parser.add_argument("--metadiff", default=f"{shlex.quote(sys.executable)} -m git_metadiff")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="metadiff-bench-", dir=options.work) as name:
        folder = Path(name)
        file = folder / "file.img"
        commands = contenders(shlex.split(options.metadiff), file, make_file(file, options.size))
        found = run(commands, folder, options.rounds)
    base = [one.seconds for one in found["sha256sum -c"]]
    met = True
    for contender, usages in found.items():
        walls = [one.seconds for one in usages]
        ratio = statistics.median(other / wall for other, wall in zip(base, walls, strict=True))
        memory = max(one.peak for one in usages) / (1 << 20)
        met &= memory <= MOST_MEMORY and (ratio >= LEAST_SPEED or contender != "verify --sums")
        print(
            f"{contender:<16} median {statistics.median(walls):7.2f} s  min {min(walls):7.2f} s  "
            f"cpu {statistics.median(one.cpu for one in usages):6.2f} s  "
            f"speed {ratio:5.2f} of sha256sum's  {memory:6.1f} MiB"
        )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
