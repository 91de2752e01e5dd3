"""What a PATCHSET or a RELEASE may be: each kind is read, gives the tree that git itself makes of it, or is refused."""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import lzma
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git, modify
from git_metadiff.sources import find_patchset, find_release
from git_metadiff.sources.compressed import decompress
from git_metadiff.sources.mail import read_mails, split_mails
from git_metadiff.sources.patchset import PatchsetSource, check_counts
from git_metadiff.sources.reverse import reverse_patch
from tests.applying import (
    FILE,
    FULL,
    LINK,
    PROGRAM,
    SUBMODULE,
    Bench,
    Files,
    files,
    random_files,
    random_step,
    workbench,
)

NUMBERED = "".join(f"{line}\n" for line in range(1, 41))
AUTHOR = b"A U Thor <author@example.com> 1112911993 +0200"


def edited(text: str, *lines: int) -> str:
    """`text` with some of its numbered lines changed."""
    for line in lines:
        text = text.replace(f"\n{line}\n", f"\nline {line}\n")
    return text


def states() -> list[tuple[bytes, Files]]:
    """A release, then the tree after each of five commits, with their messages."""
    first = files(a=NUMBERED, old=NUMBERED, gone="1\n") | {
        b"data": (FILE, bytes(range(256)) * 2),
        b"dos": (FILE, NUMBERED.replace("\n", "\r\n").encode()),
        b"link": (LINK, b"a"),
        b"run": (PROGRAM, b"1\n2"),
        b"caf\xe9 x": (FILE, b"caf\xe9\n" + NUMBERED.encode()),
    }
    second = first | files(a=edited(NUMBERED, 5, 30))
    third = second | {b"sub/new": (FILE, edited(NUMBERED, 8).encode()), b"run": (FILE, b"1\n2")}
    del third[b"old"]
    fourth = third | {
        b"data": (FILE, bytes(range(255, -1, -1)) * 2),
        b"dos": (FILE, edited(NUMBERED, 7).replace("\n", "\r\n").encode()),
        b"link": (LINK, b"run"),
    }
    fifth = fourth | {b"empty": (FILE, b""), b"run": (FILE, b"1\n2\n"), b"caf\xe9 x": (FILE, b"th\xe9\n")}
    del fifth[b"gone"]
    sixth = fifth | files(a=edited(NUMBERED, 5, 6, 30), tail="no newline")
    messages = [
        b"release\n",
        b"a: edit\n\nWhy.\n\nFrom here on it is better.\n",
        b"move old\n",
        "données\n\nDéjà vu.\n".encode(),
        b"[core] a subject that is so long that git folds it when it writes it into the header of a mail\n",
        b"a: edit again\n\n--\nno signature\n",
    ]
    return list(zip(messages, [first, second, third, fourth, fifth, sixth], strict=True))


@dataclass(repr=False)
class World:
    """A repository with the tags `v0` to `v5` of `states`, a bench to apply in, and what git makes of them."""

    bench: Bench
    folder: Path
    trees: list[str]

    @property
    def user(self) -> Git:
        """The repository that arguments name revisions of."""
        return self.bench.scratch.user

    def find(
        self, argument: str | Path, cwd: Path | None = None, *, tree: str | None = None, strip: int | None = None
    ) -> PatchsetSource:
        """Read a PATCHSET for the first release."""
        where = self.folder if cwd is None else cwd
        return find_patchset(str(argument), tree or self.trees[0], self.bench.scratch, self.user, where, strip)

    def tree(self, texts: Sequence[PatchText]) -> str:
        """The tree that patches lead to from the first release."""
        return self.bench.apply(self.trees[0], *texts).tree

    def patch(self, old: int, new: int, *options: str) -> bytes:
        """The patch from one state to another."""
        return self.user.run("diff-tree", "-r", "-p", "-M", *FULL, *options, f"v{old}", f"v{new}")

    def mails(self, *options: str) -> bytes:
        """What `git format-patch` makes of all commits, as an mbox."""
        return self.user.run("format-patch", "--stdout", "--binary", *options, "v0..v5")

    def commit(self, name: str, contents: Files, *parents: str, message: bytes = b"work\n") -> str:
        """Write a commit of the user's, tag it, and return its id."""
        with FastImport(self.user) as writer:
            made = write(writer, f"refs/tags/{name}", contents, message, parents)
            return writer.ids([made])[0]


def write(writer: FastImport, ref: str, contents: Files, message: bytes, parents: Sequence[str]) -> str:
    """Write a commit of these files; its mark."""
    changes = [
        modify(mode, content.decode() if mode == SUBMODULE else writer.blob(content), path)
        for path, (mode, content) in contents.items()
    ]
    return writer.commit(ref, message, parents, changes, tree="", author=AUTHOR)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("sources")
    with workbench(folder / "user.git") as bench:
        with FastImport(bench.scratch.user) as writer:
            tip: list[str] = []
            for number, (message, contents) in enumerate(states()):
                tip = [write(writer, f"refs/tags/v{number}", contents, message, tip)]
        trees = [bench.scratch.user.text("rev-parse", f"v{number}^{{tree}}") for number in range(6)]
        yield World(bench, folder, trees)


def refused(world: World, argument: str | Path, cwd: Path | None = None) -> MetadiffError:
    """The error for an argument: one line, and a hint."""
    with pytest.raises(MetadiffError) as caught:
        world.find(argument, cwd)
    assert "\n" not in caught.value.message + caught.value.hint and caught.value.hint
    return caught.value


def zst(data: bytes) -> bytes:
    """Zstandard, in two frames."""
    half = len(data) // 2
    return b"".join(zstandard.ZstdCompressor().compress(part) for part in (data[:half], data[half:]))


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zst,
}


# Files of patches


