"""What the embedded service takes while nobody uses it: ``python benchmarks/embedded.py [SECONDS]``.

Starts ``e2e3d serve`` in a temporary folder, and prints the seconds until ``/readyz`` says that all is ready, the
memory of all its processes (PSS), and their CPU time over SECONDS (60) as a share of one core, process by process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import psutil

SETTLE_S, PATIENCE_S = 45.0, 300.0
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for ``/readyz``; RuntimeError when the service ends or stays silent."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s and process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError), DIRECT.open(f"{url}/readyz", timeout=5):
            return
        time.sleep(0.1)
    raise RuntimeError("the service did not become ready")


def processes(root: psutil.Process) -> list[psutil.Process]:
    """The command and everything below it."""
    return [root, *root.children(recursive=True)]


def title(process: psutil.Process) -> str:
    """What a process is, in one word or two."""
    words = process.cmdline()
    known = ("serve.node", "dashboard/agent.py", "runtime_env/agent", "gcs_server", "raylet")
    return next((name for name in known for word in words[:4] if name in word), words[0] if words else "gone")


def cpu_s(root: psutil.Process) -> dict[int, float]:
    """CPU seconds so far, by process id."""
    found: dict[int, float] = {}
    for process in processes(root):
        with contextlib.suppress(psutil.Error):
            found[process.pid] = sum(process.cpu_times()[:2])
    return found


def main(seconds: float) -> None:
    """Start, measure, stop."""
    home = tempfile.mkdtemp(prefix="e2e3d-idle-")
    port = free_port()
    environment = os.environ | {"E2E3D_HOME": home, "E2E3D_PORT": str(port)}
    log = Path(home, "serve.log")
    began_s = time.monotonic()
    with log.open("wb") as file:
        command = subprocess.Popen(
            [sys.executable, "-m", "e2e3d", "serve"],
            env=environment,
            stdout=file,
            stderr=file,
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", command)
        ready_s = time.monotonic() - began_s
        root = psutil.Process(command.pid)
        print(f"ready after {ready_s:.1f} s (goal: 30), {sum(cpu_s(root).values()):.1f} CPU seconds", flush=True)
        time.sleep(SETTLE_S)
        measure(root, seconds)
    finally:
        command.send_signal(signal.SIGTERM)
        command.wait(60)


def measure(root: psutil.Process, seconds: float) -> None:
    """Print memory and CPU time of a service that does nothing."""
    memory: Counter[str] = Counter()
    titles: dict[int, str] = {}  # Ray changes them while it runs
    for process in processes(root):
        with contextlib.suppress(psutil.Error):
            titles[process.pid] = title(process)
            memory[titles[process.pid]] += process.memory_full_info().pss
    before, began_s = cpu_s(root), time.monotonic()
    time.sleep(seconds)
    after, passed_s = cpu_s(root), time.monotonic() - began_s
    used: Counter[str] = Counter()
    for pid, value in after.items():
        used[titles.get(pid, "new processes")] += value - before.get(pid, 0.0)
    print(f"memory of all processes {sum(memory.values()) / 1e9:.2f} GB (goal: 1.6)")
    print(f"CPU of all processes {100 * sum(used.values()) / passed_s:.2f} % of a core over {passed_s:.0f} s (goal: 3)")
    for name, value in used.most_common():
        print(f"  {100 * value / passed_s:5.2f} %  {memory[name] / 1e6:5.0f} MB  {name}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
