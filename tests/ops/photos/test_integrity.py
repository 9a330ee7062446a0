"""Damage inside of TIFF, PNG, WebP and HEIC files."""

import functools
import io
import struct
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.ops.photos.heif_boxes import coded_images
from tests.pictures import encode, noise, textured

PICTURE = np.clip(textured(300, 450).astype(int) + noise(300, 450, 1) // 16, 0, 255).astype(np.uint8)


@functools.cache
def heic(tile_size: int = 0, mirrored: bool = False) -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(PICTURE[:, ::-1] if mirrored else PICTURE)).save(
        stream, quality=85, tile_size=tile_size
    )
    return stream.getvalue()


FILES = {
    "PNG": lambda: encode(PICTURE, "PNG"),
    "16-bit PNG": lambda: cv2.imencode(".png", PICTURE.astype(np.uint16) * 257)[1].tobytes(),
    "16-bit TIFF": lambda: cv2.imencode(".tif", PICTURE.astype(np.uint16) * 257)[1].tobytes(),
    "deflated TIFF": lambda: encode(PICTURE, "TIFF", compression="tiff_adobe_deflate"),
    "LZW TIFF": lambda: encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "JPEG TIFF": lambda: encode(PICTURE, "TIFF", compression="jpeg"),
    "WebP": lambda: encode(PICTURE, "WEBP", quality=92),
    "lossless WebP": lambda: encode(PICTURE, "WEBP", lossless=True, method=0),
    "HEIC": heic,
    "tiled HEIC": lambda: heic(256),
}


@pytest.mark.parametrize("form", FILES)
def test_a_hole_of_zeros_is_found_in_every_format(form):
    data = FILES[form]()
    assert decode_photo(data).image.shape == PICTURE.shape
    for share in (0.3, 0.5, 0.7):
        at = int(share * len(data))
        with pytest.raises(InputError) as caught:
            decode_photo(data[:at] + bytes(3000) + data[at + 3000 :])
        assert caught.value.code == "photo-unreadable"


@pytest.mark.parametrize("form", [form for form in FILES if "WebP" not in form and "HEIC" not in form])
def test_random_bytes_are_found(form):
    data = FILES[form]()
    hole = np.random.default_rng(0).bytes(3000)
    for share in (0.3, 0.5, 0.7):
        at = int(share * len(data))
        with pytest.raises(InputError):
            decode_photo(data[:at] + hole + data[at + 3000 :])


@pytest.mark.parametrize("tile_size", [0, 256])
def test_the_tail_of_another_heic_is_found(tile_size):
    data, other = heic(tile_size), heic(tile_size, mirrored=True)
    for share in (0.3, 0.5, 0.7):
        at = int(share * len(data))
        with pytest.raises(InputError):
            decode_photo(data[:at] + other[at - 77 :])


@pytest.mark.parametrize("beyond", [-100, 0, 1000])
def test_strips_that_lie_outside_of_the_file_are_missing(beyond):
    data = encode(PICTURE, "TIFF")
    tags = struct.unpack("<H", data[(start := struct.unpack("<I", data[4:8])[0]) : start + 2])[0]
    entries = {struct.unpack("<H", data[at : at + 2])[0]: at for at in range(start + 2, start + 2 + 12 * tags, 12)}
    moved = bytearray(data)
    moved[entries[273] + 4 : entries[273] + 12] = struct.pack("<II", 1, len(data) + beyond)
    with pytest.raises(InputError, match="truncated" if beyond < 0 else "missing"):
        decode_photo(bytes(moved))


def test_a_wrong_checksum_of_a_png_is_found():
    data = encode(PICTURE, "PNG")
    at = data.index(b"IDAT") + 4 + 2000
    changed = bytearray(data)
    changed[at] ^= 1
    with pytest.raises(InputError):
        decode_photo(bytes(changed))


def test_large_flat_pictures_are_no_holes():
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = np.zeros((1500, 2000, 3), np.uint8)
    pixels[600:700, 850:1000] = PICTURE[:100, :150]
    for form, options in (("WEBP", {"quality": 80, "method": 0}), ("PNG", {}), ("TIFF", {"compression": "tiff_lzw"})):
        assert decode_photo(encode(pixels, form, **options), 400).image.shape == (300, 400, 3)
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels[300:900, 700:1500])).save(stream)
    assert decode_photo(stream.getvalue(), 400).image.shape == (300, 400, 3)


def test_a_deflated_strip_that_ends_early_is_found():
    data = encode(PICTURE, "TIFF", compression="tiff_adobe_deflate")
    with Image.open(io.BytesIO(data)) as picture:
        offset, count = picture.tag_v2[273][1], picture.tag_v2[279][1]
    rows = zlib.decompress(data[offset : offset + count])
    short = zlib.compress(rows[: len(rows) // 2])
    with pytest.raises(InputError):
        decode_photo(data[:offset] + short + bytes(count - len(short)) + data[offset + count :])


def test_a_deflated_bomb_is_unpacked_in_blocks():
    data = encode(PICTURE[:20], "TIFF", compression="tiff_adobe_deflate")
    with Image.open(io.BytesIO(data)) as picture:
        directory = struct.unpack("<I", data[4:8])[0]
        entries = {
            t: at
            for at in range(directory + 2, len(data) - 12, 12)
            if (t := data[at] | data[at + 1] << 8) in picture.tag_v2
        }
    bomb = zlib.compress(bytes(100_000_000), 9)
    changed = bytearray(data + bomb)
    changed[entries[273] + 8 : entries[273] + 12] = struct.pack("<I", len(data))
    changed[entries[279] + 8 : entries[279] + 12] = struct.pack("<I", len(bomb))
    tracemalloc.start()
    with pytest.raises(InputError, match="does not end"):
        decode_photo(bytes(changed))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_a_sequence_of_boxes_that_is_not_understood_is_left_to_the_decoder():
    data = heic()
    changed = data.replace(b"pitm", b"pitx")
    assert list(coded_images(changed)) == []
    assert len(list(coded_images(data))) == 1
    assert len(list(coded_images(heic(256)))) == 4
