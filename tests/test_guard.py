"""The guard on patch folders: what it says of a commit, and what it leaves alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from git_metadiff.git.quick import QuickGit, run
from git_metadiff.guard.findings import DEFAULTS, Finding, Report
from git_metadiff.guard.install import BEFORE, HOOKS
from git_metadiff.guard.markers import find_markers
from git_metadiff.guard.quick import GiveUp, nothing_lost, staged_files
from git_metadiff.render.guard import MOST_LINES, text_report
from tests.conftest import ROOT, Repository
from tests.guarding import HEADING, Package, attempt, found, guard, make_patch, source

Capture = pytest.CaptureFixture[str]
ONE = {3: "one3", 12: "one12", 20: "check(x20)"}
#: Five returns in a row: hunks of it merge or part with the amount of context.
TWO = {5: "two5", 6: "two6", 25: "two25"}


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, str]:
    """A series of three patches; the third stands on the first."""
    work = tmp_path / "texts"
    return {
        "one.patch": make_patch({"src/a.c": ({}, ONE)}, work),
        "two.patch": "Description: two\n\n" + make_patch({"src/b.c": ({}, TWO)}, work),
        "three.patch": make_patch({"src/a.c": (ONE, ONE | {20: "check2(x20)"})}, work),
    }


@pytest.fixture
def package(tmp_path: Path, texts: dict[str, str]) -> Package:
    """The series beside its upstream."""
    return Package(tmp_path / "package", texts)


def cut(text: str, mark: str) -> str:
    """A patch without the hunk that holds `mark`."""
    head, *hunks = re.split(r"(?m)^(?=@@)", text)
    assert sum(mark in hunk for hunk in hunks) == 1
    return head + "".join(hunk for hunk in hunks if mark not in hunk)


def import_upstream(package: Package, changes: dict[int, str]) -> None:
    """Commit upstream's next release, and nothing else."""
    package.commit({"src/a.c": source(changes, HEADING)}, "import upstream 2")


# A user's own commit


@pytest.mark.parametrize("way", ["staged", "-a", "PATH", "editor"])
def test_a_hunk_taken_out_is_refused_however_it_is_committed(package: Package, texts: dict[str, str], way: str) -> None:
    package.git("metadiff", "guard", "--install")
    commands = {
        "staged": ["commit", "-m", "x"],
        "-a": ["commit", "-a", "-m", "x"],
        "PATH": ["commit", "-m", "x", "debian/patches/one.patch"],
        "editor": ["commit", "-a"],
    }
    editor = {"GIT_EDITOR": "echo x >"}
    package.write({"debian/patches/one.patch": cut(texts["one.patch"], "one12"), "other": "y\n"})
    package.git("add", "other", *(["debian"] if way == "staged" else []))
    status, said = attempt(package.path, *commands[way], **editor)
    assert status != 0 and "dropped  one.patch  src/a.c:" in said and "+\treturn one12;" in said
    assert len(said.splitlines()) <= MOST_LINES
    package.write({"debian/patches/one.patch": texts["one.patch"].replace("one3", "other3")})
    package.git("add", "other", *(["debian"] if way == "staged" else []))
    status, said = attempt(package.path, *commands[way], **editor)
    assert status == 0 and "guard" not in said


