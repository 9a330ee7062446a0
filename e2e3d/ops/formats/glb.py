"""Binary glTF 2.0 (Khronos): one file with geometry and textures, read by browsers, phones and 3D tools.

Vertices stay in the model frame, so that the poses of the sparse model look at the file without a further transform.
Photographs already hold the light of the scene, therefore the material is unlit (KHR_materials_unlit); viewers that do
not know the extension find smooth normals and a rough, non-metallic surface.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import TexturedMesh
from e2e3d.ops.formats.corners import Primitive, primitives_of, vertex_normals

_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_FLOAT, _UNSIGNED_INT = 5126, 5125
_CLAMP_TO_EDGE, _LINEAR, _LINEAR_MIPMAP_LINEAR = 33071, 9729, 9987


@dataclass
class _Buffer:
    """The binary chunk while it grows, with the views and accessors into it."""

    parts: list[bytes] = field(default_factory=list)
    length: int = 0
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add_view(self, data: bytes, target: int | None = None) -> int:
        """Append bytes, padded to four, and return the index of their view."""
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self.length, "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        padded = data + b"\0" * (-len(data) % 4)
        self.parts.append(padded)
        self.length += len(padded)
        self.views.append(view)
        return len(self.views) - 1

    def add_vectors(self, values: NDArray[np.float32], bounds: bool = False) -> int:
        """Append vertex attributes [V, 2 or 3] and return the index of their accessor."""
        view = self.add_view(np.ascontiguousarray(values, "<f4").tobytes(), _ARRAY_BUFFER)
        accessor: dict[str, Any] = {
            "bufferView": view,
            "componentType": _FLOAT,
            "count": len(values),
            "type": f"VEC{values.shape[1]}",
        }
        if bounds:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_indices(self, faces: NDArray[np.uint32]) -> int:
        """Append triangle indices and return the index of their accessor."""
        view = self.add_view(np.ascontiguousarray(faces, "<u4").tobytes(), _ELEMENT_ARRAY_BUFFER)
        self.accessors.append(
            {"bufferView": view, "componentType": _UNSIGNED_INT, "count": faces.size, "type": "SCALAR"}
        )
        return len(self.accessors) - 1


def write_glb(file: BinaryIO, textured: TexturedMesh, jpegs: Sequence[bytes]) -> None:
    """Write the textured mesh with its atlas pages as embedded JPEGs, one primitive and material a page.

    Args:
        file: where to write.
        textured: the mesh, with at least one face.
        jpegs: the encoded pages, one for each of ``textured.pages``.
    """
    buffer = _Buffer()
    primitives = primitives_of(textured)
    normals = vertex_normals(textured.mesh.vertices_world, textured.mesh.faces)
    meshes = [{"primitives": [_add_primitive(buffer, textured, normals, i, p) for i, p in enumerate(primitives)]}]
    images = [{"bufferView": buffer.add_view(jpegs[p.page]), "mimeType": "image/jpeg"} for p in primitives]
    document = {
        "asset": {"version": "2.0", "generator": "E2E3D"},
        "extensionsUsed": ["KHR_materials_unlit"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "model"}],
        "meshes": meshes,
        "materials": [_material(i, p.page) for i, p in enumerate(primitives)],
        "textures": [{"source": i, "sampler": 0} for i in range(len(images))],
        "samplers": [
            {
                "magFilter": _LINEAR,
                "minFilter": _LINEAR_MIPMAP_LINEAR,
                "wrapS": _CLAMP_TO_EDGE,
                "wrapT": _CLAMP_TO_EDGE,
            }
        ],
        "images": images,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.length}],
    }
    _write_chunks(file, document, buffer)


def _add_primitive(
    buffer: _Buffer, textured: TexturedMesh, normals: NDArray[np.float32], material: int, primitive: Primitive
) -> dict[str, Any]:
    v_down = np.stack([primitive.uv[:, 0], 1 - primitive.uv[:, 1]], 1)
    return {
        "attributes": {
            "POSITION": buffer.add_vectors(textured.mesh.vertices_world[primitive.vertex], bounds=True),
            "NORMAL": buffer.add_vectors(normals[primitive.vertex]),
            "TEXCOORD_0": buffer.add_vectors(v_down),
        },
        "indices": buffer.add_indices(primitive.faces),
        "material": material,
    }


def _material(texture: int, page: int) -> dict[str, Any]:
    return {
        "name": f"page_{page}",
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": texture},
            "metallicFactor": 0.0,
            "roughnessFactor": 1.0,
        },
        "extensions": {"KHR_materials_unlit": {}},
    }


def _write_chunks(file: BinaryIO, document: dict[str, Any], buffer: _Buffer) -> None:
    text = json.dumps(document, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + buffer.length
    file.write(b"glTF" + np.array([2, total, len(text)], "<u4").tobytes() + b"JSON" + text)
    file.write(np.array([buffer.length], "<u4").tobytes() + b"BIN\0")
    for part in buffer.parts:
        file.write(part)
