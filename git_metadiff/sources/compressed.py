"""Compressed files, told by their first bytes and not by their name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable

from git_metadiff.errors import MetadiffError


def unzstd(data: bytes) -> bytes:
    """Decompress zstd frames."""
    import zstandard

    parts = []
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            parts.append(frame.decompress(data))
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from error
        if not frame.eof:  # stream_reader would end here without a word
            raise EOFError("the last frame is cut off")
        data = frame.unused_data
    return b"".join(parts)


MAGIC: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", gzip.decompress),
    (b"\xfd7zXZ\0", lzma.decompress),
    (b"BZh", bz2.decompress),
    (b"\x28\xb5\x2f\xfd", unzstd),
)


def decompress(data: bytes, name: str) -> bytes:
    """The content of a file, decompressed if need be; a damaged one raises MetadiffError."""
    for magic, inflate in MAGIC:
        if data.startswith(magic):
            try:
                return inflate(data)
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
                raise MetadiffError(
                    f"{name}: damaged compressed file: {error}", "fetch it again and compare its digest"
                ) from error
    return data
