"""A forecast becomes a series of patches for the new release: the stage behind `compare`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.forward.fates import fates_of
from git_metadiff.forward.layout import Layout, lay_out, whole_texts
from git_metadiff.forward.prefixes import merge_states
from git_metadiff.forward.proof import Candidate, find_fault, prove
from git_metadiff.forward.regain import regain
from git_metadiff.forward.rejects import rejects_of
from git_metadiff.forward.rewrite import Rewriter, Work
from git_metadiff.forward.sections import find_sections, match_hunks
from git_metadiff.forward.states import Walk, read_moves
from git_metadiff.forward.upstream import Upstream
from git_metadiff.forward.words import CarriedPatch, ForwardPort
from git_metadiff.git import CatFile, FastImport, Git, Scratch
from git_metadiff.hunks import FilePatch, Scanner
from git_metadiff.linemap import list_next, list_tree
from git_metadiff.lines import LineCache
from git_metadiff.model import Comparison, Hunk
from git_metadiff.port import Trees, port
from git_metadiff.targets import Target, levels_for, resolve

#: So often it is tried to carry more than P has.
ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """The patches that are carried, and how they are kept."""

    texts: Sequence[PatchText]
    layout: Layout


def carry(user: Git, comparison: Comparison, series: Series, environ: Mapping[str, str]) -> ForwardPort:
    """Carry the last patchset of a comparison that ends in a forecast onto its last release.

    Raises MetadiffError where the written series does not lead to the ported tree.
    """
    step = comparison.transitions[-1]
    assert step.forecast is not None
    old, new, patchset = (
        comparison.releases[step.start],
        comparison.releases[step.stop],
        comparison.patchsets[step.start],
    )
    with Scratch(user, environ) as scratch, CatFile(scratch) as objects, FastImport(scratch) as writer:
        lines = LineCache(objects, {})
        walk = start_walk(scratch, lines, writer, (old.tree, new.tree, patchset.tree, step.ported_tree))
        trees = series_trees(scratch, old.commit, patchset.commit, old.tree)
        works = []
        for number, (text, moves) in enumerate(zip(series.texts, read_moves(scratch, trees), strict=True)):
            works.append(open_patch(text, number, walk, [one for one in patchset.hunks if one.patch == number]))
            walk.step(number, moves)
        walk.finish()
        merge_states(scratch, lines, writer, walk.slots)
        rewriter = Rewriter(scratch, lines, walk.slots)
        beyond = write_and_regain(rewriter, writer, walk, works, comparison)
        tell = Teller(series, works)
        ends = new.tree, rewriter.final_tree(step.ported_tree) if beyond else step.ported_tree
        if find_fault(scratch, ends, tell.texts()) is not None:
            repair(rewriter, works, ends, tell)
            prove(scratch, ends, tell.texts())
        seen = Upstream(walk, lines)
        fates = [
            [seen.locate(work.number, fate) for fate in rows]
            for work, rows in zip(works, fates_of(comparison, works, walk.names()), strict=True)
        ]
        rejects = [
            rejects_of(
                work.lines, work.sections, rows, seen.of(work.number), f"{text.name}: what has no place in {new.name}"
            )
            for work, rows, text in zip(works, fates, series.texts, strict=True)
        ]
    patches = [
        CarriedPatch(one.name, one.text, one.level, tuple(rows), sum(section.missing for section in work.sections))
        for one, work, rows in zip(tell.all(), works, fates, strict=True)
    ]
    told, files = lay_out(series.layout, series.texts, patches, rejects)
    return ForwardPort(
        old.name,
        new.name,
        patchset.name,
        ends[1],
        tuple(told),
        tuple(files),
        step.forecast.missing,
        comparison.name,
        beyond,
    )


def write_and_regain(
    rewriter: Rewriter, writer: FastImport, walk: Walk, works: Sequence[Work], comparison: Comparison
) -> int:
    """Write the patches, and again with what they can carry alone; how many hunks that are.

    What a patch regains may be what a later one stands on: hence several rounds.
    """
    rewriter.run(works)
    beyond = 0
    for _ in range(ROUNDS):
        fates = fates_of(comparison, works, {})
        found = regain(rewriter.scratch, rewriter.lines, writer, walk, works, fates)
        if not found:
            break
        beyond += found
        for work in works:
            work.reset()
        rewriter.run(works)
    return beyond


@dataclass(frozen=True, slots=True)
class Teller:
    """The patches as they are to be written."""

    series: Series
    works: Sequence[Work]

    def all(self) -> list[Candidate]:
        """All of them; the text of one of which nothing is left is empty."""
        fulls = whole_texts(self.series.layout, self.series.texts, [work.text for work in self.works])
        return [
            Candidate(text.name, full, work.level)
            for text, full, work in zip(self.series.texts, fulls, self.works, strict=True)
        ]

    def texts(self) -> list[Candidate]:
        """Those that hold something."""
        return [one for one in self.all() if one.text]


def repair(rewriter: Rewriter, works: Sequence[Work], ends: tuple[str, str], tell: Teller) -> None:
    """Let git write every patch that does not lead from the tree before it to the one behind it.

    That happens where files take each other's names, or are gone and come again, in one patch or one release.
    """
    scratch, before = rewriter.scratch, ends[0]
    for work in works:
        after = ends[1] if work is works[-1] else rewriter.tree_after(before, work.number)
        one = tell.all()[work.number]
        if before != after if not one.text else find_fault(scratch, (before, after), [one]) is not None:
            rewriter.write_whole(work, before, after)
        before = after


def start_walk(scratch: Scratch, lines: LineCache, writer: FastImport, trees: tuple[str, str, str, str]) -> Walk:
    """P once more, with the place of every net change; `trees` are those of U1, U2, D1 and P."""
    u1 = list_tree(scratch, trees[0])
    u2 = list_next(scratch, u1, trees[0], trees[1])
    d1 = list_next(scratch, u1, trees[0], trees[2])
    ported = port(scratch, lines, writer, Trees(u1, u2, d1), ())
    return Walk(u1, u2, list_next(scratch, u2, trees[1], trees[3]), ported)


def series_trees(scratch: Scratch, release: str, downstream: str, tree: str) -> list[str]:
    """The tree of the release, and that after each patch, from the branches of the comparison."""
    tip = scratch.text("log", "-1", "--format=%P", downstream).split()[-1]
    steps = scratch.text("log", "--reverse", "--first-parent", "--format=%T", f"{release}..{tip}").split()
    return [tree, *steps]


def open_patch(text: PatchText, number: int, walk: Walk, hunks: Sequence[Hunk]) -> Work:
    """A patch with its sections and the hunks in them; `walk` stands before it."""
    lines = text.data.split(b"\n")
    files = Scanner(text.data, text.name).scan()
    level, targets = find_targets(text, files, walk, hunks)
    sections = find_sections(lines, files, targets)
    match_hunks(sections, lines, hunks)
    if sum(len(section.hunks) for section in sections) != len(hunks):
        raise MetadiffError(
            f"{text.name}: not every hunk of the stored comparison is in the patch", "make the comparison again"
        )
    return Work(number, lines, sections, level)


def find_targets(
    text: PatchText, files: Sequence[FilePatch], walk: Walk, hunks: Sequence[Hunk]
) -> tuple[int, list[Target]]:
    """The level at which the patch was applied, and the files that its sections mean there."""
    levels = [text.strip] if text.strip is not None else levels_for(files, walk)
    wanted = {hunk.path for hunk in hunks}
    for level in levels:
        targets = [target for target in resolve(files, level, walk) if target is not None]
        if len(targets) == len(files) and wanted <= {target.path for target in targets}:
            return level, targets
    raise MetadiffError(f"{text.name}: cannot tell at which level this patch was applied", "give it with --strip N")
