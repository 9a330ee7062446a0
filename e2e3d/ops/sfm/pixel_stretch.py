"""Pixels that are not square: photographs resized without keeping their proportions, video stored narrower than shown.

Every camera model here has one focal length to begin with. A stretched set fits it with bent paths, split lenses and
shifted centres, and with small errors. So where one lens does not fit, the stretch of each size of pictures is searched
before photographs are given lenses of their own: it is one number, and where it explains the matches as well as many,
it is the cause. Then the set is mapped as it was before it was stretched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Camera, Remark, Scene
from e2e3d.ops.evaluation.match_signs import points_of_keypoints
from e2e3d.ops.photos.exif import GUESSED_FOCAL_RATIO
from e2e3d.ops.sfm.lens_bundle import MAX_IMAGES, adjust
from e2e3d.ops.sfm.lens_groups import LensGrouping, bundle_of, numbers, sampled

_SEARCHED = np.linspace(-1.0, 1.0, 9)  # logarithm to base 2: pictures squeezed to a half, up to twice as wide
_FINER, _FINEST = (0.125, 0.0625, 0.03), (0.015, 0.007, 0.003)  # the last is a fifth of a percent
_TOLERANCE = 1e-3
_NOTABLE = 0.03  # of the same logarithm: 2 %
_MUCH_BETTER = 0.25  # of the cost, as for lenses
_AS_GOOD = 0.08
_MIN_IMAGES = 4  # of a size
_MAX_SIZES = 3

Scales = NDArray[np.float64]  # [N, 2], by which the pixels of each photograph are multiplied to be square


def square_pixels(scene: Scene, photos: Sequence[Photo]) -> Scales | None:
    """What to multiply pixels by to make them square, for each of `photos`; None where they are as far as can be told.

    Args:
        scene: mapped as if pixels were square, with a camera for each lens that the files tell of.
        photos: the usable photographs.
    """
    if not _MIN_IMAGES <= len(scene.images) <= MAX_IMAGES:
        return None
    part = sampled(scene)
    size_of = numbers(
        [(photos[image.photo_index].width_px, photos[image.photo_index].height_px) for image in part.images]
    )
    counts = np.bincount(size_of)
    if len(counts) > _MAX_SIZES or counts.max() < _MIN_IMAGES:
        return None

    def cost(stretch: NDArray[np.float64]) -> float:
        square = _with_square_pixels(part, _scales(stretch)[size_of])
        return adjust(bundle_of(square, photos, LensGrouping.of_lenses(size_of)), _TOLERANCE).cost

    stretch = np.zeros(len(counts))
    start = best = cost(stretch)
    for size in np.argsort(-counts).tolist():
        if counts[size] >= _MIN_IMAGES:
            stretch, best = _searched(cost, stretch, size, best)
    free = adjust(bundle_of(part, photos, LensGrouping.of_lenses(np.arange(len(size_of)))), _TOLERANCE).cost
    if np.abs(stretch).max() < _NOTABLE or best > min((1 - _MUCH_BETTER) * start, (1 + _AS_GOOD) * free):
        return None
    of_size = dict(
        zip([_size(photos[image.photo_index]) for image in part.images], stretch[size_of].tolist(), strict=True)
    )
    return _scales(np.array([of_size.get(_size(photo), 0.0) for photo in photos]))


def _searched(
    cost: Callable[[NDArray[np.float64]], float], stretch: NDArray[np.float64], size: int, best: float
) -> tuple[NDArray[np.float64], float]:
    """The stretch of one size that fits best, those of the others held."""

    def tried(value: float) -> NDArray[np.float64]:
        changed = stretch.copy()
        changed[size] = value
        return changed

    found = {0.0: best} | {value: cost(tried(value)) for value in _SEARCHED.tolist() if value}
    for step in (*_FINER, *_FINEST):
        middle = min(found, key=found.__getitem__)
        if step in _FINEST and found[middle] > (1 - _MUCH_BETTER) * found[0.0]:
            break  # it is not the stretch
        found |= {value: cost(tried(value)) for value in (middle - step, middle + step)}
    middle = min(found, key=found.__getitem__)
    return tried(middle), found[middle]


def _scales(stretch: NDArray[np.float64]) -> Scales:
    """Both sides change, so that a picture keeps its area and errors their weight."""
    return np.stack([2 ** (-stretch / 2), 2 ** (stretch / 2)], axis=1)


def _size(photo: Photo) -> tuple[int, int]:
    return photo.width_px, photo.height_px


def _with_square_pixels(scene: Scene, scales: Scales) -> Scene:
    """The scene with its images' observations, and a camera for each of them, in square pixels."""
    cameras, images = [], []
    for number, (image, scale) in enumerate(zip(scene.images, scales, strict=True), 1):
        old = scene.camera_of(image)
        params = (old.params[0], *(old.K[:2, 2] * scale), old.params[-1])
        width, height = np.round(np.array([old.width_px, old.height_px]) * scale).astype(int).tolist()
        cameras.append(Camera(number, "SIMPLE_RADIAL", width, height, tuple(map(float, params))))
        images.append(replace(image, camera_id=number))
    moved = (scene.observation_px * scales[scene.observation_image]).astype(np.float32)
    return replace(scene, cameras=tuple(cameras), images=tuple(images), observation_px=moved)


