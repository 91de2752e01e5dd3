"""Files held against digests and signatures. The keys in tests/keys were made for this, and sign nothing else."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from git_metadiff.compare import append, compare
from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, Git
from git_metadiff.sources import ReleaseSource, find_patchset, import_release
from git_metadiff.verify import Report, Subject, Vouchers, check_files, vouch
from git_metadiff.verify.armor import ArmorError, dearmor, signed_text
from git_metadiff.verify.digests import digest_file
from git_metadiff.verify.signature import Outcome, read_statuses
from git_metadiff.verify.sums import read_sums, sums_of
from tests.conftest import ROOT, Metadiff, Repository

KEYS = ROOT / "tests" / "keys"
#: What the signatures in tests/keys are of.
CONTENT = b"What upstream released.\n"
SCHEMA = json.loads((ROOT / "git_metadiff" / "data" / "verify.schema.json").read_text())
MD5, SHA1, SHA256, SHA512 = (hashlib.new(name, CONTENT).hexdigest() for name in ("md5", "sha1", "sha256", "sha512"))
FIXTURE = ROOT / "fixtures" / "xen-boot-crash"
needs_gpgv = pytest.mark.skipif(shutil.which("gpgv") is None, reason="no gpgv here")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The file that is signed."""
    path = tmp_path / "release.tar"
    path.write_bytes(CONTENT)
    return path


def check(*paths: Path, **vouchers: tuple[str | Path, ...]) -> Report:
    """Hold files against vouchers."""
    subjects = [Subject(path.name, path) for path in paths]
    return check_files(subjects, Vouchers(**vouchers), os.environ)  # type: ignore[arg-type]


def verdicts(report: Report) -> list[str]:
    """The verdict on every file."""
    return [one.verdict for one in report.findings]


