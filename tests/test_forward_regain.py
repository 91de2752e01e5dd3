"""`git metadiff port`: hunks that their own patch has a place for, though the series as one has none for them."""

from __future__ import annotations

import os
from pathlib import Path

from git_metadiff.forward import ForwardPort
from git_metadiff.forward.start import Asked, port_forward
from tests.conftest import Repository


def numbered(changes: dict[int, str] | None = None) -> str:
    """A file of 40 numbered lines, some of them replaced."""
    return "".join((changes or {}).get(at, f"line {at}\n") for at in range(1, 41))


def port(repository: Repository, states: list[str], upstream: str) -> ForwardPort:
    """A series of one file, each state a patch, carried onto upstream's state of it."""
    commits = [repository.commit({"f": text}, f"patch {at}") for at, text in enumerate(states)]
    repository.git("tag", "-f", "u2", repository.commit({"f": upstream}))
    asked = Asked("u2", commits[0], f"{commits[0]}..{commits[-1]}")
    return port_forward(repository.path / ".git", asked, environ=os.environ, cwd=repository.path)


def tree_file(repository: Repository, result: ForwardPort, folder: Path) -> str:
    """The file after git has applied the written patches."""
    repository.git("worktree", "add", "-q", "--detach", folder, "u2")
    for patch in result.patches:
        if patch.text:
            repository.git("-C", folder, "apply", "-", stdin=patch.text)
    assert repository.git("-C", folder, "add", "-A") == ""
    assert repository.git("-C", folder, "write-tree") == result.tree
    return (folder / "f").read_text()


def test_a_patch_that_edits_what_upstream_took_in(repository: Repository, tmp_path: Path) -> None:
    """The first patch is upstream now; the second one has its place in upstream's lines, as in a rebase."""
    taken = numbered({20: "int taken_over_by_upstream(void);\n"})
    edited = numbered({20: "static int taken_over_by_upstream(void);\n"})
    result = port(repository, [numbered(), taken, edited], "top\n" + taken)
    assert [patch.result for patch in result.patches] == ["absorbed", "placed"]
    assert (result.complete, result.beyond) == (True, 1)
    assert tree_file(repository, result, tmp_path / "w") == "top\n" + edited


def test_a_later_patch_that_has_no_place(repository: Repository, tmp_path: Path) -> None:
    """The first patch is carried as it was; what the second one makes of it meets upstream, and is told alone."""
    first = numbered({20: "ours 20\n"})
    second = numbered({20: "other 20\n", 21: "other 21\n"})
    upstream = numbered({21: "upstream's 21\n", 35: "upstream's 35\n"})
    result = port(repository, [numbered(), first, second], upstream)
    assert [patch.result for patch in result.patches] == ["refreshed", "rejected"]
    assert result.beyond == 1 and not result.complete
    assert tree_file(repository, result, tmp_path / "w") == numbered(
        {20: "ours 20\n", 21: "upstream's 21\n", 35: "upstream's 35\n"}
    )
    [rejected] = [file.data for file in result.files if file.name.endswith(".rej")]
    assert b"-ours 20\n-line 21\n+other 20\n+other 21\n" in rejected and b"+upstream's 21" in rejected


def test_patches_that_stand_on_one_another(repository: Repository, tmp_path: Path) -> None:
    """What the first one regains is what the next one stands on."""
    states = [
        numbered(),
        numbered({20: "line 20\none();\n"}),
        numbered({20: "line 20\none(1);\n"}),
        numbered({20: "all\n", 21: "is\n", 22: "other\n"}),
    ]
    result = port(repository, states, numbered({5: "upstream's 5\n", 22: "upstream's 22\n"}))
    assert [patch.result for patch in result.patches] == ["refreshed", "refreshed", "rejected"]
    assert result.beyond == 2
    assert tree_file(repository, result, tmp_path / "w") == numbered(
        {5: "upstream's 5\n", 20: "line 20\none(1);\n", 22: "upstream's 22\n"}
    )


def test_half_a_hunk_is_not_regained(repository: Repository) -> None:
    """Upstream rewrote the end of what a hunk switches off: its beginning alone would switch off the rest."""
    first = numbered({20: "taken();\n", 23: "more();\n"})
    second = numbered({20: "#if 0\ntaken();\n", 23: "more();\n#endif\n"})
    upstream = numbered({20: "taken();\n", 23: "rewritten();\n", 24: "rewritten too();\n"})
    result = port(repository, [numbered(), first, second], upstream)
    text = b"".join(patch.text for patch in result.patches)
    assert (result.patches[1].result, result.beyond, text) == ("rejected", 0, b"")


def test_an_insertion_into_code_that_is_gone(repository: Repository) -> None:
    """Upstream took the function away: what was put into it has no place between what stood around it."""
    gone = numbered(dict.fromkeys(range(15, 26), ""))
    result = port(repository, [numbered(), numbered({20: "line 20\nguard();\n"})], gone)
    assert [patch.result for patch in result.patches] == ["rejected"] and result.beyond == 0
    end = numbered(dict.fromkeys(range(30, 41), ""))
    taken = numbered({3: "taken over by upstream();\n"})
    states = [numbered(), taken, taken + "tail();\n"]
    result = port(repository, states, end.replace("line 3\n", "taken over by upstream();\n"))
    assert result.beyond == 0
