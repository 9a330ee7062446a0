"""Wavefront OBJ with its material library: text that every modelling tool reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh
from e2e3d.ops.formats.corners import unique_uv

_BLOCK = 100_000


def write_obj(file: BinaryIO, textured: TexturedMesh, material_library: str) -> None:
    """Write vertices, texture coordinates and faces grouped by atlas page; page i uses the material ``page_<i>``.

    Args:
        file: where to write.
        textured: the mesh, in the model frame.
        material_library: file name of the material library, beside the OBJ.
    """
    uv, corner_uv = unique_uv(textured)
    file.write(f"# made by E2E3D\nmtllib {material_library}\no model\n".encode())
    _write_lines(file, "v %.9g %.9g %.9g\n", textured.mesh.vertices_world)
    _write_lines(file, "vt %.6f %.6f\n", uv)
    corners = np.stack([textured.mesh.faces + 1, corner_uv + 1], -1).reshape(-1, 6)
    for page in range(len(textured.pages)):
        selected = textured.face_page == page
        if selected.any():
            file.write(f"usemtl page_{page}\n".encode())
            _write_lines(file, "f %d/%d %d/%d %d/%d\n", corners[selected])


def material_library(images: Sequence[str]) -> bytes:
    """The material library for atlas pages in the files `images`: unshaded diffuse textures."""
    lines = ["# made by E2E3D"]
    for page, image in enumerate(images):
        lines += [f"newmtl page_{page}", "Ka 1 1 1", "Kd 1 1 1", "Ks 0 0 0", "illum 1", f"map_Kd {image}", ""]
    return "\n".join(lines).encode()


def _write_lines(file: BinaryIO, template: str, rows: NDArray[np.floating] | NDArray[np.integer]) -> None:
    """Format blocks of rows with one call each: several times faster than a loop over lines."""
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        file.write((template * len(block) % tuple(block.reshape(-1).tolist())).encode("ascii"))
