"""The story of fixtures/stray-writer: its table, its two crash logs, and the walk through it in a virtual machine.

The walk is skipped where its tools are not installed; with GUEST_REQUIRED in the environment, as in CI, that fails.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from git_metadiff.trace import parse_trace
from tests.conftest import Metadiff, Repository
from tests.guest import PAGE, STORY, VERSION, MissingError, Walk, boot, build, find_kernel, pack

RELEASES = (STORY / "upstream-2.4.0", STORY / "upstream-3.0.1")
PATCHSETS = (STORY / "patches-2.4.0", STORY / "patches-3.0.1")
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((STORY / "expected.json").read_text())
#: Where the stray writer writes: the counter of service 23, of two bytes.
STRAY = {0x6A6, 0x6A7}
BUG = ("wan-terminal-slot.patch", "net/wan/ip_header.c", "ip_newid")

Record = dict[str, Any]
Key = tuple[str, str, int]


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """What one test makes and all others use."""
    return {}


@pytest.fixture
def story(kept: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, metadiff: Metadiff) -> Repository:
    """A repository with the stored comparison."""
    if "story" not in kept:
        repository = Repository(tmp_path_factory.mktemp("stray") / "repository")
        done = metadiff(*RELEASES, "--patches", *PATCHSETS, "--name", "stray", "--json", cwd=repository.path)
        assert (done.returncode, done.stderr) == (0, b"")
        kept["document"] = json.loads(done.stdout)
        kept["story"] = repository
    made: Repository = kept["story"]
    return made


@pytest.fixture
def document(story: Repository, kept: dict[str, Any]) -> Record:
    """The JSON document of the comparison."""
    made: Record = kept["document"]
    return made


@pytest.fixture
def walk(story: Repository, kept: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """The walk, with the modules of both downstream trees as the comparison stores them."""
    if "walk" not in kept:
        try:
            kernel = find_kernel()
        except MissingError as missing:
            (pytest.fail if os.environ.get("GUEST_REQUIRED") else pytest.skip)(str(missing))
        folder = tmp_path_factory.mktemp("guest")
        newer = "refs/metadiff/stray/downstream"
        trees = {name: folder / name for name in ("older", "newer")}
        for (name, tree), revision in zip(trees.items(), (f"{newer}^", newer), strict=True):
            tree.mkdir()
            story.git("archive", f"--output={folder / name}.tar", revision)
            subprocess.run(["tar", "-xf", f"{folder / name}.tar"], cwd=tree, check=True)
        build(list(trees.values()), kernel)
        kept["walk"] = boot(folder, pack(folder, trees, kernel), kernel)
        kept["folder"] = folder
    made: Walk = kept["walk"]
    return made


def by_place(document: Record, release: int) -> dict[Key, Record]:
    """The hunks of a patchset by patch, path and old start."""
    patches = document["patchsets"][release]["patches"]
    hunks = [hunk for hunk in document["hunks"] if hunk["release"] == release]
    found = {(patches[hunk["patch"]]["name"], hunk["path"], hunk["old_start"]): hunk for hunk in hunks}
    assert len(found) == len(hunks)
    return found


@pytest.mark.parametrize(("side", "key"), [("p1", "fate"), ("p2", "origin")])
def test_every_verdict_is_as_the_table_says(side: str, key: str, document: Record) -> None:
    found = by_place(document, ("p1", "p2").index(side))
    told = {place: (hunk[key], hunk["cause"]) for place, hunk in found.items()}
    assert told == {(one["patch"], one["path"], one["old_start"]): (one[key], one["cause"]) for one in EXPECTED[side]}
    assert document["transitions"][0]["certificate"]["equals_downstream"]


def test_the_readme_has_the_table() -> None:
    rows = [
        f"| {one['patch'].removesuffix('.patch')} | `{one['path']}` | {one['old_start']} | {one['what']} "
        f"| {one[key]}{', ' + one['cause'] if one['cause'] else ''} | {one['why']} |"
        for side, key in (("p1", "fate"), ("p2", "origin"))
        for one in EXPECTED[side]
    ]
    text = (STORY / "README.md").read_text()
    assert [line for line in text.splitlines() if re.match(r"\| [a-z-]+ \| `", line)] == rows


def first_suspect(trace: bytes | Path, story: Repository, document: Record, metadiff: Metadiff) -> Record:
    """The most suspicious candidate, given a crash log; the hunks of it in the words of BUG."""
    stdin = trace if isinstance(trace, bytes) else trace.read_bytes()
    done = metadiff("bisect", "list", "--name", "stray", "--trace", "-", "--json", cwd=story.path, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    first: Record = json.loads(done.stdout)["candidates"][0]
    home = {hunk["id"]: hunk for hunk in document["hunks"]}
    patches = [document["patchsets"][one["release"]]["patches"] for one in map(home.get, first["hunks"]) if one]
    names = [mine[home[one]["patch"]]["name"] for mine, one in zip(patches, first["hunks"], strict=True)]
    return first | {"named": [(name, first["path"], first["section"]) for name in names]}


def test_the_logs_are_read_to_the_writer_and_its_callers() -> None:
    arm, x86 = (parse_trace((STORY / f"oops-{name}.txt").read_bytes()) for name in ("arm64", "x86_64"))
    assert [frame.function for frame in arm.frames[:3]] == ["ip_newid", "wan_push_header", "wan_xmit"]
    assert [frame.function for frame in x86.frames[:3]] == ["ip_newid", "wan_push_header", "wan_xmit"]
    first = arm.frames[0]
    assert (first.offset, first.size, first.module) == (0x4C, 0x70, "wan")
    assert arm.repeated == 1, "the link register is no frame"
    assert x86.registers["rax"] % PAGE == min(STRAY)


@pytest.mark.parametrize("log", ["oops-x86_64.txt", "oops-arm64.txt"])
def test_a_crash_log_leads_to_the_hunk_that_brought_the_bug(
    log: str, story: Repository, document: Record, metadiff: Metadiff
) -> None:
    first = first_suspect(STORY / log, story, document, metadiff)
    assert (first["side"], first["named"]) == ("downstream", [BUG])
    assert first["why"] == ["frame 0 of the trace (ip_newid)", "new by the author"]


def differing(one: bytes, other: bytes) -> set[int]:
    """The offsets at which two texts of one length differ."""
    assert len(one) == len(other)
    return {at for at, (left, right) in enumerate(zip(one, other, strict=True)) if left != right}


def changed(walk: Walk, before: str, after: str) -> dict[int, int]:
    """The pages whose digest differs between two steps, with their frames, which do not."""
    was, now = walk.digests(before), walk.digests(after)
    assert {at: page[0] for at, page in was.items()} == {at: page[0] for at, page in now.items()}
    return {at: page[0] for at, page in now.items() if page[1] != was[at][1]}


def sound(walk: Walk) -> str:
    """The MD5 of the whole file as it was when the guest started."""
    return walk.sums("boot")[0]


def test_the_older_patchset_leaves_the_file_alone(walk: Walk) -> None:
    assert walk.sums("older flap") == walk.sums("older terminal") == [sound(walk)]
    assert len(walk.digests("older flap")) == len(VERSION) // PAGE + 1
    assert changed(walk, "older flap", "older terminal") == {}


def test_digests_pass_over_pages_that_are_not_cached(walk: Walk) -> None:
    pages = walk.digests("older holes")
    assert 40 in pages and 0 not in pages
    assert f"{len(pages)} of 64 pages cached" in walk.steps["older holes"]
    assert pages[40][1] == walk.digests("older flap")[40][1]


def test_the_newer_one_changes_two_pages_that_nobody_writes(walk: Walk) -> None:
    assert walk.sums("newer flap") == [sound(walk)]
    assert walk.sums("newer terminal") != [sound(walk)]
    assert len(changed(walk, "newer flap", "newer terminal")) == 2


def test_dumps_show_two_bytes_at_one_offset(walk: Walk) -> None:
    pages = changed(walk, "newer flap", "newer terminal")
    one, two = walk.dumps("newer dumps one"), walk.dumps("newer dumps two")
    assert set(pages.values()) == set(one) == set(two)
    for at, frame in pages.items():
        good = VERSION[at * PAGE :][:PAGE].ljust(PAGE, b"\0")
        for left, right in ((good, one[frame]), (one[frame], two[frame])):
            assert min(STRAY) in differing(left, right) <= STRAY


def test_copies_on_the_second_disk_have_the_same_bytes(walk: Walk) -> None:
    pages = changed(walk, "newer flap", "newer terminal")
    *spoilt, good = walk.copies
    assert good == VERSION
    for copy in spoilt:
        assert {at // PAGE for at in differing(copy, good)} == set(pages)
        assert {at % PAGE for at in differing(copy, good)} <= STRAY


def test_verify_finds_the_pages_and_offsets_in_the_copies(walk: Walk, metadiff: Metadiff, tmp_path: Path) -> None:
    for name, copy in zip(("bad1", "bad2", "good"), walk.copies, strict=True):
        (tmp_path / name).write_bytes(copy)
    done = metadiff("verify", "bad1", "bad2", "--against", "good", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    against = json.loads(done.stdout)["against"]
    pages = changed(walk, "newer flap", "newer terminal")
    assert [{page["index"] for page in copy["shown"]} for copy in against["copies"]] == [set(pages)] * 2
    assert {one["offset"] for one in against["common_offsets"]} <= STRAY
    assert against["common_offsets"][0] == {"offset": min(STRAY), "pages": 2 * len(pages)}


def test_other_traffic_is_harmless_and_dropping_caches_makes_the_file_right(walk: Walk) -> None:
    before, after = walk.sums("newer web")
    assert before == after != sound(walk)
    assert walk.runs("newer web")[0][1] == 0
    assert walk.sums("newer dropped") == [sound(walk)]


#: Module, parameters, status, and what the kernel's log gives as the reason.
BAD = [
    ("page_digests", "", 22, "file=PATH is needed"),
    ("page_digests", "file=", 22, "file=PATH is needed"),
    ("page_digests", "file=/flash/none", 2, "/flash/none cannot be opened (error -2)"),
    ("page_digests", "file=/flash", 22, "/flash is not a regular file"),
    ("page_digests", "file=/dev/vda", 22, "/dev/vda is not a regular file"),
    ("page_digests", "file=/pipe", 22, "/pipe is not a regular file"),
    ("page_digests", "file=/huge/page", 22, "/huge/page is made of huge pages"),
    ("page_dump", "", 22, "pfn=NUMBER is needed"),
    ("page_dump", "pfn=none", 22, "`none' invalid for parameter `pfn'"),
    ("page_dump", "pfn=0xffffffffffff", 34, "pfn 0xffffffffffff is out of range"),
    ("page_dump", "pfn=0x1e000", 14, "pfn 0x1e000 is not mapped"),
    ("page_guard", "split=1 pfns=none", 22, "`none' invalid for parameter `pfns'"),
    ("page_guard", "split=1 pfns=0xffffffffffff", 34, "pfn 0xffffffffffff is out of range"),
    ("page_guard", "split=1 pfns=0x1e000", 14, "pfn 0x1e000 is not mapped"),
    ("page_guard", "split=1 pfns=0", 1, "pfn 0x0 holds no file and no memory of a process"),
    ("page_guard", "split=1 pfns=HUGE", 22, "is part of a huge page"),
    ("page_guard", "split=1 pfns=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", 22, "invalid for parameter `pfns'"),
]


@pytest.mark.parametrize("tree", ["older", "newer"])
def test_bad_parameters_are_errors_with_a_reason(tree: str, walk: Walk) -> None:
    runs = walk.runs(f"bad parameters /{tree}")
    reasons = walk.reasons()
    assert len(runs) == len(BAD)
    for (command, status), (module, parameters, expected, reason) in zip(runs, BAD, strict=True):
        told = f"insmod /{tree}/{module}.ko {parameters}".strip()
        assert re.fullmatch(re.escape(told).replace("HUGE", r"\d+"), command)
        assert status == expected, command
        assert reasons[command].startswith(f"{module}: ") and reasons[command].endswith(reason), command


def test_a_page_below_a_larger_mapping_is_guarded_only_if_that_may_be_split(walk: Walk) -> None:
    reasons = walk.reasons()
    refused = [command for command, status in walk.runs("larger mappings") if status]
    assert refused, "the guest has no page below a larger mapping"
    for command in refused:
        assert reasons[command].endswith("is below a larger mapping: split=1 may split it")
    assert {status for _, status in walk.runs("larger mappings split")} == {0}


def test_the_guard_is_put_back_on_unload(walk: Walk) -> None:
    ((twice, status),) = walk.runs("guard twice")
    assert status == 16 and walk.reasons()[twice].endswith("is read-only already")
    assert [status for _, status in walk.runs("guard on and off")] == [0, 0]
    before, after = walk.sums("guard on and off")
    assert before != after, "the writer writes again, and nothing faults"


def test_the_guard_is_kept_and_the_stray_write_is_an_oops_that_names_its_writer(walk: Walk) -> None:
    assert [status for _, status in walk.runs("guard kept")] == [0, 0, 0]
    assert "2 pages stay read-only" in walk.reasons()["rmmod page_guard"]
    assert len(walk.sums("guard kept")) == 1, "a guarded page can be read"
    assert "guard did nothing" not in walk.steps
    console = walk.console.decode("ascii", "replace")
    assert re.search(r"BUG: unable to handle page fault for address: [0-9a-f]{13}6a6\s", console)
    assert "#PF: error_code(0x0003) - permissions violation" in console
    assert re.search(r"RIP: 0010:ip_newid\+0x[0-9a-f]+/0x[0-9a-f]+ \[wan\]", console)
    assert re.search(r"\s wan_push_header\+.*\n.*\s wan_xmit\+", console)


def test_the_captured_log_leads_to_the_hunk_that_brought_the_bug(
    walk: Walk, story: Repository, document: Record, metadiff: Metadiff
) -> None:
    first = first_suspect(walk.console, story, document, metadiff)
    assert (first["side"], first["named"]) == ("downstream", [BUG])
