"""What is shipped is the wheel: builds it, installs it into a fresh environment and looks inside. Needs no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHARED = (
    "share/man/man1/git-metadiff.1",
    "share/bash-completion/completions/git-metadiff",
    "share/zsh/site-functions/_git-metadiff",
    "share/fish/vendor_completions.d/git-metadiff.fish",
)
HOOKS = ("pre-commit", "commit-msg", "prepare-commit-msg", "pre-applypatch", "post-applypatch", "post-rewrite")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-cache-dir")


def run(*command: str | Path, **environ: str) -> bytes:
    """Run a program and return its output; a failure fails the test, with what the program said."""
    done = subprocess.run(command, capture_output=True, env=os.environ | environ, check=False)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{os.fsdecode(done.stdout + done.stderr)}"
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves wheel and environment for the others."""
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture
def wheel(folder: Path) -> Path:
    """The wheel, built from the checkout with the build backend that is installed here."""
    if not list(folder.glob("*.whl")):
        run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, ROOT)
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture
def installed(folder: Path, wheel: Path) -> Path:
    """A fresh environment with the wheel in it; its dependencies are those of the environment that runs the tests."""
    path = folder / "venv"
    if not path.exists():
        venv.create(path, symlinks=True)
        run(*PIP, "--python", path / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
        [packages] = path.glob("lib/python*/site-packages")
        (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return path


def test_wheel_holds_everything_once(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = "git_metadiff-0.1.0.data/data/"
    assert [name for name in names if name.startswith(data)] == sorted(data + name for name in SHARED)
    assert {f"git_metadiff/data/{name}schema.json" for name in ("", "alone.", "verify.", "port.")} <= set(names)
    assert "git_metadiff/cli/program.py" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    foreign = [name for name in names if not name.startswith("git_metadiff")]
    assert foreign == []
    assert not [name for name in names if name.startswith("git_metadiff/data/share") or name.endswith(".pyc")]


def test_installed_program_is_a_git_command(installed: Path, tmp_path: Path) -> None:
    path = f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}"
    where = run(installed / "bin" / "python", "-c", "import git_metadiff; print(git_metadiff.__file__)").decode()
    assert where.startswith(str(installed))
    assert run("git", "metadiff", "-h", PATH=path).startswith(b"usage: git metadiff")
    assert run("git", "metadiff", "--version", PATH=path) == b"git-metadiff 0.1.0\n"


def test_hooks_are_installed_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    path = f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}"
    run("git", "init", "-q", str(tmp_path))
    run("git", "-C", str(tmp_path), "metadiff", "guard", "--install", PATH=path)
    for name in HOOKS:
        hook = tmp_path / ".git" / "hooks" / name
        assert hook.read_bytes() == (ROOT / "hooks" / name).read_bytes() and os.access(hook, os.X_OK)


def test_manual(installed: Path) -> None:
    share = installed / "share"
    assert all((installed / name).is_file() for name in SHARED)
    if shutil.which("man") is None:
        pytest.skip("no man here; the page is in its place")
    settings = {"PATH": f"{installed / 'bin'}{os.pathsep}{os.environ['PATH']}", "MANPAGER": "cat", "MANWIDTH": "100"}
    page = run("git", "metadiff", "--help", MANPATH=str(share / "man"), **settings)
    if b"minimized" in page:
        pytest.skip("man is only a stub here; the page is in its place")
    assert b"git-metadiff" in page
    assert b"--patches" in page
    assert run(installed / "bin" / "git-metadiff", "--help", **settings) == page


def test_main_job_of_the_installed_program(installed: Path, tmp_path: Path) -> None:
    story = ROOT / "fixtures" / "xen-boot-crash"
    releases = [story / "upstream-4.2.7", story / "upstream-4.3.3"]
    patchsets = [story / "p1.patch", story / "p2.patch"]
    program = installed / "bin" / "git-metadiff"
    command = [str(word) for word in (program, *releases, "--patches", *patchsets, "--exit-code", "--stat")]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"fs/exec.c" in done.stdout
