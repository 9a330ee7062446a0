"""What the cameras and sparse points of a model say about it, without any reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from e2e3d.data.scene import Camera, Scene
from e2e3d.ops.photos.undistortion import colmap_camera, normalised_from_image
from e2e3d.ops.poses import camera_centres

_BORDER = np.array([(x, y) for x in (0.0, 0.5, 1.0) for y in (0.0, 0.5, 1.0) if (x, y) != (0.5, 0.5)])
_SAMPLE = 2000
_PARALLEL_DEG = 0.3  # no hand and no tripod keeps a camera's direction so well from place to place
_LEAST_POINTS = 10
_NEAREST = 0.95  # of the points, without the farthest from their middle


def focal_length_px(camera: Camera) -> float:
    """Mean focal length in pixels."""
    return float(colmap_camera(camera).mean_focal_length())  # type: ignore[attr-defined]


def lens_distortion(camera: Camera) -> float:
    """Farthest move of a border pixel by the lens, as a share of half the diagonal; 1 from there on."""
    size = np.array([camera.width_px, camera.height_px], np.float64)
    border_px = _BORDER * size
    K = camera.K
    ideal_px = normalised_from_image(camera, border_px) * K[[0, 1], [0, 1]] + K[:2, 2]
    moved_px = np.linalg.norm(ideal_px - border_px, axis=1)
    share = 2 * moved_px.max() / np.linalg.norm(size)
    return min(float(share), 1.0) if np.isfinite(share) else 1.0  # not finite where the lens model folds over


def principal_shift(camera: Camera) -> float:
    """Distance of the principal point from the middle of the photograph, as a share of its longer side."""
    middle_px = np.array([camera.width_px, camera.height_px]) / 2
    return float(np.linalg.norm(_principal_point_px(camera) - middle_px) / max(camera.width_px, camera.height_px))


def _principal_point_px(camera: Camera) -> NDArray[np.float64]:
    colmap = colmap_camera(camera)
    return np.array([colmap.principal_point_x, colmap.principal_point_y])  # type: ignore[attr-defined]


def points_a_photograph(scene: Scene) -> NDArray[np.int64]:
    """How many sparse points each image sees, int64 [images]."""
    return np.bincount(scene.observation_image, minlength=len(scene.images))


def weakest_link(scene: Scene) -> int:
    """The points that two images share at the weakest connection of the model.

    Images are joined along the tree of the strongest links (most shared points); 0 when they fall apart.
    """
    ones = np.ones(len(scene.observation_image), np.int64)
    seen = csr_array(
        (ones, (scene.observation_image, scene.observation_point)), (len(scene.images), len(scene.points_world))
    )
    shared = (seen @ seen.T).tocoo()
    apart = shared.row != shared.col
    cost = csr_array((1.0 / shared.data[apart], (shared.row[apart], shared.col[apart])), shared.shape)
    if len(scene.images) < 2 or connected_components(cost, directed=False, return_labels=False) > 1:
        return 0
    return round(1.0 / float(minimum_spanning_tree(cost).data.max()))


def triangulation_angle_deg(scene: Scene) -> float:
    """Median over an even sample of the points of the widest angle between two of their viewing rays."""
    if not len(scene.points_world):
        return 0.0
    centres = camera_centres(scene)
    ends = np.cumsum(np.bincount(scene.observation_point, minlength=len(scene.points_world)))
    starts = np.concatenate([[0], ends[:-1]])
    step = max(1, len(ends) // _SAMPLE)
    angles = []
    for point in range(0, len(ends), step):
        rays = centres[scene.observation_image[starts[point] : ends[point]]] - scene.points_world[point]
        rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-12)
        angles.append(np.arccos(np.clip((rays @ rays.T).min(), -1, 1)))
    return float(np.degrees(np.median(angles)))


def view_elevation_deg(scene: Scene) -> float:
    """Median angle of the viewing directions above the horizon of a scene whose z axis is up."""
    forward_z = np.array([image.cam_from_world[2, 2] for image in scene.images])
    return float(np.degrees(np.arcsin(np.clip(np.median(forward_z), -1, 1))))


def error_ratio(scene: Scene) -> float | None:
    """Median reprojection error in pixels, larger photographs shrunk to 1000 pixels; None without points."""
    if not len(scene.errors_px):
        return None
    size_px = np.median([max(camera.width_px, camera.height_px) for camera in scene.cameras])
    return float(np.median(scene.errors_px) * 1000 / max(size_px, 1000))


def relief_of_parallel_views(scene: Scene) -> float | None:
    """How thick the sparse points are over their distance; None unless all views have the same direction.

    Parts that were cut from one picture shift, and do nothing else: as a flat subject before a camera that only moves.
    None, too, where GPS agrees that the camera moved.
    """
    rotations = np.array([image.cam_from_world[:, :3] for image in scene.images])
    if scene.georeference is not None or len(scene.points_world) < _LEAST_POINTS or len(rotations) < 2:
        return None
    cosines = (np.einsum("nij,ij->n", rotations, rotations[0]) - 1) / 2
    if cosines.min() < np.cos(np.radians(_PARALLEL_DEG)):
        return None
    offsets = scene.points_world - np.median(scene.points_world, axis=0)
    away = np.linalg.norm(offsets, axis=1)
    near = offsets[away <= np.quantile(away, _NEAREST)]
    thickness = float(np.sqrt(max(np.linalg.eigvalsh(np.cov(near.T))[0], 0.0)))
    depth = (scene.points_world @ rotations[0, 2])[None] + np.array([i.cam_from_world[2, 3] for i in scene.images])[
        :, None
    ]
    return thickness / max(float(np.median(np.abs(depth))), 1e-12)
