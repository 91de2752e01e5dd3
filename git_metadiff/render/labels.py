"""Fates and origins in words, and the lines that say whose lines a hunk of the interdiff shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from git_metadiff.model import WORST_FIRST, Edge, Hunk, Verdict, worst
from git_metadiff.render.lookup import MISPLACED, Lookup
from git_metadiff.render.paint import ink, line
from git_metadiff.render.view import View

MOST_OWNERS = 8
WARNED = ("dropped", "ambiguous")
#: Texts that say no more than verdict and cause.
SAID = ("the author changed it", "upstream's own change of these lines explains the difference")
SLOTS = {"kept": "ok", "refreshed": "ok", "absorbed": "upstream", "orphaned": "warn"}


def words(verdict: Verdict) -> str:
    """`edited downstream`, `moved, misplaced`, `kept`."""
    said = f"{verdict.word} {verdict.cause}" if verdict.cause else verdict.word
    return f"{said}, {MISPLACED}" if verdict.reason == MISPLACED else said


def told(verdict: Verdict) -> str:
    """A verdict with its reason and text: `edited downstream (code): words`."""
    reason = f" ({verdict.reason})" if verdict.reason and verdict.reason != MISPLACED else ""
    return words(verdict) + reason + (f": {verdict.text}" if verdict.text else "")


def slot(verdict: Verdict) -> str:
    """The colour of a verdict."""
    if verdict.word in WARNED or verdict.reason == MISPLACED:
        return "warn"
    return verdict.cause or SLOTS.get(verdict.word, "")


def inked(verdict: Verdict, view: View) -> str:
    """`words` in the colour of the verdict."""
    return ink(view, slot(verdict), words(verdict))


def owner_lines(lookup: Lookup, owners: Sequence[str], view: View, body: Sequence[bytes] = ()) -> Iterator[bytes]:
    """A line for each hunk that owns lines of an interdiff hunk with that body; partners share one."""
    known = [name for name in owners if name in lookup.hunks]
    pairs = _pairs(lookup, known)
    shown = pairs if view.everything else pairs[:MOST_OWNERS]
    for name, partner in shown:
        yield from _owner(_Seen(lookup, body), name, partner, view)
    if len(shown) < len(pairs):
        yield line(f"   ... and {len(pairs) - len(shown)} more (--all names them)")


class _Seen:
    """The verdicts of owners as far as an interdiff hunk shows their changes.

    A hunk may have lost one change far from here and be labelled for the one that is edited here. What P holds and D2
    does not is removed in the interdiff, so a lost change always shows by its own lines.
    """

    def __init__(self, lookup: Lookup, body: Sequence[bytes]) -> None:
        self.lookup = lookup
        self._removed = {text[1:] for text in body if text[:1] == b"-"}
        self._added = {text[1:] for text in body if text[:1] == b"+"}

    def verdicts(self, name: str) -> tuple[Verdict, ...]:
        """The verdicts of the changes of the hunk `name` that are seen here; of all where that cannot be told."""
        known = self.lookup.changes.get(name, ())
        if len(set(known)) < 2:
            return known
        changes = zip(self.lookup.hunks[name].changes, known, strict=False)
        ours, theirs = (self._removed, self._added) if name in self.lookup.olds else (self._added, self._removed)
        seen = [
            verdict
            for change, verdict in changes
            if not ours.isdisjoint(_telling(change.added)) or not theirs.isdisjoint(_telling(change.removed))
        ]
        return tuple(seen) or known

    def verdict(self, name: str) -> Verdict:
        """The worst of them."""
        found = self.verdicts(name)
        return worst(found) if found else Verdict("")


def _telling(lines: Sequence[bytes]) -> Sequence[bytes]:
    """Lines without the blank ones, which are everywhere; unless there are no others."""
    return [text for text in lines if text.strip()] or lines


def _pairs(lookup: Lookup, owners: Sequence[str]) -> list[tuple[str, tuple[Edge, Hunk] | None]]:
    """The owners, worst news first as given, each old one that a new one stands for left out."""
    pairs: list[tuple[str, tuple[Edge, Hunk] | None]] = []
    spoken_for: set[str] = set()
    for name in (name for name in owners if name not in lookup.olds):
        partners = lookup.partners(name)
        pairs.append((name, partners[0] if partners else None))
        spoken_for.update(hunk.id for _, hunk in partners)
    lone = [name for name in owners if name in lookup.olds and name not in spoken_for]
    return [(name, _first(lookup.partners(name))) for name in lone] + pairs


def _first(partners: list[tuple[Edge, Hunk]]) -> tuple[Edge, Hunk] | None:
    return partners[0] if partners else None


def _owner(seen: _Seen, name: str, partner: tuple[Edge, Hunk] | None, view: View) -> Iterator[bytes]:
    """One owner, or a pair, led by the side with the worse verdict: a loss must not hide behind the other side."""
    lookup, other = seen.lookup, partner[1].id if partner else None
    if other and _rank(seen.verdict(other)) < _rank(seen.verdict(name)):
        name, other = other, name
    verdict = seen.verdict(name)
    plain, head = f"   {words(verdict)}", f"   {inked(verdict, view)}"
    rest = f"  {name} ({lookup.title(name)})"
    if other:
        differs = seen.verdict(other).word != verdict.word
        said = f", {words(seen.verdict(other))}" if differs else ""
        rest += f" {'->' if name in lookup.olds else '<-'} {other} ({lookup.title(other)}{said})"
    text = "; ".join(_parts(seen, name) + ([verdict.text] if verdict.text not in ("", *SAID) else []))
    yield from with_text(head + rest, text, len(plain + rest), view)


def _rank(verdict: Verdict) -> tuple[bool, int]:
    return verdict.word not in WARNED, WORST_FIRST.index(verdict.word) if verdict.word else len(WORST_FIRST)


def with_text(head: str, text: str, length: int, view: View) -> Iterator[bytes]:
    """`head: text` on one line, or on two where that is too wide; `length` is that of `head` without colours."""
    if text and length + 2 + len(text) > view.width:
        yield line(head)
        yield line(f"      {text}")
    else:
        yield line(f"{head}: {text}" if text else head)


def _parts(seen: _Seen, name: str) -> list[str]:
    """What a hunk's changes say where they differ: `1 of its 3 changes`."""
    verdicts = seen.lookup.changes.get(name, ())
    alike = sum(verdict.word == seen.verdict(name).word for verdict in verdicts)
    return [f"{alike} of its {len(verdicts)} changes"] if 0 < alike < len(verdicts) else []
