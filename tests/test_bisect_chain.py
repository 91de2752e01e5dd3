"""Axes taken apart into edits, groups of them, the forced tree, and chains: exact at their ends, and at F."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_metadiff.bisect import gather, rank, weave
from git_metadiff.bisect import groups as grouping
from git_metadiff.bisect.chain import AXES, Chain, assemble, pack_chain, unpack_chain
from git_metadiff.bisect.edits import Axis, take_apart
from git_metadiff.bisect.groups import Group, group_edits, units_within
from git_metadiff.bisect.making import forced_tree, make_chain, scores_of
from git_metadiff.bisect.needs import Need
from git_metadiff.bisect.order import connect
from git_metadiff.bisect.weave import write_trees
from git_metadiff.errors import MetadiffError, UsageError
from git_metadiff.git import Git, Scratch
from git_metadiff.model import Comparison
from git_metadiff.store import open_store
from tests.conftest import ROOT, Metadiff, Repository, make_compared_story

STORY = ROOT / "fixtures" / "xen-boot-crash"
Files = Mapping[str, str | bytes | None]


def everything(_path: bytes) -> bool:
    """No limits."""
    return True


def lines(*numbers: int, mark: str = "") -> str:
    """A file of numbered lines; those after the first with a mark."""
    return "".join(f"line {at}{mark if at in numbers else ''}\n" for at in range(40))


@pytest.fixture
def axis_of(repository: Repository) -> Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]]:
    """Makes an axis between two contents of a repository."""

    def make(old: Files, new: Files) -> Iterator[tuple[Scratch, Axis]]:
        trees = [repository.git("rev-parse", repository.commit(files) + "^{tree}") for files in (old, new)]
        with Scratch(Git(repository.path / ".git", os.environ), os.environ) as scratch:
            yield scratch, take_apart(scratch, *trees)

    return make


def content(repository: Git, tree: str, path: str) -> bytes | None:
    """A file of a tree."""
    found = repository.try_run("cat-file", "blob", f"{tree}:{path}")
    return found.out if found.status == 0 else None


def write_kinds(repository: Repository) -> tuple[str, str]:
    """Two trees that differ in every way that files can."""
    repository.write(
        {
            "text.c": lines(),
            "no-newline": "one\ntwo\nthree",
            "gone.c": "nothing of this\nstays\n" * 5,
            "old name.c": lines(),
            "mode.sh": "true\n",
            "binary": bytes(range(256)),
            "turns/binary": "text\n" * 4,
            "file": "becomes a folder\n",
            "folder/one": "1\n",
            "folder/two": "2\n",
            "empty": "",
            'quo"te\\d': lines(),
        }
    )
    (repository.path / "link").symlink_to("text.c")
    (repository.path / os.fsdecode(b"latin-\xe9 1")).write_bytes(b"a\nb\nc\n")
    old = repository.commit({})
    repository.git("rm", "-q", "-r", "folder", "file", "gone.c", "link")
    repository.git("mv", "old name.c", "new\tname.c")
    repository.git("update-index", "--chmod=+x", "mode.sh")
    (repository.path / "mode.sh").chmod(0o755)
    repository.write(
        {
            "text.c": lines(3, 17, 30, mark=" changed") + "more",
            "no-newline": "one\n2\nthree\nfour",
            "new\tname.c": lines(20, mark="!"),
            "binary": bytes(range(255, -1, -1)),
            "turns/binary": b"text\0\n",
            "file/inside": "a folder now\n",
            "folder": "a file now\n",
            "empty": "no more\n",
            "fresh.c": "all of this\nis new\n",
            "link": "a file now\n",
            'quo"te\\d': lines(0, 39, mark="."),
        }
    )
    (repository.path / os.fsdecode(b"latin-\xe9 1")).write_bytes(b"a\r\nb\nc\n")
    new = repository.commit({})
    return tuple(repository.git("rev-parse", f"{commit}^{{tree}}") for commit in (old, new))  # type: ignore[return-value]


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_no_edit_gives_the_first_tree_and_all_give_the_second(
    object_format: str, make_repository: Callable[..., Repository]
) -> None:
    repository = make_repository("kinds", f"--object-format={object_format}")
    old, new = write_kinds(repository)
    with Scratch(Git(repository.path / ".git", os.environ), os.environ) as scratch:
        axis = take_apart(scratch, old, new)
        kinds = {edit.kind for edit in axis.edits}
        assert kinds == {"text", "create", "delete", "rename", "mode", "content", "swap"}
        chance = random.Random(4)
        some = [frozenset(at for at in axis.all if chance.random() < 0.5) for _ in range(12)]
        there = write_trees(scratch, axis, [frozenset(), *some, axis.all])
        back = write_trees(scratch, axis, [axis.all, *reversed(some), frozenset()])
        assert (there[0], there[-1]) == (old, new)
        assert there == back[::-1], "a tree depends on its edits alone, not on the way to it"
        assert len(set(there)) == len(set(some)) + 2
        scratch.run("fsck", "--strict", *there)


def test_some_edits_of_a_file(axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]]) -> None:
    for scratch, axis in axis_of({"a.c": lines()}, {"a.c": lines(3, 20, 39, mark="!")}):
        assert [(edit.old_start, edit.removed) for edit in axis.edits] == [
            (4, (b"line 3",)),
            (21, (b"line 20",)),
            (40, (b"line 39",)),
        ]
        [tree] = write_trees(scratch, axis, [{0, 2}])
        assert content(scratch, tree, "a.c") == lines(3, 39, mark="!").encode()


def test_only_what_is_changed_in_part_is_written(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    for scratch, axis in axis_of({"a.c": lines(), "b.c": "1\n"}, {"a.c": lines(1, mark="!"), "b.c": "2\n"}):
        packs = scratch.git_dir / "objects" / "pack"
        write_trees(scratch, axis, [{0}, axis.all])
        [index] = packs.glob("*.idx")
        kinds = scratch.run("verify-pack", "-v", str(index)).split()
        assert b"blob" not in kinds


def test_two_writers_make_the_trees_of_one(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"d/{at}.c" for at in range(9)]
    old, new = ({name: lines(*changed, mark=name) for name in names} for changed in ((), (3, 20)))
    found = []
    for most, part in ((weave.MANY, weave.PART), (2, weave.PART), (2, 1), (2, 3), (9, 1), (9, 2)):
        monkeypatch.setattr(weave, "MANY", most)
        monkeypatch.setattr(weave, "PART", part)
        for scratch, axis in axis_of(old, new):
            found.append(write_trees(scratch, axis, [{0}, {0, 2, 5, 9}, axis.all - {1, 16}]))
            scratch.run("fsck", "--strict", *found[-1])
    assert all(one == found[0] for one in found) and len(set(found[0])) == 3


# Groups


def groups_of(
    make: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
    old: Files,
    new: Files,
    wanted: Callable[[bytes], bool] = everything,
    scores: Mapping[str, float] | None = None,
) -> tuple[Axis, list[Group]]:
    """The groups between two contents; each edit is in one, and what one needs is before it."""
    [(axis, groups)] = [(axis, group_edits(scratch, axis, wanted, scores or {})) for scratch, axis in make(old, new)]
    assert sorted(at for group in groups for at in group.edits) == sorted(axis.all)
    assert all(need < group.index for group in groups for need in group.needs)
    return axis, groups


def together(axis: Axis, groups: Sequence[Group]) -> list[set[str]]:
    """The files of each group."""
    return [{os.fsdecode(axis.edits[at].path) for at in group.edits} for group in groups]


HEAD = "#ifndef H\n#define H\n\nint older(int one);\n\n#endif\n"
USER = "#include <linux/h.h>\n\nint user(void)\n{\n\treturn 0;\n}\n"


def test_a_definition_its_declaration_and_its_use_go_together(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    old = {"include/linux/h.h": HEAD, "lib/user.c": USER, "lib/def.c": "int nothing;\n", "lib/other.c": lines()}
    new = {
        "include/linux/h.h": HEAD.replace("one);\n", "one);\nint added_call(int one);\n"),
        "lib/user.c": USER.replace("return 0", "return added_call(1)"),
        "lib/def.c": "int nothing;\n\nint added_call(int one)\n{\n\treturn one;\n}\n",
        "lib/other.c": lines(9, mark="!"),
    }
    axis, groups = groups_of(axis_of, old, new)
    assert together(axis, groups) == [{"include/linux/h.h", "lib/def.c", "lib/user.c"}, {"lib/other.c"}]


def test_a_renamed_function_and_all_its_calls_go_together(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    names = [f"drivers/d{at}.c" for at in range(12)]

    def files(call: str) -> Files:
        users = {name: f"int d(void)\n{{\n\treturn {call}(2);\n}}\n" for name in names}
        return {"lib/def.c": f"int {call}(int one)\n{{\n\treturn one;\n}}\n", **users}

    axis, groups = groups_of(axis_of, files("first_name"), files("other_name"))
    assert together(axis, groups) == [{"lib/def.c", *names}]


def test_a_widely_used_name_orders_and_does_not_fuse(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    names = [f"drivers/d{at:02}.c" for at in range(60)]
    old = {"include/linux/h.h": HEAD, **{name: "int x(void)\n{\n\treturn 0;\n}\n" for name in names}}
    new = {
        "include/linux/h.h": HEAD.replace("#define H\n", "#define H\n#define WIDELY_USED 1\n"),
        **{name: "int x(void)\n{\n\treturn WIDELY_USED;\n}\n" for name in names},
    }
    axis, groups = groups_of(axis_of, old, new)
    assert len(groups) == 61
    assert together(axis, groups)[0] == {"include/linux/h.h"}
    assert all(group.needs == {0} for group in groups[1:])


def test_a_symbol_a_file_and_its_line_in_the_makefile_go_together(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    old = {"drivers/Kconfig": "config OLDER\n\tbool\n", "drivers/Makefile": "obj-y += older.o\n", "a.c": lines()}
    new = {
        "drivers/Kconfig": "config OLDER\n\tbool\n\nconfig FRESH\n\tbool\n",
        "drivers/Makefile": "obj-y += older.o\nobj-$(CONFIG_FRESH) += fresh.o\n",
        "drivers/fresh.c": "static int fresh(void)\n{\n\treturn 1;\n}\n",
        "a.c": lines(5, mark="!"),
    }
    axis, groups = groups_of(axis_of, old, new)
    assert together(axis, groups) == [{"drivers/Kconfig", "drivers/Makefile", "drivers/fresh.c"}, {"a.c"}]


def test_neighbours_and_one_function_go_together_and_the_next_function_does_not(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    body = "".join(f"\tstep({at});\n" for at in range(30))
    old = f"int first(void)\n{{\n{body}}}\n\nint second(void)\n{{\n{body}}}\n"
    new = old.replace("\tstep(2);", "\tstep(222);").replace("\tstep(27);", "\tstep(277);")
    _, groups = groups_of(axis_of, {"a.c": old}, {"a.c": new})
    assert [len(group.edits) for group in groups] == [2, 2]
    assert [group.title for group in groups] == [b"a.c: first", b"a.c: second"]


@pytest.mark.parametrize(("path", "count"), [("plugin/table.data", 1), ("doc/list.txt", 1), ("lib/table.c", 3)])
def test_a_table_that_one_hunk_renews_is_one_step(
    path: str, count: int, axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]]
) -> None:
    for scratch, axis in axis_of({path: lines()}, {path: lines(3, 20, 39, mark="!")}):
        for names, most in ((["a", "a", "a"], count), (["a", "b", "c"], 3)):
            mine = axis.owned({at: (name,) for at, name in enumerate(names)})
            assert len(group_edits(scratch, mine, everything, {})) == most


def test_what_is_dear_comes_first_and_what_only_adds_second(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    old = {"Kconfig": lines(), "include/z.h": lines(), "a/a.c": lines(), "m/m.c": lines(), "z/Makefile": "x = 1\n"}
    new = {name: lines(7, mark="!") for name in old} | {"m/m.c": lines() + "more();\n", "z/Makefile": "x = 2\n"}
    axis, groups = groups_of(axis_of, old, new)
    assert [next(iter(files)) for files in together(axis, groups)] == [
        "Kconfig",
        "include/z.h",
        "z/Makefile",
        "m/m.c",
        "a/a.c",
    ]


def test_the_rest_is_one_step_and_what_needs_a_suspect_goes_with_it(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]],
) -> None:
    old = {f"drivers/d{at}.c": lines() for at in range(9)} | {"xen/x.c": lines(), "net/user.c": USER}
    new = {name: lines(8, mark="!") for name in old} | {
        "xen/x.c": lines() + "int added_call(void)\n{\n\treturn 1;\n}\n",
        "net/user.c": USER.replace("return 0", "return added_call()"),
    }
    axis, groups = groups_of(axis_of, old, new, wanted=lambda path: path.startswith(b"xen/"))
    assert groups[0].title == b"the rest" and groups[1].title.startswith(b"xen/x.c: ") and len(groups) == 2
    assert [group.suspect for group in groups] == [False, True]
    assert together(axis, groups)[1] == {"xen/x.c", "net/user.c"}
    _, alone = groups_of(axis_of, old, new, wanted=lambda path: path == b"nothing")
    assert [group.title for group in alone] == [b"the rest"]


def test_of_very_many_edits_only_files_with_a_suspect_are_taken_apart(
    axis_of: Callable[[Files, Files], Iterator[tuple[Scratch, Axis]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {name: lines() for name in ("a.c", "b.c", "c.c")}
    new = {name: lines(3, 20, 39, mark=name) for name in old}
    for scratch, axis in axis_of(old, new):
        mine = axis.owned({at: (edit.path.decode(),) for at, edit in enumerate(axis.edits)})

        def units(scores: Mapping[str, float] | None, wanted: Callable[[bytes], bool] = everything) -> list[int]:
            return [len(unit.edits) for unit in units_within(scratch, mine, wanted, scores)]  # noqa: B023

        assert units({"b.c": 1.0}) == [1] * 9, "so few are all taken apart"
        monkeypatch.setattr(grouping, "MOST_EDITS", 8)
        assert units({"b.c": 1.0, "c.c": 0.0}) == [3, 1, 1, 1, 3]
        assert units({"b.c": 1.0}, wanted=lambda path: path != b"b.c") == [1, 1, 1, 3, 1, 1, 1], "six are few"
        assert units(None) == [1] * 9


@given(
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(0, 4)), max_size=60),
    st.integers(1, 6),
)
def test_links_are_given_up_as_if_the_weakest_of_each_large_part_went_first(
    edges: list[tuple[int, int, int]], most: int
) -> None:
    needs = [Need(user, other, rank) for user, other, rank in edges if user != other]
    kept = {(one.user, one.other): min(two.rank for two in needs if two[:2] == one[:2]) for one in needs}
    while True:
        graph: networkx.DiGraph[int] = networkx.DiGraph(list(kept))
        large = [part for part in networkx.strongly_connected_components(graph) if len(part) > most]
        if not large:
            break
        inside = {pair: rank for pair, rank in kept.items() if pair[0] in large[0] and pair[1] in large[0]}
        kept = {pair: rank for pair, rank in kept.items() if pair not in inside or rank < max(inside.values())}
    assert set(connect(12, needs, most).edges) == set(kept)


def test_the_weakest_links_of_a_large_circle_are_given_up() -> None:
    ring = [Need(at, (at + 1) % 100, 3 if at % 10 else 8) for at in range(100)]
    pairs = [Need(at + 1, at, 1) for at in range(0, 100, 2)]
    graph = connect(100, [*ring, *pairs], most=20)
    assert not any(graph.has_edge(at, at + 1) for at in range(0, 99, 10))
    assert graph.has_edge(2, 3) and graph.has_edge(3, 2)
    assert connect(100, ring, most=100).number_of_edges() == 100


# The story: F, chains, trials


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the repository of the story for all others."""
    return tmp_path_factory.mktemp("story") / "repository"


