"""Mails as patches: an mbox, a file of `git format-patch`, or one saved mail; transfer encodings undone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from git_metadiff.apply import PatchText
from git_metadiff.sources.compressed import decompress

if TYPE_CHECKING:
    import email.message

#: The line before each mail of an mbox.
FROM_LINE = re.compile(rb"^From \S+.*\d\d:\d\d:\d\d .*\d{4}\r?$", re.MULTILINE)
#: The same as `git format-patch` writes it, with no empty line before it where mails have no signature.
GIT_FROM_LINE = re.compile(rb"From [0-9a-f]{40,64} Mon Sep 17 00:00:00 2001\r?$")
#: Headers of a saved mail whose body is not the plain text of a patch.
ENCODED = re.compile(
    rb"^(?:content-transfer-encoding:\s*(?:base64|quoted-printable)|content-type:\s*multipart/)", re.I | re.MULTILINE
)
HEADER = re.compile(rb"[!-9;-~]+:")
#: Headers that tell how the text of a mail is encoded.
ENCODING = (b"content-type:", b"content-transfer-encoding:", b"content-disposition:")
#: What makes a text a patch: a section of git, two file headers before a hunk, or a stub for a binary file.
DIFF = re.compile(rb"^(?:diff --git \S|--- .+\n\+\+\+ .+\n@@ -\d|Binary files .+ differ)", re.MULTILINE)
#: Where `git am` sees the end of a message.
MESSAGE_END = re.compile(rb"^(?:---[ \t]*\r?$|--- \S|diff -|Index: )", re.MULTILINE)
#: Headers at the start of a mail's text, which `git am` prefers to those of the mail.
IN_BODY = re.compile(rb"\n*((?:(?:From|Date|Subject): .*\n(?:[ \t].*\n)*)+)\n")


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
    message = parse(data)
    body = b"\n".join(patch_parts(message, name))
    match = MESSAGE_END.search(body)
    end = match.start() if match else 0
    if not DIFF.search(body, end):
        return None
    commit = re.match(rb"From ([0-9a-f]{12})[0-9a-f]{28,52} ", head)
    inner, text = in_body(in_utf8(body[:end], message))
    found = [inner, message]
    subject = clean_subject(header(found, "subject"))
    told = (subject or "").encode("utf-8", "surrogateescape") + b"\n\n" + text
    patch = b"\n" * body.count(b"\n", 0, end) + body[end:]
    called = commit[1].decode() if commit and not named else name
    lead = lead_of(head, data, body, message, end or len(body) - len(body.lstrip(b"\n")))
    return PatchText(called, patch, None, subject, told, author_of(found), lead)


def parse(data: bytes) -> email.message.Message:
    """A mail taken apart. What reads mails is imported where it is needed: most patches are none, and a hook waits."""
    import email.parser

    return email.parser.BytesParser().parsebytes(data)


def lead_of(head: bytes, data: bytes, body: bytes, message: email.message.Message, end: int) -> bytes:
    """What stands before the diff of a mail, to be written again: byte for byte where the mail is not encoded.

    `head` is the line before the mail, `data` the mail, `body` its decoded text, of which `end` bytes are the lead.
    """
    first = head + b"\n" * bool(head)
    if not message.is_multipart() and data.endswith(body):
        return first + data[: len(data) - len(body) + end]
    fields = re.split(rb"\n(?![ \t])", data.partition(b"\n\n")[0])
    kept = [field for field in fields if not field.lower().startswith(ENCODING)]
    charset = next((part.get_content_charset() for part in message.walk() if part.get_content_charset()), None)
    plain = b"Content-Type: text/plain; charset=%b\nContent-Transfer-Encoding: 8bit\n\n" % (charset or "utf-8").encode()
    return first + b"\n".join([*kept, plain]) + body[:end]


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


def in_utf8(text: bytes, message: email.message.Message) -> bytes:
    """The text of a mail in UTF-8, as git writes it into a commit; as it is where its character set is not known."""
    named = (part.get_content_charset() for part in message.walk() if part.get_content_maintype() == "text")
    try:
        return text.decode(next(named, None) or "utf-8").encode()
    except (LookupError, ValueError):
        return text


def in_body(text: bytes) -> tuple[email.message.Message, bytes]:
    """The headers that begin the text of a mail, where its author is not its sender, and the text after them."""
    match = IN_BODY.match(text)
    inner = parse(match[1] if match else b"")
    return inner, text[match.end() if match else 0 :].lstrip(b"\n")


def header(messages: Iterable[email.message.Message], name: str) -> str | None:
    """A header as it stands, of the first that has it; what is not ASCII is read as UTF-8. None if none has."""
    for message in messages:
        for key, value in message.raw_items():
            if key.lower() == name:
                return str(value).encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return None


def decoded(raw: str) -> str:
    """A header's text with its encoded words decoded; as it is where they are damaged."""
    if "=?" not in raw:
        return raw
    import email.errors
    import email.header

    try:
        return str(email.header.make_header(email.header.decode_header(raw)))
    except (LookupError, ValueError, email.errors.MessageError):  # no such character set, or damaged
        return raw


def author_of(messages: Sequence[email.message.Message]) -> bytes | None:
    """Who wrote a mail and when, by the first that tells, as fast-import takes it; None where it does not tell."""
    import email.utils

    name, address = email.utils.parseaddr(header(messages, "from") or "")
    date = email.utils.parsedate_tz(header(messages, "date") or "")
    if not address or date is None:
        return None
    offset = abs(date[9] or 0) // 60
    zone = f"{'-' if (date[9] or 0) < 0 else '+'}{offset // 60:02}{offset % 60:02}"
    try:
        seconds = email.utils.mktime_tz(date)
    except (OverflowError, ValueError):
        return None
    return f"{decoded(name) or address} <{address}> {seconds} {zone}".encode("utf-8", "surrogateescape")


def clean_subject(raw: str | None) -> str | None:
    """A mail's subject, decoded, unfolded, without its `[PATCH 1/2]` and `Re:`, as `git am` takes it."""
    words = re.sub(r"\s+", " ", decoded(raw or ""))
    return re.sub(r"^(?:\[[^\]]*\]|re:|[ :])+", "", words, flags=re.IGNORECASE).strip() or None
