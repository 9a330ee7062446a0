"""Move a whole scene into the frame that everything downstream works in."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Georeference, Scene
from e2e3d.errors import InputError
from e2e3d.ops.georeferencing import Similarity, georeference, local_from_gps, rms_distance
from e2e3d.ops.upright import upright_similarity


@dataclass(frozen=True)
class KnownDistance:
    """The metres between the viewpoints of two photographs, by name."""

    first: str
    second: str
    metres: float


def transform_scene(scene: Scene, similarity: Similarity) -> Scene:
    """The same scene in the world that `similarity` maps to; its `frame` stays."""
    images = []
    for image in scene.images:
        rotation = image.cam_from_world[:, :3] @ similarity.rotation.T
        translation = similarity.scale * image.cam_from_world[:, 3] - rotation @ similarity.translation
        pose = np.concatenate([rotation, translation[:, None]], axis=1)
        images.append(replace(image, cam_from_world=pose))
    return replace(scene, images=tuple(images), points_world=similarity.apply(scene.points_world))


def camera_centres(scene: Scene) -> NDArray[np.float64]:
    """float64 [images, 3]."""
    poses = np.array([image.cam_from_world for image in scene.images])
    return np.asarray(-np.einsum("nji,nj->ni", poses[:, :, :3], poses[:, :, 3]))


def place_scene(scene: Scene, photos: Sequence[Photo], scale: float | None, distance: KnownDistance | None) -> Scene:
    """Georeference the scene where its GPS positions allow, else set it upright where that can be told.

    Args:
        scene: in the mapper's frame.
        photos: the usable photographs, which ``photo_index`` counts.
        scale: model units are multiplied by it and are metres afterwards; None = unknown.
        distance: gives the scale instead.

    Raises:
        InputError: ``unknown-photograph`` when `distance` names one that is not in the model.
    """
    located = [(i, gps) for i, image in enumerate(scene.images) if (gps := photos[image.photo_index].gps) is not None]
    indices = [i for i, _ in located]
    on_earth = georeference(camera_centres(scene)[indices], [gps for _, gps in located])
    frame = "arbitrary"
    reference: Georeference | None = None
    if on_earth is not None:
        scene, reference, frame = transform_scene(scene, on_earth[0]), on_earth[1], "georeferenced"
    elif (upright := upright_similarity(scene)) is not None:
        scene, frame = transform_scene(scene, upright), "upright"
    factor = scale if distance is None else _factor(scene, distance)
    if factor is not None:
        scene = transform_scene(scene, Similarity(factor, np.eye(3), np.zeros(3)))
        if reference is None:
            frame = "metric"
        else:
            positions = local_from_gps([gps for _, gps in located], reference.origin)
            reference = replace(reference, rms_error_m=rms_distance(camera_centres(scene)[indices], positions))
    return replace(scene, frame=frame, georeference=reference)


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
