"""What the benchmark's repository and its two patches shall hold, decided before any text is written.

A file is cut into cells of `CELL` lines. A hunk, and an edit of upstream's, lives in a cell of its own, far enough from
the next for git to keep them apart; only where a conflict or a changed context is wanted do both meet in one cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from random import Random

from ctext import AREAS, NOUNS, VERBS

CELL = 24
# Counts of the whole at kernel size; other sizes scale them.
FILES, PATCHED, HUNKS = 45_000, 2_000, 6_000
DIRECTORIES, CHANGED, ADDED, DELETED, RENAMED = 2_900, 9_000, 1_100, 160, 100
CREATED, CONFLICTS, EDITED, NEW, DROPPED = 60, 100, 60, 40, 20
# A quarter of all hunks shares its text with another hunk, one in nine with one of the same file.
ALIKE_SHARE, ALIKE_IN_FILE_SHARE = 1 / 4, 1 / 9
# The share of hunks in a file that upstream changed whose context upstream changed, two lines off.
NEAR_SHARE = 0.15
# Median of a file's length and of upstream's changed lines in it, with the spread of the logarithm.
LENGTH_MEDIAN, LENGTH_SPREAD, LENGTH_MAX = 150, 1.3, 12_000
CHURN_MEDIAN, CHURN_SPREAD = 10, 1.8
# Long files are changed and patched sooner: the weight of a file is its length to this power.
LENGTH_BIAS = 0.7

_TOPS = {
    "drivers": 16129, "arch": 15450, "include": 3628, "Documentation": 2860, "fs": 1760, "net": 1483, "sound": 1460,
    "tools": 691, "kernel": 290, "lib": 259, "scripts": 252, "security": 176, "crypto": 119, "mm": 86, "block": 76,
}  # fmt: skip
_KINDS = {"include": ("h",), "Documentation": ("txt",), "scripts": ("sh", "c"), "arch": ("c", "h", "c", "h", "S")}


class Fate(Enum):
    """What the generator makes of a hunk of p1 in p2; `NEW` is a hunk of p2 alone."""

    KEPT = "kept"
    EDITED = "edited"
    DROPPED = "dropped"
    NEW = "new"
    # The four kinds of conflict: upstream changed the very lines; inserted at the same place; changed the line after;
    # took the code away (p2 has no such hunk then).
    OVERLAP = "overlap"
    INSERT = "insert"
    BESIDE = "beside"
    GONE = "gone"


CONFLICT_KINDS = (Fate.OVERLAP, Fate.INSERT, Fate.BESIDE, Fate.GONE)


@dataclass(frozen=True, slots=True)
class Sweep:
    """The text of hunks that are alike: lines put in, for `old` where it is given."""

    old: str | None
    new: tuple[str, ...]


@dataclass(slots=True)
class HunkPlan:
    """One hunk: the cell that it lies in, what becomes of it, and its text where it is alike to others."""

    cell: int
    fate: Fate = Fate.KEPT
    sweep: Sweep | None = None


@dataclass(slots=True)
class FilePlan:
    """One file of either release. `lines` is a lower bound of its length."""

    path: str
    lines: int
    added: bool = False
    deleted: bool = False
    changed: bool = False
    new_path: str | None = None
    hunks: list[HunkPlan] = field(default_factory=list)

    @property
    def cells(self) -> int:
        """How many cells its lines fill."""
        return self.lines // CELL


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to generate. `created` holds paths and lengths of the files that both patches add."""

    files: list[FilePlan]
    created: list[tuple[str, int]]


class PlanError(ValueError):
    """The wanted numbers do not fit together."""


def make_plan(seed: int, files: int, patched: int, hunks: int) -> Plan:
    """Decide on everything; the same arguments give the same plan.

    `files` is the number of files of the first release; p1 has `hunks` hunks over `patched` files, the files that it
    creates counted in.
    """
    rng = Random(f"{seed}:plan")
    scale = files / FILES
    count, created = files + _scaled(ADDED, scale), _scaled(CREATED, patched / PATCHED)
    folders = _folders(rng, _scaled(DIRECTORIES, scale))
    paths = _paths(rng, folders, count + created)
    plans = [FilePlan(path, _length(rng, path)) for path in paths[:count]]
    for plan in plans[files:]:
        plan.added = True
    _plan_upstream(rng, plans[:files], folders, scale)
    targets = _plan_hunks(rng, plans[:files], patched - created, hunks - created)
    _plan_sweeps(rng, targets, hunks)
    _plan_fates(rng, targets, hunks / HUNKS)
    made = sorted((path, _length(rng, path)) for path in paths[count:])
    return Plan(sorted(plans, key=lambda plan: plan.path), made)


