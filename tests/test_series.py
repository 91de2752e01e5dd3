"""Which patch became which, what the headers of patches tell, and the view `--series`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import pytest

from git_metadiff import compare as compare_module
from git_metadiff.codec import decode, encode
from git_metadiff.compare import compare
from git_metadiff.headers import read_header, version_of
from git_metadiff.model import Change, Comparison, Edge, Hunk, Patch, PatchEdge, PatchVerdict, Verdict
from git_metadiff.render import View, json_document, series
from git_metadiff.series import Claim, Series, absorb_named, follow, judge_patches, match_patches, retell_edges
from tests.conftest import Metadiff, Repository

# Headers


PICKED = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("message", "commits"),
    [
        (f"Fix it\n\n(cherry picked from commit {PICKED})\n", [PICKED]),
        (f"Fix it\n\n(cherry-picked from {PICKED[:12]})\n", [PICKED[:12]]),
        (f"Fix it\n\n(backported from commit {PICKED})\n", [PICKED]),
        (f"Fix it\n\n[ Upstream commit {PICKED} ]\n", [PICKED]),
        (f"Fix it\n\ncommit {PICKED} upstream.\n", [PICKED]),
        (f"From: A\nOrigin: upstream, https://git.example.org/x.git/commit/?id={PICKED}\n", [PICKED]),
        (f"Origin: backport, https://example.org/o/r/commit/{PICKED[:7]}\n", [PICKED[:7]]),
        (f"Origin: https://example.org/commit/{PICKED}.patch\n", [PICKED]),
        (f"Origin: https://hg.example.org/rev/{PICKED[:12]}\n", [PICKED[:12]]),
        (f"Origin: upstream, commit {PICKED}\n", [PICKED]),
        (f"Origin: upstream,\n https://example.org/commit/{PICKED}\n", [PICKED]),
        (f"Origin: 1_30_0-35-g{PICKED[:9]} <https://example.org/commit/?id=1_30_0-35-g{PICKED[:9]}>\n", [PICKED[:9]]),
        (f"Origin: vendor, https://example.org/commit/{PICKED}\n", []),
        (f"Origin: other, https://example.org/commit/{PICKED}\n", []),
        (f"Applied-Upstream: commit:{PICKED}\n", [PICKED]),
        (f"Applied-Upstream: {PICKED}\n", [PICKED]),
        (f"Upstream-Status: Backport [https://example.org/c/?id={PICKED}]\n", [PICKED]),
        (f"Upstream-Status: Backport [{PICKED}]\n", [PICKED]),
        (f"Upstream-Status: Submitted [https://example.org/commit/{PICKED}]\n", []),
        (f"This reverts commit {PICKED}.\n", []),
        ("Bug: https://bugs.example.org/1234567\nForwarded: no\n", []),
        ("", []),
    ],
)
def test_headers_name_commits(message: str, commits: list[str]) -> None:
    assert list(dict.fromkeys(read_header(message.encode()).commits)) == commits


def test_headers_name_releases_changes_authors_and_mails() -> None:
    found = read_header(b"Author: A U Thor <Author@Example.com>\nApplied-Upstream: 3.2, somewhere\n")
    assert (found.release, found.author) == ("3.2", b"author@example.com")
    assert read_header(b"x\n\nChange-Id: I0123456789abcdef\n").change_id == "I0123456789abcdef"
    assert read_header(f"From {PICKED} Mon Sep 17 00:00:00 2001\nFrom: A <a@b>\n".encode()).mail == PICKED
    assert read_header(b"From: A <a@b>\n", b"B <b@c> 1 +0000").author == b"b@c"


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("busybox_1.35.0.orig.tar.bz2", (1, 35, 0)),
        ("openssh_9.2p1.orig.tar.gz", (9, 2, 1)),
        ("v4.3.3", (4, 3, 3)),
        ("curl-7_88_1", (7, 88, 1)),
        ("v252", (252,)),
        ("main", ()),
    ],
)
def test_versions_are_read_from_names(name: str, version: tuple[int, ...]) -> None:
    assert version_of(name) == version


# Pairs of patches


def make_hunk(name: str, side: int, patch: int, lines: Sequence[str], path: str = "a.c") -> Hunk:
    """A hunk that adds lines."""
    added = tuple(text.encode() for text in lines)
    body = tuple(b"+" + text for text in added)
    change = Change(5, 5, (), added, (), ())
    return Hunk(name, side, patch, path.encode(), None, 5, 0, 5, len(added), 5, b"", body, (change,))


def make_series(side: int, *patches: Sequence[Sequence[str]], messages: Mapping[int, str] | None = None) -> Series:
    """A series of patches of hunks of lines; hunk `a1.0` is the first of the second patch of side 0."""
    said = messages or {}
    return Series(
        [Patch(at, f"{side}-{at}.patch", None, said.get(at, "").encode()) for at in range(len(patches))],
        [
            make_hunk(f"{'ab'[side]}{at}.{number}", side, at, lines, f"{at}.c")
            for at, hunks in enumerate(patches)
            for number, lines in enumerate(hunks)
        ],
    )


def words(text: str, count: int) -> list[str]:
    """That many telling lines."""
    return [f"\t{text}_step_number_{at}();" for at in range(count)]


def edge(a: str, b: str, kind: str = "kept", *evidence: str) -> Edge:
    """An edge of hunks."""
    return Edge(a, b, kind, 1.0, evidence or ("exact",))


def pairs(found: list[PatchEdge]) -> list[tuple[int, int, str, str]]:
    """The ends, kinds and shapes of edges."""
    return [(one.a, one.b, one.kind, one.shape) for one in found]


def test_one_split_folded_and_mixed() -> None:
    old = make_series(0, [words("k", 5)], [words("s", 5), words("t", 5)], [words("f", 4)], [words("g", 4)])
    new = make_series(1, [words("s", 5)], [words("t", 5)], [words("k", 5)], [words("f", 4), words("g", 4)])
    edges = [
        edge("a0.0", "b2.0"),
        edge("a1.0", "b0.0"),
        edge("a1.1", "b1.0", "refreshed"),
        edge("a2.0", "b3.0"),
        edge("a3.0", "b3.1"),
    ]
    assert pairs(match_patches(0, old, new, edges, names=False)) == [
        (0, 2, "kept", "one"),
        (1, 0, "kept", "split"),
        (1, 1, "refreshed", "split"),
        (2, 3, "kept", "folded"),
        (3, 3, "kept", "folded"),
    ]
    both = make_series(1, [words("s", 5)], [words("t", 5), words("f", 4)])
    mixed = match_patches(0, old, both, [edge("a1.0", "b0.0"), edge("a1.1", "b1.0"), edge("a2.0", "b1.1")], names=False)
    assert pairs(mixed) == [(1, 0, "kept", "split"), (1, 1, "kept", "mixed"), (2, 1, "kept", "folded")]


def test_similarity_is_the_share_of_both() -> None:
    old, new = make_series(0, [words("k", 6)]), make_series(1, [words("k", 4)])
    [found] = match_patches(3, old, new, [edge("a0.0", "b0.0", "edited")], names=True)
    assert (found.release, found.kind) == (3, "edited")
    assert found.similarity == pytest.approx(0.8)


def test_a_patch_that_lost_a_hunk_is_edited() -> None:
    old, new = make_series(0, [words("k", 5), words("l", 5)]), make_series(1, [words("k", 5)])
    [found] = match_patches(0, old, new, [edge("a0.0", "b0.0")], names=False)
    assert found.kind == "edited"


@pytest.mark.parametrize("names", [False, True])
def test_a_coincidence_of_lines_makes_no_pair(names: bool) -> None:
    brace = ["}", "\treturn 0;", ""]
    old, new = make_series(0, [[*brace, *words("k", 19)]]), make_series(1, [[*brace, *words("m", 19)]])
    assert match_patches(0, old, new, [Edge("a0.0", "b0.0", "edited", 0.14, ("place",))], names=names) == []


def test_generic_lines_alone_make_no_pair_though_they_are_a_fifth() -> None:
    generic = ["}", "\treturn 0;", "", "else", "{"]
    old = make_series(0, [["}", "", "else"], words("k", 7)])
    new = make_series(1, [["}", "", "else"], words("m", 70), generic])
    assert match_patches(0, old, new, [edge("a0.0", "b0.0", "moved", "rare lines")], names=False) == []


def test_a_hunk_that_shares_its_superseders_partners_is_no_evidence() -> None:
    old, new = make_series(0, [words("k", 5)], [words("m", 5)]), make_series(1, [words("m", 5)])
    edges = [edge("a0.0", "b0.0", "kept", "superseded"), edge("a1.0", "b0.0")]
    assert pairs(match_patches(0, old, new, edges, names=True)) == [(1, 0, "kept", "one")]


def test_a_rewritten_patch_is_found_by_its_name_but_not_from_the_diffs_alone() -> None:
    old, new = make_series(0, [words("first", 5)]), make_series(1, [words("second", 5)])
    old = Series([Patch(0, "debian/same-name.patch", "Subject")], old.hunks)
    new = Series([Patch(0, "same-name.patch", "[PATCH 3/4] subject.")], new.hunks)
    assert match_patches(0, old, new, [], names=False) == []
    [found] = match_patches(0, old, new, [], names=True)
    assert (found.evidence, found.kind, found.similarity) == (("name", "subject"), "edited", 0.0)


def test_a_name_used_again_loses_to_the_text() -> None:
    old, new = make_series(0, [words("k", 5)]), make_series(1, [words("m", 5)], [words("k", 5)])
    old = Series([Patch(0, "fix-2.patch", None)], old.hunks)
    new = Series([Patch(0, "fix-2.patch", None), Patch(1, "fix-3.patch", None)], new.hunks)
    found = match_patches(0, old, new, [edge("a0.0", "b1.0")], names=True)
    assert pairs(found) == [(0, 1, "kept", "one")]


def test_change_ids_authors_messages_and_index_ids_are_evidence() -> None:
    message = "Subject\n\nA long message that says what the patch is for, and why.\n"
    tail = "From: A <a@example.com>\nChange-Id: I0123456789\n"
    old, new = make_series(0, [words("k", 5)]), make_series(1, [words("k", 5)])
    old = Series([Patch(0, "1.patch", "x", (message + tail).encode())], old.hunks, [b"index 1234567..89abcde 100644\n"])
    new = Series([Patch(0, "2.patch", "y", (message + tail).encode())], new.hunks, [b"index 12345678..89abcdef\n"])
    [found] = match_patches(0, old, new, [edge("a0.0", "b0.0")], names=True)
    assert found.evidence == ("author", "change-id", "hunks", "index", "message")
    [found] = match_patches(0, old, new, [edge("a0.0", "b0.0")], names=False)
    assert found.evidence == ("hunks",)


def test_lines_find_a_patch_of_which_no_hunk_corresponds() -> None:
    old, new = make_series(0, [words("k", 5)], [words("o", 5)]), make_series(1, [words("k", 5)])
    [found] = match_patches(0, old, new, [], names=False)
    assert (found.a, found.b, found.evidence) == (0, 0, ("lines",))


# Verdicts


LOST, GONE, KEPT = Verdict("dropped"), Verdict("orphaned", None, "conflict"), Verdict("kept")


@pytest.mark.parametrize(
    ("verdict", "claim", "untouched", "word"),
    [
        (GONE, Claim("c", None), False, "absorbed"),
        (GONE, Claim("c", False), False, "orphaned"),
        (LOST, Claim("c", None), False, "absorbed"),
        (LOST, Claim("c", None), True, "dropped"),  # the text proves that upstream does not have it
        (LOST, Claim("c", False), False, "dropped"),
        (LOST, Claim("c", True, "", {b"0.c": frozenset({b"+k_step_number_0();"})}), True, "absorbed"),
        (LOST, Claim("c", True, "", {b"0.c": frozenset({b"+other();"})}), True, "dropped"),
        (LOST, Claim("c", True, "", {b"1.c": frozenset({b"+k_step_number_0();"})}), False, "dropped"),
        (GONE, Claim("c", True, "", {b"0.c": frozenset()}), False, "absorbed"),
        (GONE, Claim("c", True, "", {}), False, "orphaned"),
        (Verdict("ambiguous"), Claim("c", True, "", {b"0.c": frozenset()}), False, "ambiguous"),
        (KEPT, Claim("c", None), False, "kept"),
        (Verdict("orphaned", None, "superseded"), Claim("c", None), False, "orphaned"),
    ],
)
def test_what_a_named_commit_proves(verdict: Verdict, claim: Claim, untouched: bool, word: str) -> None:
    hunks = make_series(0, [words("k", 1)]).hunks
    at = {("a0.0", 0)} if untouched else set()
    changed = absorb_named(hunks, {"a0.0": (verdict,)}, {0: claim}, at)
    assert changed.get("a0.0", (verdict,))[0].word == word
    assert all(one.reason == "upstream-commit" for one in changed.get("a0.0", ()))


def test_the_replaced_and_the_edges_follow() -> None:
    hunks = make_series(0, [words("k", 1)], [words("k", 2)]).hunks
    taken = {"a1.0": (Verdict("absorbed", None, "upstream-commit"),)}
    before = {"a0.0": (Verdict("orphaned", None, "superseded"),), "a1.0": (GONE,)}
    found = follow(hunks, {"a0.0": "a1.0"}, before, taken)
    assert found["a0.0"] == (Verdict("absorbed", None, "superseded"),)
    told = retell_edges([Edge("a1.0", "upstream:0:a.c:1", "orphaned", 1.0, ("upstream",))], found)
    assert told[0].kind == "absorbed"


def judged(side: str, verdicts: list[Verdict], edges: list[PatchEdge]) -> Verdict:
    """The verdict of a patch of hunks with these."""
    made = make_series(side == "origin", [words(f"k{at}", 1) for at in range(len(verdicts))])
    known = {hunk.id: (verdict,) for hunk, verdict in zip(made.hunks, verdicts, strict=True)}
    [found] = judge_patches(0, side, made, known, edges, {})
    return found.verdict


def test_a_patch_takes_the_worst_of_its_hunks() -> None:
    pair = [PatchEdge(0, 0, 0, 1.0)]
    assert judged("fate", [KEPT, LOST, KEPT], pair) == Verdict("dropped", None, None, "1 of its 3 hunks")
    assert judged("fate", [KEPT, KEPT], pair) == KEPT
    assert judged("fate", [GONE, Verdict("absorbed")], []).word == "orphaned"
    assert judged("fate", [Verdict("orphaned", None, "superseded"), Verdict("absorbed")], []).word == "absorbed"
    assert judged("origin", [Verdict("new", "downstream"), KEPT], pair).word == "edited"
    assert judged("origin", [Verdict("new", "downstream")], []).word == "new"
    assert judged("fate", [KEPT], [PatchEdge(0, 0, 0, 0.5, "edited")]).word == "edited"
    assert judged("fate", [KEPT], []).reason == "scattered"
    assert judged("fate", [KEPT, Verdict("moved", "downstream", "misplaced", "x")], pair).reason == "misplaced"


# Real repositories


def function(name: str, *body: str) -> str:
    """A function in C."""
    return "".join(f"{text}\n" for text in (f"int {name}(int argument)", "{", *(f"\t{text}" for text in body), "}", ""))


def file_of(**bodies: Sequence[str]) -> str:
    """A file of functions."""
    return "\n".join(function(name, *body) for name, body in bodies.items())


PLAIN = {name: [f"{name}_step_{at}(argument);" for at in range(6)] for name in ("alpha", "beta", "gamma", "delta")}


def with_body(**bodies: Sequence[str]) -> str:
    """The file with some bodies replaced."""
    return file_of(**{name: bodies.get(name, body) for name, body in PLAIN.items()})


def guarded(name: str, at: int, guard: str) -> list[str]:
    """A body with a guard before one of its lines."""
    body = PLAIN[name]
    return [*body[:at], f"if ({guard}(argument))", f"\treturn {guard}_failed;", *body[at:]]


FIX = guarded("beta", 3, "overflows")
OTHER = ["rewritten_start(argument);", "rewritten_end(argument);"]


class Quilt:
    """A repository whose patches are made as commits and written as quilt folders."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository

    def patches(self, folder: str, start: str, *patches: tuple[str, str, str]) -> None:
        """Write a series of (name, header, content of a.c) on a release."""
        names, before = [], start
        tip = self.repository.git("rev-parse", "HEAD")
        self.repository.git("checkout", "-q", start)
        for name, header, content in patches:
            after = self.repository.commit({"a.c": content}, name)
            text = header.encode() + b"---\n" + self.repository.diff(before, after)
            path = self.repository.path / ".git" / folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text)
            names.append(name)
            before = after
        (self.repository.path / ".git" / folder).mkdir(exist_ok=True)
        (self.repository.path / ".git" / folder / "series").write_text("".join(f"{name}\n" for name in names))
        self.repository.git("checkout", "-q", tip)

    def compare(self, *releases: str, diff_only: bool = False, name: str = "default") -> Comparison:
        """Compare two releases with the folders p1 and p2."""
        folder = self.repository.path / ".git"
        return compare(
            folder, releases, ["./p1", "./p2"], environ=os.environ, cwd=folder, diff_only=diff_only, name=name
        )


