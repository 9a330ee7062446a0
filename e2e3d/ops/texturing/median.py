"""The median of a few numbers inside a kernel: numpy's own takes Numba seconds to compile for every kind of array."""

from __future__ import annotations

from e2e3d.ops.numba_jit import njit


@njit(cache=True)
def median_of(values, count):  # type: ignore[no-untyped-def]
    """Median of the first `count` (at least 1) of `values` [N], which come out sorted (insertion sort)."""
    for i in range(1, count):
        value, k = values[i], i
        while k > 0 and values[k - 1] > value:
            values[k] = values[k - 1]
            k -= 1
        values[k] = value
    return (values[(count - 1) // 2] + values[count // 2]) / 2
