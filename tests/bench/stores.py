"""The repositories that contenders run in: a base with nothing but two releases, and fresh clones of it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from measure import BenchError, sealed

# Names and dates for the synthetic commits that git's own commands need; metadiff gets none of them.
IDENTITY = {
    "GIT_AUTHOR_NAME": "Benchmark",
    "GIT_AUTHOR_EMAIL": "benchmark@example.org",
    "GIT_AUTHOR_DATE": "1400000000 +0000",
    "GIT_COMMITTER_NAME": "Benchmark",
    "GIT_COMMITTER_EMAIL": "benchmark@example.org",
    "GIT_COMMITTER_DATE": "1400000000 +0000",
}
# The tags of the two releases in the base.
TAGS = ("u1", "u2")
_CHUNK = 1 << 20


class Store:
    """A bare repository, for what is not measured."""

    def __init__(self, path: Path, home: Path) -> None:
        """Name the repository `path`, which need not exist yet, and the home that git gets."""
        self.path, self.home = path, home

    def git(self, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        """Run git in the repository and give its standard output; a failure raises BenchError."""
        env = sealed(self.home, IDENTITY | dict(extra or {}))
        command = ["git", f"--git-dir={self.path}", *arguments]
        done = subprocess.run(command, capture_output=True, env=env, check=False)
        if done.returncode:
            raise BenchError(f"git {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="surrogateescape").strip()

    def commit(self, message: str, tree: str, *parents: str) -> str:
        """Make a synthetic commit of a tree and give its id."""
        options = [option for parent in parents for option in ("-p", parent)]
        return self.git("commit-tree", *options, "-m", message, tree)

    def clone(self, path: Path) -> Store:
        """Clone bare, with hard links to the packs: as cheap as it gets, and with nothing that a run left behind."""
        self.git("clone", "--quiet", "--bare", "--local", str(self.path), str(path))
        return Store(path, self.home)


def make_base(source: Store, releases: Sequence[str], base: Store) -> Store:
    """Pack the trees of two releases, as commits without parents, into the new repository `base`.

    The source is only read.
    """
    if (source.path / ".git").exists():
        source = Store(source.path / ".git", source.home)
    objects = Path(source.git("rev-parse", "--git-path", "objects")).resolve()
    hashes = source.git("rev-parse", "--show-object-format")
    trees = [source.git("rev-parse", "--verify", "--end-of-options", f"{name}^{{tree}}") for name in releases]
    base.git("init", "--quiet", "--initial-branch=main", f"--object-format={hashes}", "--bare", str(base.path))
    alternates = base.path / "objects" / "info" / "alternates"
    alternates.write_text(f"{objects}\n", encoding="utf-8")
    for tag, tree in zip(TAGS, trees, strict=True):
        commit = base.commit(tag, tree)
        base.git("update-ref", f"refs/tags/{tag}", commit)
        base.git("update-ref", "refs/heads/main", commit)
    # Without -l, a repack takes in what the alternate holds, and reuses its deltas.
    base.git("repack", "-a", "-d", "-q")
    alternates.unlink()
    # Fails where an object is missing.
    base.git("rev-list", "--objects", "--all", "--quiet")
    return base


def warm_up(path: Path) -> None:
    """Read a file, or each file of a folder, so that no contender pays for the disk."""
    for file in path.iterdir() if path.is_dir() else [path]:
        with file.open("rb") as opened:
            while opened.read(_CHUNK):
                pass
