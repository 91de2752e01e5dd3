"""Collisions: functions that upstream changed and in which p2 has a hunk, and new upstream definitions called there.

What did not change counts too: a hunk that both patchsets carry unchanged is a suspect when upstream moved under it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from git_metadiff.correspond.items import Item, Sides, map_of
from git_metadiff.correspond.upstream import Texts, upstream_id
from git_metadiff.linemap import Block, LineMap, Tree
from git_metadiff.model import Collision
from git_metadiff.sections import HEAD, Sections

CALL = re.compile(rb"\b([A-Za-z_]\w{3,})\s*\(")
SOURCES = (b".c", b".h", b".cc", b".cpp", b".cxx", b".hpp", b".S", b".rs", b".go", b".py", b".java")
KEYWORDS = frozenset((b"sizeof", b"while", b"switch", b"return", b"defined", b"__attribute__", b"typeof"))


def find_collisions(
    sides: Sides, sections: Sections, texts: Texts, transition: int, added: Tree
) -> tuple[Collision, ...]:
    """All collisions of a transition, sorted. `added` are the files that upstream added."""
    by_file: dict[bytes, list[Item]] = defaultdict(list)
    for item in sides.new:
        if map_of(sides, item.file).blocks:
            by_file[item.file].append(item)
    found: list[Collision] = []
    for file, items in by_file.items():
        found += same_section(file, items, sides, sections, transition)
    found += new_definitions(by_file, sides, texts, transition, added)
    return tuple(sorted(found, key=lambda one: (one.path, one.section or b"", one.upstream)))


def same_section(
    file: bytes, items: list[Item], sides: Sides, sections: Sections, transition: int
) -> Iterable[Collision]:
    """The sections of one file in which both sides have hunks."""
    downstream: dict[str | None, dict[str, None]] = defaultdict(dict)
    for item in items:
        for name in sections.names("new", file, *item.place):
            downstream[name][item.hunk.id] = None
    upstream: dict[str | None, list[str]] = defaultdict(list)
    path = sides.sources.get(file, file)
    for block in map_of(sides, file).blocks:
        for name in sections.names("new", file, block.c, block.d):
            upstream[name].append(upstream_id(transition, path, block))
    for name in downstream.keys() & upstream.keys():
        section = None if name is None else name.encode("utf-8", "backslashreplace")
        yield Collision(file, section, tuple(dict.fromkeys(upstream[name])), tuple(downstream[name]))


def new_calls(file: bytes, lines: LineMap, texts: Texts) -> dict[bytes, list[Block]]:
    """Names that upstream's new lines of a file call and that its old text did not name."""
    calls: dict[bytes, list[Block]] = defaultdict(list)
    new = texts("new", file)
    for block in lines.blocks:
        for name in set(CALL.findall(b"\n".join(new[block.c : block.d]))) - KEYWORDS:
            calls[name].append(block)
    if not calls:
        return {}
    known = b"\n".join(texts("old", file))
    return {name: blocks for name, blocks in calls.items() if name not in known}


def new_definitions(
    by_file: dict[bytes, list[Item]], sides: Sides, texts: Texts, transition: int, added: Tree
) -> Iterable[Collision]:
    """Definitions in files that upstream added beside a patched file, called from upstream's new lines of that file."""
    wanted: dict[bytes, list[tuple[bytes, list[Block]]]] = defaultdict(list)
    folders: dict[bytes, list[bytes]] = defaultdict(list)
    for path in added:
        if path.endswith(SOURCES):
            folders[path.rpartition(b"/")[0]].append(path)
    for file in by_file:
        if file.rpartition(b"/")[0] in folders and file.endswith(SOURCES):
            for name, blocks in new_calls(file, map_of(sides, file), texts).items():
                wanted[name].append((file, blocks))
    folder_names = {file.rpartition(b"/")[0] for places in wanted.values() for file, _ in places}
    definitions = {
        name: path
        for folder in sorted(folder_names)
        for path in folders[folder]
        for name in defined(texts("new", path))
    }
    for name, places in wanted.items():
        home = definitions.get(name)
        for file, blocks in places:
            if home is not None and home.rpartition(b"/")[0] == file.rpartition(b"/")[0]:
                here = f"upstream:{transition}:{home.decode('utf-8', 'surrogateescape')}:0"
                calls = tuple(upstream_id(transition, sides.sources.get(file, file), block) for block in blocks)
                yield Collision(
                    home, name, (here, *calls), tuple(dict.fromkeys(item.hunk.id for item in by_file[file])), name
                )


def defined(lines: list[bytes]) -> Iterable[bytes]:
    """The names that some lines define as functions: at the start of a line, and no prototype."""
    for line in lines:
        if HEAD.match(line) and not line.rstrip().endswith(b";"):
            match = CALL.search(line)
            if match:
                yield match[1]
