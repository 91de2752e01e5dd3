"""The views, on comparisons made by hand."""

from __future__ import annotations

import base64
import re
import time
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from git_metadiff import render
from git_metadiff.errors import MetadiffError
from git_metadiff.hunks import RawHunk, changes_of
from git_metadiff.model import (
    Certificate,
    Collision,
    Comparison,
    Edge,
    Hunk,
    InterdiffHunk,
    InterdiffSize,
    Notice,
    Patch,
    PatchEdge,
    Patchset,
    Release,
    Transition,
    Unplaced,
    Verdict,
)
from git_metadiff.render.folding import is_table
from git_metadiff.render.functions import changed_in, function_of, titles
from git_metadiff.render.owners import Owners
from git_metadiff.render.paint import quoted
from git_metadiff.render.sections import read_sections
from git_metadiff.render.view import View
from git_metadiff.trace import Frame, Trace

U1, U2, D1, D2, P = (digit * 40 for digit in "12345")
OK = Certificate(D2, True, True, True)
KEPT = Verdict("kept")
NEW = Verdict("new", "downstream")
ANSI = re.compile(rb"\x1b\[[0-9;]*m")
COLORS = {"old": b"\x1b[31m", "new": b"\x1b[32m", "meta": b"\x1b[1m", "warn": b"\x1b[1;31m", "frag": b"\x1b[36m"}


def make_hunk(
    name: str, side: int, path: bytes, body: bytes, start: int = 1, section: bytes = b"", patch: int = 0
) -> Hunk:
    """A hunk with that body (lines with prefix); its numbers follow from it."""
    lines = tuple(body.split(b"\n"))
    old, new = sum(text[:1] in b" -" for text in lines), sum(text[:1] in b" +" for text in lines)
    raw = RawHunk(1, start, old, start, new, section, lines)
    return Hunk(name, side, patch, path, None, start, old, start, new, start, section, lines, changes_of(raw))


@dataclass
class Builder:
    """Collects what a comparison of one transition is made of."""

    old: list[Hunk] = field(default_factory=list)
    new: list[Hunk] = field(default_factory=list)
    fates: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    origins: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    unplaced: list[Unplaced] = field(default_factory=list)
    interdiff: bytes = b""
    owned: list[InterdiffHunk] = field(default_factory=list)
    collisions: list[Collision] = field(default_factory=list)
    upstream_lines: dict[bytes, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    certificate: Certificate = OK
    notices: tuple[Notice, ...] = ()
    patches: tuple[int, int] = (1, 1)
    patch_edges: list[PatchEdge] = field(default_factory=list)
    releases: tuple[Release, Release] = (Release("v1", U1), Release("v2", U2))

    def lone(self, hunk: Hunk, *verdicts: Verdict) -> Hunk:
        """Add a hunk without a partner; one verdict is that of all its changes."""
        side, words = (self.old, self.fates) if hunk.release == 0 else (self.new, self.origins)
        side.append(hunk)
        words[hunk.id] = verdicts if len(verdicts) > 1 else verdicts * len(hunk.changes)
        return hunk

    def pair(self, old: Hunk, new: Hunk, fate: Sequence[Verdict], origin: Sequence[Verdict] = ()) -> None:
        """Add two hunks that correspond."""
        self.lone(old, *fate)
        self.lone(new, *(origin or fate))
        self.edges.append(Edge(old.id, new.id, fate[0].word, 0.98765, ("place", "score 0.98")))

    def file(self, path: bytes, text: bytes, *owners: tuple[int, int, tuple[str, ...]]) -> None:
        """Add a file to the interdiff; owners by old and new start."""
        name = b"a/%b b/%b" % (path, path)
        head = b"diff --git %b\nindex %b..%b 100644\n--- a/%b\n+++ b/%b\n" % (name, b"6" * 40, b"7" * 40, path, path)
        self.interdiff += head + text
        self.owned += [InterdiffHunk(path, old, new, names) for old, new, names in owners]

    def build(self) -> Comparison:
        """The comparison."""
        files = read_sections(self.interdiff)
        added, removed = sum(file.added for file in files), sum(file.removed for file in files)
        unplaced = {(item.hunk, item.change) for item in self.unplaced}
        first, second = (
            tuple(Patch(index, f"{side}{index}.patch", None) for index in range(count))
            for side, count in zip("ab", self.patches, strict=True)
        )
        return Comparison(
            name="default",
            releases=self.releases,
            patchsets=(
                Patchset("p1", D1, first, tuple(self.old)),
                Patchset("p2", D2, second, tuple(self.new), self.notices),
            ),
            fates=self.fates,
            origins=self.origins,
            placed={h.id: tuple((h.id, at) not in unplaced for at in range(len(h.changes))) for h in self.old},
            superseded={},
            edges=tuple(self.edges),
            patch_edges=tuple(self.patch_edges),
            transitions=(
                Transition(
                    0,
                    1,
                    P,
                    tuple(self.unplaced),
                    self.interdiff,
                    InterdiffSize(len(files), added, removed, 0),
                    tuple(self.owned),
                    tuple(self.collisions),
                    self.certificate,
                    self.upstream_lines,
                ),
            ),
        )


@dataclass
class FakeReader:
    """Answers from dictionaries, and notes what it was asked."""

    diffs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    files: dict[tuple[str, bytes], bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, int, bool, tuple[bytes, ...]]] = field(default_factory=list)

    def diff(self, old_tree: str, new_tree: str, context: int, function_context: bool, paths: Sequence[bytes]) -> bytes:
        """The diff that was put in for these trees."""
        self.asked.append((old_tree, new_tree, context, function_context, tuple(paths)))
        return self.diffs.get((old_tree, new_tree), b"")

    def read(self, tree: str, path: bytes) -> bytes | None:
        """The file that was put in."""
        return self.files.get((tree, path))


def text(lines: Iterable[bytes]) -> str:
    """What a view printed; each item must be one line."""
    items = list(lines)
    assert all(item.endswith(b"\n") and item.count(b"\n") == 1 for item in items)
    return b"".join(items).decode("utf-8", "surrogateescape")


def full(comparison: Comparison, view: View | None = None, reader: FakeReader | None = None) -> str:
    """The default view."""
    return text(render.full(comparison, view or View(), reader or FakeReader()))


def only(*paths: bytes) -> View:
    """A view limited to `paths`."""
    return View(wanted=lambda path: path in paths, limit_text=" ".join(path.decode() for path in paths))


STORY_HUNK = b"""\
@@ -10,6 +10,6 @@ int first(void)
 \tone();
 \ttwo();
-\tthree(1);
+\tthree(1, 2); /* M\xfcller */
 \tfour();
 \tfive();
 \tsix();
"""
LOST_HUNK = b"""\
@@ -40,7 +40,6 @@ int second(void)
 a
 b
 c
-\tcheck_it();
 d
 e
 f
"""


