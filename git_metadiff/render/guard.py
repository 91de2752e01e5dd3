"""What the guard found: for a terminal or a hook, for a merge request, and as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from git_metadiff.guard.accept import SHORT, TRAILER
from git_metadiff.guard.findings import BLOCK, WORDS, Finding, Report

#: Lines of a normal report.
MOST_LINES = 12
#: Lines of a hunk's text in one; with -v all of them.
MOST_TEXT = 4
#: Verdicts of which the hunk's text is shown.
WITH_TEXT = ("dropped", "resolution", "misplaced", "applied-twice", "marker")
SCHEMA = "git-metadiff-guard/1"


def shown(text: str | bytes) -> str:
    """A name or a line as one line without control characters."""
    plain = decoded(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    return "".join(char if char.isprintable() or char == "\t" else repr(char)[1:-1] for char in plain)


def count(number: int, word: str) -> str:
    """`1 loss`, `2 losses`."""
    plural = f"{word}es" if word.endswith("s") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def place(one: Finding) -> str:
    """Where a hunk is or would be: `sshd.c:120 main()`."""
    where = shown(one.path) + (f":{one.line}" if one.line else "")
    return f"{where} {shown(one.section)[:50]}".strip()


def text_report(report: Report, *, verbose: bool = False, refused: str = "") -> Iterator[str]:
    """The lines of a report; nothing if there is nothing to say. `refused` ends the first line of a refusal."""
    blocking = report.blocking
    others = [one for one in report.findings if one not in blocking and (verbose or one.accepted is None)]
    if not blocking and not others:
        return
    yield title(report, blocking, others, refused)
    room = MOST_LINES - 2
    full = len(blocking) + len(others) <= room
    texts = max(0, min(MOST_TEXT, (room - len(blocking) - len(others)) // max(1, len(blocking)))) if full else 0
    lines: list[str] = []
    for one in [*blocking, *others]:
        lines.append(head_line(one, with_id=one in blocking))
        lines += text_lines(one, 1 << 20 if verbose else texts)
        if verbose and one.text:
            lines.append(f"      {shown(one.text)}")
    if len(lines) > room and not verbose:
        left = len(lines) - room + 1
        lines = [*lines[: room - 1], f"  ... and {left} more; -v names them"]
    yield from lines
    if blocking:
        name = next((one.hunk[:SHORT] for one in blocking if one.hunk), blocking[0].patch)
        yield f"hint: if it is meant: git metadiff guard --accept {shown(name)} [<reason>], or a trailer {TRAILER}:"


def title(report: Report, blocking: Sequence[Finding], others: Sequence[Finding], refused: str) -> str:
    """The first line."""
    moved = "; upstream moved" if report.base_moved else ""
    if blocking:
        return f"guard: {count(len(blocking), 'loss')} between {report.title}{moved}{refused}"
    return f"guard: nothing lost between {report.title}{moved}; {count(len(others), 'remark')}"


def head_line(one: Finding, *, with_id: bool) -> str:
    """The line that names a finding."""
    number = f", {count(one.count, 'hunk')}" if one.count > 1 else ""
    own = one.path in (b"", os.fsencode(f"{one.folder}/{one.patch}"))  # nothing beyond the patch itself
    where = "" if own else f"  {place(one)}"
    accepted = f"  (meant: {shown(one.accepted)})" if one.accepted is not None else ""
    name = f"  [{one.hunk[:SHORT]}]" if with_id and one.hunk else ""
    said = f": {shown(one.text)}" if one.verdict in ("removed", "missing", "unapplied", "unchecked", "absorbed") else ""
    return f"  {WORDS[one.verdict]}  {shown(one.patch)}{number}{where}{name}{said if one.text else ''}{accepted}"


def text_lines(one: Finding, most: int) -> list[str]:
    """The old text of a hunk, cut to `most` lines."""
    if one.verdict not in WITH_TEXT or most <= 0:
        return []
    lines = [f"    {shown(line)}"[:160] for line in one.lines]
    return lines if len(lines) <= most else [*lines[: most - 1], f"    ... {len(lines) - most + 1} more lines"]


def markdown(report: Report) -> Iterator[str]:
    """A comment for a merge request: what needs an answer as a table, the rest folded."""
    blocking = report.blocking
    others = [one for one in report.findings if one not in blocking]
    needs = (
        f"{count(len(blocking), 'thing')} need{'s' * (len(blocking) == 1)} an answer" if blocking else "nothing lost"
    )
    yield f"### {'Rebase' if report.base_moved else 'Patches'}, {report.title}: {needs}"
    if blocking:
        yield ""
        yield "| patch | verdict | where | accept with |"
        yield "|---|---|---|---|"
        yield from map(row, blocking)
    if others or report.silent:
        counts = ", ".join(f"{number} {word}" for word, number in sorted(report.silent.items()))
        yield ""
        yield f"<details><summary>{count(len(others), 'remark')}{'; changes: ' + counts if counts else ''}</summary>"
        yield ""
        for one in others:
            why = f" (meant: {cell(one.accepted)})" if one.accepted is not None else ""
            where = ", ".join(filter(None, (WORDS[one.verdict], cell(place(one)))))
            text = f": {cell(one.text)}" if one.text else ""
            yield f"- {cell(one.patch)}: {where}{text}{why}"
        yield "</details>"


def row(one: Finding) -> str:
    """A row of the table."""
    name = one.hunk[:SHORT] or one.patch
    text = " ".join(f"`{cell(line)}`" for line in one.lines[:2])
    return (
        f"| {cell(one.patch)} | {WORDS[one.verdict]} | {cell(place(one))} {text} "
        f'| `git metadiff guard --accept {cell(name)} "..."` |'
    )


def cell(text: str | bytes) -> str:
    """A text that means nothing to Markdown, in one cell."""
    plain = shown(text).replace("\t", " ")
    return "".join(f"\\{char}" if char in "\\|`*_<>[]" else char for char in plain)


def document(report: Report) -> bytes:
    """The report as JSON; bytes that are no UTF-8 as backslash escapes."""
    data = {
        "schema": SCHEMA,
        "kind": report.kind,
        "compared": report.title,
        "base_moved": report.base_moved,
        "refused": bool(report.blocking),
        "findings": [finding_document(one) for one in report.findings],
        "silent": dict(sorted(report.silent.items())),
    }
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def finding_document(one: Finding) -> dict[str, object]:
    """A finding as JSON takes it."""
    return {
        "verdict": one.verdict,
        "level": one.level,
        "blocks": one.level == BLOCK and one.accepted is None,
        "folder": decoded(os.fsencode(one.folder)) or None,
        "patch": decoded(os.fsencode(one.patch)),
        "path": decoded(one.path) if one.path else None,
        "line": one.line or None,
        "section": decoded(one.section) or None,
        "hunk": one.hunk or None,
        "hunks": one.count,
        "lines": [decoded(line) for line in one.lines],
        "text": one.text,
        "accepted": one.accepted,
    }


def decoded(data: bytes) -> str:
    """Bytes as JSON holds them."""
    return data.decode("utf-8", "backslashreplace")
