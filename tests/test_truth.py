"""Verdicts measured against changes planted into a small release pair; `python -m tests.truth` is the large run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.truth import measure, series, synthetic, tables
from tests.truth.model import Edit, FilePair, Pair
from tests.truth.releases import Releases, parse_blocks
from tests.truth.ways import plant
from tests.truth.write import settle, write

SEEDS = (1, 2)
PLANTS = 220
PRECISION = {"dropped": 0.99, "absorbed": 0.99}
RECALL = {"dropped": 0.99, "absorbed": 0.99}
LEAST = 0.97


def write_tree(folder: Path, tree: synthetic.Tree) -> str:
    """A release as a directory."""
    for path, lines in tree.items():
        file = folder / path.decode()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(line + b"\n" for line in lines))
    return str(folder)


def prepare(folder: Path, seed: int) -> tuple[Releases, Pair, str]:
    """The synthetic pair in a repository: its files and the tree of U2."""
    releases = Releases(folder / "work")
    trees = synthetic.releases(seed)
    old, new = (releases.tree_of(write_tree(folder / name, tree), None) for name, tree in zip("ab", trees, strict=True))
    releases.tag("u1", old)
    return releases, releases.pair(old, new, seed), new


def run(folder: Path, seed: int) -> tuple[measure.Planted, measure.Answers]:
    """Plant into the synthetic pair and ask the tool."""
    releases, pair, new = prepare(folder, seed)
    planted = measure.lay_out(releases, pair, plant(pair, seed, PLANTS), new)
    return planted, measure.ask(releases, planted)[0]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[measure.Planted, measure.Answers]]]:
    """What the tool answers to every seed's planting."""
    yield [run(tmp_path_factory.mktemp(f"truth{seed}"), seed) for seed in SEEDS]


def total(measured: list[tuple[measure.Planted, measure.Answers]]) -> measure.Score:
    """The scores of all seeds together."""
    found = measure.Score()
    for planted, answers in measured:
        found.add(measure.score(planted, answers))
    return found


@pytest.mark.parametrize("name", tables.TABLES)
def test_verdicts_against_the_truth(name: str, measured: list[tuple[measure.Planted, measure.Answers]]) -> None:
    """Precision and recall of every fate, origin and cause, and of the pairs, reach their thresholds."""
    found = total(measured)
    low = [
        (word, there, precision, recall)
        for word, there, precision, recall in found.rates(name)
        if precision < PRECISION.get(word, LEAST) or recall < RECALL.get(word, LEAST)
    ]
    words = [tables.wrongs(measure.score(planted, answers), planted) for planted, answers in measured]
    assert not low, "\n".join([tables.table("measured", found), *words])


def test_every_fate_and_origin_is_planted(measured: list[tuple[measure.Planted, measure.Answers]]) -> None:
    """A threshold over nothing proves nothing: each word has its plants."""
    found = total(measured)
    fates = {word: there for word, there, _, _ in found.rates("fate")}
    origins = {word: there for word, there, _, _ in found.rates("origin")}
    assert (
        min(fates[word] for word in ("kept", "refreshed", "edited", "moved", "absorbed", "orphaned", "dropped")) >= 12
    )
    assert min(origins[word] for word in ("kept", "refreshed", "edited", "moved", "new")) >= 12
    assert len(found.kinds) > 30


def test_better_than_text_alone(measured: list[tuple[measure.Planted, measure.Answers]]) -> None:
    """Matching equal text alone, scored on the same truth, calls far more dropped than is."""
    text = measure.Score()
    for planted, _ in measured:
        text.add(measure.score(planted, measure.text_only(planted)))
    rates = {word: precision for word, _, precision, _ in text.rates("fate")}
    assert rates["dropped"] < 0.5
    assert len(text.wrong) > 4 * len(total(measured).wrong)


def test_misplaced_says_so(measured: list[tuple[measure.Planted, measure.Answers]]) -> None:
    """A change in the wrong place has the reason `misplaced`."""
    for planted, answers in measured:
        plants = [one for one in planted.planting.plants if one.kind.startswith("misplaced")]
        assert len(plants) > 8
        assert [answers.fates[one.serial].reason for one in plants] == ["misplaced"] * len(plants)


def test_patches_of_a_series(tmp_path: Path) -> None:
    """Split, folded and reordered patches: every pair is found and none is false; `git range-diff` finds fewer."""
    releases, pair, new = prepare(tmp_path, 3)
    planting = plant(pair, 3, 60)
    planted = measure.lay_out(releases, pair, planting, new, series.groups(planting, 5, 3))
    _, document = measure.ask(releases, planted)
    right, found = series.truth(planted), series.said(document)
    assert len(right) > 10
    assert len(found & right) >= 0.98 * len(right)
    assert len(found & right) >= 0.98 * len(found)
    for pairs in series.range_diff(releases, planted, (60, 99)).values():
        assert len(pairs & right) < len(found & right)


def test_written_patches_are_what_git_reads(measured: list[tuple[measure.Planted, measure.Answers]]) -> None:
    """The generator's own check: git counts as many lines as were planted (the tool refused nothing either)."""
    for planted, _ in measured:
        for written, side in ((planted.old, 0), (planted.new, 1)):
            edits = [(one.old, one.new)[side] for one in planted.planting.plants]
            added = sum(len(edit.added) for edit in edits if edit is not None)
            body = b"\n".join(written.patches).split(b"\n")
            assert sum(line.startswith(b"+") and not line.startswith(b"+++") for line in body) == added


def test_blocks_of_a_diff() -> None:
    """Line numbers of `-U0`: an insertion stands behind the line it names."""
    assert parse_blocks(b"@@ -3,0 +4,2 @@\n+a\n+b\n@@ -7 +10,0 @@ x\n-c\n") == ((3, 3, 3, 5), (6, 7, 10, 10))


def test_an_edit_follows_what_is_planted_upstream() -> None:
    """Positions of p2 count from U2 with what was planted into it, also inside a moved block."""
    block = Edit(b"f", 8, 8, (b"x", b"y"))
    upstream = [Edit(b"f", 2, 3, ()), Edit(b"f", 5, 5, (b"a", b"b")), block]
    assert settle(Edit(b"f", 5, 6, ()), upstream).start == 6
    assert settle(Edit(b"f", 1, 1, (), block), upstream).start == 10


def test_a_change_of_one_patch_is_context_of_the_next() -> None:
    """A series: the second patch applies to what the first one left."""
    lines = [b"%d" % at for at in range(20)]
    edits = [(0, 0, Edit(b"f", 3, 3, (b"new",))), (1, 1, Edit(b"f", 5, 6, (b"five",)))]
    written = write({b"f": lines}, edits)
    assert written.spots[1].line == 7
    assert b"\n new\n 3\n" in written.patches[1]
    assert FilePair(b"f", b"f", lines, lines).blocks == ()
