"""Suspects that a build never compiled are set aside, counted and listed; how others are compiled stays in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_metadiff.bisect.compiled import Compiled, endings, read_built
from git_metadiff.errors import MetadiffError

KBUILD = """cmd_{0}.o := gcc -Wp,-MD,{0}.d -c -o {0}.o {0}.c

source_{0}.o := {1}{0}.c

deps_{0}.o := \\
    $(wildcard include/config/smp.h) \\
  {1}include/linux/cpu.h \\
  /usr/lib/gcc/include/stdarg.h \\

{0}.o: $(deps_{0}.o)

$(deps_{0}.o):
"""
OLDER = {b"kernel/fork.c", b"kernel/old.c", b"drivers/x.c", b"include/linux/cpu.h", b"include/linux/x.h", b"Kconfig"}
NEWER = (OLDER - {b"kernel/old.c"}) | {b"kernel/new.c", b"drivers/new.c"}


def kbuild(folder: Path, *names: str, root: str = "") -> Path:
    """A folder in which these were compiled."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / f".{path.name}.o.cmd").write_text(KBUILD.format(name, root))
    return folder


@pytest.mark.parametrize("root", ["", "../", "/home/u/linux-4.2/"])
def test_what_the_kernel_build_read_stays(root: str, tmp_path: Path) -> None:
    built = read_built(kbuild(tmp_path, "kernel/fork", root=root))
    out = Compiled(built, OLDER, NEWER).left_out(OLDER | NEWER)
    assert out == {b"drivers/x.c", b"include/linux/x.h"}, "nothing is known of what only one release has"


def test_a_build_of_the_newer_release_tells_of_its_new_files(tmp_path: Path) -> None:
    built = read_built(kbuild(tmp_path, "kernel/fork", "kernel/new"))
    assert Compiled(built, OLDER, NEWER).left_out(OLDER | NEWER) >= {b"drivers/new.c", b"drivers/x.c"}
    assert b"kernel/old.c" not in Compiled(built, OLDER, NEWER).left_out(OLDER)
    built = read_built(kbuild(tmp_path / "old", "kernel/fork", "kernel/old"))
    assert b"drivers/new.c" not in Compiled(built, OLDER, NEWER).left_out(NEWER)


def test_a_list_of_compile_commands_tells_of_sources_alone(tmp_path: Path) -> None:
    entry = {"directory": "/build", "file": "../src/kernel/fork.c", "command": "cc"}
    (tmp_path / "compile_commands.json").write_text(json.dumps([entry]))
    out = Compiled(read_built(tmp_path), OLDER, NEWER).left_out(OLDER | NEWER)
    assert out == {b"drivers/x.c"}


@pytest.mark.parametrize("path", [b"Kconfig", b"drivers/Makefile", b"arch/x86/kernel/vmlinux.lds", b"scripts/x.pl"])
def test_what_says_how_others_are_compiled_stays(path: bytes, tmp_path: Path) -> None:
    assert Compiled(read_built(kbuild(tmp_path, "kernel/fork")), {path}, {path}).left_out([path]) == frozenset()


def test_documentation_is_set_aside(tmp_path: Path) -> None:
    compiled = Compiled(read_built(kbuild(tmp_path, "kernel/fork")), OLDER, NEWER)
    assert compiled.left_out([b"Documentation/x.txt", b"lib/Kconfig.debug"]) == {b"Documentation/x.txt"}
    assert list(endings(b"../a//b/./c.c")) == [b"../a/b/c.c", b"a/b/c.c", b"b/c.c", b"c.c"]


def test_a_folder_that_tells_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MetadiffError, match="no such folder"):
        read_built(tmp_path / "none")
    with pytest.raises(MetadiffError, match="nothing there tells"):
        read_built(tmp_path)
    (tmp_path / "compile_commands.json").write_text("{")
    with pytest.raises(MetadiffError, match="no list of compile commands"):
        read_built(tmp_path)
