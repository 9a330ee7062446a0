"""Geometric verification of the matches of a pair, by COLMAP's two-view estimation.

Schönberger and Frahm, "Structure-from-Motion Revisited", CVPR 2016, section 4.1: essential and fundamental matrix and
homography are estimated robustly, and their inlier counts distinguish general, planar and panoramic configurations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.photo import CameraGuess
from e2e3d.ops.colmap_log import silence_colmap

SEED = 20190601


@dataclass(frozen=True)
class VerifiedPair:
    """Outcome for one pair, as :class:`~e2e3d.data.features.MatchBlock` holds it."""

    matches: NDArray[np.uint32]  # [M, 2], inliers
    configuration: int
    matrices: NDArray[np.float64]  # [3, 3, 3]: E, F, H


def colmap_camera(guess: CameraGuess, width_px: int, height_px: int, camera_id: int = 1) -> pycolmap.Camera:
    """The camera to start from: PINHOLE when the user gave intrinsics, SIMPLE_RADIAL without distortion otherwise."""
    if guess.intrinsics_px is not None:
        params, model = guess.intrinsics_px, "PINHOLE"
    else:
        params, model = (guess.focal_px, width_px / 2, height_px / 2, 0.0), "SIMPLE_RADIAL"
    camera = pycolmap.Camera(camera_id=camera_id, model=model, width=width_px, height=height_px, params=params)
    camera.has_prior_focal_length = guess.focal_source != "guess"
    return camera


def verify_pair(
    points1_px: NDArray[np.floating],
    points2_px: NDArray[np.floating],
    matches: NDArray[np.uint32],
    camera1: pycolmap.Camera,
    camera2: pycolmap.Camera,
    max_error_px: float,
    min_inliers: int,
) -> VerifiedPair:
    """Keep the matches (uint32 [M, 2] into points float [N, 2]) that agree with one two-view geometry.

    Deterministic. A pair with fewer than `min_inliers` inliers comes back without matches.
    """
    nothing = VerifiedPair(np.zeros((0, 2), np.uint32), 0, np.zeros((3, 3, 3)))
    if len(matches) < min_inliers:
        return nothing
    silence_colmap()
    options = pycolmap.TwoViewGeometryOptions(min_num_inliers=min_inliers)
    options.ransac.max_error = max_error_px
    options.ransac.random_seed = SEED
    geometry = pycolmap.estimate_two_view_geometry(
        camera1,
        points1_px.astype(np.float64),
        camera2,
        points2_px.astype(np.float64),
        matches,
        options,
    )
    inliers = np.array(geometry.inlier_matches, np.uint32).reshape(-1, 2)
    if len(inliers) < min_inliers:
        return nothing
    matrices = np.stack([np.zeros((3, 3)) if m is None else np.array(m) for m in (geometry.E, geometry.F, geometry.H)])
    return VerifiedPair(inliers, int(geometry.config), matrices)
