"""Verdicts on small pairs built for one question each, through the whole comparison."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from git_metadiff.compare import compare
from git_metadiff.model import Comparison, worst

Tree = Mapping[str, list[str]]


def function(name: str, *body: str) -> list[str]:
    """A function of some telling lines."""
    return [f"int {name}(int value)", "{", f"\tprepare_{name}(value);", *body, f"\tfinish_{name}(value);", "}", ""]


def file_of(*parts: list[str]) -> list[str]:
    """Some functions one after the other."""
    return [line for part in parts for line in part]


def write(folder: Path, tree: Tree) -> Path:
    """A directory with these files."""
    for name, lines in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(line + "\n" for line in lines))
    return folder


def patch_of(folder: Path, old: Path, new: Path, name: str) -> Path:
    """`diff -Naurp` of two directories."""
    command = ["diff", "-Naurp", os.path.relpath(old, folder), os.path.relpath(new, folder)]
    out = subprocess.run(command, cwd=folder, capture_output=True, check=False).stdout
    path = folder / name
    path.write_bytes(out)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    """Compares four trees."""
    return Runner(tmp_path)


class Runner:
    """Writes U1, D1, U2, D2 and compares."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, u1: Tree, d1: Tree, u2: Tree, d2: Tree) -> Comparison:
        """The comparison of p1 = U1..D1 and p2 = U2..D2."""
        paths = {
            name: write(self.folder / name, tree)
            for name, tree in zip(("u1", "d1", "u2", "d2"), (u1, d1, u2, d2), strict=True)
        }
        p1 = patch_of(self.folder, paths["u1"], paths["d1"], "p1.patch")
        p2 = patch_of(self.folder, paths["u2"], paths["d2"], "p2.patch")
        repository = self.folder / "repo.git"
        subprocess.run(["git", "init", "-q", "--bare", str(repository)], check=True)
        return compare(repository, [str(paths["u1"]), str(paths["u2"])], [str(p1), str(p2)], cwd=self.folder)


def fates(comparison: Comparison) -> list[tuple[str, str | None, str | None]]:
    """(fate, cause, reason) of every change of p1 in order."""
    hunks = comparison.patchsets[0].hunks
    return [(one.word, one.cause, one.reason) for hunk in hunks for one in comparison.fates[hunk.id]]


def origins(comparison: Comparison) -> list[tuple[str, str | None, str | None]]:
    """(origin, cause, reason) of every change of p2 in order."""
    hunks = comparison.patchsets[1].hunks
    return [(one.word, one.cause, one.reason) for hunk in hunks for one in comparison.origins[hunk.id]]


ONE, TWO, THREE = function("one"), function("two"), function("three")
BASE = file_of(ONE, TWO, THREE)


def guarded(lines: list[str], name: str, guard: str = "\tif (forbidden(value)) return 1;") -> list[str]:
    """The file with a guard before the last call of one function."""
    at = lines.index(f"\tfinish_{name}(value);")
    return [*lines[:at], guard, *lines[at:]]


def test_kept_at_another_line(run: Runner) -> None:
    """Code put in far above moves the hunk down: kept."""
    u2 = file_of(function("zero"), function("more"), BASE)
    found = run({"f.c": BASE}, {"f.c": guarded(BASE, "three")}, {"f.c": u2}, {"f.c": guarded(u2, "three")})
    assert fates(found) == origins(found) == [("kept", None, None)]
    assert found.transitions[0].interdiff == b""


def test_a_loss_inside_a_hunk_that_lives_on(run: Runner) -> None:
    """Two changes in one hunk, one of them lost: the hunk is dropped."""
    body = file_of(function("one", "\tmiddle(value);"))
    both = guarded([*body[:3], "\tcheck_before(value);", *body[3:]], "one")
    left = [*body[:3], "\tcheck_before(value);", *body[3:]]
    u2 = file_of(function("zero"), body)
    found = run({"f.c": body}, {"f.c": both}, {"f.c": u2}, {"f.c": file_of(function("zero"), left)})
    assert [word for word, _, _ in fates(found)] == ["kept", "dropped"] or [word for word, _, _ in fates(found)] == [
        "refreshed",
        "dropped",
    ]
    [hunk] = found.patchsets[0].hunks
    assert worst(found.fates[hunk.id]).word == "dropped"


