"""`git metadiff graph`: the hunks of all patchsets and what corresponds to what, for other programs.

Nodes are hunks, and upstream's hunks that an edge names; edges lead from the earlier hunk to the later one, or from a
hunk to upstream's. Two hunks have two edges if one of their changes is ambiguous. JSON is networkx's node-link form;
GraphML and DOT can hold no undecodable bytes, so there paths are quoted as git does it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from git_metadiff.lineage import group
from git_metadiff.model import Comparison, Edge, Hunk, Verdict, worst
from git_metadiff.render.lineage import functions_of
from git_metadiff.render.lookup import alias
from git_metadiff.render.paint import quoted, readable
from git_metadiff.render.upstream import parse_id
from git_metadiff.render.view import View

SCHEMA = "git-metadiff-graph/1"
UPSTREAM = "upstream:"
#: Colours of DOT's edges; others are black.
EDGE_COLORS = {"edited": "blue", "moved": "purple", "absorbed": "darkgreen", "orphaned": "orange", "ambiguous": "red"}

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """What is asked for: nodes by id, in order, and edges between them."""

    name: str
    releases: tuple[str, ...]
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]


def graph_text(comparison: Comparison, form: str, view: View, names: Collection[str] | None = None) -> Iterator[bytes]:
    """The graph as `json`, `dot` or `graphml`, limited to the hunks `names` and to the path limits of the view."""
    return WRITERS[form](build(comparison, view, names))


def build(comparison: Comparison, view: View, names: Collection[str] | None) -> Graph:
    """The nodes and edges inside the limits, and beyond them the other ends of these edges."""
    inside = {
        hunk.id
        for hunk in comparison.hunks()
        if (names is None or hunk.id in names)
        and any(view.wanted(path) for path in (hunk.path, hunk.old_path) if path is not None)
    }
    edges = [edge for edge in comparison.edges if edge.a in inside or edge.b in inside]
    shown = inside | {end for edge in edges for end in (edge.a, edge.b)}
    hunks = [hunk for hunk in comparison.hunks() if hunk.id in shown]
    homes = _families(comparison)
    nodes = {hunk.id: _hunk_node(comparison, hunk, homes[hunk.id]) for hunk in hunks}
    ends = sorted({end for edge in edges for end in (edge.a, edge.b) if end.startswith(UPSTREAM)})
    nodes.update((name, _upstream_node(name)) for name in ends)
    ordered = sorted(edges, key=lambda edge: (edge.a, edge.b, edge.kind))
    return Graph(comparison.name, tuple(release.name for release in comparison.releases), nodes, tuple(ordered))


def _families(comparison: Comparison) -> dict[str, str]:
    """The family of each hunk, by the id of its first one."""
    found = group([hunk.id for hunk in comparison.hunks()], comparison.edges)
    return {name: members[0] for members in found for name in members}


def _hunk_node(comparison: Comparison, hunk: Hunk, family: str) -> Node:
    fate, origin = (_worst(verdicts.get(hunk.id, ())) for verdicts in (comparison.fates, comparison.origins))
    functions = functions_of(hunk)
    patch = comparison.patchsets[hunk.release].patches[hunk.patch]
    return {
        "type": "hunk",
        "release": hunk.release,
        "patch": hunk.patch,
        "patch_name": patch.name,
        "path": readable(hunk.path),
        "function": readable(functions[0]) if functions else "",
        "old_start": hunk.old_start,
        "added": hunk.added,
        "removed": hunk.removed,
        "family": family,
        **_verdict("fate", fate),
        **_verdict("origin", origin),
    }


def _worst(verdicts: tuple[Verdict, ...]) -> Verdict | None:
    return worst(verdicts) if verdicts else None


def _verdict(side: str, verdict: Verdict | None) -> Node:
    """What is known of one side, each under its own name: a hunk in the middle of a chain has both."""
    told = verdict or Verdict("")
    return {side: told.word or None, f"{side}_cause": told.cause, f"{side}_reason": told.reason}


def _upstream_node(name: str) -> Node:
    path, start = parse_id(name) or (b"", 0)
    step = name.split(":", 2)[1]
    return {
        "type": "upstream",
        "release": int(step) + 1 if step.isdigit() else None,
        "path": readable(path),
        "old_start": start,
    }


# JSON


def as_json(graph: Graph) -> Iterator[bytes]:
    """Node-link form: `nodes` with `id`, `edges` with `source` and `target`; null where there is nothing to say."""
    document = {
        "schema": SCHEMA,
        "name": graph.name,
        "releases": graph.releases,
        "directed": True,
        "multigraph": True,
        "graph": {},
        "nodes": [{"id": name, **node} for name, node in graph.nodes.items()],
        "edges": [
            {
                "source": edge.a,
                "target": edge.b,
                "key": at,
                "kind": edge.kind,
                "similarity": round(edge.similarity, 4),
                "evidence": list(edge.evidence),
            }
            for at, edge in enumerate(graph.edges)
        ],
    }
    yield json.dumps(document, ensure_ascii=True, sort_keys=True).encode("ascii") + b"\n"


# GraphML


def as_graphml(graph: Graph) -> Iterator[bytes]:
    """GraphML, written by networkx; attributes without a value are left out."""
    import networkx as nx

    made: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        name=_plain(graph.name), releases=", ".join(map(_plain, graph.releases))
    )
    for name, node in graph.nodes.items():
        made.add_node(_name(name), **_attributes(node))
    for at, edge in enumerate(graph.edges):
        data: dict[str, Any] = {
            "kind": edge.kind,
            "similarity": round(edge.similarity, 4),
            "evidence": ", ".join(edge.evidence),
        }
        made.add_edge(_name(edge.a), _name(edge.b), key=f"e{at}", **data)  # the key becomes its id
    yield b"<?xml version='1.0' encoding='utf-8'?>\n"
    for text in nx.generate_graphml(made, named_key_ids=True):
        yield text.encode() + b"\n"


def _attributes(node: Node) -> Node:
    """A node without empty values, its texts fit for XML."""
    found = {key: _plain(value) if isinstance(value, str) else value for key, value in node.items()}
    found["path"] = _path(node["path"])
    return {key: value for key, value in found.items() if value is not None}


def _path(path: str) -> str:
    return quoted(path.encode("utf-8", "surrogateescape"))


def _name(name: str) -> str:
    """The id of a node; an upstream hunk's holds a path."""
    parsed = parse_id(name)
    return f"{':'.join(name.split(':', 2)[:2])}:{quoted(parsed[0])}:{parsed[1]}" if parsed else _plain(name)


