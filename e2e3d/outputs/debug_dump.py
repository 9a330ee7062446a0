"""What mesh and texture decided, as pictures: for whoever asks why a surface has a hole, or a seam runs where it does.

What texture decided is in its result. What mesh decided is not: the surface is laid and judged once more, from the
stored cloud, which takes about half as long as the mesh did.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.config.mesh import MeshConfig
from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.data.run_results import Results
from e2e3d.ops.evaluation.rendering import Renderer
from e2e3d.ops.evaluation.surface import surface_samples
from e2e3d.ops.formats.pictures import encode_png
from e2e3d.ops.mesh.mesh_topology import face_components
from e2e3d.ops.mesh.meshing import SurfaceDecision, decide_surface
from e2e3d.ops.sfm.viewpoints import Viewpoint, four_sides
from e2e3d.ops.texturing.adjacency import connected_parts, face_adjacency
from e2e3d.stages.mesh import MeshInputs, load_observations
from e2e3d.storage.atomic_files import write_bytes

Colours = NDArray[np.uint8]  # [F, 3] RGB, one for each face

_SIDE_PX = (960, 720)
_SAMPLES = 20_000
_BACKDROP, _INSIDE = (30, 32, 36), (70, 60, 80)
_KEPT, _ISLAND, _UNSUPPORTED, _VOID = (120, 190, 130), (245, 160, 60), (235, 215, 90), (205, 70, 70)
_PARTLY, _SUPPORTED = (150, 180, 215), (85, 130, 200)
_UNSEEN, _SEAM = (20, 20, 20), (255, 40, 40)
_GOLDEN = 0.618034  # neighbouring numbers get hues far apart


def write_decisions(folder: Path, results: Results, rules: MeshConfig, threads: int) -> tuple[Path, ...]:
    """Write the pictures, PNG each; returns their paths.

    ``mesh-support``: the surface as it was laid, vertices near points blue, those in space seen through red, others
    yellow. ``mesh-kept``: kept faces green, islands that were dropped orange, faces without support yellow, void red.
    ``mesh-components``: a colour for each connected part of what was kept. ``texture-photographs``: a colour for each
    photograph that faces are painted from, black where none sees them. ``texture-charts``: a colour for each chart.
    ``texture-atlas-1`` …: the pages of the atlas, with seams between charts in red.

    Raises:
        MachineError: when `folder` cannot be written.
    """
    textured = results.textured.load()
    sides = four_sides(results.mapping.scene, surface_samples(textured.mesh, _SAMPLES))
    observations = load_observations(MeshInputs(results.cloud, results.views, results.depths))
    decision = decide_surface(results.cloud.load(), observations, rules, threads)
    pictures = {**_mesh_pictures(decision, sides), **_texture_pictures(textured, sides)}
    written = []
    for name, image in pictures.items():
        written.append(folder / f"{name}.png")
        write_bytes(written[-1], encode_png(image))
    return tuple(written)


def _mesh_pictures(decision: SurfaceDecision, sides: Sequence[Viewpoint]) -> dict[str, NDArray[np.uint8]]:
    vertices, faces = decision.vertices_world, decision.faces
    laid = _Painter(Mesh(vertices, np.zeros(vertices.shape, np.uint8), faces), sides)
    kept = decision.kept_surface()
    left = _Painter(Mesh(kept[0], np.zeros(kept[0].shape, np.uint8), kept[1]), sides)
    return {
        "mesh-support": laid.paint(support_colours(decision)),
        "mesh-kept": laid.paint(kept_colours(decision)),
        "mesh-components": left.paint(_palette(face_components(kept[1])[1])),
    }


def support_colours(decision: SurfaceDecision) -> Colours:
    """Of each face by its vertices: blue near points, paler where only some are, red in void space, yellow else."""
    supported, void = decision.supported[decision.faces], decision.void[decision.faces]
    colours = _filled(_UNSUPPORTED, len(decision.faces))
    colours[supported.any(1)] = _PARTLY
    colours[supported.all(1)] = _SUPPORTED
    colours[void.any(1)] = _VOID
    return colours


def kept_colours(decision: SurfaceDecision) -> Colours:
    """Of each face by what became of it: green kept, orange dropped as an island, red void, yellow without support."""
    colours = _filled(_UNSUPPORTED, len(decision.faces))
    colours[decision.void[decision.faces].any(1)] = _VOID
    colours[decision.backed] = _ISLAND
    colours[decision.kept] = _KEPT
    return colours


def _texture_pictures(textured: TexturedMesh, sides: Sequence[Viewpoint]) -> dict[str, NDArray[np.uint8]]:
    painter = _Painter(textured.mesh, sides)
    neighbours = face_adjacency(textured.mesh.faces)
    chart, _ = connected_parts(neighbours, textured.face_image)
    pictures = {
        "texture-photographs": painter.paint(_palette(textured.face_image)),
        "texture-charts": painter.paint(_palette(chart)),
    }
    for number, page in enumerate(textured.pages):
        pictures[f"texture-atlas-{number + 1}"] = _draw_seams(page, textured.uv[_on_page(textured, number, chart)])
    return pictures


def seam_edges(neighbours: NDArray[np.int32], chart: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which edges [F, 3] of faces lie between two charts; edge k runs from corner k to the next."""
    across = np.where(neighbours >= 0, chart[neighbours], chart[:, None])
    return np.asarray((across != chart[:, None]) & (chart[:, None] >= 0) & (across >= 0))


