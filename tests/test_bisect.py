"""The pseudo-bisect's list: the story, each kind of evidence, groups, and bad input, through real repositories."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_metadiff.bisect import Candidate, Facts, Piece, Suspect, gather, rank
from git_metadiff.bisect.candidates import callees_in, home_section, opened, path_of, sections_in, with_places
from git_metadiff.bisect.suspicion import CUTS, WEIGHTS
from git_metadiff.cli.parse import parse
from git_metadiff.compare import compare
from git_metadiff.errors import UsageError
from git_metadiff.model import Collision, Comparison, Verdict
from git_metadiff.render.bisect import suspects, suspects_document
from git_metadiff.render.view import View
from git_metadiff.store import open_store
from git_metadiff.trace import canonical, parse_trace
from tests.conftest import ROOT, Metadiff, Repository, make_compared_story

STORY = ROOT / "fixtures" / "xen-boot-crash"
TRACE = STORY / "trace.txt"
#: What the table of the fixture calls the hunk of downstream's that both patches carry.
STANDING = ("arch/x86/xen/enlighten.c", "xen_start_kernel")

Record = dict[str, Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test leaves the repository of the story for all others."""
    return tmp_path_factory.mktemp("story") / "repository"


@pytest.fixture
def story(made: Path) -> Repository:
    """A repository with both releases as tags, and their comparison stored."""
    return make_compared_story(made)


@pytest.fixture(scope="module")
def printed() -> dict[tuple[str | Path, ...], bytes]:
    """What the program printed before, by its options."""
    return {}


@pytest.fixture
def listed(
    story: Repository, metadiff: Metadiff, printed: dict[tuple[str | Path, ...], bytes]
) -> Callable[..., list[Record]]:
    """The candidates of `git metadiff bisect --json` with some options; it must succeed and complain about nothing."""

    def run(*options: str | Path) -> list[Record]:
        if options not in printed:
            done = metadiff("bisect", "--json", *options, cwd=story.path)
            assert (done.returncode, done.stderr) == (0, b"")
            printed[options] = done.stdout
        document = json.loads(printed[options])
        assert document["schema"] == "git-metadiff-bisect/1" and document["name"] == "default"
        candidates: list[Record] = document["candidates"]
        return candidates

    return run


def named(candidate: Record) -> tuple[str, str, str | None]:
    """What a person calls a candidate."""
    return candidate["side"], candidate["path"], candidate["section"]


def standing_hunk(candidates: Sequence[Record]) -> str:
    """The id of the hunk of the story that stands."""
    [name] = next(one["hunks"] for one in candidates if named(one) == ("standing", *STANDING))
    return str(name)


def test_the_trace_of_the_story_leads_to_the_culprit(listed: Callable[..., list[Record]]) -> None:
    candidates = listed("--trace", TRACE)
    first = candidates[0]
    assert named(first) == ("upstream", "arch/x86/xen/pmu.c", "pmu_msr_read")
    assert first["hunks"] == ["upstream:0:arch/x86/xen/pmu.c:0"]
    assert first["partners"][0] == standing_hunk(candidates)
    assert first["why"][0] == "frame 0 of the trace (pmu_msr_read)"
    assert any("pmu.o is compiled without the flags" in words for words in first["why"])
    partner = next(one for one in candidates if named(one) == ("standing", *STANDING))
    assert partner["rank"] <= 5 and first["hunks"][0] in partner["partners"]


@pytest.mark.parametrize("limits", [(), ("--file", "arch/x86/xen/"), ("--", "arch/x86")], ids=["whole", "file", "path"])
def test_without_a_trace_the_culprit_is_near_the_top(
    limits: tuple[str, ...], listed: Callable[..., list[Record]]
) -> None:
    candidates = listed(*limits)
    ranks = [one["rank"] for one in candidates if one["section"] == "pmu_msr_read"]
    assert ranks and ranks[0] <= 5
    assert standing_hunk(candidates) in candidates[ranks[0] - 1]["partners"]


