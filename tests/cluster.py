"""A Ray cluster of somebody else, started for a test."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import psutil
import pytest

from tests.command import environment, process_tree
from tests.servers import free_port


@pytest.fixture
def cluster() -> Iterator[str]:
    """A Ray cluster that runs before E2E3D comes, and after it."""
    port, client_port = free_port(), free_port()
    folder = tempfile.mkdtemp(prefix="e2e3d-head-")  # below the system's: Ray's socket paths must stay short
    arguments = (
        f"start --head --block --port={port} --ray-client-server-port={client_port} --node-ip-address=127.0.0.1 "
        f"--num-cpus=2 --object-store-memory=200000000 --include-dashboard=false --disable-usage-stats "
        f"--temp-dir={folder}"
    )
    head = subprocess.Popen(
        [sys.executable, "-c", "from ray.scripts.scripts import main; main()", *arguments.split()],
        env=environment(RAY_AUTH_MODE="disabled"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    assert head.stdout is not None
    try:
        for line in head.stdout:
            if "--block" in line:  # its last words: everything is up
                break
        yield f"127.0.0.1:{port}"
    finally:
        processes = process_tree(head)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        head.communicate()
        shutil.rmtree(folder, ignore_errors=True)
