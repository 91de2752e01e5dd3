"""A patchset is applied to a release: the tree D, the authored hunks, and which line of D belongs to whom.

Applying is done here and not by `git apply`, because three things must come out that git does not tell: where each hunk
really was applied, which hunk owns which line after a whole series, and which hunks are left when some do not fit.
The rules of place are git's (the line the header names in the patched file, then the nearest on either side; anchored
at the ends of the file); what git refuses is tried by GNU patch's rules of fuzz, and reported as such.
That the tree equals `git apply`'s wherever git applies is held by a test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from git_metadiff.errors import MetadiffError
from git_metadiff.git import CatFile, FastImport, delete, modify
from git_metadiff.hunks import FilePatch, RawHunk, Scanner, apply_delta, changes_of, digest, prefixes_of, strip_name
from git_metadiff.lines import join_lines, split_lines
from git_metadiff.model import Change, Hunk, Notice, Patch, Range

MAX_FUZZ = 2

Tree = dict[bytes, tuple[str, str]]  # path -> (mode, object id or mark)


@dataclass(frozen=True, slots=True)
class PatchText:
    """A patch as it was found, not yet read."""

    name: str
    data: bytes
    strip: int | None = None  # level from the series file or the command line; None: find out
    subject: str | None = None
    message: bytes = b""
    author: bytes | None = None


@dataclass(slots=True)
class FileTrace:
    """A file that a patchset touches: where each of its lines in D comes from."""

    path: bytes  # name in D (last name, if deleted)
    base: bytes | None  # name in U; None for a file that the patchset creates
    mode: str | None  # None: not in D
    target: str = ""  # id or mark of its content in D
    #: runs of lines of D in order: (length, first line in U) or (length, -1 - serial of the owning change)
    runs: list[tuple[int, int]] = field(default_factory=list)
    lines: list[bytes] | None = None  # content, while more patches touch the file
    before: list[bytes] | None = None  # content in U, for files that the port will ask for
    after: list[bytes] | None = None  # content in D, for the same
    binary: bool = False

    @property
    def alive(self) -> bool:
        """Whether the file is in D."""
        return self.mode is not None


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


@dataclass(slots=True)
class Applied:
    """A patchset applied to its release."""

    patches: list[Patch]
    hunks: list[Hunk]
    authored: list[Authored]
    traces: list[FileTrace]
    notices: list[Notice]
    tree: Tree  # D
    steps: list[list[bytes]]  # per patch, the fast-import lines that lead to its tree
    counted: int = 0  # text hunks that were left out (rejected)


class DoesNotApply(Exception):
    """A hunk has no place; `number` is its 1-based position among the hunks of its file."""

    def __init__(self, number: int, line: int) -> None:
        super().__init__(number)
        self.number = number
        self.line = line


@dataclass(frozen=True, slots=True)
class Image:
    """A hunk as the lines it looks for."""

    hunk: RawHunk
    old: list[bytes]
    leading: int  # context lines before its first change
    trailing: int  # context lines after its last

    @property
    def guess(self) -> int:
        """Where its first line should be in the file as patched so far, 0-based."""
        return max(self.hunk.new_start - (self.hunk.new_lines > 0), 0)


def image_of(hunk: RawHunk) -> Image:
    """Read the old side of a hunk."""
    body, first = prefixes_of(hunk.body)
    context = len(first) - len(first.lstrip(b" ")), len(first) - len(first.rstrip(b" "))
    return Image(hunk, [line[1:] for line in body if line[:1] != b"+"], *context)


def nearest(lines: list[bytes], old: list[bytes], guess: int, taken: list[Range]) -> int | None:
    """The place nearest to `guess` where `old` stands in `lines`, free of `taken`; later places before earlier ones."""
    size, last = len(old), len(lines) - len(old)
    if last < 0:
        return None
    guess = max(0, min(guess, last))
    if fits(lines, old, guess, taken):
        return guess
    if size == 0:
        return None
    first = old[0]
    for offset in range(1, max(guess, last - guess) + 1):
        for place in (guess + offset, guess - offset):
            if 0 <= place <= last and lines[place] == first and fits(lines, old, place, taken):
                return place
    return None


def fits(lines: list[bytes], old: list[bytes], place: int, taken: list[Range]) -> bool:
    """Whether `old` stands at `place`, touching nothing that an earlier hunk has written."""
    stop = place + len(old)
    if lines[place:stop] != old:
        return False
    return not taken or place >= taken[-1][1] or not any(start < stop and place < end for start, end in taken)


def locate(lines: list[bytes], image: Image, shift: int, taken: list[Range]) -> tuple[int, int, int] | None:
    """Find the place of a hunk: (first line, fuzz, leading lines left out), or None.

    Without fuzz by git's rules; `shift`, the offset of the hunk before it, counts for GNU patch's rules alone.
    """
    old = image.old
    bare = image.leading == image.trailing == 0
    at_start = image.hunk.old_start == 0 or (image.hunk.old_start == 1 and not bare)
    at_end = image.trailing == 0 and not bare
    if at_start or at_end:
        place = 0 if at_start else len(lines) - len(old)
        whole = not (at_start and at_end) or len(lines) == len(old)
        if whole and place >= 0 and fits(lines, old, place, taken):
            return place, 0, 0
    else:
        found = nearest(lines, old, image.guess, taken)
        if found is not None:
            return found, 0, 0
    return locate_fuzzy(lines, image, image.guess + shift, taken)


def locate_fuzzy(lines: list[bytes], image: Image, guess: int, taken: list[Range]) -> tuple[int, int, int] | None:
    """GNU patch's rules: leave out up to two lines of context at either end; a shorter end counts as a file's end."""
    old = image.old
    context = max(image.leading, image.trailing)
    for fuzz in range(min(MAX_FUZZ, context) + 1):
        head, tail = fuzz + image.leading - context, fuzz + image.trailing - context
        cut, keep = max(head, 0), len(old) - max(tail, 0)
        part = old[cut:keep]
        if head < 0 and image.hunk.old_start <= 1:
            place: int | None = 0 if fits(lines, part, 0, taken) else None
        elif tail < 0 and len(lines) >= len(part):
            end = len(lines) - len(part)
            place = end if fits(lines, part, end, taken) else nearest(lines, part, guess + cut, taken)
        else:
            place = nearest(lines, part, guess + cut, taken)
        if place is not None and (part or not old):
            return place, fuzz, cut
    return None


class Runs:
    """The runs of a FileTrace while hunks cut into them."""

    def __init__(self, runs: list[tuple[int, int]]) -> None:
        self.runs = runs

    def origin(self, place: int) -> int:
        """The line of U at or next after line `place`."""
        seen = 0
        last = 0
        for length, start in self.runs:
            if seen + length > place and start >= 0:
                return start + max(0, place - seen)
            if start >= 0:
                last = start + length
            seen += length
        return last

    def splice(self, place: int, removed: int, added: int, serial: int) -> list[tuple[int, int]]:
        """Replace `removed` lines from `place` on by `added` lines of change `serial`; return the runs taken out."""
        before, rest = cut_runs(self.runs, place)
        out, after = cut_runs(rest, removed)
        middle = [(added, -1 - serial)] if added else []
        self.runs[:] = before + middle + after
        return out


def cut_runs(runs: list[tuple[int, int]], length: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Split `runs` after `length` lines."""
    left: list[tuple[int, int]] = []
    for at, (size, start) in enumerate(runs):
        if length <= 0:
            return left, runs[at:]
        if size > length:
            rest = (size - length, start + length if start >= 0 else start)
            return [*left, (length, start)], [rest, *runs[at + 1 :]]
        left.append((size, start))
        length -= size
    return left, []


