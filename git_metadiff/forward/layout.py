"""How a patchset was kept, and how it is written again: a quilt series, a folder of patches, one file, or commits."""

from __future__ import annotations

import email.header
import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from git_metadiff.apply import PatchText
from git_metadiff.forward.words import CarriedPatch, Written
from git_metadiff.git import EPOCH, Git
from git_metadiff.sources import PatchsetSource
from git_metadiff.sources.folder import DiskFolder, Folder, TreeFolder, inner_path, read_file
from git_metadiff.sources.mail import DIFF, is_mail
from git_metadiff.sources.patchset import plain

COMPRESSED = re.compile(r"\.(?:gz|xz|bz2|zst)$")
ENTRY = re.compile(rb"^(\s*)(\S+)(.*?)(\r?)$", re.DOTALL)
COMMENT = re.compile(rb"(?:^|\s)#")
REVERSE = re.compile(rb"\s+(?:-R|--reverse)(?=\s|$)")
NOTHING = b"00" * 20


@dataclass(frozen=True, slots=True)
class Layout:
    """How a patchset is kept."""

    kind: str  # `quilt`, `folder`, `file` or `commits`
    series: bytes = b""  # of a quilt series: the text of its series file
    series_name: str = "series"
    name: str = ""  # of one file


def find_layout(argument: str, source: PatchsetSource, tree: str, git: Git, user: Git, cwd: Path) -> Layout:
    """How the patchset that was read from `argument` is kept. `git` reads objects, `user` names revisions."""
    path = cwd / argument
    if source.name == path.resolve().name and path.exists():
        return layout_of_path(path, argument)
    if ":" not in argument:
        return Layout("commits" if ".." in argument else "file", name=f"{safe_name(argument)}.patch")
    revision, _, named = argument.partition(":")
    root, inside = user.resolve(revision, "tree"), inner_path("", named)
    assert root is not None and inside is not None
    folder = TreeFolder(git, root, inside, argument)
    if folder.tree() is not None:
        return layout_of_folder(folder)
    above, _, name = inside.rpartition("/")
    [content] = TreeFolder(git, root, above, argument).read([name])
    return layout_of_content(name, content or b"")


def layout_of_path(path: Path, argument: str) -> Layout:
    """The layout of a file or folder on disk."""
    return (
        layout_of_folder(DiskFolder(path, argument)) if path.is_dir() else layout_of_content(path.name, read_file(path))
    )


def layout_of_folder(folder: Folder) -> Layout:
    """A quilt folder has a series."""
    [series] = folder.read(["series"])
    return Layout("folder") if series is None else Layout("quilt", plain(series, "series"))


def layout_of_content(name: str, data: bytes) -> Layout:
    """A patch or mails, or a series file."""
    data = plain(data, name)
    if is_mail(data) or DIFF.search(data):
        return Layout("file", name=COMPRESSED.sub("", name))
    return Layout("quilt", data, COMPRESSED.sub("", name))


def layout_of_stored(source: PatchsetSource) -> Layout:
    """The layout of a patchset of which a comparison keeps the texts alone."""
    if any(text.message for text in source.texts):
        return Layout("commits")
    if len(source.texts) == 1 and source.texts[0].strip is None:
        return Layout("file", name=COMPRESSED.sub("", source.texts[0].name))
    levels = ["" if text.strip in (None, 1) else f" -p{text.strip}" for text in source.texts]
    entries = [f"{text.name}{level}\n" for text, level in zip(source.texts, levels, strict=True)]
    return Layout("quilt", "".join(entries).encode("utf-8", "surrogateescape"))


def whole_texts(layout: Layout, texts: Sequence[PatchText], diffs: Sequence[bytes]) -> list[bytes]:
    """The patches with what stood around their diffs; an empty one stays empty."""
    return [
        whole_text(layout, text, diff, at, len(texts))
        for at, (text, diff) in enumerate(zip(texts, diffs, strict=True), 1)
    ]


def lay_out(
    layout: Layout, texts: Sequence[PatchText], patches: Sequence[CarriedPatch], rejects: Sequence[bytes]
) -> tuple[list[CarriedPatch], list[Written]]:
    """The files of the folder, and the patches with the names of those that hold them."""
    names = file_names(layout, texts)
    told = [
        replace(patch, file=name if patch.text else None, rejects=reject_name(name, at, names) if reject else None)
        for at, (patch, name, reject) in enumerate(zip(patches, names, rejects, strict=True))
    ]
    contents: dict[str, bytes] = {}
    for patch in told:
        if patch.file is not None:
            contents[patch.file] = contents.get(patch.file, b"") + patch.text
    contents.update((one.rejects, data) for one, data in zip(told, rejects, strict=True) if one.rejects is not None)
    if layout.kind == "quilt":
        contents[layout.series_name] = new_series(layout, told, names)
    return told, [Written(name, data) for name, data in contents.items()]


