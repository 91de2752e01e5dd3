"""The command line: parsing, errors, exit codes, colours, path limits, pager and the whole program as a process."""

from __future__ import annotations

import errno
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from git_metadiff.cli import program as runner
from git_metadiff.cli.colors import codes, palette, wants_color
from git_metadiff.cli.ending import Terminated
from git_metadiff.cli.output import OutputClosed, write_all
from git_metadiff.cli.parse import Invocation, is_only_patchset, parse
from git_metadiff.cli.paths import predicate
from git_metadiff.cli.repository import Place, find_place
from git_metadiff.cli.terminal import Progress, choose_pager
from git_metadiff.errors import MetadiffError, UsageError
from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.conftest import Metadiff, Repository

MakeRepository = Callable[..., "Repository"]

MAIN = ("v1", "v2", "--patches", "a.patch", "b.patch")  # the main job, in `pair`


# Parsing


def only_p(argument: str) -> bool:
    """In these tests a patchset starts with p; an x may be either."""
    return argument.startswith("p")


@pytest.mark.parametrize(
    ("line", "releases", "patchsets", "paths"),
    [
        ("v1 v2 --patches p1 p2", "v1 v2", "p1 p2", ""),
        ("--patches p1 p2 v1 v2", "v1 v2", "p1 p2", ""),
        ("v1 --patches p1 p2", "v1", "p1 p2", ""),
        ("--patches p1 p2 v1", "v1", "p1 p2", ""),
        ("v1 --json v2 --patches p1 p2", "v1 v2", "p1 p2", ""),
        ("--patches p1 p2 --json v1 v2", "v1 v2", "p1 p2", ""),
        ("--patches p1 --stat v1 v2 --patches p2", "v1 v2", "p1 p2", ""),
        ("v1 --patches p1 --patches p2 --stat v2", "v1 v2", "p1 p2", ""),
        ("--patches p1 v1 --patches p2 v2", "v1 v2", "p1 p2", ""),
        ("--patches=p1 --patches=p2 v1 v2", "v1 v2", "p1 p2", ""),
        ("v1 v2 --patches=p1 p2", "v1 v2", "p1 p2", ""),
        ("v1 v2 --patches x1 x2", "v1 v2", "x1 x2", ""),
        ("v1 v2 --patches p1 x2", "v1 v2", "p1 x2", ""),
        ("v1 --patches x1 x2 x3", "v1", "x1 x2 x3", ""),
        ("v1 v2 --patches p1 p2 -- a b", "v1 v2", "p1 p2", "a b"),
        ("v1 v2 --patches p1 p2 --", "v1 v2", "p1 p2", ""),
        ("v1 v2 --patches p1 p2 -- a -- --json", "v1 v2", "p1 p2", "a -- --json"),
        ("./show v2 --patches p1 p2", "./show v2", "p1 p2", ""),
        ("v1 show --patches p1 p2", "v1 show", "p1 p2", ""),
    ],
)
def test_releases_patchsets_and_paths(line: str, releases: str, patchsets: str, paths: str) -> None:
    found = parse(line.split(), only_p)
    assert (found.words, found.patchsets, found.paths) == (
        tuple(releases.split()),
        tuple(patchsets.split()),
        tuple(paths.split()),
    )


@pytest.mark.parametrize(
    ("line", "flags", "values"),
    [
        ("", set(), {}),
        ("--stat --patch --stat", {"--stat", "--patch"}, {}),
        ("-p -W", {"--patch", "--function-context"}, {}),
        ("-U5", set(), {"--unified": "5"}),
        ("-U 5", set(), {"--unified": "5"}),
        ("--unified=0", set(), {"--unified": "0"}),
        ("--unified 7 -U2", set(), {"--unified": "2"}),
        ("--strip 0", set(), {"--strip": "0"}),
        ("--name=a --name b", set(), {"--name": "b"}),
        ("--name -x", set(), {"--name": "-x"}),
        ("--trace -", set(), {"--trace": "-"}),
        ("--color", set(), {"--color": "always"}),
        ("--color=auto", set(), {"--color": "auto"}),
        ("--color --no-color", set(), {"--color": "never"}),
        ("--no-color --color", set(), {"--color": "always"}),
        ("--exit-code --quiet --all --partial", {"--exit-code", "--quiet", "--all", "--partial"}, {}),
    ],
)
def test_options(line: str, flags: set[str], values: Mapping[str, str]) -> None:
    for order in (["v1", "v2", "--patches", "p1", "p2", *line.split()], [*line.split(), "v1", "--patches", "p1", "p2"]):
        found = parse(order, only_p)
        assert (set(found.flags), found.values) == (flags, values)


