"""A patchset is applied to a release: the tree D, the authored hunks, and which line of D belongs to whom.

Applying is done here and not by `git apply`, because three things must come out that git does not tell: where each hunk
really was applied, which hunk owns which line after a whole series, and which hunks are left when some do not fit.
The rules are git's; what git refuses is tried by GNU patch's rules of fuzz, and reported as such (see `locate`).
That the tree equals `git apply`'s wherever git applies is held by a test.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.errors import MetadiffError
from git_metadiff.git import CatFile, FastImport, delete, modify
from git_metadiff.hunks import NO_NEWLINE, FilePatch, RawHunk, Scanner, apply_delta, digest
from git_metadiff.lines import blob_id, join_lines, split_lines
from git_metadiff.locate import Found, Shift, locate
from git_metadiff.model import Hunk, Notice, Patch
from git_metadiff.repeats import Done, Key, Repeats, key_of
from git_metadiff.targets import Target, check_path, levels_for, parents, resolve, show
from git_metadiff.traces import Authored, FileTrace, Ledger

__all__ = ["Applied", "Applier", "Authored", "FileTrace", "PatchText", "subject_of"]

Tree = dict[bytes, tuple[str, str]]  # path -> (mode, object id or mark)

REGULAR, PROGRAM, LINK, SUBMODULE = "100644", "100755", "120000", "160000"
SUBMODULE_LINE = re.compile(rb"Subproject commit ([0-9a-f]{40}|[0-9a-f]{64})\n?")
ANOTHER = "is the patch meant for another release? --partial leaves out what does not apply"


@dataclass(frozen=True, slots=True)
class PatchText:
    """A patch as it was found, not yet read."""

    name: str
    data: bytes
    strip: int | None = None  # level from the series file or the command line; None: find out
    subject: str | None = None
    message: bytes = b""
    author: bytes | None = None
    lead: bytes = b""  # of a mail, its text as it was found up to its diff
    file: str = ""  # the file that it was found in, where that holds several


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
    counted: int = 0  # hunks that were left out (rejected), those of no lines among them


@dataclass(frozen=True, slots=True)
class Read:
    """A patch, read."""

    text: PatchText
    files: list[FilePatch]
    message: bytes
    notes: list[tuple[str, int, str]]
    zero: bool  # made without context


@dataclass(frozen=True, slots=True)
class Held:
    """A file as it was before a patch that copies or renames it and changes its name's content too."""

    trace: FileTrace
    mode: str
    lines: list[bytes]


@dataclass(slots=True)
class Step:
    """The patch that is being applied."""

    number: int
    name: str
    level: int
    partial: bool
    zero: bool = False  # made without context
    exact: bool = False  # another level is tried: every hunk must fit by git's rules
    leaving: set[bytes] = field(default_factory=set)  # names that the patch frees
    rewritten: set[bytes] = field(default_factory=set)  # names that get another content beside being renamed
    held: dict[bytes, Held] = field(default_factory=dict)
    touched: dict[bytes, bool] = field(default_factory=dict)  # names whose file changes: was there one?


class NextLevel(Exception):
    """A patch does not apply at the level tried, and there is another."""


