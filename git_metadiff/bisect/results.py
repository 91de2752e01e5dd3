"""Results of tests, kept beyond a session: a tree that was tested by a job is not tested again by it.

They lie in the repository's own folder, shared by its work trees: one small file a result. What cannot be tested is not
kept: that may be for a reason outside the tree.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import cast

from git_metadiff.bisect.job import Job
from git_metadiff.bisect.runner import Outcome
from git_metadiff.bisect.search import Answer
from git_metadiff.git import replace_file

FOLDER = "metadiff-results"
LARGEST = 1 << 16


class Results:
    """The results of one job."""

    def __init__(self, common_dir: Path, key: str, job: Job) -> None:
        self._folder = common_dir / FOLDER
        self._key, self._job = key[:16], job

    def find(self, tree: str) -> Outcome | None:
        """What was found of a tree, if it was confirmed as often as is asked for."""
        try:
            path = self._path(tree)
            data = json.loads(path.read_bytes()) if path.stat().st_size < LARGEST else {}
            answer, votes = cast(Answer, data["answer"]), int(data["votes"])
            is_proof = answer == "bad" and bool(self._job.expect)
            if answer in ("good", "bad") and (votes >= self._job.confirm or is_proof):
                return Outcome(answer, str(data["why"]), seconds=float(data["seconds"]), votes=votes)
        except (OSError, ValueError, TypeError, LookupError):
            return None
        return None

    def keep(self, tree: str, outcome: Outcome) -> None:
        """Keep what was found of a tree."""
        if outcome.answer == "skip":
            return
        self._folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as workplace:
            replace_file(self._path(tree), json.dumps(asdict(outcome)).encode() + b"\n", Path(workplace))

    def drop(self, tree: str) -> None:
        """Forget what was found of a tree."""
        with suppress(FileNotFoundError):
            os.unlink(self._path(tree))

    def _path(self, tree: str) -> Path:
        return self._folder / f"{self._key}-{tree}.json"
