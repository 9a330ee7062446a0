"""Exact test views: a textured plane seen by two or three pinhole cameras, rendered by ray casting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.ops.sample.sample_scene import SampleScene, build_sample_scene, sample_poses

WIDTH, HEIGHT = 128, 96
CENTRES = [(0.0, 0.0, 0.0), (0.45, 0.0, 0.0), (-0.4, 0.1, 0.0)]
CAMERA = np.array([120.0, 120.0, WIDTH / 2, HEIGHT / 2])
# The plane n . X = 1 in the first camera's frame: depth about 4, tilted by some 30 degrees.
PLANE = np.array([0.10, 0.06, 0.24])


def pose(centre: tuple[float, float, float]) -> NDArray[np.float64]:
    return np.concatenate([np.eye(3), -np.array(centre)[:, None]], 1)


def rays(width: int = WIDTH, height: int = HEIGHT, camera: NDArray[np.float64] = CAMERA) -> NDArray[np.float64]:
    ys, xs = np.mgrid[0:height, 0:width] + 0.5
    return np.stack([(xs - camera[2]) / camera[0], (ys - camera[3]) / camera[1], np.ones_like(xs)], -1)


def plane_depth(centre: tuple[float, float, float] = (0, 0, 0)) -> NDArray[np.float64]:
    return (1 - PLANE @ np.array(centre)) / (rays() @ PLANE)


def texture(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey in [0, 1] of points [..., 3]: waves of many directions and lengths."""
    rng = np.random.default_rng(5)
    waves = rng.normal(size=(40, 3))
    waves *= rng.uniform(6, 30, (40, 1)) / np.linalg.norm(waves, axis=1, keepdims=True)
    total = np.sin(points @ waves.T + rng.uniform(0, 7, 40)).sum(-1)
    return np.clip(0.5 + 0.06 * total, 0, 1)


def plane_view(index: int, centre: tuple[float, float, float], sources: tuple[int, ...]) -> View:
    return textured_view(index, centre, sources, plane_depth(centre))


def textured_view(
    index: int, centre: tuple[float, float, float], sources: tuple[int, ...], depth: NDArray[np.float64]
) -> View:
    """The view of a textured surface from `centre`; white where the depth is 0."""
    points = rays() * depth[..., None] + np.array(centre)
    grey = np.where(depth > 0, 240 * texture(points), 250)
    image = np.repeat((grey + 0.5).astype(np.uint8)[..., None], 3, 2)
    return View(
        name=f"{index}",
        image_index=index,
        image=image,
        mask=None,
        intrinsics_px=CAMERA,
        cam_from_world=pose(centre),
        depth_range=(2.0, 9.0),
        sources=sources,
        source_scores=np.ones(len(sources), np.float32),
        sparse_px=np.zeros((0, 2), np.float32),
        sparse_depth=np.zeros(0, np.float32),
    )


def sphere_views() -> tuple[list[View], NDArray[np.float64]]:
    """Three views of a sphere before a white background, and the exact depth of the first."""
    middle, radius = np.array([0.0, 0.0, 4.0]), 1.2
    depths = []
    for centre in CENTRES:
        direction, to_middle = rays(), middle - np.array(centre)
        along, square = direction @ to_middle, (direction**2).sum(-1)
        root = along**2 - square * (to_middle @ to_middle - radius**2)
        depths.append(np.where(root > 0, (along - np.sqrt(np.maximum(root, 0))) / square, 0))
    others = [tuple(j for j in range(3) if j != i) for i in range(3)]
    views = [textured_view(i, CENTRES[i], others[i], depths[i]) for i in range(3)]
    return [replace(view, depth_range=(2.5, 4.5)) for view in views], depths[0]


def plate_views() -> tuple[list[View], NDArray[np.float64], NDArray[np.bool_]]:
    """A view and four sources of a plate over a ground, the view's exact depth, and the pixels that show the plate.

    Only the first source contains the plate; what lies on its rays behind it falls into the others' images too.
    """
    centres = [(0.0, 0.0, 0.0), (-0.4, 0.0, 0.0), (1.2, 0.0, 0.0), (0.0, 1.1, 0.0), (1.1, 1.0, 0.0)]
    near, ground = 2.6, 4.0
    left, right = ((column - CAMERA[2]) / CAMERA[0] * near for column in (16, 52))
    top, bottom = ((row - CAMERA[3]) / CAMERA[1] * near for row in (12, 42))
    depths = []
    for centre in centres:
        x, y, _ = np.moveaxis(rays() * near + np.array(centre), -1, 0)
        depths.append(np.where((x >= left) & (x < right) & (y >= top) & (y < bottom), near, ground))
    views = [textured_view(i, c, (1, 2, 3, 4), d) for i, (c, d) in enumerate(zip(centres, depths, strict=True))]
    return views, depths[0], depths[0] == near


