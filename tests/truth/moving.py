"""Ways of planting changes that stand elsewhere in the newer patchset."""

from __future__ import annotations

from collections.abc import Iterator

from tests.truth import forms
from tests.truth.model import MOVED, Edit, Says
from tests.truth.planter import APART, Planter


def misplaced(planter: Planter) -> Iterator[None]:
    """The change in another function of its file, and its own place is still there."""
    for ground, at in planter.places(False, APART):
        others = [
            other
            for other in ground.statements
            if abs(other - at) > 2 * APART
            and ground.name_of(other) != ground.name_of(at)
            and ground.lives(other)
            and ground.lives(at)
            and forms.indent_of(ground.before[other]) == forms.indent_of(ground.before[at])
            and planter.suits(ground, other, False, APART, 3)
        ]
        alike = [
            other
            for other in others
            if ground.before[other] == ground.before[at] or ground.before[other - 1] == ground.before[at - 1]
        ]
        if not others:
            continue
        to = planter.rng.choice(alike or others)
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        if not planter.strange_everywhere(ground.path, added):
            continue
        old, _ = planter.carry(ground, at, at, added)
        _, edit = planter.carry(ground, to, to, added)
        planter.add("misplaced" + (" alike" if alike else ""), old, edit, MOVED, MOVED, "misplaced")
        yield


def moved_to_file(planter: Planter) -> Iterator[None]:
    """The change in another file."""
    for ground, at in planter.places(False, APART):
        other, to = next(planter.places(False, APART))
        if other is ground:
            continue
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        if sum(map(len, added)) < 24 or not planter.strange_everywhere(ground.path, added):
            continue
        old, _ = planter.carry(ground, at, at, added)
        _, edit = planter.carry(other, to, to, added)
        planter.add("moved to file", old, edit, MOVED, MOVED, "misplaced")
        yield


def moved_from_gone(planter: Planter) -> Iterator[None]:
    """Upstream took the code out; the author has put his change into another function that is still there."""
    for ground, at in planter.gone():
        if ground.pair.new is None:
            continue
        others = [
            other
            for other in ground.statements
            if ground.head_of(other) not in (ground.head_of(at), b"")
            and ground.lives(other)
            and planter.suits(ground, other, False, APART, 3)
        ]
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        path = ground.pair.old
        assert path is not None
        if not others or not planter.strange_everywhere(ground.path, added):
            continue
        planter.take(0, path, at, at + 1)
        to = planter.rng.choice(others)
        _, edit = planter.carry(ground, to, to, added)
        either: tuple[Says, ...] = (("moved", None),)
        planter.add("moved from gone", Edit(path, at, at, added), edit, either, either)
        yield
