"""Patchsets without releases: pairs, verdicts, what is said to be unknown, and the command."""

from __future__ import annotations

import json
import os
import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_metadiff.alone import Reading, compare_sides, find_alone, read_side
from git_metadiff.alone.found import UNKNOWN, worst_of
from git_metadiff.alone.places import longest_rise
from git_metadiff.alone.reading import guess_level
from git_metadiff.apply import PatchText, read_patch
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError
from git_metadiff.model import Verdict
from git_metadiff.render.alone_document import alone_document
from git_metadiff.sources.patchset import PatchsetSource
from tests.conftest import Metadiff, Repository

SCHEMA: dict[str, Any] = json.loads((files("git_metadiff") / "data" / "alone.schema.json").read_bytes())


def numbered(prefix: str, count: int) -> list[str]:
    """Lines that all differ."""
    return [f"{prefix} line number {at}" for at in range(count)]


def section(path: str, *hunks: str) -> str:
    """A section of a patch."""
    return f"--- a/{path}\n+++ b/{path}\n" + "".join(hunks)


def hunk(start: int, body: str, grown: int = 0, function: str = "") -> str:
    """A hunk with its counts."""
    lines = body.splitlines()
    old, new = sum(line[:1] != "+" for line in lines), sum(line[:1] != "-" for line in lines)
    return f"@@ -{start},{old} +{start + grown},{new} @@{f' {function}' if function else ''}\n{body}\n"


def read(*patchsets: str | list[tuple[str, str]], diff_only: bool = False) -> Reading:
    """The reading of patchsets given as text, or as names and texts of patches."""
    sides = []
    for at, one in enumerate(patchsets):
        named = [("one.patch", one)] if isinstance(one, str) else one
        texts = tuple(PatchText(name, text.encode(), 1) for name, text in named)
        sides.append(read_side(PatchsetSource(f"p{at + 1}", texts), at))
    return compare_sides(sides, diff_only=diff_only)


def told(reading: Reading, step: int = 0) -> tuple[list[str], list[str]]:
    """The words of the hunks of both sides of a step, in their order."""
    found = reading.steps[step]
    old, new = reading.sides[step], reading.sides[step + 1]
    return (
        [worst_of(found.fates[one.id]).word for one in old.hunks],
        [worst_of(found.origins[one.id]).word for one in new.hunks],
    )


def fate(reading: Reading, at: int = 0) -> Verdict:
    """The fate of a hunk of the first patchset."""
    return worst_of(reading.steps[0].fates[reading.sides[0].hunks[at].id])


def partners(reading: Reading) -> list[tuple[int, int]]:
    """The edges as places of hunks in their patchsets."""
    first, second = ({one.id: at for at, one in enumerate(side.hunks)} for side in reading.sides[:2])
    return sorted((first[edge.a], second[edge.b]) for edge in reading.steps[0].edges if edge.kind != "ambiguous")


GUARD = " int total;\n+if (!limit_is_fine(total)) return;\n int other;"


@pytest.mark.parametrize(
    ("first", "second", "old", "new"),
    [
        (hunk(5, GUARD), hunk(90, GUARD), "kept", "kept"),
        (hunk(5, GUARD), hunk(5, GUARD.replace("int other", "long other")), "refreshed", "refreshed"),
        (hunk(5, GUARD), hunk(5, GUARD.replace("limit_is_fine", "limit_holds")), "edited", "edited"),
        (hunk(5, GUARD), hunk(5, " a\n+something_quite_else();\n b"), "gone", "new"),
        (hunk(5, " a\n+x\n+\n+y\n b"), hunk(5, " a\n+x\n+\n+y\n b"), "kept", "kept"),
    ],
)
def test_one_hunk_against_one(first: str, second: str, old: str, new: str) -> None:
    assert told(read(section("a.c", first), section("a.c", second))) == ([old], [new])


def test_a_cause_is_named_only_where_the_hunks_prove_it() -> None:
    def patch(removed: str, added: str) -> str:
        return section("a.c", hunk(5, f" before\n-{removed}\n+{added}\n after"))

    proven = fate(read(patch("run(task, 1);", "run(task, 2);"), patch("run(task, 1, flags);", "run(task, 2, flags);")))
    assert (proven.word, proven.cause) == ("edited", "upstream")
    untold = fate(read(patch("run(task, 1);", "run(task, 2);"), patch("run(task, 1);", "run(task, 3);")))
    assert (untold.word, untold.cause) == ("edited", None)


