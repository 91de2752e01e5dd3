"""The JSON document and the schema that the wheel ships."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from git_metadiff.model import (
    FATES,
    ORIGINS,
    Certificate,
    Change,
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
from git_metadiff.render import json_document

SCHEMA: dict[str, Any] = json.loads((files("git_metadiff") / "data" / "schema.json").read_bytes())
TREES = [digit * 40 for digit in "123456789"]


def make_hunk(name: str, side: int, changes: int = 1, path: bytes = b"a.c", section: bytes = b"int f(void)") -> Hunk:
    """A hunk of that many one-line changes."""
    made = tuple(Change(5 + at, 5 + at, (), (b"x",), (), ()) for at in range(changes))
    body = (b"+x",) * changes
    return Hunk(name, side, 0, path, None, 5, 0, 5, changes, 7, section, body, made)


def chain() -> Comparison:
    """Three patchsets of one hunk (the middle one has both a past and a future) and a lost one."""
    patchsets = (
        Patchset("p1", TREES[3], (Patch(0, "p1.patch", None),), (make_hunk("a1", 0), make_hunk("a2", 0, 2))),
        Patchset("p2", TREES[4], (Patch(0, "p2.patch", "s\xe4"),), (make_hunk("b1", 1, path=b"n\xfc.c"),)),
        Patchset("p3", TREES[5], (Patch(0, "p3.patch", None),), (make_hunk("c1", 2),), (Notice("stub", "t"),)),
    )
    edited = Verdict("edited", "downstream", "code", "its words")
    kept, dropped = Verdict("kept", text="fine"), Verdict("dropped", text="lost")
    first = Transition(
        0,
        1,
        TREES[6],
        (Unplaced("a2", 1, "context"), Unplaced("a1", 0, "context")),
        b"",
        InterdiffSize(2, 3, 4, 1),
        (InterdiffHunk(b"z.c", 9, 9, ("b1",)), InterdiffHunk(b"a.c", 10, 12, ("b1", "a1"))),
        (Collision(b"a.c", None, ("upstream:0:a.c:4",), ("b1",)), Collision(b"a.c", b"f", (), (), b"g")),
        Certificate(TREES[4], True, True, True),
    )
    return Comparison(
        name="default",
        releases=tuple(Release(f"v{at}", TREES[at], TREES[at + 5]) for at in range(3)),
        patchsets=patchsets,
        fates={"a1": (kept,), "a2": (kept, dropped), "b1": (edited,)},
        origins={"b1": (Verdict("kept", text="origin"),), "c1": (Verdict("edited", "upstream", "r", "past"),)},
        placed={"a1": (True,), "a2": (True, False), "b1": (True,)},
        superseded={"a1": "a2"},
        edges=(
            Edge("b1", "c1", "edited", 0.123456, ("place",)),
            Edge("a1", "b1", "kept", 1.0, ("exact",)),
            Edge("a2", "upstream:0:dir:with:colons/a.c:4", "absorbed", 0.5, ()),
        ),
        patch_edges=(PatchEdge(1, 0, 0, 1 / 3), PatchEdge(0, 0, 0, 1.0)),
        transitions=(first, replace(first, start=1, stop=2, unplaced=(), collisions=(), interdiff_hunks=())),
    )


def document(comparison: Comparison | None = None) -> dict[str, Any]:
    """The document, parsed."""
    parsed: dict[str, Any] = json.loads(json_document(comparison or chain()))
    return parsed


def validate(parsed: dict[str, Any]) -> None:
    """Check a document against the schema."""
    jsonschema.Draft202012Validator(SCHEMA).validate(parsed)


def by_id(parsed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The hunks of a document."""
    return {hunk["id"]: hunk for hunk in parsed["hunks"]}


def test_schema_is_one_and_accepts_the_document() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validate(document())


def test_bytes_are_deterministic_ascii_and_end_in_a_newline() -> None:
    data = json_document(chain())
    assert data == json_document(chain()) and data.isascii()
    assert data.endswith(b"}\n") and data.count(b"\n") == 1
    assert json.dumps(json.loads(data), sort_keys=True).encode() + b"\n" == data


def test_undecodable_bytes_survive() -> None:
    path = by_id(document())["b1"]["path"]
    assert path.encode("utf-8", "surrogateescape") == b"n\xfc.c"


def test_verdicts_of_a_chain() -> None:
    hunks = by_id(document())
    assert [(hunks[name]["fate"], hunks[name]["origin"]) for name in ("a1", "a2", "b1", "c1")] == [
        ("kept", None),
        ("dropped", None),
        ("edited", "kept"),
        (None, "edited"),
    ]
    told = [[hunks[name][key] for key in ("cause", "reason", "text")] for name in ("a2", "b1", "c1")]
    assert told == [[None, None, "lost"], ["downstream", "code", "its words"], ["upstream", "r", "past"]]
    assert hunks["a1"]["superseded"] == "a2" and hunks["a2"]["superseded"] is None


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (b"static u64 xen_read_msr_safe(unsigned int msr, int *err)", "xen_read_msr_safe"),
        (b"struct task_struct {", "struct task_struct {"),
        (b"", ""),
    ],
)
def test_section_is_the_name_of_the_function(section: bytes, expected: str) -> None:
    whole = chain()
    hunk = make_hunk("a1", 0, section=section)
    old = replace(whole.patchsets[0], hunks=(hunk, *whole.patchsets[0].hunks[1:]))
    parsed = document(replace(whole, patchsets=(old, *whole.patchsets[1:])))
    assert by_id(parsed)["a1"]["section"] == expected


