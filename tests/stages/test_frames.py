import numpy as np
import pytest

from e2e3d.config.frames import FramesConfig
from e2e3d.data.ref import Ref
from e2e3d.errors import InputError, SettingsError
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.stages.frames import STAGE, FramesInputs
from e2e3d.stages.stage import RunContext
from tests.ops.photos.test_video import pan, write_video


def run(path, config=None):
    return STAGE.run(FramesInputs(path.name, Ref.of(path.read_bytes())), config or FramesConfig(), RunContext())


def test_a_video_becomes_photographs(tmp_path):
    path = write_video(tmp_path / "walk.mp4", pan(range(0, 480, 4)))
    result = run(path, FramesConfig(spacing=0.1, min_frames=3))
    assert 14 <= len(result.names) <= 17
    assert result.names[0].startswith("walk_0000")
    assert list(result.names) == sorted(result.names)
    for start, end in zip(result.offsets[:-1], result.offsets[1:], strict=True):
        assert decode_photo(result.data[start:end].tobytes()).image.shape == (240, 320, 3)
    again = run(path, FramesConfig(spacing=0.1, min_frames=3))
    np.testing.assert_array_equal(again.data, result.data)


def test_a_video_of_one_still_picture_is_refused(tmp_path):
    path = write_video(tmp_path / "still.mp4", pan([100] * 48))
    with pytest.raises(InputError) as caught:
        run(path)
    assert caught.value.code == "video-still"


@pytest.mark.parametrize(
    "wrong", [{"spacing": 0.0}, {"min_frames": 2}, {"min_frames": 50, "max_frames": 10}, {"jpeg_quality": 90}]
)
def test_settings_are_checked(wrong):
    with pytest.raises(SettingsError):
        FramesConfig(**wrong)
