"""The only door to git: every git process of the project is started here.

Two kinds of repositories pass through it. The *user's* repository is read (revisions, objects) and, at the very end,
given one pack and one ref transaction. All work happens in a *scratch* repository: a bare repository of our own that
borrows the user's objects through alternates and sees none of the user's configuration, attributes, hooks or replace
refs, because each of these has been seen to change a result or to run a program (see "the door to git" in the design).

A module uses only those before it: `settings`, `signals`, `failures`, `user`, `process`, then `objects` and `importing`
(contents read and written), `refs` and `files`, `worktree` (the only one that touches a work tree, for the bisection),
and last `borrowing` and `scratch`. All others import from here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it, which takes a while to import
if TYPE_CHECKING:
    from typing import Any

    from git_metadiff.git.borrowing import Reading, absolute_url, config_line
    from git_metadiff.git.files import make_bare, replace_file
    from git_metadiff.git.importing import FastImport, delete, modify
    from git_metadiff.git.objects import CatFile
    from git_metadiff.git.process import Git, check_git_version
    from git_metadiff.git.refs import broken_refs, remove_broken, update_refs
    from git_metadiff.git.scratch import ALIVE, MOVING, SCRATCH_PREFIX, Scratch
    from git_metadiff.git.settings import EPOCH
    from git_metadiff.git.signals import interruptible, uninterrupted
    from git_metadiff.git.user import read_settings, start_pager, user_pager, user_paths, user_settings
    from git_metadiff.git.worktree import Head, WorkTree, add_work_tree, open_work_tree

#: Where each name lives. It is imported when it is asked for: a hook has a few hundredths of a second in all.
HOMES = {
    "ALIVE": "scratch",
    "CatFile": "objects",
    "EPOCH": "settings",
    "FastImport": "importing",
    "Git": "process",
    "MOVING": "scratch",
    "Reading": "borrowing",
    "SCRATCH_PREFIX": "scratch",
    "Scratch": "scratch",
    "absolute_url": "borrowing",
    "broken_refs": "refs",
    "check_git_version": "process",
    "config_line": "borrowing",
    "delete": "importing",
    "interruptible": "signals",
    "make_bare": "files",
    "modify": "importing",
    "read_settings": "user",
    "remove_broken": "refs",
    "replace_file": "files",
    "start_pager": "user",
    "uninterrupted": "signals",
    "update_refs": "refs",
    "user_pager": "user",
    "user_paths": "user",
    "user_settings": "user",
    "Head": "worktree",
    "WorkTree": "worktree",
    "add_work_tree": "worktree",
    "open_work_tree": "worktree",
}


def __getattr__(name: str) -> Any:
    """Load a name of the door from its module."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = found
    return found


__all__ = [
    "ALIVE",
    "EPOCH",
    "MOVING",
    "SCRATCH_PREFIX",
    "CatFile",
    "FastImport",
    "Git",
    "Head",
    "Reading",
    "Scratch",
    "WorkTree",
    "absolute_url",
    "add_work_tree",
    "broken_refs",
    "check_git_version",
    "config_line",
    "delete",
    "interruptible",
    "make_bare",
    "modify",
    "open_work_tree",
    "read_settings",
    "remove_broken",
    "replace_file",
    "start_pager",
    "uninterrupted",
    "update_refs",
    "user_pager",
    "user_paths",
    "user_settings",
]
