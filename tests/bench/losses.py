"""Holds the rebase guard against real rebases: clean ones, and ones in which losses were planted.

    python3 tests/bench/losses.py --chain openssh openssh.git bullseye old/debian/patches bookworm new/debian/patches

A chain has a name, a repository, and two or more revisions of it, each followed by the patches that belong to it. The
patches of the older one become commits, `git rebase` carries them onto the newer one, and what rebases without a
conflict is a clean rebase: of it random parts are rebased with the guard's hooks installed, and staged as patch files
with random context. Then losses are planted in the results, and conflicts resolved to upstream's side. Exit code 1 if a
loss is not found, or more than one clean rebase in a hundred is refused.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plants import Plant, plant_one

ROOT = Path(__file__).resolve().parents[2]
STEP = 4  # arguments of two neighbours in a chain
Done = subprocess.CompletedProcess[bytes]
MOST_PATCHES = 10  # of one clean rebase
IN_ONE = 8  # losses planted in one rebase
SIGNS = (b"+", b"-")
#: Conflicts resolved to upstream's side: with a loss, and where upstream holds all; a loss that was told, not refused.
CONFLICT, HARMLESS, ORPHANED = "conflict", "conflict that loses nothing", "conflict, orphaned"
#: What a merge word by word takes: words and signs, or words alone that say something. And a line that is all comment.
WORDS = (re.compile(rb"\w+|[^\w\s]"), re.compile(rb"\w{2,}"))
COMMENT = re.compile(rb"^[ \t]*(?:#[ \t]|/?\*|//).*$", re.MULTILINE)


@dataclass(slots=True)
class Pair:
    """Two neighbouring releases in a repository with a work tree, and the patches of the older one."""

    name: str
    path: Path
    old: str  # commit of the older release
    new: str
    patches: list[tuple[str, bytes]] = field(default_factory=list)
    conflicts: list[tuple[str, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Score:
    """What was found."""

    clean: int = 0
    alarms: list[str] = field(default_factory=list)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # conflicts to be judged by a person


class Runner:
    """Runs git and the guard, sealed from the user's configuration."""

    def __init__(self, work: Path) -> None:
        self.work = work
        home = work / "home"
        home.mkdir()
        program = work / "bin" / "git-metadiff"
        program.parent.mkdir()
        code = f"import sys\nsys.path[0] = {str(ROOT)!r}\nfrom git_metadiff.cli import main\nsys.exit(main())\n"
        program.write_text(f"#!{sys.executable}\n{code}")
        program.chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        self.environ = kept | {
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_EDITOR": "true",
            "PYTHONPYCACHEPREFIX": str(work / "cache"),
            "PYTHONDONTWRITEBYTECODE": "",
            "GIT_AUTHOR_NAME": "Benchmark",
            "GIT_AUTHOR_EMAIL": "benchmark@example.org",
            "GIT_COMMITTER_NAME": "Benchmark",
            "GIT_COMMITTER_EMAIL": "benchmark@example.org",
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, path: Path, *arguments: str, stdin: bytes = b"", guarded: bool = True) -> Done:
        """Run git and return all that it gave."""
        environ = self.environ | ({} if guarded else {"METADIFF_GUARD": "off"})
        return subprocess.run(["git", *arguments], cwd=path, env=environ, input=stdin, capture_output=True, check=False)

    def git(self, path: Path, *arguments: str, stdin: bytes = b"") -> str:
        """Run git and return its output; a failure ends the benchmark."""
        done = self.run(path, *arguments, stdin=stdin, guarded=False)
        if done.returncode:
            raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="surrogateescape").strip()

    def report(self, path: Path, *arguments: str) -> dict[str, Any]:
        """The guard's report as JSON."""
        done = self.run(path, "metadiff", "guard", *arguments, "--json")
        if done.returncode not in (0, 1):
            raise SystemExit(f"guard {' '.join(arguments)} in {path}: {done.stderr.decode(errors='replace')}")
        report: dict[str, Any] = json.loads(done.stdout)
        return report


def read_series(folder: Path) -> list[tuple[str, bytes]]:
    """The patches of a quilt folder, in order."""
    lines = (folder / "series").read_text().splitlines()
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return [(name, (folder / name).read_bytes()) for name in names]


