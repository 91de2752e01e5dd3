"""P against git's own merge, and P as a function of its three trees alone."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from git_metadiff.git import EPOCH, CatFile, FastImport, Git, Scratch, modify
from git_metadiff.linemap import Block, LineMap, find_renames, list_tree
from git_metadiff.lines import LineCache, join_lines, split_lines
from git_metadiff.placing import NetChange, Placer
from git_metadiff.port import Port, Trees, port
from git_metadiff.renames import true_renames
from tests.conftest import Repository

Files = Mapping[str, bytes]
WORDS = [b"alpha();", b"beta(x);", b"if (gamma)", b"\treturn delta;", b"}", b"", b"int epsilon;", b"zeta = 0;"]


@pytest.fixture
def user(tmp_path: Path) -> Git:
    """An empty bare repository."""
    git = Git(tmp_path / "repo.git", os.environ)
    git.git_dir.mkdir()
    git.run("init", "-q", "--bare", str(git.git_dir))
    return git


def write_tree(writer: FastImport, files: Files) -> str:
    """A commit that holds these files; its mark."""
    lines = [modify("100644", writer.blob(data), path.encode()) for path, data in files.items()]
    return writer.commit("refs/heads/t", b"t\n", [], lines, tree="", seconds=EPOCH)


def run_port(user: Git, u1: Files, u2: Files, d1: Files) -> tuple[Port, dict[str, bytes], list[str]]:
    """P of three trees: the port, its files, and the tree ids of U1, U2 and D1."""
    with Scratch(user, user.environ) as scratch:
        with FastImport(scratch) as writer:
            commits = writer.ids([write_tree(writer, files) for files in (u1, u2, d1)])
        trees = [scratch.text("rev-parse", f"{commit}^{{tree}}") for commit in commits]
        with CatFile(scratch) as objects, FastImport(scratch) as writer:
            listed = Trees(*(list_tree(scratch, tree) for tree in trees))
            result = port(scratch, LineCache(objects, {}), writer, listed, set())
            mark = writer.commit("refs/heads/p", b"p\n", [commits[1]], result.lines)
            writer.checkpoint()
            [commit] = writer.ids([mark])
            files = {
                path.decode(): scratch.run("cat-file", "blob", oid)
                for path, (_, oid) in list_tree(scratch, commit).items()
            }
        scratch.publish()
    return result, files, trees


def edit(lines: list[bytes], rng: random.Random, count: int) -> list[bytes]:
    """Some random insertions, removals and replacements."""
    out = list(lines)
    for _ in range(rng.randint(0, count)):
        at = rng.randint(0, len(out))
        new = [rng.choice(WORDS) + b" // %d" % rng.randint(0, 3) for _ in range(rng.randint(0, 3))]
        out[at : at + rng.randint(0, 3)] = new
    return out


def random_triple(rng: random.Random) -> tuple[bytes, bytes, bytes]:
    """A file in U1, U2 and D1."""
    base = [rng.choice(WORDS) for _ in range(rng.randint(4, 40))]
    texts = (join_lines(base), join_lines(edit(base, rng, 3)), join_lines(edit(base, rng, 3)))
    return tuple(text[:-1] if text and rng.random() < 0.1 else text for text in texts)  # type: ignore[return-value]


def merge_by_git(user: Git, trees: list[str]) -> tuple[dict[str, bytes], set[str]]:
    """What `git merge-tree` gives for U1, U2 and D1: its files, and those in conflict."""
    base = user.text("commit-tree", trees[0], "-m", "b")
    ours, theirs = (user.text("commit-tree", tree, "-p", base, "-m", "s") for tree in trees[1:])
    result = user.try_run("merge-tree", "--write-tree", "--name-only", "--no-messages", ours, theirs)
    lines = result.out.decode().splitlines()
    files = {path.decode(): user.run("cat-file", "blob", oid) for path, (_, oid) in list_tree(user, lines[0]).items()}
    return files, set(lines[1:])


@pytest.mark.parametrize("seed", range(4))
def test_where_git_merges_cleanly_p_is_its_result(user: Git, seed: int) -> None:
    """120 random files at once; the few that git merges with a conflict are left out."""
    rng = random.Random(seed)
    triples = {f"dir/file{number}.c": random_triple(rng) for number in range(120)}
    sides = [{path: triple[side] for path, triple in triples.items()} for side in range(3)]
    _, ported, trees = run_port(user, *sides)
    merged, conflicts = merge_by_git(user, trees)
    clean = [path for path in merged if path not in conflicts]
    assert len(clean) > 40
    different = [path for path in clean if ported[path] != merged[path]]
    # P leaves out what upstream has taken in already and holds the same change once; git's merge does too, except
    # where it takes both sides of a change that both made in one place and the texts only overlap.
    assert different == []


def test_no_conflict_marker_and_every_placed_line(user: Git) -> None:
    """A conflict costs only the change that has no place: the others of the same region are in P."""
    base = [b"line %d" % at for at in range(40)]
    theirs = list(base)
    theirs[10:11] = [b"downstream 10"]
    theirs[12:13] = [b"downstream 12"]
    theirs[14:14] = [b"downstream new"]
    ours = list(base)
    ours[12] = b"upstream 12"
    ours[13] = b"upstream 13"
    result, files, _ = run_port(user, {"f": join_lines(base)}, {"f": join_lines(ours)}, {"f": join_lines(theirs)})
    lines = split_lines(files["f"])
    assert b"downstream 10" in lines and b"downstream new" in lines
    assert b"downstream 12" not in lines and b"upstream 12" in lines
    states = [(change.state, change.reason) for change in result.files[b"f"].changes]
    assert states == [("placed", ""), ("unplaced", "conflict"), ("placed", "")]
    assert not any(line.startswith((b"<<<<<<<", b"=======", b">>>>>>>")) for line in lines)


def test_files_deleted_moved_and_added(user: Git) -> None:
    """Deleted upstream: not in P. Moved upstream: the change goes along. Added by both: upstream's side."""
    text = b"".join(b"int value_%d;\n" % at for at in range(30))
    changed = text.replace(b"value_7;", b"value_7; /* d */")
    result, files, _ = run_port(
        user,
        {"gone.c": text, "a/moved.c": text + b"tail\n", "same.c": b"x\n"},
        {"b/moved.c": text + b"tail\nmore\n", "same.c": b"x\n", "both.c": b"upstream\n"},
        {"gone.c": changed, "a/moved.c": changed + b"tail\n", "same.c": b"x\n", "both.c": b"d\n", "own.c": b"d\n"},
    )
    assert "gone.c" not in files and result.files[b"gone.c"].reason == "file-deleted"
    assert "a/moved.c" not in files
    assert files["b/moved.c"] == changed + b"tail\nmore\n"
    assert files["both.c"] == b"upstream\n" and result.files[b"both.c"].reason == "file-exists"
    assert files["own.c"] == b"d\n"


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ({"a/b/c": b"u\n"}, {"a/b": b"d\n"}, {"a/b/c": b"u\n"}),
        ({"a/b": b"u\n"}, {"a/b/c": b"d\n", "a/c": b"d\n"}, {"a/b": b"u\n", "a/c": b"d\n"}),
        ({"top/x/y": b"u\n"}, {"top": b"d\n"}, {"top/x/y": b"u\n"}),
        ({"a/b.c": b"u\n", "a/bc": b"u\n"}, {"a/b": b"d\n"}, {"a/b": b"d\n", "a/b.c": b"u\n", "a/bc": b"u\n"}),
    ],
)
def test_a_folder_in_the_way_of_a_file(user: Git, ours: Files, theirs: Files, merged: Files) -> None:
    """Upstream's folder or file stays, at whatever depth; what p1 wanted there is told as not placed."""
    keep = {"keep": b"k\n"}
    result, files, _ = run_port(user, keep, {**keep, **ours}, {**keep, **theirs})
    assert files == {**keep, **merged}
    for path in theirs:
        told = result.files[path.encode()]
        assert (told.whole, told.reason) == (("placed", "") if path in merged else ("unplaced", "path-taken"))