def _on_page(
    textured: TexturedMesh, page: int, chart: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces [E, 2] and corners [E, 2] of the ends of the seams on a page, for indexing of ``uv``."""
    seams = seam_edges(face_adjacency(textured.mesh.faces), chart) & (textured.face_page == page)[:, None]
    face, slot = np.nonzero(seams)
    return np.stack([face, face], 1), np.stack([slot, (slot + 1) % 3], 1)


def _draw_seams(page: NDArray[np.uint8], ends_uv: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The page with lines between the ends [E, 2, 2] of seams."""
    height, width = page.shape[:2]
    ends_px = np.round(np.stack([ends_uv[..., 0] * width, (1 - ends_uv[..., 1]) * height], -1)).astype(np.int32)
    image = page.copy()
    cv2.polylines(image, list(ends_px), False, _SEAM, 2)
    return image


class _Painter:
    """Paints the faces of one mesh, seen from four sides."""

    def __init__(self, mesh: Mesh, sides: Sequence[Viewpoint]) -> None:
        count = len(mesh.faces)
        bare = TexturedMesh(mesh, np.zeros((count, 3, 2), np.float32), np.full(count, -1), np.full(count, -1), ())
        renderer, (width, height) = Renderer(bare), _SIDE_PX
        self._sides = []
        for side in sides:
            focal = height / 2 / np.tan(np.radians(side.field_of_view_deg / 2))
            intrinsics_px = (focal, focal, width / 2, height / 2)
            seen = renderer.pinhole(intrinsics_px, side.cam_from_world, width, height)
            self._sides.append((seen.face, seen.front, _shade(mesh, side.cam_from_world)))

    def paint(self, colours: Colours) -> NDArray[np.uint8]:
        """Four pictures in one, two a row; `colours` [F, 3] of the faces."""
        images = []
        for face, front, shade in self._sides:
            image = np.where(front[..., None], colours[face] * shade[face][..., None], _INSIDE)
            images.append(np.where(face[..., None] >= 0, image, _BACKDROP).astype(np.uint8))
        return _two_a_row(images)


def _shade(mesh: Mesh, cam_from_world: NDArray[np.float64]) -> NDArray[np.float32]:
    """How bright each face [F] is in the light of the camera, from 0.45 to 1."""
    a, b, c = mesh.vertices_world[mesh.faces].swapaxes(0, 1)
    normals = np.cross(b - a, c - a)
    centre = -cam_from_world[:, :3].T @ cam_from_world[:, 3]
    towards = centre - a
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(towards, axis=1)
    facing = np.abs(np.einsum("fc,fc->f", normals, towards)) / np.maximum(lengths, 1e-30)
    return np.asarray(0.45 + 0.55 * facing, np.float32)


def _two_a_row(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate([np.concatenate(images[i : i + 2], 1) for i in range(0, len(images), 2)])


def _filled(colour: tuple[int, int, int], count: int) -> Colours:
    return np.tile(np.array(colour, np.uint8), (count, 1))


def _palette(number: NDArray[np.int32]) -> Colours:
    """A colour for each number [F], neighbouring numbers far apart; black for -1."""
    hue = np.floor((number * _GOLDEN) % 1 * 180).astype(np.uint8)
    value = np.where(number % 2 == 0, 235, 175).astype(np.uint8)
    hsv = np.stack([hue, np.full_like(hue, 150), value], 1)
    colours = cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0]
    colours[number < 0] = _UNSEEN
    return np.asarray(colours, np.uint8)
