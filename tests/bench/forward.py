"""How much of a patchset `git metadiff port` carries onto the next release, and how much of it to the right place.

    python3 tests/bench/forward.py --pair NAME OLD-RELEASE OLD-PATCHES NEW-RELEASE NEW-PATCHES [--pair ...] [--repo R]
    python3 tests/bench/forward.py --planted OLD-RELEASE NEW-RELEASE --repo R [--plants 600] [--seeds 1 2]

The contenders, on the same patches in the same run:

- *port*: `git metadiff port`. What it writes is applied again by `git apply`, patch by patch.
- *merge*: what `git rebase`, `git cherry-pick` and `git am -3` do, one commit a patch, by `git merge-tree`; a conflict
  is settled to the new release's side, so that what merged in the same file counts for git. *clean* counts the patches
  that are carried without a conflict; of *port*, those of which nothing is left without a place.
- *patch*: GNU `patch -p1 -N -F2`; hunks that it rejects are left out.

The unit is the author's change. It is *placed* if the step that a contender makes for its patch adds and removes its
lines in its file, under the name that it had. The truth is the next release's own series: the patch of the same file
name (of two single patches: the other one). Where that patch makes the very same change in that file once, it is
*known*, and a placed change is *right* if both stand in the same gap of the new release's lines, give or take the two
lines that a diff may slide; else it is *wrong*. Everything else is open: the truth edited the change, or dropped it. A
change is placed *twice* if the truth does not make it and the lines that it adds, three or more that say something,
stand in the new release's file already and not in the old one's. *equal* counts hunks that the next series has with
the very same lines, context included, of those hunks whose changes the next series has.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from git_metadiff.compare import compare  # noqa: E402
from git_metadiff.forward.folder import write_folder  # noqa: E402
from git_metadiff.forward.start import Asked, port_forward  # noqa: E402
from git_metadiff.linemap import Block, LineMap, Tree, diff_blocks, list_tree  # noqa: E402
from git_metadiff.model import Change, Comparison, Hunk  # noqa: E402
from git_metadiff.store import open_git  # noqa: E402
from tests.truth import measure  # noqa: E402
from tests.truth.releases import Releases  # noqa: E402
from tests.truth.ways import plant  # noqa: E402

HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass
class Score:
    """Counts of changes, patches and hunks."""

    changes: int = 0
    placed: int = 0
    right: int = 0
    wrong: int = 0
    twice: int = 0
    known: int = 0  # changes that the truth has
    patches: int = 0
    clean: int = 0
    hunks: int = 0  # written hunks whose changes the truth has
    equal: int = 0
    seconds: float = 0.0
    wrongs: list[str] = field(default_factory=list)
    twices: list[str] = field(default_factory=list)
    keys: set[tuple[str, int]] = field(default_factory=set)  # of placed changes, in this pair

    def add(self, other: Score) -> None:
        """Add another's counts."""
        for name in ("changes", "placed", "right", "wrong", "twice", "known", "patches", "clean", "hunks", "equal"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seconds += other.seconds

    def words(self) -> str:
        """One line."""
        return (
            f"placed {self.placed:5} of {self.changes:5} ({share(self.placed, self.changes)})   "
            f"right {self.right:5} of {self.known:5} known ({share(self.right, self.known)}), "
            f"wrong {self.wrong:3}, "
            f"twice {self.twice:3}   clean patches {self.clean:3} of {self.patches:3}   "
            f"hunks equal {self.equal:4} of {self.hunks:4} ({share(self.equal, self.hunks)})   {self.seconds:6.1f} s"
        )


def share(some: int, of_all: int) -> str:
    """A percentage."""
    return f"{some / of_all:6.1%}" if of_all else "     -"


class Repo:
    """git in one repository, for measuring."""

    def __init__(self, git_dir: Path, environ: dict[str, str]) -> None:
        self.git_dir = git_dir
        self.environ = {**environ, "GIT_DIR": str(git_dir)}
        self.git = open_git(git_dir, environ)

    def run(self, *arguments: str, stdin: bytes = b"", check: bool = True, index: str | None = None) -> bytes:
        """The output of git."""
        environ = self.environ if index is None else {**self.environ, "GIT_INDEX_FILE": index}
        done = subprocess.run(
            ["git", *arguments], input=stdin, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            check=check,
        )  # fmt: skip
        return done.stdout

    def text(self, *arguments: str, stdin: bytes = b"", index: str | None = None) -> str:
        """The output of git, stripped."""
        return os.fsdecode(self.run(*arguments, stdin=stdin, index=index)).strip()


@dataclass
class Step:
    """What a patch does to a tree: per file its blocks of changed lines, and the hunks as `git diff` cuts them."""

    blocks: dict[bytes, list[tuple[int, tuple[bytes, ...], tuple[bytes, ...]]]] = field(default_factory=dict)
    bodies: dict[bytes, list[tuple[bytes, ...]]] = field(default_factory=dict)


def read_step(repo: Repo, old: str, new: str) -> Step:
    """One step, with and without context."""
    step = Step()
    if old == new:
        return step
    for context in (0, 3):
        out = repo.run("diff-tree", "-r", "-p", "-M", f"-U{context}", "--diff-algorithm=histogram", old, new)
        path, body, start = b"", list[bytes](), 0
        for line in [*out.split(b"\n"), b"diff --git end"]:
            head = HUNK.match(line)
            if head or line.startswith(b"diff --git "):
                if body and context:
                    step.bodies.setdefault(path, []).append(tuple(body))
                elif body:
                    removed = tuple(text[1:] for text in body if text[:1] == b"-")
                    added = tuple(text[1:] for text in body if text[:1] == b"+")
                    step.blocks.setdefault(path, []).append((start, removed, added))
                body = []
                start = int(head[1]) - (head[2] != b"0") if head else 0
            elif line.startswith(b"+++ ") and not body:
                path = line[6:] if line != b"+++ /dev/null" else path
            elif line.startswith(b"--- ") and not body:
                path = line[6:]
            elif line[:1] in (b"+", b"-", b" "):
                body.append(line)
    return step


def find_change(step: Step, path: bytes, change: Change) -> list[int]:
    """The lines of the old file at which a step makes a change; none if it does not make it."""
    removed, added = (Counter(text for text in side if text.strip()) for side in (change.removed, change.added))
    if not removed and not added:
        removed, added = Counter(change.removed), Counter(change.added)
    found = []
    for start, gone, come in step.blocks.get(path, ()):
        if not removed - Counter(gone) and not added - Counter(come):
            found.append(start)
    return found


# The contenders: the trees after each patch


@dataclass
class Run:
    """A contender's trees, from the new release on, one more than patches."""

    trees: list[str]
    clean: int
    seconds: float
    bodies: list[dict[bytes, list[tuple[bytes, ...]]]] | None = None  # as written; None: as git cuts them


def run_port(repo: Repo, old: str, new: str, patches: str, work: Path) -> Run:
    """`git metadiff port`, applied again from its folder."""
    start = time.perf_counter()
    result = port_forward(repo.git_dir, Asked(new, old, patches), environ=repo.environ, cwd=Path.cwd())
    folder = work / "port"
    write_folder(folder, result.files)
    seconds = time.perf_counter() - start
    index = str(work / "index-port")
    trees = [repo.text("rev-parse", f"{new}^{{tree}}")]
    repo.run("read-tree", trees[0], index=index)
    bodies = []
    for one in result.patches:
        if one.file is not None:
            repo.run("apply", "--cached", "--whitespace=nowarn", f"-p{one.level}", "-", stdin=one.text, index=index)
        trees.append(repo.text("write-tree", index=index))
        bodies.append(written_bodies(one.text, one.level))
    assert trees[-1] == result.tree, "the folder does not give the ported tree"
    clean = sum(one.result not in ("rejected", "partial") for one in result.patches)
    return Run(trees, clean, seconds, bodies)


def written_bodies(text: bytes, level: int) -> dict[bytes, list[tuple[bytes, ...]]]:
    """The hunks of a patch's text, by file."""
    from git_metadiff.hunks import Scanner, strip_name

    found: dict[bytes, list[tuple[bytes, ...]]] = {}
    for file in Scanner(text, "port").scan():
        name = strip_name(file.new_name if file.new_name is not None else file.old_name, level) or b""
        found.setdefault(name, []).extend(tuple(line for line in hunk.body if line[:1] != b"\\") for hunk in file.hunks)
    return found


def run_merge(repo: Repo, series: Sequence[str], new: str) -> Run:
    """Each patch merged onto the one before, as a rebase does it; `series` are the trees of the old series."""
    start = time.perf_counter()
    trees = [repo.text("rev-parse", f"{new}^{{tree}}")]
    clean = 0
    for before, after in pairwise(series):
        base = repo.text("commit-tree", before, "-m", "b")
        ours = repo.text("commit-tree", trees[-1], "-p", base, "-m", "o")
        theirs = repo.text("commit-tree", after, "-p", base, "-m", "t")
        out = repo.run("merge-tree", "--write-tree", "--no-messages", "-z", ours, theirs, check=False)
        tree, *entries = out.split(b"\0")
        clean += not any(entries)
        trees.append(settle(repo, tree.decode(), [entry for entry in entries if entry], trees[-1]))
    return Run(trees, clean, time.perf_counter() - start)


def settle(repo: Repo, tree: str, entries: Sequence[bytes], ours: str) -> str:
    """A merged tree with each conflict settled to our side."""
    if not entries:
        return tree
    stages: dict[bytes, dict[str, tuple[str, str]]] = {}
    for entry in entries:
        meta, path = entry.split(b"\t", 1)
        mode, oid, stage = meta.decode().split()
        stages.setdefault(path, {})[stage] = (mode, oid)
    lines = []
    for path, known in stages.items():
        lines.append(b"0 %b\t%b" % (b"0" * 40, path))
        if len(known) == 3 and all(mode.startswith("100") for mode, _ in known.values()):
            lines.append(b"%b %b\t%b" % (known["2"][0].encode(), merge_file(repo, known).encode(), path))
        else:
            held = repo.run("ls-tree", "-z", ours, "--", os.fsdecode(path)).rstrip(b"\0")
            if held.count(b" blob ") == 1:
                found = held.split(b"\t")[0].split()
                lines.append(b"%b %b\t%b" % (found[0], found[2], path))
    index = str(repo.git_dir / "index-settle")
    repo.run("read-tree", tree, index=index)
    repo.run("update-index", "-z", "--index-info", stdin=b"\0".join([*lines, b""]), index=index)
    return repo.text("write-tree", index=index)


def merge_file(repo: Repo, known: dict[str, tuple[str, str]]) -> str:
    """`git merge-file --ours` of three stages."""
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for stage in "213":
            path = Path(folder) / stage
            path.write_bytes(repo.run("cat-file", "blob", known[stage][1]))
            names.append(str(path))
        out = repo.run("merge-file", "-p", "--ours", *names, check=False)
    return repo.text("hash-object", "-w", "--stdin", stdin=out)


def run_patch(repo: Repo, comparison: Comparison, texts: Sequence[tuple[bytes, int]], new: str, work: Path) -> Run:
    """GNU patch in a folder that holds the files which the patches name."""
    folder = work / "patch"
    tree = repo.text("rev-parse", f"{new}^{{tree}}")
    files = list_tree(repo.git, tree)
    touched = {
        path for hunk in comparison.patchsets[0].hunks for path in (hunk.path, hunk.old_path) if path is not None
    }
    check_out(repo, folder, files, touched)
    start = time.perf_counter()
    states, clean = [], 0
    for data, level in texts:
        done = subprocess.run(
            ["patch", f"-p{level}", "-N", "-F2", "-s", "-f", "--no-backup-if-mismatch", "-r", "-", "-d", str(folder)],
            input=data, capture_output=True, check=False,
        )  # fmt: skip
        clean += done.returncode == 0
        states.append({path: (folder / os.fsdecode(path)).read_bytes() for path in touched if is_file(folder, path)})
    seconds = time.perf_counter() - start
    return Run([tree, *(write_state(repo, tree, touched, state, files) for state in states)], clean, seconds)


def is_file(folder: Path, path: bytes) -> bool:
    """Whether a plain file is there."""
    place = folder / os.fsdecode(path)
    return place.is_file() and not place.is_symlink()


def check_out(repo: Repo, folder: Path, files: Tree, touched: Iterable[bytes]) -> None:
    """Write some files of a tree."""
    folder.mkdir()
    for path in touched:
        if path in files and files[path][0].startswith("100"):
            place = folder / os.fsdecode(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(repo.run("cat-file", "blob", files[path][1]))


def write_state(repo: Repo, tree: str, touched: Iterable[bytes], state: dict[bytes, bytes], files: Tree) -> str:
    """The tree of a folder's state."""
    index = str(repo.git_dir / "index-patch")
    repo.run("read-tree", tree, index=index)
    lines = []
    known = repo_cache(repo)
    for path in touched:
        if path in state:
            oid = known.get(state[path]) or repo.text("hash-object", "-w", "--stdin", stdin=state[path])
            known[state[path]] = oid
            lines.append(f"{files[path][0] if path in files else '100644'} {oid}\t".encode() + path)
        elif path in files and files[path][0].startswith("100"):
            lines.append(b"0 " + b"0" * 40 + b"\t" + path)
    repo.run("update-index", "-z", "--index-info", stdin=b"\0".join([*lines, b""]), index=index)
    return repo.text("write-tree", index=index)


CACHES: dict[str, dict[bytes, str]] = {}


def repo_cache(repo: Repo) -> dict[bytes, str]:
    """Ids of contents that were written already."""
    return CACHES.setdefault(str(repo.git_dir), {})


# The score


@dataclass
class Truth:
    """The next release's series: per patch its trees, by name."""

    steps: dict[str, tuple[str, str]]  # name -> the trees before and after it
    single: tuple[str, str] | None = None

    def of(self, name: str) -> tuple[str, str] | None:
        """The trees around the patch that is to be compared with."""
        return self.single or self.steps.get(name.rpartition("/")[2])


class Places:
    """Where a line of a tree stands between the lines of the new release."""

    def __init__(self, repo: Repo, old: str, new: str) -> None:
        self.repo = repo
        self.old, self.new = old, new
        self.texts: dict[tuple[str, bytes], bytes] = {}
        self.files = list_tree(repo.git, new)
        self.maps: dict[tuple[str, bytes], LineMap] = {}

    def gap(self, tree: str, path: bytes, line: int) -> tuple[int, int]:
        """The lines of the new release around line `line` of a file."""
        known = self.map(tree, path)
        above, below = line - 1, line
        while above >= 0 and known.back(above) is None:
            above -= 1
        for _ in range(400):
            if known.back(below) is not None:
                break
            below += 1
        return (known.back(above) if above >= 0 else -1) or 0, known.back(below) or 0

    def text(self, tree: str, path: bytes) -> bytes:
        """The content of a file of one of the releases, between newlines."""
        key = tree, path
        if key not in self.texts:
            self.texts[key] = b"\n" + self.repo.run("cat-file", "blob", f"{tree}:{os.fsdecode(path)}", check=False)
        return self.texts[key]

    def taken(self, path: bytes, change: Change) -> bool:
        """Whether upstream brought the very lines that a change adds."""
        told = [text for text in change.added if len(text.strip()) > 3]
        needle = b"\n" + b"\n".join(change.added) + b"\n"
        return len(told) >= 3 and needle in self.text(self.new, path) and needle not in self.text(self.old, path)

    def map(self, tree: str, path: bytes) -> LineMap:
        """The line map from the new release to a tree."""
        key = tree, path
        if key not in self.maps:
            entry = self.files.get(path)
            oid = self.repo.text("rev-parse", f"{tree}:{os.fsdecode(path)}") if entry else ""
            blocks: list[Block] | None = []
            if entry is not None and oid != entry[1]:
                [blocks] = diff_blocks(self.repo.git, [(entry[1], oid)], "histogram")
            self.maps[key] = LineMap(blocks or [])
        return self.maps[key]


def score(repo: Repo, run: Run, comparison: Comparison, truth: Truth, places: Places) -> Score:
    """Hold a contender against the truth."""
    old = comparison.patchsets[0]
    found = Score(patches=len(old.patches), clean=run.clean, seconds=run.seconds)
    cached: dict[tuple[str, str], Step] = {}

    def step(pair: tuple[str, str]) -> Step:
        if pair not in cached:
            cached[pair] = read_step(repo, *pair)
        return cached[pair]

    for patch in old.patches:
        mine = step((run.trees[patch.index], run.trees[patch.index + 1]))
        right = truth.of(patch.name)
        theirs = step(right) if right else Step()
        for hunk in old.hunks:
            if hunk.patch == patch.index and hunk.kind == "text":
                for at, change in enumerate(hunk.changes):
                    if judge(found, hunk, change, (run, mine), (right, theirs), places):
                        found.keys.add((hunk.id, at))
        bodies = mine.bodies if run.bodies is None else run.bodies[patch.index]
        compare_bodies(found, bodies, theirs)
    return found


def judge(
    found: Score,
    hunk: Hunk,
    change: Change,
    ours: tuple[Run, Step],
    theirs: tuple[tuple[str, str] | None, Step],
    places: Places,
) -> bool:
    """Count one change; whether it is placed."""
    run, mine = ours
    found.changes += 1
    at = find_change(mine, hunk.path, change)
    there = find_change(theirs[1], hunk.path, change)
    known = len(there) == 1
    found.placed += bool(at)
    found.known += known
    if not at:
        return False
    if not there and places.taken(hunk.path, change):
        found.twice += 1
        found.twices.append(f"{hunk.path.decode('latin-1')}:{change.old_start} at {at}, patch {hunk.patch}")
    if known and theirs[0] is not None:
        goal = places.gap(theirs[0][0], hunk.path, there[0])
        tree = run.trees[hunk.patch]
        good = any(near(places.gap(tree, hunk.path, one), goal) for one in at)
        found.right += good
        found.wrong += not good
        if not good:
            found.wrongs.append(f"{hunk.path.decode('latin-1')}:{change.old_start} at {at}, truth {there}")
    return True


def near(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two gaps meet; a diff may slide a change by a line or two among equal ones."""
    return one[0] - 2 <= other[1] and other[0] - 2 <= one[1]


def compare_bodies(found: Score, mine: dict[bytes, list[tuple[bytes, ...]]], theirs: Step) -> None:
    """Count the hunks of a patch that the truth has with the same lines, of those whose changes it has."""
    for path, bodies in mine.items():
        others = Counter(theirs.bodies.get(path, ()))
        cores = Counter(core(body) for body in others.elements())
        for body in bodies:
            if cores[core(body)]:
                cores[core(body)] -= 1
                found.hunks += 1
                found.equal += others[body] > 0


def core(body: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """The changed lines of a hunk."""
    return tuple(line for line in body if line[:1] != b" ")


# The two kinds of work


def series_trees(repo: Repo, comparison: Comparison, at: int) -> list[str]:
    """The trees of a series from its release on."""
    tip = repo.text("log", "-1", "--format=%P", comparison.patchsets[at].commit).split()[-1]
    base = comparison.releases[at]
    out = repo.text("log", "--reverse", "--first-parent", "--format=%T", f"{base.commit}..{tip}")
    return [base.tree, *out.split()]


def texts_of(repo: Repo, comparison: Comparison, trees: Sequence[str]) -> list[tuple[bytes, int]]:
    """The patches as GNU patch gets them: diffs of the old series, so that levels and encodings are no matter."""
    return [(repo.run("diff-tree", "-r", "-p", "-U3", a, b), 1) for a, b in pairwise(trees)]


def measure_pair(repo: Repo, old: str, new: str, patches: tuple[str, str]) -> dict[str, Score]:
    """All contenders on one step of a chain."""
    comparison = compare(repo.git_dir, [old, new], list(patches), environ=repo.environ, cwd=Path.cwd(), partial=True)
    new = comparison.releases[1].tree
    trees, goals = series_trees(repo, comparison, 0), series_trees(repo, comparison, 1)
    names = [patch.name.rpartition("/")[2] for patch in comparison.patchsets[1].patches]
    single = (goals[0], goals[1]) if len(goals) == len(trees) == 2 else None
    truth = Truth({name: (goals[at], goals[at + 1]) for at, name in enumerate(names)}, single)
    places = Places(repo, comparison.releases[0].tree, new)
    scores = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        runs = {
            "port": run_port(repo, old, new, patches[0], work),
            "merge": run_merge(repo, trees, new),
            "patch": run_patch(repo, comparison, texts_of(repo, comparison, trees), new, work),
        }
        for name, one in runs.items():
            scores[name] = score(repo, one, comparison, truth, places)
    return scores


def measure_planted(options: argparse.Namespace, seed: int) -> dict[str, Score]:
    """All contenders on a planted monolith; what is planted as absorbed must not be placed."""
    with tempfile.TemporaryDirectory() as folder:
        releases = Releases(Path(folder), options.repo)
        old, new = (releases.tree_of(name, options.repo) for name in options.planted)
        releases.tag("u1", old)
        pair = releases.pair(old, new, seed)
        planted = measure.lay_out(releases, pair, plant(pair, seed, options.plants), new)
        names = []
        for name, written in (("p1", planted.old), ("p2", planted.new)):
            path = releases.folder / f"{name}.patch"
            path.write_bytes(written.patches[0])
            names.append(str(path))
        repo = Repo(releases.git_dir, {**releases.environ, "XDG_DATA_HOME": folder})
        scores = measure_pair(repo, "u1", "u2", (names[0], names[1]))
        return scores


def main() -> int:
    """Measure every pair, or every seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pair", action="append", nargs=5, default=[], metavar="ARG", help="NAME OLD PATCHES NEW PATCHES"
    )
    parser.add_argument("--planted", nargs=2, metavar="RELEASE", help="plant into this pair of releases of --repo")
    parser.add_argument("--repo", type=Path, help="a repository that holds the releases; it is not written to")
    parser.add_argument("--plants", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--wrong", action="store_true", help="name every change in the wrong place, or placed twice")
    options = parser.parse_args()
    totals: dict[str, Score] = {}
    for title, scores in runs_of(options):
        print(title, flush=True)
        for name, one in scores.items():
            rest = ", ".join(f"{len(two.keys - one.keys)} by {other}" for other, two in scores.items() if other != name)
            print(f"  {name:<6} {one.words()}   not placed here, but {rest}", flush=True)
            if options.wrong:
                print("".join(f"      wrong  {text}\n" for text in one.wrongs), end="")
                print("".join(f"      twice  {text}\n" for text in one.twices), end="")
            totals.setdefault(name, Score()).add(one)
    print("all")
    for name, one in totals.items():
        print(f"  {name:<6} {one.words()}")
    return 0


def runs_of(options: argparse.Namespace) -> Iterable[tuple[str, dict[str, Score]]]:
    """What was asked for, one after the other."""
    for name, old, first, new, second in options.pair:
        with tempfile.TemporaryDirectory() as folder:
            git_dir = Path(folder) / "work.git"
            environ = {**{key: os.environ[key] for key in ("PATH",)}, "HOME": folder, "GIT_CONFIG_NOSYSTEM": "1"}
            environ |= {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
            source = [] if options.repo is None else ["--shared", str(options.repo)]
            command = ["git", "clone", "-q", "--bare", *source] if source else ["git", "init", "-q", "--bare"]
            subprocess.run([*command, str(git_dir)], check=True, env=environ)
            yield f"{name}: {old} -> {new}", measure_pair(Repo(git_dir, environ), old, new, (first, second))
    for seed in options.seeds if options.planted else ():
        yield f"planted, seed {seed}", measure_planted(options, seed)


if __name__ == "__main__":
    sys.exit(main())
