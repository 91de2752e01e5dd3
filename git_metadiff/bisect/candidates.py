"""What can be guilty: hunks of three pools, in groups of one side, file and function.

*upstream*: what changed between the two releases, in files that the patch or the trace meets, or that were asked for.
*downstream*: what is in the interdiff. *standing*: hunks of the newer patchset that are kept or refreshed, in a
collision or in a file of the trace. Every hunk is in one group. A chain of several releases is looked at in its
last step: that is where what worked became what fails.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from git_metadiff.git import CatFile, Git
from git_metadiff.hunks import RawHunk, Scanner
from git_metadiff.interdiff import bare
from git_metadiff.model import Collision, Comparison, Hunk, Transition, Verdict, worst
from git_metadiff.sections import HEAD, Sections, short_name
from git_metadiff.trace import canonical

Side = Literal["upstream", "downstream", "standing"]
Wanted = Callable[[bytes], bool]
Located = tuple[Side, bytes, "Piece"]
LocatedHunk = tuple[Side, bytes, "Piece", Hunk]

#: Origins of hunks that are not in the interdiff.
STANDING = ("kept", "refreshed")
#: Fates of hunks of the older patchset that are in the interdiff, being in no hunk of the newer one.
LOST = ("dropped", "orphaned", "ambiguous", "absorbed")
#: More bytes of paths are not passed on: the system limits what one process is told.
MANY_BYTES = 1 << 19
#: Files that say how others are compiled. What git takes for a section there is a variable.
BUILD_FILES = (b"Makefile", b"Kbuild")
SYMBOL = re.compile(rb"\bCONFIG_\w+")
OWN_FLAGS = re.compile(rb"^\s*CFLAGS_(?!REMOVE_)([\w.-]+\.o)\s*[:+?]?=", re.MULTILINE)
WORD = re.compile(rb"[A-Za-z_]\w{2,}")
CALL = re.compile(rb"\b([A-Za-z_]\w{2,})\s*\(")
NO_CALLS = frozenset((b"sizeof", b"while", b"switch", b"return", b"for", b"defined", b"typeof", b"__attribute__"))


@dataclass(frozen=True)
class Piece:
    """One hunk, as far as suspicion looks at it."""

    id: str  # of a hunk, or `upstream:<transition>:<path>:<old start>`
    sections: tuple[str, ...]  # the functions (or other sections) in which it changes a line; none: file scope
    created: frozenset[str]  # functions that it defines and that were not there
    removed: tuple[bytes, ...]  # lines without their prefix
    added: tuple[bytes, ...]
    verdict: Verdict | None = None  # of a hunk of a patchset
    new_file: bool = False

    @cached_property
    def words(self) -> frozenset[bytes]:
        """The identifiers in its changed lines."""
        return frozenset(WORD.findall(b"\n".join((*self.removed, *self.added))))

    @cached_property
    def new_calls(self) -> frozenset[bytes]:
        """What its added lines call and its removed lines do not."""
        added, removed = (set(CALL.findall(b"\n".join(lines))) for lines in (self.added, self.removed))
        return frozenset(added - removed - NO_CALLS)


@dataclass(frozen=True)
class Candidate:
    """Hunks of one side in one function of one file."""

    side: Side
    path: bytes  # in the newer release, or with its patchset
    section: str | None  # None: file scope
    pieces: tuple[Piece, ...]
    meetings: tuple[Collision, ...] = ()  # the collisions of which one of its hunks is a part

    @property
    def hunks(self) -> tuple[str, ...]:
        """The ids of its hunks."""
        return tuple(piece.id for piece in self.pieces)

    @property
    def size(self) -> int:
        """How many lines it adds and removes."""
        return sum(len(piece.added) + len(piece.removed) for piece in self.pieces)


@dataclass(frozen=True)
class Facts:
    """The candidates, and what was read of the newer release to judge them."""

    candidates: tuple[Candidate, ...]
    #: functions of the trace, canonical -> the files that define them, as far as one of the sides touches these files
    homes: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    #: files of the trace -> the CONFIG_ symbols that they name
    symbols: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    #: functions of the trace -> the functions that their text in the newer release calls by name, canonical both
    callees: dict[str, frozenset[str]] = field(default_factory=dict)
    #: Makefiles beside new functions within reach -> the objects that have compiler flags of their own
    flagged: dict[bytes, frozenset[bytes]] = field(default_factory=dict)

    @cached_property
    def standing(self) -> frozenset[str]:
        """The ids of all standing hunks."""
        return frozenset(name for one in self.candidates if one.side == "standing" for name in one.hunks)

    def stands(self, collision: Collision) -> bool:
        """Whether a standing hunk takes part in a collision."""
        return not self.standing.isdisjoint(collision.hunks)


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that upstream changed."""

    old: bytes  # its name in the older release (the new one, if it is new there)
    new: bytes  # its name in the newer release (the old one, if it is gone)
    oid: str  # its content in the newer release; zeros if it is gone


