"""PATCHSET: a patch file, a quilt directory or series file, mails, `REV:PATH`, a revision, or a range."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from git_metadiff.apply import PatchText
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git
from git_metadiff.sources.compressed import decompress
from git_metadiff.sources.folder import DiskFolder, Folder, TreeFolder, inner_path, is_there, read_file
from git_metadiff.sources.mail import DIFF, is_mail, read_mails
from git_metadiff.sources.range import read_range
from git_metadiff.sources.reverse import reverse_patch

#: Files that are read where a folder holds no series.
PATCH_NAME = re.compile(r".*\.(?:patch|diff|mbox|eml)(?:\.(?:gz|xz|bz2|zst))?", re.DOTALL)
#: What an entry of a series says where its patch is to be taken out again.
REVERSE = frozenset(("-R", "--reverse"))
NOTHING_VERIFIED: Mapping[Path, str] = {}
SERIES_NAME = re.compile(r".*series(?:\.conf)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PatchsetSource:
    """The patches of a patchset, read but not applied."""

    name: str
    texts: tuple[PatchText, ...]
    sha256: str = ""  # of a file that was verified

    @property
    def key(self) -> str:
        """A digest of everything that decides the result."""
        state = hashlib.sha256()
        for text in self.texts:
            words = (text.name, str(text.strip), str(text.subject), str(len(text.data)))
            state.update("\0".join(words).encode("utf-8", "surrogateescape") + b"\0")
            state.update(b"%d\0%b\0%b\0" % (len(text.message), text.message, text.author or b""))
            state.update(text.data)
        return state.hexdigest()


def find_patchset(
    argument: str,
    release_tree: str,
    git: Git,
    user: Git,
    cwd: Path,
    strip: int | None,
    verified: Mapping[Path, str] = NOTHING_VERIFIED,
) -> PatchsetSource:
    """Read what PATCHSET names.

    `git` is the scratch repository, in which objects are read; `user` the user's, in which revisions are named;
    `release_tree` the release of a patchset that is given as one revision; `verified` tells the SHA-256 that files must
    have when they are read.
    """
    path = cwd / argument
    explicit = argument.startswith(("./", "../", "/")) or argument in (".", "..")
    exists = bool(argument) and is_there(path)
    found = None if explicit or not argument else find_revision(argument, release_tree, git, user)
    if found is not None and exists:
        raise MetadiffError(
            f"'{argument}' is both a revision and a path",
            f"write './{argument}' for the path, or the full name of the ref",
        )
    if found is None and not exists:
        raise not_found(argument, user)
    digest = verified.get(path, "") if found is None else ""
    texts = found if found is not None else read_path(path, argument, digest)
    if strip is not None:
        texts = [replace(text, strip=strip) for text in texts]
    return PatchsetSource(argument if found is not None else path.resolve().name, tuple(texts), digest)


def not_found(argument: str, user: Git) -> MetadiffError:
    """The error for an argument that names nothing; it tells which half of a name is at fault."""
    revision, colon, path = argument.partition(":")
    ends = [end for end in re.split(r"\.{2,3}", argument, maxsplit=1) if end]
    if colon and revision and user.resolve(revision, "tree") is not None:
        return MetadiffError(f"'{revision}' holds no file or folder '{path}'", f"list it with 'git ls-tree {revision}'")
    unknown = [end for end in ends if user.resolve(end) is None]
    if not colon and 0 < len(unknown) < 2 <= len(ends):
        return MetadiffError(f"'{argument}': '{unknown[0]}' is no revision", "'git tag' and 'git branch' list them")
    return MetadiffError(
        f"'{argument}' is neither a path nor a revision",
        "a patchset is a patch file, a quilt directory, a series file, an mbox or a range A..B",
    )


def find_revision(argument: str, release_tree: str, git: Git, user: Git) -> list[PatchText] | None:
    """The patches of `A..B`, `REV:PATH` or one revision; None if it is none of them."""
    if ".." in argument and ":" not in argument:
        ends = [user.resolve(end or "HEAD") for end in re.split(r"\.{2,3}", argument, maxsplit=1)]
        return read_range(git, ends[0], ends[1]) if ends[0] is not None and ends[1] is not None else None
    if ":" in argument and not argument.startswith(":"):
        return find_in_revision(argument, git, user)
    commit = user.resolve(argument)
    if commit is None:
        return None
    data = git.run("diff-tree", "-r", "-p", "-M", "--binary", "--full-index", release_tree, f"{commit}^{{tree}}")
    return [PatchText(argument, data, 1)]


def find_in_revision(argument: str, git: Git, user: Git) -> list[PatchText] | None:
    """The patches of the folder or file `REV:PATH`."""
    revision, _, named = argument.partition(":")
    root, path = user.resolve(revision, "tree"), inner_path("", named)
    if root is None or path is None:
        return None
    folder = TreeFolder(git, root, path, argument)
    if folder.tree() is not None:
        return read_folder(folder)
    above, _, name = path.rpartition("/")
    folder = TreeFolder(git, root, above, argument)
    [content] = folder.read([name])
    return None if content is None else read_content(name, content, folder)


def read_path(path: Path, argument: str, verified: str = "") -> list[PatchText]:
    """The patches of a file or folder on disk; `verified` is the SHA-256 that a file must have, if it was verified."""
    if path.is_dir():
        return read_folder(DiskFolder(path, argument))
    return read_content(path.name, read_file(path, verified), DiskFolder(path.parent, argument))


def read_folder(folder: Folder) -> list[PatchText]:
    """A quilt directory, or a folder of mails or patches in the order of their names."""
    [series] = folder.read(["series"])
    if series is not None:
        return read_series(series, folder, f"{folder.name}/series")
    names = [name for name in folder.names() if PATCH_NAME.fullmatch(name)]
    texts: list[PatchText] = []
    for name, content in zip(names, folder.read(names), strict=True):
        if content is None:
            raise MetadiffError(f"{folder.name}: {name} leads to no file", "put the patch there, or remove the link")
        texts += read_file_of_patches(name, content)
    if not texts:
        raise MetadiffError(
            f"{folder.name}: no series file and no patches in this folder",
            "name a folder with a 'series', or one of *.patch files",
        )
    return texts


def read_file_of_patches(name: str, data: bytes) -> list[PatchText]:
    """The patches of a file in a folder of patches, where a mail without one is a cover letter."""
    data = plain(data, name)
    if is_mail(data):
        return [replace(text, file=name) for text in read_mails(data, name)]
    return read_content(name, data, None)


def read_content(name: str, data: bytes, folder: Folder | None) -> list[PatchText]:
    """A file's patches, by its content: an mbox, a patch, or a series file whose patches lie in `folder`."""
    data = plain(data, name)
    if is_mail(data):
        texts = read_mails(data, name)
        if texts:
            return texts
        raise MetadiffError(
            f"{name}: there is no patch in these mails", "a patch series is made with 'git format-patch'"
        )
    if DIFF.search(data):
        return [PatchText(name, data)]
    if folder is not None and looks_like_series(name, data, folder):
        return read_series(data, folder, name)
    what = "there is no patch in this file" if data.strip() else "this file is empty"
    raise MetadiffError(f"{name}: {what}", "a patch has lines '--- a/file', '+++ b/file' and '@@ -1,2 +1,3 @@'")


