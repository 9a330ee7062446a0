"""Which views to match a view with, and where to search: both from the sparse points it shares with others.

The score follows COLMAP MVS (Schönberger et al., ECCV 2016) and MVSNet (Yao et al., ECCV 2018) in spirit: every shared
point votes for a view by its triangulation angle and by how alike its scale is in both; the vote is multiplied by how
much of the view the shared points cover, so that a view which overlaps a corner very densely does not win.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Scene
from e2e3d.ops.poses import camera_centres

_BEST_ANGLE_DEG = (5.0, 20.0)
_NARROW_SIGMA_DEG = 2.0
_WIDE_SIGMA_DEG = 12.0
_GRID = 8
_RANGE_PERCENTILES = (1.0, 99.0)
_RANGE_MARGIN = 0.35
_NEAREST_SHARE = 0.5


def depths_in(scene: Scene, image_index: int, points_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth [N] of points [N, 3] in an image."""
    pose = scene.images[image_index].cam_from_world
    return np.asarray(points_world @ pose[2, :3] + pose[2, 3])


def score_sources(scene: Scene, image_index: int) -> NDArray[np.float64]:
    """float64 [I]: how good each image is as a source for `image_index`; 0 for itself and without shared points."""
    own = scene.observation_image == image_index
    own_points, first = np.unique(scene.observation_point[own], return_index=True)
    own_px = scene.observation_px[own][first]
    lookup = np.full(len(scene.points_world), -1, np.int64)
    lookup[own_points] = np.arange(len(own_points))
    row = lookup[scene.observation_point]
    shared = (row >= 0) & ~own
    row, other = row[shared], scene.observation_image[shared]
    points = scene.points_world[own_points][row]
    centres = camera_centres(scene)
    to_own, to_other = centres[image_index] - points, centres[other] - points
    own_distance, other_distance = np.linalg.norm(to_own, axis=1), np.linalg.norm(to_other, axis=1)
    cosine = np.einsum("ij,ij->i", to_own, to_other) / np.maximum(own_distance * other_distance, 1e-12)
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    focal = np.array([max(scene.camera_of(image).params[:1]) for image in scene.images])
    scale = (focal[other] / np.maximum(other_distance, 1e-12)) / (focal[image_index] / np.maximum(own_distance, 1e-12))
    votes = _angle_weight(angle) * np.minimum(scale, 1 / np.maximum(scale, 1e-12))
    count = len(scene.images)
    total = np.bincount(other, votes, count)
    return np.asarray(total * _coverage(own_px, row, other, count))


def select_sources(scene: Scene, image_index: int, limit: int) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """Indices of up to `limit` source images, best first, and their scores relative to the best, float32 [S]."""
    scores = score_sources(scene, image_index)
    order = np.argsort(-scores, kind="stable")[:limit]
    order = order[scores[order] > 0.01 * scores[order[0]]] if len(order) and scores[order[0]] > 0 else order[:0]
    relative = scores[order] / scores[order[0]] if len(order) else scores[order]
    return tuple(int(index) for index in order), relative.astype(np.float32)


def depth_range(scene: Scene, image_index: int) -> tuple[float, float]:
    """Nearest and farthest depth worth searching: robust percentiles of the view's sparse points, with a margin.

    The margin is a share of the range of inverse depth, plus the same share of the depth itself. To the front it is at
    least half the depth of the nearest points: seen from above, sparse points lie on the ground, and trees rise far
    above them. (0, 0) when the view sees no point of the sparse model.
    """
    seen = scene.observation_point[scene.observation_image == image_index]
    depths = depths_in(scene, image_index, scene.points_world[seen])
    depths = depths[depths > 0]
    if len(depths) == 0:
        return 0.0, 0.0
    near, far = np.percentile(depths, _RANGE_PERCENTILES)
    near, far = max(near, float(depths.min()) * 0.999), min(far, float(depths.max()) * 1.001)
    margin = _RANGE_MARGIN * (1 / near - 1 / far)
    nearest = min(1 / (1 / near + margin) / (1 + _RANGE_MARGIN / 2), _NEAREST_SHARE * near)
    farthest = 1 / max(1 / far - margin, 0.4 / far) * (1 + _RANGE_MARGIN / 2)
    return float(nearest), float(farthest)


def _angle_weight(angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight in [0, 1] of a triangulation angle: 1 where stereo works best, falling off on both sides."""
    low, high = _BEST_ANGLE_DEG
    narrow = np.exp(-0.5 * (np.minimum(angle_deg - low, 0) / _NARROW_SIGMA_DEG) ** 2)
    wide = np.exp(-0.5 * (np.maximum(angle_deg - high, 0) / _WIDE_SIGMA_DEG) ** 2)
    return np.asarray(narrow * wide)


def _coverage(
    own_px: NDArray[np.float32], row: NDArray[np.int64], other: NDArray[np.int32], count: int
) -> NDArray[np.float64]:
    """Share in [0, 1] of the grid cells with points of the view in which each other image sees some of them too."""
    if len(own_px) == 0:
        return np.zeros(count)
    low, high = own_px.min(0), own_px.max(0)
    cell = np.minimum((own_px - low) / np.maximum(high - low, 1e-6) * _GRID, _GRID - 1).astype(np.int64)
    cell_of = cell[:, 1] * _GRID + cell[:, 0]
    seen = np.zeros((count, _GRID * _GRID), bool)
    seen[other, cell_of[row]] = True
    return np.asarray(seen.sum(1) / max(len(np.unique(cell_of)), 1))
