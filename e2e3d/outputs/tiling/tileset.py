"""3D Tiles 1.1 (OGC 22-025r4) of a textured mesh: a tree of GLB tiles, coarse ones replaced by finer ones.

What a tile says of its error is an upper bound in units of the model: no point of the surface is farther from the tile.
A coarser texture is an error, too, hence a texel counts as several times its size, and flat walls come into focus.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh
from e2e3d.ops.formats.glb import write_glb
from e2e3d.ops.formats.pictures import encode_jpeg
from e2e3d.outputs.tiling.deviation import deviation_bound
from e2e3d.outputs.tiling.reduction import joined, reduced
from e2e3d.outputs.tiling.tile_texture import cut_out, painted_anew
from e2e3d.outputs.tiling.tile_tree import LEAF_FACES, LEAF_TEXELS, TileNode, texel_areas, tile_tree

TEXEL_ERROR = 8.0
"""A texel's size counts this many times as error: at the usual 16 pixels of error, a texel covers at most two."""
_QUALITY = 88
_CONTENTS = "tree"  # after the tileset, when paths are sorted

WriteFile = Callable[[str, bytes], object]


@dataclass(frozen=True, eq=False)
class _Tile:
    """A tile that has been written, with what its parent is made from.

    Attributes:
        entry: its object in the tileset.
        textured: its surface.
        low, high: float64 [3], bounds of it and all below it.
        error: in units of the model; 0 at the finest level.
        texels_per_unit: how fine its texture is.
    """

    entry: dict[str, Any]
    textured: TexturedMesh
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    error: float
    texels_per_unit: float


def write_tileset(
    write: WriteFile,
    textured: TexturedMesh,
    transform: NDArray[np.float64] | None = None,
    leaf_faces: int = LEAF_FACES,
    leaf_texels: int = LEAF_TEXELS,
) -> dict[str, Any]:
    """Write ``tileset.json`` and a GLB for every tile; returns what the former says.

    Args:
        write: takes a name and the bytes of the file.
        textured: the surface, in a frame whose z axis is up once `transform` has been applied.
        transform: float64 [4, 4], from the frame of the surface to that of the tileset; None = the same.
        leaf_faces: about how many faces a tile of the finest level has at most.
        leaf_texels: and how many texels.

    Raises:
        SettingsError: ``too-large-to-tile``.
    """
    root = _write_tile(write, textured, tile_tree(textured, leaf_faces, leaf_texels))
    document = _document(root.entry, max(float(np.linalg.norm(root.high - root.low)), root.error), transform)
    document["extras"] = {"faces": len(textured.mesh.faces)}
    write("tileset.json", _json(document))
    return document


def write_placed(write: WriteFile, tileset: dict[str, Any], transform: NDArray[np.float64]) -> None:
    """Write ``georeferenced.json``: the same tiles on the Earth, of which ``tileset.json`` does not say where they are.

    Args:
        write: takes a name and the bytes of the file.
        tileset: what :func:`write_tileset` has returned.
        transform: float64 [4, 4], from the frame of the tileset to Earth-centred coordinates (EPSG:4978).
    """
    root = {key: tileset["root"][key] for key in ("boundingVolume", "geometricError")}
    root["content"] = {"uri": "tileset.json"}
    write("georeferenced.json", _json(_document(root, tileset["geometricError"], transform)))


def _document(root: dict[str, Any], error: float, transform: NDArray[np.float64] | None) -> dict[str, Any]:
    placed = {} if transform is None else {"transform": transform.T.reshape(-1).tolist()}  # column after column
    return {
        "asset": {"version": "1.1", "generator": "E2E3D"},
        "geometricError": error,
        "root": {"refine": "REPLACE", **placed, **root},
    }


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode() + b"\n"


def _write_tile(write: WriteFile, whole: TexturedMesh, node: TileNode) -> _Tile:
    """Write a tile after those below it."""
    children = [_write_tile(write, whole, child) for child in node.children]
    if children:
        textured, error, density = _coarser(whole, node, children)
    else:
        textured, error = cut_out(whole, node.faces), 0.0
        density = _texels_per_unit(textured)
    vertices = textured.mesh.vertices_world.astype(np.float64)
    low = np.min([vertices.min(0), *(child.low for child in children)], axis=0)
    high = np.max([vertices.max(0), *(child.high for child in children)], axis=0)
    uri = f"{_CONTENTS}/{node.name}.glb"
    write(uri, _glb(textured))
    entry: dict[str, Any] = {
        "boundingVolume": {"box": _box(low, high)},
        "geometricError": error,
        "content": {"uri": uri},
    }
    if children:
        entry["children"] = [child.entry for child in children]
    return _Tile(entry, textured, low, high, error, density)


def _coarser(whole: TexturedMesh, node: TileNode, children: list[_Tile]) -> tuple[TexturedMesh, float, float]:
    """The surface of a tile from those below it, its error, and how fine its texture is."""
    parts = [child.textured for child in children]
    merged = joined([part.mesh for part in parts])
    mesh = reduced(merged, len(merged.faces) // 4)
    finest = max(child.texels_per_unit for child in children)
    textured, density = painted_anew(mesh, parts, finest / 2)
    faces = whole.mesh.faces[node.faces]
    least = max(TEXEL_ERROR / density, *(child.error for child in children))
    error = deviation_bound(whole.mesh.vertices_world, faces, mesh.vertices_world, mesh.faces, least)
    return textured, error, density


def _texels_per_unit(textured: TexturedMesh) -> float:
    corners = textured.mesh.vertices_world.astype(np.float64)[textured.mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = 0.5 * float(np.linalg.norm(normals, axis=1).sum())
    return float((texel_areas(textured).sum() / max(area, 1e-300)) ** 0.5) or 1.0


def _glb(textured: TexturedMesh) -> bytes:
    """GLB with y up, as glTF has it; those who read tiles turn it back."""
    x, y, z = textured.mesh.vertices_world.T
    mesh = Mesh(np.stack([x, z, -y], 1), textured.mesh.colors, textured.mesh.faces)
    upright = TexturedMesh(mesh, textured.uv, textured.face_page, textured.face_image, textured.pages)
    file = io.BytesIO()
    write_glb(file, upright, [encode_jpeg(textured.pages[0], _QUALITY)])
    return file.getvalue()


def _box(low: NDArray[np.float64], high: NDArray[np.float64]) -> list[float]:
    """Centre and half axes; a flat side is given a little depth, which some readers need."""
    half = np.maximum(0.5 * (high - low), 1e-6 * max(1e-6, float((high - low).max())))
    return [*(0.5 * (low + high)).tolist(), *np.diag(half).reshape(-1).tolist()]
