"""Poses from elsewhere: read in the formats that programs write, and found for the photographs by name."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from e2e3d.data.given_poses import GivenPose, GivenPoses
from e2e3d.data.photo import Photo, PhotoProblem
from e2e3d.data.scene import Camera, Scene
from e2e3d.errors import InputError
from e2e3d.ops.photos.set_review import MIN_PHOTOGRAPHS
from e2e3d.outputs.evaluation.references import read_named

_RIGID = 1e-3  # the largest deviation of a rotation from a rotation


def read_poses(given: str | os.PathLike[str] | Scene) -> GivenPoses:
    """The poses of a scene, or of a file or folder.

    Args:
        given: a scene, or what :func:`~e2e3d.outputs.evaluation.references.read_named` reads.

    Raises:
        InputError: ``no-such-path``, ``unknown-reference``, ``bad-model``, ``camera-model``; ``bad-poses`` where a pose
            is no rotation and place.
    """
    if isinstance(given, Scene):
        poses = tuple(GivenPose(image.name, image.cam_from_world, given.camera_of(image)) for image in given)
        found = GivenPoses(poses, "a scene", given.frame, given.georeference)
    else:
        path = Path(given).expanduser()
        if not path.exists():
            raise InputError("no-such-path", f"{path} does not exist.", "Check the spelling of the path.")
        named = read_named(path).items()
        found = GivenPoses(tuple(GivenPose(name, at.cam_from_world, at.camera) for name, at in named), path.name)
    for pose in found.poses:
        rotation = pose.cam_from_world[:, :3]
        turned = np.abs(rotation @ rotation.T - np.eye(3)).max() < _RIGID and np.linalg.det(rotation) > 0
        if not (np.isfinite(pose.cam_from_world).all() and turned):
            raise InputError(
                "bad-poses",
                f"The pose of {pose.name} in {found.source} is no rotation and place: it is scaled, mirrored or not "
                "finite.",
                "Write rigid poses, with the scale in the places of the cameras alone.",
            )
    return found


def match_poses(photos: Sequence[Photo], given: GivenPoses | None) -> tuple[tuple[Photo, ...], dict[str, GivenPose]]:
    """The photographs, those without a pose marked ``no-pose`` (fatal), and the poses of the others by their names.

    Where no poses are given at all, the photographs stay as they are. Names are compared as they are, then without
    folders, then without suffix and case.

    Raises:
        InputError: ``pose-names`` where fewer than three photographs have a pose, or names fit several;
            ``pose-size`` where a camera is of pictures of another size; ``pose-calibration`` where none is stated.
    """
    if given is None:
        return tuple(photos), {}
    usable = [photo for photo in photos if photo.usable]
    pairs = _pairs([photo.name for photo in usable], given)
    if len(pairs) < MIN_PHOTOGRAPHS:
        there = given.poses[0].name if given.poses else "nothing"
        raise InputError(
            "pose-names",
            f"{len(pairs)} of {len(usable)} photographs have a pose in {given.source}, by their names: there is "
            f"{there} there, and {usable[0].name} here.",
            f"Give poses of at least {MIN_PHOTOGRAPHS} photographs, under the names of their files.",
        )
    known = {photo.name: _with_camera(photo, pairs[photo.name], given) for photo in usable if photo.name in pairs}
    problem = PhotoProblem("no-pose", f"{given.source} has no pose of it.", fatal=True)
    return tuple(
        replace(photo, problems=(*photo.problems, problem)) if photo.usable and photo.name not in known else photo
        for photo in photos
    ), known


def _pairs(names: Sequence[str], given: GivenPoses) -> dict[str, GivenPose]:
    """The pose of each photograph that has one."""
    found: dict[str, GivenPose] = {}
    left = list(given.poses)
    for key in _KEYS:
        photos, poses = defaultdict(list), defaultdict(list)
        for name in names:
            if name not in found:
                photos[key(name)].append(name)
        for pose in left:
            poses[key(pose.name)].append(pose)
        for both in photos.keys() & poses.keys():
            if len(photos[both]) > 1 or len(poses[both]) > 1:
                raise InputError(
                    "pose-names",
                    f"It is not clear which pose of {given.source} belongs to {photos[both][0]}: "
                    f"{len(photos[both])} photographs and {len(poses[both])} poses are called {both}.",
                    "Give each photograph a name of its own, or name it there with its folder.",
                )
            found[photos[both][0]] = poses[both][0]
        taken = set(found.values())
        left = [pose for pose in left if pose not in taken]
    return found


def _as_it_is(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).as_posix()


def _file_name(name: str) -> str:
    return PurePosixPath(_as_it_is(name)).name


def _stem(name: str) -> str:
    return PurePosixPath(_file_name(name)).stem.casefold()


_KEYS: tuple[Callable[[str], str], ...] = (_as_it_is, _file_name, _stem)


def _with_camera(photo: Photo, pose: GivenPose, given: GivenPoses) -> GivenPose:
    """The pose under the photograph's name, with a camera of its size."""
    size_px = photo.width_px, photo.height_px
    camera = pose.camera
    if camera is None:
        intrinsics = None if photo.camera is None else photo.camera.intrinsics_px
        if intrinsics is None:
            raise InputError(
                "pose-calibration",
                f"{given.source} states no calibration of {photo.name}.",
                "Give the calibration matrix of the photographs too (intrinsics).",
            )
        camera = Camera(1, "PINHOLE", *size_px, intrinsics)
    if (camera.width_px, camera.height_px) not in (size_px, (0, 0)):
        raise InputError(
            "pose-size",
            f"{photo.name} has {size_px[0]} x {size_px[1]} pixels, and its camera in {given.source} "
            f"{camera.width_px} x {camera.height_px}.",
            "Give the pictures that the poses were found with; E2E3D turns photographs upright as EXIF says.",
        )
    return replace(
        pose, name=photo.name, camera=replace(camera, camera_id=1, width_px=size_px[0], height_px=size_px[1])
    )
