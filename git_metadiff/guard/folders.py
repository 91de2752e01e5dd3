"""Patch folders: where a repository keeps patches as files, and what one holds in a given tree."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from git_metadiff.apply import PatchText
from git_metadiff.git import Git
from git_metadiff.sources.folder import TreeFolder
from git_metadiff.sources.patchset import PATCH_NAME, REVERSE, plain, series_level, series_lines
from git_metadiff.sources.reverse import reverse_patch

#: Files that list the patches of their folder: quilt's and Debian's, Electron's. OpenWrt's folders have none.
SERIES = "series"
LISTINGS = (SERIES, ".patches")
#: The name of a folder that is taken for one of patches without being configured.
LIKELY = re.compile(r"patch", re.IGNORECASE)
#: The same, for a folder without a list: patches in the order of their names.
PLAIN = re.compile(r"patches(?:[-.].*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Held:
    """What a patch folder holds at one moment."""

    texts: tuple[PatchText, ...] = ()  # in the order of the series
    missing: tuple[str, ...] = ()  # named by the series, and not there

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its patches."""
        return tuple(text.name for text in self.texts)


def likely_folders(path: str, configured: Iterable[str]) -> list[str]:
    """The folders above `path` that may be patch folders, the outermost first."""
    chosen = [folder for folder in configured if path.startswith(f"{folder}/")]
    parts = path.split("/")[:-1]
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return [*chosen, *(folder for folder in above if LIKELY.search(posixpath.basename(folder)))]


def series_above(path: str, there: Callable[[str], bool], asked: dict[str, bool]) -> str | None:
    """The innermost folder above a patch that has a series, whatever its name: `queue-6.1/series`."""
    parts = path.split("/")[:-1]
    above = ("/".join(parts[:count]) for count in range(len(parts), 0, -1))
    for folder in above:
        name = f"{folder}/{SERIES}"
        if name not in asked:
            asked[name] = there(name)
        if asked[name]:
            return folder
    return None


def folders_of(
    paths: Iterable[bytes],
    configured: Iterable[str],
    there: Callable[[str], bool],
    has_patches: Callable[[str], bool],
) -> list[str]:
    """The patch folders in which `paths` lie. `there` tells whether a path is in either of the trees compared, and
    `has_patches` whether a folder of them has patches in it."""
    configured, found = list(configured), dict[str, None]()
    asked: dict[str, bool] = {}

    def listed(folder: str) -> bool:
        return any(asked.setdefault(name, there(name)) for name in (f"{folder}/{one}" for one in LISTINGS))

    for path in map(os.fsdecode, paths):
        likely = likely_folders(path, configured)
        inner = next((folder for folder in likely if folder in configured or listed(folder)), None)
        holder, name = posixpath.split(path)
        if inner is None and PATCH_NAME.fullmatch(name):
            inner = holder if PLAIN.fullmatch(posixpath.basename(holder)) else series_above(path, there, asked)
        elif inner is None and holder and name == SERIES and holder not in found and has_patches(holder):
            inner = holder
        if inner is not None:
            found[inner] = None
    return list(found)


def read_held(git: Git, tree: str, path: str) -> Held:
    """The patches that the folder `path` of `tree` holds, in order; links within the tree are followed."""
    folder = TreeFolder(git, tree, path, path)
    if folder.tree() is None:
        return Held()
    series, electron = folder.read(LISTINGS)
    if series is None and electron is None:
        names = [name for name in folder.names() if PATCH_NAME.fullmatch(name)]
        contents = folder.read(names)
        texts = [PatchText(name, plain(data, name)) for name, data in zip(names, contents, strict=True) if data]
        return Held(tuple(texts))
    entries = [words for _, words in series_lines(plain(series or electron or b"", path))]
    texts, missing = [], []
    for words, content in zip(entries, folder.read([words[0] for words in entries]), strict=True):
        if content is None:
            missing.append(words[0])
            continue
        data = plain(content, words[0])
        if not REVERSE.isdisjoint(words[1:]):
            data = reverse_patch(data, words[0])
        texts.append(PatchText(words[0], data, series_level(words[1:])))
    return Held(tuple(texts), tuple(missing))
