"""Ways of planting the same lines many times: only order and place tell such changes apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.truth import forms
from tests.truth.ground import Ground
from tests.truth.model import ABSORBED, CARRIED, DROPPED, MOVED, ORPHANED, Edit
from tests.truth.planter import APART, Planter


def twins(planter: Planter) -> Iterator[None]:
    """The same lines many times in one file and in several; of each text, some are lost, or new, or misplaced."""
    for ground in planter.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None):
        text = planter.rng.choice(forms.TWINS)
        way = planter.twins[text]
        near = planter.rng.random() < 0.4
        places = [at for at in ground.statements if planter.suits(ground, at, near, APART, 3)]
        strays = [at for at in ground.statements if planter.suits(ground, at, False, APART, 3)] if way == 2 else []
        count = planter.rng.randrange(2, 9)
        for at in planter.rng.sample(places, min(count, len(places))):
            if not planter.room(ground, at, at + 1):
                continue
            pad = forms.indent_of(ground.before[at])
            old, new = planter.carry(ground, at, at, tuple(pad + line for line in text))
            away = stray(planter, ground, at, strays) if way == 2 else None
            if way == 0 and planter.rng.random() < 0.3:
                planter.add("twin new", None, new, (), (("new", "downstream"),))
            elif way == 1 and planter.rng.random() < 0.3:
                planter.add("twin dropped", old, None, DROPPED, ())
            elif away is not None:
                _, edit = planter.carry(ground, away, away, old.added)
                planter.add("twin misplaced", old, edit, MOVED, MOVED, "misplaced")
                strays = []
                way = 3
            else:
                planter.add("twin refreshed" if near else "twin", old, new, CARRIED, CARRIED)
            yield


def stray(planter: Planter, ground: Ground, at: int, places: list[int]) -> int | None:
    """A free place in another living function, far from a line; None if there is none."""
    some = [
        other
        for other in places
        if abs(other - at) > 2 * APART
        and ground.name_of(other) != ground.name_of(at)
        and ground.lives(other)
        and ground.lives(at)
        and planter.room(ground, other, other + 1)
    ]
    return planter.rng.choice(some) if some else None


def twins_in_one_function(planter: Planter) -> Iterator[None]:
    """The same lines several times within one function, close together; some are lost, some are taken by upstream."""
    text = next(text for text, way in planter.twins.items() if way == 1)
    for ground in planter.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None):
        by_head: dict[bytes, list[int]] = defaultdict(list)
        for at in ground.statements:
            if planter.suits(ground, at, False, APART, 3):
                by_head[ground.head_of(at)].append(at)
        heads = sorted(head for head, some in by_head.items() if head and len(some) > 5)
        if not heads:
            continue
        last = -99
        for at in by_head[planter.rng.choice(heads)]:
            if at - last < 3:
                continue
            last = at
            pad = forms.indent_of(ground.before[at])
            old, new = planter.carry(ground, at, at, tuple(pad + line for line in text))
            way = planter.rng.random()
            if way < 0.2:
                planter.add("close twin dropped", old, None, DROPPED, ())
            elif way < 0.3:
                planter.done.upstream.append(new)
                planter.add("close twin absorbed", old, None, ABSORBED, ())
            else:
                planter.add("close twin", old, new, CARRIED, CARRIED)
            yield


def twins_gone(planter: Planter) -> Iterator[None]:
    """A text that stands elsewhere too, in code that upstream took out."""
    text = next(text for text, way in planter.twins.items() if way == 1)
    for ground, at in planter.gone():
        path = ground.pair.old
        assert path is not None
        planter.take(0, path, at, at + 1)
        pad = forms.indent_of(ground.before[at])
        planter.add("twin orphaned", Edit(path, at, at, tuple(pad + line for line in text)), None, ORPHANED, ())
        yield


def twins_on_upstream(planter: Planter) -> Iterator[None]:
    """A text that stands elsewhere too, inside code that upstream brought."""
    text = next(text for text, way in planter.twins.items() if way == 0)
    for ground, at in planter.fresh():
        path = ground.pair.new
        assert path is not None
        planter.take(1, path, at, at + 1)
        pad = forms.indent_of(ground.after[at])
        edit = Edit(path, at, at, tuple(pad + line for line in text))
        planter.add("twin new on upstream", None, edit, (), (("new", "upstream"),))
        yield
