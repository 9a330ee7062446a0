"""Textures a mesh from posed photographs: the steps, in order. Each is decoded twice; three are held at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.errors import ReconstructionError
from e2e3d.ops.row_kernels import over_rows
from e2e3d.ops.texturing.adjacency import connected_parts, face_adjacency, opposite_slots
from e2e3d.ops.texturing.atlas import Atlas, PosedPhoto, Surface, chart_rows, lay_out, paint_rows
from e2e3d.ops.texturing.camera import CX, CY, project, project_points
from e2e3d.ops.texturing.candidates import Candidates, keep_consistent, offer_view
from e2e3d.ops.texturing.consensus import consistent_candidates
from e2e3d.ops.texturing.exposure import estimate_exposure, sampled_faces
from e2e3d.ops.texturing.falloff import lenses, remove_falloff, squared_radii, without_falloff
from e2e3d.ops.texturing.fill import diffuse_colours, face_colour_means, fill_background, paint_unseen
from e2e3d.ops.texturing.levelling import add_offsets, chart_nodes, level_seams
from e2e3d.ops.texturing.packing import pack_charts
from e2e3d.ops.texturing.seams import fade_strip, find_seams, paint_strip, seam_strip
from e2e3d.ops.texturing.view_selection import select_views
from e2e3d.ops.texturing.visibility import score_view
from e2e3d.runtime.threads import in_order

_RATED_TOGETHER = 2

LoadPhoto = Callable[[int], tuple[NDArray[np.uint8], NDArray[np.bool_] | None]]


@dataclass(frozen=True)
class _Charts:
    """`chart` int32 [F] of each face (-1 = unseen), `view` int32 [C] of each chart."""

    chart: NDArray[np.int32]
    view: NDArray[np.int32]


def texture_mesh(
    mesh: Mesh,
    cameras: NDArray[np.float64],
    load_photo: LoadPhoto,
    atlas_size_px: int,
    max_pages: int = 1,
    even_exposure: bool = True,
) -> TexturedMesh:
    """Texture `mesh` from photographs.

    Args:
        mesh: the surface, at least one face.
        cameras: float64 [N, 26] of :func:`~e2e3d.ops.texturing.camera.camera_vector`.
        load_photo: gives image uint8 [H, W, 3] and mask bool [H, W] or None of photograph i; called twice for each,
            by several threads.
        atlas_size_px: side of the largest page.
        max_pages: how many pages may be used.
        even_exposure: whether to estimate a gain for each photograph and the falloff of each lens.

    Raises:
        ReconstructionError: if the mesh has no faces.
    """
    if len(mesh.faces) == 0:
        raise ReconstructionError("empty-mesh", "The mesh to texture has no faces.", "Check the dense cloud and mesh.")
    vertices, faces = np.array(mesh.vertices_world, np.float32), np.array(mesh.faces, np.int32)
    candidates, sizes_px = collect_candidates(vertices, faces, cameras, load_photo)
    gain = np.ones((len(cameras), 3))
    if even_exposure:
        gain, load_photo = _compensate_exposure(candidates, vertices, faces, cameras, sizes_px, load_photo)
    neighbours = face_adjacency(faces)
    slots = opposite_slots(neighbours, faces)
    candidates = keep_consistent(candidates, consistent_candidates(candidates, gain, neighbours, slots), neighbours)
    label = select_views(candidates, neighbours, slots)
    chart, chart_count = connected_parts(neighbours, label)
    charts = _Charts(chart, _views_of_charts(chart, label, chart_count))
    face_px = np.zeros((len(faces), 3, 2), np.float32)
    _project_corners(faces, vertices, cameras, label, face_px)
    layout = pack_charts(face_px, chart, chart_count, atlas_size_px, max_pages)
    atlas = lay_out(face_px, chart, layout)
    seams = find_seams(neighbours, slots, chart)
    surface = Surface(vertices, faces)
    pages = _paint(surface, cameras, load_photo, candidates, label, charts, atlas, seams, gain, layout.scale)
    _fill(pages, atlas, mesh, faces, candidates, label, gain)
    size = layout.size_px
    uv = atlas.corner_px / np.float32(size)
    uv[..., 1] = 1 - uv[..., 1]
    return TexturedMesh(mesh, uv, atlas.page, label, tuple(pages))


def collect_candidates(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], cameras: NDArray[np.float64], load_photo: LoadPhoto
) -> tuple[Candidates, NDArray[np.int64]]:
    """Rate every face in every photograph, two photographs at a time; also their widths and heights int64 [N, 2].

    A face that shows the sky in a third of its photographs reaches over the outline, whatever the others show there.
    """
    candidates = Candidates.empty(len(faces), len(cameras))
    seen, background = np.zeros(len(faces), np.int32), np.zeros(len(faces), np.int32)
    sizes_px = np.zeros((len(cameras), 2), np.int64)

    def rated(view: int) -> tuple[tuple[int, ...], NDArray[np.float32], NDArray[np.uint8]]:
        image, mask = load_photo(view)
        projected = project_points(cameras[view], vertices)
        return image.shape[1::-1], *score_view(cameras[view], image, mask, vertices, faces, projected)

    for view, (size_px, quality, colour) in enumerate(in_order(rated, range(len(cameras)), _RATED_TOGETHER)):
        sizes_px[view] = size_px
        seen += quality > 0
        background += quality < 0
        offer_view(candidates, view, quality, colour)
    beyond = (background > 0) & (2 * background >= seen)
    candidates.view[beyond] = -1
    candidates.quality[beyond] = 0
    return candidates, sizes_px


def _compensate_exposure(
    candidates: Candidates,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    cameras: NDArray[np.float64],
    sizes_px: NDArray[np.int64],
    load_photo: LoadPhoto,
) -> tuple[NDArray[np.float64], LoadPhoto]:
    """Gains [N, 3], and how to load photographs without their falloff, which is removed from the candidates."""
    chosen = sampled_faces(len(faces))
    lens = lenses(cameras, sizes_px)
    radius = squared_radii(vertices, faces, chosen, cameras, sizes_px, candidates.view)
    gain, falloff = estimate_exposure(candidates, chosen, radius, lens)
    if not falloff.any():
        return gain, load_photo
    remove_falloff(
        candidates, squared_radii(vertices, faces, np.arange(len(faces)), cameras, sizes_px, candidates.view), falloff
    )

    def load_compensated(view: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
        image, mask = load_photo(view)
        return (
            without_falloff(image, cameras[view, CX : CY + 1], falloff[view]) if falloff[view].any() else image
        ), mask

    return gain, load_compensated


def _views_of_charts(chart: NDArray[np.int32], label: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    view = np.zeros(count, np.int32)
    view[chart[chart >= 0]] = label[chart >= 0]
    return view


@over_rows
def _project_corners(first, end, faces, vertices, cameras, label, out):  # type: ignore[no-untyped-def]
    """Corners float32 [F, 3, 2] of each face in its photograph, pixels, into `out`."""
    for f in range(first, end):
        if label[f] < 0:
            continue
        for k in range(3):
            v = faces[f, k]
            x, y, _ = project(cameras[label[f]], vertices[v, 0], vertices[v, 1], vertices[v, 2])
            out[f, k, 0], out[f, k, 1] = x, y


def _paint(
    surface: Surface,
    cameras: NDArray[np.float64],
    load_photo: LoadPhoto,
    candidates: Candidates,
    label: NDArray[np.int32],
    charts: _Charts,
    atlas: Atlas,
    seams: NDArray[np.int32],
    gain: NDArray[np.float64],
    scale: float,
) -> NDArray[np.uint8]:
    """Paint all charts, level their seams, fade across them; uint8 [P, S, S, 3]."""
    pages = np.zeros((*atlas.owner.shape, 3), np.uint8)
    runs, start = chart_rows(atlas, len(charts.view))
    strip = seam_strip(atlas, seams, label, candidates)
    used = np.unique(charts.view).tolist()
    for view, (image, _) in zip(used, in_order(load_photo, used, ahead=1), strict=True):
        own = [runs[start[c] : start[c + 1]] for c in np.flatnonzero(charts.view == view)]
        photo = PosedPhoto(image, cameras[view], gain[view])
        paint_rows(np.concatenate(own), pages, atlas, surface, photo, scale)
        part = slice(*np.searchsorted(strip.view, [view, view + 1]))
        paint_strip(strip.texel[part], strip.colour[part], atlas, surface, photo, scale)
    corner_node, node_count = chart_nodes(surface.faces, atlas.chart)
    offset = level_seams(atlas, pages, seams, corner_node, node_count)
    add_offsets(pages, atlas, corner_node, offset)
    fade_strip(pages, strip, seams, corner_node, offset)
    return pages


def _fill(
    pages: NDArray[np.uint8],
    atlas: Atlas,
    mesh: Mesh,
    faces: NDArray[np.int32],
    candidates: Candidates,
    label: NDArray[np.int32],
    gain: NDArray[np.float64],
) -> None:
    """Paint the faces that nobody saw, and the background, in place."""
    unseen = label < 0
    if unseen.any():
        slot = (candidates.view == label[:, None]).argmax(1)
        colour = candidates.colour[np.arange(len(faces)), slot] * gain[np.maximum(label, 0)].astype(np.float32)
        colour[unseen] = -1
        known = face_colour_means(len(mesh.vertices_world), faces, np.minimum(colour, 255))
        paint_unseen(pages, atlas, faces, diffuse_colours(faces, mesh.colors, known, unseen))
    for page, owner in zip(pages, atlas.owner, strict=True):
        fill_background(page, owner >= 0)
