#!/usr/bin/env python3
"""Measure git metadiff beside git's own steps, git range-diff and interdiff, in one run and by turns."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add
from pathlib import Path

from contenders import Arena, Inputs
from measure import BenchError, Usage, adopt_orphans, measure, memory_floor, sealed
from stores import Store, make_base, warm_up
from table import Table, wanted
from tarball import TarballArena

_GIT, _COLD, _REPEATED = "git's own steps", "metadiff, cold", "metadiff, repeated"
_PHASES = (("apply", ("read", "apply", "write")), ("merge", ("commit", "merge")), ("diff", ("diff",)))
_UNPACKED, _IMPORT = "tar -xf, git add -A", "metadiff import"
_OPTIONAL = ("metadiff", "range-diff", "interdiff", "startup")
# The limits that the project has set itself.
_COLD_LIMIT, _REPEATED_LIMIT, _STARTUP_LIMIT, _IMPORT_LIMIT, _PEAK_LIMIT = 2.0, 1 / 3, 6.0, 1.5, 600_000_000


class Bench:
    """One run of the benchmark, within a work folder."""

    def __init__(self, options: argparse.Namespace, work: Path) -> None:
        """Take the options and an empty folder; nothing runs yet."""
        self._options, self._work = options, work
        self._skipped: dict[str, str] = dict.fromkeys(options.without, "skipped: --without")
        if not shutil.which("interdiff"):
            self._skipped.setdefault("interdiff", "skipped: not installed")
        self._home = work / "home"
        self._home.mkdir()
        self.tables: dict[str, Table] = {}

    def run(self) -> None:
        """Measure what was asked for, and print each table when it is ready."""
        options = self._options
        print(_machine(), flush=True)
        if options.generate is not None:
            self._generate(options.generate)
        if options.repo:
            self._pair()
        if options.tarball:
            self._tarball(options.tarball.resolve())
        if not {"startup", "metadiff"} & self._skipped.keys():
            self._startup()
        floor = memory_floor() / 1_000_000
        print(f"\nPeaks are of the largest single process. Up to {floor:.0f} MB may be this runner's own.")

    def _generate(self, seed: int) -> None:
        """Generate the repository and the patches, and take them as the inputs."""
        out, start = self._work / "generated", time.perf_counter()
        command = [sys.executable, str(Path(__file__).with_name("generate.py")), f"--seed={seed}", f"--out={out}"]
        if subprocess.run(command, check=False).returncode:
            raise BenchError("generate.py failed")
        print(f"generated from seed {seed} in {time.perf_counter() - start:.0f} s", flush=True)
        self._options.repo, self._options.releases = out / "repo.git", ["v1.0", "v1.1"]
        self._options.patches = [out / "p1.patch", out / "p2.patch"]

    def _pair(self) -> None:
        """Measure a pair of releases and patches, the contenders by turns in each round."""
        options = self._options
        base = make_base(Store(options.repo, self._home), options.releases, Store(self._work / "base.git", self._home))
        first, second = (patch.resolve() for patch in options.patches)
        inputs = Inputs(base, (first, second), options.metadiff, options.timeout)
        table = self.tables["pair"] = Table(_GIT)
        for number in range(options.rounds):
            warm_up(base.path / "objects" / "pack")
            arena = Arena(self._work / f"round{number}", inputs)
            self._round(arena, table)
            if number == 0:
                self._count(arena, table)
            arena.close()
        self._show(f"{options.rounds} rounds", table)
        if table.succeeded(_COLD) and table.succeeded(_REPEATED):
            print(wanted("cold / git's own steps", table.ratio(_COLD), _COLD_LIMIT, ", goal 1.50"))
            # For a machine with other work, which lengthens wall times unevenly; no limit holds for it.
            print(wanted("cold / git's own steps by processor time", table.ratio(_COLD, cpu=True), None))
            print(wanted("repeated / cold", table.ratio(_REPEATED, _COLD), _REPEATED_LIMIT))
            peak = max(table.rows[_COLD].peak, table.rows[_REPEATED].peak)
            print(wanted("largest process / 600 MB", peak / _PEAK_LIMIT, 1.0))

    def _round(self, arena: Arena, table: Table) -> None:
        """Give each contender its turn."""
        if "metadiff" not in self._skipped:
            table.add(_COLD, arena.metadiff())
        steps = arena.git_steps()
        table.add(_GIT, _total(steps.values()))
        for name, kinds in _PHASES:
            table.add(name, _total(usage for step, usage in steps.items() if step.startswith(kinds)), part=True)
        if "metadiff" not in self._skipped:
            table.add(_REPEATED, arena.metadiff())
        for name, contender in (("range-diff", arena.range_diff), ("interdiff", arena.interdiff)):
            if name not in self._skipped:
                usage = contender()
                table.add(name, usage)
                table.note(name, f"{sum(1 for _ in usage.lines()):,} lines")

    def _count(self, arena: Arena, table: Table) -> None:
        """Count what the plain diff, jj's way and metadiff show, and say what is left out."""
        for name, shows in arena.shown_by_git().items():
            table.note(name, shows)
        for name, why in self._skipped.items():
            if name != "startup":
                table.note(name, why)
        if "metadiff" not in self._skipped:
            table.note(_COLD, arena.shown_by_metadiff())

    def _tarball(self, tarball: Path) -> None:
        """Measure the import of a tarball against unpacking and adding it."""
        options, table = self._options, Table(_UNPACKED)
        self.tables["tarball"] = table
        for number in range(options.rounds):
            warm_up(tarball)
            arena = TarballArena(self._work / f"tarball{number}", tarball, options.python, options.timeout)
            imported = None if "metadiff" in self._skipped else arena.metadiff()
            unpacked, added = arena.unpack(), arena.add()
            table.add(_UNPACKED, unpacked + added)
            table.add("tar -xf", unpacked, part=True)
            table.add("git add -A", added, part=True)
            if imported:
                table.add(_IMPORT, imported)
                if number == 0 and not imported.code:
                    table.note(_IMPORT, arena.same_tree(imported))
            arena.close()
        self._show(f"{tarball.name}, {options.rounds} rounds", table)
        if table.succeeded(_IMPORT):
            print(wanted("import / unpack and add", table.ratio(_IMPORT), _IMPORT_LIMIT))

    def _startup(self) -> None:
        """Measure the help, which is as much as a start, against a bare Python."""
        options, env = self._options, sealed(self._home)
        command, program = [*options.metadiff, "-h"], Path(options.metadiff[0])
        if len(options.metadiff) == 1 and program.name == "git-metadiff":
            # As its users start it: git finds it on the PATH.
            command, env["PATH"] = ["git", "metadiff", "-h"], f"{program.parent}{os.pathsep}{env.get('PATH', '')}"
        bare = [options.python, "-c", "pass"]
        table = self.tables["startup"] = Table(shlex.join(bare))
        for _ in range(options.startup_rounds):
            for one in (bare, command):
                table.add(shlex.join(one), measure(one, env, self._work, self._work / "startup", options.timeout))
        self._show(f"{options.startup_rounds} rounds", table)
        if table.succeeded(shlex.join(command)):
            print(wanted("help / bare Python", table.ratio(shlex.join(command)), _STARTUP_LIMIT))

    def _show(self, title: str, table: Table) -> None:
        """Print a table and the exit codes other than 0 with their reasons."""
        print(f"\n{title}\n{table.render()}", flush=True)
        for line in table.failures():
            print(line)


