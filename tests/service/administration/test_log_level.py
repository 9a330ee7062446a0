import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e3d.service.administration.log_level import apply_level
from tests.service.api import Api, open_api

_PROCESS = """
import logging, sys, time
from e2e3d.service.administration import log_level
from e2e3d.config.deployment import load_service_settings
from e2e3d.service.database import Database
log_level._PERIOD_S = 0.1
settings = load_service_settings()
log_level.start_log(settings, Database(settings.database), "replica")
while True:
    logging.getLogger("e2e3d.test").debug("a detail")
    logging.getLogger("e2e3d.test").warning("a warning")
    time.sleep(0.1)
"""


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    level = logging.getLogger("e2e3d").level
    yield
    logging.getLogger("e2e3d").setLevel(level)


def test_an_administrator_sets_the_level(api: Api) -> None:
    admin = api.headers(api.user("root@example.org", "admin"))
    answer = api.client.put("/v1/admin/log-level", json={"level": "debug"}, headers=admin)
    assert (answer.status_code, answer.json()) == (200, {"level": "debug"})
    logging.getLogger("e2e3d").setLevel("ERROR")  # another process, which has not followed yet
    apply_level(api.services.database)
    assert api.client.get("/v1/admin/log-level", headers=admin).json() == {"level": "debug"}


@pytest.mark.slow
def test_other_processes_follow(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'x.sqlite'}", tmp_path) as api:
        admin = api.headers(api.user("root@example.org", "admin"))
        given = {"E2E3D_HOME": str(tmp_path), "E2E3D_DATABASE_URL": api.services.settings.database}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROCESS], stderr=log, env=os.environ | given, cwd=Path(__file__).parents[2]
            )
        try:
            assert _until(tmp_path / "log", "warning")
            assert not [line for line in _lines(tmp_path / "log") if line["level"] == "debug"]
            api.client.put("/v1/admin/log-level", json={"level": "debug"}, headers=admin)
            line = _until(tmp_path / "log", "debug")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    assert (line["message"], line["process"], line["logger"]) == ("a detail", "replica", "e2e3d.test")


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def _until(path: Path, level: str) -> dict[str, str]:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        found = [line for line in _lines(path) if line["level"] == level]
        if found:
            return found[0]
        time.sleep(0.1)
    raise AssertionError(f"nothing was logged at {level}: {path.read_text()[-500:]}")
