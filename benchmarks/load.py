"""Requests a second for the state of a job, beside a bare endpoint on one Ray Serve: ``python benchmarks/load.py``.

The service runs with authentication and its database: SQLite in a temporary folder, or E2E3D_DATABASE_URL (empty). A
second process sends requests over connections that stay open, to the bare endpoint, to the service, and to the service
through HAProxy, as strangers reach it, in turn, so that whatever else the machine does slows all. Prints requests a
second and latencies for 1 and 2 replicas, the ratios, and the CPU time that a request takes in the replicas, in Serve's
proxy and in HAProxy, which a busy machine changes little.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import psutil
from embedded import free_port

from e2e3d.serve.front.configuration import FRONT_HEADER, Front
from e2e3d.serve.front.haproxy_process import FrontProcess, haproxy_binary

CONNECTIONS, SECONDS, ROUNDS = 16, 5.0, 3


@dataclass(frozen=True)
class Load:
    """What one burst of requests measured."""

    a_second: float
    p50_ms: float
    p99_ms: float
    replica_cpu_ms: float = 0.0
    proxy_cpu_ms: float = 0.0
    front_cpu_ms: float = 0.0


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


async def burst(port: int, path: str, token: str, front: str) -> Load:
    """Send requests for some seconds; the connections share one process and one thread."""
    fields = f"Authorization: Bearer {token}\r\n{FRONT_HEADER}: {front} 127.0.0.1"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n".encode()
    times_s: list[float] = []
    until_s = time.perf_counter() + SECONDS
    await asyncio.gather(*(one_connection(port, request, until_s, times_s) for _ in range(CONNECTIONS)))
    p50, p99 = 1e3 * np.percentile(times_s, [50, 99])
    return Load(len(times_s) / SECONDS, float(p50), float(p99))


def from_second_process(port: int, path: str, token: str, application: str) -> Load:
    """Send the load from a process of its own, apart from what is measured."""
    command = [sys.executable, __file__, "--client", str(port), path, token, os.environ["E2E3D_FRONT_TOKEN"]]
    titles = f"ServeReplica:{application}", "ProxyActor", "haproxy"
    before = [cpu_ms(title) for title in titles]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    load = Load(**json.loads(done.stdout))
    requests = load.a_second * SECONDS
    used = [(cpu_ms(title) - start) / requests for title, start in zip(titles, before, strict=True)]
    return replace(load, replica_cpu_ms=used[0], proxy_cpu_ms=used[1], front_cpu_ms=used[2])


def cpu_ms(title: str) -> float:
    """CPU time so far of the processes below this one whose title contains `title`."""
    below = psutil.Process().children(recursive=True)
    return 1e3 * sum(sum(process.cpu_times()[:2]) for process in below if title in " ".join(process.cmdline()))


def prepare() -> tuple[str, str]:
    """A user with a login and a finished job; returns the access token and the job's id."""
    from e2e3d.config.deployment import load_service_settings
    from e2e3d.service.accounts import queries as accounts
    from e2e3d.service.accounts.logins import create_first_admin, log_in
    from e2e3d.service.accounts.records import Actor
    from e2e3d.service.database import upgrade
    from e2e3d.service.jobs.tables import JobRow, JobStageRow
    from e2e3d.service.services import build_services

    settings = load_service_settings()
    services = build_services(settings)
    upgrade(services.database)
    create_first_admin(services)
    assert settings.admin_password is not None
    login = log_in(services, settings.admin_email, settings.admin_password, None, Actor(None, "127.0.0.1", None))
    with services.database.session() as session:
        found = accounts.login_data(session, settings.admin_email)
        assert found is not None
        job = JobRow(user_id=found[0].id, quality="medium", state="succeeded", progress=1.0)
        session.add(job)
        session.flush()
        for stage in ("features", "matching", "mapping", "depth", "fusion", "mesh", "texture"):
            session.add(JobStageRow(job_id=job.id, attempt=1, stage=stage, units=18, elapsed_s=9.0, cpu_s=9.0))
    services.close()
    return login.tokens.access, job.id


def deploy(replicas: int) -> Any:
    """The service's application and a bare one with as many replicas, on one proxy."""
    from fastapi import FastAPI
    from ray import serve

    from e2e3d.config.deployment import load_service_settings
    from e2e3d.serve.deployment import api_application

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
    os.environ.update(given | {"RAY_AUTH_MODE": "disabled", "E2E3D_FRONT_TOKEN": secrets.token_hex(16)})
    if "E2E3D_DATABASE_URL" in os.environ:
        os.environ["E2E3D_SECRET_KEY"] = secrets.token_urlsafe(48)
    token, job_id = prepare()
    port, public_port = free_port(), free_port()
    binary = haproxy_binary()
    assert binary is not None
    front = FrontProcess(Front("127.0.0.1", public_port, port, os.environ["E2E3D_FRONT_TOKEN"], 256), binary)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        for replicas in (1, 2):
            deploy(replicas)
            report(replicas, port, public_port, token, job_id)
    finally:
        front.stop()
        serve.shutdown()
        ray.shutdown()


def report(replicas: int, port: int, public_port: int, token: str, job_id: str) -> None:
    """Bare and real in turn; the medians of all rounds."""
    status = f"/v1/jobs/{job_id}"
    paths = {"bare": ("bare", "/bare/", port), "status": ("api", status, port), "public": ("api", status, public_port)}
    found: dict[str, list[Load]] = {name: [] for name in paths}
    for number in range(ROUNDS + 1):
        for name, (application, path, place) in paths.items():
            load = from_second_process(place, path, token, application)
            if number > 0:  # the first one warms up
                found[name].append(load)
    middle = {
        name: [float(np.median([asdict(x)[k] for x in loads])) for k in asdict(loads[0])]
        for name, loads in found.items()
    }
    for name, (a_second, p50, p99, replica, proxy, public) in middle.items():
        print(
            f"{replicas} replicas, {name:<6} {a_second:7.1f} requests/s   p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   "
            f"CPU of a request: replica {replica:5.2f} ms, proxy {proxy:5.2f} ms, HAProxy {public:5.2f} ms"
        )
    ratios = ", ".join(f"{name} {middle[name][0] / middle['bare'][0]:.2f}" for name in ("status", "public"))
    print(f"{replicas} replicas: of the bare endpoint {ratios}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", nargs=4, metavar=("PORT", "PATH", "TOKEN", "FRONT"))
    client = parser.parse_args().client
    if client is None:
        main()
    else:
        print(json.dumps(asdict(asyncio.run(burst(int(client[0]), *client[1:])))))
