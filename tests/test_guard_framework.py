"""The hooks of this repository's manifest, run by the pre-commit framework. Needs no network: they are scripts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Repository
from tests.guarding import Package, attempt, make_patch

pytest.importorskip("pre_commit")


def test_the_framework_runs_the_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "home"))
    hooks = Repository(tmp_path / "hooks-repository")
    shutil.copytree(ROOT / "hooks", hooks.path / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks.path)
    rev = hooks.commit({})
    text = make_patch({"src/a.c": ({}, {3: "one3", 20: "check(x20)"})}, tmp_path / "texts")
    package = Package(tmp_path / "package", {"one.patch": text})
    package.commit(
        {
            ".pre-commit-config.yaml": f"repos:\n- repo: {hooks.path}\n  rev: {rev}\n  hooks:\n"
            "  - id: metadiff-guard\n  - id: metadiff-guard-message\n"
        }
    )
    kinds = ["-t", "pre-commit", "-t", "prepare-commit-msg"]
    subprocess.run([sys.executable, "-m", "pre_commit", "install", *kinds], cwd=package.path, check=True)
    package.edit("one.patch", text[: text.rindex("@@ -")])
    status, said = attempt(package.path, "commit", "-m", "x")
    assert status != 0 and "dropped  one.patch  src/a.c:" in said and "git metadiff guard" in said
    package.git("metadiff", "guard", "--accept", "one.patch", "not needed")
    package.edit("one.patch", text.replace("one3", "other3"))
    status, said = attempt(package.path, "commit", "-m", "x")
    assert status == 0, said
    assert "Metadiff-Dropped: one.patch: not needed" in package.git("log", "-1", "--format=%B")
