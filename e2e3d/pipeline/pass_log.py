"""Which results each pass of a run consists of, as the executor announces them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2e3d.data.ref import Ref


class PassLog:
    """Keeps the keys of every completed pass, in order; an :class:`~e2e3d.pipeline.base_executor.ArtifactObserver`.

    Attributes:
        passes: content keys of the results of each pass by its label, in the order of its units.
    """

    def __init__(self) -> None:
        self.passes: dict[str, tuple[str, ...]] = {}

    def uses(self, keys: Sequence[str]) -> None:
        """See :class:`~e2e3d.pipeline.base_executor.ArtifactObserver`."""

    def pass_finished(self, label: str, results: Sequence[Ref[Any]]) -> None:
        """See :class:`~e2e3d.pipeline.base_executor.ArtifactObserver`."""
        self.passes[label] = tuple(ref.key for ref in results)
