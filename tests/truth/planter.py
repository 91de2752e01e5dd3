"""Plants changes: each way of planting takes places that suit it and writes down what must become of the change."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator

from rapidfuzz.distance import Indel

from tests.truth import forms
from tests.truth.ground import Ground, telling
from tests.truth.model import Edit, Pair, Plant, Planting, Says

#: How far plants keep apart, so that most hunks hold one change.
APART = 8
#: How often all files are looked through for one way of planting.
ROUNDS = 12


class Full(Exception):
    """No place is left that suits."""


class Planter:
    """Plants into one pair, with one seed."""

    def __init__(self, pair: Pair, seed: int) -> None:
        self.rng = random.Random(seed)
        self.words = forms.Words(self.rng)
        self.grounds = [Ground(file) for file in pair.files]
        self.done = Planting()
        self.taken: tuple[dict[bytes, set[int]], dict[bytes, set[int]]] = (defaultdict(set), defaultdict(set))
        self.lost: list[tuple[bytes, bytes]] = []  # (path, text) of changes that only p1 has, or has elsewhere
        self.found: list[tuple[bytes, bytes]] = []  # the same of p2
        self.known_after: set[bytes] = {line.strip() for ground in self.grounds for line in ground.after}
        self.known_before: set[bytes] = {line.strip() for ground in self.grounds for line in ground.before}
        #: whether a twin's text may be new (0), lost (1) or misplaced (2), never two of these: both readings were right
        self.twins = {text: at % 3 for at, text in enumerate(forms.TWINS)}

    # --- room

    def free(self, side: int, path: bytes, low: int, high: int, apart: int = APART) -> bool:
        """Whether nothing is planted near these lines of U1 (side 0) or U2."""
        taken = self.taken[side][path]
        return not any(at in taken for at in range(low - apart, high + apart + 1))

    def take(self, side: int, path: bytes, low: int, high: int) -> None:
        """Note that something is planted here."""
        self.taken[side][path].update(range(low, high + 1))

    def room(self, ground: Ground, low: int, high: int, apart: int = APART) -> bool:
        """Whether lines of U1 that live on are free in both releases."""
        pair = ground.pair
        assert pair.old is not None and pair.new is not None
        to = ground.to_new[low]
        return self.free(0, pair.old, low, high, apart) and self.free(1, pair.new, to, to + high - low, apart)

    def settle(self, ground: Ground, low: int, high: int) -> None:
        """Take lines of U1 that live on in both releases."""
        assert ground.pair.old is not None and ground.pair.new is not None
        self.take(0, ground.pair.old, low, high)
        self.take(1, ground.pair.new, ground.to_new[low], ground.to_new[low] + high - low)

    # --- places

    def shuffled(self, wanted: Callable[[Ground], bool]) -> list[Ground]:
        """Some grounds in a new order; large files come more often to the front."""
        some = [ground for ground in self.grounds if wanted(ground)]
        weights = [1 + len(ground.before) + len(ground.after) for ground in some]
        keys = {id(ground): self.rng.random() ** (1000 / weight) for ground, weight in zip(some, weights, strict=True)}
        return sorted(some, key=lambda ground: -keys[id(ground)])

    def places(self, near_upstream: bool, apart: int, reach: int = 3) -> Iterator[tuple[Ground, int]]:
        """Statements of U1 that live on beside their neighbours, with or without a change of upstream's close by."""
        for _ in range(ROUNDS):
            found = False
            for ground in self.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None):
                for at in self.rng.sample(ground.statements, min(12, len(ground.statements))):
                    if self.suits(ground, at, near_upstream, apart, reach):
                        found = True
                        yield ground, at
                        break
            if not found:
                break
        raise Full

    def suits(self, ground: Ground, at: int, near_upstream: bool, apart: int, reach: int) -> bool:
        """Whether a statement is such a place."""
        if not ground.solid(at - 1, at + 1) or not self.room(ground, at, at + 1, apart):
            return False
        if not near_upstream:
            return ground.solid(at - reach - 1, at + reach + 2)
        low, high = max(0, at - 3), min(len(ground.before), at + 3)
        to = ground.to_new[at]
        return ground.before[low:high] != ground.after[max(0, to - 3) : to + 3]

    def gone(self) -> Iterator[tuple[Ground, int]]:
        """Statements of U1 whose code upstream took out: a whole block of lines, or the file."""
        for ground in self.shuffled(lambda one: one.pair.old is not None):
            whole = [(0, len(ground.before), 0, 0)] if ground.pair.new is None else ground.pair.blocks
            for a, b, c, d in self.rng.sample(whole, len(whole)):
                if b - a < 10 or (d - c) * 4 > b - a:
                    continue
                places = [at for at in ground.statements if a + 4 <= at < b - 4 and self.is_gone(ground, at)]
                for at in self.rng.sample(places, min(2, len(places))):
                    pair = ground.pair
                    assert pair.old is not None
                    if self.free(0, pair.old, at, at + 1) and (pair.new is None or self.free(1, pair.new, c, d, 3)):
                        yield ground, at

    def is_gone(self, ground: Ground, at: int) -> bool:
        """Whether the lines around one of U1 are nowhere in U2's files that upstream changed."""
        around = [line.strip() for line in ground.before[at - 5 : at + 5] if telling(line)]
        close = [line.strip() for line in ground.before[at - 2 : at + 2] if telling(line)]
        missing = sum(line not in self.known_after for line in around)
        return len(around) >= 3 and missing * 4 >= len(around) * 3 and all(x not in self.known_after for x in close)

    def fresh(self) -> Iterator[tuple[Ground, int]]:
        """Statements of U2 inside code that upstream brought: a whole block of lines, or a new file."""
        for ground in self.shuffled(lambda one: one.pair.new is not None):
            whole = [(0, 0, 0, len(ground.after))] if ground.pair.old is None else ground.pair.blocks
            for a, b, c, d in self.rng.sample(whole, len(whole)):
                if d - c < 9 or (b - a) * 4 > d - c:
                    continue
                places = [at for at in ground.new_statements if c + 3 <= at < d - 3 and self.is_fresh(ground, at)]
                for at in self.rng.sample(places, min(2, len(places))):
                    pair = ground.pair
                    assert pair.new is not None
                    if self.free(1, pair.new, at, at + 1) and (pair.old is None or self.free(0, pair.old, a, b, 3)):
                        yield ground, at

    def is_fresh(self, ground: Ground, at: int) -> bool:
        """Whether the lines around one of U2 are nowhere in U1's files that upstream changed."""
        around = [line.strip() for line in ground.after[at - 5 : at + 5] if telling(line)]
        close = [line.strip() for line in ground.after[at - 2 : at + 2] if telling(line)]
        missing = sum(line not in self.known_before for line in around)
        return len(around) >= 3 and missing * 4 >= len(around) * 3 and all(x not in self.known_before for x in close)

    def landing(self, ground: Ground, start: int, stop: int, abroad: bool) -> tuple[Ground, int] | None:
        """A place between functions, far from lines start..stop of this file or in another one."""
        some = self.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None) if abroad else [ground]
        for other in some[:40]:
            if abroad and other is ground:
                continue
            for at in self.rng.sample(other.gaps, len(other.gaps)):
                far = abroad or at > stop + 40 or at < start - 40
                if far and other.solid(at - 3, at + 3) and self.room(other, at, at + 1):
                    return other, at
        return None

    # --- texts

    def text(self, ground: Ground, at: int) -> tuple[int, int, tuple[bytes, ...]]:
        """Some change at a statement of U1: its removed lines and its added ones."""
        line = ground.before[at]
        way = self.rng.random()
        if way < 0.2:
            wrapped = forms.replaced(self.rng, self.words, line)
            if wrapped is not None and telling(line):
                return at, at + 1, wrapped
        return at, at, forms.inserted(self.rng, self.words, line)

    def strange(self, side: int, path: bytes, added: tuple[bytes, ...], removed: tuple[bytes, ...] = ()) -> bool:
        """Whether a change that one side lacks is unlike all that the other side lacks; then it is noted.

        A dropped and a new change with like texts could as well be one that moved: both readings would be right.
        """
        text = b"\n".join(line.strip() for line in (*removed, *added))
        if not unlike(text, path, self.found if side == 0 else self.lost):
            return False
        (self.lost if side == 0 else self.found).append((path, text))
        return True

    def strange_everywhere(self, path: bytes, added: tuple[bytes, ...]) -> bool:
        """The same for a change that changes its place: it is lost at one and found at the other."""
        text = b"\n".join(line.strip() for line in added)
        if not unlike(text, path, [*self.found, *self.lost]):
            return False
        self.lost.append((path, text))
        self.found.append((path, text))
        return True

    # --- planting

    def add(self, kind: str, old: Edit | None, new: Edit | None, fates: tuple[Says, ...], origins: tuple[Says, ...],
            reason: str | None = None) -> None:  # fmt: skip
        """Plant one."""
        self.done.plants.append(Plant(kind, old, new, fates, origins, reason, len(self.done.plants)))

    def carry(self, ground: Ground, start: int, stop: int, added: tuple[bytes, ...]) -> tuple[Edit, Edit]:
        """The same edit of both releases, where its lines live on."""
        assert ground.pair.old is not None and ground.pair.new is not None
        low = ground.to_new[start]
        self.settle(ground, start, max(stop, start + 1))
        return Edit(ground.pair.old, start, stop, added), Edit(ground.pair.new, low, low + stop - start, added)


def unlike(text: bytes, path: bytes, others: list[tuple[bytes, bytes]]) -> bool:
    """Whether a text is like none of others, of which those in its own file may be less like it."""
    return not any(
        Indel.normalized_similarity(text, known) > (0.55 if other == path else 0.75) for other, known in others
    )
