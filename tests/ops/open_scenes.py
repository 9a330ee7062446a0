"""Photographs of things that one sees through, before black, white and sky, with their exact surface and cameras."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import open3d as o3d
import trimesh
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.sample.sample_scene import look_at
from e2e3d.ops.sample.sample_shading import PLINTH, WALL, pinhole_rays, shade

BACKGROUNDS = ("black", "white", "sky")
_SOURCES = 6
_TARGET = np.array([0.0, 0.0, 0.95])
_RADIUS, _SPAN_DEG = 5.0, 150.0


@dataclass(frozen=True)
class OpenScene:
    """An exact surface; `materials` [F] says which palette each face has."""

    mesh: trimesh.Trimesh
    materials: NDArray[np.uint8]
    caster: Any


def temple() -> OpenScene:
    """Two rows of columns on steps, below a slab and a gable."""
    parts = [_box((2.2, 1.3, 0.12), (0, 0, 0.06)), _box((2.0, 1.1, 0.12), (0, 0, 0.18))]
    for x in np.linspace(-0.85, 0.85, 5):
        parts += [_bar((x, y, 0.24), (x, y, 1.35), 0.075) for y in (-0.42, 0.42)]
    parts += [_box((2.0, 1.1, 0.16), (0, 0, 1.43)), *_gable(2.1, 1.2, 1.51, 1.95)]
    return _scene(parts)


def chair() -> OpenScene:
    """Four legs with stretchers, a seat, and a back of slats, on a round foot."""
    parts = [_bar((0, 0, 0), (0, 0, 0.06), 0.85)]
    for x in (-0.4, 0.4):
        parts += [_bar((x, -0.4, 0.06), (x, -0.4, 0.85), 0.045), _bar((x, 0.4, 0.06), (x, 0.4, 1.8), 0.045)]
        parts.append(_bar((x, -0.4, 0.35), (x, 0.4, 0.35), 0.03))
    parts += [_bar((-0.4, y, 0.45), (0.4, y, 0.45), 0.03) for y in (-0.4, 0.4)]
    parts += [_box((0.95, 0.95, 0.07), (0, 0, 0.88)), _box((0.9, 0.07, 0.12), (0, 0.4, 1.75))]
    parts += [_bar((x, 0.4, 0.9), (x, 0.4, 1.72), 0.03) for x in np.linspace(-0.25, 0.25, 4)]
    return _scene(parts)


def branches() -> OpenScene:
    """A bare tree: a trunk that forks five times, on a round foot."""
    rng = np.random.default_rng(11)
    parts = [_bar((0, 0, 0), (0, 0, 0.06), 0.7)]

    def grow(start: NDArray[np.float64], direction: NDArray[np.float64], length: float, radius: float) -> None:
        end = start + length * direction
        parts.append(_bar(start, end, radius))
        if radius > 0.02:
            for _ in range(2):
                turned = direction + 0.75 * rng.normal(size=3) * (0.8, 0.8, 0.45) + (0, 0, 0.12)
                grow(end, turned / np.linalg.norm(turned), 0.8 * length, 0.7 * radius)

    grow(np.array([0, 0, 0.05]), np.array([0, 0, 1.0]), 0.5, 0.09)
    return _scene(parts)


def arcade() -> OpenScene:
    """A wall with three arches over columns, on a step."""
    parts = [_box((2.3, 0.8, 0.14), (0, 0, 0.07))]
    parts += [_bar((x, 0, 0.14), (x, 0, 0.95), 0.09) for x in (-0.99, -0.33, 0.33, 0.99)]
    angles = np.linspace(0, np.pi, 25)
    for middle in (-0.66, 0.0, 0.66):
        inner = np.stack([middle + 0.24 * np.cos(angles), 0.95 + 0.24 * np.sin(angles)], 1)
        for (x0, z0), (x1, z1) in itertools.pairwise(inner):
            corners = [(x, y, z) for x, z in ((x0, z0), (x1, z1), (x0, 1.5), (x1, 1.5)) for y in (-0.13, 0.13)]
            parts.append(trimesh.convex.convex_hull(np.array(corners)))
        parts += [_box((0.09, 0.26, 0.55), (middle + side * 0.285, 0, 1.225)) for side in (-1, 1)]
    parts.append(_box((2.2, 0.34, 0.12), (0, 0, 1.56)))
    return _scene(parts)


SCENES = {"temple": temple, "chair": chair, "branches": branches, "arcade": arcade}


def caster_of(vertices_world: NDArray[np.float32], faces: NDArray[np.int32]) -> Any:
    """What casts rays at a surface."""
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(o3d.core.Tensor(vertices_world), o3d.core.Tensor(faces.astype(np.uint32)))
    return caster


def arc_poses(count: int, offset: float = 0.5, height: float = 0.0) -> list[NDArray[np.float64]]:
    """cam_from_world of cameras along an arc before the thing, at two heights in turn."""
    poses = []
    for i in range(count):
        angle = np.radians(-90 + _SPAN_DEG * ((i + offset) / count - 0.5))
        z = (1.5, 2.3)[i % 2] + height
        poses.append(look_at(np.array([_RADIUS * np.cos(angle), _RADIUS * np.sin(angle), z]), _TARGET))
    return poses


def camera(size_px: int) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of a square view in which the thing fills about three quarters."""
    return (1.75 * size_px, 1.75 * size_px, size_px / 2, size_px / 2)


