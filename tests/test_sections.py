"""Which function a line stands in."""

from __future__ import annotations

import pytest

from git_metadiff.sections import Sections, short_name

SOURCE = b"""#include <x.h>
static int first(int a)
{
\treturn a;
}

DEFINE_THING(x);
SYSCALL_DEFINE2(open, int, fd)
{
out:
\treturn 0;
}
int last;
""".split(b"\n")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"static int foo(int (*done)(int), char *name)", "foo"),
        (b"static __attribute__((cold)) void __printf(1, 2) foo (const char *fmt, ...)", "foo"),
        (b"obj-$(CONFIG_XEN) += xen.o", "obj-$(CONFIG_XEN) += xen.o"),
        (b"ENTRY(startup_64)", "startup_64"),
        (b"SYM_FUNC_START_LOCAL(memset_orig)", "memset_orig"),
        (b"SYSCALL_DEFINE3(open, const char __user *, name)", "SYSCALL_DEFINE3(open)"),
        (b"SUFFIX (grub_load) (grub_file_t file)", "SUFFIX(grub_load)"),
        (b"static int SUM (int a, int b)", "SUM"),
        (b"struct task_struct {", "struct task_struct {"),
        (b"module_init(setup);", "module_init"),
        (b"caf\xe9", "caf\\xe9"),
    ],
)
def test_short_name(line: bytes, name: str) -> None:
    assert short_name(line) == name


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (0, None),
        (1, "first"),
        (3, "first"),
        (4, "first"),
        (5, None),
        (6, None),
        (9, "SYSCALL_DEFINE2(open)"),
        (10, "SYSCALL_DEFINE2(open)"),
        (12, None),
    ],
)
def test_name_of_a_line(line: int, name: str | None) -> None:
    """A label and a line that ends in `;` open nothing; a closing brace ends what it closes."""
    assert Sections(lambda _side, _file: SOURCE).name("new", b"x.c", line) == name


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (
            b"BOOL\nsend(int fd)\n{\nif (fd)\n  {\n  x();\n  }\nreturn 1;\n}\n",
            "BOOL send send send send send send send send -",
        ),
        (b"struct a {\nint b;\nlong\nc;\n};\nint d;\n", "struct_a_{ " * 5 + "- -"),
        (b"int f(a)\nint a;\n{\n#if X\nint g()\n{\n#endif\n}\n", "f f f f g g g g -"),
        (b"namespace a {\nint f()\n{\n}\n}\n", "namespace_a_{ f f f - -"),
        (b"A = 1\nB = 2\n{\n", "A_=_1 B_=_2 B_=_2 B_=_2"),
    ],
)
def test_braces_at_the_start_of_a_line(text: bytes, names: str) -> None:
    lines = text.split(b"\n")
    sections = Sections(lambda _side, _file: lines)
    found = [(sections.name("new", b"x", at) or "-").replace(" ", "_") for at in range(len(lines))]
    assert found == names.split()


def test_names_of_several_lines() -> None:
    sections = Sections(lambda _side, _file: SOURCE)
    assert sections.names("new", b"x.c", 2, 9) == {"first", "SYSCALL_DEFINE2(open)"}
    assert sections.holds("new", b"x.c", "first") and not sections.holds("new", b"x.c", "second")
