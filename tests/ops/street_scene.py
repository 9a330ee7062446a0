"""A facade behind level ground, photographed at eye height along it: the ground is seen at 3 to 15 degrees.

Colours are sums of waves over the surfaces, filtered exactly to the pixels that see them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import open3d as o3d
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.fusion.depth_rims import pixels_of
from tests.ops.open_scenes import caster_of

EYE_M, DISTANCE_M, FACADE_M = 1.6, 24.0, 14.0
SPACING_M = 2.5
PITCH_DEG = 6.0  # cameras look up at the facade so much
GROUND, FACADE, SKY = 0, 1, 2
_WAVES = 140
_PIXEL_SIGMA = 0.5  # of the filter, pixels
_SOURCES = 6
_SPARSE_LEAST_DEG = 5.0  # features of ground at flatter angles find no partner


def street_cameras(count: int, width_px: int, height_px: int) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """Intrinsics (fx, fy, cx, cy), and cam_from_world of cameras along the x axis; z is up, y goes to the facade."""
    intrinsics = np.array([0.9 * width_px, 0.9 * width_px, width_px / 2, height_px / 2])
    pitch = np.radians(PITCH_DEG)
    down = np.array([0, np.sin(pitch), -np.cos(pitch)])
    forward = np.array([0, np.cos(pitch), np.sin(pitch)])
    R = np.stack([[1.0, 0, 0], down, forward])
    centres = [np.array([SPACING_M * (i - (count - 1) / 2), 0, EYE_M + 0.1 * (i % 2)]) for i in range(count)]
    return intrinsics, [np.concatenate([R, -(R @ centre)[:, None]], 1) for centre in centres]


def surfaces_seen(
    intrinsics_px: NDArray[np.float64], cam_from_world: NDArray[np.float64], width_px: int, height_px: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Points [H, W, 3], depth [H, W] (0 = sky) and kind [H, W] of what each pixel's centre sees."""
    fx, fy, cx, cy = intrinsics_px
    R, t = cam_from_world[:, :3], cam_from_world[:, 3]
    centre = -R.T @ t
    ys, xs = np.mgrid[:height_px, :width_px] + 0.5
    rays = np.stack([(xs - cx) / fx, (ys - cy) / fy, np.ones_like(xs)], -1) @ R
    to_facade = DISTANCE_M / rays[..., 1]
    to_ground = np.where(rays[..., 2] < 0, -centre[2] / np.minimum(rays[..., 2], -1e-9), np.inf)
    depth = np.minimum(to_facade, to_ground)
    points = centre + depth[..., None] * rays
    kind = np.where(to_ground < to_facade, GROUND, np.where(points[..., 2] < FACADE_M, FACADE, SKY))
    return points, np.where(kind == SKY, 0, depth), kind


