import io
import math
import struct

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from e2e3d.data.photo import CameraAttitude
from e2e3d.ops.photos.decoding import open_photo
from e2e3d.ops.photos.exif import PhotoTags, guess_camera, read_tags
from e2e3d.ops.photos.gps_tags import doubtful_position
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


def with_xmp(packet: str, gps_tags=None) -> PhotoTags:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=exif_of(None, None, gps_tags), xmp=packet.encode())
    return read_tags(open_photo(buffer.getvalue()))


def test_missing_letters_are_doubted():
    position = tags(gps={2: (46.0, 50.0, 33.0), 4: (91.0, 59.0, 40.0)}).gps
    assert position.doubts == ("no-latitude-letter", "no-longitude-letter")
    assert position.latitude_deg > 46
    assert position.longitude_deg > 91
    assert tags(gps=gps()).gps.doubts == ()


def test_a_latitude_beyond_90_is_the_longitude():
    position = tags(gps=gps((91.0, 59.0, 40.0), "N", (46.0, 50.0, 33.0), "W")).gps
    assert position.doubts == ("swapped",)
    assert position.latitude_deg == pytest.approx(46.8425)
    assert position.longitude_deg == pytest.approx(-91.99444, abs=1e-5)
    with_their_letters = tags(gps=gps((8.0, 30.0, 0.0), "E", (47.0, 0.0, 0.0), "N")).gps
    assert (with_their_letters.latitude_deg, with_their_letters.longitude_deg) == (47.0, 8.5)


@pytest.mark.parametrize(
    ("latitude", "longitude", "altitude_m", "possible"),
    [
        (47.4, 8.5, -245.0, False),
        (47.4, 8.5, -3.0, True),
        (6.9, 79.9, -95.0, True),
        (31.5, 35.5, -420.0, True),
        (31.5, 35.5, -600.0, False),
    ],
    ids=["sign lost", "a polder", "over the ellipsoid at Colombo", "Dead Sea", "below it"],
)
def test_heights_below_all_land_at_a_place_are_impossible(latitude, longitude, altitude_m, possible):
    position = doubtful_position(latitude, longitude, altitude_m, ("N", "E"), {})
    assert (position.altitude_m == altitude_m) is possible
    assert (position.doubts == ()) is possible


def test_an_impossible_altitude_does_not_take_the_place():
    position = tags(gps=gps(t5=b"\x00", t6=4294967295.0)).gps
    assert position.altitude_m is None
    assert position.doubts == ("impossible-altitude",)
    assert position.latitude_deg == pytest.approx(46.84, abs=0.01)


def test_attitude_accuracy_and_signs_from_xmp():
    packet = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description drone-dji:GimbalPitchDegree="-89.90"
        drone-dji:GimbalYawDegree="+45.30" drone-dji:GimbalRollDegree="+0.00" drone-dji:FlightYawDegree="+10.0"
        drone-dji:RtkStdLon="0.012" drone-dji:RtkStdLat="0.015" drone-dji:RtkStdHgt="0.03"
        drone-dji:GpsLatitude="+46.8425" drone-dji:GpsLongtitude="-91.9945"/></x:xmpmeta>"""
    found = with_xmp(packet, {2: (46.0, 50.0, 33.0), 4: (91.0, 59.0, 40.2)})
    assert found.attitude == CameraAttitude(45.3, -89.9, 0.0)
    assert (found.gps.latitude_deg, found.gps.longitude_deg) == (46.8425, -91.9945)
    assert (found.gps.horizontal_accuracy_m, found.gps.vertical_accuracy_m) == (0.015, 0.03)
    assert found.gps.doubts == ()
    elements = with_xmp(
        "<Camera:GPSXYAccuracy>1.5</Camera:GPSXYAccuracy><a:FlightYawDegree>-7</a:FlightYawDegree>", gps()
    )
    assert elements.attitude == CameraAttitude(yaw_deg=-7.0)
    assert elements.gps.horizontal_accuracy_m == 1.5
    assert with_xmp("<x:xmpmeta", gps()).attitude is None


def test_attitude_from_the_maker_note_of_an_older_drone():
    entries = [(7, 46.0), (9, -89.9), (10, 45.0), (11, 0.5)]
    note = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHIf", tag, 11, 1, value) for tag, value in entries)
    found = tags({MAKE: "DJI\x00\x00"}, {0x927C: note})
    assert (found.attitude.yaw_deg, found.attitude.roll_deg) == (45.0, 0.5)
    assert found.attitude.pitch_deg == pytest.approx(-89.9, abs=1e-5)
    assert tags({MAKE: "Other"}, {0x927C: note}).attitude is None
    assert tags({MAKE: "DJI"}, {0x927C: note[:20]}).attitude is None


def test_heading_and_accuracy_from_exif():
    found = tags(gps=gps(t17=123.5, t31=4.0))
    assert found.attitude == CameraAttitude(yaw_deg=123.5)
    assert found.gps.horizontal_accuracy_m == 4.0
    assert tags({0x0112: 6}, gps=gps(t17=123.5)).attitude is None
