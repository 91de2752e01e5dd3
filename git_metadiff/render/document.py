"""The JSON document of `--json`: a contract that scripts parse (data/schema.json), so it is only ever added to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from git_metadiff.model import (
    FATES,
    ORIGINS,
    OUTCOMES,
    Change,
    Comparison,
    Hunk,
    Patch,
    PatchVerdict,
    Transition,
    Verdict,
    outcome,
    worst,
)
from git_metadiff.render.paint import readable
from git_metadiff.sections import short_name

SCHEMA = "git-metadiff/1"
UPSTREAM_COMMIT = "upstream-commit"
NO_VERDICT = Verdict("")
NO_PATCH_VERDICT = PatchVerdict(0, 0, "", NO_VERDICT)

T = TypeVar("T")
Verdicts = Mapping[str, tuple[Verdict, ...]]


def json_document(comparison: Comparison) -> bytes:
    """The whole comparison; the same inputs give the same bytes. Undecodable bytes become lone surrogates."""
    commits = {(one.release, one.patch): one.upstream_commit for one in comparison.patch_verdicts if one.side == "fate"}
    document = {
        "schema": SCHEMA,
        "name": comparison.name,
        "releases": [{"name": item.name, "commit": item.commit, "tree": item.tree} for item in comparison.releases],
        "patchsets": [_patchset(comparison, at) for at in range(len(comparison.patchsets))],
        "hunks": [_hunk(comparison, hunk, commits) for hunk in comparison.hunks()],
        "edges": _edges(comparison),
        "patch_edges": _patch_edges(comparison),
        "transitions": [_transition(comparison, item) for item in comparison.transitions],
    }
    return json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"


def _text(value: bytes | None) -> str | None:
    return None if value is None else readable(value)


def _patchset(comparison: Comparison, index: int) -> dict[str, Any]:
    patchset = comparison.patchsets[index]
    known = {(one.side, one.patch): one for one in comparison.patch_verdicts if one.release == index}
    return {
        "name": patchset.name,
        "tree": patchset.tree,
        "forecast": any(one.stop == index and one.forecast is not None for one in comparison.transitions),
        "patches": [
            _patch(patch, known.get(("fate", patch.index)), known.get(("origin", patch.index)))
            for patch in patchset.patches
        ],
        "notices": [
            {"kind": item.kind, "patch": item.patch, "path": readable(item.path), "text": item.text}
            for item in patchset.notices
        ],
    }


def _patch(patch: Patch, fate: PatchVerdict | None, origin: PatchVerdict | None) -> dict[str, Any]:
    told = (fate or origin or NO_PATCH_VERDICT).verdict
    return {
        "index": patch.index,
        "name": patch.name,
        "subject": patch.subject,
        "fate": fate.verdict.word if fate else None,
        "origin": origin.verdict.word if origin else None,
        "cause": told.cause,
        "reason": told.reason,
        "text": told.text,
        "upstream_commit": fate.upstream_commit if fate else None,
        "upstream_commit_checked": fate.checked if fate else False,
    }


def _hunk(comparison: Comparison, hunk: Hunk, commits: Mapping[tuple[int, int], str | None]) -> dict[str, Any]:
    fates, origins = comparison.fates.get(hunk.id, ()), comparison.origins.get(hunk.id, ())
    fate, origin = worst(fates) if fates else None, worst(origins) if origins else None
    told = fate or origin or NO_VERDICT
    return {
        "id": hunk.id,
        "release": hunk.release,
        "patch": hunk.patch,
        "path": readable(hunk.path),
        "old_path": _text(hunk.old_path),
        "old_start": hunk.old_start,
        "old_lines": hunk.old_lines,
        "new_start": hunk.new_start,
        "new_lines": hunk.new_lines,
        "applied_start": hunk.applied_start,
        "section": short_name(hunk.section),  # as collisions name theirs
        "added": hunk.added,
        "removed": hunk.removed,
        "superseded": comparison.superseded.get(hunk.id),
        "kind": hunk.kind,
        "fuzz": hunk.fuzz,
        "fate": fate.word if fate else None,
        "origin": origin.word if origin else None,
        "cause": told.cause,
        "reason": told.reason,
        "text": told.text,
        "upstream_commit": commits.get((hunk.release, hunk.patch)) if told.reason == UPSTREAM_COMMIT else None,
        "changes": [
            _change(change, _at(comparison.placed.get(hunk.id, ()), number), _at(fates, number), _at(origins, number))
            for number, change in enumerate(hunk.changes)
        ],
    }


def _at(values: Sequence[T], number: int) -> T | None:
    return values[number] if number < len(values) else None


def _change(change: Change, placed: bool | None, fate: Verdict | None, origin: Verdict | None) -> dict[str, Any]:
    told = fate or origin or NO_VERDICT
    return {
        "old_start": change.old_start,
        "removed": len(change.removed),
        "added": len(change.added),
        "placed": placed,
        "fate": fate.word if fate else None,
        "origin": origin.word if origin else None,
        "cause": told.cause,
        "reason": told.reason,
    }


def _edges(comparison: Comparison) -> list[dict[str, Any]]:
    edges = sorted(comparison.edges, key=lambda edge: (edge.a, edge.b, edge.kind))
    return [
        {
            "a": edge.a,
            "b": edge.b,
            "kind": edge.kind,
            "similarity": round(edge.similarity, 4),
            "evidence": list(edge.evidence),
        }
        for edge in edges
    ]


def _patch_edges(comparison: Comparison) -> list[dict[str, Any]]:
    edges = sorted(comparison.patch_edges, key=lambda edge: (edge.release, edge.a, edge.b))
    return [
        {
            "release": edge.release,
            "a": edge.a,
            "b": edge.b,
            "similarity": round(edge.similarity, 4),
            "kind": edge.kind,
            "shape": edge.shape,
            "evidence": list(edge.evidence),
        }
        for edge in edges
    ]


def _transition(comparison: Comparison, transition: Transition) -> dict[str, Any]:
    size, proof = transition.size, transition.certificate
    return {
        "from": transition.start,
        "to": transition.stop,
        "ported_tree": transition.ported_tree,
        "unplaced": [
            {"hunk": item.hunk, "change": item.change, "reason": item.reason}
            for item in sorted(transition.unplaced, key=lambda item: (item.hunk, item.change))
        ],
        "counts": _counts(comparison, transition),
        "interdiff": {"files": size.files, "added": size.added, "removed": size.removed, "binary": size.binary},
        "interdiff_hunks": _interdiff_hunks(transition),
        "collisions": _collisions(transition),
        "certificate": {
            "replayed_tree": proof.replayed_tree,
            "equals_downstream": proof.equals_downstream,
            "hunks_accounted": proof.hunks_accounted,
            "verdicts_agree": proof.verdicts_agree,
        },
        "forecast": transition.forecast is not None,
        "outlook": _outlook(comparison, transition),
    }


def _outlook(comparison: Comparison, transition: Transition) -> dict[str, Any] | None:
    """What a forecast tells beyond the fates."""
    if transition.forecast is None:
        return None
    fates = _verdicts_of(comparison, transition.start, comparison.fates)
    counts = Counter(outcome(worst(verdicts)) for verdicts in fates)
    return {
        "counts": {word: counts[word] for word in OUTCOMES},
        "missing": transition.forecast.missing or None,
        "commits": [
            {
                "kind": one.kind,
                "commit": one.commit,
                "subject": one.subject,
                "tag": one.tag or None,
                "hunks": list(one.hunks),
            }
            for one in transition.forecast.commits
        ],
    }


def _interdiff_hunks(transition: Transition) -> list[dict[str, Any]]:
    hunks = sorted(transition.interdiff_hunks, key=lambda hunk: (hunk.path, hunk.old_start, hunk.new_start))
    return [
        {
            "path": readable(hunk.path),
            "old_start": hunk.old_start,
            "new_start": hunk.new_start,
            "hunks": list(hunk.hunks),
        }
        for hunk in hunks
    ]


def _collisions(transition: Transition) -> list[dict[str, Any]]:
    found = sorted(transition.collisions, key=lambda item: (item.path, item.section or b"", item.definition or b""))
    return [
        {
            "path": readable(item.path),
            "section": _text(item.section),
            "upstream": list(item.upstream),
            "hunks": list(item.hunks),
            "definition": _text(item.definition),
        }
        for item in found
    ]


def _counts(comparison: Comparison, transition: Transition) -> dict[str, Any]:
    fates = _verdicts_of(comparison, transition.start, comparison.fates)
    origins = _verdicts_of(comparison, transition.stop, comparison.origins)
    return {
        "fates": _count(FATES, (worst(verdicts) for verdicts in fates)),
        "origins": _count(ORIGINS, (worst(verdicts) for verdicts in origins)),
        "changes": {
            "fates": _count(FATES, (verdict for verdicts in fates for verdict in verdicts)),
            "origins": _count(ORIGINS, (verdict for verdicts in origins for verdict in verdicts)),
        },
    }


def _verdicts_of(comparison: Comparison, index: int, verdicts: Verdicts) -> list[tuple[Verdict, ...]]:
    """The verdicts of each hunk of a patchset; none where a release has no patchset."""
    if index >= len(comparison.patchsets):
        return []
    found = (verdicts.get(hunk.id, ()) for hunk in comparison.patchsets[index].hunks)
    return [each for each in found if each]


def _count(known: tuple[str, ...], verdicts: Iterable[Verdict]) -> dict[str, int]:
    found = Counter(verdict.word for verdict in verdicts)
    return {word: found[word] for word in known}