def test_twins_pair_by_place(run: Runner) -> None:
    """The same guard in three functions, the middle one dropped: the middle one is the loss."""
    d1 = guarded(guarded(guarded(BASE, "one"), "two"), "three")
    d2 = guarded(guarded(BASE, "one"), "three")
    u2 = [*BASE, *function("four")]
    found = run({"f.c": BASE}, {"f.c": d1}, {"f.c": u2}, {"f.c": [*d2, *function("four")]})
    assert [word for word, _, _ in fates(found)] == ["kept", "dropped", "kept"]
    assert [word for word, _, _ in origins(found)] == ["kept", "kept"]


def test_misplaced_by_a_fuzzy_patch(run: Runner) -> None:
    """The guard in another function, its own still there: moved, misplaced."""
    u2 = [*function("zero"), *BASE]
    found = run({"f.c": BASE}, {"f.c": guarded(BASE, "two")}, {"f.c": u2}, {"f.c": guarded(u2, "three")})
    assert fates(found) == origins(found) == [("moved", "downstream", "misplaced")]


def cases(*names: str, where: str = "", body: str = "work") -> list[str]:
    """A function that does the same for many kinds, and something more for one of them."""
    steps = [f"\t\t{word}_{body}(value);" for word in ("first", "second", "third", "fourth", "fifth", "sixth")]
    blocks = (
        [f"\tif (value == {name}) {{", *steps[:3], *["\t\tmore(value);"] * (name == where), *steps[3:], "\t}"]
        for name in names
    )
    return ["int setup(int value)", "{", *file_of(*blocks), "\treturn 0;", "}", ""]


@pytest.mark.parametrize(
    ("u2", "where", "misplaced"),
    [
        (("NEW", "ONE", "TWO", "SIX"), "ONE", True),
        (("NEW", "ONE", "TWO", "SIX"), "NEW", True),  # a twin that upstream brought
        (("ONE", "SIX"), "SIX", True),  # its own code is gone
        (("NEW", "ONE", "TWO", "SIX"), "TWO", False),
    ],
)
def test_misplaced_in_its_own_function(run: Runner, u2: tuple[str, ...], where: str, misplaced: bool) -> None:
    """Between lines that look like its own and are another case's: misplaced; at other lines somebody chose it."""
    one = ("ONE", "TWO", "SIX")
    found = run(
        {"f.c": cases(*one)}, {"f.c": cases(*one, where="TWO")}, {"f.c": cases(*u2)}, {"f.c": cases(*u2, where=where)}
    )
    assert fates(found) == [("moved", "downstream", "misplaced") if misplaced else ("kept", None, None)]


def test_among_equal_rows_no_place_is_wrong(run: Runner) -> None:
    """Upstream has one more of some equal rows, or one less: which is which nobody can tell."""
    head, tail, row = function("head"), function("tail"), ["\t{", "\t\tfirst_of_the_row,", "\t\tsecond_of_it,", "\t},"]

    def table(count: int, mine: int = -1) -> list[str]:
        rows = ([*row[:2], *["\t\tmine,"] * (at == mine), *row[2:]] for at in range(count))
        return [*head, "int table[] = {", *file_of(*rows), "};", *tail]

    for count, mine in ((6, 2), (6, 3), (4, 1), (4, 2)):
        found = run({"f.c": table(5)}, {"f.c": table(5, 2)}, {"f.c": table(count)}, {"f.c": table(count, mine)})
        assert "misplaced" not in [reason for _, _, reason in fates(found)]


def test_edited_by_whom(run: Runner) -> None:
    """A renamed identifier is upstream's doing, another constant the author's."""
    u1 = file_of(function("one", "\tint size = old_limit(value);"), TWO, function("three", "\tint count = 5;"))
    u2 = [line.replace("old_limit", "new_limit") for line in u1]

    def wrap(lines: list[str], name: str, most: str) -> list[str]:
        out = [line.replace(f"{name}(value);", f"capped({name}(value));") for line in lines]
        return [line.replace("count = 5", f"count = {most}") for line in out]

    found = run({"f.c": u1}, {"f.c": wrap(u1, "old_limit", "6")}, {"f.c": u2}, {"f.c": wrap(u2, "new_limit", "7")})
    assert fates(found) == [("edited", "upstream", None), ("edited", "downstream", None)]


def test_absorbed_orphaned_and_applied_twice(run: Runner) -> None:
    """Upstream took one guard, rewrote the function of another; p2 applies the absorbed one once more."""
    guard = "\tif (forbidden_by_policy(value)) return 1;"
    d1 = guarded(guarded(BASE, "one", guard), "three", "\tlog_everything_about(value);")
    rewritten = ["int three(int value)", "{", "\treturn quite_another_thing();", "}", ""]
    u2 = file_of(guarded(ONE, "one", guard), TWO, rewritten)
    found = run({"f.c": BASE}, {"f.c": d1}, {"f.c": u2}, {"f.c": guarded(u2, "one", guard)})
    assert [word for word, _, _ in fates(found)] == ["absorbed", "orphaned"]
    assert origins(found) == [("new", "downstream", "applied-twice")]
    assert any(edge.b.startswith("upstream:0:f.c:") and edge.kind == "absorbed" for edge in found.edges)


