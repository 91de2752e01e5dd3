"""What is stored comes back as it was; what somebody else wrote is refused, in one line."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from git_metadiff import render, store
from git_metadiff.codec import FORMAT, DamagedError, decode, encode
from git_metadiff.compare import compare
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git
from git_metadiff.model import Comparison
from git_metadiff.render.view import View
from git_metadiff.store import Store, check_name, is_name, open_store
from tests.conftest import Metadiff, Repository
from tests.pairs import FIXTURE, compare_pair, copy_of, make_pair


@pytest.fixture(scope="session")
def made() -> list[tuple[Repository, Comparison]]:
    """A pair with its comparison; made by the first test that asks."""
    return []


@pytest.fixture
def repository(
    made: list[tuple[Repository, Comparison]], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Repository:
    """A pair that was compared."""
    if not made:
        original = make_pair(Repository(tmp_path_factory.mktemp("made") / "original"))
        made.append((original, compare_pair(original)))
    return copy_of(made[0][0], tmp_path / "repository")


@pytest.fixture
def kept(repository: Repository) -> Store:
    """The store of that pair."""
    return open_store(repository.path / ".git", os.environ)


@pytest.fixture
def comparison(made: list[tuple[Repository, Comparison]], repository: Repository) -> Comparison:
    """The comparison of that pair."""
    return made[0][1]


def both_ways(comparison: Comparison) -> Comparison:
    """A comparison, written and read."""
    files = encode(comparison)
    interdiffs = [files[b"interdiff-%d.patch" % at] for at in range(len(comparison.transitions))]
    return decode(json.loads(files[b"comparison.json"]), interdiffs)


# Both ways


def test_the_pair_comes_back(comparison: Comparison, kept: Store) -> None:
    assert both_ways(comparison) == comparison
    assert kept.load("default") == comparison
    assert encode(both_ways(comparison)) == encode(comparison)


def test_the_fixture_comes_back(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "fixture")
    found = compare(
        None,
        ["upstream-4.2.7", "upstream-4.3.3", "upstream-4.3.3"],
        ["p1.patch", "p2.patch", "p1.patch"],
        partial=True,
        cwd=tmp_path / "fixture",
    )
    assert both_ways(found) == found
    assert open_store(None, os.environ).load(None) == found
    assert render.json_document(both_ways(found)) == render.json_document(found)
    assert found.patchsets[2].notices, "with what did not apply"


def test_a_range_comes_back(repository: Repository) -> None:
    repository.commit({"new \udcff": "a\n\r\n\0", "src/main.c": None}, "subject \u2713\n\nbody \udce9\n", tag="d3")
    found = compare(repository.path / ".git", ["v2", "v2"], ["v2..d3", "d3"], cwd=repository.path)
    assert both_ways(found) == found
    assert found.patchsets[0].patches[0].author is not None


# What another hand has written


def places(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside a JSON document."""
    if path:
        yield path
    inside = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, part in inside:
        yield from places(part, (*path, key))


OTHERS: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "kept",
    "\u1234",
    "\udc80",
    "upstream:0:x:1",
    [],
    {},
    [[]],
    {"a": 1},
)


class Nothing:
    """A repository that has nothing to read."""

    def diff(self, *_arguments: object) -> bytes:
        """No difference."""
        return b""

    def read(self, *_arguments: object) -> bytes | None:
        """No file."""
        return None


def test_no_value_leads_astray(comparison: Comparison) -> None:
    """What is read is refused, or every view of it works."""
    text = encode(comparison)[b"comparison.json"]
    interdiffs = [one.interdiff for one in comparison.transitions]
    ways, chance = list(places(json.loads(text))), random.Random(1)
    refused = 0
    for _ in range(400):
        data: Any = json.loads(text)
        way, inside = chance.choice(ways), data
        for key in way[:-1]:
            inside = inside[key]
        if chance.random() < 0.8:
            inside[way[-1]] = copy.deepcopy(chance.choice(OTHERS))
        else:
            del inside[way[-1]]
        try:
            found = decode(data, interdiffs)
        except DamagedError:
            refused += 1
            continue
        view = View(everything=True)
        assert render.json_document(found)
        assert b"".join(render.full(found, view, Nothing()))
        assert b"".join(render.collisions(found, view, Nothing())) or not found.transitions[0].collisions
    assert refused > 200


def put(repository: Repository, files: dict[str, bytes], name: str = "default", message: str = "Comparison") -> str:
    """Store these files as a comparison, and return the id of its commit."""
    entries = "".join(
        f"100644 blob {repository.git('hash-object', '-w', '--stdin', stdin=content)}\t{file}\n"
        for file, content in files.items()
    )
    tree = repository.git("mktree", stdin=entries.encode())
    commit = repository.git("commit-tree", tree, stdin=message.encode())
    repository.git("update-ref", f"refs/metadiff/{name}/comparison", commit)
    return commit


