"""The application on real sockets without Ray, in this process, and a stand-in for its runner."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from e2e3d.config.deployment.service import ServiceSettings
from e2e3d.data.judgement import Judgement
from e2e3d.errors import E2E3DError
from e2e3d.serve.app import create_app
from e2e3d.serve.front.configuration import FRONT_HEADER
from e2e3d.service.accounts.logins import create_first_admin
from e2e3d.service.database import upgrade
from e2e3d.service.jobs import leases
from e2e3d.service.jobs.lifecycle import JobTransition
from e2e3d.service.jobs.records import Fence, NewResult, ProgressUpdate
from e2e3d.service.results.outputs import media_type
from e2e3d.service.services import Services, build_services

EMAIL, PASSWORD = "admin@localhost", "a-password-of-tests"


@dataclass
class LiveService:
    """A service that answers at `url`; `key` is an API key of its only user."""

    url: str
    services: Services
    key: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """Method and route of every request that has been answered, such as ("GET", "/v1/jobs/{job_id}")."""

    def begin(self, job_id: str) -> Fence:
        """Claim the job that comes next, as a runner does."""
        with self.services.database.session() as session:
            job = leases.claim(session, "test:0", now(), 600.0)
        assert job is not None
        assert job.id == job_id
        self.services.notifier.notify(job.user_id)
        return Fence(job.id, "test:0", job.attempt)

    def progress(self, fence: Fence, stage: str, done: int, total: int, share: float, user_id: str) -> None:
        with self.services.database.session() as session:
            assert leases.write_progress(session, fence, ProgressUpdate(stage, done, total, share, (1.0, 2.0)), now())
        self.services.notifier.notify(user_id)

    def result(self, fence: Fence, path: str, content: bytes) -> None:
        key = f"results/{fence.job_id}/{path}"
        self.services.files.write(key, [content])
        sha256 = hashlib.sha256(content).hexdigest()
        with self.services.database.session() as session:
            new = NewResult(path, media_type(path), len(content), sha256, key)
            assert leases.record_result(session, fence, new, now())

    def end(
        self,
        fence: Fence,
        how: JobTransition = JobTransition.COMPLETED,
        error: E2E3DError | None = None,
        judgement: Judgement | None = None,
    ) -> None:
        with self.services.database.session() as session:
            job = leases.finish(session, fence, how, now(), datetime.timedelta(days=1), error, judgement)
        assert job is not None
        self.services.notifier.notify(job.user_id)


@contextlib.contextmanager
def live_service(home: Path, **changes: Any) -> Iterator[LiveService]:
    """Start a service with its own database and store in `home`."""
    given = {"secret_key": "k" * 40, "admin_password": PASSWORD, "webhook_allowed_networks": ("127.0.0.0/8",)}
    services = build_services(ServiceSettings(home=home, **given | changes))
    upgrade(services.database)
    create_first_admin(services)
    try:
        requests: list[tuple[str, str]] = []
        with serving(services, requests=requests) as url:
            live = LiveService(url, services, requests=requests)
            live.key = _new_key(url, services.settings.front_token)
            yield live
    finally:
        services.close()


@contextlib.contextmanager
def serving(services: Services, port: int = 0, requests: list[tuple[str, str]] | None = None) -> Iterator[str]:
    """Answer HTTP in a thread; gives the URL. What is answered is added to `requests`."""
    app = recorded(create_app(services), [] if requests is None else requests)
    config = uvicorn.Config(app, "127.0.0.1", port, log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline_s = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server ended"
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def recorded(app: ASGIApp, requests: list[tuple[str, str]]) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["type"] == "http" and "route" in scope:
                requests.append((scope["method"], re.sub(r":\w+\}", "}", scope["route"].path)))

    return answer


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _new_key(url: str, front_token: str | None) -> str:
    front = {} if front_token is None else {FRONT_HEADER: f"{front_token} 127.0.0.1"}
    with httpx.Client(base_url=url, timeout=60, headers=front) as http:
        login = http.post("/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        login.raise_for_status()
        headers = {"authorization": f"Bearer {login.json()['access_token']}"}
        made = http.post("/v1/api-keys", json={"name": "tests", "scopes": ["read", "write"]}, headers=headers)
        made.raise_for_status()
        return str(made.json()["key"])
