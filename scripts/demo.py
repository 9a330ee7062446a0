"""The demonstration: a service of its own, the sample set sent to it, a model back, and nothing left behind but that.

usage: scripts/demo.py FOLDER     photographs and model are put into FOLDER
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PROGRAM = [sys.executable, "-m", "e2e3d"]
START_S = 180.0
STOP_S = 30.0
EMAIL = "admin@localhost"


def main() -> int:
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the service is stopped too
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="e2e3d-demo-") as home:
        environment = make_environment(Path(home))
        step(environment, "sample", folder / "photographs")
        with running(environment):
            step(environment, "login", "--email", EMAIL, "--password-stdin", typed=environment["E2E3D_ADMIN_PASSWORD"])
            image_set = step(environment, "upload", folder / "photographs" / "images", "--name", "demo")
            job = step(environment, "submit", image_set, "--quality", "low", "--name", "demo")
            step(environment, "watch", job)
            step(environment, "download", job, "--out", folder / "model")
    minutes, seconds = divmod(round(time.monotonic() - started_s), 60)
    print(f"\nThe model is {folder / 'model' / 'model.glb'}, what came out says {folder / 'model' / 'report.html'}.")
    print(f"It took {minutes} min {seconds} s, the start of the service included. Your own service: make serve")
    return 0


def make_environment(home: Path) -> dict[str, str]:
    """Everything that the service and the client keep lies in `home`; nothing of the user's own is read or written."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("E2E3D_", "RAY_"))}
    return clean | {
        "E2E3D_HOME": str(home / "service"),
        "E2E3D_PORT": str(free_port()),
        "E2E3D_ADMIN_PASSWORD": secrets.token_urlsafe(16),
        "E2E3D_LOG_LEVEL": "warning",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
    }


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(environment: dict[str, str]) -> Iterator[None]:
    """A service that answers; its log is shown when it does not."""
    url = f"http://127.0.0.1:{environment['E2E3D_PORT']}"
    environment["E2E3D_URL"] = url
    log = Path(environment["E2E3D_HOME"]).with_name("service.log")
    print("$ e2e3d serve &", flush=True)
    with log.open("wb") as output:
        service = subprocess.Popen([*PROGRAM, "serve"], env=environment, stdout=output, stderr=output)
    try:
        wait_until_ready(service, url, log)
        yield
    finally:
        service.send_signal(signal.SIGTERM)
        try:
            service.wait(STOP_S)
        except subprocess.TimeoutExpired:
            service.kill()


def wait_until_ready(service: subprocess.Popen[bytes], url: str, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy reaches this machine's loopback
    deadline_s = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError), direct.open(f"{url}/readyz", timeout=5) as answer:
            if answer.status == 200:
                return
        if service.poll() is not None or time.monotonic() > deadline_s:
            sys.stderr.write(log.read_text(errors="replace")[-5000:])
            raise SystemExit("The service did not start; its log stands above.")
        time.sleep(0.25)


def step(environment: dict[str, str], *arguments: object, typed: str | None = None) -> str:
    """Run a command as a user would; returns the first line that it printed."""
    words = [str(argument) for argument in arguments]
    print(f"$ e2e3d {' '.join(words)}", flush=True)
    done = subprocess.run(
        [*PROGRAM, *words], env=environment, stdout=subprocess.PIPE, text=True, input=typed, check=False
    )
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    return done.stdout.partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main())