@pytest.mark.parametrize(
    ("line", "status", "message", "hint"),
    [
        ("", 129, "no releases and no patchsets", "git metadiff -h"),
        ("v1 v2", 129, "no patchsets given", "--patches"),
        ("v1 v2 --patch p1 p2", 129, "no patchsets given", "did you mean --patches"),
        ("v1 v2 --patch=p1", 129, "--patch takes no value", "did you mean --patches"),
        ("v1 v2 --patches p1 --patch p2", 128, "3 releases, but 1 patchset", "did you mean --patches"),
        ("v1 v2 --patches", 129, "--patches needs a value", ""),
        ("v1 v2 --patches --stat", 129, "--patches needs a value", ""),
        ("--patches x1 x2", 129, "no releases given", "before --patches"),
        ("v1 --patches p1 p2 x2", 129, "'x2' may be a release or a patchset", "before --patches"),
        ("--sta", 129, "unknown option --sta", "--stat"),
        ("--patche p1", 129, "unknown option --patche", "--patch"),
        ("--xyzzy=3", 129, "unknown option --xyzzy", "git metadiff -h"),
        ("-x", 129, "unknown option -x", ""),
        ("-pW", 129, "unknown option -pW", ""),
        ("v1 v2 --no-pager", 129, "--no-pager is an option of git itself", "git --no-pager metadiff"),
        ("--strip", 129, "--strip needs a value", ""),
        ("--strip=", 129, "--strip wants a number", ""),
        ("--strip one", 129, "--strip wants a number, not 'one'", ""),
        ("--strip -1", 129, "--strip wants a number", ""),
        ("-Ux", 129, "wants a number, not 'x'", ""),
        ("--name=", 129, "--name needs a value", ""),
        ("--stat=3", 129, "--stat takes no value", ""),
        ("--color=blue", 129, "always, never or auto", ""),
        ("v1 v2 --patches p1 p2 --json --stat", 129, "--json does not go with --stat", ""),
        ("guard x", 129, "'guard' takes no argument 'x'", ""),
        ("show", 129, "'show' needs a hunk", ""),
        ("show a b", 129, "'show' takes one hunk", ""),
        ("show a --stat", 129, "--stat does not go with 'show'", ""),
        ("show a -- path", 129, "takes no path limits", ""),
        ("list x", 129, "'list' takes no arguments", ""),
        ("list --patches p", 129, "--patches does not go with 'list'", ""),
        ("forget", 129, "'forget' needs a name", ""),
        ("forget a b", 129, "'forget' takes one name", ""),
    ],
)
def test_bad_command_lines(line: str, status: int, message: str, hint: str) -> None:
    with pytest.raises(MetadiffError) as caught:
        parse(line.split(), only_p)
    assert (caught.value.status, isinstance(caught.value, UsageError)) == (status, status == 129)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("line", "command", "words"),
    [
        ("show 7c1e", "show", ("7c1e",)),
        ("--name n show 7c1e -U5", "show", ("7c1e",)),
        ("list", "list", ()),
        ("forget old", "forget", ("old",)),
        ("forget --name old", "forget", ("old",)),
        ("v1 -h", "-h", ()),
        ("show --help", "--help", ()),
        ("--version", "--version", ()),
    ],
)
def test_commands(line: str, command: str, words: tuple[str, ...]) -> None:
    found = parse(line.split(), only_p)
    assert (found.command, found.words) == (command, words)


def test_what_can_only_be_a_patchset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (
        "fix.patch",
        "linux-4.2.tar.xz",
        "drop.patch.gz",
        "tree/Makefile",
        "quilt/series",
        "mails/0001-a.patch",
    ):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("")
    sure = ["fix.patch", "drop.patch.gz", "quilt", "quilt/series", "mails", "v1..v2", "debian/1:debian/patches"]
    unsure = ["linux-4.2.tar.xz", "tree", "v4.2.7", ":/fix", "HEAD~3"]
    assert [name for name in sure + unsure if is_only_patchset(name)] == sure


def test_views_come_in_one_order() -> None:
    found = parse(["v1", "v2", "--patches", "p1", "p2", "--patch", "--trace", "t", "--stat", "--summary"], only_p)
    assert found.views() == ("--summary", "--trace", "--stat", "--patch")


# Colours


@pytest.mark.parametrize(
    "setting",
    [
        *("red", "bold red", "nobold 208", "no-ul blue", "#ff8000 blue", "9", "12 3", "brightred default", "reset"),
        *(
            "normal",
            "reset red",
            "dim",
            "nodim",
            "normal blue",
            "strike",
            "nostrike",
            "bold ul reverse white black",
            "255",
        ),
    ],
)
def test_colors_are_read_as_git_reads_them(setting: str) -> None:
    expected = subprocess.run(
        ["git", "-c", f"color.x.y={setting}", "config", "--get-color", "color.x.y"], capture_output=True, check=True
    ).stdout
    key = "color.metadiff.old"
    assert palette({key: setting}, colored=True)["old"] == expected


@pytest.mark.parametrize("setting", ["rot", "red green blue", "#12345", "256", "bold nonsense"])
def test_what_is_no_color_is_passed_over(setting: str) -> None:
    assert codes(setting) is None
    assert palette({"color.metadiff.old": setting}, colored=True)["old"] == b"\x1b[31m"


