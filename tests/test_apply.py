"""Applying patches against git and GNU patch, and the ledger of lines that comes of it."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_metadiff.apply import PatchText
from git_metadiff.certificate import count_input
from git_metadiff.errors import MetadiffError
from git_metadiff.lines import blob_id, join_lines
from tests.applying import (
    FILE,
    FULL,
    LINK,
    PROGRAM,
    SUBMODULE,
    Bench,
    Files,
    check_owned,
    files,
    forest,
    random_files,
    random_step,
    workbench,
)

SEEDS = st.integers(0, 2**32)
needs_patch = pytest.mark.skipif(not shutil.which("patch") or not shutil.which("diff"), reason="no GNU patch here")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with workbench(tmp_path_factory.mktemp("bench") / "user.git") as bench:
        yield bench


def numbered(*changes: tuple[int, str], count: int = 20) -> str:
    """Lines `1` to `count`, some replaced by a text of any lines: `(7, "")` takes line 7 out."""
    lines = {number: f"{number}\n" for number in range(1, count + 1)} | dict(changes)
    return "".join(lines[number] for number in sorted(lines))


def refusal(bench: Bench, tree: str, *patches: bytes | PatchText) -> MetadiffError:
    """The error that applying raises: one line, and a hint."""
    with pytest.raises(MetadiffError) as caught:
        bench.apply(tree, *patches)
    assert "\n" not in caught.value.message and caught.value.hint
    return caught.value


# Whatever git makes, and whatever it applies

OPTIONS = st.tuples(
    st.sampled_from([(), ("-M",), ("-C",), ("-C", "--find-copies-harder"), ("-B",), ("-B", "-M")]),
    st.sampled_from([0, 1, 3, 3, 8]),
    st.sampled_from(["myers", "patience", "histogram"]),
)


@settings(max_examples=14, deadline=None, database=None)
@given(seed=SEEDS, options=OPTIONS)
def test_tree_is_that_of_git_apply(bench: Bench, seed: int, options: tuple[tuple[str, ...], int, str]) -> None:
    rng = Random(seed)
    worlds = [random_files(rng) for _ in range(12)]
    old, new = forest(worlds), forest([random_step(rng, world) for world in worlds])
    start, stop = bench.tree(old), bench.tree(new)
    patch = bench.diff(start, stop, *FULL, *options[0], f"-U{options[1]}", f"--diff-algorithm={options[2]}")
    expected = bench.git_apply(start, patch, *["--unidiff-zero"] * (options[1] == 0))
    if expected is None:  # git reads not all that -B writes
        assert "-B" in options[0]
        return
    assert expected == stop
    result = bench.apply(start, patch)
    assert result.tree == stop and result.kinds() == []
    check_owned(result.applied, old, new)


@settings(max_examples=10, deadline=None, database=None)
@given(seed=SEEDS)
def test_series_leads_to_its_last_tree(bench: Bench, seed: int) -> None:
    """Later patches touch what earlier ones wrote, delete what they made, and make it again."""
    rng = Random(seed)
    states = [[random_files(rng) for _ in range(6)]]
    for _ in range(4):
        states.append([random_step(rng, world) for world in states[-1]])
    forests = [forest(state) for state in states]
    trees = [bench.tree(one) for one in forests]
    found = [("-M",), ("-C", "--find-copies-harder"), ("-U0",), ("-U8",)]
    patches = [
        bench.diff(old, new, *FULL, *options) for old, new, options in zip(trees, trees[1:], found, strict=False)
    ]
    result = bench.apply(trees[0], *patches)
    assert result.tree == trees[-1] and result.kinds() == []
    check_owned(result.applied, forests[0], forests[-1])
    assert all(hunk.applied_start == hunk.old_start for hunk in result.applied.hunks)


# Drifted context


def drifted(rng: Random) -> tuple[bytes, bytes, bytes]:
    """A file as the author had it, as he changed it, and as it is by now."""
    words = [b"\\", *(b"l%d" % number for number in range(rng.choice([3, 8, 30, 500])))]
    base = [rng.choice(words) for _ in range(rng.choice([1, 3, 6, 10, 20, 40]))]
    texts = []
    for times in (0, rng.choice([1, 2, 3]), rng.choice([0, 1, 1, 2, 3])):
        lines = list(base)
        for _ in range(times):
            at = rng.randrange(len(lines) + 1)
            stop = at + rng.choice([0, 0, 1, 1, 2, 3])
            lines[at:stop] = [rng.choice(words) for _ in range(rng.choice([0, 1, 1, 2, 4]))]
        texts.append(join_lines(lines or [b"last"]))
    return texts[0], texts[1], texts[2]


def by_hand(tool: list[str], folder: Path, contents: Files, patch: bytes) -> dict[bytes, bytes | None]:
    """What a tool that leaves rejects makes of files on disk; None for those that it refuses."""
    folder.mkdir()
    for name, (_, content) in contents.items():
        (folder / name.decode()).write_bytes(content)
    subprocess.run(tool, cwd=folder, input=patch, capture_output=True, check=False)
    found: dict[bytes, bytes | None] = {}
    for name in contents:
        path = folder / name.decode()
        found[name] = None if path.with_name(path.name + ".rej").exists() else path.read_bytes()
    return found


@needs_patch
@settings(max_examples=8, deadline=None, database=None)
@given(seed=SEEDS, context=st.sampled_from([1, 2, 3, 3, 5]))
def test_drifted_context(bench: Bench, tmp_path_factory: pytest.TempPathFactory, seed: int, context: int) -> None:
    """Where git takes all hunks of a file, its result; else that of `patch -F2`, told; else nothing."""
    rng = Random(seed)
    triples = {b"f%d" % number: drifted(rng) for number in range(80)}
    base, new, now = ({name: (FILE, texts[at]) for name, texts in triples.items()} for at in range(3))
    patch = bench.diff(bench.tree(base), bench.tree(new), *FULL, f"-U{context}")
    folder = tmp_path_factory.mktemp("drift")
    git = by_hand(["git", "apply", "--reject", "--whitespace=nowarn"], folder / "git", now, patch)
    gnu = by_hand(["patch", "-p1", "-f", "-s", "-F2", "--no-backup-if-mismatch"], folder / "gnu", now, patch)
    result = bench.apply(bench.tree(now), patch, partial=True)
    for name in now:
        told = {notice.kind for notice in result.applied.notices if notice.path == name}
        expected = git[name] if git[name] is not None else gnu[name]
        if expected is None:
            assert "rejected" in told
            continue
        assert told == set() if git[name] is not None else told and told <= {"fuzz", "offset"}
        assert result.entries[name][1] == blob_id(expected, "sha1")


# One case each


TWENTY = numbered()


def changed(bench: Bench, old: Files, new: Files, *options: str) -> tuple[str, bytes]:
    """The tree of `old`, and the patch from it to `new`."""
    start = bench.tree(old)
    return start, bench.diff(start, bench.tree(new), *FULL, *options)


def traditional(old: str, new: str, body: str) -> bytes:
    """A patch as `diff -u` writes it."""
    return f"--- {old}\n+++ {new}\n{body}".encode()


STAMP = "\t2020-02-03 04:05:06.000000000 +0000"
EPOCH = "\t1970-01-01 00:00:00.000000000 +0000"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1\n2", "1\n2\n"),
        ("1\n2\n", "1\n2"),
        ("1\n2", "1\n3"),
        ("1\n2", "0\n1\n2"),
        ("1", ""),
        ("", "1"),
        ("\n", ""),
        ("1\r\n2\r\n", "1\r\n3\r\n"),
        ("1\n2\n", "1\r\n2\r\n"),
        ("a\rb\n\x0c\n", "a\rc\n\x0c\n"),
        ("\\ No newline at end of file\n", "\\ No newline at end of file"),
        ("-- x\n++ y\n", "-- x\n"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n", "@@ -1 +1 @@\n"),
    ],
)
@pytest.mark.parametrize("context", [0, 1, 3])
def test_ends_of_lines_and_files(bench: Bench, old: str, new: str, context: int) -> None:
    start, patch = changed(bench, files(a=old, b=TWENTY), files(a=new, b=TWENTY), f"-U{context}")
    result = bench.apply(start, patch)
    assert result.tree == bench.tree(files(a=new, b=TWENTY)) and result.kinds() == []
    check_owned(result.applied, files(a=old, b=TWENTY), files(a=new, b=TWENTY))


@pytest.mark.parametrize("name", ["a", "g h", "x b/y", "é", 'q"', "nl\nx", "back\\", "lead/ x", "end ", "a\tb"])
def test_names(bench: Bench, name: str) -> None:
    raw = name.encode() + b"\xe9"
    cases: list[tuple[Files, Files]] = [
        ({raw: (FILE, b"1\n")}, {raw: (FILE, b"2\n")}),
        ({}, {raw: (FILE, b"1\n")}),
        ({raw: (FILE, b"")}, {}),
        ({raw: (FILE, b"1\n")}, {raw: (PROGRAM, b"1\n")}),
        ({b"other": (FILE, b"1\n" * 9)}, {raw: (FILE, b"1\n" * 9)}),
        ({raw: (FILE, b"1\n" * 9)}, {b"to " + raw: (FILE, b"1\n" * 9 + b"2\n")}),
    ]
    for old, new in cases:
        start, patch = changed(bench, old | files(rest=""), new | files(rest=""), "-M")
        assert bench.apply(start, patch).tree == bench.tree(new | files(rest=""))


def test_lost_blanks(bench: Bench) -> None:
    """Empty context lines lose their blank in mails, and with `diff --suppress-blank-empty`."""
    patch = traditional("a/a", "b/a", "@@ -1,4 +1,4 @@\n 1\n\n-3\n+three\n\n")
    assert bench.apply(bench.tree(files(a="1\n\n3\n\n")), patch).tree == bench.tree(files(a="1\n\nthree\n\n"))


def test_a_backslash_alone_on_the_last_line_is_a_line(bench: Bench) -> None:
    before, after = "1\n2\n3\n4\n5\n\\\n", "1\ntwo\n3\n4\n5\n\\\n"
    start, patch = changed(bench, files(a=before), files(a=after))
    assert bench.apply(start, patch).tree == bench.tree(files(a=after)) == bench.git_apply(start, patch)


def test_index_line_sets_no_mode(bench: Bench) -> None:
    _, patch = changed(bench, files(a="1\n"), files(a="2\n"))
    start = bench.tree({b"a": (PROGRAM, b"1\n")})
    result = bench.apply(start, patch)
    assert result.tree == bench.tree({b"a": (PROGRAM, b"2\n")}) == bench.git_apply(start, patch)


def test_old_modes_become_those_of_today(bench: Bench) -> None:
    patch = b"diff --git a/a b/a\nold mode 100755\nnew mode 100664\n"
    new = b"diff --git a/b b/b\nnew file mode 100775\n--- /dev/null\n+++ b/b\n@@ -0,0 +1 @@\n+1\n"
    start = bench.tree({b"a": (PROGRAM, b"1\n")})
    assert bench.apply(start, patch + new).tree == bench.tree({b"a": (FILE, b"1\n"), b"b": (PROGRAM, b"1\n")})


def test_renames_and_copies_take_files_as_they_were(bench: Bench) -> None:
    """A swap, a chain of renames, and a copy of a file that the same patch edits."""
    one, two, three = ((FILE, numbered((at, "x\n")).encode()) for at in (3, 9, 15))
    old = {b"a": one, b"b": two, b"c": three}
    edited = (FILE, one[1].replace(b"17\n", b"seventeen\n"))
    for new in (
        {b"a": two, b"b": one, b"c": three},
        {b"a": three, b"b": one, b"c": two},
        {b"b": one, b"c": two, b"d": three},
        {b"a": edited, b"b": one, b"c": one},
        {b"a": edited, b"b": two, b"c": three, b"z": one},
    ):
        start, patch = changed(bench, old, new, "-C", "-B", "--find-copies-harder")
        expected = bench.git_apply(start, patch)
        if expected is not None:
            assert bench.apply(start, patch).tree == expected == bench.tree(new)


def test_patches_put_together_are_applied_in_turn(bench: Bench) -> None:
    """`cat *.patch`: each section stands on those before it, a rename too."""
    states: list[Files] = [
        files(a=TWENTY),
        files(a=numbered((2, "two\n"))),
        files(b=numbered((2, "two\n"))),
        files(b=numbered((2, "two\n"), (9, "nine\n")), c="1\n"),
        files(c="1\n"),
        files(b="new\n", c="1\n"),
    ]
    trees = [bench.tree(state) for state in states]
    patch = b"".join(bench.diff(old, new, *FULL, "-M") for old, new in itertools.pairwise(trees))
    result = bench.apply(trees[0], patch)
    assert result.tree == trees[-1]
    check_owned(result.applied, states[0], states[-1])


def test_submodules_links_and_types(bench: Bench) -> None:
    states: list[Files] = [
        {b"a": (FILE, b"1\n"), b"s": (SUBMODULE, b"1" * 40), b"l": (LINK, b"a")},
        {b"a": (LINK, b"l"), b"s": (SUBMODULE, b"2" * 40), b"l": (LINK, b"b")},
        {b"a": (SUBMODULE, b"3" * 40), b"s": (FILE, b"1\n"), b"l": (FILE, b"b")},
        {b"a/x": (FILE, b"1\n"), b"l": (LINK, b"b")},
        {b"a": (FILE, b"1\n"), b"l/x": (LINK, b"b")},
    ]
    trees = [bench.tree(state) for state in states]
    result = bench.apply(trees[0], *(bench.diff(old, new) for old, new in itertools.pairwise(trees)))
    assert result.tree == trees[-1]
    check_owned(result.applied, states[0], states[-1])


def test_sha256(tmp_path: Path) -> None:
    with workbench(tmp_path / "user.git", "--object-format=sha256") as bench:
        old, new = files(a=TWENTY, b="\0\1\n"), files(a=numbered((5, "five\n")), b="\0\2\n")
        start, patch = changed(bench, old, new)
        assert bench.apply(start, patch).tree == bench.tree(new)


# What is refused, and what `--partial` leaves out


def text_patch(bench: Bench, old: str, new: str) -> bytes:
    """A patch of the file `a`."""
    return changed(bench, files(a=old), files(a=new))[1]


REFUSED: dict[str, tuple[Files, bytes, str]] = {
    "missing": (files(b="1\n"), traditional("a/a", "b/a", "@@ -1 +1 @@\n-1\n+2\n"), "p0:1: a is not there"),
    "exists": (files(a="1\n"), traditional("/dev/null", "b/a", "@@ -0,0 +1 @@\n+2\n"), "p0:1: a already exists"),
    "empty exists": (files(a=""), b"diff --git a/a b/a\nnew file mode 100644\n", "p0:1: a already exists"),
    "other text": (files(a="3\n"), traditional("a/a", "b/a", "@@ -1 +1 @@\n-1\n+2\n"), "p0: a: hunk 1 (line 3 of"),
    "second hunk": (
        files(a=TWENTY),
        traditional("a/a", "b/a", "@@ -1 +1 @@\n-1\n+one\n@@ -9 +9 @@\n-x\n+2\n"),
        "p0: a: hunk 2 (line 6 of the patch) does not apply",
    ),
    "rename of nothing": (files(b="1\n"), b"diff --git a/a b/c\nrename from a\nrename to c\n", "p0:1: c is not there"),
    "rename onto": (
        files(a="1\n", c="2\n"),
        b"diff --git a/a b/c\nsimilarity index 100%\nrename from a\nrename to c\n",
        "p0:1: c already exists",
    ),
    "type": (
        {b"a": (LINK, b"1\n")},
        b"diff --git a/a b/a\nindex 1..2 100644\n--- a/a\n+++ b/a\n@@ -1 +1 @@\n-1\n+2\n",
        "p0:1: a is of another type",
    ),
    "new type": ({b"a": (FILE, b"1\n")}, b"diff --git a/a b/a\nold mode 100644\nnew mode 120000\n", "of another type"),
    "rest": (files(a="1\n2\n"), traditional("a/a", "/dev/null", "@@ -1 +0,0 @@\n-1\n"), "1 of its lines are not in it"),
    "under a file": (files(a="1\n"), traditional("/dev/null", "b/a/b", "@@ -0,0 +1 @@\n+2\n"), "a/b: a file and a"),
    "over a folder": (
        {b"a/b": (FILE, b"1\n")},
        traditional("/dev/null", "b/a", "@@ -0,0 +1 @@\n+2\n"),
        "a: a file and a folder of one name",
    ),
    "submodule": (
        {b"a": (SUBMODULE, b"1" * 40)},
        traditional("a/a", "b/a", f"@@ -1 +1 @@\n-Subproject commit {'1' * 40}\n+Subproject commit x\n"),
        "names no commit",
    ),
    "escape": (files(a=""), traditional("/dev/null", "b/../x", "@@ -0,0 +1 @@\n+2\n"), "unsafe path ../x"),
    "git": (files(a=""), traditional("/dev/null", "b/x/.GIT /hooks/y", "@@ -0,0 +1 @@\n+2\n"), "unsafe path"),
    "no name": (files(a=""), traditional("a", "a", "@@ -0,0 +1 @@\n+2\n").replace(b"a\n", b"/\n"), "cannot tell which"),
    "no diff": (files(a=""), b"Just words.\n", "p0: there is no diff in this patch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(bench: Bench, case: str) -> None:
    old, patch, message = REFUSED[case]
    start = bench.tree(old)
    assert message in refusal(bench, start, patch).message
    assert bench.git_apply(start, patch) is None


@pytest.mark.parametrize("case", [case for case in REFUSED if REFUSED[case][2].startswith("p0:")])
def test_partial_names_and_counts_what_it_leaves_out(bench: Bench, case: str) -> None:
    old, patch, _ = REFUSED[case]
    result = bench.apply(bench.tree(old), patch, partial=True) if case != "no diff" else None
    if result is None:
        return
    assert set(result.kinds()) == {"rejected"}
    assert len(result.applied.hunks) + result.applied.counted == count_input([patch])
    if case != "second hunk":
        assert result.tree == bench.tree(old)


def test_partial_keeps_what_a_deleted_file_has_more(bench: Bench) -> None:
    patch = b"diff --git a/a b/a\ndeleted file mode 100644\n--- a/a\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-1\n-2\n"
    start = bench.tree(files(a="1\n2\n3\n"))
    result = bench.apply(start, patch, partial=True)
    assert result.tree == bench.tree(files(a="3\n")) and result.kinds() == ["rejected"]
    assert result.applied.counted == 0 and len(result.applied.hunks) == 1


def test_partial_leaves_out_one_hunk_of_a_series(bench: Bench) -> None:
    """What later patches build on the rejected hunk is rejected too, and what has nothing to do with it is not."""
    first = text_patch(bench, TWENTY, numbered((3, "three\n")))
    second = text_patch(bench, numbered((3, "three\n")), numbered((3, "III\n"), (17, "seventeen\n")))
    start = bench.tree(files(a=numbered((3, "other\n"))))
    result = bench.apply(start, first, second, partial=True)
    assert result.tree == bench.tree(files(a=numbered((3, "other\n"), (17, "seventeen\n"))))
    assert [(notice.kind, notice.patch) for notice in result.applied.notices] == [("rejected", 0), ("rejected", 1)]
    assert result.applied.counted == 2 and len(result.applied.hunks) == 1


# Binary content


def test_binary_content_must_be_what_the_patch_was_made_for(bench: Bench) -> None:
    old, new = b"\0" + bytes(range(200)) * 3, b"\0" + bytes(range(200)) * 3 + b"more"
    start, patch = changed(bench, {b"a": (FILE, old)}, {b"a": (FILE, new)})
    assert b"\ndelta " in patch
    assert bench.apply(start, patch).tree == bench.tree({b"a": (FILE, new)})
    other = bench.tree({b"a": (FILE, old[::-1])})
    assert "the binary patch does not apply" in refusal(bench, other, patch).message
    literal = changed(bench, {b"a": (FILE, b"\0")}, {b"a": (FILE, b"\0new")})[1]
    assert b"\nliteral " in literal and bench.git_apply(other, literal) is None
    result = bench.apply(other, literal, partial=True)
    assert result.tree == other and result.kinds() == ["rejected"] and result.applied.counted == 1


def test_binary_content_owns_the_whole_file(bench: Bench) -> None:
    states = [files(a=TWENTY), files(a=numbered((3, "three\n"))), files(a="\0\n"), files(a="\0\nmore\n")]
    trees = [bench.tree(state) for state in states]
    result = bench.apply(trees[0], *(bench.diff(old, new) for old, new in itertools.pairwise(trees)))
    check_owned(result.applied, states[0], states[-1])
    text, first, second = result.applied.authored
    assert (text.lost, text.later) == (1, 1) and (first.lost, second.took) == (1, 1)
    assert first.removed == [(0, 2), (3, 20)] and second.ranges == [(0, 2)]


def test_stub_is_left_out_and_the_rest_of_its_section_is_not(bench: Bench) -> None:
    start = bench.tree(files(a="\0\n", b="1\n"))
    plain = b"Binary files old/x.png and new/x.png differ\n"
    gits = b"diff --git a/a b/a\nold mode 100644\nnew mode 100755\nindex 1..2\nBinary files a/a and b/a differ\n"
    made = b"diff --git a/n b/n\nnew file mode 100644\nindex 0..2\nBinary files /dev/null and b/n differ\n"
    result = bench.apply(start, plain + gits + made + traditional("a/b", "b/b", "@@ -1 +1 @@\n-1\n+2\n"))
    assert result.tree == bench.tree({b"a": (PROGRAM, b"\0\n"), b"b": (FILE, b"2\n")})
    assert result.kinds() == ["stub"] * 3
    assert len(result.applied.hunks) == 2 == count_input([plain + gits + made]) + 1


# Files that are made and deleted


@pytest.mark.parametrize(
    ("old", "new", "body", "before", "after"),
    [
        ("a/a" + EPOCH, "b/a" + STAMP, "@@ -0,0 +1 @@\n+1\n", None, "1\n"),
        ("a/a\t1969-12-31 19:00:00.000000000 -0500", "b/a", "@@ -0,0 +1 @@\n+1\n", None, "1\n"),
        ("/dev/null", "b/a", "@@ -0,0 +1 @@\n+1\n", None, "1\n"),
        ("a/a" + STAMP, "b/a" + STAMP, "@@ -0,0 +1 @@\n+1\n", None, "1\n"),
        ("a/a" + STAMP, "b/a" + STAMP, "@@ -0,0 +1 @@\n+1\n", "", "1\n"),
        ("a/a" + STAMP, "b/a" + EPOCH, "@@ -1 +0,0 @@\n-1\n", "1\n", None),
        ("a/a", "/dev/null", "@@ -1 +0,0 @@\n-1\n", "1\n", None),
        ("a/a" + STAMP, "b/a" + STAMP, "@@ -1 +0,0 @@\n-1\n", "1\n", ""),
        # A stamp of that day that is not the epoch: a reproducible build gives one to every file.
        ("a/a\t1970-01-01 00:00:01 +0000", "b/a" + STAMP, "@@ -1 +1 @@\n-1\n+2\n", "1\n", "2\n"),
        ("a/a\t1970-01-01 01:00:00 +0000", "b/a" + STAMP, "@@ -1 +1 @@\n-1\n+2\n", "1\n", "2\n"),
        ("a/a\t1970-01-01 01:00:00 +0100", "b/a" + STAMP, "@@ -0,0 +1 @@\n+1\n", None, "1\n"),
    ],
)
def test_made_and_deleted(bench: Bench, old: str, new: str, body: str, before: str | None, after: str | None) -> None:
    start, stop = ({b"rest": (FILE, b"")} | ({} if text is None else files(a=text)) for text in (before, after))
    patch = traditional(old, new, body)
    tree = bench.tree(start)
    assert bench.apply(tree, patch).tree == bench.tree(stop) == bench.git_apply(tree, patch)


def test_epoch_on_both_sides_of_an_edit(bench: Bench) -> None:
    """Some stores give every file the epoch as its date; git refuses this, and nothing is made or deleted by it."""
    patch = traditional("a/a" + EPOCH, "b/a" + EPOCH, "@@ -1 +1 @@\n-1\n+2\n")
    assert bench.apply(bench.tree(files(a="1\n")), patch).tree == bench.tree(files(a="2\n"))


# Which file


@pytest.mark.parametrize(
    ("old", "new", "there", "expected"),
    [
        ("a/x.c.orig", "b/x.c", ("x.c",), "x.c"),
        ("a/x.c", "b/x.c.new", ("x.c",), "x.c"),
        ("a/x.c", "b/x.c.new", ("x.c", "x.c.new"), "x.c"),
        ("a/x", "b/x.c", ("x", "x.c"), "x"),
        ("a/x.c", "b/y.c", ("x.c", "y.c"), "y.c"),
        ("a/x.c", "b/y.c", ("x.c",), "x.c"),
        ("a/./x.c", "b//x.c", ("x.c",), "x.c"),
        ("old//d/x.c", "new//d/x.c", ("d/x.c",), "d/x.c"),
    ],
)
def test_names_that_differ(bench: Bench, old: str, new: str, there: tuple[str, ...], expected: str | None) -> None:
    start = bench.tree({name.encode(): (FILE, b"1\n") for name in there})
    patch = traditional(old, new, "@@ -1 +1 @@\n-1\n+2\n")
    if expected is None:
        refusal(bench, start, patch)
        return
    result = bench.apply(start, patch)
    assert result.applied.hunks[0].path == expected.encode()
    assert bench.git_apply(start, patch) in (None, result.tree)


LEVELS = [
    # names in the patch, files of the tree, the level taken and why
    ("a/d/x", "b/d/x", ("d/x",), None, ""),
    ("d/x", "d/x", ("d/x",), 0, "its files are there, and not with -p1"),
    ("x", "x", ("x",), 0, "its files are there, and not with -p1"),
    ("d/x", "d/x", ("d/x", "x"), None, ""),
    ("linux-1/a/d/x", "linux-2/b/d/x", ("d/x",), 2, "its files are there, and not with -p1"),
    ("/usr/src/linux/d/x", "/usr/src/linux/d/x", ("d/x",), 4, "its files are there, and not with -p1"),
    ("a/x/y", "b/x/y", ("x/y", "y"), None, ""),
    ("old/x/y", "old/z/y", ("x/y", "y"), 2, "both header names agree there, and not with -p1"),
]


@pytest.mark.parametrize(("old", "new", "there", "level", "why"), LEVELS)
def test_level(bench: Bench, old: str, new: str, there: tuple[str, ...], level: int | None, why: str) -> None:
    start = bench.tree({name.encode(): (FILE, b"1\n") for name in there})
    result = bench.apply(start, traditional(old, new, "@@ -1 +1 @@\n-1\n+2\n"))
    told = [notice.text for notice in result.applied.notices if notice.kind == "strip"]
    assert len(told) == (level is not None) == len(result.applied.notices)
    if level is not None:
        assert f"p0: applied with -p{level}: " in told[0] and why in told[0]


def test_level_that_applies(bench: Bench) -> None:
    """-p1 finds its file, and its hunks do not fit; -p0 finds one where they do."""
    start = bench.tree(files(x="other\n") | {b"d/x": (FILE, b"1\n")})
    patch = traditional("d/x", "d/x", "@@ -1 +1 @@\n-1\n+2\n")
    first = text_patch(bench, "other\n", "text\n").replace(b"a/a", b"a/x").replace(b"b/a", b"b/x")
    result = bench.apply(start, first, patch)
    assert result.tree == bench.tree(files(x="text\n") | {b"d/x": (FILE, b"2\n")})
    assert [(notice.patch, notice.text) for notice in result.applied.notices] == [
        (1, "p1: applied with -p0: it does not apply with -p1")
    ]
    assert len(result.applied.patches) == 2 and len(result.applied.hunks) == 2
    wrong = traditional("d/x", "d/x", "@@ -1 +1 @@\n-3\n+2\n")
    assert refusal(bench, start, wrong).message == "p0: x: hunk 1 (line 3 of the patch) does not apply"


def test_level_asked_for(bench: Bench) -> None:
    start = bench.tree(files(x="1\n") | {b"d/x": (FILE, b"1\n")})
    patch = traditional("d/x", "d/x", "@@ -1 +1 @@\n-1\n+2\n")
    for strip, path in ((0, b"d/x"), (1, b"x")):
        result = bench.apply(start, PatchText("p", patch, strip))
        assert result.applied.hunks[0].path == path and result.kinds() == []
    assert "with -p2" in refusal(bench, start, PatchText("p", patch, 2)).message


# Places


def test_offset_and_fuzz_are_told(bench: Bench) -> None:
    patch = text_patch(bench, TWENTY, numbered((10, "ten\n")))
    result = bench.apply(bench.tree(files(a="0\n0\n" + TWENTY)), patch)
    assert result.applied.hunks[0].applied_start == 9 and result.kinds() == []
    result = bench.apply(bench.tree(files(a="0\n0\n" + numbered((7, "seven\n")))), patch)
    [hunk] = result.applied.hunks
    assert (hunk.old_start, hunk.applied_start, hunk.fuzz) == (7, 9, 1)
    [notice] = result.applied.notices
    assert notice.kind == "fuzz" and notice.text == "p0:5: a: hunk 1 applied at line 9 (offset 2) with fuzz 1"


def test_hunk_at_the_start_that_is_there_no_longer(bench: Bench) -> None:
    """git holds a hunk of line 1 to the start of the file; GNU patch does not."""
    patch = text_patch(bench, TWENTY, numbered((4, "four\n")))
    start = bench.tree(files(a="0\n" + TWENTY))
    result = bench.apply(start, patch)
    assert result.tree == bench.tree(files(a="0\n" + numbered((4, "four\n")))) and bench.git_apply(start, patch) is None
    [notice] = result.applied.notices
    assert (
        notice.kind == "offset" and "applied at line 2 (offset 1) as patch does it, for git refuses it" in notice.text
    )


def test_more_context_than_the_fuzz_may_leave_out(bench: Bench) -> None:
    patch = text_patch(bench, TWENTY, numbered((10, "ten\n")))
    assert "does not apply" in refusal(bench, bench.tree(files(a=numbered((9, "nine\n")))), patch).message


def test_hunks_of_one_file_are_all_placed_by_one_rule(bench: Bench) -> None:
    """git goes by line numbers, and patch by the offset of the hunk before: each rule is taken as a whole."""
    block = "x\n" * 4 + "mark\n" + "y\n" * 4
    old = numbered(count=10) + block + block
    new = numbered((5, "five\n"), count=10) + block.replace("mark", "MARK") + block
    patch = text_patch(bench, old, new)
    for drift, kinds, offsets in (((), [], [19, 0]), (((2, "drift\n"),), ["fuzz", "offset"], [19, 19])):
        now = "0\n" * 10 + block + numbered(*drift, count=10) + block + block
        result = bench.apply(bench.tree(files(a=now)), patch)
        assert [hunk.applied_start - hunk.old_start for hunk in result.applied.hunks] == offsets
        assert result.kinds() == kinds


def test_newline_that_the_context_does_not_know(bench: Bench) -> None:
    """git drops it where the hunk ends the file; in the middle it would join two lines, and is not followed."""
    patch = text_patch(bench, "1\n2\n3", "1\ntwo\n3")
    start = bench.tree(files(a="1\n2\n3\n"))
    result = bench.apply(start, patch)
    assert result.tree == bench.git_apply(start, patch) == bench.tree(files(a="1\ntwo\n3")) and result.kinds() == []
    result = bench.apply(bench.tree(files(a="1\n2\n3\n4\n")), patch)
    assert result.tree == bench.tree(files(a="1\ntwo\n3\n4\n")) and result.kinds() == ["fuzz"]


# Followed through a series


def test_superseded_lines(bench: Bench) -> None:
    states = [
        files(a=numbered()),
        files(a=numbered((5, "five\nmore\n"))),
        files(a=numbered((5, "FIVE\nmore\n"), (9, ""))),
        files(a=numbered((5, "FIVE\n"), (9, ""))),
    ]
    trees = [bench.tree(state) for state in states]
    result = bench.apply(trees[0], *(bench.diff(old, new) for old, new in itertools.pairwise(trees)))
    check_owned(result.applied, states[0], states[-1])
    first, second, third, fourth = result.applied.authored
    assert (first.removed, first.ranges, first.lost, first.later) == ([(4, 5)], [], 2, fourth.serial)
    assert (second.took, second.removed, second.ranges, second.at) == (1, [], [(4, 5)], 5)
    assert (third.removed, third.ranges, third.at) == ([(8, 9)], [], 8)
    assert (fourth.took, fourth.removed, fourth.ranges) == (1, [], [])
    assert result.applied.traces[0].runs == [(4, 0), (1, -2), (3, 5), (11, 9)]


def test_file_made_deleted_and_made_again(bench: Bench) -> None:
    states = [
        files(rest=""),
        files(rest="", a="1\n2\n"),
        files(rest="", a="1\ntwo\n"),
        files(rest=""),
        files(rest="", a="1\nnew\n"),
    ]
    trees = [bench.tree(state) for state in states]
    result = bench.apply(trees[0], *(bench.diff(old, new) for old, new in itertools.pairwise(trees)))
    assert result.tree == trees[-1]
    check_owned(result.applied, states[0], states[-1])
    made, edited, gone, again = result.applied.authored
    assert (made.lost, made.later, edited.lost, edited.later) == (2, gone.serial, 1, gone.serial)
    assert again.ranges == [(0, 2)] and [trace.alive for trace in result.applied.traces] == [False, True]


def test_file_of_the_release_deleted_and_made_again(bench: Bench) -> None:
    states = [files(a="1\n2\n"), {}, files(a="1\n3\n")]
    trees = [bench.tree(state) for state in states]
    result = bench.apply(trees[0], *(bench.diff(old, new) for old, new in itertools.pairwise(trees)))
    check_owned(result.applied, states[0], states[-1])
    assert result.tree == trees[-1] and result.applied.authored[0].removed == [(0, 2)]


def test_rename_then_edit(bench: Bench) -> None:
    states = [files(a=TWENTY), files(b=TWENTY), files(b=numbered((5, "five\n")))]
    trees = [bench.tree(state) for state in states]
    result = bench.apply(trees[0], *(bench.diff(old, new, *FULL, "-M") for old, new in itertools.pairwise(trees)))
    check_owned(result.applied, states[0], states[-1])
    [trace] = result.applied.traces
    assert (trace.base, trace.path) == (b"a", b"b") and result.applied.hunks[0].old_path == b"a"


@needs_patch
@settings(max_examples=6, deadline=None, database=None)
@given(seed=SEEDS)
def test_traditional_diffs(bench: Bench, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """`diff -Naurp` of two folders; files that it makes empty are beyond it."""
    rng = Random(seed)
    names = re.compile(rb"[^\n]*[^ \n]")
    worlds = [random_files(rng) for _ in range(10)]
    both = []
    for world in (forest(worlds), forest([random_step(rng, world) for world in worlds])):
        kept = {name: content for name, (mode, content) in world.items() if mode == FILE and names.fullmatch(name)}
        both.append({name: (FILE, content or b"x\n") for name, content in kept.items() if b"/ " not in name})
    folder = tmp_path_factory.mktemp("naur")
    for side, contents in zip("ab", both, strict=True):
        for name, (_, content) in contents.items():
            path = folder / side / name.decode("utf-8", "surrogateescape")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    done = subprocess.run(["diff", "-Naurp", "a", "b"], cwd=folder, capture_output=True, check=False)
    result = bench.apply(bench.tree(both[0]), done.stdout)
    assert result.tree == bench.tree(both[1])
    check_owned(result.applied, both[0], both[1])