def commit_patches(
    runner: Runner, path: Path, base: str, patches: Sequence[tuple[str, bytes]]
) -> tuple[list[tuple[str, bytes]], str]:
    """Commit those patches that apply onto `base`, one after the other; which they were, and the last commit."""
    runner.git(path, "checkout", "-q", "-f", "--detach", base)
    runner.git(path, "clean", "-qfdx")
    applied, tip = [], base
    for name, text in patches:
        done = runner.run(path, "apply", "--cached", "--whitespace=nowarn", "-p1", "-", stdin=text)
        if done.returncode == 0:
            tree = runner.git(path, "write-tree")
            tip = runner.git(path, "commit-tree", tree, "-p", tip, "-m", name)
            applied.append((name, text))
    runner.git(path, "checkout", "-q", "-f", "--detach", tip)
    return applied, tip


def rebase(runner: Runner, pair: Pair, *, guarded: bool = True) -> tuple[list[str], str]:
    """Rebase HEAD from the older release onto the newer one; the commits skipped for a conflict, and what was said."""
    done = runner.run(pair.path, "rebase", "--onto", pair.new, pair.old, guarded=guarded)
    said, skipped = done.stderr, []
    while done.returncode and (pair.path / ".git" / "rebase-merge").exists():
        skipped.append(runner.git(pair.path, "log", "-1", "--format=%s", "REBASE_HEAD"))
        done = runner.run(pair.path, "rebase", "--skip", guarded=guarded)
        said += done.stderr
    if done.returncode:
        raise SystemExit(f"{pair.name}: {done.stderr.decode(errors='replace')}")
    return skipped, said.decode(errors="replace")


def make_pair(runner: Runner, name: str, chain: Sequence[str], number: int) -> Pair:
    """A work tree for two releases, and which patches rebase cleanly."""
    repository, old, old_patches, new = Path(chain[0]).resolve(), chain[1], Path(chain[2]), chain[3]
    path = runner.work / f"{name}-{number}"
    runner.git(runner.work, "clone", "-q", "--shared", "--no-checkout", str(repository), str(path))
    trees = [runner.git(path, "rev-parse", f"{one}^{{tree}}") for one in (old, new)]
    first = runner.git(path, "commit-tree", trees[0], "-m", old)
    second = runner.git(path, "commit-tree", trees[1], "-p", first, "-m", new)
    pair = Pair(f"{name} {old}..{new}", path, first, second)
    applied, _ = commit_patches(runner, path, first, read_series(old_patches))
    skipped, _ = rebase(runner, pair, guarded=False)
    pair.conflicts = [one for one in applied if one[0] in skipped]
    pair.patches, _ = commit_patches(runner, path, first, [one for one in applied if one[0] not in skipped])
    runner.git(path, "metadiff", "guard", "--install")
    print(f"{pair.name}: {len(pair.patches)} patches rebase cleanly, {len(pair.conflicts)} conflict", flush=True)
    return pair


def clean_rebase(runner: Runner, pair: Pair, rng: random.Random, score: Score) -> tuple[str, str] | None:
    """Rebase a random part, with hooks; the old and the new tip. What blocks is an alarm."""
    count = min(len(pair.patches), rng.randint(3, MOST_PATCHES))
    chosen = sorted(rng.sample(range(len(pair.patches)), count))
    _, tip = commit_patches(runner, pair.path, pair.old, [pair.patches[at] for at in chosen])
    skipped, said = rebase(runner, pair)
    if skipped:  # it conflicts without the others: no clean rebase
        return None
    score.clean += 1
    note_alarm(score, f"{pair.name}, rebase", said if "guard: " in said and "nothing lost" not in said else "")
    return tip, runner.git(pair.path, "rev-parse", "HEAD")


def note_alarm(score: Score, where: str, said: str) -> None:
    """Keep an alarm."""
    if said:
        score.alarms.append(f"{where}: {said[said.find('guard: ') :].strip()}")


