"""Units become groups without cycles between them, in an order that builds, and where that leaves a choice, is cheap.

The dependency graph's strongly connected parts are the groups. Where one would grow too large, the weakest links in
it are given up first: those of the names that most units share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from git_metadiff.bisect.needs import Need

if TYPE_CHECKING:
    import networkx

    Graph = networkx.DiGraph[int]

#: A unit, and what must be in before it.
Pair = tuple[int, int]
#: So many units at most go together because of names that they share.
MOST_TOGETHER = 48


def connect(count: int, needs: Iterable[Need], most: int = MOST_TOGETHER) -> Graph:
    """The dependency graph of `count` units, an edge from each to what must be in before it, with no strongly connected
    part of more than `most` units."""
    import networkx

    graph: Graph = networkx.DiGraph()
    graph.add_nodes_from(range(count))
    ranks: dict[Pair, int] = {}
    for user, other, rank, _ in needs:
        if ranks.get((user, other), rank) >= rank:
            ranks[user, other] = rank
    graph.add_edges_from(ranks)
    for part in [part for part in networkx.strongly_connected_components(graph) if len(part) > most]:
        inside = [(user, other) for user in part for other in graph[user] if other in part]
        graph.remove_edges_from(given_up(inside, ranks, most))
    return graph


def given_up(pairs: Sequence[Pair], ranks: Mapping[Pair, int], most: int) -> list[Pair]:
    """Of the edges of a strongly connected part that is too large, those without which none has more than `most` units,
    the weakest first: an edge goes if links that are no weaker than itself make so large a part with both its ends."""
    import networkx

    graph: Graph = networkx.DiGraph()
    found: list[Pair] = []
    by_rank: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_rank[ranks[pair]].append(pair)
    *ranked, weakest = sorted(by_rank)
    for rank in ranked:
        graph.add_edges_from(by_rank[rank])
        parts = [part for part in networkx.strongly_connected_components(graph) if len(part) > most]
        large = {unit: at for at, part in enumerate(parts) for unit in part}
        found += [(one, other) for one, other in by_rank[rank] if large.get(one, -1) == large.get(other, -2)]
    return found + by_rank[weakest]


def condense(graph: Graph, key: Callable[[Sequence[int]], Any]) -> tuple[list[list[int]], list[set[int]]]:
    """The groups of units in their order, and for each the places of the groups that it needs.

    Whatever a group needs stands before it; beyond that `key` of its units (sorted) decides.
    """
    import networkx

    parts = networkx.condensation(graph)
    members: dict[Hashable, list[int]] = {part: sorted(data["members"]) for part, data in parts.nodes(data=True)}
    keys = {part: key(units) for part, units in members.items()}
    order = list(networkx.lexicographical_topological_sort(parts.reverse(copy=False), key=lambda part: keys[part]))
    place = {part: at for at, part in enumerate(order)}
    return [members[part] for part in order], [{place[other] for other in parts[part]} for part in order]