def _plain(text: str) -> str:
    """`text` with everything escaped that is not printed, or is no character."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


# DOT


def as_dot(graph: Graph) -> Iterator[bytes]:
    """A digraph for Graphviz, a cluster for each patchset, from left to right."""
    yield _line(f"digraph {_quote(graph.name)} {{")
    yield b'  rankdir=LR;\n  node [shape=box, fontname="monospace"];\n'
    clusters: dict[int, list[str]] = defaultdict(list)
    for name, node in graph.nodes.items():
        if node["type"] == "hunk":
            clusters[node["release"]].append(name)
    for at, names in sorted(clusters.items()):
        release = graph.releases[min(at, len(graph.releases) - 1)]
        yield _line(f"  subgraph cluster_{at} {{")
        yield _line(f"    label={_quote(f'{release} + {alias(at)}')};")
        for name in names:
            yield _line(f"    {_dot_node(name, graph.nodes[name])}")
        yield b"  }\n"
    for name, node in graph.nodes.items():
        if node["type"] == "upstream":
            yield _line(f"  {_dot_node(name, node)}")
    for edge in graph.edges:
        yield _line(f"  {_dot_edge(edge)}")
    yield b"}\n"


def _dot_node(name: str, node: Node) -> str:
    place = f"{_path(node['path'])}:{node['old_start']}"
    if node["type"] == "upstream":
        return f"{_quote(_name(name))} [shape=ellipse, {_dot_attributes(label=[place, 'upstream'], type='upstream')}];"
    verdicts = [f"{word}: {node[word]}" for word in ("origin", "fate") if node[word]]
    label = [place, _plain(node["function"]), *verdicts]
    return f"{_quote(_name(name))} [{_dot_attributes(label=label, type='hunk', family=node['family'])}];"


def _dot_edge(edge: Edge) -> str:
    score = f"{edge.similarity:.4g}"
    shown = _dot_attributes(
        label=[edge.kind if edge.similarity == 1 else f"{edge.kind} {score}"],
        kind=edge.kind,
        similarity=score,
        evidence=", ".join(edge.evidence),
        color=EDGE_COLORS.get(edge.kind, "black"),
    )
    return f"{_quote(_name(edge.a))} -> {_quote(_name(edge.b))} [{shown}];"


def _dot_attributes(**values: str | list[str]) -> str:
    """`name="value"` of each; a list is several lines."""
    return ", ".join(f"{name}={_quote(*([text] if isinstance(text, str) else text))}" for name, text in values.items())


def _quote(*lines: str) -> str:
    """A quoted string of DOT; where Graphviz reads escapes (in labels), a backslash is one and lines are lines."""
    return '"' + "\\n".join(_escaped(text) for text in lines if text or len(lines) == 1) + '"'


def _escaped(text: str) -> str:
    return _plain(text).replace("\\", "\\\\").replace('"', '\\"')


def _line(text: str) -> bytes:
    return text.encode() + b"\n"


WRITERS: dict[str, Callable[[Graph], Iterator[bytes]]] = {"json": as_json, "dot": as_dot, "graphml": as_graphml}
