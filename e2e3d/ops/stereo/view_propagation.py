"""View propagation: planes found in the sources are candidates for the reference.

After Bleyer, Rhemann and Rother, "PatchMatch Stereo" (BMVC 2011), between finished depth maps instead of during the
search. A pixel for which the search found no good plane (too few sources see it, or its neighbours all lie on another
surface) often is easy in a source. So every confident pixel of a source is transformed to the reference with its plane,
and a pixel of the reference keeps the most confident ones that differ from its own plane; the geometric pass starts
from the best of all (:func:`visit.start_pixel`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.numba_jit import njit
from e2e3d.ops.stereo.planes import intrinsics
from e2e3d.ops.stereo.problem import DepthArrays

CANDIDATES = 2
_LEAST_CONFIDENCE = np.float32(0.3)
_SAME_PX = np.float32(0.5)
_HALF = np.float32(0.5)
_ONE = np.float32(1.0)


def propagated_planes(
    reference: View,
    planes: NDArray[np.float32],
    sources: Sequence[View],
    depths: Sequence[DepthMap],
    inverse_shift: float,
) -> NDArray[np.float32]:
    """float32 [H, W, 2, 3]: candidate planes of every pixel, the most confident first, zeros where there is none.

    Args:
        reference: the view.
        planes: float32 [H, W, 3], its present planes; what agrees with them is left out.
        sources: the views to take planes from.
        depths: what they found.
        inverse_shift: change of inverse depth that moves a source position by about one pixel.
    """
    candidates = np.zeros((*planes.shape[:2], CANDIDATES, 3), np.float32)
    scores = np.zeros((*planes.shape[:2], CANDIDATES), np.float32)
    R, t = reference.cam_from_world[:, :3], reference.cam_from_world[:, 3]
    for source, found in zip(sources, depths, strict=True):
        turn = R @ source.cam_from_world[:, :3].T
        move = t - turn @ source.cam_from_world[:, 3]
        _propagate(
            DepthArrays(found.depth, found.normal_cam, found.confidence, intrinsics(source.intrinsics_px)),
            np.concatenate([turn, move[:, None]], 1).astype(np.float32),
            intrinsics(reference.intrinsics_px),
            np.float32(_SAME_PX * inverse_shift),
            planes,
            candidates,
            scores,
        )
    return candidates


@njit(cache=True, nogil=True, error_model="numpy")
def _propagate(source, pose, camera, same, planes, candidates, scores):  # type: ignore[no-untyped-def]
    """Transform the confident pixels of one source, each to the four pixels around its projection."""
    depth, normal, confidence, source_camera = source
    fx, fy, cx, cy = camera
    height, width = planes.shape[:2]
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            d, score = depth[y, x], confidence[y, x]
            if d <= 0 or score < _LEAST_CONFIDENCE:
                continue
            sx = d * (np.float32(x) + _HALF - source_camera.cx) / source_camera.fx
            sy = d * (np.float32(y) + _HALF - source_camera.cy) / source_camera.fy
            px = pose[0, 0] * sx + pose[0, 1] * sy + pose[0, 2] * d + pose[0, 3]
            py = pose[1, 0] * sx + pose[1, 1] * sy + pose[1, 2] * d + pose[1, 3]
            pz = pose[2, 0] * sx + pose[2, 1] * sy + pose[2, 2] * d + pose[2, 3]
            if pz <= 0:
                continue
            column = int(np.floor(fx * px / pz + cx - _HALF))
            row = int(np.floor(fy * py / pz + cy - _HALF))
            if column < -1 or row < -1 or column >= width or row >= height:
                continue
            n = normal[y, x]
            nx = pose[0, 0] * n[0] + pose[0, 1] * n[1] + pose[0, 2] * n[2]
            ny = pose[1, 0] * n[0] + pose[1, 1] * n[1] + pose[1, 2] * n[2]
            nz = pose[2, 0] * n[0] + pose[2, 1] * n[1] + pose[2, 2] * n[2]
            along = nx * px + ny * py + nz * pz
            if along >= 0:
                continue
            gx, gy = nx / (along * fx), ny / (along * fy)
            for r in range(max(row, 0), min(row + 2, height)):
                for c in range(max(column, 0), min(column + 2, width)):
                    w = gx * (np.float32(c) + _HALF - cx) + gy * (np.float32(r) + _HALF - cy) + nz / along
                    if abs(w - planes[r, c, 0]) > same:
                        _insert(candidates[r, c], scores[r, c], w, gx, gy, score, same)


@njit(cache=True, nogil=True, error_model="numpy")
def _insert(candidates, scores, w, gx, gy, score, same):  # type: ignore[no-untyped-def]
    """Put a plane among the candidates of one pixel, in place of a less confident one."""
    if score > scores[0]:
        if abs(w - candidates[0, 0]) > same:
            candidates[1], scores[1] = candidates[0], scores[0]
        slot = 0
    elif abs(w - candidates[0, 0]) > same and score > scores[1]:
        slot = 1
    else:
        return
    scores[slot] = score
    candidates[slot, 0], candidates[slot, 1], candidates[slot, 2] = w, gx, gy
