"""Archives and directories become the trees that `git add -f -A` makes of them; unsafe and damaged ones are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import socket
import subprocess
import tarfile
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git, Scratch
from git_metadiff.sources.archive import import_archive, import_directory, is_archive
from git_metadiff.sources.streams import CHUNK, decompressed

FILE, HARD, LINK, FOLDER, FIFO = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bz2": lambda data: bz2.compress(data, 1),
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
}
#: A ref of its own for each import: fast-import refuses to move one to a commit that is no descendant.
NUMBERS = itertools.count()
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True)
class Entry:
    """A member of a tar to be made; `data` is the target of a link."""

    name: bytes
    data: bytes = b""
    kind: bytes = FILE
    mode: int = 0o644

    def header(self) -> tarfile.TarInfo:
        """The member without its content."""
        header = tarfile.TarInfo(self.name.decode("utf-8", "surrogateescape"))
        header.type = self.kind
        header.mode = self.mode
        if self.kind in (HARD, LINK):
            header.linkname = self.data.decode("utf-8", "surrogateescape")
        else:
            header.size = len(self.data)
        return header


def make_tar(entries: Sequence[Entry], form: int = tarfile.GNU_FORMAT) -> bytes:
    """The bytes of an uncompressed tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for entry in entries:
            tar.addfile(entry.header(), io.BytesIO(entry.data))
    return out.getvalue()


@dataclass(frozen=True)
class Importer:
    """A scratch repository to import into, and git's own way to compare with."""

    scratch: Scratch

    def tree(self, path: Path, told: list[tuple[int, int]] | None = None) -> str:
        """The tree that an archive or a directory becomes."""
        bring = import_directory if path.is_dir() else import_archive
        with FastImport(self.scratch) as writer:
            mark = bring(
                path, writer, f"refs/import/{next(NUMBERS)}", None if told is None else lambda *pair: told.append(pair)
            )
            [commit] = writer.ids([mark])
        assert b"\nparent " not in self.scratch.run("cat-file", "commit", commit)
        return self.scratch.text("rev-parse", f"{commit}^{{tree}}")

    def list(self, tree: str) -> dict[str, tuple[str, bytes]]:
        """Path to mode and content."""
        lines = self.scratch.run("ls-tree", "-r", "-z", tree).split(b"\0")[:-1]
        found = {}
        for line in lines:
            head, _, name = line.partition(b"\t")
            mode, _, blob = head.decode().split(" ")
            found[os.fsdecode(name)] = (mode, self.scratch.run("cat-file", "blob", blob))
        return found

    def files(self, path: Path, data: bytes | None = None) -> dict[str, tuple[str, bytes]]:
        """What is in the tree that an archive becomes; `data`, if given, is written to it before."""
        if data is not None:
            path.write_bytes(data)
        return self.list(self.tree(path))

    def added(self, folder: Path) -> str:
        """The tree that `git add -f -A` makes of a folder, with the attributes of the design."""
        with tempfile.TemporaryDirectory() as name:
            git = Git(Path(name) / "reference.git", {**os.environ})
            subprocess.run(["git", "init", "-q", "--bare", git.git_dir], check=True)
            (git.git_dir / "info").mkdir(exist_ok=True)
            (git.git_dir / "info" / "attributes").write_text("* -text -ident -filter -working-tree-encoding\n")
            git.run("--work-tree", os.fsencode(folder), "-c", "core.bare=false", "add", "-f", "-A", os.fsencode(folder))
            return git.text("write-tree")

    def unpacked(self, path: Path, folder: Path, top: str = "") -> str:
        """The tree that git makes of the archive `path` when tar unpacks it to `folder`."""
        folder.mkdir()
        subprocess.run(["tar", "-C", folder, "-xf", path], check=True, stderr=subprocess.DEVNULL)
        return self.added(folder / top)


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    user = tmp_path_factory.mktemp("user") / "user.git"
    environ = {"PATH": os.environ["PATH"], "HOME": str(user.parent)}
    subprocess.run(["git", "init", "-q", "--bare", user], check=True, env=environ)
    with Scratch(Git(user, environ), environ) as scratch:
        yield Importer(scratch)


