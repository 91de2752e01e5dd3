"""What the header of a patch tells: who wrote it, and which upstream commit or release it names.

The forms read: `(cherry picked from commit X)`, `[ Upstream commit X ]`, `commit X upstream.`, DEP-3's `Origin:` and
`Applied-Upstream:`, Yocto's `Upstream-Status: Backport [URL]`, Gerrit's `Change-Id:`, and the `From X` of a mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ID = rb"([0-9a-f]{7,64})\b"
_PICKED = re.compile(rb"(?:cherry[- ]?picked|back-?ported) from (?:upstream )?(?:commit )?" + _ID, re.IGNORECASE)
_UPSTREAM = re.compile(
    rb"\[ *upstream commit:? " + _ID + rb" *\]|^\s*\[? *commit " + _ID + rb" upstream\b", re.I | re.M
)
_FIELD = re.compile(rb"^([A-Z][A-Za-z-]*):[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.MULTILINE)
#: A commit inside a field: alone, behind a word that says so, or in the address of one.
_COMMIT = re.compile(
    rb"(?:\bcommits?[:/ ]+|[?&;](?:id|h)=|/(?:rev|raw-rev|linus|c|\+)/)"
    rb"(?:[\w.-]+-g)?" + _ID,
    re.IGNORECASE,
)
_BARE = re.compile(rb"\A" + _ID + rb"\Z")
_RELEASE = re.compile(rb"\A(?:in )?v?(\d+(?:\.\d+)+(?:[-.~]?(?:rc|alpha|beta|p)\d*)?)\b", re.IGNORECASE)
_MAIL = re.compile(rb"\AFrom ([0-9a-f]{40,64}) Mon Sep 17 00:00:00 2001$", re.MULTILINE)
_CHANGE_ID = re.compile(rb"^Change-Id:[ \t]*(I[0-9a-f]{8,40})[ \t]*$", re.MULTILINE)
#: Words of DEP-3 for patches that do not come from upstream.
_OTHERS = (b"vendor", b"other", b"debian", b"ubuntu", b"fedora", b"suse", b"gentoo", b"arch")


@dataclass(frozen=True, slots=True)
class Header:
    """What a patch's header tells beyond its subject."""

    author: bytes = b""  # mail address, or what stands in its place
    change_id: str = ""
    commits: tuple[str, ...] = ()  # ids, possibly abbreviated, of the upstream commits that it says it comes from
    release: str = ""  # the upstream release that `Applied-Upstream` says it is in
    mail: str = ""  # the commit that the mail was made from: upstream's, if its history holds it


def read_header(message: bytes, author: bytes | None = None) -> Header:
    """Read the header of a patch; `author` is what its source tells already."""
    fields = [(match[1].lower(), match[2].strip()) for match in _FIELD.finditer(message)]
    named = _names_in_text(message)
    release = ""
    for key, value in fields:
        named += _names_in_field(key, value)
        if key == b"applied-upstream" and (found := _RELEASE.match(value)):
            release = found[1].decode()
    known = author or next((value for key, value in fields if key in (b"from", b"author")), b"")
    mail, change = _MAIL.search(message), _CHANGE_ID.search(message)
    return Header(
        _address(known),
        change[1].decode() if change else "",
        tuple(dict.fromkeys(named)),
        release,
        mail[1].decode() if mail else "",
    )


def _names_in_text(message: bytes) -> list[str]:
    """The commits that sentences of git and of the stable trees name."""
    found = [(match.start(), match[1]) for match in _PICKED.finditer(message)]
    found += [(match.start(), match[1] or match[2]) for match in _UPSTREAM.finditer(message)]
    return [name.decode() for _, name in sorted(found)]


def _names_in_field(key: bytes, value: bytes) -> list[str]:
    """The commits that a DEP-3 or Yocto field names as upstream's."""
    if key == b"upstream-status":
        return _commits(value) if value.lower().startswith((b"backport", b"accepted")) else []
    if key == b"origin":
        return _commits(value) if not value.lower().startswith(_OTHERS) else []
    return _commits(value) if key == b"applied-upstream" else []


def _commits(value: bytes) -> list[str]:
    """The ids of commits in a field."""
    found = [match[1] for match in _COMMIT.finditer(value)]
    for word in re.split(rb"[\s,\[\]()<>]+", value):
        found += [match[1] for match in [_BARE.match(word)] if match]
    return [name.decode() for name in found]


def _address(author: bytes) -> bytes:
    """The mail address of an author, in small letters; the name where there is no address."""
    match = re.search(rb"<([^<>\s]+)>", author)
    return (match[1] if match else author.partition(b"\n")[0].strip()).lower()


def version_of(name: str) -> tuple[int, ...]:
    """The numbers of a release's name, from the first that looks like a version: `foo_9.2p1.orig` is (9, 2, 1)."""
    for match in re.finditer(r"\d+(?:[._]\d+)*(?:p\d+)?", name):
        numbers = tuple(int(number) for number in re.findall(r"\d+", match[0]))
        if len(numbers) > 1 or match[0] == name.strip("v"):
            return numbers
    return ()
