"""`git metadiff port` where the repository, the patchset or the output folder is not as usual."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_metadiff.errors import MetadiffError
from git_metadiff.forward.folder import write_folder
from git_metadiff.forward.words import Written
from tests.conftest import Metadiff, Repository

LINES = [f"line {at}\n" for at in range(1, 61)]
NOBODY = 65534


def numbered(changes: dict[int, str] | None = None) -> str:
    """A file of numbered lines, some of them replaced."""
    return "".join((changes or {}).get(at, text) for at, text in enumerate(LINES, 1))


def fill(repository: Repository, name: str = "p") -> Repository:
    """Two releases, and a quilt series of two patches, the second one in half with a place."""
    repository.commit({"a.c": numbered(), "b.c": numbered()}, tag="v1")
    repository.commit({"a.c": "top\n" + numbered(), "b.c": numbered({40: "upstream's 40\n"})}, "two", tag="v2")
    repository.git("checkout", "-q", "v1")
    first = repository.commit({"a.c": numbered({10: "ten\n"})})
    second = repository.commit({"b.c": numbered({12: "twelve\n", 40: "our 40\n"})})
    repository.git("checkout", "-q", "v1")
    patches = {"one": repository.diff("v1", first), "two": repository.diff(first, second), "series": b"one\ntwo\n"}
    repository.write({f"{name}/{file}": data for file, data in patches.items()})
    return repository


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def port(folder: Path, metadiff: Metadiff, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Carry the series `p` of a folder into its folder `out`."""
    return metadiff("port", "v1", "v2", "--patches", "p", "-o", "out", *options, cwd=folder)


def check_fatal(done: subprocess.CompletedProcess[bytes], said: bytes) -> None:
    """One message, one hint."""
    assert done.returncode == 128, done.stderr
    assert said in done.stderr and b"\nhint: " in done.stderr and done.stderr.count(b"\n") == 2


def test_other_kinds_of_repositories(tmp_path: Path, metadiff: Metadiff) -> None:
    """A linked worktree, a bare repository and a partial clone give the same folder; one of sha256 its like."""
    whole = fill(Repository(tmp_path / "whole"))
    assert port(whole.path, metadiff).returncode == 1
    wanted = files_of(whole.path / "out")
    assert wanted.keys() == {"one", "two", "two.rej", "series"}
    whole.git("worktree", "add", "-q", "--detach", tmp_path / "linked", "v2")
    whole.git("clone", "-q", "--bare", whole.path, tmp_path / "bare")
    whole.git("config", "uploadpack.allowFilter", "true")
    partial = ("--no-checkout", "--filter=blob:none", f"file://{whole.path}")
    whole.git("clone", "-q", *partial, tmp_path / "partial")
    for name in ("linked", "bare", "partial"):
        shutil.copytree(whole.path / "p", tmp_path / name / "p")
        done = port(tmp_path / name, metadiff)
        assert done.returncode == 1, done.stderr
        assert files_of(tmp_path / name / "out") == wanted
    other = fill(Repository(tmp_path / "sha256", "--object-format=sha256"))
    assert port(other.path, metadiff).returncode == 1
    assert files_of(other.path / "out").keys() == wanted.keys()


def test_a_partial_clone_without_its_remote(tmp_path: Path, metadiff: Metadiff) -> None:
    """It says so, and writes nothing."""
    whole = fill(Repository(tmp_path / "whole"))
    whole.git("config", "uploadpack.allowFilter", "true")
    clone = ("--no-checkout", "--filter=blob:none", f"file://{whole.path}")
    whole.git("clone", "-q", *clone, tmp_path / "partial")
    whole.git("-C", tmp_path / "partial", "config", "remote.origin.url", "file:///nowhere")
    shutil.copytree(whole.path / "p", tmp_path / "partial" / "p")
    before = set((tmp_path / "partial").iterdir())
    check_fatal(port(tmp_path / "partial", metadiff), b"does not appear to be a git repository")
    assert set((tmp_path / "partial").iterdir()) == before