def test_applied_twice_though_upstream_refined_it(run: Runner) -> None:
    """What stands, and stands beside upstream's own form of it: kept, and said to be there twice."""
    block = ["static struct notifier_block suspend = {", "\t.notifier_call = suspend_notifier_call_of_tracer", "};", ""]
    refined = [line.replace("of_tracer", "of_tracer,") for line in block]
    u2 = file_of(ONE, refined, TWO, THREE)
    found = run(
        {"f.c": BASE},
        {"f.c": file_of(ONE, TWO, block, THREE)},
        {"f.c": u2},
        {"f.c": file_of(ONE, refined, TWO, block, THREE)},
    )
    assert fates(found) == origins(found) == [("kept", None, "applied-twice")]
    other = [line.replace("suspend", "resume") for line in refined]
    found = run(
        {"f.c": BASE},
        {"f.c": file_of(ONE, TWO, block, THREE)},
        {"f.c": file_of(ONE, other, TWO, THREE)},
        {"f.c": file_of(ONE, other, TWO, block, THREE)},
    )
    assert fates(found) == [("kept", None, None)]


def test_new_on_upstreams_new_code(run: Runner) -> None:
    """A guard in a function that upstream added is caused by upstream; elsewhere it is the author's."""
    u2 = [*BASE, *function("four", "\tstep(value);", "\tstep(value);")]
    d2 = guarded(guarded(u2, "four"), "one", "\taudit_the_caller(value);")
    found = run(
        {"f.c": BASE, "g.c": ONE},
        {"f.c": BASE, "g.c": guarded(ONE, "one")},
        {"f.c": u2, "g.c": ONE},
        {"f.c": d2, "g.c": ONE},
    )
    assert ("new", "downstream", None) in origins(found) and ("new", "upstream", None) in origins(found)
    assert fates(found) == [("dropped", None, None)]


def test_a_collision_with_a_standing_hunk(run: Runner) -> None:
    """Upstream changed the function of a kept hunk, and calls a function of a file it added."""
    u2 = [line.replace("\tprepare_two(value);", "\tprepare_two(value);\n\tread_the_counter(value);") for line in BASE]
    u2 = "\n".join(u2).split("\n")
    counter = ["int read_the_counter(int value)", "{", "\treturn value;", "}"]
    found = run(
        {"f.c": BASE},
        {"f.c": guarded(BASE, "three")},
        {"f.c": u2, "n.c": counter},
        {"f.c": guarded(u2, "three"), "n.c": counter},
    )
    [hunk] = found.patchsets[1].hunks
    named = [(one.path, one.section, one.definition) for one in found.transitions[0].collisions if hunk.id in one.hunks]
    assert (b"n.c", b"read_the_counter", b"read_the_counter") in named


def test_p_does_not_know_p2(run: Runner, tmp_path: Path) -> None:
    """Any other second patchset gives the same P."""
    u2 = file_of(function("zero"), ONE, function("two", "\textra(value);"), THREE)
    d1 = guarded(guarded(BASE, "one"), "two")
    first = run({"f.c": BASE}, {"f.c": d1}, {"f.c": u2}, {"f.c": guarded(u2, "one")})
    other = Runner(tmp_path / "other")
    (tmp_path / "other").mkdir()
    second = other({"f.c": BASE}, {"f.c": d1}, {"f.c": u2}, {"f.c": ["nothing", "of", "it"]})
    assert first.transitions[0].ported_tree == second.transitions[0].ported_tree


# What upstream took over or rewrote


GUARD = ["\tif (!may_enter(value)) /* the guard */", "\t\treturn -EPERM;"]


@pytest.mark.parametrize(
    "theirs",
    [
        ["\tif (!may_enter(value))", "\t\treturn -EPERM;"],
        ["    if ( !may_enter(value) )", "        return -EPERM; // not allowed"],
        ["\tif (!may_enter(", "\t\t\tvalue))", "\t\treturn -EPERM;"],
    ],
    ids=["comment", "space", "wrapped"],
)
def test_absorbed_in_another_form(run: Runner, theirs: list[str]) -> None:
    u1, d1, u2 = ({"a.c": file_of(function("one", *body), function("two", "\tx();"))} for body in ([], GUARD, theirs))
    found = run(u1, d1, u2, {"a.c": [*u2["a.c"], "int added;"]})
    assert fates(found) == [("absorbed", None, None)]
    assert [edge.kind for edge in found.edges if edge.b.startswith("upstream:")] == ["absorbed"]


