"""OpenPGP's text forms: ASCII armor of keys, and clearsigned text (RFC 9580, sections 6 and 7).

Only the wrapping is read here. What is inside is judged by gpgv alone.
"""

from __future__ import annotations

import base64
import binascii
import re

PUBLIC_KEY = re.compile(
    rb"^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?P<headers>(?:[^\r\n:]+:[^\r\n]*\r?\n)*)[ \t]*\r?\n"
    rb"(?P<body>.*?)^-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL | re.MULTILINE,
)
PRIVATE_KEY = re.compile(rb"^-----BEGIN PGP PRIVATE KEY BLOCK-----", re.MULTILINE)
CHECKSUM = re.compile(rb"^=[A-Za-z0-9+/]{4}\s*\Z", re.MULTILINE)

CLEARSIGNED = re.compile(rb"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?$", re.MULTILINE)
#: Headers, an empty line, the text up to the line before the signature.
SIGNED_TEXT = re.compile(
    rb"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\r?\n(?:[^\r\n]+\r?\n)*[ \t]*\r?\n"
    rb"(?P<text>.*?)^-----BEGIN PGP SIGNATURE-----[ \t]*\r?\n",
    re.DOTALL | re.MULTILINE,
)


class ArmorError(ValueError):
    """Text that is not what it begins like; the words say why."""


def dearmor(data: bytes) -> bytes:
    """The keys of an armored file in binary form, all its blocks together; a binary one is given back as it is."""
    blocks = list(PUBLIC_KEY.finditer(data))
    if not blocks:
        check_binary(data)
        return data
    return b"".join(decode(block["body"]) for block in blocks)


def decode(body: bytes) -> bytes:
    """The bytes of one armored block; its old checksum (RFC 9580 wants none) is passed over."""
    try:
        return base64.b64decode(b"".join(CHECKSUM.sub(b"", body.strip()).split()), validate=True)
    except binascii.Error as error:
        raise ArmorError("its armor is damaged") from error


def check_binary(data: bytes) -> None:
    """Raise ArmorError unless `data` begins like a keyring: OpenPGP packets, or GnuPG's keybox."""
    if PRIVATE_KEY.search(data):
        raise ArmorError("it holds a private key; give the public one")
    public_key = data[:1] and (data[0] in (0x98, 0x99, 0x9A) or data[0] == 0xC6)
    if not public_key and data[8:12] != b"KBXf":
        raise ArmorError("it is no OpenPGP keyring")


def is_clearsigned(data: bytes) -> bool:
    """Whether a text is signed inside."""
    return CLEARSIGNED.search(data) is not None


def signed_text(data: bytes) -> bytes:
    """The text inside a clearsigned message, with nothing that stands before or behind it, and without dash escapes."""
    found = SIGNED_TEXT.search(data)
    if found is None:
        raise ArmorError("its signature is missing or cut off")
    return re.sub(rb"^- ", b"", found["text"], flags=re.MULTILINE)


def lines_before_text(data: bytes) -> int:
    """How many lines stand in a clearsigned message before its text."""
    found = SIGNED_TEXT.search(data)
    return data.count(b"\n", 0, found.start("text")) if found else 0
