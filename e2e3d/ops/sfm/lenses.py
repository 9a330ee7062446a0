"""Maps photographs again with the lenses found from their matches, where the assumed ones do not fit.

See :mod:`e2e3d.ops.sfm.lens_groups` for how lenses are found. Photographs of doubtful cameras are first mapped
with a camera each. Lenses of few photographs then stay as they were found, since COLMAP's own adjustment can neither
share a part of them nor hold them near to what is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pycolmap
from numpy.typing import NDArray

from e2e3d.data.features import MatchBlock
from e2e3d.data.photo import Photo
from e2e3d.data.photo_parts import PartModel
from e2e3d.ops.sfm import incremental_mapping as sfm
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene
from e2e3d.ops.sfm.lens_bundle import LensBundle
from e2e3d.ops.sfm.lens_groups import FEW_IMAGES, Intrinsics, calibrate, doubtful, undetermined_cameras
from e2e3d.ops.sfm.part_joining import join_models
from e2e3d.ops.sfm.pixel_stretch import Scales, keypoints_of_square_pixels, photos_of_square_pixels, square_pixels

_SPLIT_ALONE = 0.5  # of the photographs that could be registered: with fewer, lenses are split without a comparison


@dataclass(frozen=True)
class MappedCameras:
    """Components, and the cameras that they were found with.

    Attributes:
        photos: all photographs, regrouped by the lenses that were found.
        components: largest first.
        fixed_cameras: ids of the cameras whose intrinsics are to stay.
        lenses_from_matches: whether the matches show other lenses than the files say.
        focal_held: whether a focal length that the photographs do not determine was held at the known one.
        scales: what makes the pixels of each photograph square; photographs and components are then those of square
            pixels. None where pixels are square as they are.
    """

    photos: tuple[Photo, ...]
    components: list[pycolmap.Reconstruction]
    fixed_cameras: frozenset[int]
    lenses_from_matches: bool = False
    focal_held: bool = False
    scales: Scales | None = None


def map_photographs(
    photos: tuple[Photo, ...],
    keypoints_px: Sequence[NDArray[np.float32]],
    blocks: Callable[[], Iterable[MatchBlock]],
    settings: sfm.SfmSettings,
    reachable: int,
    square: bool = False,
    parts: Sequence[PartModel] = (),
) -> MappedCameras:
    """Map photographs, and check their cameras unless the user gave them.

    Args:
        photos: the usable photographs.
        keypoints_px: float32 [N, >= 2] of each.
        blocks: gives the matches to map from.
        settings: of the mappers.
        reachable: how many photographs the matches connect.
        square: whether pixels are known to be square.
        parts: models of parts of the set, to join instead of mapping it from nothing.
    """
    database, fixed = sfm.build_database(photos, keypoints_px, blocks())
    components = join_models(parts, photos, keypoints_px, database, fixed, settings, reachable)
    if not components:
        components = sfm.reconstruct(database, fixed, settings, reachable)
    assumed = MappedCameras(photos, components, fixed)
    if fixed or (not components and (not reachable or sfm.only_turned(database))):
        return assumed
    found = components[0].num_reg_images() if components else 0
    finding = "split" if found < _SPLIT_ALONE * reachable else doubtful(reconstruction_to_scene(components[0]), photos)
    if finding == "split" and components and not square:
        mapped = _map_with_square_pixels(assumed, keypoints_px, blocks, settings, reachable)
        if mapped is not None:
            return mapped
    if finding:
        model = components[0] if finding == "join" else _mapped_apart(photos, keypoints_px, blocks, settings)
        if model is not None and model.num_reg_images() >= max(found, sfm.MIN_MODEL_SIZE):
            return _with_lenses_of_matches(assumed, model)
    if not components:
        return assumed
    held = undetermined_cameras(reconstruction_to_scene(components[0]), photos)
    if not held:
        return assumed
    stiff = sfm.reconstruct(database, held, settings, reachable)
    if not stiff or stiff[0].num_reg_images() < found:
        return assumed
    return MappedCameras(photos, stiff, held, focal_held=True)


def _map_with_square_pixels(
    assumed: MappedCameras,
    keypoints_px: Sequence[NDArray[np.float32]],
    blocks: Callable[[], Iterable[MatchBlock]],
    settings: sfm.SfmSettings,
    reachable: int,
) -> MappedCameras | None:
    """The photographs mapped as they were before they were stretched; None where they were not, as far as it seems."""
    scales = square_pixels(reconstruction_to_scene(assumed.components[0]), assumed.photos)
    if scales is None:
        return None
    photos = photos_of_square_pixels(assumed.photos, scales)
    keypoints_px = keypoints_of_square_pixels(keypoints_px, scales)
    mapped = map_photographs(photos, keypoints_px, blocks, settings, reachable, square=True)
    registered = max((one.num_reg_images() for one in mapped.components), default=0)
    return None if registered < assumed.components[0].num_reg_images() else replace(mapped, scales=scales)


def _with_lenses_of_matches(assumed: MappedCameras, model: pycolmap.Reconstruction) -> MappedCameras:
    """The photographs of `model` with the lenses found from their matches."""
    scene = reconstruction_to_scene(model)
    intrinsics, adjusted = calibrate(scene, assumed.photos)
    by_photo = {image.photo_index: own for image, own in zip(scene.images, intrinsics, strict=True)}
    photos = tuple(_regrouped(photo, index, by_photo.get(index)) for index, photo in enumerate(assumed.photos))
    rebuilt = _rebuilt(model, adjusted.bundle, photos, by_photo)
    images = Counter(rebuilt.image(image_id).camera_id for image_id in rebuilt.reg_image_ids())
    few = frozenset(camera_id for camera_id, count in images.items() if count < FEW_IMAGES)
    from_matches = _differ([assumed.photos[image.photo_index] for image in scene.images], intrinsics)
    return MappedCameras(photos, [rebuilt, *assumed.components[1:]], few, from_matches)


def _differ(photos: Sequence[Photo], intrinsics: Sequence[Intrinsics]) -> bool:
    """Whether the lenses part the photographs in another way than their groups."""
    groups = [photo.camera.group for photo in photos if photo.camera is not None]
    lenses = [own.lens for own in intrinsics]
    together = set(zip(groups, lenses, strict=True))
    return not len(together) == len(set(groups)) == len(set(lenses))


def _mapped_apart(
    photos: Sequence[Photo],
    keypoints_px: Sequence[NDArray[np.float32]],
    blocks: Callable[[], Iterable[MatchBlock]],
    settings: sfm.SfmSettings,
) -> pycolmap.Reconstruction | None:
    """The largest model in which every photograph has its own camera."""
    apart = [_regrouped(photo, index, None) for index, photo in enumerate(photos)]
    database, _ = sfm.build_database(apart, keypoints_px, blocks())
    components = sfm.run_mapper(database, frozenset(), settings, "incremental")
    return components[0] if components else None


def _regrouped(photo: Photo, index: int, own: Intrinsics | None) -> Photo:
    """The photograph in the group of its lens, or alone where it is cropped or its lens unknown."""
    assert photo.camera is not None
    if own is None or own.cropped:
        return replace(photo, camera=replace(photo.camera, group=f"photograph {index}"))
    group = f"lens {own.lens} {photo.width_px}x{photo.height_px}"
    return replace(photo, camera=replace(photo.camera, group=group))


def _rebuilt(
    model: pycolmap.Reconstruction, bundle: LensBundle, photos: Sequence[Photo], intrinsics: dict[int, Intrinsics]
) -> pycolmap.Reconstruction:
    """The model with the poses and points of `bundle`, whose order is that of ids, and the cameras of the lenses."""
    rebuilt = pycolmap.Reconstruction()
    image_ids = sorted(model.reg_image_ids())
    camera_ids = sfm.camera_ids(photos)
    added: set[int] = set()
    for pose, image_id in zip(bundle.poses, image_ids, strict=True):
        photo = photos[image_id - 1]
        assert photo.camera is not None
        camera_id = camera_ids[photo.camera.group]
        if camera_id not in added:
            rebuilt.add_camera_with_trivial_rig(_camera(camera_id, photo, intrinsics[image_id - 1]))
            added.add(camera_id)
        old = model.image(image_id)
        keypoints = np.array([point.xy for point in old.points2D], np.float64).reshape(-1, 2)
        image = pycolmap.Image(name=old.name, keypoints=keypoints, camera_id=camera_id, image_id=image_id)
        rebuilt.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pose))
    for position, point_id in zip(bundle.points_world, sorted(model.point3D_ids()), strict=True):
        rebuilt.add_point3D(position, model.point3D(point_id).track)
    return rebuilt


def _camera(camera_id: int, photo: Photo, own: Intrinsics) -> pycolmap.Camera:
    params = (own.focal_px, *own.centre_px, *own.distortion)
    camera = pycolmap.Camera(
        camera_id=camera_id, model="RADIAL", width=photo.width_px, height=photo.height_px, params=params
    )
    camera.has_prior_focal_length = True
    return camera
