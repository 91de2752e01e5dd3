"""A patchset carried onto upstream's real commits: each tree is held against a comparison of that commit's own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from git_metadiff.bisect.blame import weigh_commits
from git_metadiff.bisect.candidates import Candidate, Piece, Side
from git_metadiff.bisect.carry import diff_raw
from git_metadiff.bisect.partner import make_partner_chain
from git_metadiff.bisect.source import GOOD_END, Point
from git_metadiff.bisect.suspicion import Suspect
from git_metadiff.bisect.upstream import Carry
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git
from git_metadiff.model import Comparison, Verdict
from git_metadiff.store import open_store
from tests.conftest import Metadiff, Repository
from tests.pairs import copy_of, numbered, with_lines

Files = dict[str, str | bytes | None]

#: The patchset, on v1: text, a new file, a rename, a removal, a mode, binary content.
P1: Files = {
    "src/main.c": with_lines(numbered("main"), _5="patched", _45="patched too"),
    "src/both.c": with_lines(numbered("both"), _21="downstream's"),
    "src/moved.c": with_lines(numbered("moved"), _33="carried"),
    "src/named.c": None,
    "src/renamed.c": with_lines(numbered("named"), _7="under another name"),
    "src/gone.c": None,
    "data.bin": bytes(range(255, -1, -1)) * 4,
    "extra/new.c": numbered("new", 20),
}


def first_release() -> Files:
    """v1."""
    names = ("main", "both", "moved", "named", "gone", "other")
    return {f"src/{name}.c": numbered(name) for name in names} | {"data.bin": bytes(range(256)) * 4}


def make_history(repository: Repository) -> Repository:
    """v1, eleven commits with a merge and upstream's own renames and removals among them, v2; p1.patch beside it."""
    repository.commit(first_release(), "Release one", tag="v1")
    repository.commit(P1, "Downstream")
    repository.write({"../p1.patch": repository.diff("v1", "HEAD")})
    repository.git("reset", "-q", "--hard", "v1")
    repository.commit({"src/other.c": with_lines(numbered("other"), _3="other")}, "Untouched by the patchset")
    repository.commit({"src/main.c": with_lines(numbered("main"), _25="upstream")}, "In a patched file")
    repository.git("checkout", "-q", "-b", "side", "v1")
    repository.commit({"src/both.c": with_lines(numbered("both"), _51="side")}, "On the side")
    repository.commit({"src/both.c": with_lines(numbered("both"), _51="side", _21="upstream's")}, "Conflict")
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "--no-ff", "-m", "Merge the side", "side")
    repository.commit({"src/moved.c": None, "lib/moved.c": numbered("moved")}, "Rename")
    repository.commit({"src/gone.c": with_lines(numbered("gone"), _1="still used")}, "Change what goes downstream")
    repository.commit({"data.bin": b"\0other"}, "Other data")
    repository.commit({"extra": "a file where the patchset wants a folder\n"}, "In the way")
    repository.commit({"extra": None}, "Out of the way again")
    repository.git("update-index", "--chmod=+x", "src/main.c")
    repository.git("commit", "-q", "-m", "Another mode", "--no-verify")
    repository.git("checkout", "-q", "-f", "HEAD")
    repository.commit({"src/named.c": with_lines(numbered("named"), _52="far away")}, "Release two", tag="v2")
    return repository


def compared(repository: Repository, *, releases: str = "v1 v2", name: str = "default") -> Comparison:
    """A comparison with one patchset, whose transition is the forecast that holds P."""
    found: Comparison = compare(
        repository.path / ".git", releases.split(), ["../p1.patch"], name=name, environ=os.environ, cwd=repository.path
    )
    return found


