"""A part of a chain: neighbouring patchsets applied, and every step from one to the next compared.

Parts know nothing of each other, so each can have a process of its own, and the result is that of one: neither the
parts nor the number of processes shows in it. A patchset at which two parts meet is applied in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from git_metadiff import history
from git_metadiff.ancestry import Upstream as UpstreamNames
from git_metadiff.ancestry import find_claims
from git_metadiff.apply import Applied, Applier
from git_metadiff.causes import find_causes, questions_of
from git_metadiff.certificate import accounted, disagreements, replay
from git_metadiff.collection import no_collection
from git_metadiff.collide import find_collisions
from git_metadiff.correspond import Correspondence, correspond
from git_metadiff.correspond.classify import Upstream
from git_metadiff.correspond.items import Sides, gather
from git_metadiff.errors import MetadiffError
from git_metadiff.forecast import foresee, foresee_patches, implied_patchset
from git_metadiff.git import CatFile, FastImport, Scratch
from git_metadiff.inputs import Inputs
from git_metadiff.interdiff import Interdiff, diff_trees
from git_metadiff.linemap import Tree, list_next, list_tree
from git_metadiff.lines import LineCache
from git_metadiff.materials import Others, Texts, base_names, kept_lines, label_hunks, line_maps, upstream_lines
from git_metadiff.model import (
    Certificate,
    Edge,
    Forecast,
    Hunk,
    Notice,
    Patch,
    PatchEdge,
    PatchVerdict,
    Transition,
    Verdict,
    outcome,
)
from git_metadiff.ownership import Ownership
from git_metadiff.port import Port, Trees, port
from git_metadiff.repeats import Repeats
from git_metadiff.sections import Sections
from git_metadiff.series import Claim, Series, absorb_named, follow, judge_patches, match_patches, retell_edges
from git_metadiff.sources import PatchsetSource

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A patchset applied, as far as the result keeps it."""

    name: str
    tree: str  # of Dn
    patches: tuple[Patch, ...]
    hunks: tuple[Hunk, ...]
    notices: tuple[Notice, ...]
    steps: tuple[list[bytes], ...]  # per patch, the fast-import lines that lead to its tree


@dataclass(slots=True)
class Part:
    """What was found in a part of a chain."""

    patchsets: dict[int, Made] = field(default_factory=dict)
    fates: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    origins: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    placed: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    superseded: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    patch_edges: list[PatchEdge] = field(default_factory=list)
    patch_verdicts: list[PatchVerdict] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    def join(self, later: Part) -> None:
        """Add the part that follows; what both know of the patchset between them is the same, but for notices."""
        self.patchsets = later.patchsets | self.patchsets
        self.fates.update(later.fates)
        self.origins.update(later.origins)
        self.placed.update(later.placed)
        self.superseded.update(later.superseded)
        self.edges += later.edges
        self.patch_edges += later.patch_edges
        self.patch_verdicts += later.patch_verdicts
        self.transitions += later.transitions


@dataclass(frozen=True, slots=True)
class Ported:
    """P, written."""

    trees: Trees
    lines: LineCache
    port: Port
    tree: str  # its id


@dataclass(slots=True)
class Job:
    """A part of a chain under way, from patchset `first` to `last`; all by the index of the patchset."""

    scratch: Scratch
    objects: CatFile
    writer: FastImport
    inputs: Inputs
    first: int
    last: int
    progress: Progress | None
    files: dict[int, Tree] = field(default_factory=dict)  # of the releases
    sources: dict[int, PatchsetSource] = field(default_factory=dict)
    applied: dict[int, Applied] = field(default_factory=dict)
    trees: dict[int, str] = field(default_factory=dict)  # ids of the trees Dn
    foreseen: Ported | None = None  # P of a forecast
    repeats: Repeats = field(default_factory=Repeats)
    part: Part = field(default_factory=Part)

    def tell(self, label: str, at: int) -> None:
        """Report progress, where somebody listens."""
        if self.progress is not None:
            self.progress(label, at - self.first, self.last - self.first)

    def is_forecast(self, at: int) -> bool:
        """Whether the transition from patchset `at` is a forecast."""
        return self.inputs.is_forecast and at + 2 == len(self.inputs.names)