def plane_views() -> list[View]:
    return [plane_view(i, c, tuple(j for j in range(3) if j != i)) for i, c in enumerate(CENTRES)]


def sample_views(count: int, width: int, height: int) -> tuple[SampleScene, list[View], list[NDArray[np.float32]]]:
    """Views of the sample scene, all matched with one another, and their exact depths."""
    scene = build_sample_scene(200)
    focal = 0.9 * width
    intrinsics = (focal, focal, width / 2, height / 2)
    views, depths = [], []
    for i, cam_from_world in enumerate(sample_poses(count, span_deg=12.0 * count)):
        rendering = scene.render(intrinsics, cam_from_world, width, height)
        seen = rendering.depth > 0
        order = tuple(sorted((j for j in range(count) if j != i), key=lambda j, i=i: abs(j - i)))
        ys, xs = (np.arange(6, size, 12) for size in (height, width))
        grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
        grid = grid[seen[grid[:, 1], grid[:, 0]]]
        near, far = np.percentile(rendering.depth[seen], [0, 100])
        views.append(
            View(
                name=f"{i}",
                image_index=i,
                image=rendering.image,
                mask=None,
                intrinsics_px=np.array(intrinsics),
                cam_from_world=cam_from_world,
                depth_range=(0.8 * near, 1.3 * far),
                sources=order,
                source_scores=np.ones(len(order), np.float32),
                sparse_px=(grid + 0.5).astype(np.float32),
                sparse_depth=rendering.depth[grid[:, 1], grid[:, 0]],
            )
        )
        depths.append(rendering.depth)
    return scene, views, depths


def facade_views(count: int, width: int, height: int) -> tuple[list[View], NDArray[np.float64]]:
    """Views of a facade before a bright sky, all matched with one another, and the exact depths [N, H, W], 0 = sky.

    The sky is endlessly far: brightest around the sun, with nothing else but rounding and a little noise.
    """
    near, camera = 5.0, np.array([1.1 * width, 1.1 * width, width / 2, height / 2])
    directions = rays(width, height, camera)
    to_sun = directions / np.linalg.norm(directions, axis=-1, keepdims=True) @ (np.array([0.5, -0.4, 1.0]) / 1.187)
    sky = 150 + 100 * np.exp(-(np.arccos(np.clip(to_sun, -1, 1)) ** 2) / 0.3)
    views, depths = [], []
    for i in range(count):
        centre = (0.35 * (i - (count - 1) / 2), 0.05 * (i % 2), 0.0)
        points = directions * near + np.array(centre)
        tower = np.abs(np.abs(points[..., 0]) - 1.2) < 0.35
        depth = np.where(points[..., 1] > np.where(tower, -0.7, 0.1), near, 0)
        noisy = sky + np.random.default_rng(i).normal(0, 0.4, sky.shape)
        grey = np.where(depth > 0, 160 * texture(2 * points), noisy).round().clip(0, 255).astype(np.uint8)
        ys, xs = (np.arange(5, size, 10) for size in (height, width))
        grid = np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2)
        grid = grid[depth[grid[:, 1], grid[:, 0]] > 0]
        others = tuple(sorted((j for j in range(count) if j != i), key=lambda j, i=i: abs(j - i)))
        views.append(
            View(
                name=f"{i}",
                image_index=i,
                image=np.repeat(grey[..., None], 3, 2),
                mask=None,
                intrinsics_px=camera,
                cam_from_world=pose(centre),
                depth_range=(0.8 * near, 1.3 * near),
                sources=others,
                source_scores=np.ones(len(others), np.float32),
                sparse_px=(grid + 0.5).astype(np.float32),
                sparse_depth=np.full(len(grid), near, np.float32),
            )
        )
        depths.append(depth)
    return views, np.array(depths)
