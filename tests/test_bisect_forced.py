"""The forced tree: what answers to one conflict comes together, and work of downstream's own stays out whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from git_metadiff.bisect.edits import take_apart
from git_metadiff.bisect.making import forced_tree
from git_metadiff.bisect.nesting import balance, nested, out_of_balance
from git_metadiff.bisect.ties import tied, ties_of, untied
from git_metadiff.compare import compare
from git_metadiff.git import Git, Scratch
from git_metadiff.model import Comparison, worst
from git_metadiff.store import open_store
from tests.conftest import Repository

Files = Mapping[str, str]
Contents = Mapping[str, str]
Step = tuple[str, str, str]


def filler(name: str, count: int = 12) -> str:
    """Lines that nobody changes."""
    return "".join(f"/* {name}: remark {at} on what is not touched */\n" for at in range(count))


def changed(files: Files, *steps: Step) -> dict[str, str]:
    """Files with pieces of their texts exchanged: path, old, new; each old piece stands there once."""
    found = dict(files)
    for path, old, new in steps:
        assert found.get(path, "").count(old) == 1, (path, old)
        found[path] = found.get(path, "").replace(old, new)
    return found


class Forced:
    """A comparison of two releases with a series on each, and the trees of it as texts."""

    def __init__(self, repository: Repository, first: Files, upstream: Sequence[Step]) -> None:
        self._repository = repository
        self._releases = [first, changed(first, *upstream)]
        self._series: list[str] = []
        for at, files in enumerate(self._releases):
            repository.git("checkout", "-q", "--orphan", f"release{at}")
            repository.commit(files, f"release {at}", tag=f"u{at}")

    def patched(self, at: int, *patches: tuple[str, Sequence[Step]]) -> Forced:
        """Put a series on a release: subject and steps of each patch."""
        self._repository.git("checkout", "-q", "-B", f"work{at}", f"u{at}")
        files = dict(self._releases[at])
        for subject, steps in patches:
            files = changed(files, *steps)
            self._repository.commit(files, subject)
        self._series.append(f"u{at}..{self._repository.git('rev-parse', 'HEAD')}")
        return self

    def given(self, patch: Path) -> Forced:
        """Put a patch file on the next release."""
        self._series.append(str(patch))
        return self

    def texts(self) -> tuple[Contents, Contents, Contents, Comparison]:
        """P, F and D2 by path, and the comparison."""
        path = self._repository.path
        compare(path / ".git", ["u0", "u1"], self._series, environ=os.environ, cwd=path)
        comparison = open_store(path / ".git", os.environ).load(None)
        with Scratch(Git(path / ".git", os.environ), os.environ) as scratch:
            trees = (
                comparison.transitions[-1].ported_tree, forced_tree(scratch, comparison), comparison.patchsets[-1].tree
            )  # fmt: skip
            ported, forced, newer = (texts_of(scratch, tree) for tree in trees)
        return ported, forced, newer, comparison


def texts_of(git: Git, tree: str) -> dict[str, str]:
    """The files of a tree."""
    names = git.run("ls-tree", "-r", "--name-only", tree).decode().split()
    return {name: git.run("cat-file", "blob", f"{tree}:{name}").decode() for name in names}


@pytest.fixture
def make(repository: Repository) -> Callable[[Files, Sequence[Step]], Forced]:
    """Makes two releases from the first one and upstream's steps."""
    return lambda first, upstream: Forced(repository, first, upstream)


MAKE = f"""{filler("above").replace("/*", "#").replace("*/", "")}
ifeq ($(CONFIG_LOOKUP),y)
LIBS += resolv
endif

ifeq ($(CONFIG_FENCE),y)
LIBS += fence
endif
"""
CODE = f"""{filler("head")}
int probe_bus(struct bus *bus)
{{
	int found;

	found = probe_slot(bus);
	if (found < 0)
		return found;
	report_bus(bus);
	bus->count += found;
	return 0;
}}

{filler("middle")}
int reset_bus(struct bus *bus)
{{
	quiet_bus(bus);
	forget_slots(bus);
	return 0;
}}

{filler("foot")}"""
HEADER = f"{filler('header')}\n#define BUS_SLOTS 8\n"
KEPT: Step = ("bus.c", "	forget_slots(bus);\n", "	forget_slots(bus);\n	wipe_slots(bus);\n")
START = {"bus.c": CODE, "bus.h": HEADER, "Makefile": MAKE}