def story() -> Builder:
    """Two files: in one a hunk was edited and one lost, in the other a hunk stands and one is misplaced."""
    built = Builder()
    edited = (Verdict("edited", "downstream", None, "another argument"),)
    built.pair(
        make_hunk("aa01", 0, b"a.c", b" two();\n+\tthree(1);\n four();", 11, b"int first(void)"),
        make_hunk("bb01", 1, b"a.c", b" two();\n+\tthree(1, 2); /* M\xfcller */\n four();", 11, b"int first(void)"),
        edited,
    )
    lost = make_hunk("aa02", 0, b"a.c", b" c\n+\tcheck_it();\n d", 41, b"int second(void)")
    built.lone(lost, Verdict("dropped", text="its place is still there"))
    built.pair(
        make_hunk("aa03", 0, b"b.c", b" x\n+\tguard();\n y", 7, b"int third(void)"),
        make_hunk("bb03", 1, b"b.c", b" x\n+\tguard();\n y", 70, b"int fourth(void)"),
        (Verdict("moved", "downstream", "misplaced"),),
    )
    built.pair(make_hunk("aa04", 0, b"b.c", b"-old\n+new", 3), make_hunk("bb04", 1, b"b.c", b"-old\n+new", 5), (KEPT,))
    built.file(b"a.c", STORY_HUNK + LOST_HUNK, (10, 10, ("bb01", "aa01")), (40, 40, ("aa02",)))
    return built


def test_full_shows_each_hunk_with_owner_and_gutter() -> None:
    built = story()
    built.upstream_lines = {b"a.c": ((10, 11), (13, 15))}
    shown = full(built.build())
    expected = """\
diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -10,6 +10,6 @@ int first(void)
   edited downstream  bb01 (p2 hunk 1) <- aa01 (p1 hunk 1): another argument
 | \tone();
U| \ttwo();
D|-\tthree(1);
D|+\tthree(1, 2); /* M\udcfcller */
 | \tfour();
U| \tfive();
U| \tsix();
@@ -40,7 +40,6 @@ int second(void)
   dropped  aa02 (p1 hunk 2): its place is still there
 | a
"""
    assert expected in shown


def test_full_passes_bytes_untouched() -> None:
    lines = list(render.full(story().build(), View(), FakeReader()))
    assert b"D|+\tthree(1, 2); /* M\xfcller */\n" in lines


def test_head_names_misplaced_first_then_each_dropped_change() -> None:
    shown = full(story().build())
    head = shown[: shown.index("diff --git")]
    assert head.startswith("v1+p1 -> v2+p2   certificate ok\ninterdiff   1 file, +1 -2\n")
    assert "  b.c:8  third  ->  b.c:71  fourth   aa03\n" in head
    assert "dropped (1)\n  a.c:42  second   aa02   + check_it();: its place is still there\n" in head
    assert head.index("misplaced (1)") < head.index("dropped (1)") < head.index("look first")


def test_a_list_says_once_what_its_items_share_and_cuts_long_lines() -> None:
    built = story()
    for number, why in enumerate(["gone", "gone", "rewritten", "gone", "odd"]):
        body = b" x\n+\tlong(%b);" % (b"x" * 200)
        built.lone(make_hunk(f"aa5{number}", 0, b"l.c", body, 10 * number + 1), Verdict("orphaned", text=why))
    shown = full(built.build())
    start, stop = shown.index("\norphaned (3 of 5): gone\n"), shown.index("\norphaned (2 of 5)\n")
    assert [line.split()[1] for line in shown[start:stop].splitlines()[2:]] == ["aa50", "aa51", "aa53"]
    assert "  l.c:22   aa52   + long(xxx" in shown[stop:] and "\n      rewritten\n" in shown[stop:]
    assert max(map(len, shown[start:stop].splitlines())) == 80 and "xxx...\n" in shown


def test_lists_of_a_series_name_the_patch() -> None:
    built = series_story()
    built.lone(make_hunk("a7", 0, b"l", b"+y", 40, patch=1), Verdict("dropped", text="lost"))
    built.lone(make_hunk("a6", 0, b"l", b"+z", 50, patch=4), Verdict("dropped", text="lost"))
    shown = full(built.build())
    assert "dropped (2 of 3): lost\n  a1.patch\n    l:41   a7   + y\n  a4.patch\n    l:51   a6   + z\n" in shown
    assert "dropped (1 of 3)\n  a1.patch\n    l:2   a8   + x\n" in shown


def test_head_counts_hunks_and_changes() -> None:
    built = story()
    two = make_hunk("aa05", 0, b"c.c", b" x\n+one\n y\n+two\n z")
    built.lone(two, KEPT, Verdict("absorbed"))
    rows = {line[:12].strip(): line[12:].split() for line in full(built.build()).splitlines() if line[:1] == "p"}
    title = next(line for line in full(built.build()).splitlines() if line.split()[:1] == ["total"]).split()
    assert title == ["total", "kept", "edited", "moved", "absorbed", "dropped"]
    assert rows["p1 hunks"] == ["5", "1", "1", "1", "1", "1"]
    assert rows["p1 changes"] == ["6", "2", "1", "1", "1", "1"]
    assert rows["p2 hunks"] == ["3", "1", "1", "1"]  # a later patchset has neither absorbed nor dropped ones


def test_head_tells_who_wanted_it() -> None:
    built = story()
    built.lone(make_hunk("bb09", 1, b"n.c", b"+new"), Verdict("new", "upstream"))
    shown = full(built.build())
    assert "downstream itself    1 edited, 1 moved, 1 dropped\n" in shown
    assert "forced by upstream   1 new\n" in shown


def test_every_dropped_change_is_named_even_in_the_short_head() -> None:
    built = Builder()
    for number in range(40):
        built.lone(make_hunk(f"a{number:03}", 0, b"f.c", b" x\n+line", number * 5 + 1), Verdict("dropped"))
        built.lone(make_hunk(f"c{number:03}", 0, b"g.c", b" x\n+line", number * 5 + 1), Verdict("orphaned"))
    shown = full(built.build())
    assert all(f"  f.c:{number * 5 + 2}   a{number:03}   + line\n" in shown for number in range(40))
    assert shown.count("  g.c:") == 10 and "... and 30 more (--summary names all)" in shown
    assert text(render.summary(built.build(), View())).count("  g.c:") == 40


def test_ambiguous_changes_name_their_candidates() -> None:
    built = Builder()
    built.lone(make_hunk("aa01", 0, b"f.c", b"+x"), Verdict("ambiguous", text="two fit"))
    for name in ("bb01", "bb02"):
        built.lone(make_hunk(name, 1, b"f.c", b"+x"), Verdict("ambiguous"))
        built.edges.append(Edge("aa01", name, "ambiguous", 1.0, ()))
    shown = full(built.build())
    assert "ambiguous (1 of 3)\n  f.c:2   aa01   + x: two fit; candidates: bb01, bb02\n" in shown
    assert "ambiguous (2 of 3): candidates: aa01\n  f.c:2   bb01   + x\n  f.c:2   bb02   + x\n" in shown


def ranked(shown: str) -> list[tuple[str, str]]:
    """The files to look at first, and what is said of them."""
    return re.findall(r"^  (\S+) +(?:\+\d+ -\d+)? +(\d.*)$", shown[shown.index("look first") :], re.MULTILINE)