def test_absorbed_elsewhere_in_its_function(run: Runner) -> None:
    """A few lines away; of two equal changes upstream took one, the other is lost."""
    body = [f"\tstep_{number}(value);" for number in range(20)]
    u1 = {"a.c": function("one", *body)}
    d1 = {"a.c": function("one", *body[:5], *GUARD, *body[5:10], *GUARD, *body[10:])}
    u2 = {"a.c": function("one", *body[:7], *GUARD, *body[7:])}
    found = run(u1, d1, u2, {"a.c": [*u2["a.c"], "int added;"]})
    assert fates(found) == [("absorbed", None, "elsewhere"), ("dropped", None, None)]
    found = run(u1, d1, {"a.c": function("one", *body[:2], "\tnew();", *body[2:])}, {"a.c": [*u1["a.c"], "int added;"]})
    assert [word for word, _, _ in fates(found)] == ["dropped", "dropped"]


LONG_GUARD = [
    "\tif (quota_of_holder(value) > quota_limit_of(value->holder, %d)) {",
    '\t\tlog_refusal("quota of holder exceeded: %%%s", quota_of_holder(value));',
    "\t\treturn -EDQUOT;",
    "\t}",
]


@pytest.mark.parametrize(
    ("theirs", "fate"),
    [
        ([LONG_GUARD[0] % 8, "\t\t/* tell once */", LONG_GUARD[1] % "ld", *LONG_GUARD[2:]], "absorbed"),
        (
            [line.replace("quota_of_holder", "owner_of_holder") for line in (LONG_GUARD[0] % 4, *LONG_GUARD[2:])],
            "dropped",
        ),
        ([LONG_GUARD[0] % 4, "\t\treturn;", "\t}"], "dropped"),
    ],
    ids=["refined", "other names", "less"],
)
def test_absorbed_as_upstream_has_refined_it(run: Runner, theirs: list[str], fate: str) -> None:
    mine = [LONG_GUARD[0] % 4, LONG_GUARD[1] % "d", *LONG_GUARD[2:]]
    body = ["\tstep_one(value);", "\tstep_two(value);"]
    u1, d1 = {"a.c": function("one", *body)}, {"a.c": function("one", *body, *mine)}
    u2 = {"a.c": function("one", *theirs, *body)}
    found = run(u1, d1, u2, {"a.c": [*u2["a.c"], "int added;"]})
    assert [word for word, _, _ in fates(found)] == [fate]


LONG_LIST = "\tfor dir in . /usr/src /usr/share/fonts/misc%s /usr/share/fonts/ttf-first /usr/share/fonts/first%s; do"


@pytest.mark.parametrize(
    ("old", "mine", "theirs", "fate"),
    [
        (("", ""), (" /usr/share/fonts/truetype/first", ""), ("", " /usr/pkg/fonts/truetype /usr/local/first"), False),
        (("", ""), (" /usr/share/fonts/truetype/first", ""), (" /usr/share/fonts/truetype/first", " /usr/pkg"), True),
        ((" /usr/share/more", ""), ("", ""), (" /usr/share/more", " /usr/pkg /usr/local"), False),
        ((" /usr/share/more", ""), ("", ""), ("", " /usr/pkg /usr/local"), True),
    ],
    ids=["lacks the word", "has the word", "still has it", "has it no more"],
)
def test_a_word_in_a_long_line(
    run: Runner, old: tuple[str, str], mine: tuple[str, str], theirs: tuple[str, str], fate: bool
) -> None:
    """Upstream's own form of a long line holds the one word that the change is about, or it does not."""
    u1, d1, u2 = ({"a.c": function("one", LONG_LIST % words, "\tcall(dir);")} for words in (old, mine, theirs))
    found = run(u1, d1, u2, {"a.c": [*u2["a.c"], "int added;"]})
    assert [word == "absorbed" for word, _, _ in fates(found)] == [fate]


CALL = "\tr = constrain(life || confirm%s);"


