"""What a Ray cluster offers, read again and again: machines join and leave while a job runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ray

_LOOK_S = 1.0


@dataclass(frozen=True)
class Machine:
    """One node, as Ray hands out what it has.

    Attributes:
        cpus: cores.
        gpus: cards.
        memory_bytes: main memory.
        object_bytes: capacity of its object store.
    """

    cpus: int
    gpus: int
    memory_bytes: int
    object_bytes: int


@dataclass(frozen=True)
class Cluster:
    """What the cluster offers at one moment.

    Attributes:
        machines: every node, also those that compute nothing, such as a head without cores.
        started_here: True for a private cluster that ends with the run.
    """

    machines: tuple[Machine, ...]
    started_here: bool

    @property
    def workers(self) -> tuple[Machine, ...]:
        """The machines that compute."""
        return tuple(machine for machine in self.machines if machine.cpus)

    @property
    def cpus(self) -> int:
        """Cores of all machines together."""
        return sum(machine.cpus for machine in self.machines)

    @property
    def gpus(self) -> int:
        """GPUs of all machines together."""
        return sum(machine.gpus for machine in self.machines)

    @property
    def node_cpus(self) -> int:
        """Cores of the machine with the most, 0 while none computes."""
        return max((machine.cpus for machine in self.workers), default=0)

    @property
    def node_memory_bytes(self) -> int:
        """Memory of the machine with the most, 0 while none computes."""
        return max((machine.memory_bytes for machine in self.workers), default=0)

    @property
    def object_bytes(self) -> int:
        """Capacity of the smallest object store, 0 while no machine computes."""
        return min((machine.object_bytes for machine in self.workers), default=0)

    def slots(self, cpus: int) -> int:
        """How many units of so many cores run at once."""
        return sum(machine.cpus // cpus for machine in self.workers)

    def fits(self, cpus: int, memory_bytes: int) -> bool:
        """Whether some machine could run a unit of that size, were it idle."""
        return any(machine.cpus >= cpus and machine.memory_bytes >= memory_bytes for machine in self.workers)

    def largest_node(self) -> str:
        """The machine with the most memory, in words."""
        return "this machine" if self.started_here else "the largest machine of the cluster"

    def describe(self) -> str:
        """In words, for messages."""
        where = "this machine" if self.started_here else "the cluster"
        return f"{where} ({self.cpus} CPU cores, {self.gpus} GPUs as Ray sees it)"


class ClusterWatch:
    """The cluster that this process is connected to, as it is now; asks Ray at most once a second.

    Args:
        started_here: whether it is a private one, which never changes.
    """

    def __init__(self, started_here: bool) -> None:
        self._started_here = started_here
        self._read()

    def _read(self) -> None:
        self._cluster = Cluster(tuple(_machines(ray.nodes())), self._started_here)
        self._read_s = time.monotonic()

    @property
    def current(self) -> Cluster:
        """At most a second old."""
        if not self._started_here and time.monotonic() - self._read_s > _LOOK_S:
            self._read()
        return self._cluster


def _machines(nodes: Iterable[Mapping[str, Any]]) -> Iterable[Machine]:
    for node in nodes:
        if node["Alive"]:
            has = node["Resources"]
            names = ("CPU", "GPU", "memory", "object_store_memory")
            yield Machine(*(int(has.get(name, 0)) for name in names))