def test_look_first_ranks_by_urgency() -> None:
    built = story()
    built.lone(make_hunk("bb11", 1, b"own/new.c", b"+x", 0), Verdict("new", "downstream"))
    built.lone(make_hunk("bb12", 1, b"forced.c", b"+x"), Verdict("new", "upstream"))
    built.lone(make_hunk("bb13", 1, b"new.c", b"+x"), Verdict("new", "downstream"))
    built.lone(make_hunk("bb14", 1, b"met.c", b"+x"), Verdict("new", "downstream"))
    built.lone(make_hunk("bb15", 1, b"table.data", b"+x"), Verdict("new", "downstream"))
    built.pair(
        make_hunk("aa16", 0, b"edit.c", b"+x"),
        make_hunk("bb16", 1, b"edit.c", b"+y"),
        (Verdict("edited", "downstream"),),
    )
    built.collisions = [Collision(b"met.c", b"f", (), ("bb14",)), Collision(b"up.c", b"f", (), ())]
    shown = full(built.build())
    assert ranked(shown) == [
        ("b.c", "1 misplaced"),
        ("a.c", "1 dropped, 1 edited downstream"),
        ("met.c", "1 new downstream, 1 collision"),
        ("edit.c", "1 edited downstream"),
        ("new.c", "1 new downstream"),
        ("own/new.c", "1 new downstream, downstream's own file"),
        ("table.data", "1 new downstream, downstream's own file"),
    ]
    assert "\n  ... and 1 where only upstream moved (--collisions)\n" in shown


def test_look_first_is_short_and_counts_the_rest() -> None:
    built = Builder()
    for number in range(30):
        built.lone(make_hunk(f"a{number}", 0, b"l%02d.c" % number, b"+x"), Verdict("dropped"))
        built.lone(make_hunk(f"b{number}", 1, b"n%02d.c" % number, b"+x"), Verdict("new", "downstream"))
    shown = full(built.build())
    assert [path for path, _ in ranked(shown)] == [f"{kind}{at:02}.c" for kind in "ln" for at in range(10)]
    assert "\n  ... and 20 more with losses, 20 more of the author's (--summary names all)\n" in shown
    assert len(ranked(text(render.summary(built.build(), View())))) == 60


def test_head_names_what_inputs_left_out_and_what_has_no_place() -> None:
    built = story()
    built.notices = (Notice("stub", "binary file without data", 0, b"logo.png"), Notice("fuzz", "hunk 3: fuzz 2"))
    built.unplaced = [Unplaced("aa01", 0, "context"), Unplaced("aa02", 0, "context"), Unplaced("aa03", 0, "overlap")]
    shown = full(built.build())
    assert "p2 stub (1)\n  logo.png: binary file without data\n" in shown
    assert "p2 fuzz (1)\n  hunk 3: fuzz 2\n" in shown
    assert "unplaced   3 changes of p1 without a place in v2: 2 context, 1 overlap\n" in shown


def test_failed_certificate_is_said() -> None:
    built = story()
    built.certificate = Certificate(D2, True, False, False)
    assert "certificate FAILED: accounting, agreement" in full(built.build())


def test_empty_interdiff_says_so_and_points_to_collisions() -> None:
    built = Builder()
    built.pair(make_hunk("aa01", 0, b"a.c", b"+x"), make_hunk("bb01", 1, b"a.c", b"+x"), (KEPT,))
    shown = full(built.build())
    assert "interdiff empty (P = D2): downstream itself changed nothing\ncollisions  none: upstream did not" in shown
    built.collisions = [Collision(b"a.c", b"f", (), ("bb01",)), Collision(b"n.c", b"g", (), ("bb01",), b"g")]
    told = (
        "collisions  2 where upstream changed code under the patch, 1 new function within reach (g): see --collisions\n"
    )
    assert told in full(built.build())
    assert told in full(story_with(built.collisions), only(b"b.c")), "a limit to where nothing changed, too"


def story_with(collisions: list[Collision]) -> Comparison:
    """The story with collisions, which may lie elsewhere than their hunks."""
    built = story()
    built.collisions = [replace(collision, hunks=("bb03",)) for collision in collisions]
    return built.build()


def test_same_release_is_said() -> None:
    built = story()
    built.releases = (Release("v1", U1), Release("v1", U1))
    assert full(built.build()).startswith("v1: p1 -> p2, same upstream: every change is downstream's   certificate ok")


def test_path_limits_narrow_head_and_body_but_not_the_certificate() -> None:
    shown = full(story().build(), only(b"b.c"))
    assert shown.startswith("v1+p1 -> v2+p2, limited to b.c   certificate ok\ninterdiff empty within b.c: ")
    assert "diff --git" not in shown and "dropped" not in shown and "misplaced (1)" in shown


def test_a_limit_that_nothing_passes_says_so() -> None:
    shown = full(story().build(), only(b"nowhere.c"))
    assert shown.endswith("code under the patch\n\nNo hunk of either patchset is there.\n")


def test_rename_passes_a_limit_to_either_name() -> None:
    built = story()
    built.interdiff = (
        b"diff --git a/old.c b/new.c\nsimilarity index 100%\nrename from old.c\nrename to new.c\n" + built.interdiff
    )
    for name in (b"old.c", b"new.c"):
        shown = text(render.patch(built.build(), only(name), FakeReader()))
        assert "rename to new.c" in shown and "a.c" not in shown


def folding_story() -> Builder:
    """A file with one hunk that only P's limits put there and one that the author edited."""
    built = story()
    built.pair(
        make_hunk("aa10", 0, b"f.c", b" x\n+carried", 3), make_hunk("bb10", 1, b"f.c", b" x\n+carried", 9), (KEPT,)
    )
    built.unplaced = [Unplaced("aa10", 0, "context")]
    built.file(b"f.c", b"@@ -1,2 +1,3 @@\n x\n+carried\n y\n", (1, 1, ("bb10",)))
    return built


def test_hunks_that_only_show_the_limits_of_p_fold_into_one_line() -> None:
    shown = full(folding_story().build())
    why = "downstream carries them unchanged, P holds them elsewhere or not at all"
    line = f"f.c   1 hunk folded: {why} (--all shows them)\n"
    assert line in shown and "carried\n" not in shown.replace(line, "")
    everything = full(folding_story().build(), View(everything=True))
    assert "D|+carried\n" in everything and "folded" not in everything


@pytest.mark.parametrize(
    ("names", "reason"),
    [((), "nobody is known to own it"), (("bb10", "bb01"), "one owner was edited"), (("bb11",), "its partner is lost")],
)
def test_hunks_with_another_cause_do_not_fold(names: tuple[str, ...], reason: str) -> None:
    built = folding_story()
    built.pair(
        make_hunk("aa11", 0, b"f.c", b" x\n+carried\n y\n+lost"),
        make_hunk("bb11", 1, b"f.c", b" x\n+carried"),
        (KEPT, Verdict("dropped")),
        (KEPT,),
    )
    built.owned[-1] = replace(built.owned[-1], hunks=names)
    assert "D|+carried\n" in full(built.build()), reason