@dataclass(frozen=True, slots=True)
class Target:
    """A file patch with its names stripped and looked up."""

    patch: FilePatch
    old: bytes | None
    new: bytes | None

    @property
    def path(self) -> bytes:
        """The name to show: the new one, or the old one of a deleted file."""
        name = self.new if self.new is not None else self.old
        assert name is not None
        return name


class Applier:
    """Applies the patches of one patchset in order.

    `index` is the patchset's place among the patchsets; of the files in `keep` the lines before and after are kept.
    """

    def __init__(
        self,
        base: Tree,
        index: int,
        objects: CatFile,
        writer: FastImport,
        *,
        partial: bool,
        keep: Container[bytes] = (),
    ) -> None:
        self.keep = keep
        self.index = index
        self.objects = objects
        self.writer = writer
        self.partial = partial
        self.done = Applied([], [], [], [], [], dict(base), [])
        self.open: dict[bytes, FileTrace] = {}
        self.where: dict[bytes, FileTrace] = {}  # every touched file by its present name
        self.remaining: Counter[bytes] = Counter()
        self.ordinals: Counter[str] = Counter()

    def run(self, texts: Sequence[PatchText]) -> Applied:
        """Apply all; raise MetadiffError where one does not apply and `partial` is off."""
        parsed = []
        for text in texts:
            scanner = Scanner(text.data, text.name)
            parsed.append((text, scanner.scan(), scanner.message()))
        for _, files, _ in parsed:
            for patch in files:
                self.remaining.update(set(name_tails(patch)))
        for number, (text, files, message) in enumerate(parsed):
            self._patch(number, text, files, text.message or message)
        self._finish()
        return self.done

    def _patch(self, number: int, text: PatchText, files: list[FilePatch], message: bytes) -> None:
        self.done.patches.append(Patch(number, text.name, text.subject or subject_of(message), message, text.author))
        targets = self._resolve(number, text, files)
        lines: list[bytes] = []
        for target, content in self._contents(targets):
            lines += self._file(number, text.name, target, content)
        self.done.steps.append(lines)

    def _resolve(self, number: int, text: PatchText, files: list[FilePatch]) -> list[Target]:
        level = text.strip if text.strip is not None else self._level(files)
        if level != 1 and text.strip is None:
            note = f"{text.name}: applied with -p{level}, where all its files are found and both header names agree"
            self.done.notices.append(Notice("strip", note, number))
        targets: list[Target] = []
        for patch in files:
            target = resolve_names(patch, level, self.done.tree, files, targets)
            if target is None:
                raise MetadiffError(
                    f"{text.name}:{patch.line}: cannot tell which file this patches with -p{level}",
                    "give the level with --strip N",
                )
            check_path(target.path, text.name, patch.line)
            targets.append(target)
        return targets

    def _level(self, files: list[FilePatch]) -> int:
        """-p1, unless its names are not there, or another level finds every file and both header names agree there."""
        if all(names_agree(patch, 1) for patch in files) and found_all(files, 1, self.done.tree):
            return 1
        viable = [level for level in (1, 0, 2, 3, 4) if found_all(files, level, self.done.tree)]
        agreeing = [level for level in viable if all(names_agree(patch, level) for patch in files)]
        return next(iter(agreeing + viable), 1)

    def _contents(self, targets: list[Target]) -> Iterator[tuple[Target, bytes | None]]:
        """Each target with the content of its old file where that is not at hand; read in one batch."""
        names: list[str] = []
        asked: list[bool] = []
        coming: set[bytes] = set()
        for target in targets:
            old = target.old
            read = (
                old is not None
                and not target.patch.stub
                and old in self.done.tree
                and old not in self.where
                and old not in coming
                and self.done.tree[old][0] != "160000"
            )
            asked.append(read)
            if read and old is not None:
                names.append(self.done.tree[old][1])
                coming.add(old)
            coming.update(name for name in (target.new,) if name is not None)
        contents = self.objects.read_many(names)
        for target, read in zip(targets, asked, strict=True):
            yield target, next(contents) if read else None
        next(contents, None)

    def _file(self, number: int, name: str, target: Target, content: bytes | None) -> list[bytes]:
        patch = target.patch
        if patch.stub:
            text = f"{name}:{patch.line}: binary change of {show(target.path)} comes without its data and is left out"
            self.done.notices.append(Notice("stub", text, number, target.path))
            return []
        self.remaining.subtract(set(name_tails(patch)))
        trace = self._trace(target, content)
        if trace is None:
            return self._missing(number, name, target)
        before = (list(trace.runs), len(self.done.authored))
        try:
            out = self._apply(number, name, target, trace)
        except DoesNotApply as refused:
            trace.runs = before[0]
            raise does_not_apply(name, target.path, refused.number, refused.line) from refused
        return out

    def _missing(self, number: int, name: str, target: Target) -> list[bytes]:
        if not self.partial:
            what = "already exists" if target.patch.creates else "is not there"
            raise MetadiffError(
                f"{name}:{target.patch.line}: {show(target.path)} {what} in the release",
                "is the patch meant for another release? --partial leaves out what does not apply",
            )
        for order, hunk in enumerate(target.patch.hunks, 1):
            self._reject(number, name, target, order, hunk.line)
        return []

    def _reject(self, number: int, name: str, target: Target, order: int, line: int) -> None:
        text = f"{name}:{line}: {show(target.path)}: hunk {order} does not apply and is left out"
        self.done.notices.append(Notice("rejected", text, number, target.path))
        self.done.counted += 1

    def _trace(self, target: Target, content: bytes | None) -> FileTrace | None:
        """The trace of the target's old file; a new one for a file that the patch creates; None if that cannot be."""
        patch, old = target.patch, target.old
        if old is not None and old in self.where and self.where[old].alive:
            return self._reopen(self.where[old])
        if old is not None and content is not None:
            mode = self.done.tree[old][0]
            trace = FileTrace(old, old, mode, self.done.tree[old][1])
            self._load(trace, content, fresh=True)
            if old in self.keep and trace.lines is not None:
                trace.before = list(trace.lines)
        elif patch.creates is False or (old is not None and old in self.done.tree):
            return None
        else:
            trace = FileTrace(target.path, None, "100644")
            trace.lines = []
        self.where[trace.path] = trace
        self.done.traces.append(trace)
        return trace

    def _reopen(self, trace: FileTrace) -> FileTrace:
        if trace.lines is None:
            self.writer.checkpoint()
            [oid] = self.writer.ids([trace.target]) if trace.target.startswith(":") else [trace.target]
            self._load(trace, self.objects.read(oid), fresh=False)
        return trace

    @staticmethod
    def _load(trace: FileTrace, content: bytes, *, fresh: bool) -> None:
        trace.lines = split_lines(content)
        if fresh:
            trace.runs = [(len(trace.lines), 0)] if trace.lines else []

    def _apply(self, number: int, name: str, target: Target, trace: FileTrace) -> list[bytes]:
        patch = target.patch
        assert trace.lines is not None
        if patch.creates and trace.base is not None and trace.lines:
            return self._missing(number, name, target)
        if patch.copies:
            trace = self._copy(target, trace)
        first = len(self.done.hunks)
        if patch.lineless:
            self._lineless(number, target, trace)
        if patch.binary is not None:
            content = self._binary(name, target, trace)
            trace.lines, trace.binary = split_lines(content), True
            trace.runs = [(len(trace.lines), -1 - self.done.authored[-1].serial)] if trace.lines else []
        self._text_hunks(number, name, target, trace)
        return self._store(target, trace, first)

    def _copy(self, target: Target, source: FileTrace) -> FileTrace:
        assert target.new is not None and source.lines is not None
        copy = FileTrace(target.new, None, source.mode)
        copy.lines = list(source.lines)
        copy.runs = [(len(copy.lines), -1 - len(self.done.authored))] if copy.lines else []
        self.where[target.new] = copy
        self.done.traces.append(copy)
        return copy

    def _binary(self, name: str, target: Target, trace: FileTrace) -> bytes:
        binary = target.patch.binary
        assert binary is not None and trace.lines is not None
        content = binary.data if binary.kind == "literal" else apply_delta(join_lines(trace.lines), binary.data)
        if content is None:
            raise does_not_apply(name, target.path, 1, target.patch.line)
        return content

    def _lineless(self, number: int, target: Target, trace: FileTrace) -> None:
        patch = target.patch
        kinds = [
            ("binary", patch.binary is not None),
            ("rename", patch.renames),
            ("copy", patch.copies),
            ("empty", not patch.hunks and bool(patch.creates or patch.deletes)),
            ("mode", True),
        ]
        kind = next(word for word, holds in kinds if holds)
        old = target.old if patch.renames or patch.copies else b""
        payload = digest(patch.binary.data) if patch.binary else ""
        modes = f"{patch.old_mode}>{patch.new_mode}" if patch.old_mode != patch.new_mode else ""
        essence = "|".join([kind, show(old or b""), modes, payload])
        self._record(number, target, trace, None, (Change(0, 0, (), (), (), ()),), 0, kind=kind, essence=essence)
        self._author(trace, 0, 0, [], 0)

    def _text_hunks(self, number: int, name: str, target: Target, trace: FileTrace) -> None:
        assert trace.lines is not None
        taken: list[Range] = []
        shift = drift = 0
        for order, raw in enumerate(target.patch.hunks, 1):
            image = image_of(raw)
            found = locate(trace.lines, image, shift, taken)
            if found is None:
                if not self.partial:
                    raise DoesNotApply(order, raw.line)
                self._reject(number, name, target, order, raw.line)
                continue
            place, fuzz, cut = found
            shift = place - cut - image.guess
            start = place - cut - drift + 1
            if fuzz:
                text = f"{name}:{raw.line}: {show(target.path)}: hunk {order} applied at line {start} with fuzz {fuzz}"
                self.done.notices.append(Notice("fuzz", text, number, target.path))
            changes = changes_of(raw)
            self._record(number, target, trace, raw, changes, start, fuzz=fuzz)
            grown = self._edit(trace, raw, changes, place - cut)
            taken.append((place - cut, place - cut + raw.new_lines))
            drift += grown

    def _edit(self, trace: FileTrace, raw: RawHunk, changes: tuple[Change, ...], place: int) -> int:
        """Put the changes of a hunk whose old lines begin at `place`; return by how many lines the file grows."""
        assert trace.lines is not None
        runs = Runs(trace.runs)
        first = raw.old_start + (raw.old_lines == 0)
        grown = 0
        for order, change in enumerate(changes):
            at = place + change.old_start - first + grown
            stop = at + len(change.removed)
            origin = runs.origin(at)
            serial = len(self.done.authored)
            out = runs.splice(at, len(change.removed), len(change.added), serial)
            trace.lines[at:stop] = change.added
            self._author(trace, order, origin, out, len(change.added))
            grown += len(change.added) - len(change.removed)
        return grown

    def _author(self, trace: FileTrace, order: int, origin: int, out: list[tuple[int, int]], added: int) -> None:
        serial = len(self.done.authored)
        authored = Authored(serial, len(self.done.hunks) - 1, order, trace, origin)
        for length, start in out:
            if start >= 0:
                authored.removed.append((start, start + length))
            else:
                earlier = self.done.authored[-1 - start]
                earlier.lost += length
                earlier.later = serial
                authored.took += length
        if authored.removed:
            authored.at = authored.removed[0][0]
        self.done.authored.append(authored)

    def _record(
        self,
        number: int,
        target: Target,
        trace: FileTrace,
        raw: RawHunk | None,
        changes: tuple[Change, ...],
        start: int,
        *,
        kind: str = "text",
        essence: str = "",
        fuzz: int = 0,
    ) -> None:
        path, old = target.path, target.old if target.old != target.path else None
        key = digest(
            b"%d" % self.index, path, kind.encode(), essence.encode("utf-8", "surrogateescape"), *change_words(changes)
        )
        ordinal = self.ordinals[key]
        self.ordinals[key] += 1
        identity = digest(key.encode(), b"%d" % ordinal) if ordinal else key
        numbers = (raw.old_start, raw.old_lines, raw.new_start, raw.new_lines) if raw else (0, 0, 0, 0)
        section, body = (raw.section, raw.body) if raw else (b"", ())
        hunk = Hunk(
            identity, self.index, number, path, old, *numbers, start, section, body, changes, kind, essence, fuzz
        )
        self.done.hunks.append(hunk)

    def _store(self, target: Target, trace: FileTrace, first: int) -> list[bytes]:
        """Write the new content and return the fast-import lines that put it in place."""
        patch, tree = target.patch, self.done.tree
        assert trace.lines is not None
        out: list[bytes] = []
        if patch.renames and target.old is not None:
            out.append(delete(target.old))
            tree.pop(target.old, None)
            self.where.pop(target.old, None)
        gone = patch.deletes if patch.deletes is not None else False
        if gone and trace.lines and not self.partial:
            raise MetadiffError(
                f"{patch.line}: {show(target.path)}: the patch deletes the file but leaves some of its lines",
                "is the patch meant for another release? --partial leaves out what does not apply",
            )
        if gone and not trace.lines:
            trace.mode, trace.lines = None, []
            tree.pop(trace.path, None)
            return [delete(trace.path)]
        if target.new is not None:
            trace.path = target.new
            self.where[target.new] = trace
        if patch.new_mode:
            trace.mode = patch.new_mode
        assert trace.mode is not None
        if len(self.done.hunks) > first or trace.target == "":
            trace.target = self.writer.blob(join_lines(trace.lines))
        tree[trace.path] = (trace.mode, trace.target)
        if trace.before is not None:
            trace.after = trace.lines
        if not any(self.remaining[tail] > 0 for tail in tails(trace.path)):
            trace.lines = None
        return [*out, modify(trace.mode, trace.target, trace.path)]

    def _finish(self) -> None:
        for trace in self.done.traces:
            trace.lines = None
            at = 0
            for length, start in trace.runs:
                if start < 0:
                    self.done.authored[-1 - start].ranges.append((at, at + length))
                at += length


