"""What of a guilty group matters: delta debugging, and the pair of hunks that fail only together.

`ddmin` is the algorithm of Zeller, "Yesterday, my program worked. Today, it does not. Why?" (ESEC/FSE 1999), in the
form of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (2002): subsets, then complements,
then a finer division. Its result is minimal in that no single part can be left out; parts without which nothing can be
tested are told from those that are known to be needed. Pure: a test is a function of a selection.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from git_metadiff.bisect.search import Answer

T = TypeVar("T")
#: Whether a selection of the parts fails.
Test = Callable[[frozenset[T]], Answer]


@dataclass(frozen=True)
class Minimal(Generic[T]):
    """The parts that are left of a failure."""

    parts: tuple[T, ...]  # together they fail
    needed: frozenset[T]  # without this one, the rest of them works
    tests: int  # selections that were asked about, each once

    @property
    def is_certain(self) -> bool:
        """Whether each part is known to be needed; if not, nobody can say what it has to do with the failure."""
        return self.needed == frozenset(self.parts)

    @property
    def undetermined(self) -> tuple[T, ...]:
        """The parts without which nothing could be tested."""
        return tuple(part for part in self.parts if part not in self.needed)


class Asked(Generic[T]):
    """A test that is asked no question twice, and none that can be answered from what is known."""

    def __init__(self, test: Test[T], everything: Iterable[T]) -> None:
        self._test = test
        self._answers: dict[frozenset[T], Answer] = {frozenset(): "good", frozenset(everything): "bad"}
        self.tests = 0

    def __call__(self, chosen: Iterable[T]) -> Answer:
        key = frozenset(chosen)
        if key not in self._answers:
            self.tests += 1
            self._answers[key] = self._test(key)
        return self._answers[key]


def ddmin(parts: Sequence[T], test: Test[T]) -> Minimal[T]:
    """The parts that matter: `test` of all of them is bad and of none of them is good, which is not tested again.

    `parts` are unique and in the order in which neighbours belong together.
    """
    asked = Asked(test, parts)
    left = list(parts)
    pieces = min(2, len(left))
    while len(left) > 1:
        divided = split(left, pieces)
        found = next((one for one in divided if asked(one) == "bad"), None)
        if found is not None:
            left, pieces = found, min(2, len(found))
            continue
        found = next((rest for rest in complements(left, divided) if asked(rest) == "bad"), None)
        if found is not None:
            left, pieces = found, min(max(pieces - 1, 2), len(found))
        elif pieces < len(left):
            pieces = min(len(left), 2 * pieces)
        else:
            break
    needed = {part for part in left if asked(one for one in left if one != part) == "good"}
    return Minimal(tuple(left), frozenset(needed), asked.tests)


def split(parts: Sequence[T], pieces: int) -> list[list[T]]:
    """`parts` divided into about equal pieces, in order."""
    bounds = [len(parts) * number // pieces for number in range(pieces + 1)]
    return [list(parts[start:stop]) for start, stop in itertools.pairwise(bounds) if start < stop]


def complements(parts: Sequence[T], divided: Sequence[Sequence[T]]) -> list[list[T]]:
    """All parts but those of one piece, for each piece; with two pieces these are the pieces themselves."""
    if len(divided) <= 2:
        return []
    gone = [frozenset(piece) for piece in divided]
    return [[part for part in parts if part not in piece] for piece in gone]


@dataclass(frozen=True)
class Pair(Generic[T]):
    """The hunks of both sides that fail only together."""

    upstream: tuple[T, ...]
    downstream: tuple[T, ...]
    doubt: str = ""  # what could not be determined, in words; empty if they are a pair


def pair(upstream: Minimal[T], downstream: Minimal[T], without: Callable[[str, frozenset[T]], Answer]) -> Pair[T]:
    """Whether what is guilty on the upstream axis and what is on the patchset axis are one failure.

    `without` tests the end of an axis (`upstream` or `downstream`) without some of its parts. They are a pair if it
    works without either: each is needed where all else is in. Parts that could not be told apart from one that is
    needed (as a rule those without which it does not build) go with it, or stay, whichever can be tested.
    """
    sides = {"upstream": upstream, "downstream": downstream}
    found = Pair(upstream.parts, downstream.parts)
    for name, side in sides.items():
        if not side.needed:
            return replace(found, doubt=f"which of the {name} hunks matter")
    for name, side in sides.items():
        answers = (without(name, parts) for parts in dict.fromkeys((frozenset(side.parts), side.needed)))
        answer = next((one for one in answers if one != "skip"), "skip")
        if answer == "skip":
            return replace(found, doubt=f"what happens without the {name} hunks alone")
        if answer == "bad":
            doubt = f"whether they are one failure: it fails without the {name} hunks too, so something else is guilty"
            return replace(found, doubt=doubt)
    return found
