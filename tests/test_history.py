"""History that never existed, in every kind of repository: real refs and commits that git's own tools work on."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError
from git_metadiff.history import clean_author
from git_metadiff.model import Comparison
from git_metadiff.store import Store, open_git
from tests.conftest import ROOT, Metadiff, Repository
from tests.pairs import (
    FIXTURE,
    MAIN,
    PATCHSETS,
    RELEASES,
    changed,
    compare_pair,
    copy_of,
    make_pair,
    results_of,
    snapshot,
)

MakeRepository = Callable[..., Repository]
REFS = [f"refs/metadiff/default/{branch}" for branch in ("comparison", "downstream", "upstream")]


@pytest.fixture(scope="session")
def made() -> list[tuple[Repository, Comparison]]:
    """The pair without a comparison, and its comparison; made by the first test that asks."""
    return []


@pytest.fixture
def clean(made: list[tuple[Repository, Comparison]], tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """What a comparison of the pair gives."""
    if not made:
        folder = tmp_path_factory.mktemp("made")
        original = make_pair(Repository(folder / "original"))
        made.append((original, compare_pair(copy_of(original, folder / "copy"))))
    return made[0][1]


@pytest.fixture
def pair(made: list[tuple[Repository, Comparison]], clean: Comparison, tmp_path: Path) -> Repository:
    """A copy of the pair."""
    return copy_of(made[0][0], tmp_path / "pair")


@pytest.fixture
def compared(pair: Repository, clean: Comparison) -> Repository:
    """A copy of the pair that was compared."""
    assert compare_pair(pair) == clean
    return pair


def existing(path: Path) -> Repository:
    """A repository that is there already."""
    found = Repository.__new__(Repository)
    found.path = path
    return found


def check_sound(repository: Repository) -> None:
    """Nothing is missing, damaged or left over, also when everything that can go is gone."""
    fsck = ("fsck", "--full", "--strict", "--no-dangling")
    assert "missing" not in repository.git(*fsck)
    assert re.search(r"garbage: 0\nsize-garbage: 0", repository.git("count-objects", "-v"))
    top = Path(repository.git("rev-parse", "--path-format=absolute", "--git-common-dir"))
    assert list(top.glob("metadiff-scratch-*")) == []
    repository.git("gc", "-q", "--prune=now")
    assert "missing" not in repository.git(*fsck)


def heads(repository: Repository) -> dict[str, str]:
    """All refs and where they are."""
    lines = repository.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split() for line in lines)


def unpack(repository: Repository, tag: str, folder: Path) -> None:
    """Unpack a release into a folder of its name."""
    (folder / tag).mkdir(parents=True)
    done = subprocess.run(["git", "archive", tag], cwd=repository.path, check=True, capture_output=True)
    subprocess.run(["tar", "-x"], cwd=folder / tag, input=done.stdout, check=True)


# Kinds of repositories


def test_bare(pair: Repository, clean: Comparison, tmp_path: Path) -> None:
    pair.git("clone", "-q", "--bare", ".", tmp_path / "bare.git")
    bare = existing(tmp_path / "bare.git")
    for name in PATCHSETS:
        shutil.copy(pair.path / name, bare.path / name)
    assert compare_pair(bare, git_dir=bare.path) == clean
    check_sound(bare)


def test_linked_worktree(pair: Repository, clean: Comparison, tmp_path: Path, metadiff: Metadiff) -> None:
    pair.git("worktree", "add", "-q", tmp_path / "linked", "v1")
    for name in PATCHSETS:
        shutil.copy(pair.path / name, tmp_path / "linked" / name)
    pair_before, linked = snapshot(pair.path), existing(tmp_path / "linked")
    assert metadiff(*MAIN, "--name", "linked", "--quiet", cwd=linked.path).stderr == b""
    fresh, touched = changed(pair_before, snapshot(pair.path))
    assert touched == []
    expected = results_of("linked") - {".git/metadiff-last"} | {".git/worktrees/linked/metadiff-last"}
    assert {name for name in fresh if "/objects/" not in name} == expected
    assert compare_pair(pair, name="main") == dataclasses.replace(clean, name="main")
    assert Store(open_git(pair.path / ".git", os.environ)).load(None).name == "main"
    assert Store(open_git(pair.path / ".git" / "worktrees" / "linked", os.environ)).load(None).name == "linked"
    assert [one.name for one in Store(open_git(pair.path / ".git", os.environ)).names()] == ["linked", "main"]
    check_sound(pair)


def test_sha256(make_repository: MakeRepository) -> None:
    repository = make_pair(make_repository("sha256", "--object-format=sha256"))
    found = compare_pair(repository)
    assert {len(release.commit) for release in found.releases} == {64}
    assert Store(open_git(repository.path / ".git", os.environ)).load("default") == found
    check_sound(repository)


def test_shallow_clone(pair: Repository, tmp_path: Path) -> None:
    pair.bash("for n in 1 2 3 4; do echo $n >>file; git add file; git commit -qm $n; git tag n$n; done")
    pair.git("clone", "-q", "--depth=3", f"file://{pair.path}", tmp_path / "shallow")
    shallow = existing(tmp_path / "shallow")
    found = compare(shallow.path / ".git", ["n2", "n2"], ["n2..n3", "n2..n4"], cwd=shallow.path)
    whole = compare(pair.path / ".git", ["n2", "n2"], ["n2..n3", "n2..n4"], cwd=pair.path)
    assert found == whole
    with pytest.raises(MetadiffError, match="neither a revision"):
        compare(shallow.path / ".git", ["n1", "n2"], ["n1..n2", "n2..n4"], cwd=shallow.path)
    check_sound(shallow)


@pytest.mark.parametrize("kind", ["blob:none", "tree:0"])
def test_partial_clone(kind: str, pair: Repository, clean: Comparison, tmp_path: Path) -> None:
    for name in ("allowFilter", "allowAnySHA1InWant"):
        pair.git("config", f"uploadpack.{name}", "true")
    pair.git("clone", "-q", "--no-checkout", f"--filter={kind}", f"file://{pair.path}", tmp_path / "partial")
    partial = existing(tmp_path / "partial")
    if kind == "blob:none":
        partial.git("config", "remote.origin.url", "../pair")  # as seen from the work tree
    for name in PATCHSETS:
        shutil.copy(pair.path / name, partial.path / name)
    assert compare_pair(partial) == clean
    pair.path.rename(tmp_path / "away")
    packs = len(list((partial.path / ".git" / "objects" / "pack").glob("*.promisor")))
    if kind == "blob:none":
        assert packs <= 6, "many objects at once, not one by one"
    check_sound(partial)
    assert compare_pair(partial, name="again") == dataclasses.replace(clean, name="again"), "what was fetched is kept"


def test_partial_clone_of_another_person(pair: Repository, tmp_path: Path) -> None:
    pair.git("config", "uploadpack.allowFilter", "true")
    pair.git("clone", "-q", "--no-checkout", "--filter=blob:none", f"file://{pair.path}", tmp_path / "partial")
    partial = existing(tmp_path / "partial")
    (tmp_path / "evil").write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    (tmp_path / "evil").chmod(0o755)
    partial.git("config", "remote.origin.uploadpack", tmp_path / "evil")
    patches = [str(pair.path / name) for name in PATCHSETS]
    for environ, runs in ((os.environ | {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}, False), (os.environ, True)):
        with pytest.raises(MetadiffError):
            compare(partial.path / ".git", RELEASES, patches, environ=environ)
        assert (tmp_path / "sprung").exists() == runs


def test_alternates(pair: Repository, clean: Comparison, tmp_path: Path) -> None:
    path = pair.path
    for depth in range(6):  # as deep as git itself follows them
        subprocess.run(["git", "clone", "-q", "-s", path, tmp_path / f"a{depth}"], check=True)
        path = tmp_path / f"a{depth}"
    last = existing(path)
    for name in PATCHSETS:
        shutil.copy(pair.path / name, last.path / name)
    relative = os.path.relpath(tmp_path / "a4" / ".git" / "objects", last.path / ".git" / "objects")
    (last.path / ".git" / "objects" / "info" / "alternates").write_text(f"# a comment\n\n{relative}\n")
    assert compare_pair(last) == clean
    check_sound(last)


ODD = b"we ird\"':\nnl\xff ~ `x` \\t %s * #;"


def test_odd_paths(pair: Repository, clean: Comparison, tmp_path: Path, metadiff: Metadiff) -> None:
    odd = existing(tmp_path / os.fsdecode(ODD))
    pair.path.rename(odd.path)
    done = metadiff(*MAIN, "--stat", cwd=odd.path / "src", stdin=b"")
    assert b"neither a path" in done.stderr  # the patches are one folder up
    done = metadiff("v1", "v2", "--patches", "../p1.patch", "../p2.patch", "--stat", cwd=odd.path / "src")
    assert (done.returncode, done.stderr) == (0, b"")
    assert Store(open_git(odd.path / ".git", os.environ)).load(None) == clean
    check_sound(odd)


def test_bare_repository_whose_name_ends_in_blanks(pair: Repository, clean: Comparison, tmp_path: Path) -> None:
    bare = existing(tmp_path / " bare \n ")
    (pair.path / ".git").rename(bare.path)
    subprocess.run(["git", "-C", bare.path, "config", "core.bare", "true"], check=True)
    for name in PATCHSETS:
        shutil.copy(pair.path / name, bare.path / name)
    assert compare_pair(bare, git_dir=bare.path) == clean
    check_sound(bare)


HOOK = """#!/bin/sh
env | grep ^GIT_ >"{out}"
git metadiff v1 v2 --patches "{top}/p1.patch" "{top}/p2.patch" --quiet --name hooked >>"{out}" 2>&1
test $? = 1
"""


@pytest.mark.parametrize(("linked", "argument"), [(False, "-a"), (True, "src/main.c")])
def test_inside_a_hook(linked: bool, argument: str, pair: Repository, tmp_path: Path) -> None:
    hook = pair.path / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(out=tmp_path / "out", top=pair.path))
    hook.chmod(0o755)
    where = pair
    if linked:
        pair.git("worktree", "add", "-q", tmp_path / "linked", "v2")
        where = existing(tmp_path / "linked")
    where.write({"src/main.c": "new\n"})
    where.git("commit", "-qm", "hooked", argument)
    out = (tmp_path / "out").read_text()
    assert "fatal" not in out and "GIT_INDEX_FILE=" in out
    assert ("GIT_DIR=" in out) == linked
    assert where.git("show", "HEAD:src/main.c") == "new"
    assert "refs/metadiff/hooked/comparison" in heads(pair)


def test_outside_any_repository(
    pair: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadiff: Metadiff
) -> None:
    folder = tmp_path / "plain"
    for tag in RELEASES:
        unpack(pair, tag, folder)
    files = [str(pair.path / name) for name in PATCHSETS]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    threads = [
        threading.Thread(target=open_git, args=(None, os.environ)) for _ in range(8)
    ]  # eight at once make one store
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = tmp_path / "data" / "git-metadiff" / "store.git"
    assert [path.name for path in store.parent.iterdir()] == ["store.git"]
    found = compare(None, RELEASES, files, cwd=folder)
    assert Store(open_git(None, os.environ)).load(None) == found
    check_sound(existing(store))
    assert metadiff("list", cwd=folder).stdout.startswith(b"default\tv1 v2\t")


def test_data_folder_must_be_absolute(home: Path) -> None:
    assert open_git(None, {**os.environ, "XDG_DATA_HOME": "relative"}).git_dir.is_relative_to(home)
    without = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_DATA_HOME")}
    with pytest.raises(MetadiffError, match="neither XDG_DATA_HOME nor HOME"):
        open_git(None, without)


def test_unborn_head(pair: Repository, make_repository: MakeRepository, tmp_path: Path) -> None:
    empty = make_repository("empty")
    with pytest.raises(MetadiffError, match="neither a revision nor a path"):
        compare_pair(empty)
    assert heads(empty) == {}
    for tag in RELEASES:
        unpack(pair, tag, tmp_path)
    files = [str(pair.path / name) for name in PATCHSETS]
    found = compare(empty.path / ".git", [str(tmp_path / tag) for tag in RELEASES], files, cwd=empty.path)
    assert set(heads(empty)) == set(REFS)
    assert found.transitions[0].certificate.holds
    check_sound(empty)


# The branches


SERIES = "first.patch\nsecond.patch\nthird.patch\n"


@pytest.fixture
def series(repository: Repository) -> Repository:
    """Three releases, and for each a quilt series of three patches."""
    lines = [f"line {number}\n" for number in range(60)]
    for release in range(3):
        lines[30] = f"upstream {release}\n"
        repository.commit({"file": "".join(lines), "Makefile": f"VERSION = {release}\n"}, tag=f"v{release}")
    for release in range(3):
        folder = repository.path.parent / f"q{release}"
        folder.mkdir()
        (folder / "series").write_text(SERIES)
        repository.git("checkout", "-q", "--detach", f"v{release}")
        for at, name in enumerate(SERIES.split()):
            text = (repository.path / "file").read_text().replace(f"line {at * 20 + 5}\n", f"patched {at} {release}\n")
            repository.write({"file": text})
            (folder / name).write_bytes(b"Subject: do it\n\n" + repository.git("diff").encode() + b"\n")
            repository.git("commit", "-qam", name)
    repository.git("checkout", "-q", "main")
    return repository


def test_parallel_branches(series: Repository) -> None:
    folders = [str(series.path.parent / f"q{release}") for release in range(3)]
    found = compare(series.path / ".git", ["v0", "v1", "v2"], folders, cwd=series.path)
    up, down = "refs/metadiff/default/upstream", "refs/metadiff/default/downstream"
    assert series.git("log", "--format=%s", up).splitlines() == ["v2", "v1", "v0"]
    assert [series.git("rev-parse", f"{up}~{2 - at}^{{tree}}") for at in range(3)] == [
        series.git("rev-parse", f"v{at}^{{tree}}") for at in range(3)
    ]
    assert series.git("log", "--first-parent", "-3", "--format=%s", down).splitlines()[:2] == ["v2 + q2", "v1 + q1"]
    for release in (1, 2):
        later = f"{down}~{2 - release}"
        assert series.git("rev-parse", f"{later}^{{tree}}") == found.patchsets[release].tree
        assert series.git("rev-parse", f"{later}^1") == found.patchsets[release - 1].commit
        patches = series.git("log", "--format=%s", f"{up}~{2 - release}..{later}^2").splitlines()
        assert len(patches) == 3
        assert series.git("rev-parse", f"{later}^2~3") == found.releases[release].commit
        assert series.git("rev-parse", f"{later}^2^{{tree}}") == found.patchsets[release].tree
    check_sound(series)


def test_git_works_on_them(compared: Repository, clean: Comparison) -> None:
    up, down = "refs/metadiff/default/upstream", "refs/metadiff/default/downstream"
    assert "|\\" in compared.git("log", "--graph", "--oneline", "refs/metadiff/default/comparison")
    blame = compared.git("blame", "-s", down, "--", "src/main.c")
    assert re.search(r"^\^?[0-9a-f]+ .*patched better", blame, re.MULTILINE)
    assert "upstream was here" in compared.git("show", f"{up}", "--", "src/main.c")
    ranges = compared.git("range-diff", f"{up}^..{down}^", f"{up}..{down}^2")
    assert "p1.patch" in ranges
    assert compared.git("show", "--remerge-diff", "--format=%s", down).startswith("v2 + p2.patch")
    ported = compared.git("log", "-1", "--format=%P", "refs/metadiff/default/comparison").split()[-1]
    assert compared.git("rev-parse", f"{ported}^{{tree}}") == clean.transitions[0].ported_tree
    assert compared.git("rev-parse", f"{ported}^") == compared.git("rev-parse", up)


def test_everything_is_kept(compared: Repository, clean: Comparison) -> None:
    before = compared.git("rev-list", "--objects", "--all").splitlines()
    compared.bash("""
        git tag -d v1 v2
        git checkout -q --orphan bare
        git branch -qD main
        git read-tree --empty
        git reflog expire --expire=now --all
    """)
    compared.git("gc", "-q", "--prune=now")
    store = Store(open_git(compared.path / ".git", os.environ))
    assert store.load(None) == clean
    trees = [*(one.tree for one in clean.releases), *(one.tree for one in clean.patchsets)]
    for tree in (*trees, clean.transitions[0].ported_tree):
        compared.git("ls-tree", "-r", tree)
    assert store.reader().diff(trees[0], trees[1], 3, False, ())
    kept = compared.git("rev-list", "--objects", "--all").splitlines()
    assert {line.split()[0] for line in kept} <= {line.split()[0] for line in before}
    store.forget("default")
    assert (heads(compared), store.last()) == ({}, None)
    compared.git("gc", "-q", "--prune=now")
    assert "missing" in compared.git("cat-file", "--batch-check", stdin=clean.patchsets[1].commit.encode())


def test_the_same_again_adds_nothing(compared: Repository, clean: Comparison) -> None:
    before = snapshot(compared.path)
    assert compare_pair(compared) == clean
    assert changed(before, snapshot(compared.path)) == ([], [])


def test_again_after_it_was_forgotten(compared: Repository, clean: Comparison) -> None:
    before = heads(compared), snapshot(compared.path / ".git" / "objects")
    Store(open_git(compared.path / ".git", os.environ)).forget("default")
    assert not set(heads(compared)) & set(REFS)
    assert compare_pair(compared) == clean
    assert (heads(compared), snapshot(compared.path / ".git" / "objects")) == before


def test_another_name_needs_nothing_of_the_first(compared: Repository, clean: Comparison) -> None:
    before = snapshot(compared.path)
    assert compare_pair(compared, name="other") == dataclasses.replace(clean, name="other")
    fresh, touched = changed(before, snapshot(compared.path))
    assert touched == [".git/metadiff-last"]
    assert len([name for name in fresh if name.endswith(".pack")]) == 1
    shared = {ref.replace("default", "other"): heads(compared)[ref] for ref in REFS[1:]}
    assert shared.items() <= heads(compared).items()
    for name in before:
        if name.startswith(".git/objects/pack/"):  # all that the first one holds
            (compared.path / name).unlink()
    compared.git("rev-list", "--objects", "refs/metadiff/other/comparison")


def test_another_patchset_under_the_same_name(compared: Repository) -> None:
    before = compared.git("rev-parse", "refs/metadiff/default/comparison")
    compare(compared.path / ".git", RELEASES, [PATCHSETS[0], PATCHSETS[0]], partial=True, cwd=compared.path)
    packs = sorted((compared.path / ".git" / "objects" / "pack").glob("*.idx"), key=lambda path: path.stat().st_mtime)
    both = [
        set(line.split()[1] for line in compared.git("show-index", stdin=path.read_bytes()).splitlines())
        for path in packs
    ]
    assert before in both[0] and not both[0] & both[1], "nothing twice"
    check_sound(compared)


MACHINE = """
import os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from git_metadiff.compare import compare
os.umask(int(sys.argv[2], 8))
compare(Path(sys.argv[1]) / ".git", ["u1", "u2"], sys.argv[3:], cwd=Path.cwd())
"""


def test_ids_are_those_of_any_machine(make_repository: MakeRepository, tmp_path: Path) -> None:
    found = []
    for name, zone, umask in (("one", "Asia/Tokyo", "022"), ("another machine", "America/St_Johns", "077")):
        repository = make_repository(name)
        for tag, folder in (("u1", "upstream-4.2.7"), ("u2", "upstream-4.3.3")):
            repository.git("rm", "-rqf", "--ignore-unmatch", ".")
            shutil.copytree(FIXTURE / folder, repository.path, dirs_exist_ok=True)
            repository.commit({}, name, tag=tag)
        work = tmp_path / f"work {name}" / name
        work.mkdir(parents=True)
        patches = [os.path.relpath(FIXTURE / "p1.patch", work), str(FIXTURE / "p2.patch")]
        environ = os.environ | {"TZ": zone, "HOME": str(work), "GIT_COMMITTER_NAME": name, "LC_ALL": "C"}
        command: list[str | Path] = [
            sys.executable,
            "-c",
            MACHINE.format(root=str(ROOT)),
            repository.path,
            umask,
            *patches,
        ]
        subprocess.run(command, check=True, env=environ, cwd=work)
        found.append({ref: oid for ref, oid in heads(repository).items() if ref in REFS})
    assert len(found[0]) == 3 and found[0] == found[1]


def test_folders_and_patches_with_odd_names(pair: Repository, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9 \xff\n\x1b[31m")
    for tag in RELEASES:
        unpack(pair, tag, odd)
    patch = odd / os.fsdecode(b"\xfe\n.patch")
    shutil.copy(pair.path / "p1.patch", patch)
    (odd / "v1").rename(odd / os.fsdecode(b"v1\xff"))
    releases = [odd / os.fsdecode(b"v1\xff"), odd / "v2"]
    found = compare(pair.path / ".git", list(map(str, releases)), [str(patch), str(pair.path / "p2.patch")])
    assert found == Store(open_git(pair.path / ".git", os.environ)).load("default")
    assert (found.releases[0].name, found.patchsets[0].name) == (releases[0].name, patch.name)
    check_sound(pair)


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        (None, None),
        (b"", None),
        (b"nobody", None),
        (b"A U Thor <a@b> 5 +0530", b"A U Thor <a@b> 5 +0530"),
        (b"A > B < C <a@b> 5 -0000", b"A  B  C <a@b> 5 -0000"),
        (b"caf\xe9 <\xff> 5 +0000", b"caf\xe9 <\xff> 5 +0000"),
        (b"A <a@b>5 +0000", b"A <a@b> 5 +0000"),
        (b"<a@b> 5 +0000", b" <a@b> 5 +0000"),
        (b"A <a@b>", b"A <a@b> 1000000000 +0000"),
        (b"A <a@b> -5 +0000", b"A <a@b> 1000000000 +0000"),
        (b"A <a@b> 5 +99999", b"A <a@b> 1000000000 +0000"),
        (b"A <a@b> yesterday", b"A <a@b> 1000000000 +0000"),
        (b"A\n <a@b> 5 +0000", None),
    ],
)
def test_authors_of_old_histories(author: bytes | None, expected: bytes | None) -> None:
    assert clean_author(author) == expected


def test_series_of_an_old_history(repository: Repository) -> None:
    repository.commit({"file": "one\n" * 9}, tag="u")
    tree = repository.commit({"file": "one\n" * 8 + "two\n"}, tag="d")
    parent = repository.git("rev-parse", "u")
    header = f"tree {repository.git('rev-parse', tree + '^{tree}')}\nparent {parent}\n".encode()
    people = b"author <A > B <x<y> 99 \ncommitter C <c@c> 1 +0000\n\nwith a \0 and \xff\n"
    oid = repository.git("hash-object", "--literally", "-t", "commit", "-w", "--stdin", stdin=header + people)
    repository.git("tag", "old", oid)
    found = compare(repository.path / ".git", ["u", "u"], ["u..old", "u..d"], cwd=repository.path)
    assert found.fates and all(one[0].word == "kept" for one in found.fates.values())
    repository.git("tag", "-d", "old")
    repository.git("prune")  # git itself takes that commit for damaged
    check_sound(repository)


# Refs


def test_refs_change_together(compared: Repository) -> None:
    before = heads(compared)
    (compared.path / ".git" / "refs" / "metadiff" / "default" / "downstream.lock").touch()
    with pytest.raises(MetadiffError, match="File exists"):
        compare(compared.path / ".git", ["v2", "v1"], ["p2.patch", "p1.patch"], cwd=compared.path)
    assert heads(compared) == before
    with pytest.raises(MetadiffError, match="File exists"):
        Store(open_git(compared.path / ".git", os.environ)).forget("default")
    assert heads(compared) == before
    (compared.path / ".git" / "refs" / "metadiff" / "default" / "downstream.lock").unlink()
    compare(compared.path / ".git", ["v2", "v1"], ["p2.patch", "p1.patch"], cwd=compared.path)
    assert not set(heads(compared).items()) & {(ref, before[ref]) for ref in REFS}


@pytest.mark.parametrize("ref", REFS)
def test_what_is_wrong_with_a_ref_is_put_right(ref: str, compared: Repository, clean: Comparison) -> None:
    good, path = heads(compared), compared.path / ".git" / ref
    store = Store(open_git(compared.path / ".git", os.environ))
    others = (None, "1" * 40, good["refs/heads/main"], "ref: refs/heads/main")
    for content in others if ref == REFS[0] else others[2:]:
        if content is None:
            path.unlink()
        else:
            path.write_text(content + "\n")
        assert compare_pair(compared) == clean
        assert heads(compared) == good
    for content in ("", "garbage\n")[ref == REFS[0] :]:  # git itself writes no such ref, and deletes none
        path.write_text(content)
        store.forget("default")
        assert not set(heads(compared)) & set(REFS)
        assert compare_pair(compared) == clean
        assert heads(compared) == good


def test_two_at_once(pair: Repository) -> None:
    results: list[Comparison | MetadiffError] = []

    def run(releases: tuple[str, ...], patchsets: tuple[str, ...]) -> None:
        try:
            results.append(compare(pair.path / ".git", releases, patchsets, cwd=pair.path))
        except MetadiffError as error:
            results.append(error)

    inputs = [(RELEASES, PATCHSETS), (RELEASES[::-1], PATCHSETS[::-1])]
    threads = [threading.Thread(target=run, args=inputs[at % 2]) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [one for one in results if isinstance(one, Comparison)]
    assert done
    for error in results:
        assert isinstance(error, Comparison) or re.search("at the same time|File exists", error.message)
    assert Store(open_git(pair.path / ".git", os.environ)).load("default") in done
    check_sound(pair)
