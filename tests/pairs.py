"""Real repositories to compare in, what must not change in them, and traps for what must not run."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from git_metadiff.compare import compare
from git_metadiff.model import Comparison
from tests.conftest import ROOT, Repository

FIXTURE = ROOT / "fixtures" / "xen-boot-crash"
RELEASES = ("v1", "v2")
PATCHSETS = ("p1.patch", "p2.patch")
MAIN = (*RELEASES, "--patches", *PATCHSETS)

EMPTY: Mapping[str, str] = {}

#: A tree that brings its own attributes, each of which would change a merge, a diff or a patch.
ATTRIBUTES = (
    "*.c merge=evil diff=evil filter=evil\n*.h merge=union\n*.txt binary\n*.in -diff\n"
    "*.dos text eol=crlf\n*.id ident\n*.sh text working-tree-encoding=UTF-16\n"
)


def numbered(name: str, count: int = 60) -> str:
    """A text of lines that are all different, in functions of ten lines."""
    return "".join(
        f"int {name}_{line}(void)\n{{\n" if line % 10 == 0 else f"\t{name} line {line};\n" + "}\n" * (line % 10 == 9)
        for line in range(count)
    )


def with_lines(text: str, **lines: str) -> str:
    """`text` with ` line N;` replaced: `with_lines(text, _12="other")`."""
    for name, other in lines.items():
        assert f" line {name[1:]};" in text
        text = text.replace(f" line {name[1:]};", f" {other};")
    return text


def release_one() -> dict[str, str | bytes]:
    """U1."""
    return {
        "src/main.c": numbered("main"),
        "src/conflict.c": numbered("conflict"),
        "src/conflict.h": numbered("header"),
        "src/moved.c": numbered("moved"),
        "src/gone.c": numbered("gone"),
        "doc/notes.txt": numbered("notes"),
        "doc/config.in": numbered("config"),
        "doc/page.dos": numbered("page").replace("\n", "\r\n"),
        "doc/version.id": "$Id$\n" + numbered("id"),
        "doc/run.sh": numbered("run"),
        "doc/blanks.c": numbered("blanks").replace(";\n", ";  \n"),
        "data.bin": bytes(range(256)) * 4,
        b'doc/caf\xe9 "x".c'.decode("utf-8", "surrogateescape"): numbered("cafe"),
    }


def release_two() -> dict[str, str | bytes | None]:
    """U2."""
    return {
        "src/main.c": with_lines(numbered("main"), _31="upstream was here"),
        "src/conflict.c": with_lines(numbered("conflict"), _21="upstream's own", _22="and this"),
        "src/conflict.h": with_lines(numbered("header"), _21="upstream's own", _22="and this"),
        "src/moved.c": None,
        "lib/moved.c": with_lines(numbered("moved"), _3="moved along"),
        "src/gone.c": None,
        "doc/notes.txt": with_lines(numbered("notes"), _41="noted"),
    }


def patch_one() -> dict[str, str | bytes | None]:
    """What makes D1 of U1."""
    old = release_one()
    cafe = next(name for name in old if name.startswith("doc/caf"))
    return {
        "src/main.c": with_lines(numbered("main"), _5="patched", _45="patched too"),
        "src/conflict.c": with_lines(numbered("conflict"), _21="downstream's", _24="stays", _51="far"),
        "src/conflict.h": with_lines(numbered("header"), _21="downstream's", _24="stays", _51="far"),
        "src/moved.c": with_lines(numbered("moved"), _33="carried"),
        "src/gone.c": with_lines(numbered("gone"), _33="lost"),
        "doc/notes.txt": with_lines(numbered("notes"), _5="patched"),
        "doc/config.in": with_lines(numbered("config"), _5="patched"),
        "doc/page.dos": with_lines(numbered("page"), _5="patched").replace("\n", "\r\n"),
        "doc/version.id": "$Id$\n" + with_lines(numbered("id"), _5="patched"),
        "doc/run.sh": with_lines(numbered("run"), _5="patched"),
        "doc/blanks.c": with_lines(numbered("blanks"), _5="patched \t").replace(";\n", ";  \n"),
        "data.bin": bytes(range(255, -1, -1)) * 4,
        cafe: with_lines(numbered("cafe"), _5="patched"),
        "new.c": numbered("new", 20),
    }


def patch_two() -> dict[str, str | bytes | None]:
    """What makes D2 of U2: the same work, carried over by hand, with one line edited, one lost and one new."""
    found = patch_one()
    del found["src/moved.c"], found["src/gone.c"], found["doc/notes.txt"]
    return found | {
        "src/main.c": with_lines(numbered("main"), _5="patched better", _31="upstream was here", _55="new"),
        "src/conflict.c": with_lines(numbered("conflict"), _21="both", _22="and this", _24="stays", _51="far"),
        "src/conflict.h": with_lines(numbered("header"), _21="both", _22="and this", _24="stays", _51="far"),
        "lib/moved.c": with_lines(numbered("moved"), _3="moved along", _33="carried"),
        "doc/notes.txt": with_lines(numbered("notes"), _5="patched", _41="noted"),
        "data.bin": bytes(range(255, -1, -1)) * 5,
    }


def make_pair(repository: Repository, *, brings: str = "") -> Repository:
    """Tags v1 and v2, and in the work tree p1.patch and p2.patch for them; v1 `brings` attributes of its own."""
    attributes = repository.path / ".git" / "info" / "attributes"
    attributes.write_text("* -text -ident -filter -working-tree-encoding !diff !merge\n")
    repository.commit(release_one() | ({".gitattributes": brings} if brings else {}), tag="v1")
    repository.commit(patch_one(), tag="d1")
    repository.git("reset", "-q", "--hard", "v1")
    repository.commit(release_two(), tag="v2")
    repository.commit(patch_two(), tag="d2")
    patches = {"p1.patch": repository.diff("v1", "d1"), "p2.patch": repository.diff("v2", "d2")}
    repository.git("reset", "-q", "--hard", "v2")
    repository.git("tag", "-d", "d1", "d2")
    repository.write(patches)
    attributes.unlink()
    return repository


def copy_of(repository: Repository, path: Path) -> Repository:
    """A copy of a repository, with all that is configured in it."""
    shutil.copytree(repository.path, path, symlinks=True)
    copied = Repository.__new__(Repository)
    copied.path = path
    return copied


def compare_pair(
    repository: Repository, *, git_dir: Path | None = None, name: str = "default", environ: Mapping[str, str] = EMPTY
) -> Comparison:
    """Compare the pair in a repository, in this process, with some environment variables changed."""
    return compare(
        git_dir or repository.path / ".git",
        RELEASES,
        PATCHSETS,
        name=name,
        environ={**os.environ, **environ},
        cwd=repository.path,
    )


Snapshot = dict[str, tuple[int, bytes]]


def snapshot(folder: Path) -> Snapshot:
    """Mode and content of everything below a folder; of a folder itself and of a pipe, the mode."""
    found: Snapshot = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = b""
        if stat.S_ISLNK(status.st_mode):
            content = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (status.st_mode, content)
    return found


def changed(before: Snapshot, after: Snapshot) -> tuple[list[str], list[str]]:
    """Names that are new, and names of what is gone or different; folders count only when they are gone."""
    fresh = [name for name, (mode, _) in after.items() if name not in before and not stat.S_ISDIR(mode)]
    return fresh, [name for name in before if after.get(name) != before[name]]


def results_of(name: str, git_dir: str = ".git/") -> set[str]:
    """The names of the files that a comparison may leave behind, beside its pack."""
    refs = {f"{git_dir}refs/metadiff/{name}/{branch}" for branch in ("upstream", "downstream", "comparison")}
    return refs | {f"{git_dir}metadiff-last"}


class Trap:
    """A program that notes that it was run. `wrong` says what it printed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.program, self.mark = folder / "evil", folder / "sprung"
        self.program.write_text(f'#!/bin/sh\necho "$0 $*" >>"{self.mark}"\nexit 1\n')
        self.program.chmod(0o755)

    @property
    def sprung(self) -> str:
        """Which runs there were; forgotten then."""
        text = self.mark.read_text() if self.mark.exists() else ""
        self.mark.unlink(missing_ok=True)
        return text