@pytest.mark.parametrize(
    ("mine", "theirs", "fate"),
    [
        (CALL % " || dest_limits", CALL % " || dest_limits || certs", "absorbed"),
        (CALL % " || dest_limits", CALL % " || other_limits || certs", "orphaned"),
        (CALL % " || dest_limits", "\tstate->r = constrain(life || confirm);", "orphaned"),
        (
            CALL.replace("constrain", "constrain_key") % "",
            CALL.replace("constrain", "constrain_key") % ", 1",
            "absorbed",
        ),
        (CALL.replace("||", "&&") % "", CALL.replace("||", "&&") % " && certs", "orphaned"),
    ],
    ids=["has it", "has another", "has none", "another word", "signs alone"],
)
def test_upstreams_form_of_the_lines_has_the_change(run: Runner, mine: str, theirs: str, fate: str) -> None:
    """What upstream put in the place of the lines tells, word by word, whether it has what the change puts in."""
    u1, d1, u2 = ({"a.c": function("one", line, "\tcall(r);")} for line in (CALL % "", mine, theirs))
    found = run(u1, d1, u2, {"a.c": [*u2["a.c"], "int added;"]})
    assert [word for word, _, _ in fates(found)] == [fate]


@pytest.mark.parametrize(("lost", "words"), [(False, ["edited", "edited"]), (True, ["refreshed", "orphaned"])])
def test_two_changes_that_have_become_one(run: Runner, lost: bool, words: list[str]) -> None:
    """Upstream indented the line between them: the author's insertion and edit are one change now, or one is lost."""
    call, role = "\tinform_service(service, style);", "\tcontext_role = duplicate(role);"
    body = ["\tint before = 1;", "\tlong style_of_service = 2;"]
    edited = call.replace("style)", "style, role)")
    u1 = {"a.c": function("one", *body, "\tint between;", call)}
    d1 = {"a.c": function("one", *body, role, "\tint between;", edited)}
    u2 = {"a.c": function("one", *body, "\t" + call)}
    d2 = {"a.c": function("one", *body, role, "\t" + (call if lost else edited))}
    assert [word for word, _, _ in fates(run(u1, d1, u2, d2))] == words


@pytest.mark.parametrize(("kept", "reason"), [(False, "other-file"), (True, "misplaced")])
def test_a_function_that_went_along_with_its_neighbour(run: Runner, kept: bool, reason: str) -> None:
    """Upstream moved the function before it to a new file, where it now stands after another one."""
    long = [f"\tstep_{at}(value, {at});" for at in range(4)]
    first, second, last = function("first", *long), function("second", *reversed(long)), function("last", "\tend();")
    mine = function("mine", "\tcheck_length_of(value);", "\tcheck_owner_of(value);")
    u1 = {"a.c": [*second, *first, *last]}
    d1 = {"a.c": [*second, *first, *mine, *last]}
    u2 = {"a.c": [*(first if kept else []), *last], "names.c": [*([] if kept else first), *second]}
    d2 = {**u2, "names.c": [*u2["names.c"], *mine]}
    assert [(word, why) for word, _, why in fates(run(u1, d1, u2, d2))] == [("moved", reason)]


def test_a_new_file_that_upstream_has_too(run: Runner) -> None:
    """The very file, with another year in it, is absorbed; another one of the same name is in the way."""
    kept, mine = function("kept"), ["/* Copyright 2022 */", *function("checks", *GUARD), *function("more", *GUARD)]
    u1, d1 = {"a.c": kept}, {"a.c": kept, "n.c": mine}
    for theirs, fate in (
        (["/* Copyright 2025 */", *mine[1:]], ("absorbed", None, "refined")),
        (function("other", "\tint mine;"), ("orphaned", None, "file-exists")),
    ):
        u2 = {"a.c": kept, "n.c": theirs}
        assert fates(run(u1, d1, u2, {**u2, "a.c": [*kept, "int added;"]})) == [fate]


@pytest.mark.parametrize(
    ("theirs", "fate"),
    [(["  t_quota_rules \\"], "absorbed"), (["  t_quota_rules \\", "  t_quota_rules \\"], "dropped")],
    ids=["once", "twice"],
)
def test_a_short_line_that_upstream_has_once(run: Runner, theirs: list[str], fate: str) -> None:
    """An entry of a list, which upstream has sorted since."""
    names = [f"  t_{name} \\" for name in ("alpha", "beta", "gamma", "delta", "omega", "sigma")]
    u1, d1 = {"Makefile": ["tests = \\", *names]}, {"Makefile": ["tests = \\", *names, "  t_quota_rules \\"]}
    u2 = {"Makefile": ["tests = \\", *names[:2], *theirs, *names[2:], "  t_zeta \\"]}
    found = run(u1, d1, u2, {"Makefile": [*u2["Makefile"], "", "new: all"]})
    assert [word for word, _, _ in fates(found)] == [fate]


