import contextlib
import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from e2e3d.errors import InputError
from e2e3d.ops.photos.decoding import decode_mask, decode_photo, open_photo, upright_mask, upright_size
from tests.pictures import ORIENTATION, encode, exif_of, noise, textured, upright


def deep(extension: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(extension, pixels)[1].tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_every_orientation_is_applied_to_the_pixel(form, orientation):
    pixels = noise(6, 9)
    data = encode(pixels, form, exif_of({ORIENTATION: orientation}), **({"lossless": True} if form == "WEBP" else {}))
    np.testing.assert_array_equal(decode_photo(data).image, upright(pixels, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("max_size_px", [None, 40])
def test_jpeg_orientation_at_full_and_at_reduced_size(orientation, max_size_px):
    data = encode(textured(96, 160), exif=exif_of({ORIENTATION: orientation}))
    plain = decode_photo(encode(textured(96, 160)), max_size_px).image
    np.testing.assert_array_equal(decode_photo(data, max_size_px).image, upright(plain, orientation))
    assert upright_size(open_photo(data)) == ((96, 160) if orientation >= 5 else (160, 96))


def test_jpeg_has_the_same_pixels_as_in_pillow():
    for options in ({}, {"subsampling": 0}, {"progressive": True}, {"quality": 60}):
        data = encode(textured(123, 77), **options)
        np.testing.assert_array_equal(decode_photo(data).image, np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_round_to_8(extension, channels):
    bgr = np.random.default_rng(0).integers(0, 65536, (7, 5, channels), np.uint16)
    decoded = decode_photo(deep(extension, bgr))
    rgb = np.repeat(bgr, 3, axis=2) if channels == 1 else bgr[..., 2::-1]
    np.testing.assert_array_equal(decoded.image, np.rint(rgb / 257).astype(np.uint8))
    if channels == 4:
        np.testing.assert_array_equal(decoded.alpha_mask, np.rint(bgr[..., 3] / 257) >= 128)


@pytest.mark.parametrize("extension", [".png", ".tif"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_of_fewer_bits_fill_the_range(extension, bits, channels):
    eight = np.random.default_rng(0).integers(0, 256, (7, 5, channels))
    eight[0, 0] = 255
    samples = np.rint(eight * ((1 << bits) - 1) / 255).astype(np.uint16)
    decoded = decode_photo(deep(extension, samples))
    assert decoded.white_level == (1 << bits) - 1
    np.testing.assert_array_equal(decoded.image, np.repeat(eight, 3, axis=2) if channels == 1 else eight[..., ::-1])


def test_a_dark_photograph_stays_dark_beside_others_of_its_camera():
    samples = np.full((6, 9), 900, np.uint16)
    assert decode_photo(deep(".tif", samples), white_level=4095).image.max() == round(900 / 4095 * 255)
    assert decode_photo(deep(".tif", samples + 20000), white_level=4095).image.min() == 255


def test_alpha_keeps_its_16_bits():
    samples = np.full((6, 9, 4), 4095, np.uint16)
    samples[:3, :, 3] = 65535
    decoded = decode_photo(deep(".png", samples))
    assert decoded.image.min() == 255
    np.testing.assert_array_equal(decoded.alpha_mask, np.arange(6)[:, None].repeat(9, 1) < 3)


@pytest.mark.parametrize("form", ["TIFF", "PNG"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_orientation_of_16_bits_is_applied_once(form, orientation):
    grey = np.random.default_rng(0).integers(0, 65536, (6, 9), np.uint16)
    data = encode(grey, form, exif_of({ORIENTATION: orientation}))
    expected = upright(np.rint(grey / 257).astype(np.uint8), orientation)
    np.testing.assert_array_equal(decode_photo(data).image[..., 0], expected)
    assert upright_size(open_photo(data)) == expected.shape[::-1]


def test_grey_palette_and_bilevel_become_rgb():
    grey = noise(6, 9)[..., 0]
    np.testing.assert_array_equal(decode_photo(encode(grey, "PNG")).image, np.repeat(grey[..., None], 3, axis=2))
    palette = Image.fromarray(textured(8, 8)).quantize(16)
    stream = io.BytesIO()
    palette.save(stream, "PNG")
    np.testing.assert_array_equal(decode_photo(stream.getvalue()).image, np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(decode_photo(encode(grey > 99, "PNG")).image[..., 1], (grey > 99) * np.uint8(255))


def test_cmyk_jpeg_has_the_right_colours():
    pixels = textured(64, 64)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("CMYK").save(stream, "JPEG", quality=98)
    assert np.abs(decode_photo(stream.getvalue()).image.astype(int) - pixels).mean() < 2


def test_alpha_becomes_a_mask_and_turns_with_the_picture():
    alpha = np.zeros((6, 9), np.uint8)
    alpha[:2, :3] = 255
    rgba = np.dstack([noise(6, 9), alpha])
    decoded = decode_photo(encode(rgba, "PNG", exif_of({ORIENTATION: 6})))
    np.testing.assert_array_equal(decoded.alpha_mask, upright(alpha > 0, 6))
    np.testing.assert_array_equal(decoded.image, upright(rgba[..., :3], 6))


def test_grey_with_alpha():
    pixels = np.dstack([noise(6, 9)[..., 0], (noise(6, 9, 1)[..., 0] > 99) * np.uint8(255)])
    decoded = decode_photo(encode(pixels, "PNG"))
    np.testing.assert_array_equal(decoded.image[..., 2], pixels[..., 0])
    np.testing.assert_array_equal(decoded.alpha_mask, pixels[..., 1] > 0)


def test_opaque_alpha_is_no_mask():
    assert decode_photo(encode(np.dstack([noise(4, 4), np.full((4, 4), 255, np.uint8)]), "PNG")).alpha_mask is None


def test_palette_transparency_is_a_mask():
    image = Image.fromarray((np.arange(64).reshape(8, 8) % 2).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 210, 220])
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=0)
    np.testing.assert_array_equal(decode_photo(stream.getvalue()).alpha_mask, np.arange(64).reshape(8, 8) % 2 == 1)


def test_heic_is_decoded_and_turned_once():
    pillow_heif = pytest.importorskip("pillow_heif")
    pixels = textured(96, 144)
    stream = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(
        stream, exif=exif_of({ORIENTATION: 6}).tobytes(), quality=100, chroma=444
    )
    decoded = decode_photo(stream.getvalue()).image
    assert decoded.shape == (144, 96, 3)
    assert np.abs(decoded.astype(int) - upright(pixels, 6)).mean() < 3
    with pytest.raises(InputError, match="decoded"):
        decode_photo(stream.getvalue()[:-500])


def test_reduced_size_is_the_average_of_areas():
    pixels = textured(512, 768)
    for form, tolerance in (("PNG", 0.51), ("JPEG", 2.0)):
        reduced = decode_photo(encode(pixels, form), max_size_px=192).image
        assert reduced.shape == (128, 192, 3)
        average = pixels.reshape(128, 4, 192, 4, 3).mean(axis=(1, 3))
        assert np.abs(reduced - average).mean() < tolerance


@given(width=st.integers(1, 300), height=st.integers(1, 300), size=st.integers(1, 320))
@settings(max_examples=40, deadline=None)
def test_reduced_size_keeps_the_aspect_and_never_enlarges(width, height, size):
    data = encode(np.zeros((height, width, 3), np.uint8))
    out_height, out_width, _ = decode_photo(data, size).image.shape
    assert max(out_width, out_height) == min(size, max(width, height))
    scale = max(out_width, out_height) / max(width, height)
    assert abs(out_width - width * scale) <= 1
    assert abs(out_height - height * scale) <= 1


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.97])
def test_truncated_files_are_unreadable(form, share):
    data = encode(noise(64, 96), form)
    with pytest.raises(InputError) as caught:
        decode_photo(data[: int(len(data) * share)])
    assert caught.value.code == "photo-unreadable"


def test_a_jpeg_is_whole_when_all_its_pixels_are():
    data = encode(noise(64, 96))
    whole = decode_photo(data).image
    for missing in (3, 40):
        with pytest.raises(InputError, match="truncated"):
            decode_photo(data[:-missing])
    for same in (data[:-2], data + b"appended by the camera"):
        np.testing.assert_array_equal(decode_photo(same).image, whole)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_raise_nothing_but_input_errors(data):
    form = data.draw(st.sampled_from(["JPEG", "PNG", "TIFF", "WEBP"]))
    damaged = bytearray(encode(textured(24, 32), form, exif_of({ORIENTATION: 6})))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        assert decode_photo(bytes(damaged)).image.dtype == np.uint8


def test_messages_do_not_change_from_run_to_run():
    with pytest.raises(InputError) as caught:
        decode_photo(b"this is no picture at all")
    assert "0x" not in caught.value.message


def test_a_decompression_bomb_is_refused_before_decoding():
    bomb = bytearray(encode(np.zeros((8, 8, 3), np.uint8)))
    frame = bomb.index(b"\xff\xc0")
    bomb[frame + 5 : frame + 9] = (65000).to_bytes(2, "big") * 2
    with pytest.raises(InputError) as caught:
        decode_photo(bytes(bomb))
    assert caught.value.code == "photo-too-large"


def test_32_bit_samples_are_refused():
    with pytest.raises(InputError, match="32-bit"):
        decode_photo(encode(np.zeros((4, 4), np.float32), "TIFF"))


def test_mask_of_the_same_size_is_taken_pixel_by_pixel():
    used = noise(6, 9)[..., 0] > 128
    np.testing.assert_array_equal(decode_mask(encode(used * np.uint8(1), "PNG"), 9, 6), used)
    np.testing.assert_array_equal(decode_mask(encode(used, "PNG"), 9, 6), used)
    np.testing.assert_array_equal(decode_mask(deep(".png", used.astype(np.uint16)), 9, 6), used)
    np.testing.assert_array_equal(decode_mask(deep(".png", used.astype(np.uint16) * 65535), 9, 6), used)


def test_ringing_of_a_jpeg_mask_is_not_used():
    used = np.zeros((64, 64), np.uint8)
    used[5:20, 7:30] = 255
    np.testing.assert_array_equal(decode_mask(encode(used, quality=60), 64, 64), used > 0)


def test_mask_in_the_alpha_channel():
    used = noise(6, 9)[..., 0] > 128
    black = np.zeros((6, 9, 3), np.uint8)
    np.testing.assert_array_equal(decode_mask(encode(np.dstack([black, used * np.uint8(255)]), "PNG"), 9, 6), used)
    white = np.full((6, 9, 3), 255, np.uint8)
    np.testing.assert_array_equal(decode_mask(encode(np.dstack([white, used * np.uint8(255)]), "PNG"), 9, 6), used)


def test_mask_of_another_size_is_resized_and_of_another_aspect_refused():
    used = np.zeros((4, 6), bool)
    used[1, 2] = True
    resized = decode_mask(encode(used, "PNG"), 60, 40)
    expected = np.zeros((40, 60), bool)
    expected[10:20, 20:30] = True
    np.testing.assert_array_equal(resized, expected)
    with pytest.raises(InputError) as caught:
        decode_mask(encode(used, "PNG"), 40, 60)
    assert caught.value.code == "mask-size"
    assert "6 x 4" in caught.value.message
    assert "40 x 60" in caught.value.message


def test_rounded_aspects_fit():
    assert decode_mask(encode(np.ones((667, 1000), bool), "PNG"), 3000, 2000).all()
    assert decode_mask(encode(np.ones((519, 778), bool), "PNG"), 1555, 1037).shape == (1037, 1555)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_drawn_on_the_stored_pixels_is_turned_with_its_photograph(orientation):
    used = noise(6, 9)[..., 0] > 128
    photo = encode(textured(12, 18), exif=exif_of({ORIENTATION: orientation}))
    turned = upright_mask(encode(used, "PNG"), encode(textured(6, 9), exif=exif_of({ORIENTATION: orientation})))
    np.testing.assert_array_equal(decode_mask(turned, 6, 9), upright(used, orientation))
    drawn_upright = encode(used.T, "PNG")
    assert upright_mask(drawn_upright, photo) == drawn_upright


def test_other_formats_are_told_by_their_content_and_run_no_program():
    for form in ("BMP", "GIF", "PNG"):
        assert open_photo(encode(textured(8, 8), form)).format == form
    with pytest.raises(InputError, match="unknown format"):
        open_photo(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
