"""Where units of a stage run: Ray tasks on cores, or the actors of a GPU pool; how many at once; how to stop them."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol, TypeVar

import ray
from ray import exceptions

from e2e3d.config.presets import QUALITIES
from e2e3d.data.ref import Ref
from e2e3d.errors import MachineError
from e2e3d.runtime.gpu_devices import lanes
from e2e3d.stages.stage import Resources, RunContext
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.ray_session import Cluster
from e2e3d.tasks.worker import GpuWorker, gpu_memory, run_unit

_QUEUE_FACTOR = 2
_STEP_BYTES = 256 << 20

T = TypeVar("T")


class Placement(Protocol):
    """How the units of one stage are submitted; `slots` run at once. A unit is known by the reference of its report."""

    context: RunContext
    slots: int

    @property
    def in_flight(self) -> int:
        """How many units may be submitted at once, so that no slot waits for the driver and memory stays bounded."""
        return _QUEUE_FACTOR * self.slots

    def submit(self, arguments: tuple[Any, ...], memory_bytes: int, alone: bool) -> tuple[Any, Any]:
        """Submit a unit; returns (output, report).

        Args:
            arguments: of the remote function.
            memory_bytes: the peak that the unit's stage declares for its inputs, 0 = unknown.
            alone: on its node, because its last attempt lacked memory.
        """
        ...

    def finished(self, report: Any) -> None:
        """Forget a unit that ended, however it ended."""
        ...

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """Kill the units, and return when they have stopped or `timeout_s` has passed."""
        ...


class CpuPlacement(Placement):
    """Units as Ray tasks on cores, side by side as far as the memory that they declare allows."""

    def __init__(self, resources: Resources, cluster: Cluster) -> None:
        cpus = min(resources.cpus or cluster.node_cpus, cluster.node_cpus)
        self.context = RunContext(device="cpu", threads=cpus)
        self.slots = max(1, cluster.cpus // cpus)
        self._cpus = cpus
        self._cluster = cluster

    def submit(self, arguments: tuple[Any, ...], memory_bytes: int, alone: bool) -> tuple[Any, Any]:
        """See :class:`Placement`."""
        options: dict[str, Any] = {"num_cpus": self._cluster.node_cpus if alone else self._cpus}
        if memory_bytes:
            options["memory"] = reserved_bytes(memory_bytes, self._cluster)
        output, report = run_unit.options(**options).remote(*arguments)
        return output, report

    def finished(self, report: Any) -> None:
        """See :class:`Placement`."""

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """See :class:`Placement`."""
        for report in reports:
            ray.cancel(report, force=True)
        _await_end(reports, timeout_s)


class GpuPlacement(Placement):
    """Units on actors, several of which share a GPU, the least loaded first; Ray restarts one whose process died.

    Args:
        cluster: what there is.
        compare: see :class:`~e2e3d.stages.stage.RunContext`.
    """

    def __init__(self, cluster: Cluster, compare: bool) -> None:
        cpus_a_gpu = max(1, cluster.cpus // cluster.gpus)
        self._lanes = lanes(cpus_a_gpu, ray.get(gpu_memory.remote()))
        self.slots = self._lanes * cluster.gpus
        self.context = RunContext("cuda", max(1, cpus_a_gpu // self._lanes), compare)
        self._actors: list[Any] = []
        self._queues: list[set[Any]] = [set() for _ in range(self.slots)]

    def submit(self, arguments: tuple[Any, ...], memory_bytes: int, alone: bool) -> tuple[Any, Any]:
        """See :class:`Placement`; actors are placed by their share of a card, whatever a unit takes."""
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


def reserved_bytes(memory_bytes: int, cluster: Cluster) -> int:
    """What Ray sets aside for a unit: in steps, since Ray makes a queue of its own for every amount."""
    return min(-(-memory_bytes // _STEP_BYTES) * _STEP_BYTES, cluster.node_memory_bytes)


def require_memory(stage: str, memory_bytes: int, cluster: Cluster) -> None:
    """Refuse a unit that no machine has the memory for.

    Raises:
        MachineError: ``too-little-memory``.
    """
    if memory_bytes > cluster.node_memory_bytes:
        raise MachineError(
            "too-little-memory",
            f"The stage {stage} needs about {memory_bytes / 1e9:.1f} GB of memory for these photographs, and "
            f"{cluster.largest_node()} has {cluster.node_memory_bytes / 1e9:.1f} GB free.",
            f"Choose a smaller preset ({', '.join(QUALITIES)} need more and more), close other programs, or use a "
            "machine with more memory; then run the same command again: what is finished is kept.",
        )


class StoredSizes:
    """What the artifact store says of inputs, each asked once: see :class:`~e2e3d.stages.stage.StoredInputs`."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._sizes: dict[str, int] = {}
        self._records: dict[str, Any] = {}

    def size_bytes(self, ref: Ref[Any]) -> int:
        """See :class:`~e2e3d.stages.stage.StoredInputs`."""
        if ref.key not in self._sizes:
            self._sizes[ref.key] = self._store.size_bytes(ref.key)
        return self._sizes[ref.key]

    def record(self, ref: Ref[T]) -> T:
        """See :class:`~e2e3d.stages.stage.StoredInputs`."""
        if ref.key not in self._records:
            self._records[ref.key] = self._store.get(ref.key, ref.type)
        value: T = self._records[ref.key]
        return value


def _await_end(reports: list[Any], timeout_s: float) -> None:
    if reports:
        ray.wait(reports, num_returns=len(reports), timeout=timeout_s)
