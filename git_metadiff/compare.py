"""Runs the stages and returns a `Comparison`: the public Python interface, and what the command line calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial as later
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from git_metadiff import __version__, history
from git_metadiff.chain import cut_chain, join_chains
from git_metadiff.codec import encode
from git_metadiff.collection import no_collection
from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git, Scratch, check_git_version
from git_metadiff.inputs import Inputs, Rules, Saved, Verified, asks, key_of, orders_of, pack_inputs, tags_digest
from git_metadiff.model import Comparison, Patchset, Release, Transition
from git_metadiff.segment import Part, Progress, run_part
from git_metadiff.sources import PatchsetSource, ReleaseSource, find_patchset, find_release, import_release
from git_metadiff.sources.patchset import check_counts, check_further
from git_metadiff.store import Store, check_name, open_git, refs_of

if TYPE_CHECKING:
    from git_metadiff.verify.check import Vouchers

#: P's commits, on no branch.
PORTED_REF = history.WORK_REF + "-ported"
PORTED_MESSAGE = b"P: the older patchset ported onto the newer release\n"


def compare(
    repository: Path | None,
    releases: Sequence[str],
    patchsets: Sequence[str],
    *,
    name: str = "default",
    strip: int | None = None,
    partial: bool = False,
    diff_only: bool = False,
    jobs: int | None = None,
    vouchers: Vouchers | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare downstream's work between releases, store the result in git and return it.

    `repository` is the git folder that holds objects and refs (None: a bare store under the user's data folder);
    `releases` and `patchsets` are as on the command line, relative paths from `cwd`; one patchset fewer than releases
    asks for a forecast; `diff_only` leaves the names and messages of patches out of what is evidence; `jobs` is how
    many processes may work at the same time (None: as many as there are processors, four at most), and decides
    nothing else; where there are `vouchers`, every file must verify, and the commits made of it record its digest.
    Raises MetadiffError for bad input and for a certificate that does not hold; nothing is changed then.
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
    from git_metadiff.verify.sources import verify_sources  # this and `workers`: a hook has no use for them

    found, verified = verify_sources(releases, found, patchsets, cwd, vouchers, environ, progress)
    if len(found) == 1:
        found *= len(patchsets)
    with Scratch(user, environ) as scratch:
        trees = import_all(scratch, found, progress)
        sources = [
            find_patchset(one, tree, scratch, user, cwd, strip, verified)
            for one, tree in zip(patchsets, trees, strict=False)
        ]
        inputs = gather_inputs(user, found, trees, sources, Rules(partial, diff_only))
        key = inputs.digest(__version__)
        stored = store.find(name, key)
        if stored is None:
            stored = run(
                scratch, inputs, name, key, heads, progress, [one.tree for one in found if one.tree], None, jobs
            )
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
    jobs: int | None = None,
    vouchers: Vouchers | None = None,
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
    from git_metadiff.verify.sources import verify_sources  # this and `workers`: a hook has no use for them

    found, verified = verify_sources(releases, found, patchsets, cwd, vouchers, environ, progress)
    with Scratch(user, environ) as scratch:
        trees = import_all(scratch, found, progress)
        sources = [
            find_patchset(one, tree, scratch, user, cwd, strip, verified)
            for one, tree in zip(patchsets, trees, strict=False)
        ]
        inputs = further_inputs(user, before, saved, found, trees, sources)
        known = [one.tree for one in found if one.tree]
        result = run(scratch, inputs, before.name, inputs.digest(__version__), heads, progress, known, before, jobs)
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
        verified_of(found, sources),
    )


def verified_of(found: Sequence[ReleaseSource], sources: Sequence[PatchsetSource], first: int = 0) -> Verified:
    """The digests of what was verified; `first` is the index of the first of these releases."""
    return Verified(
        {at: one.sha256 for at, one in enumerate(found, first) if one.sha256},
        {at: one.sha256 for at, one in enumerate(sources, first) if one.sha256},
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
        saved.verified.until(count).joined(verified_of(found, sources, count)),
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
    jobs: int | None = None,
) -> Comparison:
    """All stages, from applying to the refs.

    `known` are trees that refs of the user's hold; `before` is the stored part of a chain that grows; `jobs` is how
    many processes may work at the same time (None: as many as are useful).
    """
    from git_metadiff.workers import default_jobs

    with no_collection():
        part = run_parts(scratch, inputs, progress, default_jobs() if jobs is None else jobs)
        with FastImport(scratch) as writer:
            upstream = history.write_upstream(writer, inputs.names, inputs.trees, inputs.verified.releases)
            downstream = write_downstream(writer, inputs, upstream, part, before)
            ids = writer.ids([*upstream, *downstream])
            comparison = assemble(inputs, part, name, ids[: len(upstream)], ids[len(upstream) :], before)
            ported = [write_ported(writer, upstream, one) for one in comparison.transitions]
            parents = list(dict.fromkeys([upstream[-1], downstream[-1], *ported]))
            last = history.write_comparison(writer, name, key, parents, {**encode(comparison), **pack_inputs(inputs)})
            tips = writer.ids([upstream[-1], downstream[-1], last])
    updates = {ref: (oid, heads[ref]) for ref, oid in zip(refs_of(name), tips, strict=True)}
    scratch.publish(updates, known)
    return comparison


def weigh(
    scratch: Scratch, names: Sequence[str], trees: Sequence[str], sources: Sequence[PatchsetSource]
) -> Comparison:
    """Compare patchsets that are at hand, one a tree, and store nothing: what does not apply is left out and noted.

    `trees` are ids that `scratch` can read. Two neighbours of one name and tree are two patchsets on one release. The
    result has no commits.
    """
    inputs = Inputs(
        tuple(names),
        tuple(trees),
        (None,) * len(names),
        ("",) * len(names),
        dict(enumerate(sources)),
        tuple(map(key_of, sources)),
        False,
        Rules(partial=True),
    )
    part = run_part(scratch, inputs, 0, len(names) - 1, None)
    return assemble(inputs, part, "guard", ("",) * len(names), ("",) * len(names), None)


def run_parts(scratch: Scratch, inputs: Inputs, progress: Progress | None, jobs: int) -> Part:
    """Compare the whole chain, in parts of their own processes where `jobs` allows it."""
    first, last = min(inputs.sources), len(inputs.names) - 1
    count = max(1, min(jobs, last - first))
    scratch.processes = max(1, jobs // count)
    if count == 1:
        return run_part(scratch, inputs, first, last, progress)
    from git_metadiff.workers import run_forked

    ends = [first + (last - first) * number // count for number in range(count + 1)]
    folders = scratch.share_out(count)
    tasks = [
        later(run_part, scratch, inputs, low, high, None, folder)
        for (low, high), folder in zip(pairwise(ends), folders, strict=True)
    ]

    def tell(done: int) -> None:
        if progress is not None:
            progress(f"comparing in {count} processes", done, count)

    tell(0)
    whole, *others = run_forked(tasks, tell)
    for other in others:
        whole.join(other)
    return whole


def write_downstream(
    writer: FastImport, inputs: Inputs, upstream: Sequence[str], part: Part, before: Comparison | None
) -> list[str]:
    """The commits of all patches and of every Dn; the marks of the Dn."""
    marks: list[str] = []
    earlier = before.patchsets[min(part.patchsets) - 1].commit if before is not None and min(part.patchsets) else None
    for at, made in sorted(part.patchsets.items()):
        tip = history.write_series(writer, upstream[at], made.patches, made.steps)
        title = f"{inputs.names[at]} + {made.name}"
        digest = inputs.verified.patchsets.get(at, "")
        marks.append(history.write_downstream(writer, earlier, tip, inputs.trees[at], made.steps, title, digest))
        earlier = marks[-1]
    return marks


def write_ported(writer: FastImport, upstream: Sequence[str], transition: Transition) -> str:
    """The commit of P on its release; its mark."""
    return writer.commit(PORTED_REF, PORTED_MESSAGE, [upstream[transition.stop]], [], tree=transition.ported_tree)


def assemble(
    inputs: Inputs,
    part: Part,
    name: str,
    upstream: Sequence[str],
    downstream: Sequence[str],
    before: Comparison | None,
) -> Comparison:
    """The Comparison of what was found, behind the stored part of its chain; given the ids of both branches."""
    patchsets = [
        Patchset(made.name, made.tree, made.patches, made.hunks, made.notices, commit)
        for (_, made), commit in zip(sorted(part.patchsets.items()), downstream, strict=True)
    ]
    found = Comparison(
        name,
        tuple(map(Release, inputs.names, inputs.trees, upstream)),
        tuple(patchsets),
        part.fates,
        part.origins,
        part.placed,
        part.superseded,
        tuple(sorted(part.edges, key=lambda edge: (edge.a, edge.b))),
        tuple(part.patch_edges),
        tuple(part.transitions),
        tuple(sorted(part.patch_verdicts, key=lambda one: (one.release, one.side, one.patch))),
    )
    return found if before is None else join_chains(before, found)


class CallableModule(ModuleType):
    """This module, once imported, hides the function of the same name in its package: so it may be called for it."""

    def __call__(self, *args: Any, **options: Any) -> Comparison:
        """Call `compare`."""
        return compare(*args, **options)


sys.modules[__name__].__class__ = CallableModule
