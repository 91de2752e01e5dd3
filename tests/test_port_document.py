"""The document of `git metadiff port --json`, and its schema that the wheel ships."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conftest import Metadiff, Repository

SCHEMA: dict[str, Any] = json.loads((files("git_metadiff") / "data" / "port.schema.json").read_bytes())
LINES = [f"line {at}\n" for at in range(1, 41)]
TAKEN = "static int taken_over_by_upstream(void)\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the one run of these tests lives."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def parsed(made: Path, metadiff: Metadiff) -> dict[str, Any]:
    """A document with every result: placed, absorbed, rejected, a file in the way, and a name that is not UTF-8."""
    stored = made / "document.json"
    if not stored.exists():
        stored.write_bytes(run(Repository(made / "r"), metadiff))
    found: dict[str, Any] = json.loads(stored.read_bytes())
    return found


def run(repository: Repository, metadiff: Metadiff) -> bytes:
    """Two releases, a series of three patches, and what `port --json` says of it."""
    odd = "dir/\udcff.c"
    repository.commit({"a.c": "".join(LINES), odd: "".join(LINES)}, tag="v1")
    new = [*LINES[:9], "upstream's ten\n", *LINES[10:30], TAKEN, *LINES[30:]]
    repository.commit(
        {"a.c": "".join(new), "way/there/file": "u\n", odd: "top\n" + "".join(LINES)}, "upstream", tag="v2"
    )
    repository.git("checkout", "-q", "v1")
    one = [*LINES[:9], "our ten\n", *LINES[10:30], TAKEN, *LINES[30:]]
    steps: list[dict[str, str | bytes | None]] = [
        {"a.c": "".join(one)},
        {"way/there": "d\n"},
        {odd: "".join(LINES[:20]) + "more\n" + "".join(LINES[20:])},
    ]
    commits = ["v1", *(repository.commit(step) for step in steps)]
    for at, (before, after) in enumerate(pairwise(commits)):
        repository.write({f"p/{at}.patch": repository.diff(before, after)})
    repository.write({"p/series": "0.patch\n1.patch\n2.patch\n"})
    done = metadiff("port", "v1", "v2", "--patches", "p", "-o", "out", "--json", cwd=repository.path)
    assert done.returncode == 1, done.stderr
    return done.stdout


def validate(parsed: dict[str, Any]) -> None:
    """Check a document against the schema."""
    jsonschema.Draft202012Validator(SCHEMA).validate(parsed)


def test_the_document_fits_its_schema(parsed: dict[str, Any]) -> None:
    """And it says where upstream holds what is absorbed, or has something else."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validate(parsed)
    assert parsed["schema"] == "git-metadiff-port/1"
    told = {
        (
            patch["name"],
            change["result"],
            (change["upstream"] or {}).get("path"),
            (change["upstream"] or {}).get("line"),
        )
        for patch in parsed["patches"]
        for hunk in patch["hunks"]
        for change in hunk["changes"]
    }
    assert told == {
        ("0.patch", "rejected", "a.c", 10),
        ("0.patch", "absorbed", "a.c", 31),
        ("1.patch", "rejected", "way/there", None),
        ("2.patch", "placed", None, None),
    }
    assert [patch["result"] for patch in parsed["patches"]] == ["rejected", "rejected", "placed"]
    assert parsed["missing"] is None and parsed["patches"][0]["hunks"][0]["commits"][0]["subject"] == "upstream"


Damage = Callable[[dict[str, Any]], object]
DAMAGES: dict[str, Damage] = {
    "another schema": lambda parsed: parsed.update(schema="git-metadiff-port/2"),
    "one release": lambda parsed: parsed["releases"].pop(),
    "no tree": lambda parsed: parsed.update(ported_tree=None),
    "a result of another word": lambda parsed: parsed["patches"][0].update(result="kept"),
    "a patch without its file": lambda parsed: parsed["patches"][0].pop("file"),
    "a hunk without changes": lambda parsed: parsed["patches"][0]["hunks"][0].update(changes=[]),
    "a change that is partial": lambda parsed: parsed["patches"][0]["hunks"][0]["changes"][0].update(result="partial"),
    "a rejected change without reason": lambda parsed: parsed["patches"][0]["hunks"][0]["changes"][0].update(
        reason=None
    ),
    "a placed change with a reason": lambda parsed: parsed["patches"][2]["hunks"][0]["changes"][0].update(reason="x"),
    "line zero": lambda parsed: parsed["patches"][0]["hunks"][0]["changes"][0]["upstream"].update(line=0),
    "a short commit": lambda parsed: parsed["patches"][0]["hunks"][0]["commits"][0].update(commit="123"),
    "a tag that is a number": lambda parsed: parsed["patches"][0]["hunks"][0]["commits"][0].update(tag=7),
    "a count too few": lambda parsed: parsed["counts"].pop("void"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_the_schema_refuses(damage: Damage, parsed: dict[str, Any]) -> None:
    """Each member is checked."""
    damaged = copy.deepcopy(parsed)
    damage(damaged)
    assert damaged != parsed
    with pytest.raises(jsonschema.ValidationError):
        validate(damaged)


def test_the_schema_lets_members_be_added(parsed: dict[str, Any]) -> None:
    """A later version may tell more."""
    parsed["later"] = parsed["patches"][0]["later"] = parsed["patches"][0]["hunks"][0]["later"] = 1
    validate(parsed)
