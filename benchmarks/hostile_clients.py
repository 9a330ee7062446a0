"""Honest users beside hostile connections, on a real service: ``python benchmarks/hostile_clients.py``.

Starts ``e2e3d serve`` in a temporary folder. First the honest users alone ask for the state of a job, as often as a
page that is looked at; then the same beside hostile connections, which come back when they are cut off. They send
heads and bodies as slowly or as largely as they like, say nothing, or read a large file as slowly as they like, each
from an address of its own, so that the limit by address helps nothing. Prints the latencies of both, by how much the
memory of all processes grew at most, what CPU they took, and which ended; exits with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import itertools
import json
import multiprocessing
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
from embedded import cpu_s, free_port, processes, title, wait_until_ready

from e2e3d.config.deployment import ServiceSettings

USERS, PAUSE_S, LOOK_S = 20, 0.25, 2.0
GROWTH_BYTES, SLOWER = 200e6, 2.0
FILE_BYTES = 300_000_000
COME_BACK_S = 0.5
DRIP_S = 1.0


@dataclass(frozen=True)
class Target:
    """The service, and what hostile clients know of it: they may have an account."""

    port: int
    key: str
    job_path: str
    upload_path: str
    download_path: str


Hostile = Callable[[Target, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def head(method: str, path: str, *fields: str) -> bytes:
    """The head of a request with these header lines."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


async def drip(writer: asyncio.StreamWriter, start: bytes) -> None:
    """A byte a second for ever."""
    writer.write(start)
    while True:
        await writer.drain()
        await asyncio.sleep(DRIP_S)
        writer.write(b"x")


async def flood(writer: asyncio.StreamWriter, start: bytes) -> None:
    """250 MB as fast as they are taken."""
    writer.write(start)
    for _ in range(4000):
        writer.write(b"x" * 65536)
        await writer.drain()


