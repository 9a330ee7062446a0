"""Single units on Ray: the connection, what is shared with workers, how a unit is submitted and its report read."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import ray
from ray import exceptions

from e2e3d.data.ref import Ref
from e2e3d.runtime.gpu_devices import gpu_count, require_gpu
from e2e3d.stages.stage import Stage
from e2e3d.storage.store import ArtifactStore
from e2e3d.tasks.attempts import DIED
from e2e3d.tasks.cluster_state import Cluster
from e2e3d.tasks.kept_results import KeptResults
from e2e3d.tasks.large_units import WaitingUnits, is_large
from e2e3d.tasks.placement import CpuPlacement, GpuPlacement, Placement, StoredSizes, Wish, require_memory
from e2e3d.tasks.ray_session import RaySession
from e2e3d.tasks.unit_queue import UnitAttempt
from e2e3d.tasks.worker import StoreHandle, UnitGrant, UnitOrder, UnitReport, occupy_core

log = logging.getLogger(__name__)

_POLL_S = 0.25


class RayUnits:
    """Units of one artifact store on one device, on a cluster that is joined or started when the first one comes.

    Args:
        store: where results are kept and found.
        device: ``auto``, ``cpu`` or ``cuda``.
        address: of a running cluster, which is joined at once; None for a private one on this machine.

    Raises:
        MachineError: ``no-gpu`` or ``cluster-unreachable``.
    """

    def __init__(self, store: ArtifactStore, device: str, address: str | None) -> None:
        self._store = store
        self._device = device
        self._address = address
        self._session: RaySession | None = None
        self._shared_store: StoreHandle | None = None
        self._gpus: GpuPlacement | None = None
        self._sizes = StoredSizes(store)
        self._kept = KeptResults()
        self._waiting = WaitingUnits()
        self._names: dict[Any, str] = {}
        if address is not None:
            self._connect()
        elif device == "cuda":
            require_gpu(gpu_count(), "this machine")

    @property
    def connected(self) -> bool:
        """Whether Ray was needed yet."""
        return self._session is not None

    @property
    def owns_connection(self) -> bool:
        """Whether the process was connected to Ray by this object, and not before."""
        return self._session is not None and self._session.owns_connection

    def close(self) -> None:
        """Let go of everything in the cluster, and stop it if it is private; the next unit connects again."""
        self._kept.clear()
        for name in self._names.values():
            self._waiting.ended(name)
        self._names.clear()
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
            if self._store.local and len(cluster.machines) > 1:
                log.warning("the store %s is a folder: every node of the cluster must see it", self._store.url)
        return self._session

    def kept(self, ref: Ref[Any]) -> Any | None:
        """A result that is still in the Ray store."""
        if ref.key in self._kept:
            with contextlib.suppress(exceptions.ObjectLostError, exceptions.WorkerCrashedError):
                return ray.get(self._kept[ref.key])
        return None

    def cluster(self, check: Callable[[], None]) -> Cluster:
        """What there is now. Without a machine that computes, ask for one and wait; `check` may end that by raising."""
        session = self._connect()
        if not session.cluster.cpus:
            log.warning("the cluster has no machine that computes; one is asked for")
            asked = occupy_core.remote()
            while not session.cluster.cpus:
                check()
                ray.wait([asked], timeout=_POLL_S)
                time.sleep(_POLL_S)
        return session.cluster

    def placement(self, stage: Stage[Any, Any, Any]) -> Placement:
        """Where units of a stage run on the cluster as it is now."""
        cluster = self._connect().cluster
        if stage.resources.gpu and self._device != "cpu":
            if self._gpus is None and cluster.gpus:
                self._gpus = GpuPlacement(cluster, compare=self._device == "auto")
            if self._gpus is not None and (cluster.gpus or self._device == "cuda"):
                self._gpus.follow(cluster)
                return self._gpus
        return CpuPlacement(stage.resources, cluster)

    def submit(
        self, stage: Stage[Any, Any, Any], attempt: UnitAttempt, placement: Placement, elsewhere: bool
    ) -> tuple[Any, Any]:
        """Hand a unit to Ray; returns the references of output and report. `elsewhere`: a copy of one that runs.

        Raises:
            MachineError: ``too-little-memory`` when no machine has what the unit needs.
        """
        cluster = self._connect().cluster
        memory_bytes = stage.memory_bytes(attempt.call.inputs, attempt.call.config, self._sizes)
        require_memory(stage.name, memory_bytes, cluster)
        grant = UnitGrant(
            context=placement.context,
            log_level=logging.getLogger("e2e3d").getEffectiveLevel(),
            keep_bytes=cluster.object_bytes // 8,
        )
        first = attempt.number == 1 and attempt.interruptions == 0
        values = self._kept.inputs_of(attempt.call.inputs, cluster.object_bytes) if first else {}
        if self._shared_store is None:
            self._shared_store = StoreHandle.of(self._store)
        wish = Wish(attempt.title, memory_bytes, attempt.lack_of_memory, elsewhere)
        waiting = self._waiting.announce() if is_large(*placement.reserves(wish), cluster) else ""
        order = UnitOrder(attempt.call, grant, self._shared_store, tuple(values), waiting)
        output, report = placement.submit((order, *values.values()), wish)
        if waiting:
            self._names[report] = waiting
        return output, report

    def others_wait(self, busy: bool) -> bool:
        """Whether a unit of another driver waits for most of a machine; `busy`: whether units of this one run."""
        return not self._connect().cluster.started_here and self._waiting.others_wait(busy)

    def collect(self, attempt: UnitAttempt, output: Any, finished: Any) -> UnitReport | Exception:
        """Take the report of a unit that ended, or what its process died of; what it logged is logged here."""
        self._waiting.ended(self._names.pop(finished, ""))
        try:
            report: UnitReport = ray.get(finished)
        except DIED as error:
            died: Exception = error
            return died
        except exceptions.RayTaskError as error:
            cause: Exception = error.cause
            died_inside = isinstance(cause, DIED)  # of Ray's untyped classes: a narrowed `cause` would be Any
            if died_inside:
                return cause
            raise cause from error
        for level, name, message in report.logs:
            logging.getLogger(name).log(level, message, extra={"members": {"unit": attempt.call.key}})
        if report.error is None:
            self._kept.keep(attempt.call.key, output, report.kept_bytes, self._connect().cluster.object_bytes)
        return report
