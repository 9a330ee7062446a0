import cv2
import numpy as np
import pytest

from e2e3d.config.texture import TextureConfig
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping, Scene, SceneImage
from e2e3d.errors import SettingsError
from e2e3d.stages.stage import RunContext
from e2e3d.stages.texture import STAGE, TextureInputs
from tests.ops.texturing.scenes import OPENCV, camera_above, photograph, plane, surface_samples, texture_at, waves


def test_stage_paints_from_the_bytes_of_photographs_and_honours_masks() -> None:
    mesh = plane(8, 0.5)
    poses = [camera_above(0.1, 0.1), camera_above(0.4, -0.2), camera_above(-0.3, 0.3)]
    photos = [photograph(mesh, OPENCV, pose, lambda p, f: waves(p)) for pose in poses]
    files = [Ref.of(cv2.imencode(".png", photo[..., ::-1])[1].tobytes()) for photo in photos]
    nothing = Ref.of(cv2.imencode(".png", np.zeros((240, 320), np.uint8))[1].tobytes())
    images = tuple(SceneImage(f"{i}.png", i, 1, pose) for i, pose in enumerate(poses))
    empty = np.zeros(0, np.int32)
    scene = Scene((OPENCV,), images, np.zeros((0, 3)), np.zeros((0, 3), np.uint8), np.zeros(0, np.float32),
                  empty, empty, np.zeros((0, 2), np.float32))  # fmt: skip
    inputs = TextureInputs(Ref.of(mesh), Ref.of(Mapping(scene, (), (3,))), tuple(files), (None, nothing, None))
    model = STAGE.run(inputs, TextureConfig(atlas_size_px=512), RunContext())
    assert set(np.unique(model.face_image)) <= {0, 2}
    face, weights, points = surface_samples(mesh, 1000)
    inner = (np.abs(points[:, :2]) < 0.45).all(1)
    assert np.median(np.abs(texture_at(model, face, weights) - waves(points))[inner]) < 1.5


@pytest.mark.parametrize("settings", [{"atlas_size_px": 100}, {"atlas_size_px": 1000}, {"max_pages": 0}])
def test_impossible_settings_are_named(settings: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match=next(iter(settings))):
        TextureConfig(**settings)