def _scaled(number: int, scale: float) -> int:
    """Scale a count, down to 1 at least."""
    return max(1, round(number * scale))


def _length(rng: Random, path: str) -> int:
    """Draw a file's length in lines; Makefiles and Kconfig files are short."""
    longest = 60 if path.endswith(("Makefile", "Kconfig")) else LENGTH_MAX
    return min(longest, int(LENGTH_MEDIAN * rng.lognormvariate(0, LENGTH_SPREAD)) + 1)


def _weighted(rng: Random, plans: Iterable[FilePlan], count: int) -> list[FilePlan]:
    """Draw files without putting back, long ones sooner (Efraimidis and Spirakis, 2006)."""
    keys = ((rng.random() ** (plan.lines**-LENGTH_BIAS), plan.path, plan) for plan in plans)
    drawn = sorted(keys, reverse=True)[:count]
    if len(drawn) < count:
        raise PlanError(f"{count} files are to be drawn, only {len(drawn)} qualify")
    return [plan for _, _, plan in drawn]


def _folders(rng: Random, count: int) -> list[str]:
    """Make a tree of folders, up to seven deep, shared out among the top folders as in the kernel."""
    folders: list[str] = []
    for top, weight in _TOPS.items():
        own, names = [top], {top}
        for _ in range(round(count * weight / sum(_TOPS.values()))):
            parent = top if rng.random() < 0.25 else rng.choice(own)
            name = f"{parent if parent.count('/') < 6 else top}/{rng.choice(AREAS)}"
            while name in names:
                name += rng.choice(NOUNS)[0]
            names.add(name)
            own.append(name)
        folders += own
    return folders


def _paths(rng: Random, folders: Sequence[str], count: int) -> list[str]:
    """Name `count` files in random order, some folders holding far more of them than others."""
    weights = list(accumulate(min(40.0, rng.paretovariate(1.1)) for _ in folders))
    # A dictionary keeps the order in which paths came; a set's would differ from run to run.
    paths: dict[str, None] = {}
    begun: set[str] = set()
    while len(paths) < count:
        folder = rng.choices(folders, cum_weights=weights)[0]
        paths[f"{folder}/{_name(rng, folder, folder not in begun)}"] = None
        begun.add(folder)
    made = list(paths)
    rng.shuffle(made)
    return made


def _name(rng: Random, folder: str, first: bool) -> str:
    """Name a file; the first of a folder of code is its Makefile, every third folder has a Kconfig."""
    kinds = _KINDS.get(folder.partition("/")[0], ("c", "c", "h"))
    if first and len(kinds) > 1:
        return "Makefile"
    if len(kinds) > 1 and rng.random() < 0.02:
        return "Kconfig"
    return f"{rng.choice(VERBS)}_{rng.choice(NOUNS)}.{rng.choice(kinds)}"


