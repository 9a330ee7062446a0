"""JPEG decoding that raises the warnings of libjpeg: a stream damaged inside still decodes, to other pixels.

libjpeg (ITU-T T.81) fills what it cannot read with grey or with whatever the bits happen to mean, and says so in
warnings that Pillow drops and OpenCV prints. simplejpeg (libjpeg-turbo) raises them, and gives the same pixels in less
time. Not every warning is damage: what cameras write between and after the parts of a picture is taken away first.
"""

from __future__ import annotations

import io
import re

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import JpegImagePlugin

_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA
_PROGRESSIVE = 0xC2
_KEPT = frozenset({*range(0xC0, 0xD0), 0xDB, 0xDD, 0xEE})  # tables, frames, and what Adobe says of the colours
_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"  # says that they are YCbCr
_WARNING = re.compile(r"Corrupt JPEG data: (.+)|(Premature end .+)")
_UNKNOWN_SAMPLING = "subsampling"
_LEFT_OVER = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_PREFETCHED_BYTES = 9  # of which the decoder does not count how many it did not need
_PADDING_BYTES = 2  # as webcams write them, of any value
_HOLE_BYTES = 1024
_FLAT_BLOCKS_PER_BYTE = 0.5  # of code that is all zeros; a quarter of what the shortest code of a flat block needs


class DamagedError(ValueError):
    """The picture decodes, but not to the pixels that were written."""


def decode_jpeg(data: bytes, size: tuple[int, int], factor: int = 1, colours: str = "RGB") -> NDArray[np.uint8]:
    """Decode a JPEG of 8 bits with libjpeg's reduced inverse DCT.

    Args:
        data: the bytes of the file; what follows the picture in it is passed over.
        size: width and height in pixels as stored.
        factor: 1, 2, 4 or 8, by which the sides are reduced.
        colours: ``RGB``, for grey pictures too, or ``CMYK`` as it is stored.

    Returns:
        uint8 [ceil(H / factor), ceil(W / factor), 3 or 4]; whole where the colours are sampled in a way that TurboJPEG
        does not know, and then without looking for damage.

    Raises:
        DamagedError: when the stream ends early, or does not say what was written.
        ValueError: of libjpeg, for anything else that it does not decode.
    """
    picture, scans = _without_descriptions(data)
    width, height = (-(-side // factor) for side in size)
    reduced = {"min_width": width, "min_height": height} if factor > 1 else {}
    try:
        pixels = simplejpeg.decode_jpeg(picture, colours, **reduced)
    except ValueError as error:
        if _UNKNOWN_SAMPLING in str(error):
            return np.asarray(JpegImagePlugin.JpegImageFile(io.BytesIO(data)).convert(colours))
        warning = _WARNING.search(str(error))
        if warning is None:
            raise
        if picture.find(_END, scans) == len(picture) - len(_END):  # but the one that was added
            raise DamagedError("it is truncated") from error
        if not _is_padding(str(error), picture, scans):
            raise DamagedError(f"it is damaged inside: {warning[1] or warning[2]}") from error
        pixels = simplejpeg.decode_jpeg(picture, colours, strict=False, **reduced)
    if _has_hole(picture, scans, pixels, factor):
        raise DamagedError("it is damaged inside: a part of it is zeros")
    return np.asarray(pixels, np.uint8)


def _without_descriptions(data: bytes) -> tuple[bytes, int]:
    """The picture without metadata and what stands between its segments, with an end; and where its scans begin."""
    parts = [data[:2]]
    position = 2
    while position + 4 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xFF):
            position += 1  # padding
            continue
        if marker == _START_OF_SCAN:
            start = sum(map(len, parts))
            return b"".join((*parts, data[position:], _END)), start
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _KEPT:
            parts.append(data[position:end])
        elif data[position + 4 : position + 9] == _JFIF[4:9]:
            parts.insert(1, _JFIF)
        position = end
    return data, len(data)


def _is_padding(message: str, picture: bytes, scans: int) -> bool:
    """Whether all that libjpeg warns of is what an encoder wrote after the last pixel: a byte or two, or one repeated.

    Where that one begins before the last pixel it was read as pixels: a hole at the end of the picture.
    """
    found = _LEFT_OVER.search(message)
    if found is None:
        return False
    count = int(found[1])
    body = picture[scans : picture.find(_END, scans)]
    repeated = len(body) - len(body.rstrip(body[-1:]))
    return count <= _PADDING_BYTES or count <= repeated <= count + _PREFETCHED_BYTES


def _has_hole(picture: bytes, scans: int, pixels: NDArray[np.uint8], factor: int) -> bool:
    """Whether a progressive picture has zeros where its pixels are not as flat as zeros say.

    Zeros in a scan that refines say that nothing changes, so libjpeg has nothing to warn of.
    """
    if bytes((0xFF, _PROGRESSIVE)) not in picture[:scans]:
        return False
    body = picture[scans : picture.find(_END, scans)].rstrip(b"\0")
    hole = body.find(bytes(_HOLE_BYTES))
    if hole < 0:
        return False
    zeros = len(body) - hole - len(body[hole:].lstrip(b"\0"))
    flat = np.count_nonzero((pixels[:, 1:] == pixels[:, :-1]).all(axis=2))
    return bool(flat * factor**2 / 64 < _FLAT_BLOCKS_PER_BYTE * zeros)
