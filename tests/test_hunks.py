"""Reading patches: sections, headers, names, hunks and binary content, and all that is refused."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from git_metadiff.errors import MetadiffError
from git_metadiff.hunks import (
    NO_NEWLINE,
    FilePatch,
    RawHunk,
    Scanner,
    apply_delta,
    changes_of,
    count_hunks,
    git_header_names,
    header_name,
    strip_name,
    unquote,
)
from git_metadiff.lines import join_lines, split_lines
from git_metadiff.model import Change

HUNK = "@@ -1 +1 @@\n-1\n+2\n"
HEAD = "--- a/x\n+++ b/x\n"


def scan(text: str | bytes) -> list[FilePatch]:
    """The sections of a patch."""
    return Scanner(text if isinstance(text, bytes) else text.encode(), "p").scan()


def raw(*body: str, old: tuple[int, int] = (1, 0), new: tuple[int, int] = (1, 0)) -> RawHunk:
    """A hunk of these lines."""
    return RawHunk(1, *old, *new, b"", tuple(line.encode() for line in body))


# Names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a/x", "a/x"),
        ("a/x\r", "a/x"),
        ("a/x y\t", "a/x y"),
        ("a/x \t", "a/x "),
        ("a/x\t2020-01-02 03:04:05.678 +0100", "a/x"),
        ("a/x 2020-01-02 03:04:05", "a/x"),
        ("a/x  Thu Jan  2 03:04:05 2020", "a/x"),
        ("a/x 2020-01-02", "a/x 2020-01-02"),
        ('"a/\\303\\251\\t\\"\\\\"', 'a/é\t"\\'),
        ('"a/x"\t2020-01-02 03:04:05', "a/x"),
        ("/dev/null", None),
        ("/dev/null\t1970-01-01 00:00:00 +0000", None),
    ],
)
def test_header_name(text: str, name: str | None) -> None:
    assert header_name(text.encode()) == (None if name is None else name.encode())


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("a/x b/x", "a/x", "b/x"),
        ("a/x y b/x y", "a/x y", "b/x y"),
        ("a/x b/y b/x b/y", "a/x b/y", "b/x b/y"),
        ("a/a b/a b/a b/a", "a/a b/a", "b/a b/a"),
        ("x x", "x", "x"),
        ("d/x d/x", "d/x", "d/x"),
        ('"a/\\t" "b/\\t"', "a/\t", "b/\t"),
        ('"a/\\t" b/x', "a/\t", "b/x"),
        ('a/x "b/\\t"', "a/x", "b/\t"),
        ("a/old b/new", None, None),
    ],
)
def test_git_header_names(text: str, old: str | None, new: str | None) -> None:
    assert git_header_names(text.encode()) == tuple(None if name is None else name.encode() for name in (old, new))


@given(st.binary(max_size=20))
def test_unquote_undoes_what_git_quotes(name: bytes) -> None:
    escapes = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
    quoted = "".join(
        f"\\{escapes[byte]}" if byte in escapes else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in name
    )
    assert unquote(b'"' + quoted.encode() + b'" rest') == (name, b" rest")


@pytest.mark.parametrize("text", ['"open', '"trail\\', '"\\9"', '"'])
def test_unquote_takes_damage(text: str) -> None:
    unquote(text.encode())


@pytest.mark.parametrize(
    ("name", "level", "expected"),
    [
        ("a/b/c", 0, "a/b/c"),
        ("a/b/c", 1, "b/c"),
        ("a/b/c", 2, "c"),
        ("a/b/c", 3, None),
        ("a//b/c", 1, "b/c"),
        ("/a/b", 1, "a/b"),
        ("/a/b", 2, "b"),
        ("./a/b", 0, "a/b"),
        ("./a/b", 1, "a/b"),
        ("a/", 1, None),
        ("a", 1, None),
    ],
)
def test_strip_name(name: str, level: int, expected: str | None) -> None:
    assert strip_name(name.encode(), level) == (None if expected is None else expected.encode())


# Sections


def test_git_section() -> None:
    text = (
        "diff --git a/old b/new\nold mode 100644\nnew mode 100755\nsimilarity index 90%\nrename from old\n"
        "rename to new\nindex 1234567..89abcde\n--- a/old\n+++ b/new\n@@ -3,2 +3,3 @@ int main(void)\n 3\n+4\n 5\n"
    )
    [patch] = scan("A message.\n\n" + text)
    assert (patch.line, patch.git, patch.renames, patch.bare_names, patch.lineless) == (3, True, True, True, True)
    assert (patch.old_name, patch.new_name, patch.old_mode, patch.new_mode) == (b"old", b"new", "100644", "100755")
    assert (patch.old_oid, patch.new_oid) == (b"1234567", b"89abcde")
    [hunk] = patch.hunks
    assert (hunk.line, hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines) == (12, 3, 2, 3, 3)
    assert (hunk.section, hunk.body) == (b"int main(void)", (b" 3", b"+4", b" 5"))


def test_index_line_tells_the_old_mode_alone() -> None:
    [patch] = scan(f"diff --git a/x b/x\nindex 1..2 100755\n{HEAD}{HUNK}")
    assert (patch.old_mode, patch.new_mode, patch.lineless) == ("100755", None, False)


@pytest.mark.parametrize(
    ("header", "creates", "deletes"),
    [
        ("new file mode 100644\n", True, False),
        ("deleted file mode 100644\n", False, True),
        ("old mode 100644\nnew mode 100755\n", False, False),
    ],
)
def test_section_without_lines(header: str, creates: bool, deletes: bool) -> None:
    [patch, other] = scan(f"diff --git a/x b/x\n{header}diff --git a/x b/x\nindex 1..2\n{HEAD}{HUNK}")
    assert (patch.creates, patch.deletes, patch.lineless, patch.hunks) == (creates, deletes, True, [])
    assert not other.lineless and len(other.hunks) == 1


def test_git_section_made_by_others() -> None:
    """Some tools write `diff --git` and no `new file mode`."""
    [made, gone] = scan(
        "diff --git a/x b/x\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+1\n"
        "diff --git a/x b/x\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
    )
    assert (made.creates, made.deletes, gone.creates, gone.deletes) == (True, False, False, True)


def test_traditional_section_is_told_by_its_hunk() -> None:
    """Only one hunk without old lines can make a file, as git has it."""
    one, two, three = (
        scan(f"{HEAD}{hunks}")[0].creates
        for hunks in ("@@ -0,0 +1 @@\n+1\n", HUNK, "@@ -0,0 +1 @@\n+1\n@@ -5,0 +7 @@\n+2\n")
    )
    assert (one, two, three) == (None, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "diff --git a/x b/x\n",
        "diff --git a/x b/x\nof two files\n",
        "--- a/x\n",
        "--- a/x\n+++ b/x\n",
        "--- a/x\n+++ b/x\nand so on\n",
        "*** a/x\n--- b/x\n",
        "diff --cc x\nis how it begins\n",
        "GIT binary patch\n",
        "@@ me @@\n",
        "Binary files are not differing\n",
        "-- \n2.39.5\n",
    ],
)
def test_text_that_only_looks_like_a_header(text: str) -> None:
    [patch] = scan(f"{text}\n{HEAD}{HUNK}\n")
    assert patch.new_name == b"b/x" and len(patch.hunks) == 1
    assert len(scan(f"{HEAD}{HUNK}\n{text}")) == 1


def test_removed_lines_that_look_like_headers() -> None:
    body = ["--- a/y", "+++ b/y", "-@@ -1 +1 @@", "+@@ -1 +1 @@", "--- ", "\\ No newline at end of file"]
    [patch, other] = scan(f"{HEAD}@@ -1,3 +1,2 @@\n" + "\n".join(body) + f"\n{HEAD}{HUNK}")
    assert [line.decode() for line in patch.hunks[0].body] == body and len(other.hunks) == 1


def test_lost_blanks_of_empty_context() -> None:
    [patch] = scan(f"{HEAD}@@ -1,3 +1,3 @@\n\n-1\n+2\n\r\n")
    assert patch.hunks[0].body == (b" ", b"-1", b"+2", b" \r")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HUNK, "p:1: malformed patch: a hunk without a file header"),
        (f"{HEAD}{HUNK}\nwords\n@@ -9 +9 @@\n-1\n+2\n", "p:8: malformed patch: a hunk without a file header"),
        (f"{HEAD}@@ -1,2 +1,2 @@\n-1\n+2\n", "p:5: malformed patch: the patch ends inside this hunk (hunk at line 3)"),
        (f"{HEAD}@@ -1 +1 @@\n-1\nx\n", "p:5: malformed patch: this line is not part of a hunk"),
        (f"{HEAD}@@ -1 +1,2 @@\n-1\n-2\n+3\n", "p:5: malformed patch: the hunk is longer than its header says"),
        (f"{HEAD}{HUNK}@@ -9 9 @@\n-1\n+2\n", "p:6: malformed patch: a damaged hunk header"),
        ("diff --git a/x b/x\nindex 1..2\n", "p:1: malformed patch: a file header without a change"),
        (f"diff --git a/x b/x\nindex 1..2\n{HEAD}", "p:5: malformed patch: a file header without a hunk"),
        ("diff --git a/x b/y\nnew file mode 100644\n", "p:1: malformed patch: cannot tell the file names"),
        ("diff --git a/x b/y\nrename from x\n", "p:1: malformed patch: cannot tell the file names"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 5\n", "p:3: malformed patch: the binary patch is damaged"),
        ("diff --git a/x b/x\nGIT binary patch\n", "p:2: malformed patch: the binary patch is damaged"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 1\nAé\n\n", "the binary patch is damaged"),
        ("diff --git a/x b/x\nGIT binary patch\nliteral 9\nIcmZQzVB}\n\n", "the binary patch is damaged"),
        ("diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,1 @@@\n", "p:1: the combined diff of a merge"),
        (f"*** a/x\n--- b/x\n{'*' * 15}\n*** 1 ****\n! 1\n--- 1 ----\n! 2\n", "p:1: a context diff"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(MetadiffError) as caught:
        scan(text)
    assert caught.value.message.startswith(message) or message in caught.value.message
    assert caught.value.hint and "\n" not in caught.value.message + caught.value.hint


def test_every_truncation_is_told_or_harmless(tmp_path: Path) -> None:
    """Cut anywhere, a patch is refused, or has lost whole hunks or files at its end, or says that it is cut."""
    text = f"words\n{HEAD}{HUNK}@@ -9,2 +9,3 @@\n 9\n+x\n 10\ndiff --git a/y b/y\nold mode 100644\nnew mode 100755\n"
    whole = scan(text)
    for size in range(len(text)):
        scanner = Scanner(text[:size].encode(), "p")
        try:
            found = scanner.scan()
        except MetadiffError:
            continue
        told = {kind for kind, _, _ in scanner.notes}
        for patch, full in zip(found, whole, strict=False):
            for hunk, other in zip(patch.hunks, full.hunks, strict=False):
                assert hunk == other or "cut" in told


def test_lines_that_no_header_counts_are_told() -> None:
    scanner = Scanner(f"{HEAD}{HUNK}+lost\n{HEAD}{HUNK}-- \n2.39\n".encode(), "p")
    assert len(scanner.scan()) == 2
    assert [(kind, line) for kind, line, _ in scanner.notes] == [("ignored", 6)]


# Hunks


def test_changes_of() -> None:
    hunk = raw(" a", "-b", "+B", "+C", " d", " e", "+f", "\\ No newline at end of file", old=(5, 4), new=(7, 6))
    assert changes_of(hunk) == (
        Change(6, 8, (b"b",), (b"B", b"C"), (b"a",), (b"d", b"e")),
        Change(9, 12, (), (b"f" + NO_NEWLINE,), (b"d", b"e"), ()),
    )


@pytest.mark.parametrize(
    ("body", "old", "new", "starts"),
    [
        (("+1", "+2"), (0, 0), (1, 2), (1, 1)),
        (("+1",), (5, 0), (6, 1), (6, 6)),
        (("-1",), (6, 1), (5, 0), (6, 6)),
        (("-1",), (1, 1), (0, 0), (1, 1)),
        (("+1", "-2"), (3, 1), (3, 1), (3, 3)),
    ],
)
def test_changes_without_context(
    body: tuple[str, ...], old: tuple[int, int], new: tuple[int, int], starts: tuple[int, int]
) -> None:
    [change] = changes_of(raw(*body, old=old, new=new))
    assert (change.old_start, change.new_start) == starts


@given(st.binary(max_size=40) | st.text("\\a\n", max_size=6).map(str.encode))
@example(b"a\n\\\n")
def test_lines_and_back(data: bytes) -> None:
    assert join_lines(split_lines(data)) == data
    assert join_lines(split_lines(data.replace(b"a", b"\n"))) == data.replace(b"a", b"\n")


def test_count_hunks() -> None:
    assert count_hunks(f"{HEAD}{HUNK}{HEAD}{HUNK}@@ -9 +9 @@ x\n-1\n+2\n".encode()) == 3
    assert count_hunks(b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n") == 0
    assert count_hunks(f"--- a/x b/y\n+++ b/x b/y\n{HUNK}".encode()) == 1


# Binary content


@settings(max_examples=30, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_delta_against_a_model(seed: int) -> None:
    """Deltas of copies and insertions, built as the pack format says."""
    rng = Random(seed)
    base = rng.randbytes(rng.choice([1, 300, 70_000]))
    delta, out = bytearray(), b""
    for _ in range(5):
        if rng.random() < 0.5:
            at, length = rng.randrange(len(base)), rng.choice([1, 77, 0x100, 0x10000])
            length = min(length, len(base) - at)
            delta += copy_command(at, length)
            out += base[at : at + length]
        else:
            data = rng.randbytes(rng.randrange(1, 128))
            delta += bytes([len(data)]) + data
            out += data
    whole = varint(len(base)) + varint(len(out)) + bytes(delta)
    assert apply_delta(base, whole) == out
    assert apply_delta(base + b"x", whole) is None
    assert all(apply_delta(base, whole[:size]) is None for size in range(len(whole)))


def varint(number: int) -> bytes:
    """A size as a delta writes it."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def copy_command(at: int, length: int) -> bytes:
    """A command that copies from the base."""
    fields = [*at.to_bytes(4, "little"), *(0 if length == 0x10000 else length).to_bytes(3, "little")]
    code = 0x80 | sum(1 << bit for bit, field in enumerate(fields) if field)
    return bytes([code, *(field for field in fields if field)])


