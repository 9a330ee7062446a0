"""Photometric refinement of a mesh: the surface moves until the views agree on what it shows.

After Vu, Labatut, Pons and Keriven, "High Accuracy and Visibility-Consistent Dense Multiview Stereo" (TPAMI 2012):
windowed correlation between pairs of views through the surface, with a thin-plate term. Theirs smooths the surface;
here it smooths the displacement from the initial surface, so that relief is not smoothed away, and surface without
texture stays smooth. Where they go from coarse to fine images, this starts at the scale of the depth
maps, within a pixel or two of the surface. See :mod:`e2e3d.ops.mesh.photo_residuals` for what else differs. Vertices
move along their normals; the topology stays.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.sparse.linalg import LinearOperator, cg

from e2e3d.data.dense import View
from e2e3d.ops.mesh.mesh_guard import without_folds, without_spikes
from e2e3d.ops.mesh.mesh_topology import face_edges, vertex_normals
from e2e3d.ops.mesh.photo_residuals import Equations, Frame, add_pair, draw_frame

Floats = NDArray[np.float32]
Faces = NDArray[np.int32]

_HELD_FRAMES = 5
_SOLVER_STEPS = 30
_MAX_STEP_PX = 1.0
_MAX_SPIKE = 0.25  # how far a vertex may leave its neighbours, as a share of their distance


@dataclass(frozen=True)
class RefineRules:
    """How a mesh is refined.

    Attributes:
        smoothness: weight of the bending of the displacements, in pixels and whatever the mesh's density, against
            squared residuals.
        reluctance: weight of the squared displacements in pixels: what the views say little about stays in place.
        steps: how many Gauss-Newton steps.
        partners: views that each view is compared with.
    """

    smoothness: float = 30.0
    reluctance: float = 0.1
    steps: int = 2
    partners: int = 3


def refine_vertices(
    vertices: Floats, faces: Faces, load_views: Sequence[Callable[[], View]], rules: RefineRules
) -> Floats:
    """Vertices float32 [V, 3] moved along their normals. Views are loaded a few at a time.

    Args:
        vertices: float32 [V, 3].
        faces: int32 [F, 3].
        load_views: give the views; sources outside of them are left out.
        rules: how to refine.
    """
    laplacian, border = _umbrella(vertices, faces)
    pairs = _pairs(load_views, rules.partners)
    moved = np.zeros(len(vertices))
    start, limits = vertices, _MAX_SPIKE * _spread(vertices, laplacian)
    normals = vertex_normals(vertices, faces)
    normals -= (laplacian @ normals).astype(np.float32)  # of their neighbours' mean: those of a rough patch cross less
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    for _ in range(rules.steps):
        sums = _equations(vertices, faces, load_views, pairs)
        way = without_spikes(moved + _step(vertices, moved, sums, laplacian, border, rules), limits, laplacian)
        vertices = without_folds(start, (way[:, None] * normals).astype(np.float32), faces)
        moved = np.einsum("vc,vc->v", vertices - start, normals).astype(np.float64)
    return vertices


def _pairs(load_views: Sequence[Callable[[], View]], partners: int) -> list[tuple[int, ...]]:
    """Positions of the partners of each view, best first."""
    known = [(view.image_index, view.sources) for view in (load() for load in load_views)]
    position = {image: i for i, (image, _) in enumerate(known)}
    return [tuple(position[s] for s in sources if s in position)[:partners] for _, sources in known]


def _equations(
    vertices: Floats,
    faces: Faces,
    load_views: Sequence[Callable[[], View]],
    pairs: list[tuple[int, ...]],
) -> Equations:
    sums = Equations.zero(len(vertices))
    held: OrderedDict[int, Frame] = OrderedDict()

    def frame(index: int) -> Frame:
        if index not in held:
            view = load_views[index]()
            held[index] = draw_frame(view.image, view.intrinsics_px, view.cam_from_world, view.mask, vertices, faces)
            if len(held) > _HELD_FRAMES:
                held.popitem(last=False)
        held.move_to_end(index)
        return held[index]

    for first, partners in enumerate(pairs):
        for second in partners:
            add_pair(sums, frame(first), frame(second), vertices, faces)
    return sums


def _step(
    vertices: Floats,
    moved: NDArray[np.float64],
    sums: Equations,
    laplacian: csr_array,
    border: NDArray[np.bool_],
    rules: RefineRules,
) -> NDArray[np.float64]:
    """How far [V] to move along the normals: one Gauss-Newton step, solved by conjugate gradients.

    `moved` [V] is how far the vertices have come from where they began: that is what is kept small and smooth.
    """
    seen = sums.weight > 0
    if not seen.any():
        return np.zeros(len(vertices))
    pixel = np.where(seen, sums.pixel_size / np.maximum(sums.weight, 1e-9), 0)
    pixel[~seen] = np.median(pixel[seen])
    spread = np.maximum(_spread(vertices, laplacian), 1e-3 * pixel)
    stiffness = np.where(border, 0, np.sqrt(rules.smoothness) * pixel / spread)
    # In pixels: the displacement is `pixel` times the unknown.
    curvature = sums.curvature * pixel**2
    plate = diags_array(stiffness / pixel) @ laplacian @ diags_array(pixel)
    diagonal = curvature + np.asarray(plate.multiply(plate).sum(0)).ravel() + rules.reluctance
    free = ~border

    def apply(x: NDArray[np.float64]) -> NDArray[np.float64]:
        inner = np.where(free, x, 0)
        return np.where(free, curvature * inner + plate.T @ (plate @ inner) + rules.reluctance * inner, x)

    count = len(vertices)
    before = moved / pixel
    force = np.where(free, sums.gradient * pixel + plate.T @ (plate @ before) + rules.reluctance * before, 0)
    operator = LinearOperator((count, count), matvec=apply, dtype=np.float64)
    inverse = LinearOperator((count, count), matvec=lambda x: x / np.where(free, diagonal, 1), dtype=np.float64)
    move, _ = cg(operator, -force, rtol=1e-3, maxiter=_SOLVER_STEPS, M=inverse)
    return np.asarray(np.clip(move, -_MAX_STEP_PX, _MAX_STEP_PX) * pixel)


def _spread(vertices: Floats, laplacian: csr_array) -> NDArray[np.float64]:
    """Root mean square distance [V] of a vertex to its neighbours."""
    squares = np.einsum("vc,vc->v", vertices, vertices, dtype=np.float64)
    means, mean_squares = vertices - laplacian @ vertices, squares - laplacian @ squares
    spread = np.maximum(squares - 2 * np.einsum("vc,vc->v", vertices, means) + mean_squares, 0)
    return np.asarray(np.sqrt(spread))


def _umbrella(vertices: Floats, faces: Faces) -> tuple[csr_array, NDArray[np.bool_]]:
    """Vertex minus the weighted mean of its neighbours, [V, V], and which vertices [V] lie on an open border.

    Near neighbours count more, by one over the square of the distance: vertices of a sliver move together.
    """
    count = len(vertices)
    keys = np.sort(face_edges(faces))
    first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    uses = np.diff(np.r_[first, len(keys)])
    i, j = keys[first] >> 32, keys[first] & 0xFFFFFFFF
    on_border = np.zeros(count, np.bool_)
    on_border[i[uses != 2]] = on_border[j[uses != 2]] = True
    squares = np.einsum("ec,ec->e", vertices[i] - vertices[j], vertices[i] - vertices[j])
    weight = 1 / np.maximum(squares, 1e-4 * np.median(squares))
    links = coo_array((np.r_[weight, weight], (np.r_[i, j], np.r_[j, i])), (count, count)).tocsr()
    total = links.sum(1)
    return csr_array(diags_array(np.ones(count)) - diags_array(1 / np.where(total > 0, total, 1)) @ links), on_border
