"""`python -m tests.truth --old RELEASE --new RELEASE [--repo R] --seeds 1 2 --plants 300`: the large measurement."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.truth import measure, series, tables
from tests.truth.releases import Releases
from tests.truth.ways import plant


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.truth", description=__doc__, allow_abbrev=False)
    parser.add_argument("--old", required=True, help="the older release: a directory, or a revision of --repo")
    parser.add_argument("--new", required=True, help="the newer release")
    parser.add_argument("--repo", type=Path, help="a repository that holds the releases")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--plants", type=int, default=300, help="how many changes to plant (default 300)")
    parser.add_argument("--series", type=int, default=0, metavar="N", help="as series of patches of about N changes")
    parser.add_argument("--wrong", action="store_true", help="list every wrong verdict with the texts")
    parser.add_argument("--keep", type=Path, help="keep trees, patches and documents in this folder")
    return parser.parse_args()


def main() -> int:
    """Plant, measure and print."""
    args = arguments()
    total, text_total = measure.Score(), measure.Score()
    for seed in args.seeds:
        folder = Path(tempfile.mkdtemp(prefix="metadiff-truth-")) if args.keep is None else args.keep / str(seed)
        if args.keep is not None:
            shutil.rmtree(folder, ignore_errors=True)
        try:
            found, text = once(args, seed, folder)
        finally:
            if args.keep is None:
                shutil.rmtree(folder, ignore_errors=True)
        total.add(found)
        text_total.add(text)
    if len(args.seeds) > 1:
        print(tables.table("all seeds: git metadiff", total))
        print(tables.table("all seeds: text only", text_total, kinds=False))
    return 0


def once(args: argparse.Namespace, seed: int, folder: Path) -> tuple[measure.Score, measure.Score]:
    """One seed."""
    releases = Releases(folder, args.repo)
    old, new = (releases.tree_of(name, args.repo) for name in (args.old, args.new))
    releases.tag("u1", old)
    pair = releases.pair(old, new, seed)
    planting = plant(pair, seed, args.plants)
    grouped = series.groups(planting, args.series, seed) if args.series else measure.ALONE
    planted = measure.lay_out(releases, pair, planting, new, grouped)
    start = time.monotonic()
    answers, document = measure.ask(releases, planted)
    spent = time.monotonic() - start
    found = measure.score(planted, answers)
    text = measure.score(planted, measure.text_only(planted))
    print(f"== {os.path.basename(args.old)} {os.path.basename(args.new)} seed {seed}:", end=" ")
    print(f"{len(pair.files)} files, {len(planting.plants)} plants, {spent:.1f} s")
    print(tables.table("git metadiff", found))
    print(tables.table("text only", text, kinds=False))
    if args.series:
        print(series.table(releases, planted, document))
    if args.wrong:
        print(tables.wrongs(found, planted))
    sys.stdout.flush()
    return found, text


if __name__ == "__main__":
    sys.exit(main())