def refusal(importer: Importer, path: Path, data: bytes | None = None) -> MetadiffError:
    """The error that importing `path` raises; it names the file, on one line, and has a hint."""
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(MetadiffError) as caught:
        importer.tree(path)
    error = caught.value
    assert str(path) in error.message and "\n" not in error.message
    assert error.hint and "\n" not in error.hint
    return error


BINARY = random.Random(1).randbytes(3000)
LARGE = BINARY * (CHUNK // 2900)
#: All that a release can hold, below one folder.
RICH = [
    Entry(b"top", kind=FOLDER, mode=0o755),
    Entry(b"top/plain.c", b"int x;\n"),
    Entry(b"top/run.sh", b"#!/bin/sh\n", mode=0o755),
    Entry(b"top/group-only", b"x", mode=0o610),
    Entry(b"top/owner-only", b"x", mode=0o700),
    Entry(b"top/setuid", b"x", mode=0o4755),
    Entry(b"top/empty"),
    Entry(b"top/empty-folder/below", kind=FOLDER, mode=0o755),
    Entry(b"top/binary", BINARY),
    Entry(b"top/large", LARGE),
    Entry(b"top/.gitattributes", b"* text=auto eol=crlf ident filter=x\n*.u working-tree-encoding=UTF-16\n"),
    Entry(b"top/.gitignore", b"*\n"),
    Entry(b"top/.gitmodules", b"[submodule]\n"),
    Entry(b"top/crlf", b"a\r\n$Id$\r\nb\n"),
    Entry(b"top/wide.u", b"text\n"),
    Entry(b"top/link", b"../../outside/of the tree", LINK),
    Entry(b"top/latin-\xe9", b"\xe9\n"),
    Entry("top/ünïcode \u200c.git".encode(), b"x"),
    Entry(b'top/"quoted" \\ name', b"x"),
    Entry(b"top/new\nline", b"x"),
    Entry(b"top/-dash", b"x"),
    Entry(b"top/colon:x", b"x"),
    Entry(b"top/...", b"x"),
    Entry(b"top/.github/git~2", b"x"),
    Entry(b"top/" + b"long/" * 25 + b"name", b"x"),
    Entry(b"top/" + (b"l" * 99 + b"/") * 4 + b"name", b"longer than a ustar header\n"),
    Entry(b"top/long-link", b"t" * 300, LINK),
    Entry(b"top/hard", b"top/run.sh", HARD),
    Entry(b"top/hard-link", b"top/link", HARD),
    Entry(b"top/hard-long", b"top/" + (b"l" * 99 + b"/") * 4 + b"name", HARD),
]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tree_is_what_git_add_makes_of_the_unpacked_archive(importer: Importer, tmp_path: Path, form: int) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(make_tar(RICH, form))
    tree = importer.tree(path)
    assert tree == importer.unpacked(path, tmp_path / "out", "top")
    files = importer.list(tree)
    assert files["plain.c"] == ("100644", b"int x;\n")
    assert files["hard"] == ("100755", b"#!/bin/sh\n")
    assert files["hard-link"] == ("120000", b"../../outside/of the tree")
    assert files["group-only"][0] == "100644"
    assert files["owner-only"][0] == "100755"
    assert files["crlf"][1] == b"a\r\n$Id$\r\nb\n"
    assert os.fsdecode(b"latin-\xe9") in files


def test_ustar_and_v7_headers(importer: Importer, tmp_path: Path) -> None:
    short = [entry for entry in RICH if len(entry.name) < 250 and entry.name != b"top/long-link"]
    short.remove(next(entry for entry in short if entry.name == b"top/hard-long"))
    path = tmp_path / "a.tar"
    path.write_bytes(make_tar(short, tarfile.USTAR_FORMAT))
    assert importer.tree(path) == importer.unpacked(path, tmp_path / "out", "top")
    (tmp_path / "v7").mkdir()
    (tmp_path / "v7" / "f").write_bytes(b"x\n")
    subprocess.run(["tar", "-C", tmp_path, "--format=v7", "-cf", path, "v7"], check=True)
    assert path.read_bytes()[257:262] != b"ustar" and is_archive(path)
    assert importer.list(importer.tree(path)) == {"f": ("100644", b"x\n")}


@pytest.mark.parametrize("form", ["oldgnu", "0.0", "0.1", "1.0"])
def test_sparse_files(importer: Importer, tmp_path: Path, form: str) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        for at in range(8):
            file.seek(at << 18)
            file.write(b"data %d" % at)
        file.truncate(3 << 20)
    options = ["--format=oldgnu"] if form == "oldgnu" else ["--format=pax", f"--sparse-version={form}"]
    path = tmp_path / "a.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cSf", path, *options, "sparse"], check=True)
    assert path.stat().st_size < 1 << 19
    assert importer.files(path) == {"sparse": ("100644", (tmp_path / "sparse").read_bytes())}