def photograph(
    scene: OpenScene, pose: NDArray[np.float64], size_px: int, background: str, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """uint8 [S, S, 3] as it comes out of a JPEG file, and the exact depth [S, S], 0 = nothing."""
    fine = 2 * size_px
    rays, depth, rgb = _colours(scene, pose, fine)
    rgb = np.where(depth[..., None] > 0, rgb, _background(rays, background))
    rgb = cv2.resize(rgb.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(seed).normal(0, 1.2, rgb.shape)
    image = np.clip(rgb + noise + 0.5, 0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 94])[1]
    return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]), exact_depth(scene, pose, size_px)


def exact_depth(scene: OpenScene, pose: NDArray[np.float64], size_px: int) -> NDArray[np.float32]:
    """float32 [S, S], 0 = nothing."""
    return depth_of(scene.caster, pose, size_px)


def depth_of(caster: Any, pose: NDArray[np.float64], size_px: int) -> NDArray[np.float32]:
    """Depth float32 [S, S] of the surface that `caster` casts rays at, 0 = nothing."""
    rays = pinhole_rays(camera(size_px), pose, size_px, size_px, (0.5, 0.5))
    hit = caster.cast_rays(o3d.core.Tensor(rays))["t_hit"].numpy()
    return np.asarray(np.where(np.isfinite(hit), hit, 0), np.float32)


def exact_map(scene: OpenScene, pose: NDArray[np.float64], size_px: int) -> DepthMap:
    """The exact depth map of a view."""
    rays = pinhole_rays(camera(size_px), pose, size_px, size_px, (0.5, 0.5))
    answer = {name: tensor.numpy() for name, tensor in scene.caster.cast_rays(o3d.core.Tensor(rays)).items()}
    hit = np.isfinite(answer["t_hit"])
    normals = answer["primitive_normals"]
    normals = normals * -np.sign((normals * rays[..., 3:]).sum(-1, keepdims=True)) * hit[..., None]
    depth = np.where(hit, answer["t_hit"], 0).astype(np.float32)
    return DepthMap(depth, (normals @ pose[:, :3].T).astype(np.float32), np.where(hit, np.float32(0.9), 0))


def points_world(view: View, depth: NDArray[np.float32]) -> NDArray[np.float64]:
    """The points [H, W, 3] that a view sees at `depth` [H, W]."""
    fx, fy, cx, cy = view.intrinsics_px
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]] + 0.5
    points_cam = np.stack([(columns - cx) / fx, (rows - cy) / fy, np.ones_like(rows)], -1) * depth[..., None]
    return np.asarray((points_cam - view.cam_from_world[:, 3]) @ view.cam_from_world[:, :3])


def open_views(scene: OpenScene, poses: list[NDArray[np.float64]], size_px: int, background: str) -> list[View]:
    """Views with their nearest neighbours as sources, and sparse points as mapping would give."""
    rng = np.random.default_rng(1)
    centres = np.array([-pose[:, :3].T @ pose[:, 3] for pose in poses])
    views = []
    for i, pose in enumerate(poses):
        image, depth = photograph(scene, pose, size_px, background, i)
        near = np.argsort(np.linalg.norm(centres - centres[i], axis=1), kind="stable")[1 : _SOURCES + 1]
        rows, columns = np.nonzero(depth)
        some = rng.choice(len(rows), min(150, len(rows)), replace=False)
        sparse = depth[rows[some], columns[some]]
        views.append(
            View(
                name=f"{i:02d}.jpg",
                image_index=i,
                image=image,
                mask=None,
                intrinsics_px=np.array(camera(size_px)),
                cam_from_world=pose,
                depth_range=(float(0.8 * sparse.min()), float(1.25 * sparse.max())),
                sources=tuple(near.tolist()),
                source_scores=np.ones(len(near), np.float32),
                sparse_px=np.stack([columns[some], rows[some]], 1).astype(np.float32) + np.float32(0.5),
                sparse_depth=sparse,
            )
        )
    return views


