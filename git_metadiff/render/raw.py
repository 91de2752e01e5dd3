"""The interdiff alone, as a patch that applies to P."""

from __future__ import annotations

import io
from collections.abc import Iterator

from git_metadiff.model import Comparison
from git_metadiff.render.head import wanted_files
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.page import with_context
from git_metadiff.render.paint import DIFF_SLOTS, hunk_header, paint
from git_metadiff.render.sections import FileDiff, read_sections
from git_metadiff.render.view import Reader, View


def patch(comparison: Comparison, view: View, reader: Reader) -> Iterator[bytes]:
    """The interdiffs, byte for byte as git made them; nothing is folded, collapsed or explained."""
    for lookup in lookups(comparison):
        yield from _lines(lookup, view, reader)


def _lines(lookup: Lookup, view: View, reader: Reader) -> Iterator[bytes]:
    text = lookup.transition.interdiff if view.as_stored else with_context(lookup, view, reader)
    if not view.colors and not view.limit_text:
        yield from io.BytesIO(text)
        return
    for file in wanted_files(read_sections(text), view):
        if view.colors:
            yield from _colored(file, view)
        else:
            yield from (part + b"\n" for part in file.lines)


def _colored(file: FileDiff, view: View) -> Iterator[bytes]:
    for text in file.header:
        yield paint(view, "" if file.binary else "meta", text) + b"\n"
    for hunk in file.hunks:
        yield hunk_header(view, hunk)
        yield from (paint(view, DIFF_SLOTS.get(text[:1], "context"), text) + b"\n" for text in hunk.body)
