"""Chains that grow: the stored part of a comparison, cut where it is continued, and joined with what follows."""

from __future__ import annotations

from dataclasses import replace

from git_metadiff.model import Comparison, Edge


def cut_chain(comparison: Comparison, count: int) -> Comparison:
    """The comparison of the first `count` patchsets alone, as it would be without the others (a forecast, say)."""
    if count == len(comparison.patchsets):
        return comparison
    release = {hunk.id: hunk.release for hunk in comparison.hunks()}
    before = count - 1  # transitions, and patchsets that have a later one
    return replace(
        comparison,
        releases=comparison.releases[:count],
        patchsets=comparison.patchsets[:count],
        fates={name: one for name, one in comparison.fates.items() if release[name] < before},
        origins={name: one for name, one in comparison.origins.items() if release[name] < count},
        placed={name: one for name, one in comparison.placed.items() if release[name] < before},
        superseded={name: one for name, one in comparison.superseded.items() if release[name] < count},
        edges=tuple(edge for edge in comparison.edges if step_of(edge, release) < before),
        patch_edges=tuple(edge for edge in comparison.patch_edges if edge.release < before),
        transitions=comparison.transitions[:before],
        patch_verdicts=tuple(one for one in comparison.patch_verdicts if one.release - (one.side == "origin") < before),
    )


def step_of(edge: Edge, release: dict[str, int]) -> int:
    """The index of the transition that an edge belongs to."""
    for end in (edge.a, edge.b):
        if end.startswith("upstream:"):
            return int(end.split(":", 2)[1])
    return min(release[edge.a], release[edge.b])


def edges_by_step(comparison: Comparison) -> list[list[Edge]]:
    """The edges of every transition."""
    release = {hunk.id: hunk.release for hunk in comparison.hunks()}
    found: list[list[Edge]] = [[] for _ in comparison.transitions]
    for edge in comparison.edges:
        found[step_of(edge, release)].append(edge)
    return found


def join_chains(before: Comparison, after: Comparison) -> Comparison:
    """A stored comparison and what follows it: `after` has all releases, and begins with the last stored patchset."""
    return replace(
        after,
        patchsets=(*before.patchsets, *after.patchsets[1:]),
        fates=before.fates | after.fates,
        origins=before.origins | after.origins,
        placed=before.placed | after.placed,
        superseded=before.superseded | after.superseded,
        edges=tuple(sorted((*before.edges, *after.edges), key=lambda edge: (edge.a, edge.b))),
        patch_edges=(*before.patch_edges, *after.patch_edges),
        transitions=(*before.transitions, *after.transitions),
        patch_verdicts=tuple(
            sorted((*before.patch_verdicts, *after.patch_verdicts), key=lambda one: (one.release, one.side, one.patch))
        ),
    )
