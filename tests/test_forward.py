"""`git metadiff port`: a series carried onto a new release, and what of it has no place there."""

from __future__ import annotations

import bz2
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.forward import ForwardPort
from git_metadiff.forward.folder import check_folder, write_folder
from git_metadiff.forward.layout import Layout, file_names, new_series
from git_metadiff.forward.proof import Candidate, prove
from git_metadiff.forward.start import Asked, port_forward
from git_metadiff.forward.words import CarriedPatch, Written
from git_metadiff.git import Git, Scratch
from git_metadiff.hunks import Scanner
from tests.applying import forest, random_files, random_step, workbench
from tests.conftest import Metadiff, Repository

HEADER = "Description: what it does\nOrigin: vendor\n---\n"


def numbered(changes: Mapping[int, str] | None = None, count: int = 60) -> str:
    """A file of numbered lines, some of them replaced (or, by an empty text, left out)."""
    wanted = changes or {}
    lines = [wanted.get(at, f"line {at}\n") for at in range(1, count + 1)]
    return "".join(lines)


@pytest.fixture
def story(repository: Repository) -> Repository:
    """Two releases and a quilt series of five patches on the older one.

    Upstream puts lines on top, rewords line 20, takes in what `taken.patch` does, and renames a file.
    """
    repository.commit({"a.c": numbered(), "b.c": numbered(), "old/name.c": numbered(), "keep": "x\n"}, tag="v1")
    upstream = {20: "upstream's twenty\n", 40: "taken over by upstream as it is\n"}
    repository.commit(
        {"a.c": "top\n" * 5 + numbered(upstream), "old/name.c": None, "new/name.c": numbered(), "b.c": numbered()},
        tag="v2",
    )
    repository.git("checkout", "-q", "v1")
    steps = {
        "plain.patch": {"a.c": numbered({10: "ten\n"})},
        "context.patch": {"a.c": numbered({10: "ten\n", 22: "twenty-two\n"})},
        "taken.patch": {"a.c": numbered({10: "ten\n", 22: "twenty-two\n", 40: "taken over by upstream as it is\n"})},
        "sub/both.patch": {"a.c": lost(), "b.c": numbered({30: "thirty\n"})},
        "moved.patch": {"old/name.c": numbered({5: "five\n"})},
    }
    commits = ["v1", *(repository.commit(files, name) for name, files in steps.items())]
    repository.git("tag", "d1")
    for name, before, after in zip(steps, commits, commits[1:], strict=False):
        write_patch(repository, f"debian/patches/{name}", repository.diff(before, after))
    series = "# the first\nplain.patch\n\ncontext.patch -p1 # why\ntaken.patch\nsub/both.patch\nmoved.patch\n"
    repository.write({"debian/patches/series": series})
    return repository


def lost() -> str:
    """`a.c` after the fourth patch, which changes a line that upstream changed too."""
    return numbered({10: "ten\n", 20: "our own twenty\n", 22: "twenty-two\n", 40: "taken over by upstream as it is\n"})


def write_patch(repository: Repository, name: str, diff: bytes) -> None:
    """A patch with a header, beside the work tree's own files."""
    repository.write({name: HEADER.encode() + b"# " + name.encode() + b"\n" + diff})


def carry(repository: Repository, *options: str | Path, metadiff: Metadiff) -> subprocess.CompletedProcess[bytes]:
    """Run `git metadiff port` on the story."""
    return metadiff("port", "v1", "v2", "--patches", "debian/patches", *options, cwd=repository.path)


