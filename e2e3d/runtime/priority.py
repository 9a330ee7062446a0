"""Who gets the processor first where a service and what it computes share a machine."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from pathlib import Path

COMPUTING_NICENESS = 15
"""Of what computes: the niceness that Ray gives to its workers when nobody says otherwise."""


@functools.cache
def compute_behind_answers() -> None:
    """Let this process compute when nothing that answers requests wants the processor; Linux only, nothing elsewhere.

    Replicas and proxies of a service have niceness 0, see
    :data:`~e2e3d.tasks.ray_environment.SERVICE_ENVIRONMENT`. Beside them this process gets a thirtieth of a core.
    """
    if not sys.platform.startswith("linux"):
        return
    for thread in Path("/proc/self/task").iterdir():  # Linux keeps a niceness for each; new ones inherit it
        with contextlib.suppress(OSError):  # it has ended
            niceness = max(COMPUTING_NICENESS, os.getpriority(os.PRIO_PROCESS, int(thread.name)))
            os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
