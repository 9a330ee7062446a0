"""What a photograph says about itself: camera, focal length, position and time, from EXIF.

Reference: Exif 3.0 (CIPA DC-008-2023). Cameras and editors write it carelessly: every value is checked, and one that
makes no sense counts as missing. Pixel dimensions in EXIF are not trusted, since resized copies keep the old ones.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from PIL import Image
from PIL.ExifTags import GPS, IFD, Base

from e2e3d.data.photo import CameraAttitude, CameraGuess, GpsPosition
from e2e3d.ops.photos.dji_note import dji_attitude
from e2e3d.ops.photos.gps_tags import doubtful_position, with_image_direction
from e2e3d.ops.photos.xmp import camera_attitude, read_xmp

FULL_FRAME_WIDTH_MM = 36.0
GUESSED_FOCAL_RATIO = 1.2
"""Focal length over the longest side when nothing is known: about 28 mm on a full-frame camera, near most phones."""

_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_SENSOR_WIDTHS_MM = (2.0, 70.0)  # from action cameras to medium format
_FOCAL_RATIOS = (0.3, 30.0)  # focal length over image width outside of which EXIF is wrong


@dataclass(frozen=True)
class PhotoTags:
    """The EXIF values that reconstruction uses; None or empty where they are missing or impossible.

    Attributes:
        sensor_width_mm: long side of the sensor, from the focal-plane resolution.
        taken_at: ISO 8601 in the camera's local time, with its UTC offset where it is stated.
    """

    make: str = ""
    model: str = ""
    serial: str = ""
    focal_mm: float | None = None
    focal_35mm: float | None = None
    sensor_width_mm: float | None = None
    gps: GpsPosition | None = None
    taken_at: str | None = None
    attitude: CameraAttitude | None = None


def read_tags(header: Image.Image) -> PhotoTags:
    """Read the tags of an opened picture; a damaged EXIF block gives empty tags."""
    try:
        exif = header.getexif()
        main, details, gps = dict(exif), exif.get_ifd(IFD.Exif), exif.get_ifd(IFD.GPSInfo)
    except Exception:  # noqa: BLE001 - Pillow's parser raises anything on damaged blocks; the picture is still good
        return PhotoTags()
    xmp = read_xmp(header)
    as_taken = main.get(Base.Orientation, 1) in (0, 1)  # angles are those of the picture as the sensor saw it
    zoom = _number(details.get(Base.DigitalZoomRatio))
    focal_mm = _positive(details.get(Base.FocalLength))
    return PhotoTags(
        make=_text(main.get(Base.Make)),
        model=_text(main.get(Base.Model)),
        serial=_text(details.get(Base.BodySerialNumber)) or _text(main.get(Base.CameraSerialNumber)),
        focal_mm=focal_mm * zoom if focal_mm and zoom and zoom > 1 else focal_mm,
        focal_35mm=_positive(details.get(Base.FocalLengthIn35mmFilm)),
        sensor_width_mm=_sensor_width_mm(details),
        gps=_gps_position(gps, xmp),
        taken_at=_taken_at(main, details),
        attitude=_attitude(_text(main.get(Base.Make)), details, gps, xmp) if as_taken else None,
    )


def guess_camera(tags: PhotoTags, width_px: int, height_px: int) -> CameraGuess:
    """Focal length in pixels of the photograph as it is, and the group that shares its intrinsics.

    The 35 mm equivalent relates to the diagonal (CIPA DCG-001), but only of the whole sensor: frames longer than 3:2
    are cut from it, and keep its width.
    """
    focal_px = _focal_px(tags, width_px, height_px)
    focal = "".join(f" {value:g}mm" for value in (tags.focal_mm, tags.focal_35mm) if value)
    serial = f" #{tags.serial}" if tags.serial else ""
    camera = f"{tags.make} {tags.model}{serial}".strip() or "unknown camera"
    group = f"{camera} {width_px}x{height_px}{focal}"
    if focal_px is None:
        return CameraGuess(group, GUESSED_FOCAL_RATIO * max(width_px, height_px), "guess")
    return CameraGuess(group, focal_px, "exif")


def _focal_px(tags: PhotoTags, width_px: int, height_px: int) -> float | None:
    long_px, short_px = max(width_px, height_px), min(width_px, height_px)
    ratio = None
    if tags.focal_35mm:
        aspect = min(long_px / short_px, 1.5)
        diagonal_ratio = math.hypot(1.0, 1.0 / aspect)
        ratio = tags.focal_35mm * diagonal_ratio / math.hypot(FULL_FRAME_WIDTH_MM, FULL_FRAME_WIDTH_MM / 1.5)
    elif tags.focal_mm and tags.sensor_width_mm:
        ratio = tags.focal_mm / tags.sensor_width_mm
    if ratio is None or not _FOCAL_RATIOS[0] <= ratio <= _FOCAL_RATIOS[1]:
        return None
    return ratio * long_px


def _sensor_width_mm(details: Mapping[int, Any]) -> float | None:
    """Long side of the sensor: pixels over pixels per unit, both of the photograph as it was taken."""
    unit = _MM_PER_UNIT.get(details.get(Base.FocalPlaneResolutionUnit, 2))
    sides = []
    for pixels_tag, resolution_tag in (
        (Base.ExifImageWidth, Base.FocalPlaneXResolution),
        (Base.ExifImageHeight, Base.FocalPlaneYResolution),
    ):
        pixels, resolution = _positive(details.get(pixels_tag)), _positive(details.get(resolution_tag))
        if pixels and resolution and unit:
            sides.append(pixels / resolution * unit)
    width = max(sides, default=0.0)
    return width if _SENSOR_WIDTHS_MM[0] <= width <= _SENSOR_WIDTHS_MM[1] else None


def _gps_position(gps: Mapping[int, Any], xmp: Mapping[str, float]) -> GpsPosition | None:
    letters = (_text(gps.get(GPS.GPSLatitudeRef)).upper(), _text(gps.get(GPS.GPSLongitudeRef)).upper())
    latitude = _degrees(gps.get(GPS.GPSLatitude), letters[0], "S", 180.0)
    longitude = _degrees(gps.get(GPS.GPSLongitude), letters[1], "W", 180.0)
    if latitude is None or longitude is None or (latitude == 0.0 and longitude == 0.0):
        return None  # receivers without a fix write 0, 0
    altitude = _number(gps.get(GPS.GPSAltitude))
    reference = gps.get(GPS.GPSAltitudeRef, 0)
    below = (reference[0] if isinstance(reference, bytes) and reference else reference) in (1, 3)
    position = doubtful_position(
        latitude, longitude, -altitude if below and altitude is not None else altitude, letters, xmp
    )
    error_m = _positive(gps.get(GPS.GPSHPositioningError))
    if position is None or position.horizontal_accuracy_m is not None or error_m is None:
        return position
    return replace(position, horizontal_accuracy_m=error_m)


def _attitude(
    make: str, details: Mapping[int, Any], gps: Mapping[int, Any], xmp: Mapping[str, float]
) -> CameraAttitude | None:
    stated = camera_attitude(xmp) or dji_attitude(make, details.get(Base.MakerNote))
    return with_image_direction(stated, _image_direction(gps))


def _image_direction(gps: Mapping[int, Any]) -> float | None:
    """Degrees clockwise from north; that magnetic north is off by up to 20 degrees does no harm to what it is for."""
    return _number(gps.get(GPS.GPSImgDirection))


def _degrees(value: Any, reference: Any, negative: str, limit: float) -> float | None:
    parts = [_number(part) for part in value] if isinstance(value, tuple) else [_number(value)]
    known = _known_parts(parts)
    if not known:
        return None
    degrees = sum(part / 60**i for i, part in enumerate(known))
    if _text(reference).upper().startswith(negative):
        degrees = -degrees
    return degrees if abs(degrees) <= limit else None


def _known_parts(parts: list[float | None]) -> list[float]:
    """Degrees, minutes and seconds up to the first that is undefined (0/0), where the last one says the rest.

    Nothing where whole degrees or minutes are all that is known: that may be kilometres away.
    """
    known = [part for part in parts if part is not None]
    undefined = parts[len(known) :]
    if any(part is not None for part in undefined) or (undefined and known and known[-1] % 1 == 0):
        return []
    return known


def _taken_at(main: Mapping[int, Any], details: Mapping[int, Any]) -> str | None:
    text = _text(details.get(Base.DateTimeOriginal)) or _text(main.get(Base.DateTime))
    try:
        moment = datetime.strptime(text[:19].replace("-", ":"), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    fraction = re.fullmatch(r"\d+", _text(details.get(Base.SubsecTimeOriginal)))
    offset = re.fullmatch(r"[+-]\d\d:\d\d", _text(details.get(Base.OffsetTimeOriginal)))
    return moment.isoformat() + (f".{fraction[0]}" if fraction else "") + (offset[0] if offset else "")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    return value.split("\x00")[0].strip() if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _positive(value: Any) -> float | None:
    number = _number(value)
    return number if number is not None and number > 0 else None
