"""The door to git: nothing that a user, a repository or a tree has set changes a result or runs a program."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from git_metadiff import render
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError
from git_metadiff.git import absolute_url, config_line
from git_metadiff.model import Comparison
from git_metadiff.render.view import View
from git_metadiff.store import open_store
from tests.conftest import Repository
from tests.pairs import (
    ATTRIBUTES,
    Trap,
    changed,
    compare_pair,
    copy_of,
    make_pair,
    results_of,
    snapshot,
)


class Clean(NamedTuple):
    """The pair, and what a run gives where nothing is set."""

    repository: Repository
    comparison: Comparison
    refs: str


@pytest.fixture(scope="session")
def kept() -> list[Clean]:
    """What the first test that needs `clean` leaves to the others."""
    return []


@pytest.fixture
def clean(kept: list[Clean], tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """The pair as it was made, and its comparison from a copy of it."""
    if not kept:
        folder = tmp_path_factory.mktemp("clean")
        repository = make_pair(Repository(folder / "repository"), brings=ATTRIBUTES)
        copied = copy_of(repository, folder / "copy")
        kept.append(Clean(repository, compare_pair(copied), copied.git("for-each-ref", "refs/metadiff")))
    return kept[0]


@pytest.fixture
def repository(clean: Clean, tmp_path: Path) -> Repository:
    """A copy of the pair."""
    return copy_of(clean.repository, tmp_path / "repository")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trap:
    """A program that must not run; scripts of the tests know it as $EVIL."""
    made = Trap(tmp_path / "trap")
    monkeypatch.setenv("EVIL", str(made.program))
    return made


def check_same(repository: Repository, clean: Clean, trap: Trap, **environ: str) -> None:
    """A comparison gives the ids of a clean run, runs nothing, and adds nothing but one pack and its own refs."""
    before = snapshot(repository.path)
    found = compare_pair(repository, environ=environ)
    assert trap.sprung == ""
    fresh, touched = changed(before, snapshot(repository.path))
    assert touched == []
    packs = {name for name in fresh if name.startswith(".git/objects/")}
    assert set(fresh) - packs == results_of("default")
    stem = next(iter(packs)).rpartition(".")[0]
    assert packs == {f"{stem}.pack", f"{stem}.idx"}
    assert found == clean.comparison
    assert git_anyway(repository, "for-each-ref", "refs/metadiff") == clean.refs


def git_anyway(repository: Repository, *arguments: str) -> str:
    """The output of git in a repository whose settings count for nothing."""
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", f"--git-dir={repository.path / '.git'}", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, check=True, text=True).stdout.strip()


# Attributes and their drivers


EVERY = "merge=evil diff=evil filter=evil -text"
DRIVERS = """
git config merge.evil.driver "$EVIL merge %O %A %B"
git config diff.evil.command "$EVIL command"
git config diff.evil.textconv "$EVIL textconv"
git config diff.evil.cachetextconv true
git config diff.evil.binary true
git config diff.evil.xfuncname "line 2"
git config filter.evil.clean "$EVIL clean"
git config filter.evil.smudge "$EVIL smudge"
git config filter.evil.process "$EVIL process"
git config filter.evil.required true
"""
#: Shows that the trap would spring: a merge of what both sides changed, with the user's own git.
MERGE = "git merge-tree --write-tree refs/metadiff/default/downstream^ refs/metadiff/default/upstream"
PLACES = (
    "echo {} >.git/info/attributes",
    "echo {} >.gitattributes",
    "echo {} >../attributes; git config core.attributesFile ../attributes",
    'mkdir -p "$XDG_CONFIG_HOME/git"; echo {} >"$XDG_CONFIG_HOME/git/attributes"',
)


def set_everywhere(repository: Repository, attributes: str) -> None:
    """Give every file these attributes, in all places where git looks for them."""
    repository.bash("".join(place.format(shlex.quote(f"* {attributes}\n")) + "\n" for place in PLACES))


def test_drivers_do_not_run(repository: Repository, clean: Clean, trap: Trap) -> None:
    repository.bash(DRIVERS)
    set_everywhere(repository, EVERY)
    check_same(repository, clean, trap)
    repository.bash(f"{MERGE} || true")
    assert "merge" in trap.sprung


@pytest.mark.parametrize(
    "attributes", ["merge=union", "binary", "-diff -merge", "text eol=crlf working-tree-encoding=UTF-16 ident"]
)
def test_attributes_do_not_count(attributes: str, repository: Repository, clean: Clean, trap: Trap) -> None:
    set_everywhere(repository, attributes)
    check_same(repository, clean, trap)


# Settings


SETTINGS = {
    "apply": """
