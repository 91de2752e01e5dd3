"""Units become groups without cycles between them, in an order that builds, and where that leaves a choice, is cheap.

The dependency graph's strongly connected parts are the groups. Where one would grow too large, the weakest links in
it are given up first: those of the names that most units share.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from git_metadiff.bisect.needs import Need

if TYPE_CHECKING:
    import networkx

    Graph = networkx.DiGraph[int]

#: So many units at most go together because of names that they share.
MOST_TOGETHER = 48


def connect(count: int, needs: Iterable[Need], most: int = MOST_TOGETHER) -> Graph:
    """The dependency graph of `count` units, an edge from each to what must be in before it, with no strongly connected
    part of more than `most` units."""
    import networkx

    graph: Graph = networkx.DiGraph()
    graph.add_nodes_from(range(count))
    ranks: dict[tuple[int, int], int] = {}
    for one in needs:
        pair = one.user, one.other
        ranks[pair] = min(one.rank, ranks.get(pair, one.rank))
    graph.add_edges_from(ranks)
    pending = [part for part in networkx.strongly_connected_components(graph) if len(part) > most]
    while pending:
        part = pending.pop()
        inside = [(user, other) for user in part for other in graph[user] if other in part]
        weakest = max(ranks[pair] for pair in inside)
        graph.remove_edges_from([pair for pair in inside if ranks[pair] == weakest])
        rest: Graph = networkx.DiGraph([pair for pair in inside if ranks[pair] < weakest])
        pending += [smaller for smaller in networkx.strongly_connected_components(rest) if len(smaller) > most]
    return graph


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