def gather(
    comparison: Comparison, git: Git, wanted: Wanted, *, limited: bool = False, traced: Collection[str] = ()
) -> Facts:
    """The candidates of the last transition in files that are `wanted`.

    `limited` says that the user asked for these files: then all that upstream did to them counts. `traced` are the
    functions of a trace, in the form of `canonical`.
    """
    transition = comparison.transitions[-1]
    collisions = [one for one in transition.collisions if wanted(one.path) or _reaches(one, comparison, wanted)]
    reading = _Reading(comparison, transition, git, frozenset(traced))
    upstream = reading.upstream(wanted, limited, collisions)
    running = frozenset(path for path in reading.files if reading.defined(path))
    downstream = _downstream_pieces(comparison, transition, collisions, reading.traced, running)
    inside = [(side, path, piece) for side, path, piece, hunk in downstream if is_wanted(hunk, wanted)]
    homes = _homes(reading, [(side, path, piece) for side, path, piece, _ in downstream])
    return Facts(
        tuple(_grouped([*upstream, *inside], collisions, reading.traced)),
        homes,
        {path: frozenset(SYMBOL.findall(reading.text(path))) for paths in homes.values() for path in paths},
        callees_in([reading.text(path) for path in sorted({path for paths in homes.values() for path in paths})]),
        reading.flags(collisions),
    )


def _reaches(collision: Collision, comparison: Comparison, wanted: Wanted) -> bool:
    """Whether hunks inside the limits reach a new function outside of them, which is then named as a partner."""
    if collision.definition is None:
        return False
    names = set(collision.hunks)
    return any(hunk.id in names and wanted(hunk.path) for hunk in comparison.patchsets[-1].hunks)