def test_a_loss_leads_its_pair() -> None:
    built = Builder()
    built.pair(
        make_hunk("aa11", 0, b"f.c", b" x\n+carried\n y\n+lost", 1),
        make_hunk("bb11", 1, b"f.c", b" x\n+carried", 1),
        (KEPT, Verdict("dropped", text="gone")),
        (KEPT,),
    )
    built.file(b"f.c", b"@@ -3,2 +3,1 @@\n y\n-lost\n", (3, 3, ("bb11",)))
    built.file(b"g.c", b"@@ -3,2 +3,1 @@\n y\n-carried\n+here\n", (3, 3, ("bb11",)))
    told = "   dropped  aa11 (p1 hunk 1) -> bb11 (p2 hunk 1, kept): 1 of its 2 changes; gone\n"
    wide = full(built.build(), View(width=100))
    assert told in wide
    kept = "   kept  bb11 (p2 hunk 1) <- aa11 (p1 hunk 1)\nD|-carried\n"
    assert kept.replace("\nD", "\n | y\nD") in wide, "where only its other change is seen, it is not called lost"
    narrow = full(built.build(), View(width=60))
    assert told.replace(": 1 of", "\n      1 of") in narrow


def sweep(places: int, verdict: Verdict) -> Builder:
    """One word replaced in so many places, one a file."""
    built = Builder()
    for at in range(places):
        path = b"s%d.c" % at
        built.lone(make_hunk(f"b{at}", 1, path, b"+\tuse(NEW_NAME, %d);" % at), verdict)
        hunk = b"@@ -1,2 +1,2 @@\n x\n-\tuse(OLD_NAME, %d);\n+\tuse(NEW_NAME, %d);\n" % (at, at)
        built.file(path, hunk, (1, 1, (f"b{at}",)))
    return built


def test_a_sweep_folds_into_one_line_with_its_count() -> None:
    built = sweep(3, Verdict("edited", "downstream"))
    built.file(b"more.c", b"@@ -1,1 +1,2 @@\n-\tuse(OLD_NAME, 9);\n+\tuse(NEW_NAME, 9);\n+\tmore();\n", (1, 1, ("b0",)))
    shown = full(built.build())
    assert "sweep  OLD_NAME -> NEW_NAME   3 files, 3 lines, folded (--all shows them)\n" in shown
    assert "s1.c   1 hunk folded: sweep OLD_NAME -> NEW_NAME (--all shows them)\n" in shown
    assert "use(OLD_NAME, 1)" not in shown
    assert "use(OLD_NAME, 9)" in shown, "a hunk that does more is no part of the sweep"
    assert "sweep" not in full(built.build(), View(everything=True))
    assert text(render.patch(built.build(), View(), FakeReader())).encode() == built.interdiff


@pytest.mark.parametrize(
    ("places", "verdict"), [(2, Verdict("edited", "downstream")), (4, Verdict("ambiguous")), (4, Verdict("dropped"))]
)
def test_few_places_or_a_loss_are_no_sweep(places: int, verdict: Verdict) -> None:
    shown = full(sweep(places, verdict).build())
    assert "sweep" not in shown and "use(OLD_NAME, 1)" in shown


def diff_of(path: bytes, lines: Iterable[bytes]) -> bytes:
    """A diff that adds `lines` to a file."""
    body = [b"+" + line for line in lines]
    head = b"diff --git a/%b b/%b\n--- a/%b\n+++ b/%b\n@@ -5,0 +6,%d @@\n" % (path, path, path, path, len(body))
    return head + b"\n".join(body) + b"\n"


CODE_LINES = [
    b"int f%d(struct s *s)\n{\n\tif (s->a > %d)\n\t\treturn -EINVAL;\n\tdo_it(&s->b, %d);\n\n\t/* now */\n}" % (n, n, n)
    for n in range(60)
]


@pytest.mark.parametrize(
    ("path", "lines", "is_one"),
    [
        (b"tools/size_overflow_hash.data", [b"_000001_hash alloc_dr 2 65495 _000001 NULL"], True),
        (b"table.h", [b"\t{ 0x%04x, %d, NAME_%d }," % (n, n, n) for n in range(201)], True),
        (b"table.h", [b"\t{ 0x%04x, %d, NAME_%d }," % (n, n, n) for n in range(200)], False),
        (b"code.c", b"\n".join(CODE_LINES).split(b"\n"), False),
    ],
)
def test_tables_are_told_from_code(path: bytes, lines: list[bytes], is_one: bool) -> None:
    assert is_table(read_sections(diff_of(path, lines))[0]) is is_one


def test_a_table_collapses_here_and_never_in_the_patch() -> None:
    built = story()
    built.interdiff += diff_of(b"x.hash", [b"one", b"two"])
    shown = full(built.build())
    assert "x.hash   +2 -0   data, collapsed (--all shows it)\n" in shown and "+two" not in shown
    assert "D|+two\n" in full(built.build(), View(everything=True))
    assert "+two\n" in text(render.patch(built.build(), View(), FakeReader()))


def binary(content: bytes) -> bytes:
    """One direction of a binary patch."""
    packed = zlib.compress(content)
    padded = packed + bytes(-len(packed) % 4)
    return b"literal %d\n%c%b\n\n" % (len(content), len(packed) + 64, base64.b85encode(padded))


def test_files_without_changed_lines_take_one_line() -> None:
    built = story()
    built.interdiff += (
        b"diff --git a/run.sh b/run.sh\nold mode 100644\nnew mode 100755\n"
        b"diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n"
        b"diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
        b"diff --git a/p.png b/p.png\nindex 1111..2222 100644\nGIT binary patch\n" + binary(b"\0\1\2") + binary(b"")
    )
    built.owned.append(InterdiffHunk(b"run.sh", 0, 0, ("bb01",)))
    lines = full(built.build()).splitlines()
    assert "run.sh   mode 100644 -> 100755" in lines
    assert lines[lines.index("run.sh   mode 100644 -> 100755") + 1].startswith("   edited downstream  bb01 (p2 hunk 1)")
    assert "x.c -> y.c   renamed" in lines
    assert "empty   new, empty" in lines
    assert "p.png   binary content" in lines
    assert not any("rename from" in line or "GIT binary" in line for line in lines)


def test_owners_are_found_with_any_context() -> None:
    near = b"@@ -1,7 +1,8 @@\n a\n+one\n b\n c\n d\n e\n-f\n+two\n g\n"
    far = b"@@ -20,2 +21,3 @@\n x\n+three\n y\n"
    head = b"diff --git a/f b/f\n--- a/f\n+++ b/f\n"
    owned = (InterdiffHunk(b"f", 1, 1, ("n1",)), InterdiffHunk(b"f", 20, 21, ("n3",)))
    transition = replace(Builder().build().transitions[0], interdiff_hunks=owned)
    owners = Owners(transition, read_sections(head + near + far))
    cut = read_sections(head + b"@@ -1,0 +2,1 @@\n+one\n@@ -6 +7 @@\n-f\n+two\n@@ -20,0 +22,1 @@\n+three\n")[0].hunks
    assert [owners.of_hunk(b"f", hunk) for hunk in cut] == [("n1",), ("n1",), ("n3",)]
    merged = head + b"@@ -1,9 +1,11 @@\n" + near.split(b"\n", 1)[1] + b" m\n" * 12 + b" x\n+three\n y\n"
    merged = merged.replace(b"-1,9 +1,11", b"-1,21 +1,23")
    assert owners.of_hunk(b"f", read_sections(merged)[0].hunks[0]) == ("n1", "n3")
    assert owners.of_hunk(b"g", cut[0]) == ()