def test_files_and_folders_take_each_others_places(user: Git) -> None:
    """What p1 takes away or moves makes room for what it puts there, in whatever order the names sort."""
    text = b"".join(b"int value_%d;\n" % at for at in range(30))
    more = text + b"int more;\n"
    u1 = {"f": b"f\n", "d/e/g": b"g\n", "m": text, "n/o/p": text.upper(), "z/q": text.title()}
    d1 = {
        "f/made": b"1\n", "d/e": b"2\n", "m/n": text, "n/o": text.upper() + b"int d;\n", "q": text.title(), "z": b"3\n"
    }  # fmt: skip
    for u2 in (u1, {**u1, "n/o/p": b"int u;\n" + text.upper(), "m": more}):
        result, files, _ = run_port(user, u1, u2, d1)
        assert all(file.whole in ("placed", "") for file in result.files.values())
        assert files.keys() == d1.keys()
        assert files["n/o"] == u2["n/o/p"] + b"int d;\n" and files["m/n"] == u2["m"]
    result, files, _ = run_port(user, u1, {**u1, "d/e/upstream": b"u\n"}, d1)
    assert files["d/e/upstream"] == b"u\n" and "d/e" not in files and files["z"] == b"3\n"
    assert (result.files[b"d/e"].whole, result.files[b"d/e"].reason) == ("unplaced", "path-taken")


