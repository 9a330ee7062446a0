"""What the light parts load: each is imported in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT

ENGINE = {"numba", "torch", "ray", "open3d", "scipy", "pycolmap", "llvmlite"}
HEAVY = ENGINE | {"numpy", "cv2", "PIL", "sqlalchemy", "fastapi", "starlette", "s3fs", "fsspec"}
_LIMIT_S = 0.3
_TRIES = 5  # the quickest counts: other tests run beside this one

_PROBE = """
import sys, time
began_s = time.process_time()
import {module}
print(time.process_time() - began_s)
print(*sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def imported(module: str) -> tuple[float, set[str]]:
    """The CPU seconds that an import takes, and the packages that are loaded then."""
    command = [sys.executable, "-c", _PROBE.format(module=module)]
    seconds, names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return float(seconds), set(names.split())


@pytest.mark.parametrize(
    "module",
    ["e2e3d.client", "e2e3d.config", "e2e3d.config.presets", "e2e3d.config.overrides", "e2e3d.config.pipeline"],
)
def test_client_and_config_are_light(module: str) -> None:
    tries = [imported(module) for _ in range(_TRIES)]
    assert tries[0][1] & HEAVY == set()
    assert min(seconds for seconds, _ in tries) < _LIMIT_S


@pytest.mark.parametrize(
    "path", sorted((ROOT / "e2e3d" / "service").glob("*/wire.py")), ids=lambda path: path.parent.name
)
def test_wire_models_need_pydantic_only(path: Path) -> None:
    _, packages = imported(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert packages & (HEAVY | {"httpx", "argon2", "jwt"}) == set()


def test_replica_of_the_api_loads_nothing_of_the_engine() -> None:
    _, packages = imported("e2e3d.serve.app")
    assert packages & ENGINE == set()


def test_forecast_needs_no_array_library() -> None:
    _, packages = imported("e2e3d.pipeline.forecast")
    assert packages & HEAVY == set()
