"""The Ray executor: fans units out over a machine or a cluster, places, retries and cancels them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2e3d.pipeline.base_executor import ArtifactObserver, StoreExecutor, UnitDone
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.passes import PassUnits
from e2e3d.pipeline.progress import NoProgress, Progress
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.fan_out import FanOut
from e2e3d.tasks.ray_units import RayUnits

_STOP_S = 2.0


class RayExecutor(StoreExecutor):
    """Runs units as Ray tasks, and those that want a GPU on actors that share the GPUs.

    Ray starts with the first unit that has to be computed; a run whose results are all stored never starts it. With an
    `address` it is joined at once, and every node of that cluster must reach the artifact store. Machines that join
    the cluster are used within seconds, those that leave are forgotten. Results go to the artifact store and, while
    they fit, stay in the Ray store as well, from where the next units take them without copies.

    Args:
        store: where results are kept and found.
        progress: told of every pass and unit.
        cancel: asked between units; in-flight units are killed when it is set.
        device: ``auto``, ``cpu`` or ``cuda``; with ``auto``, a GPU's first depth map is compared with the CPU's.
        address: of a running cluster, or None for a private one on this machine.
        observer: receives the keys of the results that the run uses.

    Raises:
        MachineError: ``no-gpu``, ``cluster-unreachable`` or ``ray-failed``; from passes also ``too-little-memory``,
            before the unit that no machine has the memory for is computed, and ``worker-died``.
    """

    def __init__(
        self,
        store: ArtifactStore,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        device: str = "auto",
        address: str | None = None,
        observer: ArtifactObserver | None = None,
    ) -> None:
        super().__init__(store, progress or NoProgress(), cancel or CancelToken(), observer)
        self._units = RayUnits(store, device, address)

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether Ray was needed yet."""
        return self._units.connected

    def close(self) -> None:
        """Let go of everything in the cluster, and stop it if it is private. The executor may be used again."""
        self._units.close()

    def _load(self, ref: Any) -> Any:
        kept = None if self.store.local else self._units.kept(ref)
        return self.store.get(ref.key, ref.type) if kept is None else kept

    def _compute(self, work: Sequence[PassUnits], done: UnitDone) -> None:
        fan_out = FanOut(work, self._units, done, self._cancel.check)
        try:
            fan_out.run()
        except BaseException:
            self._stop(fan_out)
            raise

    def _stop(self, fan_out: FanOut) -> None:
        """End the units that are queued or running.

        A connection of our own is closed: Ray ends what a driver that leaves has submitted. Cancelling tasks one by one
        can meet a task that is just finishing, and Ray then aborts the whole driver (ray-project/ray#54798); that is
        left to processes that were connected before and stay so.
        """
        if self._units.owns_connection:
            self.close()
            return
        for placement, reports in fan_out.reports():
            placement.stop(reports, _STOP_S)
