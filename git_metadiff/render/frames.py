"""`--trace`: each frame of a stack with what upstream and downstream changed in that function."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from git_metadiff.model import Comparison, Hunk
from git_metadiff.render.functions import changed_in, function_of
from git_metadiff.render.gutter import guttered
from git_metadiff.render.labels import inked
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.paint import ink, line, plural, quoted, readable
from git_metadiff.render.sections import read_sections
from git_metadiff.render.view import Reader, View
from git_metadiff.trace import Frame, Trace

#: So many changed lines are shown a frame and side; `--all` shows all.
MOST_LINES = 12
#: A fate that a hunk of the earlier patchset is worth naming for, though the later one has no part of it.
GONE = ("dropped", "orphaned", "absorbed", "ambiguous")
#: `mov %gs:0x28,%r..`: the stack protector reads the canary.
CANARY = re.compile(rb"\x65[\x48\x4c]\x8b[\x04\x0c\x14\x1c\x24\x2c\x34\x3c]\x25\x28\0\0\0", re.DOTALL)


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
    names = {frame.function.encode("latin-1") for frame in stack.frames}
    up, down = upstream_touches(lookup, names, view, reader), downstream_touches(lookup, names, view)
    repeated = f" ({stack.repeated} repeated, dropped)" if stack.repeated else ""
    met = sum(frame.function.encode("latin-1") in up.keys() | down.keys() for frame in stack.frames)
    title = f"trace  {plural(len(stack.frames), 'frame')}{repeated}, {met} in functions that changed"
    yield line(ink(view, "meta", title))
    width = max(len(_frame(frame)) for frame in stack.frames)
    for frame in stack.frames:
        name = frame.function.encode("latin-1")
        yield from _shown(lookup, f" {_frame(frame):<{width}}", up.get(name, []), down.get(name, []), view)
        if frame.at == 0:
            yield from _machine(stack)
    yield from _met(lookup, names, view)


def _frame(frame: Frame) -> str:
    doubt = "" if frame.reliable else "? "
    offset = "" if frame.offset is None else f"+{frame.offset:#x}"
    module = f" [{frame.module}]" if frame.module else ""
    return f"#{frame.at} {doubt}{frame.function}{offset}{module}"


def _machine(stack: Trace) -> Iterator[bytes]:
    """What the machine code at the fault tells."""
    at = stack.code[stack.faulting :] if stack.faulting is not None else stack.code
    canary = CANARY.match(at) if stack.faulting is not None else CANARY.search(at)
    if canary:
        base = stack.registers.get("gs_base")
        known = f"; gs base is {base:#x}" if base else "; gs base is 0" if base == 0 else ""
        yield line(f"      code {canary[0].hex(' ')}: reads the stack canary (%gs:0x28){known}")
    elif stack.faulting is not None:
        yield line(f"      code {at[:16].hex(' ')}")


def _shown(lookup: Lookup, title: str, up: list[Touch], down: list[Touch], view: View) -> Iterator[bytes]:
    if not up and not down:
        yield line(f"{title}  neither upstream nor downstream changed it")
        return
    for touch in up:
        what = _what(touch, lookup.new_release.name)
        yield line(f"{title}  {quoted(touch.path)}  {ink(view, 'upstream', 'U')}  {what}")
        if not touch.created:
            yield from _lines(touch, view, b"U")
    for touch in down:
        assert touch.hunk is not None
        owner = f"{inked(lookup.verdict(touch.hunk.id), view)}  {touch.hunk.id} ({lookup.title(touch.hunk.id)})"
        yield line(f"{title}  {quoted(touch.path)}  {ink(view, 'downstream', 'D')}  {owner}")
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
    for file in read_sections(_naming(text, names)):
        if not view.wanted(file.path):
            continue
        in_file: dict[bytes, Touch] = {}
        for hunk in file.hunks:
            for name, changed, opens in changed_in(hunk.section, hunk.body):
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


def _naming(text: bytes, names: set[bytes]) -> bytes:
    """The files of a diff (of whole releases: 100 MB are possible, so nothing is copied) that name one of `names`."""
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
    for hunk in [*new, *(hunk for hunk in old if lookup.verdict(hunk.id).word in GONE)]:
        if not any(name in text for name in names for text in (hunk.section, *hunk.body)):
            continue
        touches: dict[bytes, Touch] = {}
        for name, changed, _ in changed_in(hunk.section, hunk.body):
            if name in names:
                touches.setdefault(name, Touch(hunk.path, hunk=hunk)).lines.append(changed)
        for name, touch in touches.items():
            found[name].append(touch)
    return found


def _met(lookup: Lookup, names: set[bytes], view: View) -> Iterator[bytes]:
    """The collisions on the way of the stack."""
    for collision in lookup.collisions(view):
        if {collision.section, collision.definition} & names:
            met = [lookup.hunks[name] for name in collision.hunks if name in lookup.hunks]
            down = dict.fromkeys(f"{readable(function_of(hunk.section))} ({lookup.word(hunk)})" for hunk in met)
            where = f"{quoted(collision.path)} {readable(collision.section or b'file scope')}"
            yield line(f" collision  U {where}  x  D {', '.join(down)}   (--collisions shows it)")