@pytest.fixture
def quilt(repository: Repository) -> Quilt:
    """Upstream: v1; a fix on a branch `fixes`; v2, in which the fixed function was rewritten. Patched: beta and delta.

    `p1` holds the fix, as a backport whose header is to be filled in, and a change of delta's; `p2` only the latter.
    """
    repository.commit({"a.c": with_body()}, tag="v1")
    repository.commit({"a.c": with_body(beta=FIX)}, "fix beta", tag="fix")
    repository.commit({"a.c": with_body(beta=OTHER)}, "rewrite beta", tag="v2")
    repository.git("checkout", "-q", "v1")
    repository.commit({"a.c": with_body(beta=OTHER)}, "rewrite beta without the fix", tag="v2-without")
    return Quilt(repository)


MINE = guarded("delta", 2, "checked")


def fill(quilt: Quilt, header: str, release: str = "v2") -> None:
    """Write both series; the fix is gone from the second."""
    quilt.patches(
        "p1", "v1", ("fix.patch", header, with_body(beta=FIX)), ("mine.patch", "", with_body(beta=FIX, delta=MINE))
    )
    quilt.patches("p2", release, ("mine.patch", "", with_body(beta=OTHER, delta=MINE)))


def verdict_of(comparison: Comparison, patch: int = 0, side: str = "fate") -> PatchVerdict:
    """The verdict of a patch of the first transition."""
    release = 0 if side == "fate" else 1
    [found] = [one for one in comparison.patch_verdicts if (one.release, one.side, one.patch) == (release, side, patch)]
    return found


