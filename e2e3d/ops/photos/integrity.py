"""Damage inside of TIFF, WebP and HEIC files that their decoders do not report.

Pictures in these formats have no checksum, or one that the decoder does not look at, so what is checked is the form of
the compressed data: strips that are missing or do not unpack (TIFF 6.0), zeros where an arithmetic coder cannot write
them (RFC 6386), units that do not fit together (ISO/IEC 14496-15, and ITU-T H.265 7.4.2 for bytes that cannot occur).
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image, TiffImagePlugin

from e2e3d.ops.photos.heif_boxes import coded_images, length_size
from e2e3d.ops.photos.jpeg import DamagedError, decode_jpeg

_HOLE = bytes(1024)
_BLOCK_BYTES = 1 << 20
_DEFLATE = (8, 32946)
_JPEG = 7
_UNCOMPRESSED = 1
_IMPOSSIBLE_IN_UNIT = re.compile(rb"\x00\x00[\x00-\x02]")


def require_whole(data: bytes, header: Image.Image) -> None:
    """Check what the decoder of this format does not.

    Args:
        data: the bytes of the file.
        header: the opened file.

    Raises:
        DamagedError: when pixels would come out other than they were written.
    """
    if isinstance(header, TiffImagePlugin.TiffImageFile):
        _check_tiff(data, header)
    elif header.format == "WEBP":
        _check_webp(data)
    elif header.format == "HEIF":
        _check_heif(data)


def _check_tiff(data: bytes, header: TiffImagePlugin.TiffImageFile) -> None:
    tags: Any = header.tag_v2
    compression = tags.get(TiffImagePlugin.COMPRESSION, _UNCOMPRESSED)
    strips = list(_strips(data, tags))
    if any(not strip for strip in strips):
        raise DamagedError("parts of it are missing")
    if compression in _DEFLATE:
        most = 8 * tags.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) * header.width * header.height
        for strip in strips:
            _check_deflated(strip, most)
    elif compression == _JPEG:
        tables = tags.get(TiffImagePlugin.JPEGTABLES, b"")
        for strip in strips:
            _check_jpeg(tables[:-2] + strip[2:] if tables else strip)


def _strips(data: bytes, tags: Any) -> Iterator[bytes]:
    """The strips or tiles as they lie in the file; short where it ends before them, empty where they lie outside."""
    tiled = TiffImagePlugin.TILEOFFSETS in tags
    offsets = tags.get(TiffImagePlugin.TILEOFFSETS if tiled else TiffImagePlugin.STRIPOFFSETS, ())
    counts = tags.get(TiffImagePlugin.TILEBYTECOUNTS if tiled else TiffImagePlugin.STRIPBYTECOUNTS, ())
    if len(offsets) != len(counts):
        return
    for offset, count in zip(offsets, counts, strict=True):
        yield data[offset : offset + count]


def _check_deflated(strip: bytes, most_bytes: int) -> None:
    """Unpack a strip in blocks; one that gives more than the whole picture is a bomb."""
    inflate = zlib.decompressobj()
    count = 0
    try:
        while strip and not inflate.eof and count <= most_bytes:
            count += len(inflate.decompress(strip, _BLOCK_BYTES))
            strip = inflate.unconsumed_tail
    except zlib.error as error:
        raise DamagedError(f"it is damaged inside: {error}") from error
    if not inflate.eof:
        raise DamagedError("it is damaged inside: a strip does not end")


def _check_jpeg(stream: bytes) -> None:
    with Image.open(io.BytesIO(stream)) as picture:
        size = picture.size
    decode_jpeg(stream, size, 8)


def _check_webp(data: bytes) -> None:
    end = 8 + int.from_bytes(data[4:8], "little")
    if data.find(_HOLE, 0, end) >= 0:
        raise DamagedError("it is damaged inside: a part of it is zeros")


def _check_heif(data: bytes) -> None:
    prefix = length_size(data)
    for stream in coded_images(data):
        position = 0
        while position < len(stream):
            start = position + prefix
            position = start + int.from_bytes(stream[position:start], "big")
            if position > len(stream) or _IMPOSSIBLE_IN_UNIT.search(stream[start:position].rstrip(b"\0")):
                raise DamagedError("it is damaged inside: its units of HEVC data are broken")