def test_changes() -> None:
    hunks = by_id(document())
    assert [(change["placed"], change["fate"]) for change in hunks["a2"]["changes"]] == [
        (True, "kept"),
        (False, "dropped"),
    ]
    last = hunks["c1"]["changes"][0]
    assert (last["placed"], last["fate"], last["origin"], last["cause"]) == (None, None, "edited", "upstream")
    assert hunks["b1"]["changes"][0]["cause"] == "downstream"
    assert (hunks["a2"]["changes"][1]["old_start"], hunks["a2"]["added"], hunks["a2"]["removed"]) == (6, 2, 0)


def test_counts_hold_every_word() -> None:
    first, second = (step["counts"] for step in document()["transitions"])
    assert first["fates"] == {**dict.fromkeys(FATES, 0), "kept": 1, "dropped": 1}
    assert first["origins"] == {**dict.fromkeys(ORIGINS, 0), "kept": 1}
    assert first["changes"]["fates"] == {**dict.fromkeys(FATES, 0), "kept": 2, "dropped": 1}
    assert second["fates"]["edited"] == 1 and second["origins"]["edited"] == 1


def test_lists_are_sorted_and_numbers_rounded() -> None:
    parsed = document()
    assert [edge["a"] for edge in parsed["edges"]] == ["a1", "a2", "b1"]
    assert parsed["edges"][2]["similarity"] == 0.1235
    assert [(edge["release"], edge["similarity"]) for edge in parsed["patch_edges"]] == [(0, 1.0), (1, 0.3333)]
    step = parsed["transitions"][0]
    assert (step["from"], step["to"], step["ported_tree"]) == (0, 1, TREES[6])
    assert [item["hunk"] for item in step["unplaced"]] == ["a1", "a2"]
    assert [hunk["path"] for hunk in step["interdiff_hunks"]] == ["a.c", "z.c"]
    assert [(item["section"], item["definition"]) for item in step["collisions"]] == [(None, None), ("f", "g")]
    assert step["interdiff"] == {"files": 2, "added": 3, "removed": 4, "binary": 1}
    assert step["certificate"]["replayed_tree"] == TREES[4]


def test_a_forecast_has_a_release_without_patchset() -> None:
    whole = chain()
    hunks = {"a1", "a2", "b1"}
    forecast = replace(
        whole,
        patchsets=whole.patchsets[:2],
        origins={name: verdicts for name, verdicts in whole.origins.items() if name in hunks},
    )
    parsed = document(forecast)
    validate(parsed)
    assert sum(parsed["transitions"][1]["counts"]["origins"].values()) == 0


Damage = Callable[[dict[str, Any]], object]
DAMAGES: dict[str, Damage] = {
    "another schema": lambda parsed: parsed.update(schema="git-metadiff/2"),
    "no edges": lambda parsed: parsed.pop("edges"),
    "an unknown fate": lambda parsed: parsed["hunks"][0].update(fate="lost"),
    "an origin as fate": lambda parsed: parsed["hunks"][0].update(fate="new"),
    "a fate as origin": lambda parsed: parsed["hunks"][2].update(origin="dropped"),
    "a cause of a kept hunk": lambda parsed: parsed["hunks"][0].update(cause="upstream"),
    "a cause of a kept change": lambda parsed: parsed["hunks"][0]["changes"][0].update(cause="upstream"),
    "an unknown cause": lambda parsed: parsed["hunks"][2].update(cause="weather"),
    "a hunk without changes": lambda parsed: parsed["hunks"][0].update(changes=[]),
    "a hunk without a section": lambda parsed: parsed["hunks"][0].pop("section"),
    "a line number as text": lambda parsed: parsed["hunks"][0].update(old_start="5"),
    "a negative line number": lambda parsed: parsed["hunks"][0].update(old_start=-1),
    "a short tree": lambda parsed: parsed["patchsets"][0].update(tree="123"),
    "a similarity above one": lambda parsed: parsed["edges"][0].update(similarity=1.5),
    "an upstream id of another form": lambda parsed: parsed["edges"][1].update(b="upstream:a.c"),
    "a count too few": lambda parsed: parsed["transitions"][0]["counts"]["fates"].pop("moved"),
    "a count of another word": lambda parsed: parsed["transitions"][0]["counts"]["origins"].update(dropped=1),
    "a certificate without a part": lambda parsed: parsed["transitions"][0]["certificate"].pop("verdicts_agree"),
    "an unplaced change without reason": lambda parsed: parsed["transitions"][0]["unplaced"][0].pop("reason"),
    "a section that is a number": lambda parsed: parsed["transitions"][0]["collisions"][0].update(section=3),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_schema_refuses(damage: Damage) -> None:
    parsed = document()
    before = copy.deepcopy(parsed)
    damage(parsed)
    assert parsed != before
    with pytest.raises(jsonschema.ValidationError):
        validate(parsed)


def test_schema_lets_members_be_added() -> None:
    parsed = document()
    parsed["later"] = parsed["hunks"][0]["later"] = parsed["transitions"][0]["later"] = 1
    validate(parsed)