def as_patches(runner: Runner, path: Path, base: str, tip: str, rng: random.Random) -> list[tuple[str, bytes]]:
    """The commits of a range as patches, with a random amount of context, hunks merged or not."""
    options = [f"-U{rng.choice((1, 3, 3, 8))}", f"--inter-hunk-context={rng.choice((0, 0, 10))}"]
    commits = runner.git(path, "rev-list", "--reverse", f"{base}..{tip}").split()
    found = []
    for commit in commits:
        name = runner.git(path, "log", "-1", "--format=%s", commit)
        done = runner.run(path, "diff-tree", "-p", "--no-commit-id", "--full-index", "--binary", *options, commit)
        if done.stdout:
            found.append((name, done.stdout))
    return found


def stage(runner: Runner, pair: Pair, old: Sequence[tuple[str, bytes]], new: Sequence[tuple[str, bytes]]) -> None:
    """A packaging repository: the older series committed on its release, the newer release imported, the newer series
    staged."""
    path = pair.path
    runner.git(path, "checkout", "-q", "-f", "--detach", pair.old)
    runner.git(path, "clean", "-qfdx")
    write_series(path, old)
    runner.git(path, "add", "-f", "debian")
    runner.git(path, "commit", "-q", "-m", "series")
    runner.git(path, "read-tree", pair.new)
    runner.git(path, "add", "-f", "debian/patches")
    runner.git(path, "commit", "-q", "-m", "import")
    shutil.rmtree(path / "debian" / "patches")
    write_series(path, new)
    runner.git(path, "add", "-f", "-A", "debian/patches")


def write_series(path: Path, patches: Sequence[tuple[str, bytes]]) -> None:
    """Write a quilt folder."""
    folder = path / "debian" / "patches"
    for name, text in patches:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text)
    folder.mkdir(parents=True, exist_ok=True)  # git removes a folder with its last file
    (folder / "series").write_text("".join(f"{name}\n" for name, _ in patches))


def clean_series(
    runner: Runner, pair: Pair, tips: tuple[str, str], rng: random.Random, score: Score
) -> tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]]:
    """The same rebase as patch files; both series."""
    old = as_patches(runner, pair.path, pair.old, tips[0], random.Random(0))
    new = as_patches(runner, pair.path, pair.new, tips[1], rng)
    stage(runner, pair, old, new)
    report = runner.report(pair.path)
    blocked = [one for one in report["findings"] if one["blocks"]]
    unchecked = [one for one in report["findings"] if one["verdict"] == "unchecked"]
    note_alarm(score, f"{pair.name}, series", json.dumps(blocked + unchecked) if blocked or unchecked else "")
    return old, new


def plant_losses(
    runner: Runner,
    pair: Pair,
    tips: tuple[str, str],
    series: tuple[list[tuple[str, bytes]], list[tuple[str, bytes]]],
    rng: random.Random,
    score: Score,
) -> None:
    """Plant losses in some patches of the newer series, and look for them in both forms."""
    old, new = series[0], list(series[1])
    plants: list[Plant] = []
    order = list(range(len(new)))
    rng.shuffle(order)
    for at in order:
        if len(plants) == IN_ONE:
            break
        planted = plant_one(*new[at], rng.choice(("hunk", "change")), rng)
        if planted is None:
            continue
        trial = [*new[:at], (new[at][0], planted[1]), *new[at + 1 :]]
        if applies(runner, pair, trial):
            new = trial
            plants.append(planted[0])
    if not plants:
        return
    _, tip = commit_patches(runner, pair.path, pair.new, new)
    ranges = runner.report(pair.path, "--from", f"{pair.old}..{tips[0]}", "--to", f"{pair.new}..{tip}")
    stage(runner, pair, old, new)
    staged = runner.report(pair.path)
    for plant in plants:
        for form, report in (("commits", ranges), ("files", staged)):
            note_plant(score, f"{plant.kind}, {form}", f"{pair.name}, {form}", plant, report)


def applies(runner: Runner, pair: Pair, patches: Sequence[tuple[str, bytes]]) -> bool:
    """Whether a series still applies to the newer release, one patch after the other."""
    runner.git(pair.path, "read-tree", pair.new)
    text = b"".join(text for _, text in patches)
    return runner.run(pair.path, "apply", "--cached", "--whitespace=nowarn", "-", stdin=text).returncode == 0


