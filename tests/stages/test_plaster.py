"""From photographs to cameras where little stands out: a plaster figure on black, all around."""

import cv2
import numpy as np
import pytest

from e2e3d.data.photo import CameraGuess, Photo
from e2e3d.data.ref import Ref
from e2e3d.stages import features, mapping, matching
from e2e3d.stages.stage import RunContext
from tests.ops.plaster import HEIGHT, INTRINSICS, RADIUS, WIDTH, plaster_photographs, ring_poses
from tests.ops.synthetic_sfm import pose_errors

COUNT = 24


GIVEN = CameraGuess("one", INTRINSICS[0], "intrinsics", INTRINSICS)
GUESSED = CameraGuess("one", 1.2 * WIDTH, "guess")  # a sixth too short, and a lens that may distort


@pytest.mark.slow
@pytest.mark.parametrize(("camera", "largest_error"), [(GIVEN, 0.01), (GUESSED, 0.03)], ids=["K", "no K"])
def test_a_ring_around_a_plaster_figure_closes(camera: CameraGuess, largest_error: float) -> None:
    poses = ring_poses(COUNT)
    context = RunContext()
    found = []
    for i, image in enumerate(plaster_photographs(poses)):
        blob = Ref.of(cv2.imencode(".png", image)[1].tobytes(), f"blob/{i}")
        inputs = features.FeaturesInputs(blob, None, WIDTH, HEIGHT)
        found.append(Ref.of(features.run(inputs, features.FeaturesConfig(), context), f"features/{i}"))
    pairs = tuple(sorted({tuple(sorted((i, (i + step) % COUNT))) for i in range(COUNT) for step in (1, 2)}))
    members = tuple(matching.MatchingPhoto(i, found[i], camera, WIDTH, HEIGHT) for i in range(COUNT))
    block = matching.run(matching.MatchingInputs(pairs, members), matching.MatchingConfig(), context)
    photos = tuple(Photo(f"{i:03d}.png", f"{i:064x}", WIDTH, HEIGHT, camera, sharpness=1.0) for i in range(COUNT))
    inputs = mapping.MappingInputs(photos, tuple(found), (Ref.of(block, "block"),))
    scene = mapping.run(inputs, mapping.MappingConfig(), context).scene
    assert len(scene.images) == COUNT
    distance, angle = pose_errors({image.photo_index: image.cam_from_world for image in scene.images}, np.array(poses))
    assert distance < largest_error * RADIUS
    assert angle < 50 * largest_error