def test_history_proves_what_upstream_took(quilt: Quilt) -> None:
    commit = quilt.repository.git("rev-parse", "fix")
    fill(quilt, f"Fix beta\n\n(cherry picked from commit {commit[:12]})\n")
    found = quilt.compare("v1", "v2")
    first = verdict_of(found)
    assert (first.verdict.word, first.verdict.reason) == ("absorbed", "upstream-commit")
    assert (first.upstream_commit, first.checked) == (commit, True)
    assert all(one.certificate.holds for one in found.transitions)
    lost = {
        edge.kind for edge in found.edges if edge.b.startswith("upstream:") and edge.a.startswith(hunk_of(found).id)
    }
    assert "orphaned" not in lost
    parsed = json.loads(json_document(found))
    patch = parsed["patchsets"][0]["patches"][0]
    assert (patch["fate"], patch["upstream_commit"], patch["upstream_commit_checked"]) == ("absorbed", commit, True)
    [told] = [hunk for hunk in parsed["hunks"] if hunk["reason"] == "upstream-commit"]
    assert (told["fate"], told["upstream_commit"]) == ("absorbed", commit)
    shown = b"".join(series(found, View())).decode()
    assert f"header: {commit[:12]}; v2 contains it" in shown and "DROPPED" not in shown


def hunk_of(comparison: Comparison, patch: int = 0) -> Hunk:
    """The first hunk of a patch of the older series."""
    return next(hunk for hunk in comparison.patchsets[0].hunks if hunk.patch == patch)


