"""The GPU launcher gives what the CPU gives; in numba's simulator, without compiling, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from e2e3d.ops.stereo.cpu import CpuLauncher
from e2e3d.ops.stereo.patchmatch import SweepPlan, improve
from e2e3d.ops.stereo.pyramid import MatchSettings, build_problem, grey_view
from tests.ops.stereo.scenes import plane_views

SCRIPT = """
import sys
import numpy as np
from e2e3d.ops.stereo.cuda import CudaLauncher
from tests.ops.stereo.test_cuda import solve
np.save(sys.argv[1], solve(CudaLauncher()))
"""


def solve(launcher) -> np.ndarray:
    """Planes [12, 16, 3] after one sweep from the better of two random planes."""
    views = [grey_view(view) for view in plane_views()]
    settings = MatchSettings(5, 12.0, 1.5, 0.0, 3.0, 4.0)
    problem = build_problem(views[0], views[1:], None, (16, 12), (2.0, 9.0), settings, fine=True)
    starts = np.zeros((12, 16, 2, 3), np.float32)
    starts[..., 0] = np.random.default_rng(0).uniform(1 / 9, 1 / 2, (12, 16, 2))
    return improve(problem, starts, SweepPlan(1, True, 1, 2, 1.0, 2, 0.5), 3, launcher).plane


def test_the_simulated_gpu_finds_the_same_planes(tmp_path: Path) -> None:
    result = tmp_path / "planes.npy"
    env = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(result)], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    same = np.isclose(np.load(result), solve(CpuLauncher()), rtol=1e-3, atol=1e-5).all(-1)
    assert same.mean() >= 0.98