class _Reading:
    """The two releases of a transition, read in few calls of git."""

    def __init__(self, comparison: Comparison, transition: Transition, git: Git, traced: frozenset[str]) -> None:
        releases = comparison.releases
        self.at = comparison.transitions.index(transition)
        self.old, self.new = (releases[min(at, len(releases) - 1)].tree for at in (transition.start, transition.stop))
        self.git = git
        self.traced = traced
        self._needles = sorted({word for name in traced for word in needles(name)})
        self._defined: dict[bytes, set[str]] = {}
        patchsets = comparison.patchsets[transition.start : transition.stop + 1]
        self.patched = {
            path for one in patchsets for hunk in one.hunks for path in (hunk.path, hunk.old_path) if path is not None
        }
        self._texts: dict[bytes, list[bytes]] = {}
        self.sections = Sections(lambda _side, path: self._texts.get(path, []))

    def upstream(self, wanted: Wanted, limited: bool, collisions: Sequence[Collision]) -> list[Located]:
        """Upstream's hunks in the files that count; afterwards the files of the trace are read too."""
        changed = changed_files(self.git, self.old, self.new) if self.old != self.new else []
        met = self.patched | {one.path for one in collisions}
        met |= {path for one in collisions for path in map(path_of, one.upstream) if path is not None}
        inside = [one for one in changed if wanted(one.new) or wanted(one.old)]
        due = [one for one in inside if limited or not met.isdisjoint((one.old, one.new))]
        known = {one.new for one in due}
        self._read([(one.new, one.oid) for one in changed if self.traced or one.new in known], known)
        if self.traced:
            self._read_listed(sorted(self.patched - {one.new for one in changed}), ())
            if not any(map(self.defined, self.files)):
                self._read_unchanged()
        running = {path for path in self.files if self.defined(path)}
        running |= {posixpath.join(posixpath.dirname(path), name) for path in running for name in BUILD_FILES}
        due += [one for one in inside if one.new in running - known]
        return [("upstream", path, piece) for path, piece in self._pieces(due)]

    def _read_unchanged(self) -> None:
        """Read files that no side touched: they still say where the stack was."""
        names = [argument for word in self._needles for argument in ("-e", word)]
        found = self.git.try_run("grep", "-l", "-z", "-w", "-F", *names, self.new)
        paths = sorted({record.partition(b":")[2] for record in found.out.split(b"\0") if record})
        if sum(map(len, paths)) < MANY_BYTES:
            self._read_listed(paths, set(paths))

    def _read_listed(self, paths: Sequence[bytes], keep: Collection[bytes]) -> None:
        """Read files of the newer release by their names, as `_read` does; those that are not there are passed over."""
        if not paths:
            return
        limits = paths if sum(map(len, paths)) < MANY_BYTES else ()
        listed = self.git.run("ls-tree", "-r", "-z", self.new, "--", *limits).split(b"\0")
        entries = [record.split(b"\t", 1) for record in listed if record]
        chosen = set(paths)
        blobs = [(path, meta.split()) for meta, path in entries if path in chosen]
        self._read([(path, meta[2].decode()) for path, meta in blobs if meta[1] == b"blob"], keep)

    def _read(self, files: Iterable[tuple[bytes, str]], keep: Collection[bytes]) -> None:
        """Read files by their object ids (zeros: it is gone), to keep these and what may define a function of the
        trace. To read all that changed takes git half the time of a search in them."""
        alive = [(path, oid) for path, oid in files if oid.strip("0")]
        with CatFile(self.git) as objects:
            for (path, _), data in zip(alive, objects.read_many([oid for _, oid in alive]), strict=True):
                if path in keep or any(word in data for word in self._needles):
                    self._texts[path] = data.split(b"\n")

    def text(self, path: bytes) -> bytes:
        """The content of a file of the newer release that was read, else nothing."""
        return b"\n".join(self._texts.get(path, []))

    def defined(self, path: bytes) -> set[str]:
        """The functions of the trace that a file which was read defines."""
        if path not in self._defined:
            text = self.text(path)
            is_named = any(word in text for word in self._needles)
            names = {canonical(name) for name in opened(self._texts[path])} if is_named else set()
            self._defined[path] = names & self.traced
        return self._defined[path]

    @property
    def files(self) -> list[bytes]:
        """The files of the newer release that were read."""
        return sorted(self._texts)

    def _pieces(self, files: Sequence[Changed]) -> Iterator[tuple[bytes, Piece]]:
        paths = sorted({path for one in files for path in (one.old, one.new)})
        if not paths:
            return
        limits = paths if sum(map(len, paths)) < MANY_BYTES else ()
        form = ("-r", "-M", "-l0", "-p", "-U0", "--diff-algorithm=histogram", "--full-index")
        text = self.git.run("diff-tree", *form, self.old, self.new, "--", *limits)
        chosen = set(paths)
        for patch in Scanner(text, "upstream").scan():
            old = None if patch.creates else bare(patch.old_name, patch)
            new = None if patch.deletes else bare(patch.new_name, patch)
            path = (new if new is not None else old) or b""
            if path in chosen:
                for hunk in patch.hunks:
                    yield path, self._piece(hunk, old or path, path, bool(patch.creates))

    def _piece(self, hunk: RawHunk, old: bytes, path: bytes, new_file: bool) -> Piece:
        removed = tuple(text[1:] for text in hunk.body if text[:1] == b"-")
        added = tuple(text[1:] for text in hunk.body if text[:1] == b"+")
        before, after = opened(removed), opened(added)
        start = hunk.new_start - (hunk.new_lines > 0)
        names = self.sections.names("new", path, start, start + hunk.new_lines) if path in self._texts else set()
        names = set() if is_build_file(path) else names | set(before)
        name = f"upstream:{self.at}:{old.decode('utf-8', 'surrogateescape')}:{hunk.old_start}"
        found = tuple(sorted(one for one in names if one is not None))
        return Piece(name, found, frozenset(after) - frozenset(before), removed, added, new_file=new_file)

    def flags(self, collisions: Sequence[Collision]) -> dict[bytes, frozenset[bytes]]:
        """The objects with flags of their own, by the Makefile beside each new function within reach."""
        paths = {posixpath.join(posixpath.dirname(one.path), b"Makefile") for one in collisions if one.definition}
        found = {}
        listed = self.git.run("ls-tree", "-z", self.new, "--", *sorted(paths)) if paths else b""
        entries = [record.split(b"\t", 1) for record in listed.split(b"\0") if record]
        with CatFile(self.git) as objects:
            ids = [meta.split()[2].decode() for meta, _ in entries]
            for (_, path), data in zip(entries, objects.read_many(ids), strict=True):
                found[path] = frozenset(OWN_FLAGS.findall(data))
        return found


