"""What a unit of work cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class UnitStats:
    """Cost of computing one unit, kept beside its result, so that a resumed run still reports the original cost.

    Attributes:
        peak_memory_bytes: peak resident memory of the process that computed it.
        host: name of the machine.
    """

    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    host: str


@dataclass(frozen=True)
class StageStats:
    """Cost of one pass of a stage: its units, how many of them were found finished, and the sums over all of them."""

    stage: str
    units: int
    reused_units: int
    elapsed_s: float
    cpu_s: float
    peak_memory_bytes: int
