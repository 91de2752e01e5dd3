"""Comparisons stored in git: written once by `compare`, read by everything after it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git, update_refs
from git_metadiff.hunks import RawHunk, changes_of
from git_metadiff.model import (
    Certificate,
    Change,
    Collision,
    Comparison,
    Edge,
    Hunk,
    InterdiffHunk,
    InterdiffSize,
    Notice,
    Patch,
    PatchEdge,
    Patchset,
    Release,
    Transition,
    Unplaced,
    Verdict,
)

#: Changes whenever a stored Comparison would mean something else.
FORMAT = "git-metadiff-store/1"
BRANCHES = ("upstream", "downstream", "comparison")
LAST_FILE = "metadiff-last"


def pack(value: Any) -> Any:
    """Plain data for JSON: dataclasses as lists of their fields, bytes as latin-1 text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return [[pack(key), pack(item)] for key, item in sorted(value.items())]
    return [pack(getattr(value, field.name)) for field in fields(value)]


def encode_hunk(hunk: Hunk) -> list[Any]:
    """A hunk without its changes, which its body tells."""
    body = b"\n".join(hunk.body).decode("latin-1")
    old = None if hunk.old_path is None else hunk.old_path.decode("latin-1")
    return [
        hunk.id, hunk.release, hunk.patch, hunk.path.decode("latin-1"), old, hunk.old_start, hunk.old_lines,
        hunk.new_start, hunk.new_lines, hunk.applied_start, hunk.section.decode("latin-1"), body, hunk.kind,
        hunk.essence, hunk.fuzz,
    ]  # fmt: skip


def decode_hunk(data: list[Any]) -> Hunk:
    """The hunk that `encode_hunk` wrote."""
    (
        id_,
        release,
        patch,
        path,
        old,
        old_start,
        old_lines,
        new_start,
        new_lines,
        start,
        section,
        body,
        kind,
        essence,
        fuzz,
    ) = data
    lines = tuple(body.encode("latin-1").split(b"\n")) if body else ()
    raw = RawHunk(0, old_start, old_lines, new_start, new_lines, b"", lines)
    changes = changes_of(raw) if kind == "text" else (Change(0, 0, (), (), (), ()),)
    old_path = None if old is None else old.encode("latin-1")
    return Hunk(
        id_, release, patch, path.encode("latin-1"), old_path, old_start, old_lines, new_start, new_lines, start,
        section.encode("latin-1"), lines, changes, kind, essence, fuzz,
    )  # fmt: skip


def encode(comparison: Comparison) -> dict[bytes, bytes]:
    """The files of a comparison commit."""
    files: dict[bytes, bytes] = {}
    for at, transition in enumerate(comparison.transitions):
        files[b"interdiff-%d.patch" % at] = transition.interdiff
    data = {
        "format": FORMAT,
        "name": comparison.name,
        "releases": pack(comparison.releases),
        "patchsets": [
            [
                one.name,
                one.tree,
                pack(one.patches),
                [encode_hunk(hunk) for hunk in one.hunks],
                pack(one.notices),
                one.commit,
            ]
            for one in comparison.patchsets
        ],
        "fates": pack_verdicts(comparison.fates),
        "origins": pack_verdicts(comparison.origins),
        "placed": {key: list(value) for key, value in sorted(comparison.placed.items())},
        "superseded": dict(sorted(comparison.superseded.items())),
        "edges": pack(comparison.edges),
        "patch_edges": pack(comparison.patch_edges),
        "transitions": [pack_transition(one) for one in comparison.transitions],
    }
    files[b"comparison.json"] = json.dumps(data, separators=(",", ":"), ensure_ascii=True).encode()
    return files


def pack_verdicts(verdicts: Mapping[str, Sequence[Verdict]]) -> dict[str, list[Any]]:
    """Verdicts by hunk id."""
    return {
        key: [[one.word, one.cause, one.reason, one.text] for one in value] for key, value in sorted(verdicts.items())
    }


def pack_transition(transition: Transition) -> list[Any]:
    """A transition without the text of its interdiff."""
    return [
        transition.start, transition.stop, transition.ported_tree, pack(transition.unplaced), pack(transition.size),
        pack(transition.interdiff_hunks), pack(transition.collisions), pack(transition.certificate),
        pack(transition.upstream_lines),
    ]  # fmt: skip


