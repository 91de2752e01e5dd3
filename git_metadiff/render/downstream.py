"""A downstream hunk as its author wrote it, with the lines that upstream changed under it marked."""

from __future__ import annotations

from collections.abc import Iterator

from git_metadiff.model import Hunk
from git_metadiff.render.gutter import Lines, guttered
from git_metadiff.render.lookup import Lookup
from git_metadiff.render.paint import hunk_header
from git_metadiff.render.view import Reader, View


def hunk_lines(lookup: Lookup, hunk: Hunk, view: View, reader: Reader) -> Iterator[bytes]:
    """The hunk, its lines marked `D`; context lines of the later patchset's hunks that upstream changed, `U`."""
    if not hunk.body:
        return
    yield hunk_header(view, hunk)
    ranges = lookup.transition.upstream_lines.get(hunk.path, ()) if hunk.id not in lookup.olds else ()
    first = _line_in_tree(lookup, hunk, reader) if ranges else None
    yield from guttered(view, hunk.body, first or 0, None if first is None else Lines(ranges))


def _line_in_tree(lookup: Lookup, hunk: Hunk, reader: Reader) -> int | None:
    """The line (0-based) of D2 at which the hunk's new side stands; None where later patches changed it.

    In a series a hunk's own numbers count in the tree after its own patch, so they are a guess that D2's text must
    confirm.
    """
    if len(lookup.new.patches) == 1:
        return lookup.line_after(hunk)
    content = reader.read(lookup.new.tree, hunk.path)
    if content is None:
        return None
    lines = content.split(b"\n")
    image = [text[1:] for text in hunk.body if text[:1] in (b" ", b"+")]
    guess = hunk.new_start - 1 + hunk.applied_start - hunk.old_start
    if not image:
        return None
    starts = [at for at, text in enumerate(lines) if text == image[0]]
    fitting = (at for at in sorted(starts, key=lambda at: abs(at - guess)) if lines[at : at + len(image)] == image)
    return next(fitting, None)
