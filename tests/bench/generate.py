#!/usr/bin/env python3
"""Generate a kernel-sized repository of two releases and a monolithic patch for each.

Everything follows from the seed: the same seed and sizes give the same ids and the same patches on any machine. The
result is a folder with `repo.git` (bare, tags v1.0 and v1.1), `p1.patch`, `p2.patch` and `manifest.json`, which counts
what was made and lists the hunks that p2 does not carry as they were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from ctext import file_text
from edits import apply_edits, changed_file, new_file
from importer import Importer
from plan import FILES, HUNKS, PATCHED, Fate, FilePlan, PlanError, make_plan
from weave import Woven, weave

RELEASES = (("v1.0", 1_400_000_000), ("v1.1", 1_405_000_000))
PATCHES = ("p1.patch", "p2.patch")


class Generator:
    """Streams the planned files into the import, and gathers the commits, the patches and the manifest."""

    def __init__(self, out: Path, seed: int) -> None:
        """Start a repository in the folder `out`."""
        self._out, self._seed = out, seed
        self._importer = Importer(out / "repo.git")
        self._changes: tuple[list[str], list[str]] = ([], [])
        self._patches: tuple[dict[str, str], dict[str, str]] = ({}, {})
        self._counts: Counter[str] = Counter()
        self._hunks: list[dict[str, str | int]] = []

    def file(self, plan: FilePlan) -> None:
        """Make a file of either release, and what the patches change in it."""
        rng = Random(f"{self._seed}:{plan.path}")
        text = file_text(rng, plan.path, plan.lines)
        woven = Woven()
        if plan.changed or plan.hunks:
            lines = text.splitlines(keepends=True)
            woven = weave(rng, plan, lines)
            # Weaving may have put lines in that a patch is to replace.
            text = "".join(lines)
            self._patch(plan, lines, woven)
        self._upstream(plan, text, woven)
        self._count(plan, text, woven)

    def created(self, path: str, lines: int) -> None:
        """Make a file that only the patches have, the same in both; `lines` is its least length."""
        patch = new_file(path, file_text(Random(f"{self._seed}:{path}"), path, lines))
        for number, patches in enumerate(self._patches, 1):
            patches[path] = patch
            self._counts.update({f"p{number}_files": 1, f"p{number}_hunks": 1})
        self._counts["created_by_patch"] += 1

    def finish(self) -> None:
        """Commit both releases, and write patches and manifest."""
        for (tag, date), changes in zip(RELEASES, self._changes, strict=True):
            self._importer.release(tag, date, changes)
        for name, patches in zip(PATCHES, self._patches, strict=True):
            (self._out / name).write_bytes("".join(patches[path] for path in sorted(patches)).encode("latin-1"))
        manifest = {"seed": self._seed, "counts": dict(sorted(self._counts.items())), "hunks": self._hunks}
        (self._out / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        self._importer.finish()

    def _upstream(self, plan: FilePlan, text: str, woven: Woven) -> None:
        """Store a file's blobs, and note what each release's commit says about it."""
        mode = "100755" if plan.path.endswith(".sh") else "100644"
        mark = self._importer.blob(text)
        if not plan.added:
            self._changes[0].append(f"M {mode} :{mark} {plan.path}")
        if plan.deleted or plan.new_path:
            self._changes[1].append(f"D {plan.path}")
        if woven.upstream:
            mark = self._importer.blob("".join(apply_edits(text.splitlines(keepends=True), woven.upstream)))
        if not plan.deleted and (plan.added or plan.new_path or woven.upstream):
            self._changes[1].append(f"M {mode} :{mark} {plan.new_path or plan.path}")

    def _patch(self, plan: FilePlan, lines: list[str], woven: Woven) -> None:
        """Write what each patch changes in a file."""
        second = apply_edits(lines, woven.upstream)
        sides = ((plan.path, lines, woven.first), (plan.new_path or plan.path, second, woven.second))
        for number, (path, old, edits) in enumerate(sides, 1):
            if edits:
                self._patches[number - 1][path], hunks = changed_file(path, old, edits)
                self._counts.update({f"p{number}_files": 1, f"p{number}_hunks": hunks})

    def _count(self, plan: FilePlan, text: str, woven: Woven) -> None:
        """Count a file and its hunks for the manifest."""
        for name in ("added", "deleted"):
            self._counts[name] += bool(getattr(plan, name))
        self._counts["renamed"] += plan.new_path is not None
        self._counts["changed"] += bool(woven.upstream)
        self._counts["files"] += not plan.added
        self._counts["not_utf8"] += not text.isascii() and not _is_utf8(text)
        self._counts["hunks_with_changed_context"] += woven.near
        for line, fate in woven.fates:
            name = "file-deleted" if plan.deleted else fate.value
            self._counts[f"hunks_{name}"] += 1
            if name != Fate.KEPT.value:
                self._hunks.append({"path": plan.path, "line": line, "fate": name})


def _is_utf8(text: str) -> bool:
    """Tell whether a latin-1 text is UTF-8 as bytes."""
    try:
        text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return False
    return True


def generate(out: Path, seed: int, files: int, patched: int, hunks: int) -> None:
    """Write the repository, the patches and the manifest into the folder `out`."""
    plan = make_plan(seed, files, patched, hunks)
    out.mkdir(parents=True, exist_ok=True)
    generator = Generator(out, seed)
    for one in plan.files:
        generator.file(one)
    for path, lines in plan.created:
        generator.created(path, lines)
    generator.finish()


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate what the command line asks for, and give the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, required=True, metavar="N")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder, empty or not there yet")
    parser.add_argument("--files", type=int, default=FILES, help="files of the first release (%(default)s)")
    parser.add_argument("--patched", type=int, default=PATCHED, help="files that p1 touches (%(default)s)")
    parser.add_argument("--hunks", type=int, default=HUNKS, help="hunks of p1 (%(default)s)")
    options = parser.parse_args(arguments)
    out: Path = options.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        parser.error(f"{out} is there and is no empty folder")
    try:
        generate(out, options.seed, options.files, options.patched, options.hunks)
    except (PlanError, OSError, subprocess.CalledProcessError) as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