def test_slots_start_from_those_of_git_diff() -> None:
    settings = {
        "color.diff.old": "blue",
        "color.diff.plain": "dim",
        "color.metadiff.new": "cyan",
        "color.diff.new": "red",
    }
    colors = palette(settings, colored=True)
    assert (colors["old"], colors["context"], colors["new"]) == (b"\x1b[34m", b"\x1b[2m", b"\x1b[36m")
    assert palette(settings, colored=False) == {}


@pytest.mark.parametrize(
    ("when", "environ", "settings", "terminal", "expected"),
    [
        (None, {}, {}, True, True),
        (None, {}, {}, False, False),
        (None, {"TERM": "dumb"}, {}, True, False),
        ("auto", {}, {}, True, True),
        ("auto", {}, {}, False, False),
        ("always", {}, {}, False, True),
        ("never", {}, {"color.ui": "always"}, True, False),
        (None, {"NO_COLOR": "1"}, {}, True, False),
        (None, {"NO_COLOR": ""}, {}, True, True),
        (None, {"NO_COLOR": "1"}, {"color.metadiff": "always"}, True, False),
        ("always", {"NO_COLOR": "1"}, {}, True, True),
        (None, {}, {"color.ui": "always"}, False, True),
        (None, {}, {"color.ui": "true"}, False, False),
        (None, {}, {"color.ui": "false"}, True, False),
        (None, {}, {"color.ui": "never", "color.metadiff": "auto"}, True, True),
        (None, {}, {"color.ui": "true", "color.metadiff": "no"}, True, False),
    ],
)
def test_when_to_color(
    when: str | None, environ: dict[str, str], settings: dict[str, str], terminal: bool, expected: bool
) -> None:
    assert wants_color(when, {"TERM": "xterm"} | environ, settings, terminal=terminal) is expected


@pytest.mark.parametrize(
    ("environ", "settings", "expected"),
    [
        ({}, {}, "less-of-git"),
        ({}, {"pager.metadiff": "false"}, None),
        ({}, {"pager.metadiff": "true"}, "less-of-git"),
        ({}, {"pager.metadiff": "most -w"}, "most -w"),
        ({"GIT_PAGER": "cat"}, {"pager.metadiff": "most"}, None),
        ({"GIT_PAGER": "more"}, {}, "more"),
    ],
)
def test_which_pager(
    environ: dict[str, str], settings: dict[str, str], expected: str | None, tmp_path: Path, repository: Repository
) -> None:
    repository.git("config", "core.pager", "less-of-git")
    assert choose_pager(dict(os.environ) | environ, settings, repository.path) == expected


# Path limits, with git itself as the judge


TREE = [
    *(
        "Makefile",
        "arch/Makefile",
        "arch/x86/Makefile",
        "arch/x86/xen/pmu.c",
        "arch/x86/xen/enlighten.c",
        "arch/arm/a.c",
    ),
    *(
        "a[1].c",
        "a1.c",
        "a-b.c",
        "a]b",
        "lib/deep/er/x.h",
        "lib/x.h",
        "arch.c",
        "UPPER/File.C",
        "sp ace/t.c",
        "back\\slash",
    ),
]


EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git knows it everywhere

#: One command line each; a plus stands for a space.
SPECS = r"""
arch
arch/
arch/x86/xen lib
.
*.c
*.C
arch/*.c
arch/x?6
a*
:(glob)*.c
:(glob)**/*.c
:(glob)arch/**
:(glob)arch/**/x*/*.c
:(glob)arch/*/*
:(glob)lib/**x.h
:(literal)a[1].c
a[1].c
a[!2-9].c
a[0-9].c
a[[:digit:]].c
a[]]b
a[-]b.c
a\[1].c
a[1
a[z-a]*
:(icase)upper/file.c
:(icase)*.C
:/
:/arch
:(top)lib
:
:!arch
:^*.c
:(top,exclude)arch
:!/lib
arch :!arch/x86
:/ :(exclude)*.h
:/:lib
x86/
../lib
xen/../Makefile
../../Makefile
sp+ace
*space*
*+*
**/x.h
er/*
?.h
*[[:upper:]]*
nothing
*/
x86/*/pmu.c
[a-l]*/*.c
back\\slash
"""


@pytest.fixture
def tree(repository: Repository) -> Repository:
    """A repository whose index holds TREE."""
    repository.write(dict.fromkeys(TREE, ""))
    repository.git("add", "-A", "-f")
    return repository


def matched_by_git(specs: list[str], folder: Path, environ: Mapping[str, str]) -> set[bytes] | None:
    """Those names of TREE that git's diff would show; None if it refuses the path limits."""
    command = ["git", "diff-index", "--cached", "--name-only", "-z", EMPTY_TREE, "--", *specs]
    done = subprocess.run(command, capture_output=True, cwd=folder, env=environ, check=False)
    return {name for name in done.stdout.split(b"\0") if name} if done.returncode == 0 else None


