"""Whatever goes wrong: one message and one hint, and refs, index and work tree as they were."""

from __future__ import annotations

import errno
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from git_metadiff.compare import compare
from git_metadiff.errors import EXIT_FATAL, EXIT_INTERRUPTED, MetadiffError
from git_metadiff.git import ALIVE, MOVING, SCRATCH_PREFIX, Git, Scratch, uninterrupted
from git_metadiff.store import Store, open_git, open_store
from tests.conftest import Repository
from tests.pairs import PATCHSETS, RELEASES, changed, compare_pair, copy_of, make_pair, snapshot

FULL = "free some disk space and run the command again; nothing was changed"
WRITE_ACCESS = "git metadiff needs write access to the repository"
NOBODY = 65534


@pytest.fixture(scope="session")
def made() -> list[Repository]:
    """The pair, packed; made by the first test that asks."""
    return []


@pytest.fixture
def pair(made: list[Repository], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Repository:
    """A copy of the pair."""
    if not made:
        original = make_pair(Repository(tmp_path_factory.mktemp("made") / "original"))
        original.git("gc", "-q", "--prune=now")
        compare_pair(copy_of(original, original.path.parent / "warm"))  # every module is loaded now
        made.append(original)
    return copy_of(made[0], tmp_path / "pair")


class Outcome(NamedTuple):
    """How a process of ours ended: its status as the command line has it, and what it said."""

    status: int
    message: str
    hint: str


def child(work: Callable[[], object], pipe: int) -> int:
    """Run `work` as the command line does; the exit status."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    os.write(pipe, b"!")  # signals may come now
    try:
        work()
    except MetadiffError as error:
        os.write(pipe, os.fsencode(f"{error.message}\0{error.hint}"))
        return error.status
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException as error:
        os.write(pipe, f"{type(error).__name__}: {error}\0".encode())
        return 99
    return 0


class Forked:
    """A copy of this process that runs one function, in a process group of its own, then ends."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._reading, writing = os.pipe()
        self.process = os.fork()
        if not self.process:
            status = 98
            try:
                os.setpgid(0, 0)
                status = child(work, writing)
            finally:
                os._exit(status)
        os.close(writing)
        os.read(self._reading, 1)

    def signal(self, number: int, *, group: bool) -> None:
        """Send a signal to it, or to it and every git that it has started."""
        os.kill(-self.process if group else self.process, number)

    def wait(self) -> Outcome:
        """Wait for its end."""
        with os.fdopen(self._reading, "rb") as pipe:
            message, _, hint = os.fsdecode(pipe.read()).partition("\0")
        status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return Outcome(status, message, hint)


def check_fatal(outcome: Outcome, message: str, hint: str) -> None:
    """The process has ended with this message and hint, each on one line."""
    assert (outcome.status, outcome.hint) == (EXIT_FATAL, hint), outcome.message
    assert re.search(message, outcome.message), outcome.message
    assert "\n" not in outcome.message


def check_untouched(repository: Repository, before: dict[str, tuple[int, bytes]]) -> None:
    """Everything but whole packs is as it was."""
    fresh, touched = changed(before, snapshot(repository.path))
    packs = {name for name in fresh if re.search(r"objects/pack/pack-[0-9a-f]+\.(pack|idx)$", name)}
    assert (set(fresh) - packs, touched) == (set(), [])
    assert len({name.rpartition(".")[0] for name in packs}) * 2 == len(packs)


# Interruption


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)], ids=str
)
def test_interrupted_at_any_moment(number: int, status: int, pair: Repository) -> None:
    """At random moments, alone and with all of its gits: as before or complete, and nothing left behind."""
    start = time.monotonic()
    whole = Forked(lambda: compare_pair(pair, name="whole")).wait()
    length = time.monotonic() - start
    assert whole.status == 0
    chance, seen = random.Random(number), set()
    store = Store(open_git(pair.path / ".git", os.environ))
    before = snapshot(pair.path)
    for turn in range(10):
        process = Forked(lambda: compare_pair(pair))
        time.sleep(chance.uniform(0, 1.1) * length)
        process.signal(number, group=turn % 2 == 1)
        outcome = process.wait()
        seen.add(outcome.status)
        assert outcome.status in (status, 0), outcome
        if number == signal.SIGKILL:
            for folder in (pair.path / ".git").glob(f"{SCRATCH_PREFIX}*"):
                os.utime(folder, (1, 1))  # a minute passes, which counts for one that was only just made
            Scratch(store.git, os.environ).remove()  # what a later run does first
        names = [one.name for one in store.names()]
        if outcome.status == 0 or "default" in names:
            assert store.load("default").transitions
            store.forget("default")
        (pair.path / ".git" / "metadiff-last").write_text("whole\n")
        check_untouched(pair, before)
    assert seen >= {status}
    pair.git("fsck", "--full", "--strict")


