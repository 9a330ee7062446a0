import math

import numpy as np
import pytest
from PIL.TiffImagePlugin import IFDRational

from e2e3d.ops.exif import PhotoTags, guess_camera, read_tags
from e2e3d.ops.photo import open_photo
from tests.pictures import MAKE, MODEL, encode, exif_of

FOCAL, FOCAL_35, ZOOM, SERIAL = 0x920A, 0xA405, 0xA404, 0xA431
PLANE_X, PLANE_UNIT, EXIF_WIDTH = 0xA20E, 0xA210, 0xA002
TIME, SUBSECOND, OFFSET = 0x9003, 0x9291, 0x9011


def tags(main=None, details=None, gps=None) -> PhotoTags:
    return read_tags(open_photo(encode(np.zeros((8, 8, 3), np.uint8), exif=exif_of(main, details, gps))))


def gps(latitude=(46.0, 50.0, 33.3855), north="N", longitude=(91.0, 59.0, 40.4156), east="W", **more):
    return {1: north, 2: latitude, 3: east, 4: longitude, **{int(k[1:]): v for k, v in more.items()}}


def test_gps_is_read_back_with_its_signs():
    position = tags(gps=gps(t5=b"\x00", t6=198.25)).gps
    assert position.latitude_deg == pytest.approx(46 + 50 / 60 + 33.3855 / 3600, abs=1e-9)
    assert position.longitude_deg == pytest.approx(-(91 + 59 / 60 + 40.4156 / 3600), abs=1e-9)
    assert position.altitude_m == pytest.approx(198.25)
    assert (
        tags(gps=gps(north="S", east="E")).gps.latitude_deg < 0 < tags(gps=gps(north="S", east="E")).gps.longitude_deg
    )


def test_altitude_below_the_sea_and_missing():
    assert tags(gps=gps(t5=b"\x01", t6=12.5)).gps.altitude_m == pytest.approx(-12.5)
    assert tags(gps=gps()).gps.altitude_m is None


@pytest.mark.parametrize(
    "damaged",
    [
        gps(latitude=(99.0, 0.0, 0.0)),
        gps(latitude=(0.0, 0.0, 0.0), longitude=(0.0, 0.0, 0.0)),
        gps(latitude=(IFDRational(1, 0), 0.0, 0.0)),
        {1: "N", 2: (46.0, 50.0, 33.0)},
        {},
    ],
)
def test_impossible_positions_are_missing(damaged):
    assert tags(gps=damaged).gps is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF", "TIFF"])
def test_tags_of_every_format(form):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    exif = exif_of({MAKE: "Maker"}, {FOCAL: 50.0}, gps(t5=b"\x00", t6=198.25))
    found = read_tags(open_photo(encode(np.zeros((64, 64, 3), np.uint8), form, exif)))
    assert (found.make, found.focal_mm) == ("Maker", 50.0)
    assert found.gps.altitude_m == pytest.approx(198.25)


def test_camera_names_lose_their_padding():
    found = tags({MAKE: "DJI\x00\x00\x00", MODEL: " FC300S "}, {SERIAL: "42"})
    assert (found.make, found.model, found.serial) == ("DJI", "FC300S", "42")


def test_time_with_fraction_and_offset():
    assert tags(details={TIME: "2015:02:26 18:10:00"}).taken_at == "2015-02-26T18:10:00"
    full = tags(details={TIME: "2015:02:26 18:10:00", SUBSECOND: "12", OFFSET: "+01:00"})
    assert full.taken_at == "2015-02-26T18:10:00.12+01:00"
    assert tags(details={TIME: "0000:00:00 00:00:00"}).taken_at is None


def test_focal_length_from_the_35_mm_equivalent():
    assert guess_camera(PhotoTags(focal_35mm=36.0), 3000, 2000).focal_px == pytest.approx(3000)
    assert guess_camera(PhotoTags(focal_35mm=36.0), 2000, 3000).focal_px == pytest.approx(3000)
    four_thirds = guess_camera(PhotoTags(focal_35mm=36.0), 4000, 3000)
    assert four_thirds.focal_px == pytest.approx(36 * 5000 / math.hypot(36, 24))
    assert guess_camera(PhotoTags(focal_35mm=36.0), 1920, 1080).focal_px == pytest.approx(1920)
    assert four_thirds.focal_source == "exif"