def matched(specs: list[str], place: Place, environ: Mapping[str, str]) -> set[bytes] | None:
    """Those names of TREE that we would show; None if we refuse the path limits."""
    try:
        wanted = predicate(specs, place, environ)
    except MetadiffError:
        return None
    return {name for name in map(os.fsencode, TREE) if wanted(name)}


@pytest.mark.parametrize("folder", [".", "arch", "arch/x86", "lib/deep"])
def test_path_limits_match_what_git_matches(folder: str, tree: Repository) -> None:
    here = tree.path / folder
    place = find_place(os.environ, here)
    lines = [[word.replace("+", " ") for word in line.split()] for line in SPECS.strip().splitlines()]
    expected = {tuple(specs): matched_by_git(specs, here, os.environ) for specs in lines}
    assert {tuple(specs): matched(specs, place, os.environ) for specs in lines} == expected
    assert sum(bool(names) for names in expected.values()) > 10


@pytest.mark.parametrize("word", ["LITERAL", "GLOB", "NOGLOB", "ICASE"])
def test_gits_own_options_for_pathspecs_count(word: str, tree: Repository) -> None:
    environ = dict(os.environ) | {f"GIT_{word}_PATHSPECS": "1"}
    lines = [["*.c"], ["A*.C"], ["a[1].c"], [":(glob)*.c"], [":!arch"], ["arch/*.c"], ["Arch"]]
    expected = {tuple(specs): matched_by_git(specs, tree.path, environ) for specs in lines}
    assert {tuple(specs): matched(specs, Place(None), environ) for specs in lines} == expected


@pytest.mark.parametrize(
    "spec", ["", "../x", "/etc/passwd", ":(attr:x)a", ":(nonsense)a", ":(top", ":(glob,literal)a", "a/../../b"]
)
def test_bad_path_limits(spec: str, tmp_path: Path) -> None:
    with pytest.raises(MetadiffError):
        predicate([spec], Place(None, os.fsencode(tmp_path)), {})


def test_names_that_are_not_utf8() -> None:
    wanted = predicate([os.fsdecode(b"caf\xe9/*")], Place(None), {})
    assert wanted(b"caf\xe9/x")
    assert not wanted(b"cafe/x")


def test_absolute_path_limits(tmp_path: Path) -> None:
    wanted = predicate([f"{tmp_path}/lib"], Place(None, os.fsencode(tmp_path), b"arch/"), {})
    assert wanted(b"lib/x.h")
    assert not wanted(b"arch/lib/x.h")


# Which repository


def test_repository_around_a_folder(repository: Repository) -> None:
    repository.write({"a/b/c": ""})
    place = find_place(os.environ, repository.path / "a" / "b")
    assert place == Place(repository.path / ".git", os.fsencode(repository.path), b"a/b/")


def test_no_repository(tmp_path: Path) -> None:
    assert find_place(os.environ, tmp_path) == Place(None)


def test_bare_and_sha256_repositories(make_repository: MakeRepository) -> None:
    bare = make_repository("bare.git", "--bare")
    assert find_place(os.environ, bare.path) == Place(bare.path)
    sha256 = make_repository("sha256", "--object-format=sha256")
    sha256.commit({"a": "1\n"})
    assert find_place(os.environ, sha256.path).git_dir == sha256.path / ".git"


def test_linked_worktree_and_submodule(repository: Repository, make_repository: MakeRepository, tmp_path: Path) -> None:
    repository.commit({"a/b": "1\n"})
    repository.git("worktree", "add", "-q", tmp_path / "linked")
    place = find_place(os.environ, tmp_path / "linked" / "a")
    assert place == Place(repository.path / ".git" / "worktrees" / "linked", os.fsencode(tmp_path / "linked"), b"a/")
    outer = make_repository("outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", repository.path, "inner")
    assert find_place(os.environ, outer.path / "inner").git_dir == outer.path / ".git" / "modules" / "inner"


def test_named_repository(repository: Repository, tmp_path: Path) -> None:
    environ = dict(os.environ) | {"GIT_DIR": str(repository.path / ".git")}
    assert find_place(environ, tmp_path).git_dir == repository.path / ".git"
    with pytest.raises(MetadiffError, match="not a git repository"):
        find_place(dict(os.environ) | {"GIT_DIR": str(tmp_path / "none")}, tmp_path)


