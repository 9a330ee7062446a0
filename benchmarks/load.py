"""Requests a second for the state of a job, beside a bare endpoint on one Ray Serve: ``python benchmarks/load.py``.

The service runs with authentication and its database: SQLite in a temporary folder, or E2E3D_DATABASE_URL (empty). A
second process sends requests over connections that stay open, to the bare endpoint and to the service in turn, so that
whatever else the machine does slows both. Prints requests a second and latencies for 1 and 2 replicas, the ratio, and
the CPU time that a request takes in the replicas and in Serve's proxy, which a busy machine changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import psutil

CONNECTIONS, SECONDS, ROUNDS = 16, 5.0, 3


@dataclass(frozen=True)
class Load:
    """What one burst of requests measured."""

    a_second: float
    p50_ms: float
    p99_ms: float
    replica_cpu_ms: float = 0.0
    proxy_cpu_ms: float = 0.0


async def one_connection(port: int, request: bytes, until_s: float, times_s: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (began_s := time.perf_counter()) < until_s:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        await reader.readexactly(int(fields[b"content-length"]))
        times_s.append(time.perf_counter() - began_s)
    writer.close()


async def burst(port: int, path: str, token: str) -> Load:
    """Send requests for some seconds; the connections share one process and one thread."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    times_s: list[float] = []
    until_s = time.perf_counter() + SECONDS
    await asyncio.gather(*(one_connection(port, request, until_s, times_s) for _ in range(CONNECTIONS)))
    p50, p99 = 1e3 * np.percentile(times_s, [50, 99])
    return Load(len(times_s) / SECONDS, float(p50), float(p99))


def from_second_process(port: int, path: str, token: str, application: str) -> Load:
    """Send the load from a process of its own, apart from what is measured."""
    command = [sys.executable, __file__, "--client", str(port), path, token]
    before = cpu_ms(f"ServeReplica:{application}"), cpu_ms("ProxyActor")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    load = Load(**json.loads(done.stdout))
    requests = load.a_second * SECONDS
    replicas, proxy = cpu_ms(f"ServeReplica:{application}") - before[0], cpu_ms("ProxyActor") - before[1]
    return replace(load, replica_cpu_ms=replicas / requests, proxy_cpu_ms=proxy / requests)


def cpu_ms(title: str) -> float:
    """CPU time so far of the processes below this one whose title contains `title`."""
    below = psutil.Process().children(recursive=True)
    return 1e3 * sum(sum(process.cpu_times()[:2]) for process in below if title in " ".join(process.cmdline()))


def prepare() -> tuple[str, str]:
    """A user with a login and a finished job; returns the access token and the job's id."""
    from e2e3d.data.service.accounts import Actor
    from e2e3d.serve.auth.accounts import create_first_admin, log_in
    from e2e3d.serve.services import build_services
    from e2e3d.settings import load_service_settings
    from e2e3d.storage.database import upgrade
    from e2e3d.storage.database.models import JobRow, JobStageRow
    from e2e3d.storage.database.repository import accounts

    settings = load_service_settings()
    services = build_services(settings)
    upgrade(services.database)
    create_first_admin(services)
    assert settings.admin_password is not None
    pair = log_in(services, settings.admin_email, settings.admin_password, Actor(None, "127.0.0.1", None))
    with services.database.session() as session:
        found = accounts.login_data(session, settings.admin_email)
        assert found is not None
        job = JobRow(user_id=found[0].id, quality="medium", state="succeeded", progress=1.0)
        session.add(job)
        session.flush()
        for stage in ("features", "matching", "mapping", "depth", "fusion", "mesh", "texture"):
            session.add(JobStageRow(job_id=job.id, attempt=1, stage=stage, units=18, elapsed_s=9.0, cpu_s=9.0))
    services.close()
    return pair.access, job.id


def deploy(replicas: int) -> Any:
    """The service's application and a bare one with as many replicas, on one proxy."""
    from fastapi import FastAPI
    from ray import serve

    from e2e3d.serve.deployment import api_application
    from e2e3d.settings import load_service_settings

    bare = FastAPI()

    @serve.deployment(num_replicas=replicas, max_ongoing_requests=2000, ray_actor_options={"num_cpus": 0})
    @serve.ingress(bare)
    class Bare:
        @bare.get("/")
        async def hello(self) -> dict[str, str]:
            return {"status": "ok"}

    settings = load_service_settings().model_copy(update={"replicas": replicas})
    serve.run(Bare.bind(), name="bare", route_prefix="/bare")
    serve.run(api_application(settings), name="api", route_prefix="/")


def main() -> None:
    """Measure with 1 and 2 replicas."""
    import ray
    from ray import serve

    home = tempfile.mkdtemp(prefix="e2e3d-load-")
    given = {"E2E3D_HOME": home, "E2E3D_ADMIN_PASSWORD": secrets.token_urlsafe(12), "E2E3D_ACCESS_TOKEN_S": "7200"}
    os.environ.update(given | {"RAY_AUTH_MODE": "disabled"})
    if "E2E3D_DATABASE_URL" in os.environ:
        os.environ["E2E3D_SECRET_KEY"] = secrets.token_urlsafe(48)
    token, job_id = prepare()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        for replicas in (1, 2):
            deploy(replicas)
            report(replicas, port, token, job_id)
    finally:
        serve.shutdown()
        ray.shutdown()


def report(replicas: int, port: int, token: str, job_id: str) -> None:
    """Bare and real in turn; the medians of all rounds."""
    paths = {"bare": ("bare", "/bare/"), "status": ("api", f"/v1/jobs/{job_id}")}
    found: dict[str, list[Load]] = {name: [] for name in paths}
    for number in range(ROUNDS + 1):
        for name, (application, path) in paths.items():
            load = from_second_process(port, path, token, application)
            if number > 0:  # the first one warms up
                found[name].append(load)
    middle = {
        name: [float(np.median([asdict(x)[k] for x in loads])) for k in asdict(loads[0])]
        for name, loads in found.items()
    }
    for name, (a_second, p50, p99, replica, proxy) in middle.items():
        print(
            f"{replicas} replicas, {name:<6} {a_second:7.1f} requests/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   "
            f"CPU of a request: replica {replica:5.2f} ms, proxy {proxy:5.2f} ms"
        )
    print(f"{replicas} replicas: {middle['status'][0] / middle['bare'][0]:.2f} of the bare endpoint", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", nargs=3, metavar=("PORT", "PATH", "TOKEN"))
    client = parser.parse_args().client
    if client is None:
        main()
    else:
        print(json.dumps(asdict(asyncio.run(burst(int(client[0]), client[1], client[2])))))
