"""Between :class:`~e2e3d.data.scene.Scene` and `pycolmap.Reconstruction`.

An image's id is its ``photo_index + 1``, so that both directions agree without a table. A reconstruction made from a
scene holds only the observations that belong to points.
"""

from __future__ import annotations

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.scene import Camera, Scene, SceneImage


def scene_to_reconstruction(scene: Scene) -> pycolmap.Reconstruction:
    """Build the COLMAP model of `scene`, in the same frame; ``write`` it to get COLMAP's files."""
    reconstruction = pycolmap.Reconstruction()
    for camera in scene.cameras:
        reconstruction.add_camera_with_trivial_rig(camera_to_colmap(camera))
    order = np.argsort(scene.observation_image, kind="stable")
    counts = np.bincount(scene.observation_image, minlength=len(scene.images))
    starts = np.concatenate([[0], np.cumsum(counts)])
    local_index = np.empty(len(order), np.int64)
    for i, image in enumerate(scene.images):
        mine = order[starts[i] : starts[i + 1]]
        local_index[mine] = np.arange(len(mine))
        model_image = pycolmap.Image(
            name=image.name,
            keypoints=scene.observation_px[mine].astype(np.float64).reshape(-1, 2),
            camera_id=image.camera_id,
            image_id=image.photo_index + 1,
        )
        pose = pycolmap.Rigid3d(np.asarray(image.cam_from_world, np.float64))
        reconstruction.add_image_with_trivial_frame(model_image, pose)
    _add_points(reconstruction, scene, local_index)
    return reconstruction


def camera_to_colmap(camera: Camera) -> pycolmap.Camera:
    """The same camera as COLMAP has it."""
    return pycolmap.Camera(
        camera_id=camera.camera_id,
        model=camera.model,
        width=camera.width_px,
        height=camera.height_px,
        params=camera.params,
    )


def _add_points(reconstruction: pycolmap.Reconstruction, scene: Scene, local_index: NDArray[np.int64]) -> None:
    image_ids = np.array([image.photo_index + 1 for image in scene.images], np.int64)[scene.observation_image]
    ends = np.cumsum(np.bincount(scene.observation_point, minlength=len(scene.points_world)))
    start = 0
    for point, end in enumerate(ends):
        track = pycolmap.Track(
            [
                pycolmap.TrackElement(image_id, index)
                for image_id, index in zip(image_ids[start:end].tolist(), local_index[start:end].tolist(), strict=True)
            ]
        )
        point_id = reconstruction.add_point3D(scene.points_world[point], track, scene.colors[point])
        reconstruction.point3D(point_id).error = float(scene.errors_px[point])
        start = int(end)


def reconstruction_to_scene(reconstruction: pycolmap.Reconstruction) -> Scene:
    """The scene of all registered images and their points, in the reconstruction's frame.

    Images come in the order of their ids, points in the order of theirs, and the observations of a point in the order
    of the images, so that equal reconstructions give equal scenes.
    """
    image_ids = sorted(reconstruction.reg_image_ids())
    images = tuple(_scene_image(reconstruction.image(image_id)) for image_id in image_ids)
    used = sorted({image.camera_id for image in images})
    index_of = {image_id: i for i, image_id in enumerate(image_ids)}
    keypoints = [_keypoints(reconstruction.image(image_id)) for image_id in image_ids]
    point_ids = sorted(reconstruction.point3D_ids())
    points = [reconstruction.point3D(point_id) for point_id in point_ids]
    observation_image: list[int] = []
    observation_index: list[int] = []
    lengths = np.zeros(len(points), np.int64)
    for i, point in enumerate(points):
        elements = sorted((index_of[e.image_id], e.point2D_idx) for e in point.track.elements)
        lengths[i] = len(elements)
        observation_image.extend(image for image, _ in elements)
        observation_index.extend(index for _, index in elements)
    images_array = np.array(observation_image, np.int32)
    starts = np.cumsum([0] + [len(keypoints_px) for keypoints_px in keypoints])
    places = starts[images_array] + np.array(observation_index, np.int64)
    positions = np.concatenate([np.zeros((0, 2)), *keypoints])[places].astype(np.float32)
    return Scene(
        cameras=tuple(_camera(reconstruction.camera(camera_id)) for camera_id in used),
        images=images,
        points_world=np.array([point.xyz for point in points], np.float64).reshape(-1, 3),
        colors=np.array([point.color for point in points], np.uint8).reshape(-1, 3),
        errors_px=np.array([point.error for point in points], np.float32),
        observation_image=images_array,
        observation_point=np.repeat(np.arange(len(points), dtype=np.int32), lengths),
        observation_px=positions,
    )


def _camera(camera: pycolmap.Camera) -> Camera:
    params = tuple(float(value) for value in camera.params)
    return Camera(camera.camera_id, camera.model_name, camera.width, camera.height, params)


def _scene_image(image: pycolmap.Image) -> SceneImage:
    pose = np.array(image.cam_from_world().matrix(), np.float64)
    return SceneImage(image.name, image.image_id - 1, image.camera_id, pose)


def _keypoints(image: pycolmap.Image) -> NDArray[np.float64]:
    return np.array([point.xy for point in image.points2D], np.float64).reshape(-1, 2)
