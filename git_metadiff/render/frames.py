"""`--trace`: each frame of a stack with what upstream and downstream changed in that function."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from git_metadiff.model import Collision, Comparison, Hunk
from git_metadiff.render.canary import build_line, faults_in_canary
from git_metadiff.render.functions import function_of, sections_of_lines, title_of
from git_metadiff.render.gutter import guttered
from git_metadiff.render.labels import inked
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.paint import ink, line, plural, quoted, readable
from git_metadiff.render.sections import read_sections
from git_metadiff.render.view import Reader, View
from git_metadiff.trace import Frame, Trace, canonical

#: So many changed lines are shown a frame and side; `--all` shows all.
MOST_LINES = 12
#: A fate that a hunk of the earlier patchset is worth naming for, though the later one has no part of it.
GONE = ("dropped", "orphaned", "absorbed", "ambiguous")
#: So many hunks are named at a collision of which none is on the way of the stack.
MOST_MET = 4
#: What `canonical` puts before the name of a system call, and the macro that defines one in a source.
CALLS = ((b"compat_sys_", b"COMPAT_SYSCALL_DEFINE"), (b"sys_", b"SYSCALL_DEFINE"))
#: The numbers of arguments in the name of that macro.
ARITIES = range(7)


@dataclass(slots=True)
class Touch:
    """What one side changed in a function, in one file."""

    path: bytes
    lines: list[bytes] = field(default_factory=list)
    created: bool = False  # the function is new
    removed: bool = False
    hunk: Hunk | None = None  # the downstream hunk


Touches = dict[bytes, list[Touch]]


def trace(comparison: Comparison, frames: Trace | Sequence[Frame], view: View, reader: Reader) -> Iterator[bytes]:
    """The frames, the faulting one first, with the changes of both sides in each."""
    stack = frames if isinstance(frames, Trace) else Trace(tuple(frames))
    for lookup in lookups(comparison):
        yield from _transition(lookup, stack, view, reader)


def _transition(lookup: Lookup, stack: Trace, view: View, reader: Reader) -> Iterator[bytes]:
    names = {_name(frame) for frame in stack.frames}
    up, down = upstream_touches(lookup, names, view, reader), downstream_touches(lookup, names, view)
    repeated = f" ({stack.repeated} repeated, dropped)" if stack.repeated else ""
    met = sum(_name(frame) in up.keys() | down.keys() for frame in stack.frames)
    limit = f" in {view.limit_text}" if view.limit_text else ""
    told = f"{plural(len(stack.frames), 'frame')}{repeated}, {met} in functions that changed{limit}"
    yield line(f"{ink(view, 'meta', lookup.names())}   trace: {told}")
    width = max(len(_frame(frame)) for frame in stack.frames)
    for frame in stack.frames:
        mine = up.get(_name(frame), []), down.get(_name(frame), [])
        yield from _shown(lookup, f" {_frame(frame):<{width}}", *mine, view)
        if frame.at == 0:
            yield from _machine(lookup, stack, [touch.path for side in mine for touch in side], reader)
    yield from _met(lookup, names, view)


def _name(frame: Frame) -> bytes:
    """The function of a frame under one name for all that it is called: `SyS_open` is `sys_open`."""
    return _canonical(frame.function.encode("latin-1"))


def _canonical(name: bytes) -> bytes:
    return canonical(name.decode("latin-1")).encode("latin-1")


@lru_cache(maxsize=1024)
def _function(opener: bytes) -> bytes:
    """The function that a line opens, under the name of `_name`; a macro is one only if it defines a system call."""
    title = title_of(opener)
    name = _canonical(title)
    return function_of(opener) if name == title else name


def _changed_in(section: bytes, body: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, bool]]:
    """For each removed and added line of a hunk: its function, the line, and whether it opens the function."""
    for opener, text, opens in sections_of_lines(section, body):
        if text[:1] in (b"+", b"-"):
            yield _function(opener), text, opens


def _spellings(names: set[bytes]) -> list[bytes]:
    """What a text that has one of the functions `names` must hold: the name, or the macro that defines it."""
    found = sorted(names)
    for prefix, macro in CALLS:
        calls = [name.removeprefix(prefix) for name in sorted(names) if name.startswith(prefix)]
        found += [b"%b%d(%b" % (macro, number, call) for call in calls for number in ARITIES]
    return found


def _frame(frame: Frame) -> str:
    doubt = "" if frame.reliable else "? "
    offset = "" if frame.offset is None else f"+{frame.offset:#x}"
    module = f" [{frame.module}]" if frame.module else ""
    return f"#{frame.at} {doubt}{frame.function}{offset}{module}"


def _machine(lookup: Lookup, stack: Trace, paths: Sequence[bytes], reader: Reader) -> Iterator[bytes]:
    """What the machine code at the fault tells; `paths` are the files of its function."""
    canary = faults_in_canary(stack)
    if canary:
        base = stack.registers.get("gs_base")
        known = f"; gs base is {base:#x}" if base else "; gs base is 0" if base == 0 else ""
        yield line(f"      code {canary.hex(' ')}: reads the stack canary (%gs:0x28){known}")
        for path in dict.fromkeys(paths):
            yield from build_line(path, lookup.new.tree, reader)
    elif stack.faulting is not None:
        yield line(f"      code {stack.code[stack.faulting :][:16].hex(' ')}")


def _shown(lookup: Lookup, title: str, up: list[Touch], down: list[Touch], view: View) -> Iterator[bytes]:
    """A frame: who changed its function, in which file, how; the frame itself is named once."""
    if not up and not down:
        within = f" within {view.limit_text}" if view.limit_text else ""
        yield line(f"{title}  neither upstream nor downstream changed it{within}")
        return
    width = max(len(quoted(touch.path)) for touch in up + down)
    for touch in up:
        mark = ink(view, "upstream", "U")
        yield line(f"{title}  {quoted(touch.path):<{width}}  {mark}  {_what(touch, lookup.new_release.name)}")
        title = " " * len(title)
        if not touch.created:
            yield from _lines(touch, view, b"U")
    for touch in down:
        assert touch.hunk is not None
        owner = f"{inked(lookup.verdict(touch.hunk.id), view)}  {touch.hunk.id} ({lookup.title(touch.hunk.id)})"
        yield line(f"{title}  {quoted(touch.path):<{width}}  {ink(view, 'downstream', 'D')}  {owner}")
        title = " " * len(title)
        yield from _lines(touch, view, b"D")


def _what(touch: Touch, release: str) -> str:
    added = sum(text[:1] == b"+" for text in touch.lines)
    size = f"+{added} -{len(touch.lines) - added}"
    return f"new in {release} ({size})" if touch.created else f"gone from {release}" if touch.removed else size


def _lines(touch: Touch, view: View, mark: bytes) -> Iterator[bytes]:
    shown = touch.lines if view.everything else touch.lines[:MOST_LINES]
    yield from (b"     " + text for text in guttered(view, shown, 0, None, mark))
    if len(shown) < len(touch.lines):
        yield line(f"      ... and {plural(len(touch.lines) - len(shown), 'line')} more (--all shows them)")


def upstream_touches(lookup: Lookup, names: set[bytes], view: View, reader: Reader) -> Touches:
    """What upstream changed in the functions `names`, by function."""
    found: Touches = defaultdict(list)
    if lookup.same_release:
        return found
    text = reader.diff(lookup.old_release.tree, lookup.new_release.tree, 3, False, ())
    for file in read_sections(_naming(text, _spellings(names))):
        if not view.wanted(file.path):
            continue
        in_file: dict[bytes, Touch] = {}
        for hunk in file.hunks:
            for name, changed, opens in _changed_in(hunk.section, hunk.body):
                if name in names:
                    _take(in_file.setdefault(name, Touch(file.path)), changed, opens)
        for name, touch in in_file.items():
            found[name].append(touch)
    return found


def _take(touch: Touch, changed: bytes, opens: bool) -> None:
    if opens:
        # A definition that is both removed and added is only rewritten.
        is_new = changed[:1] == b"+"
        touch.created, touch.removed = (is_new and not touch.removed), (not is_new and not touch.created)
    touch.lines.append(changed)


def _naming(text: bytes, names: Sequence[bytes]) -> bytes:
    """The files of a diff (of whole releases: 100 MB are possible, so nothing is copied) that hold one of `names`."""
    kept, at = [], 0
    while at < len(text):
        end = text.find(b"\ndiff --git ", at)
        stop = end + 1 if end >= 0 else len(text)
        if any(text.find(name, at, stop) >= 0 for name in names):
            kept.append(text[at:stop])
        at = stop
    return b"".join(kept)


def downstream_touches(lookup: Lookup, names: set[bytes], view: View) -> Touches:
    """The hunks that change a line of the functions `names`: the later patchset's, and those that are gone from it."""
    found: Touches = defaultdict(list)
    old, new = lookup.sides(view)
    spellings = _spellings(names)
    for hunk in [*new, *(hunk for hunk in old if lookup.verdict(hunk.id).word in GONE)]:
        if not any(name in text for name in spellings for text in (hunk.section, *hunk.body)):
            continue
        touches: dict[bytes, Touch] = {}
        for name, changed, _ in _changed_in(hunk.section, hunk.body):
            if name in names:
                touches.setdefault(name, Touch(hunk.path, hunk=hunk)).lines.append(changed)
        for name, touch in touches.items():
            found[name].append(touch)
    return found


