"""How suspicious a candidate is: a prior to order by, never a filter.

Every piece of evidence is a row of WEIGHTS with its reason. Evidence adds up as independent doubt does: a score is
1 - (1 - w1)(1 - w2)..., so it stays below 1 and weak hints do not easily outweigh a strong one. Cuts are factors: they
say that a change can hardly do anything, and leave it in the list. The weights are judgement, held against
stories and against a benchmark (tests/bench/suspects.py); their order matters, not their third digit.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from git_metadiff.bisect.candidates import BUILD_FILES, STANDING, Candidate, Facts, Piece, path_of
from git_metadiff.model import Collision
from git_metadiff.trace import Trace, canonical


class Weight(NamedTuple):
    """How much a piece of evidence counts, and why."""

    value: float
    reason: str


WEIGHTS = {
    # The trace
    "frame": Weight(0.75, "it changes a function that was running; this is the strongest hint there is"),
    "new-frame": Weight(0.45, "a function of the stack that did not exist before cannot have worked before"),
    "calls-frame": Weight(0.4, "in a caller on the stack, it adds the very call that the stack shows"),
    "new-call-in-caller": Weight(0.25, "a caller was left by a call: a hunk there that adds one may have made it"),
    "names-frame": Weight(0.2, "its lines name a function of the stack: they call it, or hand it on"),
    "literal": Weight(0.2, "a register holds a number that its lines spell out"),
    "same-file": Weight(0.3, "state that a function relies on is mostly set up in its own file"),
    "same-folder": Weight(0.05, "the same, for the files of a subsystem"),
    # How a file is compiled
    "builds-frame": Weight(0.4, "the build file now treats the object of a file on the stack otherwise"),
    "flags-nearby": Weight(0.15, "compiler flags beside a file on the stack changed"),
    "config-nearby": Weight(0.15, "a configuration symbol that a file on the stack depends on changed"),
    "unflagged": Weight(0.3, "its callers need compiler flags of their own, and it is compiled without any"),
    # Upstream and downstream in one place
    "within-reach": Weight(0.5, "patched code now runs into code that did not exist when the patch was written"),
    "reaches": Weight(0.25, "it is the call that leads patched code into new code"),
    "meets-standing": Weight(0.25, "upstream moved under a hunk that nobody needed to look at"),
    "meets-changed": Weight(0.12, "both sides changed a function, but the author saw it"),
    "meets-outside": Weight(0.03, "both sides changed something outside functions of one file"),
    # What became of a hunk of the patch
    "misplaced": Weight(
        0.5, "it stands where upstream's line map does not lead: applied with fuzz, in the wrong place"
    ),
    "dropped": Weight(0.3, "something that the older patch did is not done any more"),
    "new": Weight(0.25, "it is the author's and was not there when things worked"),
    "edited": Weight(0.22, "the author changed it"),
    "ambiguous": Weight(0.2, "nobody can say what became of it, so it may be wrong"),
    "orphaned": Weight(0.15, "what it guarded was rewritten, and may need the guard still"),
    "forced": Weight(0.12, "the author had to adapt it to upstream, which is done by hand"),
    "moved": Weight(0.08, "it was carried elsewhere"),
    "absorbed": Weight(0.03, "upstream does it now, perhaps not quite the same"),
    # The change itself
    "size": Weight(0.1, "more lines hold more mistakes; in full from 200 lines on"),
}
#: Factors below 1.
CUTS = {
    "far": Weight(0.25, "there is a stack, and nothing of it is near this change"),
    "silent": Weight(0.3, "it changes nothing but comments and blank lines"),
    "no-code": Weight(0.3, "it is in a file of documentation"),
    "other-machine": Weight(0.3, "it is for another architecture than the files of the stack"),
    "data": Weight(0.5, "it only adds prototypes, includes or declarations"),
}
#: The evidence that a trace gives.
STACK = frozenset(
    ("frame", "calls-frame", "new-call-in-caller", "names-frame", "literal", "same-file", "same-folder")
) | {"builds-frame", "flags-nearby", "config-nearby"}
#: How much less each further frame of the stack says.
DECAY = 0.88
#: A frame that the kernel itself doubts.
DOUBT = 0.4
#: Several files define a function of that name, and another one fits the stack better.
ELSEWHERE = 0.35
FULL_SIZE = 200
#: A folder with more than one in so many of all candidates, and so many at least, is no subsystem: it is the project.
CROWDED = 3
LEAST_CROWD = 50
#: Smaller numbers are in every register.
LEAST_LITERAL = 0x1000

DOCUMENTATION = re.compile(rb"(?i)(?:^|/)documentation/|\.(?:txt|rst|md|html?)$|(?:^|/)(?:changelog|readme|news)[^/]*$")
ARCHITECTURE = re.compile(rb"(?:^|/)arch/([^/]+)/")
SILENT = re.compile(rb"\s*(?:/\*.*|\*(?:[\s/].*)?|//.*|\*/)?\s*", re.DOTALL)
DECLARES = re.compile(rb"\s*(?:#\s*include\b.*|(?:extern\s|struct\s+\w+;).*|[A-Za-z_][^{}=]*\)[^{}=]*;)?\s*", re.DOTALL)
LITERAL = re.compile(rb"\b0x([0-9a-fA-F]{4,16})[uUlL]*\b")
FLAGS = re.compile(rb"FLAGS|(?:^|\s)-[fmDW]\w")
CONFIG = re.compile(r"(?:menu)?config (\w+)")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to suspect a candidate, or not to."""

    code: str  # a key of WEIGHTS or of CUTS
    words: str
    share: float = 1.0  # how much of the weight counts, 0 to 1

    @property
    def value(self) -> float:
        """What it adds."""
        return WEIGHTS[self.code].value * self.share


