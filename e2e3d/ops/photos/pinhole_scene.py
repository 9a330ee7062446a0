"""A scene whose cameras are pinholes: what undistorted copies of its photographs show."""

from __future__ import annotations

import dataclasses

import numpy as np

from e2e3d.data.scene import Camera, Scene
from e2e3d.ops.photos.undistortion import PinholeSize, pinhole_for, undistort_points


def pinhole_scene(scene: Scene, max_size_px: int | None = None) -> tuple[Scene, dict[int, PinholeSize]]:
    """The same scene with a ``PINHOLE`` camera for each camera, and the picture that each of them takes, by its id.

    Observations are moved to where the point is seen in the undistorted picture; those outside of it are left out.

    Args:
        scene: with cameras of any model.
        max_size_px: longest side of a picture; None = that of the photograph.
    """
    sizes = {
        camera.camera_id: pinhole_for(camera, max_size_px or max(camera.width_px, camera.height_px))
        for camera in scene.cameras
    }
    cameras = tuple(
        Camera(camera.camera_id, "PINHOLE", size.width_px, size.height_px, tuple(size.intrinsics_px.tolist()))
        for camera, size in zip(scene.cameras, sizes.values(), strict=True)
    )
    moved = np.full(scene.observation_px.shape, -1, np.float32)
    for index, image in enumerate(scene.images):
        own = scene.observation_image == index
        moved[own] = undistort_points(scene.camera_of(image), sizes[image.camera_id], scene.observation_px[own])
    limits = np.array([[sizes[image.camera_id].width_px, sizes[image.camera_id].height_px] for image in scene.images])
    inside = ((moved >= 0) & (moved < limits.reshape(-1, 2)[scene.observation_image])).all(1)
    kept = dataclasses.replace(
        scene,
        cameras=cameras,
        observation_image=scene.observation_image[inside],
        observation_point=scene.observation_point[inside],
        observation_px=moved[inside],
    )
    return kept, sizes
