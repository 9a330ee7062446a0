"""Parts of a view graph are balanced, hold together, overlap, and cut where little is shared."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from e2e3d.ops.matching.view_graph_parts import plan_parts


def street(count: int, reach: int = 4, closed: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of photographs along a street, with fewer matches the farther they are apart."""
    pairs = [(i, i + step) for i in range(count) for step in range(1, reach + 1) if closed or i + step < count]
    counts = [400 // (j - i) for i, j in pairs]
    return np.sort(np.array(pairs) % count, axis=1).astype(np.int32), np.array(counts, np.int64)


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    number = np.arange(side * side).reshape(side, side)
    pairs = np.concatenate(
        [np.stack([a.ravel(), b.ravel()], 1) for a, b in ((number[:, :-1], number[:, 1:]), (number[:-1], number[1:]))]
    )
    return pairs.astype(np.int32), np.full(len(pairs), 200, np.int64)


def is_connected(photos: np.ndarray, pairs: np.ndarray) -> bool:
    within = np.searchsorted(photos, pairs[np.isin(pairs, photos).all(axis=1)])
    graph = coo_array((np.ones(len(within)), (within[:, 0], within[:, 1])), shape=(len(photos), len(photos)))
    return connected_components(graph, directed=False)[0] == 1


@pytest.mark.parametrize(
    ("graph", "count", "part", "parts"),
    [
        (street(240), 240, 60, 4),
        (street(100, closed=False), 100, 33, 3),
        (grid(16), 256, 64, 4),
        (street(70), 70, 60, 1),
    ],
)
def test_parts_are_balanced_connected_and_cover_all(
    graph: tuple[np.ndarray, np.ndarray], count: int, part: int, parts: int
) -> None:
    found = plan_parts(*graph, count, part)
    assert len(found) == parts
    assert np.unique(np.concatenate(found)).tolist() == list(range(count))
    for photos in found:
        assert is_connected(photos, graph[0])
        assert len(photos) <= 1.1 * count / parts + 6 * (parts - 1)
        if parts > 1:
            assert max(len(np.intersect1d(photos, other)) for other in found if other is not photos) >= 6


def test_neighbours_on_a_street_share_twelve_photographs_and_others_none() -> None:
    found = plan_parts(*street(240), 240, 60)
    shared = sorted(len(np.intersect1d(one, other)) for i, one in enumerate(found) for other in found[:i])
    assert shared == [0, 0, 8, 8, 8, 8]  # four on either side of a cut are matched across it


def test_the_cut_goes_where_little_is_shared() -> None:
    """Two courtyards with a passage between them: 40 and 60 photographs, cut into two parts of about equal size."""
    inner = [(i, j) for i in range(50) for j in range(i + 1, min(i + 6, 50))]
    pairs = np.array([*inner, *[(i + 50, j + 50) for i, j in inner], (49, 50), (48, 50)], np.int32)
    counts = np.full(len(pairs), 300, np.int64)
    one, other = plan_parts(pairs, counts, 100, 50)
    assert set(one.tolist()) ^ set(range(50)) <= {50, 51} or set(one.tolist()) ^ set(range(50, 100)) <= {48, 49}
    assert len(one) + len(other) == 103  # 48 and 49 on one side, 50 on the other


def test_what_nothing_matches_is_in_no_part_and_groups_apart_have_their_own() -> None:
    pairs, counts = street(40, closed=False)
    apart = np.concatenate([pairs, pairs + 50])
    found = plan_parts(apart.astype(np.int32), np.tile(counts, 2), 95, 40)
    assert [photos.tolist() for photos in found] == [list(range(40)), list(range(50, 90))]


def test_the_same_parts_come_every_time() -> None:
    first, second = (plan_parts(*street(300), 300, 50) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
