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


def install(package: Package, hooks: Path, rev: str, *names: str) -> None:
    """Configure hooks of the manifest, and let the framework install itself."""
    chosen = "".join(f"  - id: {name}\n" for name in names)
    config = f"repos:\n- repo: {hooks}\n  rev: {rev}\n  hooks:\n{chosen}"
    package.commit({".pre-commit-config.yaml": config})
    kinds = ["-t", "pre-commit", "-t", "prepare-commit-msg", "-t", "commit-msg"]
    subprocess.run([sys.executable, "-m", "pre_commit", "install", *kinds], cwd=package.path, check=True)


def test_the_framework_runs_the_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "home"))
    hooks = Repository(tmp_path / "hooks-repository")
    shutil.copytree(ROOT / "hooks", hooks.path / "hooks")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks.path)
    rev = hooks.commit({})
    text = make_patch({"src/a.c": ({}, {3: "one3", 20: "check(x20)"})}, tmp_path / "texts")
    package = Package(tmp_path / "package", {"one.patch": text})
    install(package, hooks.path, rev, "metadiff-guard", "metadiff-guard-message")
    package.edit("one.patch", text[: text.rindex("@@ -")])
    status, said = attempt(package.path, "commit", "-m", "x")
    assert status != 0 and "dropped  one.patch  src/a.c:" in said and "git metadiff guard" in said
    package.git("metadiff", "guard", "--accept", "one.patch", "not needed")
    edited = text.replace("one3", "other3")
    package.edit("one.patch", edited)
    status, said = attempt(package.path, "commit", "-m", "x")
    assert status == 0, said
    assert "Metadiff-Dropped: one.patch: not needed" in package.git("log", "-1", "--format=%B")
    install(package, hooks.path, rev, "metadiff-guard-commit-msg")
    package.write({"debian/patches/one.patch": edited[: edited.rindex("@@ -")]})
    status, said = attempt(package.path, "commit", "-a", "-m", "x")
    assert status != 0 and "dropped  one.patch  src/a.c:" in said
    status, said = attempt(
        package.path, "commit", "-a", "-m", "x", "-m", "Metadiff-Dropped: one.patch: upstream has it"
    )
    assert status == 0, "a trailer by hand counts at this stage"