@pytest.mark.parametrize("name", COMPRESS)
def test_each_compression_by_its_magic(importer: Importer, tmp_path: Path, name: str) -> None:
    plain = make_tar(RICH)
    path = tmp_path / "release.txt"
    path.write_bytes(plain)
    expected = importer.tree(path)
    path.write_bytes(COMPRESS[name](plain))
    assert is_archive(path)
    told: list[tuple[int, int]] = []
    assert importer.tree(path, told) == expected
    size = path.stat().st_size
    assert told[-1] == (size, size)
    assert told == sorted(told) and {total for _, total in told} == {size}


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "tar"])
def test_several_streams_in_one_file(importer: Importer, tmp_path: Path, name: str) -> None:
    plain = make_tar(RICH)
    compress = COMPRESS[name]
    parts = [compress(plain[:1000]), compress(b""), compress(plain[1000:CHUNK]), compress(plain[CHUNK:]), bytes(512)]
    (tmp_path / "one").write_bytes(plain)
    (tmp_path / "many").write_bytes(b"".join(parts))
    assert importer.tree(tmp_path / "many") == importer.tree(tmp_path / "one")


def test_zstd_skippable_frame(importer: Importer, tmp_path: Path) -> None:
    frame = b"\x50\x2a\x4d\x18\x04\0\0\0skip" + COMPRESS["zst"](make_tar([Entry(b"a", b"x")]))
    assert importer.files(tmp_path / "a", frame) == {"a": ("100644", b"x")}
    assert is_archive(tmp_path / "a")


@pytest.mark.parametrize(
    ("entries", "paths"),
    [
        ([Entry(b"t/a"), Entry(b"t/b/c")], ["a", "b/c"]),
        ([Entry(b"./t/a"), Entry(b"././t//b")], ["a", "b"]),
        ([Entry(b".", kind=FOLDER), Entry(b"./t", kind=FOLDER), Entry(b"./t/a")], ["a"]),
        ([Entry(b"t/a"), Entry(b"u")], ["t/a", "u"]),
        ([Entry(b"u"), Entry(b"t/a")], ["t/a", "u"]),
        ([Entry(b"t/a"), Entry(b"u", kind=FOLDER)], ["t/a"]),
        ([Entry(b"t/a"), Entry(b"tt/a")], ["t/a", "tt/a"]),
        ([Entry(b"t/t/a")], ["t/a"]),
        ([Entry(b"a")], ["a"]),
        ([Entry(b"a", b"x", LINK)], ["a"]),
        ([Entry(b"t", kind=FOLDER)], []),
        ([Entry(b"t/", kind=tarfile.AREGTYPE), Entry(b"t/a")], ["a"]),
    ],
)
def test_only_a_sole_top_folder_is_stripped(
    importer: Importer, tmp_path: Path, entries: list[Entry], paths: list[str]
) -> None:
    assert sorted(importer.files(tmp_path / "a.tar", make_tar(entries))) == paths


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([Entry(b"a", b"1"), Entry(b"a", b"2", mode=0o755)], {"a": ("100755", b"2")}),
        (
            [Entry(b"a", b"1"), Entry(b"b", b"a", HARD), Entry(b"a", b"2")],
            {"a": ("100644", b"2"), "b": ("100644", b"1")},
        ),
        ([Entry(b"b"), Entry(b"a", b"x", LINK), Entry(b"a", b"2")], {"a": ("100644", b"2"), "b": ("100644", b"")}),
        ([Entry(b"b"), Entry(b"a", b"1"), Entry(b"a", kind=FOLDER), Entry(b"a/c")], {"b": 0, "a/c": 0}),
        ([Entry(b"b"), Entry(b"a", kind=FOLDER), Entry(b"a", b"1")], {"b": 0, "a": ("100644", b"1")}),
        ([Entry(b"a", b"1"), Entry(b"a", b"a", HARD)], {"a": ("100644", b"1")}),
        ([Entry(b"a", b"1"), Entry(b"pipe", kind=FIFO), Entry(b"pipe2", b"pipe", HARD)], {"a": ("100644", b"1")}),
    ],
)
def test_a_later_member_of_the_same_name_wins(
    importer: Importer, tmp_path: Path, entries: list[Entry], expected: dict[str, object]
) -> None:
    path = tmp_path / "a.tar"
    found = importer.files(path, make_tar(entries))
    assert found == {name: value or ("100644", b"") for name, value in expected.items()}
    assert importer.tree(path) == importer.unpacked(path, tmp_path / "out")


