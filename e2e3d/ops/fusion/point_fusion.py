"""Fusion of depth maps into one oriented, coloured point cloud by soft evidence over views.

Every pixel of a reference view is compared with its neighbours, one neighbour at a time. A neighbour whose surface
lies within the tolerances adds evidence, in proportion to its confidence and to how well it agrees, and moves the
point along the reference ray by its weighted share; a neighbour that sees through the point takes evidence away.
Tolerances follow the fusion of COLMAP (Schoenberger et al., ECCV 2016: relative depth, reprojection error, normal
angle); the soft form follows ACMP's confidence-weighted consistency (Xu and Tao, AAAI 2020).

The number of points follows from the finest footprint, not from the number of views: a pixel is emitted only if few
agreeing neighbours (`density` - 1 at most, more at flat angles) see the surface with a finer footprint. That rule looks
at one pixel and its neighbours only, so it needs no order and no marks, and blocks of views can be fused apart with the
same result.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.fusion import FusionConfig
from e2e3d.data.dense import PointCloud
from e2e3d.errors import ReconstructionError
from e2e3d.ops.fusion.fusion_view import FattenedDepth, FusionView, rays_cam, read_only
from e2e3d.ops.numba_jit import njit

MAX_NEIGHBOURS = 63  # the agreeing neighbours of a pixel are bits of one int64
_ROWS_PER_TASK = 32
_STEEPEST = np.float32(0.08)  # change of depth from pixel to pixel up to which so much difference is allowed
_LONG = np.float32(2.5)  # a pixel so many times longer than wide on its surface leaves gaps
_ROWS_TOGETHER = 128  # of a view whose points are made at once
# Log-odds that a point is within two pixels' footprints of the surface: a constant, and a unit of evidence. Fitted by
# benchmarks/calibrate.py on renderings with a known surface.
_LOG_ODDS = (-0.42, 0.6)


class _Sums(NamedTuple):
    """What the neighbours of a reference view add up to, per pixel."""

    scalars: NDArray[np.float32]  # [H, W, 3]: evidence, weight, weighted relative depth change
    vectors: NDArray[np.float32]  # [H, W, 6]: weighted normal in the reference camera, weighted colour
    agreeing: NDArray[np.int64]  # [H, W]: bit k = neighbour k agrees
    finer: NDArray[np.uint8]  # [H, W]: how many agreeing neighbours see the surface finer


class _ViewArrays(NamedTuple):
    """A view as the kernel takes it: `intrinsics_px` float32 [4], the others as in :class:`FusionView`.

    Scalars are kept in arrays here: with fast math, the compiler may round them differently as arguments.
    """

    intrinsics_px: NDArray[np.float32]
    depth: NDArray[np.float32]
    normal: NDArray[np.float32]
    area: NDArray[np.float32]
    confidence: NDArray[np.float32]
    image: NDArray[np.uint8]


class _Pair(NamedTuple):
    """How a neighbour is compared.

    Attributes:
        slot: its bit in ``_Sums.agreeing``.
        wins_ties: whether it sees the surface finer when both see it the same.
        pose: float32 [3, 4], other_from_reference.
        limits: float32 [3], relative depth difference, reprojection error in pixels, cosine between normals.
    """

    slot: int
    wins_ties: bool
    pose: NDArray[np.float32]
    limits: NDArray[np.float32]


def fuse_view(
    reference: FusionView, neighbours: Iterable[FusionView], rules: FusionConfig, threads: int = 1
) -> PointCloud:
    """Fuse the points that `reference` is among the best to see, checked against at most `MAX_NEIGHBOURS` neighbours.

    Neighbours are asked for one after another, and looked at once.

    Returns:
        The points in the order of the reference's pixels; `view_indices` are into ``scene.images``.
    """
    height, width = reference.depth.shape
    sums = _Sums(
        np.zeros((height, width, 3), np.float32),
        np.zeros((height, width, 6), np.float32),
        np.zeros((height, width), np.int64),
        np.zeros((height, width), np.uint8),
    )
    fattened = FattenedDepth(reference)
    indices = [reference.view.image_index]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for slot, neighbour in enumerate(neighbours):
            assert slot < MAX_NEIGHBOURS, f"more neighbours than the {MAX_NEIGHBOURS} that fit"
            _add_neighbour(reference, neighbour, slot, rules, sums, pool)
            fattened.add_view(neighbour)
            indices.append(neighbour.view.image_index)
    return _emit(reference, fattened.found(), np.array(indices, np.int32), rules, sums)


def merge_clouds(clouds: Sequence[PointCloud]) -> PointCloud:
    """Join clouds, in order, into one. Blocks share no points, because each point belongs to one pixel of one view.

    They are asked for twice, one after another, so that memory holds one beside the result if they are loaded then.

    Raises:
        ReconstructionError: `no-dense-points` if all clouds are empty.
    """
    counts = [(len(cloud.points_world), len(cloud.view_indices)) for cloud in clouds]
    points, observations = (sum(column) for column in zip(*counts, strict=True)) if counts else (0, 0)
    if not points:
        raise ReconstructionError(
            "no-dense-points",
            "The depth maps of the photographs agree nowhere, so there is no surface to build.",
            "Take photographs that overlap by two thirds, of a surface with visible detail, from different places.",
        )
    merged = _new_cloud(points, observations)
    first, seen = 0, 0
    for cloud, (count, views) in zip(clouds, counts, strict=True):
        for name in _BY_POINT:
            getattr(merged, name)[first : first + count] = getattr(cloud, name)
        merged.view_offsets[first : first + count] = cloud.view_offsets[:-1] + seen
        merged.view_indices[seen : seen + views] = cloud.view_indices
        first, seen = first + count, seen + views
    merged.view_offsets[-1] = seen
    return merged


def concatenate_clouds(clouds: Sequence[PointCloud]) -> PointCloud:
    """Like :func:`merge_clouds`, but an empty result is allowed."""
    return merge_clouds(clouds) if any(len(cloud.points_world) for cloud in clouds) else empty_cloud()


_BY_POINT = ("points_world", "normals_world", "colors", "confidence", "view_count", "footprint")


def _new_cloud(points: int, observations: int) -> PointCloud:
    """A cloud of that size, not filled yet."""
    return PointCloud(
        points_world=np.empty((points, 3), np.float32),
        normals_world=np.empty((points, 3), np.float32),
        colors=np.empty((points, 3), np.uint8),
        confidence=np.empty(points, np.float32),
        view_count=np.empty(points, np.uint16),
        footprint=np.empty(points, np.float32),
        view_offsets=np.zeros(points + 1, np.int64),
        view_indices=np.empty(observations, np.int32),
    )


def empty_cloud() -> PointCloud:
    """A cloud without points."""
    return _new_cloud(0, 0)


def _add_neighbour(
    reference: FusionView, neighbour: FusionView, slot: int, rules: FusionConfig, sums: _Sums, pool: ThreadPoolExecutor
) -> None:
    other_from_ref = relative_pose(reference.view.cam_from_world, neighbour.view.cam_from_world).astype(np.float32)
    limits = np.array(
        [rules.max_depth_difference, rules.max_reprojection_px, np.cos(np.radians(rules.max_normal_deg))], np.float32
    )
    wins_ties = neighbour.view.image_index < reference.view.image_index
    pair = _Pair(slot, wins_ties, other_from_ref, limits)
    arrays, other_arrays = _view_arrays(reference), _view_arrays(neighbour)

    def rows(first: int) -> None:
        last = min(first + _ROWS_PER_TASK, len(reference.depth))
        _accumulate_rows(first, last, pair, arrays, other_arrays, sums)

    list(pool.map(rows, range(0, len(reference.depth), _ROWS_PER_TASK)))


def _view_arrays(view: FusionView) -> _ViewArrays:
    return _ViewArrays(
        view.view.intrinsics_px.astype(np.float32),
        view.depth,
        view.normal_cam,
        view.pixel_area,
        view.confidence,
        read_only(view.view.image),
    )


@njit(cache=True, nogil=True, fastmath=True)
def _accumulate_rows(first, last, pair, ref, other, sums):  # type: ignore[no-untyped-def]
    """Compare rows [first, last) of the reference with one neighbour and add to `sums`."""
    slot, wins_ties, pose, limits = pair
    depth, normal, area, ref_k, other_k = ref.depth, ref.normal, ref.area, ref.intrinsics_px, other.intrinsics_px
    other_depth, other_normal, other_area, other_confidence = other.depth, other.normal, other.area, other.confidence
    image = other.image
    scalars, vectors, agreeing, finer_views = sums
    bit = np.int64(1) << np.int64(slot)
    for y in range(first, last):
        for x in range(depth.shape[1]):
            d = depth[y, x]
            if d <= 0:
                continue
            rx, ry = (x + np.float32(0.5) - ref_k[2]) / ref_k[0], (y + np.float32(0.5) - ref_k[3]) / ref_k[1]
            agreement, change, qx, qy = _compare(
                d, rx, ry, normal[y, x], (ref_k, other_k), pose, limits, (other_depth, other_normal)
            )
            if agreement == 0:
                continue
            confidence = other_confidence[qy, qx]
            if agreement < 0:
                scalars[y, x, 0] -= np.float32(0.5) * confidence
                continue
            scalars[y, x, 0] += agreement * confidence
            finer = min(area[y, x] / other_area[qy, qx], np.float32(4))
            weight = agreement * confidence * finer
            scalars[y, x, 1] += weight
            scalars[y, x, 2] += weight * change
            for c in range(3):
                turned = (
                    pose[0, c] * other_normal[qy, qx, 0]
                    + pose[1, c] * other_normal[qy, qx, 1]
                    + pose[2, c] * other_normal[qy, qx, 2]
                )
                vectors[y, x, c] += weight * turned
                vectors[y, x, 3 + c] += weight * image[qy, qx, c]
            agreeing[y, x] |= bit
            if other_area[qy, qx] < area[y, x] or (wins_ties and other_area[qy, qx] == area[y, x]):
                finer_views[y, x] += 1


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _compare(d, rx, ry, normal, cameras, pose, limits, other):  # type: ignore[no-untyped-def]
    """Compare one point with a neighbour.

    Returns (agreement, change, qx, qy): agreement in (0, 1], 0 = no statement, -1 = the neighbour sees through the
    point; change = relative depth change on the reference ray that meets the neighbour's surface; its pixel.
    """
    none = (np.float32(0), np.float32(0), 0, 0)
    other_depth, other_normal = other
    ref_k, other_k = cameras
    px, py, pz = d * rx, d * ry, d
    ox = pose[0, 0] * px + pose[0, 1] * py + pose[0, 2] * pz + pose[0, 3]
    oy = pose[1, 0] * px + pose[1, 1] * py + pose[1, 2] * pz + pose[1, 3]
    oz = pose[2, 0] * px + pose[2, 1] * py + pose[2, 2] * pz + pose[2, 3]
    if oz <= 0:
        return none
    u, v = other_k[0] * ox / oz + other_k[2], other_k[1] * oy / oz + other_k[3]
    if not (0 <= u < other_depth.shape[1] and 0 <= v < other_depth.shape[0]):
        return none
    qx, qy = int(u), int(v)
    seen = other_depth[qy, qx]
    if seen <= 0:
        return none
    own_change = _change_a_pixel(normal, rx, ry, ref_k)
    there = other_normal[qy, qx]
    mx, my = (qx + np.float32(0.5) - other_k[2]) / other_k[0], (qy + np.float32(0.5) - other_k[3]) / other_k[1]
    allowed = max(limits[0], min(own_change, _change_a_pixel(there, mx, my, other_k), _STEEPEST))
    steep = allowed > limits[0]
    if steep:
        seen *= (there[0] * mx + there[1] * my + there[2]) / (there[0] * ox / oz + there[1] * oy / oz + there[2])
    gap = (seen - oz) / oz
    if gap > 3 * allowed:
        return np.float32(-1), np.float32(0), qx, qy
    if abs(gap) > 2 * allowed:
        return none
    if not steep:
        seen = _bilinear_depth(other_depth, u - np.float32(0.5), v - np.float32(0.5), seen, 2 * limits[0])
    scale = seen / oz
    sx, sy, sz = scale * ox - pose[0, 3], scale * oy - pose[1, 3], scale * oz - pose[2, 3]
    bx = pose[0, 0] * sx + pose[1, 0] * sy + pose[2, 0] * sz
    by = pose[0, 1] * sx + pose[1, 1] * sy + pose[2, 1] * sz
    bz = pose[0, 2] * sx + pose[1, 2] * sy + pose[2, 2] * sz
    if bz <= 0:
        return none
    shift_x, shift_y = ref_k[0] * (bx / bz - rx), ref_k[1] * (by / bz - ry)
    gap = (bz - d) / d
    error = (gap / allowed) ** 2 + (shift_x**2 + shift_y**2) / limits[1] ** 2
    if error >= 1:
        return none
    if _cosine_between(normal, there, pose) < limits[2]:
        return none
    along = normal[0] * rx + normal[1] * ry + normal[2]
    change = gap
    if steep or along < np.float32(-0.2):
        offset = normal[0] * (bx - px) + normal[1] * (by - py) + normal[2] * (bz - pz)
        change = max(-allowed, min(allowed, offset / (along * d)))
    return (1 - error) ** 2, change, qx, qy


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _cosine_between(normal, other_normal, pose):  # type: ignore[no-untyped-def]
    """Cosine between a normal and one in the camera of the other view."""
    nx, ny, nz = other_normal[0], other_normal[1], other_normal[2]
    return (
        normal[0] * (pose[0, 0] * nx + pose[1, 0] * ny + pose[2, 0] * nz)
        + normal[1] * (pose[0, 1] * nx + pose[1, 1] * ny + pose[2, 1] * nz)
        + normal[2] * (pose[0, 2] * nx + pose[1, 2] * ny + pose[2, 2] * nz)
    )


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _change_a_pixel(normal, rx, ry, k):  # type: ignore[no-untyped-def]
    """By which share the depth of a surface changes from one pixel to the next, at most."""
    along = abs(normal[0] * rx + normal[1] * ry + normal[2])
    return np.sqrt((normal[0] / k[0]) ** 2 + (normal[1] / k[1]) ** 2) / max(along, np.float32(1e-3))


@njit(cache=True, nogil=True, fastmath=True, inline="always")
def _bilinear_depth(depth, x, y, nearest, limit):  # type: ignore[no-untyped-def]
    """Depth at array position (x, y), or `nearest` where the four pixels around do not form one surface."""
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    if x0 < 0 or y0 < 0 or x0 + 1 >= depth.shape[1] or y0 + 1 >= depth.shape[0]:
        return nearest
    a, b, c, d = depth[y0, x0], depth[y0, x0 + 1], depth[y0 + 1, x0], depth[y0 + 1, x0 + 1]
    if min(min(a, b), min(c, d)) <= 0 or max(max(a, b), max(c, d)) - min(min(a, b), min(c, d)) > limit * nearest:
        return nearest
    fx, fy = x - x0, y - y0
    return (a * (1 - fx) + b * fx) * (1 - fy) + (c * (1 - fx) + d * fx) * fy


def _emit(
    reference: FusionView, fattened: NDArray[np.bool_], indices: NDArray[np.int32], rules: FusionConfig, sums: _Sums
) -> PointCloud:
    """The points of the reference, some rows at a time, since a point needs far more memory than a pixel.

    `fattened` [H, W] are left out; `indices` are of the reference and its neighbours, into ``scene.images``.
    """
    edges = [*range(0, len(fattened), _ROWS_TOGETHER), len(fattened)]
    rows = (slice(*pair) for pair in itertools.pairwise(edges))
    return concatenate_clouds([_emit_rows(reference, fattened, indices, rules, sums, part) for part in rows])


def _emit_rows(
    reference: FusionView,
    fattened: NDArray[np.bool_],
    indices: NDArray[np.int32],
    rules: FusionConfig,
    sums: _Sums,
    rows: slice,
) -> PointCloud:
    """As :func:`_emit`, of some rows."""
    view, own_depth, scalars = reference.view, reference.depth[rows], sums.scalars[rows]
    evidence = reference.confidence[rows] + scalars[..., 0]
    count = 1 + np.bitwise_count(sums.agreeing[rows])
    keep = (
        (own_depth > 0)
        & ~fattened[rows]
        & (sums.finer[rows] < _views_to_emit(reference, rules.density, rows))
        & (evidence >= rules.min_evidence)
        & (count >= rules.min_views)
    )
    own_weight = reference.confidence[rows][keep]
    total = own_weight + scalars[keep, 1]
    depth = own_depth[keep] * (1 + scalars[keep, 2] / total)
    R, t = view.cam_from_world[:, :3], view.cam_from_world[:, 3]
    points = (rays_cam(view, rows)[keep] * depth[:, None].astype(np.float64) - t) @ R
    normals = (own_weight[:, None] * reference.normal_cam[rows][keep] + sums.vectors[rows][keep, :3]) @ R
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    colors = (own_weight[:, None] * view.image[rows][keep] + sums.vectors[rows][keep, 3:]) / total[:, None]
    slots = (sums.agreeing[rows][keep, None] >> np.arange(len(indices) - 1)) & 1
    agreeing = np.concatenate([np.ones((len(slots), 1), np.bool_), slots > 0], 1)
    return PointCloud(
        points_world=points.astype(np.float32),
        normals_world=normals.astype(np.float32),
        colors=np.clip(colors + 0.5, 0, 255).astype(np.uint8),
        confidence=point_confidence(evidence[keep]),
        view_count=count[keep].astype(np.uint16),
        footprint=(depth / np.float32(np.sqrt(view.intrinsics_px[0] * view.intrinsics_px[1]))).astype(np.float32),
        view_offsets=np.concatenate([[0], np.cumsum(agreeing.sum(1))]).astype(np.int64),
        view_indices=indices[np.nonzero(agreeing)[1]],
    )


def _views_to_emit(reference: FusionView, density: int, rows: slice) -> NDArray[np.float32]:
    """How many of the finest views [rows, W] emit their pixels: more where these are long, so that no gap is left."""
    fx, fy = reference.view.intrinsics_px[:2]
    depth = np.maximum(reference.depth[rows], np.float32(1e-12))
    long = reference.pixel_area[rows] * np.float32(fx * fy) / depth**2
    return np.asarray(density * np.maximum(1, long / _LONG), np.float32)


def point_confidence(evidence: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 [N] in [0, 1]: probability that a point with this evidence lies within two footprints of the surface."""
    constant, of_evidence = _LOG_ODDS
    return np.asarray(1 / (1 + np.exp(-(constant + of_evidence * evidence))), np.float32)


def relative_pose(first_from_world: NDArray[np.float64], second_from_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """second_from_first [3, 4] of two rigid poses [3, 4]."""
    R = second_from_world[:, :3] @ first_from_world[:, :3].T
    return np.concatenate([R, (second_from_world[:, 3] - R @ first_from_world[:, 3])[:, None]], 1)
