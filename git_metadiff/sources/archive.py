"""A tarball or a directory becomes a tree: its files go straight into `git fast-import`, nothing is unpacked on disk.

The tree is the one that `git add -f -A` gives for the unpacked archive with info/attributes `* -text -ident -filter
-working-tree-encoding`: content unchanged, modes 100644, 100755 (the owner's execute bit) and 120000, no empty folders,
no devices, FIFOs or sockets.

Three stages, each a generator over the one before: a thread decompresses (the libraries release the interpreter's
lock), tarfile walks the headers, an importer writes blobs. What lasts is the list of entries, because the sole top
folder, which is stripped, is not known before the end. The bottleneck is git: hashing and deflating Linux takes
fast-import 28 s of one core, xz 13 s of the other, tarfile 5 s.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import stat
import tarfile
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from git_metadiff.errors import MetadiffError
from git_metadiff.git import FastImport, modify
from git_metadiff.sources.streams import CHUNK, Refused, Tap, compression, decompressed, truncated

#: Told how far an import is: bytes of the input consumed so far, bytes in all.
Progress = Callable[[int, int], None]

#: The message of the imported commit: fixed, so that the same files give the same id.
MESSAGE = b"release\n"

#: Chunks that the decompressing thread may be ahead.
AHEAD = 4
#: Bytes that an extended header (a long name, pax records, a sparse map) may have.
LONGEST_HEADER = 16 << 20

UNSUPPORTED = "give a tarball (.tar .gz .xz .bz2 .zst), or unpack it and give the directory"
UNSAFE = "if you trust the archive, unpack it yourself and give the directory"


def is_archive(path: Path) -> bool:
    """Whether `path` is a file that begins like a tarball, whatever its name: .tar, .gz, .xz, .bz2 or .zst.

    What is inside a compressed file is not looked at. Raises MetadiffError if the file cannot be read.
    """
    if not path.is_file():
        return False
    with _file_error_named(path), path.open("rb") as file:
        head = file.read(BLOCK)
    return compression(head) is not None or _is_tar(head)


def import_archive(path: Path, writer: FastImport, ref: str, progress: Progress | None, tap: Tap | None = None) -> str:
    """Stream the tarball `path` into `writer` and return the mark of a parentless commit on `ref` with its tree.

    The top folder is stripped if it is the sole top entry of the archive. `progress` is told bytes of the (compressed)
    file, and `tap` sees all of them once, in order. Raises MetadiffError, which names the file, for what is damaged,
    truncated, of an unsupported format, or unsafe to unpack.
    """
    tree = _Tree()
    try:
        with _file_error_named(path), _open_regular(path) as file, _Ahead(_content(file, tap)) as chunks:
            total = os.fstat(file.fileno()).st_size
            source = _Source(chunks, progress, total)
            for member in _members(source):
                _import_member(member, tree, writer)
            source.drain()
        changes = tree.changes()
    except Refused as error:
        raise MetadiffError(f"{shown(os.fsencode(path))}: {error}", error.hint) from error
    return writer.commit(ref, MESSAGE, [], changes)


def import_directory(path: Path, writer: FastImport, ref: str, progress: Progress | None) -> str:
    """Write the files below the directory `path` and return the mark of a parentless commit on `ref` with its tree.

    All files count, ignored ones too; `.git` is skipped at every depth; links are kept as links, never followed.
    `progress` is told bytes of the files. Raises MetadiffError for what cannot be read or git cannot hold.
    """
    top = os.fsencode(path)
    try:
        files = list(_walk(top))
        changes = _import_files(top, files, writer, progress)
    except OSError as error:
        raise _unreadable(error, path) from error
    return writer.commit(ref, MESSAGE, [], changes)


def shown(name: bytes) -> str:
    """`name` on one line of a message: what is not printable is escaped."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _unsafe(name: bytes) -> Refused:
    return Refused(f"unsafe member {shown(name)}", UNSAFE)


def _damaged() -> Refused:
    return Refused("it has a damaged header")


def _unreadable(error: OSError, path: Path) -> MetadiffError:
    name = os.fsencode(error.filename) if isinstance(error.filename, str | bytes) else os.fsencode(path)
    return MetadiffError(f"cannot read {shown(name)}: {error.strerror}", "check the path and its permissions")


@contextlib.contextmanager
def _file_error_named(path: Path) -> Iterator[None]:
    """Turn a file that cannot be read into our own error."""
    try:
        yield
    except OSError as error:
        raise _unreadable(error, path) from error