def test_a_commit_that_the_release_does_not_have_proves_nothing(quilt: Quilt) -> None:
    commit = quilt.repository.git("rev-parse", "fix")
    fill(quilt, f"[ Upstream commit {commit} ]\n", "v2-without")
    first = verdict_of(quilt.compare("v1", "v2-without"))
    assert first.verdict.word == "orphaned" and first.upstream_commit is None and not first.checked


def test_a_commit_that_upstream_took_back_proves_nothing(quilt: Quilt) -> None:
    repository = quilt.repository
    commit = repository.git("rev-parse", "fix")
    repository.git("checkout", "-q", "fix")
    repository.commit({"a.c": with_body()}, f'Revert "fix beta"\n\nThis reverts commit {commit}.')
    repository.commit({"a.c": with_body(beta=OTHER)}, "rewrite beta", tag="v2-reverted")
    fill(quilt, f"(cherry picked from commit {commit})\n", "v2-reverted")
    assert verdict_of(quilt.compare("v1", "v2-reverted")).verdict.word == "orphaned"


def test_a_commit_that_upstream_brought_back_counts(quilt: Quilt) -> None:
    repository = quilt.repository
    commit = repository.git("rev-parse", "fix")
    repository.git("checkout", "-q", "fix")
    back = repository.commit({"a.c": with_body()}, f"Revert\n\nThis reverts commit {commit}.")
    repository.commit({"a.c": with_body(beta=FIX)}, f"Revert the revert\n\nThis reverts commit {back}.")
    repository.commit({"a.c": with_body(beta=OTHER)}, "rewrite beta", tag="v2-again")
    fill(quilt, f"(cherry picked from commit {commit})\n", "v2-again")
    assert verdict_of(quilt.compare("v1", "v2-again")).verdict.word == "absorbed"


