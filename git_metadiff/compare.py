"""Runs the stages and returns a `Comparison`: the public Python interface, and what the command line calls."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from git_metadiff import __version__, history
from git_metadiff.ancestry import Upstream as UpstreamNames
from git_metadiff.ancestry import asks_history, find_claims
from git_metadiff.apply import Applied, Applier, FileTrace
from git_metadiff.certificate import accounted, disagreements, replay
from git_metadiff.codec import FORMAT, encode
from git_metadiff.collide import find_collisions
from git_metadiff.correspond import Correspondence, correspond
from git_metadiff.correspond.classify import Upstream
from git_metadiff.correspond.items import Sides, gather
from git_metadiff.errors import MetadiffError
from git_metadiff.git import CatFile, FastImport, Git, Scratch, check_git_version
from git_metadiff.interdiff import Interdiff, diff_trees
from git_metadiff.linemap import LineMap, Tree, diff_blocks, find_renames, list_next, list_tree
from git_metadiff.lines import LineCache
from git_metadiff.model import (
    Certificate,
    Comparison,
    Edge,
    InterdiffHunk,
    PatchEdge,
    Patchset,
    PatchVerdict,
    Range,
    Release,
    Transition,
    Verdict,
)
from git_metadiff.ownership import OwnedRun, Ownership
from git_metadiff.port import Port, Trees, is_text, port
from git_metadiff.repeats import Repeats
from git_metadiff.sections import Sections
from git_metadiff.series import Series, absorb_named, follow, judge_patches, match_patches, retell_edges
from git_metadiff.sources import PatchsetSource, ReleaseSource, find_patchset, find_release, import_release
from git_metadiff.sources.patchset import check_counts
from git_metadiff.store import Store, check_name, open_git, refs_of

#: Bytes at the start of a patch in which its header stands.
HEADER = 1 << 16
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user asked of the comparison itself."""

    strip: int | None = None  # the patch level
    partial: bool = False  # leave out hunks that do not apply
    diff_only: bool = False  # names and messages of patches are no evidence


@dataclass(slots=True)
class Job:
    """One comparison under way."""

    scratch: Scratch
    objects: CatFile
    writer: FastImport
    progress: Progress | None
    rules: Rules
    names: Sequence[str]  # of the releases
    commits: Sequence[str | None]  # of those that are revisions
    trees: list[str] = field(default_factory=list)  # tree ids of the releases
    files: list[Tree] = field(default_factory=list)
    sources: list[PatchsetSource] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    fates: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    origins: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    placed: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    superseded: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    patch_edges: list[PatchEdge] = field(default_factory=list)
    patch_verdicts: list[PatchVerdict] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    def tell(self, label: str, done: int, total: int) -> None:
        """Report progress, where somebody listens."""
        if self.progress is not None:
            self.progress(label, done, total)


