"""The hooks put into a repository and taken out again; hooks that are there already are kept, and called first."""

from __future__ import annotations

import os
from pathlib import Path

from git_metadiff.errors import MetadiffError

#: The hooks, in the order in which git may call them.
HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "pre-applypatch", "post-applypatch", "post-rewrite")
#: A line of every hook of ours.
MARK = b"# git-metadiff-guard"
#: Behind the name of a hook that was there before.
BEFORE = ".before-metadiff"


def hooks_source() -> Path:
    """Where the hooks come from: the installed package's data, or the checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "data" / "hooks", package.parent / "hooks"):
        if (folder / HOOKS[0]).is_file():
            return folder
    raise MetadiffError("the hooks of git metadiff are not installed", "install git-metadiff again")


def install(folder: Path) -> list[str]:
    """Put the hooks into `folder`; what was changed, in words. A second time it changes nothing."""
    source, told = hooks_source(), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in HOOKS:
            content, path = (source / name).read_bytes(), folder / name
            if is_ours(path) and path.read_bytes() == content and os.access(path, os.X_OK):
                continue
            if os.path.lexists(path) and not is_ours(path):
                keep_before(path)
                told.append(f"{name}: installed; the hook that was there is called first, as {name}{BEFORE}")
            else:
                told.append(f"{name}: {'brought up to date' if is_ours(path) else 'installed'}")
            write_hook(path, content)
    except OSError as error:
        raise failed(folder, error) from error
    return told


def keep_before(path: Path) -> None:
    """Give a hook of the user's another name."""
    other = path.with_name(path.name + BEFORE)
    if os.path.lexists(other):
        raise MetadiffError(
            f"both {path.name} and {other.name} are there, and neither is the guard's", "remove or join one of them"
        )
    path.rename(other)


def write_hook(path: Path, content: bytes) -> None:
    """Write a hook whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.replace(path)


def uninstall(folder: Path) -> list[str]:
    """Take the hooks out of `folder`, and put back what was there; what was changed, in words."""
    told = []
    try:
        for name in HOOKS:
            path, other = folder / name, folder / (name + BEFORE)
            if is_ours(path):
                path.unlink()
                told.append(f"{name}: removed")
            if os.path.lexists(other) and not os.path.lexists(path):
                other.rename(path)
                told.append(f"{name}: the hook that was there before is back")
    except OSError as error:
        raise failed(folder, error) from error
    return told


def is_ours(path: Path) -> bool:
    """Whether a hook is the guard's."""
    try:
        return MARK in path.read_bytes()[:400]
    except OSError:
        return False


def failed(folder: Path, error: OSError) -> MetadiffError:
    """The error for hooks that cannot be written."""
    return MetadiffError(
        f"cannot change the hooks in {folder}: {error.strerror}", "check the permissions of that folder"
    )