def test_twins_pair_by_place_context_and_function() -> None:
    twin = " {{0}}\n+same_line_everywhere();\n {{1}}"
    ours = [twin.replace("{{0}}", name).replace("{{1}}", f"end {name}") for name in ("alpha", "beta", "gamma")]
    old = section("a.c", *(hunk(10 * (at + 1), body) for at, body in enumerate(ours)))
    new = section("a.c", hunk(120, ours[1]), hunk(130, ours[2]))
    assert partners(read(old, new)) == [(1, 0), (2, 1)]
    plain = " {\n+same_line_everywhere();\n }"
    old = section("a.c", hunk(10, plain, 0, "int one(void)"), hunk(20, plain, 0, "int two(void)"))
    assert partners(read(old, section("a.c", hunk(15, plain, 0, "int two(void)")))) == [(1, 0)]


def test_an_anchor_carries_what_stands_beside_it() -> None:
    """The twin nearest by bare line numbers is the wrong one; the unique change between them tells how lines moved."""
    plain, anchor = " {\n+same_line_everywhere();\n }", " {\n+only_here_in_the_file();\n }"
    old = section("a.c", hunk(100, anchor), hunk(110, plain))
    new = section("a.c", hunk(108, plain), hunk(200, anchor), hunk(210, plain))
    assert (1, 2) in partners(read(old, new))


def test_a_file_under_another_name_is_carried_and_named() -> None:
    bodies = [f" before {at}\n+added_in_place_number({at});\n after {at}" for at in range(3)]
    hunks = [hunk(10 * at + 5, body) for at, body in enumerate(bodies)]
    reading = read(section("old/core.c", *hunks), section("new/core.c", *hunks))
    assert told(reading) == (["kept"] * 3, ["kept"] * 3)
    assert reading.steps[0].shift.renames == ((b"old/core.c", b"new/core.c"),)


def test_a_change_in_another_file_is_moved_and_a_loss_in_a_living_hunk_shows() -> None:
    stays = hunk(5, " one\n+a_first_telling_statement();\n two\n+a_second_telling_statement();\n three")
    less = hunk(5, " one\n+a_first_telling_statement();\n two")
    reading = read(section("a.c", stays), section("a.c", less))
    assert told(reading) == (["gone"], ["kept"])
    new = section("a.c", less) + section("b.c", hunk(9, " else\n+a_second_telling_statement();\n where"))
    assert told(read(section("a.c", stays) + section("b.c", hunk(90, GUARD)), new))[0][0] == "moved"


def test_a_change_cut_or_slid_otherwise_is_refreshed() -> None:
    whole = hunk(5, " a\n+first_part_of_it();\n+second_part_of_it();\n b")
    parts = hunk(5, " a\n+first_part_of_it();\n brought by upstream\n+second_part_of_it();\n b")
    assert told(read(section("a.c", whole), section("a.c", parts))) == (["refreshed"], ["refreshed"])
    low = hunk(5, " }\n \n+void added(void) {\n+}\n+\n void next(void) {")
    high = hunk(5, " }\n+\n+void added(void) {\n+}\n \n void next(void) {")
    assert told(read(section("a.c", low), section("a.c", high))) == (["refreshed"], ["refreshed"])


def test_series_are_followed_over_the_patches_before() -> None:
    """The second patch counts its lines on top of the first; the newer series lacks the first."""
    plain = " {\n+same_line_everywhere();\n }"
    block = " top\n" + "".join(f"+{line}\n" for line in numbered("block", 60)) + " bottom"
    old = [("1.patch", section("a.c", hunk(1, block))), ("2.patch", section("a.c", hunk(80, plain), hunk(180, plain)))]
    new = [("2.patch", section("a.c", hunk(20, plain)))]
    reading = read(old, new)
    assert partners(reading) == [(1, 0)]
    assert [(edge.a, edge.b) for edge in reading.steps[0].patch_edges] == [(1, 0)]


def test_lineless_hunks_pair() -> None:
    mode = "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n"
    other = "diff --git a/run b/run\nold mode 100755\nnew mode 100644\n"
    assert told(read(mode, mode)) == (["kept"], ["kept"])
    assert told(read(mode, other)) == (["edited"], ["edited"])