def test_the_document_keeps_its_contract(
    listed: Callable[..., list[Record]],
    story: Repository,
    metadiff: Metadiff,
    printed: dict[tuple[str | Path, ...], bytes],
) -> None:
    candidates = listed("--trace", TRACE)
    assert [one["rank"] for one in candidates] == list(range(1, len(candidates) + 1))
    assert {one["side"] for one in candidates} == {"upstream", "downstream", "standing"}
    scores = [one["score"] for one in candidates]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] <= scores[0] < 1
    hunks = [name for one in candidates for name in one["hunks"]]
    assert len(hunks) == len(set(hunks)), "every hunk is in one group"
    assert all(one["hunks"] and not {*one["hunks"]} & {*one["partners"]} for one in candidates)
    again = metadiff("bisect", "--trace", TRACE, "--json", cwd=story.path)
    assert again.stdout == printed["--trace", TRACE]


def test_a_side_is_what_the_verdicts_say(listed: Callable[..., list[Record]], story: Repository) -> None:
    comparison = open_store(story.path / ".git", os.environ).load(None)
    olds = {hunk.id for hunk in comparison.patchsets[0].hunks}
    for one in listed():
        for name in one["hunks"]:
            assert name.startswith("upstream:") == (one["side"] == "upstream")
            if one["side"] == "standing":
                assert {verdict.word for verdict in comparison.origins[name]} <= {"kept", "refreshed"}
            elif one["side"] == "downstream" and name in olds:
                assert {verdict.word for verdict in comparison.fates[name]} & {"dropped", "orphaned", "absorbed"}
            elif one["side"] == "downstream":
                assert {verdict.word for verdict in comparison.origins[name]} & {"edited", "moved", "new"}


def test_nothing_of_the_interdiff_and_no_collision_is_missing(
    listed: Callable[..., list[Record]], story: Repository
) -> None:
    comparison = open_store(story.path / ".git", os.environ).load(None)
    step = comparison.transitions[-1]
    hunks = {name for one in listed() for name in one["hunks"]}
    assert {name for one in step.collisions for name in (*one.upstream, *one.hunks)} <= hunks
    origins = {name: {one.word for one in all_of} for name, all_of in comparison.origins.items()}
    changed = {name for name, words in origins.items() if words - {"kept", "refreshed"}}
    lost = {name for name, all_of in comparison.fates.items() if "dropped" in {one.word for one in all_of}}
    assert changed and changed <= hunks and lost <= hunks and lost


def test_limits_hold(listed: Callable[..., list[Record]]) -> None:
    inside = listed("--file", "arch/x86/xen/enlighten.c", "mm")
    assert {one["path"] for one in inside} >= {"arch/x86/xen/enlighten.c", "mm/mmap.c", "mm/guard.c"}
    assert all(one["path"].startswith(("arch/x86/xen/enlighten.c", "mm/")) for one in inside)
    reached = next(one for one in inside if named(one) == ("standing", *STANDING))
    assert "upstream:0:arch/x86/xen/pmu.c:0" in reached["partners"], "a partner outside of them is named"
    assert {one["path"] for one in listed("--file", "mm/stackguard.c")} == {"mm/guard.c"}, "its name before"
    assert len(listed("-n", "3")) == len(listed("--max-count=3")) == 3


def test_what_upstream_did_beside_the_patch_counts_where_it_is_asked_for(
    listed: Callable[..., list[Record]],
) -> None:
    whole = {named(one) for one in listed()}
    makefile = ("upstream", "arch/x86/xen/Makefile", None)
    assert makefile not in whole and makefile in {named(one) for one in listed("--file", "arch/x86/xen")}
    assert makefile in {named(one) for one in listed("--trace", TRACE)}, "it builds a file of the stack"


