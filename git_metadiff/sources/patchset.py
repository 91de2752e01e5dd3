"""PATCHSET: a patch file, a quilt directory or series file, mails, `REV:PATH`, a revision, or a range."""

from __future__ import annotations

import email.header
import email.message
import email.parser
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from git_metadiff.apply import PatchText, subject_of
from git_metadiff.errors import MetadiffError
from git_metadiff.git import Git
from git_metadiff.hunks import Scanner
from git_metadiff.sources.compressed import decompress
from git_metadiff.sources.folder import DiskFolder, Folder, TreeFolder, read_file

MBOX_LINE = re.compile(rb"^From \S+.*\d\d:\d\d:\d\d .*\d{4}\r?$", re.MULTILINE)
#: What makes a file a patch: a section of git, two file headers before a hunk, or a stub for a binary file.
DIFF = re.compile(rb"^(?:diff --git \S|--- .+\n\+\+\+ .+\n@@ -\d|Binary files .+ differ)", re.MULTILINE)
LOG_FORMAT = "--format=%x00%H%x00%an <%ae> %ad%x00%B%x00"


@dataclass(frozen=True, slots=True)
class PatchsetSource:
    """The patches of a patchset, read but not applied."""

    name: str
    texts: tuple[PatchText, ...]

    @property
    def key(self) -> str:
        """A digest of everything that decides the result."""
        state = hashlib.sha256()
        for text in self.texts:
            state.update(f"{text.name}\0{text.strip}\0{len(text.data)}\0".encode("utf-8", "surrogateescape"))
            state.update(text.data)
        return state.hexdigest()


def find_patchset(
    argument: str, release_tree: str, git: Git, user: Git, cwd: Path, strip: int | None
) -> PatchsetSource:
    """Read what PATCHSET names.

    `git` is the scratch repository, in which objects are read; `user` the user's, in which revisions are named;
    `release_tree` the release of a patchset that is given as one revision.
    """
    path = cwd / argument
    explicit = argument.startswith(("./", "../", "/")) or argument in (".", "..")
    exists = bool(argument) and path.exists()
    found = None if explicit or not argument else find_revision(argument, release_tree, git, user)
    if found is not None and exists:
        raise MetadiffError(
            f"'{argument}' is both a revision and a path",
            f"write './{argument}' for the path, or the full name of the ref",
        )
    if found is None and not exists:
        raise MetadiffError(
            f"'{argument}' is neither a path nor a revision",
            "a patchset is a patch file, a quilt directory, a series file, an mbox or a range A..B",
        )
    texts = found if found is not None else read_path(path, argument)
    if strip is not None:
        texts = [PatchText(text.name, text.data, strip, text.subject, text.message, text.author) for text in texts]
    return PatchsetSource(argument if found is not None else path.resolve().name, tuple(texts))


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
    tree = user.resolve(argument, "tree")
    if tree is not None:
        return read_folder(TreeFolder(git, tree, argument))
    blob = user.resolve(argument, "blob")
    if blob is None:
        return None
    revision, _, path = argument.partition(":")
    above, _, name = path.rpartition("/")
    parent = user.resolve(f"{revision}:{above}", "tree")
    folder = TreeFolder(git, parent, argument) if parent is not None else None
    return read_content(name, git.run("cat-file", "blob", blob), folder)


def read_range(git: Git, start: str, stop: str) -> list[PatchText]:
    """One patch a commit of the first-parent line, so that the last tree is that of `stop`, merges or not."""
    arguments = (
        "--reverse",
        "--first-parent",
        "--diff-merges=first-parent",
        "--date=raw",
        "-p",
        "-M",
        "--binary",
        "--full-index",
    )
    out = git.run("log", *arguments, LOG_FORMAT, f"{start}..{stop}")
    fields = out.split(b"\0")[1:]
    texts = []
    for at in range(0, len(fields) - 3, 4):
        commit, author, message, diff = fields[at : at + 4]
        subject = message.decode("utf-8", "replace").partition("\n")[0]
        texts.append(PatchText(commit.decode()[:12], diff.lstrip(b"\n"), 1, subject, message, author))
    if not texts:
        raise MetadiffError("the range holds no commit", "write it as UPSTREAM..DOWNSTREAM, the older end first")
    return texts


def read_path(path: Path, argument: str) -> list[PatchText]:
    """The patches of a file or folder on disk."""
    if path.is_dir():
        return read_folder(DiskFolder(path, argument))
    return read_content(path.name, read_file(path), DiskFolder(path.parent, argument))


def read_folder(folder: Folder) -> list[PatchText]:
    """A quilt directory, or a folder of mails or patches in the order of their names."""
    series = folder.read("series")
    if series is not None:
        return read_series(series, folder, f"{folder.name}/series")
    names = [
        name
        for name in folder.names()
        if name.endswith((".patch", ".diff", ".mbox", ".eml", ".gz", ".xz", ".bz2", ".zst"))
    ]
    if not names:
        raise MetadiffError(
            f"{folder.name}: no series file and no patches in this folder",
            "name a folder with a 'series', or one of *.patch files",
        )
    texts: list[PatchText] = []
    for name in names:
        texts += read_content(name, folder.read(name) or b"", None)
    return texts


