"""Pure functions on arrays: no files, no database, no Ray.

Importing this package chooses where its compiled kernels are kept, since Numba asks when it meets a kernel.
"""

from pathlib import Path

from e2e3d.runtime.kernel_cache import use_kernel_cache

use_kernel_cache(Path(__file__).parent)
