"""The stack canary: whether a fault reads it, and which objects a Makefile spares from it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from git_metadiff.render.paint import line, quoted, readable
from git_metadiff.render.view import Reader
from git_metadiff.trace import Trace

#: `mov %gs:0x28,%r..`: the stack protector reads the canary.
CANARY = re.compile(rb"\x65[\x48\x4c]\x8b[\x04\x0c\x14\x1c\x24\x2c\x34\x3c]\x25\x28\0\0\0", re.DOTALL)
ASSIGNED = re.compile(rb"^\s*([\w.-]+)\s*[:+?]?=(.*)$", re.MULTILINE)
SPARED = b"-fno-stack-protector"
OBJECT = re.compile(rb"CFLAGS_(?!REMOVE_)([\w.-]+\.o)")


def faults_in_canary(stack: Trace) -> bytes:
    """The instruction that reads the canary, if the fault is there; where it is not marked, if it is near."""
    found = CANARY.search(stack.code) if stack.faulting is None else CANARY.match(stack.code, stack.faulting)
    return found[0] if found else b""


def spared_objects(makefile: bytes) -> list[bytes]:
    """The objects that a Makefile compiles without the stack protector, by the flag or by a variable that holds it."""
    found: list[bytes] = []
    flags = {SPARED}
    for name, value in ASSIGNED.findall(makefile):
        if not any(flag in value for flag in flags):
            continue
        flags |= {b"$(" + name + b")", b"${" + name + b"}"}
        found += OBJECT.findall(name)
    return found


def build_line(path: bytes, tree: str, reader: Reader) -> Iterator[bytes]:
    """Whether the object of a source file is among those that its Makefile spares; nothing if it spares none."""
    name = posixpath.join(posixpath.dirname(path), b"Makefile")
    spared = spared_objects(reader.read(tree, name) or b"")
    mine = posixpath.splitext(posixpath.basename(path))[0] + b".o"
    if spared and mine not in spared:
        others = readable(b" ".join(spared))
        yield line(f"      {readable(mine)} is not among those that {quoted(name)} spares from it ({others})")
