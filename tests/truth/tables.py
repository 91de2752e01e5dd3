"""Scores as text."""

from __future__ import annotations

from tests.truth.measure import Planted, Score, Wrong
from tests.truth.model import Spot

TABLES = ("fate", "origin", "cause", "pair")


def table(title: str, score: Score, *, kinds: bool = True) -> str:
    """Precision and recall per word, and how each way of planting went."""
    lines = [f"-- {title}", f"   {'':22} {'there':>6} {'precision':>9} {'recall':>7}"]
    for name in TABLES:
        for word, there, precision, recall in score.rates(name):
            lines.append(f"   {name + ' ' + word:22} {there:6} {precision:9.4f} {recall:7.4f}")
    if kinds:
        lines.append(f"   {'planted as':22} {'right':>6} {'wrong':>6} {'unpaired':>9} {'reason':>7}")
        for kind, counts in sorted(score.kinds.items()):
            right = counts["fate right"] + counts["origin right"]
            wrong = counts["fate wrong"] + counts["origin wrong"]
            lines.append(f"   {kind:22} {right:6} {wrong:6} {counts['pair wrong']:9} {counts['reason wrong']:7}")
    return "\n".join(lines)


def wrongs(score: Score, planted: Planted) -> str:
    """Every wrong verdict with the texts of both sides."""
    return "\n".join(line for wrong in score.wrong for line in describe(wrong, planted))


def describe(wrong: Wrong, planted: Planted) -> list[str]:
    """One wrong verdict."""
    plant = wrong.plant
    expected = " or ".join(f"{word}/{cause}" if cause else word for word, cause in wrong.expected)
    got = "/".join(word for word in (wrong.got.word, wrong.got.cause, wrong.got.reason) if word)
    lines = [f"WRONG {plant.serial} [{plant.kind}] {wrong.side}: expected {expected}, got {got}  hunk {wrong.got.hunk}"]
    for name, written in (("p1", planted.old), ("p2", planted.new)):
        spot = written.spots.get(plant.serial)
        if spot is not None:
            lines += show(name, spot)
    return lines


def show(name: str, spot: Spot) -> list[str]:
    """A planted change in its context."""
    shown = [(b" ", spot.before), (b"-", spot.removed), (b"+", spot.added), (b" ", spot.after)]
    body = [(sign + line).decode("utf-8", "replace") for sign, lines in shown for line in lines]
    return [f"  {name} {spot.path.decode('utf-8', 'replace')}:{spot.line}", *(f"    {line}" for line in body)]