def covered_background(
    vertices_world: NDArray[np.float32],
    faces: NDArray[np.int32],
    scene: OpenScene,
    pose: NDArray[np.float64],
    size_px: int,
    margin_px: int = 4,
) -> tuple[float, float]:
    """The share of empty pixels that a model covers, and the share of the thing's pixels that it covers.

    Empty are those at least `margin_px` from the thing, in the box around it.
    """
    hit = depth_of(caster_of(vertices_world, faces), pose, size_px) > 0
    thing = exact_depth(scene, pose, size_px) > 0
    empty = cv2.dilate(thing.astype(np.uint8), np.ones((2 * margin_px + 1,) * 2, np.uint8)) == 0
    rows, columns = np.nonzero(thing)
    box = np.zeros_like(thing)
    box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return float(hit[empty & box].mean()), float(hit[thing].mean())


def _colours(
    scene: OpenScene, pose: NDArray[np.float64], size_px: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    rays = pinhole_rays(camera(size_px), pose, size_px, size_px, (0.5, 0.5))
    answer = {name: tensor.numpy() for name, tensor in scene.caster.cast_rays(o3d.core.Tensor(rays)).items()}
    hit = np.isfinite(answer["t_hit"])
    rgb = np.zeros((size_px, size_px, 3), np.float32)
    points = (rays[hit, :3] + answer["t_hit"][hit, None] * rays[hit, 3:]).astype(np.float64)
    normals = answer["primitive_normals"][hit].astype(np.float64)
    normals *= -np.sign((normals * rays[hit, 3:]).sum(1, keepdims=True))
    material = scene.materials[answer["primitive_ids"][hit].astype(np.int64)]
    colours = np.empty((len(points), 3))
    for kind in (WALL, PLINTH):
        of_it = material == kind
        colours[of_it] = shade(points[of_it], normals[of_it], kind)
    rgb[hit] = 230 * colours
    return rays, np.where(hit, answer["t_hit"], 0).astype(np.float32), rgb


def _background(rays: NDArray[np.float32], background: str) -> NDArray[np.float32]:
    if background == "sky":
        up = rays[..., 5] / np.linalg.norm(rays[..., 3:], axis=-1)
        share = np.clip((up + 0.6) / 0.8, 0, 1)[..., None]
        return np.asarray((1 - share) * (226, 234, 242) + share * (112, 158, 214), np.float32)
    return np.full((*rays.shape[:2], 3), {"black": 4, "white": 248}[background], np.float32)


def _scene(parts: list[trimesh.Trimesh]) -> OpenScene:
    mesh = trimesh.util.concatenate(parts)
    materials = np.concatenate([np.full(len(part.faces), PLINTH if i < 1 else WALL) for i, part in enumerate(parts)])
    caster = o3d.t.geometry.RaycastingScene()
    caster.add_triangles(
        o3d.core.Tensor(mesh.vertices.astype(np.float32)), o3d.core.Tensor(mesh.faces.astype(np.uint32))
    )
    return OpenScene(mesh, materials.astype(np.uint8), caster)


def _box(size: tuple[float, float, float], middle: tuple[float, float, float]) -> trimesh.Trimesh:
    return trimesh.creation.box(size, trimesh.transformations.translation_matrix(middle))


def _bar(start: Any, end: Any, radius: float) -> trimesh.Trimesh:
    return trimesh.creation.cylinder(radius, segment=np.array([start, end], float), sections=40)


def _gable(width: float, depth: float, low: float, high: float) -> list[trimesh.Trimesh]:
    corners = [(x, y, low) for x in (-width / 2, width / 2) for y in (-depth / 2, depth / 2)]
    return [trimesh.convex.convex_hull(np.array([*corners, (0, -depth / 2, high), (0, depth / 2, high)]))]
