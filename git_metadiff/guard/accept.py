"""What is meant: losses that somebody has accepted, by a trailer of a message or by a note for the coming commit."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from git_metadiff.errors import MetadiffError
from git_metadiff.guard.findings import Finding

TRAILER = "Metadiff-Dropped"
LINE = re.compile(rb"^[ \t>#]*Metadiff-Dropped:[ \t]*(\S.*?)[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
ID = re.compile(r"[0-9a-f]{6,64}")
#: Below the git folder of a work tree: what the last run found, and what was accepted since.
FOUND, ACCEPTED = "metadiff-guard-found", "metadiff-guard-accepted"
SHORT = 12  # digits of a hunk's id as it is shown


@dataclass(frozen=True, slots=True)
class Pending:
    """What a run refused, kept for `--accept` and for the hook that sees the message."""

    head: str  # the commit that HEAD was
    process: str  # the git process that ran the hook; empty by hand
    findings: tuple[tuple[str, str, str, str], ...]  # verdict, patch, hunk and path of each
    waits: bool = False  # the decision was left to commit-msg

    def restored(self) -> list[Finding]:
        """The findings, as far as they are kept."""
        return [
            Finding(word, "block", patch, os.fsencode(path), hunk=hunk) for word, patch, hunk, path in self.findings
        ]


def read_trailers(message: bytes) -> list[str]:
    """The values of the trailers in a message."""
    return [os.fsdecode(match[1]) for match in LINE.finditer(message) if not match[0].lstrip().startswith(b"#")]


def names_finding(value: str, finding: Finding) -> bool:
    """Whether the value of a trailer, or an argument of --accept, names a finding: by hunk, patch or file."""
    first = value.split(None, 1)[0].rstrip(":,") if value.strip() else ""
    if finding.hunk and ID.fullmatch(first) and finding.hunk.startswith(first):
        return True
    names = {finding.patch, finding.patch.rpartition("/")[2], os.fsdecode(finding.path)} - {""}
    return any(value == name or value.startswith((f"{name} ", f"{name}:")) for name in names)


def reason_of(value: str) -> str:
    """What a trailer says behind the name: its reason, or a word for none."""
    return value.partition(": ")[2] or value.partition(" ")[2] or "accepted"


def accept(findings: Iterable[Finding], values: Sequence[str]) -> list[Finding]:
    """The findings, those that are meant marked with the reason."""
    marked = []
    for one in findings:
        value = next((value for value in values if names_finding(value, one)), None)
        marked.append(one if value is None else replace(one, accepted=reason_of(value)))
    return marked


def trailer_value(finding: Finding, name: str, reason: str) -> str:
    """The value of the trailer for a finding that was accepted by `name`."""
    told = f"{finding.hunk[:SHORT]} {os.fsdecode(finding.path)} ({finding.patch})"
    by_hunk = finding.hunk and ID.fullmatch(name)
    return (told if by_hunk else finding.patch) + (f": {reason}" if reason else "")


def kept(findings: Iterable[Finding]) -> tuple[tuple[str, str, str, str], ...]:
    """What is kept of some findings."""
    return tuple((one.verdict, one.patch, one.hunk, os.fsdecode(one.path)) for one in findings)


def write_pending(git_dir: Path, pending: Pending) -> None:
    """Keep what was refused; nothing is kept where nothing was."""
    path = git_dir / FOUND
    if not pending.findings:
        path.unlink(missing_ok=True)
        return
    words = [pending.head, pending.process, list(pending.findings), pending.waits]
    write_small(path, json.dumps(words))


def write_small(path: Path, text: str) -> None:
    """Write a file of ours whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(text + "\n", "utf-8", "surrogateescape")
    fresh.replace(path)


def read_pending(git_dir: Path) -> Pending | None:
    """What the last run refused; None if it refused nothing, or the file is not ours."""
    try:
        head, process, findings, waits = json.loads((git_dir / FOUND).read_text("utf-8", "surrogateescape"))
        return Pending(head, process, tuple((one[0], one[1], one[2], one[3]) for one in findings), waits)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def note_accepted(git_dir: Path, head: str, values: Iterable[str]) -> None:
    """Note trailers for the coming commit: they hold until HEAD is another one."""
    known = read_accepted(git_dir, head)
    write_small(git_dir / ACCEPTED, "\n".join([head, *dict.fromkeys([*known, *values])]))


def read_accepted(git_dir: Path, head: str) -> list[str]:
    """The trailers noted for the coming commit; none once HEAD has moved, even if it is back."""
    try:
        if has_moved(git_dir):
            return []
        lines = (git_dir / ACCEPTED).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    return [line for line in lines[1:] if line] if lines[:1] == [head] else []


def has_moved(git_dir: Path) -> bool:
    """Whether HEAD's log has grown since something was accepted. Raises OSError if nothing was."""
    noted = (git_dir / ACCEPTED).stat().st_mtime_ns
    try:
        return (git_dir / "logs" / "HEAD").stat().st_mtime_ns > noted
    except OSError:
        return False


def choose(pending: Pending | None, name: str, reason: str) -> list[str]:
    """The trailers by which `--accept NAME` accepts what the last run refused; MetadiffError if none."""
    if pending is None:
        raise MetadiffError("there is nothing to accept: the guard refused nothing here", "'git metadiff guard' looks")
    findings = pending.restored()
    chosen = [one for one in findings if names_finding(name, one)]
    if not chosen:
        known = ", ".join(dict.fromkeys(one.hunk[:SHORT] or one.patch for one in findings))
        raise MetadiffError(f"'{name}' names nothing that the guard refused", f"it refused: {known}")
    return list(dict.fromkeys(trailer_value(one, name, reason) for one in chosen))
