"""Records and references as notebooks use them: compared, kept, named."""

from __future__ import annotations

import pickle

import numpy as np

from e2e3d.data.dense import DepthMap
from e2e3d.data.ref import Ref


def depth_map() -> DepthMap:
    return DepthMap(np.ones((2, 3), np.float32), np.zeros((2, 3, 3), np.float32), np.ones((2, 3), np.float32))


def test_records_of_arrays_are_equal_to_themselves_only() -> None:
    first, second = depth_map(), depth_map()
    assert first == first
    assert first != second
    assert len({first, second}) == 2


def test_values_in_memory_have_keys_of_their_own() -> None:
    first, second = Ref.of(depth_map()), Ref.of(depth_map())
    assert first != second
    assert Ref.of(1, "given") == Ref.of(2, "given")
    assert first.load() is first.load()
    assert pickle.loads(pickle.dumps(first)) == first
