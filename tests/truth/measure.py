"""Runs the tool on a planting, joins its document to the truth and counts."""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from git_metadiff.compare import compare
from git_metadiff.render.document import json_document
from tests.truth.model import Edit, Lines, Pair, Plant, Planting, Says, Spot, Written
from tests.truth.releases import Releases
from tests.truth.write import rewrite, settle, write

PAIRED = ("kept", "refreshed", "edited", "moved")
CAUSED = ("edited", "moved", "new")
Groups = tuple[Mapping[int, int], Mapping[int, int]]
ALONE: Groups = ({}, {})


@dataclass(frozen=True, slots=True)
class Planted:
    """A planting as it was written: two patchsets, and where each plant stands."""

    planting: Planting
    old: Written
    new: Written


@dataclass(frozen=True, slots=True)
class Answer:
    """What the tool, or a peer, says of a planted change in one patchset."""

    word: str
    cause: str | None = None
    reason: str | None = None
    hunk: str = ""


@dataclass(slots=True)
class Answers:
    """Everything that was answered: by serial, for p1 (fates) and p2 (origins), and which hunks an edge joins."""

    fates: dict[int, Answer] = field(default_factory=dict)
    origins: dict[int, Answer] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Wrong:
    """A verdict that is not the truth."""

    plant: Plant
    side: str
    expected: tuple[Says, ...]
    got: Answer


def lay_out(releases: Releases, pair: Pair, planting: Planting, tree: str, series: Groups = ALONE) -> Planted:
    """Write U2 with what is planted into it (tag `u2`), and both patchsets; `series` says serial -> patch of either."""
    before = {file.old: file.before for file in pair.files if file.old is not None}
    after: dict[bytes, Lines] = {file.new: file.after for file in pair.files if file.new is not None}
    changed = rewrite(after, planting.upstream)
    after.update(changed)
    renames = planting.renames
    final = {renames.get(path, path): lines for path, lines in after.items()}
    releases.tag("u2", releases.tree_with(tree, changed, renames))
    olds, news = [], []
    for plant in planting.plants:
        one, other = (side.get(plant.serial, 0) for side in series)
        if plant.old is not None:
            olds.append((plant.serial, one, plant.old))
        if plant.new is not None:
            edit = settle(plant.new, planting.upstream)
            news.append(
                (plant.serial, other, Edit(renames.get(edit.path, edit.path), edit.start, edit.stop, edit.added))
            )
    return Planted(planting, write(before, olds), write(final, news))


def carried(one: Spot, other: Spot) -> tuple[Says, ...]:
    """Kept or refreshed, by the context that the patches show and that the releases have; both where these differ."""
    shown = (one.before, one.after) == (other.before, other.after)
    wide = one.wide == other.wide
    if shown and wide:
        return (("kept", None),)
    if shown or wide or one.crowded or other.crowded:
        return (("kept", None), ("refreshed", None)) if shown else (("refreshed", None), ("kept", None))
    return (("refreshed", None),)


def expect(planted: Planted, plant: Plant) -> tuple[tuple[Says, ...], tuple[Says, ...]]:
    """The accepted fates and origins of a plant."""
    found = []
    for says in (plant.fates, plant.origins):
        accepted: list[Says] = []
        for word, cause in says:
            if word == "carried":
                accepted += carried(planted.old.spots[plant.serial], planted.new.spots[plant.serial])
            else:
                accepted.append((word, cause))
        found.append(tuple(accepted))
    return found[0], found[1]


def ask(releases: Releases, planted: Planted) -> tuple[Answers, dict[str, Any]]:
    """Run the tool and join its document to the plants by patch, path and line."""
    names = []
    for name, written in (("p1", planted.old), ("p2", planted.new)):
        folder = releases.folder / name
        folder.mkdir(exist_ok=True)
        (folder / "series").write_text("".join(f"{at:04}.patch\n" for at in range(len(written.patches))))
        for at, text in enumerate(written.patches):
            (folder / f"{at:04}.patch").write_bytes(text)
        names.append(str(folder) if len(written.patches) > 1 else str(folder / "0000.patch"))
    environ = {**releases.environ, "XDG_DATA_HOME": str(releases.folder)}
    found = compare(releases.git_dir, ["u1", "u2"], names, environ=environ, cwd=releases.folder)
    document = json.loads(json_document(found))
    return read_document(document, planted), document


def read_document(document: Mapping[str, Any], planted: Planted) -> Answers:
    """What a document says of every plant. A plant that is not in it fails: the join is exact."""
    answers = Answers()
    for release, word, written, found in (
        (0, "fate", planted.old, answers.fates),
        (1, "origin", planted.new, answers.origins),
    ):
        by_place = {
            (hunk["patch"], hunk["path"], change["old_start"]): (hunk, change)
            for hunk in document["hunks"]
            if hunk["release"] == release
            for change in hunk["changes"]
        }
        assert len(by_place) == len(written.spots), (len(by_place), len(written.spots))
        for serial, spot in written.spots.items():
            hunk, change = by_place[spot.patch, os.fsdecode(spot.path), spot.line]
            found[serial] = Answer(change[word], change["cause"], change["reason"], hunk["id"])
    answers.edges = {
        (edge["a"], edge["b"])
        for edge in document["edges"]
        if not edge["b"].startswith("upstream:") and not edge["a"].startswith("upstream:")
    }
    return answers


