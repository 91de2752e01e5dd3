"""Families of hunks: on chains made by hand, and through three real releases."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from git_metadiff.cli import program
from git_metadiff.cli.options import VERDICTS
from git_metadiff.cli.parse import parse
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError
from git_metadiff.lineage import Family, families, file_runs, owners_at, select
from git_metadiff.model import FATES, ORIGINS, Change, Comparison, Edge, Hunk, Patch, Patchset, Release, Verdict
from git_metadiff.render.lineage import Told, show_families
from git_metadiff.render.view import View
from git_metadiff.taken import held_lines
from tests.conftest import Metadiff, Repository
from tests.pairs import numbered, with_lines
from tests.test_render import make_hunk

KEPT, LOST, NEW = Verdict("kept"), Verdict("dropped"), Verdict("new", "downstream")
EDITED = Verdict("edited", "downstream")
Verdicts = dict[str, tuple[Verdict, ...]]


def make_chain(*rows: str, count: int = 3) -> Comparison:
    """A comparison of `count` patchsets from rows like `a0=a1 b1>c2`: edges between hunks, a letter and a patchset.

    `=` keeps, `>` edits, `?` is an edge of kind ambiguous; a hunk alone stands alone.
    """
    kinds = {"=": "kept", ">": "edited", "?": "ambiguous"}
    names, edges = [], []
    for word in " ".join(rows).split():
        found = [word[at : at + 2] for at in range(0, len(word), 3)]
        names += found
        edges += [Edge(a, b, kinds[word[3 * at + 2]], 1.0, ()) for at, (a, b) in enumerate(pairwise(found))]
    hunks = [make_hunk(name, int(name[1]), b"%b.c" % name[:1].encode(), b" x\n+y") for name in dict.fromkeys(names)]
    olds, news = {edge.a: edge.kind for edge in edges}, {edge.b: edge.kind for edge in edges}
    sides = [tuple(hunk for hunk in hunks if hunk.release == at) for at in range(count)]
    return Comparison(
        "default",
        tuple(Release(f"v{at}", str(at) * 40) for at in range(count)),
        tuple(Patchset(f"p{at}", "d" * 40, (Patch(0, "all.patch", None),), side) for at, side in enumerate(sides)),
        {hunk.id: (verdict_of(olds.get(hunk.id), LOST),) for side in sides[:-1] for hunk in side},
        {hunk.id: (verdict_of(news.get(hunk.id), NEW),) for side in sides[1:] for hunk in side},
        {},
        {},
        tuple(edges),
        (),
        (),
    )


def verdict_of(kind: str | None, alone: Verdict) -> Verdict:
    """The verdict of a hunk at one end of an edge."""
    return {None: alone, "kept": KEPT, "edited": EDITED}.get(kind) or Verdict(str(kind))


def story(family: Family) -> str:
    """A family in one line: the words of each step, a loss with an exclamation mark."""
    steps = ("+".join(event.word + "!" * event.lost for event in step.events) for step in family.steps)
    return f"{family.steps[0].patchset}: {' '.join(steps)}"


# By hand


@pytest.mark.parametrize(
    ("chain", "stories"),
    [
        ("a0=a1=a2", ["0: present kept kept"]),
        ("a0>a1=a2", ["0: present edited kept"]),
        ("a0", ["0: present dropped!"]),
        ("a0=a1", ["0: present kept dropped!"]),
        ("a1=a2", ["1: new kept"]),
        ("a1", ["1: new dropped!"]),
        ("a2", ["2: new"]),
        ("a0=a1 b2", ["0: present kept dropped!", "2: new"]),
        ("a0=a1 a0>b1 a1=a2 b1=b2", ["0: present edited+kept kept"]),  # split
        ("a0=a1=a2 b1>a2", ["0: present new+kept edited"]),  # merged: two births
        ("a0=a1 a0>b1=b2", ["0: present edited+kept kept+dropped!"]),  # half of it is lost
        ("a0?a1 b0?a1 a1=a2", ["0: present ambiguous!", "0: present ambiguous!", "1: ambiguous kept"]),
    ],
)
def test_families(chain: str, stories: list[str]) -> None:
    assert [story(family) for family in families(make_chain(chain))] == stories


def test_every_hunk_is_in_one_family_named_by_its_oldest_hunk() -> None:
    comparison = make_chain("a0=a1=a2 b0>b1 c1=c2 d0=b1 e2")
    found = families(comparison)
    assert sorted(name for family in found for name in family.hunks) == sorted(h.id for h in comparison.hunks())
    assert [(family.id, family.born, family.ended) for family in found] == [
        ("a0", None, None),
        ("b0", None, 2),
        ("c1", 1, None),
        ("e2", 2, None),
    ]


def test_edges_to_upstream_join_nothing() -> None:
    comparison = make_chain("a0 b0", count=2)
    edges = tuple(Edge(name, "upstream:0:x.c:5", "absorbed", 1.0, ("upstream",)) for name in ("a0", "b0"))
    assert len(families(replace(comparison, edges=edges))) == 2


def test_one_lost_change_of_a_hunk_that_lived_on_is_told() -> None:
    comparison = make_chain("a0=a1", count=2)
    comparison.fates["a0"] = (KEPT, LOST)
    (family,) = families(comparison)
    assert story(family) == "0: present kept+dropped!"
    assert "dropped" in family.words and family.ended is None


def view_of(comparison: Comparison) -> list[str]:
    """The families of a comparison as they are shown, blanks made single."""
    lines = show_families(Told(comparison, families(comparison), "all"), View())
    return [" ".join(text.decode().split()) for text in lines]


def test_a_part_of_the_changes_is_told_by_its_number() -> None:
    comparison = make_chain("a0=a1=a2")
    for at in range(3):
        hunk = make_hunk(f"a{at}", at, b"a.c", b" x\n+y\n x\n+z\n x\n+w")
        comparison = replace(
            comparison,
            patchsets=tuple(
                replace(one, hunks=(hunk,)) if n == at else one for n, one in enumerate(comparison.patchsets)
            ),
        )
    comparison.fates.update(a0=(KEPT, LOST, LOST), a1=(KEPT,) * 3)
    comparison.origins.update(a1=(KEPT, EDITED, KEPT), a2=(KEPT, KEPT, NEW))
    assert view_of(comparison)[1:] == [
        "v0 present in the oldest release given: born earlier a0",
        "v1 1 of 3 changes edited downstream a1",
        "2 of 3 changes dropped a0",
        "v2 1 of 3 changes new downstream a2",
    ]


def test_what_joins_a_family_later_did_not_introduce_it() -> None:
    lines = view_of(make_chain("a0=a1=a2 b1>a2"))
    assert lines[2] == "v1 1 of 2 changes new downstream b1 in b.c"
    assert view_of(make_chain("b1>a2"))[1] == "v1 introduced downstream b1"


def test_select_by_hunk_and_by_verdict() -> None:
    comparison = make_chain("a0>a1=a2 b0=b1=b2 c0")
    hunks = {hunk.id: hunk for hunk in comparison.hunks()}
    found = families(comparison)

    def ids(*keeps: Callable[[Hunk], bool], words: frozenset[str] = frozenset()) -> list[str]:
        return [family.id for family in select(found, hunks, keeps, set(words))]

    assert ids() == ["a0", "b0", "c0"]
    assert ids(lambda hunk: hunk.path == b"b.c") == ["b0"]
    assert ids(words=frozenset({"edited"})) == ["a0"]
    assert ids(lambda hunk: hunk.id == "a2", words=frozenset({"dropped"})) == []


def test_verdicts_of_the_option_are_those_of_the_model() -> None:
    assert set(VERDICTS) == {*FATES, *ORIGINS, "misplaced"}


def long_chain(count: int) -> Comparison:
    """Twenty families through `count` patchsets."""
    lines = []
    for letter in "abcdefghijklmnopqrst":
        lines.append([make_hunk(f"{letter}{at}", at, b"%b.c" % letter.encode(), b" x\n+y") for at in range(count)])
    edges = [Edge(a.id, b.id, "kept", 1.0, ()) for line in lines for a, b in pairwise(line)]
    sides = [tuple(line[at] for line in lines) for at in range(count)]
    verdicts: Verdicts = {hunk.id: (KEPT,) for side in sides for hunk in side}
    patchsets = [Patchset(f"p{at}", "d" * 40, (Patch(0, "x", None),), side) for at, side in enumerate(sides)]
    releases = [Release(f"v{at}", "e" * 40) for at in range(count)]
    return Comparison("x", tuple(releases), tuple(patchsets), verdicts, verdicts, {}, {}, tuple(edges), (), ())


def work_of(act: Callable[[], object]) -> int:
    """How many calls and returns of functions an act takes: a clock that no other process can disturb."""
    seen = 0

    def count(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal seen
        seen += 1

    sys.setprofile(count)
    try:
        act()
    finally:
        sys.setprofile(None)
    return seen


def test_work_is_linear_in_the_number_of_releases() -> None:
    def show(count: int) -> int:
        comparison = long_chain(count)
        view = View(everything=True)
        return work_of(lambda: list(show_families(Told(comparison, families(comparison), "all"), view)))

    assert show(80) < 2.2 * show(40) < 2.2 * 2.2 * show(20)


# Through three releases


Files = dict[str, str | bytes | None]


def files(**lines: dict[str, str]) -> Files:
    """The files of a tree, numbered texts with some lines replaced: `main={"_5": "patched"}`."""
    return {f"src/{name}.c": with_lines(numbered(name), **changes) for name, changes in lines.items()}


def trees() -> list[tuple[Files, Files]]:
    """Three releases, each without and with downstream's work, each as changes to the release before."""
    gone: Files = {"src/moved.c": None}
    moved: Files = {"lib/moved.c": with_lines(numbered("moved"), _3="upstream")}
    carried: Files = {"lib/moved.c": with_lines(numbered("moved"), _3="upstream", _33="carried")}
    first = {"_5": "patched", "_45": "stays"}
    second = {"_5": "patched better", "_45": "stays", "_31": "upstream"}
    return [
        (files(main={}, other={}, moved={}), files(main=first, other={"_15": "taken"}, moved={"_33": "carried"})),
        (
            files(main={"_31": "upstream"}, other={}) | gone | moved,
            files(main=second | {"_55": "late"}, other={"_15": "taken"}) | carried,
        ),
        (files(other={"_15": "taken"}), files(main=second) | carried),
    ]


