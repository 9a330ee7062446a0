"""The ``depth/`` folder: exact depth maps for programs, previews for people, and the cameras they belong to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import View
from e2e3d.data.run_results import Results
from e2e3d.ops.formats.pictures import encode_float_tiff, encode_png16

CONVENTION = (
    "NAME.tiff: float32, z in the camera in model units, 0 = none; NAME.png: 16-bit preview, near is bright, 0 = none. "
    "Each image is the undistorted pinhole view of its photograph, given here by size, intrinsics and cam_from_world."
)


def write_depth_folder(write: Callable[[str, bytes], Path], results: Results) -> None:
    """Write every depth map through `write` (name, bytes), one loaded at a time."""
    entries = []
    for view_ref, depth_ref in zip(results.views, results.depths, strict=True):
        view, depth = view_ref.load(), depth_ref.load().depth
        stem = "depth/" + view.name.replace("/", "__")
        write(f"{stem}.tiff", encode_float_tiff(depth))
        write(f"{stem}.png", encode_png16(depth_preview(depth)))
        entries.append(_entry(view, stem.removeprefix("depth/")))
    document = {"convention": CONVENTION, "views": entries}
    write("depth/views.json", json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")


def depth_preview(depth: NDArray[np.float32]) -> NDArray[np.uint16]:
    """A 16-bit picture [H, W] of a depth map: inverse depth between its 1st and 99th percentile, near is bright."""
    inverse = np.where(depth > 0, 1 / np.maximum(depth, 1e-12), 0)
    if not inverse.any():
        return np.zeros(depth.shape, np.uint16)
    low, high = np.percentile(inverse[inverse > 0], (1, 99))
    shade = np.clip((inverse - low) / max(high - low, 1e-12), 0, 1)
    return np.where(depth > 0, 4095 + shade * 61440, 0).astype(np.uint16)


def _entry(view: View, file: str) -> dict[str, Any]:
    height, width = view.image.shape[:2]
    return {
        "name": view.name,
        "file": f"{file}.tiff",
        "width_px": width,
        "height_px": height,
        "intrinsics_px": view.intrinsics_px.tolist(),
        "cam_from_world": view.cam_from_world.tolist(),
    }