def test_more_than_two_patchsets_are_compared_in_turn() -> None:
    one, two = section("a.c", hunk(5, GUARD)), section("a.c", hunk(5, GUARD), hunk(50, " q\n+brand_new_here();\n r"))
    reading = read(one, two, one)
    assert told(reading, 0) == (["kept"], ["kept", "new"])
    assert told(reading, 1) == (["kept", "gone"], ["kept"])
    document = json.loads(alone_document(reading))
    assert [(one["from"], one["to"]) for one in document["steps"]] == [(0, 1), (1, 2)]


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (("a/x/y.c", "b/x/y.c"), 1),
        (("x/y.c", "x/y.c"), 0),
        (("y.c.orig", "y.c"), 0),
        (("p-1.0/x/y.c.orig", "p-1.0/x/y.c"), 1),
        (("/dev/null", "b/x/y.c"), 1),
        (("tmp/old/x/y.c", "tmp/new/x/y.c"), 2),
    ],
)
def test_the_level_is_told_from_the_names(names: tuple[str, str], level: int) -> None:
    text = f"--- {names[0]}\n+++ {names[1]}\n" + hunk(1, " a\n+b")
    assert guess_level(read_patch(PatchText("p", text.encode())).files) == level


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_anchors_rise_on_both_sides(pairs: list[tuple[int, int]]) -> None:
    found = longest_rise(sorted({old: (old, new) for old, new in pairs}.values()))
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(found))
    assert bool(found) == bool(pairs)


# Held against the comparison that knows the trees


def test_it_agrees_with_the_full_comparison(repository: Repository) -> None:
    """Same ids, and the same partners for what is kept, refreshed and edited, on trees that upstream moved."""
    names = [f"f{at}.c" for at in range(4)]
    base = {name: numbered(name, 80) for name in names}
    later = {name: [*numbered(f"fresh {name}", 7), *lines[:30], *lines[33:]] for name, lines in base.items()}

    def text(lines: list[str]) -> str:
        return "\n".join(lines) + "\n"

    def patched(lines: list[str], name: str, word: str) -> list[str]:
        out = []
        for line in lines:
            out.append(line)
            number = int(line.rpartition(" ")[2])
            if line.startswith(name) and number % 20 == 10:
                out.append(f"    check_the_same_everywhere({number % 40});")
            if line.startswith(name) and number == 45:
                out.append(f"    special_treatment_of({word}, {name!r});")
        return out

    for tag, lines, word in (("v1", base, "old"), ("v2", later, "renewed")):
        repository.commit({name: text(lines[name]) for name in names}, tag=tag)
        repository.commit({name: text(patched(lines[name], name, word)) for name in names}, tag=f"d{tag}")
    for number in (1, 2):
        (repository.path / f"p{number}.patch").write_bytes(repository.diff(f"v{number}", f"dv{number}"))
    known = compare(repository.path / ".git", ["v1", "v2"], ["./p1.patch", "./p2.patch"], cwd=repository.path)
    sides = [read_side(find_alone(f"p{number}.patch", None, repository.path, None), number - 1) for number in (1, 2)]
    reading = compare_sides(sides)
    assert [one.id for side in sides for one in side.hunks] == [one.id for one in known.hunks()]
    theirs = {(edge.a, edge.b, edge.kind) for edge in known.edges if not edge.b.startswith("upstream:")}
    mine = {(edge.a, edge.b, edge.kind) for edge in reading.steps[0].edges}
    assert mine == theirs
    assert {kind for _, _, kind in mine} >= {"kept", "edited"}