def test_other_context_is_read_anew_and_still_labelled() -> None:
    built = story()
    cut = (
        b"diff --git a/a.c b/a.c\n--- a/a.c\n+++ b/a.c\n@@ -12 +12 @@ int first(void)\n-\tthree(1);\n+\tthree(1, 2);\n"
    )
    reader = FakeReader({(P, D2): cut})
    shown = full(built.build(), View(context=0), reader)
    assert reader.asked == [(P, D2, 0, False, ())]
    assert "@@ -12 +12 @@ int first(void)\n   edited downstream  bb01" in shown
    full(built.build(), View(function_context=True), reader)
    assert reader.asked[-1] == (P, D2, 3, True, ())


def test_patch_is_the_stored_interdiff_byte_for_byte() -> None:
    built = story()
    built.interdiff += b"diff --git a/n b/n\nnew file mode 100644\n--- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+x\r\f\n"
    built.interdiff += b"\\ No newline at end of file\n"
    comparison, reader = built.build(), FakeReader()
    assert b"".join(render.patch(comparison, View(), reader)) == built.interdiff
    assert b"".join(render.patch(comparison, only(b"a.c", b"n"), reader)) == built.interdiff
    colored = b"".join(render.patch(comparison, View(colors=COLORS), reader))
    assert colored != built.interdiff and ANSI.sub(b"", colored) == built.interdiff
    assert not reader.asked
    limited = b"".join(render.patch(comparison, only(b"n"), reader))
    assert limited == built.interdiff[built.interdiff.index(b"diff --git a/n") :]


def test_patch_with_another_context_comes_from_the_reader() -> None:
    reader = FakeReader({(P, D2): b"diff --git a/z b/z\n--- a/z\n+++ b/z\n@@ -1 +1 @@\n-a\n+b\n"})
    assert "-a\n+b\n" in text(render.patch(story().build(), View(context=1), reader))
    assert reader.asked == [(P, D2, 1, False, ())]


def test_colors_add_nothing_but_colors() -> None:
    plain = full(folding_story().build()).encode("utf-8", "surrogateescape")
    colored = b"".join(render.full(folding_story().build(), View(colors=COLORS), FakeReader()))
    assert ANSI.sub(b"", colored) == plain
    assert b"\x1b[1;31mdropped\x1b[m" in colored


def test_stat_names_each_fate() -> None:
    built = story()
    built.lone(make_hunk("aa20", 0, b"gone.c", b"+x"), Verdict("orphaned"))
    built.lone(make_hunk("aa21", 0, b"quiet.c", b"+x"), Verdict("absorbed"))
    assert text(render.stat(built.build(), View())).splitlines() == [
        " a.c    | 3 +--  1 dropped, 1 edited",
        " b.c    | 0      1 misplaced",  # a loss is shown, though the interdiff has no line of it
        " gone.c | 0      1 orphaned",
        " 1 file changed, 1 insertion(+), 2 deletions(-)",
    ]


def test_stat_counts_a_pair_by_its_worse_side() -> None:
    built = Builder()
    built.pair(
        make_hunk("aa11", 0, b"f.c", b" x\n+carried\n y\n+lost"),
        make_hunk("bb11", 1, b"f.c", b" x\n+carried"),
        (KEPT, Verdict("dropped")),
        (KEPT,),
    )
    built.file(b"f.c", b"@@ -3,2 +3,1 @@\n y\n-lost\n", (3, 3, ("aa11",)))
    built.pair(make_hunk("aa12", 0, b"f.c", b"+x"), make_hunk("bb12", 1, b"f.c", b"+x\n y\n+z"), (KEPT,), (KEPT, NEW))
    assert text(render.stat(built.build(), View())).split("\n")[0] == " f.c | 1 -  1 dropped, 1 new"
    assert text(render.name_status(built.build(), View())) == "M\tf.c\tdropped\n"


def test_stat_scales_to_the_width() -> None:
    built = Builder()
    built.interdiff = diff_of(b"big.c", [b"%d" % n for n in range(900)]) + diff_of(b"small.c", [b"x"])
    lines = text(render.stat(built.build(), View(width=60))).splitlines()
    assert max(map(len, lines)) <= 60 and lines[0].startswith(" big.c   | 900 +++") and lines[1].endswith("  1 +")


def test_name_status_has_letter_path_and_worst_verdict() -> None:
    built = story()
    built.lone(make_hunk("aa20", 0, b"gone.c", b"+x"), Verdict("orphaned"))
    built.interdiff += (
        b"diff --git a/x.c b/y.c\nsimilarity index 96%\nrename from x.c\nrename to y.c\n"
        b"diff --git a/n\xc3\xa4 b/n\xc3\xa4\nnew file mode 100644\nindex 0000000..e69de29\n"
        b"diff --git a/l b/l\ndeleted file mode 100644\n--- a/l\n+++ /dev/null\n@@ -1 +0,0 @@\n-t\n"
        b"diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+t\n"
    )
    assert text(render.name_status(built.build(), View())).splitlines() == [
        "M\ta.c\tdropped",
        "R096\tx.c\ty.c",
        'A\t"n\\303\\244"',
        "T\tl",
        "-\tb.c\tmoved downstream, misplaced",
        "-\tgone.c\torphaned",
    ]


def series_story() -> Builder:
    """Five old patches, four new ones: kept, lost, split in two, edited; one new."""
    built = Builder(patches=(5, 4))
    both = [(0, 0, KEPT), (2, 1, KEPT), (2, 2, KEPT), (3, 3, Verdict("edited", "downstream"))]
    for number, (old, new, verdict) in enumerate(both):
        built.pair(
            make_hunk(f"a{number}", 0, b"f%d" % number, b"+x", patch=old),
            make_hunk(f"b{number}", 1, b"f%d" % number, b"+x", patch=new),
            (verdict,),
        )
        built.patch_edges.append(PatchEdge(0, old, new, 0.9))
    built.lone(make_hunk("a8", 0, b"l", b"+x", patch=1), Verdict("dropped"))
    built.lone(make_hunk("a9", 0, b"u", b"+x", patch=4), Verdict("absorbed"))
    return built


def test_series_lists_patch_by_patch() -> None:
    *rows, last = [line.split() for line in text(render.series(series_story().build(), View())).splitlines()]
    assert rows == [
        ["v1+p1", "->", "v2+p2", "5", "->", "4", "patches", "certificate", "ok"],
        ["old", "new"],
        ["1", "1", "kept", "a0.patch", "->", "b0.patch"],
        ["2", "-", "DROPPED", "a1.patch", "1", "dropped"],
        ["3", "2", "kept", "a2.patch", "->", "b1.patch", "split", "into", "2+3"],
        ["3", "3", "kept", "a2.patch", "->", "b2.patch", "split", "into", "2+3"],
        ["4", "4", "edited", "a3.patch", "->", "b3.patch", "1", "edited"],
        ["5", "-", "absorbed", "a4.patch", "1", "absorbed"],
        ["in", "all:", "1", "dropped,", "1", "edited,", "1", "absorbed,", "3", "kept"],
    ]
    assert " ".join(last) == "1 dropped, 0 misplaced, 0 applied twice. Everything else accounted for: 10 of 10 hunks."


