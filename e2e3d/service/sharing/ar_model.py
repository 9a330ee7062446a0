"""A model for phones that stand it into a room: y up, in metres, over the origin; the file itself stays as it is."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC, _JSON = b"glTF", b"JSON"
_HEADER, _CHUNK = struct.Struct("<4sII"), struct.Struct("<I4s")
TALLEST_M = 1.0
"""Of a model whose size nobody knows."""
_UPRIGHT = ("upright", "metric", "georeferenced")
_METRIC = ("metric", "georeferenced")
_ORIGIN = "model for a room"


def up_of(cameras: dict[str, Any]) -> tuple[float, float, float]:
    """The direction that is up: z where the frame says so, else where the tops of the photographs are.

    Args:
        cameras: what export wrote as ``cameras.json``; empty where there is none.
    """
    images = cameras.get("images", [])
    if cameras.get("frame") in _UPRIGHT or not images:
        return (0.0, 0.0, 1.0)
    total = -np.sum([np.asarray(image["cam_from_world"], float)[1, :3] for image in images], axis=0)
    x, y, z = total / (np.linalg.norm(total) or 1.0)
    return (float(x), float(y), float(z))


def stood_in_room(glb: bytes | memoryview, up: Sequence[float], frame: str | None) -> Iterator[bytes]:
    """A binary glTF (glTF 2.0, section 4) turned to y up, with its lowest point on the ground below the origin.

    Args:
        glb: as export writes it, in the frame of the model.
        up: which direction of that frame is up, of length 1.
        frame: of the model; what is not in metres becomes one metre large.

    Raises:
        ValueError: it is none.
    """
    data = memoryview(glb)
    magic, version, _ = _HEADER.unpack_from(data)
    length, kind = _CHUNK.unpack_from(data, _HEADER.size)
    if (magic, version, kind) != (_MAGIC, 2, _JSON):
        raise ValueError("not a binary glTF")
    begin = _HEADER.size + _CHUNK.size
    document, rest = json.loads(bytes(data[begin : begin + length])), data[begin + length :]
    rotation = _rotation_to_y(np.asarray(up, float))
    points = _positions(document, rest[_CHUNK.size :]) @ _matrix(rotation).T
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 1.0 if frame in _METRIC else TALLEST_M / max(float((high - low).max()), 1e-12)
    place = -scale * np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    scene = document["scenes"][document.get("scene", 0)]
    root = {"name": _ORIGIN, "children": scene["nodes"], "rotation": rotation, "scale": [scale] * 3}
    document["nodes"].append(root | {"translation": place.tolist()})
    scene["nodes"] = [len(document["nodes"]) - 1]
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    yield _HEADER.pack(_MAGIC, 2, begin + len(text) + len(rest)) + _CHUNK.pack(len(text), _JSON) + text
    yield bytes(rest)


def _positions(document: dict[str, Any], binary: memoryview) -> NDArray[np.float64]:
    """All vertices of all meshes, float64 [N, 3]."""
    used = {part["attributes"]["POSITION"] for mesh in document["meshes"] for part in mesh["primitives"]}
    found = []
    for accessor in (document["accessors"][index] for index in sorted(used)):
        view = document["bufferViews"][accessor["bufferView"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        found.append(np.frombuffer(binary, "<f4", 3 * accessor["count"], start).reshape(-1, 3))
    return np.concatenate(found).astype(float)


def _rotation_to_y(up: NDArray[np.float64]) -> list[float]:
    """The shortest rotation of a direction to y, as a quaternion (x, y, z, w)."""
    if up[1] < -1 + 1e-9:
        return [1.0, 0.0, 0.0, 0.0]  # upside down: half a turn about x
    x, _, z = np.cross(up, (0.0, 1.0, 0.0))
    quaternion = np.array([x, 0.0, z, 1 + up[1]])
    return [float(each) for each in quaternion / np.linalg.norm(quaternion)]


def _matrix(quaternion: Sequence[float]) -> NDArray[np.float64]:
    from scipy.spatial.transform import Rotation

    matrix: NDArray[np.float64] = Rotation.from_quat(quaternion).as_matrix()
    return matrix