def change_words(changes: Iterable[Change]) -> Iterator[bytes]:
    """The text of changes, for an id."""
    for change in changes:
        yield b"\n".join(b"-" + line for line in change.removed)
        yield b"\n".join(b"+" + line for line in change.added)


def show(path: bytes) -> str:
    """A path for a message."""
    return path.decode("utf-8", "backslashreplace")


def does_not_apply(name: str, path: bytes, number: int, line: int) -> MetadiffError:
    """The error for a hunk without a place."""
    return MetadiffError(
        f"{name}: {show(path)}: hunk {number} (line {line} of the patch) does not apply",
        "is the patch meant for another release? --partial leaves out the hunks that do not apply",
    )


def subject_of(message: bytes) -> str | None:
    """The subject of a patch from its header text: a `Subject:` or DEP-3 `Description:` field, else its first line."""
    lines = message.decode("utf-8", "replace").splitlines()
    for at, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if colon and key.lower() in ("subject", "description"):
            words = value.strip()
            follow = at + 1
            while key.lower() == "subject" and follow < len(lines) and lines[follow][:1] in (" ", "\t"):
                words += " " + lines[follow].strip()
                follow += 1
            return words or None
    first = next((line.strip() for line in lines if line.strip()), "")
    return first if first and not first.startswith(("diff ", "Index:", "===", "From ", "#")) else None