# Errors and exit statuses


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (MetadiffError("bad patch", "look at it"), 128, "fatal: bad patch\nhint: look at it\n"),
        (UsageError("bad option", "see -h"), 129, "fatal: bad option\nhint: see -h\n"),
        (MetadiffError("a\nb\x1b[31m", "c\td"), 128, "fatal: a\\nb\\x1b[31m\nhint: c\\td\n"),
        (KeyboardInterrupt(), 130, "fatal: interrupted\nhint: "),
        (Terminated(15), 143, "fatal: stopped by signal 15\nhint: "),
        (OutputClosed(), 141, ""),
        (MemoryError(), 128, "fatal: out of memory\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/pack"), 128, "fatal: /x/pack: No space left on device\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 128, "fatal: Broken pipe\n"),
        (ZeroDivisionError("oops"), 128, "fatal: internal error: ZeroDivisionError: oops\n"),
    ],
)
def test_every_error_ends_as_two_lines_and_a_status(
    error: BaseException,
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(_invocation: Invocation, _environ: Mapping[str, str]) -> int:
        raise error

    monkeypatch.setattr(runner, "command_for", lambda _name: fail)
    monkeypatch.setattr(runner, "catch_signals", lambda: None)
    assert runner.run(["list"], {}) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert err.count("\n") == (2 if message else 0)
    assert "Traceback" not in err


def test_traceback_on_request(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(runner, "command_for", lambda _name: None)
    monkeypatch.setattr(runner, "catch_signals", lambda: None)
    assert runner.run(["list"], {"METADIFF_TRACEBACK": "1"}) == 128
    assert "Traceback" in capfd.readouterr().err


def test_write_all_tells_a_gone_reader_from_a_full_disk() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with pytest.raises(OutputClosed):
        write_all(b"x", writing)
    os.close(writing)
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(MetadiffError, match="No space left"):
        write_all(b"x", full.fileno())


# The program as a process


def test_short_help_and_version(metadiff: Metadiff) -> None:
    shown = metadiff("-h")
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert shown.stdout.startswith(b"usage: git metadiff ")
    assert all(len(line) <= 120 for line in shown.stdout.decode().splitlines())
    assert metadiff("--version").stdout == b"git-metadiff 0.1.0\n"


def test_help_needs_no_engine() -> None:
    code = "import sys; from git_metadiff.cli import main; main(['-h']); print(*sys.modules, file=sys.stderr)"
    root = Path(runner.__file__).parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=os.environ | {"PYTHONPATH": str(root)}, check=True
    )
    loaded = set(done.stderr.decode().split())
    heavy = {"git", "networkx", "unidiff", "rapidfuzz", "argparse", "subprocess", "dataclasses", "pathlib", "json"}
    assert loaded & heavy == set()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--nonsense"], 129),
        ([], 129),
        (["v1", "v2", "--patches", "a.patch", "b.patch", "a.patch"], 128),
        (["v1", "--patches", "a.patch"], 128),
        (["--patches", "a.patch"], 128),
        ([*MAIN, "--name", "a b"], 128),
        (["no-such-tag", "v2", "--patches", "a.patch", "b.patch"], 128),
        (["v1", "v2", "--patches", "none-a.patch", "none-b.patch"], 128),
        ([*MAIN, "--trace", "none.txt"], 128),
        ([*MAIN, "--", "../outside"], 128),
        (["show", "abc"], 128),
        (["forget", "nothing"], 128),
    ],
)
def test_bad_input_gives_two_lines(arguments: list[str], status: int, pair: Repository, metadiff: Metadiff) -> None:
    done = metadiff(*arguments, cwd=pair.path)
    assert done.returncode == status
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["fatal", "hint"]