def written(path: Path, text: str | bytes) -> Path:
    """Write a file."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# Sums files


@pytest.mark.parametrize(
    ("line", "name", "algorithm"),
    [
        (f"{SHA256}  release.tar", b"release.tar", "sha256"),
        (f"{SHA256} *release.tar", b"release.tar", "sha256"),
        (f"{SHA256.upper()}  release.tar\r", b"release.tar", "sha256"),
        (f"{MD5}  a name with  blanks ", b"a name with  blanks ", "md5"),
        (f"{SHA1}\trelease.tar", b"release.tar", "sha1"),
        (f"{SHA512}  ./dir/release.tar", b"./dir/release.tar", "sha512"),
        (f"\\{SHA256}  a\\nb\\\\c\\rd", b"a\nb\\c\rd", "sha256"),
        (f"{SHA256}  a\\nb", b"a\\nb", "sha256"),
        (f"SHA256 (release.tar) = {SHA256}", b"release.tar", "sha256"),
        (f"\\SHA256 (a\\nb) = {SHA256}", b"a\nb", "sha256"),
        (f"SHA256 (a (1) = b.tar) = {SHA256}", b"a (1) = b.tar", "sha256"),
        (f"MD5 (release.tar) = {MD5}", b"release.tar", "md5"),
        (f"SHA2-512(release.tar)= {SHA512}", b"release.tar", "sha512"),
        (f"BLAKE2b (release.tar) = {SHA512}", b"release.tar", "blake2b"),
        (f" {SHA256} 24 release.tar", b"release.tar", "sha256"),
    ],
)
def test_a_line_of_a_sums_file(line: str, name: bytes, algorithm: str) -> None:
    found = read_sums(f"# sums\n{line}\nsome words\n".encode(), "sums")
    assert [(one.name, one.algorithm, one.line) for one in found] == [(name, algorithm, 2)]
    assert found[0].digest in (MD5, SHA1, SHA256, SHA512)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "words",
        SHA256,
        f"{SHA256[:63]}  release.tar",
        f"SHA1 (release.tar) = {SHA256}",
        f"CRC (a) = {MD5}",
        f"{SHA256} a",
    ],
)
def test_what_is_no_line_of_a_sums_file(line: str) -> None:
    with pytest.raises(MetadiffError, match="no line of it is a digest"):
        read_sums(line.encode(), "sums")


def test_folders_tell_files_of_one_name_apart() -> None:
    sums = read_sums(f"{'1' * 64}  v1/linux.tar\n{'2' * 64}  v2/linux.tar\n{'3' * 64}  other.tar\n".encode(), "sums")
    assert [one.digest[0] for one in sums_of(sums, b"/x/v2/linux.tar", "sums")] == ["2"]
    assert [one.digest[0] for one in sums_of(sums, b"/x/other.tar", "sums")] == ["3"]
    assert sums_of(sums, b"/x/linux.tar.xz", "sums") == []
    with pytest.raises(MetadiffError, match=r"lines 1 and 2 give different digests for linux\.tar"):
        sums_of(sums, b"/x/linux.tar", "sums")


def test_every_algorithm_must_match(release: Path, tmp_path: Path) -> None:
    right = written(tmp_path / "right", f"{SHA256}  release.tar\n{SHA512}  release.tar\n{MD5}  release.tar\n")
    wrong = written(
        tmp_path / "wrong", f"{SHA256}  release.tar\n{MD5[:-1]}{'0' if MD5[-1] != '0' else '1'}  release.tar\n"
    )
    assert verdicts(check(release, sums=(right,))) == ["ok"]
    assert verdicts(check(release, sums=(wrong,))) == ["digest differs"]


def test_digests_by_hand_find_their_files(release: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other", "other")
    theirs = hashlib.sha256(b"other").hexdigest()
    assert verdicts(check(release, other, digests=(theirs, SHA256))) == ["ok", "ok"]
    assert verdicts(check(release, other, digests=(SHA256, "0" * 64))) == ["ok", "digest differs"]
    assert verdicts(check(release, digests=("0" * 64,))) == ["digest differs"]
    with pytest.raises(MetadiffError, match=r"nothing vouches for one of release\.tar, other"):
        check(release, other, digests=(SHA256,))
    sums = written(tmp_path / "sums", f"{SHA256}  release.tar\n")
    with pytest.raises(MetadiffError, match="none of the files has it"):
        check(release, other, digests=(theirs, "0" * 64), sums=(sums,))
    with pytest.raises(MetadiffError, match="there is no digest for other"):
        check(release, other, sums=(sums,))


# OpenPGP


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ("GOODSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P", "good"),
        ("BADSIG K U", "bad"),
        ("REVKEYSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P", "revoked"),
        ("KEYEXPIRED 200\nEXPKEYSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P", "good, key expired since"),
        ("KEYEXPIRED 100\nEXPKEYSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P", "expired"),
        ("KEYEXPIRED 200\nKEYEXPIRED 50\nEXPKEYSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P", "expired"),
        ("EXPSIG K U\nVALIDSIG F 2020-01-01 100 150 4 0 22 8 00 P", "expired"),
        ("ERRSIG K 22 8 00 100 9 F\nNO_PUBKEY K", "unknown key"),
        ("ERRSIG K 99 8 00 100 4 F", "unsupported"),
        ("GOODSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P\nNEWSIG\nERRSIG K 22 8 00 100 9 F", "good"),
        ("GOODSIG K U\nVALIDSIG F 2020-01-01 100 0 4 0 22 8 00 P\nNEWSIG\nBADSIG K U", "bad"),
        ("NODATA 1", None),
        ("", None),
    ],
)
def test_status_lines_decide(lines: str, outcome: Outcome | None) -> None:
    """Not the exit status, which is 0 for a key that was revoked; one bad signature spoils a good one."""
    found = read_statuses("".join(f"[GNUPG:] {line}\n" for line in ["NEWSIG", *lines.split("\n")]).encode())
    assert found.outcome == outcome
    assert found.holds is (outcome in ("good", "good, key expired since"))


def test_armor() -> None:
    one, two = ((KEYS / name).read_bytes() for name in ("releases.asc", "stranger.asc"))
    assert dearmor(b"some words\n\n" + one + b"\n" + two) == dearmor(one) + dearmor(two)
    assert dearmor(one.replace(b"\n", b"\r\n")) == dearmor(one) == dearmor(dearmor(one))
    for data, words in (
        (b"", "no OpenPGP keyring"),
        (CONTENT, "no OpenPGP keyring"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxxxx\n", "private key"),
        (one.replace(b"mDME", b"mD*E"), "damaged"),
    ):
        with pytest.raises(ArmorError, match=words):
            dearmor(data)


def test_only_what_is_signed_of_a_text_counts() -> None:
    data = (KEYS / "SHA256SUMS.asc").read_bytes()
    inside = f"# digests\n- a line that begins with a dash\n{SHA256}  release.tar\n".encode()
    assert signed_text(data) == inside
    assert signed_text(b"0" * 64 + b"  release.tar\n" + data + b"0" * 64 + b"  release.tar\n") == inside
    with pytest.raises(ArmorError):
        signed_text(data.partition(b"-----BEGIN PGP SIGNATURE")[0])


@needs_gpgv
@pytest.mark.parametrize(
    ("signer", "outcome"), [("releases", "good"), ("expired", "good, key expired since"), ("revoked", "revoked")]
)
def test_a_signature_of_a_file(signer: str, outcome: str, release: Path) -> None:
    report = check(release, signatures=(KEYS / f"{signer}.sig.asc",), keyrings=(KEYS / f"{signer}.asc",))
    (signed,) = report.findings[0].signed
    assert (signed.statuses.outcome, report.holds) == (outcome, outcome != "revoked")
    assert signed.signatures[0].user.endswith(f"<{signer}@example.com>")
    assert verdicts(report) == ["ok" if report.holds else "signature refused"]


@needs_gpgv
@pytest.mark.parametrize("pack", ["xz", "gz", "bz2", "zst"])
def test_a_signature_of_the_uncompressed_tar(pack: str, release: Path, tmp_path: Path) -> None:
    """kernel.org signs so: release.tar.sign belongs to release.tar.xz."""
    import bz2
    import gzip

    import zstandard

    packers: Mapping[str, Callable[[bytes], bytes]] = {
        "xz": lzma.compress,
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "zst": lambda data: zstandard.ZstdCompressor().compress(data),
    }
    packed = written(tmp_path / f"release.tar.{pack}", packers[pack](CONTENT))
    for name in ("release.tar.sign", "detached.sig"):  # a name that does not tell leaves both ways
        signature = tmp_path / name
        shutil.copy(KEYS / "releases.sig.asc", signature)
        report = check(packed, signatures=(signature,), keyrings=(KEYS / "releases.asc",))
        assert report.holds
        assert report.findings[0].signed[0].uncompressed
    shutil.copy(KEYS / "releases.sig.asc", tmp_path / f"release.tar.{pack}.sig")  # of the file as it is: that is not so
    report = check(packed, signatures=(tmp_path / f"release.tar.{pack}.sig",), keyrings=(KEYS / "releases.asc",))
    assert verdicts(report) == ["signature refused"]


@needs_gpgv
def test_a_signature_of_something_else(tmp_path: Path) -> None:
    other = written(tmp_path / "release.tar", CONTENT + b"and more\n")
    report = check(other, signatures=(KEYS / "releases.sig.asc",), keyrings=(KEYS / "releases.asc",))
    assert (verdicts(report), report.findings[0].signed[0].statuses.outcome) == (["signature refused"], "bad")
    damaged = written(tmp_path / "release.tar.xz", lzma.compress(CONTENT)[:-8])
    signature = tmp_path / "release.tar.sign"
    shutil.copy(KEYS / "releases.sig.asc", signature)
    with pytest.raises(MetadiffError, match="truncated"):
        check(damaged, signatures=(signature,), keyrings=(KEYS / "releases.asc",))


@needs_gpgv
def test_what_a_signature_cannot_tell(release: Path, tmp_path: Path) -> None:
    signature, ring = KEYS / "releases.sig.asc", KEYS / "releases.asc"
    cases: list[tuple[str, tuple[Path, ...], tuple[Path, ...]]] = [
        (r"made by the key \w{40}, which is not in .*stranger\.asc", (signature,), (KEYS / "stranger.asc",)),
        ("there is no signature in it", (release,), (ring,)),
        ("keyring .* cannot be used: it is no OpenPGP keyring", (signature,), (release,)),
        ("cannot read .*nothing", (signature,), (tmp_path / "nothing",)),
        ("is a directory, not a file", (tmp_path,), (ring,)),
        ("sign the same file", (signature, KEYS / "stranger.sig.asc"), (ring,)),
        ("without a keyring", (signature,), ()),
    ]
    for words, signatures, keyrings in cases:
        with pytest.raises(MetadiffError, match=words):
            check(release, signatures=signatures, keyrings=keyrings)
    other = written(tmp_path / "other", "x")
    with pytest.raises(MetadiffError, match="cannot tell which file"):
        check(release, other, signatures=(signature,), keyrings=(ring,))
    named = tmp_path / "release.tar.asc"
    shutil.copy(signature, named)
    with pytest.raises(MetadiffError, match="nothing vouches for other"):
        check(release, other, signatures=(named,), keyrings=(ring,))
    with pytest.raises(MetadiffError, match="nothing to check with --keyring"):
        check(release, sums=(written(tmp_path / "sums", f"{SHA256}  release.tar\n"),), keyrings=(ring,))


@needs_gpgv
def test_signed_sums(release: Path, tmp_path: Path) -> None:
    ring, sums = KEYS / "releases.asc", KEYS / "SHA256SUMS.asc"
    report = check(release, sums=(sums,), keyrings=(ring,))
    assert (report.holds, report.sums[0].signed is not None) == (True, True)
    line = report.findings[0].expected[0].line
    assert line is not None
    assert sums.read_text().splitlines()[line - 1] == f"{SHA256}  release.tar"
    around = written(tmp_path / "around", b"0" * 64 + b"  release.tar\n\n" + sums.read_bytes())
    assert check(release, sums=(around,), keyrings=(ring,)).holds
    changed = written(tmp_path / "changed", sums.read_bytes().replace(SHA256.encode(), b"0" * 64))
    report = check(release, sums=(changed,), keyrings=(ring,))
    assert (report.holds, report.findings) == (False, ())
    with pytest.raises(MetadiffError, match=r"does not verify: the signature .*changed is not of this content"):
        vouch([Subject("release.tar", release)], Vouchers((changed,), keyrings=(ring,)), os.environ)
    report = check(release, sums=(sums,))
    assert (report.holds, report.sums[0].unchecked) == (True, True)


@needs_gpgv
def test_sums_with_a_signature_beside_them(release: Path, tmp_path: Path) -> None:
    sums = written(tmp_path / "SHA256SUMS", signed_text((KEYS / "SHA256SUMS.asc").read_bytes()))
    ring = (KEYS / "releases.asc",)
    assert check(release, sums=(sums,), signatures=(KEYS / "SHA256SUMS.sign",), keyrings=ring).holds
    written(sums, sums.read_bytes() + b"\n")
    assert not check(release, sums=(sums,), signatures=(KEYS / "SHA256SUMS.sign",), keyrings=ring).holds


def test_without_gpgv(release: Path, tmp_path: Path) -> None:
    subjects = [Subject("release.tar", release)]
    vouchers = Vouchers(signatures=(KEYS / "releases.sig.asc",), keyrings=(KEYS / "releases.asc",))
    with pytest.raises(MetadiffError, match="cannot run gpgv") as raised:
        check_files(subjects, vouchers, {"PATH": str(tmp_path)})
    assert raised.value.hint == "install gpgv (of GnuPG), and put it on PATH"
    for script, words in (("#!/bin/sh\nexit 2\n", "ended without a word"), ("#!/nonexistent\n", "cannot run gpgv")):
        written(tmp_path / "gpgv", script).chmod(0o755)
        with pytest.raises(MetadiffError, match=words):
            check_files(subjects, vouchers, {"PATH": str(tmp_path)})


# Files that cannot be read twice


def test_a_file_that_shrinks(tmp_path: Path) -> None:
    path = written(tmp_path / "file", bytes(3 << 20))
    with pytest.raises(MetadiffError, match="became shorter while it was read"):
        digest_file(path, (), lambda done, total: os.truncate(path, 10))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, words in (
        (tmp_path, "is a directory"),
        (Path("/dev/null"), "is a device"),
        (tmp_path / "fifo", "is a FIFO"),
        (tmp_path / "nothing", "No such file"),
        (tmp_path / ("x" * 300), "File name too long"),
        (Path("a\0b"), "no such name"),
    ):
        with pytest.raises(MetadiffError, match=words):
            check(name)


@needs_gpgv
def test_a_reading_that_gives_something_else_the_second_time(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the story: the digest is right, and the next reading is not."""
    real = digest_file

    def once_right(path: Path, *arguments: object) -> tuple[int, dict[str, str]]:
        found = real(path, *arguments)  # type: ignore[arg-type]
        written(path, CONTENT.replace(b"up", b"uq"))
        return found

    monkeypatch.setattr("git_metadiff.verify.check.digest_file", once_right)
    report = check(release, signatures=(KEYS / "releases.sig.asc",), keyrings=(KEYS / "releases.asc",))
    assert verdicts(report) == ["unstable"]