GUARD = b'if (length_of(packet) > limit_of(queue)) {\n\treport(packet, "too long");\n\treturn -EINVAL;\n}\n'


@pytest.mark.parametrize(
    ("ours", "theirs", "state", "reason"),
    [
        (b"head();\n" + GUARD, GUARD, "absorbed", ""),  # as it is, with more around
        (GUARD.replace(b"\treturn", b"\tdrop(packet);\n\treturn"), GUARD, "absorbed", ""),  # with a line more in it
        (GUARD.replace(b"packet, ", b"packet, queue, "), GUARD, "unplaced", "alike"),
        (GUARD, GUARD.replace(b"\treturn", b"\tdrop(packet);\n\treturn"), "unplaced", "alike"),
        (b"if (other(thing)) {\n\treport(thing);\n\treturn -EINVAL;\n}\n", GUARD, "placed", ""),
        (b"count++;\n", b"total++;\ncount++;\n", "placed", ""),  # too little to say
    ],
)
def test_an_insertion_beside_its_like(user: Git, ours: bytes, theirs: bytes, state: str, reason: str) -> None:
    """What upstream inserted too is not there twice: absorbed as a whole, or left to a person."""
    base = [b"above();\n", b"below();\n"]
    u2, d1 = (base[0] + text + base[1] for text in (ours, theirs))
    result, files, _ = run_port(user, {"f": b"".join(base)}, {"f": u2}, {"f": d1})
    [change] = result.files[b"f"].changes
    assert (change.state, change.reason) == (state, reason)
    assert files["f"] == (base[0] + ours + theirs + base[1] if state == "placed" else u2)


def test_an_insertion_that_slides_to_upstreams(user: Git) -> None:
    """A case that both add, where upstream changed the one above it: a merge has the label twice."""
    case = b"\tcase 'Y':\n\t\tnotifier_socket_path = NULL;\n\t\tbreak;\n\n"
    base = b"\tcase 'X':\n\t\tset(%s);\n\t\tbreak;\n\n%s\tdefault:\n\t\tbad = 1;\n"
    u1, u2, d1 = base % (b"1", b""), base % (b"tainted", case), base % (b"1", case)
    result, files, trees = run_port(user, {"f": u1}, {"f": u2}, {"f": d1})
    assert files["f"] == u2 and [change.state for change in result.files[b"f"].changes] == ["absorbed"]
    merged, conflicts = merge_by_git(user, trees)
    assert not conflicts and merged["f"].count(b"case 'Y':") == 2  # why this is not left to a merge


def test_absorbed_is_not_placed_again(user: Git) -> None:
    """What upstream took in stands in P once."""
    base = [b"int line_%d;" % at for at in range(20)]
    theirs = [*base[:9], b"int guard_for_all;", *base[9:]]
    ours = [*base[:9], b"int guard_for_all;", b"int upstream_too;", *base[9:]]
    result, files, _ = run_port(user, {"f": join_lines(base)}, {"f": join_lines(ours)}, {"f": join_lines(theirs)})
    assert [change.state for change in result.files[b"f"].changes] == ["absorbed"]
    assert files["f"] == join_lines(ours)


