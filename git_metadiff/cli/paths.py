"""Path limits: git's pathspecs as a predicate over the names of files.

They narrow views of trees that are in no work tree, so git itself cannot be asked.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from git_metadiff.cli.repository import Place
from git_metadiff.errors import MetadiffError

Predicate = Callable[[bytes], bool]

SHORT_MAGIC = {"/": "top", "!": "exclude", "^": "exclude"}
MAGIC = ("top", "literal", "icase", "glob", "exclude")
SEE_MANUAL = "pathspecs are described in 'git help glossary'"


class Pathspec(NamedTuple):
    """One pathspec, understood: `name` is relative to the top, and its first `fixed` bytes are never a pattern."""

    name: bytes
    fixed: int
    magic: frozenset[str]

    def matches(self, path: bytes) -> bool:
        """Whether the pathspec names `path`, or a folder above it."""
        name = self.name
        if "icase" in self.magic:  # the prefix stays as it is
            path, name = (text[: self.fixed] + text[self.fixed :].lower() for text in (path, name))
        if name in (b"", path) or path.startswith(name.rstrip(b"/") + b"/"):
            return True
        if "literal" in self.magic or not has_pattern(name[self.fixed :]) or not path.startswith(name[: self.fixed]):
            return False
        pattern = translate(name[self.fixed :], slash="glob" not in self.magic)
        return re.fullmatch(pattern, path[self.fixed :], re.DOTALL) is not None


def predicate(specs: Sequence[str], place: Place, environ: Mapping[str, str]) -> Predicate:
    """Whether a path is wanted by `specs`, given at `place`; all are if there is none, or only exclusions."""
    understood = [understand(spec, place, environ) for spec in specs]
    wanted = [spec for spec in understood if "exclude" not in spec.magic]
    unwanted = [spec for spec in understood if "exclude" in spec.magic]

    def limited(path: bytes) -> bool:
        return (not wanted or any(spec.matches(path) for spec in wanted)) and not any(
            spec.matches(path) for spec in unwanted
        )

    return limited


def understand(spec: str, place: Place, environ: Mapping[str, str]) -> Pathspec:
    """Read the magic of one pathspec and make its name relative to the top."""
    if not spec:
        raise MetadiffError("an empty string is not a path limit", "use . for the current folder")
    always = {word for word in ("literal", "glob", "noglob", "icase") if switched_on(word, environ)}
    magic, name = (set[str](), spec) if "literal" in always else split_magic(spec)
    if not magic & {"glob", "literal"}:
        magic |= always & {"glob"} or ({"literal"} if always & {"literal", "noglob"} else set())
    magic |= always & {"icase"}
    if {"glob", "literal"} <= magic:
        raise MetadiffError(f"'{spec}': glob and literal are incompatible", SEE_MANUAL)
    start = b"" if "top" in magic else place.prefix
    full = normalise(os.fsencode(name), start, place.top)
    if full is None:
        hint = "path limits are relative to the current folder; :/ is the top"
        raise MetadiffError(f"'{name}' is outside the repository", hint)
    fixed = next(end for end in range(len(start), -1, -1) if full.startswith(start[:end]) and start[:end][-1:] in b"/")
    return Pathspec(full, fixed, frozenset(magic))


def switched_on(word: str, environ: Mapping[str, str]) -> bool:
    """Whether `git --literal-pathspecs` or one of its kin is in force."""
    return environ.get(f"GIT_{word.upper()}_PATHSPECS", "0").lower() in ("1", "true", "yes", "on")


def split_magic(spec: str) -> tuple[set[str], str]:
    """The magic words of a pathspec, and the rest of it."""
    if spec.startswith(":("):
        words, closed, name = spec[2:].partition(")")
        if not closed:
            raise MetadiffError(f"'{spec}': the ) at the end of the magic is missing", SEE_MANUAL)
        magic = {word for word in words.split(",") if word}
        for word in sorted(magic - set(MAGIC)):
            raise MetadiffError(f"'{spec}': pathspec magic '{word}' is not supported", f"supported: {', '.join(MAGIC)}")
        return magic, name
    if not spec.startswith(":"):
        return set(), spec
    magic, place = set[str](), 1
    while place < len(spec) and spec[place] in SHORT_MAGIC:
        magic.add(SHORT_MAGIC[spec[place]])
        place += 1
    return magic, spec[place + 1 :] if spec[place : place + 1] == ":" else spec[place:]


def normalise(name: bytes, start: bytes, top: bytes) -> bytes | None:
    """`start` and `name` joined, without `.` and `..`; None if that leaves the tree. A slash at the end stays.

    `top` is the top of the work tree, for absolute names; empty without one.
    """
    if name.startswith(b"/"):
        inside = top and (name + b"/").startswith(top + b"/")
        return normalise(name[len(top) :].lstrip(b"/"), b"", top) if inside else None
    full = posixpath.normpath(start + name)
    if full == b".." or full.startswith(b"../"):
        return None
    if full == b".":
        return b""
    return full + b"/" if name.endswith(b"/") or name in (b"", b".") else full


def has_pattern(name: bytes) -> bool:
    """Whether `name` holds anything that is special in a pattern."""
    return any(char in name for char in (b"*", b"?", b"[", b"\\"))


NOTHING = rb"(?!)"
CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"!-~",
    b"lower": rb"a-z",
    b"print": rb" -~",
    b"punct": rb"!-/:-@\[-`{-~",
    b"space": rb" \t\n\r\f\v",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}


def translate(pattern: bytes, *, slash: bool) -> bytes:
    """A regular expression for git's wildmatch; `slash` says whether `*` and `?` match a slash."""
    parts: list[bytes] = []
    place = 0
    while place < len(pattern):
        piece, place = translate_one(pattern, place, b"." if slash else b"[^/]", slash)
        parts.append(piece)
    return b"".join(parts)