UNSAFE_NAMES = [
    b"/etc/passwd",
    b"//a",
    b"/",
    b"..",
    b"../a",
    b"t/../a",
    b"t/..",
    b".git",
    b"t/.git",
    b"t/.git/config",
    b".GIT/config",
    b".gIt",
    b".git.",
    b".git ",
    b".git . .",
    b"git~1",
    b"GIT~1/config",
    b"git~1 .",
    b".git:stream",
    b".git::$INDEX_ALLOCATION",
    b".git::$INDEX_ALLOCATION/config",
    b".git\\config",
    b"a\\.git",
    ".g\u200cit".encode(),
    ".git\u200d/x".encode(),
    "\ufeff.git".encode(),
    ".\u202eGi\u206ft".encode(),
    ".git\u200c .".encode(),
]


@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_unsafe_names_are_refused(importer: Importer, tmp_path: Path, name: bytes) -> None:
    path = tmp_path / "a.tar"
    with FastImport(importer.scratch) as writer:
        for kind in (FILE, FOLDER, LINK, HARD, FIFO):
            entry = Entry(name, b"ok" if kind in (LINK, HARD) else b"", kind)
            path.write_bytes(make_tar([Entry(b"ok", b"x"), entry]))
            with pytest.raises(MetadiffError) as caught:
                import_archive(path, writer, "refs/import/unsafe", None)
            assert caught.value.message.startswith(f"{path}: unsafe member ")


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ([Entry(b"a", b"/etc", LINK), Entry(b"a/passwd", b"x")], "a/passwd"),
        ([Entry(b"a/passwd", b"x"), Entry(b"a", b"/etc", LINK)], "a/passwd"),
        ([Entry(b"t/a", b".", LINK), Entry(b"t/a/b/c", b"x"), Entry(b"t/d")], "t/a/b"),
        ([Entry(b"a", b".", LINK), Entry(b"a/b", kind=FOLDER)], "a"),
        ([Entry(b"a", b".", LINK), Entry(b"a", kind=FOLDER), Entry(b"a/b", b"x")], "a/b"),
        ([Entry(b"a", b".", LINK), Entry(b"b", b"a", HARD), Entry(b"b/c", b"x")], "b/c"),
        ([Entry(b"a", b"../x", HARD)], "a"),
        ([Entry(b"a", b"/x", HARD)], "a"),
        ([Entry(b"t/.gitmodules", b"x", LINK)], "t/.gitmodules"),
        ([Entry(b".GITMODULES ", b"x", LINK)], ".GITMODULES "),
        ([Entry(b"a\nfatal: x/../b", b"x")], "a\\nfatal: x/../b"),
        ([Entry(b"\x1b[31m/..", b"x")], "\\x1b[31m/.."),
        ([Entry(b"\xe9/..", b"x")], "\\xe9/.."),
    ],
)
def test_unsafe_members_are_refused(importer: Importer, tmp_path: Path, entries: list[Entry], shown: str) -> None:
    error = refusal(importer, tmp_path / "a.tar", make_tar(entries))
    assert error.message == f"{tmp_path / 'a.tar'}: unsafe member {shown}"