# The command


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder outside of any repository with two patches."""
    first = section("a.c", hunk(5, GUARD), hunk(50, " q\n+is_gone_in_the_other();\n r"))
    second = section("a.c", hunk(9, GUARD.replace("fine", "good")), hunk(60, " s\n+brand_new_here();\n t"))
    carried = section("sub/b.c", hunk(5, " u\n+carried_without_a_change();\n v"))
    (tmp_path / "p1.patch").write_text(first + carried)
    (tmp_path / "p2.patch").write_text(second + carried)
    return tmp_path


def test_it_works_outside_of_a_repository_and_writes_nothing(two: Path, home: Path, metadiff: Metadiff) -> None:
    def everything() -> list[Path]:
        return sorted(path for folder in (two, home) for path in folder.rglob("*"))

    before = everything()
    done = metadiff("--patches", "p1.patch", "p2.patch", cwd=two, GIT_CEILING_DIRECTORIES=str(two.parent))
    assert (done.returncode, done.stderr) == (0, b"")
    out = done.stdout.decode()
    assert re.search(r"^p1 hunks +3 +1 +0 +1 +1$", out, re.MULTILINE)
    assert re.search(r"^p2 hunks +3 +1 +0 +1 +1$", out, re.MULTILINE)
    assert "not known without the releases: whether what is gone was absorbed, orphaned or dropped" in out
    assert "   1|+if (!limit_is_fine(total)) return;\n   2|+if (!limit_is_good(total)) return;\n    | int other;" in out
    assert "certificate ok" not in out
    assert "carried_without_a_change" not in out
    assert "1 hunk kept or refreshed, not shown" in out
    assert everything() == before


def test_views(two: Path, metadiff: Metadiff) -> None:
    stat = metadiff("--patches", "p1.patch", "p2.patch", "--stat", cwd=two).stdout.decode()
    assert stat.splitlines() == [
        " a.c | 1 gone, 1 new, 1 edited",
        " p1 -> p2: 1 file: 1 gone, 1 new, 1 edited; 1 kept or refreshed",
    ]
    series = metadiff("--patches", "p1.patch", "p2.patch", "--series", cwd=two).stdout.decode()
    assert "    1    1  edited     p1.patch -> p2.patch   1 gone, 1 new, 1 edited, 1 kept\n" in series
    summary = metadiff("--patches", "p1.patch", "p2.patch", "--summary", cwd=two).stdout.decode()
    assert "limit_is" not in summary
    colored = metadiff("--patches", "p1.patch", "p2.patch", "--color", cwd=two).stdout
    assert b"\x1b[32m+if (!limit_is_good" in colored
    limited = metadiff("--patches", "p1.patch", "p2.patch", "--", "sub", cwd=two).stdout.decode()
    assert "limited to sub" in limited
    assert "a.c" not in limited


def test_json_is_as_its_schema_says(two: Path, metadiff: Metadiff) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    done = metadiff("--patches", "p1.patch", "p2.patch", "--json", cwd=two)
    document = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert document["schema"] == "git-metadiff-alone/1"
    assert document["unknown"] == list(UNKNOWN)
    assert document["steps"][0]["counts"]["fates"] == {
        "kept": 1, "refreshed": 0, "edited": 1, "moved": 0, "ambiguous": 0, "gone": 1
    }  # fmt: skip
    assert [edge["offset"] for edge in document["edges"] if edge["kind"] == "edited"] == [4]
    assert metadiff("--patches", "p1.patch", "p2.patch", "--json", cwd=two).stdout == done.stdout
    del document["steps"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(document)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["p1.patch", "p2.patch", "--exit-code"], 1),
        (["p1.patch", "p2.patch", "--quiet"], 1),
        (["p1.patch", "p2.patch", "--quiet", "--", "sub"], 0),
        (["p1.patch", "p1.patch", "--exit-code"], 0),
        (["p1.patch", "p2.patch"], 0),
    ],
)
def test_exit_status(two: Path, metadiff: Metadiff, arguments: list[str], status: int) -> None:
    done = metadiff("--patches", *arguments, cwd=two)
    assert done.returncode == status
    assert bool(done.stdout) == ("--quiet" not in arguments)


@pytest.mark.parametrize("option", ["--patch", "--collisions", "--name-status", "-W", "-U5", "--name=x", "--partial"])
def test_what_needs_the_releases_is_refused(two: Path, metadiff: Metadiff, option: str) -> None:
    done = metadiff("--patches", "p1.patch", "p2.patch", option, cwd=two)
    assert (done.returncode, done.stdout) == (129, b"")
    assert done.stderr.count(b"\n") == 2
    assert b"needs the releases" in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", b"this file is empty"),
        (b"no diff here\n", b"no patch in this file"),
        (b"--- a/x\n+++ b/x\n@@ -1,9 +1 @@\n a\n", b"malformed patch"),
    ],
)
def test_bad_input(two: Path, metadiff: Metadiff, content: bytes, words: bytes) -> None:
    (two / "bad.patch").write_bytes(content)
    done = metadiff("--patches", "p1.patch", "bad.patch", cwd=two)
    assert done.returncode == 128
    assert words in done.stderr
    assert b"Traceback" not in done.stderr


def test_names_that_name_nothing(two: Path) -> None:
    with pytest.raises(MetadiffError, match="there is no file or folder 'nowhere'"):
        find_alone("nowhere", None, two, None)
    with pytest.raises(MetadiffError, match="no file name is left with -p3"):
        read_side(find_alone("p1.patch", None, two, 3), 0)


def test_a_repository_may_hold_the_patches(repository: Repository, metadiff: Metadiff) -> None:
    for tag, body in (("old", GUARD), ("new", GUARD.replace("fine", "good"))):
        patches = {"debian/patches/series": "a.patch\n", "debian/patches/a.patch": section("a.c", hunk(5, body))}
        repository.commit(dict(patches), tag=tag)
    refs = repository.git("for-each-ref")
    arguments = ("--patches", "old:debian/patches", "new:debian/patches")
    assert b" edited  " in metadiff(*arguments, cwd=repository.path).stdout
    assert repository.git("for-each-ref") == refs
    assert "metadiff-last" not in os.listdir(repository.path / ".git")
    done = metadiff("--patches", "old:debian/patches", "new:debian/nothing", cwd=repository.path)
    assert (done.returncode, b"holds no file or folder" in done.stderr) == (128, True)