def test_folder_that_is_gone(program: Path, tmp_path: Path) -> None:
    script = 'mkdir gone; cd gone; rmdir ../gone; "$0" list'
    done = subprocess.run(["bash", "-c", script, program], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 128
    assert done.stderr == b"fatal: the current folder no longer exists\nhint: change to a folder that does\n"


def test_no_git(program: Path, tmp_path: Path, home: Path) -> None:
    done = subprocess.run([program, "list"], capture_output=True, cwd=tmp_path, env={"PATH": str(home)}, check=False)
    assert done.returncode == 128
    assert done.stderr == b"fatal: cannot run git\nhint: install git 2.38 or later and put it on PATH\n"


def test_old_git(program: Path, tmp_path: Path, home: Path) -> None:
    old = home / "git"
    old.write_text("#!/bin/sh\necho git version 2.37.7\n")
    old.chmod(0o755)
    environ = os.environ | {"PATH": f"{home}:{os.environ['PATH']}"}
    done = subprocess.run([program, "list"], capture_output=True, cwd=tmp_path, env=environ, check=False)
    assert done.returncode == 128
    assert done.stderr.startswith(b"fatal: git 2.37.7 is too old\nhint: ")


# The main job, on a small pair


V1 = "".join(f"line {number}\n" for number in range(1, 41))
V2 = V1.replace("line 20\n", "line 20, by upstream\n")
D1 = V1.replace("line 5\n", "line 5, patched\n").replace("line 35\n", "line 35, patched\n")
D2 = V2.replace("line 5\n", "line 5, patched\n").replace("line 35\n", "line 35, patched better\n")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs `pair` leaves it for all others."""
    return tmp_path_factory.mktemp("pair") / "repository"


@pytest.fixture
def pair(made: Path, make_repository: MakeRepository, metadiff: Metadiff, tmp_path: Path) -> Repository:
    """Tags v1 and v2, a.patch and b.patch for them (b.patch edits one of two hunks), and their stored comparison."""
    if not made.exists():
        make_pair(make_repository("template"))
        assert metadiff(*MAIN, "--quiet", cwd=tmp_path / "template").stderr == b""
        shutil.move(tmp_path / "template", made)
    shutil.copytree(made, tmp_path / "repository", symlinks=True)
    return make_repository()


def make_pair(repository: Repository) -> None:
    """Fill a repository with what `pair` promises."""
    repository.commit({"src/a.c": V1, "README": "read me\n"}, tag="v1")
    repository.commit({"src/a.c": D1}, tag="d1")
    repository.git("reset", "-q", "--hard", "v1")
    repository.commit({"src/a.c": V2}, tag="v2")
    repository.commit({"src/a.c": D2}, tag="d2")
    repository.git("reset", "-q", "--hard", "v2")
    repository.write({"a.patch": repository.diff("v1", "d1"), "b.patch": repository.diff("v2", "d2")})


def test_main_job(pair: Repository, metadiff: Metadiff) -> None:
    before = pair.git("status", "--porcelain")
    done = metadiff(*MAIN, "--name", "fresh", cwd=pair.path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"+line 35, patched better" in done.stdout
    assert b"line 5, patched" not in done.stdout.replace(b"line 35, patched", b"")
    assert b"\x1b" not in done.stdout
    assert pair.git("status", "--porcelain") == before


def test_patch_applies_to_the_ported_tree(pair: Repository, metadiff: Metadiff) -> None:
    patch = metadiff(*MAIN, "--patch", cwd=pair.path).stdout
    document = json.loads(metadiff(*MAIN, "--json", cwd=pair.path).stdout)
    pair.git("read-tree", document["transitions"][0]["ported_tree"])
    pair.git("apply", "--cached", stdin=patch)
    assert pair.git("write-tree") == pair.git("rev-parse", "d2^{tree}")


@pytest.mark.parametrize(
    ("arguments", "status", "silent"),
    [
        ((), 0, False),
        (("--exit-code",), 1, False),
        (("--quiet",), 1, True),
        (("--quiet", "--", "src"), 1, True),
        (("--quiet", "--", "README"), 0, True),
        (("--exit-code", "--stat"), 1, False),
    ],
)
def test_exit_statuses(
    arguments: tuple[str, ...], status: int, silent: bool, pair: Repository, metadiff: Metadiff
) -> None:
    done = metadiff(*MAIN, *arguments, cwd=pair.path)
    assert (done.returncode, done.stderr, done.stdout == b"") == (status, b"", silent)


def test_exit_status_of_an_empty_interdiff(pair: Repository, metadiff: Metadiff) -> None:
    done = metadiff("v1", "--patches", "a.patch", "a.patch", "--exit-code", cwd=pair.path)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("view", ["--stat", "--summary", "--name-status", "--collisions", "--series", "--patch"])
def test_every_view_prints_something(view: str, pair: Repository, metadiff: Metadiff) -> None:
    done = metadiff(*MAIN, view, cwd=pair.path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\n")


def test_views_together(pair: Repository, metadiff: Metadiff) -> None:
    parts = [metadiff(*MAIN, view, cwd=pair.path).stdout for view in ("--stat", "--patch")]
    assert metadiff(*MAIN, "--patch", "--stat", cwd=pair.path).stdout == b"\n".join(parts)


def test_context(pair: Repository, metadiff: Metadiff) -> None:
    short, long = (metadiff(*MAIN, "--patch", option, cwd=pair.path).stdout for option in ("-U0", "--unified=9"))
    assert len(short.splitlines()) < len(metadiff(*MAIN, "--patch", cwd=pair.path).stdout.splitlines())
    assert b" line 27" in long


def test_releases_behind_the_patchsets(pair: Repository, metadiff: Metadiff) -> None:
    expected = metadiff(*MAIN, "--json", cwd=pair.path).stdout
    assert metadiff("--json", "--patches", "a.patch", "b.patch", "v1", "v2", cwd=pair.path).stdout == expected


def test_path_limits_are_relative_to_the_current_folder(pair: Repository, metadiff: Metadiff) -> None:
    here = pair.path / "src"
    arguments = ("v1", "v2", "--patches", "../a.patch", "../b.patch", "--name-status", "--")
    assert b"src/a.c" in metadiff(*arguments, "a.c", cwd=here).stdout
    assert b"src/a.c" not in metadiff(*arguments, "../README", cwd=here).stdout
    assert b"src/a.c" in metadiff(*arguments, ":/src", cwd=here).stdout


def test_stored_comparisons(pair: Repository, metadiff: Metadiff) -> None:
    metadiff("v1", "--patches", "a.patch", "a.patch", "--name", "drops", "--quiet", cwd=pair.path)
    listed = metadiff("list", cwd=pair.path)
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in listed.stdout.decode().splitlines()}
    assert set(rows) == {"default", "drops"}
    assert rows["default"][0] == "v1 v2"
    assert metadiff("forget", "drops", cwd=pair.path).returncode == 0
    assert metadiff("list", cwd=pair.path).stdout.startswith(b"default\t")
    assert metadiff("forget", "default", cwd=pair.path).returncode == 0
    assert metadiff("list", cwd=pair.path).stdout == b""
    assert pair.git("for-each-ref", "refs/metadiff") == ""


def test_show_takes_the_last_comparison(pair: Repository, metadiff: Metadiff) -> None:
    document = json.loads(metadiff(*MAIN, "--json", cwd=pair.path).stdout)
    hunk = document["hunks"][-1]["id"]
    done = metadiff("show", hunk, cwd=pair.path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert hunk.encode() in done.stdout
    assert metadiff("--name", "default", "show", hunk, cwd=pair.path).stdout == done.stdout


def test_trace_from_standard_input(pair: Repository, metadiff: Metadiff) -> None:
    done = metadiff(*MAIN, "--trace", "-", cwd=pair.path, stdin=b" #0 [ffff] line_20 at ffffffff81000010\n")
    assert done.returncode in (0, 128)
    assert b"Traceback" not in done.stderr


def test_color_on_request_and_by_configuration(pair: Repository, metadiff: Metadiff) -> None:
    plain = metadiff(*MAIN, "--patch", cwd=pair.path).stdout
    assert b"\x1b[31m-line 35, patched" in metadiff(*MAIN, "--patch", "--color", cwd=pair.path).stdout
    pair.git("config", "color.ui", "always")
    pair.git("config", "color.metadiff.old", "blue")
    assert b"\x1b[34m-line 35, patched" in metadiff(*MAIN, "--patch", cwd=pair.path).stdout
    assert metadiff(*MAIN, "--patch", "--no-color", cwd=pair.path).stdout == plain
    assert metadiff(*MAIN, "--patch", cwd=pair.path, NO_COLOR="1").stdout == plain


def test_outside_any_repository(pair: Repository, metadiff: Metadiff, tmp_path: Path, home: Path) -> None:
    for tag in ("v1", "v2"):
        (tmp_path / f"{tag}.tar").write_bytes(b"")
        pair.git("archive", f"--prefix={tag}/", "-o", tmp_path / f"{tag}.tar", tag)
    patches = [pair.path / name for name in ("a.patch", "b.patch")]
    done = metadiff("v1.tar", "v2.tar", "--patches", *patches, "--exit-code", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    assert (home / ".local" / "share" / "git-metadiff" / "store.git").is_dir()
    assert metadiff("list", cwd=tmp_path).stdout.startswith(b"default\t")


def test_reader_that_leaves(pair: Repository, program: Path) -> None:
    script = f"{program} {' '.join(MAIN)} --all | true; echo ${{PIPESTATUS[0]}}"
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([program, *MAIN], stdout=writing, stderr=subprocess.PIPE, cwd=pair.path, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
    assert subprocess.run(["bash", "-c", script], capture_output=True, cwd=pair.path, check=True).stderr == b""


def test_full_output(pair: Repository, program: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([program, *MAIN], stdout=full, stderr=subprocess.PIPE, cwd=pair.path, check=False)
    assert done.returncode == 128
    assert done.stderr.startswith(b"fatal: cannot write the output: No space left on device\nhint: ")


SLOW_GIT = """#!/bin/sh
case "$*" in *fast-import*) : >"$MARK"; sleep 60 ;; esac
exec {git} "$@"
"""


DESTRUCTOR = """
import os, signal, time
from git_metadiff.cli.ending import Terminated, catch_signals
class Signalled:
    def __del__(self):
        os.kill(os.getpid(), {number})
        time.sleep(0)
