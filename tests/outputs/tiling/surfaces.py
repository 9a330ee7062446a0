"""Surfaces of which the tiles are tested, and tiles read back from their files."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.mesh import Mesh, TexturedMesh


def torus(around: int = 120, across: int = 60, page_px: int = 512) -> TexturedMesh:
    """A closed ring whose texture is red along the ring and green around it, with a seam either way."""
    first, second = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    big, small = 2 * np.pi * first / around, 2 * np.pi * second / across
    reach = 2 + 0.7 * np.cos(small)
    vertices = np.stack([reach * np.cos(big), reach * np.sin(big), 0.7 * np.sin(small)], 2).reshape(-1, 3)
    corner = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    at = np.stack([first, second], 2)[:, :, None] + corner  # [A, C, 4, 2]
    index = (at[..., 0] % around) * across + at[..., 1] % across
    uv = 0.02 + 0.96 * at / [around, across]
    faces = np.concatenate([index[..., [0, 1, 2]], index[..., [0, 2, 3]]], 2).reshape(-1, 3)
    corners = np.concatenate([uv[..., [0, 1, 2], :], uv[..., [0, 2, 3], :]], 2).reshape(-1, 3, 2)
    place = (np.arange(page_px) + 0.5) / page_px
    page = np.zeros((page_px, page_px, 3), np.uint8)
    page[..., 0], page[..., 1], page[..., 2] = 40 + 170 * place, 40 + 170 * place[::-1, None], 128
    count = len(faces)
    return TexturedMesh(
        Mesh(vertices.astype(np.float32), np.zeros((len(vertices), 3), np.uint8), faces.astype(np.int32)),
        corners.astype(np.float32),
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        (page,),
    )


def ribbon(length: int = 90, width: int = 60) -> TexturedMesh:
    """An open wavy sheet, which has a border."""
    y, x = np.meshgrid(np.linspace(0, 2, width), np.linspace(0, 3, length))
    vertices = np.stack([x, y, 0.2 * np.sin(4 * x) * np.cos(3 * y)], 2).reshape(-1, 3).astype(np.float32)
    index = np.arange(length * width).reshape(length, width)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    uv = np.stack([0.05 + 0.3 * x, 0.05 + 0.45 * y], 2).reshape(-1, 2).astype(np.float32)[faces]
    page = np.random.default_rng(2).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    count = len(faces)
    zeros = np.zeros(count, np.int32)
    return TexturedMesh(Mesh(vertices, np.zeros((len(vertices), 3), np.uint8), faces), uv, zeros, zeros, (page,))


@dataclass(frozen=True, eq=False)
class Tile:
    """A tile as a viewer sees it: its entry, its triangles [F, 3, 3] in the frame of the tileset, its texture."""

    entry: dict[str, Any]
    triangles: NDArray[np.float32]
    uv: NDArray[np.float32]
    page: NDArray[np.uint8]
    children: tuple[Tile, ...]

    def walk(self) -> Iterator[Tile]:
        yield self
        for child in self.children:
            yield from child.walk()

    def leaves(self) -> list[Tile]:
        return [tile for tile in self.walk() if not tile.children]


def read_tiles(files: dict[str, bytes]) -> Tile:
    return _tile(json.loads(files["tileset.json"])["root"], files)


def _tile(entry: dict[str, Any], files: dict[str, bytes]) -> Tile:
    triangles, uv, page = read_glb(files[entry["content"]["uri"]])
    return Tile(entry, triangles, uv, page, tuple(_tile(child, files) for child in entry.get("children", ())))


def read_glb(data: bytes) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Triangles with z up, texture coordinates [F, 3, 2] with v down, and the picture."""
    length = struct.unpack_from("<I", data, 12)[0]
    document, binary = json.loads(data[20 : 20 + length]), data[28 + length :]

    def view(index: int) -> bytes:
        of = document["bufferViews"][index]
        return binary[of["byteOffset"] : of["byteOffset"] + of["byteLength"]]

    def values(index: int, dtype: str, width: int) -> NDArray[Any]:
        accessor = document["accessors"][index]
        return np.frombuffer(view(accessor["bufferView"]), dtype).reshape(-1, width)

    (primitive,) = document["meshes"][0]["primitives"]
    x, y, z = values(primitive["attributes"]["POSITION"], "<f4", 3).T
    indices = values(primitive["indices"], "<u4", 3)
    uv = values(primitive["attributes"]["TEXCOORD_0"], "<f4", 2)
    picture = np.frombuffer(view(document["images"][0]["bufferView"]), np.uint8)
    page = cv2.cvtColor(cv2.imdecode(picture, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return np.stack([x, -z, y], 1)[indices], uv[indices], np.asarray(page, np.uint8)


def border(triangles: NDArray[np.float32]) -> set[bytes]:
    """Edges that one triangle has alone, by the bits of their ends."""
    keys: dict[bytes, int] = {}
    file = io.BytesIO((triangles + np.float32(0)).tobytes()).getvalue()
    for start in range(0, len(file), 36):
        corners = [file[start + 12 * k : start + 12 * k + 12] for k in range(3)]
        for k in range(3):
            key = b"".join(sorted((corners[k], corners[(k + 1) % 3])))
            keys[key] = keys.get(key, 0) + 1
    return {key for key, count in keys.items() if count == 1}
