import cv2
import numpy as np
import pytest

from e2e3d.ops.photos.quality import exposure_problems, hash_distance, measure_photo
from tests.pictures import encode, textured


def codes(image, mask=None):
    return [(problem.code, problem.fatal) for problem in exposure_problems(measure_photo(image, mask))]


def test_measures_of_a_known_picture():
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 32:] = 200
    found = measure_photo(image, None)
    assert found.exposure == pytest.approx(100 / 255)
    assert found.contrast == pytest.approx(100 / 255)
    assert (found.shadow, found.highlight) == (0.0, pytest.approx(200 / 255))
    # two columns of the Laplacian hold +200 and -200, the others 0
    assert found.sharpness == pytest.approx(200**2 * 2 / 64)


def test_only_what_the_mask_allows_is_measured():
    image = textured(64, 96)
    mask = np.zeros((64, 96), bool)
    mask[16:48, 16:48] = True
    hidden = np.where(mask[..., None], image, 255).astype(np.uint8)
    inside, outside = measure_photo(image, mask), measure_photo(hidden, mask)
    assert (inside.sharpness, inside.exposure) == (outside.sharpness, outside.exposure)
    assert inside.exposure == pytest.approx(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[mask].mean() / 255)


def test_blur_lowers_sharpness():
    image = textured(256, 256)
    sharp = [measure_photo(cv2.GaussianBlur(image, (0, 0), sigma), None).sharpness for sigma in (0.5, 1.0, 2.0, 4.0)]
    assert sharp == sorted(sharp, reverse=True)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (textured(64, 64), []),
        (np.full((64, 64, 3), 3, np.uint8), [("too-dark", True)]),
        (np.full((64, 64, 3), 254, np.uint8), [("blown-out", True)]),
        (np.full((64, 64, 3), 128, np.uint8), [("blank", True)]),
        (textured(64, 64) // 10, [("dark", False)]),
        (230 + textured(64, 64) // 11, [("overexposed", False)]),
    ],
)
def test_exposure_problems(image, expected):
    assert codes(image) == expected


def test_a_small_object_before_black_or_white_is_fine():
    for background in (0, 255):
        image = np.full((200, 200, 3), background, np.uint8)
        image[80:120, 80:120] = textured(40, 40)
        assert not any(fatal for _, fatal in codes(image))


def test_copies_hash_alike_and_other_pictures_do_not():
    from e2e3d.ops.photos.decoding import decode_photo

    image = textured(600, 800)
    original = measure_photo(image, None).thumbprint
    for copy in (
        decode_photo(encode(image, quality=50)).image,
        cv2.resize(image, (400, 300), interpolation=cv2.INTER_AREA),
        np.clip(image.astype(int) + 8, 0, 255).astype(np.uint8),
    ):
        assert hash_distance(original, measure_photo(copy, None).thumbprint) <= 2
    assert hash_distance(original, measure_photo(textured(600, 800, seed=1), None).thumbprint) > 16
    assert hash_distance("00000000000000ff", "0000000000000000") == 8
