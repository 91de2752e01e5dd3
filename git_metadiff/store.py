"""Comparisons stored in git: written once by `compare`, read by everything after it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_metadiff.codec import FORMAT, DamagedError, decode, ensure
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git, Reading, broken_refs, make_bare, remove_broken, replace_file, update_refs
from git_metadiff.model import Comparison

if TYPE_CHECKING:
    from git_metadiff.inputs import Saved

BRANCHES = ("upstream", "downstream", "comparison")
LAST_FILE = "metadiff-last"
#: A larger comparison is no comparison: a kernel patch of 6,000 hunks takes 10 MB.
LARGEST = 1 << 28
AGAIN = "make it again with 'git metadiff U1 U2 --patches P1 P2'"


@dataclass(frozen=True, slots=True)
class StoredName:
    """A comparison that is stored."""

    name: str
    releases: tuple[str, ...]
    patchsets: tuple[str, ...]
    commit: str


class TreeReader:
    """Reads diffs and files of stored trees for rendering.

    Not in the user's repository itself: its attributes and drivers would show text as binary, or other functions.
    """

    #: More bytes of paths than this are not passed on: the system limits what one process is told.
    MANY = 1 << 19

    def __init__(self, git: Git) -> None:
        self._user = git
        self._opened: Reading | None = None

    @property
    def git(self) -> Git:
        """The view of the user's objects, opened when it is first needed."""
        if self._opened is None:
            self._opened = Reading(self._user)
        return self._opened

    def diff(self, old_tree: str, new_tree: str, context: int, function_context: bool, paths: Sequence[bytes]) -> bytes:
        """The text of `git diff-tree -r -M -p` between two trees, limited to literal paths if they are not too many."""
        options = ("-r", "-M", "-p", f"-U{context}", "--binary", "--full-index", *(["-W"] if function_context else []))
        limits = paths if sum(map(len, paths)) < self.MANY else ()
        return self.git.run("diff-tree", *options, old_tree, new_tree, "--", *limits)

    def read(self, tree: str, path: bytes) -> bytes | None:
        """A file of a tree, or None."""
        result = self.git.try_run("cat-file", "blob", os.fsencode(tree) + b":" + path)
        return result.out if result.status == 0 else None