def photos_of_square_pixels(photos: Sequence[Photo], scales: Scales) -> tuple[Photo, ...]:
    """The photographs as they were before they were stretched, with what can be guessed of their focal length then."""
    changed = []
    for photo, scale in zip(photos, scales, strict=True):
        assert photo.camera is not None
        width, height = np.round(np.array(_size(photo)) * scale).astype(int).tolist()
        camera = photo.camera
        if camera.focal_source == "guess":
            camera = replace(camera, focal_px=GUESSED_FOCAL_RATIO * max(width, height))
        changed.append(replace(photo, width_px=width, height_px=height, camera=camera))
    return tuple(changed)


def keypoints_of_square_pixels(
    keypoints_px: Sequence[NDArray[np.float32]], scales: Scales
) -> list[NDArray[np.float32]]:
    """Positions float32 [N, 2] of each photograph in square pixels."""
    return [
        (keypoints[:, :2] * scale).astype(np.float32) for keypoints, scale in zip(keypoints_px, scales, strict=True)
    ]


def stretched_again(
    scene: Scene, photos: Sequence[Photo], keypoints_px: Sequence[NDArray[np.float32]], scales: Scales
) -> Scene:
    """A scene of square pixels in those of the photographs as they are; its cameras have two focal lengths.

    Args:
        scene: in square pixels.
        photos: as they are.
        keypoints_px: float32 [N, >= 2] of each, as they are.
        scales: of each photograph.
    """
    by_camera = {image.camera_id: image.photo_index for image in scene.images}
    cameras = tuple(
        _stretched_camera(camera, photos[by_camera[camera.camera_id]], scales[by_camera[camera.camera_id]])
        for camera in scene.cameras
        if camera.camera_id in by_camera
    )
    square = keypoints_of_square_pixels(keypoints_px, scales)
    observed = scene.observation_px.copy()
    for number, image in enumerate(scene.images):
        own = scene.observation_image == number
        every = np.arange(len(square[image.photo_index]), dtype=np.int32)
        index = points_of_keypoints(scene.observation_px[own], square[image.photo_index], every)
        observed[own] = keypoints_px[image.photo_index][index, :2]
    return replace(scene, cameras=cameras, observation_px=observed)


def _stretched_camera(camera: Camera, photo: Photo, scale: NDArray[np.float64]) -> Camera:
    (fx, _, cx), (_, fy, cy), _ = (camera.K / np.append(scale, 1.0)[:, None]).tolist()
    first = 3 if camera.model in ("SIMPLE_RADIAL", "RADIAL") else 4
    lens = (*camera.params[first:], 0.0, 0.0, 0.0, 0.0)[:4]
    return Camera(camera.camera_id, "OPENCV", photo.width_px, photo.height_px, (fx, fy, cx, cy, *lens))


def stretch_remark(scene: Scene, scales: Scales) -> tuple[Remark, ...]:
    """What to say of the registered photographs whose pixels are not square."""
    wide = {image.name: float(scales[image.photo_index, 1] / scales[image.photo_index, 0]) for image in scene.images}
    stretched = [name for name, ratio in wide.items() if abs(np.log2(ratio)) >= _NOTABLE]
    if not stretched:
        return ()
    ratios = sorted({f"{wide[name]:.2f}" for name in stretched})
    message = (
        f"Pictures are {' and '.join(ratios)} times as wide as they were taken: they were resized without keeping "
        "their proportions, or are video stored so. That was allowed for; unchanged originals give a better model."
    )
    return (Remark("stretched", message, tuple(stretched)),)
