"""Where units of a stage run: Ray tasks on cores, or the actors of a GPU pool; how many at once; how to stop them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import ray
from ray import exceptions

from e2e3d.config.presets import QUALITIES
from e2e3d.data.ref import Ref
from e2e3d.errors import MachineError
from e2e3d.runtime.gpu_devices import lanes
from e2e3d.stages.stage import Resources, RunContext
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.cluster_state import Cluster
from e2e3d.tasks.worker import GpuWorker, gpu_memory, run_unit

_STEP_BYTES = 256 << 20

T = TypeVar("T")


class Placement(Protocol):
    """How the units of one stage are submitted; `slots` run at once. A unit is known by the reference of its report."""

    context: RunContext
    slots: int

    def reserves(self, wish: Wish) -> tuple[int, int]:
        """How many cores and bytes of a machine a unit sets aside."""
        ...

    def submit(self, arguments: tuple[Any, ...], wish: Wish) -> tuple[Any, Any]:
        """Submit a unit; returns (output, report)."""
        ...

    def finished(self, report: Any, died: bool = False) -> bool:
        """Forget a unit that ended; returns whether it `died` with a process in which another unit was running."""
        ...

    def give_back(self, report: Any, cluster: Cluster) -> None:
        """Cancel a unit that waits for a machine which the cluster has no more."""
        ...

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """Kill the units, and return when they have stopped or `timeout_s` has passed."""
        ...


@dataclass(frozen=True)
class Wish:
    """What one unit asks for.

    Attributes:
        title: what Ray calls it, in its dashboard and its logs.
        memory_bytes: the peak that the unit's stage declares for its inputs, 0 = unknown.
        alone: on its node, because its last attempt lacked memory.
        elsewhere: rather on an idle machine: another copy of it runs.
    """

    title: str
    memory_bytes: int = 0
    alone: bool = False
    elsewhere: bool = False


class CpuPlacement(Placement):
    """Units as Ray tasks on cores, side by side as far as the memory that they declare allows.

    On a cluster that others may use too, a unit for all cores of a machine asks Ray for one of them, and shares the
    rest: Ray hands each core that comes free to whoever needs just one, so that it would wait until all others end.
    """

    def __init__(self, resources: Resources, cluster: Cluster) -> None:
        cpus = min(resources.cpus or cluster.node_cpus, cluster.node_cpus)
        self.context = RunContext(device="cpu", threads=cpus)
        self.slots = max(1, cluster.slots(cpus))
        self._cpus = cpus if resources.cpus or cluster.started_here else 1
        self._cluster = cluster
        self._sizes: dict[Any, tuple[int, int]] = {}

    def reserves(self, wish: Wish) -> tuple[int, int]:
        """See :class:`Placement`."""
        cpus = self._cluster.node_cpus if wish.alone else self._cpus
        return cpus, reserved_bytes(wish.memory_bytes, self._cluster) if wish.memory_bytes else 0

    def submit(self, arguments: tuple[Any, ...], wish: Wish) -> tuple[Any, Any]:
        """See :class:`Placement`."""
        cpus, memory_bytes = self.reserves(wish)
        options: dict[str, Any] = {"name": wish.title, "num_cpus": cpus}
        if memory_bytes:
            options["memory"] = memory_bytes
        if wish.elsewhere:
            options["scheduling_strategy"] = "SPREAD"
        output, report = run_unit.options(**options).remote(*arguments)
        self._sizes[report] = cpus, memory_bytes
        return output, report

    def finished(self, report: Any, died: bool = False) -> bool:
        """See :class:`Placement`; a process of Ray runs one task at a time."""
        self._sizes.pop(report, None)
        return False

    def give_back(self, report: Any, cluster: Cluster) -> None:
        """See :class:`Placement`; none can be running: it would have ended with its machine."""
        if not cluster.fits(*self._sizes[report]):
            ray.cancel(report)

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """See :class:`Placement`."""
        for report in reports:
            ray.cancel(report, force=True)
        _await_end(reports, timeout_s)


class GpuPlacement(Placement):
    """Units on actors, several of which share a GPU, the least loaded first; an actor that dies is replaced.

    Args:
        cluster: what there is, with a GPU at least.
        compare: see :class:`~e2e3d.stages.stage.RunContext`.
    """

    def __init__(self, cluster: Cluster, compare: bool) -> None:
        cpus_a_gpu = max(1, cluster.cpus // cluster.gpus)
        self._lanes = lanes(cpus_a_gpu, ray.get(gpu_memory.remote()))
        self.context = RunContext("cuda", max(1, cpus_a_gpu // self._lanes), compare)
        self._queues: dict[Any, list[Any]] = {}
        self._bystanders: set[Any] = set()
        self.follow(cluster)

    def follow(self, cluster: Cluster) -> None:
        """Use the GPUs that there are now; one at least is asked for."""
        self.slots = self._lanes * max(1, cluster.gpus)

    def reserves(self, wish: Wish) -> tuple[int, int]:
        """See :class:`Placement`; a unit has its share of a card already."""
        return 0, 0

    def submit(self, arguments: tuple[Any, ...], wish: Wish) -> tuple[Any, Any]:
        """See :class:`Placement`; actors are placed by their share of a card, whatever a unit takes."""
        while len(self._queues) < self.slots:
            self._queues[GpuWorker.options(num_gpus=1 / self._lanes).remote()] = []
        actor = min(self._queues, key=lambda actor: len(self._queues[actor]))
        output, report = actor.run_unit.options(num_returns=2, name=wish.title).remote(*arguments)
        self._queues[actor].append(report)
        return output, report

    def finished(self, report: Any, died: bool = False) -> bool:
        """See :class:`Placement`; units of an actor run in turn, so the first of its queue is the one that ran."""
        for actor, queue in self._queues.items():
            if report in queue:
                first = queue[0] is report
                queue.remove(report)
                if died:
                    self._bystanders.update(queue)
                    self._end(actor)
                return died and not first
        bystander = report in self._bystanders
        self._bystanders.discard(report)
        return bystander

    def give_back(self, report: Any, cluster: Cluster) -> None:
        """See :class:`Placement`; units end with their actor."""

    def stop(self, reports: list[Any], timeout_s: float) -> None:
        """See :class:`Placement`."""
        self.close()
        _await_end(reports, timeout_s)

    def close(self) -> None:
        """End the actors, and whatever they compute; the next unit starts new ones."""
        for actor in list(self._queues):
            self._end(actor)
        self._bystanders.clear()

    def _end(self, actor: Any) -> None:
        del self._queues[actor]
        with contextlib.suppress(exceptions.RayError):
            ray.kill(actor)


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