@pytest.mark.parametrize("suffix", COMPRESSED)
@pytest.mark.parametrize("name", ["p.patch", "noise"])
def test_one_patch(world: World, tmp_path: Path, name: str, suffix: str) -> None:
    data = b"What it is for.\n\n" + world.patch(0, 5)
    path = tmp_path / (name + suffix if name == "p.patch" else name)
    path.write_bytes(COMPRESSED[suffix](data))
    found = world.find(path)
    assert (found.name, found.texts) == (path.name, (PatchText(path.name, data),))
    assert world.tree(found.texts) == world.trees[5]
    assert world.find(path.name, tmp_path) == found


def test_byte_order_mark_and_dos_lines(world: World, tmp_path: Path) -> None:
    data = world.patch(0, 1)
    (tmp_path / "p").write_bytes(b"\xef\xbb\xbf" + data)
    assert [text.data for text in world.find("p", tmp_path).texts] == [data]
    (tmp_path / "series").write_bytes(b"\xef\xbb\xbfp\r\n\r\n# no\r\n")
    assert [text.name for text in world.find("series", tmp_path).texts] == ["p"]


@pytest.mark.skipif(not shutil.which("diff"), reason="no diff here")
def test_patch_of_two_folders(world: World, tmp_path: Path) -> None:
    """`diff -Naurp`, as monolithic patches are made; it knows no modes, links and binary content."""
    old = files(gone="1\n", last="1\n2") | {b"d/a b": (FILE, NUMBERED.encode())}
    new = files(made="1\n", last="1\n2\n") | {b"d/a b": (FILE, edited(NUMBERED, 3, 20).encode())}
    for top, contents in (("linux-1", old), ("linux-1-hard", new)):
        for path, (_, content) in contents.items():
            place = tmp_path / top / os.fsdecode(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            os.utime(place, (10**9, 10**9))
    done = subprocess.run(["diff", "-Naurp", "linux-1", "linux-1-hard"], capture_output=True, cwd=tmp_path, check=False)
    (tmp_path / "hard.diff.gz").write_bytes(gzip.compress(done.stdout))
    found = world.find("hard.diff.gz", tmp_path)
    assert world.bench.apply(world.bench.tree(old), *found.texts).tree == world.bench.tree(new)


@pytest.mark.parametrize("strip", [None, 0, 1, 3])
def test_level_of_the_user(world: World, tmp_path: Path, strip: int | None) -> None:
    quilt(tmp_path, {"one": world.patch(0, 1), "two -p0": world.patch(1, 2)})
    levels = [text.strip for text in world.find(tmp_path, strip=strip).texts]
    assert levels == ([1, 0] if strip is None else [strip, strip])
    assert [text.strip for text in world.find("one", tmp_path, strip=strip).texts] == [strip]


# Series


def quilt(folder: Path, entries: dict[str, bytes]) -> None:
    """A folder with patches and a `series` of these entries, options and comments included."""
    folder.mkdir(parents=True, exist_ok=True)
    for entry, data in entries.items():
        place = folder / entry.split()[0]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (folder / "series").write_text("".join(f"{entry}\n" for entry in entries))


def test_quilt_folder(world: World, tmp_path: Path) -> None:
    entries = {
        "one.patch": b"Subject: the first\n\n" + world.patch(0, 1),
        "sub/two.patch.gz -p0": gzip.compress(world.patch(1, 2, "--no-prefix")),
        "three -p1 # why": world.patch(2, 3),
        "four.diff\t-pab": world.patch(3, 4),
        "five -p3": world.patch(4, 5, "--src-prefix=x/y/z/", "--dst-prefix=x/y/z/"),
    }
    quilt(tmp_path / "patches", entries)
    series = tmp_path / "patches" / "series"
    series.write_text("# head\n\n   \n#one.patch\n" + series.read_text().replace("three", "  three"))
    (tmp_path / "patches" / "unlisted.patch").write_bytes(b"not read")
    found = world.find("patches", tmp_path)
    assert [(text.name, text.strip) for text in found.texts] == [
        ("one.patch", 1),
        ("sub/two.patch.gz", 0),
        ("three", 1),
        ("four.diff", 1),
        ("five", 3),
    ]
    applied = world.bench.apply(world.trees[0], *found.texts)
    assert applied.tree == world.trees[5]
    assert applied.applied.patches[0].subject == "the first"
    assert found.name == "patches" and world.find("patches/series", tmp_path).texts == found.texts


def test_stack_of_a_big_patch_and_fixes(world: World, tmp_path: Path) -> None:
    """A series file of any name, next to its patches or not."""
    (tmp_path / "big-1.2.patch.xz").write_bytes(lzma.compress(world.patch(0, 4)))
    (tmp_path / "fixes").mkdir()
    (tmp_path / "fixes" / "fix").write_bytes(world.patch(4, 5))
    (tmp_path / "stack").write_text("big-1.2.patch.xz\nfixes/fix\n")
    (tmp_path / "fixes" / "series.conf").write_text(f"../big-1.2.patch.xz\n{tmp_path / 'fixes' / 'fix'}\n")
    for argument in ("stack", "fixes/series.conf"):
        found = world.find(argument, tmp_path).texts
        assert len(found) == 2 and world.tree(found) == world.trees[5]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ("a", [("a", 1)]),
        ("a -p0\n\nb", [("a", 0), ("b", 1)]),
        ("a#b", [("a#b", 1)]),
        ("a #b", [("a", 1)]),
        ("a -F3 -p2 --fuzz=1", [("a", 2)]),
        ("a -p10", [("a", 10)]),
        ("a\u00a0b -p0", [("a\u00a0b", 0)]),
        ("\u0085\u3000", [("\u0085\u3000", 1)]),
        ("a -p0 \r\nb\t-p0\r\n", [("a", 0), ("b", 0)]),
        ("# all\n #of it\n", []),
        ("", []),
    ],
)
def test_entries_of_a_series(world: World, tmp_path: Path, series: str, expected: list[tuple[str, int]]) -> None:
    for name, _ in expected:
        (tmp_path / name).write_bytes(world.patch(0, 1))
    (tmp_path / "series").write_bytes(series.encode())
    assert [(text.name, text.strip) for text in world.find(tmp_path).texts] == expected
    assert [(text.name, text.strip) for text in world.find("series", tmp_path).texts] == expected


