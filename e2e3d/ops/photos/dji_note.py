"""The attitude of the camera from the maker note of DJI's older drones, which write no XMP.

A TIFF directory, little-endian, of single floats; tags after ExifTool ("DJI Tags"): 9, 10 and 11 are the
camera's pitch, yaw and roll in degrees, 7 the aircraft's yaw.
"""

from __future__ import annotations

import math
import struct

from e2e3d.data.photo import CameraAttitude

_FLOAT = 11
_ENTRY = struct.Struct("<HHIf")
_MAX_ENTRIES = 100
_FLIGHT_YAW, _PITCH, _YAW, _ROLL = 7, 9, 10, 11


def dji_attitude(make: str, note: object) -> CameraAttitude | None:
    """The attitude that the note of a camera by `make` states; None for other makers, and for damaged notes."""
    if not make.upper().startswith("DJI") or not isinstance(note, bytes) or len(note) < 2:
        return None
    values = _floats(note)
    pitch = values.get(_PITCH)
    if pitch is None or not -180 <= pitch <= 180:
        return None
    if not any(values.get(tag) for tag in (_PITCH, _YAW, _ROLL, _FLIGHT_YAW)):
        return None  # all zero: a copy that lost them
    return CameraAttitude(values.get(_YAW, values.get(_FLIGHT_YAW)), pitch, values.get(_ROLL, 0.0))


def _floats(note: bytes) -> dict[int, float]:
    count = min(int.from_bytes(note[:2], "little"), _MAX_ENTRIES)
    values = {}
    for i in range(count):
        entry = note[2 + i * _ENTRY.size : 2 + (i + 1) * _ENTRY.size]
        if len(entry) < _ENTRY.size:
            break
        tag, kind, length, value = _ENTRY.unpack(entry)
        if kind == _FLOAT and length == 1 and math.isfinite(value):
            values[tag] = value
    return values