def _total(usages: Iterable[Usage]) -> Usage:
    """Sum up what ran one after the other."""
    return reduce(add, usages)


def _machine() -> str:
    """Describe what the figures depend on; a load beside the benchmark's own spoils them."""
    versions = []
    for command in (["git", "--version"], ["interdiff", "--version"]):
        if shutil.which(command[0]):
            versions.append(
                subprocess.run(command, capture_output=True, text=True, check=False).stdout.partition("\n")[0]
            )
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return "; ".join([*versions, f"Python {sys.version.split()[0]}", f"{cores} cores, load {load:.1f} at the start"])


def _parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter, allow_abbrev=False
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--repo", type=Path, metavar="DIR", help="a repository that holds both releases; it is only read"
    )
    source.add_argument("--generate", type=int, metavar="SEED", help="generate the inputs first, see generate.py")
    parser.add_argument("--releases", nargs=2, metavar=("V1", "V2"), help="both releases, with --repo")
    parser.add_argument("--patches", nargs=2, type=Path, metavar=("P1", "P2"), help="the patch for each, with --repo")
    parser.add_argument("--tarball", type=Path, metavar="FILE", help="measure the import of a release tarball as well")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds by turns")
    parser.add_argument("--startup-rounds", type=int, default=21, metavar="N", help="rounds of the start-up measure")
    parser.add_argument("--metadiff", default="git-metadiff", metavar="COMMAND", help="how to call metadiff")
    parser.add_argument("--python", help="the Python that metadiff is installed in, else the one that its script names")
    parser.add_argument("--without", action="append", default=[], choices=_OPTIONAL, help="leave a contender out")
    parser.add_argument("--timeout", type=float, default=900, metavar="SECONDS", help="kill a command after this time")
    parser.add_argument(
        "--work", type=Path, metavar="DIR", help="where to put the work folder, a few GB at kernel size"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every single measure to a file")
    return parser


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line, and exit with usage where it makes no sense."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.repo) != bool(options.releases) or bool(options.repo) != bool(options.patches):
        parser.error("--repo, --releases and --patches belong together")
    if not options.repo and options.generate is None and not options.tarball:
        parser.error("nothing to measure: give --repo, --generate or --tarball")
    if min(options.rounds, options.startup_rounds) < 1:
        parser.error("one round is the least")
    for path in (*(options.patches or ()), options.repo, options.tarball):
        if path and not path.exists():
            parser.error(f"{path} is not there")
    options.metadiff = shlex.split(options.metadiff)
    if "metadiff" not in options.without:
        found = shutil.which(options.metadiff[0]) if options.metadiff else None
        if not found:
            parser.error("metadiff is not installed: name it with --metadiff, or leave it out with --without metadiff")
        options.metadiff[0] = str(Path(found).absolute())
        options.python = options.python or _python_of(Path(options.metadiff[0]))
    return options


def _python_of(script: Path) -> str:
    """Give the interpreter that a console script names in its first line, else the one that runs this."""
    with script.open("rb") as file:
        head = file.readline(4096)
    name = head[2:].strip().decode(errors="replace")
    return name if head.startswith(b"#!") and "python" in name and " " not in name else sys.executable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 says that a measure or metadiff itself failed."""
    options = _options(arguments)
    adopt_orphans()
    # As an exception, so that the command that runs and the work folder go too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    # Resolved, because commands run in other folders.
    with tempfile.TemporaryDirectory(prefix="metadiff-bench-", dir=options.work) as folder:
        bench = Bench(options, Path(folder).resolve())
        try:
            bench.run()
        except (BenchError, OSError) as error:
            print(f"run.py: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    if options.json:
        measures = {name: table.as_json() for name, table in bench.tables.items()}
        options.json.write_text(json.dumps(measures, indent=1) + "\n", encoding="utf-8")
    ours = [
        (table, row.name) for table in bench.tables.values() for row in table.rows.values() if "metadiff" in row.name
    ]
    return int(any(not table.succeeded(name) for table, name in ours if table.rows[name].usages))


if __name__ == "__main__":
    sys.exit(main())