def grazing_deg(points_world: NDArray[np.float64], cam_from_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """The angle [...] at which a camera sees the level ground at `points_world` [..., 3]."""
    to_camera = -cam_from_world[:, :3].T @ cam_from_world[:, 3] - points_world
    return np.asarray(np.degrees(np.arcsin(to_camera[..., 2] / np.linalg.norm(to_camera, axis=-1))))


def street_views(count: int, width_px: int, height_px: int, changing: bool = False) -> list[View]:
    """Views with their neighbours as sources, and sparse points as mapping would give.

    `changing`: the ground looks different in every photograph right of x = 0, as moving water does.
    """
    intrinsics, poses = street_cameras(count, width_px, height_px)
    views = []
    for i, pose in enumerate(poses):
        rng = np.random.default_rng(i)
        points, depth, kind = surfaces_seen(intrinsics, pose, width_px, height_px)
        grey = np.full(depth.shape, 235.0)
        axes = {FACADE: (0, 2), GROUND: (0, 1)}
        for surface, plane in axes.items():
            here = kind == surface
            grey[here] = _pattern(points[..., plane], here, 40 if surface == FACADE else 28, seed=surface)
        if changing:
            water = (kind == GROUND) & (points[..., 0] > 0)
            grey[water] = _pattern(points[..., :2], water, 28, seed=100 + i)
        grey += rng.normal(0, 1.2, grey.shape)
        others = tuple(sorted((j for j in range(count) if j != i), key=lambda j: abs(j - i))[:_SOURCES])
        sparse_px = _sparse(rng, points, kind, pose, points[..., 0] > 0 if changing else None)
        sparse_depth = depth[sparse_px[:, 1], sparse_px[:, 0]]
        views.append(
            View(
                name=f"{i:02d}.jpg",
                image_index=i,
                image=np.repeat((grey + 0.5).clip(0, 255).astype(np.uint8)[..., None], 3, 2),
                mask=None,
                intrinsics_px=intrinsics,
                cam_from_world=pose,
                depth_range=(float(0.5 * sparse_depth.min()), float(1.5 * sparse_depth.max())),
                sources=others,
                source_scores=np.ones(len(others), np.float32),
                sparse_px=(sparse_px + 0.5).astype(np.float32),
                sparse_depth=(sparse_depth * (1 + 0.002 * rng.normal(size=len(sparse_px)))).astype(np.float32),
            )
        )
    return views


def exact_street_maps(count: int, width_px: int, height_px: int) -> list[DepthMap]:
    """The exact depth maps of :func:`street_views`."""
    intrinsics, poses = street_cameras(count, width_px, height_px)
    maps = []
    for pose in poses:
        _, depth, kind = surfaces_seen(intrinsics, pose, width_px, height_px)
        normals = np.where((kind == GROUND)[..., None], (0, 0, 1.0), (0, -1.0, 0)) * (kind != SKY)[..., None]
        confidence = np.where(kind != SKY, np.float32(0.9), np.float32(0))
        maps.append(DepthMap(depth.astype(np.float32), (normals @ pose[:, :3].T).astype(np.float32), confidence))
    return maps


def ground_places(views: list[View], least_deg: float = 4.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places [N, 3] of the ground that three views see at `least_deg` or more, and the finest footprint there [N]."""
    xs, ys = np.meshgrid(np.arange(-12, 12, 0.15), np.arange(3, DISTANCE_M, 0.15))
    places = np.stack([xs.ravel(), ys.ravel(), np.zeros(xs.size)], 1)
    seen, nearest = np.zeros(len(places), np.int64), np.full(len(places), np.inf)
    for view in views:
        inside, _, _, depth = pixels_of(places, view.image.shape, view.intrinsics_px, view.cam_from_world)
        seen[inside] += grazing_deg(places[inside], view.cam_from_world) >= least_deg
        nearest[inside] = np.minimum(nearest[inside], depth)
    kept = seen >= 3
    return places[kept], nearest[kept] / views[0].intrinsics_px[0]


def heights_at(vertices_world: NDArray[np.float32], faces: NDArray[np.int32], places: NDArray[np.float64]) -> Any:
    """Height [N] of the lowest surface above -1 m at the `places` [N, 3], infinite where there is none."""
    rays = np.concatenate([places - (0, 0, 1.0), np.tile((0, 0, 1.0), (len(places), 1))], 1).astype(np.float32)
    return caster_of(vertices_world, faces).cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy() - 1


def _sparse(rng, points, kind, pose, left_out):  # type: ignore[no-untyped-def]
    """Columns and rows int64 [N, 2] of pixels with a sparse point: many of the facade, few of the near ground."""
    chosen = []
    near = grazing_deg(points, pose) >= _SPARSE_LEAST_DEG
    for surface, wanted, count in ((FACADE, kind == FACADE, 150), (GROUND, (kind == GROUND) & near, 40)):
        if surface == GROUND and left_out is not None:
            wanted &= ~left_out
        rows, columns = np.nonzero(wanted)
        some = rng.choice(len(rows), count, replace=False)
        chosen.append(np.stack([columns[some], rows[some]], 1))
    return np.concatenate(chosen)


def _pattern(plane: NDArray[np.float64], here: NDArray[np.bool_], contrast: float, seed: int) -> NDArray[np.float64]:
    """Grey levels [K] of the pixels `here` [H, W] that see the places `plane` [H, W, 2], metres."""
    rng = np.random.default_rng(1000 + seed)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, _WAVES))
    length_m = np.geomspace(0.02, 6, _WAVES)
    waves = 2 * np.pi / length_m[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    by_row, by_column = np.gradient(plane, axis=(0, 1))
    total = np.zeros(here.sum())
    for (kx, ky), start in zip(waves, phase, strict=True):
        along = by_column[here] @ (kx, ky), by_row[here] @ (kx, ky)
        damping = np.exp(-0.5 * _PIXEL_SIGMA**2 * (along[0] ** 2 + along[1] ** 2))
        total += damping * np.sin(plane[here] @ (kx, ky) + start)
    return np.asarray(120 + contrast * total * np.sqrt(2 / _WAVES))
