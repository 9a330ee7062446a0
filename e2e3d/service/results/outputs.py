"""What a job makes: groups of files that a user may choose from, and the media type of each file."""

from __future__ import annotations

from pathlib import PurePosixPath

OUTPUTS = ("sparse", "cloud", "mesh", "obj", "glb", "report", "depth", "tiles")
"""COLMAP model and cameras; dense cloud; plain mesh; textured OBJ; textured GLB; report; depth maps; what streams.

Unless they are named, tiles are made of models and clouds that are too large for one file.
"""

DEFAULT_OUTPUTS = tuple(name for name in OUTPUTS if name != "depth")

_MEDIA_TYPES = {
    ".glb": "model/gltf-binary",
    ".obj": "model/obj",
    ".mtl": "model/mtl",
    ".ply": "application/x-ply",
    ".laz": "application/vnd.laszip",
    ".json": "application/json",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
_COPC = ".copc.laz"


def output_of(path: str) -> str | None:
    """The group that a file of the result folder belongs to; None for what every job keeps, such as the manifest."""
    top, *below = PurePosixPath(path).parts
    suffix = PurePosixPath(path).suffix
    if below:
        return top if top in OUTPUTS else None
    if top.startswith("model"):
        return "glb" if suffix == ".glb" else "obj"
    if top.endswith(_COPC):
        return "tiles"
    if top.startswith("dense."):
        return "cloud"
    return {"cameras.json": "sparse", "mesh.ply": "mesh", "report.html": "report"}.get(top)


def media_type(path: str) -> str:
    """The media type of a result file."""
    if path.endswith(_COPC):
        return "application/vnd.laszip+copc"
    return _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