@pytest.mark.skipif(not shutil.which("quilt"), reason="no quilt here")
def test_series_as_quilt_reads_it(world: World, tmp_path: Path) -> None:
    lines = ["# a", "", "one", "two -p0", "th#ree   -p2 # x", "\tfour\t-p1", "five#"]
    (tmp_path / "patches").mkdir()
    (tmp_path / "patches" / "series").write_text("\n".join(lines))
    for name in ("one", "two", "th#ree", "four", "five#"):
        (tmp_path / "patches" / name).write_bytes(world.patch(0, 1))
    done = subprocess.run(["quilt", "--quiltrc", "-", "series"], capture_output=True, cwd=tmp_path, check=True)
    names = [Path(os.fsdecode(line)).name for line in done.stdout.splitlines()]
    assert [text.name for text in world.find(tmp_path / "patches").texts] == names


@settings(max_examples=8, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_series_leads_where_git_apply_leads(world: World, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Any trees, any level, any compression, in a folder or in a tree of git: patch by patch the same as git."""
    rng = Random(seed)
    bench, folder = world.bench, tmp_path_factory.mktemp("series")
    now = random_files(rng)
    tree = start = bench.tree(now)
    entries = {}
    for number in range(rng.randrange(1, 4)):
        later = bench.tree(now := random_step(rng, now))
        level = rng.randrange(3)
        top = "x/" * level
        renames = "-M" if level < 2 else "--no-renames"  # `rename from` has no prefix, and git strips it all the same
        patch = bench.diff(tree, later, *FULL, renames, f"--src-prefix={top}", f"--dst-prefix={top}")
        if patch:
            suffix = rng.choice(list(COMPRESSED))
            entries[f"{number}.patch{suffix} -p{level}"] = COMPRESSED[suffix](patch)
            assert bench.git_apply(tree, patch, f"-p{level}") == later
        tree = later
    quilt(folder, entries)
    texts = world.find(folder).texts
    assert bench.apply(start, *texts).tree == tree
    held: Files = {b"q/" + os.fsencode(path.name): (FILE, path.read_bytes()) for path in folder.iterdir()}
    world.commit("quilt", held)
    assert world.find("quilt:q").texts == texts


# Mails


def encoded(mails: bytes, encoding: str) -> bytes:
    """An mbox whose bodies have this transfer encoding."""
    found = []
    for mail in split_mails(mails):
        head, _, body = mail.partition(b"\n\n")
        kept = [line for line in head.split(b"\n") if not line.startswith((b"Content-T", b"MIME-"))]
        mime = f"MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: {encoding}"
        coded = base64.encodebytes(body) if encoding == "base64" else binascii.b2a_qp(body, istext=False) + b"\n"
        found.append(b"\n".join([*kept, mime.encode()]) + b"\n\n" + coded + b"\n")
    return b"".join(found)


FORMS: dict[str, Callable[[World], bytes]] = {
    "plain": lambda world: world.mails(),
    "no signature": lambda world: world.mails("--no-signature"),
    "version and prefix": lambda world: world.mails("-v2", "--subject-prefix=PATCH net"),
    "attached": lambda world: world.mails("--attach"),
    "inline": lambda world: world.mails("--inline"),
    "no stat, minimal": lambda world: world.mails("-p", "--full-index", "-U1"),
    "base64": lambda world: encoded(world.mails(), "base64"),
    "quoted-printable": lambda world: encoded(world.mails(), "quoted-printable"),
    "8 bit": lambda world: world.mails("--no-encode-email-headers"),
    "thread": lambda world: world.mails("--thread=deep", "--cc=a@b", "--from=C <c@d>"),
}


@pytest.mark.parametrize("form", FORMS)
def test_mbox_leads_where_git_am_leads(world: World, tmp_path: Path, form: str) -> None:
    data = FORMS[form](world)
    path = tmp_path / "mails.mbox"
    path.write_bytes(data)
    texts = world.find(path).texts
    assert world.tree(texts) == world.trees[5] == git_am(world, tmp_path, path)
    assert [told(text) for text in texts] == log(tmp_path / "work")
    assert [text.name for text in texts] == [world.user.text("rev-parse", f"v{at}")[:12] for at in range(1, 6)]
    (tmp_path / "again").write_bytes(gzip.compress(data))
    assert world.find(tmp_path / "again").texts == texts


def git_am(world: World, folder: Path, mails: Path) -> str:
    """The tree that `git am` makes of an mbox on the first release, in a work tree in the folder."""
    work = str(folder / "work")
    for command in (
        ["git", "clone", "-q", "--no-checkout", str(world.user.git_dir), work],
        ["git", "-C", work, "checkout", "-q", "v0"],
        ["git", "-C", work, "am", "-q", "--keep-cr", str(mails)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    command = ["git", "-C", work, "rev-parse", "HEAD^{tree}"]
    return subprocess.run(command, check=True, capture_output=True).stdout.decode().strip()


def log(work: Path) -> list[str]:
    """Author, date and message of the commits that `git am` made, the oldest first."""
    command = ["git", "-C", str(work), "log", "-z", "--reverse", "--date=raw", "--format=%an <%ae> %ad%n%B", "v0.."]
    done = subprocess.run(command, check=True, capture_output=True)
    return [one.strip("\n") for one in done.stdout.decode().removesuffix("\0").split("\0")]


def told(text: PatchText) -> str:
    """The same of a patch."""
    return f"{(text.author or b'?').decode()}\n{text.message.decode()}".strip("\n")


def test_folder_of_mails(world: World, tmp_path: Path) -> None:
    """As `git format-patch` writes it: a cover letter is no patch, and what is not called a patch is not read."""
    folder = tmp_path / "out"
    world.user.run("format-patch", "-q", "--binary", "--cover-letter", "-o", os.fsencode(folder), "v0..v5")
    (folder / "README").write_bytes(b"diff --git a/x b/x\n")
    (folder / "0002-move-old.patch.zst").write_bytes(zst((folder / "0002-move-old.patch").read_bytes()))
    (folder / "0002-move-old.patch").unlink()
    found = world.find(folder)
    assert [text.name.partition("-")[0] for text in found.texts] == ["0001", "0002", "0003", "0004", "0005"]
    assert found.texts[1].name == "0002-move-old.patch.zst" and found.name == "out"
    assert world.tree(found.texts) == world.trees[5]
    held: Files = {os.fsencode(path.name): (FILE, path.read_bytes()) for path in folder.iterdir()}
    world.commit("mails", held)
    assert world.find("mails:").texts == found.texts


def test_folder_of_patches_of_every_kind(world: World, tmp_path: Path) -> None:
    first, rest = world.mails().split(b"\nFrom " + world.user.run("rev-parse", "v2").strip(), 1)
    del rest
    (tmp_path / "1.eml").write_bytes(encoded(first + b"\n", "base64").partition(b"\n")[2])
    (tmp_path / "2.diff").write_bytes(world.patch(1, 2))
    (tmp_path / "3.mbox").write_bytes(world.user.run("format-patch", "--stdout", "--binary", "v2..v4"))
    (tmp_path / "4.patch.bz2").write_bytes(bz2.compress(world.patch(4, 5)))
    texts = world.find(tmp_path).texts
    assert [text.name for text in texts][::2] == ["1.eml", world.user.text("rev-parse", "v3")[:12], "4.patch.bz2"]
    assert texts[0].subject == "a: edit" and world.tree(texts) == world.trees[5]


def test_mails_as_they_were_sent(world: World, tmp_path: Path) -> None:
    """With CRLF ends throughout, which are those of the mail; in base64 they are those of the file."""
    plain = world.user.run("format-patch", "--stdout", "v0..v1")
    (tmp_path / "sent").write_bytes(plain.replace(b"\n", b"\r\n"))
    [text] = world.find(tmp_path / "sent").texts
    assert b"\r" not in text.data and world.tree([text]) == world.trees[1]
    mails = encoded(world.mails(), "base64").replace(b"\n", b"\r\n")
    (tmp_path / "sent").write_bytes(mails)
    assert world.tree(world.find(tmp_path / "sent").texts) == world.trees[5]


@pytest.mark.parametrize(
    "subject",
    [
        "plain",
        "[PATCH 1/2] two",
        "[PATCH v2 01/10] [RFC] Re: x [y]",
        "Re: [PATCH] re:  more: colons",
        "RE:re: [a]b",
        "release: no reply",
        "=?UTF-8?q?d=C3=A9j=C3=A0=20vu?=",
        "=?UTF-8?B?W1BBVENIXSBi?= x",
        "[PATCH] =?ISO-8859-1?Q?d=E9j=E0?= vu",
        "=?UTF-8?q?one?=\n =?UTF-8?q?_word?=",
        "a subject\n  over\n\tlines",
        "[net-next] [] empty",
    ],
)
def test_subjects_are_those_of_git_am(world: World, tmp_path: Path, subject: str) -> None:
    mail = b"From: A <a@b>\nDate: Thu, 7 Apr 2005 22:13:13 +0200\nSubject: %s\n\nBody.\n\n---\n" % subject.encode()
    mail = b"From %s Mon Sep 17 00:00:00 2001\n" % (b"1" * 40) + mail + world.patch(0, 1)
    told = world.user.run("mailinfo", os.fsencode(tmp_path / "m"), os.fsencode(tmp_path / "p"), stdin=mail).decode()
    expected = next(line[9:] for line in told.splitlines() if line.startswith("Subject: "))
    [text] = read_mails(mail, "mail")
    assert text.subject == expected
    assert text.message == expected.encode() + b"\n\nBody.\n\n" and (tmp_path / "m").read_bytes() == b"Body.\n\n"
    assert text.name == "mail" and text.data.endswith(b"---\n" + world.patch(0, 1))


@pytest.mark.parametrize(
    ("headers", "author"),
    [
        ("From: A <a@b>\nDate: Thu, 7 Apr 2005 22:13:13 +0200", "A <a@b> 1112904793 +0200"),
        ('From: "B, A" <a@b>\nDate: Thu, 7 Apr 2005 22:13:13 -0730', "B, A <a@b> 1112938993 -0730"),
        ("FROM: =?ISO-8859-1?q?d=E9j=E0?= <a@b>\nDate: Thu, 7 Apr 2005 22:13:13", "déjà <a@b> 1112911993 +0000"),
        ("From: a@b (A)\nDate: 7 Apr 2005 22:13:13 GMT", "A <a@b> 1112911993 +0000"),
        ("From: a@b\nDate: Thu, 7 Apr 2005 22:13:13 +0200", "a@b <a@b> 1112904793 +0200"),
        ("From: =?x?q?damaged?= <a@b>\nDate: 7 Apr 2005 22:13:13 +0000", "=?x?q?damaged?= <a@b> 1112911993 +0000"),
        ("From: A <a@b>\nDate: yesterday", None),
        ("From: A <a@b>\nDate: 7 Apr 999999999999 22:13:13 +0000", None),
        ("Date: Thu, 7 Apr 2005 22:13:13 +0200", None),
    ],
)
def test_authors_of_mails(world: World, headers: str, author: str | None) -> None:
    mail = f"From a@b Thu Apr  7 22:13:13 2005\n{headers}\n\nBody.\n---\n".encode() + world.patch(0, 1)
    [text] = read_mails(mail, "m")
    assert text.author == (None if author is None else author.encode())
    assert world.tree([text]) == world.trees[1]


@pytest.mark.parametrize(
    ("charset", "body", "message"),
    [
        ("ISO-8859-1", b"caf\xe9", "café".encode()),
        ("UTF-8", "café".encode(), "café".encode()),
        ("UTF-8", b"caf\xe9", b"caf\xe9"),
        ("no-such-set", b"caf\xe9", b"caf\xe9"),
    ],
)
def test_messages_come_in_utf8_and_patches_as_they_are(charset: str, body: bytes, message: bytes) -> None:
    patch = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+caf\xe9\n"
    head = f"Subject: x\nContent-Type: text/plain; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n".encode()
    [text] = read_mails(b"From a@b Thu Apr  7 22:13:13 2005\n" + head + body + b"\n---\n" + patch, "m")
    assert text.message == b"x\n\n" + message + b"\n" and text.data.endswith(patch)


#: Pieces that are put together to mails with damaged headers.
DAMAGE = [
    *("Date: ", "From: ", "Subject: ", "Content-Type: ", "multipart/mixed; boundary=", "text/plain; charset=", "\n"),
    *("\n", " ", "=?UTF-8?q?", "=?UTF-8?b?", "?=", "7 Apr ", "2005 ", "22:13:13 ", "+0", "99999", "-", ":", ",", "<"),
    *(
        ">",
        "@",
        "(",
        '"',
        "\\",
        "é",
        "\r",
        "\0",
        "--",
        "hex",
        "utf-16",
        "Content-Transfer-Encoding: base64",
        "x-uuencode",
    ),
]


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.sampled_from(DAMAGE), max_size=30).map("".join))
def test_damaged_mails_are_read_or_refused(words: str) -> None:
    patch = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n"
    for text in read_mails(b"From a@b Thu Apr  7 22:13:13 2005\n" + words.encode() + b"\n\n---\n" + patch, "m"):
        assert text.subject is None or text.subject == text.subject.strip() != ""
        assert b"\n" not in (text.author or b"")


PIECES = [
    b"From a@b Thu Apr  7 22:13:13 2005\n",
    b"From " + b"a" * 40 + b" Mon Sep 17 00:00:00 2001\n",
    b"From here on\n",
    b"Subject: x\n",
    b"\n",
    b"text\n",
    b">From a@b Thu Apr  7 22:13:13 2005\n",
    b" From a@b Thu Apr  7 22:13:13 2005\n",
]


@settings(max_examples=30, deadline=None, database=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_mails_are_split_where_git_splits_them(
    world: World, tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    """But for a line that looks like the start of a mail in the middle of a paragraph, which git takes for one."""
    lines = [PIECES[1]]
    for piece in pieces:
        lines += [b"\n", piece] if piece == PIECES[0] and lines[-1] != b"\n" else [piece]
    data = b"".join(lines)
    folder = tmp_path_factory.mktemp("split")
    (folder / "mbox").write_bytes(data)
    world.user.run("mailsplit", b"-o" + os.fsencode(folder), "-b", "--keep-cr", os.fsencode(folder / "mbox"))
    theirs = [path.read_bytes() for path in sorted(folder.glob("0*"))]
    assert split_mails(data) == theirs
    assert split_mails(data.replace(b"\n\n" + PIECES[0], b"\nx\n" + PIECES[0]))[0].startswith(PIECES[1])


def test_message_that_looks_like_a_mail(world: World, tmp_path: Path) -> None:
    """Git splits such a mail in two, and `git am` then finds no patch in the first half."""
    message = b"subject\n\nHe wrote:\nFrom me Mon Sep 1 10:00:00 2003\n+++ b/c\n"
    world.commit("odd", states()[1][1], world.user.text("rev-parse", "v0"), message=message)
    (tmp_path / "m").write_bytes(world.user.run("format-patch", "--stdout", "v0..odd"))
    [text] = world.find(tmp_path / "m").texts
    assert b"From me Mon" in text.message and world.tree([text]) == world.trees[1]


def test_lines_of_a_mail_keep_their_numbers(world: World, tmp_path: Path) -> None:
    """A hunk that does not apply is named by its line in the mail's text."""
    mail = b"From a@b Thu Apr  7 22:13:13 2005\nSubject: x\n\none\ntwo\n---\n" + world.patch(1, 2)
    [text] = read_mails(mail, "m")
    body = mail.partition(b"\n\n")[2].split(b"\n")
    assert text.data.split(b"\n")[2:] == body[2:] and text.message == b"x\n\none\ntwo\n"


# Revisions


def test_one_revision(world: World) -> None:
    """The difference between the release and it, as one patch, whatever lies between."""
    found = world.find("v5")
    assert (found.name, [text.name for text in found.texts]) == ("v5", ["v5"])
    assert world.tree(found.texts) == world.trees[5]
    back = world.find("v0", tree=world.trees[5]).texts
    assert world.bench.apply(world.trees[5], *back).tree == world.trees[0]
    assert [text.data for text in world.find("v0").texts] == [b""] and world.tree(world.find("v0").texts)
    with pytest.raises(MetadiffError, match="neither a path nor a revision"):
        world.find(world.trees[5])


@pytest.mark.parametrize("argument", ["v0..v5", "v0...v5", "v5~5..v5^0"])
def test_range(world: World, argument: str) -> None:
    texts = world.find(argument).texts
    assert [text.subject for text in texts] == [message.decode().partition("\n")[0] for message, _ in states()[1:]]
    assert [text.message.strip(b"\n") for text in texts] == [message.strip(b"\n") for message, _ in states()[1:]]
    assert {text.author for text in texts} == {AUTHOR}
    for number in range(1, 6):
        assert world.tree(texts[:number]) == world.trees[number]


def test_open_range_ends_at_head(world: World) -> None:
    world.user.run("symbolic-ref", "HEAD", "refs/heads/here")
    world.user.run("update-ref", "refs/heads/here", "v3")
    assert world.find("v0..").texts == world.find("v0..v3").texts
    assert world.bench.apply(world.trees[3], *world.find("..v5").texts).tree == world.trees[5]


@settings(max_examples=8, deadline=None, database=None)
@given(st.integers(0, 2**32))
def test_range_with_merges_leads_from_its_start_to_its_end(world: World, seed: int) -> None:
    """Any history and any ancestor: on the tree of A, the patches of A..B end in the tree of B."""
    rng = Random(seed)
    trees = [random_files(rng)]
    parents: list[list[int]] = [[]]
    for number in range(1, 9):
        first = rng.choice([number - 1, rng.randrange(number)])
        parents.append([first, *({rng.randrange(number)} - {first} if rng.random() < 0.4 else ())])
        trees.append(random_step(rng, trees[first]) if rng.random() < 0.8 else trees[first])
    with FastImport(world.user) as writer:
        marks: list[str] = []
        for number, contents in enumerate(trees):
            above = [marks[parent] for parent in parents[number]]
            marks.append(write(writer, f"refs/heads/h{number}", contents, b"h%d\n" % number, above))
        ids = writer.ids(marks)
    older: set[int] = set()
    for parent in reversed(range(8)):
        if any(parent in parents[child] for child in (older | {8})):
            older.add(parent)
    for start in rng.sample(sorted(older), min(3, len(older))):
        texts = world.find(f"{ids[start]}..{ids[8]}").texts
        assert world.bench.apply(world.bench.tree(trees[start]), *texts).tree == world.bench.tree(trees[8])


def test_range_of_a_branch_that_took_the_release_in(world: World) -> None:
    """Commits for an older release are not replayed on the new one: the merge brought them over."""
    base, mine, theirs = files(a=NUMBERED), files(a=edited(NUMBERED, 3)), files(a=edited(NUMBERED, 30))
    both = files(a=edited(NUMBERED, 3, 30))
    old = world.commit("m0", base)
    work = world.commit("m1", mine, old, message=b"before\n")
    release = world.commit("m2", theirs, old)
    merged = world.commit("m3", both, work, release, message=b"merge\n")
    world.commit("m4", both | files(b="1\n"), merged, message=b"after\n")
    texts = world.find("m2..m4").texts
    assert [text.subject for text in texts] == ["merge", "after"]
    assert world.bench.apply(world.bench.tree(theirs), *texts).tree == world.user.text("rev-parse", "m4^{tree}")
    assert [text.subject for text in world.find("m0..m4").texts] == ["before", "merge", "after"]


# REV:PATH


@pytest.fixture(scope="module")
def packaging(world: World) -> World:
    """A tag `debian/1` with patches in `debian/patches`, and links to them."""
    patches: Files = {
        b"debian/patches/series": (FILE, b"one\n../two -p0\nlinked\n"),
        b"debian/patches/one": (FILE, world.patch(0, 1)),
        b"debian/two": (FILE, world.patch(1, 2, "--no-prefix")),
        b"debian/patches/linked": (LINK, b"../../store/three"),
        b"store/three": (FILE, world.patch(2, 3)),
        b"store/a b/4 \xff\n.patch": (FILE, world.patch(3, 4)),
        b"store/a b/5.patch": (LINK, b"../five"),
        b"store/five": (FILE, world.patch(4, 5)),
        b"stack": (FILE, b"debian/patches/one\nshort/../two -p0\n"),
        b"short": (LINK, b"debian/patches"),
        b"first": (LINK, b"short/one"),
        b"outside/1.patch": (LINK, b"../../etc/passwd"),
        b"nowhere/1.patch": (LINK, b"gone"),
        b"round/1.patch": (LINK, b"1.patch"),
        b"folders/1.patch": (LINK, b"../debian"),
        b"zero/series": (FILE, b"a\0b\n"),
        b"climbs/series": (FILE, b"../../x\n"),
        b"absolute/series": (FILE, b"/store/five\n"),
        b"module": (SUBMODULE, b"1" * 40),
        b"a tree/x.patch": (FILE, world.patch(0, 1)),
    }
    world.commit("debian/1", patches)
    return world


@pytest.mark.parametrize(
    ("path", "last"),
    [
        ("debian/patches", 3),
        ("debian/patches/", 3),
        ("./debian//patches", 3),
        ("debian/patches/series", 3),
        ("short", 3),
        ("short/series", 3),
        ("debian/patches/one", 1),
        ("first", 1),
        ("short/one", 1),
        ("stack", 2),
        ("a tree", 1),
        ("debian/../stack", 2),
    ],
)
def test_path_of_a_revision(packaging: World, path: str, last: int) -> None:
    found = packaging.find(f"debian/1:{path}")
    assert packaging.tree(found.texts) == packaging.trees[last] and len(found.texts) == last
    assert found.name == f"debian/1:{path}"


def test_folder_of_patches_in_a_revision(packaging: World) -> None:
    texts = packaging.find("debian/1:store/a b").texts
    assert [os.fsencode(text.name) for text in texts] == [b"4 \xff\n.patch", b"5.patch"]
    start = packaging.trees[3]
    assert packaging.bench.apply(start, *texts).tree == packaging.trees[5]
    assert packaging.find(os.fsdecode(b"debian/1:store/a b/4 \xff\n.patch")).texts == texts[:1]


def test_folder_on_disk_is_read_as_one_in_a_revision(packaging: World, tmp_path: Path) -> None:
    packaging.user.run("--work-tree", os.fsencode(tmp_path), "-c", "core.bare=false", "checkout", "-f", "debian/1", ".")
    for path in ("debian/patches", "store/a b", "short", "first", "stack", "short/series"):
        assert packaging.find(path, tmp_path).texts == packaging.find(f"debian/1:{path}").texts


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone", "'debian/1' holds no file or folder 'gone'"),
        ("../x", "'debian/1' holds no file or folder '../x'"),
        ("debian/../../x", "holds no file or folder"),
        ("stack/x", "holds no file or folder"),
        ("stack\0", "holds no file or folder"),
        ("module", "holds no file or folder"),
        ("outside", "debian/1:outside: 1.patch leads to no file"),
        ("nowhere", "debian/1:nowhere: 1.patch leads to no file"),
        ("round", "debian/1:round: 1.patch leads to no file"),
        ("folders", "debian/1:folders: 1.patch leads to no file"),
        ("climbs", "debian/1:climbs/series:1: the patch ../../x is not there"),
        ("zero", "debian/1:zero/series:1: the patch a"),
        ("absolute", "debian/1:absolute/series:1: the patch /store/five is not there"),
        ("", "debian/1:: no series file and no patches in this folder"),
        ("debian", "debian/1:debian: no series file and no patches in this folder"),
    ],
)
def test_bad_paths_of_a_revision(packaging: World, path: str, message: str) -> None:
    assert message in refused(packaging, f"debian/1:{path}").message


