"""Plantings as series of patches, and who pairs the patches right: the tool, or `git range-diff`."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.truth.measure import PAIRED, Groups, Planted
from tests.truth.model import Planting
from tests.truth.releases import Releases

Pairs = set[tuple[int, int]]
FACTORS = (30, 60, 90, 99)
LINE = re.compile(rb"^ *(\d+): +[0-9a-f]+ [=!] +(\d+): ", re.MULTILINE)


def groups(planting: Planting, size: int, seed: int) -> Groups:
    """Put the plants into patches of about `size`; in the newer series some patches are split, folded or reordered."""
    rng = random.Random(seed)
    serials = [plant.serial for plant in planting.plants]
    rng.shuffle(serials)
    old = {serial: 10 * (at // size) for at, serial in enumerate(serials)}
    new = dict(old)
    for patch in sorted(set(old.values())):
        members = [serial for serial in serials if old[serial] == patch]
        way = rng.random()
        if way < 0.1:
            new.update((serial, patch + 1) for serial in members[::2])  # split in two
        elif way < 0.2 and patch:
            new.update((serial, patch - 10) for serial in members)  # folded into the one before
        elif way < 0.35:
            new.update((serial, patch - 25) for serial in members)  # two places earlier
    return old, new


def truth(planted: Planted) -> Pairs:
    """The patches that share a planted change."""
    return {
        (planted.old.spots[plant.serial].patch, planted.new.spots[plant.serial].patch)
        for plant in planted.planting.plants
        if plant.old is not None and plant.new is not None and plant.origins[0][0] in (*PAIRED, "carried")
    }


def said(document: Mapping[str, Any]) -> Pairs:
    """The tool's pairs."""
    return {(edge["a"], edge["b"]) for edge in document["patch_edges"]}


def commits(releases: Releases, base: str, patches: tuple[bytes, ...]) -> str:
    """The series as commits on a release; the last one."""
    index = str(releases.folder / "index")
    parent = releases.run("rev-parse", base + "^{commit}").decode().strip()
    releases.run("read-tree", base, GIT_INDEX_FILE=index)
    for at, text in enumerate(patches):
        releases.run("apply", "--cached", "--whitespace=nowarn", stdin=text, GIT_INDEX_FILE=index)
        tree = releases.run("write-tree", GIT_INDEX_FILE=index).decode().strip()
        parent = releases.run("commit-tree", "-p", parent, "-m", f"patch {at}", tree).decode().strip()
    return parent


def range_diff(releases: Releases, planted: Planted, factors: Sequence[int] = FACTORS) -> dict[int, Pairs]:
    """What `git range-diff` pairs, by creation factor. The commits have no telling subjects."""
    old, new = (commits(releases, tag, side.patches) for tag, side in (("u1", planted.old), ("u2", planted.new)))
    found = {}
    for factor in factors:
        out = releases.run("range-diff", "-s", f"--creation-factor={factor}", f"u1..{old}", f"u2..{new}")
        found[factor] = {(int(a) - 1, int(b) - 1) for a, b in LINE.findall(out)}
    return found


def table(releases: Releases, planted: Planted, document: Mapping[str, Any]) -> str:
    """Precision and recall at patch level."""
    right = truth(planted)
    rows = {"git metadiff": said(document)}
    rows.update((f"range-diff {factor}", pairs) for factor, pairs in range_diff(releases, planted).items())
    lines = [f"-- patches: {len(planted.old.patches)} and {len(planted.new.patches)}, {len(right)} pairs"]
    for name, pairs in rows.items():
        precision = len(pairs & right) / len(pairs) if pairs else 1.0
        lines.append(f"   {name:29} {precision:9.4f} {len(pairs & right) / max(1, len(right)):7.4f}")
    return "\n".join(lines)