def test_the_view(story: Repository, metadiff: Metadiff) -> None:
    done = metadiff("bisect", "--trace", "-", "--file", "arch", cwd=story.path, stdin=TRACE.read_bytes())
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("v4.2.7+p1 -> v4.3.3+p2, limited to arch   ") and "standing)" in lines[0]
    assert lines[1:3] == ["trace  3 frames (1 repeated, dropped)", "  #0 pmu_msr_read       arch/x86/xen/pmu.c"]
    at = lines.index("") + 1
    assert lines[at].split() == ["1", lines[at].split()[1], "upstream", "arch/x86/xen/pmu.c", "pmu_msr_read"]
    assert lines[at + 1].strip().startswith("x D xen_start_kernel (kept) ")
    assert lines[at + 2].strip().startswith("frame 0 of the trace (pmu_msr_read); ")
    assert "(-n or --all shows them)" in lines[-1]
    everything = metadiff("bisect", "--all", cwd=story.path).stdout.decode()
    assert "more" not in everything and everything.count("\n   ") > 90


@pytest.mark.parametrize(
    ("arguments", "stdin", "message", "hint"),
    [
        (["--file", "no/such/file"], b"", "nothing to suspect in 'no/such/file'", "upstream did not change it"),
        (["--", "fs", "grsecurity/none.c"], b"", "nothing to suspect in 'grsecurity/none.c'", ""),
        (["--trace", "-"], b"It hangs.", "no frame of a stack found", "looked for: xenctx registers"),
        (["--trace", "-"], b"main_loop+0x1/0x2\nrun+0x3/0x4", "no function of the trace is defined", "main_loop, run;"),
        (["--trace", "none.txt"], b"", "cannot read the trace none.txt", ""),
        (["--name", "other"], b"", "there is no comparison named 'other'", "git metadiff U1 U2 --patches P1 P2"),
    ],
)
def test_bad_input(
    arguments: list[str], stdin: bytes, message: str, hint: str, story: Repository, metadiff: Metadiff
) -> None:
    done = metadiff("bisect", *arguments, cwd=story.path, stdin=stdin)
    assert done.returncode == 128 and done.stdout == b""
    fatal, hinted = done.stderr.decode().splitlines()
    assert fatal.startswith("fatal: ") and message in fatal
    assert hinted.startswith("hint: ") and hint in hinted


