"""The service as its operators run it: ``e2e3d serve`` in a process of its own, spoken to over HTTP."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.command import ROOT, SMALL, assert_all_end, command, computes, environment, wait_for
from tests.servers import free_port

EMAIL, PASSWORD = "admin@localhost", "a-password-of-tests"
SETTINGS = {name: int(value) for name, value in (text.split("=") for text in SMALL)}

ENDED = ("succeeded", "failed", "cancelled")
RUNNER, REPLICA, DRIVER = (
    "e2e3d.service.runner.runner_process",
    "ray::ServeReplica:api",
    "service.runner.driver",
)


def patience_s(limit_s: float) -> float:
    """A limit that holds on an idle machine, longer where more runs than the cores can take."""
    return limit_s * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


class RunningService:
    """A service that answers at `url`; its log is the file ``serve.log`` in `folder`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = {"E2E3D_HOME": str(folder / "home"), "E2E3D_PORT": str(self.port), "E2E3D_ADMIN_PASSWORD": PASSWORD}
        self._environment = environment(**given | settings)
        self._process: subprocess.Popen[bytes] | None = None
        self.ready_after_s = 0.0

    def start(self) -> None:
        """Start the command and wait until everything is ready."""
        began_s = time.monotonic()
        with (self.folder / "serve.log").open("ab") as log:
            self._process = subprocess.Popen(command("serve"), env=self._environment, cwd=ROOT, stdout=log, stderr=log)
        self.wait_until_ready()
        self.ready_after_s = time.monotonic() - began_s

    def wait_until_ready(self, timeout_s: float = 240.0) -> None:
        """Wait for ``/readyz``, longer while more runs than the cores can take."""
        began_s = time.monotonic()
        while not self._is_ready():
            assert not self._ended(), self.log()
            assert time.monotonic() - began_s < patience_s(timeout_s), self.log()
            time.sleep(0.1)

    def log(self) -> str:
        return (self.folder / "serve.log").read_text(errors="replace")[-4000:]

    def processes(self, title: str = "") -> list[psutil.Process]:
        """The processes of the service whose title or command line contains `title`."""
        assert self._process is not None
        found = []
        for process in [psutil.Process(self._process.pid), *psutil.Process(self._process.pid).children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and title in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def workers(self) -> list[psutil.Process]:
        """The processes of the service that compute a unit."""
        return [process for process in self.processes("ray::") if computes(process)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Tell the service to stop, and see that nothing remains of it; returns the seconds that it took."""
        assert self._process is not None
        processes, began_s = self.processes(), time.monotonic()
        self._process.send_signal(number)
        assert self._process.wait(60.0) == 0, self.log()
        took_s = time.monotonic() - began_s
        assert_all_end(processes, 1.0)
        self._process = None
        return took_s

    def kill(self) -> None:
        """End whatever still runs, at the end of a test."""
        if self._process is not None:
            processes = self.processes()
            self._process.kill()
            self._process.wait()
            assert_all_end(processes, 20.0)
            self._process = None

    @contextlib.contextmanager
    def client(self) -> Iterator[ServiceClient]:
        """Somebody who is logged in as the administrator."""
        with httpx.Client(base_url=self.url, timeout=60.0) as http:
            yield ServiceClient(http)

    def _is_ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=10.0).status_code == 200
        return False

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., RunningService]]:
    """Makes services that are not started yet, with settings such as ``E2E3D_REPLICAS="2"``; what runs is killed."""
    made: list[RunningService] = []

    def make(**settings: str) -> RunningService:
        made.append(RunningService(tmp_path, **settings))
        return made[-1]

    yield make
    for service in made:
        service.kill()


@pytest.fixture
def service(make_service: Callable[..., RunningService]) -> RunningService:
    """A service with the usual settings that is not started yet."""
    return make_service()


class ServiceClient:
    """What the tests say to the service; they repeat what fails while parts of it are being killed."""

    def __init__(self, http: httpx.Client, password: str = PASSWORD) -> None:
        self.http = http
        login = self.patiently("POST", "/v1/auth/login", json={"email": EMAIL, "password": password})
        key = self.patiently(
            "POST",
            "/v1/api-keys",
            json={"name": "tests", "scopes": ["read", "write"]},
            headers={"Authorization": f"Bearer {login['access_token']}"},
        )
        http.headers["Authorization"] = f"Bearer {key['key']}"

    def patiently(self, method: str, path: str, timeout_s: float = 120.0, **arguments: Any) -> dict[str, Any]:
        """Ask until the service answers."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            answer: httpx.Response | None = None
            with contextlib.suppress(httpx.TransportError):
                answer = self.http.request(method, path, **arguments)
                starting = answer.status_code == 404 and "-/routes" in answer.text  # Serve has no application yet
                if answer.status_code < 500 and not starting:
                    assert answer.is_success, answer.text
                    return answer.json() if answer.content else {}
            assert time.monotonic() < deadline_s, answer and answer.text
            time.sleep(0.3)

    def upload(self, folder: Path) -> str:
        """Make an image set of the photographs in a folder; returns its id."""
        image_set = self.patiently("POST", "/v1/image-sets", json={"name": folder.name})["id"]
        files = [("photos", (path.name, path.read_bytes())) for path in sorted(folder.iterdir())]
        added = self.patiently("POST", f"/v1/image-sets/{image_set}/photos", files=files)
        assert {item["outcome"] for item in added["items"]} == {"added"}
        return str(image_set)

    def submit(self, image_set: str, **changes: Any) -> str:
        """Queue a small job, with `changes` to its settings; returns its id."""
        settings = SETTINGS | {name.replace("__", "."): value for name, value in changes.items()}
        body = {"image_set_id": image_set, "quality": "preview", "settings": settings}
        return str(self.patiently("POST", "/v1/jobs", json=body)["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self.patiently("GET", f"/v1/jobs/{job_id}")

    def wait_for_stage(self, job_id: str, stage: str, timeout_s: float = 900.0) -> None:
        """Wait until a stage of a job runs; the job must not end before."""

        def runs() -> bool:
            job = self.job(job_id)
            assert job["state"] not in ENDED, job
            return bool(job["stage"] == stage)

        wait_for(runs, timeout_s)

    def wait_for_end(self, job_id: str, timeout_s: float = 900.0) -> dict[str, Any]:
        wait_for(lambda: self.job(job_id)["state"] in ENDED, timeout_s)
        return self.job(job_id)

    def download(self, job_id: str) -> dict[str, bytes]:
        """All results of a job; every byte must be as the list says."""
        files = {}
        for entry in self.patiently("GET", f"/v1/jobs/{job_id}/results")["items"]:
            answer = self.http.get(f"/v1/jobs/{job_id}/results/{entry['path']}", follow_redirects=True)
            assert answer.status_code == 200, answer.text
            assert len(answer.content) == entry["bytes"]
            assert hashlib.sha256(answer.content).hexdigest() == entry["sha256"]
            files[entry["path"]] = answer.content
        return files