apply.whitespace=error-all
apply.ignoreWhitespace=change
core.whitespace=trailing-space,cr-at-eol,tab-in-indent,blank-at-eol
""",
    "renames": """
merge.renameLimit=1
diff.renameLimit=1
merge.renames=false
diff.renames=copies
merge.directoryRenames=true
merge.conflictStyle=zdiff3
merge.verbosity=5
""",
    "diff": """
diff.noprefix=true
diff.mnemonicPrefix=true
diff.srcPrefix=x/
diff.algorithm=patience
diff.context=0
diff.interHunkContext=20
diff.external=$EVIL
diff.orderFile=/nonexistent
diff.suppressBlankEmpty=true
diff.indentHeuristic=false
diff.relative=true
diff.ignoreSubmodules=all
diff.submodule=diff
diff.wordRegex=.
diff.colorMoved=zebra
diff.wsErrorHighlight=all
diff.dirstat=lines
color.ui=always
color.diff=always
""",
    "core": """
core.autocrlf=true
core.eol=crlf
core.safecrlf=true
core.quotePath=false
core.ignoreCase=true
core.precomposeUnicode=true
core.symlinks=false
core.fileMode=false
core.compression=9
core.looseCompression=0
core.bigFileThreshold=1
core.abbrev=4
core.logAllRefUpdates=always
core.filesRefLockTimeout=0
core.packedRefsTimeout=0
core.fsmonitor=$EVIL
core.untrackedCache=true
core.splitIndex=true
core.sparseCheckout=true
core.pager=$EVIL
core.editor=$EVIL
core.sshCommand=$EVIL
core.askPass=$EVIL
core.gitProxy=$EVIL
core.alternateRefsCommand=$EVIL
core.commentChar=auto
core.multiPackIndex=true
core.warnAmbiguousRefs=false
pager.diff-tree=$EVIL
pager.cat-file=$EVIL
pager.rev-parse=$EVIL
""",
    "identity": """
user.name=Somebody Else
user.email=else@example.com
user.useConfigOnly=true
author.name=Another
committer.name=Yet Another
i18n.commitEncoding=ISO-8859-15
i18n.logOutputEncoding=UTF-16
commit.gpgSign=true
tag.gpgSign=true
gpg.program=$EVIL
gpg.format=x509
gpg.x509.program=$EVIL
log.showSignature=true
log.date=relative
log.follow=true
log.mailmap=true
mailmap.file=/nonexistent
""",
    "housekeeping": """
gc.auto=1
gc.autoPackLimit=1
maintenance.auto=true
fastimport.unpackLimit=1000000
transfer.unpackLimit=1000000
pack.packSizeLimit=1m
pack.writeBitmaps=true
pack.depth=0
pack.compression=9
index.version=4
feature.experimental=true
feature.manyFiles=true
transfer.hideRefs=refs/metadiff
uploadpack.hideRefs=refs/metadiff
receive.denyUpdates=true
""",
    "aliases": "".join(
        f"alias.{name}=!$EVIL\n"
        for name in ("apply", "cat-file", "config", "diff-tree", "fast-import", "log", "ls-tree", "mktree", "rev-parse")
    ),
}


def write_settings(path: Path, settings: str, trap: Trap) -> None:
    """Add `section.name=value` lines to a configuration file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for line in settings.replace("$EVIL", str(trap.program)).split("\n"):
        if line:
            name, _, value = line.partition("=")
            subprocess.run(["git", "config", "--file", path, name, value], check=True)


@pytest.mark.parametrize("groups", [("apply", "renames", "diff"), ("core",), ("identity", "housekeeping", "aliases")])
def test_settings_of_the_repository(groups: tuple[str, ...], repository: Repository, clean: Clean, trap: Trap) -> None:
    write_settings(repository.path / ".git" / "config", "".join(SETTINGS[group] for group in groups), trap)
    check_same(repository, clean, trap)


def test_settings_of_the_user_and_the_system(
    repository: Repository, clean: Clean, trap: Trap, home: Path, tmp_path: Path
) -> None:
    every = "".join(SETTINGS.values())
    for path in (home / ".gitconfig", home / ".config" / "git" / "config", tmp_path / "system"):
        write_settings(path, every, trap)
    system = {"GIT_CONFIG_SYSTEM": str(tmp_path / "system"), "GIT_CONFIG_NOSYSTEM": "0"}
    check_same(repository, clean, trap, **system, GIT_CONFIG_GLOBAL=str(home / ".gitconfig"))


