"""What a stage is: a named, versioned, pure unit of work that declares what it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from e2e3d.config.workload import Cost, Workload
from e2e3d.data.ref import Ref

InputsT = TypeVar("InputsT")
ConfigT = TypeVar("ConfigT")
OutputT = TypeVar("OutputT")
T = TypeVar("T")


@dataclass(frozen=True)
class Resources:
    """Where one unit runs; executors place it accordingly.

    Attributes:
        cpus: cores; 0 means all cores of one machine (a unit that is parallel inside).
        gpu: True when the unit runs on a GPU actor if the deployment has a GPU, and on the CPU otherwise.
    """

    cpus: int = 1
    gpu: bool = False


class StoredInputs(Protocol):
    """What can be learnt of a unit's inputs without loading their pixels."""

    def size_bytes(self, ref: Ref[Any]) -> int:
        """Bytes that a stored result or photograph takes."""
        ...

    def record(self, ref: Ref[T]) -> T:
        """A small record without pixels, such as the cameras; it is loaded once for all units."""
        ...


@dataclass(frozen=True)
class RunContext:
    """What the executor granted.

    Attributes:
        device: ``cpu`` or ``cuda``.
        threads: how many threads the unit may use.
        compare: whether the first result of a GPU in a process is compared with the CPU's.
    """

    device: str = "cpu"
    threads: int = 1
    compare: bool = False


def _unknown_workload(inputs: object, stored: StoredInputs) -> Workload:
    return Workload()


def _unknown_cost(work: Workload, config: object) -> Cost:
    return Cost()


@dataclass(frozen=True)
class Stage(Generic[InputsT, ConfigT, OutputT]):
    """A unit of work as the executors see it.

    Attributes:
        name: unique, lower case; first part of the content key.
        version: raise it whenever the result for the same input changes; stored results of older versions are ignored.
        config: the frozen dataclass of its settings.
        output: class of its result.
        run: the work; deterministic, and free of side effects. It must not write to the arrays of its inputs.
        resources: where one unit runs.
        workload: the sizes of a unit's inputs.
        cost: what a unit of that workload, or a whole job, takes with some settings; it stands beside the settings.
    """

    name: str
    version: int
    config: type[ConfigT]
    output: type[OutputT]
    run: Callable[[InputsT, ConfigT, RunContext], OutputT]
    resources: Resources = Resources()
    workload: Callable[[InputsT, StoredInputs], Workload] = _unknown_workload
    cost: Callable[[Workload, ConfigT], Cost] = _unknown_cost

    def memory_bytes(self, inputs: InputsT, config: ConfigT, stored: StoredInputs) -> int:
        """Peak memory to expect of one unit, 0 = unknown."""
        return round(self.cost(self.workload(inputs, stored), config).memory_bytes)
