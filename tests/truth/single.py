"""Ways of planting changes that only one patchset has: lost, without their code, taken by upstream, or new."""

from __future__ import annotations

from collections.abc import Iterator

from tests.truth import forms
from tests.truth.ground import telling
from tests.truth.model import ABSORBED, BY_UPSTREAM, DROPPED, ORPHANED, Edit
from tests.truth.planter import APART, Planter


def dropped(planter: Planter) -> Iterator[None]:
    """A change that could have been carried and was not."""
    for ground, at in planter.places(planter.rng.random() < 0.3, APART):
        start, stop, added = planter.text(ground, at)
        if not planter.strange(0, ground.path, added, tuple(ground.before[start:stop])):
            continue
        old, _ = planter.carry(ground, start, stop, added)
        planter.add("dropped", old, None, DROPPED, ())
        yield


def new(planter: Planter) -> Iterator[None]:
    """A change that only p2 has, on old code."""
    for ground, at in planter.places(False, APART, 5):
        start, stop, added = planter.text(ground, at)
        if not planter.strange(1, ground.path, added, tuple(ground.before[start:stop])):
            continue
        _, edit = planter.carry(ground, start, stop, added)
        planter.add("new", None, edit, (), (("new", "downstream"),))
        yield


def new_on_upstream(planter: Planter) -> Iterator[None]:
    """A change that only p2 has, inside code that upstream brought."""
    for ground, at in planter.fresh():
        path = ground.pair.new
        assert path is not None
        added = forms.inserted(planter.rng, planter.words, ground.after[at])
        if not planter.strange(1, ground.path, added):
            continue
        planter.take(1, path, at, at + 1)
        planter.add("new on upstream", None, Edit(path, at, at, added), (), (("new", "upstream"),))
        yield


def orphaned(planter: Planter) -> Iterator[None]:
    """A change of code that upstream took out."""
    for ground, at in planter.gone():
        path = ground.pair.old
        assert path is not None
        start, stop, added = planter.text(ground, at)
        if not planter.strange(0, ground.path, added, tuple(ground.before[start:stop])):
            continue
        planter.take(0, path, start, stop + 1)
        planter.add("orphaned", Edit(path, start, stop, added), None, ORPHANED, ())
        yield


def reverted(planter: Planter) -> Iterator[None]:
    """p2 takes back what upstream changed."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, min(3, len(ground.pair.blocks))):
            assert ground.pair.old is not None and ground.pair.new is not None
            was = tuple(ground.before[a:b])
            if not 0 < b - a < 9 or not 0 < d - c < 9 or not any(telling(line) for line in was):
                continue
            if not planter.free(0, ground.pair.old, a, b) or not planter.free(1, ground.pair.new, c, d):
                continue
            if not planter.strange(1, ground.path, was, tuple(ground.after[c:d])):
                continue
            planter.take(0, ground.pair.old, a, b)
            planter.take(1, ground.pair.new, c, d)
            planter.add("reverted", None, Edit(ground.pair.new, c, d, was), (), (("new", None),))
            yield


def applied_twice(planter: Planter) -> Iterator[None]:
    """Upstream took the change, and p2 applies it once more."""
    for ground, at in planter.places(False, APART):
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        if not planter.strange_everywhere(ground.path, added):
            continue
        old, edit = planter.carry(ground, at, at, added)
        planter.done.upstream.append(Edit(edit.path, edit.start, edit.stop, added))
        planter.add("applied twice", old, edit, ABSORBED, (("new", None),))
        yield


def absorbed(planter: Planter) -> Iterator[None]:
    """Upstream took the change: as it was, with other white space, or with another comment."""
    for ground, at in planter.places(False, APART):
        start, stop, added = planter.text(ground, at)
        way = planter.rng.choice(("", "", " respaced", " commented"))
        theirs = added
        if way == " respaced":
            theirs = forms.respaced(planter.rng, added)
        elif way == " commented":
            theirs = forms.commented(planter.rng, planter.words, added)
        if not planter.strange(0, ground.path, added, tuple(ground.before[start:stop])):
            continue
        old, edit = planter.carry(ground, start, stop, added)
        edit.added = theirs
        planter.done.upstream.append(edit)
        planter.add("absorbed" + way, old, None, ABSORBED, ())
        yield


def absorbed_really(planter: Planter) -> Iterator[None]:
    """What upstream itself changed, as a downstream backport in p1."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, min(3, len(ground.pair.blocks))):
            assert ground.pair.old is not None and ground.pair.new is not None
            texts = (*ground.before[a:b], *ground.after[c:d])
            if b - a > 12 or d - c > 12 or not any(telling(line) for line in texts):
                continue
            if a < 1 or b >= len(ground.before) or not (ground.solid(a - 1, a) and ground.solid(b, b + 1)):
                continue
            if not planter.free(0, ground.pair.old, a, b + 1) or not planter.free(1, ground.pair.new, c, d):
                continue
            added = tuple(ground.after[c:d])
            if not planter.strange(0, ground.path, added, tuple(ground.before[a:b])):
                continue
            planter.take(0, ground.pair.old, a, b + 1)
            planter.take(1, ground.pair.new, c, d)
            planter.add("absorbed really", Edit(ground.pair.old, a, b, added), None, ABSORBED, ())
            yield


def deletion_absorbed(planter: Planter) -> Iterator[None]:
    """Upstream took out the lines too."""
    for ground, at in planter.places(False, APART):
        count = planter.rng.randrange(1, 5)
        lines = ground.before[at : at + count]
        if not ground.solid(at - 4, at + count + 5) or not planter.room(ground, at, at + count + 1):
            continue
        if not all(map(telling, lines)) or not planter.strange(0, ground.path, (), tuple(lines)):
            continue
        old, edit = planter.carry(ground, at, at + count, ())
        planter.done.upstream.append(edit)
        planter.add("deletion absorbed", old, None, ABSORBED, ())
        yield


def half_absorbed(planter: Planter) -> Iterator[None]:
    """Upstream took the first or the last lines of the change; p2 brings the others."""
    for ground, at in planter.places(False, APART):
        one = forms.inserted(planter.rng, planter.words, ground.before[at])
        two = forms.inserted(planter.rng, planter.words, ground.before[at])
        old, edit = planter.carry(ground, at, at, one + two)
        theirs = Edit(edit.path, edit.start, edit.stop, one)
        edit.added = two
        if planter.rng.random() < 0.5:
            theirs.added, edit.added = two, one
            edit.inside, edit.start, edit.stop = theirs, 0, 0
        planter.done.upstream.append(theirs)
        planter.add("half absorbed", old, edit, BY_UPSTREAM, BY_UPSTREAM)
        yield
