"""Measures the import of a release tarball against unpacking it and adding the files."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import BenchError, Usage, measure, sealed
from stores import Store

_DECOMPRESSORS = {".gz": "gzip", ".tgz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd"}
# What `git add` must not do to the bytes, for the tree that an import is compared with.
_RAW = "* -text -ident -filter -working-tree-encoding\n"


# The one place that knows how the project imports a release: the command line offers no import alone.
_IMPORT = """
import os, sys
from pathlib import Path
from git_metadiff.git import FastImport, Git
from git_metadiff.sources import ReleaseSource, import_release

tarball, repository = Path(sys.argv[1]), Git(Path(sys.argv[2]), os.environ)
with FastImport(repository) as writer:
    import_release(ReleaseSource(tarball.name, "", tarball), writer, 0, None)
print(repository.text("rev-parse", "refs/import/0^{tree}"))
"""


# ADAPT THIS, and the script above, when the project's functions change.
def import_command(tarball: Path, repo: Path, python: str = sys.executable) -> list[str]:
    """Give the command that imports `tarball` into the bare repository `repo` and prints the tree's id last."""
    return [python, "-c", _IMPORT, str(tarball), str(repo)]


class TarballArena:
    """One round: the import into a fresh repository, and the unpacked tarball added to another."""

    def __init__(self, folder: Path, tarball: Path, python: str, timeout: float) -> None:
        """Make the folder of the round with both repositories; `timeout` is in seconds."""
        folder.mkdir()
        self._folder, self._tarball, self._python, self._timeout = folder, tarball, python, timeout
        self._home, self._files = folder / "home", folder / "files"
        self._home.mkdir()
        self._files.mkdir()
        self._stores = {name: Store(folder / f"{name}.git", self._home) for name in ("import", "add")}
        for store in self._stores.values():
            store.git("init", "--quiet", "--bare", str(store.path))

    def close(self) -> None:
        """Delete everything of the round."""
        shutil.rmtree(self._folder)

    def metadiff(self) -> Usage:
        """Import the tarball by the project's own function."""
        return self._run("import", import_command(self._tarball, self._stores["import"].path, self._python))

    def unpack(self) -> Usage:
        """Unpack the tarball, the decompressor in a process of its own."""
        program = _DECOMPRESSORS.get(self._tarball.suffix)
        unpack = ["tar", "-xf", "-", "-C", str(self._files)]
        source = f"{program} -dc" if program else "cat"
        return self._run("unpack", ["sh", "-c", f"{source} < {shlex.quote(str(self._tarball))} | {shlex.join(unpack)}"])

    def add(self) -> Usage:
        """Add the unpacked files to a fresh index, as `git add -A` does."""
        return self._run("add", ["git", *self._where(), "add", "-A"])

    def same_tree(self, imported: Usage) -> str:
        """Say whether the import gave the tree of all files with their bytes untouched; untimed."""
        store = self._stores["add"]
        (store.path / "info").mkdir(exist_ok=True)
        (store.path / "info" / "attributes").write_text(_RAW, encoding="ascii")
        (store.path / "index").unlink(missing_ok=True)
        added = self._run("check", ["git", *self._where(), "add", "-A", "-f"])
        if added.code:
            raise BenchError(f"git add -A -f: {added.complaint}")
        tree = store.git("write-tree")
        found = [line.decode(errors="replace").strip() for line in imported.lines()]
        return "same tree as git add -f" if found[-1:] == [tree] else f"OTHER TREE than git add -f ({tree})"

    def _where(self) -> list[str]:
        """Name the repository and the files, without the tarball's top folder where that is the sole entry."""
        entries = list(self._files.iterdir())
        top = entries[0] if len(entries) == 1 and entries[0].is_dir() else self._files
        return [f"--git-dir={self._stores['add'].path}", f"--work-tree={top}", "-C", str(top)]

    def _run(self, name: str, command: Sequence[str]) -> Usage:
        """Measure a command inside the folder of the round."""
        env = sealed(self._home, {"TMPDIR": str(self._folder)})
        return measure(command, env, self._folder, self._folder / name, self._timeout)
