"""The GPU path of the geometric pass, its memory, and whether its kernels compile for a real card."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from e2e3d.config.consistency import ConsistencyConfig
from e2e3d.data.dense import DepthMap, View
from e2e3d.data.ref import Ref
from e2e3d.stages.consistency import ConsistencyInputs, run
from e2e3d.stages.stage import RunContext
from tests.ops.stereo.scenes import CENTRES, plane_depth, plane_views

SIZE = (20, 15)

CONSISTENCY = """
import sys
import numpy as np
from tests.ops.stereo.test_gpu_requirements import solve
result = solve("cuda")
np.savez(sys.argv[1], depth=result.depth, confidence=result.confidence)
"""

MEMORY = """
from e2e3d.errors import MachineError
from e2e3d.ops.stereo import gpu_requirements
class Card:
    free = 1 << 30
    def get_memory_info(self):
        Card.free += 1 << 30
        return Card.free, 8 << 30
gpu_requirements.cuda.current_context = Card
gpu_requirements.await_memory(4 << 30)  # others let go of theirs meanwhile
assert Card.free >= (4 << 30) + (256 << 20)
try:
    gpu_requirements.await_memory(9 << 30)
except MachineError as error:
    assert error.code == "gpu-memory", error
else:
    raise SystemExit("a card that is too small was accepted")
"""

UPLOAD = """
import numpy as np
from numba import cuda
from e2e3d.ops.stereo.cuda import to_device
strides, sent = [], cuda.to_device
def recorded(array):
    strides.extend(array.strides)
    return sent(array)
cuda.to_device = recorded
planes = np.arange(60, dtype=np.float32).reshape(4, 5, 3)
starts = np.ascontiguousarray(planes[:, :, None])
assert 0 in starts.strides
assert (to_device(starts).copy_to_host() == starts).all() and to_device(starts).shape == starts.shape
assert 0 not in strides, strides
"""

COMPILE = """
import types
import numba
import numba.cuda.dispatcher as dispatcher
import numpy as np
from numba import cuda
dispatcher.get_current_device = lambda: types.SimpleNamespace(compute_capability=(8, 0))
from e2e3d.ops.stereo import cuda as gpu
from tests.ops.stereo.test_gpu_requirements import solve

compiled = {}

class Recorder:
    "Compiles a kernel for the arguments that it would be launched with."
    def __init__(self, kernel):
        self.kernel = kernel
    def __getitem__(self, grid):
        def launch(*arguments):
            signature = numba.types.void(*map(numba.typeof, arguments))
            name = self.kernel.py_func.__name__
            compiled[name] = compiled.get(name) or cuda.compile_ptx(self.kernel.py_func, signature, cc=(8, 0))[0]
        return launch

class HostArray(np.ndarray):
    "Stands for an array on the card, which is not there."
    def copy_to_host(self):
        return np.array(self)

cuda.to_device = lambda array, **_: array.view(HostArray)
numba.extending.typeof_impl.register(HostArray)(lambda array, c: numba.typeof(np.asarray(array)))
gpu.await_memory = lambda needed: None
gpu.start_kernel, gpu.sweep_kernel = Recorder(gpu.start_kernel), Recorder(gpu.sweep_kernel)
solve("cuda")
assert sorted(compiled) == ["start_kernel", "sweep_kernel"], sorted(compiled)
for name, ptx in compiled.items():
    doubles = [f"{what}.f64" for what in ("add", "mul", "div.rn", "fma.rn", "sqrt.rn") if f"{what}.f64" in ptx]
    assert not doubles, (name, doubles)
"""


def small(view: View) -> View:
    ratio = SIZE[0] / view.image.shape[1]
    image = cv2.resize(view.image, SIZE, interpolation=cv2.INTER_AREA)
    return replace(view, image=image, intrinsics_px=view.intrinsics_px * ratio)


def solve(device: str) -> DepthMap:
    """The geometric pass on three small views of a plane, from depths that are a little off."""
    views = [small(view) for view in plane_views()]
    rng = np.random.default_rng(0)
    maps = []
    for centre in CENTRES:
        depth = cv2.resize(plane_depth(centre).astype(np.float32), SIZE, interpolation=cv2.INTER_AREA)
        depth = np.asarray(depth * rng.uniform(0.995, 1.005, depth.shape), np.float32)
        normal = np.tile(np.array([0, 0, -1], np.float32), (*depth.shape, 1))
        maps.append(DepthMap(depth, normal, np.ones_like(depth)))
    first, *others = [Ref.of(view) for view in views]
    own, *theirs = [Ref.of(depth) for depth in maps]
    config = ConsistencyConfig(sources=2, views=2, window_radius_px=3, min_views=1, max_depth_ratio=0.02, max_cost=0.9)
    return run(ConsistencyInputs(first, tuple(others), own, tuple(theirs)), config, RunContext(device))


def run_python(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONWARNINGS": "ignore", **environment}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], env=env, capture_output=True, text=True, timeout=500, check=False
    )


@pytest.mark.slow
def test_the_simulated_gpu_gives_the_same_consistent_depths(tmp_path: Path) -> None:
    file = tmp_path / "result.npz"
    done = run_python(CONSISTENCY, str(file), NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr[-2000:]
    simulated, expected = np.load(file), solve("cpu")
    kept = expected.depth > 0
    assert kept.mean() > 0.3  # something to compare
    assert (kept == (simulated["depth"] > 0)).mean() >= 0.99
    both = kept & (simulated["depth"] > 0)
    assert np.isclose(simulated["depth"], expected.depth, rtol=1e-3)[both].mean() >= 0.98
    assert np.isclose(simulated["confidence"], expected.confidence, atol=0.01)[both].mean() >= 0.98


def test_a_unit_waits_for_room_on_the_card() -> None:
    done = run_python(MEMORY, NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_axis_without_a_stride_is_sent_to_the_card() -> None:
    done = run_python(UPLOAD, NUMBA_ENABLE_CUDASIM="1")
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.skipif(
    not importlib.util.find_spec("numba_cuda"), reason="numba-cuda is not installed (pip install 'e2e3d[gpu]')"
)
def test_the_kernels_compile_for_a_card_and_hold_no_doubles() -> None:
    done = run_python(COMPILE)
    assert done.returncode == 0, done.stderr[-2000:]