@pytest.fixture
def story(made: Path) -> Repository:
    """A repository with both releases as tags, and their comparison stored."""
    return make_compared_story(made)


@pytest.fixture
def comparison(story: Repository) -> Comparison:
    """The stored comparison."""
    return open_store(story.path / ".git", os.environ).load(None)


@pytest.fixture
def chains(story: Repository, comparison: Comparison) -> Callable[[str], Chain]:
    """Makes the chain of an axis."""
    store = open_store(story.path / ".git", os.environ)
    scores = scores_of(rank(gather(comparison, store.reader().git, everything)))
    return lambda axis: make_chain(store.git, comparison, axis, everything, scores)


def forced(story: Repository, comparison: Comparison) -> str:
    """The id of F."""
    with Scratch(Git(story.path / ".git", os.environ), os.environ) as scratch:
        return forced_tree(scratch, comparison)


def test_the_forced_tree_holds_what_upstream_forced_and_nothing_of_downstreams(
    story: Repository, comparison: Comparison, chains: Callable[[str], Chain]
) -> None:
    tree = chains("downstream").points[0].tree
    assert tree == forced(story, comparison)
    user = Git(story.path / ".git", os.environ)
    older, newer = comparison.transitions[-1].ported_tree, comparison.patchsets[-1].tree

    def texts(path: str) -> tuple[bytes | None, ...]:
        return tuple(content(user, one, path) for one in (older, tree, newer))

    ported, middle, final = texts("fs/exec.c")
    assert ported is not None and middle is not None and final is not None
    adapted = b"gr_owner_denied(ino->i_kuid, ino->i_kgid)"  # edited, cause upstream
    assert (adapted in ported, adapted in middle, adapted in final) == (False, True, True)
    by_hand = texts("kernel/sysctl.c")  # a dropped hunk: downstream's choice
    assert by_hand[0] == by_hand[1] != by_hand[2]
    new = texts("grsecurity/gr_area.c")
    assert new[:2] == (None, None) and new[2] is not None
    assert b"__intentional_overflow" in (texts("arch/x86/include/asm/msr.h")[1] or b"")


