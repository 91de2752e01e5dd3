"""A `Comparison` as files and back. What is read may have been written by anybody, so every shape is checked.

Tables are lists of rows; a check goes by column, in C, because a kernel patch has ten thousand rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from types import NoneType
from typing import Any

from git_metadiff.hunks import RawHunk, changes_of
from git_metadiff.model import (
    FATES,
    ORIGINS,
    SHAPES,
    Certificate,
    Change,
    Collision,
    Comparison,
    Edge,
    Forecast,
    Hunk,
    InterdiffHunk,
    InterdiffSize,
    Notice,
    Patch,
    PatchEdge,
    Patchset,
    PatchVerdict,
    Range,
    Release,
    Transition,
    Unplaced,
    UpstreamCommit,
    Verdict,
)

#: Changes whenever a stored Comparison would mean something else.
FORMAT = "git-metadiff-store/3"


class DamagedError(ValueError):
    """What was read is no comparison."""


# Writing


def encode(comparison: Comparison) -> dict[bytes, bytes]:
    """The files of a comparison commit: `comparison.json`, and each interdiff as a patch of its own."""
    files = {b"interdiff-%d.patch" % at: one.interdiff for at, one in enumerate(comparison.transitions)}
    data = {
        "format": FORMAT,
        "name": comparison.name,
        "releases": pack(comparison.releases),
        "patchsets": [pack_patchset(one) for one in comparison.patchsets],
        "fates": pack_verdicts(comparison.fates),
        "origins": pack_verdicts(comparison.origins),
        "placed": {key: list(value) for key, value in sorted(comparison.placed.items())},
        "superseded": dict(sorted(comparison.superseded.items())),
        "edges": pack(comparison.edges),
        "patch_edges": pack(comparison.patch_edges),
        "transitions": [pack_transition(one) for one in comparison.transitions],
        "patch_verdicts": pack(comparison.patch_verdicts),
    }
    files[b"comparison.json"] = json.dumps(data, separators=(",", ":"), ensure_ascii=True).encode()
    return files


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


def pack_patchset(one: Patchset) -> list[Any]:
    """A patchset."""
    return [
        one.name,
        one.tree,
        pack(one.patches),
        [pack_hunk(hunk) for hunk in one.hunks],
        pack(one.notices),
        one.commit,
    ]


def pack_hunk(hunk: Hunk) -> list[Any]:
    """A hunk without its changes, which its body tells."""
    body = b"\n".join(hunk.body).decode("latin-1")
    old = None if hunk.old_path is None else hunk.old_path.decode("latin-1")
    return [
        hunk.id, hunk.release, hunk.patch, hunk.path.decode("latin-1"), old, hunk.old_start, hunk.old_lines,
        hunk.new_start, hunk.new_lines, hunk.applied_start, hunk.section.decode("latin-1"), body, hunk.kind,
        hunk.essence, hunk.fuzz,
    ]  # fmt: skip


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
        pack(transition.upstream_lines), pack(transition.forecast),
    ]  # fmt: skip


# Shapes


Kinds = tuple[type, ...]
TEXT: Kinds = (str,)
MAYBE: Kinds = (str, NoneType)
NUMBER: Kinds = (int,)
SHARE: Kinds = (float, int)
TRUTH: Kinds = (bool,)
LIST: Kinds = (list,)

RELEASE = (TEXT, TEXT, TEXT)
PATCHSET = (TEXT, TEXT, LIST, LIST, LIST, TEXT)
PATCH = (NUMBER, TEXT, MAYBE, TEXT, MAYBE)
NOTICE = (TEXT, TEXT, NUMBER, TEXT)
HUNK = (TEXT, NUMBER, NUMBER, TEXT, MAYBE, *[NUMBER] * 5, TEXT, TEXT, TEXT, TEXT, NUMBER)
VERDICT = (TEXT, MAYBE, MAYBE, TEXT)
EDGE = (TEXT, TEXT, TEXT, SHARE, LIST)
PATCH_EDGE = (NUMBER, NUMBER, NUMBER, SHARE, TEXT, TEXT, LIST)
PATCH_VERDICT = (NUMBER, NUMBER, TEXT, LIST, MAYBE, TRUTH)
MAYBE_LIST: Kinds = (list, NoneType)
TRANSITION = (NUMBER, NUMBER, TEXT, *[LIST] * 6, MAYBE_LIST)
FORECAST = (TEXT, LIST)
UPSTREAM_COMMIT = (TEXT, TEXT, TEXT, TEXT, LIST)
UNPLACED = (TEXT, NUMBER, TEXT)
SIZE = (NUMBER,) * 4
INTERDIFF_HUNK = (TEXT, NUMBER, NUMBER, LIST)
COLLISION = (TEXT, MAYBE, LIST, LIST, MAYBE)
CERTIFICATE = (TEXT, TRUTH, TRUTH, TRUTH)
LINES = (TEXT, LIST)
RANGE = (NUMBER, NUMBER)


def ensure(holds: bool) -> None:
    """Raise DamagedError unless `holds`."""
    if not holds:
        raise DamagedError


def table(data: object, shape: Sequence[Kinds]) -> list[Any]:
    """`data`, if it is a list of rows of that shape."""
    ensure(isinstance(data, list))
    assert isinstance(data, list)
    ensure(all(type(row) is list and len(row) == len(shape) for row in data))
    for kinds, column in zip(shape, zip(*data, strict=True), strict=False):
        ensure(set(map(type, column)) <= set(kinds))
    return data


def row(data: object, shape: Sequence[Kinds]) -> list[Any]:
    """`data`, if it is one row of that shape."""
    return table([data], shape)[0]  # type: ignore[no-any-return]


def items(data: object, kinds: Kinds) -> list[Any]:
    """`data`, if it is a list of such items."""
    ensure(isinstance(data, list) and set(map(type, data)) <= set(kinds))
    return data  # type: ignore[return-value]


def mapping(data: object, kinds: Kinds) -> dict[str, Any]:
    """`data`, if it is an object with such values."""
    ensure(isinstance(data, dict) and set(map(type, data.values())) <= set(kinds))
    return data  # type: ignore[return-value]


# Reading


def decode(data: Mapping[str, Any], interdiffs: Sequence[bytes]) -> Comparison:
    """The comparison that `encode` wrote; DamagedError if it cannot have written this."""
    try:
        comparison = unpack(data, interdiffs)
    except (KeyError, TypeError, UnicodeError) as error:
        raise DamagedError from error
    check(comparison)
    return comparison


def unpack(data: Mapping[str, Any], interdiffs: Sequence[bytes]) -> Comparison:
    """The comparison, its parts of the right shape."""
    transitions = table(data["transitions"], TRANSITION)
    ensure(type(data["name"]) is str and len(transitions) == len(interdiffs))
    return Comparison(
        data["name"],
        tuple(Release(*one) for one in table(data["releases"], RELEASE)),
        tuple(unpack_patchset(one) for one in table(data["patchsets"], PATCHSET)),
        unpack_verdicts(data["fates"]),
        unpack_verdicts(data["origins"]),
        {key: tuple(items(value, TRUTH)) for key, value in mapping(data["placed"], LIST).items()},
        mapping(data["superseded"], TEXT),
        tuple(
            Edge(a, b, kind, score, tuple(items(evidence, TEXT)))
            for a, b, kind, score, evidence in table(data["edges"], EDGE)
        ),
        tuple(
            PatchEdge(release, a, b, score, kind, shape, tuple(items(evidence, TEXT)))
            for release, a, b, score, kind, shape, evidence in table(data["patch_edges"], PATCH_EDGE)
        ),
        tuple(unpack_transition(one, text) for one, text in zip(transitions, interdiffs, strict=True)),
        tuple(
            PatchVerdict(release, patch, side, Verdict(*row(verdict, VERDICT)), commit, checked)
            for release, patch, side, verdict, commit, checked in table(data["patch_verdicts"], PATCH_VERDICT)
        ),
    )


def latin(value: str) -> bytes:
    """Bytes back from their text."""
    return value.encode("latin-1")


def maybe_latin(value: str | None) -> bytes | None:
    """Bytes back from their text, if there is one."""
    return None if value is None else value.encode("latin-1")


def unpack_patchset(data: list[Any]) -> Patchset:
    """A patchset."""
    name, tree, patches, hunks, notices, commit = data
    return Patchset(
        name,
        tree,
        tuple(
            Patch(index, title, subject, latin(text), maybe_latin(by))
            for index, title, subject, text, by in table(patches, PATCH)
        ),
        tuple(unpack_hunk(one) for one in table(hunks, HUNK)),
        tuple(Notice(kind, text, patch, latin(path)) for kind, text, patch, path in table(notices, NOTICE)),
        commit,
    )


def unpack_hunk(data: list[Any]) -> Hunk:
    """The hunk that `pack_hunk` wrote."""
    id_, release, patch, path, old, old_start, old_lines, new_start, new_lines, start = data[:10]
    section, body, kind, essence, fuzz = data[10:]
    lines = tuple(latin(body).split(b"\n")) if body else ()
    raw = RawHunk(0, old_start, old_lines, new_start, new_lines, b"", lines)
    changes = changes_of(raw) if kind == "text" else (Change(0, 0, (), (), (), ()),)
    return Hunk(
        id_, release, patch, latin(path), maybe_latin(old), old_start, old_lines, new_start, new_lines, start,
        latin(section), lines, changes, kind, essence, fuzz,
    )  # fmt: skip


def unpack_verdicts(data: object) -> dict[str, tuple[Verdict, ...]]:
    """Verdicts by hunk id; equal ones are one object."""
    found = mapping(data, LIST)
    table([one for value in found.values() for one in value], VERDICT)
    seen: dict[tuple[Any, ...], Verdict] = {}
    return {key: tuple(seen.setdefault(tuple(one), Verdict(*one)) for one in value) for key, value in found.items()}


def unpack_transition(data: list[Any], interdiff: bytes) -> Transition:
    """A transition."""
    start, stop, tree, unplaced, size, hunks, collisions, certificate, lines, forecast = data
    return Transition(
        start,
        stop,
        tree,
        tuple(Unplaced(*one) for one in table(unplaced, UNPLACED)),
        interdiff,
        InterdiffSize(*row(size, SIZE)),
        tuple(
            InterdiffHunk(latin(path), old, new, tuple(items(ids, TEXT)))
            for path, old, new, ids in table(hunks, INTERDIFF_HUNK)
        ),
        tuple(unpack_collision(one) for one in table(collisions, COLLISION)),
        Certificate(*row(certificate, CERTIFICATE)),
        {latin(path): unpack_ranges(ranges) for path, ranges in table(lines, LINES)},
        None if forecast is None else unpack_forecast(forecast),
    )


def unpack_forecast(data: list[Any]) -> Forecast:
    """What a transition without a later patchset has more."""
    missing, commits = row(data, FORECAST)
    return Forecast(
        missing,
        tuple(
            UpstreamCommit(kind, commit, subject, tag, tuple(items(hunks, TEXT)))
            for kind, commit, subject, tag, hunks in table(commits, UPSTREAM_COMMIT)
        ),
    )


def unpack_collision(data: list[Any]) -> Collision:
    """A collision."""
    path, section, upstream, hunks, definition = data
    return Collision(
        latin(path),
        maybe_latin(section),
        tuple(items(upstream, TEXT)),
        tuple(items(hunks, TEXT)),
        maybe_latin(definition),
    )


def unpack_ranges(data: object) -> tuple[Range, ...]:
    """Ranges of lines."""
    return tuple((low, high) for low, high in table(data, RANGE))


# Sense


def check(comparison: Comparison) -> None:
    """Raise DamagedError unless the parts fit together: counts, indexes, and the hunks that are named."""
    count = len(comparison.patchsets)
    ensure(count >= 2 and len(comparison.releases) == count)
    steps = [(one.start, one.stop) for one in comparison.transitions]
    ensure(steps == [(at, at + 1) for at in range(count - 1)])
    ensure(all(one.forecast is None for one in comparison.transitions[:-1]))
    commits = [one for step in comparison.transitions if step.forecast for one in step.forecast.commits]
    ensure(all(one.kind in ("absorbed", "broken") for one in commits))
    hunks = {hunk.id: hunk for hunk in comparison.hunks()}
    for at, patchset in enumerate(comparison.patchsets):
        ensure([patch.index for patch in patchset.patches] == list(range(len(patchset.patches))))
        ensure(all(hunk.release == at and 0 <= hunk.patch < len(patchset.patches) for hunk in patchset.hunks))
    ensure(hunks.keys() >= set(named_hunks(comparison)))
    check_patch_verdicts(comparison)
    check_verdicts(comparison.fates, comparison.patchsets[:-1], FATES)
    check_verdicts(comparison.origins, comparison.patchsets[1:], ORIGINS)
    ensure(all(len(flags) == len(hunks[key].changes) for key, flags in comparison.placed.items()))
    ensure(all(0 <= edge.release < count - 1 for edge in comparison.patch_edges))
    for edge in comparison.patch_edges:
        sides = (comparison.patchsets[edge.release + side].patches for side in (0, 1))
        ensure(all(0 <= patch < len(side) for patch, side in zip((edge.a, edge.b), sides, strict=True)))
        ensure(edge.kind in FATES and edge.shape in SHAPES)


def check_patch_verdicts(comparison: Comparison) -> None:
    """Raise DamagedError unless every verdict is of a patch that is there, and in words that exist."""
    words, last = {"fate": FATES, "origin": ORIGINS}, len(comparison.patchsets) - 1
    for one in comparison.patch_verdicts:
        ensure(one.side in words and 0 <= one.release - (one.side == "origin") < last)
        ensure(0 <= one.patch < len(comparison.patchsets[one.release].patches))
        ensure(one.verdict.word in words[one.side] and one.verdict.cause in (None, "upstream", "downstream"))


def check_verdicts(verdicts: Mapping[str, Sequence[Verdict]], sides: Iterable[Patchset], words: Sequence[str]) -> None:
    """Raise DamagedError unless every change of these patchsets, and nothing else, has a verdict that exists."""
    wanted = {hunk.id: len(hunk.changes) for side in sides for hunk in side.hunks}
    ensure({key: len(value) for key, value in verdicts.items()} == wanted)
    ensure({one.word for value in verdicts.values() for one in value} <= set(words))
    ensure({one.cause for value in verdicts.values() for one in value} <= {None, "upstream", "downstream"})


def named_hunks(comparison: Comparison) -> Iterator[str]:
    """Every id of a hunk that the comparison names somewhere."""
    yield from comparison.placed
    for later, earlier in comparison.superseded.items():
        yield from (later, earlier)
    for edge in comparison.edges:
        yield from (end for end in (edge.a, edge.b) if not end.startswith("upstream:"))
    for transition in comparison.transitions:
        yield from (one.hunk for one in transition.unplaced)
        groups = [*(one.hunks for one in transition.interdiff_hunks), *(one.hunks for one in transition.collisions)]
        groups += [one.hunks for one in transition.forecast.commits] if transition.forecast is not None else []
        yield from (name for group in groups for name in group)
