"""The geometry of views, which the pipeline plans with, says what the views themselves say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from e2e3d.config.undistort import UndistortConfig
from e2e3d.data.dense import ViewGeometry
from e2e3d.data.ref import Ref
from e2e3d.data.scene import Mapping, Scene
from e2e3d.stages import undistort
from e2e3d.stages.stage import RunContext
from tests.synthetic import sample_results

COUNT = 5


def geometry(mapping: Mapping, config: UndistortConfig, block: int) -> list[ViewGeometry]:
    units = [undistort.GeometryInputs(Ref.of(mapping), first, block) for first in range(0, 2 * COUNT, block)]
    return [view for unit in units for view in undistort.run_geometry(unit, config, RunContext()).views]


def distorted(scene: Scene) -> Scene:
    camera = replace(scene.cameras[0], model="SIMPLE_RADIAL", params=(300.0, 160.0, 120.0, 0.08))
    return replace(scene, cameras=(camera,))


@pytest.mark.parametrize("config", [UndistortConfig(), UndistortConfig(max_size_px=200, max_sources=2)])
@pytest.mark.parametrize("block", [2, 50])
def test_geometry_is_that_of_the_views(config: UndistortConfig, block: int) -> None:
    results = sample_results(COUNT)
    mapping = replace(results.mapping, scene=distorted(results.mapping.scene))
    found = geometry(mapping, config, block)
    assert len(found) == COUNT
    for i, own in enumerate(found):
        view = undistort.run(
            undistort.UndistortInputs(Ref.of(mapping), i, results.photo_files[i]), config, RunContext()
        )
        assert (own.image_index, own.sources) == (view.image_index, view.sources)
        assert (own.height_px, own.width_px) == view.image.shape[:2]
        assert own.photo_index == mapping.scene.images[i].photo_index
        assert own.sources