def test_settings_of_one_worktree(repository: Repository, clean: Clean, trap: Trap) -> None:
    repository.git("config", "extensions.worktreeConfig", "true")
    write_settings(repository.path / ".git" / "config.worktree", "".join(SETTINGS.values()), trap)
    check_same(repository, clean, trap)


def views(repository: Repository, comparison: Comparison) -> list[bytes]:
    """What each view that asks git for more shows of a comparison."""
    reader = open_store(repository.path / ".git", os.environ).reader()
    wide, functions = View(context=7), View(function_context=True, everything=True)
    return [
        b"".join(render.patch(comparison, wide, reader)),
        b"".join(render.patch(comparison, functions, reader)),
        b"".join(render.full(comparison, functions, reader)),
        b"".join(render.collisions(comparison, wide, reader)),
    ]


def test_views_know_no_settings(repository: Repository, clean: Clean, trap: Trap) -> None:
    compare_pair(repository)
    expected = views(repository, clean.comparison)
    repository.bash(DRIVERS)
    set_everywhere(repository, EVERY)
    write_settings(repository.path / ".git" / "config", "".join(SETTINGS.values()), trap)
    assert views(repository, clean.comparison) == expected
    assert trap.sprung == ""
    assert b"@@" in expected[0] and b"Binary" not in expected[0]


# Hooks


HOOKS = ("post-index-change", "reference-transaction", "post-checkout", "pre-auto-gc", "post-commit", "update")


@pytest.mark.parametrize("folder", [".git/hooks", "../hooks"])
def test_hooks_do_not_run(folder: str, repository: Repository, clean: Clean, trap: Trap) -> None:
    hooks = repository.path / folder
    hooks.mkdir(exist_ok=True)
    for name in HOOKS:
        (hooks / name).symlink_to(trap.program)
    if folder != ".git/hooks":
        repository.git("config", "core.hooksPath", str(hooks))
    check_same(repository, clean, trap)
    repository.bash("git update-ref refs/heads/x HEAD 2>/dev/null || true; git read-tree HEAD")
    assert {Path(line.split()[0]).name for line in trap.sprung.splitlines()} >= set(HOOKS[:2])


# Other histories


def test_replace_refs_and_grafts(repository: Repository, clean: Clean, trap: Trap) -> None:
    repository.bash("""
        for name in v1 v2 v1:src v2:src v1:src/main.c v2:src/main.c v1:src/conflict.c; do
            case $name in
                *.c) other=$(echo other | git hash-object -w --stdin) ;;
                *:*) other=$(git mktree </dev/null) ;;
                *) other=$(git commit-tree -m other "$(git mktree </dev/null)") ;;
            esac
            git replace "$name" "$other"
        done
        git rev-parse v2 >.git/info/grafts
    """)
    check_same(repository, clean, trap, GIT_GRAFT_FILE=str(repository.path / ".git" / "info" / "grafts"))
    assert repository.git("log", "-1", "--format=%s", "v2") == "other"


# The environment


def variables(repository: Repository, trap: Trap) -> dict[str, str]:
    """Every variable of git's that could lead it astray, all set at once."""
    nowhere = str(repository.path / "nowhere")
    return {
        "GIT_DIR": nowhere,
        "GIT_WORK_TREE": nowhere,
        "GIT_COMMON_DIR": nowhere,
        "GIT_INDEX_FILE": nowhere,
        "GIT_OBJECT_DIRECTORY": nowhere,
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": nowhere,
        "GIT_QUARANTINE_PATH": nowhere,
        "GIT_NAMESPACE": "elsewhere",
        "GIT_CEILING_DIRECTORIES": "/",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "diff.noprefix",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "core.fsmonitor",
        "GIT_CONFIG_VALUE_1": str(trap.program),
        "GIT_CONFIG_PARAMETERS": f"'diff.external'='{trap.program}'",
        "GIT_EXTERNAL_DIFF": str(trap.program),
        "GIT_DIFF_OPTS": "-u0",
        "GIT_PAGER": str(trap.program),
        "GIT_EDITOR": str(trap.program),
        "GIT_SSH_COMMAND": str(trap.program),
        "GIT_EXEC_PATH": nowhere,
        "GIT_TEMPLATE_DIR": nowhere,
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_ATTR_SOURCE": "HEAD",
        "GIT_LITERAL_PATHSPECS": "0",
        "GIT_ICASE_PATHSPECS": "1",
        "GIT_REPLACE_REF_BASE": "refs/tags/",
        "GIT_GRAFT_FILE": nowhere,
        "GIT_SHALLOW_FILE": nowhere,
        "GIT_AUTHOR_NAME": "Somebody Else",
        "GIT_AUTHOR_DATE": "1234567890 +0900",
        "GIT_COMMITTER_EMAIL": "else@example.com",
        "GIT_COMMITTER_DATE": "1234567890 -0900",
        "GIT_TRACE": nowhere,
        "GIT_TRACE2_EVENT": nowhere,
        "GIT_TRACE_PACKET": nowhere,
        "GIT_MERGE_VERBOSITY": "5",
        "LC_ALL": "de_DE.UTF-8",
        "LANGUAGE": "de",
        "TZ": "Pacific/Kiritimati",
        "PAGER": str(trap.program),
        "HOME": nowhere,
        "XDG_CONFIG_HOME": nowhere,
    }