@dataclass(frozen=True, slots=True)
class Suspect:
    """A candidate with its place in the order."""

    rank: int  # from 1
    candidate: Candidate
    partners: tuple[str, ...]  # ids of the hunks that it meets, the most suspicious first
    score: float  # 0 to 1
    why: tuple[str, ...]  # the evidence in words, the strongest first


class Scene:
    """The trace and what is known of its files."""

    def __init__(self, facts: Facts, trace: Trace | None) -> None:
        self.facts = facts
        self.trace = trace
        self.depths: dict[str, int] = {}  # canonical function -> its frame
        self.shares: dict[str, float] = {}
        self.callees: dict[str, str] = {}  # function -> the one that its call led to, as far as the stack is certain
        last: str | None = None
        certain = 0  # frames that the kernel doubts are no step on the way
        for frame in trace.frames if trace else ():
            name = canonical(frame.function)
            if name not in self.depths:
                self.depths[name] = frame.at
                self.shares[name] = DECAY**certain * (1 if frame.reliable else DOUBT)
                if last is not None:
                    self.callees[name] = last
            if frame.reliable:
                certain += 1
                last = name
        self.words = {name.encode("latin-1"): name for name in self.depths}
        self.files: dict[bytes, str] = {}  # file of the stack -> its function nearest to the fault
        for name in sorted(self.depths, key=lambda one: self.depths[one]):
            for path in facts.homes.get(name, ()):
                self.files.setdefault(path, name)
        self.folders: dict[bytes, str] = {}
        for path, name in self.files.items():
            self.folders.setdefault(posixpath.dirname(path), name)
        sizes = Counter(posixpath.dirname(one.path) for one in facts.candidates)
        most = max(LEAST_CROWD, len(facts.candidates) // CROWDED)
        self.crowded = {folder for folder, size in sizes.items() if size > most}
        found = (ARCHITECTURE.search(path) for path in self.files)
        self.machines = {match[1] for match in found if match}
        self.numbers = {value: name for name, value in (trace.registers if trace else {}).items()}

    def nearness(self, name: str) -> float:
        """How much a function of the stack says: 1 at the fault, less for each frame above it."""
        return self.shares[name]

    def spells_out(self, name: str) -> bool:
        """Whether the newer release has the very call by which a function was left: then no added call made it."""
        return self.callees.get(name) in self.facts.callees.get(name, frozenset())

    def told(self, name: str) -> str:
        """`frame 2 of the trace`."""
        return f"frame {self.depths[name]} of the trace"


def rank(facts: Facts, trace: Trace | None = None) -> list[Suspect]:
    """All candidates, the most suspicious first; equal ones by path and function."""
    scene = Scene(facts, trace)
    scored = [(candidate, *judge(candidate, scene)) for candidate in facts.candidates]
    scored.sort(key=lambda one: (-one[1], one[0].path, one[0].section or "", one[0].side))
    place = {name: at for at, (candidate, _, _) in enumerate(scored) for name in candidate.hunks}
    near = {
        name
        for candidate in facts.candidates
        if candidate.section is not None and canonical(candidate.section) in scene.depths
        for name in candidate.hunks
    }
    return [
        Suspect(at, candidate, partners(candidate, place, near), score, why)
        for at, (candidate, score, why) in enumerate(scored, 1)
    ]


def partners(candidate: Candidate, place: Mapping[str, int], near: set[str]) -> tuple[str, ...]:
    """The other side's hunks in the collisions of a candidate, the most suspicious first.

    A new function is within reach of every hunk of the calling file; if some of them are in functions of the trace, it
    is those that are meant.
    """
    mine = set(candidate.hunks)
    found: dict[str, None] = {}
    for collision in candidate.meetings:
        others = collision.hunks if candidate.side == "upstream" else collision.upstream
        if collision.definition is not None:
            others = tuple(name for name in others if name in near) or others
        found.update((name, None) for name in others if name not in mine)
    last = len(place)
    return tuple(sorted(found, key=lambda name: (place.get(name, last), name)))


def judge(candidate: Candidate, scene: Scene) -> tuple[float, tuple[str, ...]]:
    """The score of a candidate, and why."""
    found = sorted(evidence(candidate, scene), key=lambda one: -one.value)
    innocence = math.prod(1 - one.value for one in found)
    cuts = list(excuses(candidate, scene))
    if scene.trace is not None and STACK.isdisjoint(one.code for one in found):
        cuts.append(Evidence("far", ""))
    score = (1 - innocence) * math.prod(CUTS[one.code].value for one in cuts)
    words = [one.words for one in (*found, *cuts) if one.words]
    return round(score, 4), tuple(dict.fromkeys(words))


def evidence(candidate: Candidate, scene: Scene) -> Iterator[Evidence]:
    """Everything that speaks against a candidate."""
    if scene.trace is not None:
        yield from on_the_stack(candidate, scene)
        yield from beside_the_stack(candidate, scene)
        yield from how_compiled(candidate, scene)
    yield from meeting(candidate, scene.facts)
    yield from became(candidate)
    size = min(1.0, math.log2(1 + candidate.size) / math.log2(1 + FULL_SIZE))
    yield Evidence("size", "", size)


def sections_of(candidate: Candidate) -> dict[str, str]:
    """Canonical name -> name, of all functions that a candidate's hunks reach into."""
    return {canonical(name): name for piece in candidate.pieces for name in piece.sections}


def on_the_stack(candidate: Candidate, scene: Scene) -> Iterator[Evidence]:
    """Changes to functions of the trace, and lines that name one."""
    mine = sections_of(candidate)
    running = sorted(mine.keys() & scene.depths.keys(), key=lambda name: scene.depths[name])
    for name in running[:1]:
        homes = scene.facts.homes.get(name, ())
        here = 1.0 if not homes or candidate.path in homes else ELSEWHERE
        share = scene.nearness(name) * here
        yield Evidence("frame", f"{scene.told(name)} ({mine[name]})", share)
        if candidate.side != "standing" and any(name in map(canonical, piece.created) for piece in candidate.pieces):
            yield Evidence("new-frame", f"{mine[name]} is new", share)
        yield from calls_on_the_stack(candidate, scene, name, share)
    words = {word for piece in candidate.pieces for word in piece.words}
    named = [name for word, name in scene.words.items() if word in words and name not in mine]
    for name in sorted(named, key=lambda one: scene.depths[one])[:1]:
        yield Evidence("names-frame", f"its lines name {name}, {scene.told(name)}", scene.nearness(name))
    yield from literals(candidate, scene)


def calls_on_the_stack(candidate: Candidate, scene: Scene, name: str, share: float) -> Iterator[Evidence]:
    """Calls that a hunk adds in a function that was left by a call."""
    depth = scene.depths[name]
    calls = {call for piece in candidate.pieces for call in piece.new_calls}
    below = [other for word, other in scene.words.items() if word in calls and scene.depths[other] == depth - 1]
    if below:
        yield Evidence("calls-frame", f"adds the call of {below[0]}, {scene.told(below[0])}", share)
    elif depth > 0 and calls and not scene.spells_out(name):
        yield Evidence("new-call-in-caller", f"adds a call in {name}, which was left by one", share)


def literals(candidate: Candidate, scene: Scene) -> Iterator[Evidence]:
    """Numbers that a register holds and a hunk spells out."""
    if not scene.numbers:
        return
    lines = b"\n".join(text for piece in candidate.pieces for text in (*piece.added, *piece.removed))
    for digits in LITERAL.findall(lines):
        value = int(digits, 16)
        if value >= LEAST_LITERAL and value in scene.numbers:
            yield Evidence("literal", f"{scene.numbers[value]} holds {value:#x}, which its lines spell out")
            return


def beside_the_stack(candidate: Candidate, scene: Scene) -> Iterator[Evidence]:
    """Changes in files and folders of functions of the trace."""
    running = sections_of(candidate).keys() & scene.depths.keys()
    if any(candidate.path in scene.facts.homes.get(name, ()) for name in running):
        return
    if candidate.path in scene.files:
        name = scene.files[candidate.path]
        yield Evidence("same-file", f"in the file of {name}, {scene.told(name)}", scene.nearness(name))
        return
    folder = posixpath.dirname(candidate.path)
    if folder in scene.folders and folder not in scene.crowded:
        name = scene.folders[folder]
        yield Evidence("same-folder", f"in the folder of {name}, {scene.told(name)}", scene.nearness(name))


def how_compiled(candidate: Candidate, scene: Scene) -> Iterator[Evidence]:
    """Build files and configuration that decide how a file of the stack is compiled."""
    base, folder = posixpath.basename(candidate.path), posixpath.dirname(candidate.path)
    if base.startswith(b"Kconfig"):
        symbol = CONFIG.fullmatch(candidate.section or "")
        wanted = f"CONFIG_{symbol[1]}".encode() if symbol else b""
        for path in (path for path, symbols in scene.facts.symbols.items() if wanted in symbols):
            words = f"{readable(path)}, {scene.told(scene.files[path])}, depends on {wanted.decode()}"
            yield Evidence("config-nearby", words, scene.nearness(scene.files[path]))
            return
    if base not in BUILD_FILES:
        return
    lines = b"\n".join(text for piece in candidate.pieces for text in (*piece.added, *piece.removed))
    for path, name in scene.files.items():
        if posixpath.dirname(path) == folder and object_of(path) in lines:
            words = f"builds {readable(object_of(path))}, {scene.told(name)}, otherwise"
            yield Evidence("builds-frame", words, scene.nearness(name))
            return
    if folder in scene.folders and FLAGS.search(lines):
        name = scene.folders[folder]
        yield Evidence(
            "flags-nearby", f"changes compiler flags beside {name}, {scene.told(name)}", scene.nearness(name)
        )


def meeting(candidate: Candidate, facts: Facts) -> Iterator[Evidence]:
    """Where upstream and downstream meet; each kind of meeting counts once."""
    found: dict[str, Evidence] = {}
    for collision in candidate.meetings:
        for one in met(candidate, collision, facts):
            found.setdefault(one.code, one)
    if {"within-reach", "meets-standing"} & found.keys():
        found.pop("meets-changed", None)
    yield from found.values()


def met(candidate: Candidate, collision: Collision, facts: Facts) -> Iterator[Evidence]:
    """What one collision says of a candidate."""
    if collision.definition is not None:
        name = collision.definition.decode("utf-8", "backslashreplace")
        if candidate.side == "upstream" and candidate.path == collision.path:
            yield Evidence("within-reach", f"{name} is new, and patched code reaches it")
            yield from unflagged(candidate, collision, facts)
        elif candidate.side == "upstream":
            yield Evidence("reaches", f"leads patched code into {name}, which is new")
        else:
            # Every hunk of the calling file is a partner: being one says little.
            yield Evidence("reaches", f"{name}, new in upstream, is within its reach", 0.2)
    elif collision.section is None:
        yield Evidence("meets-outside", "upstream and downstream both changed this file outside functions")
    elif candidate.side == "standing" or (candidate.side == "upstream" and facts.stands(collision)):
        yield Evidence("meets-standing", STANDING_WORDS[candidate.side])
    else:
        yield Evidence("meets-changed", "both sides changed this function")


STANDING_WORDS = {
    "standing": "stands unchanged where upstream changed the function",
    "upstream": "changes a function in which a hunk of the patch stands unchanged",
}


def unflagged(candidate: Candidate, collision: Collision, facts: Facts) -> Iterator[Evidence]:
    """A new function whose callers' objects have compiler flags of their own, and its own has none."""
    folder = posixpath.dirname(candidate.path)
    makefile = posixpath.join(folder, b"Makefile")
    special = facts.flagged.get(makefile, frozenset())
    callers = {path for path in map(path_of, collision.upstream) if path is not None} - {candidate.path}
    objects = sorted({object_of(path) for path in callers if posixpath.dirname(path) == folder} & special)
    if objects and object_of(candidate.path) not in special:
        mine, theirs = readable(object_of(candidate.path)), readable(objects[0])
        yield Evidence("unflagged", f"{mine} is compiled without the flags that {readable(makefile)} gives {theirs}")


def became(candidate: Candidate) -> Iterator[Evidence]:
    """What became of the patch's hunks; the worst counts."""
    found = [one for piece in candidate.pieces for one in verdict_of(piece)]
    if found:
        yield max(found, key=lambda one: one.value)


def verdict_of(piece: Piece) -> Iterator[Evidence]:
    """What the verdict of a hunk says."""
    verdict = piece.verdict
    if verdict is None or (verdict.word in STANDING and verdict.reason != "misplaced"):
        return
    if verdict.reason == "misplaced":
        yield Evidence("misplaced", "stands where upstream's line map does not lead (misplaced)")
    elif verdict.cause == "upstream":
        yield Evidence("forced", f"{verdict.word}: adapted to upstream by hand")
    elif verdict.word in WEIGHTS:
        yield Evidence(verdict.word, BECAME.get(verdict.word, f"{verdict.word} by the author"))


BECAME = {
    "dropped": "dropped: the older patch had it, and it still had its place",
    "orphaned": "orphaned: the code that it changed is gone",
    "ambiguous": "ambiguous: several hunks fit equally",
    "absorbed": "absorbed: upstream holds its effect",
}


def excuses(candidate: Candidate, scene: Scene) -> Iterator[Evidence]:
    """What speaks for a candidate."""
    lines = [text for piece in candidate.pieces for text in (*piece.added, *piece.removed)]
    if lines and all(SILENT.fullmatch(text) for text in lines):
        yield Evidence("silent", "only comments and blank lines")
    elif lines and all(DECLARES.fullmatch(text) or SILENT.fullmatch(text) for text in lines) and not candidate.section:
        yield Evidence("data", "only declarations")
    if DOCUMENTATION.search(candidate.path):
        yield Evidence("no-code", "documentation")
    machine = ARCHITECTURE.search(candidate.path)
    if machine and scene.machines and machine[1] not in scene.machines:
        yield Evidence("other-machine", f"for {readable(machine[1])}, and the stack is not")


def object_of(path: bytes) -> bytes:
    """`pmu.o` of `arch/x86/xen/pmu.c`."""
    return posixpath.splitext(posixpath.basename(path))[0] + b".o"


def readable(path: bytes) -> str:
    """A path for people and JSON."""
    return path.decode("utf-8", "surrogateescape")
