"""Exact depth maps of a unit sphere above a plane, for tests of fusion and meshing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.sample.sample_scene import look_at

Vec = NDArray[np.float64]

FLOOR_Z = -1.0
FLOOR_RADIUS = 2.0


def orbit(count: int, size_px: int = 160, radius: float = 4.0, floor: bool = True) -> tuple[list[View], list[DepthMap]]:
    """`count` views from a ring above a unit sphere that lies on a round floor; each has all others as sources."""
    views, depths = [], []
    for i in range(count):
        angle = 2 * np.pi * i / count
        centre = radius * np.array([np.cos(angle), np.sin(angle), 0.4 + 0.2 * (i % 2)])
        view, depth = exact_view(i, count, look_at(centre, np.zeros(3)), size_px, floor)
        views.append(view)
        depths.append(depth)
    return views, depths


def exact_view(index: int, count: int, cam_from_world: Vec, size_px: int, floor: bool = True) -> tuple[View, DepthMap]:
    """A square view and its exact depth; the colour is (normal + 1) / 2."""
    focal = 1.3 * size_px
    intrinsics = np.array([focal, focal, size_px / 2, size_px / 2])
    R, t = cam_from_world[:, :3], cam_from_world[:, 3]
    centre = -R.T @ t
    ys, xs = np.mgrid[0:size_px, 0:size_px]
    rays = np.stack([(xs + 0.5 - size_px / 2) / focal, (ys + 0.5 - size_px / 2) / focal, np.ones(xs.shape)], -1) @ R
    depth = _sphere_depth(centre, rays)
    normals = centre + np.nan_to_num(depth, posinf=0)[..., None] * rays
    if floor:
        floor_depth = (FLOOR_Z - centre[2]) / np.where(rays[..., 2] < 0, rays[..., 2], -1e-9)
        hit = centre + floor_depth[..., None] * rays
        visible = (floor_depth < depth) & (np.hypot(hit[..., 0], hit[..., 1]) < FLOOR_RADIUS)
        depth = np.where(visible, floor_depth, depth)
        normals = np.where(visible[..., None], (0.0, 0.0, 1.0), normals)
    seen = np.isfinite(depth)
    depth = np.where(seen, depth, 0)
    normals = normals * seen[..., None]
    image = np.clip(255 * (normals + 1) / 2, 0, 255).astype(np.uint8)
    sources = tuple(sorted((j for j in range(count) if j != index), key=lambda j: _steps(index, j, count)))
    view = View(
        f"{index}.jpg",
        index,
        image,
        None,
        intrinsics,
        cam_from_world,
        (1.0, 10.0),
        sources,
        np.ones(len(sources), np.float32),
        np.zeros((0, 2), np.float32),
        np.zeros(0, np.float32),
    )
    return view, DepthMap(
        depth.astype(np.float32), (normals @ R.T).astype(np.float32), np.where(seen, 0.9, 0).astype(np.float32)
    )


def surface_distance(points: NDArray[np.floating]) -> NDArray[np.floating]:
    """Distance [N] of points [N, 3] to the sphere or the floor, whichever is nearer."""
    beyond = np.maximum(np.hypot(points[:, 0], points[:, 1]) - FLOOR_RADIUS, 0)
    floor = np.hypot(beyond, points[:, 2] - FLOOR_Z)
    return np.asarray(np.minimum(np.abs(np.linalg.norm(points, axis=1) - 1), floor))


def _sphere_depth(centre: Vec, rays: Vec) -> Vec:
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - 1
    root = b**2 - a * c
    return np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def _steps(i: int, j: int, count: int) -> int:
    return min((i - j) % count, (j - i) % count)
