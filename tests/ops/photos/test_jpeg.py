"""Damage inside of JPEGs, against the pixels that were written; and what cameras write that is no damage."""

import contextlib
import io
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image

from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.ops.photos.jpeg import DamagedError, decode_jpeg
from tests.pictures import encode, exif_of, noise, textured

SIZE = (600, 400)
ENCODINGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
    "many restarts": {"restart_marker_blocks": 8},
}
DAMAGES = ["zeros", "random bytes", "ones", "another file's tail", "cut out", "twice", "truncated", "flipped bits"]


def picture(seed: int = 0) -> np.ndarray:
    """With texture at every scale and the noise of a sensor."""
    pixels = textured(SIZE[1], SIZE[0], seed).astype(int) + noise(SIZE[1], SIZE[0], seed + 1) // 16
    return np.clip(pixels, 0, 255).astype(np.uint8)


PICTURE, OTHER = picture(), picture(2)
FILES = {name: encode(PICTURE, quality=92, **options) for name, options in ENCODINGS.items()}
OTHERS = {name: encode(OTHER, quality=92, **options) for name, options in ENCODINGS.items()}
BASELINE = FILES["baseline"]


def scans_of(data: bytes) -> int:
    position = 2
    while data[position + 1] != 0xDA:
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")


def damaged(data: bytes, other: bytes, kind: str, rng: np.random.Generator) -> bytes:
    start, end = scans_of(data), len(data) - 2
    length = int(rng.integers(2048, min(32768, (end - start) // 3)))
    at = int(rng.integers(start, end - length))
    if kind == "flipped bits":
        flipped = bytearray(data)
        for place in rng.integers(start, end, 64):
            flipped[place] ^= 1 << int(rng.integers(8))
        return bytes(flipped)
    hole = {"zeros": bytes(length), "ones": b"\xff" * length, "cut out": b""}
    hole |= {"random bytes": rng.bytes(length), "twice": data[at : at + length] * 2}
    if kind in hole:
        return data[:at] + hole[kind] + data[at + length :]
    return data[:at] + (other[at:] if kind == "another file's tail" else b"")


@pytest.mark.parametrize("kind", DAMAGES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_damage_is_found_or_changes_hardly_a_pixel(encoding, kind):
    rng = np.random.default_rng(DAMAGES.index(kind))
    original = cv2.imdecode(np.frombuffer(FILES[encoding], np.uint8), cv2.IMREAD_COLOR_RGB).astype(int)
    for _ in range(6):
        with contextlib.suppress(InputError):
            pixels = decode_photo(damaged(FILES[encoding], OTHERS[encoding], kind, rng)).image
            assert (np.abs(pixels - original).max(axis=2) > 8).mean() <= 0.01


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pixels_are_those_of_libjpeg_at_every_reduction(encoding, factor):
    flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    bgr = cv2.imdecode(np.frombuffer(FILES[encoding], np.uint8), flags.get(factor, cv2.IMREAD_REDUCED_COLOR_8))
    np.testing.assert_array_equal(decode_jpeg(FILES[encoding], SIZE, factor), bgr[..., ::-1])


def test_a_missing_and_a_repeated_restart_segment_are_found():
    data = FILES["many restarts"]
    first, second = (data.index(bytes((0xFF, 0xD0 + number)), len(data) // 2) for number in (3, 4))
    if second < first:
        second = data.index(b"\xff\xd4", first)
    for changed in (data[:first] + data[second:], data[:second] + data[first:]):
        with pytest.raises(DamagedError, match="damaged inside"):
            decode_jpeg(changed, SIZE)


def mpf(data: bytes) -> bytes:
    """As Ultra HDR and multi-picture files are: an index in APP2, and another JPEG after the first."""
    index = b"\xff\xe2" + (2 + 4 + 64).to_bytes(2, "big") + b"MPF\0" + bytes(64)
    return data[:2] + index + data[2:] + encode(OTHER[:100, :100])


def with_odd_revision(data: bytes) -> bytes:
    at = data.index(b"JFIF\0") + 5
    return data[:at] + b"\x09" + data[at + 1 :]


HONEST = {
    "a motion photo": lambda data: data + b"\0\0\0\x18ftypmp42" + bytes(9000) + b"moov" + b"\xff\xd8\xff\xd9" * 9,
    "a gain map": mpf,
    "no end": lambda data: data[:-2],
    "zeros before the end": lambda data: data[:-2] + bytes(3000) + data[-2:],
    "spaces before the end": lambda data: data[:-2] + b" " * 300 + data[-2:],
    "few zeros before the end": lambda data: data[:-2] + bytes(12) + data[-2:],
    "a webcam's odd byte": lambda data: data[:-2] + b"\x5a" + data[-2:],
    "fill bytes before the end": lambda data: data[:-2] + b"\xff" * 40 + data[-2:],
    "fill bytes before a marker": lambda data: data[:2] + b"\xff" * 7 + data[2:],
    "zeros between segments": lambda data: data[:20] + bytes(33) + data[20:],
    "a preview in a maker note": lambda data: data[:2] + b"\xff\xed\x20\x02" + OTHERS["baseline"][:8192] + data[2:],
    "an unknown revision": with_odd_revision,
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("encoding", ["baseline", "progressive", "restarts"])
def test_what_cameras_write_besides_is_no_damage(encoding, name):
    data = FILES[encoding]
    np.testing.assert_array_equal(decode_photo(HONEST[name](data)).image, decode_photo(data).image)


@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"quality": 30}, {"optimize": True}])
def test_a_thumbnail_in_exif_and_all_kinds_of_encoding_are_whole(options):
    data = encode(PICTURE, exif=exif_of({0x010F: "Maker"}), **options)
    assert decode_photo(data).image.shape == PICTURE.shape


@pytest.mark.parametrize("options", [{"progressive": True}, {"optimize": True}, {}])
def test_large_flat_backgrounds_are_no_holes(options):
    """Their code may be thousands of zeros."""
    pixels = np.zeros((3000, 4000, 3), np.uint8)
    pixels[1200:1600, 1700:2300] = PICTURE
    assert decode_photo(encode(pixels, **options), 500).image.shape == (375, 500, 3)


def test_colours_sampled_in_an_unusual_way_are_decoded():
    data = bytearray(encode(PICTURE, subsampling=0))
    frame = data.index(b"\xff\xc0")
    data[frame + 11 : frame + 18 : 3] = b"\x22\x21\x11"
    expected = np.asarray(Image.open(io.BytesIO(bytes(data))))
    np.testing.assert_array_equal(decode_photo(bytes(data)).image, expected)


def test_a_hole_at_the_very_end_is_no_padding():
    with pytest.raises(InputError, match="damaged inside"):
        decode_photo(BASELINE[:-4002] + bytes(4000) + BASELINE[-2:])


def test_cmyk_is_checked_too():
    stream = io.BytesIO()
    Image.fromarray(PICTURE).convert("CMYK").save(stream, "JPEG", quality=92)
    data = stream.getvalue()
    expected = np.asarray(Image.open(stream).convert("RGB"))
    np.testing.assert_array_equal(decode_photo(data).image, expected)
    with pytest.raises(InputError, match="damaged inside"):
        decode_photo(data[:40_000] + bytes(8000) + data[48_000:])


def test_threads_hear_only_of_their_own_pictures():
    hole = BASELINE[:30_000] + bytes(4000) + BASELINE[34_000:]

    def is_damaged(number: int) -> bool:
        try:
            decode_jpeg(hole if number % 2 else BASELINE, SIZE, 2)
        except DamagedError:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(is_damaged, range(64))) == [bool(number % 2) for number in range(64)]
