"""The story of README, end to end: the fixture in a real repository, through the command line, against its table.

`fixtures/xen-boot-crash/expected.json` says what became of every hunk and why; a changed verdict fails here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from git_metadiff.model import WORST_FIRST
from tests.conftest import ROOT, Metadiff, Repository, make_story

STORY = ROOT / "fixtures" / "xen-boot-crash"
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((STORY / "expected.json").read_text())
TRACE = STORY / "trace.txt"
MAIN = ("v4.2.7", "v4.3.3", "--patches", STORY / "p1.patch", STORY / "p2.patch")
XEN = ("--", "arch/x86/xen")
SIDES = (("p1", "fate"), ("p2", "origin"))

Record = dict[str, Any]
Place = tuple[str, int]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the repository for all others; views of a stored comparison change nothing in it."""
    return tmp_path_factory.mktemp("story") / "repository"


@pytest.fixture
def story(made: Path) -> Repository:
    """A repository with both releases as tags; the older one is checked out."""
    if made.exists():
        return Repository(made)
    return make_story(made)


@pytest.fixture(scope="module")
def printed() -> dict[tuple[str | Path, ...], str]:
    """What the program printed before, by its options."""
    return {}


@pytest.fixture
def view(story: Repository, metadiff: Metadiff, printed: dict[tuple[str | Path, ...], str]) -> Callable[..., str]:
    """What the main job prints with some options; it must succeed and complain about nothing."""

    def shown(*options: str | Path) -> str:
        if options not in printed:
            done = metadiff(*MAIN, *options, cwd=story.path)
            assert (done.returncode, done.stderr) == (0, b"")
            printed[options] = done.stdout.decode("utf-8", "surrogateescape")
        return printed[options]

    return shown


