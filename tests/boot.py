#!/usr/bin/env python3
"""Build and boot a tree of the fixture xen-boot-crash, without a compiler and without a hypervisor.

    boot.py [build|boot] [TREE]

`build` says what a compiler and a linker would say of functions that are called and not there. `boot` walks through
`xen_start_kernel` call by call. Until gs has a base, a function with an array on its stack dies on entry, if its object
is compiled with the stack protector: it reads the canary through gs. Without a word both are done. Exit status: 0 it
boots, 1 it dies, with a stack as `xenctx` prints it, 125 it cannot be built.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CANNOT_BUILD = 125
ENTRY = "xen_start_kernel"
#: The call after which gs has a base.
GIVES_BASE = "switch_to_new_gdt"
#: Functions of which the fixture holds all there is; what else is called may be outside of it.
OURS = ("pmu_",)
#: Where the functions are that run before the first word.
EARLY = ("arch/x86", "grsecurity")

HEAD = re.compile(r"^(?!typedef|struct [\w]+ \{)[A-Za-z_][\w\s*]*?\b(\w+)\([^;{}]*\)\s*\n\{\n(.*?)^\}", re.M | re.S)
MACRO = re.compile(r"^#define (\w+)\([^)]*\)((?:.*\\\n)+.*\n)", re.M)
HOOK = re.compile(r"^\s*\.(\w+)\s*=\s*(\w+),", re.M)
CALL = re.compile(r"(\.|->)?\b([A-Za-z_]\w*)\s*\(")
ARRAY = re.compile(r"^\s+(?:(?:unsigned|struct|const)\s+)?\w+\s+\w+\[\w+\]\s*[=;]", re.M)
COMMENT = re.compile(r"/\*.*?\*/|\"[^\"\n]*\"", re.S)
KEYWORDS = frozenset(("if", "while", "for", "switch", "return", "sizeof", "defined"))


@dataclass(frozen=True)
class Function:
    """A function or a macro with a body."""

    name: str
    path: str
    body: str
    inlined: bool  # it is in no stack

    @property
    def calls(self) -> Iterator[tuple[str, bool]]:
        """What it calls, in the order of its text, and whether that is a hook."""
        for dot, name in CALL.findall(self.body):
            if name not in KEYWORDS:
                yield name, bool(dot)


class Tree:
    """The sources, read."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.functions: dict[str, Function] = {}
        self.hooks: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        for path in sorted(top.rglob("*.[ch]")):
            name = str(path.relative_to(top))
            text = COMMENT.sub("", path.read_text("latin-1"))
            self.texts[name] = text
            found = [(one, True) for one in MACRO.findall(text)]
            found += [(one, name.endswith(".h")) for one in HEAD.findall(text)]
            for (function, body), inlined in found:
                self.functions.setdefault(function, Function(function, name, body, inlined))
            if name.startswith(EARLY):
                self.hooks.update(HOOK.findall(text))

    def makefile(self, path: str) -> str:
        """The Makefile beside a file."""
        makefile = (self.top / path).parent / "Makefile"
        return makefile.read_text("latin-1") if makefile.exists() else ""

    def is_linked(self, path: str) -> bool:
        """Whether the object of a file is in the kernel."""
        return (
            re.search(rf"\b{Path(path).stem}\.o\b", re.sub(r"(?m)^#.*|^CFLAGS.*", "", self.makefile(path))) is not None
        )

    def is_protected(self, function: Function) -> bool:
        """Whether a function reads the canary on entry."""
        flags = re.search(rf"(?m)^CFLAGS_{Path(function.path).stem}\.o\s*[:+]?=\s*(.*)$", self.makefile(function.path))
        spared = flags is not None and "no-canary" in flags[1]
        return ARRAY.search(function.body) is not None and not spared and not function.inlined

    # Build

    def complaints(self) -> Iterator[str]:
        """What compiler and linker say."""
        for path, text in self.texts.items():
            for header in re.findall(r'^#include "(\w+\.h)"', (self.top / path).read_text("latin-1"), re.M):
                if f"{Path(header).stem}_".startswith(OURS) and not (self.top / path).with_name(header).exists():
                    yield f"{path}:1:10: fatal error: {header}: No such file or directory"
            if path.endswith(".c"):
                yield from self.unknown(path, text)

    def unknown(self, path: str, text: str) -> Iterator[str]:
        """Functions that a file calls and nobody declares or defines."""
        lines = text.split("\n")
        for name in dict.fromkeys(name for _, name in CALL.findall(text) if name.startswith(OURS)):
            line = next(at for at, one in enumerate(lines, 1) if f"{name}(" in one)
            home = self.functions.get(name)
            if home is None or (home.path.endswith(".c") and not self.is_linked(home.path)):
                yield f"{path}:{line}: undefined reference to `{name}'"

    # Boot

    def boot(self) -> list[str]:
        """The stack on which it dies, the innermost function first; empty if it lives."""
        self.has_base = False
        return self.run(self.functions[ENTRY], [ENTRY])

    def run(self, function: Function, stack: list[str]) -> list[str]:
        """Enter a function and all that it calls."""
        if not self.has_base and self.is_protected(function):
            return stack[::-1]
        for name, is_hook in function.calls:
            called = self.functions.get(self.hooks.get(name, "") if is_hook else name)
            if called is not None and called.name not in stack and called.path.startswith(EARLY):
                dead = self.run(called, [*stack, called.name])
                if dead:
                    return dead
            self.has_base = self.has_base or name == GIVES_BASE
        return []

    def xenctx(self, stack: list[str]) -> str:
        """The stack as it is printed on the host."""
        frames = [name for name in stack if not self.functions[name].inlined]
        code = "Code (instr addr ffffffff8100c4f0) 65 48 8b 04 25 28 00 00 00 48 89 45 f0"
        calls = "".join(f" [<ffffffff8100{at:04x}>] {name}+{16 * at + 16:#x}\n" for at, name in enumerate(frames))
        head = f"rip: ffffffff8100c4f0 {frames[0]}+0x10\nflags: 00000282 i s nz\nrdi: 00000000c0000080\n"
        return f"{head}gs: 0000 @ 0000000000000000/0000000000000000\n{code}\nCall Trace:\n{calls}"


def main(words: list[str]) -> int:
    """Do what was asked for."""
    what = words.pop(0) if words[:1] in (["build"], ["boot"]) else "both"
    tree = Tree(Path(words[0] if words else "."))
    complaints = list(tree.complaints()) if what != "boot" else []
    if complaints:
        print("\n".join(complaints), file=sys.stderr)
        return CANNOT_BUILD
    if what == "build":
        return 0
    stack = tree.boot()
    print(tree.xenctx(stack) if stack else "the guest says hello", end="" if stack else "\n")
    return 1 if stack else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
