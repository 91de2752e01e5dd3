"""What a forward port starts from: the patchset, the release it was made for, and the forecast for the new one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from git_metadiff import __version__
from git_metadiff.compare import gather_inputs, import_all, run
from git_metadiff.errors import MetadiffError
from git_metadiff.forward.carry import Series, carry
from git_metadiff.forward.layout import Layout, find_layout, layout_of_stored
from git_metadiff.forward.words import ForwardPort
from git_metadiff.git import Git, Scratch, check_git_version
from git_metadiff.inputs import Rules
from git_metadiff.model import Comparison
from git_metadiff.segment import Progress
from git_metadiff.sources import PatchsetSource, ReleaseSource, find_patchset, find_release
from git_metadiff.store import Store, check_name, open_git
from git_metadiff.verify.check import Vouchers
from git_metadiff.verify.sources import verify_sources

#: The comparison that a forward port is stored as, unless it is given a name.
NAME = "port"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user asked for."""

    new: str
    old: str | None = None  # None: the newest release with a patchset of a stored comparison
    patches: str | None = None  # None: its patchset
    source: str | None = None  # that comparison; None: the last one made in this work tree
    name: str = NAME
    strip: int | None = None
    partial: bool = False
    vouchers: Vouchers | None = None  # every file that is read must verify by them


@dataclass(frozen=True, slots=True)
class Stored:
    """The end of a stored comparison."""

    release: ReleaseSource
    patchset: PatchsetSource
    partial: bool


def port_forward(
    repository: Path | None,
    asked: Asked,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    progress: Progress | None = None,
) -> ForwardPort:
    """Carry a patchset onto a new release.

    `repository` and the arguments are as for `compare`. The forecast behind it is stored under `asked.name`, so that
    its hunks can be looked at. Raises MetadiffError for bad input and where the proof fails; nothing is written then.
    """
    environ = os.environ if environ is None else environ
    cwd = Path.cwd() if cwd is None else cwd
    check_name(asked.name)
    check_git_version(environ)
    user = open_git(repository, environ)
    store = Store(user)
    stored = load_end(store, asked.source) if asked.old is None or asked.patches is None else None
    comparison, series = foresee(user, store, asked, stored, environ, cwd, progress)
    if progress is not None:
        progress("writing the series", 0, 1)
    return carry(user, comparison, series, environ)


def load_end(store: Store, name: str | None) -> Stored:
    """The last release of a stored comparison that has a patchset."""
    try:
        comparison, saved = store.load_chain(name)
    except MetadiffError as error:
        if name is None and store.last() is None:
            raise MetadiffError(
                "no comparison is stored that tells which release the patchset was made for",
                "name that release too: git metadiff port OLD NEW --patches PATCHSET -o DIR",
            ) from error
        raise
    release = comparison.releases[len(saved.keys) - 1]
    return Stored(ReleaseSource(release.name, release.tree), saved.last, saved.rules.partial)


def foresee(
    user: Git,
    store: Store,
    asked: Asked,
    stored: Stored | None,
    environ: Mapping[str, str],
    cwd: Path,
    progress: Progress | None,
) -> tuple[Comparison, Series]:
    """The forecast, stored, and the series that it is about."""
    heads = store.heads(asked.name)
    old = stored.release if asked.old is None and stored is not None else find_release(asked.old or "", user, cwd)
    found = [old, find_release(asked.new, user, cwd)]
    patches = [] if asked.patches is None else [asked.patches]
    found, verified = verify_sources(
        [asked.old or old.name, asked.new],
        found,
        patches,
        cwd,
        asked.vouchers,
        environ,
        progress,
    )
    with Scratch(user, environ) as scratch:
        trees = import_all(scratch, found, progress)
        source, layout = find_series(asked, stored, trees[0], scratch, user, cwd, verified)
        known = [one if is_revision(user, one) else replace(one, path=Path(one.name)) for one in found]
        rules = Rules(asked.partial or (asked.patches is None and stored is not None and stored.partial))
        inputs = gather_inputs(user, known, trees, [source], rules)
        key = inputs.digest(__version__)
        comparison = store.find(asked.name, key)
        if comparison is None:
            there = [one.tree for one in found if one.tree]
            try:
                comparison = run(scratch, inputs, asked.name, key, heads, progress, there, None)
            except MetadiffError as error:
                if asked.old is None and "another release" in error.hint:
                    raise told_release(error, old) from error
                raise
        else:
            store.restore(comparison, heads)
        store.remember(asked.name, scratch.git_dir)
    return comparison, Series(source.texts, layout)


def told_release(error: MetadiffError, old: ReleaseSource) -> MetadiffError:
    """The error for a patchset that was held against the release of a stored comparison, which nobody named."""
    hint = f"it was held against {old.name}, of the last comparison; or name its own: git metadiff port OLD NEW"
    return MetadiffError(error.message, hint, error.status)


def find_series(
    asked: Asked,
    stored: Stored | None,
    tree: str,
    scratch: Scratch,
    user: Git,
    cwd: Path,
    verified: Mapping[Path, str],
) -> tuple[PatchsetSource, Layout]:
    """The patchset, and how it is kept."""
    if asked.patches is None:
        assert stored is not None
        source, layout = stored.patchset, layout_of_stored(stored.patchset)
    else:
        source = find_patchset(asked.patches, tree, scratch, user, cwd, asked.strip, verified)
        layout = find_layout(asked.patches, source, tree, scratch, user, cwd)
    if not source.texts:
        raise MetadiffError(f"{source.name}: there is no patch in this series", "name a patchset with patches")
    return source, layout


def is_revision(user: Git, release: ReleaseSource) -> bool:
    """Whether the name of a release still is a revision that holds its tree; a stored one may have been a folder."""
    return release.path is None and user.resolve(release.name, "tree") == release.tree
