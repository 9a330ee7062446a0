"""A stage that damages a finished mapping by a known amount, and triangulates its points again as if nothing were."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.ref import Ref
from e2e3d.data.scene import Camera, Mapping, Scene, SceneImage
from e2e3d.ops.geo.scene_frame import camera_centres
from e2e3d.ops.photos.undistortion import image_from_normalised, normalised_from_image
from e2e3d.stages.stage import RunContext, Stage

_MAX_ERROR_PX = 6.0
_MIN_POINTS = 50


@dataclass(frozen=True)
class DisturbConfig:
    """How cameras are damaged; zeros and ones leave them as they are.

    Attributes:
        rotation_deg: each camera is turned by so much about a random axis.
        move: each centre is moved by this share of the cameras' extent in a random direction.
        bend_deg: the cameras' path is bent about one axis: one end is turned against the other by so much.
        focal: factor of all focal lengths.
    """

    rotation_deg: float = 0.0
    move: float = 0.0
    bend_deg: float = 0.0
    focal: float = 1.0


def run(mapping: Ref[Mapping], config: DisturbConfig, context: RunContext) -> Mapping:
    """The same matches with other cameras."""
    old = mapping.load()
    random = np.random.default_rng(7)
    centres = camera_centres(old.scene)
    extent = float(np.linalg.norm(np.ptp(centres, axis=0)))
    along = np.argsort(np.argsort((centres - centres.mean(0)) @ np.linalg.svd(centres - centres.mean(0))[2][0]))
    images = []
    for i, image in enumerate(old.scene.images):
        bend = config.bend_deg * (along[i] / max(1, len(centres) - 1) - 0.5)
        turn = _rotation(random.normal(size=3), config.rotation_deg) @ _rotation(np.array([0.0, 1.0, 0.0]), bend)
        direction = random.normal(size=3)
        centre = centres[i] + config.move * extent * direction / np.linalg.norm(direction)
        rotation = turn @ image.cam_from_world[:, :3]
        images.append(replace(image, cam_from_world=np.column_stack([rotation, -rotation @ centre])))
    cameras = tuple(_focal(camera, config.focal) for camera in old.scene.cameras)
    return replace(old, scene=_triangulated(replace(old.scene, cameras=cameras, images=tuple(images))))


def _rotation(axis: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    import cv2

    return np.asarray(cv2.Rodrigues(axis / np.linalg.norm(axis) * np.radians(angle_deg))[0])


def _focal(camera: Camera, factor: float) -> Camera:
    from e2e3d.ops.photos.undistortion import colmap_camera

    params = list(camera.params)
    for k in colmap_camera(camera).focal_length_idxs():  # type: ignore[attr-defined]
        params[k] *= factor
    return replace(camera, params=tuple(params))


def _triangulated(scene: Scene) -> Scene:
    """Points nearest to their rays; those far from any of their observations go, as in a mapper."""
    normals, origins = np.zeros((len(scene.points_world), 3, 3)), np.zeros((len(scene.points_world), 3))
    centres = camera_centres(scene)
    for i, image in enumerate(scene.images):
        own, point = _own(scene, i)
        xy = normalised_from_image(scene.camera_of(image), scene.observation_px[own].astype(np.float64))
        rays = np.column_stack([xy, np.ones(len(xy))]) @ image.cam_from_world[:, :3]
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        project = np.eye(3) - rays[:, :, None] * rays[:, None]
        np.add.at(normals, point, project)
        np.add.at(origins, point, project @ centres[i])
    points = np.linalg.solve(normals + 1e-12 * np.eye(3), origins[..., None])[..., 0]
    errors = np.zeros(len(points))
    for i, image in enumerate(scene.images):
        own, point = _own(scene, i)
        errors[point] = np.maximum(errors[point], _errors_px(scene, image, points[point], scene.observation_px[own]))
    keep = errors < max(_MAX_ERROR_PX, np.sort(errors)[min(_MIN_POINTS, len(errors) - 1)])
    observed = keep[scene.observation_point]
    return replace(
        scene,
        points_world=points[keep],
        colors=scene.colors[keep],
        errors_px=errors[keep].astype(np.float32),
        observation_image=scene.observation_image[observed],
        observation_point=(np.cumsum(keep) - 1)[scene.observation_point[observed]].astype(np.int32),
        observation_px=scene.observation_px[observed],
    )


def _own(scene: Scene, index: int) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    own = scene.observation_image == index
    return own, scene.observation_point[own]


def _errors_px(
    scene: Scene, image: SceneImage, points: NDArray[np.float64], observed_px: NDArray[np.float32]
) -> NDArray[np.float64]:
    there = points @ image.cam_from_world[:, :3].T + image.cam_from_world[:, 3]
    seen_px = image_from_normalised(scene.camera_of(image), there[:, :2] / np.maximum(there[:, 2:], 1e-9))
    distances = np.linalg.norm(seen_px - observed_px, axis=1)
    return np.asarray(np.where(there[:, 2] > 0, distances, np.inf))


STAGE = Stage(name="disturb", version=2, config=DisturbConfig, output=Mapping, run=run)