def _open_regular(path: Path) -> IO[bytes]:
    """Open a regular file; a FIFO or a device would block, and has no length."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise Refused("it is not a regular file", UNSUPPORTED)
    return path.open("rb", buffering=0)


def _is_tar(head: bytes) -> bool:
    """Whether a file begins like a tar that is not compressed."""
    return head[257:262] == b"ustar" or _is_header(head)


def _content(file: IO[bytes], tap: Tap | None) -> Iterator[tuple[int, bytes]]:
    """Yield the tar bytes of an open file in chunks, each with the number of the file's bytes consumed so far."""
    head = file.read(BLOCK)
    if compression(head) is None and not _is_tar(head):
        raise Refused("it is not a tarball", UNSUPPORTED)
    file.seek(0)
    yield from decompressed(file, tap)


class _Ahead:
    """Iterates over `items` in a thread of its own, a few items ahead; an exception there comes out here."""

    def __init__(self, items: Iterator[tuple[int, bytes]]) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[int, bytes] | BaseException | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decompress", daemon=True)

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: tuple[int, bytes] | BaseException | None) -> bool:
        """Queue `item`; False if nobody waits for it any more."""
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(item, timeout=0.1)
                return True
        return False

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()


class _Source:
    """The bytes of a tar, read once from front to back: as much of a file as tarfile needs."""

    def __init__(self, chunks: Iterable[tuple[int, bytes]], progress: Progress | None, total: int) -> None:
        self._chunks = iter(chunks)
        self._progress = progress
        self._total = total
        self._chunk = b""
        self._at = 0
        self._before = 0

    def tell(self) -> int:
        """Bytes read so far."""
        return self._before + self._at

    def seek(self, position: int) -> None:
        """Pass over what lies before `position`."""
        if position < self.tell():
            raise _damaged()
        for _ in self.pieces(position - self.tell()):
            pass

    def read(self, size: int) -> bytes:
        """The next `size` bytes; raises if the archive ends before."""
        end = self._at + size
        if size < 0 or end > len(self._chunk):
            return b"".join(self.pieces(size))
        data = self._chunk[self._at : end]
        self._at = end
        return data

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes piecemeal; raises if the archive ends before."""
        if size < 0:
            raise _damaged()
        while size > 0:
            if self._at == len(self._chunk) and not self._next_chunk():
                raise truncated()
            piece = self._chunk[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def drain(self) -> None:
        """Read to the end of the file, so that checksums there are checked."""
        while self._next_chunk():
            pass
        if self._progress is not None:
            self._progress(self._total, self._total)

    def write(self, data: bytes) -> None:
        """There is nothing to write to."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""

    def _next_chunk(self) -> bool:
        self._before += len(self._chunk)
        self._at = 0
        consumed, self._chunk = next(self._chunks, (self._total, b""))
        if self._progress is not None and self._chunk:
            self._progress(consumed, self._total)
        return bool(self._chunk)


# The tar format.

BLOCK = 512
_END = bytes(BLOCK)
_EXTENDED = frozenset((b"g", b"x", b"X", b"L", b"K"))  # what is read into memory: pax records and GNU's long names
_FOLDERS = frozenset((tarfile.DIRTYPE, b"D"))  # D: a folder in GNU's incremental dumps, with a list of names behind it
_IGNORED = frozenset((tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE))  # git add passes over them
_LABEL, _CONTINUED = b"V", b"M"


class _EndMark(Exception):
    """A block of zeros."""


class _Header(tarfile.TarInfo):
    """The header of a member."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Parse one block; raises _EndMark at the end of the archive."""
        if buf == _END:
            raise _EndMark
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENDED and header.size > LONGEST_HEADER:
            raise _damaged()
        if buf[257:263] == b"ustar ":  # GNU's own: times stand there (tar -g), which tarfile takes for a folder's name
            times = bytes(buf[345:500]).partition(b"\0")[0].decode(encoding, errors)
            header.name = header.name.removeprefix(times + "/") if times else header.name
        return header


