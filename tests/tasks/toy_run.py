"""A run of toy units as the command line does it: ``python -m tests.tasks.toy_run STAGE OUT UNITS SECONDS``.

STAGE is a name in toy_stages, or SLEEP_ON_RESULTS: SLEEP, each unit on two results of others.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

from e2e3d.cli import reporting
from e2e3d.runtime.supervision import supervised


def work(stage: str, out: Path, count: int, seconds: float) -> int:
    from e2e3d.config.deployment import load_settings
    from e2e3d.pipeline.cancellation import CancelToken, cancel_on_signals
    from e2e3d.pipeline.workspace import default_store, locked_folder
    from e2e3d.tasks.ray_environment import protect_private_ray

    settings = load_settings()
    if settings.address is None:
        protect_private_ray()
    import numpy as np

    from e2e3d.storage.store import ArtifactStore
    from e2e3d.tasks.executor import RayExecutor
    from tests.pipeline import toy_stages as toy

    token = CancelToken()
    inputs = [toy.ToyInputs(index, np.full(1, seconds)) for index in range(count)]
    with (
        cancel_on_signals(token),
        locked_folder(out),
        RayExecutor(ArtifactStore(default_store(out)), cancel=token, address=settings.address) as executor,
    ):
        if stage == "SLEEP_ON_RESULTS":
            units = [toy.ToyInputs(number, np.zeros(3)) for number in range(24)]
            firsts = executor.map(toy.SCALE, units, toy.ToyConfig())
            couples = itertools.cycle(itertools.combinations(firsts, 2))
            inputs = [replace(unit, others=couple) for unit, couple in zip(inputs, couples, strict=False)]
            stage = "SLEEP"
        executor.map(getattr(toy, stage), inputs, toy.ToyConfig(folder=str(out)))
        if stage == "SLEEP" and seconds == 0:  # the driver itself inside a native call
            (out / "pid0").touch()
            np.linalg.svd(np.ones((12_000, 12_000)))
    return 0


if __name__ == "__main__":
    name, folder, count, duration = sys.argv[1:]
    sys.exit(supervised(lambda: reporting(lambda: work(name, Path(folder), int(count), float(duration))), 3.5))
