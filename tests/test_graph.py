"""The graph in each of its formats, read back, and what an edge rests on in words."""

from __future__ import annotations

import ast
import io
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

import git_metadiff.correspond
from git_metadiff.cli import program
from git_metadiff.model import Comparison, Edge, Hunk, Unplaced, Verdict
from git_metadiff.port import REASONS
from git_metadiff.render.explain import AMBIGUOUS, EVIDENCE, candidates, explain_hunk
from git_metadiff.render.graph import graph_text
from git_metadiff.render.lookup import Lookup
from git_metadiff.render.paint import quoted
from git_metadiff.render.view import View
from tests.conftest import Repository
from tests.test_lineage import Files, make_chain, make_releases
from tests.test_render import Builder, make_hunk

ODD = b'caf\xe9 "x"\\\n\x01.c'
TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|->|[\w.]+|\S', re.DOTALL)


def read_dot(text: bytes) -> tuple[dict[bytes, dict[bytes, bytes]], dict[tuple[bytes, bytes], dict[bytes, bytes]]]:
    """Nodes and edges of a DOT file with their attributes, strings still quoted; anything odd fails."""
    tokens: Iterator[bytes] = iter(TOKEN.findall(text))
    assert next(tokens) == b"digraph"
    nodes: dict[bytes, dict[bytes, bytes]] = {}
    edges: dict[tuple[bytes, bytes], dict[bytes, bytes]] = {}
    depth, ends = 0, list[bytes]()
    for token in tokens:
        if token in (b"{", b"}"):
            depth += 1 if token == b"{" else -1
            ends = []
        elif token == b"[":
            found = read_attributes(tokens)
            if len(ends) == 1 and ends[0][:1] == b'"':
                nodes[ends[0]] = found
            elif len(ends) == 2:
                edges[ends[0], ends[1]] = found
            ends = []
        elif token == b";":
            ends = []
        elif token != b"->":
            ends.append(token)
    assert depth == 0
    return nodes, edges


def read_attributes(tokens: Iterator[bytes]) -> dict[bytes, bytes]:
    """`name=value, …]`."""
    found = {}
    for name in tokens:
        if name == b"]":
            break
        if name != b",":
            assert re.fullmatch(rb"\w+", name) and next(tokens) == b"="
            found[name] = next(tokens)
    return found


def text_of(comparison: Comparison, form: str, view: View | None = None, names: set[str] | None = None) -> bytes:
    """The graph as text."""
    return b"".join(graph_text(comparison, form, view or View(), names))


def read(form: str, text: bytes) -> tuple[set[str], set[tuple[str, str]]]:
    """The names of nodes and edges."""
    if form == "dot":
        nodes, edges = read_dot(text)
        plain = {name: json.loads(name.decode()) for name in nodes}
        return set(plain.values()), {(plain[a], plain[b]) for a, b in edges}
    made = (
        nx.read_graphml(io.BytesIO(text)) if form == "graphml" else nx.node_link_graph(json.loads(text), edges="edges")
    )
    assert made.is_directed()
    return set(made.nodes), {(edge[0], edge[1]) for edge in made.edges}


def odd_comparison() -> Comparison:
    """Names and sections of every kind of bytes, and an upstream hunk."""
    made = Builder()
    old = make_hunk("aaa", 0, ODD, b" x\n+y", section=b"int f\xff(char *\x02)")
    new = make_hunk("bbb", 1, ODD, b" x\n+z", section=b"int f\xff(char *\x02)")
    made.pair(old, new, [Verdict("edited", "downstream", "code", 'with "quotes" \\ and \n lines')])
    made.lone(make_hunk("ccc", 0, b"plain.c", b" x\n+y"), Verdict("absorbed"))
    name = f"upstream:0:{ODD.decode('utf-8', 'surrogateescape')}:7"
    made.edges.append(Edge("ccc", name, "absorbed", 1.0, ("upstream",)))
    return made.build()


@pytest.mark.parametrize("form", ["json", "dot", "graphml"])
def test_every_format_is_read_back_with_all_nodes_and_edges(form: str) -> None:
    comparison = odd_comparison()
    upstream = comparison.edges[-1].b if form == "json" else f"upstream:0:{quoted(ODD)}:7"
    nodes, edges = read(form, text_of(comparison, form))
    assert nodes == {"aaa", "bbb", "ccc", upstream}
    assert edges == {("aaa", "bbb"), ("ccc", upstream)}
    assert text_of(comparison, form) == text_of(comparison, form)


