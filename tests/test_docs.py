"""What is documented exists, and what exists is documented."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

import git_metadiff
from git_metadiff import errors
from git_metadiff.cli import pages
from git_metadiff.cli.colors import DEFAULTS
from git_metadiff.cli.help import completions, short_help
from git_metadiff.cli.options import COMMANDS, OPTIONS, USAGE, Option, spelled
from git_metadiff.model import FATES, ORIGINS
from tests.conftest import OPEN_TO_WRITE, REAL_HOME, ROOT

PAGE = (pages.SHARE / pages.MAN).read_text()
PLAIN_PAGE = re.sub(r"\\f[BIR]", "", PAGE).replace("\\-", "-").replace("\\(aq", "'").replace("\\ ", " ")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_documented(option: Option) -> None:
    assert f".B {spelled(option)}\n" in PLAIN_PAGE
    assert spelled(option) in short_help()


def test_nothing_else_is_documented_as_an_option() -> None:
    known = {name for option in OPTIONS for name in (option.name, option.short)}
    of_others = {"--graph", "--first-parent", "-aes", "--continue"}  # of git log, blame and rebase
    for text in (PLAIN_PAGE, short_help(), (ROOT / "README.md").read_text().partition("## Tests")[0]):
        used = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text))
        assert used - known - of_others == set()


@pytest.mark.parametrize("command", [name for name in COMMANDS if name])
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"^\.BI? {command}\b", PLAIN_PAGE, re.MULTILINE)
    assert re.search(rf"^ +{command} ", short_help(), re.MULTILINE)


def test_usage_is_the_same_everywhere() -> None:
    assert all(usage in PLAIN_PAGE.replace("\\fB", "") for usage in USAGE)


def test_words_statuses_and_slots_are_documented() -> None:
    for word in {*FATES, *ORIGINS}:
        assert f".TP\n.B {word}\n" in PLAIN_PAGE
    statuses = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert set(map(int, re.findall(r"^\.B (\d+)$", PLAIN_PAGE, re.MULTILINE))) == statuses
    for slot in DEFAULTS:
        assert re.search(rf"^\.IR? {slot}\b", PLAIN_PAGE, re.MULTILINE)


def test_version_is_the_same_everywhere() -> None:
    assert f'"git-metadiff {git_metadiff.__version__}"' in PLAIN_PAGE
    assert f"## {git_metadiff.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("path", pages.pages(), ids=lambda path: path.name)
def test_pages_are_current(path: Path) -> None:
    assert path.read_text() == pages.pages()[path], "run: python -m git_metadiff.cli.pages"


def test_completion_helper_names_every_long_option() -> None:
    named = {word.rstrip("=") for word in completions()}
    assert named == {option.name for option in OPTIONS if option.name.startswith("--")} - {"--help"}


STUBS = """
__git () { git "$@"; }
__gitcomp () { COMPREPLY=($(compgen -W "$1" -- "${3-$cur}")); }
__gitcomp_nl () { __gitcomp "$1" "" "${3-$cur}"; }
__git_find_on_cmdline () {
    local word
    for word in "${words[@]}"; do case " $1 " in *" $word "*) echo "$word"; return;; esac; done
}
__git_has_doubledash () { case " ${words[*]} " in *" -- "*) return 0;; esac; return 1; }
__git_refs () { git for-each-ref --format='%(refname:short)' refs/tags; }
__git_complete_revlist_file () { COMPREPLY=(REVISIONS); }
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--pat", {"--patches", "--patch"}),
        ("v1 v2 --name-s", {"--name-status"}),
        ("sh", {"show"}),
        ("v", {"v1", "verify"}),
        ("v1 v", {"REVISIONS"}),
        ("--color=a", {"always", "auto"}),
        ("--name s", {"stored"}),
        ("forget ", {"stored"}),
        ("show x", set()),
    ],
)
def test_bash_completion(line: str, expected: set[str], tmp_path: Path) -> None:
    words = ["git", "metadiff", *line.split(" ")]
    script = tmp_path / "script"
    script.write_text(
        STUBS
        + "git init -q . 2>/dev/null; git commit -q --allow-empty -m x; git tag -f v1\n"
        + "git update-ref refs/metadiff/stored/comparison HEAD\n"
        + f"source {pages.SHARE}/bash-completion/completions/git-metadiff\n"
        + f"words=({' '.join(repr(word) for word in words)}) cword={len(words) - 1} __git_cmd_idx=1\n"
        + f"prev={words[-2]!r} cur={words[-1]!r}\n"
        + '_git_metadiff\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", script], capture_output=True, cwd=tmp_path, check=False, text=True)
    assert done.stderr == ""
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize(("shell", "page"), [("zsh", pages.ZSH), ("fish", pages.FISH), ("bash", pages.BASH)])
def test_completions_parse(shell: str, page: str) -> None:
    environ: Mapping[str, str] = os.environ
    try:
        done = subprocess.run([shell, "-n", pages.SHARE / page], capture_output=True, env=environ, check=False)
    except FileNotFoundError:
        pytest.skip(f"no {shell} here")
    assert (done.returncode, done.stderr) == (0, b"")


def test_man_page_has_no_faults() -> None:
    try:
        done = subprocess.run(
            ["groff", "-man", "-Tutf8", "-ww", "-z", pages.SHARE / pages.MAN], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no groff here")
    assert (done.returncode, done.stderr) == (0, b"")


def test_seal_holds() -> None:
    with pytest.raises(AssertionError, match="the real HOME"):
        subprocess.run(["true"], env={"HOME": str(REAL_HOME)}, check=False)
    if f"{REAL_HOME}{os.sep}".startswith(OPEN_TO_WRITE):
        pytest.skip("the real home is a temporary folder itself, where tests may write")
    with pytest.raises(AssertionError, match="in the real home"):
        (REAL_HOME / "metadiff-was-here").write_text("")
