import hashlib

import numpy as np
import pytest

from e2e3d.config.ingest import IngestConfig
from e2e3d.data.ref import Ref
from e2e3d.errors import SettingsError
from e2e3d.ops.photos.set_review import review_photos
from e2e3d.stages.ingest import STAGE, IngestFile, IngestInputs
from e2e3d.stages.stage import RunContext
from tests.pictures import MAKE, ORIENTATION, encode, exif_of, textured

K = ((500.0, 0.0, 160.0), (0.0, 510.0, 200.0), (0.0, 0.0, 1.0))


def ingest(*pictures: bytes, masks=None, intrinsics=None, config=None):
    masks = masks or [None] * len(pictures)
    files = tuple(
        IngestFile(f"{number}.jpg", Ref.of(data), None if mask is None else Ref.of(mask))
        for number, (data, mask) in enumerate(zip(pictures, masks, strict=True))
    )
    return STAGE.run(IngestInputs(files, intrinsics), config or IngestConfig(), RunContext()).photos


def codes(photo):
    return [problem.code for problem in photo.problems]


def test_a_good_photograph():
    exif = exif_of(
        {MAKE: "Maker", ORIENTATION: 6}, {0xA405: 36}, {1: "N", 2: (48.0, 30.0, 0.0), 3: "E", 4: (11.0, 0.0, 0.0)}
    )
    data = encode(textured(320, 480), exif=exif)
    (photo,) = ingest(data)
    assert photo.usable
    assert photo.problems == ()
    assert (photo.width_px, photo.height_px) == (320, 480)
    assert photo.sha256 == hashlib.sha256(data).hexdigest()
    assert photo.camera.focal_px == pytest.approx(480)
    assert photo.gps.latitude_deg == pytest.approx(48.5)
    assert len(photo.thumbprint) == 16
    assert 0 < photo.exposure < 1
    assert photo.sharpness > 0


def test_an_unreadable_photograph_among_good_ones_is_named_and_left_out():
    good = encode(textured(400, 500))
    first, cut, empty = ingest(good, good[: len(good) // 2], b"")
    assert first.usable
    for photo in (cut, empty):
        assert not photo.usable
        assert codes(photo) == ["photo-unreadable"]
        assert photo.camera is None
    assert (cut.width_px, cut.height_px) == (500, 400)


def test_small_black_and_blank_photographs_are_left_out():
    small, black, blank = ingest(
        encode(textured(200, 300)),
        encode(np.zeros((400, 400, 3), np.uint8)),
        encode(np.full((400, 400, 3), 120, np.uint8)),
    )
    assert codes(small) == ["too-small"]
    assert codes(black) == ["too-dark"]
    assert codes(blank) == ["blank"]
    assert not any(photo.usable for photo in (small, black, blank))
    assert ingest(encode(textured(200, 300)), config=IngestConfig(min_size_px=300))[0].usable


def test_given_intrinsics_are_kept():
    (photo,) = ingest(encode(textured(400, 320)), intrinsics=K)
    assert photo.camera.focal_source == "intrinsics"
    assert photo.camera.intrinsics_px == (500.0, 510.0, 160.0, 200.0)
    assert photo.camera.focal_px == 505.0


def test_alpha_is_reported():
    pixels = np.dstack([textured(400, 400), np.zeros((400, 400), np.uint8)])
    pixels[100:300, 100:300, 3] = 255
    (photo,) = ingest(encode(pixels, "PNG"))
    assert photo.has_alpha
    assert photo.usable


def test_masks_are_checked_against_their_photograph():
    data = encode(textured(400, 500))
    mask = np.zeros((400, 500), bool)
    mask[100:300, 100:300] = True
    good, empty, wrong, damaged = ingest(
        *[data] * 4,
        masks=[encode(mask, "PNG"), encode(mask & False, "PNG"), encode(mask[:200], "PNG"), b"not a picture"],
    )
    assert good.usable
    assert good.mask_sha256 == hashlib.sha256(encode(mask, "PNG")).hexdigest()
    assert codes(empty) == ["mask-empty"]
    assert codes(wrong) == ["mask-size"]
    assert codes(damaged) == ["mask-unreadable"]
    assert not any(photo.usable for photo in (empty, wrong, damaged))


@pytest.mark.parametrize("wrong", [{"min_size_px": 0}, {"min_mask_fraction": 1.0}])
def test_settings_are_checked(wrong):
    with pytest.raises(SettingsError):
        IngestConfig(**wrong)


@pytest.mark.parametrize(
    ("name", "size", "focal_px"),
    [
        ("saharov32", (728, 1092), (1519, 0.03)),
        ("brighton", (2000, 1125), (1111, 0.05)),
        ("axe", (1555, 1037), (3720, 0.05)),
    ],
)
def test_real_photographs(shared_data, name, size, focal_px):
    paths = sorted((shared_data / name / "images").iterdir())[:4]
    photos = review_photos(ingest(*(path.read_bytes() for path in paths)))
    assert all(photo.usable and not photo.problems for photo in photos)
    assert {(photo.width_px, photo.height_px) for photo in photos} == {size}
    assert len({photo.camera.group for photo in photos}) == 1
    assert photos[0].camera.focal_px == pytest.approx(focal_px[0], rel=focal_px[1])
    assert all((photo.gps is not None) == (name == "brighton") for photo in photos)