def test_a_folder_in_the_way(repository: Repository, metadiff: Metadiff) -> None:
    """Told as not placed, with what is in the way, by the main job and by port; upstream's folder stays."""
    repository.commit({"keep": "k\n"}, tag="v1")
    repository.commit({"a/b/c": "u\n", "e/f": "u\n"}, "two", tag="v2")
    repository.git("checkout", "-q", "v1")
    made = repository.commit({"a/b": "d\n", "e/f/g": "d\n", "a/ok": "ok\n"})
    repository.git("checkout", "-q", "v2")
    again = repository.commit({"a/ok": "ok\n"})
    repository.write({"one": repository.diff("v1", made), "two": repository.diff("v2", again)})
    done = metadiff("v1", "v2", "--patches", "one", "two", "--json", cwd=repository.path)
    assert done.returncode == 0, done.stderr
    [step] = json.loads(done.stdout)["transitions"]
    assert [one["reason"] for one in step["unplaced"]] == ["path-taken", "path-taken"]
    certificate = step["certificate"]
    assert certificate["equals_downstream"] and certificate["hunks_accounted"] and certificate["verdicts_agree"]
    assert step["interdiff"]["files"] == 0
    done = metadiff("port", "v1", "v2", "--patches", "one", "-o", "out", cwd=repository.path)
    assert done.returncode == 1, done.stderr
    told = (repository.path / "out" / "one.rej").read_bytes()
    assert b"# upstream has there, in a/b:\n" in told and b"# upstream has there, in e/f:\n" in told
    assert b"a/ok" in (repository.path / "out" / "one").read_bytes()


def test_upstream_brought_the_same_lines_elsewhere(repository: Repository, metadiff: Metadiff) -> None:
    """A merge puts them there a second time, and so does the ported tree; here a person is told."""
    entry = "JH/53 Fix immediate delivery by named queues.\n      It failed with a check of taint.\n\n"
    repository.commit({"log": numbered(), "p/series": "one\n"}, tag="v1")
    repository.commit({"log": numbered({5: entry + "line 5\n"})}, tag="v2")
    repository.git("checkout", "-q", "v1")
    repository.write({"p/one": repository.diff("v1", repository.commit({"log": numbered({50: entry + "line 50\n"})}))})
    done = metadiff("port", "v1", "v2", "--patches", "p", "-o", "out", cwd=repository.path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.decode()
    assert "placed, and upstream brought the same lines elsewhere: 1 change\n" in said
    assert "  log:5\n" in said


def test_a_piece_of_its_own_in_what_upstream_has_too(repository: Repository, metadiff: Metadiff) -> None:
    """Two patches insert into one place. Upstream has the one; the other one is lost, and not taken for upstream's."""
    entry = ["log_quota(value, limit_of(value));\n", "mark(value);\n", "notify_all(value);\n"]
    own, changed = "tell_once(value, true);\n", entry[1].replace("value", "other")
    repository.commit({"f": numbered()}, tag="v1")
    theirs = numbered({20: "line 20\n" + entry[0] + changed + entry[2]})
    repository.commit({"f": theirs}, tag="v2")
    after = repository.commit({"f": theirs + "more\n"})
    repository.git("checkout", "-q", "v1")
    first = repository.commit({"f": numbered({20: "line 20\n" + "".join(entry)})})
    second = repository.commit({"f": numbered({20: "line 20\n" + entry[0] + own + "".join(entry[1:])})})
    patches = {"p/one": repository.diff("v1", first), "p/two": repository.diff(first, second)}
    repository.write({**patches, "p/series": "one\ntwo\n", "q": repository.diff("v2", after)})
    done = metadiff("v1", "v2", "--patches", "p", "q", "--json", cwd=repository.path)
    assert done.returncode == 0, done.stderr
    told = [(hunk["fate"], hunk["reason"]) for hunk in json.loads(done.stdout)["hunks"] if hunk["release"] == 0]
    assert told == [("orphaned", "alike"), ("dropped", "alike")]


def test_behind_what_upstream_put_into_the_same_place(repository: Repository, metadiff: Metadiff) -> None:
    """Both orders are right to git, one of them to the author: the screen and the document tell it."""
    repository.commit({"f": numbered(), "p/series": "one\n"}, tag="v1")
    repository.commit({"f": numbered({20: "line 20\nupstream_list_entry,\n"})}, tag="v2")
    repository.git("checkout", "-q", "v1")
    made = repository.commit({"f": numbered({20: "line 20\nour_own_item,\n", 40: "forty\n"})})
    repository.write({"p/one": repository.diff("v1", made)})
    done = port(repository.path, metadiff, "--json")
    assert done.returncode == 0, done.stderr
    [patch] = json.loads(done.stdout)["patches"]
    told = [(change["reason"], change["upstream"]) for hunk in patch["hunks"] for change in hunk["changes"]]
    assert told == [("beside", {"path": "f", "line": 21}), (None, None)]
    shutil.rmtree(repository.path / "out")
    said = port(repository.path, metadiff).stdout.decode()
    assert "placed beside lines that upstream put into the same place: 1 change\n  one   f:18  " in said
    assert "+our_own_item" in (repository.path / "out" / "one").read_text()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"p/series": "# nothing\n\n"}, b"there is no patch in this series"),
        ({"p/series": "lost\n"}, b"the patch lost is not there"),
        ({"p/two": "--- a/b.c\n+++ b/b.c\n@@ -3 +3 @@\n-never there\n+x\n"}, b"two: b.c: hunk 1"),
        ({"p/two": "--- a/b.c\n+++ b/b.c\n@@ -3,9 +3 @@\n-line"}, b"two"),
    ],
)
def test_a_series_that_is_none(files: dict[str, str], said: bytes, repository: Repository, metadiff: Metadiff) -> None:
    """Nothing is written."""
    fill(repository)
    repository.write(files)
    check_fatal(port(repository.path, metadiff), said)
    assert not (repository.path / "out").exists()