def is_build_file(path: bytes) -> bool:
    """Whether a file says how others are compiled."""
    return posixpath.basename(path) in BUILD_FILES


def changed_files(git: Git, old: str, new: str) -> list[Changed]:
    """The files that differ between two trees, renames followed."""
    fields = iter(git.run("diff-tree", "-r", "-M", "-l0", "--raw", "-z", old, new).split(b"\0"))
    found = []
    for meta in fields:
        if meta:
            _, mode, _, oid, status = meta.decode("ascii").split(" ")
            path = next(fields)
            target = next(fields) if status[0] in "RC" else path
            if mode != "160000":  # a submodule has no text
                found.append(Changed(path, target, oid))
    return found


def path_of(name: str) -> bytes | None:
    """The path in the id of an upstream hunk."""
    parts = name.split(":", 2)
    return parts[2].rpartition(":")[0].encode("utf-8", "surrogateescape") if len(parts) == 3 else None


def opened(lines: Iterable[bytes]) -> list[str]:
    """The functions that some lines open: at the margin, with a bracket, and no prototype."""
    heads = (line for line in lines if b"(" in line and HEAD.match(line) and not line.rstrip().endswith((b";", b"\\")))
    return [short_name(line) for line in heads]


def needles(name: str) -> list[bytes]:
    """The words of which a file that defines a function of the trace holds one; no source spells a system call out."""
    plain = name.encode("latin-1")
    if not name.startswith(("sys_", "compat_sys_")):
        return [plain]
    return [plain, *(b"%sSYSCALL_DEFINE%d" % (compat, count) for compat in (b"", b"COMPAT_") for count in range(7))]


def callees_in(texts: Iterable[bytes]) -> dict[str, frozenset[str]]:
    """What each function that some files define calls by name; names are canonical."""
    found: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        current = None
        for line in text.split(b"\n"):
            opens = opened([line])
            if opens:
                current = canonical(opens[0])
            elif current is not None:
                found[current].update(canonical(call.decode("latin-1")) for call in CALL.findall(line))
            if line[:1] == b"}":
                current = None
    return {name: frozenset(calls) for name, calls in found.items()}


def _downstream_pieces(
    comparison: Comparison,
    transition: Transition,
    collisions: Sequence[Collision],
    traced: frozenset[str],
    running: frozenset[bytes],
) -> list[LocatedHunk]:
    """Hunks of the newer patchset, changed or standing where they are met or in files of the trace (`running`), and
    those of the older one that are lost."""
    met = {name for one in collisions for name in one.hunks}
    found: list[LocatedHunk] = []
    for hunk in comparison.patchsets[transition.stop].hunks if transition.stop < len(comparison.patchsets) else ():
        verdicts = comparison.origins.get(hunk.id, ())
        if not verdicts:
            continue
        piece = piece_of(hunk, worst(verdicts))
        if worst(verdicts).word not in STANDING:
            found.append(("downstream", hunk.path, piece, hunk))
        elif hunk.id in met or hunk.path in running or not traced.isdisjoint(map(canonical, piece.sections)):
            found.append(("standing", hunk.path, piece, hunk))
    shown = {name for one in transition.interdiff_hunks for name in one.hunks}
    for hunk in comparison.patchsets[transition.start].hunks:
        verdicts = comparison.fates.get(hunk.id, ())
        if hunk.id in shown and verdicts and worst(verdicts).word in LOST:
            found.append(("downstream", hunk.path, piece_of(hunk, worst(verdicts)), hunk))
    return found


def is_wanted(hunk: Hunk, wanted: Wanted) -> bool:
    """Whether the limits let a hunk pass, under either of its names."""
    return wanted(hunk.path) or (hunk.old_path is not None and wanted(hunk.old_path))


