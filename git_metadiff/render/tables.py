"""One line a file: `--stat` and `--name-status`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from git_metadiff.model import Comparison, Verdict, worst
from git_metadiff.render.head import wanted_files
from git_metadiff.render.labels import words
from git_metadiff.render.lookup import Lookup, lookups
from git_metadiff.render.owners import Owners
from git_metadiff.render.paint import ink, line, plural, quoted
from git_metadiff.render.sections import FileDiff, read_sections
from git_metadiff.render.view import View

#: What `--stat` names behind the graph, worst news first.
NAMED = ("dropped", "misplaced", "ambiguous", "orphaned", "edited", "moved", "absorbed", "new")
#: What a file must be shown for even if the interdiff has no line of it.
LOSSES = ("dropped", "misplaced", "ambiguous", "orphaned")
SMALLEST_GRAPH = 6
SMALLEST_NAME = 40
#: Room that the words behind the graph get; a few longer ones run over the width.
WORDS = 22


class _Row:
    """A file of `--stat`."""

    def __init__(self, name: str, file: FileDiff | None, words_of_hunks: Counter[str]) -> None:
        self.name = name
        self.added, self.removed = (file.added, file.removed) if file else (0, 0)
        self.binary = file is not None and file.binary
        self.words = words_of_hunks


def stat(comparison: Comparison, view: View) -> Iterator[bytes]:
    """`git diff --stat` of the interdiff, and behind it how many hunks have a fate or origin that is more than kept."""
    for lookup in lookups(comparison):
        files = wanted_files(read_sections(lookup.transition.interdiff), view)
        found = _words(lookup, view)
        rows = [_Row(_name(file), file, found.get(file.path, Counter())) for file in files]
        shown = {file.path for file in files}
        rows += [
            _Row(quoted(path), None, tally)
            for path, tally in sorted(found.items())
            if path not in shown and any(tally[word] for word in LOSSES)
        ]
        yield from _graph(rows, view)
        yield from _total(rows)


def _name(file: FileDiff) -> str:
    return quoted(file.path) if file.old_path is None else f"{quoted(file.old_path)} => {quoted(file.path)}"


def _words(lookup: Lookup, view: View) -> dict[bytes, Counter[str]]:
    """Hunks by word, per file of the later release."""
    found: dict[bytes, Counter[str]] = defaultdict(Counter)
    for hunk in lookup.once(*lookup.sides(view)):
        found[lookup.home(hunk)][lookup.word(hunk)] += 1
    return found


def _graph(rows: list[_Row], view: View) -> Iterator[bytes]:
    if not rows:
        return
    tail = min(WORDS, max(len(_told(row, View())) for row in rows)) + 2
    numbers = max(len("Bin") if row.binary else len(str(row.added + row.removed)) for row in rows)
    names = min(
        max(len(row.name) for row in rows), max(SMALLEST_NAME, view.width - numbers - tail - 5 - SMALLEST_GRAPH)
    )
    most = max(row.added + row.removed for row in rows)
    room = min(max(SMALLEST_GRAPH, view.width - names - numbers - tail - 5), most)
    for row in rows:
        number = "Bin" if row.binary else str(row.added + row.removed)
        plus, minus = _scaled(row, room, most)
        bar = ink(view, "new", "+" * plus) + ink(view, "old", "-" * minus) + " " * (room - plus - minus)
        name = row.name if len(row.name) <= names else "..." + row.name[len(row.name) - names + 3 :]
        yield line(f" {name:<{names}} | {number:>{numbers}} {bar}  {_told(row, view)}".rstrip())


def _told(row: _Row, view: View) -> str:
    """`1 dropped, 2 edited`."""
    said = [(word, f"{row.words[word]} {word}") for word in NAMED if row.words[word]]
    return ", ".join(ink(view, "warn", text) if word in LOSSES else text for word, text in said)


def _scaled(row: _Row, room: int, most: int) -> tuple[int, int]:
    """How many `+` and `-` a row gets, as git scales them: never none for what is there."""
    added, removed, total = row.added, row.removed, row.added + row.removed
    if most <= room or not total:
        return added, removed
    total = max(1 + total * (room - 1) // most, 2 if added and removed else 1)
    if added < removed:
        plus = 1 + added * (room - 1) // most if added else 0
        return plus, total - plus
    minus = 1 + removed * (room - 1) // most if removed else 0
    return total - minus, minus


def _total(rows: list[_Row]) -> Iterator[bytes]:
    added, removed = sum(row.added for row in rows), sum(row.removed for row in rows)
    changed = sum(bool(row.added or row.removed or row.binary) for row in rows)
    parts = [f" {plural(changed, 'file')} changed"]
    parts += [f"{plural(added, 'insertion')}(+)"] if added else []
    parts += [f"{plural(removed, 'deletion')}(-)"] if removed else []
    if rows:
        yield line(", ".join(parts))


def name_status(comparison: Comparison, view: View) -> Iterator[bytes]:
    """git's letter, the path, and the worst verdict of the file's hunks, apart by tabs.

    A file of which the interdiff has nothing, but a hunk is lost, has the letter `-`.
    """
    for lookup in lookups(comparison):
        files = wanted_files(read_sections(lookup.transition.interdiff), view)
        owners = Owners(lookup.transition, files)
        losses, lineless = _losses(lookup, view), _lineless(lookup, view)
        for file in _type_changes_joined(files):
            verdicts = [lookup.verdict(name) for name in owners.of_file(file.path) if lookup.verdict(name).word]
            verdicts += [*losses.pop(file.path, []), *lineless[file.path]]
            names = [quoted(file.old_path)] if file.letter == "R" and file.old_path else []
            letter = f"R{file.similarity or 0:03d}" if file.letter == "R" else file.letter
            yield line("\t".join([letter, *names, quoted(file.path), *_worst(verdicts)]))
        for path, verdicts in sorted(losses.items()):
            yield line("\t".join(["-", quoted(path), *_worst(verdicts)]))


def _worst(verdicts: list[Verdict]) -> list[str]:
    return [words(worst(tuple(verdicts)))] if verdicts else []


def _losses(lookup: Lookup, view: View) -> dict[bytes, list[Verdict]]:
    """The verdicts of lost hunks, per file of the later release."""
    found: dict[bytes, list[Verdict]] = defaultdict(list)
    for hunk in lookup.sides(view)[0]:
        if lookup.word(hunk) in LOSSES:
            found[lookup.home(hunk)].append(lookup.verdict(hunk.id))
    return found


def _lineless(lookup: Lookup, view: View) -> dict[bytes, list[Verdict]]:
    """The verdicts of hunks without lines (binary content, modes) that are not simply kept, per file."""
    found: dict[bytes, list[Verdict]] = defaultdict(list)
    for hunk in (hunk for side in lookup.sides(view) for hunk in side if hunk.kind != "text"):
        if lookup.word(hunk) not in ("kept", "refreshed"):
            found[lookup.home(hunk)].append(lookup.verdict(hunk.id))
    return found


def _type_changes_joined(files: list[FileDiff]) -> Iterator[FileDiff]:
    """git shows a file that became a symlink as deleted and created; its `--name-status` says `M` or `T` once."""
    for at, file in enumerate(files):
        after = files[at + 1] if at + 1 < len(files) else None
        if file.letter == "D" and after is not None and after.path == file.path and after.letter == "A":
            continue
        before = files[at - 1] if at else None
        joined = file.letter == "A" and before is not None and before.path == file.path and before.letter == "D"
        yield _as_type_change(file) if joined else file


def _as_type_change(file: FileDiff) -> FileDiff:
    fields = {name: getattr(file, name) for name in FileDiff.__slots__}
    return FileDiff(**{**fields, "letter": "T"})