def apply_all(repository: Repository, folder: Path, names: list[str], release: str = "v2") -> str:
    """The tree that git makes of a release and patches."""
    index = {"GIT_INDEX_FILE": str(folder.parent / "index-check")}
    for command in (["read-tree", release], *(["apply", "--cached", str(folder / name)] for name in names)):
        done = subprocess.run(
            ["git", *command], cwd=repository.path, env=os.environ | index, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    done = subprocess.run(
        ["git", "write-tree"], cwd=repository.path, env=os.environ | index, capture_output=True, check=False
    )
    return done.stdout.decode().strip()


def test_a_series_is_carried_patch_by_patch(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """Names, order, headers and options stay; what upstream took is gone; what has no place lies beside."""
    out = tmp_path / "out"
    done = carry(story, "-o", out, "--json", metadiff=metadiff)
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    results = {patch["name"]: patch["result"] for patch in document["patches"]}
    assert results == {
        "plain.patch": "placed",
        "context.patch": "refreshed",
        "taken.patch": "absorbed",
        "sub/both.patch": "partial",
        "moved.patch": "placed",
    }
    assert (out / "series").read_text() == (
        "# the first\nplain.patch\n\ncontext.patch -p1 # why\nsub/both.patch\nmoved.patch\n"
    )
    names = ["plain.patch", "context.patch", "sub/both.patch", "moved.patch"]
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert files == sorted([*names, "series", "sub/both.patch.rej"])
    assert apply_all(story, out, names) == document["ported_tree"]
    for name in names:
        assert (out / name).read_text().startswith(f"{HEADER}# debian/patches/{name}\ndiff --git ")
    assert document["complete"] is False
    assert document["counts"] == {
        "placed": 3, "refreshed": 1, "partial": 0, "absorbed": 1, "void": 0, "rejected": 1,
    }  # fmt: skip


def test_a_hunk_that_fits_keeps_its_lines(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """Only line numbers and ids differ; a context that upstream changed is taken from the new release."""
    out = tmp_path / "out"
    carry(story, "-o", out, metadiff=metadiff)
    old, new = ((where / "plain.patch").read_text().splitlines() for where in (story.path / "debian/patches", out))
    differs = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
    assert [one[:6] for one, _ in differs] == ["index ", "@@ -7,"]
    assert differs[1][1].startswith("@@ -12,7 +12,7 @@")
    assert " upstream's twenty\n line 21\n-line 22\n+twenty-two\n" in (out / "context.patch").read_text()
    assert "--- a/new/name.c\n+++ b/new/name.c\n" in (out / "moved.patch").read_text()
    assert "old/name.c" not in (out / "moved.patch").read_text().replace(HEADER, "")


def test_what_has_no_place_is_told_with_upstreams_change(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """The `.rej` is a patch of its own, with the commit and the lines that took the place."""
    out = tmp_path / "out"
    done = carry(story, "-o", out, metadiff=metadiff)
    text = (out / "sub/both.patch.rej").read_text()
    commit = story.git("rev-parse", "v2")[:12]
    assert f"# upstream commit that took its place: {commit} work (v2)\n" in text
    assert "# not placed: upstream changed the lines that it removes\n" in text
    assert "# upstream has there, in a.c:\n#   @@ -20 +25 @@\n#   -line 20\n#   +upstream's twenty\n" in text
    assert "--- a/a.c\n+++ b/a.c\n@@ -17,7 +17,7 @@" in text
    assert "-line 20\n+our own twenty\n" in text
    [section] = Scanner(text.encode(), "rej").scan()
    assert len(section.hunks) == 1
    screen = done.stdout.decode()
    assert "sub/both.patch   1 placed, 1 not placed   sub/both.patch.rej" in screen
    assert f'{commit} "work" (v2)' in screen
    assert "certificate ok" in screen


def test_patch_without_fuzz_takes_it_too(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """The way of quilt: GNU patch, no fuzz, and no offset either."""
    out, tree = tmp_path / "out", tmp_path / "tree"
    carry(story, "-o", out, metadiff=metadiff)
    story.git("worktree", "add", "-q", "--detach", tree, "v2")
    for name in ("plain.patch", "context.patch", "sub/both.patch", "moved.patch"):
        done = subprocess.run(
            ["patch", "-p1", "-F0", "-f", "-d", tree], input=(out / name).read_bytes(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout
        assert b"offset" not in done.stdout + done.stderr
    assert "our own twenty" not in (tree / "a.c").read_text()
    assert (tree / "a.c").read_text() == "top\n" * 5 + numbered(
        {10: "ten\n", 20: "upstream's twenty\n", 22: "twenty-two\n", 40: "taken over by upstream as it is\n"}
    )


def test_a_later_patch_on_an_earlier_one(repository: Repository, tmp_path: Path) -> None:
    """Each patch does in the new release what it did in its own series, also where it changes another's lines."""
    states = [
        numbered(),
        numbered({10: "line 10\none\ntwo\nthree\n"}),
        numbered({10: "line 10\none\n2\nthree\n", 40: "passing\n"}),
        numbered({10: "line 10\none\n2\nthree\nfour\n"}),
    ]
    names = [f"d{at}" for at in range(len(states))]
    for name, text in zip(names, states, strict=True):
        repository.commit({"f": text}, tag=name)
    repository.commit({"f": "new\n" + numbered({12: "line 12\nmore\n"})}, tag="u2")
    result = port(repository, "d0", "u2", "d0..d3")
    assert [patch.result for patch in result.patches] == ["refreshed", "refreshed", "refreshed"] or result.complete
    diffs = [patch.text.decode() for patch in result.patches]
    assert "+one\n+two\n+three\n" in diffs[0]
    assert "-two\n+2\n" in diffs[1] and "-line 40\n+passing\n" in diffs[1]
    assert "+four\n" in diffs[2] and "-passing\n+line 40\n" in diffs[2]
    assert "-one" not in diffs[2] and "+one" not in diffs[2]


def port(repository: Repository, old: str, new: str, patches: str | Path) -> ForwardPort:
    """The stage itself."""
    git_dir = repository.path / ".git"
    return port_forward(git_dir, Asked(new, old, str(patches)), environ=os.environ, cwd=repository.path)


def test_mails_stay_mails(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """An mbox is one file again, each message byte for byte; `git am` takes it."""
    mbox, out = tmp_path / "series.mbox", tmp_path / "out"
    mbox.write_bytes(story.git("format-patch", "--stdout", "v1..d1").encode() + b"\n")
    done = metadiff("port", "v1", "v2", "--patches", mbox, "-o", out, "--quiet", cwd=story.path)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    assert sorted(path.name for path in out.iterdir()) == ["series.mbox", "series.mbox.0004.rej"]
    heads = [mail.partition("\ndiff --git ")[0] for mail in mbox.read_text().split("\nFrom ")]
    written = [mail.partition("\ndiff --git ")[0] for mail in (out / "series.mbox").read_text().split("\nFrom ")]
    assert written == [head for head in heads if "taken.patch" not in head]
    story.git("worktree", "add", "-q", "--detach", tmp_path / "tree", "v2")
    subprocess.run(["git", "am", "-q", out / "series.mbox"], cwd=tmp_path / "tree", check=True)


def test_commits_become_mails(story: Repository, tmp_path: Path) -> None:
    """A range has no files: it is written as `git format-patch` would, and `git am` gives the ported tree."""
    story.git("commit", "-q", "--allow-empty", "--amend", "-m", 'Grüße, "all"\n\nA body.', "--author", "Ä B <a@b>")
    result = port(story, "v1", "v2", "v1..HEAD")
    write_folder(tmp_path / "out", result.files)
    story.git("worktree", "add", "-q", "--detach", tmp_path / "tree", "v2")
    mails = sorted((tmp_path / "out").glob("*.patch"))
    assert [mail.name for mail in mails][:2] == ["0001-plain.patch.patch", "0002-context.patch.patch"]
    subprocess.run(["git", "am", "-q", *mails], cwd=tmp_path / "tree", check=True)
    show = ["git", "log", "-1", "--format=%T%n%an <%ae>%n%B", "HEAD"]
    done = subprocess.run(show, cwd=tmp_path / "tree", capture_output=True, check=True)
    assert done.stdout.decode().rstrip() == f'{result.tree}\nÄ B <a@b>\nGrüße, "all"\n\nA body.'


def test_one_patch_stays_one_and_is_written_plain(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """A compressed monolith."""
    (tmp_path / "all.patch.bz2").write_bytes(bz2.compress(b"big\n" + story.diff("v1", "d1")))
    done = metadiff("port", "v1", "v2", "--patches", tmp_path / "all.patch.bz2", "-o", "out", cwd=story.path)
    assert done.returncode == 1, done.stderr
    out = story.path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["all.patch", "all.patch.rej"]
    assert (out / "all.patch").read_bytes().startswith(b"big\ndiff --git a/a.c b/a.c\n")
    tree = story.git("rev-parse", "refs/metadiff/port/comparison^3^{tree}")
    assert apply_all(story, out, ["all.patch"]) == tree


def test_levels_and_reversed_patches(repository: Repository, tmp_path: Path) -> None:
    """`-p0` stays, also where git has to write a section; `-R` goes, for the patch is written forward."""
    start: dict[str, str | bytes | None] = {"f": numbered(), "bin": b"\0one", "gone": "g\n"}
    repository.commit(start, tag="v1")
    repository.commit({"f": "top\n" + numbered()}, tag="v2")
    repository.git("checkout", "-q", "v1")
    repository.commit({"f": numbered({9: "nine\n"}), "bin": b"\0two", "gone": None, "made": "m\n"}, tag="d1")
    repository.commit({"f": numbered()}, tag="d2")
    options = ("--no-prefix", "--binary", "--full-index")
    first = repository.git("diff-tree", "-r", "-p", *options, "v1", "d1")
    second = repository.git("diff-tree", "-r", "-p", "d2", "d1", "--", "f")
    repository.write(
        {"p/series": "one -p0\ntwo -R # back\n", "p/one": first.encode() + b"\n\n", "p/two": second.encode() + b"\n"}
    )
    result = port(repository, "v1", "v2", "p")
    assert result.complete
    files = {file.name: file.data for file in result.files}
    assert files["series"] == b"one -p0\ntwo # back\n"
    assert b"--- f\n+++ f\n@@ -7,7 +7,7 @@" in files["one"] and b"+line 9\n-nine\n" in files["two"]


@pytest.mark.parametrize("seed", [8, 21, 47])
def test_whatever_changes_a_series_makes(seed: int, tmp_path: Path) -> None:
    """Random worlds: edits, renames, swaps, modes, links, binaries, CRLF, no newline, odd names. The proof holds."""
    rng = Random(seed)
    base = [random_files(rng) for _ in range(8)]
    upstream = [random_step(rng, random_step(rng, world)) for world in base]
    states = [base]
    for _ in range(4):
        states.append([random_step(rng, world) for world in states[-1]])
    folder = tmp_path / "patches"
    folder.mkdir()
    with workbench(tmp_path / "r.git") as bench:
        user = bench.scratch.user
        trees = [bench.tree(forest(state)) for state in states]
        trees.append(bench.tree(forest(upstream)))
        diffs = [bench.diff(old, new, "--binary", "--full-index", "-M") for old, new in pairwise(trees[:-1])]
        packed = "\n".join([*trees, ""]).encode()
        name = bench.scratch.text(
            "pack-objects", "-q", str(user.git_dir / "objects/pack/pack"), stdin=objects(bench.scratch, packed)
        )
        assert name
    names = [f"p{at}" for at, diff in enumerate(diffs) if diff]
    for at, diff in enumerate(diffs):
        (folder / f"p{at}").write_bytes(diff)
    (folder / "series").write_text("".join(f"{name}\n" for name in names))
    result = port_forward(
        user.git_dir, Asked(trees[-1], trees[0], str(folder)), environ=dict(user.environ), cwd=tmp_path
    )
    hunks = sum(len(patch.hunks) for patch in result.patches)
    assert hunks > 20
    for patch in result.patches:
        lost = [fate for fate in patch.hunks if fate.result in ("rejected", "partial")]
        assert bool(lost) == (patch.rejects is not None)
        assert bool(patch.text) == (patch.file is not None)
    written = {file.name: file.data for file in result.files}
    for patch in result.patches:
        if patch.rejects is not None:
            told = written[patch.rejects]
            assert told.count(b"# hunk ") >= sum(fate.result in ("rejected", "partial") for fate in patch.hunks)


def objects(git: Git, trees: bytes) -> bytes:
    """All objects of some trees, as `pack-objects` reads them."""
    out = git.run("rev-list", "--objects", "--stdin", "--missing=allow-any", stdin=trees)
    return b"".join(line.split(b" ")[0] + b"\n" for line in out.splitlines())


def test_from_a_stored_comparison(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """Without an old release: the newest one with a patchset of the last comparison, and that patchset."""
    story.git("checkout", "-q", "v1")
    story.commit({"a.c": numbered(), "zero": "0\n"}, tag="v0")
    made = metadiff("v0", "v1", "--patches", "debian/patches", "debian/patches", "--quiet", cwd=story.path)
    assert made.returncode in (0, 1), made.stderr
    done = metadiff("port", "v2", "-o", tmp_path / "one", cwd=story.path)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "one" / "series").read_text() == "plain.patch\ncontext.patch\nsub/both.patch\nmoved.patch\n"
    again = metadiff(
        "port", "v2", "--patches", "debian/patches", "--name", "default", "-o", tmp_path / "two", cwd=story.path
    )
    assert again.returncode == 1, again.stderr
    for name in ("plain.patch", "context.patch", "sub/both.patch", "sub/both.patch.rej", "moved.patch"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    last = metadiff("port", "v2", "-o", tmp_path / "three", "--quiet", cwd=story.path)  # from that port's own forecast
    assert last.returncode == 1, last.stderr
    assert b"port" in metadiff("list", cwd=story.path).stdout
    story.write({"other.patch": "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-no such line\n+another\n"})
    wrong = metadiff("port", "v2", "--patches", "other.patch", "-o", tmp_path / "four", cwd=story.path)
    assert wrong.returncode == 128
    assert b"hint: it was held against v1, of the last comparison" in wrong.stderr.splitlines()[1]


def test_nothing_stored(repository: Repository, metadiff: Metadiff) -> None:
    """The old release must be named then."""
    repository.commit({"f": "1\n"}, tag="v1")
    done = metadiff("port", "v1", "-o", "out", cwd=repository.path)
    assert done.returncode == 128
    assert b"hint: name that release too: git metadiff port OLD NEW" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("port", "v1", "v2", "--patches", "p"), b"needs a folder"),
        (("port", "v1", "v2", "-o", "x"), b"no patchset given for 'v1'"),
        (("port", "v1", "v2", "v3", "--patches", "p", "-o", "x"), b"takes the new release"),
        (("port", "v1", "v2", "--patches", "p", "q", "-o", "x"), b"carries one patchset, not 2"),
        (("port", "v1", "v2", "--stat", "-o", "x"), b"--stat does not go with 'port'"),
        (("port", "v1", "-o"), b"-o needs a value"),
        (("v1", "v2", "--patches", "p", "-o", "x"), b"--output does not go with"),
    ],
)
def test_usage(arguments: tuple[str, ...], said: bytes, metadiff: Metadiff) -> None:
    """A command line that cannot be meant."""
    done = metadiff(*arguments)
    assert done.returncode == 129
    assert said in done.stderr
    assert done.stderr.count(b"\n") == 2


def test_a_folder_is_never_overwritten(story: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """Not a folder with something in it, not a file; an empty folder is taken."""
    full, empty, file = tmp_path / "full", tmp_path / "empty", tmp_path / "file"
    full.mkdir()
    empty.mkdir()
    (full / "mine").write_text("x")
    file.write_text("x")
    for path, said in ((full, b"is not empty"), (file, b"no folder"), (file / "below", b"cannot write the folder")):
        done = carry(story, "-o", path, metadiff=metadiff)
        assert done.returncode == 128
        assert said in done.stderr and done.stderr.count(b"\n") == 2
    assert carry(story, "-o", empty, metadiff=metadiff).returncode == 1
    assert (empty / "series").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "full", "repository"]


def test_a_folder_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """A file that cannot be written leaves nothing behind; a folder that filled up meanwhile stays as it is."""
    with pytest.raises(MetadiffError, match="cannot write"):
        write_folder(tmp_path / "out", [Written("a", b"1"), Written("a/b", b"2")])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(MetadiffError, match="cannot write"):
        write_folder(tmp_path / "out", [Written("a", b"1")])
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(MetadiffError, match="leads nowhere"):
        check_folder(tmp_path / "link")


def test_the_certificate_is_one(make_repository: Callable[..., Repository]) -> None:
    """A series that does not give the tree, or does not apply, is refused."""
    repository = make_repository()
    repository.commit({"f": "1\n"}, tag="a")
    repository.commit({"f": "2\n"}, tag="b")
    diff = repository.diff("a", "b")
    trees = repository.git("rev-parse", "a^{tree}"), repository.git("rev-parse", "b^{tree}")
    with Scratch(Git(repository.path / ".git", os.environ), os.environ) as scratch:
        prove(scratch, trees, [Candidate("p", diff, 1)])
        with pytest.raises(MetadiffError, match="gives the tree"):
            prove(scratch, trees, [])
        with pytest.raises(MetadiffError, match="in p: patch failed"):
            prove(scratch, (trees[1], trees[1]), [Candidate("p", diff, 1)])


def test_names_in_a_series_stay_in_the_folder() -> None:
    """A stack may name patches beside its folder; what is compressed is written plain; no two share a file."""
    texts = [PatchText(name, b"") for name in ("../big.patch", "/etc/x.patch", "a/b.patch.gz", "a/b.patch", "series")]
    layout = Layout("quilt", b"../big.patch\n/etc/x.patch -p2\n a/b.patch.gz\t-p0 -R\r\na/b.patch\nseries\n")
    names = file_names(layout, texts)
    assert names == ["big.patch", "x.patch", "a/b.patch", "a/b.patch-2", "series-2"]
    patches = [CarriedPatch(name, b"x", 1, (), file=name) for name in names]
    assert new_series(layout, patches, names) == (b"big.patch\nx.patch -p2\n a/b.patch\t-p0\r\na/b.patch-2\nseries-2\n")


def test_a_patch_of_which_nothing_has_a_place(repository: Repository, metadiff: Metadiff, tmp_path: Path) -> None:
    """Its entry stays in the series as a comment; a hunk that never applied is told too."""
    repository.commit({"f": numbered()}, tag="v1")
    repository.commit({"f": "all is new\n" * 70}, tag="v2")
    repository.git("checkout", "-q", "v1")
    diff = repository.diff("v1", repository.commit({"f": numbered({9: "nine\n"})}))
    never = b"--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n never\n-there\n+before\n"
    repository.write({"p/series": "one\n", "p/one": diff + never})
    done = metadiff("port", "v1", "v2", "--patches", "p", "--partial", "-o", tmp_path / "out", cwd=repository.path)
    assert done.returncode == 1, done.stderr
    assert (tmp_path / "out" / "series").read_text() == "# nothing of it has a place: one\n"
    text = (tmp_path / "out" / "one.rej").read_bytes()
    assert b"+nine\n" in text and b"# did not apply to the old release either\n" in text and b"+before\n" in text
    assert b"1 not placed, 1 left out" in done.stdout
