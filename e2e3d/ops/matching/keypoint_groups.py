"""Keypoints of many photographs that matches connect."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def connected_keypoints(edges: NDArray[np.int64], count: int) -> NDArray[np.int32]:
    """The number of the connected group of each of `count` keypoints, int32 [count].

    Args:
        edges: int64 [E, 2], matched keypoints, numbered over all photographs.
        count: of all keypoints.
    """
    graph = coo_array((np.ones(len(edges), np.bool_), (edges[:, 0], edges[:, 1])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    return np.asarray(group, np.int32)
