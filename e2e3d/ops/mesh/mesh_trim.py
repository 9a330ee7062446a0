"""Decide where a closed surface is supported by data: points near it, free space, holes and islands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from e2e3d.data.dense import DepthMap, View
from e2e3d.ops.fusion.depth_rims import SURE
from e2e3d.ops.fusion.empty_background import empty_background
from e2e3d.ops.mesh.mesh_topology import edge_pairs, face_components, face_edges

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]
Mask = NDArray[np.bool_]

_ENCLOSED = 0.8  # of the rim of a patch that closes a hole
_OPEN = 0.3  # of its area: what views see more of through it is no hole
_SAME_DEPTH = 0.15  # relative difference of depth beyond which the plane of a pixel does not apply
_SAMPLES = 2000  # vertices of a part that distances between parts are measured with


@dataclass(frozen=True)
class VertexVisibility:
    """Visibility of vertices in a view, bool [V] each.

    Attributes:
        through: it sees through the vertex: its depth, or the empty background, lies behind; `surely` without doubt.
        free: it looks at the vertex freely: no depth of its lies before it.
        on: its own surface passes the vertex.
    """

    through: Mask
    surely: Mask
    free: Mask
    on: Mask


def look_at_vertices(
    vertices: Floats, view: View, depth_map: DepthMap, margin: float, near_px: float
) -> VertexVisibility:
    """Visibility of `vertices` [V, 3] in a view with a depth map.

    Its surface at a pixel is the plane of the depth and normal there, since at a flat angle depth changes by more
    within one pixel than surfaces differ. It passes what is within `near_px` footprints of it; what else is before or
    behind the depth by more than `margin`, relative to the depth, is before or behind the surface.
    """
    points_cam = vertices @ view.cam_from_world[:, :3].T.astype(np.float32) + view.cam_from_world[:, 3].astype(
        np.float32
    )
    z = points_cam[:, 2]
    fx, fy, cx, cy = view.intrinsics_px
    safe = np.where(z > 0, z, 1)
    x, y = np.floor(fx * points_cam[:, 0] / safe + cx), np.floor(fy * points_cam[:, 1] / safe + cy)
    height, width = depth_map.depth.shape
    inside = np.flatnonzero((z > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height))
    rows, columns = y[inside].astype(np.int64), x[inside].astype(np.int64)
    depth, z = depth_map.depth[rows, columns], z[inside]
    rays = np.stack([(columns + 0.5 - cx) / fx, (rows + 0.5 - cy) / fy, np.ones(len(rows))], 1).astype(np.float32)
    beside = np.einsum("vc,vc->v", points_cam[inside] - depth[:, None] * rays, depth_map.normal_cam[rows, columns])
    passes = (depth > 0) & (np.abs(beside) * np.float32(np.sqrt(fx * fy)) <= near_px * depth)
    background = empty_background(view.image, depth_map.depth).any[rows, columns]
    through, surely, free, on = np.zeros((4, len(vertices)), np.bool_)
    on[inside] = passes & (np.abs(z - depth) <= _SAME_DEPTH * depth)
    through[inside] = background | ((z < (1 - margin) * depth) & ~on[inside])
    surely[inside] = through[inside] & (background | (depth_map.confidence[rows, columns] >= SURE))
    free[inside] = background | (depth <= 0) | (z < (1 + margin) * depth) | on[inside]
    return VertexVisibility(through, surely, free, on)


def faces_view(vertices: Floats, normals: Floats, view: View) -> Mask:
    """Which vertices [V, 3] turn their outside (`normals` [V, 3]) to a view."""
    centre = -view.cam_from_world[:, :3].T @ view.cam_from_world[:, 3]
    return np.asarray(np.einsum("vc,vc->v", centre.astype(np.float32) - vertices, normals) > 0)


def supported_faces(
    faces: Faces, areas: Floats, supported: Mask, void: Mask, hole_area: NDArray[np.float64], through: Mask
) -> Mask:
    """Which faces [F] to keep.

    Kept are faces between supported vertices, and the patches of other faces that close a hole between them: no larger
    than a hole may be, along most of their rim joined to faces that are kept, and not seen through over much of their
    area. What touches void space is no patch.

    Args:
        faces: int32 [F, 3].
        areas: [F], of the faces.
        supported: [V], vertices near points.
        void: [V], vertices in space seen through.
        hole_area: [V], largest area of a hole to close around each vertex; its mean over a patch counts.
        through: [V], vertices that at least one view sees through, however unsure its depth.
    """
    keep = np.asarray(supported[faces].all(1) & ~void[faces].all(1))
    rest = np.flatnonzero(~keep & ~void[faces].any(1))
    if not len(rest):
        return keep
    parts, labels = face_components(faces[rest])
    part = np.full(len(faces), -1, np.int64)
    part[rest] = labels
    area = np.bincount(labels, areas[rest], parts)
    limit = np.bincount(labels, areas[rest] * hole_area[faces[rest]].min(1), parts) / np.maximum(area, 1e-30)
    open_area = np.bincount(labels, areas[rest] * through[faces[rest]].mean(1), parts)
    joined, rim = _rims(faces, part, keep, parts)
    keep[rest] = ((joined >= _ENCLOSED * rim) & (area <= limit) & (open_area <= _OPEN * area))[labels]
    return keep


def _rims(faces: Faces, part: NDArray[np.int64], keep: Mask, parts: int) -> tuple[Floats, Floats]:
    """Edges [parts] that each part shares with faces to keep, and all edges of its rim; `part` [F] is -1 outside."""
    a, b = edge_pairs(faces)
    count = len(faces)
    paired = np.zeros(3 * count, np.bool_)
    paired[a] = paired[b] = True
    joined, rim = np.zeros(parts), np.zeros(parts)
    for inside, outside in ((a % count, b % count), (b % count, a % count)):
        border = (part[inside] >= 0) & (part[outside] != part[inside])
        rim += np.bincount(part[inside[border]], minlength=parts)
        joined += np.bincount(part[inside[border & keep[outside]]], minlength=parts)
    open_edges = part[np.flatnonzero(~paired) % max(count, 1)]
    rim += np.bincount(open_edges[open_edges >= 0], minlength=parts)
    return joined.astype(np.float32), rim.astype(np.float32)


def large_components(faces: Faces, sizes: Floats, least: float, share: float) -> Mask:
    """Which faces [F] belong to connected parts whose `sizes` [F] add up to `least`, and to a `share` of all sizes."""
    parts, labels = face_components(faces)
    size = np.bincount(labels, sizes, parts)
    return np.asarray((size >= max(least, share * size.sum()))[labels])


def near_components(vertices: Floats, faces: Faces, sizes: Floats, share: float, near: float) -> Mask:
    """Which faces [F] belong to connected parts that are worth the space that they stretch the model over.

    From the largest part on, each is compared with the larger ones that were kept. Within `near` times their diagonal
    it stays; farther off it needs a `share` of all `sizes` [F] that grows with the square of the distance.
    """
    parts, labels = face_components(faces)
    size = np.bincount(labels, sizes, parts)
    keep = np.zeros(parts, np.bool_)
    kept = np.empty((0, 3), np.float32)
    by_part = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels, minlength=parts))[:-1])
    for part in np.argsort(-size, kind="stable"):
        corners = vertices[np.unique(faces[by_part[part]])]
        sample = corners[:: -(-len(corners) // _SAMPLES)]
        if len(kept):
            diagonal = float(np.linalg.norm(np.ptp(kept, axis=0)))
            gap = float(cKDTree(kept).query(sample)[0].min())
            if gap > near * diagonal and size[part] < share * size.sum() * (gap / (near * diagonal)) ** 2:
                continue
        keep[part] = True
        kept = np.concatenate([kept, sample])
    return np.asarray(keep[labels])


def border_edges(faces: Faces) -> int:
    """Number of edges with one face only."""
    _, counts = np.unique(face_edges(faces), return_counts=True)
    return int((counts == 1).sum())