def test_series_names_new_patches_and_obeys_path_limits() -> None:
    built = series_story()
    built.patch_edges = built.patch_edges[:1]
    built.edges = built.edges[:1]
    built.origins["b3"] = (Verdict("new", "downstream"),)
    rows = text(render.series(built.build(), View())).splitlines()
    assert rows[-3].split()[:3] == ["5", "-", "absorbed"]
    assert " -    4  new        b3.patch   1 new" in [re.sub(r"^ +", " ", row) for row in rows]
    assert len(text(render.series(built.build(), only(b"u"))).splitlines()) == 4


UPSTREAM = b"""\
diff --git a/a.c b/a.c
--- a/a.c
+++ b/a.c
@@ -8,3 +8,5 @@ int first(void)
 h
+\tif (fresh())
+\t\treturn 1;
 i
 j
@@ -400,2 +402,3 @@ int far(void)
 q
+far_away();
 r
diff --git a/fresh.c b/fresh.c
new file mode 100644
--- /dev/null
+++ b/fresh.c
@@ -0,0 +1,4 @@
+int fresh(void)
+{
+\treturn 0;
+}
"""


def collision_story() -> tuple[Builder, FakeReader]:
    """A standing hunk in a function into which upstream put a call of a new function."""
    built = story()
    standing = b" h\n \tif (fresh())\n+\tmine();\n \t\treturn 1;"
    built.pair(
        make_hunk("aa30", 0, b"a.c", b" h\n+\tmine();", 8, b"int first(void)"),
        make_hunk("bb30", 1, b"a.c", standing, 8, b"int first(void)"),
        (KEPT,),
    )
    built.collisions = [
        Collision(b"a.c", b"first", ("upstream:0:a.c:8",), ("bb30",)),
        Collision(b"a.c", b"first", ("upstream:0:fresh.c:0",), ("bb30",), b"fresh"),
    ]
    built.upstream_lines = {b"a.c": ((8, 9), (10, 11))}
    content = b"\n".join([b"x"] * 7 + [line[1:] for line in standing.split(b"\n")] + [b""])
    return built, FakeReader({(U1, U2): UPSTREAM}, {(D2, b"a.c"): content})


def test_collisions_show_both_sides() -> None:
    built, reader = collision_story()
    shown = text(render.collisions(built.build(), View(), reader))
    second, first = shown.split("\ncollision ")[1:]
    assert shown.startswith(
        "v1 -> v2: 2 collisions\n"
        "  1 with a function within reach that is new in v2\n"
        "  1 with a standing hunk in a function that upstream changed\n"
    )
    assert first.startswith(
        "2  a.c  first\n  upstream  a.c\n@@ -8,3 +8,5 @@ int first(void)\n | h\nU|+\tif (fresh())\n"
    )
    assert "far_away" not in shown
    assert "  downstream  kept  bb30 (p2 hunk 4)\n" in first
    assert " | h\nU| \tif (fresh())\nD|+\tmine();\nU| \t\treturn 1;\n" in first
    assert second.startswith("1  a.c  first  calls upstream's new fresh\n  upstream  fresh.c\n")
    assert "U|+int fresh(void)\n" in second
    assert len(reader.asked) == 1, "all files in one call"


def test_many_collisions_get_an_index_and_show_the_most_suspicious() -> None:
    built, reader = collision_story()
    standing = [Collision(b"s%d.c" % number, b"f", (), ("bb30",)) for number in range(12)]
    scope = [Collision(b"a.c", None, ("upstream:0:a.c:401",), ("bb30",)) for _ in range(2)]
    edited = Collision(b"e.c", b"g", (), ("bb01",))
    built.collisions = [*scope, edited, *standing, *built.collisions]
    shown = text(render.collisions(built.build(), View(), reader))
    head, body = shown[: shown.index("\ncollision 1 ")], shown[shown.index("\ncollision 1 ") :]
    assert head.splitlines()[:6] == [
        "v1 -> v2: 17 collisions in 14 files",
        "   1 with a function within reach that is new in v2",
        "  13 with a standing hunk in a function that upstream changed",
        "   3 with changed hunks only, or at file scope",
        "",
        "  a.c      4  first, file scope",
    ]
    assert "\n  e.c      1  g\n" in head
    assert body.count("\ncollision ") == 14 and "far_away" not in body
    assert body.endswith("\n3 of the last kind are only listed above (--all or a path shows them)\n")
    assert "far_away" in text(render.collisions(built.build(), View(everything=True), reader))
    limited = replace(View(), limit_text=".")
    assert text(render.collisions(built.build(), limited, reader)).count("\ncollision ") == 17


def test_collisions_cut_long_hunks_and_say_so() -> None:
    built, reader = collision_story()
    body = b"\n".join([b" x", *(b"+line %d" % number for number in range(60))])
    names = [f"bb6{number}" for number in range(9)]
    for at, name in enumerate(names):
        built.lone(make_hunk(name, 1, b"a.c", body, 100 * at + 1, b"int first(void)"), NEW)
    built.collisions = [Collision(b"a.c", b"first", ("upstream:0:a.c:8",), tuple(names))]
    shown = text(render.collisions(built.build(), View(), reader))
    assert shown.count(" | ... 21 lines more (--all shows them)\n") == 8
    assert "\n  ... and 1 more hunk of downstream's (--all shows them)\n" in shown
    whole = text(render.collisions(built.build(), View(everything=True), reader))
    assert "more" not in whole and whole.count("+line 59") == 9


def test_collisions_with_a_new_definition_show_who_calls_it() -> None:
    built, reader = collision_story()
    built.collisions = [Collision(b"fresh.c", b"fresh", ("upstream:0:fresh.c:0",), ("bb30",), b"fresh")]
    for view in (View(), only(b"a.c"), only(b"fresh.c")):
        shown = text(render.collisions(built.build(), view, reader))
        assert "collision 1  fresh.c  fresh  new in v2, called from patched code\n" in shown
        assert "  downstream  kept  bb30 (p2 hunk 4)  a.c\n" in shown


def test_collisions_ask_for_the_old_name_of_a_renamed_file() -> None:
    built, reader = collision_story()
    built.old[-1] = replace(built.old[-1], path=b"was.c")
    text(render.collisions(built.build(), View(), reader))
    assert reader.asked[0][4] == (b"a.c", b"fresh.c", b"was.c")


def test_collisions_fall_back_to_the_function() -> None:
    built, reader = collision_story()
    built.collisions = [Collision(b"a.c", b"far", ("upstream:0:a.c:77",), ("bb30",))]
    shown = text(render.collisions(built.build(), View(), reader))
    assert "far_away" in shown and "fresh" not in shown.split("downstream")[0]


