"""Which photographs of a run were matched with which, by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from e2e3d.inspection.run_records import RunRecords
from e2e3d.ops.matching.match_graph import match_graph


@dataclass(frozen=True, eq=False)
class PhotoGraph:
    """Photographs and the verified matches between them.

    Attributes:
        names: of the photographs that took part.
        pairs: int32 [P, 2], indices into `names` of pairs with verified matches; `counts` int64 [P], how many.
        registered: bool [N], which photographs have a place in the model.
    """

    names: tuple[str, ...]
    pairs: NDArray[np.int32]
    counts: NDArray[np.int64]
    registered: NDArray[np.bool_]

    @cached_property
    def matrix(self) -> NDArray[np.int64]:
        """Verified matches of every two photographs, int64 [N, N], symmetric."""
        matrix = np.zeros((len(self.names), len(self.names)), np.int64)
        matrix[self.pairs[:, 0], self.pairs[:, 1]] = self.counts
        return matrix + matrix.T

    @property
    def edges(self) -> list[tuple[str, str, int]]:
        """First and second photograph and their verified matches, most first."""
        named = ((self.names[i], self.names[j]) for i, j in self.pairs.tolist())
        return sorted(
            ((first, second, count) for (first, second), count in zip(named, self.counts.tolist(), strict=True)),
            key=lambda edge: -edge[2],
        )

    def __repr__(self) -> str:
        return f"PhotoGraph({len(self.names)} photographs, {len(self.pairs)} pairs, {int(self.counts.sum()):,} matches)"


def photo_graph(records: RunRecords) -> PhotoGraph:
    """The match graph of a run."""
    graph = match_graph(ref.load() for ref in records.results.matches)
    names = tuple(photo.name for photo in records.usable)
    scene = records.results.mapping.scene
    return PhotoGraph(names, graph.pairs, graph.counts, np.array([name in scene for name in names], bool))
