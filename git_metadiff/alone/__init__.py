"""Patchsets alone, without releases: what two patches say of each other, and nothing that only the trees could tell."""

from git_metadiff.alone.found import GONE, NEW, Reading, Side, Step, is_change, shown_word
from git_metadiff.alone.reading import find_alone, read_side
from git_metadiff.alone.steps import compare_sides

__all__ = [
    "GONE",
    "NEW",
    "Reading",
    "Side",
    "Step",
    "compare_sides",
    "find_alone",
    "is_change",
    "read_side",
    "shown_word",
]