def test_the_mail_and_the_change_id_find_the_commit(quilt: Quilt) -> None:
    repository = quilt.repository
    repository.git("checkout", "-q", "v1")
    commit = repository.commit({"a.c": with_body(beta=FIX)}, "fix beta\n\nChange-Id: I00112233")
    repository.commit({"a.c": with_body(beta=OTHER)}, "rewrite", tag="v2-changes")
    fill(quilt, "Fix\n\nChange-Id: I00112233\n", "v2-changes")
    assert verdict_of(quilt.compare("v1", "v2-changes")).upstream_commit == commit
    fill(quilt, f"From {commit} Mon Sep 17 00:00:00 2001\nFrom: A <a@example.com>\n", "v2-changes")
    assert verdict_of(quilt.compare("v1", "v2-changes")).upstream_commit == commit


def exported(quilt: Quilt, *releases: str) -> list[str]:
    """Directories of releases: without history."""
    for release in releases:
        folder = quilt.repository.path / ".git" / f"dir-{release}"
        folder.mkdir()
        (folder / "a.c").write_text(quilt.repository.git("show", f"{release}:a.c") + "\n")
    return [f"./dir-{release}" for release in releases]


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (f"(cherry picked from commit {PICKED})\n", "absorbed"),
        ("Applied-Upstream: 1.5\n", "absorbed"),
        ("Applied-Upstream: 2.5\n", "orphaned"),
        ("", "orphaned"),
    ],
)
def test_without_history_the_header_tells_of_what_has_no_place(quilt: Quilt, header: str, word: str) -> None:
    quilt.repository.git("tag", "x-1.0", "v1")
    quilt.repository.git("tag", "x-2.0", "v2")
    fill(quilt, header)
    first = verdict_of(quilt.compare(*exported(quilt, "x-1.0", "x-2.0")))
    assert (first.verdict.word, first.checked) == (word, False)
    assert first.upstream_commit == (PICKED if "cherry" in header else None)


