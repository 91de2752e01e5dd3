"""What decides the result of a comparison, and what of it is stored so that a chain can grow by `--append`.

Beside its result a comparison keeps the texts of its last patchset: the next transition starts from there, and nothing
before it is computed anew. Nothing in it depends on the machine, so the same inputs still give the same ids.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from git_metadiff.ancestry import asks_history
from git_metadiff.apply import PatchText
from git_metadiff.codec import FORMAT as STORED
from git_metadiff.codec import MAYBE, TEXT, DamagedError, ensure, items, row, table
from git_metadiff.git import Git
from git_metadiff.model import Comparison, Notice
from git_metadiff.sources import PatchsetSource

#: Bytes at the start of a patch in which its header stands.
HEADER = 1 << 16
PATCH = (TEXT, (int, type(None)), MAYBE, TEXT, MAYBE)
INPUTS_FILE = "inputs.json"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the user asked of the comparison itself."""

    partial: bool = False  # leave out hunks that do not apply
    diff_only: bool = False  # names and messages of patches are no evidence


@dataclass(frozen=True, slots=True)
class Verified:
    """The SHA-256 of the releases and patchsets that are files and were verified, by their index."""

    releases: Mapping[int, str] = field(default_factory=dict)
    patchsets: Mapping[int, str] = field(default_factory=dict)

    def words(self) -> list[str]:
        """What tells these from others; nothing where nothing was verified."""
        return [f"{kind} {at} {digest}" for kind, of in self.tables().items() for at, digest in sorted(of.items())]

    def tables(self) -> dict[str, Mapping[int, str]]:
        """Both, by what they are of."""
        return {"releases": self.releases, "patchsets": self.patchsets}

    def until(self, count: int) -> Verified:
        """Those of the first `count` releases and patchsets."""
        return Verified(*({at: one for at, one in of.items() if at < count} for of in self.tables().values()))

    def joined(self, other: Verified) -> Verified:
        """These and the other ones."""
        return Verified({**self.releases, **other.releases}, {**self.patchsets, **other.patchsets})


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that decides a comparison. Its last transition is a forecast if a patchset is missing."""

    names: tuple[str, ...]  # of the releases
    trees: tuple[str, ...]
    commits: tuple[str | None, ...]  # of those that are revisions, where they can decide anything
    orders: tuple[str, ...]  # per release, what is wrong with its place behind the one before; empty for most
    sources: Mapping[int, PatchsetSource]  # by index; of a chain that grows, from the last stored one on
    keys: tuple[str, ...]  # name and digest of every patchset
    asks: bool  # a patch that has a later patchset names something that history could prove
    rules: Rules = field(default_factory=Rules)
    tags: str = ""  # of a forecast: a digest of the tags that it may name
    verified: Verified = field(default_factory=Verified)

    @property
    def is_forecast(self) -> bool:
        """Whether the last release has no patchset."""
        return len(self.keys) < len(self.names)

    def digest(self, version: str) -> str:
        """A digest of all of it: another version of the program may find something else."""
        words = [STORED, version, repr(self.rules), self.tags, *self.keys, *self.verified.words()]
        words += [
            f"{name}\0{tree}\0{commit}\0{order}"
            for name, tree, commit, order in zip(self.names, self.trees, self.commits, self.orders, strict=True)
        ]
        return hashlib.sha256("\n".join(words).encode("utf-8", "surrogateescape")).hexdigest()

    def notices(self, at: int) -> list[Notice]:
        """What is odd about the place of a patchset in its chain."""
        found = [Notice("order", self.orders[at])] if self.orders[at] else []
        if 0 < at < len(self.keys) and digest_of(self.keys[at]) == digest_of(self.keys[at - 1]):
            found.append(Notice("twice", f"the very same patches as for {self.names[at - 1]}"))
        return found


def key_of(source: PatchsetSource) -> str:
    """What tells a patchset from others."""
    return f"{source.name}\0{source.key}"


def digest_of(key: str) -> str:
    """The digest of its patches alone."""
    return key.rpartition("\0")[2]


def asks(sources: Iterable[PatchsetSource]) -> bool:
    """Whether a patch of these names an upstream commit that history may hold."""
    return any(asks_history(text.message + text.data[:HEADER]) for source in sources for text in source.texts)


def orders_of(user: Git, names: Sequence[str], trees: Sequence[str], commits: Sequence[str | None]) -> tuple[str, ...]:
    """Per release, in words, if it is an ancestor of the one before it."""
    found = [""] * len(names)
    for at in range(1, len(names)):
        old, new = commits[at - 1], commits[at]
        if old is None or new is None or trees[at - 1] == trees[at]:
            continue
        if user.try_run("merge-base", "--is-ancestor", new, old).status == 0:
            found[at] = f"{names[at]} is an ancestor of {names[at - 1]}: are the releases in the wrong order?"
    return tuple(found)


def tags_digest(user: Git) -> str:
    """A digest of all tags."""
    refs = user.run("for-each-ref", "--format=%(refname) %(objectname)", "refs/tags/")
    return hashlib.sha256(refs).hexdigest()


# Stored


@dataclass(frozen=True, slots=True)
class Saved:
    """What a stored comparison tells of its inputs."""

    commits: tuple[str | None, ...]
    orders: tuple[str, ...]
    keys: tuple[str, ...]
    asks: bool
    rules: Rules
    last: PatchsetSource  # the patchset that the next release is compared with
    verified: Verified = field(default_factory=Verified)


def pack_inputs(inputs: Inputs) -> dict[bytes, bytes]:
    """The files that keep them: a table, and the texts of the last patchset that is no forecast."""
    last = inputs.sources[len(inputs.keys) - 1]
    data: dict[str, Any] = {
        "commits": inputs.commits,
        "orders": inputs.orders,
        "keys": inputs.keys,
        "asks": inputs.asks,
        "rules": [inputs.rules.partial, inputs.rules.diff_only],
        "name": last.name,
        "patches": [
            [one.name, one.strip, one.subject, latin(one.message), None if one.author is None else latin(one.author)]
            for one in last.texts
        ],
    }
    if inputs.verified.words():  # only then, so that the ids of other comparisons stay what they are
        data["verified"] = {
            kind: {str(at): digest for at, digest in of.items()} for kind, of in inputs.verified.tables().items()
        }
    files = {b"patch-%d" % at: one.data for at, one in enumerate(last.texts)}
    return {**files, INPUTS_FILE.encode(): json.dumps(data, separators=(",", ":"), ensure_ascii=True).encode()}


def unpack_inputs(data: Mapping[str, Any], texts: Sequence[bytes]) -> Saved:
    """What `pack_inputs` wrote; DamagedError if it cannot have written this. `texts` are the texts of the patches."""
    try:
        patches = table(data["patches"], PATCH)
        ensure(type(data["name"]) is str and type(data["asks"]) is bool and len(patches) == len(texts))
        partial, diff_only = row(data["rules"], ((bool,), (bool,)))
        last = tuple(
            PatchText(name, text, strip, subject, message.encode("latin-1"), author and author.encode("latin-1"))
            for (name, strip, subject, message, author), text in zip(patches, texts, strict=True)
        )
        return Saved(
            tuple(items(data["commits"], MAYBE)),
            tuple(items(data["orders"], TEXT)),
            tuple(items(data["keys"], TEXT)),
            data["asks"],
            Rules(partial, diff_only),
            PatchsetSource(data["name"], last),
            unpack_verified(data.get("verified", {})),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DamagedError from error


def unpack_verified(data: Mapping[str, Mapping[str, str]]) -> Verified:
    """The digests that `pack_inputs` wrote."""
    tables = [{int(at): digest for at, digest in data.get(kind, {}).items()} for kind in Verified().tables()]
    ensure(all(re.fullmatch("[0-9a-f]{64}", digest) for of in tables for digest in of.values()))
    return Verified(*tables)


def fits(saved: Saved, comparison: Comparison) -> bool:
    """Whether stored inputs can be those of a comparison."""
    count = len(comparison.releases)
    forecast = comparison.transitions[-1].forecast is not None
    return (
        len(saved.commits) == len(saved.orders) == count
        and saved.verified == saved.verified.until(count)
        and len(saved.keys) == count - forecast
        and comparison.patchsets[len(saved.keys) - 1].name == saved.last.name
    )


def latin(value: bytes) -> str:
    """Bytes as text."""
    return value.decode("latin-1")
