"""Put a model on the Earth by its photographs' GPS positions, or say why not.

Positions may be wrong: hemisphere letters may be missing or wrong, coordinates exchanged, single fixes wild,
heights drifting. A reading that would turn the model over or mirror it is never used; another one is, where it is the
only one that can be right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import GpsPosition
from e2e3d.data.scene import Georeference, Remark
from e2e3d.ops.geo import gps_remarks as words
from e2e3d.ops.geo.earth_candidates import Candidate, LocatedCameras, fit_readings, heading_share
from e2e3d.ops.geo.earth_refine import RefinedFit, refine
from e2e3d.ops.geo.georeferencing import Similarity, describe_origin, local_from_gps, spread_of
from e2e3d.ops.geo.gps_readings import in_a_state, plain_readings
from e2e3d.ops.geo.gps_repairs import repair_positions
from e2e3d.ops.geo.upright import UpEstimate

_AS_GOOD = 2.0  # readings whose typical error is up to so many times the least are as good
_LEAST_ERROR_M = 0.05
_HEADINGS_AGREE = 0.8
_SCANNED_UP_DEG = 5.0
_MIN_POSITIONS, _STILL_M = 3, 1.0
_POOR_HEIGHTS_M, _POOR_HEIGHTS = 5.0, 2.0  # heights are unknown beyond that, in metres and over the places' error


@dataclass(frozen=True)
class FittedPositions:
    """Positions as they were read.

    Attributes:
        local_m: float64 [N, 3], east, north and up from the georeference's origin.
        places_agree: bool [N]; `heights_agree` bool [N].
    """

    local_m: NDArray[np.float64]
    places_agree: NDArray[np.bool_]
    heights_agree: NDArray[np.bool_]


@dataclass(frozen=True)
class EarthFit:
    """What the positions give.

    Attributes:
        similarity: from the model to metres with z up (x east and y north when `georeference` is known); None when the
            positions give nothing.
        georeference: None when the place is not certain.
        remarks: what was found wrong with the positions, and how accurate they are.
        positions: what was made of them; None without `georeference`.
    """

    similarity: Similarity | None
    georeference: Georeference | None
    remarks: tuple[Remark, ...]
    positions: FittedPositions | None = None


def fit_to_earth(cameras: LocatedCameras, names: Sequence[str], up: UpEstimate) -> EarthFit:
    """Fit the cameras of `names` to their positions, with what the views say of up."""
    positions, remarks = repair_positions(names, cameras.positions)
    if len(positions) < _MIN_POSITIONS:
        return EarthFit(None, None, (*remarks, words.too_few(len(positions))))
    cameras = replace(cameras, positions=positions)
    fitted = fit_readings(cameras, up)
    consistent = _consistent(fitted, _stated_accuracy_m(cameras.positions))
    if not consistent:
        return EarthFit(None, None, (*remarks, _explain_no_fit(cameras, fitted, up)))
    chosen, remark = _choose(consistent, cameras)
    refined = refine(cameras.centres, chosen or consistent[0], _accuracy_deg(up))
    if chosen is None:
        return EarthFit(refined.similarity, None, (*remarks, *([remark] if remark else [])))
    remarks += () if remark is None else (remark,)
    reference = _describe(chosen, refined, up)
    remarks += words.disagreements(names, cameras.centres, chosen, refined)
    used = FittedPositions(chosen.local_m, refined.places_agree, refined.heights_agree)
    return EarthFit(refined.similarity, reference, (*remarks, *words.accuracy(reference, refined)), used)


def _accuracy_deg(up: UpEstimate) -> float | None:
    if up.choices is not None:
        return max(_SCANNED_UP_DEG, up.accuracy_deg if up.direction is not None else 0.0)
    return None if up.direction is None else up.accuracy_deg


def _stated_accuracy_m(positions: Sequence[GpsPosition]) -> float | None:
    stated = [p.horizontal_accuracy_m for p in positions if p.horizontal_accuracy_m is not None]
    return float(np.median(stated)) if len(stated) > len(positions) / 2 else None


def _consistent(fitted: Sequence[Candidate], accuracy_m: float | None) -> list[Candidate]:
    """The candidates that put the cameras where they say, none much worse than the best; the best first."""
    plausible = sorted(
        (one for one in fitted if one.fit.plausible(accuracy_m)), key=lambda one: one.fit.typical_error_m
    )
    limit_m = _AS_GOOD * max(plausible[0].fit.typical_error_m, _LEAST_ERROR_M) if plausible else 0.0
    return [one for one in plausible if one.fit.typical_error_m <= limit_m]


def _choose(consistent: Sequence[Candidate], cameras: LocatedCameras) -> tuple[Candidate | None, Remark | None]:
    """The one reading to use, None when several are left; and what to say of it."""
    positions = cameras.positions
    plain = plain_readings(positions)
    certain = len(plain) == 1
    stated = [one for one in consistent if one.reading in plain]
    if certain and stated:
        on_land = _on_land(stated[0], consistent, cameras)
        if on_land is not None:
            return on_land, words.reading_on_land(on_land)
        share = heading_share(stated[0], cameras)
        return stated[0], words.headings_differ() if share is not None and share <= 1 - _HEADINGS_AGREE else None
    left = stated or list(consistent)
    if len(left) > 1:
        left = [one for one in left if in_a_state(*one.origin[:2])] or left
    shares = [heading_share(one, cameras) for one in left]
    agreeing = [one for one, share in zip(left, shares, strict=True) if share is not None and share >= _HEADINGS_AGREE]
    left = agreeing or left
    contradicted = len(left) == 1 and not agreeing and shares[0] is not None and shares[0] <= 1 - _HEADINGS_AGREE
    if len(left) == 1 and not contradicted:
        return left[0], words.reading_used(positions, left[0], stated_fits=bool(stated))
    return None, words.reading_open(positions, left, stated_fits=bool(stated))


def _on_land(stated: Candidate, consistent: Sequence[Candidate], cameras: LocatedCameras) -> Candidate | None:
    """The only reading in a state where the stated one is in the open ocean and headings do not support it."""
    if in_a_state(*stated.origin[:2]):
        return None
    left = [one for one in consistent if one is not stated and in_a_state(*one.origin[:2])]
    if len(left) != 1 or (heading_share(left[0], cameras) or 0.0) < (heading_share(stated, cameras) or 0.0):
        return None
    return left[0]


def _describe(chosen: Candidate, refined: RefinedFit, up: UpEstimate) -> Georeference:
    total_m = float(np.hypot(refined.horizontal_error_m, refined.vertical_error_m or 0.0))
    described = describe_origin(chosen.origin, total_m)
    limit_m = max(_POOR_HEIGHTS_M, _POOR_HEIGHTS * refined.horizontal_error_m)
    known = refined.heights_used and (refined.vertical_error_m or 0.0) <= limit_m
    source = {"attitude": "attitude", "": "gps"}.get(up.source, "views")
    return Georeference(
        described.origin,
        described.epsg,
        described.origin_projected_m,
        described.rms_error_m,
        horizontal_error_m=refined.horizontal_error_m,
        vertical_error_m=refined.vertical_error_m,
        scale_error=chosen.fit.scale_error,
        level_source=f"{source} and gps" if known and source != "gps" else source,
        heights_known=known,
        scale_bound=chosen.fit.scale_bound,
    )


def _explain_no_fit(cameras: LocatedCameras, fitted: Sequence[Candidate], up: UpEstimate) -> Remark:
    spread_m = _spread_m(local_from_gps(cameras.positions))
    if spread_m < _STILL_M:
        return words.still(spread_m)
    if not fitted:
        return words.up_unknown(up)
    stated = [one for one in fitted if one.reading.as_stated]
    return words.no_fit(spread_m, stated[0].fit if stated else fitted[0].fit)


def _spread_m(local_m: NDArray[np.float64]) -> float:
    """Spread of the positions, whatever single ones say."""
    near = np.linalg.norm(local_m - np.median(local_m, axis=0), axis=1)
    used = local_m[near <= 5 * max(float(np.median(near)), 0.1)]
    return float(np.hypot(*spread_of(used[:, :2])))
