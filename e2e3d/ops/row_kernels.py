"""Kernels over the rows of arrays, on as many threads as the process was granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e3d.ops.numba_jit import njit
from e2e3d.runtime.threads import in_blocks


def over_rows(kernel: Callable[..., None]) -> Callable[..., None]:
    """Compile ``kernel(first, end, *arrays)``, which handles the rows from `first` to before `end`.

    Returns:
        ``run(*arrays)``, which handles all rows of the first array, or of the first named tuple's first array, on
        several threads. Other arguments may be scalars and named tuples too.
    """
    compiled: Any = njit(kernel, cache=True, nogil=True)

    def run(*arrays: Any) -> None:
        rows = arrays[0][0] if isinstance(arrays[0], tuple) else arrays[0]
        in_blocks(lambda first, end: compiled(first, end, *arrays), len(rows))

    run.__doc__ = kernel.__doc__
    return run
