"""What clients notice when a part of the service is killed: ``python benchmarks/outages.py [PART …]``.

Starts ``e2e3d serve`` in a temporary folder, with 1 and with 2 replicas, and asks for the state of a job 50 times a
second, each request on a thread and a connection of its own so that one that waits holds up none. After some quiet
seconds it kills a part (replica, proxy, raylet, gcs, runner, driver) with SIGKILL. Prints for each kill the longest
time between two good answers, how long requests took at most, how many were answered 503 or not at all, and how many
answers were in a format that is not the service's. Goals, on a quiet machine: 8 s for a replica and 15 s for the
raylet, and no foreign answer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from embedded import free_port, processes, wait_until_ready

PARTS = {
    "replica": "ray::ServeReplica:api",
    "proxy": "ray::ProxyActor",
    "raylet": "/raylet/raylet",
    "gcs": "gcs/gcs_server",
    "runner": "e2e3d.service.runner.runner_process",
    "driver": "e2e3d.service.runner.driver",
}
QUIET_S, RECOVERY_S, PATIENCE_S, TIMEOUT_S = 3.0, 5.0, 240.0, 60.0
PASSWORD = "a-password-of-benchmarks"


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent and answered, its status (0 = none), and whether the format is the service's."""

    sent_s: float
    answered_s: float
    status: int
    foreign: bool


class Asker:
    """Asks for one address at a steady rate until it is closed."""

    def __init__(self, url: str, token: str, rate_hz: float) -> None:
        self.answers: list[Answer] = []
        self._period_s = 1 / rate_hz
        self._request = urllib.request.Request(url, headers={"authorization": f"Bearer {token}"})
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        due_s = time.monotonic()
        while not self._closed.wait(max(0.0, due_s - time.monotonic())):
            threading.Thread(target=self._ask, daemon=True).start()
            due_s = max(due_s + self._period_s, time.monotonic() - 1.0)

    def _ask(self) -> None:
        sent_s = time.monotonic()
        try:
            with urllib.request.urlopen(self._request, timeout=TIMEOUT_S) as answer:
                status, kind = answer.status, answer.headers["content-type"]
                answer.read()
        except urllib.error.HTTPError as error:
            status, kind = error.code, error.headers.get("content-type", "")
        except (urllib.error.URLError, OSError, ValueError):
            status, kind = 0, "application/json"
        expected = "application/json" if status in (0, 200) else "application/problem+json"
        self.answers.append(Answer(sent_s, time.monotonic(), status, not kind.startswith(expected)))


@contextlib.contextmanager
def service(replicas: int) -> Iterator[tuple[str, psutil.Process]]:
    """A running service; gives its URL and its first process."""
    home, port = tempfile.mkdtemp(prefix="e2e3d-outages-"), free_port()
    given = {"E2E3D_HOME": home, "E2E3D_PORT": str(port), "E2E3D_ADMIN_PASSWORD": PASSWORD}
    with Path(home, "serve.log").open("wb") as log:
        command = subprocess.Popen(
            [sys.executable, "-m", "e2e3d", "serve"],
            env=os.environ
            | given
            | {
                "E2E3D_REPLICAS": str(replicas),
                "E2E3D_ACCESS_TOKEN_S": "7200",
                "E2E3D_ADDRESS_CONNECTIONS": "2000",  # these many clients have one address
            },
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", command)
        yield f"http://127.0.0.1:{port}", psutil.Process(command.pid)
    finally:
        command.send_signal(signal.SIGTERM)
        command.wait(60)


def call(url: str, body: dict[str, object], token: str = "") -> dict[str, str]:
    """POST a document; returns the answer."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return dict(json.loads(answer.read()))


def submit(url: str, photographs: Path) -> tuple[str, str]:
    """Submit a job that runs for a while; returns an access token and the job's path."""
    from e2e3d.client import Client

    token = call(f"{url}/v1/auth/login", {"email": "admin@localhost", "password": PASSWORD})["access_token"]
    key = call(f"{url}/v1/api-keys", {"name": "outages", "scopes": ["read", "write"]}, token)["key"]
    with Client(url, api_key=key) as client:
        images = client.create_image_set("outages")
        client.upload(images.id, photographs)
        return token, f"{url}/v1/jobs/{client.submit(images.id, 'medium').id}"


def find(root: psutil.Process, title: str) -> psutil.Process | None:
    """A process of the service."""
    for process in processes(root):
        with contextlib.suppress(psutil.Error):
            if title in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                return process
    return None


def kill(root: psutil.Process, part: str) -> float:
    """Kill a part as soon as it is there; returns when."""
    deadline_s = time.monotonic() + PATIENCE_S
    while (process := find(root, PARTS[part])) is None:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"there is no {part}")
        time.sleep(0.2)
    process.kill()
    return time.monotonic()


def await_recovery(asker: Asker, root: psutil.Process, part: str, killed_s: float) -> None:
    """Wait until the part is there again, and nearly all answers have been good for a while."""
    while time.monotonic() - killed_s < PATIENCE_S:
        time.sleep(0.5)
        recent = [answer for answer in list(asker.answers) if answer.sent_s > time.monotonic() - RECOVERY_S]
        good = sum(answer.status == 200 for answer in recent)
        if (
            good > 0.98 * len(recent)
            and time.monotonic() - killed_s > 2 * RECOVERY_S
            and find(root, PARTS[part]) is not None
        ):
            return
    print(f"the service did not recover from the end of the {part}")


def report(replicas: int, part: str, answers: list[Answer], killed_s: float) -> None:
    """One line of figures."""
    good = sorted(answer.answered_s for answer in answers if answer.status == 200)
    gap_s = max((after - before for before, after in itertools.pairwise(good)), default=float("inf"))
    after = [answer for answer in answers if answer.answered_s >= killed_s]
    refused = sum(answer.status == 503 for answer in after)
    failed = sum(answer.status not in (200, 503) for answer in after)
    slowest_s = max(answer.answered_s - answer.sent_s for answer in answers)
    foreign = sum(answer.foreign for answer in after)
    print(
        f"{replicas} replica(s), {part:<8} longest gap {gap_s:5.1f} s   slowest answer {slowest_s:5.1f} s   503: "
        f"{refused:4d}   failed: {failed:4d}   foreign: {foreign:4d}   of {len(after)} requests",
        flush=True,
    )


def main(parts: list[str], replicas: list[int], rate_hz: float) -> None:
    """Kill every part once, with as many replicas."""
    from e2e3d.outputs.sample_set import write_sample

    photographs = Path(tempfile.mkdtemp(prefix="e2e3d-outages-sample-"))
    write_sample(photographs, count=8, width_px=640)
    for count in replicas:
        with service(count) as (url, root):
            token, job = submit(url, photographs / "images")
            for part in parts:
                asker = Asker(job, token, rate_hz)
                time.sleep(QUIET_S)
                killed_s = kill(root, part)
                await_recovery(asker, root, part, killed_s)
                asker.close()
                report(count, part, list(asker.answers), killed_s)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="what is killed; all of them when none is named")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rate", type=float, default=50.0, metavar="HZ", help="requests a second")
    options = parser.parse_args()
    main(options.part or list(PARTS), options.replicas, options.rate)