@pytest.mark.parametrize("form", ["json", "dot", "graphml"])
def test_two_edges_between_the_same_hunks_are_both_there(form: str) -> None:
    comparison = make_chain("a0=a1 a0?a1", count=2)
    text = text_of(comparison, form)
    if form == "dot":
        assert text.count(b'"a0" -> "a1"') == 2
    else:
        made = (
            nx.read_graphml(io.BytesIO(text))
            if form == "graphml"
            else nx.node_link_graph(json.loads(text), edges="edges")
        )
        assert sorted(edge["kind"] for edge in made["a0"]["a1"].values()) == ["ambiguous", "kept"]


@pytest.mark.parametrize("form", ["dot", "graphml"])
def test_odd_bytes_are_quoted(form: str) -> None:
    text = text_of(odd_comparison(), form)
    text.decode("utf-8")
    assert not re.search(rb"[\x00-\x08\x0b-\x1f]", text)


def test_json_attributes() -> None:
    parsed = json.loads(text_of(odd_comparison(), "json"))
    assert (parsed["schema"], parsed["name"], parsed["releases"]) == ("git-metadiff-graph/1", "default", ["v1", "v2"])
    nodes: dict[str, dict[str, Any]] = {node["id"]: node for node in parsed["nodes"]}
    assert nodes["aaa"]["path"].encode("utf-8", "surrogateescape") == ODD
    assert [nodes[name]["release"] for name in ("aaa", "bbb")] == [0, 1]
    assert [nodes[name]["family"] for name in ("aaa", "bbb", "ccc")] == ["aaa", "aaa", "ccc"]
    keys = ("fate", "fate_cause", "fate_reason", "origin", "patch_name", "added", "removed")
    assert [nodes["aaa"][key] for key in keys] == ["edited", "downstream", "code", None, "a0.patch", 1, 0]
    assert [nodes["bbb"][key] for key in ("fate", "origin")] == [None, "edited"]
    upstream = next(node for node in parsed["nodes"] if node["type"] == "upstream")
    assert (upstream["release"], upstream["old_start"]) == (1, 7)
    edge = next(edge for edge in parsed["edges"] if edge["source"] == "aaa")
    assert (edge["target"], edge["kind"], edge["similarity"], edge["evidence"]) == (
        "bbb", "edited", 0.9877, ["place", "score 0.98"],
    )  # fmt: skip


def test_graphml_attributes() -> None:
    made = nx.read_graphml(io.BytesIO(text_of(odd_comparison(), "graphml")))
    assert made.graph["releases"] == "v1, v2"
    assert made.nodes["aaa"]["path"] == quoted(ODD)
    assert "origin" not in made.nodes["aaa"] and made.nodes["aaa"]["fate"] == "edited"
    assert made.edges["aaa", "bbb"] == {
        "kind": "edited", "similarity": 0.9877, "evidence": "place, score 0.98", "id": "e0",
    }  # fmt: skip


def test_dot_attributes_and_clusters() -> None:
    text = text_of(odd_comparison(), "dot")
    nodes, edges = read_dot(text)
    assert nodes[b'"ccc"'][b"label"] == rb'"plain.c:1\nfate: absorbed"'
    shown = edges[b'"aaa"', b'"bbb"']
    assert (shown[b"kind"], shown[b"similarity"], shown[b"evidence"]) == (
        b'"edited"',
        b'"0.9877"',
        b'"place, score 0.98"',
    )
    assert (
        text.index(b'label="v1 + p1"')
        < text.index(b'"ccc" [')
        < text.index(b'label="v2 + p2"')
        < text.index(b'"bbb" [')
    )


@pytest.mark.parametrize("form", ["json", "dot", "graphml"])
def test_limits_leave_what_is_asked_for_and_what_it_corresponds_to(form: str) -> None:
    comparison = make_chain("a0=a1=a2 b0=b1 c1 d0>b1")

    def limited(path: bytes = b"", names: set[str] | None = None) -> set[str]:
        view = View(wanted=lambda found: path in (b"", found))
        return read(form, text_of(comparison, form, view, names))[0]

    assert limited() == {"a0", "a1", "a2", "b0", "b1", "c1", "d0"}
    assert limited(b"a.c") == {"a0", "a1", "a2"}
    assert limited(b"d.c") == {"d0", "b1"}
    assert limited(names={"b0", "b1", "d0"}) == {"b0", "b1", "d0"}
    assert limited(b"x.c") == set()


# Explained


def words_of_correspondence() -> set[str]:
    """Every word that the stages give as evidence: what is passed to `pair`, and what is assigned to `partners`."""
    found = set()
    folder = Path(next(iter(git_metadiff.correspond.__path__)))
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("pair", "pair_best"):
                found |= {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)}
            if isinstance(node, ast.Assign) and "partners[" in ast.unparse(node.targets[0]):
                found |= {leaf.value for leaf in ast.walk(node.value) if isinstance(leaf, ast.Constant)}
    return {word for word in found if isinstance(word, str)}


