"""The guard's hooks on commits that are made anew: rebase, cherry-pick and am, by real git."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_metadiff.guard.quick_rebase import nothing_lost_in
from tests.guarding import HEADING, Topic, attempt, source

GOOD = {10: "up10 + two10", 12: "two12", 20: "check(x20)"}
BAD = {12: "two12", 20: "check(x20)"}


@pytest.fixture
def topic(tmp_path: Path) -> Topic:
    """Three commits, the second of which conflicts with upstream."""
    return Topic(tmp_path / "repository")


@pytest.fixture(params=["ordinary", "linked"])
def place(request: pytest.FixtureRequest, topic: Topic, tmp_path: Path) -> Path:
    """Where the topic is checked out: the repository itself, or a linked work tree."""
    if request.param == "ordinary":
        return topic.path
    topic.git("checkout", "-q", "--detach")
    topic.git("worktree", "add", "-q", str(tmp_path / "linked"), "topic")
    return tmp_path / "linked"


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that gets a line for every start of the program."""
    log, program = tmp_path / "calls", tmp_path / "counted" / "git-metadiff"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >>"{log}"\n')
    program.chmod(0o755)
    log.write_text("")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return log


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_a_conflict_resolved_badly_stops_the_rebase(topic: Topic, place: Path, backend: str) -> None:
    status, _ = attempt(place, "rebase", backend, "upstream")
    assert status != 0
    topic.resolve(BAD, place)
    status, said = attempt(place, "rebase", "--continue")
    assert status != 0 and "dropped by the conflict's resolution  two  a.c:" in said
    assert "+\treturn two10;" in said and "two12" not in said
    topic.resolve(GOOD, place)
    status, said = attempt(place, "rebase", "--continue")
    assert status == 0 and "nothing lost" in said and "edited beyond the rebase  two  a.c:" in said
    assert (place / "a.c").read_text() == source({3: "one3", 25: "up25", 28: "three28"} | GOOD, HEADING)


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_a_loss_that_is_meant(topic: Topic, place: Path, backend: str) -> None:
    attempt(place, "rebase", backend, "upstream")
    topic.resolve(BAD, place)
    assert attempt(place, "rebase", "--continue")[0] != 0
    assert attempt(place, "metadiff", "guard", "--accept", "two", "upstream", "does it")[0] == 0
    status, said = attempt(place, "rebase", "--continue")
    assert status == 0 and "guard:" not in said
    if backend == "--merge":
        assert "Metadiff-Dropped: two: upstream does it" in attempt(place, "log", "-1", "--format=%B", "HEAD^")[1]
    assert "Metadiff-Dropped" not in attempt(place, "log", "-1", "--format=%B", "HEAD")[1]


def test_the_users_own_commit_while_the_rebase_has_stopped(topic: Topic) -> None:
    attempt(topic.path, "rebase", "upstream")
    topic.resolve(BAD)
    status, said = attempt(topic.path, "commit", "-m", "two")
    assert status != 0 and "the commit is refused unless its message accepts it" in said
    status, said = attempt(topic.path, "rebase", "--continue")
    assert status != 0 and "dropped by the conflict's resolution" in said
    status, said = attempt(topic.path, "commit", "-m", "two", "-m", "Metadiff-Dropped: two upstream does it")
    assert status == 0
    assert attempt(topic.path, "rebase", "--continue")[0] == 0


def test_a_conflict_of_which_nothing_is_left(topic: Topic) -> None:
    attempt(topic.path, "rebase", "upstream")
    topic.resolve({})
    status, said = attempt(topic.path, "rebase", "--continue")
    assert status == 0, "git skips such a commit and runs no hook"
    assert "dropped by the conflict's resolution  two" in said and "ORIG_HEAD" in said


def test_a_marker_that_was_left(topic: Topic) -> None:
    attempt(topic.path, "rebase", "upstream")
    topic.git("add", "a.c")
    status, said = attempt(topic.path, "rebase", "--continue")
    assert status != 0 and "conflict marker left  two" in said