def test_no_comparison_yet(repository: Repository, metadiff: Metadiff) -> None:
    done = metadiff("bisect", "list", cwd=repository.path)
    assert done.returncode == 128 and b"there is no comparison named 'default'" in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bisect frob", "'frob' is no subcommand of bisect"),
        ("bisect list arch", "'arch' is no subcommand of bisect"),
        ("bisect --file", "--file needs a value"),
        ("bisect -n none", "--max-count wants a number"),
        ("bisect -n 0", "wants at least 1"),
        ("bisect --stat", "--stat does not go with 'bisect'"),
        ("bisect --patches p", "--patches does not go with 'bisect'"),
        ("show x --file y", "--file does not go with 'show'"),
    ],
)
def test_bad_command_lines(line: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert message in caught.value.message


def test_file_appends_and_joins_the_path_limits() -> None:
    found = parse(["bisect", "--file", "a", "b", "--json", "--file=c", "d", "--", "e"])
    assert found.paths == ("a", "b", "c", "d", "e") and found.words == ()


# Kinds of evidence, on candidates made by hand


def piece(name: str = "upstream:0:a.c:1", *sections: str, **more: Any) -> Piece:
    """A hunk that adds a line of code."""
    values: Record = {"created": frozenset(), "removed": (), "added": (b"\tdo_it(x);",), **more}
    return Piece(name, sections, **values)


def candidate(path: str, *pieces: Piece, side: Any = "upstream", met: Sequence[Collision] = ()) -> Candidate:
    """A group of hunks in the first function of the first one."""
    section = pieces[0].sections[0] if pieces[0].sections else None
    return Candidate(side, path.encode(), section, pieces, tuple(met))


def stack(*functions: str) -> bytes:
    """An oops with these functions."""
    return b"".join(b" %s+0x1/0x20\n" % name.encode() for name in functions)


def order(facts: Facts, *functions: str) -> list[Suspect]:
    """The suspects of some candidates, with a stack if functions are given."""
    return rank(facts, parse_trace(stack(*functions)) if functions else None)


def paths(found: Sequence[Suspect]) -> list[str]:
    """The files of suspects, in order."""
    return [one.candidate.path.decode() for one in found]


def test_depth_in_the_stack_orders() -> None:
    facts = Facts(tuple(candidate(f"{name}.c", piece(name, name)) for name in ("f", "g", "h", "other")))
    assert paths(order(facts, "h", "g", "f")) == ["h.c", "g.c", "f.c", "other.c"]
    doubted = rank(facts, parse_trace(b" h+0x1/0x2\n ? g+0x1/0x2\n f+0x1/0x2\n"))
    assert paths(doubted) == ["h.c", "f.c", "g.c", "other.c"]


def test_of_equal_names_the_file_that_fits_the_stack_comes_first() -> None:
    found = tuple(candidate(path, piece(path, "probe")) for path in ("a/x.c", "b/y.c"))
    assert paths(order(Facts(found, homes={"probe": (b"b/y.c",)}), "probe")) == ["b/y.c", "a/x.c"]


@pytest.mark.parametrize(
    ("suspect", "words"),
    [
        (candidate("k/other.c", piece("1", added=(b"\tfault_here();",))), "its lines name fault_here, frame 0 of"),
        (candidate("k/home.c", piece("1", "elsewhere")), "in the file of fault_here, frame 0 of"),
        (candidate("k/other.c", piece("1", "elsewhere")), "in the folder of fault_here, frame 0 of"),
        (candidate("k/call.c", piece("1", "caller", added=(b"\tfault_here(1);",))), "adds the call of fault_here"),
        (candidate("k/call.c", piece("1", "caller", added=(b"\tthird(1);",))), "adds a call in caller"),
        (candidate("k/Makefile", piece("1", added=(b"obj-y += home.o",))), "builds home.o, frame 0 of"),
        (candidate("k/Makefile", piece("1", added=(b"ccflags-y := -O3 -fast",))), "changes compiler flags beside"),
        (candidate("init/Kconfig", piece("1", "config SMP", added=(b"\tdefault y",))), "depends on CONFIG_SMP"),
    ],
)
def test_what_the_trace_says(suspect: Candidate, words: str) -> None:
    bystander = candidate("z/far.c", piece("2", "elsewhere"))
    homes: dict[str, tuple[bytes, ...]] = {"fault_here": (b"k/home.c",), "caller": (b"k/call.c",)}
    facts = Facts((bystander, suspect), homes, {b"k/home.c": frozenset({b"CONFIG_SMP"})})
    first, second = order(facts, "fault_here", "caller")
    assert first.candidate is suspect and second.candidate is bystander
    assert any(said.startswith(words) or words in said for said in first.why)


def test_a_caller_that_spells_out_its_call_was_not_left_by_an_added_one() -> None:
    suspect = candidate("k/call.c", piece("1", "caller", added=(b"\tthird(1);",)))
    said = "adds a call in caller, which was left by one"
    text = b"static int caller(int third)\n{\n\tother();\n\treturn fault_here(third);\n}\n\nint last;\nint again(1);\n"
    callees = callees_in([text])
    assert callees == {"caller": {"other", "fault_here"}}
    assert said not in order(Facts((suspect,), callees=callees), "fault_here", "caller")[0].why
    assert said in order(Facts((suspect,), callees=callees), "third_party", "caller")[0].why
    doubted = parse_trace(b" fault_here+0x1/0x2\n ? noise+0x1/0x2\n caller+0x1/0x2\n")
    assert said not in rank(Facts((suspect,), callees=callees), doubted)[0].why


def test_what_is_far_from_the_stack_comes_behind_its_neighbours() -> None:
    definition = Collision(b"z/new.c", b"fresh", ("n", "c"), ("s",), b"fresh")
    far = candidate("z/new.c", piece("n", "fresh"), met=[definition])
    near = candidate("a/home.c", piece("1", "elsewhere"))
    facts = Facts((far, near), homes={"fault_here": (b"a/home.c",)})
    assert paths(order(facts)) == ["z/new.c", "a/home.c"]
    assert paths(order(facts, "fault_here")) == ["a/home.c", "z/new.c"]


def test_a_number_in_a_register() -> None:
    facts = Facts((candidate("a.c", piece("1", "f")), candidate("b.c", piece("2", "g", added=(b"x = 0xc0000080;",)))))
    trace = parse_trace(b"rip: ffffffff81000000 h+0x10\nrdi: 00000000c0000080\n")
    first = rank(facts, trace)[0]
    assert first.candidate.path == b"b.c" and first.why == ("rdi holds 0xc0000080, which its lines spell out",)


def test_verdicts_order_without_a_trace() -> None:
    words = [
        Verdict("moved", "downstream", "misplaced"),
        Verdict("dropped"),
        Verdict("new", "downstream"),
        Verdict("edited", "downstream"),
        Verdict("edited", "upstream"),
        Verdict("absorbed"),
    ]
    hunks = [piece(str(at), "f", verdict=verdict) for at, verdict in enumerate(words)]
    made = [candidate(f"{at}.c", hunk, side="downstream") for at, hunk in enumerate(hunks)]
    assert paths(order(Facts(tuple(reversed(made))))) == [f"{at}.c" for at in range(len(words))]


def test_meetings_order_without_a_trace() -> None:
    stands = candidate("s.c", piece("s", "f"), side="standing")
    definition = Collision(b"new.c", b"fresh", ("n", "c"), ("s",), b"fresh")
    same, outside = Collision(b"b.c", b"f", ("b",), ("s",)), Collision(b"d.c", None, ("d",), ("s",))
    made = (
        candidate("new.c", piece("n", "fresh"), met=[definition]),
        candidate("b.c", piece("b", "f"), met=[same]),
        candidate("d.c", piece("d"), met=[outside]),
        candidate("e.c", piece("e", "f")),
    )
    found = [one for one in order(Facts((*reversed(made), stands))) if one.candidate.side == "upstream"]
    assert paths(found) == ["new.c", "b.c", "d.c", "e.c"]
    assert found[0].partners == found[1].partners == ("s",) and found[3].partners == ()


def test_partners_on_the_stack_are_meant() -> None:
    collision = Collision(b"new.c", b"fresh", ("n", "c"), ("s1", "s2"), b"fresh")
    made = (
        candidate("new.c", piece("n", "fresh"), met=[collision]),
        candidate("old.c", piece("s1", "f"), side="standing", met=[collision]),
        candidate("old.c", piece("s2", "g"), side="standing", met=[collision]),
    )
    assert set(order(Facts(made))[0].partners) == {"s1", "s2"}
    assert order(Facts(made), "fresh", "g")[0].partners == ("s2",)


@pytest.mark.parametrize(
    "harmless",
    [
        candidate("a.c", piece("1", "f", added=(b"\t/* a word */", b"", b" * more", b"// and"))),
        candidate("Documentation/a.txt", piece("1", "f")),
        candidate("arch/arm/a.c", piece("1", "f")),
        candidate("a.h", piece("1", added=(b"int f(int);", b"#include <x.h>"))),
    ],
    ids=["comments", "documentation", "machine", "declarations"],
)
def test_what_can_hardly_matter_is_cut_and_stays(harmless: Candidate) -> None:
    other = candidate("z.c", piece("2", "f"))
    facts = Facts((harmless, other), homes={"far": (b"arch/x86/b.c",)})
    first, last = order(facts, "far")
    assert (first.candidate, last.candidate) == (other, harmless) and 0 < last.score < first.score


def test_a_system_call_is_found_by_its_symbol() -> None:
    made = tuple(candidate(f"{at}.c", piece(str(at), name)) for at, name in enumerate(("f", "SYSCALL_DEFINE3(open)")))
    for symbol in ("SyS_open", "sys_open", "__x64_sys_open"):
        assert paths(order(Facts(made), symbol)) == ["1.c", "0.c"]


def test_every_weight_has_a_reason_and_fits() -> None:
    assert all(0 < one.value < 1 and len(one.reason) > 20 for one in (*WEIGHTS.values(), *CUTS.values()))
    reasons = [one.reason for one in WEIGHTS.values()]
    assert len(set(reasons)) == len(reasons)


@given(st.permutations(range(6)))
def test_the_order_does_not_depend_on_the_order_of_candidates(places: list[int]) -> None:
    made = [candidate(f"{at % 3}.c", piece(str(at), f"f{at // 3}")) for at in range(6)]
    found = order(Facts(tuple(made[at] for at in places)), "f1")
    assert [one.candidate for one in found] == [made[at] for at in (3, 4, 5, 0, 1, 2)]


# Groups


def test_sections_of_a_hunk_follow_its_lines() -> None:
    body = (b" \tx();", b"+\ty();", b" }", b"+#define A", b" static int next(int a)", b" {", b"-\tz();")
    assert sections_in(b"int first(void)", body) == ("first", "next")
    assert sections_in(b"extern int x;", (b"+int y;",)) == ()
    assert opened([b"int f(int a)", b"int g(int);", b"\tcall(x)", b"label:", b"SYSCALL_DEFINE1(open, int, x)"]) == [
        "f",
        "SYSCALL_DEFINE1(open)",
    ]


def test_a_hunk_in_several_functions_is_listed_under_the_one_that_matters() -> None:
    wide = piece("n", "a", "b", "c")
    assert home_section(wide, (), frozenset()) == "a"
    assert home_section(wide, [Collision(b"p", b"b", ("n",), ("s",))], frozenset()) == "b"
    assert home_section(wide, [Collision(b"p", b"b", ("n",), ("s",))], frozenset({"c"})) == "c"
    assert home_section(piece("n", "a", "b", new_file=True), (), frozenset()) is None


def test_where_upstream_is_met_tells_more_than_the_text_behind_the_signs() -> None:
    same, new = Collision(b"p", b"deep", ("n",), ("s",)), Collision(b"q", b"fresh", ("n",), ("s",), b"fresh")
    assert with_places(piece("s"), [same, new]).sections == ("deep",)
    assert with_places(piece("s", "own"), [same]).sections == ("own", "deep")


def test_ids_with_colons() -> None:
    assert path_of("upstream:0:a:b.c:12") == b"a:b.c"
    assert path_of("8da597639eb3") is None


# Other comparisons


def suspects_of(repository: Repository, *options: str, traced: Sequence[str] = ()) -> tuple[Comparison, Facts]:
    """Compare v1 and v2 with p1 and p2 of the work tree, and gather."""
    files = [str(repository.path / name) for name in ("p1", "p2")]
    comparison = compare(repository.path / ".git", list(options) or ["v1", "v2"], files, environ=os.environ)
    git = open_store(repository.path / ".git", os.environ).reader().git
    return comparison, gather(comparison, git, lambda _path: True, traced=[canonical(name) for name in traced])


CODE = "".join(f"int f{at}(int a)\n{{\n\tint b = {at};\n\n\tb += a;\n\treturn b;\n}}\n\n" for at in range(6))
PATCHED = CODE.replace("int b = 1;", "long b = 1;")


def write_patches(repository: Repository, first: str, second: str) -> None:
    """Two patches of a.c from v1, and from v2."""
    made: dict[str, str | bytes | None] = {}
    for name, release, text in (("p1", "v1", first), ("p2", "v2", second)):
        repository.git("checkout", "-q", release)
        made[name] = repository.diff(release, repository.commit({"a.c": text}))
    repository.write(made)


def test_same_release_has_downstream_alone(repository: Repository) -> None:
    repository.commit({"a.c": CODE, "b.c": "int other(void)\n{\n\treturn 1;\n}\n"}, tag="v1")
    repository.git("tag", "v2")
    write_patches(repository, PATCHED, PATCHED.replace("int b = 4;", "char b = 4;"))
    _, facts = suspects_of(repository, "v1", traced=["other"])
    assert [(one.side, one.section) for one in facts.candidates] == [("downstream", "f4")]
    assert facts.homes == {"other": (b"b.c",)}, "a file that nobody touched still says where the stack was"


def test_a_chain_is_looked_at_in_its_last_step(repository: Repository, metadiff: Metadiff) -> None:
    repository.commit({"a.c": CODE}, tag="v1")
    repository.commit({"a.c": CODE.replace("b = 3", "b = 33")}, tag="v2")
    write_patches(repository, PATCHED, PATCHED.replace("b = 3", "b = 33"))
    chain = ("v1", "v2", "v2", "--patches", "p1", "p2", "p2")
    assert metadiff(*chain, "--quiet", cwd=repository.path).returncode == 0
    done = metadiff("bisect", cwd=repository.path)
    assert (done.returncode, done.stdout) == (0, b"v2: p2 -> p3   nothing to suspect\n")


def test_latin_1_and_odd_paths(repository: Repository) -> None:
    odd = "dir/a b\tc\udce9.c"
    files: dict[str, str | bytes | None] = {"a.c": CODE, odd: CODE.encode() + b"/* \xe9 */\n"}
    repository.commit(files, tag="v1")
    repository.commit({odd: CODE.replace("b += a", "b -= a").encode() + b"/* \xe9\xe8 */\n"}, tag="v2")
    write_patches(repository, PATCHED, PATCHED)
    comparison, facts = suspects_of(repository, traced=["f3"])
    found = rank(facts, parse_trace(stack("f3")))
    assert os.fsdecode(found[0].candidate.path) == odd and found[0].candidate.section == "f3"
    document = json.loads(suspects_document(comparison, found))
    assert document["candidates"][0]["path"] == odd
    text = b"".join(suspects(comparison, found, facts, None, View(), None))
    assert b'"dir/a b\\tc\\351.c"  f3' in text


def test_a_function_that_upstream_removed(repository: Repository) -> None:
    repository.commit({"a.c": CODE}, tag="v1")
    repository.commit({"a.c": CODE.replace(CODE[CODE.index("int f3") : CODE.index("int f4")], "")}, tag="v2")
    write_patches(repository, PATCHED, PATCHED.replace(CODE[CODE.index("int f3") : CODE.index("int f4")], ""))
    _, facts = suspects_of(repository)
    assert ("upstream", "f3") in {(one.side, one.section) for one in facts.candidates}


def test_traces_of_what_only_the_patch_defines(repository: Repository) -> None:
    repository.commit({"a.c": CODE}, tag="v1")
    repository.commit({"a.c": CODE.replace("b = 5", "b = 55")}, tag="v2")
    own = "\nint own(int a)\n{\n\treturn f1(a);\n}\n"
    write_patches(repository, CODE + own, CODE.replace("b = 5", "b = 55") + own)
    _, facts = suspects_of(repository, traced=["own"])
    assert facts.homes == {"own": (b"a.c",)}
    assert ("standing", "own") in {(one.side, one.section) for one in facts.candidates}