def run_part(
    scratch: Scratch, inputs: Inputs, first: int, last: int, progress: Progress | None, folder: Path | None = None
) -> Part:
    """Apply the patchsets from `first` to `last` and compare each with the next.

    Blobs and trees are left in `scratch`, in a process of its own in a `folder` of `Scratch.share_out`.
    """
    if folder is not None:
        scratch.write_into(folder)
    with no_collection(), CatFile(scratch) as objects, FastImport(scratch) as writer:
        job = Job(scratch, objects, writer, inputs, first, last, progress, sources=dict(inputs.sources))
        apply_one(job, first)
        for at in range(first, last):
            if job.is_forecast(at):
                add_forecast(job)
            else:
                apply_one(job, at + 1)
            settle(job)
            transition(job, at)
            put_away(job, at)
        put_away(job, last)
        return job.part


def list_files(job: Job, at: int) -> None:
    """List the files of a release, from those of the one before."""
    trees = job.inputs.trees
    if at in job.files or not job.first <= at <= job.last:
        return
    if at == job.first:
        job.files[at] = list_tree(job.scratch, trees[at])
    elif trees[at] == trees[at - 1]:
        job.files[at] = job.files[at - 1]
    else:
        job.files[at] = list_next(job.scratch, job.files[at - 1], trees[at - 1], trees[at])


def apply_one(job: Job, at: int) -> None:
    """Apply one patchset; of the files that upstream changes before or after it the lines are kept."""
    list_files(job, at)
    list_files(job, at + 1)
    source = job.sources[at]
    job.tell("applying " + source.name, at)
    keep = {path for near in (at, at + 1) for path in changed_files(job.files.get(near - 1), job.files.get(near))}
    partial = job.inputs.rules.partial
    applier = Applier(job.files[at], at, job.objects, job.writer, partial=partial, keep=keep, repeats=job.repeats)
    applied = applier.run(source.texts)
    applied.notices[:0] = [*job.inputs.notices(at), *unrelated(job, at)]
    job.applied[at] = applied


def changed_files(old: Tree | None, new: Tree | None) -> set[bytes]:
    """The files that two neighbouring releases both have, and not the same."""
    if old is None or new is None or old is new:
        return set()
    return {path for path in old.keys() & new.keys() if old[path] != new[path]}


def unrelated(job: Job, at: int) -> list[Notice]:
    """A notice if a release has no file of the one before it."""
    old, new = job.files.get(at - 1), job.files[at]
    if not old or not new or not old.keys().isdisjoint(new):
        return []
    names = job.inputs.names
    return [Notice("unrelated", f"{names[at]} has no file of {names[at - 1]}: are they releases of one project?")]


def add_forecast(job: Job) -> None:
    """Port the last patchset onto the last release, and take what comes out for the patchset that it lacks."""
    at = job.last - 1
    job.tell("forecast", at)
    settle(job)
    job.foreseen = port_onto(job, at)
    job.sources[at + 1] = implied_patchset(job.scratch, job.inputs.trees[at + 1], job.foreseen.tree)
    apply_one(job, at + 1)


def settle(job: Job) -> None:
    """Make what was written readable, turn marks into ids, and find the trees Dn."""
    fresh = {at: applied for at, applied in job.applied.items() if at not in job.trees}
    commits = [write_tree(job, job.inputs.trees[at], applied.steps) for at, applied in fresh.items()]
    job.writer.checkpoint()
    for applied in fresh.values():
        resolve_marks(job.writer, applied)
    if fresh:
        names = [f"{commit}^{{tree}}" for commit in job.writer.ids(commits)]
        job.trees.update(zip(fresh, job.scratch.text("rev-parse", *names).split(), strict=True))


def write_tree(job: Job, base: str, steps: Sequence[list[bytes]]) -> str:
    """Write the tree that fast-import lines make of the tree `base`, in a commit on no branch; its mark."""
    ref = f"{history.WORK_REF}-part-{job.first}"  # of this process alone
    return job.writer.commit(ref, b"", [], [line for step in steps for line in step], tree=base)


def resolve_marks(writer: FastImport, applied: Applied) -> None:
    """Turn the marks of blobs into ids, wherever they stand."""
    marks = [mark for step in applied.steps for line in step if (mark := mark_in(line))]
    ids = dict(zip(marks, writer.ids(marks), strict=True))
    for path, (mode, target) in applied.tree.items():
        if target.startswith(":"):
            applied.tree[path] = (mode, ids[target])
    for trace in applied.traces:
        trace.target = ids.get(trace.target, trace.target)
    applied.steps[:] = [[with_id(line, ids) for line in step] for step in applied.steps]