RELEASES, PATCHSETS = ("v1", "v2", "v3"), ("p1.patch", "p2.patch", "p3.patch")


def make_releases(repository: Repository) -> None:
    """Tag v1, v2 and v3, write a patch for each, and compare them."""
    patches: Files = {}
    for release, patchset, (plain, work) in zip(RELEASES, PATCHSETS, trees(), strict=True):
        repository.commit(plain, tag=release)
        patches[patchset] = repository.diff(release, repository.commit(work))
        repository.git("reset", "-q", "--hard", release)
    repository.commit(files(main={"_31": "upstream", "_45": "stays"}), "take what stays", tag="next")
    renamed: Files = {"lib/moved.c": None, "deep/moved.c": with_lines(numbered("moved"), _3="upstream", _33="carried")}
    repository.commit(renamed, "move and carry", tag="latest")
    repository.git("reset", "-q", "--hard", "v3")
    repository.write(patches)
    compare(repository.path / ".git", RELEASES, PATCHSETS, cwd=repository.path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the tests of this file have in common: none of them writes into its repository."""
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture
def compared(shared: Path) -> Repository:
    """The three releases, compared; made by the first test that asks for it."""
    if not (shared / ".git").exists():
        make_releases(Repository(shared))
    found = Repository.__new__(Repository)
    found.path = shared
    return found


@pytest.fixture
def ask(
    compared: Repository, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    """Runs `git metadiff lineage` in this process where it must succeed, and returns what it prints."""
    monkeypatch.chdir(compared.path)

    def start(*arguments: str) -> str:
        status = program.run(["lineage", *arguments], os.environ)
        out, err = capfdbinary.readouterr()
        assert (status, err) == (0, b"")
        return out.decode()

    return start


def document(ask: Callable[..., str], *arguments: str) -> list[dict[str, Any]]:
    """The families of the JSON document."""
    parsed = json.loads(ask("--json", *arguments))
    assert (parsed["schema"], parsed["releases"]) == ("git-metadiff-lineage/1", ["v1", "v2", "v3"])
    return list(parsed["families"])


def test_the_story_of_each_family(ask: Callable[..., str]) -> None:
    told = {
        (family["path"], family["function"]): [
            (step["release"], *(event["word"] for event in step["events"])) for step in family["steps"]
        ]
        for family in document(ask)
    }
    assert told == {
        ("src/main.c", "main_0"): [(0, "present"), (1, "edited"), (2, "kept")],
        ("src/main.c", "main_40"): [(0, "present"), (1, "kept"), (2, "kept")],
        ("src/main.c", "main_50"): [(1, "new"), (2, "dropped")],
        ("src/other.c", "other_10"): [(0, "present"), (1, "kept"), (2, "absorbed")],
        ("lib/moved.c", "moved_30"): [(0, "present"), (1, "kept"), (2, "kept")],
    }


def test_the_view_tells_it_in_words(ask: Callable[..., str]) -> None:
    lines = [" ".join(line.split()) for line in ask("src/main.c", "--function", "main_0").splitlines()]
    ids = [step["hunks"][0] for step in document(ask, "--function", "main_0")[0]["steps"]]
    assert lines == [
        f"family {ids[0]} src/main.c:7 main_0 (+1 -1) + main patched better;",
        f"v1 present in the oldest release given: born earlier {ids[0]}",
        f"v2 edited downstream +1 -1 {ids[1]}",
        f"v3 kept {ids[2]}",
    ]


def test_a_family_of_the_oldest_release_is_never_introduced(ask: Callable[..., str]) -> None:
    text = ask("src", "lib")
    assert text.count("present in the oldest release given: born earlier") == 4
    assert text.count("introduced") == 1
    introduced = next(line for line in text.splitlines() if "introduced" in line)
    assert introduced.split()[:3] == ["v2", "introduced", "downstream"]


def test_overview(ask: Callable[..., str]) -> None:
    lines = [line.split() for line in ask().splitlines()]
    assert " ".join(lines[0]) == "default: 5 families in 3 patchsets"
    words = lines[2]
    table = {line[0]: dict(zip(words, line[1:], strict=False)) for line in lines[3:4]}
    assert table["v1"] == {"present": "4"}
    assert sum(map(int, lines[4][1:])) == 5 and sum(map(int, lines[5][1:])) == 5
    rows = [line for line in lines[6:] if line and line[-1] in ("v2", "v3")]
    assert [row[1] for row in rows] == ["src/main.c:67", "src/main.c:7", "src/other.c:19"]  # losses first


@pytest.mark.parametrize(
    ("arguments", "places"),
    [
        (("src/main.c",), {"main_0", "main_40", "main_50"}),
        (("src/moved.c",), {"moved_30"}),  # its name in v1
        (("lib", "src/other.c"), {"moved_30", "other_10"}),
        (("--", "src"), {"main_0", "main_40", "main_50", "other_10", "moved_30"}),
        ((":(exclude)src/main.c",), {"other_10", "moved_30"}),
        (("--function", "main_40"), {"main_40"}),
        (("--fate", "dropped"), {"main_50"}),
        (("--fate", "new"), {"main_50"}),
        (("--fate", "absorbed"), {"other_10"}),
        (("--fate", "edited", "src/other.c"), set()),
        (("--in-patch", "p3.*"), {"main_0", "main_40", "moved_30"}),
        (("--in-patch", "p2.patch", "--fate", "dropped"), {"main_50"}),
    ],
)
def test_filters(arguments: tuple[str, ...], places: set[str], ask: Callable[..., str]) -> None:
    assert {family["function"] for family in document(ask, *arguments)} == places
    if not places:
        assert ask(*arguments) == "no family of hunks for src/other.c, --fate edited\n"


def test_family_of_a_hunk(ask: Callable[..., str]) -> None:
    families = document(ask)
    name = next(family for family in families if family["function"] == "main_40")["steps"][2]["hunks"][0]
    assert [family["function"] for family in document(ask, "--family", name[:9])] == ["main_40"]


@pytest.mark.parametrize(
    ("line", "place", "note"),
    [
        (7, "main_0", ""),
        (55, "main_40", ""),
        (10, "main_0", "src/main.c:10 is upstream's own line; these stand beside it\n"),
        (30, None, "src/main.c:30 is upstream's own line; no hunk stands beside it\n"),
    ],
)
def test_line_of_the_newest_tree(
    line: int, place: str | None, note: str, ask: Callable[..., str], compared: Repository
) -> None:
    text = compared.git("show", "refs/metadiff/default/downstream:src/main.c").splitlines()[line - 1]
    assert ("patched" in text or "stays" in text) == (not note)
    assert [family["function"] for family in document(ask, f"src/main.c:{line}")] == ([place] if place else [])
    assert ask(f"src/main.c:{line}").startswith(note or "family ")


def test_lines_are_relative_to_the_current_folder(metadiff: Metadiff, compared: Repository) -> None:
    (compared.path / "src").mkdir(exist_ok=True)
    done = metadiff("lineage", "main.c:7", "--json", cwd=compared.path / "src")
    assert [family["function"] for family in json.loads(done.stdout)["families"]] == ["main_0"]


def test_diff_shows_the_text_before_and_after(ask: Callable[..., str]) -> None:
    edited = ask("--function", "main_0", "--diff")
    assert [edited.count(text) for text in ("+\tmain patched;", "+\tmain patched better;")] == [2, 1]  # born, edited
    assert edited.index("    old  ") < edited.index("    new  ")
    lost = ask("--function", "main_50", "--diff")
    assert lost.index("    lost  ") < lost.rindex("+\tmain late;")
    assert "    old  " not in ask("--function", "main_40", "--diff")
    assert [line.split()[3] for line in ask("--diff").splitlines() if line.startswith("family ")] == [
        "main_0",
        "main_50",
        "other_10",
    ]


def test_quiet_steps_in_a_row_are_one_line() -> None:
    comparison = make_chain("a0=a1=a2=a3=a4>a5", count=6)
    told = Told(comparison, families(comparison), "all")
    lines = [line.decode().split() for line in show_families(told, View())]
    assert [line[:3] for line in lines[1:]] == [
        ["v0", "present", "in"],
        ["v1", "to", "v4"],
        ["v5", "edited", "downstream"],
    ]
    assert len(list(show_families(told, View(everything=True)))) == 7


def upstream(ask: Callable[..., str], revision: str, *arguments: str) -> dict[str, tuple[object, ...]]:
    """What is known of each family in a revision of upstream, by function."""
    keys = ("state", "path", "line", "commits")
    found = document(ask, "--upstream", revision, *arguments)
    return {family["function"]: tuple(family["upstream"][key] for key in keys) for family in found}


def test_is_it_upstream_yet(ask: Callable[..., str], compared: Repository) -> None:
    v3, new, latest = (compared.git("rev-parse", "--short", name) for name in ("v3", "next", "latest"))
    assert upstream(ask, "v2", "src", "lib") == {
        name: ("absent", None, None, []) for name in ("main_0", "main_40", "main_50", "moved_30", "other_10")
    }
    assert upstream(ask, "v3", "src/other.c") == {"other_10": ("held", "src/other.c", 19, [v3])}
    assert upstream(ask, "latest", "src", "lib") == {
        "main_0": ("absent", None, None, []),
        "main_40": ("held", "src/main.c", 55, [new]),
        "main_50": ("absent", None, None, []),
        "moved_30": ("held", "deep/moved.c", 41, [latest]),
        "other_10": ("held", "src/other.c", 19, [v3]),
    }


def test_upstream_alone_chooses_what_is_held(ask: Callable[..., str], compared: Repository) -> None:
    assert set(upstream(ask, "next")) == {"main_40", "other_10"}
    text = ask("--upstream", "next")
    assert text.startswith("of 5 families 2 held, 3 absent\n")
    commit = compared.git("rev-parse", "--short", "next")
    assert f"  upstream: next holds it: src/main.c:55, since {commit} take what stays\n" in text
    tree = compared.git("rev-parse", "next^{tree}")
    line = f"  upstream: {tree} holds it: src/main.c:55; it has no history to tell since when\n"
    assert line in ask("--upstream", tree, "src/main.c")
    assert "  upstream: not in next\n" in ask("--upstream", "next", "--function", "main_0")


@pytest.mark.parametrize(
    ("removed", "added", "old", "new", "lines"),
    [
        ("", "wanted", "a b", "a wanted b", (2, 2)),
        ("", "wanted more", "a b", "a b wanted more", (3, 4)),
        ("", "wanted more", "a b", "wanted a more", None),  # not in one piece
        ("", "wanted", "a wanted", "wanted a", None),  # no more of them than before
        ("", "wanted", "a wanted", "wanted a wanted", (0, 0)),
        ("removed", "", "a removed b", "a b", (0, 0)),
        ("removed", "", "a removed b", "removed", None),
        ("removed", "wanted", "removed", "wanted removed", None),  # added, but not in its place
        ("removed", "wanted", "removed", "wanted", (1, 1)),
        ("earlier", "wanted", "a", "a wanted", (2, 2)),  # what it removes is an earlier patch's
    ],
)
def test_what_counts_as_held(removed: str, added: str, old: str, new: str, lines: tuple[int, int] | None) -> None:
    gone, come, before, after = (tuple(text.encode().split()) for text in (removed, added, old, new))
    assert held_lines(Change(1, 1, gone, come, (), ()), before, after) == lines


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("src/none.c:3",), 128, "'src/none.c' is not in the newest downstream tree"),
        (("src/main.c:73",), 128, "'src/main.c' has 72 lines in the newest downstream tree, not 73"),
        (("../x.c:3",), 128, "'../x.c' is outside the repository"),
        (("--in-patch", "p4.patch"), 128, "no patch 'p4.patch' in the comparison 'default'"),
        (("--family", "zzz"), 128, "no hunk 'zzz' in the comparison 'default'"),
        (("--upstream", "v9"), 128, "'v9' is not a revision"),
        (("--name", "other"), 128, "there is no comparison named 'other'"),
        (("--fate", "lost"), 129, "option --fate wants kept, "),
        (("--fate",), 129, "option --fate needs a value"),
        (("--patch",), 129, "option --patch does not go with 'lineage'"),
    ],
)
def test_bad_input(
    arguments: tuple[str, ...],
    status: int,
    message: str,
    compared: Repository,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(compared.path)
    found = program.run(["lineage", *arguments], os.environ)
    out, err = capfdbinary.readouterr()
    lines = err.decode().splitlines()
    assert (found, out, len(lines)) == (status, b"", 2)
    assert lines[0].startswith(f"fatal: {message}") and lines[1].startswith("hint: ")


def test_blame_on_the_downstream_branch_tells_which_release_brought_a_line(compared: Repository) -> None:
    """What the man page says."""
    newest = "refs/metadiff/default/downstream"
    blamed = compared.git("blame", "--first-parent", "--line-porcelain", newest, "--", "src/main.c")
    summaries = {}
    summary = ""
    for line in blamed.splitlines():
        summary = line.removeprefix("summary ") if line.startswith("summary ") else summary
        if line.startswith("\t"):
            summaries[line.strip()] = summary
    assert summaries["main stays;"] == "p1.patch"
    assert summaries["main patched better;"] == summaries["main upstream;"] == "v2 + p2.patch"
    assert summaries["main line 3;"] == "v1"


# Chains from a file


def chain_file(tmp_path: Path, text: str) -> str:
    """A chain file of that text."""
    path = tmp_path / "chain"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "more", "releases", "patchsets"),
    [
        ("v1 p1\nv2 p2\n", (), ["v1", "v2"], ["p1", "p2"]),
        ("# oldest first\n\n  v1\tp1  # monday\nv2 p2", (), ["v1", "v2"], ["p1", "p2"]),
        ("'a b' \"c d\"\nv2 p2\n", (), ["a b", "v2"], ["c d", "p2"]),
        ("v1 p1\nv2 p2\n", ("v3", "--patches", "p3"), ["v1", "v2", "v3"], ["p1", "p2", "p3"]),
        ("v1 p1\n", ("--stat", "v2", "--patches", "p2", "--", "x"), ["v1", "v2"], ["p1", "p2"]),
    ],
)
def test_chain(text: str, more: tuple[str, ...], releases: list[str], patchsets: list[str], tmp_path: Path) -> None:
    found = parse(["--chain", chain_file(tmp_path, text), *more])
    assert (list(found.words), list(found.patchsets)) == (releases, patchsets)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "CHAIN: the chain is empty"),
        ("# nothing\n", "CHAIN: the chain is empty"),
        ("v1 p1\nv2\n", "CHAIN:2: 1 name instead of two"),
        ("v1 p1 p2\n", "CHAIN:1: 3 names instead of two"),
        ("v1 ''\n", "CHAIN:1: an empty name"),
        ("v1 'p1\n", "CHAIN:1: a quotation mark is not closed"),
        ("v1 p\0\n", "CHAIN:1: a name holds a NUL"),
        (None, "cannot read the chain CHAIN: No such file or directory"),
    ],
)
def test_bad_chain(text: str | None, message: str, tmp_path: Path) -> None:
    name = str(tmp_path / "none") if text is None else chain_file(tmp_path, text)
    with pytest.raises(MetadiffError) as error:
        parse(["--chain", name])
    assert error.value.message == message.replace("CHAIN", name) and error.value.status == 128


def test_chain_gives_the_same_as_the_command_line(metadiff: Metadiff, compared: Repository, tmp_path: Path) -> None:
    text = "".join(f"{release} {patchset}\n" for release, patchset in zip(RELEASES, PATCHSETS, strict=True))
    plain = metadiff(*RELEASES, "--patches", *PATCHSETS, "--json", cwd=compared.path)
    assert plain.returncode == 0
    assert metadiff("--chain", chain_file(tmp_path, text), "--json", cwd=compared.path).stdout == plain.stdout


# Lines of a series


def insertion(name: str, start: int, old_lines: int = 0, patch: int = 0) -> Hunk:
    """A hunk that adds two lines: without context behind line `start`, or with context from that line on."""
    body = b"+new\n+new" if not old_lines else b"\n".join([b" old"] * (old_lines - 1) + [b"+new", b"+new", b" old"])
    return replace(make_hunk(name, 0, b"a.c", body, start, patch=patch), old_lines=old_lines)


@pytest.mark.parametrize(
    ("hunks", "owners"),
    [
        ([insertion("a", 5)], {5: "", 6: "a", 7: "a", 8: ""}),
        ([insertion("a", 0)], {1: "a", 2: "a", 3: ""}),
        ([insertion("a", 5, 2)], {5: "", 6: "a", 7: "a", 8: ""}),
        ([insertion("a", 5), insertion("b", 9)], {6: "a", 7: "a", 11: "", 12: "b", 13: "b", 14: ""}),
        ([insertion("a", 5), insertion("b", 9, patch=1)], {6: "a", 7: "a", 9: "", 10: "b", 11: "b", 12: ""}),
        (
            [insertion("a", 9), insertion("b", 5)],
            {6: "b", 7: "b", 11: "", 12: "a", 13: "a"},
        ),  # two sections of one file
        ([insertion("a", 5), insertion("b", 6, patch=1)], {6: "a", 7: "b", 8: "b", 9: "a"}),
    ],
)
def test_lines_of_hunks_without_context(hunks: list[Hunk], owners: dict[int, str]) -> None:
    patchset = Patchset("p", "d" * 40, (Patch(0, "x", None), Patch(1, "y", None)), tuple(hunks))
    found = {at: owners_at(patchset, b"a.c", at) for at in owners}
    assert {at: names[0] if is_theirs else "" for at, (names, is_theirs) in found.items()} == owners


def test_every_line_of_a_series_has_its_hunk(repository: Repository, tmp_path: Path) -> None:
    """Patches that shift, split and overwrite each other's lines, and a rename in between."""
    dice = random.Random(1)
    lines = [f"line {number}" for number in range(60)]
    repository.commit({"a.c": "\n".join(lines) + "\n"}, tag="v1")
    folder = tmp_path / "patches"
    folder.mkdir()
    path, series = "a.c", []
    for number in range(8):
        for _ in range(4):
            at = dice.randrange(len(lines))
            lines[at : at + dice.randrange(3)] = [f"{number} {dice.random()}" for _ in range(dice.randrange(4))]
        old, path = path, "b.c" if number == 4 else path
        repository.commit({old: None, path: "\n".join(lines) + "\n"})
        series.append(f"{number}.patch")
        patch = repository.git("diff-tree", "-r", "-p", "-M", "HEAD~1", "HEAD")
        (folder / series[-1]).write_text(patch + "\n")
    (folder / "series").write_text("\n".join(series) + "\n")
    comparison = compare(repository.path / ".git", ["v1"], [str(folder)] * 2, cwd=tmp_path)
    newest = comparison.patchsets[-1]
    hunks = {hunk.id: hunk for hunk in newest.hunks}
    assert repository.git("show", f"{newest.tree}:b.c").splitlines() == lines
    for at, text in enumerate(lines, 1):
        names, is_theirs = owners_at(newest, b"b.c", at)
        assert is_theirs == (not text.startswith("line"))
        assert not is_theirs or b"+" + text.encode() in hunks[names[0]].body
        assert not is_theirs or newest.patches[hunks[names[0]].patch].name == f"{text.split()[0]}.patch"
    assert sum(run.length for run in file_runs(newest, b"b.c")[:-1]) <= len(lines)
