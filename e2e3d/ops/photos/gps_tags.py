"""A position from the GPS tags of EXIF and from XMP, with what is doubtful about it (Exif 3.0, section 4.6.7)."""

from __future__ import annotations

from collections.abc import Mapping

from e2e3d.data.photo import CameraAttitude, GpsPosition
from e2e3d.ops.photos.xmp import signed_position, stated_accuracy

_HIGHEST_M = 30_000.0  # above what aircraft fly
_LOWEST_M = -120.0  # of heights over the ellipsoid, at sea; dry land lies lower only in the basins below
_BASINS = (  # south, north, west, east, lowest height: the Dead Sea, Turfan, Danakil
    (29.5, 33.5, 34.5, 36.5, -500.0),
    (42.0, 43.5, 88.0, 91.0, -250.0),
    (12.5, 15.0, 39.5, 41.5, -250.0),
)
_SAME_PLACE_DEG = 0.01


def doubtful_position(
    latitude: float, longitude: float, altitude_m: float | None, letters: tuple[str, str], xmp: Mapping[str, float]
) -> GpsPosition | None:
    """What EXIF states, put right where that is certain, else with its doubts.

    Args:
        latitude: signed by its letter where there is one; beyond 90 degrees it is taken for the longitude.
        longitude: likewise.
        altitude_m: None where it is not stated.
        letters: of latitude and longitude, as they are written; empty where they are missing.
        xmp: numbers of the XMP packet; its signed position settles letters, its accuracies are taken over.

    Returns:
        None where no reading of it is a place.
    """
    doubts = []
    if not letters[0].startswith(("N", "S")):
        doubts.append("no-latitude-letter")
    if not letters[1].startswith(("E", "W")):
        doubts.append("no-longitude-letter")
    if abs(latitude) > 90 or (letters[0].startswith(("E", "W")) and letters[1].startswith(("N", "S"))):
        if abs(longitude) > 90:
            return None
        doubts.append("swapped")
        latitude, longitude = _swapped(latitude, longitude, letters)
        doubts = [doubt for doubt in doubts if not doubt.startswith("no-") or not (letters[0] and letters[1])]
    signed = signed_position(xmp)
    if signed is not None and doubts and _agree(signed, (latitude, longitude)):
        (latitude, longitude), doubts = signed, []
    if altitude_m is not None and not _lowest_m(latitude, longitude) <= altitude_m <= _HIGHEST_M:
        doubts.append("impossible-altitude")
        altitude_m = None
    return GpsPosition(latitude, longitude, altitude_m, *stated_accuracy(xmp), doubts=tuple(doubts))


def _lowest_m(latitude: float, longitude: float) -> float:
    """The least height that a camera can have at a place, whichever its letters and their order."""
    size = abs(latitude), abs(longitude)
    inside = [
        lowest
        for south, north, west, east, lowest in _BASINS
        for a, b in (size, size[::-1])
        if south <= a <= north and west <= b <= east
    ]
    return min(inside, default=_LOWEST_M)


def _swapped(latitude: float, longitude: float, letters: tuple[str, str]) -> tuple[float, float]:
    """Exchange the numbers; a letter goes with the number that it can belong to."""
    if letters[0].startswith(("E", "W")):
        signs = (-1 if letters[1].startswith("S") else 1, -1 if letters[0].startswith("W") else 1)
    else:
        signs = (-1 if letters[0].startswith("S") else 1, -1 if letters[1].startswith("W") else 1)
    return signs[0] * abs(longitude), signs[1] * abs(latitude)


def _agree(signed: tuple[float, float], read: tuple[float, float]) -> bool:
    return all(abs(abs(a) - abs(b)) < _SAME_PLACE_DEG for a, b in zip(signed, read, strict=True))


def with_image_direction(attitude: CameraAttitude | None, direction_deg: float | None) -> CameraAttitude | None:
    """The attitude, or only the heading where EXIF's GPSImgDirection states it and nothing else does."""
    if attitude is not None or direction_deg is None or not 0 <= direction_deg <= 360:
        return attitude
    return CameraAttitude(yaw_deg=direction_deg)