def test_signals_wait_for_what_must_not_be_cut(pair: Repository) -> None:
    def work() -> None:
        with uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            subprocess.run(["sh", "-c", "kill -INT $$; kill -TERM $$"], check=True)
            (pair.path / "done").touch()

    assert Forked(work).wait().status == EXIT_INTERRUPTED
    assert (pair.path / "done").exists()


def test_a_git_that_was_interrupted_ends_us_too(pair: Repository, tmp_path: Path) -> None:
    """A Ctrl-C reaches the whole group; Python sometimes loses the exception that it makes of it."""
    real = shutil.which("git")
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, EXIT_FATAL)):
        fake_git(tmp_path / "bin", f'case "$*" in *fast-import*) kill -{int(number)} $$ ;; esac\nexec {real} "$@"')
        environ = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        outcome = Forked(lambda environ=environ: compare_pair(pair, environ=environ)).wait()  # type: ignore[misc]
        assert outcome.status == status
    check_fatal(outcome, "git fast-import: killed by SIGKILL", "out of memory, it seems: run it on a machine with more")


def test_killed_runs_are_tidied_up_living_ones_are_not(pair: Repository) -> None:
    top, packs = pair.path / ".git", pair.path / ".git" / "objects" / "pack"
    living = Scratch(Git(top, os.environ), os.environ)

    def die() -> None:
        scratch = Scratch(Git(top, os.environ), os.environ)
        stem = "pack-" + "0" * 40
        (scratch.git_dir / MOVING).write_text(f"{stem}\npack-{'1' * 40}\n")
        for name in (f"{stem}.pack", f"{stem}.keep", f"pack-{'1' * 40}.keep"):
            (packs / name).write_bytes(b"git metadiff\n" if name.endswith("keep") else b"PACK")
        os.kill(os.getpid(), signal.SIGKILL)

    folders = [top / f"{SCRATCH_PREFIX}{name}" for name in ("a", "b", "old", "killed", "new")]
    now = time.time()
    for folder, age in zip(folders, (3600, 3600, 90_000, 90, 30), strict=True):
        (folder / ("objects" if age >= 3600 else "other")).mkdir(parents=True)
        os.utime(folder, (now - age, now - age))
    before = set(packs.iterdir())
    assert Forked(die).wait().status == -9
    assert len(list(top.glob(f"{SCRATCH_PREFIX}*/{ALIVE}"))) == 2 and len(set(packs.iterdir()) - before) == 3
    assert Forked(lambda: compare_pair(pair)).wait().status == 0
    assert set(top.glob(f"{SCRATCH_PREFIX}*")) == {living.git_dir, folders[0], folders[1], folders[4]}
    assert {path.suffix for path in set(packs.iterdir()) - before} == {".pack", ".idx"}
    living.remove()
    assert not living.git_dir.exists()


# Disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk of its own for a test, and the way to make it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount: list[str | Path] = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder]
    if sys.platform != "linux" or os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a file system")

    def leave(size: int) -> Path:
        disk = os.statvfs(folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        subprocess.run(["mount", "-o", f"remount,size={used + size}", folder], check=True)
        return folder

    yield leave
    subprocess.run(["umount", folder], check=True)


def test_full_disk(pair: Repository, small_disk: Callable[[int], Path]) -> None:
    repository = copy_of(pair, small_disk(1 << 22) / "pair")
    before = snapshot(repository.path)
    for free in range(0, 1 << 20, 20_480):  # the steps of a run fail one after another
        small_disk(free)
        outcome = Forked(lambda: compare_pair(repository)).wait()
        if outcome.status == 0:
            break
        check_fatal(outcome, ".", FULL)
        check_untouched(repository, before)
    assert free > 40_000 and outcome.status == 0
    repository.git("fsck", "--full", "--strict")


@pytest.mark.parametrize("limit", [0, 1000, 3000])
def test_files_that_may_not_grow(limit: int, pair: Repository) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        compare_pair(pair)

    before = snapshot(pair.path)
    check_fatal(Forked(work).wait(), ".", "raise the limit of file sizes (ulimit -f)")
    check_untouched(pair, before)


@pytest.fixture
def strangers(pair: Repository) -> Iterator[Repository]:
    """The pair where nobody is root: a copy of this process that is to try it must be able to come there."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        repository = copy_of(pair, Path(folder) / "pair")
        if not os.getuid():
            for path in [repository.path, *repository.path.rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        yield repository
        for path in [repository.path, *repository.path.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)


@pytest.mark.parametrize("what", [".git", ".git/objects/pack", ".git/refs", "everything"])
def test_read_only_repository(what: str, strangers: Repository) -> None:
    def work() -> None:
        if not os.getuid():
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        compare_pair(strangers)

    top = strangers.path if what == "everything" else strangers.path / what
    for path in [top, *(top.rglob("*") if what == "everything" else [])]:
        path.chmod(path.stat().st_mode & ~0o222)
    before = snapshot(strangers.path)
    check_fatal(
        Forked(work).wait(), "Permission denied|unable to create", "git metadiff needs write access to the repository"
    )
    check_untouched(strangers, before)


def test_no_descriptors_left(pair: Repository) -> None:
    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
        compare_pair(pair)

    before = snapshot(pair.path)
    outcome = Forked(work).wait()
    check_fatal(outcome, os.strerror(errno.EMFILE), "raise the limit of open files (ulimit -n)")
    check_untouched(pair, before)


# git


def fake_git(folder: Path, script: str) -> None:
    """Put a git of our own into a folder."""
    folder.mkdir(exist_ok=True)
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)


OLD = "install git 2.38 or later"


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        (None, "cannot run git", "install git 2.38 or later and put it on PATH"),
        ("echo git version 2.30.2", "git 2.30.2 is too old", OLD),
        ("echo git version 2.37.99.rc1", "git 2.37.99.rc1 is too old", OLD),
        ("echo git version 1.8", "git 1.8 is too old", OLD),
        ("echo nonsense", "git of an unknown version is too old", OLD),
        ("echo git version", "git of an unknown version is too old", OLD),
        ("exit 1", "git of an unknown version is too old", OLD),
    ],
)
def test_no_git_or_an_old_one(script: str | None, message: str, hint: str, pair: Repository, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    if script is not None:
        fake_git(tmp_path / "bin", script)
    before = snapshot(pair.path)
    with pytest.raises(MetadiffError) as caught:
        compare_pair(pair, environ={"PATH": str(tmp_path / "bin")})
    assert (caught.value.message, caught.value.hint) == (message, hint)
    check_untouched(pair, before)


@pytest.mark.parametrize("content", [b"", b"\x7fELF\x02", b"#!/nowhere/sh\n"])
def test_a_git_that_is_no_program(content: bytes, pair: Repository, tmp_path: Path) -> None:
    fake_git(tmp_path / "bin", "")
    (tmp_path / "bin" / "git").write_bytes(content)
    with pytest.raises(MetadiffError, match="cannot run git"):
        compare_pair(pair, environ={"PATH": str(tmp_path / "bin")})
    (tmp_path / "bin" / "git").chmod(0o644)
    with pytest.raises(MetadiffError, match="cannot run git"):
        compare_pair(pair, environ={"PATH": str(tmp_path / "bin")})


@pytest.mark.parametrize("version", ["2.38.0", "3.0.rc0 (Apple Git-154)"])
def test_a_git_that_is_new_enough(version: str, pair: Repository, tmp_path: Path) -> None:
    real = shutil.which("git")
    fake_git(tmp_path / "bin", f'test "$*" = --version && echo "git version {version}" || exec {real} "$@"')
    assert compare_pair(pair, environ={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}).transitions


def test_a_repository_that_vanishes(pair: Repository) -> None:
    git = Git(pair.path / ".git", os.environ)
    (pair.path / ".git").rename(pair.path / "gone")
    with pytest.raises(MetadiffError, match=r"cannot write to .*pair/\.git: No such file or directory"):
        git.run("rev-parse", "HEAD")
    with pytest.raises(MetadiffError):
        Scratch(git, os.environ)


# Objects


def the_pack(repository: Repository) -> Path:
    """The only pack, made writable."""
    (pack,) = (repository.path / ".git" / "objects" / "pack").glob("*.pack")
    pack.chmod(0o644)
    return pack


@pytest.mark.parametrize("part", [0.0, 0.02, 0.5, 0.999])
def test_damaged_objects(part: float, pair: Repository) -> None:
    """A pack that was cut, then one with four other bytes, each somewhere else."""
    pack = the_pack(pair)
    whole = pack.read_bytes()
    at = int(len(whole) * part)
    for damaged in (whole[:at], whole[: at + 12] + b"\xff\x00\xff\x00" + whole[at + 16 :]):
        pack.write_bytes(damaged)
        before = snapshot(pair.path)
        outcome = Forked(lambda: compare_pair(pair)).wait()
        if outcome.status == 0:
            continue  # nothing that was asked for lies there
        check_fatal(outcome, ".", "check the repository with 'git fsck', then run the command again")
        assert "neither a" not in outcome.message
        check_untouched(pair, before)


def test_missing_objects(pair: Repository) -> None:
    pair.bash("mv .git/objects/pack/*.pack x.pack; rm -f .git/objects/pack/*; git unpack-objects -q <x.pack; rm x.pack")
    names = ["v1", "v2", "v1^{tree}", "v2^{tree}", "v1:src", "v2:lib", "v1:src/main.c", "v2:src/conflict.c"]
    paths = {name: pair.git("rev-parse", name) for name in names}
    for turn, (name, oid) in enumerate(paths.items()):
        path = pair.path / ".git" / "objects" / oid[:2] / oid[2:]
        content = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(b"damaged") if turn % 2 else path.unlink()
        before = snapshot(pair.path)
        outcome = Forked(lambda: compare_pair(pair)).wait()
        check_fatal(outcome, ".", "check the repository with 'git fsck', then run the command again")
        assert "neither a" not in outcome.message, name
        check_untouched(pair, before)
        path.write_bytes(content)


def test_a_collection_at_the_same_time(pair: Repository) -> None:
    """Comparisons come and go while everything that nothing holds is thrown away."""
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=pair.path, capture_output=True, check=False)

    collector = threading.Thread(target=collect)
    collector.start()
    store = open_store(pair.path / ".git", os.environ)
    try:
        for turn in range(6):
            compare_pair(pair, name=f"n{turn}")
            if turn % 2:
                store.forget(f"n{turn - 1}")
    finally:
        stop.set()
        collector.join()
    assert [one.name for one in store.names()] == ["n1", "n3", "n5"]
    for one in store.names():
        assert store.load(one.name).transitions[0].certificate.holds
    pair.git("fsck", "--full", "--strict")
    pair.git("gc", "-q", "--prune=now")
    assert list((pair.path / ".git" / "objects" / "pack").glob("*.keep")) == []


# Arguments


@pytest.mark.parametrize(
    ("releases", "patchsets", "message"),
    [
        (["v1", "v9"], PATCHSETS, "'v9' is neither a revision nor a path"),
        (["v1", ""], PATCHSETS, "'' is neither a revision nor a path"),
        (["v1", "v1:src/main.c"], PATCHSETS, "neither a revision nor a path"),
        (["v1", "0" * 40], PATCHSETS, "neither a revision nor a path"),
        (["v1", "p1.patch"], PATCHSETS, "no archive"),
        (["v1", "both"], PATCHSETS, "'both' is both a revision and a path"),
        (["v1", "broken.tar.gz"], PATCHSETS, "broken.tar.gz"),
        (["v1", "v2"], ["p1.patch", "nothing"], "'nothing' is neither a path nor a revision"),
        (["v1", "v2"], ["p1.patch", "noise"], "noise"),
        (["v1", "v2"], ["p1.patch", "cut.patch"], "cut.patch"),
        (["v1", "v2"], ["p2.patch", "p1.patch"], "lib/moved.c is not there"),
        (["v1", "v2"], ["p1.patch", "v2..v1"], "the range holds no commit"),
        (["v1", "v2"], ["p1.patch", "v1..v9"], "'v9' is no revision"),
        (["v1", "v2", "v1"], ["p1.patch"], "3 releases and 1 patchset do not pair up"),
        (["v1", "v2"], ["p1.patch"] * 3, "2 releases and 3 patchsets do not pair up"),
        (["v1"], ["p1.patch"], "do not pair up"),
        ([], [], "do not pair up"),
    ],
)
def test_arguments(releases: list[str], patchsets: list[str], message: str, pair: Repository) -> None:
    pair.git("tag", "both", "v1")
    pair.write({"both": "", "noise": b"\xff\0\n" * 99, "broken.tar.gz": b"\x1f\x8b\x08\0" + b"\0" * 50})
    pair.write({"cut.patch": (pair.path / "p2.patch").read_bytes()[:-40]})
    before = snapshot(pair.path)
    with pytest.raises(MetadiffError) as caught:
        compare(pair.path / ".git", releases, patchsets, cwd=pair.path)
    assert message in caught.value.message and caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint
    check_untouched(pair, before)


def test_names_that_no_ref_can_have(pair: Repository) -> None:
    before = snapshot(pair.path)
    with pytest.raises(MetadiffError, match="cannot name a comparison"):
        compare_pair(pair, name="../main")
    check_untouched(pair, before)


def test_releases_given_twice(pair: Repository) -> None:
    found = compare(pair.path / ".git", [*RELEASES, "v2"], [*PATCHSETS, "p2.patch"], cwd=pair.path)
    assert [one.size.files for one in found.transitions] == [found.transitions[0].size.files, 0]
