"""Move a whole scene into the frame that everything downstream works in."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Remark, Scene, SceneImage
from e2e3d.errors import InputError
from e2e3d.ops.geo.earth_candidates import LocatedCameras
from e2e3d.ops.geo.earth_fit import EarthFit, fit_to_earth
from e2e3d.ops.geo.georeferencing import Similarity, local_from_gps, rms_distance
from e2e3d.ops.geo.gps_remarks import held_fix
from e2e3d.ops.geo.gps_repairs import held_fixes
from e2e3d.ops.geo.upright import UpEstimate, estimate_up
from e2e3d.ops.poses import camera_centres

_STEEP = 0.9
_LEAST_MOVING = 4
_BY_MOVEMENT = {"down": "down at the ground", "ahead": "ahead at something upright"}


@dataclass(frozen=True)
class KnownDistance:
    """The metres between the viewpoints of two photographs, by name."""

    first: str
    second: str
    metres: float


def transform_scene(scene: Scene, similarity: Similarity) -> Scene:
    """The same scene in the world that `similarity` maps to; its `frame` stays."""
    images = tuple(replace(one, cam_from_world=similarity.apply_to_pose(one.cam_from_world)) for one in scene.images)
    return replace(scene, images=images, points_world=similarity.apply(scene.points_world))


def place_scene(scene: Scene, photos: Sequence[Photo], scale: float | None, distance: KnownDistance | None) -> Scene:
    """Georeference the scene where its GPS positions allow, else set it upright where up is known.

    Args:
        scene: in the mapper's frame.
        photos: the usable photographs, which ``photo_index`` counts.
        scale: model units are multiplied by it and are metres afterwards; None = unknown.
        distance: gives the scale instead.

    Raises:
        InputError: ``unknown-photograph`` when `distance` names one that is not in the model.
    """
    placed, located, up = fit_scene_to_earth(scene, photos)
    frame, remarks = "arbitrary", placed.remarks
    if placed.similarity is not None:
        frame = "metric" if placed.georeference is None else "georeferenced"
        scene = transform_scene(scene, placed.similarity)
        if placed.georeference is None:
            scene = transform_scene(scene, Similarity(1.0, np.eye(3), -np.median(scene.points_world, axis=0)))
    elif up.direction is not None:
        scene, frame = transform_scene(scene, upright_similarity(scene, up.direction)), "upright"
        if up.by_movement and up.source in _BY_MOVEMENT:
            message = (
                "All photographs look the same way; from how the cameras moved they were taken to look "
                f"{_BY_MOVEMENT[up.source]}. If the model lies wrong, turn it, or give photographs with GPS or EXIF."
            )
            remarks = (*remarks, Remark("up-by-movement", message))
    elif not any(remark.code == "up-unknown" for remark in remarks):
        remarks = (*remarks, Remark("up-unknown", f"Which way is up cannot be told. {up.reason}".strip()))
    if frame != "arbitrary" and up.sideways:
        remarks = (*remarks, _sideways(tuple(scene.images[i].name for i in up.sideways)))
    reference = placed.georeference
    factor = scale if distance is None else _factor(scene, distance)
    if factor is not None:
        scene = transform_scene(scene, Similarity(factor, np.eye(3), np.zeros(3)))
        if reference is None:
            frame = "metric"
        else:
            positions = local_from_gps(
                [gps for i in located if (gps := photos[scene.images[i].photo_index].gps)], reference.origin
            )
            reference = replace(reference, rms_error_m=rms_distance(camera_centres(scene)[located], positions))
    return replace(scene, frame=frame, georeference=reference, remarks=remarks)


def _sideways(names: tuple[str, ...]) -> Remark:
    message = (
        "These photographs lie on their side beside the others: their orientation flag is wrong, or was lost. The "
        "model stands as the others were held; turn it if it is they that lie."
    )
    return Remark("sideways", message, names)


def _photo(image: SceneImage, photos: Sequence[Photo]) -> Photo:
    return photos[image.photo_index]


def fit_scene_to_earth(scene: Scene, photos: Sequence[Photo]) -> tuple[EarthFit, list[int], UpEstimate]:
    """What GPS positions give, the images that state one (in the order of the fit), and what the views say of up."""
    poses, attitudes = zip(
        *((image.cam_from_world, _photo(image, photos).attitude) for image in scene.images), strict=True
    )
    cameras = [scene.camera_of(image) for image in scene.images]
    portrait = np.array([camera.height_px > camera.width_px for camera in cameras])
    up = estimate_up(poses, attitudes, scene.points_world, portrait)
    positions = [_photo(image, photos).gps for image in scene.images]
    located = [i for i, position in enumerate(positions) if position is not None]
    if not located:
        return EarthFit(None, None, ()), located, up
    fit = _fit_located(scene, photos, located, up)
    held = held_fixes(positions)
    moving = [i for i in located if i not in held]
    if not held or len(moving) < _LEAST_MOVING:
        return fit, located, up
    without = _fit_located(scene, photos, moving, up)
    if not _much_better(without, fit):
        return fit, located, up
    remark = held_fix([scene.images[i].name for i in sorted(held)])
    return replace(without, remarks=(remark, *without.remarks)), moving, up


def _much_better(fit: EarthFit, other: EarthFit) -> bool:
    """Whether a fit places the model and the other one does not, or with more than twice its error."""
    if fit.georeference is None or other.georeference is None:
        return fit.georeference is not None
    error_m, other_m = fit.georeference.horizontal_error_m, other.georeference.horizontal_error_m
    return error_m is not None and other_m is not None and 2 * error_m < other_m


def _fit_located(scene: Scene, photos: Sequence[Photo], located: Sequence[int], up: UpEstimate) -> EarthFit:
    poses = [scene.images[i].cam_from_world for i in located]
    cameras = LocatedCameras(
        camera_centres(scene)[list(located)],
        np.array([pose[:, :3] for pose in poses]),
        [gps for i in located if (gps := _photo(scene.images[i], photos).gps) is not None],
        [_photo(scene.images[i], photos).attitude for i in located],
        _view_distance(scene),
    )
    return fit_to_earth(cameras, [scene.images[i].name for i in located], up)


def _view_distance(scene: Scene) -> float:
    """Median depth of what the photographs see, in model units."""
    if len(scene.observation_point) == 0:
        return 0.0
    points = scene.points_world[scene.observation_point]
    towards = np.array([image.cam_from_world[2] for image in scene.images])[scene.observation_image]
    return float(np.median((points * towards[:, :3]).sum(axis=1) + towards[:, 3]))


def upright_similarity(scene: Scene, up: NDArray[np.float64]) -> Similarity:
    """Turn `up` to z and the first photograph's view (its top, when it looks down) to +y, the points' middle to 0."""
    first = scene.images[0].cam_from_world
    towards = first[2, :3] if abs(first[2, :3] @ up) < _STEEP else -first[1, :3]
    forward = towards - (towards @ up) * up
    forward = forward / np.linalg.norm(forward)
    rotation = np.stack([np.cross(forward, up), forward, up])
    return Similarity(1.0, rotation, -np.median(scene.points_world @ rotation.T, axis=0))


def _factor(scene: Scene, distance: KnownDistance) -> float:
    names = [image.name for image in scene.images]
    for name in (distance.first, distance.second):
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"Did you mean {near[0]}?" if near else "Name photographs as the report lists them."
            raise InputError("unknown-photograph", f"The known distance names {name}, which is not in the model.", hint)
    centres = camera_centres(scene)
    length = np.linalg.norm(centres[names.index(distance.first)] - centres[names.index(distance.second)])
    if length == 0:
        message = f"{distance.first} and {distance.second} were taken from the same place."
        raise InputError("bad-distance", message, "Name two photographs taken from different places.")
    return float(distance.metres / length)