DAMAGED = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "not JSON": b"{",
    "not text": b"\xff\xfe{}",
    "without format": b"{}",
    "deep": b"[" * 100_000,
    "deep inside": b'{"format":"' + FORMAT.encode() + b'","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 5,000 digits": b'{"format":"' + FORMAT.encode() + b'","name":' + b"9" * 5000 + b"}",
    "not a number": b'{"format":"' + FORMAT.encode() + b'","name":NaN}',
    "nothing else": b'{"format":"' + FORMAT.encode() + b'"}',
    "many steps": b'{"format":"' + FORMAT.encode() + b'","transitions":[' + b"0," * 100_000 + b"0]}",
    "steps that are none": b'{"format":"' + FORMAT.encode() + b'","transitions":7}',
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_comparisons(what: str, repository: Repository, kept: Store) -> None:
    put(repository, {"comparison.json": DAMAGED[what], "interdiff-0.patch": b""})
    with pytest.raises(MetadiffError, match="the stored comparison 'default' is damaged") as caught:
        kept.load("default")
    assert "git metadiff forget default" in caught.value.hint


def test_files_that_are_missing_or_too_large(
    repository: Repository, kept: Store, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {os.fsdecode(name): content for name, content in encode(comparison).items()}
    put(repository, files, "whole")
    assert kept.load("whole") == comparison
    for name in files:
        put(repository, {other: content for other, content in files.items() if other != name}, "partial")
        with pytest.raises(MetadiffError, match="'partial' is damaged"):
            kept.load("partial")
    put(repository, {"comparison.json": b"0" * 10_000}, "partial")
    repository.git("update-ref", "refs/metadiff/tree/comparison", "v1^{tree}")
    repository.git("update-ref", "refs/metadiff/blob/comparison", "v1:src/main.c")
    for name in ("partial", "tree", "blob"):
        with pytest.raises(MetadiffError, match=f"'{name}' is damaged"):
            kept.load(name)
        with pytest.raises(MetadiffError, match="is damaged"):
            kept.names()
        kept.forget(name)
    assert [one.name for one in kept.names()] == ["default", "whole"]
    monkeypatch.setattr(store, "LARGEST", len(files["comparison.json"]) - 1)
    with pytest.raises(MetadiffError, match="'whole' is damaged"):
        kept.load("whole")


@pytest.mark.parametrize("form", ["git-metadiff-store/0", None, ["git-metadiff-store/1"]])
def test_another_version_wrote_it(form: object, repository: Repository, kept: Store, comparison: Comparison) -> None:
    data = json.loads(encode(comparison)[b"comparison.json"])
    put(repository, {"comparison.json": json.dumps(data | {"format": form}).encode()})
    with pytest.raises(MetadiffError, match="made by another version") as caught:
        kept.load("default")
    assert "make it again" in caught.value.hint
    assert compare_pair(repository) == comparison
    assert kept.load("default") == comparison


def test_one_line_for_the_user(repository: Repository, metadiff: Metadiff) -> None:
    put(repository, {"comparison.json": b"[" * 100_000}, "deep")
    for command in (["list"], ["show", "aaaa", "--name", "deep"]):
        done = metadiff(*command, cwd=repository.path)
        assert (done.returncode, done.stdout) == (128, b"")
        assert done.stderr == (
            b"fatal: the stored comparison 'deep' is damaged\n"
            b"hint: 'git metadiff forget deep', and make it again with 'git metadiff U1 U2 --patches P1 P2'\n"
        )


def test_a_damaged_one_is_made_again(repository: Repository, kept: Store, comparison: Comparison) -> None:
    whole = repository.git("rev-parse", "refs/metadiff/default/comparison")
    message = repository.git("log", "-1", "--format=%B", whole)
    assert "\nMetadiff-Key: " in message
    put(repository, {"comparison.json": b"{}"}, message=message + "\n")
    assert compare_pair(repository) == comparison
    assert repository.git("rev-parse", "refs/metadiff/default/comparison") == whole
    assert kept.load(None) == comparison


# Names


@pytest.mark.parametrize("name", ["v6.1.1+grsec_2", "x" * 200, "HEAD"])
def test_names(name: str, repository: Repository, kept: Store) -> None:
    assert is_name(name)
    assert compare_pair(repository, name=name).name == name
    assert (kept.last(), kept.load(None).name) == (name, name)
    kept.forget(name)
    assert kept.last() is None


@pytest.mark.parametrize(
    "name",
    [
        "", "-", "-x", ".", "..", ".x", "a..b", "a/b", "a b", "a\n", "a\nb", "a.lock", "a.", "a~1", "a^", "a:b", "a?",
        "a*", "a[", "a\\", "@{u}", "\u00e9", "a\0", "x" * 201, "/", "../../heads/main",
    ],
)  # fmt: skip
def test_names_that_are_none(name: str, tmp_path: Path) -> None:
    kept = Store(Git(tmp_path, os.environ))
    for use in (check_name, kept.forget, lambda one: compare(tmp_path, ["v1"], ["a", "b"], name=one)):
        with pytest.raises(MetadiffError, match="cannot name a comparison"):
            use(name)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"default\n", "default"),
        (b"other", "other"),
        (b"", None),
        (b"\xff\xfe", None),
        (b"../../heads/main\n", None),
        (b"x" * 10_000, None),
        (b"a\nb\n", None),
        (None, None),
    ],
)
def test_the_note_of_the_last_one(content: bytes | None, expected: str | None, tmp_path: Path) -> None:
    kept = Store(Git(tmp_path, os.environ))
    if content is None:
        (tmp_path / "metadiff-last").mkdir()
    else:
        (tmp_path / "metadiff-last").write_bytes(content)
    assert kept.last() == expected


def test_the_note_is_written_whole(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    kept = Store(Git(tmp_path, os.environ))
    for name in ("one", "two"):
        kept.remember(name, tmp_path / "work")
        assert kept.last() == name
    assert list((tmp_path / "work").iterdir()) == []
    with pytest.raises(MetadiffError, match="cannot write to"):
        Store(Git(tmp_path / "nowhere", os.environ)).remember("one", tmp_path / "work")