@pytest.mark.parametrize("axis", AXES)
def test_a_chain_is_exact_at_its_ends_and_at_the_forced_tree(
    axis: str,
    story: Repository,
    comparison: Comparison,
    chains: Callable[[str], Chain],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = chains(axis)
    older, newer, release = comparison.patchsets[0], comparison.patchsets[-1], comparison.releases[-1]
    middle = forced(story, comparison)
    ends = {
        "upstream": (older.tree, middle),
        "downstream": (middle, newer.tree),
        "patchset": (release.tree, newer.tree),
        "both": (older.tree, newer.tree),
    }[axis]
    assert (chain.points[0].tree, chain.points[-1].tree) == ends
    if axis == "both":
        assert chain.points[sum(group.leg == 0 for group in chain.groups)].tree == middle
    monkeypatch.setattr(weave, "MANY", 0)
    monkeypatch.setattr(weave, "PART", 1)
    assert chains(axis).points == chain.points, "other writers, the same commits"
    base = f"refs/metadiff/default/bisect/{axis}"
    listed = story.git("rev-list", "--reverse", "--first-parent", f"{base}/first..{base}/last").split()
    assert listed == [point.commit for point in chain.points[1:]]
    assert story.git("log", "-1", "--format=%s", listed[0]) == os.fsdecode(chain.groups[0].title)
    assert story.git("rev-parse", f"{base}/first") == chain.points[0].commit
    story.git("fsck", "--strict")
    assert make_again(chain, chains(axis)), "the same inputs give the same commits"


def make_again(one: Chain, other: Chain) -> bool:
    """Whether two chains are the same history."""
    return [point.commit for point in one.points] == [point.commit for point in other.points]


def test_upstreams_new_file_comes_with_its_makefile_line_and_its_caller(chains: Callable[[str], Chain]) -> None:
    chain = chains("upstream")
    [group] = [one for one in chain.groups if "upstream:0:arch/x86/xen/pmu.c:0" in one.hunks]
    paths = {chain.legs[0].edits[at].path for at in group.edits}
    assert {b"arch/x86/xen/pmu.c", b"arch/x86/xen/Makefile", b"arch/x86/xen/enlighten.c"} <= paths
    assert group.weight == max(one.weight for one in chain.groups)


def test_gits_own_bisect_runs_on_a_chain(
    story: Repository, chains: Callable[[str], Chain], make_repository: Callable[..., Repository]
) -> None:
    chain = chains("patchset")
    guilty = next(at for at, point in enumerate(chain.points) if b"gr_area" in point.title)
    clone = make_repository("by-hand")
    clone.commit({"work": "of the user's\n"})
    clone.git("fetch", "-q", str(story.path), "refs/metadiff/*:refs/metadiff/*")
    clone.git("bisect", "start", "--no-checkout", chain.points[-1].commit, chain.points[0].commit)
    test = "! git cat-file -e BISECT_HEAD:grsecurity/gr_area.c"
    clone.bash(f"git bisect run sh -c {test!r}")
    assert clone.git("rev-parse", "refs/bisect/bad") == chain.points[guilty].commit


def test_groups_can_be_put_together_in_any_choice(story: Repository, chains: Callable[[str], Chain]) -> None:
    chain = chains("both")
    first = sum(group.leg == 0 for group in chain.groups)
    last = len(chain.groups)
    with Scratch(Git(story.path / ".git", os.environ), os.environ) as scratch:
        found = assemble(scratch, chain, [range(3), range(last), [], [*range(first), last - 1]])
        assert found[:3] == [chain.points[3].tree, chain.points[-1].tree, chain.points[0].tree]
        changed = scratch.run("diff-tree", "-r", "--name-only", chain.points[first].tree, found[3]).split()
        assert changed == sorted({chain.legs[1].edits[at].path for at in chain.groups[-1].edits})
        with pytest.raises(MetadiffError, match="cannot be left out"):
            assemble(scratch, chain, [[last - 1]])


def test_a_chain_that_was_packed_is_the_same(chains: Callable[[str], Chain]) -> None:
    chain = chains("both")
    again = unpack_chain(pack_chain(chain), chain.legs)
    assert (again.axis, again.groups, again.legs) == (chain.axis, chain.groups, chain.legs)
    assert again.points[1:] == chain.points[1:]
    with pytest.raises(ValueError, match="other trees"):
        unpack_chain(pack_chain(chain), chain.legs[:1])


def test_an_axis_of_another_name_is_refused(chains: Callable[[str], Chain]) -> None:
    with pytest.raises(UsageError, match="no axis"):
        chains("sideways")


STANDING = "8da597639eb3"


def test_one_hunk_left_out_of_the_newer_tree(story: Repository, comparison: Comparison, metadiff: Metadiff) -> None:
    done = metadiff("bisect", "try", "--without", STANDING[:5], "--json", cwd=story.path)
    assert (done.returncode, done.stderr) == (0, b"")
    document = json.loads(done.stdout)
    assert (document["base"], document["without"], document["along"]) == ("D2", [STANDING], [])
    diff = story.diff(document["commit"], comparison.patchsets[-1].commit)
    assert diff.count(b"\n@@ ") == 1 and b"+\t\trdmsr(MSR_EFER, l, h);" in diff.replace(b"\t\t\t", b"\t\t")
    assert story.git("rev-parse", document["ref"]) == document["commit"]
    assert story.git("rev-parse", document["commit"] + "^") == comparison.patchsets[-1].commit


def test_what_needs_the_new_file_is_left_out_with_it(story: Repository, metadiff: Metadiff) -> None:
    name = "upstream:0:arch/x86/xen/pmu.c:0"
    done = metadiff("bisect", "try", "--without", name, "--json", cwd=story.path)
    document = json.loads(done.stdout)
    assert document["base"] == "F"
    assert {one["path"] for one in document["along"]} >= {"arch/x86/xen/Makefile", "arch/x86/xen/enlighten.c"}
    tree = document["tree"]
    assert "pmu" not in story.git("show", f"{tree}:arch/x86/xen/Makefile")
    assert "pmu_msr_read" not in story.git("show", f"{tree}:arch/x86/xen/enlighten.c")
    shown = metadiff("bisect", "try", "--without", name, cwd=story.path).stdout.decode()
    assert shown.startswith("F without U arch/x86/xen/pmu.c:0\n") and "left out too" in shown
    assert "git worktree add --detach" in shown


def test_one_hunk_alone_on_the_release(story: Repository, comparison: Comparison, metadiff: Metadiff) -> None:
    document = json.loads(metadiff("bisect", "try", "--only", STANDING, "--json", cwd=story.path).stdout)
    assert document["base"] == "U2"
    changed = story.git("diff-tree", "-r", "--name-only", comparison.releases[-1].tree, document["tree"])
    assert changed == "arch/x86/xen/enlighten.c"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--without", "no-such"), "there is no hunk 'no-such'"),
        (("--without", "999"), "there is no suspect number 999"),
        (("--without", STANDING, "--axis", "downstream"), "changes nothing from F to D2"),
        (("--without", "upstream:0:nowhere.c:1"), "changes nothing from D1 to F"),
        (("--without", STANDING, "--with", "upstream:0:arch/x86/xen/pmu.c:0"), "cannot be tried in one tree"),
        (("--without", STANDING, "--only", STANDING), "--without does not go with --only"),
    ],
)
def test_what_cannot_be_tried_is_said(
    words: tuple[str, ...], complaint: str, story: Repository, metadiff: Metadiff
) -> None:
    before = story.git("for-each-ref")
    done = metadiff("bisect", "try", *words, cwd=story.path)
    assert done.returncode in (128, 129)
    fatal, hint = done.stderr.decode().splitlines()
    assert complaint in fatal and hint.startswith("hint: ")
    assert story.git("for-each-ref") == before


