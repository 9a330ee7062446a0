"""How the stereo kernels are compiled."""

from __future__ import annotations

from typing import Any

from numba.core.options import DefaultOptions

from e2e3d.ops.numba_jit import njit

# Flags that allow vector sums, and keep the meaning of NaN, which the clamps of the kernels rely on.
_VECTOR_FLAGS = {"reassoc", "contract", "arcp", "nsz"}

_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy"}
if hasattr(DefaultOptions, "_nrt"):
    # Without reference counting of the arrays, which the kernels never create: a third quicker. Numba's own option.
    _OPTIONS["_nrt"] = False

kernel = njit(forceinline=True, **_OPTIONS)
vector_kernel = njit(forceinline=True, fastmath=_VECTOR_FLAGS, **_OPTIONS)
row_kernel = njit(nogil=True, **_OPTIONS)
