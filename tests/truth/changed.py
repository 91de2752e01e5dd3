"""Ways of planting changes that are not what they were: by their author, or by upstream."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from rapidfuzz.distance import Indel

from tests.truth import forms
from tests.truth.ground import Ground, telling
from tests.truth.model import BY_AUTHOR, BY_UPSTREAM, Edit
from tests.truth.planter import APART, Planter

#: Upstream's changes of at most so many lines are planted around.
SMALL = 3


def edited(planter: Planter) -> Iterator[None]:
    """The author changed his lines."""
    for ground, at in planter.places(planter.rng.random() < 0.3, APART):
        start, stop, added = planter.text(ground, at)
        other = forms.varied(planter.rng, planter.words, added)
        one, two = (b"\n".join(line.strip() for line in lines) for lines in (added, other))
        if not 0.6 < Indel.normalized_similarity(one, two) < 1:
            continue
        old, edit = planter.carry(ground, start, stop, added)
        edit.added = other
        planter.add("edited", old, edit, BY_AUTHOR, BY_AUTHOR)
        yield


def edited_by_upstream(planter: Planter) -> Iterator[None]:
    """A line that upstream changed and downstream wraps: downstream's own part is the same."""
    return wrapped(planter, by_author=False)


def edited_by_both(planter: Planter) -> Iterator[None]:
    """A line that upstream changed and downstream wraps, now otherwise than before."""
    return wrapped(planter, by_author=True)


def wrapped(planter: Planter, *, by_author: bool) -> Iterator[None]:
    """Wraps of lines that upstream changed."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, len(ground.pair.blocks)):
            assert ground.pair.old is not None and ground.pair.new is not None
            if b - a != d - c or b - a > SMALL:
                continue
            at = planter.rng.randrange(a, b)
            was, now = ground.before[at], ground.after[at - a + c]
            if Indel.normalized_similarity(was, now) < 0.6 or not (telling(was) and telling(now)):
                continue
            if not planter.free(0, ground.pair.old, a, b) or not planter.free(1, ground.pair.new, c, d):
                continue
            both = [x for x in forms.calls(was) if was.count(x) == 1 == now.count(x) and x in forms.calls(now)]
            if not both:
                continue
            call = planter.rng.choice(both) + b"("
            other = planter.words.name() + planter.rng.choice((b"_" + call, b"(" + call))
            planter.take(0, ground.pair.old, a, b)
            planter.take(1, ground.pair.new, c, d)
            to = at - a + c
            old = Edit(ground.pair.old, at, at + 1, (was.replace(call, other, 1),))
            after = now.replace(call, other, 1)
            if by_author:
                after = after.replace(other, planter.rng.choice(forms.NOUNS) + b"_" + other, 1)
            new = Edit(ground.pair.new, to, to + 1, (after,))
            says = BY_AUTHOR if by_author else BY_UPSTREAM
            planter.add("edited by both" if by_author else "edited by upstream", old, new, says, says)
            yield


def renamed_words(planter: Planter) -> Iterator[None]:
    """The change names an identifier that upstream renamed, and follows the new name."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        names = renames(ground)
        if not names:
            continue
        was, now = planter.rng.choice(names)
        places = [at for near in (False, True) for at in ground.statements if planter.suits(ground, at, near, APART, 3)]
        for at in planter.rng.sample(places, min(3, len(places))):
            if not planter.room(ground, at, at + 1):
                continue
            added = forms.inserted(planter.rng, planter.words, ground.before[at], was)
            old, edit = planter.carry(ground, at, at, added)
            edit.added = tuple(forms.renamed(line, was, now) for line in added)
            planter.add("renamed word", old, edit, BY_UPSTREAM, BY_UPSTREAM)
            yield


def renames(ground: Ground) -> list[tuple[bytes, bytes]]:
    """Identifiers that upstream renamed in a file: gone under the old name, not there before under the new one."""
    found: dict[tuple[bytes, bytes], int] = defaultdict(int)
    for a, b, c, d in ground.pair.blocks:
        if b - a != d - c:
            continue
        for was, now in zip(ground.before[a:b], ground.after[c:d], strict=True):
            change = forms.one_word(was, now)
            if change is not None:
                found[change] += 1
    old, new = (set(forms.IDENTIFIER.findall(b"\n".join(lines))) for lines in (ground.before, ground.after))
    return sorted(pair for pair, count in found.items() if count > 1 and pair[0] not in new and pair[1] not in old)


def deleted_around(planter: Planter) -> Iterator[None]:
    """Downstream takes out a block in which upstream changed lines: the same deletion of other lines."""
    for ground in planter.shuffled(lambda one: bool(one.pair.old and one.pair.new and one.pair.blocks)):
        for a, b, c, d in planter.rng.sample(ground.pair.blocks, min(3, len(ground.pair.blocks))):
            assert ground.pair.old is not None and ground.pair.new is not None
            if b - a > SMALL or d - c > SMALL or a < 8 or b + 8 > len(ground.before):
                continue
            if not ground.solid(a - 4, a) or not ground.solid(b, b + 4):
                continue
            if not all(telling(line) for line in (*ground.before[a - 2 : a], *ground.before[b : b + 2])):
                continue
            old, new = ground.pair.old, ground.pair.new
            if not planter.free(0, old, a - 2, b + 2) or not planter.free(1, new, c - 2, d + 2):
                continue
            planter.take(0, old, a - 2, b + 2)
            planter.take(1, new, c - 2, d + 2)
            one, two = Edit(old, a - 2, b + 2, ()), Edit(new, c - 2, d + 2, ())
            planter.add("deleted around", one, two, BY_UPSTREAM, BY_UPSTREAM)
            yield


def respaced(planter: Planter) -> Iterator[None]:
    """The author gave his own lines other white space."""
    for ground, at in planter.places(False, APART):
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        old, edit = planter.carry(ground, at, at, added)
        edit.added = forms.respaced(planter.rng, added)
        planter.add("respaced", old, edit, BY_AUTHOR, BY_AUTHOR)
        yield


def edited_much(planter: Planter) -> Iterator[None]:
    """The author rewrote his guard, or took half of his lines back."""
    for ground, at in planter.places(planter.rng.random() < 0.3, APART):
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        half = len(added) > 2 and planter.rng.random() < 0.5
        other = added[:2] if half else forms.rewritten(planter.rng, added)
        if other is None:
            continue
        old, edit = planter.carry(ground, at, at, added)
        edit.added = other
        planter.add("half taken back" if half else "rewritten", old, edit, BY_AUTHOR, BY_AUTHOR)
        yield


def reindented(planter: Planter) -> Iterator[None]:
    """Upstream indented the code around; the change follows."""
    for ground, at in planter.places(False, APART, 7):
        low, high = at - 4, at + 4
        if any(line.startswith(b"#") or not line.startswith((b"\t", b"  ")) for line in ground.before[low:high]):
            continue
        added = forms.inserted(planter.rng, planter.words, ground.before[at])
        old, edit = planter.carry(ground, at, at, added)
        planter.settle(ground, low, high)
        to = ground.to_new[low]
        block = Edit(edit.path, to, to + high - low, forms.indented(ground.before[low:high]))
        planter.done.upstream.append(block)
        new = Edit(edit.path, at - low, at - low, forms.indented(added), block)
        planter.add("reindented", old, new, BY_UPSTREAM, BY_UPSTREAM)
        yield
