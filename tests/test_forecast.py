"""The forecast of the next rebase, chains that grow, and chains that are odd: in real repositories with a history."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from git_metadiff.causes import Question, best, net_lines, read_log
from git_metadiff.codec import DamagedError, decode, encode
from git_metadiff.compare import append, compare
from git_metadiff.errors import MetadiffError
from git_metadiff.model import Comparison, Forecast, UpstreamCommit, outcome, worst
from git_metadiff.render import View, json_document, series, summary
from tests.conftest import Metadiff, Repository

SCHEMA: dict[str, Any] = json.loads((files("git_metadiff") / "data" / "schema.json").read_bytes())


def lines(name: str, count: int = 90) -> list[str]:
    """Lines that are all different."""
    return [f"int {name}_line_{at}(void);" for at in range(count)]


def text(rows: Sequence[str]) -> str:
    """A file of these lines."""
    return "".join(f"{row}\n" for row in rows)


def edited(rows: Sequence[str], edits: Mapping[int, str | None]) -> list[str]:
    """The lines with some replaced, or taken out."""
    return [edits.get(at, row) or "" for at, row in enumerate(rows) if edits.get(at, row) is not None]


BASE = lines("a")
#: One hunk each: carried, conflict, absorbed, no context around it, moved by upstream's lines above.
MINE = edited(BASE, {5: "int my_five(void);", 20: "int my_twenty(void);", 40: "int forty_of_both(void);"})
MINE = [*MINE[:61], "int my_new_prototype(void);", *MINE[61:75], "int my_seventy_five(void);", *MINE[76:]]


@pytest.fixture
def upstream(repository: Repository) -> Repository:
    """v1 and v2 with a history between them, and p1.patch on v1."""
    repository.commit({"a.c": text(BASE), "gone.c": text(lines("gone", 20)), "same.c": text(BASE)}, "First", tag="v1")
    repository.commit({"a.c": text(MINE), "gone.c": text(edited(lines("gone", 20), {3: "int my_three(void);"}))})
    repository.write({"../p1.patch": repository.diff("v1", "HEAD")})
    repository.git("reset", "-q", "--hard", "v1")
    rows = edited(BASE, {20: "long rewritten_twenty(void);"})
    repository.commit({"a.c": text(rows)}, "Rewrite twenty")
    rows = edited(rows, {40: "int forty_of_both(void);"})
    repository.commit({"a.c": text(rows)}, "Take forty", tag="v1.5")
    rows = ["/* a head */", *rows[:58], "struct other { int member; };", *rows[63:]]
    repository.commit({"a.c": text(rows)}, "Replace sixty")
    repository.commit({"gone.c": None}, "Remove a file", tag="v2")
    return repository


def patch(repository: Repository, name: str, release: str, files: dict[str, str | bytes | None]) -> str:
    """Write a patch beside the repository, against a release."""
    repository.git("checkout", "-q", "--detach", release)
    repository.commit(files)
    repository.write({f"../{name}": repository.diff(release, "HEAD")})
    repository.git("checkout", "-q", "main")
    return f"../{name}"


def run(repository: Repository, releases: str, patchsets: str, **options: Any) -> Comparison:
    """Compare by the Python interface."""
    return compare(repository.path / ".git", releases.split(), patchsets.split(), cwd=repository.path, **options)


def grow(repository: Repository, releases: str, patchsets: str, **options: Any) -> Comparison:
    """Continue a comparison by the Python interface."""
    return append(repository.path / ".git", releases.split(), patchsets.split(), cwd=repository.path, **options)


def shown(comparison: Comparison, **options: Any) -> list[str]:
    """The summary as lines."""
    return [os.fsdecode(line).rstrip("\n") for line in summary(comparison, View(**options))]


def outcomes(comparison: Comparison) -> dict[tuple[str, int], tuple[str, str | None]]:
    """What becomes of each hunk of the last given patchset, and why, by path and line of its first change."""
    hunks = comparison.patchsets[-2].hunks
    found = {(os.fsdecode(hunk.path), hunk.changes[0].old_start): worst(comparison.fates[hunk.id]) for hunk in hunks}
    return {place: (outcome(verdict), verdict.reason) for place, verdict in found.items()}


# The forecast


def test_what_the_next_rebase_will_meet(upstream: Repository) -> None:
    found = run(upstream, "v1 v2", "../p1.patch")
    assert outcomes(found) == {
        ("a.c", 6): ("carried", None),
        ("a.c", 21): ("conflict", "conflict"),
        ("a.c", 41): ("absorbed", None),
        ("a.c", 62): ("orphaned", "no-context"),
        ("a.c", 76): ("carried", None),
        ("gone.c", 4): ("orphaned", "file-deleted"),
    }
    words = {verdict.word for verdicts in found.fates.values() for verdict in verdicts}
    assert "dropped" not in words and found.transitions[0].interdiff == b""
    assert found.transitions[0].certificate.holds
    assert [one.name for one in found.patchsets] == ["p1.patch", "forecast"]
    assert found.patchsets[1].tree == found.transitions[0].ported_tree
    carried = {edge.a for edge in found.edges if not edge.b.startswith("upstream:")}
    assert carried == {hunk.id for hunk in found.patchsets[0].hunks if all(found.placed[hunk.id])}


def test_the_forecast_is_what_a_real_patchset_would_be_ported_onto(upstream: Repository) -> None:
    forecast = run(upstream, "v1 v2", "../p1.patch")
    real = run(upstream, "v1 v2", f"../p1.patch {patch(upstream, 'p2.patch', 'v2', {'a.c': text(BASE)})}")
    assert forecast.transitions[0].ported_tree == real.transitions[0].ported_tree


def test_upstream_commits_are_named_with_their_first_tag(upstream: Repository) -> None:
    forecast = run(upstream, "v1 v2", "../p1.patch").transitions[0].forecast
    assert forecast is not None and forecast.missing == ""
    ids = {one.subject: one.commit for one in forecast.commits}
    assert {(one.kind, one.subject, one.tag, len(one.hunks)) for one in forecast.commits} == {
        ("absorbed", "Take forty", "v1.5", 1),
        ("broken", "Rewrite twenty", "v1.5", 1),
        ("broken", "Replace sixty", "v2", 1),
        ("broken", "Remove a file", "v2", 1),
    }
    assert ids["Take forty"] == upstream.git("rev-parse", "v1.5")


def test_the_commit_with_most_hunks_comes_first(repository: Repository) -> None:
    repository.commit({"a.c": text(BASE), "b.c": text(lines("b"))}, tag="v1")
    mine = {at: f"int mine_{at}(void);" for at in (10, 30, 50, 70)}
    patch(repository, "p1.patch", "v1", {"a.c": text(edited(BASE, mine)), "b.c": text(edited(lines("b"), mine))})
    theirs = {at: f"int theirs_{at}(void);" for at in (10, 30, 50)}
    repository.commit({"b.c": text(edited(lines("b"), {10: "int small(void);"}))}, "Small")
    repository.commit({"a.c": text(edited(BASE, theirs))}, "Large", tag="v2")
    out = shown(run(repository, "v1 v2", "../p1.patch"))
    named = [row for row in out if row.startswith("broken by")]
    assert [row.split('"')[1] for row in named] == ["Large", "Small"]
    assert named[0].endswith("(v2)   3 hunks") and named[1].endswith("(v2)   1 hunk")


def test_the_summary_says_it_in_one_line_and_then_names_it(upstream: Repository) -> None:
    out = shown(run(upstream, "v1 v2", "../p1.patch"))
    assert out[0] == (
        "forecast for v2   6 hunks: 2 carried, 1 conflict, 1 absorbed, 2 orphaned, 0 ambiguous   certificate ok"
    )
    assert out[1] == "  p1 = p1.patch, on v1"
    commit = upstream.git("rev-parse", "v1.5")[:12]
    assert f'absorbed by  {commit}  "Take forty"  (v1.5)   1 hunk' in out
    assert any(row.startswith("conflict (1)") for row in out) and not any("dropped" in row for row in out)
    limited = shown(run(upstream, "v1 v2", "../p1.patch"), wanted=lambda path: path == b"gone.c", limit_text="gone.c")
    assert limited[0].startswith("forecast for v2, limited to gone.c   1 hunk: 0 carried, 0 conflict, 0 absorbed, 1 or")
    assert sum("broken by" in row for row in limited) == 1


def test_json_marks_a_forecast_and_fits_the_schema(upstream: Repository) -> None:
    document = json.loads(json_document(run(upstream, "v1 v2", "../p1.patch")))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    [step] = document["transitions"]
    assert step["forecast"] is True and [one["forecast"] for one in document["patchsets"]] == [False, True]
    assert step["outlook"]["counts"] == {"carried": 2, "conflict": 1, "absorbed": 1, "orphaned": 2, "ambiguous": 0}
    assert step["counts"]["fates"] | {"kept": 0, "refreshed": 0} == {
        "kept": 0, "refreshed": 0, "edited": 0, "moved": 0, "absorbed": 1, "orphaned": 3, "dropped": 0, "ambiguous": 0,
    }  # fmt: skip
    known = {hunk["id"] for hunk in document["hunks"]}
    assert {name for one in step["outlook"]["commits"] for name in one["hunks"]} <= known
    plain = json.loads(json_document(run(upstream, "v1 v1", "../p1.patch ../p1.patch")))
    assert plain["transitions"][0]["forecast"] is False and plain["transitions"][0]["outlook"] is None


def test_only_the_last_transition_of_a_chain_is_one(upstream: Repository) -> None:
    second = patch(upstream, "p2.patch", "v1.5", {"same.c": text(edited(BASE, {7: "int seven(void);"}))})
    found = run(upstream, "v1 v1.5 v2", f"../p1.patch {second}")
    assert [one.forecast is None for one in found.transitions] == [True, False]
    assert outcomes(found) == {("same.c", 8): ("carried", None)}
    assert any(one.word == "dropped" for verdicts in found.fates.values() for one in verdicts)


def test_nothing_is_carried(repository: Repository) -> None:
    repository.commit({"a.c": text(BASE), "b.c": "b\n"}, tag="v1")
    patch(repository, "p1.patch", "v1", {"a.c": text(MINE)})
    repository.commit({"a.c": None}, "Remove it all", tag="v2")
    found = run(repository, "v1 v2", "../p1.patch")
    assert {word for word, _ in outcomes(found).values()} == {"orphaned"} and found.patchsets[1].patches == ()
    assert decode(*stored(found)) == found


def test_all_is_carried_and_nothing_differs(repository: Repository, metadiff: Metadiff) -> None:
    repository.commit({"a.c": text(BASE)}, tag="v1")
    patch(repository, "p1.patch", "v1", {"a.c": text(MINE), "new.bin": bytes(range(256)), "empty": ""})
    repository.commit({"a.c": text(["/* head */", *BASE])}, tag="v2")
    found = run(repository, "v1 v2", "../p1.patch")
    assert {one.word for verdicts in found.fates.values() for one in verdicts} == {"kept"}
    assert metadiff("v1", "v2", "--patches", "../p1.patch", "--exit-code", cwd=repository.path).returncode == 0


def test_the_exit_code_tells_work_within_the_path_limits(upstream: Repository, metadiff: Metadiff) -> None:
    command = ("v1", "v2", "--patches", "../p1.patch", "--quiet")
    assert metadiff(*command, cwd=upstream.path).returncode == 1
    assert metadiff(*command, "--", "same.c", cwd=upstream.path).returncode == 0
    assert metadiff(*command, "--", "gone.c", cwd=upstream.path).returncode == 1


def test_a_series_keeps_what_a_later_patch_replaces(upstream: Repository) -> None:
    folder = upstream.path.parent / "series"
    folder.mkdir()
    first = [*BASE[:5], "int first_form(void);", *BASE[5:]]
    upstream.git("checkout", "-q", "--detach", "v1")
    one = upstream.commit({"a.c": text(first)})
    two = upstream.commit({"a.c": text(edited(first, {5: "int second_form(void);", 21: "int my_twenty(void);"}))})
    upstream.git("checkout", "-q", "main")
    (folder / "one.patch").write_bytes(upstream.diff("v1", one))
    (folder / "two.patch").write_bytes(upstream.diff(one, two))
    (folder / "series").write_text("one.patch\ntwo.patch\n")
    found = run(upstream, "v1 v2", "../series")
    first_hunk = found.patchsets[0].hunks[0]
    assert found.superseded[first_hunk.id] and worst(found.fates[first_hunk.id]).reason == "superseded"
    assert outcome(worst(found.fates[first_hunk.id])) == "carried"
    fates = {(one.patch, one.verdict.word) for one in found.patch_verdicts if one.side == "fate"}
    assert fates == {(0, "refreshed"), (1, "orphaned")}
    rows = [os.fsdecode(row) for row in series(found, View())]
    assert "forecast, 2 patches" in rows[0] and not any("forecast" in row for row in rows[1:])


def test_what_comes_and_goes_within_a_series_is_carried_with_it(upstream: Repository) -> None:
    """To leave out the patch that takes a line back would bring the line back."""
    folder = upstream.path.parent / "series"
    folder.mkdir()
    upstream.git("checkout", "-q", "--detach", "v1")
    one = upstream.commit({"same.c": text([*BASE[:5], "int only_for_a_while(void);", *BASE[5:]])})
    two = upstream.commit({"same.c": text(BASE), "a.c": text(edited(BASE, {5: "int my_five(void);"}))})
    upstream.git("checkout", "-q", "main")
    (folder / "one.patch").write_bytes(upstream.diff("v1", one))
    (folder / "two.patch").write_bytes(upstream.diff(one, two))
    (folder / "series").write_text("one.patch\ntwo.patch\n")
    found = run(upstream, "v1 v2", "../series")
    assert {word for word, _ in outcomes(found).values()} == {"carried"}
    reasons = sorted(str(worst(found.fates[hunk.id]).reason) for hunk in found.patchsets[0].hunks)
    assert reasons == ["None", "no-effect", "no-effect"]
    assert "0 absorbed" in shown(found)[0]


def test_a_header_proves_that_upstream_took_a_patch(upstream: Repository) -> None:
    """Upstream took it in another form; history has the commit that the header names."""
    upstream.git("checkout", "-q", "--detach", "v1")
    mine = upstream.commit({"a.c": text(edited(BASE, {20: "int my_twenty(void);"}))})
    upstream.git("checkout", "-q", "main")
    taken = upstream.git("rev-parse", "v1.5~1")
    header = f"Make twenty mine\n\n(cherry picked from commit {taken})\n---\n".encode()
    upstream.write({"../named.patch": header + upstream.diff("v1", mine)})
    found = run(upstream, "v1 v2", "../named.patch")
    assert outcomes(found) == {("a.c", 21): ("absorbed", "upstream-commit")}
    forecast = found.transitions[0].forecast
    assert forecast is not None
    assert [(one.kind, one.commit, one.subject) for one in forecast.commits] == [("absorbed", taken, "Rewrite twenty")]


def test_several_places_are_ambiguous(repository: Repository) -> None:
    block = ["void twin_head(void);", "void twin_body(void);", "void twin_foot(void);"]
    before = [*lines("x", 30), *block, *lines("y", 30)]
    repository.commit({"a.c": text(before)}, tag="v1")
    mine = [*before[:31], "void twin_changed(void);", *before[32:]]
    patch(repository, "p1.patch", "v1", {"a.c": text(mine)})
    fresh = [*lines("n", 5), *block, *lines("m", 5), *block, *lines("o", 5)]
    repository.commit({"a.c": text([*fresh, *lines("x", 30)[:20], *lines("z", 30)])}, tag="v2")
    found = run(repository, "v1 v2", "../p1.patch")
    assert list(outcomes(found).values()) == [("ambiguous", "several-places")]
    (verdict,) = next(iter(found.fates.values()))
    assert verdict.text == "its context fits several places of the new release: lines 7, 15"
    assert ", 0 orphaned, 1 ambiguous " in shown(found)[0]


def test_without_a_history_that_is_said(upstream: Repository) -> None:
    for name in ("v1", "v2"):
        upstream.bash(f"git tag bare-{name} $(git commit-tree -m x {name}^{{tree}})")
    found = run(upstream, "bare-v1 bare-v2", "../p1.patch")
    forecast = found.transitions[0].forecast
    assert forecast is not None and forecast.commits == () and "share no history" in forecast.missing
    assert any(row.startswith("upstream commits are not named: ") for row in shown(found))
    upstream.bash("for name in v1 v2; do mkdir ../$name; git archive $name | tar -x -C ../$name; done")
    folders = run(upstream, "../v1 ../v2", "../p1.patch")
    assert folders.transitions[0].forecast == Forecast(
        "the releases are not revisions, so no history tells which commits did it"
    )
    assert outcomes(folders) == outcomes(found)


def test_a_commit_that_is_not_found_is_said(upstream: Repository) -> None:
    found = run(upstream, "v1 v2", "../p1.patch")
    step = found.transitions[0]
    assert step.forecast is not None
    assert not any("no upstream commit" in row for row in shown(found))
    less = replace(step.forecast, commits=tuple(one for one in step.forecast.commits if one.kind == "broken"))
    out = shown(replace(found, transitions=(replace(step, forecast=less),)))
    assert "no upstream commit was found for 1 hunk" in out


def test_a_new_tag_is_seen(upstream: Repository) -> None:
    upstream.git("tag", "-d", "v1.5")
    first = run(upstream, "v1 v2", "../p1.patch").transitions[0].forecast
    upstream.git("tag", "v1.5", "v2~2")
    second = run(upstream, "v1 v2", "../p1.patch").transitions[0].forecast
    assert first is not None and second is not None
    untagged = upstream.git("rev-parse", "v2")
    upstream.git("tag", "-d", "v2")
    third = run(upstream, f"v1 {untagged}", "../p1.patch")
    assert third.transitions[0].forecast is not None
    assert {one.tag for one in third.transitions[0].forecast.commits} == {"v1.5", ""}
    assert "(undefined)" not in "".join(shown(third))
    assert {one.tag for one in first.commits} == {"v2"} and {one.tag for one in second.commits} == {"v1.5", "v2"}


def test_stored_forecasts_are_read_back_and_checked(upstream: Repository) -> None:
    found = run(upstream, "v1 v2", "../p1.patch")
    assert decode(*stored(found)) == found
    step = found.transitions[0]
    wrong = [
        UpstreamCommit("liked", "1" * 40, "", "", ()),
        UpstreamCommit("broken", "1" * 40, "", "", ("no such hunk",)),
    ]
    for one in wrong:
        damaged = replace(found, transitions=(replace(step, forecast=Forecast("", (one,))),))
        with pytest.raises(DamagedError):
            decode(*stored(damaged))


def stored(comparison: Comparison) -> tuple[dict[str, Any], list[bytes]]:
    """A comparison as it is stored."""
    packed = encode(comparison)
    texts = [packed[b"interdiff-%d.patch" % at] for at in range(len(comparison.transitions))]
    return json.loads(packed[b"comparison.json"]), texts


# Which commit


def test_a_line_that_a_commit_moves_in_its_file_is_neither_added_nor_removed() -> None:
    diff = b"--- a/x.c\n+++ b/x.c\n@@ -1 +0,0 @@\n-  one();\n@@ -5,0 +4,2 @@\n+one();\n+two();\n"
    assert net_lines(diff, {b"x.c"}) == {(b"x.c", b"one();"): 0, (b"x.c", b"two();"): 1}
    assert not net_lines(diff, {b"y.c"})


def test_the_newest_commit_broke_it_and_the_oldest_brought_it() -> None:
    log = b"".join(
        b"\0%b Subject %b\n\n--- a/x.c\n+++ b/x.c\n@@ -1 +1 @@\n-gone_line();\n+new_line();\n" % (name * 40, name)
        for name in (b"c", b"b")
    )
    broken = Question("h", "broken", {b"x.c"}, set(), {b"gone_line();"})
    taken = Question("i", "absorbed", {b"x.c"}, {b"new_line();"}, set())
    subjects: dict[bytes, bytes] = {}
    read_log(log, [broken, taken], subjects)
    assert (best(broken), best(taken)) == (b"c" * 40, b"b" * 40)
    assert subjects == {b"c" * 40: b"Subject c", b"b" * 40: b"Subject b"}


# Chains that grow


@pytest.fixture
def chain(upstream: Repository) -> Repository:
    """Three releases and a patchset for each."""
    rows = upstream.git("show", "v2:a.c").split("\n")
    patch(upstream, "p2.patch", "v2", {"a.c": text(edited(rows, {6: "int my_five(void);", 21: "int my_own(void);"}))})
    rows.insert(0, "/* another head */")
    upstream.commit({"a.c": text(rows)}, "Another head", tag="v3")
    patch(upstream, "p3.patch", "v3", {"a.c": text(edited(rows, {7: "int my_five(void);", 30: "int thirty(void);"}))})
    return upstream


THREE = "../p1.patch ../p2.patch ../p3.patch"


def content(repository: Repository, name: str) -> str:
    """What a stored comparison holds, but for its name."""
    rows = repository.git("ls-tree", f"refs/metadiff/{name}/comparison").splitlines()
    return "\n".join(row for row in rows if not row.endswith("comparison.json"))


def test_a_chain_that_grew_equals_one_made_at_once(chain: Repository) -> None:
    whole = run(chain, "v1 v2 v3", THREE, name="whole")
    run(chain, "v1 v2", "../p1.patch ../p2.patch", name="grown")
    grown = grow(chain, "v3", "../p3.patch", name="grown")
    assert json_document(replace(grown, name="whole")) == json_document(whole)
    assert replace(grown, name="whole") == whole
    assert content(chain, "grown") == content(chain, "whole")
    for branch in ("upstream", "downstream"):
        ids = {chain.git("rev-parse", f"refs/metadiff/{name}/{branch}") for name in ("whole", "grown")}
        assert len(ids) == 1
    key = [
        chain.git("show", "-s", "--format=%P %(trailers)", f"refs/metadiff/{one}/comparison")
        for one in ("whole", "grown")
    ]
    assert key[0] == key[1]
    assert run(chain, "v1 v2 v3", THREE, name="grown") == grown


def test_what_is_stored_is_not_applied_again(chain: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    run(chain, "v1 v2 v3", THREE)
    chain.commit({"same.c": text(BASE[1:])}, tag="v4")
    for name in ("p1", "p2", "p3"):
        (chain.path.parent / f"{name}.patch").rename(chain.path.parent / f"{name}.old")
    steps: list[str] = []
    found = grow(chain, "v4", "../p3.old", progress=lambda label, _done, _total: steps.append(label))
    assert [one for one in steps if one.startswith("applying")] == ["applying p3.patch", "applying p3.old"]
    assert steps.count("comparing") == 1 and len(found.transitions) == 3


def test_several_at_once_and_the_last_comparison_made_here(chain: Repository, metadiff: Metadiff) -> None:
    whole = json_document(run(chain, "v1 v2 v3", THREE, name="one"))
    run(chain, "v1 v2", "../p1.patch", name="two")
    command = ("--append", "v2", "v3", "--patches", "../p2.patch", "../p3.patch")
    grown = metadiff(*command, "--json", cwd=chain.path)
    assert grown.stdout.replace(b'"two"', b'"one"') == whole and grown.returncode == 0


def test_a_forecast_gives_way_to_the_release_that_came(chain: Repository) -> None:
    whole = run(chain, "v1 v2 v3", THREE)
    run(chain, "v1 v2 v3", "../p1.patch ../p2.patch")
    assert grow(chain, "v3", "../p3.patch") == whole
    run(chain, "v1 v2", "../p1.patch")
    assert grow(chain, "v2 v3", "../p2.patch ../p3.patch") == whole


def test_a_chain_grows_by_a_forecast(chain: Repository) -> None:
    whole = run(chain, "v1 v2 v3", "../p1.patch ../p2.patch", name="a")
    run(chain, "v1 v2", "../p1.patch ../p2.patch", name="b")
    assert replace(grow(chain, "v3", "", name="b"), name="a") == whole
    assert whole.transitions[-1].forecast is not None


def test_a_new_drop_for_the_last_release(chain: Repository) -> None:
    whole = run(chain, "v1", "../p1.patch ../p1.patch")
    drop = patch(chain, "drop.patch", "v1", {"a.c": text(edited(MINE, {5: "int other_five(void);"}))})
    three = run(chain, "v1", f"../p1.patch ../p1.patch {drop}", name="three")
    assert run(chain, "v1", "../p1.patch ../p1.patch") == whole
    assert replace(grow(chain, "v1", drop, name="default"), name="three") == three


@pytest.mark.parametrize(
    ("arguments", "status", "message", "hint"),
    [
        ("--append v3 --patches ../p3.patch --name none", 128, "no comparison named 'none'", "make one with"),
        (
            "--append v3 --patches ../p3.patch --diff-only",
            128,
            "made without --diff-only",
            "make the whole chain again",
        ),
        ("--append v3 --patches ../p3.patch ../p3.patch", 128, "1 further release and 2 patchsets", "one fewer"),
        ("--append v9 --patches ../p3.patch", 128, "'v9' is neither a revision nor a path", "tag"),
        ("--append v3 --patches ../p9.patch", 128, "'../p9.patch' is neither", "a patchset is"),
        ("v2 --append v3 --patches ../p3.patch", 129, "does not go with the release 'v2'", "are stored"),
        ("--append v3 --chain x --patches ../p3.patch", 129, "does not go with --chain", "are stored"),
        ("--append --patches ../p3.patch", 129, "option --append needs a value", "-h"),
        ("show --append v3", 129, "--append does not go with 'show'", "-h"),
    ],
)
def test_chains_that_cannot_grow(
    arguments: str, status: int, message: str, hint: str, chain: Repository, metadiff: Metadiff
) -> None:
    run(chain, "v1 v2", "../p1.patch ../p2.patch")
    before = chain.git("for-each-ref")
    done = metadiff(*arguments.split(), cwd=chain.path)
    fatal, hinted = done.stderr.decode().splitlines()
    assert done.returncode == status and message in fatal and hint in hinted
    assert chain.git("for-each-ref") == before


def test_damaged_inputs_are_said_and_not_used(chain: Repository) -> None:
    run(chain, "v1 v2", "../p1.patch ../p2.patch")
    ref = "refs/metadiff/default/comparison"
    for name, data in (("inputs.json", b"{}"), ("inputs.json", b'{"patches":[[1]]}'), ("patch-0", None)):
        rows = [row for row in chain.git("ls-tree", ref).splitlines() if not row.endswith(f"\t{name}")]
        if data is not None:
            blob = os.fsdecode(chain.git("hash-object", "-w", "--stdin", stdin=data))
            rows.append(f"100644 blob {blob}\t{name}")
        tree = chain.git("mktree", stdin="".join(f"{row}\n" for row in rows).encode())
        before = chain.git("rev-parse", ref)
        chain.git("update-ref", ref, chain.git("commit-tree", "-m", "x", tree))
        with pytest.raises(MetadiffError, match="is damaged"):
            grow(chain, "v3", "../p3.patch")
        chain.git("update-ref", ref, before)


# Odd chains


def test_odd_chains_are_noted_and_compared(chain: Repository) -> None:
    found = run(chain, "v2 v1", "../p2.patch ../p1.patch")
    assert [(one.kind, one.text) for one in found.patchsets[1].notices] == [
        ("order", "v1 is an ancestor of v2: are the releases in the wrong order?")
    ]
    assert "p2 order (1)" in shown(found) and found.transitions[0].certificate.holds
    twice = run(chain, "v1 v1.5", ["../p1.patch ../p1.patch", "partial"][0], partial=True)
    assert "twice" in {one.kind for one in twice.patchsets[1].notices}
    assert not run(chain, "v1 v2", "../p1.patch ../p2.patch").patchsets[1].notices


def test_releases_without_a_file_in_common_are_noted(repository: Repository) -> None:
    repository.commit({"a.c": text(BASE)}, tag="v1")
    patch(repository, "p1.patch", "v1", {"a.c": text(MINE)})
    repository.commit({"a.c": None, "b.c": "other\n"}, tag="w1")
    found = run(repository, "v1 w1", "../p1.patch")
    assert [one.kind for one in found.patchsets[1].notices] == ["unrelated"]
    assert any("p2 unrelated" in row for row in shown(found))


def test_an_order_noted_once_stays_when_the_chain_grows(chain: Repository) -> None:
    whole = run(chain, "v2 v1 v3", "../p2.patch ../p1.patch ../p3.patch", name="a")
    run(chain, "v2 v1", "../p2.patch ../p1.patch", name="b")
    assert replace(grow(chain, "v3", "../p3.patch", name="b"), name="a") == whole