def translate_one(pattern: bytes, place: int, anything: bytes, slash: bool) -> tuple[bytes, int]:
    """The expression for the piece of the pattern at `place`, and the place behind it."""
    char = pattern[place : place + 1]
    if char == b"*":
        return translate_stars(pattern, place, anything, slash)
    if char == b"?":
        return anything, place + 1
    if char == b"[":
        return translate_bracket(pattern, place, slash)
    if char == b"\\" and place + 1 < len(pattern):
        return re.escape(pattern[place + 1 : place + 2]), place + 2
    return re.escape(char), place + 1


def translate_stars(pattern: bytes, place: int, anything: bytes, slash: bool) -> tuple[bytes, int]:
    """`*`; with `glob` magic, `**` between slashes stands for any number of folders."""
    end = place
    while pattern[end : end + 1] == b"*":
        end += 1
    alone = (place == 0 or pattern[place - 1 : place] == b"/") and pattern[end : end + 1] in (b"", b"/")
    if slash or end - place == 1 or not alone:
        return anything + b"*", end
    if pattern[end : end + 1] == b"/":
        return rb"(?:.*/)?", end + 1
    return rb".*", end


BRACKET = re.compile(rb"\[([!^]?)(\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]", re.DOTALL)
ITEM = re.compile(rb"\[:(?P<name>[a-z]+):\]|\\?(?P<low>.)-\\?(?P<high>.)|\\?(?P<one>.)", re.DOTALL)


def translate_bracket(pattern: bytes, place: int, slash: bool) -> tuple[bytes, int]:
    """`[a-z]`, `[!a]`, `[[:alpha:]]`; a bracket that is not closed matches nothing, as in git."""
    found = BRACKET.match(pattern, place)
    if not found:
        return NOTHING, len(pattern)
    body = b"".join(bracket_item(item) for item in ITEM.finditer(found[2]))
    inside = b"[%s%s]" % (b"^" if found[1] else b"", body) if body else b"." if found[1] else NOTHING
    return (inside if slash else b"(?!/)" + inside), found.end()


def bracket_item(item: re.Match[bytes]) -> bytes:
    """A class, range or character inside brackets; a range that runs backwards is empty."""
    if item["name"]:
        return CLASSES.get(item["name"], b"")
    if item["one"]:
        return re.escape(item["one"])
    return re.escape(item["low"]) + b"-" + re.escape(item["high"]) if item["low"] <= item["high"] else b""
