"""The files that viewers stream: which results need them, where they lie, and how they stand on the Earth."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.data.mesh import TexturedMesh
from e2e3d.data.scene import Scene
from e2e3d.outputs.tiling.copc import write_copc
from e2e3d.outputs.tiling.tileset import WriteFile, write_placed, write_tileset

TILES_FOLDER = "tiles"
COPC_NAME = "dense.copc.laz"
LARGE_FACES = 400_000
LARGE_TEXELS = 40_000_000
LARGE_POINTS = 3_000_000
"""From here on levels of detail are written beside the one file (docs/adr/0067); chosen, not measured."""
_UPRIGHT_FRAMES = ("upright", "metric", "georeferenced")


def write_model_tiles(
    write: Callable[[str, bytes], object], textured: TexturedMesh, scene: Scene, wanted: bool | None
) -> None:
    """Write the model as 3D Tiles, where they are wanted.

    Args:
        write: takes the name of a file below the result folder, and its bytes.
        textured: the model.
        scene: the cameras of the result.
        wanted: None = where the model is large.
    """
    texels = sum(page.shape[0] * page.shape[1] for page in textured.pages)
    large = len(textured.mesh.faces) >= LARGE_FACES or texels >= LARGE_TEXELS
    if large if wanted is None else wanted:
        _write_tiles(lambda name, data: write(f"{TILES_FOLDER}/{name}", data), textured, scene)


def write_cloud_copc(
    stream: Callable[[str, Callable[[BinaryIO], None]], object], cloud: PointCloud, wanted: bool | None
) -> None:
    """Write the cloud as COPC, where that is wanted and it has points.

    Args:
        stream: takes the name of a file, and what writes into it.
        cloud: the dense cloud.
        wanted: None = where the cloud is large.
    """
    large = len(cloud.points_world) >= LARGE_POINTS
    if len(cloud.points_world) and (large if wanted is None else wanted):
        stream(COPC_NAME, lambda file: write_copc(file, cloud))


def _write_tiles(write: WriteFile, textured: TexturedMesh, scene: Scene) -> None:
    tileset = write_tileset(write, textured, upright_transform(scene))
    if scene.georeference is not None:
        write_placed(write, tileset, earth_from_local(*scene.georeference.origin))


def upright_transform(scene: Scene) -> NDArray[np.float64] | None:
    """From the frame of the model to that of its tiles, whose z is up, float64 [4, 4]; None where they are the same.

    Where the model's frame says nothing of that, up is where the tops of the photographs point.
    """
    if scene.frame in _UPRIGHT_FRAMES:
        return None
    up = -np.sum([image.cam_from_world[1, :3] for image in scene.images], axis=0)
    length = float(np.linalg.norm(up))
    return None if length < 1e-9 else _turned_up(up / length)


def earth_from_local(latitude_deg: float, longitude_deg: float, height_m: float) -> NDArray[np.float64]:
    """From the east-north-up frame at a point of the WGS84 ellipsoid to Earth-centred coordinates, float64 [4, 4]."""
    import pyproj

    to_earth = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    latitude, longitude = np.radians([latitude_deg, longitude_deg])
    east = [-np.sin(longitude), np.cos(longitude), 0]
    up = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    transform = np.eye(4)
    transform[:3, :3] = np.stack([east, np.cross(up, east), up], 1)
    transform[:3, 3] = to_earth.transform(longitude_deg, latitude_deg, height_m)
    return transform


def _turned_up(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation, float64 [4, 4], that turns the unit vector `up` to z."""
    side = np.cross(up, np.eye(3)[int(np.argmin(np.abs(up)))])
    side /= np.linalg.norm(side)
    transform = np.eye(4)
    transform[:3, :3] = np.stack([side, np.cross(up, side), up])
    return transform
