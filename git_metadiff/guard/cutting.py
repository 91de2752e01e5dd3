"""Patches cut down to the files that matter: a commit of one patch is not to read a whole release."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from git_metadiff.alone.reading import guess_level
from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.hunks import Scanner
from git_metadiff.targets import names_at


@dataclass(frozen=True, slots=True)
class Cut:
    """A patch and its sections."""

    text: PatchText
    message: bytes
    sections: tuple[tuple[frozenset[bytes], bytes], ...]  # the names of a section, and its text

    @property
    def names(self) -> set[bytes]:
        """All files that the patch names."""
        return {name for names, _ in self.sections for name in names}


def cut_patch(text: PatchText) -> Cut:
    """Split a patch at its sections. Raises MetadiffError for a malformed one."""
    scanner = Scanner(text.data, text.name)
    files = scanner.scan()
    level = text.strip if text.strip is not None else guess_level(files)
    starts = [file.line - 1 for file in files]
    lines = keep_ends(text.data)
    sections = []
    for file, start, stop in zip(files, starts, [*starts[1:], len(lines)][: len(files)], strict=True):
        names = frozenset(name for name in names_at(file, level) if name is not None)
        sections.append((names, b"".join(lines[start:stop])))
    return Cut(text, scanner.message(), tuple(sections))


def keep_ends(data: bytes) -> list[bytes]:
    """The lines of `data` with their newlines, which alone end a line."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def try_cut(text: PatchText) -> Cut | None:
    """`cut_patch`, or None for a patch that cannot be read."""
    try:
        return cut_patch(text)
    except MetadiffError:
        return None


def close_names(cuts: Iterable[Cut], wanted: Iterable[bytes]) -> set[bytes]:
    """`wanted`, and every file that one of the patches renames to or from one of them."""
    found, sections = set(wanted), [names for cut in cuts for names, _ in cut.sections if len(names) > 1]
    size = -1
    while size != len(found):
        size = len(found)
        for names in sections:
            if not found.isdisjoint(names):
                found |= names
    return found


def keep_files(cuts: Sequence[Cut], wanted: Collection[bytes]) -> list[PatchText]:
    """The patches with nothing but their sections of these files; those without any are left out."""
    kept = []
    for cut in cuts:
        parts = [data for names, data in cut.sections if not names.isdisjoint(wanted)]
        if len(parts) == len(cut.sections) and parts:
            kept.append(cut.text)
        elif parts:
            head = cut.message + b"\n" if cut.message else b""
            kept.append(replace(cut.text, data=head + b"".join(parts)))
    return kept
