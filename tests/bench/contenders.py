"""What is measured: metadiff, git's own steps, `git range-diff` and `interdiff`; and how many lines each shows."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from measure import BenchError, Usage, measure, sealed
from stores import IDENTITY, TAGS, Store

_CONFLICT_MARKER = re.compile(rb"-(<{7} |={7}$|>{7} )")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What every contender gets: a base that holds two releases, a patch for each, and `timeout` seconds a command."""

    base: Store
    patches: tuple[Path, Path]
    metadiff: Sequence[str]
    timeout: float


class Arena:
    """One round: fresh clones and homes in a folder of its own.

    Every measure writes its logs there, so they are gone after `close`.
    """

    def __init__(self, folder: Path, inputs: Inputs) -> None:
        """Make the folder of the round, and a clone and a home each for metadiff and for git, untimed."""
        folder.mkdir()
        self._folder, self._inputs = folder, inputs
        self._ours, self._gits = (inputs.base.clone(folder / f"{name}.git") for name in ("metadiff", "git"))
        for store in (self._ours, self._gits):
            store.home = store.path.with_suffix(".home")
            store.home.mkdir()
        self._downstream: list[str] = []
        self._merged = ""

    def close(self) -> None:
        """Delete everything of the round."""
        shutil.rmtree(self._folder)

    def metadiff(self, *options: str) -> Usage:
        """Run metadiff in its clone: cold the first time, repeated afterwards."""
        inputs = self._inputs
        command = [*inputs.metadiff, *options, *TAGS, "--patches", *map(str, inputs.patches)]
        return self._run("metadiff", command, self._ours)

    def git_steps(self) -> dict[str, Usage]:
        """Run git's own steps in the other clone: both patches applied, the merge of U2 and D1, the diff to D2."""
        steps: dict[str, Usage] = {}
        for tag, patch in zip(TAGS, self._inputs.patches, strict=True):
            index = {"GIT_INDEX_FILE": str(self._folder / f"{tag}.index")}
            steps[f"read-tree {tag}"] = self._step(["read-tree", tag], index)
            steps[f"apply {tag}"] = self._step(["apply", "--cached", "--whitespace=nowarn", str(patch)], index)
            steps[f"write-tree {tag}"] = written = self._step(["write-tree"], index)
            self._downstream.append(written.first_line())
        commits = []
        for name, tree in (("ours", "u2^{tree}"), ("theirs", self._downstream[0])):
            steps[f"commit-tree {name}"] = made = self._step(["commit-tree", "-p", "u1", "-m", name, tree])
            commits.append(made.first_line())
        merged = self._step(["merge-tree", "--write-tree", *commits], codes=(0, 1))
        steps["merge-tree"] = replace(merged, complaint="merge-tree met conflicts" if merged.code else "")
        self._merged = merged.first_line()
        steps["diff-tree"] = self._step(["diff-tree", "-r", "-p", "-M", self._merged, self._downstream[1]])
        return steps

    def range_diff(self) -> Usage:
        """Run `git range-diff` on the two patches as one commit each, after `git_steps` has made their trees."""
        sides = zip(TAGS, self._downstream, self._inputs.patches, strict=True)
        ranges = [f"{tag}..{self._gits.commit(patch.name, tree, tag)}" for tag, tree, patch in sides]
        return self._run("range-diff", ["git", "range-diff", "--no-color", *ranges], self._gits)

    def interdiff(self) -> Usage:
        """Run patchutils' interdiff on the two patches."""
        return self._run("interdiff", ["interdiff", *map(str, self._inputs.patches)], self._gits)

    def shown_by_git(self) -> dict[str, str]:
        """Count, after `git_steps`, the lines of the plain diff and of jj's way; untimed."""
        first, second = self._downstream
        log = self._step(["diff-tree", "-r", "-p", "-M", self._merged, second])
        markers = sum(1 for line in log.lines() if _CONFLICT_MARKER.match(line))
        return {
            "D1..D2": f"{self._changed_lines(first, second):,} changed lines",
            "jj-style": f"{self._changed_lines(self._merged, second):,} changed lines, {markers:,} conflict markers",
        }

    def shown_by_metadiff(self) -> str:
        """Count the changed lines of `metadiff --patch`, as `git apply --numstat` counts them; untimed."""
        patch = self.metadiff("--patch")
        if patch.code:
            return f"--patch: exit {patch.code}"
        counted = self._gits.git("apply", "--numstat", "--allow-empty", str(patch.output))
        return f"{_sum_numstat(counted):,} changed lines"

    def _changed_lines(self, old: str, new: str) -> int:
        return _sum_numstat(self._gits.git("diff-tree", "-r", "-M", "--numstat", old, new))

    def _step(
        self, arguments: Sequence[str], extra: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)
    ) -> Usage:
        """Measure one of git's own steps, which must end with one of the given exit codes."""
        usage = self._run(f"git-{arguments[0]}", ["git", *arguments], self._gits, extra)
        if usage.code not in codes:
            raise BenchError(f"git {arguments[0]}: exit {usage.code}: {usage.complaint}")
        return usage

    def _run(self, name: str, command: Sequence[str], store: Store, extra: Mapping[str, str] | None = None) -> Usage:
        """Measure a command inside a clone, with the clone's home."""
        env = sealed(store.home, {"TMPDIR": str(self._folder)} | dict(extra or {}))
        if store is self._gits:
            env |= IDENTITY
        return measure(command, env, store.path, self._folder / name, self._inputs.timeout)


def _sum_numstat(numstat: str) -> int:
    """Add up added and removed lines; binary files count nothing."""
    fields = (line.split("\t")[:2] for line in numstat.splitlines())
    return sum(int(number) for pair in fields for number in pair if number != "-")