def test_pax_name_with_a_nul_is_refused(importer: Importer, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        header = tarfile.TarInfo("a")
        header.pax_headers = {"path": "a\0b"}
        tar.addfile(header)
    assert "unsafe member a\\x00b" in refusal(importer, tmp_path / "a.tar", out.getvalue()).message


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([Entry(b"a", b"x"), Entry(b"a/b", b"x")], "member a is a file and a folder at once"),
        ([Entry(b"t/a/b", b"x"), Entry(b"t/a", b"x")], "member t/a is a file and a folder at once"),
        ([Entry(b"a", b"missing", HARD)], "hard link a to missing, which does not stand before it"),
        ([Entry(b"a", b"", LINK)], "symlink without a target, a"),
        ([Entry(b"a", b"x", b"M")], "multi-volume"),
    ],
)
def test_impossible_members_are_refused(importer: Importer, tmp_path: Path, entries: list[Entry], words: str) -> None:
    assert words in refusal(importer, tmp_path / "a.tar", make_tar(entries)).message


def test_labels_devices_and_dumps_make_no_entry(importer: Importer, tmp_path: Path) -> None:
    special = [Entry(b"label", kind=b"V"), Entry(b"t", b"Ya\0\0", b"D", 0o755), Entry(b"t/pipe", kind=FIFO)]
    special += [Entry(b"t/char", kind=tarfile.CHRTYPE), Entry(b"t/block", kind=tarfile.BLKTYPE)]
    found = importer.files(tmp_path / "a.tar", make_tar([*special, Entry(b"t/a", b"x"), Entry(b"t/b", b"y", b"Z")]))
    assert found == {"a": ("100644", b"x"), "b": ("100644", b"y")}


def test_incremental_dump(importer: Importer, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "a").write_bytes(b"x")
    path = tmp_path / "a.tar"
    subprocess.run(["tar", "-C", tmp_path, "-g", tmp_path / "state", "-cf", path, "t"], check=True)
    assert path.read_bytes()[345] != 0
    assert importer.files(path) == {"a": ("100644", b"x")}