def _plan_upstream(rng: Random, plans: Sequence[FilePlan], folders: Sequence[str], scale: float) -> None:
    """Choose what upstream deletes, renames and changes; files that it adds are marked already."""
    # Short ones: git's merge keeps a deleted file that p1 changed, and a long one would outweigh all else it shows.
    for plan in rng.sample([plan for plan in plans if plan.lines <= 2 * LENGTH_MEDIAN], _scaled(DELETED, scale)):
        plan.deleted = True
    left = [plan for plan in plans if not plan.deleted]
    wanted = _scaled(RENAMED, scale)
    moved = list(_moved_folders(rng, left, wanted * 2 // 5))
    chosen = {plan.path for plan in moved}
    single = rng.sample([plan for plan in left if plan.path not in chosen], max(0, wanted - len(moved)))
    for number, plan in enumerate(single):
        folder, _, name = plan.path.rpartition("/")
        root, dot, kind = name.partition(".")
        place = folder if number % 2 else rng.choice(folders)
        # No path is made of three words and a number otherwise, so the new one is free.
        plan.new_path = f"{place}/{root.lower()}_common{number}{dot or '.'}{kind or 'txt'}"
    for plan in _weighted(rng, left, _scaled(CHANGED, scale) - wanted // 2):
        plan.changed = True


def _moved_folders(rng: Random, plans: Sequence[FilePlan], wanted: int) -> Iterator[FilePlan]:
    """Move whole folders until about `wanted` files have moved, and give these."""
    members: dict[str, list[FilePlan]] = {}
    for plan in plans:
        members.setdefault(plan.path.rpartition("/")[0], []).append(plan)
    small = [folder for folder in sorted(members) if 3 <= len(members[folder]) <= 12]
    rng.shuffle(small)
    moved = 0
    for folder in small:
        if moved + len(members[folder]) > wanted:
            continue
        for plan in members[folder]:
            plan.new_path = f"{folder}_new/{plan.path.rpartition('/')[2]}"
            yield plan
        moved += len(members[folder])


def _plan_hunks(rng: Random, plans: Sequence[FilePlan], patched: int, hunks: int) -> list[FilePlan]:
    """Spread the hunks over the patched files, one each at least, a few files holding many."""
    fit = (plan for plan in plans if plan.cells >= 3 and plan.path.endswith((".c", ".h", ".S")))
    targets = _weighted(rng, fit, patched)
    if not patched <= hunks <= sum(plan.cells - 1 for plan in targets) // 2:
        raise PlanError(f"{hunks} hunks do not fit {patched} files")
    weights = list(accumulate(min(30.0, rng.paretovariate(1.0)) for _ in targets))
    counts = [1] * patched
    left = hunks - patched
    while left:
        number = rng.choices(range(patched), cum_weights=weights)[0]
        # One cell stays free, for a hunk that is new in p2.
        if counts[number] < targets[number].cells - 1:
            counts[number] += 1
            left -= 1
    for plan, count in zip(targets, counts, strict=True):
        plan.hunks = [HunkPlan(cell) for cell in sorted(rng.sample(range(plan.cells), count))]
    return targets


def _plan_sweeps(rng: Random, targets: Sequence[FilePlan], hunks: int) -> None:
    """Give the wanted shares of all hunks a text that others have too, first within a file, then across files."""
    done = 0
    several = [plan for plan in targets if len(plan.hunks) > 1]
    rng.shuffle(several)
    for plan in several:
        if done >= hunks * ALIKE_IN_FILE_SHARE:
            break
        group = rng.sample(plan.hunks, min(len(plan.hunks), 2 + int(rng.expovariate(0.5))))
        _alike(rng, group, done)
        done += len(group)
    rest = [hunk for plan in targets for hunk in plan.hunks if hunk.sweep is None]
    rng.shuffle(rest)
    while rest and done < hunks * ALIKE_SHARE:
        size = min(2 + int(rng.expovariate(0.15)), len(rest))
        _alike(rng, rest[:size], done)
        del rest[:size]
        done += size


def _alike(rng: Random, group: Iterable[HunkPlan], number: int) -> None:
    """Give all hunks of a group one text; `number` keeps the texts of groups apart."""
    noun, verb = rng.choice(NOUNS), rng.choice(VERBS)
    call = f"\tret = {verb}_{noun}_{number}(current, {noun});\n"
    if rng.random() < 0.5:
        sweep = Sweep(call, (call.replace("(", "_checked(", 1),))
    else:
        sweep = Sweep(None, (f"\tif (!may_{verb}_{noun}_{number}(current))\n", f"\t\treturn -E{noun.upper()};\n"))
    for hunk in group:
        hunk.sweep = sweep


def _plan_fates(rng: Random, targets: Sequence[FilePlan], scale: float) -> None:
    """Choose the conflicts, one a file, and what p2 edits, drops and adds."""
    alive = [plan for plan in targets if not plan.deleted]
    plain = [plan for plan in alive if any(hunk.sweep is None for hunk in plan.hunks)]
    for number, plan in enumerate(rng.sample(plain, _scaled(CONFLICTS, scale))):
        plan.changed = True
        hunk = rng.choice([hunk for hunk in plan.hunks if hunk.sweep is None])
        hunk.fate = CONFLICT_KINDS[number % len(CONFLICT_KINDS)]
    for plan in rng.sample(alive, _scaled(NEW, scale)):
        free = sorted(set(range(plan.cells)) - {hunk.cell for hunk in plan.hunks})
        plan.hunks.append(HunkPlan(rng.choice(free), Fate.NEW))
        plan.hunks.sort(key=lambda hunk: hunk.cell)
    kept = [hunk for plan in alive for hunk in plan.hunks if hunk.fate is Fate.KEPT]
    for hunk in rng.sample(kept, _scaled(DROPPED, scale)):
        hunk.fate = Fate.DROPPED
    kept = [hunk for hunk in kept if hunk.fate is Fate.KEPT and not hunk.sweep]
    for hunk in rng.sample(kept, _scaled(EDITED, scale)):
        hunk.fate = Fate.EDITED