def mark_in(line: bytes) -> str:
    """The mark in a fast-import line; empty if there is none."""
    fields = line.split(b" ", 3)
    return fields[2].decode() if fields[0] == b"M" and fields[2].startswith(b":") else ""


def with_id(line: bytes, ids: Mapping[str, str]) -> bytes:
    """A fast-import line with the id of its blob for its mark."""
    mark = mark_in(line)
    return line.replace(mark.encode(), ids[mark].encode(), 1) if mark else line


def port_onto(job: Job, at: int) -> Ported:
    """P of a transition, written."""
    old, new = job.applied[at], job.applied.get(at + 1)
    trees = Trees(job.files[at], job.files[at + 1], old.tree)
    lines = LineCache(job.objects, kept_lines(trees, old.traces, [] if new is None else new.traces))
    written = set() if new is None else {oid for _, oid in new.tree.values()}
    ported = port(job.scratch, lines, job.writer, trees, written)
    mark = write_tree(job, job.inputs.trees[at + 1], [ported.lines])
    job.writer.checkpoint()
    tree = job.scratch.text("rev-parse", f"{job.writer.ids([mark])[0]}^{{tree}}")
    return Ported(trees, lines, ported, tree)


def transition(job: Job, at: int) -> None:
    """One step of the chain: P, the graph, the interdiff and its certificate."""
    job.tell("comparing", at)
    known = job.foreseen if job.is_forecast(at) else None
    ported = port_onto(job, at) if known is None else known
    judge(job, at, ported, diff_trees(job.scratch, ported.tree, job.trees[at + 1]))


def put_away(job: Job, at: int) -> None:
    """Keep of a patchset what the result needs; the rest is in the way in a long chain."""
    one = job.applied.pop(at)
    made = Made(
        job.sources[at].name,
        job.trees[at],
        tuple(one.patches),
        tuple(one.hunks),
        tuple(one.notices),
        tuple(one.steps),
    )
    job.part.patchsets[at] = made
    job.files.pop(at - 1, None)


def judge(job: Job, at: int, ported: Ported, interdiff: Interdiff) -> None:
    """Find what corresponds to what, prove it, and keep the result."""
    old, new, trees, downstream = job.applied[at], job.applied[at + 1], ported.trees, job.trees[at + 1]
    added = {path: entry for path, entry in trees.u2.items() if path not in trees.u1}
    sources = base_names(job.scratch, ported.lines, trees, ported.port, new.traces, added)
    maps = line_maps(job.scratch, trees, ported.port, sources)
    sides = gather(old, new, ported.port, interdiff, maps)
    sides.sources.update(sources)
    runs = Ownership(sides.old, sides.new, ported.port, old.traces, new.traces).runs(interdiff)
    texts = Texts(ported.lines, trees, sources)
    texts.fetch("new", sorted({item.file for item in sides.new if maps.get(item.file)}))
    sections = Sections(texts)
    fresh = {path for path in added if path not in sources}
    upstream = Upstream(at, texts, sections, fresh, Others(job.objects, trees))
    forecast = None
    if job.is_forecast(at):
        found = foresee(sides, upstream)
        forecast = explain_forecast(job, at, sides, found, texts)
    else:
        found, runs = correspond(sides, upstream, runs)
        match_series(job, at, sides, found)
    replayed = replay(job.scratch, ported.tree, interdiff.text)
    wrong = disagreements(sides, runs, found)
    certificate = Certificate(
        replayed, replayed == downstream, accounted_both(job, at, found.fates, found.origins), not wrong
    )
    check(certificate, wrong)
    keep(job, found)
    collisions = find_collisions(sides, sections, texts, at, {path: added[path] for path in fresh})
    shown = {file.path for file in interdiff.files} | {item.path for item in sides.new if maps.get(item.file)}
    job.part.transitions.append(
        Transition(
            at,
            at + 1,
            ported.tree,
            tuple(found.unplaced),
            interdiff.text,
            interdiff.size,
            tuple(label_hunks(interdiff, runs)),
            collisions,
            certificate,
            upstream_lines(shown, maps, new.traces),
            forecast,
        )
    )


def keep(job: Job, found: Correspondence) -> None:
    """Keep what a transition found."""
    job.part.fates.update(found.fates)
    job.part.origins.update(found.origins)
    job.part.placed.update(found.placed)
    job.part.superseded.update(found.superseded)
    job.part.edges += found.edges