def test_variables_do_not_count(repository: Repository, clean: Clean, trap: Trap) -> None:
    check_same(repository, clean, trap, **variables(repository, trap))


def test_paths_are_no_patterns(repository: Repository) -> None:
    trees = [release.tree for release in compare_pair(repository).releases]
    reader = open_store(repository.path / ".git", os.environ).reader()

    def files(*paths: bytes) -> int:
        return reader.diff(trees[0], trees[1], 3, False, paths).count(b"diff --git")

    assert (files(b"src/*.c"), files(b":/src/main.c"), files(b"src/main.c")) == (0, 0, 1)
    assert files(*[b"src/main.c"] * 100_000) > 1  # more than one process can be told: all of them
    assert reader.read(trees[0], b"src/*.c") is None


# Files that git makes as it makes its own


@pytest.mark.parametrize(("shared", "umask"), [("umask", 0o077), ("umask", 0o022), ("group", 0o077), ("0664", 0o077)])
def test_permissions_are_those_of_git(shared: str, umask: int, repository: Repository) -> None:
    repository.git("config", "core.sharedRepository", shared)
    before = os.umask(umask)
    try:
        compare_pair(repository)
        repository.git("repack", "-q")  # packs the user's own objects, which are loose
        repository.git("update-ref", "refs/own/one", "HEAD")
    finally:
        os.umask(before)
    packs = list((repository.path / ".git" / "objects" / "pack").iterdir())
    assert len(packs) == 4
    assert len({(path.suffix, mode_of(path)) for path in packs}) == 2
    refs = repository.path / ".git" / "refs"
    assert mode_of(refs / "metadiff" / "default" / "upstream") == mode_of(refs / "own" / "one")
    assert mode_of(refs / "metadiff" / "default") == mode_of(refs / "own")


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


# Names that begin with a dash, or hold what git reads as something else


@pytest.mark.parametrize("name", ["-p", "--output=oops", "--upload-pack=evil", "@{u}", "v1^{/x}", ":/v1", "a\tb", "*"])
def test_a_revision_is_never_an_option(name: str, repository: Repository) -> None:
    before = snapshot(repository.path)
    with pytest.raises(MetadiffError):
        compare(repository.path / ".git", ["v1", name], ["p1.patch", "p2.patch"], cwd=repository.path)
    with pytest.raises(MetadiffError):
        compare(repository.path / ".git", ["v1", "v2"], ["p1.patch", name], cwd=repository.path)
    assert changed(before, snapshot(repository.path)) == ([], [])


# A partial clone reaches its remote as its user says


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("../origin", "/srv/origin"),
        ("origin.git", "/srv/clone/origin.git"),
        ("/abs/origin", "/abs/origin"),
        ("./a:b", "/srv/clone/a:b"),
        ("https://example.com/x", "https://example.com/x"),
        ("host:path", "host:path"),
        ("file:///x", "file:///x"),
    ],
)
def test_addresses_of_remotes(url: str, expected: str) -> None:
    assert absolute_url(url.encode(), Path("/srv/clone")) == expected.encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"remote.origin.url", b"https://example.com/x"),
        (b'remote.a "b\\c.d.url', b'  C:\\x "y"\n\tz; # '),
        (b"core.sshcommand", b"ssh -o 'x y'"),
        (b"remote.caf\xe9.fetch", b"+refs/heads/*:refs/remotes/\xff/*"),
    ],
)
def test_settings_are_written_as_git_reads_them(name: bytes, value: bytes, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(config_line(name, value))
    done = subprocess.run(["git", "config", "-f", tmp_path / "config", "-z", "--list"], capture_output=True, check=True)
    assert done.stdout == name + b"\n" + value + b"\0"