def carry_of(repository: Repository, comparison: Comparison, **options: object) -> Carry:
    """What walks upstream's commits."""
    return Carry(open_store(repository.path / ".git", os.environ), os.environ, comparison, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the history for all others."""
    return tmp_path_factory.mktemp("made") / "repository"


@pytest.fixture
def history(made: Path, tmp_path: Path) -> Repository:
    """The history above, and p1.patch beside it."""
    if not made.exists():
        make_history(Repository(made))
    shutil.copy(made.parent / "p1.patch", tmp_path)
    return copy_of(Repository(made), tmp_path / "repository")


def test_every_tree_is_the_one_of_a_comparison_of_its_own(history: Repository) -> None:
    comparison = compared(history)
    carry = carry_of(history, comparison)
    points = carry.points(range(GOOD_END, len(carry.steps)))
    assert points[0].tree == comparison.patchsets[0].tree and points[-1].tree == comparison.transitions[-1].ported_tree
    for step, point in zip(carry.steps, points[1:], strict=True):
        history.git("tag", "-f", "here", step.upstream)
        alone = compared(history, releases="v1 here", name="alone").transitions[-1]
        assert alone.ported_tree == point.tree, step.title
        lost = {name for note in point.notes for name in note.rpartition("(hunk ")[2].rstrip(")").split(", ")}
        assert lost == {one.hunk for one in alone.unplaced}, step.title


def test_one_at_a_time_and_all_together_are_the_same(history: Repository) -> None:
    comparison = compared(history)
    together = carry_of(history, comparison)
    order = [len(together.steps) - 1, 7, 3, 0]
    alone = carry_of(history, comparison)
    assert [alone.points([at])[0] for at in order] == together.points(order)


def test_steps_are_upstreams_commits_with_their_merges(history: Repository) -> None:
    carry = carry_of(history, compared(history))
    steps = carry.steps
    assert [step.upstream for step in steps] == history.git("rev-list", "--topo-order", "--reverse", "v1..v2").split()
    [merge] = [at for at, step in enumerate(steps) if len(step.parents) > 1]
    assert steps[merge].title.endswith(b" Merge the side") and max(steps[merge].parents) < merge
    assert all(steps[at].parents for at in range(merge, len(steps)))
    assert sum(not step.parents for step in steps) == 2, "both lines begin at the release"


def test_a_point_is_a_commit_on_upstreams_own(history: Repository) -> None:
    comparison = compared(history)
    carry = carry_of(history, comparison)
    last = len(carry.steps) - 1
    [point] = carry.points([last])
    assert history.git("rev-parse", f"{point.commit}^") == history.git("rev-parse", "v2")
    assert history.git("for-each-ref", "--format=%(objectname)", "refs/metadiff/default/bisect/carry") == point.commit
    message = history.git("log", "-1", "--format=%B", point.commit)
    assert "p1.patch on " in message and "src/both.c: upstream changed the lines that it removes" in message
    history.git("gc", "-q", "--prune=now")
    history.git("fsck", "--strict", "--no-dangling")
    assert carry.find(point.commit) == carry.find(history.git("rev-parse", "v2")) == last
    assert carry.find(comparison.patchsets[0].commit) == carry.find(history.git("rev-parse", "v1")) == GOOD_END
    assert carry.find(comparison.releases[1].commit) is None and carry.find("0" * 40) is None


def suspect(name: str, side: Side = "standing", path: bytes = b"src/both.c", added: tuple[bytes, ...] = ()) -> Suspect:
    """A suspect of one hunk."""
    one = Piece(name, (), frozenset(), (), added, Verdict("kept"))
    return Suspect(1, Candidate(side, path, None, (one,)), (), 0.5, ())


def test_a_commit_that_lacks_a_suspect_is_not_tested(history: Repository) -> None:
    history.commit({"src/both.c": with_lines(numbered("both"), _51="side")}, "As before the conflict", tag="v3")
    comparison = compared(history, releases="v1 v3")
    [mine] = [hunk.id for hunk in comparison.patchsets[0].hunks if hunk.path == b"src/both.c"]

    def lacking(*suspects: Suspect) -> set[bytes]:
        carry = carry_of(history, comparison, suspects=suspects)
        steps = carry.steps
        points = zip(steps, carry.points(range(len(steps))), strict=True)
        return {step.title.partition(b" ")[2] for step, point in points if point.untestable}

    assert lacking() == set()
    skipped = lacking(suspect(mine))
    assert {b"Conflict", b"Merge the side", b"Rename", b"Release two"} <= skipped
    assert not {b"On the side", b"In a patched file", b"As before the conflict"} & skipped
    [partner] = [edge.b for edge in comparison.edges if edge.a == mine]
    assert lacking(suspect(partner)) == skipped, "a hunk of the newer patchset stands for its partner"


def test_what_has_no_place_in_the_newer_release_makes_nothing_untestable(history: Repository) -> None:
    comparison = compared(history)
    [mine] = [hunk.id for hunk in comparison.patchsets[0].hunks if hunk.path == b"src/both.c"]
    assert mine in {one.hunk for one in comparison.transitions[-1].unplaced}
    carry = carry_of(history, comparison, suspects=[suspect(mine)])
    assert not any(point.untestable for point in carry.points(range(len(carry.steps))))


def fork(repository: Repository) -> Repository:
    """v1 and v2 on two branches: v1 is two commits beyond their merge base, v2 three."""
    repository.commit(first_release(), "Where they meet")
    for line in (3, 4, 5):
        files: Files = {"src/main.c": with_lines(numbered("main"), _3="new") if line == 3 else None}
        files = {"src/main.c": with_lines(numbered("main"), **{f"_{at}": "new" for at in range(3, line + 1)})}
        repository.commit(files, f"New {line}")
    repository.git("tag", "v2")
    repository.git("reset", "-q", "--hard", "HEAD~3")
    repository.commit({"src/other.c": with_lines(numbered("other"), _3="a repair")}, "Repair")
    repository.commit({"src/other.c": with_lines(numbered("other"), _3="a repair", _9="more")}, "More", tag="v1")
    repository.commit({"src/both.c": with_lines(numbered("both"), _21="downstream's")}, "Downstream")
    repository.write({"../p1.patch": repository.diff("v1", "HEAD")})
    repository.git("reset", "-q", "--hard", "v2")
    return repository


def content(repository: Repository, point: Point, path: str) -> str:
    """A file of a point."""
    return repository.git("show", f"{point.commit}:{path}")


def test_releases_that_do_not_descend_from_each_other(repository: Repository) -> None:
    comparison = compared(fork(repository))
    carry = carry_of(repository, comparison)
    assert carry.is_forked and not carry.backwards and "where v1 and v2 meet" in carry.ends[0]
    assert carry.plan.sure == (False, False), "the patchset on the merge base must be tested first"
    assert [step.title.partition(b" ")[2] for step in carry.steps] == [b"New 3", b"New 4", b"New 5"]
    start, *points = carry.points([GOOD_END, 0, 1, 2])
    assert "downstream's" in content(repository, start, "src/both.c")
    assert "a repair" not in content(repository, start, "src/other.c")
    assert points[-1].tree == comparison.transitions[-1].ported_tree
    assert carry.find(start.commit) == carry.find(repository.git("merge-base", "v1", "v2")) == GOOD_END


def test_a_patchset_that_fails_on_the_merge_base_leads_to_what_repaired_it(repository: Repository) -> None:
    comparison = compared(fork(repository))
    carry = carry_of(repository, comparison, base_fails=True)
    assert carry.backwards and carry.ends[0] == "D1" and carry.plan.sure == (True, True)
    assert [step.title.partition(b" ")[2] for step in carry.steps] == [b"More", b"Repair"]
    start, without_more, base = carry.points([GOOD_END, 0, 1])
    assert start == Point(comparison.patchsets[0].commit, comparison.patchsets[0].tree)
    assert "more" not in content(repository, without_more, "src/other.c")
    assert "a repair" in content(repository, without_more, "src/other.c")
    assert "a repair" not in content(repository, base, "src/other.c")
    assert base == carry_of(repository, comparison).points([GOOD_END])[0]
    assert [carry.find(point.commit) for point in (start, without_more, base)] == [GOOD_END, 0, 1]
    assert carry_of(repository, compared(make_history_of(repository)), base_fails=True).backwards is False


def make_history_of(repository: Repository) -> Repository:
    """Turn a repository into one whose v2 descends from v1."""
    repository.git("tag", "-f", "v2", "v1")
    repository.git("reset", "-q", "--hard", "v1")
    repository.commit({"src/main.c": with_lines(numbered("main"), _9="later")}, "Later")
    repository.git("tag", "-f", "v2")
    return repository


def test_suspicion_passes_on_to_the_commits_that_brought_a_hunk(history: Repository) -> None:
    found = weigh_commits(
        Git(history.path / ".git", os.environ),
        history.git("rev-parse", "v1"),
        history.git("rev-parse", "v2"),
        [suspect("upstream:0:src/main.c:26", "upstream", b"src/main.c", (b"\tmain upstream;",))],
    )
    commit = history.git("log", "--format=%H", "--grep=In a patched file", "v2")
    assert found[commit][1] == ("upstream:0:src/main.c:26",) and found[commit][0] == max(w for w, _ in found.values())
    other = history.git("log", "--format=%H", "--grep=On the side", "v2")
    assert other not in found


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("git tag -d v2", "'v2' is no revision"),
        ("git tag -f v2 v1", "'v2' is not what was compared"),
        ("git tag -f v2 $(git commit-tree -m alone v2^{tree})", "no history leads from v1 to v2: they share none"),
        ("git rev-parse v2 > .git/shallow", "the repository is shallow"),
    ],
    ids=["gone", "moved", "unrelated", "shallow"],
)
def test_no_history_joins_the_releases(history: Repository, script: str, words: str) -> None:
    comparison = compared(history)
    history.bash(script)
    with pytest.raises(MetadiffError) as error:
        carry_of(history, comparison)
    assert words in error.value.message and error.value.hint


def test_two_patchsets_for_one_release_have_no_history_between_them(history: Repository) -> None:
    history.write({"../p2.patch": (history.path / "../p1.patch").read_bytes() + b"\n"})
    options = {"environ": os.environ, "cwd": history.path}
    comparison = compare(history.path / ".git", ["v1"], ["../p1.patch", "../p2.patch"], **options)  # type: ignore[arg-type]
    with pytest.raises(MetadiffError, match="same release") as error:
        carry_of(history, comparison)
    assert "--axis downstream" in error.value.hint


def test_it_works_where_names_are_longer_and_settings_odd(make_repository: Callable[..., Repository]) -> None:
    repository = make_history(make_repository("sha256", "--object-format=sha256"))
    comparison = compared(repository)
    repository.bash(
        "git config log.showSignature true; git config diff.noprefix true; echo '* -diff' > .git/info/attributes"
    )
    carry = carry_of(repository, comparison)
    assert carry.points([len(carry.steps) - 1])[0].tree == comparison.transitions[-1].ported_tree


def test_the_partner_of_a_new_hunk_is_searched_with_the_hunk_in(repository: Repository) -> None:
    def patched(tag: str, *lines: int) -> bytes:
        repository.git("checkout", "-q", "--detach", tag)
        text = repository.git("show", f"{tag}:src/main.c") + "\n"
        repository.commit({"src/main.c": with_lines(text, **{f"_{line}": f"mine {line}" for line in lines})})
        return repository.diff(tag, "HEAD")

    repository.commit(first_release(), tag="v1")
    repository.commit({"src/main.c": with_lines(numbered("main"), _25="upstream's")}, tag="v2")
    repository.write({"../p1.patch": patched("v1", 5), "../p2.patch": patched("v2", 5, 45)})
    comparison = compare(
        repository.path / ".git", ["v1", "v2"], ["../p1.patch", "../p2.patch"], environ=os.environ, cwd=repository.path
    )
    [new] = [hunk.id for hunk in comparison.patchsets[1].hunks if "mine 45" in str(hunk.body)]
    git = open_store(repository.path / ".git", os.environ).git
    chain = make_partner_chain(git, comparison, [new], lambda _path: True, {})
    first = repository.git("show", f"{chain.points[0].commit}:src/main.c")
    assert "mine 5" in first and "mine 45" in first and "upstream's" not in first
    assert chain.points[-1].tree == comparison.patchsets[1].tree and len(chain.points) == 2


def test_trees_that_are_the_same_differ_in_nothing(history: Repository) -> None:
    git = Git(history.path / ".git", os.environ)
    one, two = (history.git("rev-parse", f"{tag}^{{tree}}") for tag in ("v1", "v2"))
    same, there, back, again = diff_raw(git, [(one, one), (one, two), (two, one), (two, two)])
    assert same == again == [] and [path for path, _ in there] == [path for path, _ in back]
    assert dict(there)[b"src/moved.c"] is None and dict(back)[b"lib/moved.c"] is None


@pytest.mark.parametrize(
    ("fault", "found"),
    [  # a file and a line of it that fails
        ("src/main.c:main new", "guilty step 1 of 3: "),
        ("src/other.c:other line 3;", "repaired by step 2 of 2, "),
    ],
)
def test_the_merge_base_is_tested_once_and_decides_which_side_is_searched(
    fault: str, found: str, metadiff: Metadiff, repository: Repository, tmp_path: Path
) -> None:
    compared(fork(repository))
    made = tmp_path / "made"
    path, line = fault.split(":")
    test = f'git rev-parse HEAD >>"{made}"; ! grep -qF "{line}" {path}'
    arguments = ("bisect", "run", "--carry", "--worktree", str(tmp_path / "tree"), "--", "sh", "-c", test)
    done = metadiff(*arguments, cwd=repository.path)
    assert done.returncode == 0, done.stderr.decode()
    commits = made.read_text().split()
    assert len(commits) == len(set(commits)) == 3, "both ends and one between them"
    first = repository.git("log", "-1", "--format=%P", commits[0])
    assert first == repository.git("merge-base", "v1", "v2")
    assert done.stdout.decode().startswith(found)
    assert "1 test between the ends" in done.stdout.decode()


def test_answers_by_hand_turn_the_search_too(metadiff: Metadiff, repository: Repository) -> None:
    compared(fork(repository))
    for words in (("start", "--carry", "--no-checkout"), ("bad",), ("good",)):
        done = metadiff("bisect", *words, cwd=repository.path)
        assert done.returncode == 0, done.stderr.decode()
    told = done.stdout.decode()
    assert "repaired by step 2 of 2" in told and "1 test between the ends" in told
    first, second = metadiff("bisect", "log", cwd=repository.path).stdout.decode().splitlines()[:2]
    assert first.startswith("# each of these commits stands on one of upstream's") and second == "git bisect start"
    wrong = metadiff("bisect", "bad", "v1", cwd=repository.path)  # D1 is what the user is sure of
    assert wrong.returncode == 128 and "fatal: the end that works, D1, fails" in wrong.stderr.decode()
