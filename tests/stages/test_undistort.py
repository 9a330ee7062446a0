"""A photograph without distortion is its own view; in a smaller one everything lies where the scale says."""

import numpy as np
import pytest

from e2e3d.config.undistort import UndistortConfig
from e2e3d.data.dense import View
from e2e3d.data.ref import Ref
from e2e3d.ops.photos.decoding import decode_photo
from e2e3d.stages import undistort
from e2e3d.stages.stage import RunContext
from tests.synthetic import FOCAL, HEIGHT, WIDTH, sample_results

INDEX = 2


def view_of(config: UndistortConfig) -> View:
    results = sample_results()
    inputs = undistort.UndistortInputs(Ref.of(results.mapping), INDEX, results.photo_files[INDEX])
    return undistort.STAGE.run(inputs, config, RunContext())


def test_a_photograph_without_distortion_is_its_own_view() -> None:
    view, decoded = view_of(UndistortConfig()), decode_photo(sample_results().photo_files[INDEX].load())
    assert view.image.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(view.image.astype(int) - decoded.image).max() <= 1
    assert view.mask is None
    np.testing.assert_allclose(view.intrinsics_px, (FOCAL, FOCAL, WIDTH / 2, HEIGHT / 2), atol=1e-6)
    assert 0 < len(view.sources) <= 4
    assert INDEX not in view.sources


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_sparse_points_lie_where_the_exact_pose_projects_them(scale: float) -> None:
    view = view_of(UndistortConfig(max_size_px=round(WIDTH * scale)))
    scene = sample_results().mapping.scene
    points = scene.points_world[scene.observation_point[scene.observation_image == INDEX]]
    pose = np.asarray(scene.images[INDEX].cam_from_world)
    in_camera = points @ pose[:, :3].T + pose[:, 3]
    focal = np.array([FOCAL, FOCAL]) * scale
    expected = in_camera[:, :2] / in_camera[:, 2:] * focal + np.array([WIDTH, HEIGHT]) * scale / 2
    assert len(view.sparse_px) == len(points) > 0
    np.testing.assert_allclose(view.sparse_px, expected, atol=0.01)
    np.testing.assert_allclose(view.sparse_depth, in_camera[:, 2], rtol=1e-5)
    low, high = view.depth_range
    assert low < in_camera[:, 2].min() < in_camera[:, 2].max() < high
