"""Depth for what a smaller size of the photographs shows and the full size does not, such as plain walls.

A window of so many pixels holds less of the surface the larger the photograph is, and its pixels are noisier than the
means of several. So the depth map of a large photograph has holes where that of a small one has none. As in the
multi-scale estimation of ACMM (Xu and Tao, CVPR 2019) the depth of the coarser size stays where the finer one does
worse; but here it is taken after all tests, and only where the finer size has nothing at all.
"""

from __future__ import annotations

import numpy as np

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.numba_jit import njit
from e2e3d.ops.stereo.gaps import FILLED_CONFIDENCE
from e2e3d.ops.stereo.planes import intrinsics, plane_from_normal, ray_through
from e2e3d.ops.stereo.problem import DepthArrays
from e2e3d.ops.stereo.pyramid import grey_view
from e2e3d.ops.stereo.support import supported

_HALF = np.float32(0.5)
_ONE = np.float32(1.0)


def fill_from_coarser(found: DepthMap, view: View, coarse: DepthMap, coarse_view: View, radius_px: int) -> DepthMap:
    """`found`, and where it has no depth that of a smaller size, with at most the confidence of filled gaps.

    Depth that only rests on the outline of something beside it is not taken
    (:mod:`e2e3d.ops.stereo.support`): windows of the smaller size reach farther over outlines.

    Args:
        found: depth of the view, checked.
        view: the view.
        coarse: depth of the same view at a smaller size, checked.
        coarse_view: the view at that size: the same camera, with fewer pixels.
        radius_px: half the side of the window of matching, at either size.
    """
    depth, normal_cam, confidence = (np.array(part) for part in (found.depth, found.normal_cam, found.confidence))
    taken = depth <= 0
    if view.mask is not None:
        taken &= view.mask
    _fill_pixels(
        DepthArrays(coarse.depth, coarse.normal_cam, coarse.confidence, intrinsics(coarse_view.intrinsics_px)),
        DepthArrays(depth, normal_cam, confidence, intrinsics(view.intrinsics_px)),
        taken,
    )
    ratio = max(view.image.shape[:2]) / max(coarse_view.image.shape[:2])
    dropped = taken & ~supported(grey_view(view).grey, depth > 0, round(ratio * radius_px))
    for part in (depth, normal_cam, confidence):
        part[dropped] = 0
    return DepthMap(depth, normal_cam, confidence)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_pixels(coarse, fine, wanted):  # type: ignore[no-untyped-def]
    """Fill `wanted` pixels [H, W] of the maps `fine` from the maps `coarse`; then `wanted` are those that were filled.

    A pixel takes the plane of the coarse pixel that its centre falls into.
    """
    coarse_depth, coarse_normal, coarse_confidence, coarse_camera = coarse
    depth, normal, confidence, camera = fine
    height, width = depth.shape
    coarse_height, coarse_width = coarse_depth.shape
    ratio_x, ratio_y = coarse_camera.fx / camera.fx, coarse_camera.fy / camera.fy
    for y in range(height):
        for x in range(width):
            if not wanted[y, x]:
                continue
            wanted[y, x] = False
            u = (np.float32(x) + _HALF - camera.cx) * ratio_x + coarse_camera.cx
            v = (np.float32(y) + _HALF - camera.cy) * ratio_y + coarse_camera.cy
            column = min(max(int(u), 0), coarse_width - 1)
            row = min(max(int(v), 0), coarse_height - 1)
            d, n = coarse_depth[row, column], coarse_normal[row, column]
            if d <= 0:
                continue
            du, dv = u - np.float32(column) - _HALF, v - np.float32(row) - _HALF
            ray = ray_through(coarse_camera, u - du, v - dv)
            plane = plane_from_normal(d, (n[0], n[1], n[2]), ray, coarse_camera)
            w = plane.w + (plane.gx * du + plane.gy * dv)
            if w > 0:
                wanted[y, x] = True
                depth[y, x] = _ONE / w
                normal[y, x] = n
                confidence[y, x] = min(coarse_confidence[row, column], FILLED_CONFIDENCE)