class Applier:
    """Applies the patches of one patchset in order.

    `index` is the patchset's place among the patchsets; of the files in `keep` the lines before and after are kept.
    `repeats` is shared by the patchsets of one comparison.
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
        repeats: Repeats | None = None,
    ) -> None:
        self.repeats = repeats if repeats is not None else Repeats()
        self.base = base
        self.index = index
        self.objects = objects
        self.writer = writer
        self.partial = partial
        self.keep = keep
        self.tried: Counter[int] = Counter()  # levels that a patch, by number, did not apply at
        self._reset()

    def _reset(self) -> None:
        self.ledger = Ledger(self.index)
        self.done = Applied([], self.ledger.hunks, self.ledger.authored, [], [], dict(self.base), [])
        self.where: dict[bytes, FileTrace] = {}  # every touched file of the tree by its present name
        self.folders: set[bytes] | None = None  # folders of the tree, and some that were
        self.step = Step(0, "", 1, self.partial)

    def run(self, texts: Sequence[PatchText]) -> Applied:
        """Apply all; raise MetadiffError where one does not apply and `partial` is off."""
        patches = [read_patch(text) for text in texts]
        while True:
            try:
                return self._run(patches)
            except NextLevel:
                self.tried[self.step.number] += 1
                self._reset()

    def _run(self, patches: Sequence[Read]) -> Applied:
        #: How many sections to come may touch a file, by the last part of their names.
        self.remaining = Counter(tail for patch in patches for file in patch.files for tail in name_tails(file))
        self.single = self.remaining.copy()
        for number, patch in enumerate(patches):
            self._patch(number, patch)
        for trace in self.done.traces:
            trace.lines = None
        self.ledger.own_lines(self.done.traces)
        return self.done

    # A patch

    def _patch(self, number: int, patch: Read) -> None:
        text = patch.text
        message = text.message or patch.message
        self.done.patches.append(Patch(number, text.name, text.subject or subject_of(message), message, text.author))
        plan = [text.strip] if text.strip is not None else plan_levels(patch.files, self.done.tree)
        tried = self.tried[number]
        last = tried + 1 == len(plan)
        exact = tried > 0 and not last
        self.step = Step(number, text.name, plan[tried], self.partial and last, patch.zero, exact)
        try:
            self._tell_input(patch, plan, tried)
            self._sections(patch.files)
        except MetadiffError as error:
            if last:
                raise
            raise NextLevel from error

    def _tell_input(self, patch: Read, plan: list[int], tried: int) -> None:
        """Report what is odd about a patch as a text, and a level that nobody asked for."""
        name, level = self.step.name, self.step.level
        for kind, line, words in patch.notes:
            self._tell(kind, f"{name}:{line}: {words}")
        if level != 1 and patch.text.strip is None:
            why = "both header names agree there" if 1 in plan else "its files are there"
            why = "it does not apply with -p1" if 1 in plan[:tried] else f"{why}, and not with -p1"
            self._tell("strip", f"{name}: applied with -p{level}: {why}")

    def _sections(self, files: list[FilePatch]) -> None:
        targets = self._targets(files)
        self._hold(targets)
        contents = self._contents(targets)
        try:
            for target, content in contents:
                self._file(target, content)
        except MetadiffError:
            for _ in contents:  # what was asked for must be read, or the next answers would be taken for others
                pass
            raise
        self._check_folders()
        self.done.steps.append(self._lines())

    def _targets(self, files: list[FilePatch]) -> list[Target]:
        step = self.step
        targets = []
        for patch, target in zip(files, resolve(files, step.level, self.done.tree), strict=True):
            if target is None:
                raise MetadiffError(
                    f"{step.name}:{patch.line}: cannot tell which file this patches with -p{step.level}",
                    "give the level with --strip N",
                )
            if not patch.stub or patch.lineless:
                check_path(target.path, step.name, patch.line)
            if target.leaving and target.old is not None:
                step.leaving.add(target.old)
            if patch.rewrites and not target.from_other:
                step.rewritten.add(target.path)
            targets.append(target)
        return targets

    def _hold(self, targets: list[Target]) -> None:
        """Keep the sources of renames and copies that other sections touch: git takes them as they were before."""
        uses = Counter(name for target in targets for name in {target.old, target.new} if name is not None)
        for target in targets:
            name = target.old
            if target.from_other and name is not None and uses[name] > 1 and name in self.done.tree:
                mode, oid = self.done.tree[name]
                known = name in self.where or mode == SUBMODULE
                trace = self._current(name, b"" if known else self.objects.read(oid))
                assert trace.lines is not None
                self.step.held[name] = Held(trace, canonical(mode), list(trace.lines))

    def _contents(self, targets: list[Target]) -> Iterator[tuple[Target, bytes]]:
        """Each target with the content of its old file where that is not at hand; read in one batch."""
        tree, asked = self.done.tree, dict[bytes, Target]()
        for target in targets:
            old = target.old
            known = self._key(target) is not None and self._repeated(target) is not None
            if old in tree and old not in self.where and tree[old][0] != SUBMODULE and not known:
                asked.setdefault(old, target)
        contents = self.objects.read_many([tree[old][1] for old in asked])
        for target in targets:
            yield target, next(contents) if target.old and asked.get(target.old) is target else b""
        next(contents, None)

    def _check_folders(self) -> None:
        """Refuse a file in the place of a folder, or under a file, as git does."""
        tree = self.done.tree
        for path in [path for path, there in self.step.touched.items() if path in tree and not there]:
            if any(parent in tree for parent in parents(path)) or self._is_folder(path):
                raise MetadiffError(f"{self.step.name}: {show(path)}: a file and a folder of one name", ANOTHER)

    def _is_folder(self, path: bytes) -> bool:
        if self.folders is None:
            self.folders = folders_of(self.done.tree)
        self.folders.update(parents(path))
        return path in self.folders and any(other.startswith(path + b"/") for other in self.done.tree)

    def _lines(self) -> list[bytes]:
        """What the patch does to the tree, for fast-import: first what goes, then what comes."""
        tree, touched = self.done.tree, self.step.touched
        gone = [delete(path) for path in touched if path not in tree]
        return gone + [modify(*tree[path], path) for path in touched if path in tree]

    # A file of it

    def _file(self, target: Target, content: bytes) -> None:
        patch = target.patch
        self.remaining.subtract(name_tails(patch))
        if patch.stub:
            words = f"binary change of {show(target.path)} comes without its data and is left out"
            self._tell("stub", f"{self.step.name}:{patch.line}: {words}", target.path)
            if not patch.lineless:
                return
        problem = self._problem(target)
        if problem:
            self._refuse(target, f"{show(target.path)} {problem}")
            return
        known = self._repeated(target)
        if known is not None:
            self._repeat(target, known)
            return
        key, told = self._key(target), len(self.done.notices)
        trace = self._open(target, content)
        before, first = len(self.done.hunks), len(self.done.authored)
        if patch.lineless and not self._lineless(target, trace):
            return
        self._text_hunks(target, trace)
        self._settle(target, trace, changed=len(self.done.hunks) > before)
        if key is not None and told == len(self.done.notices) and len(self.done.authored) > first:
            self.repeats.remember(key, trace, self.done.hunks[before:], self.done.authored[first:])

    def _key(self, target: Target) -> Key | None:
        """What decides the result of a section, where it is all that this patchset does to a file."""
        old = target.old
        if old is None or old in self.where or old in self.keep or old not in self.done.tree:
            return None
        key = key_of(target, self.done.tree[old]) if self.single[tail_of(old)] == 1 else None
        return None if key is None else (*key, self.step.zero)

    def _repeated(self, target: Target) -> Done | None:
        key = self._key(target)
        return self.repeats.find(key) if key is not None else None

    def _repeat(self, target: Target, known: Done) -> None:
        """Do to a file what an earlier patchset did to the same content by the same hunks."""
        path = target.path
        trace = FileTrace(path, path, known.trace.mode, known.trace.target)
        self.ledger.repeat(self.step.number, target.patch.hunks, trace, known.trace, known.hunks, known.authored)
        self.where[path] = trace
        self.done.traces.append(trace)
        assert trace.mode is not None
        self.step.touched.setdefault(path, True)
        self.done.tree[path] = (trace.mode, trace.target)

    def _problem(self, target: Target) -> str:
        """Why a file cannot be patched at all, in words; empty if it can."""
        patch, old, new, tree = target.patch, target.old, target.new, self.done.tree
        if old is not None:
            held = self.step.held.get(old) if target.from_other else None
            if held is None and old not in tree:
                return "is not there in the release"
            mode = held.mode if held is not None else tree[old][0]
            told = [word for word in (patch.old_mode, new and patch.new_mode) if word]
            if any(file_type(word) != file_type(mode) for word in told):
                return "is of another type in the release: a file, a link or a submodule"
        if new is not None and new != old and new in tree and new not in self.step.leaving:
            return "already exists in the release"
        return ""

    def _refuse(self, target: Target, words: str) -> None:
        """A whole file cannot be patched: fatal, or left out."""
        step, patch = self.step, target.patch
        if not step.partial:
            raise MetadiffError(f"{step.name}:{patch.line}: {words}", ANOTHER)
        if patch.lineless:
            self._reject(target, patch.line, f"{words}: its change is left out")
        for order, hunk in enumerate(patch.hunks, 1):
            self._reject(target, hunk.line, f"{words}: hunk {order} is left out")

    def _reject(self, target: Target, line: int, words: str) -> None:
        self._tell("rejected", f"{self.step.name}:{line}: {words}", target.path)
        self.done.counted += 1

    def _tell(self, kind: str, text: str, path: bytes = b"") -> None:
        self.done.notices.append(Notice(kind, text, self.step.number, path))

    def _open(self, target: Target, content: bytes) -> FileTrace:
        """The trace of the file that a section works on: a new one if it makes or copies the file."""
        old, patch = target.old, target.patch
        if old is None:
            trace = FileTrace(target.path, None, REGULAR, lines=[])
        else:
            held = self.step.held.get(old) if target.from_other else None
            trace = held.trace if held is not None else self._current(old, content)
            stays = patch.copies or (patch.renames and old in self.step.rewritten)
            if not stays and trace.alive and trace.path == old:
                return trace
            mode, lines = (held.mode, held.lines) if held is not None else (trace.mode, trace.lines)
            assert lines is not None
            trace = FileTrace(target.path, None, mode, lines=list(lines))
            trace.runs = [(len(lines), -1 - len(self.done.authored))] if lines else []  # its hunk comes next
        self.done.traces.append(trace)
        return trace

    def _current(self, path: bytes, content: bytes) -> FileTrace:
        """The trace of a file of the tree; `content` is that of a file not touched so far."""
        trace = self.where.get(path)
        if trace is None:
            mode, oid = self.done.tree[path]
            lines = split_lines(content if mode != SUBMODULE else b"Subproject commit %s\n" % oid.encode())
            trace = FileTrace(path, path, canonical(mode), oid, [(len(lines), 0)] if lines else [], lines)
            trace.before = list(lines) if path in self.keep else None
            self.where[path] = trace
            self.done.traces.append(trace)
        return trace

    def _lineless(self, target: Target, trace: FileTrace) -> bool:
        """Record what a section does without lines, and do it to the content; False if that cannot be."""
        patch = target.patch
        lines = None
        if patch.binary is not None:
            content = self._binary(target, trace)
            if content is None:
                self._refuse(target, f"{show(target.path)}: the binary patch does not apply")
                return False
            lines = split_lines(content)
        kind, essence = essence_of(target)
        raw = RawHunk(patch.line, 0, 0, 0, 0, b"", ())
        self.ledger.record(self.step.number, target.path, other_name(target), raw, 0, kind=kind, essence=essence)
        self.ledger.replace(trace, lines)
        return True

    def _binary(self, target: Target, trace: FileTrace) -> bytes | None:
        """The new content of a binary file; None if the patch was made for another one."""
        patch = target.patch
        assert patch.binary is not None and trace.lines is not None
        old = join_lines(trace.lines)
        if not is_named(old, patch.old_oid):
            return None
        new = patch.binary.data if patch.binary.kind == "literal" else apply_delta(old, patch.binary.data)
        return new if new is not None and is_named(new, patch.new_oid) else None

    def _text_hunks(self, target: Target, trace: FileTrace) -> None:
        if not target.patch.hunks:
            return
        assert trace.lines is not None
        hunks, number, shift = target.patch.hunks, self.step.number, Shift()
        places = locate(trace.lines, hunks, zero=self.step.zero)
        for order, (raw, found) in enumerate(zip(hunks, places, strict=True), 1):
            if found is None or (self.step.exact and not found.by_git):
                self._no_place(target, order, raw.line)
                continue
            start = found.place + (raw.old_lines > 0)
            if found.fuzz or not found.by_git:
                self._tell_place(target, order, raw, found, start)
            hunk = self.ledger.record(number, target.path, other_name(target), raw, start, fuzz=found.fuzz)
            growth = self.ledger.edit(trace, hunk, found.place + shift.of(found.place))
            shift.add(found.end, growth)
            if found.cuts_end:
                trace.lines[-1] += NO_NEWLINE

    def _no_place(self, target: Target, order: int, line: int) -> None:
        name, path = self.step.name, show(target.path)
        if not self.step.partial:
            raise MetadiffError(
                f"{name}: {path}: hunk {order} (line {line} of the patch) does not apply",
                "is the patch meant for another release? --partial leaves out the hunks that do not apply",
            )
        self._reject(target, line, f"{path}: hunk {order} does not apply and is left out")

    def _tell_place(self, target: Target, order: int, raw: RawHunk, found: Found, start: int) -> None:
        """Report a hunk that stands where git would not put it."""
        how = f"with fuzz {found.fuzz}" if found.fuzz else "as patch does it, for git refuses it"
        offset = f" (offset {start - raw.old_start})" if start != raw.old_start else ""
        text = f"{self.step.name}:{raw.line}: {show(target.path)}: hunk {order} applied at line {start}{offset} {how}"
        self._tell("fuzz" if found.fuzz else "offset", text, target.path)

    # What becomes of the file

    def _settle(self, target: Target, trace: FileTrace, *, changed: bool) -> None:
        """Put the patched file into the tree."""
        assert trace.lines is not None
        if target.new is None and (not trace.lines or self._keep_rest(target, trace)):
            trace.mode = None
            self._leave(trace, trace.path)
            return
        if target.new is not None and target.new != trace.path:
            self._leave(trace, trace.path)
            trace.path = target.new
        if target.patch.new_mode and target.new is not None:
            trace.mode = canonical(target.patch.new_mode)
        assert trace.mode is not None
        if changed or not trace.target:
            trace.target = self._content(target, trace)
        self.where[trace.path] = trace
        self.step.touched.setdefault(trace.path, trace.path in self.done.tree)
        self.done.tree[trace.path] = (trace.mode, trace.target)
        trace.after = trace.lines if trace.before is not None else None
        if not self.remaining[tail_of(trace.path)]:
            trace.lines = None

    def _leave(self, trace: FileTrace, path: bytes) -> None:
        """Free the old name of a file, unless another has taken it already."""
        if self.where.get(path) is trace:
            del self.where[path]
            del self.done.tree[path]
            self.step.touched.setdefault(path, True)

    def _keep_rest(self, target: Target, trace: FileTrace) -> bool:
        """What a deleted file has more than the patch knows of is fatal, or else keeps the file there: False."""
        assert trace.lines is not None
        words = f"{show(target.path)}: the patch deletes the file, but {len(trace.lines)} of its lines are not in it"
        text = f"{self.step.name}:{target.patch.line}: {words}"
        if not self.step.partial:
            raise MetadiffError(text, ANOTHER)
        self._tell("rejected", f"{text}; it is kept with them", target.path)
        return False

    def _content(self, target: Target, trace: FileTrace) -> str:
        """Store the content of a file; its mark, or the id of the submodule's commit that it names."""
        assert trace.lines is not None
        content = join_lines(trace.lines)
        if trace.mode != SUBMODULE:
            return self.writer.blob(content)
        match = SUBMODULE_LINE.fullmatch(content)
        if match is None:
            raise MetadiffError(
                f"{self.step.name}:{target.patch.line}: {show(target.path)}: names no commit of the submodule",
                "a submodule's change has lines 'Subproject commit <id>'",
            )
        return match[1].decode()


