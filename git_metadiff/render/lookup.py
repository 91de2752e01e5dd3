"""Everything that a view looks up about one transition, indexed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from git_metadiff.chain import edges_by_step
from git_metadiff.model import (
    WORST_FIRST,
    Collision,
    Comparison,
    Edge,
    Hunk,
    Patchset,
    Release,
    Transition,
    Verdict,
    worst,
)
from git_metadiff.render.functions import titles
from git_metadiff.render.paint import quoted, readable
from git_metadiff.render.view import View

NOWHERE = Patchset("", "", (), ())
MISPLACED = "misplaced"


class Lookup:
    """One transition with its two patchsets, and indexes over them.

    Verdicts are those of this transition: fates of the earlier patchset's hunks, origins of the later one's. `edges`
    are those of the transition, where they are at hand.
    """

    def __init__(self, comparison: Comparison, transition: Transition, edges: Sequence[Edge] | None = None) -> None:
        self.comparison = comparison
        self.transition = transition
        self.old = _patchset(comparison, transition.start)
        self.new = _patchset(comparison, transition.stop)
        self.old_release = _release(comparison, transition.start)
        self.new_release = _release(comparison, transition.stop)
        self.hunks = {hunk.id: hunk for side in (self.old, self.new) for hunk in side.hunks}
        self.olds = {hunk.id for hunk in self.old.hunks}
        self.changes = {hunk.id: comparison.fates.get(hunk.id, ()) for hunk in self.old.hunks}
        self.changes.update((hunk.id, comparison.origins.get(hunk.id, ())) for hunk in self.new.hunks)
        self.verdicts = {name: worst(verdicts) for name, verdicts in self.changes.items() if verdicts}
        self.misplaced = {name for name, verdicts in self.changes.items() if misplaced(verdicts)}
        self.unplaced: dict[str, dict[int, str]] = defaultdict(dict)
        for item in transition.unplaced:
            self.unplaced[item.hunk][item.change] = item.reason
        self._numbers = {**_numbers(self.old), **_numbers(self.new)}
        self._lines_after: dict[str, int] = {}
        self._edges: dict[str, list[Edge]] = defaultdict(list)
        for edge in comparison.edges if edges is None else edges:
            if edge.a in self.hunks or edge.b in self.hunks:
                self._edges[edge.a].append(edge)
                self._edges[edge.b].append(edge)

    @property
    def same_release(self) -> bool:
        """Whether both patchsets stand on the same upstream tree."""
        return self.old_release.tree == self.new_release.tree

    def names(self) -> str:
        """`v1+p1 -> v2+p2`, what two patchsets on one release are called, or a forecast."""
        old, new = alias(self.transition.start), alias(self.transition.stop)
        if self.transition.forecast is not None:
            new = "forecast"
        if self.same_release:
            return f"{self.new_release.name}: {old} -> {new}"
        return f"{self.old_release.name}+{old} -> {self.new_release.name}+{new}"

    def partners(self, name: str) -> list[tuple[Edge, Hunk]]:
        """The hunks of the other patchset that the hunk `name` corresponds to, best first."""
        found = []
        for edge in self._edges.get(name, ()):
            other = edge.b if edge.a == name else edge.a
            if other in self.hunks and (other in self.olds) != (name in self.olds):
                found.append((edge, self.hunks[other]))
        return sorted(found, key=lambda pair: -pair[0].similarity)

    def upstream_edges(self, name: str) -> list[Edge]:
        """The edges between the hunk `name` and upstream's hunks of this transition."""
        mine = f"upstream:{self.comparison.transitions.index(self.transition)}:"
        return [edge for edge in self._edges.get(name, ()) if edge.a.startswith(mine) or edge.b.startswith(mine)]

    def verdict(self, name: str) -> Verdict:
        """The verdict of a hunk; one without any (an upstream hunk, say) has no word."""
        return self.verdicts.get(name) or Verdict("")

    def title(self, name: str) -> str:
        """`p2 hunk 12`, with the name of the patch where there are several."""
        index = self.transition.start if name in self.olds else self.transition.stop
        words = [alias(index), self.patch_name(self.hunks[name]), f"hunk {self._numbers[name]}"]
        return " ".join(word for word in words if word)

    def place(self, hunk: Hunk, change: int = 0) -> str:
        """`path:line  function` of a change of a hunk."""
        where = quoted(hunk.path) + (f":{hunk.changes[change].old_start}" if hunk.kind == "text" else "")
        function = self.function(hunk, change)
        return f"{where}  {function}" if function else where

    def function(self, hunk: Hunk, change: int = 0) -> str:
        """What a change stands in, for people; empty for file scope."""
        if not hunk.old_start:  # a whole file is in no function
            return ""
        found = titles(hunk.path, hunk.section, hunk.body)
        return readable(found[change]) if change < len(found) else ""

    def patch_name(self, hunk: Hunk) -> str:
        """The name of a hunk's patch, where its patchset has several; else empty."""
        patchset = self.old if hunk.id in self.olds else self.new
        return patchset.patches[hunk.patch].name if len(patchset.patches) > 1 else ""

    def line_after(self, hunk: Hunk) -> int:
        """The line (0-based) of the later downstream tree at which a hunk stands, where it has one patch."""
        if not self._lines_after:
            grown: dict[bytes, int] = defaultdict(int)
            for other in sorted(self.new.hunks, key=lambda other: other.applied_start):
                start = other.applied_start - (other.old_lines > 0)
                self._lines_after[other.id] = start + grown[other.path]
                grown[other.path] += other.new_lines - other.old_lines
        return self._lines_after[hunk.id]

    def home(self, hunk: Hunk) -> bytes:
        """The path under which the later release knows a hunk: its partner's, where it has one."""
        partners = self.partners(hunk.id) if hunk.id in self.olds else []
        return partners[0][1].path if partners else hunk.path

    def word(self, hunk: Hunk) -> str:
        """The verdict in one word, `misplaced` being one; only a loss is worse."""
        word = self.verdict(hunk.id).word
        return MISPLACED if word != "dropped" and hunk.id in self.misplaced else word

    def collisions(self, view: View) -> list[Collision]:
        """The collisions of which either side is inside the path limits."""

        def passes(collision: Collision) -> bool:
            hunks = (self.hunks[name] for name in collision.hunks if name in self.hunks)
            return view.wanted(collision.path) or any(self.wanted(hunk, view) for hunk in hunks)

        return [collision for collision in self.transition.collisions if passes(collision)]

    def once(self, olds: Iterable[Hunk], news: Iterable[Hunk]) -> Iterator[Hunk]:
        """The hunks of two sides, each pair once, by its worse end.

        A hunk that lost one of its changes is dropped, though what is left of it in the new patch is kept; one that
        was kept and got a change more is new.
        """
        known = {hunk.id: hunk for side in (olds, news) for hunk in side}
        for hunk in known.values():
            partners = [self._rank(partner) for _, partner in self.partners(hunk.id) if partner.id in known]
            best = min(partners, default=len(WORST_FIRST) + 1)
            if self._rank(hunk) < best or (hunk.id in self.olds and self._rank(hunk) == best):
                yield hunk

    def _rank(self, hunk: Hunk) -> int:
        word = self.verdict(hunk.id).word
        return WORST_FIRST.index(word) if word else len(WORST_FIRST)

    def wanted(self, hunk: Hunk, view: View) -> bool:
        """Whether the path limits of the view let the hunk pass, under either of its names."""
        return view.wanted(hunk.path) or (hunk.old_path is not None and view.wanted(hunk.old_path))

    def sides(self, view: View) -> tuple[list[Hunk], list[Hunk]]:
        """The hunks of both patchsets inside the path limits."""
        old = [hunk for hunk in self.old.hunks if self.wanted(hunk, view)]
        return old, [hunk for hunk in self.new.hunks if self.wanted(hunk, view)]


def lookups(comparison: Comparison) -> list[Lookup]:
    """One index a transition."""
    return list(map(Lookup, repeat(comparison), comparison.transitions, edges_by_step(comparison)))


def alias(index: int) -> str:
    """How views call the n-th patchset: `p1`, `p2`."""
    return f"p{index + 1}"


def misplaced(verdicts: tuple[Verdict, ...]) -> bool:
    """Whether one of these stands where the line map does not lead."""
    return any(verdict.reason == MISPLACED for verdict in verdicts)


def _patchset(comparison: Comparison, index: int) -> Patchset:
    """A forecast has one patchset fewer than releases."""
    return comparison.patchsets[index] if index < len(comparison.patchsets) else NOWHERE


def _release(comparison: Comparison, index: int) -> Release:
    """One release may carry several patchsets."""
    return comparison.releases[min(index, len(comparison.releases) - 1)]


def _numbers(patchset: Patchset) -> dict[str, int]:
    seen: dict[int, int] = defaultdict(int)
    numbers = {}
    for hunk in patchset.hunks:
        seen[hunk.patch] += 1
        numbers[hunk.id] = seen[hunk.patch]
    return numbers