@pytest.fixture
def document(view: Callable[..., str]) -> Record:
    """The JSON document, valid by the schema that is shipped."""
    parsed: Record = json.loads(view("--json"))
    schema = json.loads((files("git_metadiff") / "data" / "schema.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(parsed)
    return parsed


def by_place(document: Record, release: int) -> dict[Place, Record]:
    """The hunks of one patchset by path and old start, which tell them apart here."""
    hunks = [hunk for hunk in document["hunks"] if hunk["release"] == release]
    found = {(hunk["path"], hunk["old_start"]): hunk for hunk in hunks}
    assert len(found) == len(hunks)
    return found


def place(record: Record) -> Place:
    """Where a hunk of the table stands."""
    return record["path"], record["old_start"]


def told(record: Record, key: str) -> tuple[str, str | None, bool]:
    """What the table fixes of a verdict: the word, its cause, and whether it is misplaced."""
    return record[key], record["cause"], record["reason"] == "misplaced"


@pytest.mark.parametrize(("side", "key"), SIDES)
def test_every_verdict_is_as_the_table_says(side: str, key: str, document: Record) -> None:
    found = by_place(document, ("p1", "p2").index(side))
    expected = {place(record): told(record, key) for record in EXPECTED[side]}
    assert {where: told(hunk, key) for where, hunk in found.items()} == expected


@pytest.mark.parametrize(("side", "key"), SIDES)
def test_every_change_has_its_own_verdict(side: str, key: str, document: Record) -> None:
    found = by_place(document, ("p1", "p2").index(side))
    for record in EXPECTED[side]:
        changes = found[place(record)]["changes"]
        if "changes" not in record:
            assert {change[key] for change in changes} == {record[key]}, record["what"]
        else:
            assert [change[key] for change in changes] == record["changes"], record["what"]
            assert [change["cause"] for change in changes] == record["causes"], record["what"]
        assert min((change[key] for change in changes), key=WORST_FIRST.index) == record[key]


def test_edges_lead_to_the_partners_of_the_table(document: Record) -> None:
    home = {hunk["id"]: (hunk["release"], (hunk["path"], hunk["old_start"])) for hunk in document["hunks"]}
    pairs = {(home[edge["a"]], home[edge["b"]]) for edge in document["edges"] if {edge["a"], edge["b"]} <= home.keys()}
    old, new = (
        {(place(record), place(record["partner"])) for record in EXPECTED[side] if record["partner"]}
        for side, _ in SIDES
    )
    assert old == {(there, here) for here, there in new}
    assert {(a[1], b[1]) for a, b in pairs} == old
    assert {(a[0], b[0]) for a, b in pairs} == {(0, 1)}


def test_collisions_hold_those_of_the_table(document: Record) -> None:
    functions = {place(record): (record["path"], record["section"]) for record in EXPECTED["p2"]}
    hunks = {hunk["id"]: hunk for hunk in document["hunks"]}
    found = set()
    for collision in document["transitions"][0]["collisions"]:
        for hunk in (hunks[name] for name in collision["hunks"]):
            standing = "standing" if hunk["origin"] in ("kept", "refreshed") else "changed"
            partner = functions[hunk["path"], hunk["old_start"]]
            found.add((collision["path"], collision["section"], standing, partner))
    for record in EXPECTED["collisions"]:
        kind = "standing" if "standing" in record else "changed"
        partner = (record[kind]["path"], record[kind]["section"])
        assert (record["path"], record["section"], kind, partner) in found


def test_sections_name_functions(document: Record) -> None:
    story = by_place(document, 0)["arch/x86/xen/enlighten.c", 182]
    assert story["section"] == "xen_start_kernel"
    assert not any("(" in hunk["section"] for hunk in document["hunks"])


def test_certificate_holds(document: Record, story: Repository) -> None:
    [step] = document["transitions"]
    proof = step["certificate"]
    assert proof["equals_downstream"] and proof["hunks_accounted"] and proof["verdicts_agree"]
    assert proof["replayed_tree"] == document["patchsets"][1]["tree"]
    assert story.git("rev-parse", "refs/metadiff/default/downstream^{tree}") == proof["replayed_tree"]
    marked = story.bash(f"git grep -E '^(<{{7}}|={{7}}$|>{{7}})' {step['ported_tree']} || true")
    assert marked == "", "P never holds a conflict marker"


def test_downstream_trees_are_what_git_apply_makes(document: Record, story: Repository) -> None:
    for tag, patchset, name in zip(("v4.2.7", "v4.3.3"), document["patchsets"], ("p1", "p2"), strict=True):
        story.git("read-tree", tag)
        story.git("apply", "--cached", "--whitespace=nowarn", STORY / f"{name}.patch")
        assert story.git("write-tree") == patchset["tree"]
    story.git("read-tree", "HEAD")


def test_patch_leads_from_p_to_d2(document: Record, view: Callable[..., str], story: Repository) -> None:
    patch = view("--patch").encode("utf-8", "surrogateescape")
    story.git("read-tree", document["transitions"][0]["ported_tree"])
    story.git("apply", "--cached", "--whitespace=nowarn", stdin=patch)
    assert story.git("write-tree") == document["patchsets"][1]["tree"]
    story.git("read-tree", "HEAD")


def test_nothing_of_the_users_is_touched(view: Callable[..., str], story: Repository) -> None:
    view("--name", "fresh", "--summary")
    assert story.git("status", "--porcelain") == ""
    assert story.git("for-each-ref", "--format=%(refname)", "refs/metadiff/fresh").split() == [
        f"refs/metadiff/fresh/{branch}" for branch in ("comparison", "downstream", "upstream")
    ]


def rows(summary: str) -> dict[str, dict[str, int]]:
    """The table of the head: `p1 hunks` and so on, with the number under each word."""
    lines = summary.splitlines()
    title = next(line for line in lines if line.split()[:2] == ["total", "kept"])
    ends = {word.group(): word.end() for word in re.finditer(r"\w+", title)}
    table = [line for line in lines if re.match(r"p[12] (hunks|changes) ", line)]
    cells = {row[:12].strip(): {word: row[end - 8 : end].strip() for word, end in ends.items()} for row in table}
    return {name: {word: int(cell) for word, cell in row.items() if cell} for name, row in cells.items()}


def test_summary_counts_what_the_table_counts(view: Callable[..., str]) -> None:
    found = rows(view("--summary"))
    for side, key in SIDES:
        counted = {word: number for word, number in found[f"{side} hunks"].items() if number}
        assert counted.pop("total") == len(EXPECTED[side])
        assert counted == Counter(record[key] for record in EXPECTED[side])
    assert found["p1 changes"]["total"] == 65 and found["p2 changes"]["total"] == 57


def head_of(shown: str) -> str:
    """What the default view prints before the first file."""
    return shown[: shown.index("\ndiff --git ")]


def test_head_names_every_loss_and_where_to_look(view: Callable[..., str]) -> None:
    head = head_of(view())
    assert head.startswith("v4.2.7+p1 -> v4.3.3+p2   certificate ok\n")
    assert "drivers/tty/pty.c:53  pty_open_slave  ->  drivers/tty/pty.c:108  pty_open_console" in head
    lost = [record for record in EXPECTED["p1"] if record["fate"] == "dropped"]
    dropped = head[head.index("\ndropped (6)") : head.index("\norphaned (")]
    assert all(f"\n  {record['path']}:" in dropped for record in lost)
    ranked = re.findall(r"^  (\S+) ", head[head.index("\nlook first\n") : head.index("\nsweep ")], re.MULTILINE)
    assert ranked[0] == "drivers/tty/pty.c", "what is misplaced comes first"
    assert set(ranked[1 : len({record["path"] for record in lost}) + 1]) == {record["path"] for record in lost}
    assert "sweep  MT_MEMORY -> MT_MEMORY_RW   3 files, 4 lines, folded" in head


def test_default_view_marks_who_did_what(view: Callable[..., str]) -> None:
    shown = view()
    assert "\nD|-static inline u64 native_read_pmc(int counter)\nD|+static inline __intentional_overflow(-1)" in shown
    assert "\nU| /* One of the performance counters, without a trip through the hook. */\n" in shown
    assert "\ntools/gcc/size_hash.data   +10 -10   data, collapsed (--all shows it): 1 edited\n" in shown
    assert "drivers/net/tulip.c" not in shown[len(head_of(shown)) :], "what stands is not in the interdiff"
    assert "\nD|+\t{ MT_MEMORY_RW" not in shown and "MT_MEMORY_RW" in view("--all")


def test_interdiff_of_the_story_is_empty_and_says_so(view: Callable[..., str]) -> None:
    assert view("--patch", *XEN) == ""
    shown = view(*XEN)
    assert "\ninterdiff empty within arch/x86/xen: downstream itself changed nothing there\n" in shown
    assert re.search(
        r"^collisions  \d+ .*1 new function within reach \(pmu_msr_read\): see --collisions$", shown, re.MULTILINE
    )
    assert "diff --git" not in shown


def test_collisions_show_the_story(view: Callable[..., str]) -> None:
    shown = view("--collisions", *XEN)
    first, rest = shown[shown.index("\ncollision 1 ") :].split("\ncollision 2 ")
    assert "arch/x86/xen/pmu.c  pmu_msr_read  new in v4.3.3, called from patched code\n" in first
    assert "\nU|+bool pmu_msr_read(" in first and "\nU|+\tif (pmu_msr_read(msr, &val, err))\n" in first
    assert "\nD|-\tx86_configure_nx();\n" in first and "\nD|+\t\trdmsr(MSR_EFER, l, h);\n" in first
    assert "xen_start_kernel" in rest


def test_trace_names_both_sides_of_the_story(view: Callable[..., str]) -> None:
    lines = view("--trace", TRACE).splitlines()
    frames = [line for line in lines if line.startswith(" #")]
    assert [line.split()[1] for line in frames] == [
        "pmu_msr_read+0x10",
        "xen_read_msr_safe+0x18",
        "xen_start_kernel+0x1b9",
    ]
    assert "3 frames (1 repeated, dropped), 3 in functions that changed" in lines[0]
    assert re.search(r"arch/x86/xen/pmu\.c +U  new in v4\.3\.3", frames[0])
    assert any("reads the stack canary (%gs:0x28); gs base is 0" in line for line in lines)
    assert any("pmu.o is not among those that arch/x86/xen/Makefile spares" in line for line in lines)
    assert "     D|+\t\trdmsr(MSR_EFER, l, h);" in lines
    met = [line for line in lines if line.startswith(" collision ")]
    assert re.search(r"U \S+ pmu_msr_read +x +D .*xen_start_kernel \(kept\)", met[0])


def one_of_each() -> Iterator[tuple[str, Record]]:
    """For each verdict on either side, the first hunk of the table that has it."""
    for side, key in SIDES:
        for word in dict.fromkeys(record[key] for record in EXPECTED[side]):
            yield side, next(record for record in EXPECTED[side] if record[key] == word)


@pytest.mark.parametrize(("side", "record"), list(one_of_each()))
def test_show_explains_a_hunk(
    side: str, record: Record, document: Record, story: Repository, metadiff: Metadiff
) -> None:
    release = ("p1", "p2").index(side)
    mine = by_place(document, release)[place(record)]
    done = metadiff("show", mine["id"][:10], "--name", "default", cwd=story.path)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = done.stdout.decode("utf-8", "surrogateescape")
    word, cause = record[SIDES[release][1]], f" {record['cause']}" if record["cause"] else ""
    title = "fate in v4.3.3" if side == "p1" else "origin in v4.2.7"
    assert shown.startswith(f"hunk {mine['id']}  {record['path']}")
    assert re.search(rf"^{title}: {word}{cause}\b", shown, re.MULTILINE)
    assert ("\nin P: " in shown) == (side == "p1")
    assert "upstream's own changes, v4.2.7 -> v4.3.3" in shown
    if record["partner"]:
        there = by_place(document, 1 - release)[place(record["partner"])]
        assert f"\npartner {there['id']}  {record['partner']['path']}" in shown
    else:
        assert "no partner in the " in shown


def test_short_views(view: Callable[..., str]) -> None:
    stat = view("--stat").splitlines()
    assert stat[-1] == " 19 files changed, 58 insertions(+), 58 deletions(-)"
    assert any(re.fullmatch(r" fs/exec\.c +\|  8 \+\+\+-+ +2 dropped, 1 edited", line) for line in stat)
    names = view("--name-status").splitlines()
    assert "D\tgrsecurity/gr_time.c\tdropped" in names and "A\tgrsecurity/gr_area.c\tnew downstream" in names
    assert "-\tdrivers/char/oldmem.c\torphaned" in names
    series = view("--series").splitlines()
    assert series[2].split()[:3] == ["1", "1", "DROPPED"] and "6 dropped, 1 misplaced" in series[2]


def test_same_result_from_folders_outside_any_repository(document: Record, metadiff: Metadiff, tmp_path: Path) -> None:
    words = [STORY / "upstream-4.2.7", STORY / "upstream-4.3.3", *MAIN[2:], "--json"]
    done = metadiff(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    other = json.loads(done.stdout)
    assert other["hunks"] == document["hunks"] and other["edges"] == document["edges"]
    assert other["transitions"] == document["transitions"]


def test_readme_shows_what_is_printed(metadiff: Metadiff, tmp_path: Path) -> None:
    sample = re.findall(r"^```\n(upstream-.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    words = [STORY / "upstream-4.2.7", STORY / "upstream-4.3.3", *MAIN[2:]]
    printed = iter(metadiff(*words, cwd=tmp_path).stdout.decode("utf-8", "surrogateescape").splitlines())
    assert [line for line in sample[0].splitlines() if line not in printed] == [], "in this order, lines left out"


def test_the_public_function_stays_callable() -> None:
    """The module of the same name takes its place in the package when it is imported."""
    code = "import git_metadiff as m; m.compare; import git_metadiff.compare; m.compare(None, [], [], name='a b')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MetadiffError" in result.stderr


def test_stubs_are_named_whatever_the_view(tmp_path: Path, metadiff: Metadiff) -> None:
    (tmp_path / "u").mkdir()
    (tmp_path / "u" / "t").write_text("x\n")
    text = "--- a/t\n+++ b/t\n@@ -1 +1,2 @@\n x\n+y\nBinary files a/bin and b/bin differ\n"
    for name in ("p1", "p2"):
        (tmp_path / name).write_text(text)
    for view, told in (("--stat", 2), ("--json", 2), ("--summary", 0), ("--quiet", 0)):
        result = metadiff("u", "u", "--patches", "p1", "p2", view, cwd=tmp_path)
        assert (result.returncode, result.stderr.count(b"note: ")) == (0, told), view
