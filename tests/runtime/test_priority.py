"""What computes steps back behind what answers, with all of its threads."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.command import ROOT

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux keeps a niceness for each thread")

CODE = """
import os, sys, threading
from pathlib import Path
from e2e3d.runtime.priority import compute_behind_answers

os.nice(int(sys.argv[1]))
ends = threading.Event()
threading.Thread(target=ends.wait).start()  # as those of numerical libraries, which are there before the first unit
compute_behind_answers()
later = threading.Thread(target=ends.wait)
later.start()
print({os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in Path("/proc/self/task").iterdir()})
ends.set()
"""


@pytest.mark.parametrize(("more", "expected"), [(0, 15), (19, 19)])
def test_every_thread_steps_back_and_none_forward(more: int, expected: int) -> None:
    done = subprocess.run([sys.executable, "-c", CODE, str(more)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == str({max(expected, os.nice(0))})
