"""All ways of planting, and how much of each a planting has."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.truth import changed, living, moving, single, twins, whole
from tests.truth.model import Pair, Planting
from tests.truth.planter import Full, Planter

Way = Callable[[Planter], Iterator[None]]
#: The ways of planting and what share of the plants each has, in the order in which they take their places: those
#: that need rare places come first.
WAYS: tuple[tuple[Way, float], ...] = (
    (living.file_renamed, 0.04),
    (living.function_moved, 0.06),
    (living.function_copied, 0.02),
    (changed.renamed_words, 0.03),
    (living.split_hunk, 0.02),
    (changed.deleted_around, 0.02),
    (single.absorbed_really, 0.04),
    (single.reverted, 0.02),
    (moving.moved_from_gone, 0.02),
    (single.orphaned, 0.08),
    (single.new_on_upstream, 0.06),
    (twins.twins_in_one_function, 0.05),
    (twins.twins_gone, 0.01),
    (twins.twins_on_upstream, 0.01),
    (changed.edited_much, 0.03),
    (changed.reindented, 0.02),
    (living.slid, 0.02),
    (living.beside_upstream, 0.02),
    (living.refreshed_between, 0.02),
    (changed.edited_by_upstream, 0.07),
    (changed.edited_by_both, 0.02),
    (moving.misplaced, 0.05),
    (living.refreshed, 0.1),
    (whole.new_function, 0.05),
    (whole.deleted, 0.05),
    (twins.twins, 0.14),
    (single.absorbed, 0.1),
    (single.deletion_absorbed, 0.02),
    (single.half_absorbed, 0.03),
    (single.applied_twice, 0.02),
    (changed.respaced, 0.01),
    (whole.new_files, 0.03),
    (moving.moved_to_file, 0.03),
    (single.dropped, 0.07),
    (single.new, 0.05),
    (changed.edited, 0.07),
    (living.crowded, 0.08),
    (living.kept, 0.08),
)


def plant(pair: Pair, seed: int, count: int) -> Planting:
    """Plant about `count` changes; fewer of a kind where the releases have no place for more."""
    planter = Planter(pair, seed)
    for way, share in WAYS:
        steps = way(planter)
        try:
            for _ in range(max(1, round(share * count))):
                next(steps)
        except (Full, StopIteration):
            continue
    return planter.done