class Wrong:
    def __del__(self):
        raise ValueError("told")
catch_signals()
timer = signal.setitimer
signal.setitimer = lambda *words: (timer(*words), time.sleep({pause}))
try:
    Wrong()
    Signalled()
    time.sleep(20)
except (KeyboardInterrupt, Terminated) as end:
    print(type(end).__name__)
"""


@pytest.mark.parametrize("pause", [0, 0.05])
@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, b"KeyboardInterrupt"), (signal.SIGTERM, b"Terminated")])
def test_a_signal_that_falls_into_a_destructor_is_not_lost(number: int, name: bytes, pause: float) -> None:
    """However long the processor is away before it is left."""
    begun = time.monotonic()
    code = DESTRUCTOR.format(number=int(number), pause=pause)
    words = ["env", "--default-signal=INT", sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == name and time.monotonic() - begun < 15
    assert b"ValueError: told" in done.stderr and name not in done.stderr, "other errors are told as ever"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing_behind(number: int, status: int, pair: Repository, program: Path, home: Path) -> None:
    refs = pair.git("for-each-ref")
    (home / "git").write_text(SLOW_GIT.format(git=shutil.which("git")))
    (home / "git").chmod(0o755)
    environ = os.environ | {"PATH": f"{home}:{os.environ['PATH']}", "MARK": str(home / "mark")}
    # The tests may run in the background, where a shell ignores interrupts.
    command = ["env", "--default-signal=INT", str(program), *MAIN, "--name", "other"]
    process = subprocess.Popen(command, cwd=pair.path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(300):
        if (home / "mark").exists():
            break
        time.sleep(0.1)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, b"")
    assert re.fullmatch(rb"fatal: (interrupted|stopped by signal 15)\nhint: [^\n]+\n", err)
    assert pair.git("for-each-ref") == refs
    assert list((pair.path / ".git").glob("metadiff-scratch-*")) == []


# On a terminal


def on_terminal(command: list[str | Path], cwd: Path, environ: Mapping[str, str]) -> tuple[bytes, int]:
    """Run a program on a terminal of its own; what the terminal showed, and the exit status."""
    child, descriptor = pty.fork()
    if child == 0:
        try:
            os.chdir(cwd)
            os.execvpe(os.fspath(command[0]), [os.fspath(word) for word in command], environ)
        finally:
            os._exit(127)
    shown = b""
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except OSError:  # Linux says so when the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(descriptor)
    return shown.replace(b"\r\n", b"\n"), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def terminal(program: Path) -> Callable[..., tuple[bytes, int]]:
    """Runs a command on a terminal with colours."""

    def start(*command: str | Path, cwd: Path, **environ: str) -> tuple[bytes, int]:
        return on_terminal(list(command), cwd, os.environ | {"TERM": "xterm"} | environ)

    return start


Terminal = Callable[..., tuple[bytes, int]]
SHOUT = "tr a-z A-Z"  # a pager whose work can be seen


def test_pager_and_color_on_a_terminal(pair: Repository, terminal: Terminal, program: Path) -> None:
    shown, status = terminal(program, *MAIN, "--patch", cwd=pair.path, GIT_PAGER=SHOUT)
    assert status == 0
    assert b"\x1b[31M-LINE 35, PATCHED\x1b[M" in shown
    shown, _ = terminal("git", "metadiff", *MAIN, "--patch", cwd=pair.path, GIT_PAGER=SHOUT)
    assert b"-LINE 35, PATCHED" in shown


@pytest.mark.parametrize(
    ("setting", "before", "paged"),
    [
        ("true", [], True),
        ("false", [], False),
        (SHOUT, [], True),
        ("true", ["--no-pager"], False),
        ("false", ["-p"], True),
    ],
)
def test_pager_settings(setting: str, before: list[str], paged: bool, pair: Repository, terminal: Terminal) -> None:
    pair.git("config", "core.pager", SHOUT)
    pair.git("config", "pager.metadiff", setting)
    shown, status = terminal("git", *before, "metadiff", *MAIN, "--patch", cwd=pair.path)
    assert status == 0
    assert (b"-LINE 35, PATCHED" in shown) is paged
    assert b"\x1b[31" in shown


def test_a_pager_of_gits_is_not_paged_again(pair: Repository, terminal: Terminal, program: Path) -> None:
    shown, _ = terminal(program, *MAIN, "--patch", cwd=pair.path, GIT_PAGER=SHOUT, GIT_PAGER_IN_USE="true")
    assert b"-line 35, patched" in shown


def test_exit_code_starts_no_pager(pair: Repository, terminal: Terminal, program: Path) -> None:
    shown, status = terminal(program, *MAIN, "--patch", "--exit-code", cwd=pair.path, GIT_PAGER=SHOUT)
    assert status == 1
    assert b"-line 35, patched" in shown


def test_pager_that_is_left(pair: Repository, terminal: Terminal, program: Path) -> None:
    pair.write({"src/big.c": "".join(f"{number}\n" for number in range(100_000))})
    shown, status = terminal(program, *MAIN, cwd=pair.path, GIT_PAGER="exit 0;")
    assert status in (0, 141)
    assert b"Traceback" not in shown
    assert b"fatal" not in shown


def test_progress_is_erased(pair: Repository, terminal: Terminal, program: Path) -> None:
    pair.git("archive", "--prefix=v1/", "-o", "v1.tar", "v1")
    shown, status = terminal(program, "v1.tar", "v2", "--patches", "a.patch", "b.patch", "--json", cwd=pair.path)
    assert status == 0
    assert not shown.startswith(b"\r") or b"\r\x1b[K{" in shown


@pytest.mark.parametrize(
    ("label", "done", "total", "expected"),
    [
        ("reading", 0, 0, "reading"),
        ("reading", 7, 0, "reading 7"),
        ("reading", 1, 4, "reading [#####               ]  25%"),
        ("reading", 4, 4, "reading [####################] 100%"),
        ("reading", 9, 4, "reading [####################] 100%"),
    ],
)
def test_progress_bar(label: str, done: int, total: int, expected: str) -> None:
    assert Progress({}).bar(label, done, total) == expected
