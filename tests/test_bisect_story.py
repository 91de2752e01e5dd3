"""The story, whole: the fixture is built and booted by a program that fails as it did, and the culprit found four ways.

Upstream's hook and downstream's standing hunk fail only together. The list names both, with the trace and without it; a
chain on the patchset axis ends at the standing hunk; and upstream's own history, with the old patchset carried onto
each commit, ends at the commit that brought the hook.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from git_metadiff.compare import compare
from tests.conftest import ROOT, Metadiff, Repository, make_story
from tests.pairs import copy_of

FIXTURE = ROOT / "fixtures" / "xen-boot-crash"
PATCHES = [str(FIXTURE / name) for name in ("p1.patch", "p2.patch")]
BOOT = [sys.executable, str(ROOT / "tests" / "boot.py")]
FAILS = "pmu_msr_read"
HOOK = "upstream:0:arch/x86/xen/pmu.c:0"
HOOKED = "arch/x86/xen/enlighten.c"
#: What upstream did between the releases, commit by commit: subject, and the files that it brought.
COMMITS = (
    ("mm: name the guard", ("mm", "kernel")),
    ("fs: keep less", ("fs", "include")),
    (
        "xen: ask the performance counters first",
        ("arch/x86/xen/pmu.c", "arch/x86/xen/pmu.h", "arch/x86/xen/Makefile", HOOKED),
    ),
    ("xen: the rest", ("arch/x86/xen/mmu.c",)),
    ("drivers: old memory goes", ("drivers", "net", "lib", "security")),
)


def boot(tree: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Build and boot a tree."""
    return subprocess.run([*BOOT, *words, str(tree)], capture_output=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the repository of the story for all others."""
    return tmp_path_factory.mktemp("story") / "repository"


@pytest.fixture
def story(made: Path, tmp_path: Path) -> Repository:
    """A repository with both releases as tags and real history between them, and their comparison stored."""
    if not made.exists():
        join_releases(make_story(made))
        compare(made / ".git", ["v4.2.7", "v4.3.3"], PATCHES, environ=os.environ, cwd=made)
    return copy_of(Repository(made), tmp_path / "story")


def join_releases(repository: Repository) -> None:
    """Give upstream a small history from v4.2.7 to v4.3.3, with a merge in it."""
    new = FIXTURE / "upstream-4.3.3"
    for subject, parts in COMMITS[:2]:
        bring(repository, new, parts)
        repository.commit({}, subject)
    repository.git("checkout", "-q", "-b", "xen", "HEAD~1")
    bring(repository, new, COMMITS[2][1])
    repository.commit({}, COMMITS[2][0])
    bring(repository, new, COMMITS[3][1])
    repository.commit({}, COMMITS[3][0])
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge the guest's branch", "xen")
    bring(repository, new, COMMITS[4][1])
    repository.commit({}, COMMITS[4][0])
    bring(repository, new, tuple(path.name for path in new.iterdir()))
    repository.commit({}, "Release 4.3.3")
    assert repository.git("rev-parse", "HEAD^{tree}") == repository.git("rev-parse", "v4.3.3^{tree}")
    repository.git("tag", "-f", "v4.3.3")


def bring(repository: Repository, new: Path, parts: tuple[str, ...]) -> None:
    """Make parts of the work tree what they are in the newer release.

    The files get the time of now: with an old one, git takes a file of the same size and second for unchanged.
    """
    for part in parts:
        old, fresh = repository.path / part, new / part
        if old.is_dir():
            shutil.rmtree(old)
        if fresh.is_dir():
            shutil.copytree(fresh, old, copy_function=shutil.copy)
        elif fresh.exists():
            shutil.copy(fresh, old)


# What the program is


@pytest.mark.parametrize(
    ("tag", "patch", "status"),
    [("4.2.7", None, 0), ("4.2.7", "p1.patch", 0), ("4.3.3", None, 0), ("4.3.3", "p2.patch", 1)],
    ids=["U1", "D1", "U2", "D2"],
)
def test_only_upstreams_hook_and_the_patch_together_fail(
    tmp_path: Path, tag: str, patch: str | None, status: int
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(FIXTURE / f"upstream-{tag}", tree)
    if patch:
        Repository(tree).git("apply", "--whitespace=nowarn", FIXTURE / patch)
    done = boot(tree)
    assert done.returncode == status, done.stderr
    if status:
        frames = [line.split()[1].partition(b"+")[0] for line in done.stdout.splitlines() if line.startswith(b" [<")]
        assert frames == [b"pmu_msr_read", b"xen_read_msr_safe", b"xen_start_kernel"]


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (("arch/x86/xen/pmu.c", None), b"undefined reference to `pmu_msr_read'"),
        (("arch/x86/xen/Makefile", "obj-y := enlighten.o mmu.o\n"), b"undefined reference to `pmu_msr_read'"),
        (("arch/x86/xen/pmu.h", None), b"fatal error: pmu.h: No such file or directory"),
    ],
    ids=["no file", "not linked", "no header"],
)
def test_half_of_the_hook_cannot_be_built(tmp_path: Path, edit: tuple[str, str | None], complaint: bytes) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(FIXTURE / "upstream-4.3.3", tree)
    Repository(tree).write(dict([edit]))
    done = boot(tree, "build")
    assert done.returncode == 125 and complaint in done.stderr


# Four ways


def suspects(metadiff: Metadiff, story: Repository, *options: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    """The list, as JSON."""
    done = metadiff("bisect", "list", "--json", *options, cwd=story.path, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    found: list[dict[str, Any]] = json.loads(done.stdout)["candidates"]
    return found


def standing(candidates: list[dict[str, Any]]) -> str:
    """The hunk of the patch that both releases have, in `xen_start_kernel`."""
    [mine] = [one for one in candidates if one["section"] == "xen_start_kernel" and one["side"] == "standing"]
    [name] = mine["hunks"]
    return str(name)


def test_by_the_list_with_the_trace_that_it_prints(metadiff: Metadiff, story: Repository, tmp_path: Path) -> None:
    story.git("worktree", "add", "-q", "--detach", tmp_path / "d2", "refs/metadiff/default/downstream")
    crash = boot(tmp_path / "d2").stdout
    first, *others = suspects(metadiff, story, "--trace", "-", stdin=crash)
    assert first["hunks"] == [HOOK] and first["partners"][0] == standing(others)
    assert first["hunks"] == suspects(metadiff, story, "--trace", str(FIXTURE / "trace.txt"))[0]["hunks"]


def test_by_the_list_without_a_trace(metadiff: Metadiff, story: Repository) -> None:
    candidates = suspects(metadiff, story)
    [rank] = [one["rank"] for one in candidates if one["hunks"] == [HOOK]]
    assert rank <= 5 and standing(candidates) in candidates[rank - 1]["partners"]


def test_one_build_settles_it(metadiff: Metadiff, story: Repository, tmp_path: Path) -> None:
    name = standing(suspects(metadiff, story))
    done = metadiff("bisect", "try", "--without", name, cwd=story.path)
    assert done.returncode == 0, done.stderr
    ref = story.git("for-each-ref", "--format=%(refname)", "refs/metadiff/default/bisect/try")
    story.git("worktree", "add", "-q", "--detach", tmp_path / "try", ref)
    assert boot(tmp_path / "try").returncode == 0, "without the standing hunk it boots"


def run_search(metadiff: Metadiff, story: Repository, *options: str, **environ: str) -> Mapping[str, Any]:
    """A search to its end, as JSON; it must find one step."""
    done = metadiff("bisect", "run", "--json", *options, "--", *BOOT, cwd=story.path, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout)
    return found


def test_by_a_chain_on_the_patchset_axis_and_then_its_partner(metadiff: Metadiff, story: Repository) -> None:
    name = standing(suspects(metadiff, story))
    before = story.git("rev-parse", "HEAD"), story.git("symbolic-ref", "HEAD")
    options = ["--axis", "patchset", "--minimize", "--trace", str(FIXTURE / "trace.txt")]
    done = metadiff("bisect", "run", *options, "--", *BOOT, cwd=story.path)
    assert done.returncode == 0, done.stdout + done.stderr
    found, _, partner = done.stdout.decode().partition("\n")
    assert name[:7] in done.stdout.decode() and "xen_start_kernel" in found, done.stdout
    assert "pmu" in partner, done.stdout
    assert metadiff("bisect", "reset", cwd=story.path).returncode == 0
    assert (story.git("rev-parse", "HEAD"), story.git("symbolic-ref", "HEAD")) == before
    assert story.git("status", "--porcelain") == ""


def test_by_carrying_through_upstreams_history(metadiff: Metadiff, story: Repository) -> None:
    found = run_search(metadiff, story, "--carry")
    [guilty] = found["found"]["guilty"]
    subject = story.git("log", "-1", "--format=%s", guilty["upstream"])
    assert subject == "xen: ask the performance counters first"
    assert HOOK in guilty["hunks"]


def test_a_guilty_commit_is_taken_apart_and_its_partner_found(metadiff: Metadiff, story: Repository) -> None:
    name = standing(suspects(metadiff, story))
    found = metadiff("bisect", "run", "--carry", "--", *BOOT, cwd=story.path)
    assert re.search(
        rb"\nthen   git metadiff bisect run --minimize finds which of its \d+ hunks matter\n", found.stdout
    )
    done = metadiff("bisect", "run", "--minimize", cwd=story.path)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.decode()
    assert "pair    it fails only with both, and works without either" in said, said
    upstream, downstream = said.partition("  upstream\n")[2].split("  downstream\n")
    brought = [line.split()[0] for line in upstream.splitlines()]
    assert HOOK in brought and len(brought) == 4, "the hook, and the line without which it is not called"
    assert [line.split()[0] for line in downstream.splitlines()] == [name]


def test_what_was_minimised_is_in_the_document(metadiff: Metadiff, story: Repository) -> None:
    name = standing(suspects(metadiff, story))
    done = metadiff("bisect", "run", "--carry", "--minimize", "--json", "--", *BOOT, cwd=story.path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["found"]
    assert found["minimal"]["certain"] is False and found["partner"]["certain"] is True
    assert [one["path"] for one in found["minimal"]["hunks"] if one["needed"]] == ["arch/x86/xen/enlighten.c"]
    assert found["pair"]["found"] and HOOK in found["pair"]["upstream"] and found["pair"]["downstream"] == [name]