def test_half_absorbed(run: Runner) -> None:
    u1, d1, u2, d2 = (
        {"a.c": function("one", "\tx();", *body, "\ty();")}
        for body in ([], ["\tlog_entry(value);", *GUARD], ["\tlog_entry(value);"], ["\tlog_entry(value);", *GUARD])
    )
    found = run(u1, d1, u2, d2)
    assert fates(found) == origins(found) == [("edited", "upstream", None)]
    assert {edge.kind for edge in found.edges if edge.b.startswith("upstream:")} == {"edited"}


def test_most_absorbed_and_the_rest_kept(run: Runner) -> None:
    """Upstream took most of an insertion; what p2 still adds is little of the whole, and the same change still."""
    check = [
        "\tif (deb_shield_handle(event) < 316) {",
        '\t\tlog_jump("shield refused", event);',
        "\t\treturn -ERANGE;",
        "\t}",
    ]
    seal = ["\tif (!seal(event))", "\t\treturn -EFAULT;"]
    u1, d1, u2 = ({"a.c": function("one", *added, "\tcall(event);")} for added in ([], [*seal, *check], check))
    found = run(u1, d1, u2, {"a.c": function("one", *seal, *check, "\tcall(event);")})
    assert [(word, cause) for word, cause, _ in fates(found)] == [("edited", "upstream")]


@pytest.mark.parametrize(
    ("was", "mine", "theirs", "both"),
    [
        ("};", "} __randomize_layout;", "} __aligned(4);", "} __aligned(4) __randomize_layout;"),
        ("\th->action(h);", "\th->action();", "\t\th->action(h);", "\t\th->action();"),
        ("int f(char *p)", "int f(const char *p)", "long f(char *p, int n)", "long f(const char *p, int n)"),
    ],
    ids=["same words added", "indented", "merged"],
)
def test_upstream_changed_the_same_line(run: Runner, was: str, mine: str, theirs: str, both: str) -> None:
    """What downstream does to the words of a line is the same before and after upstream's own edit of it."""
    u1, d1, u2, d2 = ({"a.c": file_of(function("one", "\tx();", line, "\ty();"))} for line in (was, mine, theirs, both))
    found = run(u1, d1, u2, d2)
    assert fates(found) == origins(found) == [("edited", "upstream", None)]


def test_code_that_upstream_moved_and_renamed(run: Runner) -> None:
    """No line is the same any more: words and surroundings tell."""

    def table(name: str, node: str, inc: str) -> list[str]:
        body = [f"\tspin_lock(&{name}_open_lock);", f"\tif ({node}->open)", f"\t\t{inc}(&{node}->event_count);"]
        return function(f"{name}_notify_all", *body, f"\twake_up_poll(&{node}->poll_queue);")

    rest = function("other", "\tstays_here(value);")
    u1 = {"old.c": file_of(table("sysfs", "dirent", "atomic_inc"), rest)}
    d1 = {"old.c": file_of(table("sysfs", "dirent", "atomic_inc_unchecked"), rest)}
    u2 = {"old.c": rest, "new.c": table("kernfs", "node", "atomic_inc")}
    d2 = {"old.c": rest, "new.c": table("kernfs", "node", "atomic_inc_unchecked")}
    found = run(u1, d1, u2, d2)
    assert fates(found) == origins(found) == [("moved", "upstream", "other-file")]
    assert [edge.evidence for edge in found.edges if not edge.b.startswith("upstream:")] == [("rewritten",)]


@pytest.mark.parametrize(("word", "fate"), [("attr", "edited"), ("value", "dropped")])
def test_moved_by_some_lines_along_with_upstreams_renaming(run: Runner, word: str, fate: str) -> None:
    """Upstream renamed a word, and the change follows it, five lines off; with another word it is another change."""
    steps = [f"\tstep_{number}(value);" for number in range(6)]
    u1, u2 = (["\tuse_first({0});", *steps, "\tuse_last({0});"] for _ in range(2))
    learn = "\tlearn_resource({0}, LIMIT, 1);"

    def tree(body: list[str], name: str) -> Tree:
        return {"a.c": function("one", *(line.format(name) for line in body))}

    found = run(
        tree(u1, "param"),
        tree([*u1[:2], learn, *u1[2:]], "param"),
        tree(u2, "attr"),
        {"a.c": function("one", *(line.format("attr") for line in u2[:7]), learn.format(word), u2[7].format("attr"))},
    )
    assert [one for one, _, _ in fates(found)] == [fate]


def test_new_file_in_another_folder(run: Runner) -> None:
    lines = [f"echo step {number} of the tool" for number in range(8)]
    base = {"a.c": function("one", "\tx();")}
    found = run(base, {**base, "scripts/gen.sh": lines}, base, {**base, "tools/gen.sh": [*lines[:5], "echo", "exit"]})
    assert fates(found) == origins(found) == [("moved", "downstream", "other-file")]


