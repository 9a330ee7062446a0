"""A small job beside a large one on one cluster takes its turn, also for a unit that uses all cores of a machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from e2e3d.storage.store import ArtifactStore
from tests.command import ROOT, environment, wait_for
from tests.pipeline import toy_stages as toy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]

UNIT_S = 0.5
CORES = 2  # of the fixture's cluster


@contextmanager
def large_job(cluster: str, out: Path, stage: str = "SLEEP_ON_RESULTS") -> Iterator[None]:
    """A driver with an hour of work, which has begun to compute."""
    out.mkdir()
    command = [sys.executable, "-m", "tests.tasks.toy_run", stage, str(out), "9999", str(UNIT_S)]
    given = environment(E2E3D_RAY_ADDRESS=cluster, RAY_AUTH_MODE="disabled")
    driver = subprocess.Popen(command, env=given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: toy.computed(out), timeout_s=240)
        yield
        assert driver.poll() is None
    finally:
        driver.kill()
        driver.wait()


def test_a_small_job_takes_its_turn_beside_a_large_one(cluster: str, tmp_path: Path) -> None:
    from e2e3d.tasks.executor import RayExecutor

    large, small = tmp_path / "large", tmp_path / "small"
    small.mkdir()
    config = toy.ToyConfig(folder=str(small))
    with large_job(cluster, large), RayExecutor(ArtifactStore(str(small / "store")), address=cluster) as run:
        started_s = time.monotonic()
        run.map(toy.SCALE, [toy.ToyInputs(0, np.zeros(1))], config)  # its worker has to start
        print(f"the first unit had ended after {time.monotonic() - started_s:.1f} s")
        before = len(toy.computed(large))
        run.map(toy.SLEEP, [toy.ToyInputs(number, np.full(1, UNIT_S)) for number in range(1, 7)], config)
        six = len(toy.computed(large)) - before
        run.map(toy.SLEEP_ON_ALL_CORES, [toy.ToyInputs(7, np.full(1, UNIT_S))], config)
        one = len(toy.computed(large)) - before - six
    print(f"the large job computed {six} units beside six small ones, and {one} beside one for all cores")
    assert six <= 3 * 6  # an even share is six
    assert one <= 2 * CORES + 2  # what it had submitted before


def test_a_unit_that_takes_a_whole_machine_is_given_room_and_the_large_job_goes_on(
    cluster: str, tmp_path: Path
) -> None:
    """Without the other driver's help it waits for ever: a small unit always holds some of the machine's memory."""
    import ray

    from e2e3d.tasks.executor import RayExecutor

    large, small = tmp_path / "large", tmp_path / "small"
    small.mkdir()
    config = toy.ToyConfig(folder=str(small))
    store = ArtifactStore(str(small / "store"))
    with large_job(cluster, large, "SLEEP_ELSEWHERE"), RayExecutor(store, address=cluster) as run:
        whole_gb = ray.cluster_resources()["memory"] / 1e9
        started_s = time.monotonic()
        run.map(toy.HOLD, [toy.ToyInputs(0, np.array([0.99 * whole_gb, 1.0]))], config)
        print(f"the unit for a whole machine had ended after {time.monotonic() - started_s:.1f} s")
        before = len(toy.computed(large))
        wait_for(lambda: len(toy.computed(large)) > before + 4, timeout_s=60)