def piece_of(hunk: Hunk, verdict: Verdict) -> Piece:
    """A hunk of a patchset; its functions are told from its own text."""
    removed = tuple(text for change in hunk.changes for text in change.removed)
    added = tuple(text for change in hunk.changes for text in change.added)
    created = frozenset(opened(added)) - frozenset(opened(removed))
    new_file = hunk.kind == "text" and hunk.old_start == hunk.old_lines == 0
    sections = () if is_build_file(hunk.path) else sections_in(hunk.section, hunk.body)
    return Piece(hunk.id, sections, created, removed, added, verdict, new_file)


def sections_in(section: bytes, body: Sequence[bytes]) -> tuple[str, ...]:
    """The functions in which a hunk changes a line, in order. git's `@@` text names the one before its first line."""
    head = section.rstrip()
    current = short_name(head) if head and not head.endswith(b";") and HEAD.match(head) else None
    found: dict[str, None] = {}
    for text in body:
        content = text[1:]
        opens = opened([content])
        current = opens[0] if opens else current
        if text[:1] in (b"+", b"-") and current is not None:
            found[current] = None
        if content[:1] == b"}":
            current = None
    return tuple(found)


def _grouped(pieces: Iterable[Located], collisions: Sequence[Collision], traced: frozenset[str]) -> list[Candidate]:
    """The pieces by side, file and function, with the collisions in which they meet."""
    meetings: dict[str, list[Collision]] = defaultdict(list)
    for collision in collisions:
        for name in (*collision.upstream, *collision.hunks):
            meetings[name].append(collision)
    groups: dict[tuple[Side, bytes, str | None], list[Piece]] = defaultdict(list)
    for side, path, told in pieces:
        piece = told if side == "upstream" else with_places(told, meetings[told.id])
        groups[side, path, home_section(piece, meetings[piece.id], traced)].append(piece)
    found = []
    for (side, path, section), mine in groups.items():
        met = {id(one): one for piece in mine for one in meetings[piece.id]}
        found.append(Candidate(side, path, section, tuple(mine), tuple(met.values())))
    return sorted(found, key=lambda one: (one.path, one.section or "", one.side))


def with_places(piece: Piece, meetings: Sequence[Collision]) -> Piece:
    """A hunk of a patch with the functions in which it meets upstream: those are read from the file, while git's `@@`
    text may name something else."""
    met = [one.section.decode("utf-8", "backslashreplace") for one in meetings if one.section and not one.definition]
    return replace(piece, sections=tuple(dict.fromkeys((*piece.sections, *sorted(met)))))


def home_section(piece: Piece, meetings: Sequence[Collision], traced: frozenset[str]) -> str | None:
    """The function under which a hunk is listed, of those that it reaches into: one of the trace, else one in which the
    sides meet, else the first. A new file that neither meets is listed as a file."""
    met = {(one.definition or one.section or b"").decode("utf-8", "backslashreplace") for one in meetings}
    for chosen in (
        [name for name in piece.sections if canonical(name) in traced],
        [name for name in piece.sections if name in met],
    ):
        if chosen:
            return chosen[0]
    return piece.sections[0] if piece.sections and not (piece.new_file and len(piece.sections) > 1) else None


def _homes(reading: _Reading, downstream: Sequence[Located]) -> dict[str, tuple[bytes, ...]]:
    """The files that define each function of the trace; where several do, those that define most of the trace."""
    where: dict[str, set[bytes]] = defaultdict(set)
    if not reading.traced:
        return {}
    for path in reading.files:
        for name in reading.defined(path):
            where[name].add(path)
    for _, path, piece in downstream:
        for name in {canonical(one) for one in piece.sections} & reading.traced:
            where[name].add(path)
    count = count_by_path(where)
    return {
        name: tuple(sorted(path for path in paths if count[path] == max(count[one] for one in paths)))
        for name, paths in sorted(where.items())
    }


def count_by_path(where: Mapping[str, Collection[bytes]]) -> dict[bytes, int]:
    """How many functions of the trace each file defines."""
    count: dict[bytes, int] = defaultdict(int)
    for paths in where.values():
        for path in paths:
            count[path] += 1
    return count
