"""Two releases as git trees in a scratch repository, and the files of them in which may be planted."""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.truth.model import Block, FilePair, Lines, Pair

SUFFIXES = (b".c", b".h", b".cc", b".cpp", b".hpp")
HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
#: How many files that upstream changed, and that it left alone, are read of a large release.
CHANGED, SAME = 2500, 150
LONGEST = 6000


class Releases:
    """A bare repository with both trees, and what is planted into the newer one."""

    def __init__(self, folder: Path, source: Path | None = None) -> None:
        """Make it in `folder`; the objects of the repository `source` are at hand without a copy."""
        self.folder = folder.resolve()
        self.git_dir = self.folder / "repository.git"
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_AUTHOR_DATE": "1112911993 +0000",
            "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.com",
            "GIT_COMMITTER_DATE": "1112911993 +0000",
        }
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", "--bare", str(self.git_dir)], check=True, env=self.environ)
        (self.git_dir / "info" / "attributes").write_text("* -text -ident -filter -working-tree-encoding\n")
        if source is not None:
            found = self.run(
                "-C", str(source), "rev-parse", "--path-format=absolute", "--git-path", "objects", bare=True
            )
            (self.git_dir / "objects" / "info" / "alternates").write_bytes(found)

    def run(self, *arguments: str, stdin: bytes = b"", bare: bool = False, **environ: str) -> bytes:
        """Run git in the repository and return its output."""
        command = ["git", *arguments] if bare else ["git", "--git-dir", str(self.git_dir), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=True, env=self.environ | environ)
        return done.stdout

    def tree_of(self, release: str, source: Path | None) -> str:
        """The id of the tree of a directory, or of a revision of `source`."""
        if Path(release).is_dir():
            index = str(self.folder / "index")
            top = str(Path(release).resolve())
            self.run("-C", top, "add", "-A", "-f", ".", GIT_INDEX_FILE=index, GIT_WORK_TREE=top)
            tree = self.run("write-tree", GIT_INDEX_FILE=index)
            Path(index).unlink()
            return tree.decode().strip()
        assert source is not None, f"{release} is no directory, and there is no repository"
        return self.run("-C", str(source), "rev-parse", release + "^{tree}", bare=True).decode().strip()

    def tree_with(self, tree: str, files: Mapping[bytes, Lines], renames: Mapping[bytes, bytes]) -> str:
        """A tree with some files changed and some renamed."""
        index = str(self.folder / "index")
        self.run("read-tree", tree, GIT_INDEX_FILE=index)
        entries = b""
        for path, lines in files.items():
            oid = self.run("hash-object", "-w", "--stdin", stdin=b"".join(line + b"\n" for line in lines)).strip()
            entries += b"100644 %s\t%s\0" % (oid, path)
        if entries:
            self.run("update-index", "-z", "--index-info", stdin=entries, GIT_INDEX_FILE=index)
        entries = b""
        for old, new in renames.items():
            found = self.run("ls-files", "-s", "--", os.fsdecode(old), GIT_INDEX_FILE=index)
            mode, oid, _ = found.split(None, 2)
            entries += b"0 %s\t%s\0%s %s\t%s\0" % (b"0" * len(oid), old, mode, oid, new)
        if entries:
            self.run("update-index", "-z", "--index-info", stdin=entries, GIT_INDEX_FILE=index)
        made = self.run("write-tree", GIT_INDEX_FILE=index).decode().strip()
        Path(index).unlink()
        return made

    def tag(self, name: str, tree: str) -> str:
        """A commit of a tree under a tag; the id of the commit."""
        commit = self.run("commit-tree", "-m", name, tree).decode().strip()
        self.run("update-ref", f"refs/tags/{name}", commit)
        return commit

    def read(self, oids: Sequence[str]) -> dict[str, bytes]:
        """Some blobs."""
        out = self.run("cat-file", "--batch", "--buffer", stdin="".join(oid + "\n" for oid in oids).encode())
        found: dict[str, bytes] = {}
        at = 0
        for oid in oids:
            end = out.index(b"\n", at)
            size = int(out[at:end].split()[2])
            found[oid] = out[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    def pair(self, old: str, new: str, seed: int) -> Pair:
        """The files in which may be planted, with git's line map between them."""
        rng = random.Random(seed)
        changed = [entry for entry in self._changed(old, new) if suits(entry[1] or entry[3])]
        if len(changed) > CHANGED:
            changed = sorted(rng.sample(changed, CHANGED))
        touched = {path for entry in changed for path in (entry[1], entry[3])}
        same = [(oid, path, oid, path) for oid, path in self._list(new) if suits(path) and path not in touched]
        unchanged = {(oid, path) for oid, path in self._list(old)}
        same = [entry for entry in same if (entry[0], entry[1]) in unchanged]
        same = sorted(rng.sample(same, min(SAME, len(same))))
        wanted = [oid for entry in (*changed, *same) for oid in (entry[0], entry[2]) if oid.strip("0")]
        texts = self.read(list(dict.fromkeys(wanted)))
        blocks = self._blocks(old, new, changed)
        files = [file_pair(entry, texts, blocks.get((entry[1], entry[3]), ())) for entry in (*changed, *same)]
        return Pair(tuple(file for file in files if file is not None))

    def _list(self, tree: str) -> list[tuple[str, bytes]]:
        out = self.run("ls-tree", "-r", "-z", tree)
        rows = [row.split(b"\t", 1) for row in out.split(b"\0") if row]
        return [(head.split()[2].decode(), path) for head, path in rows if head.startswith(b"100")]

    def _changed(self, old: str, new: str) -> list[tuple[str, bytes, str, bytes]]:
        """(id, path, id, path) of every file that upstream changed; an empty path where it is not there."""
        out = self.run("-c", "diff.renameLimit=5000", "diff-tree", "-r", "-M", "--raw", "-z", old, new).split(b"\0")
        found = []
        at = 0
        while at < len(out) - 1:
            _, mode, one, other, status = out[at].split()
            double = status[:1] == b"R"
            path, target = out[at + 1], out[at + 2] if double else out[at + 1]
            at += 3 if double else 2
            if mode in (b"120000", b"160000") or out[at - 2][1:7] in (b"120000", b"160000"):
                continue
            gone, fresh = status == b"D", status == b"A"
            found.append((one.decode(), b"" if fresh else path, other.decode(), b"" if gone else target))
        return found

    def _blocks(
        self, old: str, new: str, changed: Sequence[tuple[str, bytes, str, bytes]]
    ) -> dict[tuple[bytes, bytes], tuple[Block, ...]]:
        """The changed blocks of every file that is in both trees."""
        found = {}
        for one, path, other, target in changed:
            if path and target and one != other:
                text = self.run("diff", "--no-ext-diff", "--histogram", "-U0", "--text", one, other)
                found[path, target] = parse_blocks(text)
        return found


def parse_blocks(text: bytes) -> tuple[Block, ...]:
    """The blocks of a `-U0` diff."""
    found = []
    for a, count, c, number in HUNK.findall(text):
        removed, added = int(count or 1), int(number or 1)
        low, to = int(a) - (removed > 0), int(c) - (added > 0)
        found.append((low, low + removed, to, to + added))
    return tuple(found)


def suits(path: bytes) -> bool:
    """Whether a file's name is one of C or C++."""
    return path.endswith(SUFFIXES)


def file_pair(
    entry: tuple[str, bytes, str, bytes], texts: Mapping[str, bytes], blocks: tuple[Block, ...]
) -> FilePair | None:
    """A file as lines; None for one that is binary, long, empty or without a last newline."""
    one, path, other, target = entry
    before, after = (texts.get(one, b"") if path else b""), (texts.get(other, b"") if target else b"")
    for text in (before, after):
        if b"\0" in text or b"\r" in text or (text and not text.endswith(b"\n")) or text.count(b"\n") > LONGEST:
            return None
    if (path and not before) or (target and not after):
        return None
    return FilePair(path or None, target or None, before.split(b"\n")[:-1], after.split(b"\n")[:-1], blocks)
