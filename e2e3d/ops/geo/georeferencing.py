"""Put a model on the Earth: a robust similarity from its camera centres to their GPS positions.

Similarity in closed form: Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
PAMI 1991; outliers by RANSAC (Fischler and Bolles, 1981) over triples, refined on the inliers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import GpsPosition
from e2e3d.data.scene import Georeference

_SEED = 19810601
_TRIALS = 500
_GPS_NOISE_M = 5.0
_MIN_SPREAD_RATIO = 0.05
_MAX_ERROR_RATIO = 0.3


@dataclass(frozen=True)
class Similarity:
    """``x_new = scale * rotation @ x_old + translation``."""

    scale: float
    rotation: NDArray[np.float64]  # [3, 3]
    translation: NDArray[np.float64]  # [3]

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points, float64 [N, 3]."""
        return self.scale * points @ self.rotation.T + self.translation

    def apply_to_pose(self, cam_from_world: NDArray[np.float64]) -> NDArray[np.float64]:
        """The pose, float64 [3, 4], after its world was moved, in a camera frame of the new scale."""
        rotation = cam_from_world[:, :3] @ self.rotation.T
        translation = self.scale * cam_from_world[:, 3] - rotation @ self.translation
        return np.column_stack([rotation, translation])


def gps_origin(positions: Sequence[GpsPosition]) -> tuple[float, float, float]:
    """Median latitude, longitude (degrees) and height (metres, 0 for those that state none)."""
    table = _table(positions)
    reference = table[0, 1]
    table[:, 1] = reference + (table[:, 1] - reference + 180) % 360 - 180  # the antimeridian may run through the set
    latitude, longitude, height = np.median(table, axis=0)
    return float(latitude), float((longitude + 180) % 360 - 180), float(height)


def local_from_gps(
    positions: Sequence[GpsPosition], origin: tuple[float, float, float] | None = None
) -> NDArray[np.float64]:
    """East, north and up in metres, float64 [N, 3], in the frame tangent to WGS84 at `origin` (default: the median)."""
    import pyproj

    latitude, longitude, height = gps_origin(positions) if origin is None else origin
    to_local = pyproj.Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=cart +ellps=WGS84"
        f" +step +proj=topocentric +ellps=WGS84 +lat_0={latitude!r} +lon_0={longitude!r} +h_0={height!r}"
    )
    table = _table(positions)
    return np.stack(to_local.transform(table[:, 1], table[:, 0], table[:, 2]), axis=1)


def _table(positions: Sequence[GpsPosition]) -> NDArray[np.float64]:
    heights = [p.altitude_m for p in positions if p.altitude_m is not None]
    usual = float(np.median(heights)) if heights else 0.0
    rows = [(p.latitude_deg, p.longitude_deg, usual if p.altitude_m is None else p.altitude_m) for p in positions]
    return np.array(rows, np.float64).reshape(-1, 3)


def fit_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> Similarity:
    """Least-squares similarity from `source` to `target`, both float64 [N >= 3, 3] and not all on one line."""
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    s, t = source - source_mean, target - target_mean
    U, D, Vt = np.linalg.svd(t.T @ s / len(s))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    rotation = U @ np.diag(signs) @ Vt
    scale = float((D * signs).sum() / (s**2).sum(axis=1).mean())
    return Similarity(scale, rotation, target_mean - scale * rotation @ source_mean)


def fit_similarity_robust(
    source: NDArray[np.float64], target: NDArray[np.float64], threshold: float
) -> tuple[Similarity, NDArray[np.bool_]] | None:
    """Similarity that most points agree with to within `threshold` (units of `target`), and which they are.

    None when the points don't determine it: fewer than three, all equal, on a line, or no three agree.
    """
    if len(source) < 3 or not spans_a_plane(source) or not spans_a_plane(target, threshold):
        return None
    random = np.random.default_rng(_SEED)
    best = np.zeros(len(source), bool)
    for _ in range(_TRIALS):
        triple = random.choice(len(source), 3, replace=False)
        if not spans_a_plane(source[triple]) or not spans_a_plane(target[triple]):
            continue
        candidate = fit_similarity(source[triple], target[triple])
        inliers = np.linalg.norm(candidate.apply(source) - target, axis=1) <= threshold
        if inliers.sum() > best.sum():
            best = inliers
        if best.all():
            break
    for _ in range(10):
        if best.sum() < 3 or not spans_a_plane(source[best]) or not spans_a_plane(target[best]):
            return None
        fitted = fit_similarity(source[best], target[best])
        inliers = np.linalg.norm(fitted.apply(source) - target, axis=1) <= threshold
        if np.array_equal(inliers, best):
            break
        best = inliers
    return fitted, best


def spread_of(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviations along the principal axes, largest first, of points float64 [N >= 1, 3]."""
    return np.asarray(np.linalg.svd(points - points.mean(axis=0), compute_uv=False) / np.sqrt(len(points)))


def spans_a_plane(points: NDArray[np.float64], noise: float = 0.0) -> bool:
    """Whether points are spread in two directions: more than `noise`, and not along one line (5 % of the length)."""
    spread = spread_of(points)
    return bool(spread[0] > 0 and spread[1] > max(noise / 2, _MIN_SPREAD_RATIO * spread[0]))


def georeference(
    centres_model: NDArray[np.float64], positions: Sequence[GpsPosition]
) -> tuple[Similarity, Georeference] | None:
    """Similarity from the model to local metres (east, north, up), and where that frame is, by the centres alone.

    Centres that lie nearly in a plane fit their mirror image as well: :func:`e2e3d.ops.geo.earth_fit.fit_to_earth`
    uses the views, too, and comes here only when they give no up.

    Args:
        centres_model: float64 [N, 3], camera centres in the model.
        positions: their N GPS positions.

    Returns:
        None when the positions don't determine it, fewer than half of them agree, or GPS noise is as large as the
        camera's path, as around a small object.
    """
    if len(positions) < 3:
        return None
    origin = gps_origin(positions)
    centres_m = local_from_gps(positions, origin)
    extent_m = 2 * float(np.median(np.linalg.norm(centres_m - np.median(centres_m, axis=0), axis=1)))
    fitted = fit_similarity_robust(centres_model, centres_m, max(_GPS_NOISE_M, 0.02 * extent_m))
    if fitted is None or fitted[1].sum() < max(3, len(positions) / 2):
        return None
    similarity, inliers = fitted
    error_m = rms_distance(similarity.apply(centres_model[inliers]), centres_m[inliers])
    if error_m > _MAX_ERROR_RATIO * spread_of(centres_m[inliers])[1]:
        return None
    return similarity, describe_origin(origin, error_m)


def rms_distance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Root mean square distance between corresponding points, float64 [N, 3]."""
    return float(np.sqrt(((first - second) ** 2).sum(axis=1).mean()))


def describe_origin(origin: tuple[float, float, float], rms_error_m: float) -> Georeference:
    """The local frame at `origin` (latitude, longitude, height) with its UTM zone."""
    import pyproj

    latitude, longitude, height = origin
    zone = min(60, int((longitude + 180) // 6) + 1)
    epsg = (32600 if latitude >= 0 else 32700) + zone
    easting, northing = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform(longitude, latitude)
    return Georeference(origin, epsg, (float(easting), float(northing), height), rms_error_m)
