"""The Ray executor: fans units out over a machine or a cluster, places, retries and cancels them."""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import ray
from ray import exceptions

from e2e3d.errors import MachineError
from e2e3d.pipeline.base_executor import ArtifactObserver, StoreExecutor, UnitDone
from e2e3d.pipeline.cancellation import CancelToken
from e2e3d.pipeline.passes import PassUnits
from e2e3d.pipeline.progress import NoProgress, Progress
from e2e3d.pipeline.units import references
from e2e3d.runtime.gpu_devices import gpu_count, require_gpu
from e2e3d.stages.stage import Stage
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.placement import CpuPlacement, GpuPlacement, Placement, StoredSizes, require_memory
from e2e3d.tasks.ray_session import RaySession
from e2e3d.tasks.unit_queue import UnitAttempt, UnitQueue
from e2e3d.tasks.worker import StoreHandle, UnitGrant, UnitReport

log = logging.getLogger(__name__)

_ATTEMPTS = 3
_INTERRUPTIONS = 20
_POLL_S = 0.25
_STOP_S = 2.0
_NODE_DIED = (exceptions.NodeDiedError, exceptions.LocalRayletDiedError, exceptions.ObjectLostError)
_DIED = (
    exceptions.WorkerCrashedError,
    exceptions.OutOfMemoryError,
    exceptions.RayActorError,
    *_NODE_DIED,
)


class RayExecutor(StoreExecutor):
    """Runs units as Ray tasks, and those that want a GPU on one actor per GPU.

    Ray starts with the first unit that has to be computed; a run whose results are all stored never starts it. With an
    `address` it is joined at once, and every node of that cluster must reach the artifact store. Results go to the
    artifact store and, while they fit, stay in the Ray store as well, from where the next units take them without
    copies.

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
        self._device = device
        self._address = address
        self._session: RaySession | None = None
        self._shared_store: StoreHandle | None = None
        self._gpus: GpuPlacement | None = None
        self._sizes = StoredSizes(store)
        self._kept: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        if address is not None:
            self._connect()
        elif device == "cuda":
            require_gpu(gpu_count(), "this machine")

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything in the cluster, and stop it if it is private. The executor may be used again."""
        self._kept.clear()
        if self._gpus is not None:
            self._gpus.close()
            self._gpus = None
        self._shared_store = None
        if self._session is not None:
            self._session.close()
            self._session = None

    def _connect(self) -> RaySession:
        if self._session is None:
            self._session = RaySession(self._address)
            cluster = self._session.cluster
            if self._device == "cuda":
                require_gpu(cluster.gpus, cluster.describe())
            if cluster.gpus and self._device != "cpu":
                self._gpus = GpuPlacement(cluster, compare=self._device == "auto")
            if self.store.local and cluster.nodes > 1:
                log.warning("the store %s is a folder: every node of the cluster must see it", self.store.url)
        return self._session

    def _load(self, ref: Any) -> Any:
        if not self.store.local and ref.key in self._kept:
            with contextlib.suppress(exceptions.ObjectLostError, exceptions.WorkerCrashedError):
                return ray.get(self._kept[ref.key][0])
        return self.store.get(ref.key, ref.type)

    def _compute(self, work: Sequence[PassUnits], done: UnitDone) -> None:
        placements = [self._placement(part.stage) for part in work]
        queue = UnitQueue(work)
        running: dict[Any, tuple[UnitAttempt, Any]] = {}
        try:
            while queue or running:
                self._cancel.check()
                while queue and _has_room(queue.rank, placements, [attempt.rank for attempt, _ in running.values()]):
                    attempt = queue.pop()
                    output, report = self._submit(work[attempt.rank].stage, attempt, placements[attempt.rank])
                    running[report] = (attempt, output)
                finished, _ = ray.wait(list(running), num_returns=1, timeout=_POLL_S)
                for report in finished:
                    attempt, output = running.pop(report)
                    placements[attempt.rank].finished(report)
                    retry = self._collect(attempt, output, report, done)
                    if retry is None:
                        queue.stored(attempt.call.key)
                    else:
                        queue.add(retry)
        except BaseException:
            self._stop(placements, running)
            raise

    def _stop(self, placements: Sequence[Placement], running: Mapping[Any, tuple[UnitAttempt, Any]]) -> None:
        """End the units that are queued or running.

        A connection of our own is closed: Ray ends what a driver that leaves has submitted. Cancelling tasks one by one
        can meet a task that is just finishing, and Ray then aborts the whole driver (ray-project/ray#54798); that is
        left to processes that were connected before and stay so.
        """
        if self._session is not None and self._session.owns_connection:
            self.close()
            return
        for rank, placement in enumerate(placements):
            placement.stop([report for report, (attempt, _) in running.items() if attempt.rank == rank], _STOP_S)

    def _submit(self, stage: Stage[Any, Any, Any], attempt: UnitAttempt, placement: Placement) -> tuple[Any, Any]:
        memory_bytes = stage.memory_bytes(attempt.call.inputs, attempt.call.config, self._sizes)
        require_memory(stage.name, memory_bytes, self._connect().cluster)
        grant = UnitGrant(
            context=placement.context,
            log_level=logging.getLogger("e2e3d").getEffectiveLevel(),
            keep_bytes=self._connect().cluster.object_bytes // 8,
        )
        first = attempt.number == 1 and attempt.interruptions == 0
        values = self._inputs_kept(attempt) if first else {}
        if self._shared_store is None:
            self._shared_store = StoreHandle.of(self.store)
        arguments = (attempt.call, grant, self._shared_store, tuple(values), *values.values())
        return placement.submit(arguments, memory_bytes, alone=attempt.lack_of_memory)

    def _placement(self, stage: Stage[Any, Any, Any]) -> Placement:
        cluster = self._connect().cluster  # and whether there are GPUs
        if stage.resources.gpu and self._gpus is not None:
            return self._gpus
        return CpuPlacement(stage.resources, cluster)

    def _inputs_kept(self, attempt: UnitAttempt) -> dict[str, Any]:
        """Inputs to pass through the Ray store: all that are there, unless together they could crowd it.

        Ray fetches every argument before a task starts, so a unit with many inputs loads them one after another from
        the artifact store instead.
        """
        kept = {ref.key: self._kept[ref.key] for ref in references(attempt.call.inputs) if ref.key in self._kept}
        budget = self._connect().cluster.object_bytes // 8
        return {key: value for key, (value, _) in kept.items()} if sum(s for _, s in kept.values()) <= budget else {}

    def _collect(self, attempt: UnitAttempt, output: Any, finished: Any, done: UnitDone) -> UnitAttempt | None:
        """Take the report of a finished unit; returns the next attempt if its process died."""
        try:
            report: UnitReport = ray.get(finished)
        except _DIED as error:
            return next_attempt(attempt, error)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, _DIED):
                return next_attempt(attempt, error.cause)
            raise error.cause from error
        for level, name, message in report.logs:
            logging.getLogger(name).log(level, message, extra={"members": {"unit": attempt.call.key}})
        if report.error is not None:
            raise report.error
        if report.stats is None:
            raise RuntimeError(f"{attempt.call.key} ended without statistics")
        self._keep(attempt.call.key, output, report.kept_bytes)
        done(attempt.call.key, report.stats)
        return None

    def _keep(self, key: str, output: Any, size: int) -> None:
        """Hold a result in the Ray store, and let the oldest ones go so that together they never fill it."""
        if size:
            self._kept[key] = (output, size)
        while sum(size for _, size in self._kept.values()) > self._connect().cluster.object_bytes // 2:
            self._kept.popitem(last=False)