def test_collisions_obey_path_limits_and_need_no_diff_on_one_release() -> None:
    built, reader = collision_story()
    assert text(render.collisions(built.build(), only(b"b.c"), reader)) == "v1 -> v2: 0 collisions in b.c\n"
    built.releases = (Release("v1", U1), Release("v1", U1))
    text(render.collisions(built.build(), View(), reader))
    assert reader.asked == []


def test_show_tells_the_whole_story_of_a_hunk() -> None:
    built, reader = collision_story()
    shown = text(render.show_hunk(built.build(), "aa30", View(), reader))
    assert shown.startswith("hunk aa30  a.c:9  first  (p1 hunk 5)\n@@ -8 +8,2 @@ int first(void)\n | h\nD|+\tmine();\n")
    assert "fate in v2: kept\nin P: yes, it has its place in v2\n" in shown
    assert "partner bb30  a.c:10  first  (p2 hunk 4)\n  kept, similarity 0.9877, evidence: place, score 0.98\n" in shown
    assert "upstream's own changes, v1 -> v2: 1 hunk here, 2 elsewhere in these files:\na.c\n@@ -8,3 +8,5 @@" in shown
    assert "far_away" not in shown


def test_show_says_why_a_change_is_not_in_p() -> None:
    built = story()
    built.unplaced = [Unplaced("aa02", 0, "no-context")]
    built.lone(make_hunk("aa40", 0, b"a.c", b"+x\n y\n+z"), KEPT, Verdict("absorbed", text="U2 has it"))
    comparison = built.build()
    comparison = replace(comparison, placed={**comparison.placed, "aa40": (True, False)})
    lost = text(render.show_hunk(comparison, "aa02", View(), FakeReader()))
    assert "in P: no, upstream removed the code around it\n" in lost
    assert (
        "\nin the interdiff: 1 hunk\n@@ -40,7 +40,6 @@ int second(void)\n | a\n | b\n | c\nD|-\tcheck_it();\n" in lost
    )
    shown = text(render.show_hunk(comparison, "aa40", View(), FakeReader()))
    assert "in P: in part (change 2: absorbed)\n" in shown
    assert "  change 2 at line 2 (+1 -0): absorbed  not in P\n" in shown
    assert "no partner in the later patchset\n" in shown


def test_show_finds_upstream_by_the_edge_however_far() -> None:
    built, reader = collision_story()
    built.edges.append(Edge("aa30", "upstream:0:a.c:401", "absorbed", 0.8, ("upstream",)))
    assert "far_away" in text(render.show_hunk(built.build(), "aa30", View(), reader))


def test_show_says_that_a_file_is_gone() -> None:
    gone = b"diff --git a/a.c b/a.c\ndeleted file mode 100644\n--- a/a.c\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n"
    shown = text(render.show_hunk(story().build(), "aa02", View(), FakeReader({(U1, U2): gone})))
    assert "changes, v1 -> v2: it deleted a.c;" in shown and "U|-a" not in shown


@pytest.mark.parametrize(
    ("prefix", "message", "hint"),
    [
        ("zz", "no hunk 'zz' in the comparison 'default'", "--json"),
        ("", "no hunk ''", "--json"),
        ("aa", "hunk id 'aa' is ambiguous (4 hunks)", "aa01 (a.c:11)"),
    ],
)
def test_show_refuses_what_names_no_hunk(prefix: str, message: str, hint: str) -> None:
    with pytest.raises(MetadiffError) as caught:
        render.show_hunk(story().build(), prefix, View(), FakeReader())
    assert caught.value.message.startswith(message) and hint in caught.value.hint


def test_show_takes_a_whole_id_that_begins_another() -> None:
    built = story()
    built.lone(make_hunk("aa012", 0, b"z.c", b"+x"), Verdict("dropped"))
    assert text(render.show_hunk(built.build(), "aa01", View(), FakeReader())).startswith("hunk aa01  a.c")


def frame(function: str, at: int) -> Frame:
    """A frame with an offset."""
    return Frame(function, 16, None, None, True, None, at)


def test_trace_shows_what_both_sides_changed_in_each_frame() -> None:
    built, reader = collision_story()
    code = bytes.fromhex("65488b042528000000c3")
    makefile = b"plain = $(call cc-option, -fno-stack-protector)\nCFLAGS_a.o := $(plain)\nCFLAGS_b.o += $(plain)\n"
    reader.files[D2, b"Makefile"] = makefile + b"CFLAGS_c.o := -O2\nCFLAGS_REMOVE_d.o := -fno-stack-protector\n"
    stack = Trace((frame("fresh", 0), frame("first", 1), frame("idle", 2)), 1, code, 0, {"gs_base": 0})
    shown = text(render.trace(built.build(), stack, View(), reader))
    assert shown.startswith("v1+p1 -> v2+p2   trace: 3 frames (1 repeated, dropped), 2 in functions that changed\n")
    assert " #0 fresh+0x10  fresh.c  U  new in v2 (+4 -0)\n" in shown
    assert "reads the stack canary (%gs:0x28); gs base is 0\n" in shown
    assert "      fresh.o is not among those that Makefile spares from it (a.o b.o)\n" in shown
    assert " #1 first+0x10  a.c  U  +2 -0\n     U|+\tif (fresh())\n" in shown
    assert "                a.c  D  kept  bb30 (p2 hunk 4)\n     D|+\tmine();\n" in shown
    assert "                a.c  D  edited downstream  bb01 (p2 hunk 1)\n" in shown
    assert " #2 idle+0x10   neither upstream nor downstream changed it\n" in shown
    assert " collision  U a.c first  x  D first (kept)   (--collisions shows it)\n" in shown
    assert "far_away" not in shown


def test_trace_names_a_lost_hunk_and_takes_plain_frames() -> None:
    shown = text(render.trace(story().build(), [frame("second", 0)], View(), FakeReader()))
    assert " #0 second+0x10  a.c  D  dropped  aa02 (p1 hunk 2)\n     D|+\tcheck_it();\n" in shown


@pytest.mark.parametrize("symbol", ["SyS_seal", "sys_seal", "__x64_sys_seal", "__do_sys_seal", "SYSC_seal"])
def test_trace_finds_a_system_call_by_every_name_of_it(symbol: str) -> None:
    opener = b"SYSCALL_DEFINE2(seal, int, fd, int, how)"
    both = ((b"a.c", opener, b"latch(fd);"), (b"b.c", b"int seal(void)", b"elsewhere();"))
    form = b"diff --git a/%b b/%b\n--- a/%b\n+++ b/%b\n@@ -9,2 +9,3 @@ %b\n {\n+\t%b\n \tint at;\n"
    upstream = b"".join(form % (path, path, path, path, section, line) for path, section, line in both)
    built = Builder()
    built.lone(make_hunk("b1", 1, b"a.c", b" {\n+\tguard(how);", 1, opener), Verdict("new", "downstream"))
    built.lone(make_hunk("b2", 1, b"a.c", b" {\n+\tother();", 1, b"SYSCALL_DEFINE1(sealed, int, fd)"), Verdict("new"))
    built.collisions = [Collision(b"a.c", b"SYSCALL_DEFINE2(seal)", ("upstream:0:a.c:9",), ("b1",))]
    shown = text(render.trace(built.build(), [frame(symbol, 0)], View(), FakeReader({(U1, U2): upstream})))
    assert "U|+\tlatch(fd);" in shown and "D|+\tguard(how);" in shown
    assert " collision  U a.c SYSCALL_DEFINE2(seal)" in shown
    assert "elsewhere" not in shown and "other" not in shown


