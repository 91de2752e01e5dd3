"""Runs the stages and returns a `Comparison`: the public Python interface, and what the command line calls."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from git_metadiff import __version__, history
from git_metadiff.ancestry import Upstream as UpstreamNames
from git_metadiff.ancestry import find_claims
from git_metadiff.apply import Applied, Applier
from git_metadiff.causes import find_causes, questions_of
from git_metadiff.certificate import accounted, disagreements, replay
from git_metadiff.chain import cut_chain, join_chains
from git_metadiff.codec import encode
from git_metadiff.collide import find_collisions
from git_metadiff.correspond import Correspondence, correspond
from git_metadiff.correspond.classify import Upstream
from git_metadiff.correspond.items import Sides, gather
from git_metadiff.errors import MetadiffError
from git_metadiff.forecast import foresee, foresee_patches, implied_patchset
from git_metadiff.git import CatFile, FastImport, Git, Scratch, check_git_version
from git_metadiff.inputs import Inputs, Rules, Saved, asks, key_of, orders_of, pack_inputs, tags_digest
from git_metadiff.interdiff import Interdiff, diff_trees
from git_metadiff.linemap import Tree, list_next, list_tree
from git_metadiff.lines import LineCache
from git_metadiff.materials import Others, Texts, base_names, kept_lines, label_hunks, line_maps, upstream_lines
from git_metadiff.model import (
    Certificate,
    Comparison,
    Edge,
    Forecast,
    Notice,
    PatchEdge,
    Patchset,
    PatchVerdict,
    Release,
    Transition,
    Verdict,
    outcome,
)
from git_metadiff.ownership import Ownership
from git_metadiff.port import Port, Trees, port
from git_metadiff.repeats import Repeats
from git_metadiff.sections import Sections
from git_metadiff.series import Claim, Series, absorb_named, follow, judge_patches, match_patches, retell_edges
from git_metadiff.sources import PatchsetSource, ReleaseSource, find_patchset, find_release, import_release
from git_metadiff.sources.patchset import check_counts, check_further
from git_metadiff.store import Store, check_name, open_git, refs_of

#: P's commits, on no branch.
PORTED_REF = history.WORK_REF + "-ported"
PORTED_MESSAGE = b"P: the older patchset ported onto the newer release\n"
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Job:
    """One comparison under way; patchsets by their index, of a chain that grows from the last stored one on."""

    scratch: Scratch
    objects: CatFile
    writer: FastImport
    progress: Progress | None
    inputs: Inputs
    files: dict[int, Tree] = field(default_factory=dict)  # of the releases
    sources: dict[int, PatchsetSource] = field(default_factory=dict)
    applied: dict[int, Applied] = field(default_factory=dict)
    trees: dict[int, str] = field(default_factory=dict)  # ids of the trees Dn
    foreseen: Ported | None = None  # P of a forecast
    repeats: Repeats = field(default_factory=Repeats)
    fates: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    origins: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    placed: dict[str, tuple[bool, ...]] = field(default_factory=dict)
    superseded: dict[str, str] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    patch_edges: list[PatchEdge] = field(default_factory=list)
    patch_verdicts: list[PatchVerdict] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)

    @property
    def first(self) -> int:
        """The index of the first patchset that is applied here."""
        return min(self.inputs.sources)

    def tell(self, label: str, done: int, total: int) -> None:
        """Report progress, where somebody listens."""
        if self.progress is not None:
            self.progress(label, done, total)

    def is_forecast(self, at: int) -> bool:
        """Whether the transition from patchset `at` is a forecast."""
        return self.foreseen is not None and at + 2 == len(self.inputs.names)


@dataclass(frozen=True, slots=True)
class Ported:
    """P, written."""

    trees: Trees
    lines: LineCache
    port: Port
    mark: str  # of its commit
    tree: str  # its id


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
    `releases` and `patchsets` are as on the command line, relative paths from `cwd`; one patchset fewer than releases
    asks for a forecast; `diff_only` leaves the names and messages of patches out of what is evidence. Raises
    MetadiffError for bad input and for a certificate that does not hold; nothing is changed then.
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
            find_patchset(one, tree, scratch, user, cwd, strip) for one, tree in zip(patchsets, trees, strict=False)
        ]
        inputs = gather_inputs(user, found, trees, sources, Rules(partial, diff_only))
        key = inputs.digest(__version__)
        stored = store.find(name, key)
        if stored is None:
            stored = run(scratch, inputs, name, key, heads, progress, [one.tree for one in found if one.tree], None)
        else:
            store.restore(stored, heads)
        store.remember(name, scratch.git_dir)
    return stored


def append(
    repository: Path | None,
    releases: Sequence[str],
    patchsets: Sequence[str],
    *,
    name: str | None = None,
    strip: int | None = None,
    partial: bool = False,
    diff_only: bool = False,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Continue a stored comparison by further releases, and return all of it as if it had been made in one call.

    Arguments are as for `compare`; without a name the last comparison made in this work tree grows. What is stored is
    not computed anew; a forecast at its end gives way to the new releases. Raises MetadiffError as `compare` does, and
    where there is no such comparison, or one that was made by other rules.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    check_further(releases, patchsets)
    check_git_version(environ)
    user = open_git(repository, environ)
    store = Store(user)
    before, saved = store.load_chain(name)
    check_rules(before.name, saved, Rules(partial, diff_only))
    before = cut_chain(before, len(saved.keys))
    heads = store.heads(before.name)
    found = [find_release(one, user, cwd) for one in releases]
    with Scratch(user, environ) as scratch:
        trees = import_all(scratch, found, progress)
        sources = [
            find_patchset(one, tree, scratch, user, cwd, strip) for one, tree in zip(patchsets, trees, strict=False)
        ]
        inputs = further_inputs(user, before, saved, found, trees, sources)
        known = [one.tree for one in found if one.tree]
        result = run(scratch, inputs, before.name, inputs.digest(__version__), heads, progress, known, before)
        store.remember(before.name, scratch.git_dir)
    return result


def check_rules(name: str, saved: Saved, asked: Rules) -> None:
    """Refuse options that would have to hold for what is stored too."""
    for option, wanted, had in (
        ("--partial", asked.partial, saved.rules.partial),
        ("--diff-only", asked.diff_only, saved.rules.diff_only),
    ):
        if wanted and not had:
            raise MetadiffError(
                f"the comparison '{name}' was made without {option}",
                f"leave it out, or make the whole chain again with {option}",
            )


def gather_inputs(
    user: Git, found: Sequence[ReleaseSource], trees: Sequence[str], sources: Sequence[PatchsetSource], rules: Rules
) -> Inputs:
    """What decides the result.

    The commits of releases count only if a patch names an upstream commit that their history may hold, or for a
    forecast: else the same trees and patches give the same ids, whatever commits hold them.
    """
    names = tuple(one.name for one in found)
    commits = tuple(user.resolve(one.name) if one.path is None else None for one in found)
    asked = asks(sources[:-1])
    forecast = len(sources) < len(found)
    return Inputs(
        names,
        tuple(trees),
        commits if asked or forecast else (None,) * len(found),
        orders_of(user, names, trees, commits),
        dict(enumerate(sources)),
        tuple(map(key_of, sources)),
        asked,
        rules,
        tags_digest(user) if forecast else "",
    )


def further_inputs(
    user: Git,
    before: Comparison,
    saved: Saved,
    found: Sequence[ReleaseSource],
    trees: Sequence[str],
    sources: Sequence[PatchsetSource],
) -> Inputs:
    """The inputs of a chain that grows, as `gather_inputs` would give them for all of it."""
    count = len(saved.keys)
    names = (*(one.name for one in before.releases), *(one.name for one in found))
    every = (*(one.tree for one in before.releases), *trees)
    held = [user.resolve(one.name) if user.resolve(one.name, "tree") == one.tree else None for one in before.releases]
    commits = (*held, *(user.resolve(one.name) if one.path is None else None for one in found))
    asked = saved.asks or asks([saved.last, *sources][:-1] if sources else [])
    forecast = len(sources) < len(found)
    if saved.asks:
        commits = (*saved.commits[:count], *commits[count:])
    late = orders_of(user, names[count - 1 :], every[count - 1 :], commits[count - 1 :])
    return Inputs(
        names,
        every,
        commits if asked or forecast else (None,) * len(names),
        (*saved.orders[:count], *late[1:]),
        {count - 1: saved.last, **dict(enumerate(sources, count))},
        (*saved.keys, *map(key_of, sources)),
        asked,
        saved.rules,
        tags_digest(user) if forecast else "",
    )


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
    inputs: Inputs,
    name: str,
    key: str,
    heads: dict[str, str | None],
    progress: Progress | None,
    known: Sequence[str],
    before: Comparison | None,
) -> Comparison:
    """All stages, from applying to the refs.

    `known` are trees that refs of the user's hold; `before` is the stored part of a chain that grows.
    """
    with no_collection(), CatFile(scratch) as objects, FastImport(scratch) as writer:
        job = Job(scratch, objects, writer, progress, inputs, sources=dict(inputs.sources))
        upstream = history.write_upstream(writer, inputs.names, inputs.trees)
        apply_all(job)
        if inputs.is_forecast:
            add_forecast(job, upstream)
        downstream = write_downstream(job, upstream, before)
        resolve_marks(job)
        ported = [] if before is None else [port_commit(job, at, upstream, before) for at in range(job.first)]
        resolve_trees(job, downstream)
        ported += [transition(job, at, upstream) for at in sorted(job.applied)[:-1]]
        ids = writer.ids([*upstream, *downstream])
        comparison = assemble(job, name, ids[: len(upstream)], ids[len(upstream) :], before)
        parents = list(dict.fromkeys([upstream[-1], downstream[-1], *ported]))
        last = history.write_comparison(writer, name, key, parents, {**encode(comparison), **pack_inputs(inputs)})
        tips = writer.ids([upstream[-1], downstream[-1], last])
    updates = {ref: (oid, heads[ref]) for ref, oid in zip(refs_of(name), tips, strict=True)}
    scratch.publish(updates, known)
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
    trees, first = job.inputs.trees, job.first
    for at in range(first, len(trees)):
        if at == first:
            job.files[at] = list_tree(job.scratch, trees[at])
        elif trees[at] == trees[at - 1]:
            job.files[at] = job.files[at - 1]
        else:
            job.files[at] = list_next(job.scratch, job.files[at - 1], trees[at - 1], trees[at])
    for done, (at, source) in enumerate(job.inputs.sources.items()):
        job.tell("applying " + source.name, done, len(job.inputs.sources))
        job.applied[at] = apply_one(job, at, source)


def apply_one(job: Job, at: int, source: PatchsetSource) -> Applied:
    """Apply one patchset; of the files that upstream changes before or after it the lines are kept."""
    keep = {path for near in (at, at + 1) for path in changed_files(job.files.get(near - 1), job.files.get(near))}
    partial = job.inputs.rules.partial
    applier = Applier(job.files[at], at, job.objects, job.writer, partial=partial, keep=keep, repeats=job.repeats)
    applied = applier.run(source.texts)
    applied.notices[:0] = [*job.inputs.notices(at), *unrelated(job, at)]
    return applied


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


def add_forecast(job: Job, upstream: list[str]) -> None:
    """Port the last patchset onto the last release, and take what comes out for the patchset that it lacks."""
    at = len(job.inputs.keys) - 1
    job.tell("forecast", 0, 1)
    resolve_marks(job)
    ported = port_onto(job, at, upstream)
    source = implied_patchset(job.scratch, job.inputs.trees[at + 1], ported.tree)
    job.sources[at + 1] = source
    job.applied[at + 1] = apply_one(job, at + 1, source)
    job.foreseen = ported


def write_downstream(job: Job, upstream: list[str], before: Comparison | None) -> list[str]:
    """The commits of all patches and of every Dn; the marks of the Dn."""
    marks: list[str] = []
    earlier = before.patchsets[job.first - 1].commit if before is not None and job.first else None
    for at, applied in sorted(job.applied.items()):
        tip = history.write_series(job.writer, upstream[at], applied)
        title = f"{job.inputs.names[at]} + {job.sources[at].name}"
        marks.append(history.write_downstream(job.writer, earlier, tip, job.inputs.trees[at], applied, title))
        earlier = marks[-1]
    return marks


def resolve_marks(job: Job) -> None:
    """Make what was written readable, and turn marks into ids."""
    job.writer.checkpoint()
    marks = list(
        dict.fromkeys(
            entry[1] for applied in job.applied.values() for entry in applied.tree.values() if entry[1].startswith(":")
        )
    )
    ids = dict(zip(marks, job.writer.ids(marks), strict=True))
    for applied in job.applied.values():
        for path, (mode, target) in applied.tree.items():
            if target.startswith(":"):
                applied.tree[path] = (mode, ids[target])
        for trace in applied.traces:
            trace.target = ids.get(trace.target, trace.target)


def resolve_trees(job: Job, downstream: list[str]) -> None:
    """Find the tree of every Dn."""
    commits = job.writer.ids(downstream)
    trees = job.scratch.text("rev-parse", *(f"{commit}^{{tree}}" for commit in commits)).split()
    job.trees = dict(zip(sorted(job.applied), trees, strict=True))


def port_onto(job: Job, at: int, upstream: list[str]) -> Ported:
    """P of a transition, written as a commit."""
    old, new = job.applied[at], job.applied.get(at + 1)
    trees = Trees(job.files[at], job.files[at + 1], old.tree)
    lines = LineCache(job.objects, kept_lines(trees, old.traces, [] if new is None else new.traces))
    written = set() if new is None else {oid for _, oid in new.tree.values()}
    ported = port(job.scratch, lines, job.writer, trees, written)
    mark = job.writer.commit(PORTED_REF, PORTED_MESSAGE, [upstream[at + 1]], ported.lines)
    job.writer.checkpoint()
    tree = job.scratch.text("rev-parse", f"{job.writer.ids([mark])[0]}^{{tree}}")
    return Ported(trees, lines, ported, mark, tree)


def port_commit(job: Job, at: int, upstream: list[str], before: Comparison) -> str:
    """The mark of P's commit of a stored transition, the same one as it had."""
    tree = before.transitions[at].ported_tree
    return job.writer.commit(PORTED_REF, PORTED_MESSAGE, [upstream[at + 1]], [], tree=tree)


