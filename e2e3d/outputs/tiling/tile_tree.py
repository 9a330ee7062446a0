"""Which faces lie in which tile: a tree of four children a node, halved at medians so that all tiles carry alike.

A face belongs to one tile whole, and is never cut, so the finest level is the surface itself, without gap or overlap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh
from e2e3d.errors import SettingsError

LEAF_FACES = 50_000
LEAF_TEXELS = 2_500_000  # fill a texture of 2048 x 2048 to 60 %, with room for the gaps between charts
_MAX_LEVELS = 9


@dataclass(frozen=True, eq=False)
class TileNode:
    """A part of the surface.

    Attributes:
        name: ``r`` for the root, one digit more for each level below.
        faces: int64 [F], indices of its faces in the mesh.
        children: four parts that together are this one; none for a tile of the finest level.
    """

    name: str
    faces: NDArray[np.int64]
    children: tuple[TileNode, ...] = ()


def texel_areas(textured: TexturedMesh) -> NDArray[np.float64]:
    """How many texels each face covers, float64 [F]."""
    u, v = textured.uv.astype(np.float64).transpose(2, 0, 1)
    doubled = (u[:, 1] - u[:, 0]) * (v[:, 2] - v[:, 0]) - (u[:, 2] - u[:, 0]) * (v[:, 1] - v[:, 0])
    sizes = np.array([page.shape[0] * page.shape[1] for page in textured.pages], np.float64)
    return np.asarray(0.5 * np.abs(doubled) * sizes[textured.face_page], np.float64)


def tile_tree(textured: TexturedMesh, leaf_faces: int = LEAF_FACES, leaf_texels: int = LEAF_TEXELS) -> TileNode:
    """Split a surface until no tile is much heavier than a leaf may be.

    Args:
        textured: the surface, with at least one face.
        leaf_faces: about how many faces a tile of the finest level has at most.
        leaf_texels: and how many texels.

    Raises:
        SettingsError: ``too-large-to-tile`` when the surface would need too many levels.
    """
    weight = 1.0 / leaf_faces + texel_areas(textured) / leaf_texels
    levels = max(0, math.ceil(math.log(max(1.0, weight.sum()), 4) - 1e-9))
    if levels > _MAX_LEVELS:
        raise SettingsError(
            "too-large-to-tile",
            f"A surface of {len(weight):,} faces needs {levels} levels of tiles; {_MAX_LEVELS} are possible.",
            "Ask for fewer faces (mesh.max_faces).",
        )
    centres = textured.mesh.vertices_world[textured.mesh.faces].mean(1)
    return _node("r", np.arange(len(weight)), levels, centres, weight)


def _node(
    name: str, faces: NDArray[np.int64], levels: int, centres: NDArray[np.float32], weight: NDArray[np.float64]
) -> TileNode:
    if levels == 0 or len(faces) < 4:
        return TileNode(name, faces)
    quarters = [part for half in _halves(faces, centres, weight) for part in _halves(half, centres, weight)]
    children = (_node(f"{name}{i}", part, levels - 1, centres, weight) for i, part in enumerate(quarters))
    return TileNode(name, faces, tuple(children))


def _halves(
    faces: NDArray[np.int64], centres: NDArray[np.float32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two parts of about equal weight on either side of a plane across the longest axis; neither is empty."""
    own = centres[faces]
    axis = int(np.argmax(np.ptp(own, axis=0)))
    order = np.argsort(own[:, axis], kind="stable")
    total = np.cumsum(weight[faces[order]])
    cut = int(np.clip(np.searchsorted(total, total[-1] / 2), 1, len(faces) - 1))
    return np.sort(faces[order[:cut]]), np.sort(faces[order[cut:]])
