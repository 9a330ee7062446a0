"""One photograph becomes a pinhole view at depth resolution that knows its sources and its depth range.

What there is to plan with such views is known from the sparse scene alone; a stage of its own says it, without pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from e2e3d.config.undistort import UndistortConfig, geometry_cost, undistort_cost
from e2e3d.config.workload import Workload
from e2e3d.data.dense import View, ViewGeometries, ViewGeometry
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping, Scene
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.ops.photos.undistortion import PinholeSize, pinhole_for, undistort_image, undistort_points
from e2e3d.ops.sfm.source_views import depth_range, depths_in, select_sources
from e2e3d.stages.stage import RunContext, Stage, StoredInputs
from e2e3d.stages.usable_pixels import usable_pixels


@dataclass(frozen=True)
class UndistortInputs:
    """The scene, which of its images, that photograph's bytes, its mask's if it has one, and its ``white_level``."""

    mapping: Ref[Mapping]
    image_index: int
    photo: Ref[bytes]
    mask: Ref[bytes] | None = None
    white_level: int | None = None


def run(inputs: UndistortInputs, config: UndistortConfig, context: RunContext) -> View:
    """Undistort one photograph and choose its sources: none when it shares no sparse point with another."""
    mapping = inputs.mapping.load()
    scene = mapping.scene
    image = scene.images[inputs.image_index]
    camera = scene.camera_of(image)
    decoded = decode_photo(inputs.photo.load(), white_level=inputs.white_level)
    mask = usable_pixels(inputs.mask, decoded, mapping.still_cells(image))
    target = pinhole_for(camera, config.max_size_px)
    pixels, usable = undistort_image(decoded.image, mask, camera, target)
    sources, scores = select_sources(scene, inputs.image_index, config.max_sources)
    sparse_px, sparse_depth = _sparse_points(scene, inputs.image_index, target)
    return View(
        name=image.name,
        image_index=inputs.image_index,
        image=pixels,
        mask=usable,
        intrinsics_px=target.intrinsics_px,
        cam_from_world=np.array(image.cam_from_world),
        depth_range=depth_range(scene, inputs.image_index),
        sources=sources,
        source_scores=scores,
        sparse_px=sparse_px,
        sparse_depth=sparse_depth,
    )


def _sparse_points(
    scene: Scene, image_index: int, target: PinholeSize
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Positions [N, 2] in the view and depths [N] of the sparse points that lie inside it and before the camera."""
    own = scene.observation_image == image_index
    camera = scene.camera_of(scene.images[image_index])
    px = undistort_points(camera, target, scene.observation_px[own])
    depths = depths_in(scene, image_index, scene.points_world[scene.observation_point[own]]).astype(np.float32)
    inside = (px >= 0).all(1) & (px < (target.width_px, target.height_px)).all(1) & (depths > 0)
    return px[inside], depths[inside]


@dataclass(frozen=True)
class GeometryInputs:
    """The scene, and which of its images: up to `count` from number `first` on, as many as there are."""

    mapping: Ref[Mapping]
    first: int
    count: int


def run_geometry(inputs: GeometryInputs, config: UndistortConfig, context: RunContext) -> ViewGeometries:
    """Size and sources of the views of a block of images: the same that :func:`run` gives them."""
    scene = inputs.mapping.load().scene
    found = []
    for index in range(inputs.first, min(inputs.first + inputs.count, len(scene.images))):
        image = scene.images[index]
        target = pinhole_for(scene.camera_of(image), config.max_size_px)
        sources, _ = select_sources(scene, index, config.max_sources)
        found.append(ViewGeometry(index, image.photo_index, target.width_px, target.height_px, sources))
    return ViewGeometries(tuple(found))


def _workload(inputs: UndistortInputs, stored: StoredInputs) -> Workload:
    scene = stored.record(inputs.mapping).scene
    camera = scene.camera_of(scene.images[inputs.image_index])
    return Workload(photos=1, photo_mp=camera.width_px * camera.height_px / 1e6)


STAGE = Stage(
    name="undistort",
    version=3,
    config=UndistortConfig,
    output=View,
    run=run,
    workload=_workload,
    cost=undistort_cost,
)

# A new version of one is a new version of the other, where sizes or sources change.
GEOMETRY_STAGE = Stage(
    name="geometry",
    version=1,
    config=UndistortConfig,
    output=ViewGeometries,
    run=run_geometry,
    workload=lambda inputs, stored: Workload(photos=inputs.count),
    cost=geometry_cost,
)