def test_what_keeps_its_untouched_place_is_dropped_whatever_the_header_says(quilt: Quilt) -> None:
    header = f"(cherry picked from commit {PICKED})\n"
    quilt.patches("p1", "v1", ("mine.patch", header, with_body(delta=MINE)))
    quilt.patches("p2", "v2", ("else.patch", "", with_body(beta=OTHER, alpha=[*PLAIN["alpha"], "farewell();"])))
    found = quilt.compare(*exported(quilt, "v1", "v2"))
    assert verdict_of(found).verdict.word == "dropped"
    shown = b"".join(series(found, View())).decode().splitlines()
    assert ["1", "-", "DROPPED"] in [row.split()[:3] for row in shown]
    assert shown[-1] == "1 dropped, 0 misplaced, 0 applied twice. Everything else accounted for: 2 of 2 hunks."


def test_diff_only_uses_no_names_and_is_a_comparison_of_its_own(quilt: Quilt, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(quilt, f"(cherry picked from commit {quilt.repository.git('rev-parse', 'fix')})\n")
    assert verdict_of(quilt.compare("v1", "v2")).verdict.word == "absorbed"
    bare = quilt.compare("v1", "v2", diff_only=True)
    assert verdict_of(bare).verdict.word == "orphaned"
    assert {edge.evidence for edge in bare.patch_edges} == {("hunks",)}
    assert verdict_of(quilt.compare("v1", "v2")).verdict.word == "absorbed"
    ran: list[str] = []

    def run(*arguments: object) -> Comparison:
        ran.append("again")
        return bare

    monkeypatch.setattr(compare_module, "run", run)
    quilt.compare("v1", "v2")
    assert not ran
    monkeypatch.setattr(compare_module, "__version__", "another")
    quilt.compare("v1", "v2")
    assert ran == ["again"]


def test_reordered_split_and_folded_patches_in_one_list(quilt: Quilt) -> None:
    alpha, gamma = guarded("alpha", 1, "early"), guarded("gamma", 4, "late")
    quilt.patches(
        "p1",
        "v1",
        ("one.patch", "", with_body(alpha=alpha, gamma=gamma)),
        ("two.patch", "", with_body(alpha=alpha, gamma=gamma, delta=MINE)),
    )
    quilt.patches(
        "p2",
        "v2",
        ("delta.patch", "", with_body(beta=OTHER, delta=MINE)),
        ("alpha.patch", "", with_body(beta=OTHER, delta=MINE, alpha=alpha)),
        ("gamma.patch", "", with_body(beta=OTHER, delta=MINE, alpha=alpha, gamma=gamma)),
    )
    found = quilt.compare("v1", "v2", diff_only=True)
    assert [(one.a, one.b, one.shape) for one in found.patch_edges] == [(0, 1, "split"), (0, 2, "split"), (1, 0, "one")]
    rows = b"".join(series(found, View())).decode().splitlines()
    assert rows[2].split()[:2] == ["2", "1"] and rows[2].endswith("reordered")
    assert ["split into 2+3" in row for row in rows[3:5]] == [True, True]
    assert rows[-1].startswith("0 dropped, 0 misplaced, 0 applied twice.")
    assert decode(json.loads(encode(found)[b"comparison.json"]), [one.interdiff for one in found.transitions]) == found


def test_series_from_the_command_line(quilt: Quilt, metadiff: Metadiff) -> None:
    fill(quilt, f"(cherry picked from commit {quilt.repository.git('rev-parse', 'fix')})\n")
    folder = quilt.repository.path / ".git"
    main = ("v1", "v2", "--patches", "./p1", "./p2", "--series")
    shown = metadiff(*main, cwd=folder)
    assert shown.returncode == 0 and b" absorbed " in shown.stdout
    bare = metadiff(*main, "--diff-only", cwd=folder)
    assert bare.returncode == 0 and b" orphaned " in bare.stdout and b"header:" not in bare.stdout
    colored = metadiff(*main, "--color", cwd=folder)
    assert b"\x1b[" in colored.stdout
    limited = metadiff(*main, "--", "no-such-file", cwd=folder)
    assert b"0 of 0 hunks" in limited.stdout