def test_links_on_disk_that_lead_nowhere(world: World, tmp_path: Path) -> None:
    """A patch is never passed over in silence."""
    (tmp_path / "1.patch").write_bytes(world.patch(0, 1))
    (tmp_path / "2.patch").symlink_to("gone")
    assert refused(world, tmp_path).message == f"{tmp_path}: 2.patch leads to no file"


# What is refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f: this file is empty"),
        (b" \n\n", "f: this file is empty"),
        (gzip.compress(b"", mtime=0), "f: this file is empty"),
        (b"just a text\n", "f: there is no patch in this file"),
        (b"*** a/x\n--- b/x\n***************\n*** 1 ****\n! 1\n--- 1 ----\n! 2\n", "there is no patch in this file"),
        (b"Only in a: x\n", "there is no patch in this file"),
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n".encode("utf-16"), "f: this file is in UTF-16"),
        (b"\xfe\xff\0-", "f: this file is in UTF-16"),
        (b"From a@b Thu Apr  7 22:13:13 2005\nSubject: x\n\nno patch\n", "f: there is no patch in these mails"),
        (b"Content-Transfer-Encoding: base64\n\nbm90aGluZw==\n", "f: there is no patch in these mails"),
        (b"\x1f\x8b\x08\0cut", "f: damaged compressed file"),
        (b"BZh9" + b"\0" * 40, "f: damaged compressed file"),
        (b"\xfd7zXZ\0" + b"\0" * 40, "f: damaged compressed file"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 40, "f: damaged compressed file"),
        (b"\0" * 40, "f: there is no patch in this file"),
    ],
)
def test_files_that_are_no_patch(world: World, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "f").write_bytes(content)
    assert message in refused(world, "f", tmp_path).message


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ("one\n\n# two\ngone.patch -p1\n", "q/series:4: the patch gone.patch is not there"),
        ("one\nsub\n", "q/series:2: the patch sub is not there"),
        (f"{'x' * 5000}\n", "is not there"),
        ("mode -p1 -R\n", "mode:1: renames, modes and binary content are not applied in reverse"),
        ("wide\n", "wide: this file is in UTF-16"),
        ("cut.gz\n", "cut.gz: damaged compressed file"),
    ],
)
def test_bad_series(world: World, tmp_path: Path, series: str, message: str) -> None:
    (tmp_path / "q" / "sub").mkdir(parents=True)
    mode = b"diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"
    contents = {"one": world.patch(0, 1), "mode": mode, "wide": b"\xff\xfe-\0", "cut.gz": gzip.compress(b"x" * 99)[:-9]}
    for name, data in {**contents, "series": series.encode()}.items():
        (tmp_path / "q" / name).write_bytes(data)
    assert message in refused(world, "q", tmp_path).message


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "'' is neither a path nor a revision"),
        ("gone", "'gone' is neither a path nor a revision"),
        ("./v1", "'./v1' is neither a path nor a revision"),
        ("x" * 5000, "is neither a path nor a revision"),
        ("a\0b", "is neither a path nor a revision"),
        ("--all", "is neither a path nor a revision"),
        ("gone:x", "is neither a path nor a revision"),
        (":x", "is neither a path nor a revision"),
        ("v0..gone", "'v0..gone': 'gone' is no revision"),
        ("gone...v1", "'gone...v1': 'gone' is no revision"),
        ("gone..never", "is neither a path nor a revision"),
        ("v1..v1", "the range holds no commit"),
        ("v5..v0", "the range holds no commit"),
        ("v1", "'v1' is both a revision and a path"),
        ("v0..v1", "'v0..v1' is both a revision and a path"),
        ("empty", "empty: no series file and no patches in this folder"),
    ],
)
def test_arguments_that_name_nothing(world: World, tmp_path: Path, argument: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    if "both" in message:
        (tmp_path / argument).write_bytes(world.patch(0, 2))
        assert world.tree(world.find(f"./{argument}", tmp_path).texts) == world.trees[2]
        assert world.find(f"tags/{argument}" if ".." not in argument else "tags/v0..v1", tmp_path).texts
    assert message in refused(world, argument, tmp_path).message


@pytest.mark.parametrize(
    ("releases", "patchsets", "message"),
    [
        (1, 2, None),
        (2, 2, None),
        (3, 3, None),
        (1, 1, "1 release and 1 patchset do not pair up"),
        (2, 3, "2 releases and 3 patchsets do not pair up"),
        (0, 2, "0 releases and 2 patchsets do not pair up"),
    ],
)
def test_pairs(releases: int, patchsets: int, message: str | None) -> None:
    if message is None:
        check_counts(["v"] * releases, ["p"] * patchsets)
        return
    with pytest.raises(MetadiffError) as caught:
        check_counts(["v"] * releases, ["p"] * patchsets)
    assert caught.value.message == message


# Compression, releases, keys


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_and_cut_off(suffix: str) -> None:
    data = Random(1).randbytes(5000)
    whole = COMPRESSED[suffix](data)
    assert decompress(whole, "f") == data
    assert decompress(whole + COMPRESSED[suffix](b"more") if suffix else whole + b"more", "f") == data + b"more"
    for length in range(8, len(whole), 97) if suffix else ():
        if suffix == ".zst" and length == len(zstandard.ZstdCompressor().compress(data[:2500])):
            continue
        with pytest.raises(MetadiffError, match="f: damaged compressed file"):
            decompress(whole[:length], "f")


def test_releases(world: World, tmp_path: Path) -> None:
    (tmp_path / "v1").mkdir()
    (tmp_path / "linux.tar.gz").write_bytes(gzip.compress(b"\0" * 1024))
    (tmp_path / "text").write_bytes(b"text")
    found = find_release("v0", world.user, tmp_path)
    assert (found.name, found.tree, found.key) == ("v0", world.trees[0], f"tree {world.trees[0]}")
    assert find_release(world.trees[3], world.user, tmp_path).tree == world.trees[3]
    assert find_release("v5:sub", world.user, tmp_path).tree == world.user.text("rev-parse", "v5:sub")
    folder = find_release("./v1", world.user, tmp_path)
    assert (folder.name, folder.tree, folder.key) == ("v1", "", None)
    archive = find_release("linux.tar.gz", world.user, tmp_path)
    assert archive.name == "linux.tar.gz" and str(archive.key).startswith("archive ")
    for argument, message in (
        ("v1", "'v1' is both a revision and a path"),
        ("text", "'text' is no archive that can be read"),
        ("v5:a", "neither a revision nor a path"),
        ("v5:../a", "neither a revision nor a path"),
        ("./v0", "neither a revision nor a path"),
        ("x" * 5000, "neither a revision nor a path"),
        ("a\0b", "neither a revision nor a path"),
    ):
        with pytest.raises(MetadiffError) as caught:
            find_release(argument, world.user, tmp_path)
        assert message in caught.value.message and caught.value.hint


def test_keys_tell_patchsets_apart() -> None:
    """Everything that decides a result is in the key, and what stands in one field is not taken for another."""
    sources = [
        (PatchText("a", b"x"),),
        (PatchText("a", b"y"),),
        (PatchText("b", b"x"),),
        (PatchText("a", b"x", 1),),
        (PatchText("a", b"x", None, "s"),),
        (PatchText("a", b"x", None, None, b"m"),),
        (PatchText("a", b"x", None, None, b"", b"A <a@b> 1 +0000"),),
        (PatchText("a", b"x"), PatchText("a", b"x")),
        (PatchText("a", b""), PatchText("x", b"")),
        (PatchText("", b"ax"),),
        (),
    ]
    assert len({PatchsetSource("p", texts).key for texts in sources}) == len(sources)
    assert PatchsetSource("p", sources[0]).key == PatchsetSource("q", sources[0]).key


REVERSED = b"""diff --git a/new b/new
new file mode 100644
index 1111111..2222222
--- /dev/null
+++ b/new
@@ -0,0 +1,2 @@
+one
+two
\\ No newline at end of file
--- a/plain.orig\t2026-01-01 00:00:00
+++ b/plain\t2026-01-02 00:00:00
@@ -1,3 +2,4 @@ name
 a
-b
+c
+d

"""


def test_reverse_patch_by_text() -> None:
    """Both sides of every header and every sign are swapped, and twice is the same again."""
    turned = reverse_patch(REVERSED, "p")
    assert (
        b"deleted file mode 100644\nindex 2222222..1111111\n--- b/new\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-one\n" in turned
    )
    assert b"--- b/plain\t2026-01-02 00:00:00\n+++ a/plain.orig\t2026-01-01 00:00:00\n@@ -2,4 +1,3 @@ name\n" in turned
    assert turned.endswith(b" a\n+b\n-c\n-d\n\n")
    assert reverse_patch(turned, "p") == REVERSED


@settings(max_examples=25, deadline=None, database=None)
@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12), st.booleans())
def test_a_series_may_take_a_patch_out_again(world: World, old: list[str], new: list[str], cut: bool) -> None:
    """`-R`: applied to what it makes, a patch gives back what it was made from, as `git apply -R` has it."""
    end = "" if cut else "\n"
    contents = [("\n".join(lines) + end if lines else "").encode() for lines in (old, new)]
    if not all(contents) or contents[0] == contents[1]:
        return
    for number, content in enumerate(contents):
        world.commit(f"turn{number}", {b"f": (FILE, content)})
    data = world.user.run("diff-tree", "-p", *FULL, "turn0", "turn1")
    trees = [world.user.text("rev-parse", f"turn{number}^{{tree}}") for number in (0, 1)]
    turned = PatchText("p", reverse_patch(data, "p"), 1)
    assert world.bench.apply(trees[1], turned).tree == trees[0]


def test_options_of_a_series(world: World, tmp_path: Path) -> None:
    plain = b"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n"
    quilt(tmp_path, {"one": plain, "two -R -p0": plain, "three -p2 --reverse": plain})
    texts = world.find(tmp_path).texts
    assert [(text.data, text.strip) for text in texts] == [
        (plain, 1),
        (reverse_patch(plain, "x"), 0),
        (reverse_patch(plain, "x"), 2),
    ]
