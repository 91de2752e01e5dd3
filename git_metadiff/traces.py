"""Which line of D belongs to whom: files and changes followed through all patches of a patchset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.hunks import NO_NEWLINE, RawHunk, changes_of, digest
from git_metadiff.model import Change, Hunk, Range

#: Runs of lines: (length, first line in U) or (length, -1 - serial of the change that owns them).
Runs = list[tuple[int, int]]


@dataclass(slots=True)
class FileTrace:
    """A file that a patchset touches: where each of its lines in D comes from."""

    path: bytes  # name in D (last name, if deleted)
    base: bytes | None  # name in U; None for a file that the patchset creates
    mode: str | None  # None: not in D
    target: str = ""  # id or mark of its content in D
    #: runs of lines of D in order: (length, first line in U) or (length, -1 - serial of the owning change)
    runs: Runs = field(default_factory=list)
    lines: list[bytes] | None = None  # content, while more patches touch the file
    before: list[bytes] | None = None  # content in U, for files that the port will ask for
    after: list[bytes] | None = None  # content in D, for the same

    @property
    def alive(self) -> bool:
        """Whether the file is in D."""
        return self.mode is not None

    def origin(self, place: int) -> int:
        """The line of U at or next after line `place`."""
        seen = last = 0
        for length, start in self.runs:
            if start >= 0:
                if seen + length > place:
                    return start + max(0, place - seen)
                last = start + length
            seen += length
        return last

    def splice(self, place: int, removed: int, added: Sequence[bytes], serial: int) -> Runs:
        """Replace `removed` lines from `place` on by those that change `serial` adds; return the runs taken out."""
        assert self.lines is not None
        self.lines[place : place + removed] = added
        for at in (place - 1, place + len(added) - 1):
            # As GNU patch does it: a line that was or should be the last one, and is not, gets its newline.
            if 0 <= at < len(self.lines) - 1 and self.lines[at].endswith(NO_NEWLINE):
                self.lines[at] = self.lines[at].removesuffix(NO_NEWLINE)
        before, rest = cut_runs(self.runs, place)
        out, after = cut_runs(rest, removed)
        self.runs = [*before, (len(added), -1 - serial), *after] if added else before + after
        return out


def cut_runs(runs: Runs, length: int) -> tuple[Runs, Runs]:
    """Split `runs` after `length` lines."""
    for at, (size, start) in enumerate(runs):
        if length <= 0:
            return runs[:at], runs[at:]
        if size > length:
            rest = (size - length, start + length if start >= 0 else start)
            return [*runs[:at], (length, start)], [rest, *runs[at + 1 :]]
        length -= size
    return runs, []


@dataclass(slots=True)
class Authored:
    """A change as its author wrote it, followed to D. `serial` counts the changes of a patchset."""

    serial: int
    hunk: int  # index into the patchset's hunks
    change: int  # index into the hunk's changes
    trace: FileTrace
    at: int  # line of U (0-based) before which, or from which on, the change stands
    removed: list[Range] = field(default_factory=list)  # lines of U that it takes out
    lost: int = 0  # lines it added that a later patch took out again
    later: int = -1  # serial of the change that took the last of them
    took: int = 0  # lines of earlier patches that it takes out
    ranges: list[Range] = field(default_factory=list)  # lines of D that it added


class Ledger:
    """The hunks of a patchset as they are applied, and what their changes own. `index` is the patchset's place."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.hunks: list[Hunk] = []
        self.authored: list[Authored] = []
        self._ordinals: Counter[str] = Counter()

    def record(
        self,
        patch: int,
        path: bytes,
        old_path: bytes | None,
        raw: RawHunk,
        start: int,
        *,
        fuzz: int = 0,
        kind: str = "text",
        essence: str = "",
    ) -> Hunk:
        """Add a hunk that was applied at line `start`; a hunk of no lines is told by `kind` and `essence`."""
        changes = changes_of(raw) if kind == "text" else NOTHING
        identity = self._identity(path, kind, essence, changes)
        numbers = (raw.old_start, raw.old_lines, raw.new_start, raw.new_lines, start)
        section, body = raw.section, raw.body
        hunk = Hunk(identity, self.index, patch, path, old_path, *numbers, section, body, changes, kind, essence, fuzz)
        self.hunks.append(hunk)
        return hunk

    def _identity(self, path: bytes, kind: str, essence: str, changes: tuple[Change, ...]) -> str:
        words = (kind.encode(), essence.encode("utf-8", "surrogateescape"), *change_words(changes))
        key = digest(b"%d" % self.index, path, *words)
        ordinal = self._ordinals[key]
        self._ordinals[key] += 1
        return digest(key.encode(), b"%d" % ordinal) if ordinal else key

    def repeat(
        self,
        patch: int,
        raws: Sequence[RawHunk],
        trace: FileTrace,
        before: FileTrace,
        hunks: Sequence[Hunk],
        authored: Sequence[Authored],
    ) -> None:
        """Add hunks that an earlier patchset applied to the same content: its trace is `before`, ours is `trace`."""
        shift = len(self.authored) - authored[0].serial
        first = len(self.hunks) - authored[0].hunk
        for raw, hunk in zip(raws, hunks, strict=True):
            self.record(patch, trace.path, None, raw, hunk.applied_start)
        for one in authored:
            self.authored.append(
                Authored(one.serial + shift, one.hunk + first, one.change, trace, one.at, list(one.removed))
            )
        trace.runs = [(length, start if start >= 0 else start - shift) for length, start in before.runs]

    def edit(self, trace: FileTrace, hunk: Hunk, place: int) -> int:
        """Put the changes of the last hunk, whose old lines begin at `place`; return by how much the file grows."""
        first = hunk.old_start + (hunk.old_lines == 0)
        grown = 0
        for order, change in enumerate(hunk.changes):
            at = place + change.old_start - first + grown
            origin = trace.origin(at)
            out = trace.splice(at, len(change.removed), change.added, len(self.authored))
            self._author(trace, order, origin, out)
            grown += len(change.added) - len(change.removed)
        return grown

    def replace(self, trace: FileTrace, lines: list[bytes] | None) -> None:
        """Let the last hunk, one of no lines, own the file's whole new content (None: it leaves the lines alone)."""
        assert trace.lines is not None
        out = [] if lines is None else trace.splice(0, len(trace.lines), lines, len(self.authored))
        self._author(trace, 0, 0, out)

    def _author(self, trace: FileTrace, order: int, origin: int, out: Runs) -> None:
        serial = len(self.authored)
        authored = Authored(serial, len(self.hunks) - 1, order, trace, origin)
        for length, start in out:
            if start >= 0:
                authored.removed.append((start, start + length))
            elif start != -1 - serial:  # a copy that is changed at once holds lines of its own change
                earlier = self.authored[-1 - start]
                earlier.lost += length
                earlier.later = serial
                authored.took += length
        if authored.removed:
            authored.at = authored.removed[0][0]
        self.authored.append(authored)

    def own_lines(self, traces: Iterable[FileTrace]) -> None:
        """Tell every change which lines of D are its own."""
        for trace in traces:
            at = 0
            for length, start in trace.runs:
                if start < 0:
                    self.authored[-1 - start].ranges.append((at, at + length))
                at += length


#: The one change of a hunk without lines.
NOTHING = (Change(0, 0, (), (), (), ()),)


def change_words(changes: Iterable[Change]) -> Iterator[bytes]:
    """The text of changes, for an id."""
    for change in changes:
        yield b"\n".join(b"-" + line for line in change.removed)
        yield b"\n".join(b"+" + line for line in change.added)