def test_ambiguous_names_its_candidates(run: Runner) -> None:
    """Two equal changes of files that are gone, two in new files, and nothing to tell them apart."""
    plain, mine = (function("same", *body) for body in (["\tcall();"], ["\thardened_call_of(value);"]))
    other = function("unlike", *[f"\tother_{number}();" for number in range(9)])
    found = run(
        {"a.c": plain, "b.c": plain, "z.c": other},
        {"a.c": mine, "b.c": mine, "z.c": other},
        {"c.c": [*other, *plain], "d.c": [*other, *plain], "z.c": other},
        {"c.c": [*other, *mine], "d.c": [*other, *mine], "z.c": other},
    )
    assert fates(found) == origins(found) == [("ambiguous", None, "equal-partners")] * 2
    assert len([edge for edge in found.edges if edge.kind == "ambiguous"]) == 4


def test_strayed_from_a_doubtful_place(run: Runner) -> None:
    """Upstream changed the line after its place; p2 has the change in another, old function."""
    body = ["\ta_first_step(value);", "\ta_second_step(value);"]
    u1 = {"a.c": file_of(function("home", *body), function("away", "\tx();"))}
    d1 = {"a.c": file_of(function("home", body[0], *GUARD, body[1]), function("away", "\tx();"))}
    u2 = {"a.c": file_of(function("home", body[0], "\tchanged();"), function("away", "\tx();"))}
    d2 = {"a.c": file_of(function("home", body[0], "\tchanged();"), function("away", "\tx();", *GUARD))}
    assert fates(run(u1, d1, u2, d2)) == [("moved", "downstream", "misplaced")]


def test_lost_in_a_function_that_upstream_moved_to_another_file(run: Runner) -> None:
    """The code is not gone, so the change is dropped; where upstream took it along, it is absorbed."""
    body = ["\topen_the_device(value);", "\tread_the_header(value);"]
    kept, moved = function("kept"), function("moves", *body)
    mine = function("moves", body[0], *GUARD, body[1])
    u1, d1 = {"a.c": file_of(kept, moved), "b.c": kept}, {"a.c": file_of(kept, mine), "b.c": kept}
    u2 = {"a.c": kept, "b.c": file_of(kept, moved)}
    found = run(u1, d1, u2, {**u2, "b.c": [*u2["b.c"], "int added;"]})
    assert fates(found) == [("dropped", None, "code-moved")]
    u2 = {"a.c": kept, "b.c": file_of(kept, mine)}
    found = run(u1, d1, u2, {**u2, "b.c": [*u2["b.c"], "int added;"]})
    assert [word for word, _, _ in fates(found)] == ["absorbed"]
    u2 = {"a.c": kept, "b.c": file_of(kept, moved), "c.c": file_of(kept, moved)}
    found = run(u1, d1, u2, {**u2, "b.c": [*u2["b.c"], "int added;"]})
    assert [word for word, _, _ in fates(found)] == ["orphaned"], "two places fit"


def test_what_upstream_brought_to_another_file_is_absorbed(run: Runner) -> None:
    """Upstream took a helper over, into another file; where the patchset has it in both files, one is lost."""
    helper, kept = function("holder_of_the_device", *(GUARD * 2)), function("kept")
    u1 = {"a.c": kept, "b.c": kept}
    u2 = {"a.c": kept, "b.c": file_of(kept, helper)}
    d2 = {**u2, "b.c": [*u2["b.c"], "int added;"]}
    assert fates(run(u1, {**u1, "a.c": file_of(kept, helper)}, u2, d2)) == [("absorbed", None, "elsewhere")]
    found = run(u1, {"a.c": file_of(kept, helper), "b.c": file_of(kept, helper)}, u2, d2)
    assert [word for word, _, _ in fates(found)] == ["dropped", "absorbed"]


def test_lines_that_both_moved_to_another_file_are_not_lost(run: Runner) -> None:
    """The patchset moved declarations to a new header, and so did upstream, with more."""
    first, second = function("kept"), function("kept_too")
    moved, rest = [f"extern int declare_the_{name}(int value);" for name in ("alpha", "beta", "gamma")], ["int x;"]
    u1 = {"a.h": file_of(first, moved, second)}
    d1 = {"a.h": file_of(first, second), "decl.h": file_of(rest, moved)}
    theirs = {"a.h": ["int other;", *second], "decl.h": file_of(rest, first[-3:], moved, second[:3])}
    found = run(u1, d1, theirs, {**theirs, "a.h": [*theirs["a.h"], "int added;"]})
    assert fates(found)[0] == ("absorbed", None, "elsewhere")