async def slow_head(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await drip(writer, head("GET", target.job_path)[:-2] + b"X-Slow: ")


async def slow_login(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    fields = ("Content-Type: application/json", "Content-Length: 900")
    await drip(writer, head("POST", "/v1/auth/login", *fields))


async def slow_upload(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    fields = (f"Authorization: Bearer {target.key}", "Content-Type: multipart/form-data; boundary=b")
    part = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'
    await drip(writer, head("POST", target.upload_path, *fields, "Content-Length: 99999999") + part)


async def huge_head(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, head("GET", "/livez")[:-2] + b"X-Huge: ")


async def huge_line(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, b"GET /")


async def huge_body(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await flood(writer, head("POST", "/v1/auth/login", "Content-Type: text/plain", "Content-Length: 262144000"))


async def silence(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def slow_reader(target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(head("GET", target.download_path))
    while await reader.read(4096):
        await asyncio.sleep(DRIP_S)


KINDS: dict[str, Hostile] = {
    kind.__name__: kind
    for kind in (slow_head, slow_login, slow_upload, huge_head, huge_line, huge_body, silence, slow_reader)
}


async def hostile(kind: Hostile, target: Target, number: int, until_s: float) -> None:
    """One connection, made again whenever it has ended."""
    address = f"127.1.{number // 250}.{number % 250 + 1}"
    while (left_s := until_s - time.monotonic()) > 0:
        with contextlib.suppress(OSError, TimeoutError):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", target.port, local_addr=(address, 0), limit=4096
            )
            try:
                async with asyncio.timeout(left_s):
                    await asyncio.gather(kind(target, reader, writer), ended(kind, reader))
            finally:
                writer.transport.abort()
        await asyncio.sleep(COME_BACK_S)


async def ended(kind: Hostile, reader: asyncio.StreamReader) -> None:
    """Raise when the service has ended the connection; those who read see it themselves."""
    if kind in (silence, slow_reader):
        return
    while await reader.read(4096):
        pass
    raise ConnectionError("cut off")


async def attack(target: Target, names: list[str], connections: int, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    kinds = itertools.islice(itertools.cycle([KINDS[name] for name in names]), connections)
    await asyncio.gather(*(hostile(kind, target, number, until_s) for number, kind in enumerate(kinds)))


def run_attack(target: Target, names: list[str], connections: int, seconds: float) -> None:
    """In a process of its own, behind everybody else: what it costs itself is not the service's."""
    os.nice(10)
    asyncio.run(attack(target, names, connections, seconds))


async def honest(target: Target, seconds: float) -> list[float]:
    """Seconds that each good answer took; NaN for a request that got none."""
    until_s = time.monotonic() + seconds
    times_s: list[float] = []

    async def user(client: httpx.AsyncClient) -> None:
        while time.monotonic() < until_s:
            began_s = time.perf_counter()
            try:
                good = (await client.get(target.job_path)).is_success
            except httpx.TransportError:
                good = False
            times_s.append(time.perf_counter() - began_s if good else float("nan"))
            await asyncio.sleep(PAUSE_S)

    async with clients(target) as made:
        await asyncio.gather(*(user(client) for client in made))
    return times_s


@contextlib.asynccontextmanager
async def clients(target: Target) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A connection for each user."""
    headers = {"Authorization": f"Bearer {target.key}"}
    async with contextlib.AsyncExitStack() as stack:
        url = f"http://127.0.0.1:{target.port}"
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=url, headers=headers, timeout=60.0, trust_env=False)
            )
            for _ in range(USERS)
        ]


def prepare(settings: ServiceSettings) -> tuple[str, str]:
    """A finished job with a large result, in a service that does not run yet; returns their id and path."""
    from e2e3d.service.accounts import queries as accounts
    from e2e3d.service.accounts.logins import create_first_admin
    from e2e3d.service.database import upgrade
    from e2e3d.service.database.table_base import now
    from e2e3d.service.jobs import leases
    from e2e3d.service.jobs.lifecycle import JobTransition
    from e2e3d.service.jobs.records import Fence, NewResult
    from e2e3d.service.jobs.tables import JobRow
    from e2e3d.service.services import build_services

    services = build_services(settings)
    upgrade(services.database)
    create_first_admin(services)
    chunk = secrets.token_bytes(1_000_000)
    with services.database.session() as session:
        found = accounts.login_data(session, settings.admin_email)
        assert found is not None
        session.add(JobRow(user_id=found[0].id, quality="low"))
    with services.database.session() as session:
        job = leases.claim(session, "benchmark", now(), 600.0)
    assert job is not None
    fence, path = Fence(job.id, "benchmark", job.attempt), "dense.ply"
    key = f"results/{job.id}/{path}"
    written = services.files.write(key, (chunk for _ in range(FILE_BYTES // len(chunk))))
    with services.database.session() as session:
        result = NewResult(path, "application/octet-stream", FILE_BYTES, written.sha256, key)
        assert leases.record_result(session, fence, result, now())
    with services.database.session() as session:
        leases.finish(session, fence, JobTransition.COMPLETED, now(), datetime.timedelta(days=1))
    services.close()
    return job.id, path


def target_of(port: int, password: str, job_id: str, path: str) -> Target:
    """Sign in as a user would, and make what the clients need."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60.0, trust_env=False) as http:
        login = http.post("/v1/auth/login", json={"email": "admin@localhost", "password": password}).json()
        http.headers["Authorization"] = f"Bearer {login['access_token']}"
        key = http.post("/v1/api-keys", json={"name": "benchmark", "scopes": ["read", "write"]}).json()["key"]
        image_set = http.post("/v1/image-sets", json={"name": "hostile"}).json()["id"]
        links = http.post(f"/v1/jobs/{job_id}/result-links", json={"paths": [path], "expires_in_s": 3600}).json()
        download = httpx.URL(links["items"][0]["url"]).path
    return Target(port, key, f"/v1/jobs/{job_id}", f"/v1/image-sets/{image_set}/photos", download)


def memory_bytes(root: psutil.Process) -> Counter[str]:
    """Of the processes of the service, by what they are; shared pages are counted once."""
    found: Counter[str] = Counter()
    for process in processes(root):
        with contextlib.suppress(psutil.Error):
            kind = re.match(r"ray::\w+|.*", title(process))  # of a worker without what it does now
            found[kind[0] if kind else ""] += process.memory_full_info().pss
    return found


def essential(root: psutil.Process) -> dict[int, str]:
    """The processes that must outlive everything, by their ids."""
    titles = ("serve.node", "runner.runner_process", "haproxy", "ProxyActor", "ServeReplica", "gcs_server", "raylet")
    found = {}
    for process in processes(root):
        with contextlib.suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if title := next((each for each in titles if each in words and "agent" not in words), None):
                found[process.pid] = title
    return found


async def watched(root: psutil.Process, work: Awaitable[list[float]]) -> tuple[list[float], Counter[str], float]:
    """The result of `work`, the memory when it was most meanwhile, and CPU seconds a second of all processes."""
    task, most = asyncio.ensure_future(work), Counter[str]()
    before, began_s = cpu_s(root), time.monotonic()
    while not task.done():
        most = max(most, await asyncio.to_thread(memory_bytes, root), key=Counter.total)
        await asyncio.wait([task], timeout=LOOK_S)
    used = sum(value - before.get(pid, 0.0) for pid, value in cpu_s(root).items())
    return task.result(), most, used / (time.monotonic() - began_s)


def measure(
    root: psutil.Process, target: Target, names: list[str], connections: int, seconds: float
) -> dict[str, float]:
    """Honest users alone, and then beside hostile connections of these kinds."""
    asyncio.run(honest(target, 5.0))  # warms up
    before = essential(root)
    quiet_s, quiet_bytes, quiet_cores = asyncio.run(watched(root, honest(target, seconds)))
    arguments = (target, names, connections, seconds + 5)
    attacker = multiprocessing.get_context("spawn").Process(target=run_attack, args=arguments)
    attacker.start()
    time.sleep(5)
    beside_s, beside_bytes, beside_cores = asyncio.run(watched(root, honest(target, seconds)))
    attacker.join()
    after = essential(root)
    grown = Counter({name: beside_bytes[name] - quiet_bytes[name] for name in beside_bytes | quiet_bytes})
    print("MB that grew: " + ", ".join(f"{name} {value / 1e6:.0f}" for name, value in grown.most_common(5)))
    figures = {f"quiet_{name}": value for name, value in latencies(quiet_s).items()}
    figures |= {f"beside_{name}": value for name, value in latencies(beside_s).items()}
    return figures | {
        "slower": figures["beside_p99_ms"] / figures["quiet_p99_ms"],
        "quiet_cores": quiet_cores,
        "beside_cores": beside_cores,
        "growth_mb": (beside_bytes.total() - quiet_bytes.total()) / 1e6,
        "ended": len(before.keys() - after.keys()),
    }


def latencies(times_s: list[float]) -> dict[str, float]:
    """Percentiles of good answers, and how many requests got none."""
    p50, p99 = 1e3 * np.nanpercentile(times_s, [50, 99])
    return {"p50_ms": float(p50), "p99_ms": float(p99), "failed": float(np.isnan(times_s).sum())}


def main(names: list[str], connections: int, seconds: float) -> int:
    """Start, measure, stop; returns the exit code."""
    home, port = tempfile.mkdtemp(prefix="e2e3d-hostile-"), free_port()
    password, key = secrets.token_urlsafe(12), secrets.token_urlsafe(48)
    job_id, path = prepare(ServiceSettings(home=Path(home), admin_password=password, secret_key=key))
    environment = {"E2E3D_HOME": home, "E2E3D_PORT": str(port), "E2E3D_SECRET_KEY": key}
    with Path(home, "serve.log").open("wb") as log:
        command = [sys.executable, "-m", "e2e3d", "serve"]
        service = subprocess.Popen(command, env=os.environ | environment, stdout=log, stderr=log)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}", service)
        target = target_of(port, password, job_id, path)
        found = measure(psutil.Process(service.pid), target, names, connections, seconds)
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(60)
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))
    print(f"goals: slower <= {SLOWER}, growth_mb < {GROWTH_BYTES / 1e6:.0f}, ended = 0, beside_failed = 0")
    good = found["slower"] <= SLOWER and 1e6 * found["growth_mb"] < GROWTH_BYTES
    return 0 if good and not found["ended"] and not found["beside_failed"] else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    given = parser.parse_args()
    sys.exit(main(given.kinds, given.connections, given.seconds))