def accounted_both(
    job: Job, at: int, fates: dict[str, tuple[Verdict, ...]], origins: dict[str, tuple[Verdict, ...]]
) -> bool:
    """Whether every hunk of both patchsets has its verdicts, by an independent count of the input."""
    return all(
        accounted(
            job.scratch,
            job.applied[side].hunks,
            job.applied[side].counted,
            [text.data for text in job.sources[side].texts],
            verdicts,
        )
        for side, verdicts in ((at, fates), (at + 1, origins))
    )


def check(certificate: Certificate, wrong: list[str]) -> None:
    """A certificate that does not hold is fatal."""
    if certificate.holds:
        return
    parts = [
        ("the interdiff does not lead from P to the downstream tree", certificate.equals_downstream),
        ("not every hunk is accounted for", certificate.hunks_accounted),
        (
            f"verdicts and interdiff disagree ({wrong[0] if wrong else ''}; {len(wrong)} in all)",
            certificate.verdicts_agree,
        ),
    ]
    words = "; ".join(text for text, holds in parts if not holds)
    raise MetadiffError(
        f"the certificate does not hold: {words}", "this is a fault of git metadiff: please report it with the input"
    )


def match_series(job: Job, at: int, sides: Sides, found: Correspondence) -> None:
    """Find which patch became which, and let headers that name an upstream commit tell of those that are gone.

    A step behind the correspondence of the hunks: it changes the fates of hunks that were lost by their text alone.
    """
    names = not job.inputs.rules.diff_only
    old, new = series_of(job, at), series_of(job, at + 1)
    edges = match_patches(at, old, new, found.edges, names=names)
    alive = {edge.a for edge in edges}
    claims = tell_claims(job, at, sides, found, {patch.index for patch in old.patches if patch.index not in alive})
    job.part.patch_edges += edges
    job.part.patch_verdicts += judge_patches(at, "fate", old, found.fates, edges, claims)
    job.part.patch_verdicts += judge_patches(at + 1, "origin", new, found.origins, edges, {})


def tell_claims(job: Job, at: int, sides: Sides, found: Correspondence, gone: set[int]) -> dict[int, Claim]:
    """Change the fates that the headers of patches prove, of those that are gone; what is claimed, by patch."""
    inputs, old = job.inputs, job.applied[at]
    patches = [] if inputs.rules.diff_only else [patch for patch in old.patches if patch.index in gone]
    upstream = UpstreamNames(inputs.commits[at], inputs.commits[at + 1], inputs.names[at + 1])
    claims = find_claims(job.scratch, patches, upstream)
    untouched = {(item.hunk.id, item.index) for item in sides.old if item.state == "placed" and item.sure}
    changed = absorb_named(old.hunks, found.fates, claims, untouched)
    changed = follow(old.hunks, found.superseded, found.fates, changed)
    found.fates.update(changed)
    found.edges = retell_edges(found.edges, changed)
    for item in sides.old:
        if item.hunk.id in changed:
            item.verdict = changed[item.hunk.id][item.index]
    return claims


def explain_forecast(job: Job, at: int, sides: Sides, found: Correspondence, texts: Texts) -> Forecast:
    """Which upstream commits took in or broke what is not carried; headers tell it too."""
    old, new = job.applied[at], job.applied[at + 1]
    carried = {hunk.patch for hunk in old.hunks if any(outcome(one) == "carried" for one in found.fates[hunk.id])}
    claims = tell_claims(job, at, sides, found, {patch.index for patch in old.patches} - carried)
    job.part.patch_verdicts += foresee_patches(at, "fate", old.hunks, found.fates, claims)
    job.part.patch_verdicts += foresee_patches(at + 1, "origin", new.hunks, found.origins, {})
    claimed = {
        hunk.id: claim.commit
        for hunk in old.hunks
        if (claim := claims.get(hunk.patch)) is not None and claim.proven and claim.commit is not None
    }
    first, second = job.inputs.commits[at : at + 2]
    job.tell("reading the history of upstream", at)
    return find_causes(job.scratch, job.scratch.user, first, second, list(questions_of(sides, texts, claimed)))


def series_of(job: Job, at: int) -> Series:
    """A patchset with the texts of its patches."""
    return Series(job.applied[at].patches, job.applied[at].hunks, [text.data for text in job.sources[at].texts])
