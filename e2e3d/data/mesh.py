"""Surfaces: the triangle mesh and its textured form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices_world: float32 [V, 3]; `colors` uint8 [V, 3].
        faces: int32 [F, 3], counter-clockwise seen from outside.
    """

    vertices_world: NDArray[np.float32]
    colors: NDArray[np.uint8]
    faces: NDArray[np.int32]

    def __repr__(self) -> str:
        return f"Mesh({len(self.vertices_world):,} vertices, {len(self.faces):,} faces)"


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A mesh with its texture atlas.

    Attributes:
        mesh: the surface; its faces are in the order of the arrays below.
        uv: float32 [F, 3, 2] per face corner, in [0, 1], u to the right and v up from the bottom-left corner of the
            page (as in OBJ; a glTF writer flips v).
        face_page: int32 [F], index into `pages`.
        face_image: int32 [F], index into ``scene.images`` of the photograph each face was taken from, -1 = filled.
        pages: uint8 [H, W, 3] RGB atlas images.
    """

    mesh: Mesh
    uv: NDArray[np.float32]
    face_page: NDArray[np.int32]
    face_image: NDArray[np.int32]
    pages: tuple[NDArray[np.uint8], ...]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{page.shape[1]} x {page.shape[0]}" for page in self.pages)
        return f"TexturedMesh({len(self.mesh.faces):,} faces, pages of {sizes} px)"