PLAIN_AGAIN = """--- a/Makefile
+++ b/Makefile
@@ -14,7 +14,5 @@
 ifeq ($(CONFIG_LOOKUP),y)
-ifneq (,$(findstring linux,$(MACHINE)))
 LIBS += resolv
-endif
 endif

 ifeq ($(CONFIG_FENCE),y)
"""


def test_a_condition_that_goes_is_in_as_a_whole_or_not(
    make: Callable[[Files, Sequence[Step]], Forced], tmp_path: Path
) -> None:
    """Git takes the other `endif` for upstream's, so that the one of the patch says nothing of whose it is."""
    guard = (
        "Makefile",
        "LIBS += resolv\nendif\n",
        "ifneq (,$(findstring linux,$(MACHINE)))\nLIBS += resolv\nendif\nendif\n",
    )
    patch = tmp_path / "p2.patch"
    patch.write_text(PLAIN_AGAIN.replace("\n\n", "\n \n"))
    ported, forced, newer, comparison = make(START, [guard]).patched(0, ("wipe", [KEPT])).given(patch).texts()
    causes = {verdict.cause for found in comparison.origins.values() for verdict in found if verdict.word == "new"}
    assert causes == {"upstream", "downstream"}  # else this shows nothing
    assert ported["Makefile"] != newer["Makefile"]
    assert forced["Makefile"] in (ported["Makefile"], newer["Makefile"])


def test_a_new_patch_that_is_downstreams_own_stays_out_where_it_stands_on_upstreams_code_too(
    make: Callable[[Files, Sequence[Step]], Forced],
) -> None:
    fresh = "int scan_bus(struct bus *bus)\n{\n	walk_slots(bus);\n	settle_bus(bus);\n	return 0;\n}\n\n"
    upstream = ("bus.c", "int reset_bus(struct bus *bus)\n", fresh + "int reset_bus(struct bus *bus)\n")
    fix = [
        ("bus.h", "#define BUS_SLOTS 8\n", "#define BUS_SLOTS 8\n#define BUS_LIMIT 64\n"),
        (
            "bus.c",
            "	walk_slots(bus);\n",
            "	if (bus->count > BUS_LIMIT)\n		return -1;\n	walk_slots(bus);\n",
        ),
    ]
    story = make(START, [upstream]).patched(0, ("wipe", [KEPT])).patched(1, ("wipe", [KEPT]), ("a limit", fix))
    ported, forced, newer, comparison = story.texts()
    causes = {verdict.cause for found in comparison.origins.values() for verdict in found if verdict.word == "new"}
    assert causes == {"upstream", "downstream"}  # else this shows nothing
    assert "BUS_LIMIT" in newer["bus.c"]
    assert forced == ported


def test_an_addition_that_needs_downstreams_own_stays_out_of_a_patch_that_lived_on_too(
    make: Callable[[Files, Sequence[Step]], Forced],
) -> None:
    fresh = "int scan_bus(struct bus *bus)\n{\n	walk_slots(bus);\n	settle_bus(bus);\n	return 0;\n}\n\n"
    upstream = ("bus.c", "int reset_bus(struct bus *bus)\n", fresh + "int reset_bus(struct bus *bus)\n")
    more = [
        KEPT,
        ("bus.h", "#define BUS_SLOTS 8\n", "#define BUS_SLOTS 8\n#define BUS_LIMIT 64\n"),
        ("bus.c", "	walk_slots(bus);\n", "	check_limit(bus, BUS_LIMIT);\n	walk_slots(bus);\n"),
        ("bus.c", "	settle_bus(bus);\n", "	settle_bus(bus);\n	wipe_slots(bus);\n"),
    ]
    story = make(START, [upstream]).patched(0, ("wipe", [KEPT])).patched(1, ("wipe", more))
    ported, forced, newer, _comparison = story.texts()
    assert "BUS_LIMIT" in newer["bus.c"] and newer["bus.c"].count("wipe_slots") == 2
    assert "BUS_LIMIT" not in forced["bus.c"] and forced["bus.h"] == ported["bus.h"]
    assert forced["bus.c"].count("wipe_slots") == 2  # p1's intent on upstream's new code needs nothing of it


