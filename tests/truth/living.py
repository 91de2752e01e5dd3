"""Ways of planting changes that live on as they were."""

from __future__ import annotations

from collections.abc import Iterator

from rapidfuzz.distance import Indel

from tests.truth import forms
from tests.truth.ground import Ground, telling
from tests.truth.model import BY_AUTHOR, CARRIED, DROPPED, Edit, Says
from tests.truth.planter import APART, Planter


def kept(planter: Planter, apart: int = APART) -> Iterator[None]:
    """The same change where upstream changed nothing near."""
    for ground, at in planter.places(False, apart):
        planter.add("kept", *planter.carry(ground, *planter.text(ground, at)), CARRIED, CARRIED)
        yield


def crowded(planter: Planter) -> Iterator[None]:
    """Changes that may stand in one hunk with others: living on, edited, lost or new."""
    for ground, at in planter.places(planter.rng.random() < 0.3, 2):
        start, stop, added = planter.text(ground, at)
        removed = tuple(ground.before[start:stop])
        way = planter.rng.random()
        if way < 0.3 and not planter.strange(way < 0.15, ground.path, added, removed):
            continue
        old, edit = planter.carry(ground, start, stop, added)
        if way < 0.15:
            planter.add("crowded new", None, edit, (), (("new", "downstream"),))
        elif way < 0.3:
            planter.add("crowded dropped", old, None, DROPPED, ())
        elif way < 0.4:
            edit.added = forms.varied(planter.rng, planter.words, added)
            planter.add("crowded edited", old, edit, BY_AUTHOR, BY_AUTHOR)
        else:
            planter.add("crowded", old, edit, CARRIED, CARRIED)
        yield


def refreshed(planter: Planter) -> Iterator[None]:
    """The same change where upstream changed a line close by."""
    for ground, at in planter.places(True, APART):
        planter.add("refreshed", *planter.carry(ground, *planter.text(ground, at)), CARRIED, CARRIED)
        yield


def refreshed_between(planter: Planter) -> Iterator[None]:
    """An insertion between two lines that upstream both changed a little."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, len(ground.pair.blocks)):
            assert ground.pair.old is not None and ground.pair.new is not None
            if b - a != d - c or not 2 <= b - a <= 6:
                continue
            lines = zip(ground.before[a:b], ground.after[c:d], strict=True)
            if not all(Indel.normalized_similarity(was, now) > 0.75 and telling(was) for was, now in lines):
                continue
            at = planter.rng.randrange(a + 1, b)
            if at not in ground.statements or not planter.free(0, ground.pair.old, a, b):
                continue
            if not planter.free(1, ground.pair.new, c, d):
                continue
            planter.take(0, ground.pair.old, a, b)
            planter.take(1, ground.pair.new, c, d)
            added = forms.inserted(planter.rng, planter.words, ground.before[at])
            to = at - a + c
            old, new = Edit(ground.pair.old, at, at, added), Edit(ground.pair.new, to, to, added)
            planter.add("refreshed between", old, new, CARRIED, CARRIED)
            yield


def beside_upstream(planter: Planter) -> Iterator[None]:
    """Upstream inserted lines at the very place of an insertion; p2 has its own before or behind them."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, min(4, len(ground.pair.blocks))):
            assert ground.pair.old is not None and ground.pair.new is not None
            if b > a or d - c > 8 or a not in ground.statements or not ground.solid(a - 4, a):
                continue
            if not ground.solid(a, a + 4) or not planter.free(0, ground.pair.old, a, a + 1):
                continue
            if (
                not planter.free(1, ground.pair.new, c, d)
                or len({*ground.after[c:d], *ground.before[a - 1 : a + 1]}) < d - c + 2
            ):
                continue
            planter.take(0, ground.pair.old, a, a + 1)
            planter.take(1, ground.pair.new, c, d)
            added = forms.inserted(planter.rng, planter.words, ground.before[a])
            to = planter.rng.choice((c, d))
            old, new = Edit(ground.pair.old, a, a, added), Edit(ground.pair.new, to, to, added)
            planter.add("beside upstream", old, new, CARRIED, CARRIED)
            yield


