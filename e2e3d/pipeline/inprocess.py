"""The in-process executor: one unit after another in the caller's process, for debugging, notebooks and unit tests."""

from __future__ import annotations

from collections.abc import Sequence

from e2e3d.pipeline.base_executor import ArtifactObserver, StoreExecutor, UnitDone
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.passes import PassUnits
from e2e3d.pipeline.progress import NoProgress, Progress
from e2e3d.pipeline.units import bind, measured
from e2e3d.runtime.gpu_devices import gpu_count, require_gpu
from e2e3d.runtime.threads import core_count
from e2e3d.stages.stage import RunContext
from e2e3d.storage.store import ArtifactStore


class InProcessExecutor(StoreExecutor):
    """Runs every unit here, with all cores where the stage asks for them.

    Args:
        store: where results are kept and found.
        progress: told of every pass and unit.
        cancel: asked between units.
        device: ``auto``, ``cpu`` or ``cuda``.
        observer: receives the keys of the results that the run uses.

    Raises:
        MachineError: ``no-gpu`` if `device` is ``cuda`` and there is none.
    """

    def __init__(
        self,
        store: ArtifactStore,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        device: str = "auto",
        observer: ArtifactObserver | None = None,
    ) -> None:
        super().__init__(store, progress or NoProgress(), cancel or CancelToken(), observer)
        gpus = 0 if device == "cpu" else gpu_count()
        if device == "cuda":
            require_gpu(gpus, "this machine")
        self._has_gpu = gpus > 0
        self._compare = device == "auto"

    def close(self) -> None:
        """Nothing is held."""

    def _compute(self, work: Sequence[PassUnits], done: UnitDone) -> None:
        for part in work:
            resources = part.stage.resources
            device = "cuda" if resources.gpu and self._has_gpu else "cpu"
            threads = min(resources.cpus or core_count(), core_count())
            context = RunContext(device, threads, self._compare and device == "cuda")
            for key, inputs in part.units.items():
                self._cancel.check()
                output, stats = measured(part.stage, bind(inputs, self._load), part.config, context)
                self.store.put(key, output, stats)
                done(key, stats)
