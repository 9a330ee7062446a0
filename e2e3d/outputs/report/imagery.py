"""The report's pictures, as JPEG data URIs."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from e2e3d.data.dense import DepthMap, View
from e2e3d.data.mesh import Mesh
from e2e3d.data.scene import Scene
from e2e3d.errors import InputError
from e2e3d.ops.evaluation.rendering import Picture, Renderer
from e2e3d.ops.evaluation.surface import surface_samples
from e2e3d.ops.formats.pictures import encode_jpeg
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.ops.sfm.viewpoints import four_sides

_SIDE_PX = (1200, 900)
_SIDE_SHOWN_PX = (720, 540)
_SAMPLES = 20_000
_THUMB_PX = 280
_INSIDE_OF_SURFACE = (96, 98, 104)


@dataclass(frozen=True)
class ViewPictures:
    """A photograph, its depth and the model from the same place as data URIs; `coverage` in [0, 1]."""

    photo: str
    depth: str
    model: str
    coverage: float


def side_pictures(renderer: Renderer, scene: Scene, mesh: Mesh) -> list[tuple[str, str]]:
    """Title and data URI of the model from four sides."""
    width, height = _SIDE_PX
    pictures = []
    for viewpoint in four_sides(scene, surface_samples(mesh, _SAMPLES)):
        focal = height / 2 / np.tan(np.radians(viewpoint.field_of_view_deg / 2))
        picture = renderer.pinhole((focal, focal, width / 2, height / 2), viewpoint.cam_from_world, width, height)
        small = cv2.resize(_on_backdrop(picture), _SIDE_SHOWN_PX, interpolation=cv2.INTER_AREA)
        pictures.append((viewpoint.title, data_uri(small, 85)))
    return pictures


def view_pictures(renderer: Renderer, view: View, depth: DepthMap) -> ViewPictures:
    """The pictures of one registered photograph, side by side at thumbnail size."""
    height, width = view.image.shape[:2]
    scale = _THUMB_PX / max(width, height)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    step = np.array([size[0] / width, size[1] / height] * 2)
    picture = renderer.pinhole(tuple(view.intrinsics_px * step), view.cam_from_world, *size)
    wanted = np.ones(size[::-1], bool)
    if view.mask is not None:
        wanted = cv2.resize(view.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return ViewPictures(
        photo=data_uri(cv2.resize(view.image, size, interpolation=cv2.INTER_AREA)),
        depth=data_uri(depth_colors(cv2.resize(depth.depth, size, interpolation=cv2.INTER_NEAREST))),
        model=data_uri(_on_backdrop(picture)),
        coverage=float((picture.front & wanted).sum() / max(wanted.sum(), 1)),
    )


def file_thumbnail(data: bytes) -> str | None:
    """Data URI of a small picture of an image file, None when it does not decode."""
    try:
        return data_uri(decode_photo(data, _THUMB_PX).image)
    except InputError:
        return None


def depth_colors(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Near is bright, far is dark, black is none: a perceptually even colour map over inverse depth, uint8 RGB."""
    known = depth > 0
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    inverse = 1 / np.where(known, depth, 1)
    low, high = np.percentile(inverse[known], (2, 98))
    shade = np.clip((inverse - low) / max(high - low, 1e-12), 0, 1)
    colors = cv2.applyColorMap((shade * 255).astype(np.uint8), cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return np.ascontiguousarray(np.where(known[..., None], colors, 0).astype(np.uint8))


def data_uri(image: NDArray[np.uint8], quality: int = 78) -> str:
    """A JPEG data URI of an RGB image."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, quality)).decode("ascii")


def _on_backdrop(picture: Picture) -> NDArray[np.uint8]:
    """The model before a quiet slate gradient; where the surface is seen from inside it is plain grey."""
    height, width = picture.depth.shape
    ramp = np.linspace((74, 80, 90), (38, 41, 47), height)[:, None]
    backdrop = np.broadcast_to(ramp, (height, width, 3))
    image = np.where(picture.front[..., None], picture.image, _INSIDE_OF_SURFACE)
    return np.where(picture.face[..., None] >= 0, image, backdrop).astype(np.uint8)