def test_every_kind_of_evidence_has_words() -> None:
    words = words_of_correspondence()
    assert {"exact", "text", "place", "superseded"} <= words
    assert words - EVIDENCE.keys() == set()


def twins() -> Comparison:
    """Three hunks of nearly the same text in one file, of which one is edited, one kept, and one is lost."""
    made = Builder()
    body = b" x\n+\tif (guard)\n+\t\treturn %b;\n+\tcount++;"
    made.pair(
        make_hunk("10", 0, b"a.c", body % b"0", 10), make_hunk("11", 1, b"a.c", body % b"0", 10), [Verdict("kept")]
    )
    edit = [Verdict("edited", "downstream", None, "the author changed it")]
    made.pair(make_hunk("20", 0, b"a.c", body % b"1", 50), make_hunk("21", 1, b"a.c", body % b"2", 50), edit)
    made.lone(make_hunk("30", 0, b"a.c", body % b"3", 90), Verdict("orphaned", None, "conflict", REASONS["conflict"]))
    made.unplaced.append(Unplaced("30", 0, "conflict"))
    return made.build()


def test_candidates_are_the_most_alike_and_never_the_partner() -> None:
    comparison = twins()
    lookup = Lookup(comparison, comparison.transitions[0])

    def found(name: str) -> list[str]:
        partners = [partner for _, partner in lookup.partners(name)]
        return [candidate.hunk.id for candidate in candidates(lookup, lookup.hunks[name], partners)]

    assert found("20") == ["11"]
    assert found("30") == ["21", "11"]  # as alike: the nearer first
    assert found("21") == ["10", "30"]  # as alike and as near


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the tests of this file have in common: none of them writes into its repository."""
    return tmp_path_factory.mktemp("graph")


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(shared: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `git metadiff graph` in this process, where three releases were compared."""
    if not (shared / ".git").exists():
        make_releases(Repository(shared))
    monkeypatch.chdir(shared)

    def start(*arguments: str) -> tuple[int, str, str]:
        status = program.run(["graph", *arguments], os.environ)
        out, err = capfdbinary.readouterr()
        return status, out.decode(), err.decode()

    return start


def hunks(run: Run) -> dict[tuple[str, int], str]:
    """The ids of hunks by function and release."""
    parsed = json.loads(run()[1])
    return {(node["function"], node["release"]): node["id"] for node in parsed["nodes"] if node["type"] == "hunk"}


def test_formats_on_the_command_line(run: Run) -> None:
    default = run()
    assert default[::2] == (0, "") and default == run("--format=json")
    graphs = [read(form, run("--format", form)[1].encode()) for form in ("json", "dot", "graphml")]
    assert graphs[0] == graphs[1] == graphs[2]
    assert any(name.startswith("upstream:1:src/other.c:") for name in graphs[0][0])


def test_limits_on_the_command_line(run: Run) -> None:
    known = hunks(run)
    family = json.loads(run("--family", known["main_0", 1][:10])[1])
    assert {node["id"] for node in family["nodes"]} == {known["main_0", at] for at in range(3)}
    moved = json.loads(run("--", "lib")[1])
    assert {node["id"] for node in moved["nodes"]} == {known["moved_30", at] for at in range(3)}


def test_explained_edges(run: Run) -> None:
    status, out, err = run("--explain", hunks(run)["main_0", 1][:11])
    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[0].startswith(f"hunk {hunks(run)['main_0', 1]}  src/main.c:7  main_0")
    past, future = lines.index("v1+p1 -> v2+p2   origin: edited downstream"), lines.index("v2+p2 -> v3+p3   fate: kept")
    assert past < future
    assert (
        f"  edited, similarity 0.5: {hunks(run)['main_0', 0]}  src/main.c:7  main_0  (p1 hunk 1)" in lines[past:future]
    )
    assert any(line.strip().startswith("stage 2, ") for line in lines[past:future])
    assert any(line.strip().startswith("stage 1, exact") for line in lines[future:])
    assert "  change 1 at line 7 (+1 -1): kept" in lines[future:]
    assert lines[-1] == "    in P, where it was: the file is the same in v3"


