"""Unified diff text becomes file patches, hunks and changes, as bytes.

The scanner finds the sections of a patch and the extent of each hunk by its line counts, as `git apply` does, so that
text that only looks like a header (a removed line `-- x`, say) is not taken for one. unidiff, which stumbles over paths
with ` b/`, quoted paths and binary payloads, is not used here but reads the same files again, as the second opinion
behind the certificate's accounting (`count_hunks`).
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchSet

from git_metadiff.errors import MetadiffError
from git_metadiff.model import Change

HUNK_HEADER = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@[ \t]?([^\r\n]*)")
#: Marks a line without a newline at its end; no line of a file can hold it, for it begins with a newline.
NO_NEWLINE = b"\n\\"
#: The time stamp that `diff` writes for a file that is not there; any other second of that day is a real one.
STAMP = re.compile(rb"\t(1970-01-01|1969-12-31) ([0-2]\d):([0-5]\d):00(?:\.0+)? ([-+])(\d\d):?(\d\d)$")
STUB = re.compile(rb"(?:Binary )?[Ff]iles (.+) and (.+) differ")
BINARY_HEADER = re.compile(rb"(literal|delta) (\d+)\r?")
COMBINED_INDEX = re.compile(rb"(?:index [0-9a-f]+,[0-9a-f]+|mode \d+,\d+|(?:new|deleted) file mode )")
#: The lines of which one must follow a `diff --git` line, else that line is part of some text.
GIT_HEADERS = (
    b"--- ",
    b"old mode ",
    b"new mode ",
    b"deleted file mode ",
    b"new file mode ",
    b"copy from ",
    b"copy to ",
    b"rename from ",
    b"rename to ",
    b"rename old ",
    b"rename new ",
    b"similarity index ",
    b"dissimilarity index ",
    b"index ",
    b"GIT binary patch",
)


@dataclass(frozen=True, slots=True)
class RawHunk:
    """A hunk as it stands in a patch."""

    line: int  # 1-based line of its @@ in the patch file
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    section: bytes
    body: tuple[bytes, ...]  # lines with prefix; `\\ No newline at end of file` as a line of its own


@dataclass(frozen=True, slots=True)
class BinaryPatch:
    """The content of a `GIT binary patch`: one direction, inflated."""

    kind: str  # `literal` or `delta`
    data: bytes


@dataclass(slots=True)
class FilePatch:
    """What a patch does to one file. Names are as in the patch, before stripping; None stands for /dev/null."""

    line: int  # 1-based line of the section's first header
    git: bool = False  # has a `diff --git` header
    old_name: bytes | None = None
    new_name: bytes | None = None
    bare_names: bool = False  # names come from rename/copy lines, which carry no prefix
    old_mode: str | None = None
    new_mode: str | None = None
    creates: bool | None = False  # None: cannot be told from the patch alone
    deletes: bool | None = False
    renames: bool = False
    copies: bool = False
    rewrites: bool = False  # has a `dissimilarity index`
    old_oid: bytes = b""  # ids of the `index` line, often abbreviated
    new_oid: bytes = b""
    stub: bool = False  # `Binary files differ` without data
    binary: BinaryPatch | None = None
    hunks: list[RawHunk] = field(default_factory=list)

    @property
    def lineless(self) -> bool:
        """Whether the section does something that no text hunk tells: it then counts as one hunk more."""
        changes_mode = self.old_mode is not None and self.new_mode is not None and self.old_mode != self.new_mode
        empty = not self.hunks and not self.stub and self.binary is None and bool(self.creates or self.deletes)
        return self.renames or self.copies or changes_mode or self.binary is not None or empty


class Scanner:
    """Splits the text of one patch into its file sections."""

    def __init__(self, data: bytes, name: str) -> None:
        self.lines = data.split(b"\n")
        self.cut = self.lines[-1] != b""  # the text ends in the middle of a line
        if not self.cut:
            self.lines.pop()
        self.name = name
        self.files: list[FilePatch] = []
        self.notes: list[tuple[str, int, str]] = []  # what a person must be told: kind, 1-based line, words
        self.first = len(self.lines)  # where the message before the first section ends

    def scan(self) -> list[FilePatch]:
        """Return the sections in order."""
        at = 0
        while at < len(self.lines):
            at = self._section(at)
        return self.files

    def message(self) -> bytes:
        """The text before the first section."""
        return b"\n".join(self.lines[: self.first])

    def _section(self, at: int) -> int:
        line = self.lines[at]
        if line.startswith(b"diff --git ") and self._git_at(at):
            return self._git_section(at)
        if line.startswith(b"--- ") and self._traditional_at(at):
            self._open(FilePatch(at + 1, creates=None, deletes=None))
            return self._hunks(self._names(at, self.files[-1]), self.files[-1])
        if line.startswith((b"Binary files ", b"Files ")) and (match := STUB.fullmatch(line.rstrip(b"\r"))):
            self._open(FilePatch(at + 1, old_name=none_if_null(match[1]), new_name=none_if_null(match[2]), stub=True))
            return at + 1
        if line.startswith(b"@@ -") and HUNK_HEADER.match(line):
            raise self._malformed(at, "a hunk without a file header")
        self._check_form(at)
        return at + 1

    def _check_form(self, at: int) -> None:
        """Refuse forms of diffs that hold changes and cannot be applied: to pass over them would lose a piece."""
        lines, line = self.lines, self.lines[at]
        after = lines[at + 1] if at + 1 < len(lines) else b""
        if line.startswith((b"diff --cc ", b"diff --combined ")) and COMBINED_INDEX.match(after):
            raise MetadiffError(
                f"{self.name}:{at + 1}: the combined diff of a merge cannot be applied",
                "make the patch with 'git diff PARENT MERGE'",
            )
        if line.startswith(b"*** ") and after.startswith(b"--- ") and lines[at + 2 : at + 3] == [b"*" * 15]:
            raise MetadiffError(
                f"{self.name}:{at + 1}: a context diff, not a unified one",
                "convert it with 'filterdiff --format=unified'",
            )

    def _git_at(self, at: int) -> bool:
        """Whether the `diff --git` line at `at` opens a section: git asks for one more line of its header."""
        after = self.lines[at + 1].rstrip(b"\r") if at + 1 < len(self.lines) else b""
        return after.startswith(GIT_HEADERS) or bool(STUB.fullmatch(after))

    def _traditional_at(self, at: int) -> bool:
        lines = self.lines
        return at + 2 < len(lines) and lines[at + 1].startswith(b"+++ ") and lines[at + 2].startswith(b"@@ -")

    def _open(self, patch: FilePatch) -> None:
        self.first = min(self.first, patch.line - 1)
        self.files.append(patch)

    def _git_section(self, at: int) -> int:
        patch = FilePatch(at + 1, git=True)
        self._open(patch)
        patch.old_name, patch.new_name = git_header_names(self.lines[at][len(b"diff --git ") :].rstrip(b"\r"))
        at += 1
        while at < len(self.lines):
            line = self.lines[at].rstrip(b"\r")
            if line.startswith(b"--- ") and at + 1 < len(self.lines) and self.lines[at + 1].startswith(b"+++ "):
                return self._hunks(self._names(at, patch), patch)
            if line == b"GIT binary patch":
                at = self._binary(at + 1, patch)
                break
            if STUB.fullmatch(line):
                patch.stub = True
                at += 1
                break
            if not extended_header(line, patch):
                break
            at += 1
        self._check_section(patch)
        return at

    def _check_section(self, patch: FilePatch) -> None:
        names = [name for name in (patch.old_name, patch.new_name) if name is not None]
        if not names or (patch.bare_names and len(names) < 2):
            raise self._malformed(patch.line - 1, "cannot tell the file names from this header")
        if not patch.lineless and not patch.stub:
            raise self._malformed(patch.line - 1, "a file header without a change")

    def _names(self, at: int, patch: FilePatch) -> int:
        """Read the `---` and `+++` lines at `at`; return the line after them."""
        old, new = self.lines[at][4:], self.lines[at + 1][4:]
        old_name, new_name = header_name(old), header_name(new)
        if not patch.bare_names:
            patch.old_name, patch.new_name = old_name, new_name
        if old_name is None or (not patch.git and self._empty(at, 1) and is_epoch(old)):
            patch.creates, patch.deletes = True, False
        elif new_name is None or (not patch.git and self._empty(at, 3) and is_epoch(new)):
            patch.creates, patch.deletes = False, True
        elif not patch.git and not self._empty(at, 1):
            patch.creates = False
        return at + 2

    def _empty(self, at: int, side: int) -> bool:
        """Whether the hunk after the file header at `at` has no lines on its old (1) or new (3) side."""
        match = HUNK_HEADER.match(self.lines[at + 2])
        return match is not None and match[side + 1] == b"0"

    def _hunks(self, at: int, patch: FilePatch) -> int:
        while at < len(self.lines) and (match := HUNK_HEADER.match(self.lines[at])):
            end = self._hunk_end(at, match)
            patch.hunks.append(self._read(at, end, match))
            at = end
        self._check_hunks(at, patch)
        return at

    def _check_hunks(self, at: int, patch: FilePatch) -> None:
        """Look at what follows the last hunk of a file, at `at`: nothing of it may be lost unsaid."""
        line = self.lines[at] if at < len(self.lines) else b""
        if not patch.hunks or line.startswith(b"@@ -"):
            raise self._malformed(at, "a file header without a hunk" if not patch.hunks else "a damaged hunk header")
        if patch.creates is None and len(patch.hunks) > 1:
            patch.creates = False
        if line[:1] in (b"+", b"-") and not line.startswith((b"--- ", b"-- ")) and line not in (b"--", b"---"):
            text = "lines behind the hunk that its header does not count are left out, as git and patch do"
            self.notes.append(("ignored", at + 1, text))
        if at == len(self.lines) and self.cut:
            self.notes.append(("cut", at, "the patch ends in the middle of a line; is it complete?"))

    def _hunk_end(self, at: int, match: re.Match[bytes]) -> int:
        """The line after the hunk whose header is at `at`, by its counts."""
        old, new = int(match[2] or 1), int(match[4] or 1)
        lines, start, end = self.lines, at, len(self.lines)
        at += 1
        while (old > 0 or new > 0) and at < end:
            prefix = lines[at][:1]
            if prefix in (b" ", b"", b"\r"):
                old -= 1
                new -= 1
            elif prefix == b"+":
                new -= 1
            elif prefix == b"-":
                old -= 1
            elif prefix != b"\\":
                raise self._malformed(at, f"this line is not part of a hunk (hunk at line {start + 1})")
            if old < 0 or new < 0:
                raise self._malformed(at, f"the hunk is longer than its header says (hunk at line {start + 1})")
            at += 1
        if old > 0 or new > 0:
            raise self._malformed(at - 1, f"the patch ends inside this hunk (hunk at line {start + 1})")
        return at + 1 if at < end and lines[at].startswith(b"\\") else at

    def _read(self, at: int, end: int, match: re.Match[bytes]) -> RawHunk:
        old_start, old_lines, new_start, new_lines = (int(number) if number else 1 for number in match.groups()[:4])
        body = self.lines[at + 1 : end]
        if b"" in body or b"\r" in body:
            # An empty context line may have lost its blank on the way (GNU diff, mail programs).
            body = [line if line not in (b"", b"\r") else b" " + line for line in body]
        return RawHunk(at + 1, old_start, old_lines, new_start, new_lines, match[5].rstrip(), tuple(body))

    def _binary(self, at: int, patch: FilePatch) -> int:
        """Read a binary patch; the forward part is kept, the reverse one, if any, passed over."""
        end = self._blank(at)
        patch.binary = decode_binary(self.lines[at:end])
        if patch.binary is None:
            raise self._malformed(min(at, len(self.lines) - 1), "the binary patch is damaged")
        after = self.lines[end + 1] if end + 1 < len(self.lines) else b""
        return self._blank(end + 1) if BINARY_HEADER.fullmatch(after) else end

    def _blank(self, at: int) -> int:
        """The first empty line from `at` on, or the end."""
        while at < len(self.lines) and self.lines[at] not in (b"", b"\r"):
            at += 1
        return at

    def _malformed(self, at: int, what: str) -> MetadiffError:
        where = f"{self.name}:{at + 1}"
        return MetadiffError(
            f"{where}: malformed patch: {what}", "is the file complete? fetch it again and compare its digest"
        )


def is_epoch(header: bytes) -> bool:
    """Whether a `---` or `+++` line bears the time stamp of a file that is not there, as git reads it."""
    match = STAMP.search(header.rstrip(b"\r"))
    if match is None:
        return False
    minutes = int(match[2]) * 60 + int(match[3])
    zone = (int(match[5]) * 60 + int(match[6])) * (-1 if match[4] == b"-" else 1)
    return minutes - zone == (0 if match[1] == b"1970-01-01" else 24 * 60)


def none_if_null(name: bytes) -> bytes | None:
    """None for /dev/null."""
    return None if name == b"/dev/null" else name


def header_name(text: bytes) -> bytes | None:
    """The file name behind `--- ` or `+++ `: unquoted, without a time stamp; None for /dev/null."""
    text = text.rstrip(b"\r")
    if text.startswith(b'"'):
        name, _ = unquote(text)
        return none_if_null(name)
    name = text.split(b"\t", 1)[0]
    if b"\t" not in text:
        name = re.sub(
            rb" +(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*|[A-Z][a-z]{2} [A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d \d{4}.*)$", b"", name
        )
    return none_if_null(name.rstrip(b" ") if b"\t" not in text else name)


def git_header_names(text: bytes) -> tuple[bytes | None, bytes | None]:
    """The two names of a `diff --git` line, where they can be told: both quoted or plain, equal after their prefix."""
    if text.startswith(b'"'):
        old, rest = unquote(text)
        rest = rest.lstrip(b" ")
        return old, unquote(rest)[0] if rest.startswith(b'"') else rest
    if text.endswith(b'"') and b' "' in text:
        old, _, rest = text.partition(b' "')
        return old, unquote(b'"' + rest)[0]
    for at in (match.start() for match in re.finditer(rb" ", text)):
        old, new = text[:at], text[at + 1 :]
        if old.partition(b"/")[2] == new.partition(b"/")[2] != b"" or old == new:
            return old, new
    return None, None


SIMPLE_ESCAPES = {
    b"n": b"\n",
    b"t": b"\t",
    b'"': b'"',
    b"\\": b"\\",
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"r": b"\r",
    b"v": b"\v",
}


def unquote(text: bytes) -> tuple[bytes, bytes]:
    """Read a C-quoted name at the start of `text`; return it and what follows the closing quote."""
    out, at = bytearray(), 1
    while at < len(text) and text[at : at + 1] != b'"':
        if text[at : at + 1] != b"\\":
            out += text[at : at + 1]
            at += 1
        elif text[at + 1 : at + 2] in SIMPLE_ESCAPES:
            out += SIMPLE_ESCAPES[text[at + 1 : at + 2]]
            at += 2
        else:
            digits = re.match(rb"[0-3][0-7]{2}", text[at + 1 : at + 4])
            out.append(int(digits[0], 8) if digits else 0x5C)
            at += 4 if digits else 1
    return bytes(out), text[at + 1 :]


def extended_header(line: bytes, patch: FilePatch) -> bool:
    """Take one extended header of git into `patch`; False if the line is none."""
    words = line.split(b" ")
    if line.startswith((b"old mode ", b"new mode ")):
        setattr(patch, "old_mode" if words[0] == b"old" else "new_mode", words[2].decode("ascii", "replace"))
    elif line.startswith(b"new file mode "):
        patch.creates, patch.new_mode = True, words[3].decode("ascii", "replace")
    elif line.startswith(b"deleted file mode "):
        patch.deletes, patch.old_mode = True, words[3].decode("ascii", "replace")
    elif line.startswith((b"rename from ", b"rename to ", b"copy from ", b"copy to ", b"rename old ", b"rename new ")):
        name = line.split(b" ", 2)[2]
        name = unquote(name)[0] if name.startswith(b'"') else name
        if not patch.bare_names:
            patch.old_name = patch.new_name = None
        patch.bare_names = True
        patch.renames = patch.renames or words[0] == b"rename"
        patch.copies = patch.copies or words[0] == b"copy"
        if words[1] in (b"from", b"old"):
            patch.old_name = name
        else:
            patch.new_name = name
    elif line.startswith(b"index "):
        patch.old_oid, _, patch.new_oid = words[1].partition(b"..")
        if len(words) > 2 and not patch.creates and not patch.deletes and patch.old_mode is None:
            patch.old_mode = words[2].decode("ascii", "replace")  # what the author had; the file keeps its own
    elif line.startswith(b"dissimilarity index "):
        patch.rewrites = True
    else:
        return line.startswith(b"similarity index ")
    return True


def decode_binary(lines: list[bytes]) -> BinaryPatch | None:
    """The forward half of a `GIT binary patch`, or None if it is damaged."""
    if not lines or not (match := BINARY_HEADER.fullmatch(lines[0])):
        return None
    packed = bytearray()
    for line in (line.rstrip(b"\r") for line in lines[1:]):
        if not line:
            break
        first = line[0]
        length = first - 64 if 65 <= first <= 90 else first - 96 + 26 if 97 <= first <= 122 else -1
        try:
            chunk = base64.b85decode(line[1:])
        except ValueError:
            return None
        if length < 1 or length > len(chunk):
            return None
        packed += chunk[:length]
    try:
        data = zlib.decompress(bytes(packed))
    except zlib.error:
        return None
    return BinaryPatch(match[1].decode(), data) if len(data) == int(match[2]) else None


def apply_delta(base: bytes, delta: bytes) -> bytes | None:
    """Apply a git delta (pack format) to `base`; None if it does not fit or is damaged."""
    at, sizes = 0, []
    for _ in range(2):
        end = next((place + 1 for place in range(at, len(delta)) if not delta[place] & 0x80), None)
        if end is None:
            return None
        sizes.append(sum((byte & 0x7F) << 7 * place for place, byte in enumerate(delta[at:end])))
        at = end
    if sizes[0] != len(base):
        return None
    out = bytearray()
    while at < len(delta):
        code = delta[at]
        at += 1
        if not code & 0x80:
            part = delta[at : at + code]
            at += code
        else:
            present = [bit for bit in range(7) if code >> bit & 1]
            fields = dict(zip(present, delta[at : at + len(present)], strict=False))
            at += len(present)
            start = sum(fields.get(bit, 0) << 8 * bit for bit in range(4))
            code = sum(fields.get(bit + 4, 0) << 8 * bit for bit in range(3)) or 0x10000
            part = base[start : start + code]
        if not code or len(part) < code or at > len(delta):
            return None
        out += part
    return bytes(out) if len(out) == sizes[1] else None


def strip_name(name: bytes | None, level: int) -> bytes | None:
    """`name` without its first `level` folders, as `-p` of patch does; None if it has not so many."""
    if name is None:
        return None
    if level == 1 and b"//" not in name and not name.startswith((b"/", b"./")):
        return name.partition(b"/")[2] or None
    parts = re.split(rb"/+", name)
    if name.startswith(b"/"):
        parts = parts[1:] if level == 0 else parts
    parts = [part for part in parts if part != b"."] if name.startswith(b"./") and level == 0 else parts
    kept = parts[level:]
    return b"/".join(kept) if kept and kept[-1] else None


RUN = re.compile(rb"[-+\\]+")


def mark_ends(body: Sequence[bytes]) -> Sequence[bytes]:
    """The lines of a hunk with `\\ No newline` taken into the line before it."""
    out: list[bytes] = []
    for line in body:
        if line[:1] == b"\\":
            out[-1] += NO_NEWLINE
        else:
            out.append(line)
    return out


def prefixes_of(body: Sequence[bytes]) -> tuple[Sequence[bytes], bytes]:
    """The lines of a hunk, ends marked, and the first bytes of them all."""
    first = b"".join([line[:1] for line in body])
    if b"\\" in first:
        body = mark_ends(body)
        first = b"".join([line[:1] for line in body])
    return body, first


def changes_of(hunk: RawHunk) -> tuple[Change, ...]:
    """The changes of a hunk, each with the context lines up to its neighbours."""
    body, first = prefixes_of(hunk.body)
    spans = [match.span() for match in RUN.finditer(first)]
    old = hunk.old_start + (hunk.old_lines == 0)
    new = hunk.new_start + (hunk.new_lines == 0)
    found: list[Change] = []
    last = 0
    for order, (start, stop) in enumerate(spans):
        after = spans[order + 1][0] if order + 1 < len(spans) else len(body)
        old, new = old + start - last, new + start - last
        minus = first.count(b"-", start, stop)
        if first.startswith(b"-" * minus, start):
            removed = [line[1:] for line in body[start : start + minus]]
            added = [line[1:] for line in body[start + minus : stop]]
        else:
            removed = [line[1:] for line in body[start:stop] if line[:1] == b"-"]
            added = [line[1:] for line in body[start:stop] if line[:1] == b"+"]
        before = tuple([line[1:] for line in body[last:start]])
        found.append(
            Change(old, new, tuple(removed), tuple(added), before, tuple([line[1:] for line in body[stop:after]]))
        )
        old, new, last = old + len(removed), new + len(added), stop
    return tuple(found)


def digest(*parts: bytes) -> str:
    """A short, stable digest of `parts` (48 bits, in hexadecimal)."""
    sized = [b"%d:%b" % (len(part), part) for part in parts]
    return hashlib.blake2b(b"".join(sized), digest_size=6).hexdigest()


#: Largest patch, in bytes, that unidiff reads again: it takes a quarter of a second a megabyte.
SECOND_OPINION = 1 << 20


def count_hunks(data: bytes) -> int:
    """How many text hunks a patch holds, counted without the scanner of this module.

    unidiff counts them; where it cannot read the text, or disagrees, the lines that open a hunk are counted, for
    unidiff is known to refuse some paths and to see files in commit messages.
    """
    headers = len(re.findall(rb"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@", data, re.MULTILINE))
    if len(data) > SECOND_OPINION:
        return headers
    try:
        parsed = PatchSet(io.StringIO(data.decode("latin-1"), newline="\n"))
    except UnidiffParseError:
        return headers
    counted = sum(len(file) for file in parsed)
    return counted if counted == headers else headers
