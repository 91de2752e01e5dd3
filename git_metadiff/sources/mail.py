"""Mails as patches: an mbox, a file of `git format-patch`, or one saved mail; transfer encodings undone."""

from __future__ import annotations

import email.errors
import email.header
import email.message
import email.parser
import re
from collections.abc import Iterator

from git_metadiff.apply import PatchText
from git_metadiff.sources.compressed import decompress

#: The line before each mail of an mbox.
FROM_LINE = re.compile(rb"^From \S+.*\d\d:\d\d:\d\d .*\d{4}\r?$", re.MULTILINE)
#: The same as `git format-patch` writes it, with no empty line before it where mails have no signature.
GIT_FROM_LINE = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\r?$")
#: Headers of a saved mail whose body is not the plain text of a patch.
ENCODED = re.compile(
    rb"^(?:content-transfer-encoding:\s*(?:base64|quoted-printable)|content-type:\s*multipart/)", re.I | re.MULTILINE
)
HEADER = re.compile(rb"[!-9;-~]+:")
#: What makes a text a patch: a section of git, two file headers before a hunk, or a stub for a binary file.
DIFF = re.compile(rb"^(?:diff --git \S|--- .+\n\+\+\+ .+\n@@ -\d|Binary files .+ differ)", re.MULTILINE)
#: Where `git am` sees the end of a message.
MESSAGE_END = re.compile(rb"^(?:---[ \t]*\r?$|--- \S|diff -|Index: )", re.MULTILINE)


def is_mail(data: bytes) -> bool:
    """Whether a file holds mails: an mbox, or a saved mail that must be decoded."""
    if FROM_LINE.match(data):
        return True
    head = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0]
    return HEADER.match(head) is not None and ENCODED.search(head) is not None


def read_mails(data: bytes, name: str) -> list[PatchText]:
    """The patches of an mbox or of one mail; mails without one, cover letters say, are left out."""
    mails = split_mails(data)
    texts = []
    for number, mail in enumerate(mails, 1):
        text = read_mail(mail, name if len(mails) == 1 else f"{name}#{number}", named=len(mails) == 1)
        if text is not None:
            texts.append(text)
    return texts


def split_mails(data: bytes) -> list[bytes]:
    """The mails of an mbox, each with the line before it."""
    starts = [match.start() for match in FROM_LINE.finditer(data) if begins_mail(data, match)] or [0]
    return [data[start:stop] for start, stop in zip(starts, [*starts[1:], len(data)], strict=True)]


def begins_mail(data: bytes, match: re.Match[bytes]) -> bool:
    """Whether a line like `From …` is the one before a mail, and not part of a message."""
    before = data[: match.start()][-4:]
    return not before or before.endswith((b"\n\n", b"\n\r\n")) or GIT_FROM_LINE.match(match[0]) is not None


def read_mail(data: bytes, name: str, *, named: bool) -> PatchText | None:
    """The patch of one mail, or None; it is called after its commit where the mail tells one and has no name (`named`).

    The lines of the message are there as empty ones, so that line numbers are those of the mail's text.
    """
    head = b""
    if data.startswith(b"From "):
        head, _, data = data.partition(b"\n")
    if data.partition(b"\n")[0].endswith(b"\r"):  # as it was sent: all lines end so, those of the patch too
        data = data.replace(b"\r\n", b"\n")
    message = email.parser.BytesParser().parsebytes(data)
    body = b"\n".join(patch_parts(message, name))
    match = MESSAGE_END.search(body)
    end = match.start() if match else 0
    if not DIFF.search(body, end):
        return None
    commit = re.match(rb"From ([0-9a-f]{12})[0-9a-f]{28,52} ", head)
    subject = clean_subject(message.get("Subject"))
    told = (subject or "").encode("utf-8", "surrogateescape") + b"\n\n" + body[:end]
    patch = b"\n" * body.count(b"\n", 0, end) + body[end:]
    return PatchText(commit[1].decode() if commit and not named else name, patch, None, subject, told)


def patch_parts(message: email.message.Message, name: str) -> Iterator[bytes]:
    """The decoded texts of a mail: its plain text, and attached patches of any type."""
    for part in message.walk():
        payload = None if part.is_multipart() else part.get_payload(decode=True)
        if not isinstance(payload, bytes) or part.get_content_type() == "text/html":
            continue
        if part.get_content_maintype() == "text":
            yield payload
        elif DIFF.search(content := decompress(payload, name)):
            yield content


def clean_subject(raw: object) -> str | None:
    """A mail's subject, decoded, unfolded, without its `[PATCH 1/2]`."""
    if raw is None:
        return None
    try:
        words = str(email.header.make_header(email.header.decode_header(str(raw))))
    except (LookupError, ValueError, email.errors.MessageError):  # no such character set, or damaged
        words = str(raw)
    return re.sub(r"^(\s*\[[^\]]*\]\s*)+", "", re.sub(r"\s+", " ", words)).strip() or None
