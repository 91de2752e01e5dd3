"""The user's own settings and pager, from a git that sees all that the user has configured.

Only the command line asks for them, for colours and the pager; never for a result. The one exception is how a partial
clone reaches its remote (see `borrowing`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from git_metadiff.git.failures import start_error_named


def user_settings(pattern: str, environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """The user's settings whose lower-case names match `pattern`; a name without a value counts as `true`.

    Empty where git cannot read them: what looks different must not stop the work.
    """
    return {os.fsdecode(name): os.fsdecode(value) for name, value in read_settings(pattern, environ, cwd)}


def read_settings(pattern: str, environ: Mapping[str, str], cwd: Path) -> list[tuple[bytes, bytes]]:
    """Names and values of the user's settings, all values of a name."""
    command = ["git", "config", "--null", "--get-regexp", pattern]
    with start_error_named():
        done = subprocess.run(command, capture_output=True, env=dict(environ), cwd=cwd, check=False)
    return split_settings(done.stdout)


def split_settings(out: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values in the output of `git config --null`; a name without a value counts as `true`."""
    pairs = [item.partition(b"\n") for item in out.split(b"\0") if item]
    return [(name, value if equals else b"true") for name, equals, value in pairs]


def user_paths(environ: Mapping[str, str], cwd: Path) -> tuple[Path, Path, Path] | None:
    """The git folder of the work tree, its index (that of a commit under way, in a hook) and the hooks' folder.

    None outside any repository, or in one that git does not trust.
    """
    command = ["git", "rev-parse", "--absolute-git-dir", "--git-path", "index", "--git-path", "hooks"]
    with start_error_named():
        done = subprocess.run(command, capture_output=True, env=dict(environ), cwd=cwd, check=False)
    lines = done.stdout.removesuffix(b"\n").split(b"\n")
    if done.returncode != 0 or len(lines) != 3:
        return None
    git_dir, index, hooks = (Path(os.path.abspath(cwd / os.fsdecode(line))) for line in lines)
    return git_dir, index, hooks


def user_pager(environ: Mapping[str, str], cwd: Path) -> str:
    """The pager that git would start; empty or `cat` for none."""
    with start_error_named():
        done = subprocess.run(["git", "var", "GIT_PAGER"], capture_output=True, env=dict(environ), cwd=cwd, check=False)
    return os.fsdecode(done.stdout).strip()


def start_pager(command: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the pager with a pipe on its input, and git's defaults for less and lv."""
    defaults = {"LESS": "FRX", "LV": "-c", "GIT_PAGER_IN_USE": "true"}
    with start_error_named():
        return subprocess.Popen(command, shell=True, stdin=subprocess.PIPE, env=defaults | dict(environ))
