"""What the lines of an edit define and what they use: identifiers, Kconfig symbols, headers, objects and files.

Told by the form of a line, as the rest of this program tells functions: definitions at the margin, members in structs
and headers, `#define`, `config`. A word that is no definition is a use. Nothing here knows a compiler; what it finds
orders steps and keeps them together, and a mistake costs a build that fails, never a wrong tree.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

Kind = Literal["build", "kconfig", "header", "source", "other"]

#: Shorter names say nothing: `ret`, `dev`, `len`.
WORD = re.compile(rb"[A-Za-z_]\w{3,}")
#: Leaves of a text its words alone, blanks between them; to split it then takes two thirds of the time of a search.
NO_WORDS = bytes(byte if byte < 128 and (chr(byte).isalnum() or byte == ord("_")) else ord(" ") for byte in range(256))
TYPES = rb"(?:[A-Za-z_]\w*[ \t*]+)+"
#: At the margin: a function, its declaration, or a variable. This and the next ones begin at the newline before their
#: line, which takes half as long to search for as the beginning of a line.
MARGIN = re.compile(rb"\n(?!return\b|goto\b|else\b|case\b)(" + TYPES + rb")\**(\w{4,})[ \t]*(?=[(=;\[])", re.MULTILINE)
MACRO = re.compile(rb"\n[ \t]*#[ \t]*define[ \t]+(\w{4,})", re.MULTILINE)
TAG = re.compile(rb"\n[ \t]*(?:typedef[ \t]+)?(?:struct|union|enum)[ \t]+(\w{4,})[ \t]*(?:\{|$)", re.MULTILINE)
CLOSING = re.compile(rb"\n\}[ \t]*(?!__)(\w{4,})[ \t]*[;=]", re.MULTILINE)  # not an attribute
DECLARING = re.compile(rb"\n(static[ \t]+)?(?:DEFINE|DECLARE)_\w+\([ \t]*(\w{4,})", re.MULTILINE)
MEMBER = re.compile(
    rb"\n[ \t]+(?!return\b|goto\b|else\b|case\b)"
    + TYPES
    + rb"\**(\w{4,})[ \t]*(?:\[[^\]\n]*\][ \t]*)*(?::[ \t]*\d+[ \t]*)?[;,]",
    re.MULTILINE,
)
POINTER = re.compile(rb"\([ \t]*\*[ \t]*(\w{4,})[ \t]*\)[ \t]*\(")
ENUMERATOR = re.compile(rb"\n[ \t]+([A-Z][A-Z0-9_]{3,})[ \t]*(?:=[^,\n]*)?,?[ \t]*(?:/\*.*)?$", re.MULTILINE)
INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"\n]+)[>"]', re.MULTILINE)
QUOTED = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
SYMBOL = re.compile(rb"^[ \t]*(?:menu)?config[ \t]+(\w+)", re.MULTILINE)
SYMBOL_USED = re.compile(rb"\b[A-Z][A-Z0-9_]{2,}\b")
SOURCED = re.compile(rb'^[ \t]*source[ \t]+"?([^"\s]+)', re.MULTILINE)
OBJECT = re.compile(rb"(?<![\w$./-])([\w./-]+)\.o\b")
FOLDER = re.compile(rb"(?<![\w$.-])([\w.-]+(?:/[\w.-]+)*)/(?=\s|$)", re.MULTILINE)

HEADERS = (b".h", b".hh", b".hpp", b".hxx", b".inc")
SOURCES = (b".c", b".cc", b".cpp", b".cxx", b".S", b".s", b".m", b".rs", b".go")
BUILD_FILES = re.compile(rb"(?:^|/)(?:Makefile|Kbuild|Makefile\.[\w.-]+|[\w.-]+\.mk|Platform)$")
KCONFIG = re.compile(rb"(?:^|/)Kconfig(?:[.-][\w.-]+)?$")
#: Words of the language.
KEYWORDS = frozenset(
    b"auto bool break case char const continue default define defined double else endif enum extern float goto ifdef "
    b"ifndef include inline long return short signed sizeof static struct switch typedef typeof union unsigned void "
    b"volatile while __init __exit __user __iomem".split()
)
#: How a definition that only its own file sees begins.
LOCAL = (b"static ", b"static\t", b"typedef ")
AGGREGATES = ("struct ", "union ", "enum ", "typedef ")


class Defined(NamedTuple):
    """A name that lines define; a local one means something in its own file only."""

    name: bytes
    is_local: bool


@lru_cache(maxsize=1 << 16)
def kind_of(path: bytes) -> Kind:
    """What a file is to a build; asked for every edit, so it is kept."""
    if BUILD_FILES.search(path):
        return "build"
    if KCONFIG.search(path):
        return "kconfig"
    if path.endswith(HEADERS):
        return "header"
    return "source" if path.endswith(SOURCES) else "other"


def is_header(path: bytes) -> bool:
    """Whether other files include it."""
    return kind_of(path) == "header"


def is_code(path: bytes) -> bool:
    """Whether its lines are read as code."""
    return kind_of(path) in ("header", "source")


def is_build_file(path: bytes) -> bool:
    """Whether it says what is compiled, and how."""
    return kind_of(path) == "build"


def is_kconfig(path: bytes) -> bool:
    """Whether it defines configuration symbols."""
    return kind_of(path) == "kconfig"


def defined_in(path: bytes, text: bytes, sections: Sequence[str], *, is_whole: bool = False) -> set[Defined]:
    """The names that lines of a file define; of a whole file, those that others can see."""
    if is_kconfig(path):
        return {Defined(b"CONFIG_" + name, False) for name in SYMBOL.findall(text)}
    text = b"\n" + text
    if is_whole and kind_of(path) == "source":
        names = (name for types, name in MARGIN.findall(text) if not types.startswith(LOCAL))
        return {Defined(name, False) for name in names if name not in KEYWORDS}
    return defined_in_code(path, text, sections) if is_code(path) else set()


def defined_in_code(path: bytes, text: bytes, sections: Sequence[str]) -> set[Defined]:
    """C and its relatives."""
    header = is_header(path)
    inside = MACRO.findall(text) if b"define" in text else []
    if b"struct" in text or b"union" in text or b"enum" in text:
        inside += TAG.findall(text)
    if header or (sections and sections[0].startswith(AGGREGATES)):
        inside += [*MEMBER.findall(text), *POINTER.findall(text), *ENUMERATOR.findall(text)]
    found = {(name, not header) for name in inside}
    found |= {(name, not header and types.startswith(LOCAL)) for types, name in MARGIN.findall(text)}
    if b"DEFINE_" in text or b"DECLARE_" in text:
        found |= {(name, not header and bool(local)) for local, name in DECLARING.findall(text)}
    if b"\n}" in text:
        found |= {(name, False) for name in CLOSING.findall(text)}
    return {Defined(*one) for one in found if one[0] not in KEYWORDS}


def used_in(path: bytes, text: bytes) -> set[bytes]:
    """The names that lines of a file use; those that they define are among them."""
    if is_kconfig(path):
        used = {b"CONFIG_" + name for name in SYMBOL_USED.findall(SYMBOL.sub(b"", text))}
        return used | {*map(file_name, SOURCED.findall(text))}
    if is_build_file(path):
        return used_in_build_file(path, text)
    if not is_code(path):
        return set()
    used = set(text.translate(NO_WORDS).split())
    if b"include" in used:
        folder = posixpath.dirname(path)
        beside = (posixpath.normpath(posixpath.join(folder, name)) for name in QUOTED.findall(text))
        used.update(map(header_name, (*INCLUDE.findall(text), *beside)))
    return used


def used_in_build_file(path: bytes, text: bytes) -> set[bytes]:
    """Makefiles: the symbols, the objects and the folders that they name."""
    folder = posixpath.dirname(path)
    used = {word for word in WORD.findall(text) if word.startswith(b"CONFIG_")}
    used |= {object_name(posixpath.normpath(posixpath.join(folder, name))) for name in OBJECT.findall(text)}
    for name in FOLDER.findall(text):
        below = posixpath.normpath(posixpath.join(folder, name))
        used |= {file_name(below + b"/Makefile"), file_name(below + b"/Kbuild")}
    return used


def file_names(path: bytes) -> Iterator[bytes]:
    """The names under which others reach a whole file: its path, its object, and a header by its ways of including."""
    yield file_name(path)
    base = posixpath.splitext(path)[0]
    if path.endswith(SOURCES):
        yield object_name(base)
    if is_header(path):
        yield header_name(path)
        for folder in (b"include/uapi/", b"include/generated/", b"include/"):
            before, found, rest = path.partition(folder)
            if found and (not before or before.endswith(b"/")):
                yield header_name(rest)


def file_name(path: bytes) -> bytes:
    """The name of a file by its path."""
    return b"file " + path


def object_name(path: bytes) -> bytes:
    """The name of an object, given its path without `.o`."""
    return b"object " + path


def header_name(path: bytes) -> bytes:
    """The name of a header as an `#include` spells it."""
    return b"header " + path


def whole_names(kind: str, path: bytes) -> frozenset[bytes]:
    """What an edit defines (or, taking it away, undefines) by the file as a whole."""
    return frozenset(file_names(path)) if kind in ("create", "delete", "rename") else frozenset()