def test_a_twin_elsewhere_is_no_place() -> None:
    """Upstream rewrote one of two equal functions: its change must not land in the other."""
    block = [b"void %s(void)", b"{", b"\tlock_everything();", b"\twork_hard();", b"\tunlock_everything();", b"}", b""]
    one, two = ([line.replace(b"%s", name) for line in block] for name in (b"one", b"two"))
    u1 = one + two
    u2 = [*two[:0], b"void one(void)", b"{", b"\trewritten();", b"}", b"", *two]
    d1 = [*u1[:3], b"\tcheck();", *u1[3:]]
    lines = LineMap([Block(2, 5, 2, 3)])
    change = NetChange(3, 3, 3, 4)
    Placer(u1, u2, d1, lines).run([change])
    assert change.state == "unplaced"


def test_line_map_of_gaps_regions_and_pieces() -> None:
    """The map of a file in which lines 3..5 became one line and two were put in before line 8."""
    lines = LineMap([Block(3, 5, 3, 4), Block(8, 8, 7, 9)])
    assert [lines.line(at) for at in (0, 2, 3, 4, 5, 7, 8)] == [0, 2, None, None, 4, 6, 9]
    assert lines.gap(3) == (3, 4) and lines.gap(5) == (3, 4) and lines.gap(8) == (7, 9) and lines.gap(6) == (5, 5)
    assert lines.region(2, 6) == (2, 5) and lines.region(3, 5) == (3, 4)
    assert lines.pieces(0, 10) == [(0, 0, 3), (5, 4, 3), (8, 9, 2)]
    assert [lines.back(at) for at in (2, 3, 4, 7, 8, 9)] == [2, None, 5, None, None, 8]
    assert lines.is_new(3) and lines.is_new(8) and not lines.is_new(9)


def test_a_file_that_became_a_submodule(user: Git) -> None:
    """Upstream's side stays whole: no mode of the one with the id of the other."""
    one, two, three = ("1" * 40, "2" * 40, "3" * 40)
    trees = Trees({b"f": ("100644", one)}, {b"f": ("160000", two)}, {b"f": ("100644", three)})
    with Scratch(user, user.environ) as scratch, CatFile(scratch) as objects, FastImport(scratch) as writer:
        result = port(scratch, LineCache(objects, {}), writer, trees, set())
        turned = port(scratch, LineCache(objects, {}), writer, Trees(trees.u1, trees.d1, trees.u2), set())
    assert (result.files[b"f"].whole, result.files[b"f"].reason) == ("unplaced", "file-changed")
    assert result.tree == trees.u2 and result.lines == []
    assert turned.tree == trees.d1


LICENCE = [f"   word {number} of a licence that every file of the project begins with" for number in range(12)]


def licensed(*body: str) -> str:
    """A short file behind the licence."""
    return "\n".join(["/* A file.", *LICENCE, "*/", *body, ""])


def test_files_that_share_a_licence_are_no_rename(repository: Repository) -> None:
    old = [f"int fork_{number} (void);" for number in range(6)]
    repository.commit({"gone.c": licensed(*old), "dir/kept.c": licensed(*old), "x": "x\n"}, tag="v1")
    other = [f"double round_{number};" for number in range(6)]
    moved = {"dir/kept.c": None, "dir/named_anew.c": licensed(*old, "int more;")}
    repository.commit({"gone.c": None, "fresh.c": licensed(*other), **moved}, tag="v2")
    git = Git(repository.path / ".git", os.environ)
    before, after = list_tree(git, git.resolve("v1", "tree") or ""), list_tree(git, git.resolve("v2", "tree") or "")
    gone = {path: entry for path, entry in before.items() if path not in after}
    come = {path: entry for path, entry in after.items() if path not in before}
    with CatFile(git) as objects:
        assert set(find_renames(git, gone, {b"fresh.c": come[b"fresh.c"]}, "all").values()) == {b"fresh.c"}
        lines = LineCache(objects, {})
        assert true_renames(git, lines, gone, {b"fresh.c": come[b"fresh.c"]}, "true") == {}
        assert set(true_renames(git, lines, gone, come, "true").values()) == {b"dir/named_anew.c"}
