"""Cloud optimised point clouds (COPC 1.0): LAZ 1.4 whose chunks are the nodes of an octree, with a table of them.

Any program that knows LAZ reads the file; one that knows COPC fetches only the nodes that it needs. Coordinates are
those of the model's own frame, to a small part of what a pixel covers; the confidence stands in the intensity (65535 =
certain), and the number of views that agree in the user data (at most 255).
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import PointCloud
from e2e3d.outputs.tiling.point_octree import CELL_BITS, octree_nodes

_POINT_FORMAT = 7
_POINT = np.dtype(
    [
        ("position", "<i4", 3), ("intensity", "<u2"), ("returns", "u1"), ("flags", "u1"), ("classification", "u1"),
        ("user_data", "u1"), ("scan_angle", "<i2"), ("source", "<u2"), ("gps_time", "<f8"), ("color", "<u2", 3),
    ]
)  # fmt: skip
_HEADER_BYTES, _VLR_BYTES, _EVLR_BYTES, _INFO_BYTES = 375, 54, 60, 160
_SINGLE_RETURN = 0x11
_CHUNK_TABLE_OFFSET_BYTES = 8
_FINENESS = 16  # steps of a coordinate to what a pixel covers
_MAX_BITS = 30


def write_copc(file: BinaryIO, cloud: PointCloud) -> None:
    """Write a cloud with at least one point into a seekable file."""
    import lazrs

    grid = _Grid(cloud)
    laszip = lazrs.LazVlr.new_for_compression(_POINT_FORMAT, 0, use_variable_size_chunks=True)
    vlrs = _vlr("laszip encoded", 22204, bytes(laszip.record_data()))
    start = _HEADER_BYTES + _VLR_BYTES + _INFO_BYTES + len(vlrs)
    file.write(b"\0" * (start - len(vlrs)) + vlrs)
    compressor = lazrs.LasZipCompressor(file, laszip)
    compressor.reserve_offset_to_chunk_table()
    entries = []
    offset = start + _CHUNK_TABLE_OFFSET_BYTES
    for node in octree_nodes(grid.cells, grid.side_bits):
        compressor.compress_many(_records(cloud, grid.cells, node.points).view(np.uint8))
        compressor.finish_current_chunk()
        end = file.tell()
        entries.append(
            struct.pack("<4iQ2i", node.level, node.x, node.y, node.z, offset, end - offset, len(node.points))
        )
        offset = end
    compressor.done()
    file.seek(0, 2)
    hierarchy = file.tell()
    table = b"".join(entries)
    file.write(struct.pack("<H16sHQ32s", 0, b"copc", 1000, len(table), b"EPT hierarchy") + table)
    file.seek(0)
    file.write(_header(grid, len(cloud.points_world), start, hierarchy))
    file.write(_vlr("copc", 1, _info(grid, hierarchy + _EVLR_BYTES, len(table))))
    file.seek(0, 2)


class _Grid:
    """Points in whole steps of a power of two from the lowest corner of a cube with a power of two of them a side.

    Attributes:
        scale: the step, in units of the model.
        low: float64 [3], the corner.
        cells: int64 [N, 3].
        side_bits: the side has 2 ** side_bits steps.
    """

    def __init__(self, cloud: PointCloud) -> None:
        points = cloud.points_world
        low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
        extent = max(float((high - low).max()), float(np.abs(points).max()) * 2.0**-20, 1e-12)
        covered = cloud.footprint[cloud.footprint > 0]
        finest = extent / 2**20 if len(covered) == 0 else float(np.median(covered)) / _FINENESS
        self.scale = float(2.0 ** np.floor(np.log2(np.clip(finest, extent / 2 ** (_MAX_BITS - 1), extent / 2**12))))
        steps = np.rint(points / self.scale).astype(np.int64)
        first = steps.min(0)
        self.low = first * self.scale
        self.cells = steps - first
        self.side_bits = max(int(self.cells.max()).bit_length(), CELL_BITS)

    @property
    def side(self) -> float:
        """Of the cube, in units of the model."""
        return float(self.scale * 2.0**self.side_bits)


def _records(cloud: PointCloud, cells: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[Any]:
    points = np.zeros(len(rows), _POINT)
    points["position"] = cells[rows]
    points["intensity"] = np.rint(np.clip(cloud.confidence[rows], 0, 1) * 65535)
    points["returns"] = _SINGLE_RETURN
    points["user_data"] = np.minimum(cloud.view_count[rows], 255)
    points["color"] = cloud.colors[rows].astype(np.uint16) * 257
    return points


def _vlr(user: str, record: int, data: bytes) -> bytes:
    return struct.pack("<H16sHH32s", 0, user.encode(), record, len(data), b"") + data


def _info(grid: _Grid, hierarchy: int, hierarchy_bytes: int) -> bytes:
    centre = grid.low + grid.side / 2
    spacing = grid.side / 2**CELL_BITS
    return struct.pack("<5d2Q2d88x", *centre, grid.side / 2, spacing, hierarchy, hierarchy_bytes, 0.0, 0.0)


def _header(grid: _Grid, count: int, start: int, hierarchy: int) -> bytes:
    high = grid.low + grid.cells.max(0) * grid.scale
    bounds = [value for pair in zip(high, grid.low, strict=True) for value in pair]
    wkt = 1 << 4  # as formats from 6 on must say, whether a system is stated or not
    return (
        struct.pack("<4sHH16xBB32s32sHHHII", b"LASF", 0, wkt, 1, 4, b"", b"E2E3D", 0, 0, _HEADER_BYTES, start, 2)
        + struct.pack("<BHI5I", _POINT_FORMAT | 0x80, _POINT.itemsize, 0, 0, 0, 0, 0, 0)
        + struct.pack("<12d", *[grid.scale] * 3, *grid.low, *bounds)
        + struct.pack("<QQIQ15Q", 0, hierarchy, 1, count, count, *[0] * 14)
    )
