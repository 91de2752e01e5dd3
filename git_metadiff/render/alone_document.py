"""The JSON document of patchsets without releases, `git-metadiff-alone/1` (data/alone.schema.json)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from git_metadiff.alone.found import FATES, ORIGINS, UNKNOWN, Reading, Side, Step, shown_word, worst_of
from git_metadiff.model import Hunk, Verdict
from git_metadiff.render.paint import readable
from git_metadiff.sections import short_name

SCHEMA = "git-metadiff-alone/1"
NOTHING = Verdict("")


def alone_document(reading: Reading) -> bytes:
    """Everything that was found; the same inputs give the same bytes. Undecodable bytes become lone surrogates."""
    document = {
        "schema": SCHEMA,
        "patchsets": [_patchset(side) for side in reading.sides],
        "hunks": [_hunk(reading, hunk) for side in reading.sides for hunk in side.hunks],
        "edges": [edge for step in reading.steps for edge in _edges(reading, step)],
        "patch_edges": [edge for step in reading.steps for edge in _patch_edges(step)],
        "steps": [_step(step) for step in reading.steps],
        "unknown": list(UNKNOWN),
    }
    return json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"


def _patchset(side: Side) -> dict[str, Any]:
    return {
        "name": side.name,
        "patches": [{"index": one.index, "name": one.name, "subject": one.subject} for one in side.patches],
        "notices": [
            {"kind": one.kind, "patch": one.patch, "path": readable(one.path), "text": one.text} for one in side.notices
        ],
    }


def _hunk(reading: Reading, hunk: Hunk) -> dict[str, Any]:
    index = hunk.release
    fates = reading.steps[index].fates[hunk.id] if index < len(reading.steps) else ()
    origins = reading.steps[index - 1].origins[hunk.id] if index else ()
    told = worst_of(fates or origins) if fates or origins else NOTHING
    return {
        "id": hunk.id,
        "patchset": index,
        "patch": hunk.patch,
        "path": readable(hunk.path),
        "old_path": None if hunk.old_path is None else readable(hunk.old_path),
        "old_start": hunk.old_start,
        "old_lines": hunk.old_lines,
        "new_start": hunk.new_start,
        "new_lines": hunk.new_lines,
        "section": short_name(hunk.section),
        "added": hunk.added,
        "removed": hunk.removed,
        "kind": hunk.kind,
        "fate": worst_of(fates).word if fates else None,
        "origin": worst_of(origins).word if origins else None,
        "cause": told.cause,
        "reason": told.reason,
        "text": told.text,
        "changes": [
            {
                "old_start": change.old_start,
                "removed": len(change.removed),
                "added": len(change.added),
                "fate": fates[at].word if fates else None,
                "origin": origins[at].word if origins else None,
                "cause": (fates or origins)[at].cause,
            }
            for at, change in enumerate(hunk.changes)
        ],
    }


def _edges(reading: Reading, step: Step) -> list[dict[str, Any]]:
    hunks = {hunk.id: hunk for at in (step.start, step.start + 1) for hunk in reading.sides[at].hunks}
    return [
        {
            "a": edge.a,
            "b": edge.b,
            "kind": edge.kind,
            "similarity": edge.similarity,
            "evidence": list(edge.evidence),
            "offset": hunks[edge.b].old_start - hunks[edge.a].old_start,
        }
        for edge in sorted(step.edges, key=lambda edge: (edge.a, edge.b, edge.kind))
    ]


def _patch_edges(step: Step) -> list[dict[str, Any]]:
    return [
        {
            "patchset": step.start,
            "a": edge.a,
            "b": edge.b,
            "similarity": edge.similarity,
            "kind": edge.kind,
            "shape": edge.shape,
            "evidence": list(edge.evidence),
        }
        for edge in step.patch_edges
    ]


def _step(step: Step) -> dict[str, Any]:
    return {
        "from": step.start,
        "to": step.start + 1,
        "counts": {
            "fates": _counts(step.fates, FATES),
            "origins": _counts(step.origins, ORIGINS),
        },
        "upstream": {
            "files_shifted": step.shift.files,
            "contexts_changed": step.shift.contexts,
            "renames": [{"old": readable(old), "new": readable(new)} for old, new in step.shift.renames],
        },
    }


def _counts(found: Mapping[str, tuple[Verdict, ...]], words: tuple[str, ...]) -> dict[str, int]:
    tally = Counter(map(shown_word, found.values()))
    return {word: tally[word] for word in words}