def test_trace_cuts_long_changes() -> None:
    many = b"\n".join(b"+l%d" % number for number in range(30))
    built = Builder()
    built.lone(make_hunk("b1", 1, b"a.c", many, 1, b"int f(void)"), Verdict("new", "downstream"))
    assert "... and 18 lines more" in text(render.trace(built.build(), [frame("f", 0)], View(), FakeReader()))
    assert "l29" in text(render.trace(built.build(), [frame("f", 0)], View(everything=True), FakeReader()))


@pytest.mark.parametrize(
    ("section", "name"),
    [
        (b"asmlinkage __visible void __init xen_start_kernel(void)", b"xen_start_kernel"),
        (b"static inline __intentional_overflow(-1) u64 native_read_tsc(void)", b"native_read_tsc"),
        (b"static void __do_page_fault(struct pt_regs *regs)", b"__do_page_fault"),
        (b"static int f(int (*callback)(int))", b"f"),
        (b"struct task_struct {", b"struct task_struct"),
        (b"EXPORT_SYMBOL(elf_set);", b"EXPORT_SYMBOL(elf_set);"),
        (b"xen_start_kernel", b"xen_start_kernel"),
        (b"", b""),
    ],
)
def test_function_of_a_section(section: bytes, name: bytes) -> None:
    assert function_of(section) == name


@pytest.mark.parametrize(
    ("path", "section", "body", "expected"),
    [
        (b"a.c", b"int f(void)", b" x\n+a\n y\n-b\n }\n \n+int g(void)\n+{", [b"f", b"f", b"g"]),
        (b"a.c", b"int f(void)", b" }\n \n+/* Says what g does. */\n+int g(void)", [b"g"]),
        (b"a.c", b'__setup("x", x_setup);', b" \n+#define X 1", [b""]),
        (b"a.c", b"out:", b" \tfree(x);\n+\tfree(y);", [b""]),
        (b"a.S", b"identity_mapped:", b" \tret\n+\tnop", [b"identity_mapped"]),
        (b"a.S", b"ENTRY(memcpy)", b" \tret\n+\tnop", [b"ENTRY(memcpy)"]),
        (b"a.c", b"SYSCALL_DEFINE3(open, const char __user *, name)", b" {\n+\tint x;", [b"SYSCALL_DEFINE3(open)"]),
        (b"a.c", b"static struct mem_type mem_types[] = {", b" {\n+\t.x = 1,", [b"mem_types[]"]),
        (b"Makefile", b"obj-$(CONFIG_X) += x.o", b" x\n+y", [b"obj-$(CONFIG_X) += x.o"]),
        (b"Kconfig", b"config X", b" x\n+\tdepends on Y", [b"config X"]),
        (b"a.c", b"if (file)", b" if (x)\n+  y();\n \n int f(void)\n {\n+z();", [b"", b"f"]),
        (b"a.c", b"int log[]   = { /* for log */", b" {\n+  1,", [b"log[]"]),
        (b"a.txt", b"Options", b" a\n+character (or more\n+b", [b"Options"]),
        (b"ChangeLog", b"x" * 80, b" a\n+b", [b"x" * 45 + b"..."]),
        (b"a.c", b"", b"+x", [b""]),
    ],
)
def test_what_a_change_stands_in(path: bytes, section: bytes, body: bytes, expected: list[bytes]) -> None:
    assert titles(path, section, body.split(b"\n")) == expected


def test_changed_lines_belong_to_the_function_around_them() -> None:
    body = [b"+a", b" }", b"+file_scope", b" int next(void)", b" {", b"-b", b"+int third(void)", b"+{"]
    found = [(name, line) for name, line, _ in changed_in(b"int before(int x)", body)]
    assert found == [
        (b"before", b"+a"),
        (b"", b"+file_scope"),
        (b"next", b"-b"),
        (b"third", b"+int third(void)"),
        (b"third", b"+{"),
    ]


@pytest.mark.parametrize(
    ("path", "shown"), [(b"a b/c.c", "a b/c.c"), (b'q"\\\t\x1b', '"q\\"\\\\\\t\\033"'), (b"\xe4", '"\\344"')]
)
def test_paths_are_quoted_as_git_does(path: bytes, shown: str) -> None:
    assert quoted(path) == shown


def test_a_chain_shows_each_step_with_its_own_verdicts() -> None:
    built = story()
    comparison = built.build()
    third = make_hunk("cc01", 2, b"a.c", b"+z", 11)
    second = replace(comparison.transitions[0], start=1, stop=2, interdiff=b"", interdiff_hunks=(), unplaced=())
    comparison = replace(
        comparison,
        releases=(*comparison.releases, Release("v3", "6" * 40)),
        patchsets=(*comparison.patchsets, Patchset("p3", "7" * 40, (Patch(0, "c", None),), (third,))),
        fates={**comparison.fates, "bb01": (Verdict("absorbed"),), "bb03": (KEPT,), "bb04": (KEPT,)},
        origins={**comparison.origins, "cc01": (Verdict("new", "upstream"),)},
        transitions=(*comparison.transitions, second),
    )
    steps = full(comparison).split("\nv2+p2 -> v3+p3 ")
    assert len(steps) == 2 and "interdiff empty" in steps[1]
    rows = {line[:12].strip(): line.split()[2:] for line in steps[1].splitlines() if line[:3] in ("p2 ", "p3 ")}
    assert rows["p2 hunks"] == ["3", "2", "1"] and rows["p3 hunks"][0] == "1"
    assert "fate in v3: absorbed" in text(render.show_hunk(comparison, "bb01", View(), FakeReader()))
    assert "origin in v1: edited downstream" in text(render.show_hunk(comparison, "bb01", View(), FakeReader()))


def test_large_comparisons_render_quickly() -> None:
    built = Builder()
    for number in range(6000):
        path = b"d%d/f%d.c" % (number % 40, number % 1900)
        built.pair(
            make_hunk(f"a{number:05}", 0, path, b" x\n+l%d\n y" % number, number + 1),
            make_hunk(f"b{number:05}", 1, path, b" x\n+l%d\n y" % number, number + 2),
            (Verdict("edited", "downstream") if number % 10 == 0 else KEPT,),
        )
    for number in range(0, 6000, 10):
        path = b"d%d/f%d.c" % (number % 40, number % 1900)
        hunk = b"@@ -%d,3 +%d,3 @@\n x\n-l%d\n+m\n y\n" % (number + 1, number + 1, number)
        built.file(path, hunk, (number + 1, number + 1, (f"b{number:05}",)))
    comparison = built.build()
    start = time.process_time()
    assert len(text(render.summary(comparison, View()))) > 1000
    assert full(comparison).count("\n@@ ") == 600
    assert time.process_time() - start < 2, "0.2 s on an idle machine"