def read_content(name: str, data: bytes, folder: Folder | None) -> list[PatchText]:
    """A file's patches, by its content: an mbox, a patch, or a series file whose patches lie in `folder`."""
    data = decompress(data, name)
    if MBOX_LINE.match(data):
        return list(read_mbox(data, name))
    if DIFF.search(data):
        return [PatchText(name, data)]
    if folder is not None and looks_like_series(data, folder):
        return read_series(data, folder, name)
    raise MetadiffError(
        f"{name}: there is no patch in this file", "a patch has lines '--- a/file', '+++ b/file' and '@@ -1,2 +1,3 @@'"
    )


def series_lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """The entries of a series file: line number and words; comments and empty lines left out."""
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").splitlines(), 1):
        words = re.sub(r"(^|\s)#.*", "", line).split()
        if words:
            yield number, words


def looks_like_series(data: bytes, folder: Folder) -> bool:
    """Whether the first entry of the file names a file of the folder."""
    if b"\0" in data:
        return False
    first = next(series_lines(data), None)
    return first is not None and folder.read(first[1][0]) is not None


def read_series(data: bytes, folder: Folder, name: str) -> list[PatchText]:
    """The patches that a series file lists, each with its own options (`-p0`, say; -p1 without)."""
    texts = []
    for number, words in series_lines(data):
        content = folder.read(words[0])
        if content is None:
            raise MetadiffError(
                f"{name}:{number}: the patch {words[0]} is not there",
                "the series file names a patch that its folder does not hold",
            )
        strip = 1
        for word in words[1:]:
            if match := re.fullmatch(r"-p(\d+|ab)", word):
                strip = 1 if match[1] == "ab" else int(match[1])
            elif word == "-R":
                raise MetadiffError(
                    f"{name}:{number}: {words[0]} is to be applied in reverse",
                    "refresh it with quilt so that it applies forward",
                )
        texts.append(PatchText(words[0], decompress(content, words[0]), strip))
    return texts


def read_mbox(data: bytes, name: str) -> Iterator[PatchText]:
    """The patches of an mbox or of one mail, transfer encodings undone."""
    starts = [
        match.start()
        for match in MBOX_LINE.finditer(data)
        if match.start() == 0 or data[: match.start()].endswith((b"\n\n", b"\r\n\r\n"))
    ]
    found = 0
    for start, stop in zip(starts, [*starts[1:], len(data)], strict=True):
        head, _, mail = data[start:stop].partition(b"\n")
        message = email.parser.BytesParser().parsebytes(mail)
        body = b"\n".join(text_parts(message))
        if not Scanner(body, name).scan():
            continue
        found += 1
        subject = clean_subject(message.get("Subject"))
        commit = head.split()[1].decode("ascii", "replace")[:12]
        title = commit if re.fullmatch(r"[0-9a-f]{12}", commit) and len(starts) > 1 else name
        author = mail_author(message)
        text = (subject or "").encode() + b"\n\n" + body[: diff_start(body)]
        yield PatchText(title if len(starts) == 1 else f"{title}", body, None, subject, text, author)
    if not found:
        raise MetadiffError(
            f"{name}: there is no patch in these mails", "a patch series is made with 'git format-patch'"
        )


def diff_start(body: bytes) -> int:
    """Where the message of a mail ends: at `---` alone on a line, or at the first diff."""
    match = re.search(rb"^(---\s*$|diff |Index: )", body, re.MULTILINE)
    return match.start() if match else len(body)


def text_parts(message: email.message.Message) -> Iterator[bytes]:
    """The decoded text parts of a mail."""
    for part in message.walk():
        if not part.is_multipart() and part.get_content_maintype() == "text":
            payload = part.get_payload(decode=True)
            if isinstance(payload, bytes):
                yield payload


def clean_subject(raw: object) -> str | None:
    """A mail's subject, decoded, unfolded, without its `[PATCH 1/2]`."""
    if raw is None:
        return None
    words = str(email.header.make_header(email.header.decode_header(str(raw))))
    return re.sub(r"^(\s*\[[^\]]*\]\s*)+", "", re.sub(r"\s+", " ", words)).strip() or None


def mail_author(message: email.message.Message) -> bytes | None:
    """Not taken over: a date that cannot be read would make ids depend on the reader's clock."""
    return None


def count(number: int, word: str) -> str:
    """`1 release`, `2 releases`."""
    return f"{number} {word}" + "s" * (number != 1)


def check_counts(releases: Sequence[str], patchsets: Sequence[str]) -> None:
    """One patchset a release, or several on one release."""
    if len(releases) == 1 and len(patchsets) >= 2:
        return
    if len(releases) < 2 or len(patchsets) != len(releases):
        raise MetadiffError(
            f"{count(len(releases), 'release')} and {count(len(patchsets), 'patchset')} do not pair up",
            "give one patchset for each of two or more releases, or several patchsets for one release",
        )


__all__ = ["PatchsetSource", "check_counts", "find_patchset", "subject_of"]
