"""What an operator can ask: jobs that wait, fail and are stuck, parts that are not ready, disks, quotas, backups."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from e2e3d.config.deployment import load_service_settings
from e2e3d.errors import MachineError, SettingsError
from e2e3d.service.administration import state
from e2e3d.service.database.table_base import now
from e2e3d.service.health.readiness import Readiness
from e2e3d.service.image_sets.tables import BlobRow
from e2e3d.service.jobs.tables import JobRow
from e2e3d.service.metrics.runner_metrics import RunnerMetrics
from e2e3d.service.runner.maintenance import MaintenanceThreads
from tests.servers import free_port
from tests.service.api import METRICS_TOKEN, Api, bearer

Found = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Found:
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def scrape(api: Api) -> Found:
    return parsed(api.client.get("/metrics", headers=bearer(METRICS_TOKEN)).text)


def value(found: Found, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_jobs_that_ended_and_jobs_that_are_stuck(embedded_api: Api) -> None:
    user = embedded_api.user("ada@example.org")
    ago = [now() - datetime.timedelta(minutes=minutes) for minutes in (0, 10, 90)]

    def job(state_: str, **fields: object) -> JobRow:
        return JobRow(user_id=user, quality="low", state=state_, **fields)

    with embedded_api.services.database.session() as session:
        session.add_all(
            [
                job("failed", error_code="worker-died", finished_at=ago[1]),
                job("failed", error_code="photographs-gone", finished_at=ago[1]),
                job("failed", error_code="no-overlap", finished_at=ago[1]),
                job("failed", error_code="worker-died", finished_at=ago[1], deleted_at=ago[0]),
                job("failed", error_code="worker-died", finished_at=ago[2]),
                job("succeeded", finished_at=ago[0]),
                job("queued", queued_at=ago[1]),
                job("running", updated_at=ago[1], lease_until=ago[1]),
                job("running", updated_at=ago[0], lease_until=ago[0] + datetime.timedelta(seconds=30)),
            ]
        )
    found = scrape(embedded_api)
    ended = {how: value(found, "e2e3d_jobs_ended_last_hour", how=how) for how in ("failed-service", "failed-input")}
    assert ended == {"failed-service": 2, "failed-input": 1}
    assert value(found, "e2e3d_jobs_ended_last_hour", how="succeeded") == 1
    assert value(found, "e2e3d_job_silent_seconds") == pytest.approx(600, abs=30)
    assert value(found, "e2e3d_queue_oldest_seconds") == pytest.approx(600, abs=30)
    assert value(found, "e2e3d_leases_lapsed") == 1
    assert value(found, "e2e3d_user_unfinished_jobs", user=user) == 3


def test_quotas_lost_photographs_and_backups(embedded_api: Api) -> None:
    from e2e3d.service.accounts.tables import UserRow

    user = embedded_api.user("ada@example.org")
    with embedded_api.services.database.session() as session:
        session.get_one(UserRow, user).stored_bytes = 950_000_000  # of 10**9
        session.get_one(UserRow, user).created_at = now() - datetime.timedelta(days=3)
        session.add(BlobRow(sha256="0" * 64, bytes=1, lost_at=now()))
    found = scrape(embedded_api)
    assert value(found, "e2e3d_users_near_quota") == 1
    assert (
        value(found, "e2e3d_user_stored_bytes", user=user) / value(found, "e2e3d_user_quota_bytes", user=user) == 0.95
    )
    assert value(found, "e2e3d_photographs_lost") == 1
    assert value(found, "e2e3d_backup_age_seconds", what="made") == pytest.approx(3 * 86400, abs=60), (
        "there was none yet"
    )
    with embedded_api.services.database.session() as session:
        state.record_backup(session, "made", {"at": (now() - datetime.timedelta(hours=2)).isoformat()})
    embedded_api.app.state.metrics._known = None
    assert value(scrape(embedded_api), "e2e3d_backup_age_seconds", what="made") == pytest.approx(7200, abs=60)


def test_parts_disks_and_errors_are_told(embedded_api: Api, tmp_path: Path) -> None:
    def gone() -> None:
        raise MachineError("store-unreachable", "It is gone.")

    embedded_api.app.state.readiness = Readiness({"database": lambda: None, "store": gone})
    for _ in range(2):
        assert embedded_api.client.get("/v1/me").status_code == 401
    found = scrape(embedded_api)
    assert value(found, "e2e3d_ready", part="database") == 1
    assert value(found, "e2e3d_ready", part="store") == 0
    replica = f"{os.uname().nodename}-{os.getpid()}"
    assert sum(count for (name, labels), count in found.items() if name == "e2e3d_problems_total") == 2
    assert ("replica", replica) in next(labels for name, labels in found if name == "e2e3d_problems_total")
    assert any(free > 0 for (name, _), free in found.items() if name == "e2e3d_disk_free_bytes")


def test_the_runner_answers_to_the_token_only() -> None:
    port, metrics = free_port(), RunnerMetrics(slots=3)
    metrics.leases_lost.inc()
    metrics.went_round(jobs=2)
    metrics.serve("127.0.0.1", port, METRICS_TOKEN)
    url = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{url}/metrics").status_code == 401
    assert httpx.get(f"{url}/metrics", headers=bearer(METRICS_TOKEN + "x")).status_code == 401
    assert httpx.get(url, headers=bearer(METRICS_TOKEN)).status_code == 404
    found = parsed(httpx.get(f"{url}/metrics", headers=bearer(METRICS_TOKEN)).text)
    assert [value(found, f"e2e3d_runner_{name}") for name in ("jobs", "slots")] == [2, 3]
    assert value(found, "e2e3d_leases_lost_total") == 1


def test_maintenance_that_fails_is_counted(embedded_api: Api) -> None:
    services, metrics = embedded_api.services, RunnerMetrics(1)
    threads = MaintenanceThreads(services.settings, services.database, metrics)

    def fails() -> None:
        raise MachineError("store-unreachable", "It is gone.")

    threads._attempt("collect", fails)
    threads._attempt("import", lambda: None)
    found = parsed(generate_latest(metrics.registry).decode())
    assert value(found, "e2e3d_maintenance_errors_total", work="collect", code="store-unreachable") == 1
    assert value(found, "e2e3d_maintenance_timestamp_seconds", work="import") > 0


def test_nobody_reads_the_runner_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("E2E3D_HOME", str(tmp_path))
    monkeypatch.setenv("E2E3D_RUNNER_METRICS_PORT", "9100")
    with pytest.raises(SettingsError, match="E2E3D_METRICS_TOKEN"):
        load_service_settings()