def test_what_answers_to_one_conflict_comes_together(make: Callable[[Files, Sequence[Step]], Forced]) -> None:
    upstream = ("bus.c", "	found = probe_slot(bus);\n", "	found = probe_slot(bus, bus->flags);\n")
    older = [
        ("bus.c", "	found = probe_slot(bus);\n", "	found = probe_slot_safe(bus);\n"),
        ("bus.c", "	bus->count += found;\n", "	count_found(bus, found);\n	bus->count += found;\n"),
        KEPT,
    ]
    newer_one = [
        ("bus.h", "#define BUS_SLOTS 8\n", "#define BUS_SLOTS 8\n#define BUS_LIMIT 64\n"),
        ("bus.c", upstream[2], "	found = probe_slot_safe(bus, bus->flags);\n"),
        ("bus.c", "	bus->count += found;\n", "	count_found(bus, found, BUS_LIMIT);\n	bus->count += found;\n"),
        ("bus.c", "	forget_slots(bus);\n", "	forget_slots(bus);\n	wipe_slots(bus, 0);\n"),
    ]
    story = make(START, [upstream]).patched(0, ("safe", older)).patched(1, ("safe", newer_one))
    ported, forced, newer, comparison = story.texts()
    words = {(one.word, one.cause) for found in comparison.origins.values() for one in [worst(found)]}
    assert ("edited", "downstream") in words  # else this shows nothing
    assert "probe_slot_safe(bus, bus->flags)" in forced["bus.c"] and "probe_slot_safe" not in ported["bus.c"]
    assert "count_found(bus, found, BUS_LIMIT)" in forced["bus.c"]  # of the same function, and p1 had a form of it
    assert forced["bus.h"] == newer["bus.h"]  # defines what that uses
    assert "wipe_slots(bus, 0)" in newer["bus.c"] and "wipe_slots(bus);" in forced["bus.c"]  # another function


OLD_TABLE = """static const struct form forms[] = {
	{ "one", 1, FORM_ONE },
#ifdef WITH_TWO
	{ "two", 2, FORM_TWO },
#endif /* WITH_TWO */
#ifdef WITH_THREE
	{ "three", 3, FORM_THREE },
#endif /* WITH_THREE */
	{ NULL, 0, 0 },
};
"""
NEW_TABLE = """extern const struct form form_one;
#ifdef WITH_TWO
extern const struct form form_two;
#endif /* WITH_TWO */
#ifdef WITH_THREE
extern const struct form form_three;
extern const struct form form_three_wide;
#endif /* WITH_THREE */

const struct form * const forms[] = {
	&form_one,
#ifdef WITH_TWO_FORMS
	&form_two,
#endif
	&form_three,
	NULL,
};
"""