def name_tails(patch: FilePatch) -> Iterator[bytes]:
    """Last parts of the names of a file patch: enough to know whether a later patch may touch a file again."""
    for name in (patch.old_name, patch.new_name):
        if name is not None:
            yield name.rsplit(b"/", 1)[-1]


def tails(path: bytes) -> Iterator[bytes]:
    """The last part of a path, as `name_tails` counts them."""
    yield path.rsplit(b"/", 1)[-1]


def check_path(path: bytes, name: str, line: int) -> None:
    """Refuse a path that leaves the tree or enters a repository's own folder."""
    parts = path.split(b"/")
    if path.startswith(b"/") or any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts):
        raise MetadiffError(
            f"{name}:{line}: unsafe path {show(path)}", "look at the patch; give the level with --strip N"
        )


def names_at(patch: FilePatch, level: int) -> tuple[bytes | None, bytes | None]:
    """The two names stripped by `level`; names from rename lines carry no prefix, so they lose one level less."""
    depth = max(level - 1, 0) if patch.bare_names else level
    return strip_name(patch.old_name, depth), strip_name(patch.new_name, depth)


def names_agree(patch: FilePatch, level: int) -> bool:
    """Whether both header names are the same file at this level (or one is /dev/null, or the patch renames)."""
    old, new = names_at(patch, level)
    return old == new or patch.old_name is None or patch.new_name is None or patch.renames or patch.copies