# The command


def test_the_command(release: Path, tmp_path: Path, metadiff: Metadiff) -> None:
    written(tmp_path / "SUMS", f"{SHA256}  release.tar\n")
    done = metadiff("verify", "release.tar", "--sums", "SUMS", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"SUMS: 1 digest, not signed\nrelease.tar: ok\n    sha256 {SHA256}  (SUMS:1)\n"
    done = metadiff("verify", "release.tar", "--sha256", "A" * 64, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(b"release.tar: digest differs\n")
    assert done.stderr.startswith(b"hint: 'git metadiff verify --pages release.tar' tells")
    done = metadiff("verify", "--quiet", "release.tar", "--sha256", "A" * 64, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    written(tmp_path / "a\nb", CONTENT)
    done = metadiff("verify", "release.tar", "a\nb", cwd=tmp_path)
    assert done.stdout.decode() == f"{SHA256}  release.tar\n\\{SHA256}  a\\nb\n"
    written(tmp_path / "printed", done.stdout)
    assert metadiff("verify", "a\nb", "release.tar", "--sums", "printed", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "'verify' needs a file"),
        (["f", "--sha256", "12"], "wants 64 hexadecimal digits"),
        (["f", "--signature", "s"], "option --signature needs --keyring"),
        (["f", "--keyring", "k"], "option --keyring needs --signature"),
        (["f", "--watch", "3"], "option --watch needs --pages"),
        (["f", "--pages", "--every", "3"], "option --every needs --watch"),
        (["f", "--pages", "--watch", "3", "--every", "0"], "at least 1"),
        (["f", "--pages", "--watch", "soon"], "wants a number"),
        (["f", "--against"], "needs a value"),
        (["f", "--stat"], "option --stat does not go with 'verify'"),
        (["f", "--", "path"], "takes no path limits"),
    ],
)
def test_usage(arguments: list[str], words: str, metadiff: Metadiff) -> None:
    done = metadiff("verify", *arguments)
    assert (done.returncode, done.stderr.count(b"\n")) == (129, 2)
    assert words in done.stderr.decode()


@needs_gpgv
def test_the_document(release: Path, tmp_path: Path, metadiff: Metadiff) -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    written(tmp_path / name, CONTENT)
    ring, sums = KEYS / "releases.asc", KEYS / "SHA256SUMS.asc"
    runs: list[list[str | Path]] = [
        ["release.tar", "--sums", sums, "--keyring", ring, "--pages", "--all"],
        ["release.tar", "--signature", KEYS / "releases.sig.asc", "--keyring", ring],
        [name, "--sha256", SHA256, "--against", "release.tar"],
    ]
    for arguments in runs:
        done = metadiff("verify", "--json", *arguments, cwd=tmp_path)
        document = json.loads(done.stdout)
        Draft202012Validator(SCHEMA).validate(document)
        assert (done.returncode, document["holds"], document["files"][0]["verdict"]) == (0, True, "ok")


# Imports


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases as tarballs, two patches, and their sums."""
    folder = tmp_path_factory.mktemp("inputs")
    for version in ("4.2.7", "4.3.3"):
        with tarfile.open(folder / f"linux-{version}.tar.xz", "w:xz", preset=0) as tar:
            tar.add(FIXTURE / f"upstream-{version}", f"linux-{version}")
    for name in ("p1.patch", "p2.patch"):
        shutil.copy(FIXTURE / name, folder)
    names = sorted(path for path in folder.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in names]
    written(folder / "SUMS", "".join(lines))
    return folder


RELEASES, PATCHES = ("linux-4.2.7.tar.xz", "linux-4.3.3.tar.xz"), ("p1.patch", "p2.patch")


def refs(repository: Repository) -> dict[str, str]:
    """The refs of the default comparison."""
    lines = repository.git("for-each-ref", "--format=%(refname:lstrip=3) %(objectname)", "refs/metadiff/default/")
    return {line.split()[0]: line.split()[1] for line in lines.splitlines()}


def test_import_records_digests(inputs: Path, make_repository: Callable[..., Repository]) -> None:
    """The same ids wherever it is done, and however it came about; without options the ids that there always were."""
    vouchers = Vouchers((inputs / "SUMS",))
    one, two, plain = (make_repository(name, "--bare") for name in ("one", "two", "plain"))
    compare(one.path, RELEASES, PATCHES, vouchers=vouchers, cwd=inputs)
    compare(two.path, RELEASES, PATCHES[:1], vouchers=vouchers, cwd=inputs)  # a forecast
    append(two.path, RELEASES[1:], PATCHES[1:], vouchers=vouchers, cwd=inputs)
    compare(plain.path, RELEASES, PATCHES, cwd=inputs)
    assert refs(one) == refs(two)
    assert set(refs(one).values()).isdisjoint(refs(plain).values())
    sums = {line.split()[1]: line.split()[0] for line in (inputs / "SUMS").read_text().splitlines()}
    messages = one.git("log", "--format=%s|%b%x00", "refs/metadiff/default/upstream").replace("\0\n", "").strip("\n\0")
    assert messages == "".join(f"{name}|Release-Sha256: {sums[name]}\n" for name in reversed(RELEASES)).strip()
    tip = one.git("log", "-1", "--format=%B", "refs/metadiff/default/downstream")
    assert tip == f"linux-4.3.3.tar.xz + p2.patch\n\nPatchset-Sha256: {sums['p2.patch']}"
    assert plain.git("log", "-1", "--format=%B", "refs/metadiff/default/upstream") == "linux-4.3.3.tar.xz"
    trees = [refs_trees(repository) for repository in (one, plain)]
    assert trees[0] == trees[1]
    # with and without, one after the other in one repository: each has its own
    compare(plain.path, RELEASES, PATCHES, vouchers=vouchers, cwd=inputs)
    assert refs(plain) == refs(one)


def refs_trees(repository: Repository) -> list[str]:
    """The trees of both branches."""
    return repository.git("log", "--format=%T", "refs/metadiff/default/downstream").splitlines()


def test_import_refuses(inputs: Path, tmp_path: Path, metadiff: Metadiff, repository: Repository) -> None:
    lines = (inputs / "SUMS").read_text().splitlines(keepends=True)
    some = written(tmp_path / "some", "".join(lines[1:]))
    wrong = written(tmp_path / "wrong", "".join([*lines[:3], lines[3].replace(lines[3][:4], "0000", 1)]))
    releases, patches = ([inputs / name for name in names] for names in (RELEASES, PATCHES))
    for sums, words in (
        (some, f"there is no digest for {RELEASES[0]}"),
        (wrong, "p2.patch does not verify: its sha256"),
    ):
        for arguments in ([*releases, "--patches", *patches], ["--patches", *patches]):
            done = metadiff(*arguments, "--sums", sums, cwd=repository.path)
            if words.endswith(RELEASES[0]) and arguments[0] == "--patches":
                assert done.returncode == 0  # there the patches are all that is read
                continue
            assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (128, b"", 2)
            assert words in done.stderr.decode()
    done = metadiff(FIXTURE / "upstream-4.2.7", "--patches", FIXTURE, FIXTURE, "--sums", some, cwd=repository.path)
    assert (done.returncode, b"there is nothing to verify" in done.stderr) == (128, True)
    assert repository.git("for-each-ref") == ""


def test_import_reads_what_was_verified(inputs: Path, make_repository: Callable[..., Repository]) -> None:
    """A file that was right when it was verified, and is not when it is imported."""
    git = Git(make_repository("bare", "--bare").path, os.environ)
    path = inputs / RELEASES[0]
    with pytest.raises(MetadiffError, match="it was verified, and then read otherwise"), FastImport(git) as writer:
        import_release(ReleaseSource(path.name, "", path, "0" * 64), writer, 0, None)
    patch = inputs / PATCHES[0]
    with pytest.raises(MetadiffError, match="it was verified, and then read otherwise"):
        find_patchset("p1.patch", "", git, git, inputs, None, {patch: "0" * 64})