def latin(value: str | None) -> bytes:
    """Bytes back from their text."""
    return (value or "").encode("latin-1")


def decode(data: dict[str, Any], interdiffs: Sequence[bytes]) -> Comparison:
    """The comparison that `encode` wrote."""
    return Comparison(
        data["name"],
        tuple(Release(*one) for one in data["releases"]),
        tuple(decode_patchset(one) for one in data["patchsets"]),
        unpack_verdicts(data["fates"]),
        unpack_verdicts(data["origins"]),
        {key: tuple(value) for key, value in data["placed"].items()},
        data["superseded"],
        tuple(Edge(a, b, kind, score, tuple(evidence)) for a, b, kind, score, evidence in data["edges"]),
        tuple(PatchEdge(*one) for one in data["patch_edges"]),
        tuple(decode_transition(one, text) for one, text in zip(data["transitions"], interdiffs, strict=True)),
    )


def decode_patchset(data: list[Any]) -> Patchset:
    """A patchset."""
    name, tree, patches, hunks, notices, commit = data
    read = tuple(
        Patch(index, title, subject, latin(text), None if by is None else latin(by))
        for index, title, subject, text, by in patches
    )
    told = tuple(Notice(kind, text, patch, latin(path)) for kind, text, patch, path in notices)
    return Patchset(name, tree, read, tuple(decode_hunk(hunk) for hunk in hunks), told, commit)


def unpack_verdicts(data: dict[str, list[Any]]) -> dict[str, tuple[Verdict, ...]]:
    """Verdicts by hunk id; equal ones are one object."""
    seen: dict[tuple[Any, ...], Verdict] = {}
    return {key: tuple(seen.setdefault(tuple(one), Verdict(*one)) for one in value) for key, value in data.items()}


def decode_transition(data: list[Any], interdiff: bytes) -> Transition:
    """A transition."""
    start, stop, tree, unplaced, size, hunks, collisions, certificate, lines = data
    return Transition(
        start,
        stop,
        tree,
        tuple(Unplaced(*one) for one in unplaced),
        interdiff,
        InterdiffSize(*size),
        tuple(InterdiffHunk(latin(path), old, new, tuple(ids)) for path, old, new, ids in hunks),
        tuple(decode_collision(one) for one in collisions),
        Certificate(*certificate),
        {latin(path): tuple((low, high) for low, high in ranges) for path, ranges in lines},
    )


def decode_collision(data: list[Any]) -> Collision:
    """A collision."""
    path, section, upstream, hunks, definition = data
    return Collision(
        latin(path),
        None if section is None else latin(section),
        tuple(upstream),
        tuple(hunks),
        None if definition is None else latin(definition),
    )


@dataclass(frozen=True, slots=True)
class StoredName:
    """A comparison that is stored."""

    name: str
    releases: tuple[str, ...]
    patchsets: tuple[str, ...]
    commit: str