def found_all(files: list[FilePatch], level: int, tree: Container[bytes]) -> bool:
    """Whether every file that must exist does at this level."""
    made: set[bytes] = set()
    for patch in files:
        names = [name for name in names_at(patch, level) if name is not None]
        if patch.stub:
            continue
        if not names or (must_exist(patch) and not any(name in tree or name in made for name in names)):
            return False
        made.update(names)
    return True


def must_exist(patch: FilePatch) -> bool:
    """Whether a patch only makes sense for a file that is there."""
    if patch.creates is None:
        return not patch.deletes and bool(patch.hunks) and patch.hunks[0].old_lines > 0
    return not patch.creates


def resolve_names(
    patch: FilePatch, level: int, tree: Mapping[bytes, object], files: list[FilePatch], earlier: list[Target]
) -> Target | None:
    """The file patch with its names as paths of the tree; None if it names nothing."""
    old, new = names_at(patch, level)
    if patch.creates:
        path = new if new is not None else old
        return Target(patch, None if not patch.copies else old, path) if path is not None else None
    if patch.renames or patch.copies:
        return Target(patch, old, new) if old is not None and new is not None else None
    made = {target.new for target in earlier} if len(earlier) < 64 else {target.new for target in earlier[-64:]}
    known = [name for name in (old, new) if name is not None and (name in tree or name in made)]
    candidates = known or [name for name in (old, new) if name is not None]
    if not candidates:
        return None
    path = min(candidates, key=len)
    if patch.deletes:
        return Target(patch, path, None)
    creates = patch.creates is None and not known
    return Target(patch, None if creates else path, path)