def test_the_corners_are_commits_with_what_their_outcomes_mean(
    story: Repository, comparison: Comparison, metadiff: Metadiff
) -> None:
    document = json.loads(metadiff("bisect", "corners", "--json", cwd=story.path).stdout)
    found = {one["name"]: one for one in document["corners"]}
    assert found["U2"]["tree"] == comparison.releases[-1].tree
    assert found["D2"]["commit"] == comparison.patchsets[-1].commit
    assert found["F"]["tree"] == forced(story, comparison)
    assert all(story.git("rev-parse", one["ref"]) == one["commit"] for one in found.values())
    rules = {one["if"]: one["then"] for one in document["outcomes"]}
    assert "--axis patchset" in rules["U2 works, F fails"]
    assert "--axis downstream" in rules["U2 works, F works"]
    shown = metadiff("bisect", "corners", cwd=story.path).stdout.decode()
    assert all(one["commit"][:12] in shown for name, one in found.items() if name != "D1")


def test_where_downstream_changed_nothing_the_corners_say_so(
    make_repository: Callable[..., Repository], metadiff: Metadiff
) -> None:
    repository = make_repository("quiet")
    repository.commit({"a.c": lines()}, tag="v1")
    repository.commit({"a.c": lines(2, mark="!")}, tag="v2")
    patch = b"--- a/a.c\n+++ b/a.c\n@@ -29,2 +29,3 @@\n line 28\n+added\n line 29\n"
    repository.write({"p.patch": patch})
    made = metadiff("v1", "v2", "--patches", "p.patch", "p.patch", "--quiet", cwd=repository.path)
    assert made.returncode == 0
    shown = metadiff("bisect", "corners", cwd=repository.path).stdout.decode()
    assert "the same tree as F" in shown and "downstream itself changed nothing" in shown
    store = open_store(repository.path / ".git", os.environ)
    chain = make_chain(store.git, store.load(None), "downstream", everything, {})
    assert len(chain.points) == 1, "there is nothing between F and D2"
    begun = metadiff("bisect", "start", "--axis", "downstream", cwd=repository.path)
    assert begun.returncode == 128 and begun.stderr.startswith(b"fatal: F and D2 are the same tree\nhint: ")
    assert metadiff("bisect", "status", cwd=repository.path).returncode == 128, "no search is begun"


def test_what_is_guilty_in_a_drop_for_the_same_release_has_no_partner(
    make_repository: Callable[..., Repository], metadiff: Metadiff
) -> None:
    repository = make_repository("drop")
    repository.commit({"a.c": lines()}, tag="v1")
    head, old = b"--- a/a.c\n+++ b/a.c\n", b"@@ -5,2 +5,3 @@\n line 4\n+old\n line 5\n"
    new = b"@@ -29,2 +30,3 @@\n line 28\n+added\n line 29\n"
    repository.commit({"p1.patch": head + old, "p2.patch": head + old + new})
    made = metadiff("v1", "--patches", "p1.patch", "p2.patch", "--stat", cwd=repository.path)
    assert made.returncode == 0, made.stderr
    for axis in ("downstream", "patchset"):
        words = ("run", "--axis", axis, "--minimize", "--json", "--", "sh", "-c", "! grep added a.c")
        done = metadiff("bisect", *words, cwd=repository.path)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)["found"]
        assert len(found["minimal"]["hunks"]) == 1 and found["partner"] is None
        assert found["pair"]["why"] == "none: D1 with these hunks and D2 are the same tree"
        metadiff("bisect", "reset", cwd=repository.path)