def test_explained_loss_and_absorption(run: Run) -> None:
    known = hunks(run)
    lost = run("--explain", known["main_50", 1])[1].splitlines()
    at = lost.index("v2+p2 -> v3+p3   fate: dropped")
    assert lost[at + 1] == "  no edge to a hunk of the later patchset"
    absorbed = run("--explain", known["other_10", 1])[1].splitlines()
    assert any(
        line.startswith("  absorbed, similarity 1: upstream's own hunk v2 -> v3, src/other.c:") for line in absorbed
    )
    assert absorbed[-1] == "    not in P: v3 already holds its effect"


def test_place_in_p_of_changes_whose_file_upstream_changed(run: Run, repository: Repository) -> None:
    """Line numbers that upstream shifted, an insertion, and one whose neighbour is gone."""
    from git_metadiff.compare import compare

    base = [f"line {number}" for number in range(60)]
    upstream = ["a", "b", *base[:40], *base[41:]]
    first, second = list(base), list(upstream)
    for lines, shift in ((first, 0), (second, 2)):
        lines[10 + shift] = "replaced"
        lines.insert(25 + shift, "between")
        lines.insert(lines.index("line 39") + 1, "beside")
    trees: list[Files] = [{"x.c": "\n".join(lines) + "\n"} for lines in (base, first, upstream, second)]
    commits = [repository.commit(tree) for tree in trees]
    repository.write({"1": repository.diff(*commits[:2]), "2": repository.diff(*commits[2:])})
    git_dir = repository.path / ".git"
    comparison = compare(git_dir, [commits[0], commits[2]], ["1", "2"], cwd=repository.path)
    found = [explained(comparison, hunk, git_dir) for hunk in comparison.patchsets[0].hunks]
    name = commits[2]
    assert found == [
        f"in P: what it removes is line 13 of {name}, unchanged by upstream",
        f"in P: at line 28 of {name}, between its own neighbours",
        f"in P: at line 43 of {name}, beside the one of its neighbours that upstream left",
    ]


def explained(comparison: Comparison, hunk: Hunk, git_dir: Path) -> str:
    """What is said of the place of a hunk's only change in P."""
    from git_metadiff.store import open_store

    lines = list(explain_hunk(comparison, hunk.id, View(), open_store(git_dir, os.environ).reader()))
    return lines[-1].decode().strip()


def test_candidates_of_an_ambiguous_hunk_are_told_as_such() -> None:
    made = Builder()
    verdict = [Verdict("ambiguous", None, "equal-partners", "these fit equally: 11, 12")]
    made.pair(make_hunk("10", 0, b"a.c", b"+same", 10), make_hunk("11", 1, b"b.c", b"+same", 10), verdict)
    made.lone(make_hunk("12", 1, b"c.c", b"+same", 10), *verdict)
    made.edges = [Edge("10", name, "ambiguous", 1.0, ("content",)) for name in ("11", "12")]
    lines = [text.decode().strip() for text in explain_hunk(made.build(), "10", View(), Nothing())]
    assert [line[: line.index("  ")] for line in lines if line.startswith("ambiguous")] == [
        "ambiguous, similarity 1: 11",
        "ambiguous, similarity 1: 12",
    ]
    assert lines.count(AMBIGUOUS) == 2


def test_no_place_in_p_says_why() -> None:
    comparison = twins()
    same = replace(comparison, releases=(comparison.releases[0], comparison.releases[0]))
    lines = [line.decode() for line in explain_hunk(same, "30", View(), Nothing())]
    assert lines[-1] == "    not in P (conflict): upstream changed the lines that it removes\n"


class Nothing:
    """A reader of empty trees."""

    def diff(self, *_: object) -> bytes:
        """No difference."""
        return b""

    def read(self, *_: object) -> bytes | None:
        """No file."""
        return None


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--format=svg",), 129, "option --format wants json, dot or graphml, not 'svg'"),
        (("--format",), 129, "option --format needs a value"),
        (("x.c",), 129, "'graph' takes no arguments"),
        (("--explain", "a", "--format=dot"), 129, "--explain does not go with --format"),
        (("--explain", "a", "--", "x.c"), 129, "--explain does not go with a path limit"),
        (("--json",), 129, "option --json does not go with 'graph'"),
        (("--explain", "zzz"), 128, "no hunk 'zzz' in the comparison 'default'"),
        (("--family", "zzz"), 128, "no hunk 'zzz' in the comparison 'default'"),
        (("--name", "other"), 128, "there is no comparison named 'other'"),
        (("--", "../x"), 128, "'../x' is outside the repository"),
    ],
)
def test_bad_input(arguments: tuple[str, ...], status: int, message: str, run: Run) -> None:
    found, out, err = run(*arguments)
    lines = err.splitlines()
    assert (found, out, len(lines)) == (status, "", 2)
    assert lines[0] == f"fatal: {message}" and lines[1].startswith("hint: ")