def test_a_series_that_upstream_took_as_a_whole(repository: Repository, metadiff: Metadiff) -> None:
    """An empty series is written, and each hunk is named with the line that holds it."""
    repository.commit({"f": numbered()}, tag="v1")
    repository.commit({"f": "top\n" + numbered({9: "nine\n", 40: "forty\n"})}, "took it", tag="v2")
    repository.git("checkout", "-q", "v1")
    made = repository.commit({"f": numbered({9: "nine\n", 40: "forty\n"})})
    repository.write({"p/all": repository.diff("v1", made), "p/series": "all\n"})
    done = port(repository.path, metadiff)
    assert done.returncode == 0, done.stderr
    assert files_of(repository.path / "out") == {"series": b""}
    said = done.stdout.decode()
    assert '"took it" (v2)\n' in said
    assert "  in the new release at f:10\n" in said and "  in the new release at f:41\n" in said


def test_names_and_headers_that_are_no_text(repository: Repository, metadiff: Metadiff) -> None:
    """Names of patches and headers that are not UTF-8, carriage returns, `-p0`: byte for byte."""
    fill(repository, "q")
    odd = os.fsdecode(b"n\xffm.patch")
    head = b"Description: \xe4\xf6\r\nAuthor: x\r\n\r\n"
    bare = (repository.path / "q" / "one").read_bytes().replace(b"a/a.c", b"a.c").replace(b"b/a.c", b"a.c")
    repository.write({f"p/{odd}": head + bare + b"-- \n2.30\n", "p/series": os.fsencode(odd) + b" -p0 # \xff\r\n"})
    done = port(repository.path, metadiff)
    assert done.returncode == 0, done.stderr
    written = files_of(repository.path / "out")
    assert written["series"] == os.fsencode(odd) + b" -p0 # \xff\r\n"
    assert written[odd].startswith(head + b"diff --git a.c a.c\n") and written[odd].endswith(b"\n-- \n2.30\n")


def test_interrupted(repository: Repository, program: Path, tmp_path: Path) -> None:
    """At whatever moment: a whole folder or none, and nothing beside it."""
    fill(repository)
    command: list[str | Path] = [program, "port", "v1", "v2", "--patches", "p", "--quiet", "-o"]
    start = time.monotonic()
    subprocess.run([*command, tmp_path / "out" / "whole"], cwd=repository.path, check=False)
    length = time.monotonic() - start
    wanted = files_of(tmp_path / "out" / "whole")
    chance = random.Random(5)
    for turn in range(4):
        folder = tmp_path / "out" / f"cut{turn}"
        process = subprocess.Popen([*command, folder], cwd=repository.path, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0.3, 1.1) * length)
        process.send_signal((signal.SIGINT, signal.SIGTERM)[turn % 2])
        _, said = process.communicate()
        assert process.returncode in (1, 130, 143) and b"Traceback" not in said
        assert not folder.exists() or files_of(folder) == wanted
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may write to; pytest's own ones are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


def test_a_folder_that_may_not_be_written(open_folder: Path) -> None:
    """Neither into it nor below it; tried as somebody who has no rights of the superuser."""
    locked = open_folder / "locked"
    locked.mkdir(mode=0o555)
    child = os.fork()
    if not child:
        refused = 0
        try:
            if not os.getuid():
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            for path in (open_folder / "free", locked, locked / "below"):
                try:
                    write_folder(path, [Written("series", b"")])
                except MetadiffError as error:
                    refused += error.message == f"cannot write the folder '{path}': {os.strerror(errno.EACCES)}"
        finally:
            os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert list(files_of(open_folder)) == ["free/series"]