def test_binary_patch_ends_where_it_ends(tmp_path: Path) -> None:
    """A section of another kind may follow, and the reverse half may be missing."""
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "f").write_bytes(b"\0" + side.encode())
    command = ["git", "diff", "--no-index", "--no-prefix", "--binary", "old/f", "new/f"]
    patch = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, env=dict(os.environ)).stdout
    forward = patch[: patch.index(b"\n\n") + 2]
    for text in (patch, forward, patch.replace(b"\n", b"\r\n")):
        found = scan(text + HEAD.encode() + HUNK.encode())
        assert len(found) == 2 and found[0].binary is not None and found[0].binary.data == b"\0new"
        assert len(found[1].hunks) == 1


def test_real_git_reads_the_same_names_and_counts(tmp_path: Path) -> None:
    """`git apply --numstat -z` as the second reader of names and of lines added and removed."""
    names = ["plain", "g h", "x b/y", "é", 'q"', "tab\t", "back\\", "trail "]
    for side in ("a", "b"):
        for number, name in enumerate(names):
            path = tmp_path / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in range(20) if side == "a" or line % (number + 2)))

    def git(*words: str, data: bytes = b"") -> bytes:
        return subprocess.run(["git", *words], cwd=tmp_path, input=data, capture_output=True, check=False).stdout

    patch = git("diff", "--no-index", "--no-prefix", "a", "b")
    told = git("apply", "--numstat", "-z", "-", data=patch)
    expected = [tuple(line.split(b"\t", 2)) for line in told.split(b"\0")[:-1]]
    found = []
    for file in scan(patch):
        changes = [change for hunk in file.hunks for change in changes_of(hunk)]
        added, removed = (sum(len(getattr(change, side)) for change in changes) for side in ("added", "removed"))
        found.append((b"%d" % added, b"%d" % removed, strip_name(file.new_name, 1)))
    assert found == expected and len(found) == len(names)
    assert sum(len(file.hunks) for file in scan(patch)) == len(re.findall(rb"^@@ ", patch, re.MULTILINE))