def read_patch(text: PatchText) -> Read:
    """Find the sections of a patch."""
    scanner = Scanner(text.data, text.name)
    files = scanner.scan()
    if not files and text.data.strip():
        raise MetadiffError(
            f"{text.name}: there is no diff in this patch",
            "a series may hold an empty patch, but not one of text alone",
        )
    zero = not any(has_context(hunk) for file in files for hunk in file.hunks)
    return Read(text, files, scanner.message(), scanner.notes, zero)


def has_context(hunk: RawHunk) -> bool:
    """Whether a hunk begins or ends with context."""
    ends = hunk.body[-2:] if hunk.body[-1][:1] == b"\\" else hunk.body[-1:]
    return b" " in (hunk.body[0][:1], ends[0][:1])


def plan_levels(files: Sequence[FilePatch], tree: Container[bytes]) -> list[int]:
    """The levels to try in turn; where none of several will do, the first again, for what it says."""
    levels = levels_for(files, tree)
    return [*levels, levels[0]] if len(levels) > 1 else levels


def essence_of(target: Target) -> tuple[str, str]:
    """The kind of a hunk without lines, and what tells it from others: modes, names, digest of the content."""
    patch = target.patch
    kinds = [
        ("binary", patch.binary is not None),
        ("rename", patch.renames),
        ("copy", patch.copies),
        ("empty", not patch.hunks and bool(patch.creates or patch.deletes)),
    ]
    kind = next((word for word, holds in kinds if holds), "mode")
    old = target.old if target.from_other else b""
    payload = digest(patch.binary.data) if patch.binary else ""
    modes = f"{patch.old_mode}>{patch.new_mode}" if patch.new_mode and patch.old_mode != patch.new_mode else ""
    return kind, "|".join([kind, show(old or b""), modes, payload])


