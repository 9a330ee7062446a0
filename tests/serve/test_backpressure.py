"""What is done beyond Ray's documented interface: with the version that was tested, and otherwise not."""

import asyncio
import pickle
import re
import subprocess
import sys
from typing import Any

import pytest

from e2e3d.serve import backpressure, ray_version
from e2e3d.serve.backpressure import fetch_when_read, proxy_callback
from e2e3d.serve.front.configuration import Front
from e2e3d.serve.ray_version import TESTED_RAY, ray_is_tested
from e2e3d.service.http.bounded_downloads import WrittenReports
from e2e3d.service.http.bounded_uploads import UNBOUNDED_BODY_BYTES, BodyWindow, QuietSockets
from e2e3d.service.http.request_ids import SafeRequestIds
from tests.command import ROOT

CHUNK = {"type": "http.request", "body": bytes(1 << 20), "more_body": True}
END = {"type": "http.disconnect"}


def test_the_version_that_was_tested_is_the_one_that_is_allowed_and_installed() -> None:
    (allowed,) = re.findall(r'"ray\[default,serve\](.*)"', (ROOT / "pyproject.toml").read_text())
    major, minor = TESTED_RAY.split(".")
    assert allowed == f">={TESTED_RAY},<{major}.{int(minor) + 1}"
    assert ray_is_tested()
    assert [middleware.cls for middleware in proxy_callback()] == [
        SafeRequestIds,
        QuietSockets,
        BodyWindow,
        WrittenReports,
    ]


def test_another_version_is_left_as_it_is_and_the_log_says_what_follows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ray_version, "TESTED_RAY", "2.59")
    monkeypatch.setattr(backpressure, "_replace_methods", None)
    assert [middleware.cls for middleware in proxy_callback()] == [SafeRequestIds, QuietSockets]
    fetch_when_read()
    (record,) = caplog.records
    assert "bodies of requests are limited to 64 MiB" in record.getMessage()


def test_the_front_refuses_large_bodies_with_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from e2e3d.config.deployment import ServiceSettings
    from e2e3d.serve import serve_command

    fronts: list[Front] = []
    monkeypatch.setattr(serve_command, "haproxy_binary", lambda: "haproxy")
    monkeypatch.setattr(serve_command, "FrontProcess", lambda front, binary: fronts.append(front))
    settings = ServiceSettings(secret_key="k" * 40)
    for name in ("E2E3D_INTERNAL_PORT", "E2E3D_FRONT_TOKEN"):
        monkeypatch.setenv(name, "as before when the test ends")
    for version in (TESTED_RAY, "2.59"):
        monkeypatch.setattr(ray_version, "TESTED_RAY", version)
        serve_command.start_front(settings)
    assert [front.body_bytes for front in fronts] == [None, UNBOUNDED_BODY_BYTES]


def test_the_command_that_starts_everything_imports_neither_ray_nor_the_web_framework() -> None:
    code = "import sys, e2e3d.serve.serve_command; print(sorted({'ray', 'fastapi', 'sqlalchemy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_a_replica_fetches_nothing_before_the_application_reads() -> None:
    from ray.serve._private.http_util import ASGIReceiveProxy

    fetch_when_read()
    fetch_when_read()  # once more changes nothing

    async def work() -> None:
        fetched = 0

        async def fetch(_: Any) -> bytes:
            nonlocal fetched
            fetched += 1
            return pickle.dumps([END] if fetched > 100 else [CHUNK])

        proxy = ASGIReceiveProxy({"type": "http"}, None, fetch)
        fetching = asyncio.create_task(proxy.fetch_until_disconnect())
        await asyncio.sleep(0.3)
        assert fetched == 0
        assert [await proxy() for _ in range(101)] == [CHUNK] * 100 + [END]
        await fetching

    asyncio.run(work())


def test_a_client_that_went_away_is_no_error() -> None:
    """When the proxy ends a request, Ray cancels the call that waits for the client too."""
    from ray.exceptions import TaskCancelledError
    from ray.serve._private.http_util import ASGIReceiveProxy

    fetch_when_read()

    async def fetch(_: Any) -> bytes:
        raise TaskCancelledError

    async def work() -> None:
        proxy = ASGIReceiveProxy({"type": "http"}, None, fetch)
        fetching = asyncio.create_task(proxy.fetch_until_disconnect())
        assert await proxy() == END
        await fetching

    asyncio.run(work())
