"""What a stage is: a named, versioned, pure unit of work with declared resources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

InputsT = TypeVar("InputsT")
ConfigT = TypeVar("ConfigT")
OutputT = TypeVar("OutputT")


@dataclass(frozen=True)
class Resources:
    """What one unit needs; executors place it accordingly.

    Attributes:
        cpus: cores; 0 means all cores of one machine (a unit that is parallel inside).
        gpu: True when the unit runs on a GPU actor if the deployment has a GPU, and on the CPU otherwise.
        memory_bytes: expected peak, 0 = unknown.
    """

    cpus: int = 1
    gpu: bool = False
    memory_bytes: int = 0


@dataclass(frozen=True)
class RunContext:
    """What the executor granted: `device` is ``cpu`` or ``cuda``, `threads` how many threads the unit may use."""

    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True)
class Stage(Generic[InputsT, ConfigT, OutputT]):
    """A unit of work as the executors see it.

    Attributes:
        name: unique, lower case; first part of the content key.
        version: raise it whenever the result for the same input changes; stored results of older versions are ignored.
        config: the frozen dataclass of its settings.
        output: class of its result.
        run: the work; deterministic, and free of side effects. It must not write to the arrays of its inputs.
        resources: what one unit needs.
    """

    name: str
    version: int
    config: type[ConfigT]
    output: type[OutputT]
    run: Callable[[InputsT, ConfigT, RunContext], OutputT]
    resources: Resources = Resources()
