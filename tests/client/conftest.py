from __future__ import annotations

import asyncio
import inspect
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from e2e3d.client import AsyncClient, Client
from tests.client.typed import command
from tests.live import EMAIL, PASSWORD, LiveService, live_service


class Awaited:
    """An AsyncClient whose answers are awaited at once, so that one test speaks for both clients."""

    def __init__(self, **arguments: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._make(arguments))

    async def _make(self, arguments: dict[str, Any]) -> AsyncClient:
        return AsyncClient(**arguments)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            return self._runner.run(answer if inspect.iscoroutine(answer) else self._all(answer))

        return call

    async def _all(self, values: Any) -> list[Any]:
        return [value async for value in values]

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("E2E3D_URL", "E2E3D_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveService]:
    """A running service without a runner; tests do a runner's work themselves where they need it."""
    with live_service(tmp_path_factory.mktemp("service")) as live:
        yield live


@pytest.fixture
def signed_in(service: LiveService, monkeypatch: pytest.MonkeyPatch) -> LiveService:
    done = command("login", "--url", service.url, "--email", EMAIL, "--password-stdin", typed=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.stderr
    return service


@pytest.fixture(params=["blocking", "asynchronous"])
def make_client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes clients of both kinds."""
    made = []

    def make(url: str, key: str | None = None, patience_s: float = 60.0) -> Any:
        kind = Client if request.param == "blocking" else Awaited
        made.append(kind(url=url, api_key=key, patience_s=patience_s))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: Any, service: LiveService) -> Any:
    return make_client(service.url, service.key)


@pytest.fixture
def photographs(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Four photographs that no other test has."""
    folder = tmp_path / "photographs"
    write_photographs(folder, 4, seed_of(request))
    return folder


def seed_of(request: pytest.FixtureRequest) -> int:
    """Another one for every test: the service knows the photographs of the others."""
    return zlib.crc32(request.node.nodeid.encode())


def write_photographs(folder: Path, count: int, seed: int, width_px: int = 400) -> None:
    """Photographs of noise: JPEG does not make it much smaller, and every one is different."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for number in range(count):
        pixels = random.integers(0, 256, (width_px * 3 // 4, width_px, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"IMG_{number}.jpg", quality=90)