def note_plant(score: Score, kind: str, where: str, plant: Plant, report: dict[str, Any]) -> None:
    """Count a planted loss, and whether the report refuses it."""
    score.planted[kind] += 1
    lines = {line.decode("utf-8", "backslashreplace") for line in plant.lines}
    path = plant.path.decode("utf-8", "backslashreplace")
    mine = [one for one in report["findings"] if one["path"] == path and not lines.isdisjoint(one["lines"])]
    if any(one["blocks"] for one in mine):
        score.found[kind] += 1
    else:
        said = [one["verdict"] for one in mine]
        score.missed.append(f"{where}: {plant.patch} {path} {list(plant.lines)[:4]}: {said or 'nothing said'}")


def resolve_conflicts(runner: Runner, pair: Pair, score: Score, most: int) -> None:
    """Rebase each patch that conflicts alone, take upstream's side of every conflict, and see what the hooks do.

    A loss is found if it is refused, or called lost at the end; `orphaned` tells of one too, but stops nothing.
    """
    for name, text in pair.conflicts[:most]:
        applied, _ = commit_patches(runner, pair.path, pair.old, [(name, text)])
        if not applied:
            continue
        done = runner.run(pair.path, "rebase", "--onto", pair.new, pair.old)
        if not done.returncode:
            continue
        kind = CONFLICT if take_upstream(runner, pair, text) else HARMLESS
        said = runner.run(pair.path, "rebase", "--continue").stderr.decode(errors="replace")
        note_conflict(score, kind, f"{pair.name}, {kind}: {name}", said)
        runner.run(pair.path, "rebase", "--abort", guarded=False)


def note_conflict(score: Score, kind: str, where: str, said: str) -> None:
    """Count a conflict, and keep what was said where it is not what was to be said."""
    score.planted[kind] += 1
    refused = "guard: " in said and "nothing lost" not in said
    orphaned = kind == CONFLICT and not refused and "  orphaned  " in said
    if refused or orphaned:
        score.found[ORPHANED if orphaned else kind] += 1
    if refused != (kind == CONFLICT):
        note = said[max(0, said.find("guard: ")) :].strip()[:300] or "nothing said"
        (score.told if orphaned or refused else score.missed).append(f"{where}: {note}")


def take_upstream(runner: Runner, pair: Pair, text: bytes) -> bool:
    """Resolve every conflict to upstream's side; whether the patch loses anything by that."""
    path, lost = pair.path, False
    for name in sorted(set(runner.git(path, "diff", "--name-only", "--diff-filter=U").splitlines())):
        stages = {}
        for number in (1, 2, 3):
            done = runner.run(path, "cat-file", "blob", f":{number}:{name}")
            if done.returncode == 0:
                stages[number] = done.stdout
        if 2 not in stages:
            runner.git(path, "rm", "-q", "--cached", "--", name)
            (path / name).unlink(missing_ok=True)
            continue
        sides = [stages.get(number, b"") for number in (2, 1, 3)]
        merged = merge(runner, sides, "--ours")
        theirs = merge(runner, sides, "--theirs")
        lost = lost or (lines_lost(text, merged, theirs) and all(words_lost(runner, sides, merged, by) for by in WORDS))
        (path / name).write_bytes(merged)
        runner.git(path, "add", "-f", "--", name)
    return lost


def merge(runner: Runner, sides: Sequence[bytes], *options: str) -> bytes:
    """What `git merge-file` makes of ours, base and theirs."""
    files = [runner.work / f"stage-{number}" for number in range(3)]
    for file, side in zip(files, sides, strict=True):
        file.write_bytes(side)
    return runner.run(runner.work, "merge-file", "-p", *options, *map(str, files)).stdout


def lines_lost(text: bytes, merged: bytes, theirs: bytes) -> bool:
    """Whether upstream's side of a file lacks a line that the patch adds, or has one that it removes."""
    lines = [(line[:1], COMMENT.sub(b"", line[1:])) for line in text.split(b"\n")]
    added, removed = ({line for sign, line in lines if sign == wanted and line.strip()} for wanted in SIGNS)
    ours, others = (set(side.split(b"\n")) for side in (merged, theirs))
    return bool((others - ours) & added or (ours - others) & removed)