class Store:
    """The comparisons of one repository."""

    def __init__(self, git: Git) -> None:
        self.git = git

    def names(self) -> list[StoredName]:
        """All comparisons, by name."""
        refs = self.git.text("for-each-ref", "--format=%(refname)", "refs/metadiff/").splitlines()
        names = [ref.split("/")[2] for ref in refs if re.fullmatch(r"refs/metadiff/[^/]+/comparison", ref)]
        return [self._stored_name(name) for name in names]

    def _stored_name(self, name: str) -> StoredName:
        commit = self._commit(name)
        data = self._read(commit, name)
        try:
            releases, patchsets = (tuple(str(one[0]) for one in data[key]) for key in ("releases", "patchsets"))
        except (LookupError, TypeError) as error:
            raise damaged(name) from error
        return StoredName(name, releases, patchsets, commit)

    def load(self, name: str | None) -> Comparison:
        """A comparison by name; None: the last one made in this work tree."""
        name = name or self.last() or "default"
        check_name(name)
        return self._load(self._commit(name), name)

    def load_chain(self, name: str | None) -> tuple[Comparison, Saved]:
        """A comparison and what it keeps of its inputs, to be continued."""
        from git_metadiff.inputs import INPUTS_FILE, fits, unpack_inputs  # views of what is stored start without it

        name = name or self.last() or "default"
        check_name(name)
        commit = self._commit(name)
        comparison = self._load(commit, name)
        try:
            data = json.loads(self._blob(commit, INPUTS_FILE, name), parse_constant=refuse)
            texts = [self._blob(commit, f"patch-{at}", name) for at in range(len(data["patches"]))]
            saved = unpack_inputs(data, texts)
            ensure(fits(saved, comparison))
        except (LookupError, TypeError, ValueError, RecursionError) as error:
            raise damaged(name) from error
        return comparison, saved

    def commit_of(self, name: str) -> str:
        """The id of the commit that holds a comparison."""
        check_name(name)
        return self._commit(name)

    def _commit(self, name: str) -> str:
        commit = self.git.ref(f"refs/metadiff/{name}/comparison")
        if commit is None:
            raise MetadiffError(
                f"there is no comparison named '{name}'",
                "make one with 'git metadiff U1 U2 --patches P1 P2'; 'git metadiff list' names those that are",
            )
        return commit

    def _load(self, commit: str, name: str) -> Comparison:
        data = self._read(commit, name)
        try:
            texts = [
                self._blob(commit, f"interdiff-{at}.patch", name) for at in range(min(len(data["transitions"]), 1000))
            ]
            return decode(data, texts)
        except (LookupError, TypeError, DamagedError) as error:
            raise damaged(name) from error

    def _read(self, commit: str, name: str) -> dict[str, Any]:
        try:
            data = json.loads(self._blob(commit, "comparison.json", name), parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            raise damaged(name) from error
        if not isinstance(data, dict) or "format" not in data:
            raise damaged(name)
        if data["format"] != FORMAT:
            raise MetadiffError(f"the stored comparison '{name}' was made by another version", AGAIN)
        return data

    def _blob(self, commit: str, file: str, name: str) -> bytes:
        """A file of a comparison's commit."""
        size = self.git.try_run("cat-file", "-s", f"{commit}:{file}")
        if size.status != 0 or int(size.out) > LARGEST:
            raise damaged(name)
        result = self.git.try_run("cat-file", "blob", f"{commit}:{file}")
        if result.status != 0:
            raise damaged(name)
        return result.out

    def find(self, name: str, key: str) -> Comparison | None:
        """The comparison of that name, if it was made from the same inputs and can still be read."""
        commit = self.git.ref(f"refs/metadiff/{name}/comparison")
        if commit is None:
            return None
        result = self.git.try_run("cat-file", "commit", commit)
        if result.status != 0 or f"\nMetadiff-Key: {key}\n".encode() not in result.out:
            return None
        with suppress(MetadiffError):
            return self._load(commit, name)
        return None

    def heads(self, name: str) -> dict[str, str | None]:
        """The refs of a comparison and what they hold now."""
        out = self.git.text("for-each-ref", "--format=%(refname) %(objectname)", f"refs/metadiff/{name}/")
        found = dict(line.split() for line in out.splitlines())
        return {ref: found.get(ref) for ref in refs_of(name)}

    def restore(self, comparison: Comparison, heads: Mapping[str, str | None]) -> None:
        """Put the branches of a comparison where they belong; somebody moved them, or a run was killed in between."""
        tips = (comparison.releases[-1].commit, comparison.patchsets[-1].commit)
        wanted = dict(zip(refs_of(comparison.name), tips, strict=False))
        update_refs(self.git, {ref: (oid, heads[ref]) for ref, oid in wanted.items() if heads[ref] != oid})

    def forget(self, name: str) -> None:
        """Remove a comparison's refs, all at once, with those of searches in it."""
        check_name(name)
        out = self.git.text("for-each-ref", "--format=%(refname) %(objectname)", f"refs/metadiff/{name}/")
        heads = dict(line.split() for line in out.splitlines())
        broken = broken_refs(self.git, f"refs/metadiff/{name}/")
        if not heads and not broken:
            raise MetadiffError(f"there is no comparison named '{name}'", "'git metadiff list' names those that are")
        remove_broken(self.git, broken)
        update_refs(self.git, {ref: (None, oid) for ref, oid in heads.items()})
        if self.last() == name:
            (self.git.git_dir / LAST_FILE).unlink(missing_ok=True)

    def last(self) -> str | None:
        """The name of the last comparison made in this work tree."""
        path = self.git.git_dir / LAST_FILE
        try:
            name = path.read_bytes()[:256].decode("ascii").strip()
        except (OSError, ValueError):
            return None
        return name if is_name(name) else None

    def remember(self, name: str, workplace: Path) -> None:
        """Note `name` as the last comparison made in this work tree; `workplace` is a folder for unfinished files."""
        if self.last() != name:
            replace_file(self.git.git_dir / LAST_FILE, f"{name}\n".encode(), workplace)

    def reader(self) -> TreeReader:
        """A reader for rendering."""
        return TreeReader(self.git)


def damaged(name: str) -> MetadiffError:
    """The error for a stored comparison that cannot be read."""
    return MetadiffError(f"the stored comparison '{name}' is damaged", f"'git metadiff forget {name}', and {AGAIN}")


def refuse(_constant: str) -> None:
    """NaN and infinities, which no comparison holds."""
    raise DamagedError


def refs_of(name: str) -> Iterable[str]:
    """The refs of a comparison."""
    return [f"refs/metadiff/{name}/{branch}" for branch in BRANCHES]


def is_name(name: str) -> bool:
    """Whether `name` can name a comparison: it is a part of its refs."""
    fits = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", name)
    return fits is not None and ".." not in name and not name.endswith((".lock", ".")) and len(name) <= 200


def check_name(name: str) -> None:
    """Refuse a name that can be no part of a ref."""
    if not is_name(name):
        raise MetadiffError(f"'{name}' cannot name a comparison", "use letters, digits, '.', '_', '+' and '-'")


def open_git(repository: Path | None, environ: Mapping[str, str]) -> Git:
    """The repository that keeps comparisons: the user's, or outside any repository the bare store of our own."""
    return Git(repository, environ) if repository is not None else Git(bare_store(environ), environ)


def bare_store(environ: Mapping[str, str]) -> Path:
    """The bare repository under the user's data folder, made when first needed."""
    data = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):  # to be passed over then, says the specification
        home = environ.get("HOME", "")
        if not os.path.isabs(home):
            raise MetadiffError(
                "neither XDG_DATA_HOME nor HOME says where to keep comparisons", "run the command in a git repository"
            )
        data = os.path.join(home, ".local", "share")
    path = Path(data) / "git-metadiff" / "store.git"
    if not (path / "HEAD").is_file():
        make_bare(path, environ)
    return path


def open_store(repository: Path | None, environ: Mapping[str, str]) -> Store:
    """The store of a repository (its git folder; None: outside any)."""
    return Store(open_git(repository, environ))
