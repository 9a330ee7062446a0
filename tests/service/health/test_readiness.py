"""Readiness is tried out by writing, and what it found is told to operators only; metrics are for them too."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from e2e3d.config.deployment import load_service_settings
from e2e3d.errors import MachineError, SettingsError
from e2e3d.service.health import readiness
from e2e3d.service.health.readiness import Readiness
from tests.servers import WRITER, PostgresServer, S3Server
from tests.service.api import METRICS_TOKEN, Api, bearer, open_api
from tests.service.uploads.conftest import s3_settings

OPERATOR = bearer(METRICS_TOKEN)


def parts(api: Api) -> dict[str, Any]:
    """What an operator is told now, not what was found a moment ago."""
    api.app.state.readiness = Readiness(readiness.checks_of(api.services))
    answer = api.client.get("/readyz", headers=OPERATOR)
    problems = {name: part.get("detail") for name, part in answer.json()["parts"].items()}
    assert answer.status_code == (503 if any(problems.values()) else 200)
    return problems


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as rest, contextlib.suppress(OSError):
        while rest.write(bytes(4096)):
            pass


def test_everything_is_ready(embedded_api: Api) -> None:
    assert parts(embedded_api) == {"database": None, "store": None, "disk": None}


def test_strangers_hear_only_whether_it_is_ready(embedded_api: Api) -> None:
    api = embedded_api
    user, admin = api.user("ada@example.org"), api.user("root@example.org", "admin")
    for headers in ({}, api.headers(user), bearer("e2e_" + "x" * 43), bearer("nonsense"), bearer("")):
        answer = api.client.get("/readyz", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    for headers in (OPERATOR, api.headers(admin)):
        assert set(api.client.get("/readyz", headers=headers).json()["parts"]) == {"database", "store", "disk"}


def test_a_database_that_cannot_be_written_is_not_ready(embedded_api: Api) -> None:
    api = embedded_api
    engine = api.services.database.engine
    engine.dispose()
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
    assert parts(api)["database"] == "database-read-only"
    assert api.client.get("/readyz").json() == {"status": "failed"}


def test_a_database_whose_lock_nobody_gives_back_is_not_ready(
    embedded_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "LIMIT_S", 0.3)
    with embedded_api.services.database.connection():  # a writer that does not end
        assert parts(embedded_api)["database"].startswith("No answer within")
        assert embedded_api.client.get("/livez").status_code == 200


@pytest.mark.slow
def test_a_postgresql_that_only_reads_is_not_ready(postgres: PostgresServer, tmp_path: Path) -> None:
    url = postgres.new_database()
    with open_api(url, tmp_path) as api:
        assert parts(api)["database"] is None
        with api.services.database.connection() as connection:
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
        api.services.database.close()
        assert parts(api)["database"] == "database-read-only"
    postgres.drop_database(url)


def test_a_full_disk_is_not_ready(small_disk: Callable[[int], Path], tmp_path: Path) -> None:
    disk = small_disk(1 << 20)
    with open_api(f"sqlite:///{disk / 'db.sqlite'}", tmp_path, store=str(disk / "store"), min_free_bytes=0) as api:
        assert parts(api) == {"database": None, "store": None, "disk": None}
        fill(disk / "rest")
        found = parts(api)
        assert (found["database"], found["store"]) == ("database-full", "disk-full")
        (disk / "rest").unlink()
        assert parts(api) == {"database": None, "store": None, "disk": None}


def test_little_free_space_is_not_ready(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path, min_free_bytes=10**15) as api:
        assert parts(api) == {"database": None, "store": None, "disk": "disk-low"}


def test_a_store_that_cannot_be_written_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where the folder should be")
    with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path) as api:
        assert parts(api)["store"] == "write-failed"


@pytest.mark.slow
def test_a_missing_bucket_is_not_ready(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LIMIT_S", 30.0)  # the first call to S3 takes seconds where others compute
    settings = s3_settings(s3_server)
    nowhere = {"store": "s3://nowhere/x", "s3_key": WRITER}
    with open_api(f"sqlite:///{tmp_path / 'a.sqlite'}", tmp_path, **settings) as api:
        assert parts(api)["store"] is None
    with open_api(f"sqlite:///{tmp_path / 'b.sqlite'}", tmp_path, **settings | nowhere) as api:
        # SeaweedFS would make the bucket, and may not for this key; others answer that it does not exist.
        assert parts(api)["store"] in ("store-denied", "store-missing")
    with open_api(f"sqlite:///{tmp_path / 'c.sqlite'}", tmp_path, **settings | {"s3_secret": "wrong"}) as api:
        assert parts(api)["store"] == "store-denied"


def test_checks_run_at_a_bounded_rate_however_often_somebody_asks() -> None:
    moment_s, runs = 0.0, []
    asked = Readiness({"part": lambda: runs.append(1)}, lambda: moment_s)
    for _ in range(100):
        assert asked.ask() == {"part": None}
    assert len(runs) == 1
    moment_s += readiness.GOOD_FOR_S
    asked.ask()
    assert len(runs) == 2


def test_a_check_that_hangs_holds_up_no_other_and_is_not_begun_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "LIMIT_S", 0.1)
    monkeypatch.setattr(readiness, "GOOD_FOR_S", 0.0)
    release, threads = threading.Event(), threading.active_count()

    def broken() -> None:
        raise MachineError("disk-full", "No space.")

    asked = Readiness({"hangs": lambda: release.wait(60), "broken": broken, "good": lambda: None})
    begun_s = time.monotonic()
    for _ in range(5):
        found = asked.ask()
        assert (found["broken"], found["good"]) == ("disk-full", None)
        assert "No answer" in (found["hangs"] or "")
    assert time.monotonic() - begun_s < 5.0
    assert threading.active_count() <= threads + 1
    release.set()


def test_metrics_are_for_the_token_and_for_administrators(embedded_api: Api) -> None:
    api = embedded_api
    admin = api.headers(api.user("root@example.org", "admin"))
    key = api.client.post("/v1/api-keys", json={"name": "k", "scopes": ["admin"]}, headers=admin).json()["key"]
    for headers in (OPERATOR, admin, bearer(key)):
        assert "e2e3d_jobs" in api.client.get("/metrics", headers=headers).text
    refused = api.client.get("/metrics", headers=bearer(METRICS_TOKEN + "x"))
    assert (refused.status_code, refused.json()["code"]) == (401, "token-invalid")
    assert api.client.get("/v1/users", headers=OPERATOR).status_code == 401  # the token is good for nothing else


def test_without_a_token_only_administrators_see_metrics(tmp_path: Path) -> None:
    with open_api(f"sqlite:///{tmp_path / 'db.sqlite'}", tmp_path, metrics_token=None) as api:
        assert api.client.get("/metrics").status_code == 401
        assert api.client.get("/metrics", headers=OPERATOR).status_code == 401
        admin = api.headers(api.user("root@example.org", "admin"))
        assert api.client.get("/metrics", headers=admin).status_code == 200


def test_a_short_token_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("E2E3D_METRICS_TOKEN", "hush")
    with pytest.raises(SettingsError) as caught:
        load_service_settings()
    assert "E2E3D_METRICS_TOKEN" in caught.value.message
    assert "hush" not in str(caught.value)