def _met(lookup: Lookup, names: set[bytes], view: View) -> Iterator[bytes]:
    """The collisions on the way of the stack; of a new definition, with the hunks that are on the way too."""
    mine = [one for one in lookup.collisions(view) if _called(one) & names]
    for collision in sorted(mine, key=lambda one: one.definition is None):
        met = [lookup.hunks[name] for name in collision.hunks if name in lookup.hunks]
        near = [hunk for hunk in met if any(name in names for name, _, _ in _changed_in(hunk.section, hunk.body))]
        told = dict.fromkeys(f"{_where(lookup, hunk)} ({lookup.word(hunk)})" for hunk in near or met[:MOST_MET])
        more = len(met) - len(near or met[:MOST_MET])
        rest = f" and {plural(more, 'hunk')} more" if more else ""
        where = f"{quoted(collision.path)} {readable(collision.section or b'file scope')}"
        yield line(f" collision  U {where}  x  D {', '.join(told)}{rest}   (--collisions shows it)")


def _called(collision: Collision) -> set[bytes]:
    """The functions that a collision is about."""
    return {_canonical(name) for name in (collision.section, collision.definition) if name is not None}


def _where(lookup: Lookup, hunk: Hunk) -> str:
    return lookup.function(hunk) or quoted(hunk.path)
