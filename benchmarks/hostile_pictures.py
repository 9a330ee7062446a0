"""Pictures of strangers: small ones of every format, what is done to them at random, and attacks made by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
from PIL import Image

Damage = Callable[[np.random.Generator, bytes], bytes]
EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80")
_SIDE = (480, 360)


def picture(seed: int, form: str, mode: str = "RGB", **options: object) -> bytes:
    """A small picture with texture at every scale, which passes all checks as long as it is whole."""
    pillow_heif.register_heif_opener()
    rng = np.random.default_rng(seed)
    total = np.zeros((_SIDE[1], _SIDE[0], 3))
    for octave in range(2, 7):
        coarse = Image.fromarray(rng.integers(0, 256, (2**octave, 2**octave, 3), np.uint8))
        total += np.asarray(coarse.resize(_SIDE, Image.Resampling.BICUBIC), np.float64) / octave
    pixels = Image.fromarray((total / total.max() * 255).astype(np.uint8)).convert(mode)
    stream = io.BytesIO()
    pixels.save(stream, form, **options)
    return stream.getvalue()


def exif(byte_order: str = "<") -> bytes:
    """EXIF with a camera, an orientation, a focal length and a position, as :func:`tiff_of` lays it out."""
    rational = struct.pack(byte_order + "II", 50, 1)
    entries = [
        (0x010F, 2, 6, b"Maker\0"),
        (0x0112, 3, 1, struct.pack(byte_order + "H", 6)),
        (0x920A, 5, 1, rational),
        (0xA405, 3, 1, struct.pack(byte_order + "H", 35)),
    ]
    return b"Exif\0\0" + tiff_of(entries, byte_order)


def tiff_of(entries: list[tuple[int, int, int, bytes]], byte_order: str = "<", following: int = 0) -> bytes:
    """A TIFF of one directory with these entries: tag, type, count, value."""
    start = 8 + 2 + 12 * len(entries) + 4
    head = (b"II*\0" if byte_order == "<" else b"MM\0*") + struct.pack(byte_order + "IH", 8, len(entries))
    table, rest = b"", b""
    for tag, kind, count, value in entries:
        if len(value) > 4:
            place = struct.pack(byte_order + "I", start + len(rest))
            rest += value
        else:
            place = value.ljust(4, b"\0")
        table += struct.pack(byte_order + "HHI", tag, kind, count & 0xFFFFFFFF) + place
    return head + table + struct.pack(byte_order + "I", following) + rest


def bases() -> dict[str, bytes]:
    """A whole picture of every format, by file name."""
    with_exif = {"exif": exif()}
    return {
        "baseline.jpg": picture(1, "JPEG", quality=90, **with_exif),
        "progressive.jpg": picture(2, "JPEG", quality=90, progressive=True),
        "cmyk.jpg": picture(3, "JPEG", "CMYK"),
        "colour.png": picture(4, "PNG"),
        "palette.png": picture(5, "PNG", "P"),
        "alpha.png": picture(6, "PNG", "RGBA"),
        "deep.png": _deep_png(),
        "plain.tif": picture(8, "TIFF"),
        "deflated.tif": picture(9, "TIFF", compression="tiff_adobe_deflate"),
        "lzw.tif": picture(10, "TIFF", compression="tiff_lzw"),
        "jpeg.tif": picture(11, "TIFF", compression="jpeg"),
        "lossy.webp": picture(12, "WEBP", quality=80, **with_exif),
        "lossless.webp": picture(13, "WEBP", lossless=True),
        "still.heic": picture(14, "HEIF", quality=60, **with_exif),
    }


def _deep_png() -> bytes:
    grey = np.asarray(Image.open(io.BytesIO(picture(7, "PNG", "L"))), np.uint16) * 257
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


def damaged(rng: np.random.Generator, data: bytes) -> bytes:
    """The data with a few random changes; checksums of PNG fit again, so that decoders look deeper."""
    for _ in range(int(rng.integers(1, 4))):
        data = _DAMAGES[int(rng.integers(len(_DAMAGES)))](rng, data)
    return _with_checksums(data) if data.startswith(b"\x89PNG") and rng.random() < 0.8 else data


def _place(rng: np.random.Generator, data: bytes) -> int:
    """Anywhere, but half of the time where headers are."""
    return int(rng.integers(0, min(len(data), 400) if rng.random() < 0.5 else max(1, len(data))))


def _overwrite(rng: np.random.Generator, data: bytes) -> bytes:
    at, length = _place(rng, data), int(2 ** rng.integers(0, 4))
    return data[:at] + EXTREMES[int(rng.integers(4))] * length + data[at + length :]


def _flip(rng: np.random.Generator, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(2 ** rng.integers(0, 6))):
        changed[_place(rng, data)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: max(1, _place(rng, data))]


def _remove(rng: np.random.Generator, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + int(rng.integers(1, 64)) :] or b"\0"


def _repeat(rng: np.random.Generator, data: bytes) -> bytes:
    start, at = _place(rng, data), _place(rng, data)
    return data[:at] + data[start : start + int(rng.integers(1, 4000))] + data[at:]


def _number(rng: np.random.Generator, data: bytes) -> bytes:
    at, order = _place(rng, data), "<>"[int(rng.integers(2))]
    value = int(rng.choice(np.array([0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, len(data)])))
    return data[:at] + struct.pack(order + "I", value) + data[at + 4 :]


_DAMAGES: tuple[Damage, ...] = (_overwrite, _flip, _cut, _remove, _repeat, _number)


def _with_checksums(data: bytes) -> bytes:
    found, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + length]
        found += data[at : at + 8 + length] + struct.pack(">I", zlib.crc32(body))
        at += 12 + length
    return found + data[at:]


def _png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2, more: bytes = b"") -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _zeros(count: int) -> bytes:
    """That many zeros, deflated, without ever holding them."""
    compressor = zlib.compressobj(9)
    block = bytes(1 << 20)
    parts = [compressor.compress(block) for _ in range(count >> 20)]
    return b"".join(parts) + compressor.compress(bytes(count & 0xFFFFF)) + compressor.flush()


def _jpeg_size(data: bytes, width: int, height: int) -> bytes:
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        at = data.find(marker)
        if at >= 0:
            return data[: at + 5] + struct.pack(">HH", height, width) + data[at + 9 :]
    raise ValueError("no frame")


def _heif_sized(data: bytes, box: bytes, size: int, large: int | None = None) -> bytes:
    at = data.index(box) - 4
    if large is None:
        return data[:at] + struct.pack(">I", size) + data[at + 4 :]
    return data[:at] + struct.pack(">I", 1) + box + struct.pack(">Q", large) + data[at + 8 :]


def _strips(**changes: tuple[int, int, bytes]) -> bytes:
    """A grey TIFF of 480 x 360, with some entries (by tag in decimal) replaced by (type, count, value)."""
    short, long = (lambda n: (3, 1, struct.pack("<H", n))), (lambda n: (4, 1, struct.pack("<I", n)))
    entries = {256: short(480), 257: short(360), 258: short(8), 259: short(1), 262: short(1), 273: long(200)}
    entries |= {277: short(1), 278: short(360), 279: long(480 * 360)}
    entries |= {int(name.removeprefix("t")): value for name, value in changes.items()}
    tiff = tiff_of([(tag, *value) for tag, value in sorted(entries.items())])
    return tiff.ljust(200, b"\0") + bytes(range(256)) * 675


def _with_exif(data: bytes, tiff: bytes) -> bytes:
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


def attacks(scale: float = 1.0) -> dict[str, bytes]:
    """Attacks made by hand, by file name; those that live on their size are reduced by `scale`."""
    side, giga = int(10_000 * scale**0.5), int(scale * (1 << 30))
    jpeg, progressive = picture(1, "JPEG", quality=90), picture(2, "JPEG", quality=90, progressive=True)
    heic, webp, tiff = picture(14, "HEIF", quality=60), picture(12, "WEBP"), picture(8, "TIFF")
    zero = struct.pack("<II", 0, 0)
    gps = [(1, 2, 2, b"N\0"), (2, 5, 3, zero * 3), (3, 2, 2, b"E\0"), (4, 5, 3, zero * 3), (6, 5, 1, zero)]
    loop = [(0x8769, 4, 1, struct.pack("<I", 8)), (0x8825, 4, 1, struct.pack("<I", 8))]
    return {
        "empty.jpg": b"",
        "2-31-square.png": _png(2**31 - 1, 2**31 - 1, zlib.compress(b"\0")),
        "2-32-wide.png": _png(2**32 - 1, 1, zlib.compress(b"\0")),
        "no-pixels.png": _png(0, 0, zlib.compress(b"\0")),
        "100-megapixels-deep.png": _png(side, side, _zeros(side * (6 * side + 1)), 16),
        "100-megapixels.png": _png(side, side, _zeros(side * (3 * side + 1))),
        "text-bomb.png": _png(480, 360, _zeros(360 * 1441), more=_chunk(b"zTXt", b"a\0\0" + _zeros(giga))),
        "profile-bomb.png": _png(480, 360, _zeros(360 * 1441), more=_chunk(b"iCCP", b"a\0\0" + _zeros(giga // 2))),
        "chunk-without-end.png": picture(4, "PNG")[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT",
        "100000-chunks.png": _png(480, 360, _zeros(360 * 1441), more=_chunk(b"tEXt", b"a\0b") * 100_000),
        "giant.jpg": _jpeg_size(jpeg, 65_535, 65_535),
        "390-megapixels.jpg": _jpeg_size(jpeg, 20_000, 19_500),
        "120-megapixels-progressive.jpg": _jpeg_size(progressive, 11_000, 10_800),
        "many-scans.jpg": progressive[:-2] + progressive[progressive.index(b"\xff\xda") : -2] * 500 + b"\xff\xd9",
        "no-height.jpg": _jpeg_size(jpeg, 480, 0),
        "markers-only.jpg": b"\xff\xd8" + b"\xff\xfe\x00\x02" * 300_000,
        "directory-loop.tif": tiff[:4] + struct.pack("<I", 8) + tiff_of([(256, 3, 1, b"\1\0")], following=8)[8:],
        "strips-of-4-gb.tif": _strips(t279=(4, 1, struct.pack("<I", 0xFFFFFFFF))),
        "strip-outside.tif": _strips(t273=(4, 1, struct.pack("<I", 0xFFFFFFF0))),
        "500000-strips.tif": _strips(t273=(4, 500_000, bytes(2_000_000)), t279=(4, 500_000, bytes(2_000_000))),
        "2-31-strips.tif": _strips(t273=(4, 2**31, struct.pack("<I", 8))),
        "2-31-square.tif": _strips(t256=(4, 1, struct.pack("<I", 2**31)), t257=(4, 1, struct.pack("<I", 2**31))),
        "119-megapixels.tif": _strips(t256=(4, 1, struct.pack("<I", 10_900)), t257=(4, 1, struct.pack("<I", 10_900))),
        "deflate-bomb.tif": _deflate_bomb(giga),
        "65535-samples.tif": _strips(t277=(3, 1, struct.pack("<H", 65_535))),
        "giant.webp": webp[:26] + struct.pack("<HH", 0x3FFF, 0x3FFF) + webp[30:],
        "riff-of-4-gb.webp": webp[:4] + struct.pack("<I", 0xFFFFFFFF) + webp[8:],
        "chunk-of-4-gb.webp": webp[:16] + struct.pack("<I", 0xFFFFFFFF) + webp[20:],
        "nothing.webp": b"RIFF\x04\0\0\0WEBP",
        "box-of-0.heic": _heif_sized(heic, b"meta", 0),
        "box-of-1.heic": _heif_sized(heic, b"iloc", 1),
        "box-of-2-63.heic": _heif_sized(heic, b"meta", 1, 2**63),
        "box-of-2-64.heic": _heif_sized(heic, b"mdat", 1, 2**64 - 1),
        "iloc-of-4-gb.heic": _heif_sized(heic, b"iloc", 0xFFFFFFFF),
        "giant.heic": _giant_heic(heic),
        "ftyp-only.heic": heic[: int.from_bytes(heic[:4], "big")],
        "exif-loop.jpg": _with_exif(jpeg, tiff_of(loop, following=8)),
        "exif-zero-over-zero.jpg": _with_exif(jpeg, tiff_of([(0x920A, 5, 1, zero), (0x829A, 5, 1, zero)])),
        "exif-gps-zero.jpg": _with_exif(jpeg, _gps(gps)),
        "exif-count-2-32.jpg": _with_exif(jpeg, tiff_of([(0x010F, 2, 0xFFFFFFFF, struct.pack("<I", 8))])),
        "exif-orientation-99.jpg": _with_exif(jpeg, tiff_of([(0x0112, 3, 1, struct.pack("<H", 99))])),
        "exif-offset-outside.jpg": _with_exif(jpeg, b"II*\0" + struct.pack("<I", 0xFFFFFFFF)),
        "exif-5000-entries.jpg": _with_exif(jpeg, tiff_of([(i + 1, 4, 1, b"\xff" * 4) for i in range(5000)])),
        "half-a-marker.jpg": b"\xff\xd8\xff",
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'/>",
        "php.jpg": b"\xff\xd8\xff<?php system($_GET['c']); ?>",
    }


def _deflate_bomb(count: int) -> bytes:
    packed = _zeros(count)
    head = _strips(t259=(3, 1, struct.pack("<H", 8)), t279=(4, 1, struct.pack("<I", len(packed))))
    return head[:200] + packed


def _giant_heic(heic: bytes) -> bytes:
    at = heic.index(b"ispe") + 8
    return heic[:at] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + heic[at + 8 :]


def _gps(entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """A TIFF whose first directory leads to one of positions that are no numbers."""
    main = tiff_of([(0x8825, 4, 1, struct.pack("<I", 26))])
    inner = tiff_of(entries)[8:]
    return main[:26] + inner + bytes(200)
