"""Upstream's real history as a source of points: each step is a commit between the releases, each point that commit
with the older patchset carried onto it.

The newer release need not descend from the older one (v4.2.7 and v4.3.3 meet at v4.2). Then the patchset on the merge
base is the end that works, and is to be tested first; where it fails, some commit on the older release's side repaired
what the newer one still has, and that side is searched from its release back to the merge base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from git_metadiff.bisect.blame import weigh_commits
from git_metadiff.bisect.carry import Carried, Carrier, Left
from git_metadiff.bisect.kept import Plan
from git_metadiff.bisect.source import GOOD_END, Point, Step
from git_metadiff.bisect.suspicion import Suspect
from git_metadiff.errors import MetadiffError
from git_metadiff.git import CatFile, FastImport, Git, Scratch
from git_metadiff.history import WORK_REF
from git_metadiff.model import Comparison, Patchset, Release
from git_metadiff.port import REASONS
from git_metadiff.store import Store

CARRY_REF = WORK_REF + "-carry"
ANOTHER_SIDE = "what differs is downstream's: search it with --axis downstream"
ANOTHER_AXIS = "search a chain of synthetic commits instead, with --axis upstream"
#: A commit that lacks one of so many suspects tells nothing of them. Further down, it is worth its test.
MANY_SUSPECTS = 20
#: So many digits of a commit's id are shown.
SHORT = 12


@dataclass(frozen=True, slots=True)
class Road:
    """How two releases are joined; ids of commits."""

    old: str
    new: str
    base: str  # where they meet

    @property
    def straight(self) -> bool:
        """Whether the newer release descends from the older one."""
        return self.base == self.old


def find_road(user: Git, comparison: Comparison) -> Road:
    """How the releases of the last transition are joined. Raises MetadiffError where no history joins them."""
    old, new = ends_of(comparison)
    if old.tree == new.tree:
        raise MetadiffError("both patchsets are for the same release: there is no history to walk", ANOTHER_SIDE)
    first, second = (commit_of(user, release) for release in (old, new))
    found = user.try_run("merge-base", first, second)
    base = found.out.split()
    if found.status != 0 or not base:
        shallow = (user.common_dir / "shallow").exists()
        why = "the repository is shallow" if shallow else "they share none"
        raise MetadiffError(f"no history leads from {old.name} to {new.name}: {why}", ANOTHER_AXIS)
    return Road(first, second, base[0].decode())


def ends_of(comparison: Comparison) -> tuple[Release, Release]:
    """The two releases of the last transition."""
    step = comparison.transitions[-1]
    last = len(comparison.releases) - 1  # several patchsets may share one release
    return comparison.releases[min(step.start, last)], comparison.releases[min(step.stop, last)]


def commit_of(user: Git, release: Release) -> str:
    """The real commit of a release; MetadiffError if there is none, or it is not what was compared."""
    commit = user.resolve(release.name)
    if commit is None:
        raise MetadiffError(f"'{release.name}' is no revision of this repository, so it has no history", ANOTHER_AXIS)
    if user.resolve(release.name, "tree") != release.tree:
        raise MetadiffError(
            f"'{release.name}' is not what was compared: it was moved since", "make the comparison again, or name a tag"
        )
    return commit


@dataclass(frozen=True, slots=True)
class Row:
    """A commit between the releases."""

    commit: str
    parents: tuple[str, ...]
    subject: bytes


class Carry:
    """Upstream's commits as steps (see `source.Source`); points are carried when they are asked for.

    `suspects` are those of the whole comparison, the most suspicious first. With `base_fails` the patchset on the merge
    base is known to fail: then the older release's side is searched, from its release back to the merge base, and a
    step takes the commit away that it names, so that the guilty step is the commit that repaired what U2 still has.
    """

    kind = "carry"

    def __init__(
        self,
        store: Store,
        environ: Mapping[str, str],
        comparison: Comparison,
        suspects: Sequence[Suspect] = (),
        *,
        base_fails: bool = False,
    ) -> None:
        self._user, self._reading, self._environ = store.git, store.reader(), environ
        self._comparison = comparison
        self._suspects = suspects
        self.road = find_road(store.git, comparison)
        self.backwards = base_fails and not self.road.straight
        self._made: dict[int, Point] = {}

    @cached_property
    def older(self) -> Patchset:
        """The patchset that is carried."""
        return self._comparison.patchsets[self._comparison.transitions[-1].start]

    @property
    def is_forked(self) -> bool:
        """Whether the end that works is the patchset on the merge base, which nobody has tested yet."""
        return not self.road.straight and not self.backwards

    @property
    def ends(self) -> tuple[str, str]:
        """What the two ends are, in words: the one that works, and the one that fails."""
        old, new = self._releases
        base = f"{self.older.name} on {self.road.base[:SHORT]}, where {old.name} and {new.name} meet"
        if self.backwards:
            return "D1", base
        return base if self.is_forked else "D1", "P"

    @cached_property
    def plan(self) -> Plan:
        """The plan to search it: a step a commit. P is an end that nobody has tested, unlike D2."""
        return Plan(self.kind, tuple(self.steps), self.ends, (not self.is_forked, self.backwards), {})

    @property
    def _releases(self) -> tuple[Release, Release]:
        return ends_of(self._comparison)

    # Steps

    @cached_property
    def steps(self) -> Sequence[Step]:
        """Every commit between the releases, parents first; backwards, those of the older side, the newest first."""
        rows = self._rows
        order = {row.commit: at for at, row in enumerate(rows)}
        upstream = [one for one in self._suspects if one.candidate.side == "upstream"]
        stop = self.road.old if self.backwards else self.road.new
        weights = weigh_commits(self._reading.git, self.road.base, stop, upstream, backwards=self.backwards)
        found = []
        for at, row in enumerate(rows):
            parents = tuple(sorted({order[one] for one in row.parents if one in order}))
            if self.backwards:
                parents = (at - 1,) if at else ()
            weight, hunks = weights.get(row.commit, (0.0, ()))
            title = b"%s %s" % (row.commit[:SHORT].encode(), row.subject)
            found.append(Step(title, weight, 0.0, parents, hunks, row.commit))
        return found

    @cached_property
    def _rows(self) -> list[Row]:
        road = self.road
        if self.backwards:  # a line: what is taken away with a merge is all that it brought
            rows = read_rows(self._reading.git, "--first-parent", road.old, f"^{road.base}")
        else:
            rows = read_rows(self._reading.git, "--topo-order", "--reverse", road.new, f"^{road.base}")
        if not rows:
            raise MetadiffError("upstream has no commit between the two releases", ANOTHER_AXIS)
        return rows

    def find(self, commit: str) -> int | None:
        """The step whose point is on this commit of upstream's, or is this commit; GOOD_END, or None."""
        for at in range(GOOD_END, len(self._rows)):
            if self._real(at) == commit:
                return at
        if commit == self.older.commit and not self.is_forked:
            return GOOD_END
        parent = self._user.try_run("rev-parse", "--verify", "--quiet", f"{commit}^1").out.decode().strip()
        found = self.find(parent) if parent and parent != commit and self._is_ours(commit) else None
        return found if found is None or self.points([found])[0].commit == commit else None

    def _is_ours(self, commit: str) -> bool:
        """Whether a commit can be one of the points: they are all of our making."""
        return self._user.try_run("log", "-1", "--format=%an", commit).out.strip() == b"git-metadiff"

    # Points

    def _real(self, at: int) -> str:
        """The commit of upstream's that a point is on."""
        road = self.road
        if not self.backwards:
            return road.base if at == GOOD_END else self._rows[at].commit
        following = at + 1
        return self._rows[following].commit if following < len(self._rows) else road.base

    def points(self, at: Sequence[int]) -> list[Point]:
        """The points of some steps, in that order, carried in one batch; GOOD_END is the end that works."""
        if GOOD_END in at and not self.is_forked:
            self._made[GOOD_END] = Point(self.older.commit, self.older.tree)
        missing = sorted({one for one in at if one not in self._made})
        if missing:
            self._made.update(zip(missing, self._carry([self._real(one) for one in missing]), strict=True))
        return [self._made[one] for one in at]

    def _carry(self, commits: Sequence[str]) -> list[Point]:
        """Carry the patchset onto commits of upstream's, and keep what is made under refs of the comparison."""
        known = trees_of(self._user, commits)
        older = self._releases[0].tree
        with Scratch(self._user, self._environ) as scratch:
            with CatFile(scratch) as objects, FastImport(scratch) as writer:
                carrier = Carrier(scratch, objects, writer, older, self.older.tree, self.older)
                found = list(carrier.carry(known))
                marks = [
                    writer.commit(CARRY_REF, self._message(commit, one), [commit], one.lines, tree=tree)
                    for commit, tree, one in zip(commits, known, found, strict=True)
                ]
                made = writer.ids(marks)
            trees = trees_of(scratch, made)
            refs = {
                self._ref(commit): (new, self._user.ref(self._ref(commit)))
                for commit, new in zip(commits, made, strict=True)
            }
            scratch.publish({ref: pair for ref, pair in refs.items() if pair[0] != pair[1]}, commits)
        return [self._point(*one) for one in zip(made, trees, found, strict=True)]

    def _ref(self, commit: str) -> str:
        return f"refs/metadiff/{self._comparison.name}/bisect/{self.kind}/{commit}"

    def _point(self, commit: str, tree: str, carried: Carried) -> Point:
        notes = tuple(f"not carried: {told(one)}" for one in carried.left)
        lacking = sorted(carried.lost & self._must_have)
        why = f"a suspect could not be carried: hunk {', '.join(lacking[:3])}" if lacking else ""
        return Point(commit, tree, notes, why)

    @cached_property
    def _must_have(self) -> frozenset[str]:
        """The suspects of the older patchset that are in P: without them a commit that passes proves nothing.

        What has no place in U2 either is not needed for the failure there.
        """
        first = {name for one in self._suspects[:MANY_SUSPECTS] for name in one.candidate.hunks}
        mine = {hunk.id for hunk in self.older.hunks}
        mine &= first | {edge.a for edge in self._comparison.edges if edge.b in first}
        return frozenset(mine - {one.hunk for one in self._comparison.transitions[-1].unplaced})

    def _message(self, commit: str, carried: Carried) -> bytes:
        lines = [
            f"{self.older.name} on {commit[:SHORT]}",
            "",
            f"Upstream's commit {commit}",
            "with the patchset carried onto it.",
        ]
        if carried.left:
            lines += ["", "Not carried:", *(f"- {told(one)}" for one in carried.left)]
        return "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")


def told(left: Left) -> str:
    """What could not be carried, in words."""
    path = left.path.decode("utf-8", "surrogateescape")
    names = f" (hunk {', '.join(left.hunks)})" if left.hunks else ""
    return f"{path}: {REASONS.get(left.reason, left.reason)}{names}"


def read_rows(git: Git, *range_: str) -> list[Row]:
    """Commits with their parents and subjects; MetadiffError where history is not whole."""
    found = git.try_run("log", "-z", "--format=%H%n%P%n%s", *range_, "--")
    if found.status != 0:
        raise MetadiffError(f"the history between the releases is not whole: {found.complaint()}", ANOTHER_AXIS)
    rows = []
    for record in found.out.split(b"\0"):
        if record:
            commit, parents, subject = record.split(b"\n", 2)
            rows.append(Row(commit.decode(), tuple(parents.decode().split()), subject))
    return rows


def trees_of(git: Git, commits: Sequence[str]) -> list[str]:
    """The trees of commits, in one call of git."""
    asked = "".join(f"{commit}^{{tree}}\n" for commit in commits)
    return git.text("cat-file", "--batch-check=%(objectname)", stdin=asked.encode()).split()