def plain(data: bytes, name: str) -> bytes:
    """The text of a patch or series: decompressed, without a byte order mark."""
    data = decompress(data, name)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MetadiffError(f"{name}: this file is in UTF-16", f"convert it with 'iconv -f UTF-16 -t UTF-8 {name}'")
    return data.removeprefix(b"\xef\xbb\xbf")


def series_lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The entries of a series file: line number and words; comments and empty lines left out."""
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        words = re.findall(r"\S+", re.sub(r"(^|\s)#.*", "", line, flags=re.ASCII), re.ASCII)
        if words:
            yield number, words


def looks_like_series(name: str, data: bytes, folder: Folder) -> bool:
    """Whether a file is a series by its name, or by a first entry that is a file of the folder."""
    if b"\0" in data:
        return False
    first = next(series_lines(data), None)
    if SERIES_NAME.fullmatch(name):
        return True
    return first is not None and folder.read([first[1][0]]) != [None]


def read_series(data: bytes, folder: Folder, name: str) -> list[PatchText]:
    """The patches that a series file lists, each with its own options (`-p0`, say; -p1 without)."""
    entries = list(series_lines(plain(data, name)))
    contents = folder.read([words[0] for _, words in entries])
    texts = []
    for (number, words), content in zip(entries, contents, strict=True):
        if content is None:
            raise MetadiffError(
                f"{name}:{number}: the patch {words[0]} is not there",
                "the series file names a patch that its folder does not hold",
            )
        text = plain(content, words[0])
        if not REVERSE.isdisjoint(words[1:]):
            text = reverse_patch(text, words[0])
        texts.append(PatchText(words[0], text, series_level(words[1:])))
    return texts


def series_level(options: Sequence[str]) -> int:
    """The patch level that an entry of a series asks for; `-pab` is quilt's word for -p1 with names a/ and b/."""
    levels = [match[1] for word in options if (match := re.fullmatch(r"-p(\d+|ab)", word))]
    return 1 if not levels or levels[-1] == "ab" else int(levels[-1])


def count(number: int, word: str) -> str:
    """`1 release`, `2 releases`."""
    return f"{number} {word}" + "s" * (number != 1)


def check_counts(releases: Sequence[str], patchsets: Sequence[str]) -> None:
    """One patchset a release, or several on one release; one patchset fewer than releases is a forecast."""
    if len(releases) == 1 and len(patchsets) >= 2:
        return
    if len(releases) < 2 or len(patchsets) not in (len(releases), len(releases) - 1):
        raise MetadiffError(
            f"{count(len(releases), 'release')} and {count(len(patchsets), 'patchset')} do not pair up",
            "give one patchset for each of two or more releases (one fewer: a forecast), or several for one release",
        )


def check_further(releases: Sequence[str], patchsets: Sequence[str]) -> None:
    """One patchset for each release that is appended; none for the last one is a forecast."""
    if not releases or len(patchsets) not in (len(releases), len(releases) - 1):
        raise MetadiffError(
            f"{count(len(releases), 'further release')} and {count(len(patchsets), 'patchset')} do not pair up",
            "give one patchset for each release behind --append (one fewer: a forecast)",
        )
