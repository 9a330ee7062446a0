"""A GPU that nobody asked for by name shows that it computes as the CPU does, once a process."""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
import pytest

from e2e3d.config.depth import DepthConfig
from e2e3d.data.dense import DepthMap
from e2e3d.data.ref import Ref
from e2e3d.errors import MachineError
from e2e3d.stages import depth, gpu_comparison
from e2e3d.stages.gpu_comparison import compare_once, share_alike
from e2e3d.stages.stage import RunContext
from tests.ops.stereo.scenes import plane_views


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_comparison, "_compared", threading.Event())


def depth_map(wrong: int = 0, missing: int = 0) -> DepthMap:
    values = np.full((10, 100), 2.0, np.float32)
    values.ravel()[:wrong] *= 1.002
    values.ravel()[wrong : wrong + missing] = 0
    return DepthMap(values, np.zeros((10, 100, 3), np.float32), np.ones((10, 100), np.float32))


def test_pixels_are_alike_where_both_maps_have_nearly_the_same_depth() -> None:
    assert share_alike(depth_map(), depth_map()) == 1
    assert share_alike(depth_map(wrong=20), depth_map()) == pytest.approx(0.98)
    assert share_alike(depth_map(missing=30), depth_map()) == pytest.approx(0.97)
    assert share_alike(depth_map(missing=1000), depth_map(missing=1000)) == 1


def test_the_first_map_that_agrees_is_enough(caplog: pytest.LogCaptureFixture) -> None:
    compare_once(depth_map(wrong=5), depth_map, "A.jpg")
    assert "99.5 % of the pixels of A.jpg are alike" in caplog.text
    compare_once(depth_map(wrong=900), lambda: pytest.fail("computed again"), "B.jpg")


def test_a_gpu_that_computes_something_else_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(MachineError, match=r"98\.0% of the pixels") as caught:
            compare_once(depth_map(wrong=20), depth_map, "A.jpg")
        assert caught.value.code == "gpu-differs"


def test_the_stage_compares_where_the_executor_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    views = [Ref.of(view) for view in plane_views()]
    inputs, config = depth.DepthInputs(views[0], tuple(views[1:])), DepthConfig(coarsest_px=64)
    plain = depth.run(inputs, config, RunContext())
    compared = depth.run(inputs, config, RunContext(compare=True))  # the CPU with itself
    np.testing.assert_array_equal(plain.depth, compared.depth)

    def other(view, sources, config, context):  # type: ignore[no-untyped-def]
        return dataclasses.replace(
            plain, depth=plain.depth * (1 if context.compare and context.device == "cuda" else 2)
        )

    monkeypatch.setattr(gpu_comparison, "_compared", threading.Event())
    monkeypatch.setattr(depth, "_computed", other)
    with pytest.raises(MachineError, match="The GPU computed other depths of 0"):
        depth.run(inputs, config, RunContext("cuda", 1, compare=True))