def file_names(layout: Layout, texts: Sequence[PatchText]) -> list[str]:
    """The file that each patch goes into. Two patches never share one, but for mails of one mbox."""
    if layout.kind == "file":
        return [layout.name] * len(texts)
    if layout.kind == "commits":
        return [f"{at:04}-{safe_name(text.subject or text.name)[:52]}.patch" for at, text in enumerate(texts, 1)]
    if layout.kind == "folder":
        return [COMPRESSED.sub("", text.file or text.name) for text in texts]
    taken = {layout.series_name}
    found = []
    for text in texts:
        name = COMPRESSED.sub("", inner_name(text.name))
        stem, number = name, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        found.append(name)
    return found


def inner_name(name: str) -> str:
    """A name of a series that stays within its folder."""
    parts = PurePosixPath(name).parts
    return "/".join(parts) if parts and ".." not in parts and not name.startswith("/") else safe_name(parts[-1])


def safe_name(text: str) -> str:
    """Words as a file name, as `git format-patch` makes it."""
    return re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._]+", "-", text)).strip("-.") or "patch"


def reject_name(name: str, at: int, names: Sequence[str]) -> str:
    """The file of what has no place: beside the patch; numbered where several patches share a file."""
    return f"{name}.rej" if names.count(name) == 1 else f"{name}.{at + 1:04}.rej"


def whole_text(layout: Layout, text: PatchText, diff: bytes, number: int, count: int) -> bytes:
    """A patch with what stood around its diff."""
    if not diff:
        return b""
    if layout.kind == "commits":
        return as_mail(text, diff, number, count) if text.message else diff
    return text.lead + diff.lstrip(b"\n") if text.lead else diff


def as_mail(text: PatchText, diff: bytes, number: int, count: int) -> bytes:
    """A commit as `git format-patch` writes it."""
    title, _, body = text.message.lstrip(b"\n").partition(b"\n\n")
    subject = " ".join(title.decode("utf-8", "surrogateescape").split())
    prefix = f"[PATCH {number}/{count}] " if count > 1 else "[PATCH] "
    author, _, date = (text.author or b"unknown <unknown@localhost> %d +0000" % EPOCH).rpartition(b"> ")
    commit = text.name.encode() if re.fullmatch(r"[0-9a-f]{40,64}", text.name) else NOTHING
    head = [
        b"From %b Mon Sep 17 00:00:00 2001" % commit,
        f"From: {address(author)}".encode("utf-8", "surrogateescape"),
        f"Date: {mail_date(date)}".encode(),
        f"Subject: {prefix}{in_words(subject)}".encode("utf-8", "surrogateescape"),
    ]
    if not (body + diff).isascii():
        head += [b"MIME-Version: 1.0", b"Content-Type: text/plain; charset=UTF-8", b"Content-Transfer-Encoding: 8bit"]
    words = body.rstrip(b"\n")
    return b"\n".join([*head, b"", *([words] if words else []), b"---", b"", diff.lstrip(b"\n")])


def in_words(text: str) -> str:
    """A subject for a mail's header."""
    try:
        return text if text.isascii() else email.header.Header(text, "utf-8", maxlinelen=10000).encode()
    except UnicodeEncodeError:  # not UTF-8: as it is
        return text


def address(author: bytes) -> str:
    """`Name <mail>` for a mail's header."""
    name, _, mail = author.decode("utf-8", "surrogateescape").rpartition("<")
    words = name.strip()
    return email.utils.formataddr((words, mail.strip())) if words.isascii() else f"{in_words(words)} <{mail.strip()}>"


def mail_date(date: bytes) -> str:
    """`seconds zone` as a mail's header tells it."""
    seconds, _, zone = date.decode("ascii", "replace").partition(" ")
    match = re.fullmatch(r"([+-])(\d\d)(\d\d)", zone)
    if match is None or not seconds.isdigit():
        return email.utils.formatdate(EPOCH)
    shift = (int(match[2]) * 3600 + int(match[3]) * 60) * (-1 if match[1] == "-" else 1)
    return email.utils.formatdate(int(seconds) + shift).replace("-0000", zone)


def new_series(layout: Layout, patches: Sequence[CarriedPatch], names: Sequence[str]) -> bytes:
    """The series file: comments stay, options stay but for `-R`, and what is not written is a comment or gone."""
    rest = iter(zip(patches, names, strict=True))
    out = []
    for line in layout.series.split(b"\n"):
        match = ENTRY.match(line)
        comment = COMMENT.search(line)
        if match is None or (comment is not None and not line[: comment.start()].strip()):
            out.append(line)
            continue
        patch, name = next(rest)
        entry = match[1] + name.encode("utf-8", "surrogateescape") + forward_only(match[3]) + match[4]
        if patch.file is not None:
            out.append(entry)
        elif patch.rejects is not None:
            out.append(b"# nothing of it has a place: " + entry.lstrip())
    return b"\n".join(out)


def forward_only(options: bytes) -> bytes:
    """The options of an entry, for a patch that is written forward."""
    comment = COMMENT.search(options)
    end = len(options) if comment is None else comment.start()
    return REVERSE.sub(b"", options[:end]) + options[end:]