def _is_header(block: bytes) -> bool:
    """Whether `block` is a tar header, old ones without a magic number too: its checksum fits."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Member:
    """One member of a tar."""

    header: tarfile.TarInfo
    name: bytes
    """As it stands in the archive."""
    target: bytes
    """Of a symlink: its text; of a hard link: the name of an earlier member."""
    size: int
    """Bytes of the file."""
    content: Callable[[], Iterator[bytes]]
    """Yields the file piecemeal; to be called before the next member is asked for, or not at all."""


def _members(source: _Source) -> Iterator[_Member]:
    """Yield the members of a tar. `source` raises for one without an end mark, because it may have lost members.

    The loop is not tarfile's own, which takes a damaged header for the end, and so loses the rest in silence.
    """
    try:
        tar = tarfile.TarFile(fileobj=source, tarinfo=_Header, encoding="utf-8", errors="surrogateescape")
        header = tar.next()
        while header is not None:
            yield _member(tar, header, source)
            source.seek(tar.offset)
            header = _Header.fromtarfile(tar)
    except _EndMark:
        return
    except (tarfile.TarError, ValueError, RecursionError) as error:  # the last: a chain of extended headers
        raise _damaged() from error


def _member(tar: tarfile.TarFile, header: tarfile.TarInfo, source: _Source) -> _Member:
    def content() -> Iterator[bytes]:
        if not header.issparse():
            return source.pieces(header.size)
        return _read_all(tar.extractfile(header))

    return _Member(header, _as_bytes(header.name), _as_bytes(header.linkname), header.size, content)


def _read_all(file: IO[bytes] | None) -> Iterator[bytes]:
    while file is not None and (piece := file.read(CHUNK)):
        yield piece


def _as_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


# From members to entries of a tree.


def _import_member(member: _Member, tree: _Tree, writer: FastImport) -> None:
    """Store the content of `member` and enter it into `tree`; a later one of the same name replaces an earlier one."""
    kind = member.header.type
    if kind == _CONTINUED:
        raise Refused("it is a part of a multi-volume archive", UNSUPPORTED)
    if kind == _LABEL:
        return
    path = _clean(member.name)
    if kind in _FOLDERS or (member.name.endswith(b"/") and member.header.isreg()):
        tree.pass_over(path, ignored=False)
    elif not path:
        raise _unsafe(member.name)
    elif kind in _IGNORED:
        tree.pass_over(path, ignored=True)
    elif kind == tarfile.LNKTYPE:
        tree.link(path, member)
    elif kind == tarfile.SYMTYPE:
        tree.symlink(path, member, writer)
    else:  # an unknown type is a file (POSIX)
        mode = "100755" if member.header.mode & stat.S_IXUSR else "100644"
        tree.put(path, mode, _store(writer, member.size, member.content()))


def _store(writer: FastImport, size: int, pieces: Iterator[bytes]) -> str:
    """Store a file of `size` bytes and return its mark."""
    return writer.blob(b"".join(pieces)) if size <= CHUNK else writer.blob_stream(size, pieces)


class _Tree:
    """The entries of the tree to be, by path, and what is needed to judge them at the end."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[str, str]] = {}
        """Path to mode and mark."""
        self._above: set[bytes] = set()
        """Every folder above a member."""
        self._tops: set[bytes] = set()
        """The first component of every member."""
        self._symlinks: set[bytes] = set()
        """Every path that was a symlink at any time."""
        self._ignored: set[bytes] = set()
        """The paths of devices and FIFOs."""

    def put(self, path: bytes, mode: str, mark: str) -> None:
        """Enter a file or symlink."""
        self._note(path)
        self._ignored.discard(path)
        self._entries[path] = (mode, mark)

    def symlink(self, path: bytes, member: _Member, writer: FastImport) -> None:
        """Enter a symlink, its target unchanged."""
        if not member.target:
            raise Refused(f"it has a symlink without a target, {shown(path)}")
        if _names_git_modules(path.rpartition(b"/")[2]):
            raise _unsafe(member.name)
        self._symlinks.add(path)
        self.put(path, "120000", writer.blob(member.target))

    def link(self, path: bytes, member: _Member) -> None:
        """Enter a hard link: it shares mode and content of an earlier member."""
        try:
            target = _clean(member.target)
        except Refused:
            raise _unsafe(member.name) from None
        if target in self._entries:
            mode, mark = self._entries[target]
            self.put(path, mode, mark)
            if mode == "120000":
                self._symlinks.add(path)
        elif target in self._ignored:
            self.pass_over(path, ignored=True)
        else:
            raise Refused(f"hard link {shown(path)} to {shown(member.target)}, which does not stand before it", UNSAFE)

    def pass_over(self, path: bytes, *, ignored: bool) -> None:
        """Note a folder or (`ignored`) a device, which make no entry; it takes the place of an earlier member."""
        if not path:
            return
        self._note(path)
        self._entries.pop(path, None)
        (self._ignored.add if ignored else self._ignored.discard)(path)

    def _note(self, path: bytes) -> None:
        folder, slash, _ = path.rpartition(b"/")
        if not slash:
            self._tops.add(path)
        while slash and folder not in self._above:
            self._above.add(folder)
            top = folder
            folder, slash, _ = folder.rpartition(b"/")
            if not slash:
                self._tops.add(top)

    def changes(self) -> list[bytes]:
        """The entries as lines of a fast-import commit, without the sole top folder."""
        self._check()
        strip = 0
        if len(self._tops) == 1 and self._entries.keys().isdisjoint(self._tops):
            strip = len(next(iter(self._tops))) + 1
        return [modify(mode, mark, path[strip:]) for path, (mode, mark) in sorted(self._entries.items())]

    def _check(self) -> None:
        """Raise for members below a symlink, and for a path that is a file and a folder at once."""
        for passed in sorted(self._symlinks & self._above):
            below = sorted(path for path in (*self._entries, *self._above) if path.startswith(passed + b"/"))
            raise _unsafe(below[0] if below else passed)
        for path in sorted((self._entries.keys() | self._ignored) & self._above):
            raise Refused(f"member {shown(path)} is a file and a folder at once", UNSAFE)


