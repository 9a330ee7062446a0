"""Where units of a stage run: Ray tasks on cores, or the actors of a GPU pool; how many at once; how to stop them."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol

import ray
from ray import exceptions

from e2e3d.runtime.gpu_devices import lanes
from e2e3d.stages.stage import Resources, RunContext
from e2e3d.tasks.ray_session import Cluster
from e2e3d.tasks.worker import GpuWorker, gpu_memory, run_unit

_QUEUE_FACTOR = 2


class Placement(Protocol):
    """How the units of one stage are submitted; `slots` run at once. A unit is known by the reference of its report."""

    context: RunContext
    slots: int

    @property
    def in_flight(self) -> int:
        """How many units may be submitted at once, so that no slot waits for the driver and memory stays bounded."""
        return _QUEUE_FACTOR * self.slots

    def submit(self, arguments: tuple[Any, ...], alone: bool) -> tuple[Any, Any]:
        """Submit a unit (`alone` on its node if its last attempt lacked memory); returns (output, report)."""
        ...

    def finished(self, report: Any) -> None:
        """Forget a unit that ended, however it ended."""
        ...

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """Kill the units, and return when they have stopped or `timeout_s` has passed."""
        ...


class CpuPlacement(Placement):
    """Units as Ray tasks on cores."""

    def __init__(self, resources: Resources, cluster: Cluster) -> None:
        cpus = min(resources.cpus or cluster.node_cpus, cluster.node_cpus)
        self.context = RunContext(device="cpu", threads=cpus)
        self.slots = max(1, cluster.cpus // cpus)
        self._options: dict[str, Any] = {"num_cpus": cpus}
        if resources.memory_bytes:
            self._options["memory"] = min(resources.memory_bytes, cluster.node_memory_bytes)
        self._alone = self._options | {"num_cpus": cluster.node_cpus}

    def submit(self, arguments: tuple[Any, ...], alone: bool) -> tuple[Any, Any]:
        """See :class:`Placement`."""
        output, report = run_unit.options(**(self._alone if alone else self._options)).remote(*arguments)
        return output, report

    def finished(self, report: Any) -> None:
        """See :class:`Placement`."""

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """See :class:`Placement`."""
        for report in reports:
            ray.cancel(report, force=True)
        _await_end(reports, timeout_s)


class GpuPlacement(Placement):
    """Units on actors, several of which share a GPU, the least loaded first; Ray restarts one whose process died."""

    def __init__(self, cluster: Cluster) -> None:
        cpus_a_gpu = max(1, cluster.cpus // cluster.gpus)
        self._lanes = lanes(cpus_a_gpu, ray.get(gpu_memory.remote()))
        self.slots = self._lanes * cluster.gpus
        self.context = RunContext(device="cuda", threads=max(1, cpus_a_gpu // self._lanes))
        self._actors: list[Any] = []
        self._queues: list[set[Any]] = [set() for _ in range(self.slots)]

    def submit(self, arguments: tuple[Any, ...], alone: bool) -> tuple[Any, Any]:
        """See :class:`Placement`."""
        if not self._actors:
            worker = GpuWorker.options(num_gpus=1 / self._lanes)
            self._actors = [worker.remote() for _ in range(self.slots)]
        index = min(range(self.slots), key=lambda index: len(self._queues[index]))
        output, report = self._actors[index].run_unit.options(num_returns=2).remote(*arguments)
        self._queues[index].add(report)
        return output, report

    def finished(self, report: Any) -> None:
        """See :class:`Placement`."""
        for queue in self._queues:
            queue.discard(report)

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """See :class:`Placement`."""
        self.close()
        _await_end(reports, timeout_s)

    def close(self) -> None:
        """End the actors, and whatever they compute; the next unit starts new ones."""
        for actor in self._actors:
            with contextlib.suppress(exceptions.RayError):
                ray.kill(actor)
        self._actors = []
        self._queues = [set() for _ in range(self.slots)]


def _await_end(reports: list[Any], timeout_s: float) -> None:
    if reports:
        ray.wait(reports, num_returns=len(reports), timeout=timeout_s)