def transition(job: Job, at: int, upstream: list[str]) -> str:
    """One step of the chain: P, the graph, the interdiff and its certificate. Returns the mark of P's commit."""
    job.tell("comparing", at - job.first, len(job.applied) - 1)
    known = job.foreseen if job.is_forecast(at) else None
    ported = port_onto(job, at, upstream) if known is None else known
    interdiff = diff_trees(job.scratch, ported.tree, job.trees[at + 1])
    judge(job, at, ported, interdiff)
    return ported.mark


def judge(job: Job, at: int, ported: Ported, interdiff: Interdiff) -> None:
    """Find what corresponds to what, prove it, and keep the result."""
    old, new, trees, downstream = job.applied[at], job.applied[at + 1], ported.trees, job.trees[at + 1]
    added = {path: entry for path, entry in trees.u2.items() if path not in trees.u1}
    sources = base_names(job.scratch, trees, ported.port, new.traces, added)
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
    job.transitions.append(
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
    job.fates.update(found.fates)
    job.origins.update(found.origins)
    job.placed.update(found.placed)
    job.superseded.update(found.superseded)
    job.edges += found.edges


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
    job.patch_edges += edges
    job.patch_verdicts += judge_patches(at, "fate", old, found.fates, edges, claims)
    job.patch_verdicts += judge_patches(at + 1, "origin", new, found.origins, edges, {})


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
    job.patch_verdicts += foresee_patches(at, "fate", old.hunks, found.fates, claims)
    job.patch_verdicts += foresee_patches(at + 1, "origin", new.hunks, found.origins, {})
    claimed = {
        hunk.id: claim.commit
        for hunk in old.hunks
        if (claim := claims.get(hunk.patch)) is not None and claim.proven and claim.commit is not None
    }
    first, second = job.inputs.commits[at : at + 2]
    job.tell("reading the history of upstream", 0, 1)
    return find_causes(job.scratch, job.scratch.user, first, second, list(questions_of(sides, texts, claimed)))


def series_of(job: Job, at: int) -> Series:
    """A patchset with the texts of its patches."""
    return Series(job.applied[at].patches, job.applied[at].hunks, [text.data for text in job.sources[at].texts])


def assemble(
    job: Job, name: str, upstream: Sequence[str], downstream: Sequence[str], before: Comparison | None
) -> Comparison:
    """The Comparison of a finished job, behind the stored part of its chain; given the ids of both branches."""
    patchsets = [
        Patchset(job.sources[at].name, job.trees[at], tuple(one.patches), tuple(one.hunks), tuple(one.notices), commit)
        for (at, one), commit in zip(sorted(job.applied.items()), downstream, strict=True)
    ]
    found = Comparison(
        name,
        tuple(map(Release, job.inputs.names, job.inputs.trees, upstream)),
        tuple(patchsets),
        job.fates,
        job.origins,
        job.placed,
        job.superseded,
        tuple(sorted(job.edges, key=lambda edge: (edge.a, edge.b))),
        tuple(job.patch_edges),
        tuple(job.transitions),
        tuple(sorted(job.patch_verdicts, key=lambda one: (one.release, one.side, one.patch))),
    )
    return found if before is None else join_chains(before, found)


class CallableModule(ModuleType):
    """This module, once imported, hides the function of the same name in its package: so it may be called for it."""

    def __call__(self, *args: Any, **options: Any) -> Comparison:
        """Call `compare`."""
        return compare(*args, **options)


sys.modules[__name__].__class__ = CallableModule
