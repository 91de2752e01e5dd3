"""The default view: the summary, then the interdiff in its context, with who did what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from git_metadiff.hunks import RawHunk
from git_metadiff.model import Comparison
from git_metadiff.render.folding import Fold, fold
from git_metadiff.render.gutter import Lines, guttered
from git_metadiff.render.head import head, wanted_files
from git_metadiff.render.labels import owner_lines
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.owners import Names, Owners
from git_metadiff.render.paint import hunk_header, ink, line, paint, plural, quoted, readable
from git_metadiff.render.sections import LOUD, FileDiff, read_sections
from git_metadiff.render.view import Reader, View


def full(comparison: Comparison, view: View, reader: Reader) -> Iterator[bytes]:
    """The view of `git metadiff` without options."""
    for at, lookup in enumerate(lookups(comparison)):
        if at:
            yield b"\n"
        yield from _transition(lookup, view, reader)


def _transition(lookup: Lookup, view: View, reader: Reader) -> Iterator[bytes]:
    stored = read_sections(lookup.transition.interdiff)
    files = wanted_files(stored if view.as_stored else read_sections(with_context(lookup, view, reader)), view)
    owners = Owners(lookup.transition, stored)
    folded = fold(files, owners, lookup, view)
    yield from head(lookup, files, folded.sweeps, view)
    page = _Page(lookup, view, owners, folded)
    before = 0
    for file in files:
        shown = list(page.file(file))
        # Files of one line stand close together.
        yield from [b"\n", *shown] if before != 1 or len(shown) > 1 else shown
        before = len(shown)


def with_context(lookup: Lookup, view: View, reader: Reader) -> bytes:
    """The interdiff with the context that the view asks for."""
    if not lookup.transition.interdiff:
        return b""
    return reader.diff(lookup.transition.ported_tree, lookup.new.tree, view.context, view.function_context, ())


class _Page:
    """The files of one transition's interdiff."""

    def __init__(self, lookup: Lookup, view: View, owners: Owners, folded: Fold) -> None:
        self._lookup = lookup
        self._view = view
        self._owners = owners
        self._folded = folded

    def file(self, file: FileDiff) -> Iterator[bytes]:
        """One file: a line if it changes no line or is a table, else its hunks."""
        if not file.hunks:
            yield self._one_line(file, _lineless(file))
            yield from self._owned(self._owners.of_header(file))
        elif file.path in self._folded.tables:
            size = f"+{file.added} -{file.removed}"
            yield self._one_line(file, f"{size}   data, collapsed (--all shows it)" + self._tally(file))
        else:
            yield from self._hunks(file)

    def _one_line(self, file: FileDiff, what: str) -> bytes:
        return line(f"{ink(self._view, 'meta', _names(file))}   {what}")

    def _tally(self, file: FileDiff) -> str:
        hunks = [self._lookup.hunks[name] for name in self._owners.of_file(file.path) if name in self._lookup.hunks]
        olds = [hunk for hunk in hunks if hunk.id in self._lookup.olds]
        news = [hunk for hunk in hunks if hunk.id not in self._lookup.olds]
        found = Counter(map(self._lookup.word, self._lookup.once(olds, news)))
        told = ", ".join(f"{number} {word}" for word, number in sorted(found.items()) if word)
        return f": {told}" if told else ""

    def _hunks(self, file: FileDiff) -> Iterator[bytes]:
        folded = [hunk for hunk in file.hunks if self._is_folded(hunk)]
        lineless = list(self._owned(self._owners.of_header(file))) if any(map(_loud, file.header)) else []
        if len(folded) == len(file.hunks) and not lineless:
            yield self._one_line(file, "; ".join(self._folds(folded)))
            return
        kept = (text for text in file.header if not text.startswith(b"index "))
        yield from (paint(self._view, "meta", text) + b"\n" for text in kept)
        yield from lineless
        upstream = Lines(self._lookup.transition.upstream_lines.get(file.path, ()))
        for hunk in file.hunks:
            if not self._is_folded(hunk):
                yield from self._hunk(file, hunk, upstream)
        yield from (line(f"   {text}") for text in self._folds(folded))

    def _is_folded(self, hunk: RawHunk) -> bool:
        return id(hunk) in self._folded.limits or id(hunk) in self._folded.swept

    def _hunk(self, file: FileDiff, hunk: RawHunk, upstream: Lines) -> Iterator[bytes]:
        yield hunk_header(self._view, hunk)
        yield from owner_lines(self._lookup, self._owners.of_hunk(file.path, hunk), self._view, hunk.body)
        yield from guttered(self._view, hunk.body, hunk.new_start - (hunk.new_lines > 0), upstream)

    def _owned(self, names: Names) -> Iterator[bytes]:
        yield from owner_lines(self._lookup, names, self._view)

    def _folds(self, folded: list[RawHunk]) -> Iterator[str]:
        limits = sum(id(hunk) in self._folded.limits for hunk in folded)
        if limits:
            why = "downstream carries them unchanged, P holds them elsewhere or not at all"
            yield f"{plural(limits, 'hunk')} folded: {why} (--all shows them)"
        swept = Counter(self._folded.swept[id(hunk)] for hunk in folded if id(hunk) in self._folded.swept)
        for (old, new), number in swept.items():
            what = f"{readable(old)} -> {readable(new)}"
            yield f"{plural(number, 'hunk')} folded: sweep {what} (--all shows them)"


def _loud(text: bytes) -> bool:
    return text.startswith(LOUD)


def _names(file: FileDiff) -> str:
    return quoted(file.path) if file.old_path is None else f"{quoted(file.old_path)} -> {quoted(file.path)}"


def _lineless(file: FileDiff) -> str:
    """What happened to a file of which no line changed."""
    said = []
    if file.letter == "R":
        said.append("renamed" if file.similarity in (None, 100) else f"renamed ({file.similarity}% alike)")
    if file.letter in "AD" and not file.binary:
        said.append("new, empty" if file.letter == "A" else "empty file deleted")
    if file.modes:
        said.append(f"mode {file.modes[0]} -> {file.modes[1]}")
    if file.binary:
        said.append({"A": "new binary file", "D": "binary file deleted"}.get(file.letter, "binary content"))
    return ", ".join(said)
