"""LAZ 1.4 point clouds in projected coordinates, for geographic information systems."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from e2e3d.data.dense import PointCloud
from e2e3d.data.scene import Georeference
from e2e3d.ops.geo.geodesy import projected_from_local

_RESOLUTION_M = 0.001
_BLOCK = 1_000_000


def write_cloud_laz(file: BinaryIO, cloud: PointCloud, georeference: Georeference) -> None:
    """Write the cloud in the system ``georeference.epsg`` (its WKT goes along), to the nearest millimetre.

    Colours are widened to 16 bits as LAS wants them; ``confidence``, ``view_count`` and the normal, whose axes are
    those of the local east-north-up frame, are extra dimensions.
    """
    import laspy
    import pyproj

    header = laspy.LasHeader(point_format=7, version="1.4")
    header.add_crs(pyproj.CRS.from_epsg(georeference.epsg))
    header.generating_software = "E2E3D"
    header.scales = np.full(3, _RESOLUTION_M)
    header.offsets = np.floor(projected_from_local(np.zeros((1, 3)), georeference)[0])
    header.add_extra_dims(
        [laspy.ExtraBytesParams(name, np.float32) for name in ("nx", "ny", "nz", "confidence")]
        + [laspy.ExtraBytesParams("view_count", np.uint16)]
    )
    with laspy.open(file, mode="w", header=header, closefd=False, do_compress=True) as writer:
        for start in range(0, len(cloud.points_world), _BLOCK):
            rows = slice(start, start + _BLOCK)
            points = laspy.ScaleAwarePointRecord.zeros(len(cloud.points_world[rows]), header=header)
            points.x, points.y, points.z = projected_from_local(cloud.points_world[rows], georeference).T
            points.red, points.green, points.blue = cloud.colors[rows].T.astype(np.uint16) * 257
            points["nx"], points["ny"], points["nz"] = cloud.normals_world[rows].T
            points["confidence"] = cloud.confidence[rows]
            points["view_count"] = cloud.view_count[rows]
            writer.write_points(points)
