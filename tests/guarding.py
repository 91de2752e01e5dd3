"""Repositories for the tests of the guard: a patch folder beside its upstream, and commits on top of an upstream."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from git_metadiff.cli import main
from tests.conftest import Repository

#: Functions of the file that the patches change.
FUNCTIONS = 30
#: What the upstream of the rebased commits changes, and what its next release does to the packaged file.
HEADING = "/* release 2 */\n"


def source(changes: Mapping[int, str] | None = None, head: str = "") -> str:
    """A file of many small functions; `changes` replaces what one returns."""
    bodies = (changes or {}).get
    return head + "".join(
        f"int f{at}(void)\n{{\n\tint x{at} = {at};\n\n\treturn {bodies(at, f'x{at}')};\n}}\n\n"
        for at in range(FUNCTIONS)
    )


class Package(Repository):
    """A packaging repository: upstream's tree and a quilt series, patches not applied."""

    FOLDER = "debian/patches"

    def __init__(self, path: Path, patches: Mapping[str, str], *options: str) -> None:
        super().__init__(path, *options)
        self.order = list(patches)
        self.commit({"src/a.c": source(), "src/b.c": source()}, "upstream 1")
        self.commit(self.series(patches), "patches")

    def series(self, patches: Mapping[str, str | bytes | None], names: Sequence[str] | None = None) -> dict[str, Any]:
        """Patches as files, and the series that names them."""
        order = list(patches) if names is None else names
        files: dict[str, Any] = {f"{self.FOLDER}/{name}": text for name, text in patches.items()}
        return files | {f"{self.FOLDER}/series": "".join(f"{name}\n" for name in order)}

    def patch(self, name: str) -> str:
        """The text of a patch in the work tree."""
        return (self.path / self.FOLDER / name).read_text()

    def stage(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files and stage everything."""
        self.write(files)
        self.git("add", "-A", "-f")

    def edit(self, name: str, text: str) -> None:
        """Stage another text of a patch."""
        self.stage({f"{self.FOLDER}/{name}": text})


def make_patch(changes: Mapping[str, tuple[Mapping[int, str], Mapping[int, str]]], folder: Path, *options: str) -> str:
    """A patch: per file the returns before and after it."""
    folder.mkdir(exist_ok=True)
    text = ""
    for name, (old, new) in changes.items():
        for side, values in (("old", old), ("new", new)):
            (folder / side).write_text(source(values))
        command = ["git", "diff", "--no-index", "--no-color", *options, "old", "new"]
        out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
        body = out[out.index("@@") :]
        text += f"--- a/{name}\n+++ b/{name}\n{body}"
    return text


def guard(capfd: pytest.CaptureFixture[str], cwd: Path, *arguments: str) -> tuple[int, str]:
    """Run `git metadiff guard` in this process; its status and all that it wrote."""
    before = Path.cwd()
    os.chdir(cwd)
    try:
        capfd.readouterr()
        status = main(["guard", *arguments])
    finally:
        os.chdir(before)
    out, err = capfd.readouterr()
    return status, out + err


def found(capfd: pytest.CaptureFixture[str], cwd: Path, *arguments: str) -> dict[str, list[dict[str, Any]]]:
    """The findings of a run, by verdict; only those that block under `!`."""
    status, out = guard(capfd, cwd, *arguments, "--json")
    report = json.loads(out)
    findings: dict[str, list[dict[str, Any]]] = {}
    for one in report["findings"]:
        findings.setdefault(("!" if one["blocks"] else "") + one["verdict"], []).append(one)
    assert status == int(report["refused"]) == int(any(name[0] == "!" for name in findings))
    return findings


Resolve = Callable[[str], str]


class Topic(Repository):
    """Commits on top of an upstream that moved; the second of them conflicts with it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.commit({"a.c": source()}, "base", tag="base")
        self.git("checkout", "-q", "-b", "upstream")
        self.commit({"a.c": source({10: "up10", 25: "up25"}, HEADING)}, "upstream moves")
        self.git("checkout", "-q", "-b", "topic", "base")
        self.commit({"a.c": source({3: "one3"})}, "one")
        self.commit({"a.c": source({3: "one3", 10: "two10", 12: "two12", 20: "check(x20)"})}, "two")
        self.commit({"a.c": source({3: "one3", 10: "two10", 12: "two12", 20: "check(x20)", 28: "three28"})}, "three")
        self.git("metadiff", "guard", "--install")

    def clean(self) -> None:
        """Take the conflict out of the second commit."""
        self.git("reset", "-q", "--hard", "base")
        self.commit({"a.c": source({3: "one3"})}, "one")
        self.commit({"a.c": source({3: "one3", 12: "two12", 20: "check(x20)"})}, "two")
        self.commit({"a.c": source({3: "one3", 12: "two12", 20: "check(x20)", 28: "three28"})}, "three")

    def resolve(self, chosen: Mapping[int, str], folder: Path | None = None) -> None:
        """Resolve the conflict at the second commit so that these functions return that."""
        path = self.path if folder is None else folder
        (path / "a.c").write_text(source({3: "one3", 10: "up10", 25: "up25"} | dict(chosen), HEADING))
        subprocess.run(["git", "add", "a.c"], cwd=path, check=True)


def attempt(path: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    """Run git, whatever its status; all that it wrote."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=path,
        env=os.environ | {"GIT_EDITOR": "true"} | environ,
        capture_output=True,
        check=False,
    )
    return done.returncode, os.fsdecode(done.stdout + done.stderr)