def compare(
    repository: Path | None,
    releases: Sequence[str],
    patchsets: Sequence[str],
    *,
    name: str = "default",
    strip: int | None = None,
    partial: bool = False,
    diff_only: bool = False,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare downstream's work between releases, store the result in git and return it.

    `repository` is the git folder that holds objects and refs (None: a bare store under the user's data folder);
    `releases` and `patchsets` are as on the command line, relative paths from `cwd`; `diff_only` leaves the names and
    messages of patches out of what is evidence. Raises MetadiffError for bad input and for a certificate that does not
    hold; nothing is changed then.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    check_name(name)
    check_counts(releases, patchsets)
    check_git_version(environ)
    user = open_git(repository, environ)
    store = Store(user)
    heads = store.heads(name)
    found = [find_release(one, user, cwd) for one in releases]
    if len(found) == 1:
        found *= len(patchsets)
    with Scratch(user, environ) as scratch:
        trees = import_all(scratch, found, progress)
        sources = [
            find_patchset(one, tree, scratch, user, cwd, strip) for one, tree in zip(patchsets, trees, strict=True)
        ]
        commits = release_commits(user, found, sources)
        rules = Rules(strip, partial, diff_only)
        key = input_key(found, trees, commits, sources, rules)
        stored = store.find(name, key)
        if stored is None:
            stored = run(scratch, found, trees, commits, sources, name, key, heads, progress, rules)
        else:
            store.restore(stored, heads)
        store.remember(name, scratch.git_dir)
    return stored


def release_commits(user: Git, found: Sequence[ReleaseSource], sources: Sequence[PatchsetSource]) -> list[str | None]:
    """The commits of releases that are revisions, if a patch names an upstream commit that their history may hold.

    Else none: the same trees and patches give the same ids, whatever commits hold them.
    """
    if not any(asks_history(text.message + text.data[:HEADER]) for source in sources[:-1] for text in source.texts):
        return [None] * len(found)
    return [user.resolve(one.name) if one.path is None else None for one in found]


def input_key(
    releases: Sequence[ReleaseSource],
    trees: Sequence[str],
    commits: Sequence[str | None],
    sources: Sequence[PatchsetSource],
    rules: Rules,
) -> str:
    """A digest of everything that decides the result: another version of the program may find something else."""
    words = [FORMAT, __version__, repr(rules)]
    words += [f"{one.name}\0{tree}\0{commit}" for one, tree, commit in zip(releases, trees, commits, strict=True)]
    words += [f"{source.name}\0{source.key}" for source in sources]
    return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()


def import_all(scratch: Scratch, found: Sequence[ReleaseSource], progress: Progress | None) -> list[str]:
    """The tree of every release, imported where it is not in the repository."""
    if all(source.tree for source in found):
        return [source.tree for source in found]
    marks: dict[ReleaseSource, str] = {}
    with FastImport(scratch) as writer:
        for number, source in enumerate(dict.fromkeys(found)):
            marks[source] = import_release(source, writer, number, progress)
        ids = {source: writer.ids([mark])[0] if mark.startswith(":") else mark for source, mark in marks.items()}
    trees = {source: scratch.text("rev-parse", f"{oid}^{{tree}}") for source, oid in ids.items()}
    return [trees[source] for source in found]


def run(
    scratch: Scratch,
    releases: Sequence[ReleaseSource],
    trees: Sequence[str],
    commits: Sequence[str | None],
    sources: Sequence[PatchsetSource],
    name: str,
    key: str,
    heads: dict[str, str | None],
    progress: Progress | None,
    rules: Rules,
) -> Comparison:
    """All stages, from applying to the refs."""
    with no_collection(), CatFile(scratch) as objects, FastImport(scratch) as writer:
        names = [one.name for one in releases]
        job = Job(scratch, objects, writer, progress, rules, names, commits, list(trees), sources=list(sources))
        upstream = history.write_upstream(writer, [release.name for release in releases], trees)
        apply_all(job)
        downstream = write_downstream(job, upstream, releases)
        tree_ids = resolve_targets(job, downstream)
        ported = [transition(job, at, tree_ids, upstream) for at in range(len(sources) - 1)]
        ids = writer.ids([*upstream, *downstream])
        comparison = assemble(job, name, releases, tree_ids, ids)
        parents = list(dict.fromkeys([upstream[-1], downstream[-1], *ported]))
        last = history.write_comparison(writer, name, key, parents, encode(comparison))
        tips = writer.ids([upstream[-1], downstream[-1], last])
    updates = {ref: (oid, heads[ref]) for ref, oid in zip(refs_of(name), tips, strict=True)}
    scratch.publish(updates, [release.tree for release in releases if release.tree])
    return comparison


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Hold Python's search for reference cycles: a comparison makes a million objects and no cycle worth finding."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def apply_all(job: Job) -> None:
    """Apply every patchset to its release."""
    for at, tree in enumerate(job.trees):
        before = job.trees[at - 1]
        files = list_tree(job.scratch, tree) if at == 0 else list_next(job.scratch, job.files[-1], before, tree)
        job.files.append(files if at == 0 or tree != before else job.files[-1])
    moved = [{path for path in set(old) & set(new) if old[path] != new[path]} for old, new in pairwise(job.files)]
    repeats = Repeats()
    for at, source in enumerate(job.sources):
        job.tell("applying " + source.name, at, len(job.sources))
        keep = {path for step in moved[max(at - 1, 0) : at + 1] for path in step}
        applier = Applier(
            job.files[at], at, job.objects, job.writer, partial=job.rules.partial, keep=keep, repeats=repeats
        )
        job.applied.append(applier.run(source.texts))


def write_downstream(job: Job, upstream: list[str], releases: Sequence[ReleaseSource]) -> list[str]:
    """The commits of all patches and of every Dn; the marks of the Dn."""
    marks: list[str] = []
    for at, applied in enumerate(job.applied):
        tip = history.write_series(job.writer, upstream[at], applied)
        title = f"{releases[at].name} + {job.sources[at].name}"
        before = marks[-1] if marks else None
        marks.append(history.write_downstream(job.writer, before, tip, job.trees[at], applied, title))
    return marks


def resolve_targets(job: Job, downstream: list[str]) -> list[str]:
    """Make what was written readable, turn marks into ids, and return the tree id of every Dn."""
    job.writer.checkpoint()
    marks = list(
        dict.fromkeys(
            entry[1] for applied in job.applied for entry in applied.tree.values() if entry[1].startswith(":")
        )
    )
    ids = dict(zip(marks, job.writer.ids(marks), strict=True))
    for applied in job.applied:
        for path, (mode, target) in applied.tree.items():
            if target.startswith(":"):
                applied.tree[path] = (mode, ids[target])
        for trace in applied.traces:
            trace.target = ids.get(trace.target, trace.target)
    commits = job.writer.ids(downstream)
    return job.scratch.text("rev-parse", *(f"{commit}^{{tree}}" for commit in commits)).split()


def transition(job: Job, at: int, tree_ids: list[str], upstream: list[str]) -> str:
    """One step of the chain: P, the graph, the interdiff and its certificate. Returns the mark of P's commit."""
    old, new = job.applied[at], job.applied[at + 1]
    job.tell("comparing", at, len(job.applied) - 1)
    trees = Trees(job.files[at], job.files[at + 1], old.tree)
    lines = LineCache(job.objects, kept_lines(trees, old.traces, new.traces))
    ported = port(job.scratch, lines, job.writer, trees, {oid for _, oid in new.tree.values()})
    mark = job.writer.commit(
        history.WORK_REF + "-ported",
        b"P: the older patchset ported onto the newer release\n",
        [upstream[at + 1]],
        ported.lines,
    )
    job.writer.checkpoint()
    tree = job.scratch.text("rev-parse", f"{job.writer.ids([mark])[0]}^{{tree}}")
    interdiff = diff_trees(job.scratch, tree, tree_ids[at + 1])
    judge(job, at, trees, lines, ported, tree, interdiff, tree_ids[at + 1])
    return mark


def judge(
    job: Job, at: int, trees: Trees, lines: LineCache, ported: Port, tree: str, interdiff: Interdiff, downstream: str
) -> None:
    """Find what corresponds to what, prove it, and keep the result."""
    old, new = job.applied[at], job.applied[at + 1]
    added = {path: entry for path, entry in trees.u2.items() if path not in trees.u1}
    sources = base_names(job.scratch, trees, ported, new.traces, added)
    maps = line_maps(job, trees, ported, sources)
    sides = gather(old, new, ported, interdiff, maps)
    sides.sources.update(sources)
    runs = Ownership(sides.old, sides.new, ported, old.traces, new.traces).runs(interdiff)
    texts = Texts(lines, trees, sources)
    texts.fetch("new", sorted({item.file for item in sides.new if maps.get(item.file)}))
    sections = Sections(texts)
    fresh = {path for path in added if path not in sources}
    found, runs = correspond(sides, Upstream(at, texts, sections, fresh, Others(job.objects, trees)), runs)
    match_series(job, at, sides, found)
    replayed = replay(job.scratch, tree, interdiff.text)
    wrong = disagreements(sides, runs, found)
    certificate = Certificate(
        replayed, replayed == downstream, accounted_both(job, at, found.fates, found.origins), not wrong
    )
    check(certificate, wrong)
    job.fates.update(found.fates)
    job.origins.update(found.origins)
    job.placed.update(found.placed)
    job.superseded.update(found.superseded)
    job.edges += found.edges
    collisions = find_collisions(sides, sections, texts, at, {path: added[path] for path in fresh})
    shown = {file.path for file in interdiff.files} | {item.path for item in sides.new if maps.get(item.file)}
    job.transitions.append(
        Transition(
            at,
            at + 1,
            tree,
            tuple(found.unplaced),
            interdiff.text,
            interdiff.size,
            tuple(label_hunks(interdiff, runs)),
            collisions,
            certificate,
            upstream_lines(shown, maps, new.traces),
        )
    )


def base_names(
    scratch: Scratch, trees: Trees, ported: Port, traces: list[FileTrace], added: Tree
) -> dict[bytes, bytes]:
    """The names in U1 of files of U2 that either patchset touches, where they differ or matter."""
    found = {
        file.upstream: file.base
        for file in ported.files.values()
        if file.upstream is not None and file.base is not None
    }
    unknown = {trace.base: added[trace.base] for trace in traces if trace.base in added and trace.base not in found}
    gone = (
        {path: entry for path, entry in trees.u1.items() if path not in trees.u2 and path not in ported.renames}
        if unknown
        else {}
    )
    found.update({new: old for old, new in find_renames(scratch, gone, unknown, "bases").items()})
    for trace in traces:
        if trace.base is not None and trace.base in trees.u1:
            found.setdefault(trace.base, trace.base)
    return found


def line_maps(job: Job, trees: Trees, ported: Port, sources: dict[bytes, bytes]) -> dict[bytes, LineMap]:
    """The line map U1 -> U2 of every touched file that upstream changed, by its name in U2."""
    maps = {file.upstream: file.map for file in ported.files.values() if file.upstream is not None and file.map.blocks}
    rest = [new for new, old in sources.items() if new not in maps and trees.u1[old][1] != trees.u2[new][1]]
    pairs = [(trees.u1[sources[path]][1], trees.u2[path][1]) for path in rest]
    for path, blocks in zip(rest, diff_blocks(job.scratch, pairs, "histogram"), strict=True):
        if blocks:
            maps[path] = LineMap(blocks)
    return maps


class Others:
    """Files of U2 that upstream changed or added, likely homes of code that it moved first."""

    #: So many files are looked at: in a kernel, all new ones and the neighbours of those that the patch touches.
    MOST = 1200

    def __init__(self, objects: CatFile, trees: Trees) -> None:
        self._objects = objects
        self._trees = trees

    def files(self, near: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
        """Name and content, new files first, then the neighbours of `near`; to be consumed to the end."""
        old, new = self._trees.u1, self._trees.u2
        folders = {path.rpartition(b"/")[0] for path in near}
        changed = [path for path, entry in new.items() if is_text(entry[0]) and old.get(path) != entry]
        changed.sort(key=lambda path: (path in old, path.rpartition(b"/")[0] not in folders, path))
        paths = changed[: self.MOST]
        yield from zip(paths, self._objects.read_many([new[path][1] for path in paths]), strict=True)

    def before(self, path: bytes) -> bytes:
        """The content of such a file in U1; nothing for a new one."""
        entry = self._trees.u1.get(path)
        return b"" if entry is None else self._objects.read(entry[1])


class Texts:
    """Files of U1 (`old`) and U2 (`new`) as lines, by their name in U2."""

    def __init__(self, lines: LineCache, trees: Trees, sources: dict[bytes, bytes]) -> None:
        self._lines = lines
        self._trees = trees
        self._sources = sources

    def _id(self, side: str, file: bytes) -> str | None:
        entry = self._trees.u1.get(self._sources.get(file, file)) if side == "old" else self._trees.u2.get(file)
        return entry[1] if entry is not None else None

    def fetch(self, side: str, files: Sequence[bytes]) -> None:
        """Read many files in one batch."""
        self._lines.keep([oid for oid in (self._id(side, file) for file in files) if oid is not None])

    def __call__(self, side: str, file: bytes) -> list[bytes]:
        """The lines of a file; none for one that is not there."""
        oid = self._id(side, file)
        return self._lines.one(oid) if oid is not None else []


def kept_lines(trees: Trees, old: list[FileTrace], new: list[FileTrace]) -> dict[str, list[bytes]]:
    """The lines that applying has left of files that upstream changed: of U1 and D1, and of U2."""
    known: dict[str, list[bytes]] = {}
    for trace in old:
        if trace.base is not None and trace.before is not None:
            known[trees.u1[trace.base][1]] = trace.before
            if trace.after is not None and trace.alive:
                known[trace.target] = trace.after
    for trace in new:
        if trace.base is not None and trace.before is not None:
            known[trees.u2[trace.base][1]] = trace.before
    return known


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


def label_hunks(interdiff: Interdiff, runs: Sequence[OwnedRun]) -> list[InterdiffHunk]:
    """Every `@@` of the interdiff with the ids of the hunks that own one of its lines."""
    by_file: dict[bytes, list[OwnedRun]] = defaultdict(list)
    for run in runs:
        by_file[run.path].append(run)
    found = []
    for file in interdiff.files:
        for hunk in file.patch.hunks:
            start, stop = hunk.old_start - (hunk.old_lines > 0), hunk.old_start - (hunk.old_lines > 0) + hunk.old_lines
            inside = (run for run in by_file[file.path] if start <= run.block.a and run.block.b <= stop)
            ids = dict.fromkeys(item.hunk.id for run in inside for item in run.owners)
            found.append(InterdiffHunk(file.path, hunk.old_start, hunk.new_start, tuple(ids)))
    return found


def upstream_lines(
    paths: set[bytes], maps: dict[bytes, LineMap], traces: list[FileTrace]
) -> dict[bytes, tuple[Range, ...]]:
    """Per file of D2, the ranges of its lines that upstream changed since U1."""
    by_path = {trace.path: trace for trace in traces if trace.alive}
    found: dict[bytes, tuple[Range, ...]] = {}
    for path in sorted(paths):
        trace = by_path.get(path)
        lines = maps.get(path if trace is None else trace.base or b"")
        if lines is None:
            continue
        fresh = [(block.c, block.d) for block in lines.blocks if block.d > block.c]
        ranges = fresh if trace is None else through_runs(fresh, trace.runs)
        if ranges:
            found[path] = tuple(ranges)
    return found


def through_runs(ranges: list[Range], runs: list[tuple[int, int]]) -> list[Range]:
    """Ranges of lines of U2 as lines of D2."""
    found = []
    at = index = 0
    for length, start in runs:
        if start >= 0:
            while index < len(ranges) and ranges[index][1] <= start:
                index += 1
            scan = index
            while scan < len(ranges) and ranges[scan][0] < start + length:
                low, high = max(ranges[scan][0], start), min(ranges[scan][1], start + length)
                found.append((at + low - start, at + high - start))
                scan += 1
        at += length
    return found


def match_series(job: Job, at: int, sides: Sides, found: Correspondence) -> None:
    """Find which patch became which, and let headers that name an upstream commit tell of those that are gone.

    A step behind the correspondence of the hunks: it changes the fates of hunks that were lost by their text alone.
    """
    names = not job.rules.diff_only
    old, new = series_of(job, at), series_of(job, at + 1)
    edges = match_patches(at, old, new, found.edges, names=names)
    alive = {edge.a for edge in edges}
    gone = [patch for patch in old.patches if patch.index not in alive] if names else []
    upstream = UpstreamNames(job.commits[at], job.commits[at + 1], job.names[at + 1])
    claims = find_claims(job.scratch, gone, upstream)
    untouched = {(item.hunk.id, item.index) for item in sides.old if item.state == "placed" and item.sure}
    changed = absorb_named(old.hunks, found.fates, claims, untouched)
    changed = follow(old.hunks, found.superseded, found.fates, changed)
    found.fates.update(changed)
    found.edges = retell_edges(found.edges, changed)
    for item in sides.old:
        if item.hunk.id in changed:
            item.verdict = changed[item.hunk.id][item.index]
    job.patch_edges += edges
    job.patch_verdicts += judge_patches(at, "fate", old, found.fates, edges, claims)
    job.patch_verdicts += judge_patches(at + 1, "origin", new, found.origins, edges, {})


def series_of(job: Job, at: int) -> Series:
    """A patchset with the texts of its patches."""
    return Series(job.applied[at].patches, job.applied[at].hunks, [text.data for text in job.sources[at].texts])


def assemble(job: Job, name: str, releases: Sequence[ReleaseSource], tree_ids: list[str], ids: list[str]) -> Comparison:
    """The Comparison of a finished job."""
    count = len(releases)
    return Comparison(
        name,
        tuple(
            Release(release.name, tree, commit)
            for release, tree, commit in zip(releases, job.trees, ids[:count], strict=True)
        ),
        tuple(
            Patchset(source.name, tree, tuple(applied.patches), tuple(applied.hunks), tuple(applied.notices), commit)
            for source, tree, applied, commit in zip(job.sources, tree_ids, job.applied, ids[count:], strict=True)
        ),
        job.fates,
        job.origins,
        job.placed,
        job.superseded,
        tuple(sorted(job.edges, key=lambda edge: (edge.a, edge.b))),
        tuple(job.patch_edges),
        tuple(job.transitions),
        tuple(sorted(job.patch_verdicts, key=lambda one: (one.release, one.side, one.patch))),
    )
