"""The ways to read GPS positions whose hemisphere letters are missing or wrong, or whose coordinates are exchanged.

Each is an exchange or not of the two numbers, and a sign for each: eight readings. Half of them are mirror images of
the other half, which the cameras' layout refuses. Among those that fit, a place where no state's reference system is
valid, as EPSG's registry has it, is the open ocean, where nobody surveys.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from e2e3d.data.photo import GpsPosition

_WORLDWIDE_DEG = 100.0  # a system whose area is wider is no evidence of the place


@dataclass(frozen=True)
class GpsReading:
    """What to do to the stated coordinates: exchange them, then turn the signs over."""

    exchange: bool = False
    turn_latitude: bool = False
    turn_longitude: bool = False

    @property
    def as_stated(self) -> bool:
        """Whether nothing is changed."""
        return self == GpsReading()

    def apply(self, positions: Sequence[GpsPosition]) -> list[GpsPosition] | None:
        """The positions read so; None where a latitude would be beyond 90 degrees."""
        read = []
        for position in positions:
            latitude, longitude = position.latitude_deg, position.longitude_deg
            if self.exchange:
                latitude, longitude = longitude, latitude
            if abs(latitude) > 90:
                return None
            latitude, longitude = (
                -latitude if self.turn_latitude else latitude,
                -longitude if self.turn_longitude else longitude,
            )
            read.append(replace(position, latitude_deg=latitude, longitude_deg=longitude))
        return read

    def words(self, positions: Sequence[GpsPosition]) -> str:
        """The letters that `positions`, already read so, have: such as ``N and W``."""
        latitude = float(np.median([p.latitude_deg for p in positions]))
        longitude = float(np.median([p.longitude_deg for p in positions]))
        letters = f"{'N' if latitude >= 0 else 'S'} and {'E' if longitude >= 0 else 'W'}"
        return f"{letters}, latitude and longitude exchanged" if self.exchange else letters


READINGS = tuple(GpsReading(*choice) for choice in itertools.product((False, True), repeat=3))


def plain_readings(positions: Sequence[GpsPosition]) -> tuple[GpsReading, ...]:
    """The readings between which the positions' own statement leaves the choice: one when all its letters stand."""
    doubts = {doubt for position in positions for doubt in position.doubts}
    open_latitude = bool(doubts & {"no-latitude-letter", "swapped"})
    open_longitude = bool(doubts & {"no-longitude-letter", "swapped"})
    return tuple(
        GpsReading(False, latitude, longitude)
        for latitude in ((False, True) if open_latitude else (False,))
        for longitude in ((False, True) if open_longitude else (False,))
    )


def with_letters_of_most(positions: Sequence[GpsPosition]) -> list[GpsPosition]:
    """Give positions without letters the signs of those that have them, where some have."""
    for doubt, name in (("no-latitude-letter", "latitude_deg"), ("no-longitude-letter", "longitude_deg")):
        stated = [getattr(p, name) for p in positions if doubt not in p.doubts and "swapped" not in p.doubts]
        if not stated or len(stated) == len(positions):
            continue
        sign = 1.0 if np.median(stated) >= 0 else -1.0
        positions = [
            replace(
                p, **{name: sign * abs(getattr(p, name))}, doubts=tuple(other for other in p.doubts if other != doubt)
            )
            if doubt in p.doubts
            else p
            for p in positions
        ]
    return list(positions)


def in_a_state(latitude_deg: float, longitude_deg: float) -> bool:
    """Whether some state's reference system is valid at the position (land, islands, shores)."""
    return _in_a_state(round(latitude_deg, 2), round(longitude_deg, 2))


@cache
def _in_a_state(latitude_deg: float, longitude_deg: float) -> bool:
    from pyproj.aoi import AreaOfInterest
    from pyproj.database import query_crs_info
    from pyproj.enums import PJType

    place = AreaOfInterest(longitude_deg, latitude_deg, longitude_deg + 0.01, latitude_deg + 0.01)
    systems = query_crs_info(auth_name="EPSG", pj_types=PJType.GEOGRAPHIC_2D_CRS, area_of_interest=place, contains=True)
    areas = [system.area_of_use for system in systems]
    return any(area is not None and 0 < area.east - area.west < _WORLDWIDE_DEG for area in areas)