def test_what_is_meant_is_let_through(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.git("metadiff", "guard", "--install")
    package.edit("one.patch", cut(texts["one.patch"], "one12"))
    trailer = "Metadiff-Dropped: one.patch upstream has it"
    assert attempt(package.path, "commit", "-m", "x")[0] != 0
    assert attempt(package.path, "commit", "-m", "x", "-m", "no " + trailer)[0] != 0
    assert attempt(package.path, "commit", "-m", "x", "-m", trailer)[0] == 0
    package.edit("one.patch", cut(package.patch("one.patch"), "one3"))
    assert attempt(package.path, "commit", "-m", "x", METADIFF_GUARD="off")[0] == 0
    text = f"Metadiff-Dropped: two.patch: gone\n{cut(texts['two.patch'], 'two25')}"
    package.edit("two.patch", text)
    assert attempt(package.path, "commit", "-m", "x")[0] == 0
    package.edit("two.patch", cut(text, "two5"))
    status, _ = attempt(package.path, "commit", "-m", "x")
    assert status != 0, "what a header accepted once does not hold for ever"


def test_accept_names_a_hunk_for_the_coming_commit(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.git("metadiff", "guard", "--install")
    package.edit("one.patch", cut(texts["one.patch"], "one12"))
    status, said = guard(capfd, package.path, "--accept", "one.patch")
    assert status == 128 and "fatal: there is nothing to accept" in said
    [lost] = found(capfd, package.path)["!dropped"]
    status, said = guard(capfd, package.path, "--accept", "deadbeef")
    assert status == 128 and lost["hunk"][:12] in said
    status, said = guard(capfd, package.path, "--accept", lost["hunk"][:9], "not", "wanted")
    assert status == 0
    status, said = attempt(package.path, "commit", "-m", "x", "-m", "Signed-off-by: A <a@example.com>")
    assert status == 0, said
    message = package.git("log", "-1", "--format=%B")
    assert message.endswith(f"Metadiff-Dropped: {lost['hunk'][:12]} src/a.c (one.patch): not wanted")
    package.edit("two.patch", cut(texts["two.patch"], "two25"))
    assert attempt(package.path, "commit", "-m", "x")[0] != 0
    package.git("checkout", "-q", "HEAD", ".")
    package.commit({}, "empty")
    assert "Metadiff" not in package.git("log", "-1", "--format=%B")


# Verdicts


def test_one_change_inside_a_hunk_that_lives_on(package: Package, tmp_path: Path, capfd: Capture) -> None:
    whole = make_patch({"src/b.c": ({}, TWO)}, tmp_path / "texts", "-U8")
    package.commit({"debian/patches/two.patch": whole})
    package.edit("two.patch", make_patch({"src/b.c": ({}, {5: "two5", 25: "two25"})}, tmp_path / "texts", "-U8"))
    [one] = found(capfd, package.path)["!dropped"]
    assert one["lines"] == ["-\treturn x6;", "+\treturn two6;"] and one["path"] == "src/b.c"
    assert (package.path / "src/b.c").read_text().splitlines()[one["line"] - 1] == "\treturn x6;"


@pytest.mark.parametrize("options", [["-U1"], ["-U8"], ["-U4", "--inter-hunk-context=9"]])
def test_a_refresh_is_silent(package: Package, tmp_path: Path, options: list[str], capfd: Capture) -> None:
    package.edit("two.patch", make_patch({"src/b.c": ({}, TWO)}, tmp_path / "texts", *options))
    assert found(capfd, package.path) == {}
    import_upstream(package, {})
    assert found(capfd, package.path) == {}


def test_an_edit_is_silent_while_the_base_stands_still(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.edit("one.patch", texts["one.patch"].replace("one12", "other12"))
    assert found(capfd, package.path) == {}
    package.edit("one.patch", cut(texts["one.patch"], "one3").replace("one12", "other12"))
    assert [*found(capfd, package.path)] == ["dropped"], "with other edits it is spoken of, and not refused"


def test_a_loss_while_upstream_is_imported(package: Package, tmp_path: Path, capfd: Capture) -> None:
    import_upstream(package, {12: "up12"})
    assert found(capfd, package.path) == {}
    refreshed = {3: "one3", 12: "up12 + one12", 20: "check(x20)"}
    text = make_patch({"src/a.c": ({12: "up12"}, refreshed)}, tmp_path / "texts")
    package.edit("one.patch", text)
    assert [*found(capfd, package.path)] == ["edited"]
    package.edit("one.patch", cut(text, "one12"))
    [lost] = found(capfd, package.path)["!resolution"]
    assert lost["lines"] == ["-\treturn x12;", "+\treturn one12;"]
    package.edit("one.patch", cut(text, "one3"))
    assert found(capfd, package.path)["!dropped"][0]["lines"][1] == "+\treturn one3;"


def test_a_patch_absorbed_by_upstream(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.commit({"src/b.c": source(TWO)}, "import upstream 2")
    package.stage(package.series({"two.patch": None}, ["one.patch", "three.patch"]))
    [one] = found(capfd, package.path)["absorbed"]
    assert one["patch"] == "two.patch" and "taken out" in one["text"]


@pytest.mark.parametrize("way", ["staged", "review", "with a refresh"])
def test_a_patch_that_can_go(package: Package, texts: dict[str, str], way: str, capfd: Capture) -> None:
    arguments = ["--base", "HEAD~1", "--head", "HEAD"] if way == "review" else []
    both = {"src/b.c": source({**TWO, 9: "up9"}, HEADING), "src/a.c": source({12: "one12"}, HEADING)}
    package.stage(both)
    if way == "with a refresh":
        package.edit("one.patch", cut(texts["one.patch"], "one12"))
    if way == "review":
        package.commit({}, "import upstream 2")
    findings = found(capfd, package.path, *arguments)
    assert [(one["patch"], one["hunks"]) for one in findings["absorbed"] if "can go" in one["text"]] == [
        ("two.patch", 2)
    ]
    assert not [one for name in findings for one in findings[name] if "two.patch" in one["patch"] and "apply" in name]
    package.stage({"src/b.c": source({5: "two5", 25: "two25", 9: "up9"}, HEADING)})
    assert "can go" not in json.dumps(found(capfd, package.path)), "upstream has not all of it"
    named = texts["two.patch"].replace("Description", f"Origin: upstream, commit {'1' * 40}\nDescription")
    package.git("checkout", "-q", "HEAD", ".")
    package.commit({"debian/patches/two.patch": named, "src/b.c": source()}, "it names the commit")
    package.stage({"src/b.c": source({5: "two5", 6: "two6", 25: "up25"}, HEADING)})
    assert "can go" not in json.dumps(found(capfd, package.path)), "a header alone proves nothing"


def test_a_patch_taken_out_whole(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.stage(package.series({"two.patch": None}, ["one.patch", "three.patch"]))
    [one] = found(capfd, package.path)["removed"]
    assert one["hunks"] == 2 and "upstream lacks 2 of its 2 hunks" in one["text"]


def test_patches_merged_split_and_renamed_are_no_loss(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    merged = texts["one.patch"] + texts["two.patch"].partition("\n\n")[2]
    files = {"one.patch": None, "two.patch": None, "both.patch": merged}
    package.stage(package.series(files, ["both.patch", "three.patch"]))
    assert found(capfd, package.path) == {}


def test_a_patch_that_does_not_apply(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.edit("one.patch", texts["one.patch"].replace("-\treturn x12", "-\treturn y12"))
    [one] = found(capfd, package.path)["!unapplied"]
    assert one["patch"] == "one.patch" and one["path"] == "src/a.c"
    package.stage({"src/a.c": source({3: "up3"})})
    assert not [name for name in found(capfd, package.path) if name == "!unapplied"], "its base changed"


def test_a_marker_left_in_a_patch(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    text = texts["one.patch"]
    marked = text.replace(
        "+\treturn one12;\n", "+<<<<<<< ours\n+\treturn one12;\n+=======\n+\treturn y;\n+>>>>>>> theirs\n"
    )
    marked = re.sub(
        r"(?m)^(@@ -\d+,\d+ \+\d+,)(\d+)( @@.*\n(?:(?!@@).*\n)*\+<<<)", lambda m: f"{m[1]}{int(m[2]) + 4}{m[3]}", marked
    )
    package.edit("one.patch", marked)
    [one] = found(capfd, package.path)["!marker"]
    assert one["lines"][0] == "+<<<<<<< ours"
    package.edit("one.patch", f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n")
    assert [*found(capfd, package.path)] == ["!marker"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b"<<<<<<< a\n>>>>>>> b\n", 2),
        (b"+<<<<<<< a\n+x\n+>>>>>>> b\n", 2),
        (b"-<<<<<<< a\n->>>>>>> b\n", 0),
        (b"<<<<<<< a\n", 0),
        (b"=======\n", 0),
        (b"<<<<<<<< a\n>>>>>>>> b\n", 0),
    ],
)
def test_what_counts_as_a_marker(text: bytes, count: int) -> None:
    assert len(find_markers(b"", text)) == count
    assert find_markers(text, text) == []


def test_series_and_files_disagree(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.stage(package.series({}, ["one.patch", "two.patch", "three.patch", "four.patch"]))
    assert found(capfd, package.path)["!missing"][0]["patch"] == "four.patch"
    package.commit({}, "as it is")
    package.edit("two.patch", texts["two.patch"].replace("two5", "five"))
    assert found(capfd, package.path) == {}, "it was missing before"
    package.stage(package.series({}, ["one.patch", "two.patch", "three.patch", "one.patch"]))
    assert "names it twice" in found(capfd, package.path)["!applied-twice"][0]["text"]


def test_an_acceptance_holds_for_one_commit(package: Package, texts: dict[str, str]) -> None:
    """Whoever takes the commit back and loses the patch once more is asked once more."""
    package.git("metadiff", "guard", "--install")
    for _ in range(2):
        package.edit("one.patch", cut(texts["one.patch"], "one12"))
        assert attempt(package.path, "commit", "-m", "x")[0] != 0
        package.git("metadiff", "guard", "--accept", "one.patch")
        assert attempt(package.path, "commit", "-m", "x")[0] == 0
        package.git("reset", "-q", "--hard", "HEAD^")


@pytest.mark.parametrize("lost", ["hunk", "entry"])
def test_a_series_in_a_folder_of_any_name(package: Package, lost: str) -> None:
    """quilt's folder may be called otherwise; by its series it is known. A file of that name alone makes none."""
    package.git("mv", Package.FOLDER, "queue-6.1")
    package.commit({"data/series": "one\nother\n"}, "moved")
    package.git("metadiff", "guard", "--install")
    if lost == "hunk":
        text = (package.path / "queue-6.1/one.patch").read_text()
        package.stage({"queue-6.1/one.patch": cut(text, "one12")})
        status, said = attempt(package.path, "commit", "-m", "lost")
        assert status != 0 and "dropped  one.patch" in said
    else:
        series = (package.path / "queue-6.1/series").read_text()
        package.stage({"queue-6.1/series": series.replace("two.patch\n", ""), "data/series": "one\n"})
        status, said = attempt(package.path, "commit", "-m", "taken out")
        assert status == 0 and "patch taken out  two.patch" in said and "not there" not in said


def test_misplaced(package: Package, tmp_path: Path, capfd: Capture) -> None:
    work = tmp_path / "texts"
    old = make_patch({"src/a.c": ({}, {3: "one3", 20: "check(x20)"})}, work)
    package.commit(package.series({"one.patch": old}, ["one.patch"]))
    added = old.replace("-\treturn x3;\n+\treturn one3;\n", " \treturn x3;\n+\tcall();\n").replace(",7 +", ",7 +", 1)
    added = re.sub(r"(?m)^@@ -(\d+),7 \+(\d+),7 @@", r"@@ -\1,7 +\2,8 @@", added, count=1)
    package.commit({"debian/patches/one.patch": added})
    moved = added.replace("x3", "x7").replace("f3", "f7").replace("f4", "f8").replace("x4", "x8")
    package.edit("one.patch", re.sub(r"(?m)^@@ -\d+,7 \+\d+,8 @@.*", "@@ -51,7 +51,8 @@ int f7(void)", moved, count=1))
    assert {"!misplaced", "!dropped"} & set(found(capfd, package.path)), "a call that went into another function"


def test_levels_can_be_configured(package: Package, texts: dict[str, str], capfd: Capture) -> None:
    package.edit("one.patch", cut(texts["one.patch"], "one12"))
    package.git("config", "metadiff.guard.dropped", "speak")
    assert [*found(capfd, package.path)] == ["dropped"]
    package.git("config", "metadiff.guard.dropped", "silent")
    assert found(capfd, package.path) == {}
    package.git("config", "metadiff.guard.dropped", "loud")
    status, said = guard(capfd, package.path)
    assert status == 128 and "metadiff.guard.dropped is 'loud'" in said


# Other folders


@pytest.mark.parametrize("listing", ["series", ".patches", ""])
def test_folders_without_an_upstream(
    repository: Repository, texts: dict[str, str], listing: str, capfd: Capture
) -> None:
    folder = "target/patches-6.6"
    files = {f"{folder}/{name}": text for name, text in texts.items()}
    if listing:
        files[f"{folder}/{listing}"] = "".join(f"{name}\n" for name in texts)
    repository.commit(files)
    repository.write({f"{folder}/one.patch": cut(texts["one.patch"], "one12")})
    repository.git("add", "-A")
    [lost] = found(capfd, repository.path)["!dropped"]
    assert "upstream" in lost["text"] and lost["folder"] == folder


def test_a_configured_folder_and_its_upstream_below_the_top(
    repository: Repository, texts: dict[str, str], capfd: Capture
) -> None:
    files = {f"pkg/fixes/{name}": text for name, text in texts.items()}
    repository.commit(files | {"pkg/src/a.c": source(), "pkg/src/b.c": source()})
    repository.write({"pkg/fixes/one.patch": cut(texts["one.patch"], "one12")})
    repository.git("add", "-A")
    assert found(capfd, repository.path) == {}
    repository.git("config", "metadiff.guard.patches", "pkg/fixes")
    assert found(capfd, repository.path)["!dropped"][0]["path"] == "src/a.c"


def test_a_patch_folder_that_leads_out(repository: Repository, tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "outside").mkdir()
    repository.commit({"debian/control": "x\n"})
    (repository.path / "debian/patches").symlink_to(tmp_path / "outside")
    repository.git("add", "-A")
    assert found(capfd, repository.path) == {}
    repository.git("metadiff", "guard", "--install")
    assert attempt(repository.path, "commit", "-m", "link")[0] == 0


# The quick answer


@pytest.mark.parametrize("name", ["same", "offset", "edited", "added", "header", "third"])
def test_the_quick_answer_is_that_of_the_whole_guard(
    package: Package, texts: dict[str, str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    edits = {
        "same": ("one.patch", texts["one.patch"]),
        "offset": ("one.patch", re.sub(r"@@ -(\d+)", lambda match: f"@@ -{int(match[1]) + 2}", texts["one.patch"])),
        "edited": ("two.patch", texts["two.patch"].replace("two25", "other25")),
        "added": ("two.patch", make_patch({"src/b.c": ({}, TWO | {15: "two15"})}, tmp_path / "texts")),
        "header": ("two.patch", "Forwarded: yes\n" + texts["two.patch"]),
        "third": ("three.patch", texts["three.patch"].replace("check2", "check3")),
    }
    package.edit(*edits[name])
    monkeypatch.chdir(package.path)
    assert nothing_lost(os.environ)
    assert found(capfd, package.path) == {}


def test_the_quick_answer_gives_up(package: Package, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(package.path)
    one, two = texts["one.patch"], texts["two.patch"]
    edits = [
        {"one.patch": cut(one, "one12")},
        {"one.patch": one.replace("\tint x12", "\tlong x12")},
        {"one.patch": one + ">>>>>>> x\n"},
        {"one.patch": one.replace("+\treturn one12;\n", "").replace("-\treturn x12;", " \treturn x12;")},
        {"two.patch": two.replace("b.c", "a.c")},
        {"two.patch": two.replace("two5;", "two5;\n+\tmore();")},
        {"three.patch": texts["three.patch"].replace("-\treturn check(x20)", "-\treturn x20")},
    ]
    for edit in edits:
        package.stage({f"debian/patches/{name}": text for name, text in edit.items()})
        assert not nothing_lost(os.environ), edit
        package.git("reset", "-q", "--hard")
    package.stage(package.series({}, ["one.patch", "three.patch"]))
    assert not nothing_lost(os.environ)
    package.git("reset", "-q", "--hard")
    package.stage({"debian/patches/two.patch": two.replace("two5", "x"), "src/b.c": source({9: "up9"})})
    assert not nothing_lost(os.environ), "its base changes too"


def test_what_the_hook_was_told_is_what_git_answers(package: Package, monkeypatch: pytest.MonkeyPatch) -> None:
    package.stage({"debian/patches/one.patch": "x\n", "a b": "\n", "src/b.c": None})
    monkeypatch.chdir(package.path)
    git = QuickGit(os.environ)
    lines = package.git("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "HEAD")
    assert staged_files(git, lines) == staged_files(git, None) == staged_files(git, "")
    package.stage({"caf\xe9\t": "\n"})
    with pytest.raises(GiveUp):
        staged_files(git, package.git("diff-index", "--cached", "--raw", "--no-renames", "--no-abbrev", "HEAD"))


def test_the_quick_answer_imports_little() -> None:
    code = (
        f"import os, sys; old = set(sys.modules); sys.path.insert(0, {str(ROOT)!r}); import git_metadiff.guard.quick; "
    )
    code += "print(*sorted(set(sys.modules) - old))"
    out = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    ours = {"cli", "git", "git.quick", "git.settings", "guard", "guard.quick"}
    assert {name for name in out.split() if not name.startswith("git_metadiff")} <= {"__future__", "select"}
    assert {name for name in out.split() if name.startswith("git_metadiff.")} <= {f"git_metadiff.{one}" for one in ours}


def test_a_process_that_answers_while_it_is_asked() -> None:
    data = os.urandom(1 << 20)
    assert run(["cat"], os.environ, data) == (0, data)
    assert run(["sh", "-c", "kill -9 $$"], os.environ) == (-9, b"")
    descriptors = len(os.listdir("/dev/fd"))
    for command in (["false"], ["git-that-is-not-there"]):
        with pytest.raises(OSError):
            run(command, os.environ, data)
    assert len(os.listdir("/dev/fd")) == descriptors


# States and failures


def test_hooks_where_there_is_nothing_to_guard(repository: Repository) -> None:
    repository.git("metadiff", "guard", "--install")
    repository.write({"patches/one.patch": "x\n"})
    repository.git("add", "-A")
    assert attempt(repository.path, "commit", "-m", "the first commit")[0] == 0
    repository.commit({"a": "1\n"})
    repository.git("bisect", "start", "HEAD", "HEAD~1")
    repository.commit({"a": "2\n"})
    repository.git("bisect", "reset")
    repository.git("checkout", "-q", "-b", "side", "HEAD~1")
    repository.commit({"b": "1\n"})
    status, said = attempt(repository.path, "merge", "main")
    assert status == 0 and "guard" not in said


def test_a_merge_takes_the_other_sides_patches(package: Package, texts: dict[str, str]) -> None:
    package.git("metadiff", "guard", "--install")
    package.git("checkout", "-q", "-b", "side")
    package.edit("one.patch", cut(texts["one.patch"], "one12"))
    assert attempt(package.path, "commit", "-m", "x", METADIFF_GUARD="off")[0] == 0
    package.git("checkout", "-q", "main")
    package.commit({"other": "1\n"})
    package.git("merge", "-q", "--no-commit", "side")
    status, said = attempt(package.path, "commit", "--no-edit")
    assert status == 0 and "guard" not in said


@pytest.mark.parametrize("status", [1, 2, 127, 128, 129])
def test_a_guard_that_fails_lets_the_commit_through_and_says_so(
    package: Package, texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    package.git("metadiff", "guard", "--install")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "git-metadiff").write_text(f"#!/bin/sh\nexit {status}\n")
    (tmp_path / "old" / "git-metadiff").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}{os.pathsep}{os.environ['PATH']}")
    package.edit("one.patch", cut(texts["one.patch"], "one12"))
    done, said = attempt(package.path, "commit", "-m", "x")
    assert done == 0 and f"metadiff guard: NOT CHECKED: the guard failed (exit {status})" in said


def test_a_missing_program(
    package: Package, texts: dict[str, str], monkeypatch: pytest.MonkeyPatch, program: Path
) -> None:
    package.git("metadiff", "guard", "--install")
    others = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(one for one in others if not Path(one, "git-metadiff").exists()))
    package.edit("one.patch", cut(texts["one.patch"], "one12"))
    done, said = attempt(package.path, "commit", "-m", "x")
    assert done == 0 and "NOT CHECKED: git-metadiff is not on the PATH" in said


def test_odd_repositories(tmp_path: Path, texts: dict[str, str], capfd: Capture) -> None:
    odd = Package(tmp_path / "odd", texts, "--object-format=sha256")
    name = os.fsdecode(b"caf\xe9.patch")
    series = os.fsencode(f"one.patch\n{name}\nthree.patch\n")
    files = {"debian/patches/two.patch": None, f"debian/patches/{name}": texts["two.patch"]}
    odd.commit(files | {"debian/patches/series": series})
    odd.git("update-index", "--split-index")
    odd.edit("one.patch", cut(texts["one.patch"], "one12"))
    odd.edit(name, cut(texts["two.patch"], "two25"))
    assert [one["patch"] for one in found(capfd, odd.path)["!dropped"]] == ["caf\\xe9.patch", "one.patch"]
    assert guard(capfd, odd.path, "--accept", name)[0] == 0
    assert [one["patch"] for one in found(capfd, odd.path)["!dropped"]] == ["one.patch"]
    odd.git("config", "core.bare", "true")
    shutil.move(odd.path / ".git", tmp_path / "bare.git")
    (tmp_path / "bare.git" / "index").unlink()
    status, said = guard(capfd, tmp_path / "bare.git")
    assert status == 128 and "fatal: there is no index here" in said
    assert guard(capfd, tmp_path / "bare.git", "--base", "HEAD~1", "--head", "HEAD")[0] == 0
    status, said = guard(capfd, tmp_path)
    assert status == 128 and "fatal: not a git repository" in said


def test_a_folder_that_only_sounds_like_one(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit({"src/dispatch/loop.c": "1\n", "dispatch.c": "1\n"})
    repository.write({"src/dispatch/loop.c": "2\n", "dispatch.c": "2\n"})
    repository.git("add", "-A")
    monkeypatch.chdir(repository.path)
    assert nothing_lost(os.environ)


# Installing


@pytest.mark.parametrize("place", ["ordinary", "hooksPath", "linked"])
def test_install_and_uninstall(repository: Repository, tmp_path: Path, place: str, capfd: Capture) -> None:
    repository.commit({"a": "1\n"})
    here, hooks = repository.path, repository.path / ".git" / "hooks"
    if place == "hooksPath":
        hooks = tmp_path / "own hooks"
        repository.git("config", "core.hooksPath", str(hooks))
    elif place == "linked":
        here = tmp_path / "linked"
        repository.git("worktree", "add", "-q", str(here))
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.mkdir()
    mine = hooks / "pre-commit"
    mine.write_text('#!/bin/sh\necho "mine: $*" >&2\n[ ! -e stop ]\n')
    mine.chmod(0o755)
    other = hooks / "post-rewrite"
    other.write_text("#!/bin/sh\necho rewrote >&2\ncat >&2\n")
    other.chmod(0o755)
    kept = mine.read_bytes()
    status, said = guard(capfd, here, "--install")
    assert status == 0 and "the hook that was there is called first" in said
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in hooks.iterdir()}
    status, said = guard(capfd, here, "--install")
    assert status == 0 and "nothing to do" in said
    assert before == {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in hooks.iterdir()}
    assert set(before) == {*HOOKS, f"pre-commit{BEFORE}", f"post-rewrite{BEFORE}"}
    (here / "b").write_text("1\n")
    subprocess.run(["git", "add", "b"], cwd=here, check=True)
    assert "mine: " in attempt(here, "commit", "-m", "b")[1]
    assert "rewrote" in attempt(here, "commit", "--amend", "-m", "c")[1]
    (here / "stop").write_text("")
    assert attempt(here, "commit", "--allow-empty", "-m", "stopped")[0] != 0
    status, said = guard(capfd, here, "--uninstall")
    assert status == 0 and {path.name for path in hooks.iterdir()} == {"pre-commit", "post-rewrite"}
    assert mine.read_bytes() == kept and os.access(mine, os.X_OK)
    assert "nothing to do" in guard(capfd, here, "--uninstall")[1]


def test_install_destroys_nothing(repository: Repository, capfd: Capture) -> None:
    hooks = repository.path / ".git" / "hooks"
    for name in ("commit-msg", f"commit-msg{BEFORE}"):
        (hooks / name).write_text("mine\n")
    status, said = guard(capfd, repository.path, "--install")
    assert status == 128 and "fatal: both commit-msg and" in said
    assert (hooks / "commit-msg").read_text() == "mine\n"


# Review


def test_review_of_a_merge_request(package: Package, texts: dict[str, str], tmp_path: Path, capfd: Capture) -> None:
    import_upstream(package, {12: "up12"})
    text = make_patch({"src/a.c": ({12: "up12"}, {12: "up12 + one12", 20: "check(x20)"})}, tmp_path / "texts")
    package.commit({"debian/patches/one.patch": text}, "refresh")
    arguments = ("--base", "HEAD~2", "--head", "HEAD")
    findings = found(capfd, package.path, *arguments)
    assert findings["!dropped"][0]["lines"] == ["-\treturn x3;", "+\treturn one3;"]
    assert [one["patch"] for one in findings["edited"]] == ["one.patch"]
    status, said = guard(capfd, package.path, *arguments, "--markdown")
    assert status == 1 and "| one.patch | dropped | src/a.c:" in said and "<details>" in said and ", :" not in said
    status, said = guard(capfd, package.path, *arguments)
    assert status == 1 and said.startswith("guard: 1 loss between ") and "upstream moved" in said
    package.commit({}, "answered\n\nMetadiff-Dropped: one.patch: not needed")
    assert guard(capfd, package.path, *arguments)[0] == 0


def test_review_of_commits(repository: Repository, capfd: Capture) -> None:
    repository.commit({"a.c": source()}, tag="v1")
    repository.git("checkout", "-q", "-b", "one")
    repository.commit({"a.c": source({3: "one3"})}, "three")
    repository.commit({"a.c": source({3: "one3", 9: "one9"})}, "nine")
    repository.git("checkout", "-q", "main")
    repository.commit({"a.c": source({20: "up20"}, HEADING)}, tag="v2")
    repository.git("checkout", "-q", "-b", "two")
    repository.commit({"a.c": source({3: "one3", 20: "up20"}, HEADING)}, "three")
    status, said = guard(capfd, repository.path, "--base", "one", "--head", "two")
    assert status == 128 and "metadiff.guard.upstream" in said
    repository.git("config", "metadiff.guard.upstream", "main")
    findings = found(capfd, repository.path, "--base", "one", "--head", "two")
    assert findings == found(capfd, repository.path, "--from", "v1..one", "--to", "v2..two")
    assert findings["removed"][0]["patch"] == "nine"
    for arguments in (
        ["--base", "one"],
        ["--from", "v1", "--to", "v2..two"],
        ["--base", "one", "--from", "a..b"],
        ["x"],
    ):
        assert guard(capfd, repository.path, *arguments)[0] == 129
    assert guard(capfd, repository.path, "--base", "nothing", "--head", "two")[0] == 128


def test_a_report_is_short() -> None:
    lost = [
        Finding("dropped", "block", "a.patch", b"a.c", at, hunk=f"{at:012x}", lines=(b"+x",) * 9) for at in range(1, 40)
    ]
    others = [Finding("edited", "speak", f"{at}.patch", b"b\x1b.c", at) for at in range(9)]
    for count in (1, 2, 5, 39):
        lines = list(text_report(Report("patches", "a and b", findings=(*lost[:count], *others))))
        assert len(lines) <= MOST_LINES
        assert "\x1b" not in "".join(lines) and "hint: " in lines[-1]
    assert list(text_report(Report("patches", "a and b"))) == []


def test_every_verdict_is_documented() -> None:
    page = (ROOT / "git_metadiff/data/share/man/man1/git-metadiff.1").read_text().replace("\\-", "-")
    for verdict in DEFAULTS:
        assert re.search(rf"^\.B {verdict}$", page, re.MULTILINE), verdict


def test_json_names_what_it_is(package: Package, capfd: Capture) -> None:
    status, out = guard(capfd, package.path, "--json")
    assert status == 0 and json.loads(out)["schema"] == "git-metadiff-guard/1"