@dataclass(slots=True)
class Score:
    """Counts of one or many plantings."""

    cells: dict[str, Counter[tuple[str, str]]] = field(default_factory=lambda: defaultdict(Counter))
    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[Wrong] = field(default_factory=list)

    def add(self, other: Score) -> None:
        """Add another's counts."""
        for table, cells in other.cells.items():
            self.cells[table].update(cells)
        for kind, counts in other.kinds.items():
            self.kinds[kind].update(counts)
        self.wrong += other.wrong

    def rates(self, table: str) -> list[tuple[str, int, float, float]]:
        """(word, how many there are, precision, recall) for every word of a table; 1 where there is nothing."""
        cells = self.cells[table]
        found = []
        for word in sorted({truth for truth, _ in cells} | {got for _, got in cells} - {"-"}):
            if word == "-":
                continue
            right = cells[word, word]
            there = sum(count for (truth, _), count in cells.items() if truth == word)
            said = sum(count for (_, got), count in cells.items() if got == word)
            found.append((word, there, right / said if said else 1.0, right / there if there else 1.0))
        return found


def score(planted: Planted, answers: Answers, without: Collection[str] = ()) -> Score:
    """Compare answers with the truth, but for some ways of planting."""
    found = Score()
    homes: dict[str, set[int]] = defaultdict(set)
    for answer_map in (answers.fates, answers.origins):
        for serial, answer in answer_map.items():
            homes[answer.hunk].add(serial)
    for plant in planted.planting.plants:
        if plant.kind in without:
            continue
        fates, origins = expect(planted, plant)
        for table, accepted, answer_map in (("fate", fates, answers.fates), ("origin", origins, answers.origins)):
            if accepted:
                judge(found, plant, table, accepted, answer_map[plant.serial])
        judge_pair(found, plant, answers)
    false = [(a, b) for a, b in answers.edges if not homes[a] & homes[b]]
    found.cells["pair"]["-", "joined"] += len(false)
    return found


def judge(found: Score, plant: Plant, table: str, accepted: Sequence[Says], got: Answer) -> None:
    """Count one verdict."""
    words = [word for word, _ in accepted]
    truth = got.word if got.word in words else words[0]
    found.cells[table][truth, got.word] += 1
    causes = {cause for word, cause in accepted if word == got.word} or {accepted[0][1]}
    if None not in causes and truth in CAUSED:
        cause = got.cause if got.cause in causes else min(str(one) for one in causes)
        found.cells["cause"][cause or "-", got.cause or "-"] += 1
    elif truth not in CAUSED and got.cause:
        found.cells["cause"]["-", got.cause] += 1
    right = any(got.word == word and cause in (None, got.cause) for word, cause in accepted)
    found.kinds[plant.kind][f"{table} right" if right else f"{table} wrong"] += 1
    if not right:
        found.wrong.append(Wrong(plant, table, tuple(accepted), got))
    elif plant.reason and got.reason != plant.reason:
        found.kinds[plant.kind]["reason wrong"] += 1


def judge_pair(found: Score, plant: Plant, answers: Answers) -> None:
    """Count whether an edge joins the plant's two hunks."""
    if plant.old is None or plant.new is None or plant.origins[0][0] == "new":
        return
    edge = (answers.fates[plant.serial].hunk, answers.origins[plant.serial].hunk)
    joined = edge in answers.edges
    found.cells["pair"]["joined", "joined" if joined else "-"] += 1
    if not joined:
        found.kinds[plant.kind]["pair wrong"] += 1


def text_only(planted: Planted) -> Answers:
    """The first peer: equal removed and added lines, first come first served; what is left is dropped or new."""
    answers = Answers()
    waiting: dict[tuple[tuple[bytes, ...], tuple[bytes, ...]], list[int]] = defaultdict(list)
    for serial in in_order(planted.new):
        spot = planted.new.spots[serial]
        waiting[spot.removed, spot.added].append(serial)
        answers.origins[serial] = Answer("new", "downstream", None, f"b{serial}")
    for serial in in_order(planted.old):
        spot = planted.old.spots[serial]
        some = waiting[spot.removed, spot.added]
        if not some:
            answers.fates[serial] = Answer("dropped", None, None, f"a{serial}")
            continue
        other = some.pop(0)
        one, two = planted.old.spots[serial], planted.new.spots[other]
        same = (one.before, one.after) == (two.before, two.after)
        word = "moved" if one.path != two.path else "kept" if same else "refreshed"
        cause = "downstream" if word == "moved" else None
        answers.fates[serial] = Answer(word, cause, None, f"a{serial}")
        answers.origins[other] = Answer(word, cause, None, f"b{other}")
        answers.edges.add((f"a{serial}", f"b{other}"))
    return answers


def in_order(written: Written) -> Iterable[int]:
    """The plants of a patchset in the order of its text."""
    return sorted(written.spots, key=lambda serial: (written.spots[serial].path, written.spots[serial].line))