def test_focal_length_from_the_sensor_follows_the_real_size_of_a_resized_copy():
    details = {FOCAL: 50.0, PLANE_X: IFDRational(4368, 36) * 25.4, PLANE_UNIT: 2, EXIF_WIDTH: 4368}
    found = tags(details=details)
    assert found.sensor_width_mm == pytest.approx(36.0, rel=1e-3)
    assert guess_camera(found, 1092, 728).focal_px == pytest.approx(50 / 36 * 1092, rel=1e-3)


def test_digital_zoom_lengthens_the_focal_length():
    assert tags(details={FOCAL: 10.0, ZOOM: 2.0}).focal_mm == pytest.approx(20.0)
    assert tags(details={FOCAL: 10.0, ZOOM: IFDRational(0, 0)}).focal_mm == pytest.approx(10.0)


@pytest.mark.parametrize("nonsense", [PhotoTags(), PhotoTags(focal_mm=50.0), PhotoTags(focal_35mm=5000.0)])
def test_unknown_focal_length_is_guessed(nonsense):
    guess = guess_camera(nonsense, 1000, 2000)
    assert (guess.focal_px, guess.focal_source) == (2400.0, "guess")


def test_groups_are_physical_cameras():
    one = PhotoTags("Canon", "5D", "1", focal_mm=50.0)
    assert guess_camera(one, 300, 200).group == guess_camera(PhotoTags("Canon", "5D", "1", 50.0), 300, 200).group
    others = [
        guess_camera(PhotoTags("Canon", "5D", "2", focal_mm=50.0), 300, 200),
        guess_camera(PhotoTags("Canon", "5D", "1", focal_mm=35.0), 300, 200),
        guess_camera(one, 200, 300),
    ]
    assert len({guess.group for guess in others} | {guess_camera(one, 300, 200).group}) == 4


def test_a_damaged_exif_block_costs_the_tags_only():
    data = bytearray(encode(np.zeros((8, 8, 3), np.uint8), exif=exif_of({MAKE: "Maker"}, {FOCAL: 50.0})))
    start = data.index(b"Exif\x00\x00") + 6
    data[start : start + 40] = b"\xff" * 40
    assert read_tags(open_photo(bytes(data))) == PhotoTags()


UNDEFINED = IFDRational(0, 0)


def test_undefined_seconds_after_minutes_with_decimals():
    """As a phone wrote it: 35 degrees 18.8115 minutes south."""
    minutes = IFDRational(1881150, 100000), IFDRational(322083, 100000)
    position = tags(gps=gps((35.0, minutes[0], UNDEFINED), "S", (149.0, minutes[1], UNDEFINED), "E", t6=UNDEFINED)).gps
    assert position.latitude_deg == pytest.approx(-35.3135, abs=5e-5)
    assert position.longitude_deg == pytest.approx(149.0537, abs=5e-5)
    assert position.altitude_m is None


def test_undefined_minutes_after_degrees_with_decimals():
    position = tags(gps=gps((46.8425, UNDEFINED, UNDEFINED), "N", (91.9945, UNDEFINED, UNDEFINED), "W")).gps
    assert (position.latitude_deg, position.longitude_deg) == pytest.approx((46.8425, -91.9945))


@pytest.mark.parametrize(
    "latitude",
    [
        (46.0, 50.0, UNDEFINED),  # somewhere within 1.8 km
        (46.0, UNDEFINED, UNDEFINED),
        (46.5, UNDEFINED, 30.0),
        (UNDEFINED, 50.5, 30.0),
        (UNDEFINED, UNDEFINED, UNDEFINED),
    ],
)
def test_what_is_undefined_gives_no_position(latitude):
    assert tags(gps=gps(latitude)).gps is None


@pytest.mark.parametrize("tag", [0x920A, 0xA405, 0xA404, 0xA20E])
def test_other_undefined_values_are_missing(tag):
    found = tags(details={tag: UNDEFINED}, gps=gps())
    assert (found.focal_mm, found.focal_35mm, found.sensor_width_mm) == (None, None, None)
    assert found.gps is not None