def test_what_stands_in_the_stead_of_a_change_that_p_misplaced(
    make: Callable[[Files, Sequence[Step]], Forced],
) -> None:
    """Upstream rewrote a table, and the context of p1's entry is among its new declarations."""
    entry = ("form.c", "#endif /* WITH_TWO */\n", '#endif /* WITH_TWO */\n	{ "null", 0, FORM_NULL },\n')
    third = "extern const struct form form_three;\n"
    fitted = [
        ("form.c", third, f"{third}extern const struct form form_null;\n"),
        ("form.c", "	&form_three,\n", "	&form_three,\n	&form_null,\n"),
        ("null.c", "", 'const struct form form_null = { "null", 0, FORM_NULL };\n'),
        ("Makefile", "LIBS += fence\n", "LIBS += fence\nOBJS += null.o\n"),
        KEPT,
    ]
    first = {**START, "form.c": f"{filler('forms')}{OLD_TABLE}{filler('after')}"}
    story = make(first, [("form.c", OLD_TABLE, NEW_TABLE)]).patched(0, ("null", [entry, KEPT]))
    ported, forced, newer, _comparison = story.patched(1, ("null", fitted)).texts()
    assert '"null", 0' in ported["form.c"], "else this shows nothing"
    assert forced["form.c"] == newer["form.c"]
    assert forced["null.c"] == newer["null.c"] and "null.o" in forced["Makefile"]


AUDIT = f"""{filler("audit")}
int audit_bus(struct bus *bus)
{{
	if (bus->slot_len == 0)
		return -1;
	note_bus(bus);
	return 0;
}}

{filler("between")}
int audit_slots(struct bus *bus)
{{
	note_slots(bus);
	return 0;
}}
"""


def test_what_p_cannot_build_with_is_in_whatever_its_verdict(make: Callable[[Files, Sequence[Step]], Forced]) -> None:
    """A file that p1 brings is one change: who wanted which of its lines is not to be told by lines alone."""
    first = changed(START, ("bus.h", "#define BUS_SLOTS 8\n", "struct bus {\n	int slot_len;\n	int count;\n};\n"))
    upstream = ("bus.h", "	int slot_len;\n", "	int slot_room;\n")
    fitted = changed(
        {"audit.c": AUDIT},
        ("audit.c", "bus->slot_len == 0", "bus->slot_room == 0"),
        ("audit.c", "	note_slots(bus);\n", '	note_slots(bus, "all");\n	note_end(bus);\n'),
    )["audit.c"]
    story = make(first, [upstream]).patched(0, ("audit", [("audit.c", "", AUDIT)]))
    ported, forced, newer, comparison = story.patched(1, ("audit", [("audit.c", "", fitted)])).texts()
    assert {verdict.cause for found in comparison.origins.values() for verdict in found} == {"downstream"}
    assert "slot_len" in ported["audit.c"] and "slot_len" not in forced["audit.c"]
    assert "note_end" in newer["audit.c"] and "note_end" not in forced["audit.c"]


def test_what_upstream_defines_too_is_not_in_twice(make: Callable[[Files, Sequence[Step]], Forced]) -> None:
    ours = "static int\ncount_slots(struct bus *bus, int all)\n{\n	return walk(bus, all);\n}\n\n"
    theirs = "static int\ncount_slots(struct bus *bus)\n{\n	return walk_all(bus);\n}\n\n"
    place = "int reset_bus(struct bus *bus)\n"
    upstream = ("bus.c", "int probe_bus(struct bus *bus)\n", theirs + "int probe_bus(struct bus *bus)\n")
    call = ("bus.c", "	forget_slots(bus);\n", "	forget_slots(bus);\n	wipe_slots(bus, count_slots(bus, 1));\n")
    fitted = (call[0], call[1], call[2].replace("(bus, 1)", "(bus)"))
    story = make(START, [upstream]).patched(0, ("wipe", [call, ("bus.c", place, ours + place)]))
    ported, forced, _newer, _comparison = story.patched(1, ("wipe", [fitted])).texts()
    assert ported["bus.c"].count("\ncount_slots(") == 2
    assert forced["bus.c"].count("\ncount_slots(") == 1 and "count_slots(bus)" in forced["bus.c"]


