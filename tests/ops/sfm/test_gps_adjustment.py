"""GPS positions in the bundle adjustment, on flights whose lens the adjustment cannot tell from their bending."""

from dataclasses import replace

import numpy as np
import pytest

from e2e3d.data.photo import Photo
from e2e3d.data.scene import Camera, Scene
from e2e3d.ops.colmap_log import silence_colmap
from e2e3d.ops.geo.scene_frame import place_scene
from e2e3d.ops.poses import camera_centres
from e2e3d.ops.sfm.calibration import adjust_bundle
from e2e3d.ops.sfm.colmap_model import reconstruction_to_scene, scene_to_reconstruction
from e2e3d.ops.sfm.gps_adjustment import adjust_to_positions
from tests.ops.flights import Flight, flight, grid, tilt_deg

FOCAL, K1, K2 = 1000.0, -0.03, 0.015


def flown(seed: int, place_noise_m: float, height_noise_m: float) -> tuple[Flight, Scene, np.ndarray]:
    """Two rows of twelve, seen through a lens that the model (one radial coefficient) can only approach."""
    random = np.random.default_rng(seed)
    centres, headings = grid(random, 2, 12)
    truth = flight(centres, headings, seed=seed, place_noise_m=place_noise_m, height_noise_m=height_noise_m)
    reach = np.abs(centres[:, :2]).max() + 30
    count = int((2 * reach) ** 2 / 12)
    points = np.concatenate([random.uniform(-reach, reach, (count, 2)), random.normal(0, 1.5, (count, 1))], 1)
    seen = [_observed(points, image.cam_from_world, random) for image in truth.scene.images]
    image = np.repeat(np.arange(len(seen)), [len(ids) for ids, _ in seen])
    point, pixel = (np.concatenate([one[part] for one in seen]) for part in (0, 1))
    keep = np.bincount(point, minlength=count) >= 3
    used = keep[point]
    image, point, pixel = image[used], (np.cumsum(keep) - 1)[point[used]], pixel[used]
    order = np.lexsort((image, point))
    world = points[keep]
    scene = Scene(
        (Camera(1, "SIMPLE_RADIAL", 1200, 900, (1040.0, 600.0, 450.0, 0.0)),),
        truth.scene.images,
        world,
        np.zeros((len(world), 3), np.uint8),
        np.zeros(len(world), np.float32),
        image[order].astype(np.int32),
        point[order].astype(np.int32),
        pixel[order].astype(np.float32),
    )
    return truth, scene, centres


def _observed(points: np.ndarray, pose: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    camera = points @ pose[:, :3].T + pose[:, 3]
    plane = camera[:, :2] / camera[:, 2:]
    squared = (plane**2).sum(1, keepdims=True)
    pixel = plane * (1 + K1 * squared + K2 * squared**2) * FOCAL + [600, 450]
    inside = (camera[:, 2] > 0) & (pixel > 0).all(1) & (pixel < [1200, 900]).all(1)
    return np.flatnonzero(inside), pixel[inside] + random.normal(0, 0.5, (int(inside.sum()), 2))


def heights_off_m(scene: Scene, photos: tuple[Photo, ...], centres: np.ndarray) -> float:
    off = camera_centres(place_scene(scene, photos, None, None)) - centres
    return float((off - off.mean(axis=0))[:, 2].std())


@pytest.mark.parametrize("seed", [0, 2])
@pytest.mark.parametrize(
    ("stated_m", "place_noise_m", "height_noise_m", "better"), [(0.02, 0.02, 0.03, 0.2), (None, 0.5, 0.5, 0.9)]
)
def test_positions_take_the_bending_out(
    stated_m: float | None, place_noise_m: float, height_noise_m: float, better: float, seed: int
) -> None:
    silence_colmap()
    truth, scene, centres = flown(seed, place_noise_m, height_noise_m)
    photos = tuple(
        replace(photo, gps=replace(photo.gps, horizontal_accuracy_m=stated_m, vertical_accuracy_m=stated_m))
        for photo in truth.photos
    )
    model = scene_to_reconstruction(scene)
    adjust_bundle(model, frozenset(), frozenset())
    plain = reconstruction_to_scene(model)
    adjusted = adjust_to_positions(model, plain, photos, frozenset())
    assert adjusted is not model
    held = reconstruction_to_scene(adjusted)
    assert heights_off_m(held, photos, centres) < better * heights_off_m(plain, photos, centres)
    assert abs(held.cameras[0].params[0] - FOCAL) < abs(plain.cameras[0].params[0] - FOCAL)
    assert tilt_deg(place_scene(held, photos, None, None), truth) < 0.6


def test_stated_accuracies_that_the_photographs_contradict_are_not_believed() -> None:
    truth, scene, _ = flown(1, 4.0, 4.0)
    photos = tuple(
        replace(photo, gps=replace(photo.gps, horizontal_accuracy_m=0.01, vertical_accuracy_m=0.01))
        for photo in truth.photos
    )
    model = scene_to_reconstruction(scene)
    adjust_bundle(model, frozenset(), frozenset())
    adjusted = adjust_to_positions(model, reconstruction_to_scene(model), photos, frozenset())
    assert adjusted.compute_mean_reprojection_error() <= 1.02 * model.compute_mean_reprojection_error()
