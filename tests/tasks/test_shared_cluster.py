"""A small job beside large ones on one cluster: it takes its turn, also for a unit that uses all cores of a machine."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest

from e2e3d.storage.store import ArtifactStore
from tests.command import ROOT, environment, wait_for
from tests.pipeline import toy_stages as toy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

UNIT_S = 0.5
LARGE_JOBS = 2
CORES = 2


@contextmanager
def large_job(cluster: str, out: Path) -> Iterator[None]:
    """A driver with hours of work, which begins to compute."""
    out.mkdir()
    command = [sys.executable, "-m", "tests.tasks.toy_run", "SLEEP_ON_RESULTS", str(out), "9999", str(UNIT_S)]
    given = environment(E2E3D_RAY_ADDRESS=cluster, RAY_AUTH_MODE="disabled")
    driver = subprocess.Popen(command, env=given, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: toy.computed(out))
        yield
        assert driver.poll() is None
    finally:
        driver.kill()
        driver.wait()


def test_a_small_job_takes_its_turn_beside_large_ones(
    cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from e2e3d.tasks.executor import RayExecutor

    small = tmp_path / "small"
    small.mkdir()
    config = toy.ToyConfig(folder=str(small))
    large = [tmp_path / f"large{number}" for number in range(LARGE_JOBS)]

    def computed_by_others() -> int:
        return sum(len(toy.computed(folder)) for folder in large)

    with ExitStack() as stack:
        for folder in large:
            stack.enter_context(large_job(cluster, folder))
        with RayExecutor(ArtifactStore(str(small / "store")), address=cluster) as run:
            before, started_s = computed_by_others(), time.monotonic()
            run.map(toy.SCALE, [toy.ToyInputs(0, np.zeros(1))], config)
            first, first_s = computed_by_others() - before, time.monotonic() - started_s
            run.map(toy.SLEEP, [toy.ToyInputs(number, np.full(1, UNIT_S)) for number in range(1, 7)], config)
            six = computed_by_others() - before - first
            run.map(toy.SLEEP_ON_ALL_CORES, [toy.ToyInputs(7, np.full(1, UNIT_S))], config)
            whole = computed_by_others() - before - first - six
    print(f"the first unit waited {first_s:.1f} s; others computed {first}, {six} and {whole} units meanwhile")
    assert first <= 2 * CORES * LARGE_JOBS + 2  # what had been submitted before: each large job two for every core
    assert six <= 3 * 6 * LARGE_JOBS  # as large a share as each of the others has would be 6 units of each
    assert whole <= 2 * CORES * LARGE_JOBS + 2