class TreeReader:
    """Reads diffs and files of stored trees for rendering."""

    def __init__(self, git: Git) -> None:
        self.git = git

    def diff(self, old_tree: str, new_tree: str, context: int, function_context: bool, paths: Sequence[bytes]) -> bytes:
        """The text of `git diff-tree -r -M -p` between two trees, limited to literal paths."""
        extra = ["-W"] if function_context else []
        arguments = (
            "diff-tree",
            "-r",
            "-M",
            "-p",
            f"-U{context}",
            "--binary",
            "--full-index",
            *extra,
            old_tree,
            new_tree,
        )
        return self.git.run(*arguments, "--", *paths)

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
        out = self.git.text("for-each-ref", "--format=%(refname) %(objectname)", "refs/metadiff/")
        found = []
        for line in out.splitlines():
            ref, commit = line.split(" ")
            if ref.endswith("/comparison"):
                stored = self._read(commit)
                name = ref.removeprefix("refs/metadiff/").removesuffix("/comparison")
                releases = tuple(one[0] for one in stored["releases"])
                found.append(StoredName(name, releases, tuple(one[0] for one in stored["patchsets"]), commit))
        return found

    def load(self, name: str | None) -> Comparison:
        """A comparison by name; None: the last one made in this work tree."""
        name = name or self.last() or "default"
        check_name(name)
        commit = self.git.resolve(f"refs/metadiff/{name}/comparison")
        if commit is None:
            raise MetadiffError(
                f"there is no comparison named '{name}'",
                "make one with 'git metadiff U1 U2 --patches P1 P2'; 'git metadiff list' names those that are",
            )
        return self.load_commit(commit)

    def load_commit(self, commit: str) -> Comparison:
        """The comparison that a commit holds."""
        data = self._read(commit)
        texts = [
            self.git.run("cat-file", "blob", f"{commit}:interdiff-{at}.patch") for at in range(len(data["transitions"]))
        ]
        return decode(data, texts)

    def _read(self, commit: str) -> dict[str, Any]:
        try:
            data = json.loads(self.git.run("cat-file", "blob", f"{commit}:comparison.json"))
        except ValueError:
            data = {}
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise MetadiffError(
                "the stored comparison was made by another version",
                "make it again with 'git metadiff U1 U2 --patches P1 P2'",
            )
        return data

    def find(self, name: str, key: str) -> Comparison | None:
        """The comparison of that name, if it was made from the same inputs."""
        commit = self.git.resolve(f"refs/metadiff/{name}/comparison")
        if commit is None or f"\nMetadiff-Key: {key}\n".encode() not in self.git.run("cat-file", "commit", commit):
            return None
        return self.load_commit(commit)

    def heads(self, name: str) -> dict[str, str | None]:
        """The refs of a comparison and what they are now."""
        return {ref: self.git.resolve(ref) for ref in refs_of(name)}

    def forget(self, name: str) -> None:
        """Remove a comparison's refs, all at once."""
        check_name(name)
        heads = {ref: oid for ref, oid in self.heads(name).items() if oid is not None}
        if not heads:
            raise MetadiffError(f"there is no comparison named '{name}'", "'git metadiff list' names those that are")
        update_refs(self.git, {ref: (None, oid) for ref, oid in heads.items()})
        if self.last() == name:
            (self.git.git_dir / LAST_FILE).unlink()

    def last(self) -> str | None:
        """The name of the last comparison made in this work tree."""
        path = self.git.git_dir / LAST_FILE
        return path.read_text(encoding="utf-8").strip() or None if path.is_file() else None

    def remember(self, name: str) -> None:
        """Note `name` as the last comparison made in this work tree."""
        path = self.git.git_dir / LAST_FILE
        if self.last() != name:
            path.write_text(name + "\n", encoding="utf-8")

    def reader(self) -> TreeReader:
        """A reader for rendering."""
        return TreeReader(self.git)


def refs_of(name: str) -> Iterable[str]:
    """The refs of a comparison."""
    return [f"refs/metadiff/{name}/{branch}" for branch in BRANCHES]


def check_name(name: str) -> None:
    """Refuse a name that can be no part of a ref."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", name) or ".." in name or name.endswith((".lock", ".")):
        raise MetadiffError(f"'{name}' cannot name a comparison", "use letters, digits, '.', '_', '+' and '-'")


def open_git(repository: Path | None, environ: Mapping[str, str]) -> Git:
    """The repository that keeps comparisons: the user's, or outside any repository the bare store of our own."""
    return Git(repository, environ) if repository is not None else Git(bare_store(environ), environ)


def bare_store(environ: Mapping[str, str]) -> Path:
    """The bare repository under the user's data folder, made when first needed."""
    data = environ.get("XDG_DATA_HOME") or os.path.join(environ.get("HOME", "."), ".local", "share")
    path = Path(data) / "git-metadiff" / "store.git"
    if not (path / "HEAD").is_file():
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MetadiffError(
                f"cannot make {path}: {error.strerror}", "run the command inside a git repository"
            ) from error
        git = Git(path, environ)
        git.run("init", "-q", "--bare", "--template=", str(path))
    return path


def open_store(repository: Path | None, environ: Mapping[str, str]) -> Store:
    """The store of a repository (its git folder; None: outside any)."""
    return Store(open_git(repository, environ))
