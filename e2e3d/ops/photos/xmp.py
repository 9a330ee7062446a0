"""What drones write in XMP: the attitude of the camera and the accuracy of the GPS receiver.

Names are those of DJI ("DJI Image Metadata"), which Autel and others copy, and of Parrot; only the local names are
compared, since every maker has a namespace of its own. Angles are in degrees: yaw clockwise from north, pitch -90
straight down. The packet is searched rather than parsed: damaged ones are common, and nothing else in it is needed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from PIL import Image

from e2e3d.data.photo import CameraAttitude

_PROPERTY = re.compile(rb"""[\w-]+:(\w+)\s*(?:=\s*["']\s*([-+\d.eE]+)\s*["']|>\s*([-+\d.eE]+)\s*<)""")
_MAX_ACCURACY_M = 1000.0


def read_xmp(header: Image.Image) -> dict[str, float]:
    """The numbers of a picture's XMP packet by local name, such as ``GimbalPitchDegree``; empty without one."""
    packet = header.info.get("xmp") or header.info.get("XML:com.adobe.xmp") or b""
    data = packet.encode() if isinstance(packet, str) else packet
    if not isinstance(data, bytes):
        return {}
    numbers = {}
    for name, attribute, element in _PROPERTY.findall(data):
        try:
            numbers[name.decode("latin-1")] = float(attribute or element)
        except ValueError:
            continue
    return {name: number for name, number in numbers.items() if math.isfinite(number)}


def camera_attitude(xmp: Mapping[str, float]) -> CameraAttitude | None:
    """The attitude of the camera: of the gimbal, else only the heading of the aircraft; None without either."""
    for prefix in ("Gimbal", "Camera"):
        pitch = xmp.get(f"{prefix}PitchDegree")
        if pitch is not None and -180 <= pitch <= 180:
            yaw = xmp.get(f"{prefix}YawDegree", xmp.get("FlightYawDegree"))
            return CameraAttitude(yaw, pitch, xmp.get(f"{prefix}RollDegree", 0.0))
    flight = xmp.get("FlightYawDegree")
    return None if flight is None else CameraAttitude(yaw_deg=flight)


def stated_accuracy(xmp: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Standard deviation of the position in metres, horizontal and vertical; None where it is not stated."""
    sides = [value for name in ("RtkStdLon", "RtkStdLat") if (value := _accuracy(xmp, name)) is not None]
    horizontal = max(sides) if sides else _accuracy(xmp, "GPSXYAccuracy")
    vertical = _accuracy(xmp, "RtkStdHgt")
    return horizontal, _accuracy(xmp, "GPSZAccuracy") if vertical is None else vertical


def signed_position(xmp: Mapping[str, float]) -> tuple[float, float] | None:
    """Latitude and longitude in degrees with their signs; the second has been written with a slip of the pen, too."""
    latitude = xmp.get("GpsLatitude")
    longitude = xmp.get("GpsLongitude", xmp.get("GpsLongtitude"))
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return latitude, longitude


def _accuracy(xmp: Mapping[str, float], name: str) -> float | None:
    value = xmp.get(name)
    return value if value is not None and 0 < value <= _MAX_ACCURACY_M else None
