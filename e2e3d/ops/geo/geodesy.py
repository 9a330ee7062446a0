"""From the model's local metric frame to coordinates on the Earth.

A georeferenced model stands in the east-north-up frame tangent to the WGS84 ellipsoid at its origin. Its points go
through Earth-centred coordinates, so neither the curvature of the Earth nor the convergence of the UTM grid is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Georeference


def wgs84_from_local(points_m: NDArray[np.floating], georeference: Georeference) -> NDArray[np.float64]:
    """Latitude and longitude in degrees and ellipsoidal height in metres, float64 [N, 3], of local points [N, 3]."""
    import pyproj

    latitude, longitude, height = georeference.origin
    to_geodetic = pyproj.Transformer.from_pipeline(
        "+proj=pipeline"
        f" +step +inv +proj=topocentric +ellps=WGS84 +lat_0={latitude!r} +lon_0={longitude!r} +h_0={height!r}"
        " +step +inv +proj=cart +ellps=WGS84"
        " +step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    east, north, up = np.asarray(points_m, np.float64).reshape(-1, 3).T
    longitudes, latitudes, heights = to_geodetic.transform(east, north, up)
    return np.stack([latitudes, longitudes, heights], 1)


def projected_from_local(points_m: NDArray[np.floating], georeference: Georeference) -> NDArray[np.float64]:
    """Easting, northing and height in metres, float64 [N, 3], of local points [N, 3] in the system ``epsg``."""
    import pyproj

    geodetic = wgs84_from_local(points_m, georeference)
    to_projected = pyproj.Transformer.from_crs("EPSG:4326", f"EPSG:{georeference.epsg}", always_xy=True)
    easting, northing = to_projected.transform(geodetic[:, 1], geodetic[:, 0])
    return np.stack([easting, northing, geodetic[:, 2]], 1)