def split_hunk(planter: Planter) -> Iterator[None]:
    """Two changes of one hunk that stand in two hunks of the other patchset, for upstream changed lines between."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, min(3, len(ground.pair.blocks))):
            assert ground.pair.old is not None and ground.pair.new is not None
            if abs((b - a) - (d - c)) < 4 or min(b - a, d - c) > 2 or a < 6 or b + 6 > len(ground.before):
                continue
            if not ground.solid(a - 5, a) or not ground.solid(b, b + 5):
                continue
            if not planter.free(0, ground.pair.old, a - 3, b + 3) or not planter.free(1, ground.pair.new, c - 3, d + 3):
                continue
            if ground.before[a - 2 : a] == ground.before[b : b + 2] or not all(map(telling, ground.before[a - 3 : a])):
                continue
            edits = [
                planter.carry(ground, at, at, forms.inserted(planter.rng, planter.words, ground.before[at]))
                for at in (a - 2, b + 2)
            ]
            planter.take(0, ground.pair.old, a, b)
            planter.take(1, ground.pair.new, c, d)
            for old, new in edits:
                planter.add("split hunk", old, new, CARRIED, CARRIED)
            yield


def function_moved(planter: Planter) -> Iterator[None]:
    """Upstream moved a function, within its file or into another; its changes went along."""
    for ground in planter.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None):
        for start, stop in planter.rng.sample(ground.functions, len(ground.functions)):
            assert ground.pair.old is not None and ground.pair.new is not None
            if not 12 <= stop - start <= 60 or not ground.solid(start - 1, stop + 1):
                continue
            places = [at for at in ground.statements if start + 3 < at < stop - 3]
            if not planter.room(ground, start, stop, 12) or not places:
                continue
            abroad = planter.rng.random() < 0.5
            target = planter.landing(ground, start, stop, abroad)
            if target is None:
                continue
            low, high = ground.to_new[start], ground.to_new[stop - 1] + 1
            text = tuple(ground.after[low:high])
            planter.settle(ground, start - 3, stop + 3)
            other, to = target
            assert other.pair.new is not None and other.pair.old is not None
            planter.take(0, other.pair.old, to - 3, to + 3)
            planter.take(1, other.pair.new, other.to_new[to] - 3, other.to_new[to] + 3)
            out = Edit(ground.pair.new, low, high, ())
            back = Edit(other.pair.new, other.to_new[to], other.to_new[to], text)
            planter.done.upstream += [out, back]
            for at in spread(planter, places):
                moved_along(planter, ground, at, Edit(other.pair.new, at - start, at - start, (), back), abroad)
                yield


def spread(planter: Planter, places: list[int]) -> list[int]:
    """At most three of some lines, far enough apart for hunks of their own."""
    found: list[int] = []
    for at in planter.rng.sample(places, len(places)):
        if len(found) < 3 and all(abs(at - other) > APART for other in found):
            found.append(at)
    return found


def moved_along(planter: Planter, ground: Ground, at: int, new: Edit, abroad: bool) -> None:
    """One change in a function that upstream moved: it lives on there, edited or not, or is lost."""
    added = forms.inserted(planter.rng, planter.words, ground.before[at])
    assert ground.pair.old is not None
    old, new.added = Edit(ground.pair.old, at, at, added), added
    kind = "function to file" if abroad else "function moved"
    way = planter.rng.random()
    if way < 0.2 and planter.strange(0, ground.path, added):
        planter.add(kind + ", dropped", old, None, DROPPED, ())
    elif way < 0.4:
        new.added = (added[0], forms.indent_of(added[-1]) + planter.words.name() + b"();", *added[1:])
        edited: tuple[Says, ...] = (*BY_AUTHOR, ("moved", None)) if abroad else BY_AUTHOR
        planter.add(kind + ", edited", old, new, edited, edited)
    else:
        says: tuple[Says, ...] = (("moved", "upstream"), *CARRIED) if abroad else CARRIED
        planter.add(kind, old, new, says, says)


def function_copied(planter: Planter) -> Iterator[None]:
    """Upstream copied a function under another name: the change belongs to the first one, and may be put in both."""
    for ground in planter.shuffled(lambda one: one.pair.old is not None and one.pair.new is not None):
        for start, stop in planter.rng.sample(ground.functions, len(ground.functions)):
            assert ground.pair.old is not None and ground.pair.new is not None
            if not 12 <= stop - start <= 60 or not ground.solid(start - 1, stop + 1):
                continue
            places = [at for at in ground.statements if start + 3 < at < stop - 3]
            names = forms.calls(ground.before[start])
            if not planter.room(ground, start, stop, 12) or not places or not names:
                continue
            target = planter.landing(ground, start, stop, False)
            if target is None:
                continue
            planter.settle(ground, start, stop)
            planter.settle(ground, target[1] - 3, target[1] + 3)
            to, low = ground.to_new[target[1]], ground.to_new[start]
            text = list(ground.after[low : low + stop - start])
            text[0] = text[0].replace(names[0], names[0] + b"_other", 1)
            copy = Edit(ground.pair.new, to, to, tuple(text))
            planter.done.upstream.append(copy)
            at = planter.rng.choice(places)
            added = forms.inserted(planter.rng, planter.words, ground.before[at])
            old, new = planter.carry(ground, at, at, added)
            planter.add("function copied", old, new, CARRIED, CARRIED)
            if planter.rng.random() < 0.4:
                both = Edit(ground.pair.new, at - start, at - start, added, copy)
                planter.add("copy too", None, both, (), (("new", "upstream"),))
            yield


def file_renamed(planter: Planter) -> Iterator[None]:
    """Upstream renamed the file; its changes are kept, edited or dropped as in any other."""
    for ground in planter.shuffled(lambda one: one.pair.old == one.pair.new and len(one.before) > 60):
        path = ground.pair.new
        assert path is not None and ground.pair.old is not None
        alike = sum(at >= 0 for at in ground.to_new) / max(len(ground.before), len(ground.after))
        if planter.taken[1][path] or path.endswith(b".h") or alike < 0.8:
            continue  # below that, a rename is a matter of opinion
        folder, slash, name = path.rpartition(b"/")
        planter.done.renames[path] = folder + slash + b"moved_" + name
        places = [at for at in ground.statements if planter.suits(ground, at, False, APART, 3)]
        for at in planter.rng.sample(places, min(4, len(places))):
            if not planter.room(ground, at, at + 1):
                continue
            added = forms.inserted(planter.rng, planter.words, ground.before[at])
            way = planter.rng.random()
            if way < 0.2 and not planter.strange(0, ground.path, added):
                continue
            old, edit = planter.carry(ground, at, at, added)
            if way < 0.2:
                planter.add("renamed file dropped", old, None, DROPPED, ())
            elif way < 0.4:
                edit.added = (added[0], forms.indent_of(added[-1]) + planter.words.name() + b"();", *added[1:])
                planter.add("renamed file edited", old, edit, BY_AUTHOR, BY_AUTHOR)
            else:
                planter.add("renamed file", old, edit, CARRIED, CARRIED)
            yield


def slid(planter: Planter) -> Iterator[None]:
    """The change some lines further on in the same function: the same lines, other context.

    Between lines that look the same it would be what a tool misplaces: no text tells the two apart.
    """
    for ground, at in planter.places(False, APART):
        around = ground.before[max(0, at - 3) : at + 3]
        others = [
            to
            for to in ground.statements
            if 3 < abs(to - at) < 20
            and ground.before[max(0, to - 3) : to + 3] != around
            and ground.head_of(to) == ground.head_of(at) != b""
            and ground.solid(to - 4, to + 4)
        ]
        shift = ground.to_new[at] - at
        others = [
            to
            for to in others
            if ground.to_new[to] - to == shift
            and planter.room(ground, min(at, to), max(at, to) + 1)
            and not any(line.startswith(b"}") for line in ground.before[min(at, to) : max(at, to)])
        ]
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        if not others or not planter.strange_everywhere(ground.path, added):
            continue
        to = planter.rng.choice(others)
        old, _ = planter.carry(ground, at, at, added)
        _, new = planter.carry(ground, to, to, added)
        planter.add("slid", old, new, CARRIED, CARRIED)
        yield
