"""The JSON document of `git metadiff verify --json` (data/verify.schema.json); it is only ever added to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from git_metadiff.render.verify import ROW
from git_metadiff.verify.against import Against
from git_metadiff.verify.check import Finding, Report, Signed, SumsFile
from git_metadiff.verify.diagnosis import Diagnosis, SuspectPage
from git_metadiff.verify.pages import PAGE

SCHEMA = "git-metadiff-verify/1"


def document(
    report: Report | None,
    diagnoses: Sequence[tuple[str, Diagnosis, str]],
    against: Against | None,
    names: Sequence[str],
    holds: bool,
) -> bytes:
    """Everything that was found; None or empty for what was not asked for. Undecodable bytes become lone surrogates."""
    found = {
        "schema": SCHEMA,
        "holds": holds,
        "sums": [_sums(one) for one in report.sums] if report else [],
        "files": [_finding(one) for one in report.findings] if report else [],
        "pages": [_diagnosis(*one) for one in diagnoses],
        "against": None if against is None else _against(against, names),
    }
    return json.dumps(found, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"


def _sums(sums: SumsFile) -> dict[str, Any]:
    return {
        "name": sums.name,
        "digests": len(sums.sums),
        "signature": None if sums.signed is None else _signed(sums.signed, "sums"),
    }


def _signed(signed: Signed, of: str) -> dict[str, Any]:
    return {
        "name": signed.name,
        "of": of,
        "holds": signed.statuses.holds,
        "keys": [
            {"key": one.key, "user": one.user, "outcome": one.outcome, "time": one.time} for one in signed.signatures
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.subject.name,
        "size": finding.size,
        "digests": dict(finding.digests),
        "verdict": finding.verdict,
        "expected": [
            {
                "algorithm": one.algorithm,
                "digest": one.digest,
                "source": one.source,
                "line": one.line,
                "matches": finding.has(one),
            }
            for one in finding.expected
        ],
        "signatures": [_signed(one, "content" if one.uncompressed else "file") for one in finding.signed],
    }


def _diagnosis(name: str, found: Diagnosis, said: str) -> dict[str, Any]:
    return {
        "name": name,
        "size": found.size,
        "page_size": found.page_size,
        "verdict": found.verdict,
        "verdicts": found.verdicts,
        "disk": found.way,
        "seconds": round(found.seconds, 3),
        "digest_is_right": {"cache": found.is_right("cache"), "disk": found.is_right("disk")},
        "no_frames": said or None,
        "readings": [
            {
                "number": one.number,
                "began": round(one.began, 3),
                "ended": round(one.ended, 3),
                "cache": dict(one.cached),
                "disk": None if one.disk is None else dict(one.disk),
            }
            for one in found.readings
        ],
        "suspects": [_page(page) for _, page in sorted(found.pages.items())],
        "more_suspects": sorted(found.more),
        "changed_runs": [{"first": first, "count": count} for first, count in found.changed_units],
        "common_offsets": found.common_offsets(),
        "every": [
            {"index": one.index, "count": one.count, "md5": one.digest, "frame": one.frame} for one in found.every
        ],
    }


def _page(page: SuspectPage) -> dict[str, Any]:
    offsets = page.offsets()
    return {
        "index": page.index,
        "stable": page.stable,
        "cache_changed": page.cache_changed,
        "disk_changed": page.disk_changed,
        "differs": page.differs,
        "contents": [
            {
                "side": one.side,
                "reading": one.reading,
                "md5": one.digest,
                "frame": one.frame,
                "rows": _rows(offsets, one.data),
            }
            for one in page.contents
        ],
        "offsets": offsets,
    }


def _rows(offsets: Sequence[int], data: bytes) -> Mapping[str, str]:
    """The rows in which something differs: offset in the page, in hexadecimal digits, to their bytes."""
    rows = sorted({offset // ROW * ROW for offset in offsets})
    return {f"{row:03x}": data[row : row + ROW].hex() for row in rows}


def _against(result: Against, names: Sequence[str]) -> dict[str, Any]:
    return {
        "good": [str(path) for path in result.goods],
        "good_size": result.good_size,
        "good_differ": result.doubtful,
        "page_size": PAGE,
        "copies": [
            {
                "name": name,
                "size": copy.size,
                "pages": copy.count,
                "shown": [
                    {
                        "index": page.index,
                        "offsets": list(page.offsets),
                        "good": _rows(page.offsets, page.good),
                        "bad": _rows(page.offsets, page.bad),
                    }
                    for page in copy.pages
                ],
            }
            for name, copy in zip(names, result.copies, strict=True)
        ],
        "common_offsets": [{"offset": offset, "pages": count} for offset, count in result.common()],
    }