def test_a_file_that_is_no_longer_removed_is_a_loss(run: Runner) -> None:
    """Upstream has put another year in it: it could have been removed all the same."""
    kept, gone = function("kept"), ["/* Copyright 2022 */", *function("gone"), *function("gone_too")]
    u1, u2 = {"a.c": kept, "g.c": gone}, {"a.c": kept, "g.c": ["/* Copyright 2025 */", *gone[1:]]}
    found = run(u1, {"a.c": kept}, u2, {**u2, "a.c": [*kept, "int added;"]})
    assert fates(found) == [("dropped", None, "file-changed")]


# Two changes that are alike are not one


def test_what_one_takes_out_and_the_other_adds_are_two(run: Runner) -> None:
    """A rule that the first patchset removes, and the second brings some lines further down."""
    rule = [f"check-{number}: $(objects) $(tests-of-the-library)" for number in range(4)]
    steps = [f"step-{number}: all" for number in range(12)]
    u1, u2 = ["all: one", *rule, *steps], ["all: two", "", *steps, "last: all"]
    d2 = [*u2[:8], *rule, *u2[8:]]
    found = run({"Makefile": u1}, {"Makefile": [u1[0], *steps]}, {"Makefile": u2}, {"Makefile": d2})
    assert origins(found) == [("new", "downstream", None)]


def test_two_new_files_with_one_licence_are_two(run: Runner) -> None:
    """git takes one for the other's new name: one of the patchset's files is lost all the same."""
    licence = [f"   Line {number} of the terms under which this library may be used." for number in range(16)]
    files = {
        f"{name}.c": [
            "/* One of its files.",
            *licence,
            "   */",
            f"int {name}(void)",
            "{",
            f"\treturn {name}_of_it;",
            "}",
        ]
        for name in ("alpha", "beta", "gamma", "delta", "omega", "sigma")
    }
    base = {"a.c": function("kept")}
    mine = {name: lines for name, lines in files.items() if name != "sigma.c"}
    theirs = {name: lines for name, lines in files.items() if name != "alpha.c"}
    found = run(base, {**base, **mine}, {"a.c": ["#include <new.h>", *base["a.c"]]}, {**base, **theirs})
    assert [one for one, _, _ in fates(found)].count("dropped") == 1
    assert ("new", "downstream", None) in origins(found)


def fops(const: str = "") -> list[str]:
    """Three tables; the one named is const."""
    names = ("alpha", "beta", "gamma")
    return [
        line
        for name in names
        for line in (
            f"static {'const ' * (name == const)}struct ops {name}_ops = {{",
            f"\t.open = {name}_open,",
            "};",
            "",
        )
    ]


@pytest.mark.parametrize(
    ("u1", "d1", "d2"),
    [
        (fops(), fops("beta"), fops("gamma")),
        (
            file_of(function("f", "\ta();", "\tb();", "\tc();")),
            file_of(function("f", "\ta();", "\tif (len > beta)", "\t\treturn -EINVAL;", "\tb();", "\tc();")),
            file_of(function("f", "\ta();", "\tb();", "\tc();", "\tif (len > gamma)", "\t\treturn -EINVAL;")),
        ),
        (
            file_of(function("f", "\tstrcpy(d, s);"), function("g", "\tstrcpy(d, t);")),
            file_of(function("f", "\tstrlcpy(d, s, 32);"), function("g", "\tstrcpy(d, t);")),
            file_of(function("f", "\tstrcpy(d, s);"), function("g", "\tstrlcpy(d, t, 64);")),
        ),
        (
            file_of(function("f", "\tMT_ROM,", "\tMT_RAM,")),
            file_of(function("f", "\tMT_ROM_RX,", "\tMT_RAM,")),
            file_of(function("f", "\tMT_ROM,", "\tMT_RAM_RX,")),
        ),
    ],
    ids=["const", "guard", "call", "next line"],
)
def test_a_lost_change_is_not_a_new_one_like_it(u1: list[str], d1: list[str], d2: list[str], run: Runner) -> None:
    """The place of the first is still there, and upstream changed neither: one is lost, the other is the author's."""
    head = "#include <new.h>"
    found = run({"a.c": u1}, {"a.c": d1}, {"a.c": [head, *u1]}, {"a.c": [head, *d2]})
    assert fates(found) == [("dropped", None, None)]
    assert origins(found) == [("new", "downstream", None)]