def test_lines_that_close_more_than_they_open(repository: Repository) -> None:
    old = {"bus.c": CODE.replace("	quiet_bus(bus);\n", "	quiet_bus(bus);\n	}\n"), "slot.c": CODE}
    new = {"bus.c": CODE.replace("bus->count += found", "bus->count = found"), "slot.c": CODE.replace("bus(", "slot(")}
    with Scratch(Git(repository.path / ".git", os.environ), os.environ) as scratch:
        trees = [repository.git("rev-parse", repository.commit(files) + "^{tree}") for files in (old, new)]
        axis = take_apart(scratch, *trees)
    torn = [axis.edits[at] for file in axis.files for at in out_of_balance(axis, file)]
    assert [(edit.path, edit.removed) for edit in torn] == [(b"bus.c", (b"	}",))]


@pytest.mark.parametrize(
    ("kind", "path", "text", "level"),
    [
        (0, "a.c", "#if A\n# ifdef B\n#else\n#endif", 1),
        (0, "a.c", "  # endif", -1),
        (0, "a.sh", "# if this is a remark", 0),
        (1, "Makefile", "ifneq ($(X),y)\nifdef Y", 2),
        (1, "rules/Makefile.flags", "endif # X\niffy = 1\n\tif test -x a", -1),
        (1, "src/Makefile.am", "if GNUTLS\nA = 1\nelse\nA = 2\nendif", 0),
        (2, "rules.mk", "define rule\nendef", 0),
        (3, "drivers/Kconfig", "if BUS\n\thelp\n\t  if it is there", 1),
        (4, "Config.src", 'menu "Bus"\nmenuconfig BUS', 1),
        (5, "a.c", '	if (c == \'{\') { /* } */ puts("}}\\"}"); // }', 1),
        (5, "a.c", "#if A\n	if (a) {\n#else\n# if B\n	if (b) {\n# endif\n#endif\n	}", 0),
        (5, "a.c", "/* it was\n *	if (a) {\n * once */\n	if (b) {", 1),
        (5, "a.txt", "{{{", 0),
    ],
)
def test_balance_of_lines(kind: int, path: str, text: str, level: int) -> None:
    assert balance(kind, path.encode(), text.encode().split(b"\n")) == level


def test_what_an_edit_cannot_do_without(repository: Repository) -> None:
    old = {"bus.h": HEADER, "bus.c": CODE, "slot.c": CODE.replace("bus(", "slot(")}
    new = changed(
        old,
        ("bus.h", "#define BUS_SLOTS 8\n", "#define BUS_SLOTS 8\n#define BUS_LIMIT 64\n"),
        ("bus.c", "int probe_bus(", "#ifdef CONFIG_BUS\nint probe_bus("),
        ("bus.c", "/* foot: remark 0", "#endif\n/* foot: remark 0"),
        ("bus.c", "	quiet_bus(bus);\n", "	quiet_bus(bus, BUS_LIMIT);\n"),
        ("slot.c", "	quiet_slot(bus);\n", "	quiet_slot(bus, 1);\n"),
    )
    trees = [repository.git("rev-parse", repository.commit(files) + "^{tree}") for files in (old, new)]
    with Scratch(Git(repository.path / ".git", os.environ), os.environ) as scratch:
        axis = take_apart(scratch, *trees)
    place = {(edit.path, edit.added[0]): at for at, edit in enumerate(axis.edits)}
    opens, closes = place[b"bus.c", b"#ifdef CONFIG_BUS"], place[b"bus.c", b"#endif"]
    user, definer = place[b"bus.c", b"	quiet_bus(bus, BUS_LIMIT);"], place[b"bus.h", b"#define BUS_LIMIT 64"]
    alone = place[b"slot.c", b"	quiet_slot(bus, 1);"]
    ties = ties_of(axis)
    assert [set(one) for file in axis.files for one in nested(axis, file)] == [{opens, closes}]
    assert tied(ties, {opens}) == tied(ties, {closes}) == {opens, closes}
    assert tied(ties, {user}) == {user, definer}
    assert tied(ties, {definer, alone}) == {definer, alone}
    assert untied(ties, set(), {user, opens, alone}) == {alone}
    assert untied(ties, {definer, closes}, {user, opens}) == {user, opens}
