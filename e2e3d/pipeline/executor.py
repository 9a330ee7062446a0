"""How the pipeline asks for work; the two implementations are ``pipeline.inprocess`` and ``tasks.executor`` (Ray)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

from e2e3d.data.ref import Ref
from e2e3d.data.stats import StageStats
from e2e3d.pipeline.passes import Pass
from e2e3d.stages.stage import Stage

InputsT = TypeVar("InputsT")
ConfigT = TypeVar("ConfigT")
OutputT = TypeVar("OutputT")


class Executor(Protocol):
    """Runs units of work, reusing every result that the artifact store already holds.

    Both implementations pass one contract test: results in input order; a unit whose content key is stored is loaded;
    results are stored atomically before they are announced; read-only inputs; the first expected error
    (:class:`~e2e3d.errors.E2E3DError`) stops the stage and reaches the caller unchanged; a unit whose process died is
    run again; cancellation raises :class:`~e2e3d.errors.CancelledError` after the work has really stopped.
    """

    def put_blob(self, data: bytes | memoryview) -> Ref[bytes]:
        """Keep raw bytes in the store, once, and return their reference."""
        ...

    def blob(self, sha256: str) -> Ref[bytes]:
        """Reference bytes that are in the store already, bound for loading."""
        ...

    def map(
        self,
        stage: Stage[InputsT, ConfigT, OutputT],
        inputs: Sequence[InputsT],
        config: ConfigT,
        label: str | None = None,
        names: Sequence[str] = (),
    ) -> list[Ref[OutputT]]:
        """Run one unit per element of `inputs` and return references to the results, in order, bound for loading.

        `label` names the pass in progress and statistics when one stage runs more than once (default: stage name);
        `names` are what people call each unit, such as its photograph.
        """
        ...

    def map_passes(self, passes: Sequence[Pass[Any, Any, Any]]) -> list[list[Ref[Any]]]:
        """Run several passes whose later units take results of earlier ones; returns the references of each.

        A unit may begin as soon as its own inputs are there, while other units of earlier passes still run, so that no
        core waits for the last of a pass. Progress and statistics speak of one pass after another all the same.
        """
        ...

    def announced(self, label: str) -> AbstractContextManager[None]:
        """Announce what the caller itself does inside the block, such as the export, as a pass of one unit."""
        ...

    @property
    def stats(self) -> tuple[StageStats, ...]:
        """Cost of every pass so far."""
        ...
