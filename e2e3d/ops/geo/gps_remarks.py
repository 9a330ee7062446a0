"""Remarks on doubtful GPS positions: whole sentences, each with a stable code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import GpsPosition
from e2e3d.data.scene import Georeference, Remark
from e2e3d.ops.geo.earth_candidates import Candidate
from e2e3d.ops.geo.earth_refine import RefinedFit
from e2e3d.ops.geo.level_fit import PlanarFit
from e2e3d.ops.geo.upright import UpEstimate

_NAMED = 5
_WILD_M, _WILD_RATIO = 5.0, 3.0  # less than that is not worth a word: in metres, and over the others' error
_NOTABLE_SCALE_BOUND = 0.02


def too_few(count: int) -> Remark:
    """Fewer than three positions."""
    have = "Only one photograph" if count == 1 else f"Only {count} photographs"
    verb = "states" if count == 1 else "state"
    message = f"{have} of the model {verb} a GPS position; three are needed to place it on the Earth."
    return Remark("gps-too-few", message)


def impossible_heights(names: Sequence[str], positions: Sequence[GpsPosition]) -> tuple[Remark, ...]:
    """Photographs whose height cannot be."""
    wrong = [name for name, p in zip(names, positions, strict=True) if "impossible-altitude" in p.doubts]
    if not wrong:
        return ()
    message = f"The height stated by {listed(wrong)} is impossible; it was not used."
    return (Remark("gps-impossible-height", message, tuple(wrong)),)


def letters_differ(wrong: Sequence[str]) -> Remark:
    """Photographs that state another hemisphere than the others."""
    message = (
        f"The GPS position of {listed(wrong)} has another letter (N or S, E or W) than that of the other photographs; "
        "one set is in one place, so it was read as in these. Put the photographs' GPS tags right."
    )
    return Remark("gps-letters-differ", message, tuple(wrong))


def orders_differ(wrong: Sequence[str]) -> Remark:
    """Photographs whose latitude and longitude stand the other way round than those of the others."""
    message = (
        f"Latitude and longitude of {listed(wrong)} stand the other way round than in the other photographs; they were "
        "read as in these. Put the photographs' GPS tags right."
    )
    return Remark("gps-order-differs", message, tuple(wrong))


def held_fix(held: Sequence[str]) -> Remark:
    """Photographs that state the place of an earlier one although the camera had moved."""
    message = (
        f"{listed(held)} state exactly the place of a photograph before, although the camera had moved: the receiver "
        "had no new fix. Their positions were not used."
    )
    return Remark("gps-held-fix", message, tuple(held))


def zero_heights(wrong: Sequence[str]) -> Remark:
    """Heights of exactly 0, which receivers write that know none."""
    message = f"The height stated by {listed(wrong)} is exactly 0, as where it is not known; it was not used."
    return Remark("gps-zero-height", message, tuple(wrong))


def still(spread_m: float) -> Remark:
    """Positions that do not move."""
    message = f"The GPS positions are all the same to within {spread_m:.1f} m, and were not used."
    return Remark("gps-still", message)


def up_unknown(up: UpEstimate) -> Remark:
    """Neither views nor positions determine up."""
    message = f"Which way is up cannot be told, so the GPS positions were not used. {up.reason}".strip()
    return Remark("up-unknown", message)


def no_fit(spread_m: float, fit: PlanarFit) -> Remark:
    """Positions that fit in no reading."""
    agreeing, count = int(fit.inliers.sum()), len(fit.inliers)
    best = f"at best {agreeing} of {count} agree, to within {np.sqrt(2) * fit.noise_m:.1f} m"
    if np.sqrt(2) * fit.noise_m > spread_m:
        best = f"no {count // 2 + 1} of {count} agree"
    message = (
        f"The GPS positions were not used: they do not fit the cameras. They spread over {_distance(spread_m)}; {best}."
    )
    return Remark("gps-no-fit", message)


def _cause(positions: Sequence[GpsPosition]) -> str:
    doubts = {doubt for position in positions for doubt in position.doubts}
    if "swapped" in doubts:
        return "The GPS positions have latitude and longitude exchanged (a latitude beyond 90 degrees)"
    missing = [
        letter
        for doubt, letter in (("no-latitude-letter", "N or S"), ("no-longitude-letter", "E or W"))
        if doubt in doubts
    ]
    if missing:
        return f"The GPS positions lack the letters {' and '.join(missing)}"
    return "The GPS positions as they are written are a mirror image of the cameras' layout"


def reading_used(positions: Sequence[GpsPosition], chosen: Candidate, stated_fits: bool) -> Remark:
    """One reading was found to be right."""
    fits = "" if stated_fits else "; as written they would turn the model over"
    message = (
        f"{_cause(positions)}{fits}. Read as {chosen.reading.words(chosen.positions)} they fit the cameras, and "
        "nothing else can be meant: that was used. Put the photographs' GPS tags right."
    )
    return Remark("gps-reading-mended", message)


def reading_on_land(chosen: Candidate) -> Remark:
    """The stated place is in the open ocean, and only one other is meant."""
    message = (
        "The GPS positions as they are written lie in the open ocean. Read as "
        f"{chosen.reading.words(chosen.positions)} they fit the cameras as well, and lie ashore: that was used. "
        "Put the photographs' GPS tags right."
    )
    return Remark("gps-reading-mended", message)


def reading_open(positions: Sequence[GpsPosition], left: Sequence[Candidate], stated_fits: bool) -> Remark:
    """Several readings are left."""
    choices = " or ".join(f"({one.reading.words(one.positions)})" for one in left)
    fits = "" if stated_fits else "; as written they would turn the model over"
    message = (
        f"{_cause(positions)}{fits}. They may be meant as {choices}: which cannot be told, so the model is not "
        "placed on the Earth; scale and level were taken from them. Put the photographs' GPS tags right."
    )
    return Remark("gps-reading-unclear", message)


def headings_differ() -> Remark:
    """The stated positions fit, but most stated headings do not."""
    message = (
        "The headings that the cameras state contradict the GPS positions: check the positions' letters N, S, E and "
        "W (a wrong one cannot be seen on a line of cameras), and whether the pictures were turned after the flight."
    )
    return Remark("gps-headings-differ", message)


def disagreements(
    names: Sequence[str], centres: NDArray[np.float64], chosen: Candidate, refined: RefinedFit
) -> tuple[Remark, ...]:
    """Photographs whose place or height is far from where the others put it."""
    errors = refined.similarity.apply(centres) - chosen.local_m
    remarks = []
    least_m = max(_WILD_M, _WILD_RATIO * refined.horizontal_error_m)
    away = [i for i in range(len(names)) if np.hypot(*errors[i, :2]) > least_m]
    if away:
        wrong = tuple(names[i] for i in away)
        farthest = _distance(max(float(np.hypot(*errors[i, :2])) for i in away))
        message = (
            f"The GPS position of {listed(wrong)} is up to {farthest} from where the other photographs put it; "
            "it was not used."
        )
        remarks.append(Remark("gps-outlier", message, wrong))
    stated = [position.altitude_m is not None for position in chosen.positions]
    least_m = max(_WILD_M, _WILD_RATIO * (refined.vertical_error_m or 0.0))
    off = [i for i in range(len(names)) if stated[i] and refined.heights_used and abs(errors[i, 2]) > least_m]
    off = [i for i in off if i not in away]
    if off:
        wrong = tuple(names[i] for i in off)
        farthest = _distance(max(abs(float(errors[i, 2])) for i in off))
        message = (
            f"The GPS height of {listed(wrong)} is up to {farthest} from where the other photographs put it; "
            "it was not used."
        )
        remarks.append(Remark("gps-height-outlier", message, wrong))
    return tuple(remarks)


def accuracy(reference: Georeference, refined: RefinedFit) -> tuple[Remark, ...]:
    """Heights that were not used, and a scale that is not certain."""
    remarks = []
    if reference.vertical_error_m is None:
        message = "The photographs state no heights: the model's heights count from the middle of the cameras."
        remarks.append(Remark("gps-no-heights", message))
    elif not reference.heights_known:
        why = (
            "scatter or drift far more than the places do"
            if refined.heights_used
            else f"contradict the views, since they would tilt the model by {refined.tilt_deg:.0f} degrees"
        )
        message = (
            f"The GPS heights {why}. Level is taken from the views, and the model's height is unknown to about "
            f"{reference.vertical_error_m:.0f} m."
        )
        remarks.append(Remark("gps-heights-unusable", message))
    if reference.scale_bound is not None and reference.scale_bound > _NOTABLE_SCALE_BOUND:
        message = (
            f"The GPS positions scatter by {reference.horizontal_error_m:.1f} m: scale is known to within "
            f"{100 * reference.scale_bound:.0f} %, heading to within {np.degrees(reference.scale_bound):.0f} degrees "
            "(95 of 100 such sets). A known distance or scale says it better."
        )
        remarks.append(Remark("gps-coarse", message))
    return tuple(remarks)


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _distance(metres: float) -> str:
    if metres >= 10_000:
        return f"{metres / 1000:,.0f} km"
    return f"{metres:,.0f} m" if metres >= 10 else f"{metres:.1f} m"