# Names that must not enter a tree.

#: Code points that HFS+ ignores in names.
_HFS_IGNORED = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
#: Only such components need a closer look.
_NOTABLE = re.compile(rb"\A\.|\A[gG][iI][tT]~|[^\x00-\x7f]|\\")


def _clean(name: bytes) -> bytes:
    """`name` as a path of a tree: without `.` and empty components. Raises for a name that is not safe in one."""
    if not name or name[:1] == b"/" or b"\0" in name:
        raise _unsafe(name)
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    for part in parts:
        if part == b".." or _names_git(part):
            raise _unsafe(name)
    return b"/".join(parts)


def _names_git(part: bytes) -> bool:
    """Whether a file system takes the component `part` for `.git`: git's own rules for HFS+ and NTFS, together."""
    if not _NOTABLE.search(part):
        return False
    return any(_folded(piece) in (".git", "git~1") for piece in part.split(b"\\"))


def _names_git_modules(part: bytes) -> bool:
    """Whether `part` names `.gitmodules`, which git refuses as a symlink."""
    return any(re.fullmatch(r"\.gitmodules|gitmod~[1-4]", _folded(piece)) for piece in part.split(b"\\"))


def _folded(part: bytes) -> str:
    """`part` in lower case, without what file systems pass over.

    NTFS drops trailing blanks and dots, and a colon begins the name of a stream there.
    """
    name = _HFS_IGNORED.sub("", part.decode("utf-8", "surrogateescape").lower())
    return name.partition(":")[0].rstrip(" .")


# Directories.


@dataclass(frozen=True, slots=True)
class _File:
    """A file or symlink below a directory."""

    path: bytes
    """Relative to the directory."""
    mode: int
    size: int


def _walk(top: bytes) -> Iterator[_File]:
    """Yield the files and symlinks below the directory `top`, links not followed."""
    pending = [b""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(top, folder) if folder else top) as scan:
            entries = sorted((entry for entry in scan if entry.name != b".git"), key=lambda entry: entry.name)
        for entry in entries:
            path = os.path.join(folder, entry.name)
            if _names_git(entry.name) or (entry.is_symlink() and _names_git_modules(entry.name)):
                raise MetadiffError(f"{shown(top)}: unsafe name {shown(path)}", "rename it: git refuses such names")
            if entry.is_dir(follow_symlinks=False):
                pending.append(path)
                continue
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                yield _File(path, status.st_mode, status.st_size)


def _import_files(top: bytes, files: list[_File], writer: FastImport, progress: Progress | None) -> list[bytes]:
    """Store the contents of `files` and return their entries as lines of a fast-import commit."""
    total = sum(file.size for file in files)
    done = told = 0
    changes = []
    for file in files:
        changes.append(_import_file(top, file, writer))
        done += file.size
        if progress is not None and (done - told >= CHUNK or file is files[-1]):
            progress(done, total)
            told = done
    return changes


def _import_file(top: bytes, file: _File, writer: FastImport) -> bytes:
    full = os.path.join(top, file.path)
    if stat.S_ISLNK(file.mode):
        return modify("120000", writer.blob(os.readlink(full)), file.path)
    mode = "100755" if file.mode & stat.S_IXUSR else "100644"
    # whatever took the place of the file since: no link is followed, and no FIFO waited for
    with os.fdopen(os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb", buffering=0) as opened:
        size = os.fstat(opened.fileno()).st_size
        mark = _store(writer, size, _file_pieces(full, opened, size))
    return modify(mode, mark, file.path)


def _file_pieces(full: bytes, opened: IO[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes of an open file; raises if it has become shorter."""
    while size > 0:
        piece = opened.read(min(size, CHUNK))
        if not piece:
            raise MetadiffError(f"{shown(full)} changed while it was read", "run the command again")
        size -= len(piece)
        yield piece
