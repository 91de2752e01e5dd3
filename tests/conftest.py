"""Sealed tests: no test sees the user's home, git settings, clock or terminal, and one that would fails loudly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
REAL_HOME = Path("~").expanduser().resolve()
#: Below a home, but not the user's own things: the checkout, the interpreter and temporary files.
OPEN_TO_WRITE = tuple(
    str(Path(folder).resolve()) + os.sep
    for folder in (ROOT, sys.prefix, sys.base_prefix, tempfile.gettempdir(), "/dev")
)
#: Frozen, so that ids of commits made by tests never change.
DATE = "1112911993 +0000"
SCRUBBED = ("GIT_", "XDG_", "METADIFF_", "LC_", "GCM_", "SSH_")
SCRUBBED_NAMES = ("EMAIL", "PAGER", "LESS", "LV", "NO_COLOR", "COLUMNS", "LANGUAGE", "LANG", "EDITOR", "VISUAL")

Metadiff = Callable[..., "subprocess.CompletedProcess[bytes]"]


class Seal:
    """While a test runs: refuses to open files below the real home for writing, or to start programs that know it."""

    active = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.active:
            return
        if event == "open":
            self.check_open(*arguments[:3])
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"):
            for path in arguments[:2]:
                self.check_path(path)
        elif event == "subprocess.Popen":
            environ = arguments[3] if isinstance(arguments[3], Mapping) else os.environ
            if str(environ.get("HOME", "")) == str(REAL_HOME):
                raise AssertionError(f"a test starts {arguments[1]!r} with the real HOME")

    def check_open(self, path: object, mode: object, flags: object) -> None:
        """Raise AssertionError if this opens something of the user's for writing."""
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self.check_path(path)

    def check_path(self, path: object) -> None:
        """Raise AssertionError if `path` is the user's own."""
        if not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.path.abspath(os.fsdecode(path))
        if name.startswith(str(REAL_HOME) + os.sep) and not name.startswith(OPEN_TO_WRITE):
            raise AssertionError(f"a test writes to {name}, in the real home")


SEAL = Seal()
sys.addaudithook(SEAL)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout's `git-metadiff`, in a folder that every test has on its PATH."""
    path = tmp_path_factory.mktemp("bin") / "git-metadiff"
    code = f"import sys\nsys.path[0] = {str(ROOT)!r}\nfrom git_metadiff.cli import main\nsys.exit(main())\n"
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, program: Path) -> Iterator[Path]:
    """An empty home of the test's own, and an environment in which git finds nothing but what the test puts there."""
    folder = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(SCRUBBED) or name in SCRUBBED_NAMES:
            monkeypatch.delenv(name)
    settings = {
        "HOME": folder,
        "XDG_CONFIG_HOME": folder / ".config",
        "XDG_CACHE_HOME": folder / ".cache",
        "XDG_DATA_HOME": folder / ".local" / "share",
        "XDG_STATE_HOME": folder / ".local" / "state",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": folder / ".gitconfig",
        "GIT_AUTHOR_NAME": "A U Thor",
        "GIT_AUTHOR_EMAIL": "author@example.com",
        "GIT_AUTHOR_DATE": DATE,
        "GIT_COMMITTER_NAME": "C O Mitter",
        "GIT_COMMITTER_EMAIL": "committer@example.com",
        "GIT_COMMITTER_DATE": DATE,
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(folder)  # never in the checkout, which is a repository too
    SEAL.active = True
    yield folder
    SEAL.active = False


class Repository:
    """A real git repository, and short ways to fill it."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options, ".")

    def git(self, *arguments: str | Path, stdin: bytes = b"") -> str:
        """Run git and return its output, stripped; a failure fails the test."""
        return os.fsdecode(run(["git", *arguments], self.path, stdin)).strip()

    def bash(self, script: str) -> str:
        """Run a script in the repository; its first failing command fails the test."""
        return os.fsdecode(run(["bash", "-euo", "pipefail", "-c", script], self.path)).strip()

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files with their content; None removes one."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "work", *, tag: str | None = None) -> str:
        """Write files, commit everything, tag it, and return the id of the commit."""
        self.write(files)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")

    def diff(self, old: str, new: str) -> bytes:
        """The patch from one revision to another."""
        return run(["git", "diff-tree", "-r", "-p", "--binary", "--full-index", old, new], self.path)


def run(command: list[str | Path] | list[str], cwd: Path, stdin: bytes = b"") -> bytes:
    """Run a program and return its output; a failure fails the test, with what the program said."""
    done = subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, check=False)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{os.fsdecode(done.stdout + done.stderr)}"
    return done.stdout


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., Repository]:
    """Makes repositories: `make_repository("name", "--bare")`."""
    return lambda name="repository", *options: Repository(tmp_path / name, *options)


@pytest.fixture
def repository(make_repository: Callable[..., Repository]) -> Repository:
    """One ordinary, empty repository."""
    return make_repository()


@pytest.fixture
def metadiff(program: Path) -> Metadiff:
    """Runs `git metadiff` as a process: `metadiff("v1", …, cwd=…, stdin=b"", NO_COLOR="1")`; checks no status."""

    def start(
        *arguments: str | Path, cwd: Path | None = None, stdin: bytes = b"", **environ: str
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "metadiff", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, env=os.environ | environ, check=False)

    return start


def make_story(path: Path) -> Repository:
    """A repository with both releases of the fixture as tags; the older one is checked out."""
    repository = Repository(path)
    for tag in ("v4.3.3", "v4.2.7"):
        repository.git("rm", "-rqf", "--ignore-unmatch", ".")
        shutil.copytree(
            ROOT / "fixtures" / "xen-boot-crash" / tag.replace("v", "upstream-"),
            path,
            dirs_exist_ok=True,
            copy_function=shutil.copy,
        )
        repository.commit({}, tag, tag=tag)
    return repository


def make_compared_story(path: Path) -> Repository:
    """The repository of `make_story` with the comparison of the fixture's two patches stored; made once."""
    from git_metadiff.compare import compare

    if path.exists():
        return Repository(path)
    repository = make_story(path)
    patchsets = [str(ROOT / "fixtures" / "xen-boot-crash" / name) for name in ("p1.patch", "p2.patch")]
    compare(path / ".git", ["v4.2.7", "v4.3.3"], patchsets, environ=os.environ, cwd=path)
    return repository