def words_lost(runner: Runner, sides: Sequence[bytes], merged: bytes, by: re.Pattern[bytes]) -> bool:
    """Whether a merge word by word has anything of the patch that upstream's side of the file has not.

    So what upstream wraps in other lines, or has with a word more, is no loss. It is git that tells, not the guard.
    """
    words = [b"".join(word + b"\n" for word in words_of(side, by)) for side in sides]
    if merge(runner, words, "--ours").split() != words_of(merged, by):
        return True
    return any(is_lost(*parts) for parts in conflicts_in(merge(runner, words, "--diff3").split(b"\n")))


def words_of(text: bytes, by: re.Pattern[bytes]) -> list[bytes]:
    """The words of a file, without its comments."""
    return by.findall(COMMENT.sub(b"", text))


def conflicts_in(lines: Sequence[bytes]) -> Iterator[tuple[Counter[bytes], ...]]:
    """The words of each conflict: ours, of the base, theirs."""
    parts: list[Counter[bytes]] = []
    for line in lines:
        if line[:7] == b"<" * 7:
            parts = [Counter()]
        elif line[:7] in (b"|" * 7, b"=" * 7) and parts:
            parts.append(Counter())
        elif line[:7] == b">" * 7:
            yield tuple(parts)
            parts = []
        elif parts:
            parts[-1][line] += 1


def is_lost(ours: Counter[bytes], base: Counter[bytes], theirs: Counter[bytes]) -> bool:
    """Whether upstream's side of a conflict of words lacks some that the patch brings, or has some that it takes."""
    return bool((theirs - base) - ours or (base - theirs) & (ours - theirs))


def show(score: Score) -> int:
    """Print the score; the exit status."""
    print(f"clean rebases: {score.clean}, refused: {len(score.alarms)}")
    for line in score.alarms:
        print(f"  alarm: {line[:600]}")
    for kind, count in sorted(score.planted.items()):
        print(f"planted, {kind}: {count}, refused: {score.found[kind]}")
    print(f"conflicts told of as orphaned, not refused: {score.found[ORPHANED]}")
    planted = {kind: count for kind, count in score.planted.items() if kind != HARMLESS}
    print(f"planted in all: {sum(planted.values())}, missed: {len(score.missed)}")
    for line in score.told:
        print(f"  to be judged: {line[:600]}")
    for line in score.missed:
        print(f"  missed: {line[:600]}")
    return int(bool(score.missed) or len(score.alarms) * 100 > score.clean)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chain", nargs="+", action="append", required=True, metavar="NAME REPOSITORY REV PATCHES")
    parser.add_argument("--rebases", type=int, default=100, help="clean rebases (default: 100)")
    parser.add_argument("--losses", type=int, default=200, help="planted hunks and changes at least (default: 200)")
    parser.add_argument("--conflicts", type=int, default=40, help="conflicts of a pair at most (default: 40)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="no further rebase is begun after so many")
    options = parser.parse_args()
    rng, score, end = random.Random(options.seed), Score(), time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory(prefix="metadiff-losses-") as folder:
        runner = Runner(Path(folder))
        pairs = []
        for name, repository, *rest in options.chain:
            for at in range(0, len(rest) - 2, 2):
                pairs.append(make_pair(runner, name, [repository, *rest[at : at + STEP]], at))
        for pair in pairs:
            resolve_conflicts(runner, pair, score, options.conflicts)
        for number in range(options.rebases * 3):
            if score.clean >= options.rebases or time.monotonic() > end:
                break
            pair = pairs[number % len(pairs)]
            tips = clean_rebase(runner, pair, rng, score)
            if tips is None:
                continue
            series = clean_series(runner, pair, tips, rng, score)
            if sum(count for kind, count in score.planted.items() if "conflict" not in kind) < 2 * options.losses:
                plant_losses(runner, pair, tips, series, rng, score)
            print(f"  {number}: clean {score.clean}, alarms {len(score.alarms)}, ", end="", flush=True)
            print(f"planted {score.planted.total()}, missed {score.missed[-1:]}", flush=True)
    return show(score)


if __name__ == "__main__":
    sys.exit(main())
