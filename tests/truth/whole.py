"""Ways of planting whole functions and files, and deletions of whole blocks."""

from __future__ import annotations

from collections.abc import Iterator

from tests.truth import forms
from tests.truth.ground import telling
from tests.truth.model import BY_AUTHOR, CARRIED, DROPPED, MOVED, Edit
from tests.truth.planter import APART, Planter


def new_function(planter: Planter) -> Iterator[None]:
    """Whole new functions: kept, edited, dropped or new."""
    for ground in planter.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None):
        for at in planter.rng.sample(ground.gaps, min(2, len(ground.gaps))):
            if not ground.solid(at - 4, at + 4) or not planter.room(ground, at, at + 1):
                continue
            added = forms.function(planter.rng, planter.words)
            way = planter.rng.randrange(4)
            if way == 2 and not planter.strange(0, ground.path, added):
                continue
            if way == 3 and not planter.strange(1, ground.path, added):
                continue
            old, edit = planter.carry(ground, at, at, added)
            if way == 0:
                planter.add("function kept", old, edit, CARRIED, CARRIED)
            elif way == 1:
                edit.added = (*added[:4], b"\t%s();" % planter.words.name(), *added[4:])
                planter.add("function edited", old, edit, BY_AUTHOR, BY_AUTHOR)
            elif way == 2:
                planter.add("function dropped", old, None, DROPPED, ())
            else:
                planter.add("function new", None, edit, (), (("new", "downstream"),))
            yield


def deleted(planter: Planter) -> Iterator[None]:
    """Blocks of lines taken out: kept, edited, dropped or new."""
    for ground, at in planter.places(False, APART):
        count = planter.rng.randrange(2, 6)
        lines = ground.before[at : at + count]
        if not ground.solid(at - 4, at + count + 5) or not planter.room(ground, at, at + count + 1):
            continue
        if not all(telling(line) for line in (*lines, ground.before[at + count])) or len(set(lines)) < count:
            continue
        way = planter.rng.randrange(4)
        if way > 1 and not planter.strange(way - 2, ground.path, (), tuple(lines)):
            continue
        old, edit = planter.carry(ground, at, at + count, ())
        if way == 0:
            planter.add("deletion kept", old, edit, CARRIED, CARRIED)
        elif way == 1:
            planter.settle(ground, at, at + count + 1)
            edit.stop += 1
            planter.add("deletion edited", old, edit, BY_AUTHOR, BY_AUTHOR)
        elif way == 2:
            planter.add("deletion dropped", old, None, DROPPED, ())
        else:
            planter.add("deletion new", None, edit, (), (("new", "downstream"),))
        yield


def new_files(planter: Planter) -> Iterator[None]:
    """Whole files of downstream's own: kept, edited, dropped, new, or under another name."""
    folders = sorted({ground.path.rpartition(b"/")[0] for ground in planter.grounds if b"/" in ground.path})
    while True:
        path = planter.rng.choice(folders) + b"/" + planter.words.name() + b".c"
        added = tuple(
            line for _ in range(planter.rng.randrange(1, 6)) for line in forms.function(planter.rng, planter.words)
        )
        way = planter.rng.randrange(5)
        if way > 2 and not planter.strange(way - 3, path, added):
            continue
        old, edit = Edit(path, 0, 0, added), Edit(path, 0, 0, added)
        if way == 0:
            planter.add("file kept", old, edit, CARRIED, CARRIED)
        elif way == 1:
            edit.added = (*added[:3], b"\t%s();" % planter.words.name(), *added[3:])
            planter.add("file edited", old, edit, BY_AUTHOR, BY_AUTHOR)
        elif way == 2:
            edit.path = path.rpartition(b"/")[0] + b"/" + planter.words.name() + b".c"
            planter.add("file moved", old, edit, MOVED, MOVED)
        elif way == 3:
            planter.add("file dropped", old, None, DROPPED, ())
        else:
            planter.add("file new", None, edit, (), (("new", "downstream"),))
        yield