@pytest.mark.parametrize("name", COMPRESS)
def test_truncated_archives_are_refused(importer: Importer, tmp_path: Path, name: str) -> None:
    data = COMPRESS[name](make_tar([Entry(b"a", BINARY), Entry(b"b", BINARY)]))
    # without its end mark, a plain tar of 10240 bytes is whole up to the second member's padding
    whole = data if name != "tar" else data[: 2 * (512 + 3072)]
    cuts = {2, 100, 512, 600, 1024, 3000, 3584, 3600, 4096, len(whole) // 2, len(whole) - 9, len(whole) - 1}
    cuts.add(len(whole) if name == "tar" else 8)
    for cut in sorted(cut for cut in cuts if cut <= len(whole) and whole[:cut] != data):
        message = refusal(importer, tmp_path / f"cut-{cut}", whole[:cut]).message
        assert "truncated" in message or "not a tarball" in message, (cut, message)


@pytest.mark.parametrize("name", [name for name in COMPRESS if name != "tar"])
def test_damaged_compression_is_refused(importer: Importer, tmp_path: Path, name: str) -> None:
    data = bytearray(COMPRESS[name](make_tar([Entry(b"a", BINARY * 50)])))
    assert "cannot decompress" in refusal(importer, tmp_path / "garbage", bytes(data) + b"garbage" * 99).message
    data[len(data) // 2] ^= 0x55
    refusal(importer, tmp_path / "flipped", bytes(data))


def test_damaged_headers_are_refused(importer: Importer, tmp_path: Path) -> None:
    good = make_tar([Entry(b"a", b"x"), Entry(b"b", b"x"), Entry(b"c", b"x")])
    damaged = bytearray(good)
    damaged[1024 + 3] ^= 1
    assert "damaged header" in refusal(importer, tmp_path / "middle", bytes(damaged)).message
    assert "damaged header" in refusal(importer, tmp_path / "first", b"b" + good[1:]).message
    for size in ("-1024", "x", str(1 << 70)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            header = tarfile.TarInfo("a")
            header.pax_headers = {"size": size}
            tar.addfile(header)
            tar.addfile(Entry(b"b", b"x").header(), io.BytesIO(b"x"))
        if size != "x":  # which tarfile reads as 0
            refusal(importer, tmp_path / "size", out.getvalue())


def test_huge_extended_header_is_refused(importer: Importer, tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    assert "damaged" in refusal(importer, tmp_path / "a.tar", header.tobuf(tarfile.GNU_FORMAT) + bytes(4096)).message


@pytest.mark.parametrize("data", [b"", b"x", b"PK\x03\x04" + bytes(600), b"diff --git a/a b/a\n" * 50, bytes(10240)])
def test_what_is_no_archive(importer: Importer, tmp_path: Path, data: bytes) -> None:
    error = refusal(importer, tmp_path / "a.tar.gz", data)
    assert error.message.endswith("it is not a tarball") and ".zst" in error.hint
    assert not is_archive(tmp_path / "a.tar.gz")


def test_compressed_file_that_is_no_archive(importer: Importer, tmp_path: Path) -> None:
    refusal(importer, tmp_path / "a.patch.gz", gzip.compress(b"diff --git a/a b/a\n" * 50))
    assert "truncated" in refusal(importer, tmp_path / "empty.gz", gzip.compress(b"")).message


def test_an_archive_without_members_is_an_empty_tree(importer: Importer, tmp_path: Path) -> None:
    (tmp_path / "a.tar.xz").write_bytes(lzma.compress(bytes(10240)))
    assert importer.tree(tmp_path / "a.tar.xz") == EMPTY_TREE


def test_is_archive_of_other_things(importer: Importer, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_archive(tmp_path) and not is_archive(tmp_path / "missing") and not is_archive(tmp_path / "pipe")
    with pytest.raises(MetadiffError, match="not a regular file"):
        importer.tree(tmp_path / "pipe")
    assert "cannot read" in refusal(importer, tmp_path / "missing").message


def test_the_same_files_give_the_same_commit(importer: Importer, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(make_tar([Entry(b"t/a", b"x"), Entry(b"t/b", b"y")]))
    (tmp_path / "b").write_bytes(COMPRESS["xz"](make_tar([Entry(b"u/b", b"y"), Entry(b"u/a", b"x")])))
    with FastImport(importer.scratch) as writer:
        marks = [import_archive(tmp_path / name, writer, "refs/import/same", None) for name in "ab"]
        first, second = writer.ids(marks)
    assert first == second


@pytest.mark.parametrize("name", ["gz", "xz", "zst"])
def test_a_bomb_does_not_fill_the_memory(tmp_path: Path, name: str) -> None:
    """64 MiB of zeros in some KB come out in small pieces."""
    path = tmp_path / "bomb"
    path.write_bytes(COMPRESS[name](make_tar([Entry(b"zeros", bytes(64 << 20))])))
    assert path.stat().st_size < 1 << 19
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            sizes = [len(chunk) for _, chunk in decompressed(file)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) > 64 << 20 and max(sizes) <= CHUNK
    assert peak < 48 << 20


def fill(folder: Path) -> None:
    """A work tree with all that git add passes over or takes in."""
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / ".gitignore").write_text("*.o\n")
    (folder / ".gitattributes").write_text("* text=auto eol=crlf ident\n")
    (folder / "a.o").write_bytes(b"ignored\r\n")
    (folder / "sub" / "run").write_bytes(b"x")
    (folder / "sub" / "run").chmod(0o755)
    (folder / "large").write_bytes(LARGE)
    (folder / "loop").symlink_to(".")
    (folder / "dangling").symlink_to("/nowhere")
    (Path(os.fsdecode(os.fsencode(folder) + b"/latin-\xe9"))).write_bytes(b"")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # the whole path may be too long for a socket
        server.bind("socket")


def test_directory_is_what_git_add_makes_of_it(importer: Importer, tmp_path: Path) -> None:
    folder = tmp_path / "only" / "top"
    fill(folder)
    expected = importer.added(folder)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("[core]\n")
    told: list[tuple[int, int]] = []
    assert importer.tree(folder, told) == expected
    assert told[-1][0] == told[-1][1] > len(LARGE) and told == sorted(told)
    assert "top/large" in importer.list(importer.tree(tmp_path / "only"))  # nothing is stripped


def test_directory_with_nested_repository(importer: Importer, tmp_path: Path) -> None:
    (tmp_path / "d" / "sub" / ".git").mkdir(parents=True)
    (tmp_path / "d" / "sub" / ".git" / "HEAD").write_text("x")
    (tmp_path / "d" / "sub" / "file").write_text("x")
    (tmp_path / "d" / "work").mkdir()
    (tmp_path / "d" / "work" / ".git").write_text("gitdir: ../x\n")
    assert list(importer.files(tmp_path / "d")) == ["sub/file"]


@pytest.mark.parametrize("name", [b".GIT", b"git~1", b".git ", "\u200c.git".encode()])
def test_directory_with_a_name_that_git_refuses(importer: Importer, tmp_path: Path, name: bytes) -> None:
    (tmp_path / "d" / os.fsdecode(name)).mkdir(parents=True)
    assert "unsafe name" in refusal(importer, tmp_path / "d").message


def test_directory_that_cannot_be_read(importer: Importer, tmp_path: Path) -> None:
    with (
        FastImport(importer.scratch) as writer,
        pytest.raises(MetadiffError, match=r"cannot read .*missing: No such file"),
    ):
        import_directory(tmp_path / "missing", writer, "refs/import/x", None)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "secret").write_text("x")
    (tmp_path / "d" / "secret").chmod(0)
    if os.geteuid() != 0:
        assert "cannot read" in refusal(importer, tmp_path / "d").message


NAME = st.binary(min_size=1, max_size=4).map(lambda name: b"n" + name.replace(b"/", b"_").replace(b"\0", b"_"))
CONTENT = st.one_of(st.binary(max_size=8), st.sampled_from([b"a\r\nb\r\n", b"$Id: x $\n"]))
LEAF = st.tuples(CONTENT, st.sampled_from([0o644, 0o755, 0o400, 0o500]))


def members(tree: object, path: bytes) -> Iterator[Entry]:
    """The members of a tar of nested dictionaries, whose leaves are content and mode, or the target of a symlink."""
    if isinstance(tree, dict):
        yield Entry(path, kind=FOLDER, mode=0o755)
        for name, child in tree.items():
            yield from members(child, path + b"/" + name)
    elif isinstance(tree, tuple):
        yield Entry(path, tree[0], FILE, tree[1])
    elif isinstance(tree, bytes):
        yield Entry(path, tree, LINK)


@settings(max_examples=12, deadline=None, database=None)
@given(
    tree=st.recursive(st.one_of(LEAF, NAME), lambda below: st.dictionaries(NAME, below, max_size=4), max_leaves=12),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    compression=st.sampled_from(sorted(COMPRESS)),
)
def test_any_tree(importer: Importer, tree: object, form: int, compression: str) -> None:
    entries = list(members({b"a": tree}, b"."))
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.tar").write_bytes(make_tar(entries, form))
        top = "a" if isinstance(tree, dict) else ""
        expected = importer.unpacked(Path(name) / "a.tar", Path(name) / "out", top)
        assert importer.tree(Path(name) / "out" / top) == expected
        (Path(name) / "a").write_bytes(COMPRESS[compression](make_tar(entries, form)))
        assert importer.tree(Path(name) / "a") == expected
