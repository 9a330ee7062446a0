"""``cameras.json``: the calibrated cameras for programs that do not read COLMAP models.

Schema::

    {"convention": "...", "frame": "upright",
     "georeference": {"origin_wgs84": [lat, lon, h], "epsg": 32633, ...} or null,
     "cameras": [{"camera_id", "model", "width_px", "height_px", "params"}],
     "images": [{"name", "camera_id", "cam_from_world": 3x4 rows, "center_world": [x, y, z],
                 "wgs84": {"latitude_deg", "longitude_deg", "height_m"} or null,
                 "projected_m": [easting, northing, height] or null}]}
"""

from __future__ import annotations

from typing import Any

import numpy as np

from e2e3d.data.scene import Georeference, Scene
from e2e3d.ops.geo.geodesy import projected_from_local, wgs84_from_local

CONVENTION = (
    "x_cam = cam_from_world @ [x_world, 1]; OpenCV axes (x right, y down, z forward); camera models and parameters are "
    "COLMAP's, in pixels of the EXIF-oriented photograph, the centre of the top-left pixel at (0.5, 0.5)"
)


def cameras_document(scene: Scene) -> dict[str, Any]:
    """The document described above, of plain JSON values."""
    poses = np.array([image.cam_from_world for image in scene.images]).reshape(-1, 3, 4)
    centers = -np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3])
    earth = _earth_positions(centers, scene.georeference)
    return {
        "convention": CONVENTION,
        "frame": scene.frame,
        "georeference": georeference_document(scene.georeference),
        "cameras": [
            {
                "camera_id": camera.camera_id,
                "model": camera.model,
                "width_px": camera.width_px,
                "height_px": camera.height_px,
                "params": list(camera.params),
            }
            for camera in scene.cameras
        ],
        "images": [
            {
                "name": image.name,
                "camera_id": image.camera_id,
                "cam_from_world": image.cam_from_world.tolist(),
                "center_world": center.tolist(),
                **position,
            }
            for image, center, position in zip(scene.images, centers, earth, strict=True)
        ],
    }


def georeference_document(georeference: Georeference | None) -> dict[str, Any] | None:
    """The georeference as plain JSON values."""
    if georeference is None:
        return None
    return {
        "origin_wgs84": list(georeference.origin),
        "epsg": georeference.epsg,
        "origin_projected_m": list(georeference.origin_projected_m),
        "rms_error_m": georeference.rms_error_m,
        "horizontal_error_m": georeference.horizontal_error_m,
        "vertical_error_m": georeference.vertical_error_m,
        "scale_error": georeference.scale_error,
        "scale_bound": georeference.scale_bound,
        "level_source": georeference.level_source,
        "heights_known": georeference.heights_known,
    }


def _earth_positions(centers: Any, georeference: Georeference | None) -> list[dict[str, Any]]:
    if georeference is None:
        return [{"wgs84": None, "projected_m": None} for _ in centers]
    geodetic = wgs84_from_local(centers, georeference).tolist()
    projected = projected_from_local(centers, georeference).tolist()
    return [
        {"wgs84": {"latitude_deg": lat, "longitude_deg": lon, "height_m": height}, "projected_m": position}
        for (lat, lon, height), position in zip(geodetic, projected, strict=True)
    ]