def other_name(target: Target) -> bytes | None:
    """The old name where it differs."""
    return target.old if target.old != target.path else None


def is_named(content: bytes, oid: bytes) -> bool:
    """Whether an id of an `index` line may name this content; an abbreviated or missing one tells nothing."""
    if len(oid) not in (40, 64):
        return True
    return blob_id(content, "sha1" if len(oid) == 40 else "sha256").encode() == oid if oid.strip(b"0") else not content


def file_type(mode: str) -> str:
    """What a mode is of: files of any permissions are alike."""
    return mode[:-3]


def canonical(mode: str) -> str:
    """A mode as git writes it today; old trees and patches hold others."""
    if file_type(mode) in ("120", "160"):
        return file_type(mode) + "000"
    return PROGRAM if mode[-3:-2] in "1357" else REGULAR


def folders_of(tree: Iterable[bytes]) -> set[bytes]:
    """All folders of a tree."""
    found: set[bytes] = set()
    for path in tree:
        for parent in parents(path):
            if parent in found:
                break
            found.add(parent)
    return found


def tail_of(path: bytes) -> bytes:
    """The last part of a path."""
    return path.rpartition(b"/")[2]


def name_tails(patch: FilePatch) -> set[bytes]:
    """Last parts of the names of a file patch: enough to know whether a later patch may touch a file again."""
    return {tail_of(name) for name in (patch.old_name, patch.new_name) if name is not None}


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
