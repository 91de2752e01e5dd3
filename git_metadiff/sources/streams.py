"""Streams of bytes: a compressed file, told by its first bytes, is decompressed piece by piece in bounded memory."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol

#: Bytes decompressed in one step; files up to this size are passed on whole, larger ones piecemeal.
CHUNK = 1 << 20
#: Bytes of the compressed file read in one step.
READ = 1 << 16
#: Memory that a file may ask its decompressor for (`xz -9` takes 65 MiB).
DECODER_MEMORY = 256 << 20
#: Bytes that tell how a file is compressed, and more than enough of them.
HEAD = 512

DAMAGED = "fetch the archive again, and compare its checksum"
#: Sees every piece of a file as it is read.
Tap = Callable[[bytes], object]


class Refused(Exception):
    """Why a file is not taken; who knows its name adds it."""

    def __init__(self, words: str, hint: str = DAMAGED) -> None:
        super().__init__(words)
        self.hint = hint


def truncated() -> Refused:
    """The end came too early."""
    return Refused("the archive is truncated")


class _Decoder(Protocol):
    """Decompresses one stream (member, frame) of a file."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was fed after its end."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` gives, in pieces of bounded size."""


class _Gzip:
    def __init__(self) -> None:
        self._raw = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        while True:
            yield self._raw.decompress(data, CHUNK)
            data = self._raw.unconsumed_tail
            if not data:  # output that zlib still holds comes with the stream's trailer
                return


class _Xz:
    def __init__(self) -> None:
        self._raw: lzma.LZMADecompressor | bz2.BZ2Decompressor
        self._raw = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=DECODER_MEMORY)

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._raw.decompress(data, CHUNK)
        while not self._raw.eof and not self._raw.needs_input:
            yield self._raw.decompress(b"", CHUNK)


class _Bzip2(_Xz):
    def __init__(self) -> None:
        self._raw = bz2.BZ2Decompressor()


class _Zstd:
    #: zstandard cannot bound its output; a block of 4 bytes may give 128 KiB, so that a step gives at most 16 MiB.
    STEP = 1 << 9

    def __init__(self) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise Refused("zstd is not supported here", "install the Python package zstandard") from error
        self._error = zstandard.ZstdError
        self._raw = zstandard.ZstdDecompressor(max_window_size=DECODER_MEMORY).decompressobj()
        self._rest = b""

    @property
    def eof(self) -> bool:
        return self._raw.eof

    @property
    def unused_data(self) -> bytes:
        return self._raw.unused_data + self._rest

    def feed(self, data: bytes) -> Iterator[bytes]:
        pieces: list[bytes] = []
        held = 0
        for at in range(0, len(data), self.STEP):
            pieces.append(self._decompress(data[at : at + self.STEP]))
            held += len(pieces[-1])
            if held >= CHUNK:
                yield from _sliced(b"".join(pieces))
                pieces, held = [], 0
            if self._raw.eof:
                self._rest = data[at + self.STEP :]
                break
        yield b"".join(pieces)

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._raw.decompress(data)
        except self._error as error:
            raise ValueError(str(error)) from error


def _sliced(data: bytes) -> Iterator[bytes]:
    return (data[at : at + CHUNK] for at in range(0, len(data), CHUNK))


@dataclass(frozen=True, slots=True)
class Compression:
    """How a file is compressed: the name for messages, and what decompresses one stream."""

    name: str
    new: Callable[[], _Decoder]


_COMPRESSIONS = (
    (re.compile(rb"\x1f\x8b\x08"), Compression("gzip", _Gzip)),
    (re.compile(rb"\xfd7zXZ\0"), Compression("xz", _Xz)),
    (re.compile(rb"BZh[1-9]"), Compression("bzip2", _Bzip2)),
    # the second one is a skippable frame, with which pzstd begins its files
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), Compression("zstd", _Zstd)),
)


def compression(head: bytes) -> Compression | None:
    """How a file that begins with `head` (up to HEAD bytes) is compressed; None if it is not."""
    return next((found for magic, found in _COMPRESSIONS if magic.match(head)), None)


def decompressed(file: IO[bytes], tap: Tap | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield the content of a file open at its start, decompressed where it is compressed, in chunks.

    Each comes with the number of the file's bytes consumed so far; `tap` sees those bytes. Raises Refused for what is
    damaged or truncated.
    """
    found = compression(file.read(HEAD))
    file.seek(0)
    consumed = 0
    streams = None if found is None else _Streams(found.name, found.new)
    while block := file.read(CHUNK if streams is None else READ):
        consumed += len(block)
        if tap is not None:
            tap(block)
        for chunk in [block] if streams is None else streams.feed(block):
            yield consumed, chunk
    if streams is not None:
        streams.end()


class _Streams:
    """Decompresses any number of streams, one after another, with zero bytes as padding between and behind them."""

    def __init__(self, name: str, new: Callable[[], _Decoder]) -> None:
        self._name = name
        self._new = new
        self._decoder: _Decoder | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what `data` gives."""
        while data:
            if self._decoder is None:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._decoder = self._new()
            yield from filter(None, self._fed(self._decoder, data))
            data = b""
            if self._decoder.eof:
                data = self._decoder.unused_data
                self._decoder = None

    def _fed(self, decoder: _Decoder, data: bytes) -> Iterator[bytes]:
        try:
            yield from decoder.feed(data)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
            raise Refused(f"cannot decompress it as {self._name}: {error}") from error

    def end(self) -> None:
        """Raise if the last stream has not ended."""
        if self._decoder is not None:
            raise truncated()