def _has_room(rank: int, placements: Sequence[Placement], running: Sequence[int]) -> bool:
    """Whether a unit of the work of this `rank` may be submitted beside `running` ones of those ranks.

    Units of earlier work must all have a slot, not only be submitted: Ray goes on with tasks of the shape that a slot
    had last, and would leave those of another shape waiting to the end.
    """
    earlier = [one for one in running if one < rank]
    return len(running) < placements[rank].in_flight and all(len(earlier) < placements[one].slots for one in earlier)


def next_attempt(attempt: UnitAttempt, error: Exception) -> UnitAttempt:
    """The next try at a unit whose process died; one whose whole node died does not count, until many did.

    Raises:
        MachineError: ``worker-died`` after too many.
    """
    if isinstance(error, _NODE_DIED) and attempt.interruptions < _INTERRUPTIONS:
        log.warning("the node of %s died; it is computed elsewhere", attempt.call.key)
        return attempt.interrupted()
    reason = "ran out of memory" if isinstance(error, exceptions.OutOfMemoryError) else "was killed"
    if attempt.number >= _ATTEMPTS:
        _give_up(attempt, reason, error)
    log.warning("the process of %s %s; attempt %d follows", attempt.call.key, reason, attempt.number + 1)
    return attempt.again(isinstance(error, exceptions.OutOfMemoryError))


def _give_up(attempt: UnitAttempt, reason: str, error: Exception) -> NoReturn:
    stage = attempt.call.key.partition("/")[0]
    raise MachineError(
        "worker-died",
        f"The process computing unit {attempt.call.key} of stage {stage} {reason} {attempt.number} times.",
        "Free memory, or choose a lower quality; then run the same command again: what is finished is kept.",
    ) from error