def test_a_clean_rebase_says_nothing(topic: Topic) -> None:
    topic.clean()
    status, said = attempt(topic.path, "rebase", "upstream")
    assert status == 0 and "guard" not in said


@pytest.mark.parametrize("backend", ["--merge", "--apply"])
def test_clean_picks_start_nothing(topic: Topic, calls: Path, backend: str) -> None:
    topic.clean()
    assert attempt(topic.path, "rebase", backend, "upstream")[0] == 0
    assert calls.read_text() == "guard --hook post-rewrite rebase\n"
    calls.write_text("")
    topic.git("cherry-pick", "topic~1..topic", "--keep-redundant-commits", "--allow-empty")
    assert calls.read_text() == ""


def test_a_clean_rebase_is_settled_quickly(topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the whole guard says of the same rebase is nothing too; and the quick answer is not given where it is."""
    kept = tmp_path / "kept"
    hook = topic.path / ".git" / "hooks" / "post-rewrite"
    hook.write_text(f'#!/bin/sh\nmkdir -p "{kept}"\ncat >"{kept}/rewritten"\ncp -r .git/rebase-merge "{kept}/state"\n')
    monkeypatch.chdir(topic.path)

    def settled(*arguments: str, **environ: str) -> bool:
        shutil.rmtree(kept, ignore_errors=True)
        topic.clean()
        assert attempt(topic.path, "rebase", *arguments, "upstream", **environ)[0] == 0
        state = topic.path / ".git" / "rebase-merge"
        shutil.copytree(kept / "state", state)
        answer = nothing_lost_in((kept / "rewritten").read_bytes(), os.environ)
        shutil.rmtree(state)
        return answer

    assert settled()
    assert not settled("-i", **sequence("2s/^pick/squash/"))
    assert not settled("-i", **sequence("2s/^pick/drop/"))
    assert not settled("-i", **sequence("2a exec sed -i s,two12,two, a.c; git commit -qam more"))
    topic.git("checkout", "-q", "upstream")
    topic.commit({"a.c": source({10: "up10", 25: "up25"}, HEADING) + "\treturn check(x20);\n"}, "upstream has it too")
    topic.git("checkout", "-q", "topic")
    assert not settled()


def cases(names: str, mine: str = "") -> str:
    """One function that does the same for many kinds; for one of them also what a patch adds."""
    blocks = [
        f"\tif (d->kind == {name}) {{\n\t\tfirst_thing(d);\n\t\tsecond_thing(d);\n\t\tthird_thing(d);\n"
        + "\t\tdownstream_call(d);\n" * (name == mine)
        + "\t\tfourth_thing(d);\n\t\tfifth_thing(d);\n\t\tsixth_thing(d);\n\t}\n"
        for name in names.split()
    ]
    return f"int setup(struct dev *d)\n{{\n\tint i;\n\n{''.join(blocks)}\treturn 0;\n}}\n"


@pytest.mark.parametrize(
    ("upstream", "finds"), [("NEW ONE TWO SIX", True), ("ONE SIX", True), ("ONE TWO NEW SIX", False)]
)
def test_taken_to_a_twin_in_its_function_by_a_rebase_that_applies(topic: Topic, upstream: str, finds: bool) -> None:
    """`git apply` takes the nearest lines that look like the context, and git keeps no state where it never stops."""
    for branch, names, mine in (("topic", "ONE TWO SIX", "TWO"), ("upstream", upstream, "")):
        topic.git("checkout", "-q", "-B", branch, "base")
        topic.commit({"d.c": cases("ONE TWO SIX")}, "base of both")
        topic.commit({"d.c": cases(names, mine)}, "downstream" if mine else "upstream")
    topic.git("checkout", "-q", "topic")
    status, said = attempt(topic.path, "rebase", "--apply", "upstream")
    assert status == 0 and ("misplaced  downstream  d.c:" in said) is finds and ("guard" in said) is finds


def sequence(script: str) -> dict[str, str]:
    """An editor for the list of things to do."""
    return {"GIT_SEQUENCE_EDITOR": f"sed -i -e '{script}'"}


def test_interactive_reword_squash_and_drop(topic: Topic) -> None:
    topic.clean()
    status, said = attempt(topic.path, "rebase", "-i", "upstream", **sequence("1s/^pick/reword/;2s/^pick/squash/"))
    assert status == 0 and "guard" not in said
    topic.git("reset", "-q", "--hard", "ORIG_HEAD")
    status, said = attempt(topic.path, "rebase", "-i", "upstream", **sequence("2s/^pick/drop/"))
    assert status == 0 and "nothing lost" in said
    assert "patch taken out  two, 2 hunks  a.c:" in said and "upstream lacks 2 of its 2 hunks" in said


def test_interactive_edit(topic: Topic) -> None:
    topic.clean()
    attempt(topic.path, "rebase", "-i", "upstream", **sequence("2s/^pick/edit/"))
    (topic.path / "a.c").write_text(source({3: "one3", 10: "up10", 25: "up25", 12: "two12"}, HEADING))
    status, said = attempt(topic.path, "commit", "-a", "--amend", "--no-edit")
    assert status != 0 and "+\treturn check(x20);" in said
    topic.git("add", "a.c")
    status, said = attempt(topic.path, "rebase", "--continue")
    assert status != 0 and "dropped  two" in said
    topic.git("reset", "-q", "--hard")
    status, said = attempt(topic.path, "rebase", "--continue")
    assert status == 0 and "guard" not in said


def test_a_commit_split_at_an_edit_is_no_loss(topic: Topic) -> None:
    topic.clean()
    attempt(topic.path, "rebase", "-i", "upstream", **sequence("2s/^pick/edit/"))
    topic.git("reset", "-q", "HEAD^")
    whole = (topic.path / "a.c").read_text()
    (topic.path / "a.c").write_text(source({3: "one3", 10: "up10", 25: "up25", 12: "two12"}, HEADING))
    status, said = attempt(topic.path, "commit", "-a", "-m", "first half")
    assert status == 0 and "guard" not in said
    (topic.path / "a.c").write_text(whole)
    status, said = attempt(topic.path, "commit", "-a", "-m", "second half")
    assert status == 0 and "guard" not in said
    status, said = attempt(topic.path, "rebase", "--continue")
    assert status == 0 and "guard" not in said


def test_cherry_pick(topic: Topic) -> None:
    topic.git("checkout", "-q", "upstream")
    assert "guard" not in attempt(topic.path, "cherry-pick", "topic~2")[1]
    assert attempt(topic.path, "cherry-pick", "topic~1")[0] != 0
    topic.resolve(BAD)
    status, said = attempt(topic.path, "cherry-pick", "--continue")
    assert status != 0 and "dropped by the conflict's resolution  two" in said
    topic.resolve(GOOD)
    status, said = attempt(topic.path, "cherry-pick", "--continue")
    assert status == 0 and "nothing lost" in said


def test_am(topic: Topic, tmp_path: Path) -> None:
    mails = topic.git("format-patch", "-o", str(tmp_path / "mails"), "base..topic").splitlines()
    topic.git("checkout", "-q", "upstream")
    status, said = attempt(topic.path, "am", "-3", *mails)
    assert status != 0 and "guard" not in said
    topic.resolve(BAD)
    status, said = attempt(topic.path, "am", "--continue")
    assert status != 0 and "dropped by the conflict's resolution  two" in said
    topic.resolve(GOOD)
    status, said = attempt(topic.path, "am", "--continue")
    assert status == 0 and "nothing lost" in said and "edited beyond the rebase  two  a.c:" in said
