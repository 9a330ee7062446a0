"""Views that a reconstruction never saw: where they are in the frame of its model, from the poses of a reference.

What a model is worth shows where it was not fitted: from viewpoints that were left out (Waechter et al., "Virtual
Rephotography", ACM TOG 2017). The reference's world is moved onto the model's by the cameras that are in both.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.scene import Camera
from e2e3d.errors import InputError
from e2e3d.ops.evaluation.camera_errors import align_cameras
from e2e3d.ops.geo.georeferencing import Similarity
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.outputs.evaluation.references import ReferenceCamera, read_model, read_reference, stem


def held_out_views(sparse: Path, reference: Path, photos: Path) -> dict[str, tuple[Camera, NDArray[np.float64]]]:
    """Camera and cam_from_world [3, 4], in the frame of the model, of every photograph that has no part in it.

    Args:
        sparse: the COLMAP model of the result.
        reference: poses of used and left-out photographs, in any format of :func:`read_reference`. Its calibration
            is taken too; where it states none, that of the result, if all its photographs share one.
        photos: folder of all photographs.

    Raises:
        InputError: ``none-held-out`` when every photograph is part of the model, ``no-calibration``, or
            ``too-few-cameras`` when the two cannot be aligned.
    """
    used, known = read_model(sparse), read_reference(reference)
    poses = {name: entry.cam_from_world for name, entry in known.items()}
    similarity = align_cameras(poses, {stem(name): pose for name, (_, pose) in used.items()})
    used_stems = {stem(name) for name in used}
    found = {}
    for file in sorted(path for path in photos.rglob("*") if path.is_file()):
        entry = known.get(stem(file.name))
        if entry is not None and stem(file.name) not in used_stems:
            camera = _camera(entry, {camera for camera, _ in used.values()}, file)
            found[file.relative_to(photos).as_posix()] = (camera, _moved(entry.cam_from_world, similarity))
    if not found:
        raise InputError(
            "none-held-out",
            f"Every photograph of {photos} that the reference knows is part of the model.",
            "Leave some out of the reconstruction: e2e3d run PHOTOS -o OUT --leave-out 4.",
        )
    return found


def _camera(entry: ReferenceCamera, of_result: set[Camera], file: Path) -> Camera:
    if entry.camera is not None and entry.camera.width_px > 0:
        return entry.camera
    if entry.camera is not None:
        height, width = decode_photo(file.read_bytes()).image.shape[:2]
        return dataclasses.replace(entry.camera, width_px=width, height_px=height)
    if len(of_result) == 1:
        return next(iter(of_result))
    raise InputError(
        "no-calibration",
        "The reference has no calibration, and the photographs of the result do not share one.",
        "Give a COLMAP model, .camera files, or JSON with K.",
    )


def _moved(cam_from_world: NDArray[np.float64], similarity: Similarity) -> NDArray[np.float64]:
    """The same pose, for a world that `similarity` has moved; camera coordinates grow with its scale."""
    rotation = cam_from_world[:, :3] @ similarity.rotation.T
    translation = similarity.scale * cam_from_world[:, 3] - rotation @ similarity.translation
    return np.concatenate([rotation, translation[:, None]], 1)
