"""The doctor finds what is wrong: each failure is provoked, and the healthy deployment is found healthy."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme

from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import E2E3DError
from e2e3d.serve.web_page import FOLDER
from e2e3d.service.administration import state
from e2e3d.service.database import Database, downgrade, upgrade
from e2e3d.service.database.table_base import now
from e2e3d.service.diagnosis import examinations
from e2e3d.service.diagnosis.diagnose import Finding, diagnose
from tests.command import e2e3d
from tests.live import live_service
from tests.servers import BUCKET, SECRET, WRITER, RedisServer, S3Server, free_port

SECRET_KEY = "abcdefghijklmnopqrstuvwxyz0123456789"


def found(settings: ServiceSettings) -> dict[str, Finding]:
    database = Database(settings.database, pool_size=2)
    try:
        return {one.part: one for one in diagnose(settings, database)}
    finally:
        database.close()


def code(settings: ServiceSettings, part: str) -> str | None:
    finding = found(settings)[part]
    assert (finding.hint != "") == (finding.code is not None)
    return finding.code


@pytest.fixture
def migrated(database_url: str, tmp_path: Path) -> ServiceSettings:
    """Settings of a service that does not run, on both kinds of database."""
    return ServiceSettings(
        home=tmp_path / "home",
        database_url=database_url,
        secret_key=SECRET_KEY,
        public_url=f"http://127.0.0.1:{free_port()}",
    )


def test_a_healthy_service_is_found_healthy(tmp_path: Path) -> None:
    given = {"secret_key": SECRET_KEY, "metrics_token": "a-token-of-metrics"}
    with live_service(tmp_path / "home", **given) as live:
        with live.services.database.session() as session:
            state.record_backup(session, "made", {"at": now().isoformat()})
        settings = live.services.settings.model_copy(update={"public_url": live.url})
        findings = found(settings)
        wrong = {name: one.message for name, one in findings.items() if one.code}
        assert wrong.keys() == (set() if (FOLDER / "index.html").is_file() else {"page"}), wrong
        assert set(findings) == {"secrets", "disk", "database", "store", "page", "backup", "service"}
        assert "database, store, disk" in findings["service"].message
        full = settings.model_copy(update={"min_free_bytes": 10**15})
        assert code(full, "disk") == "disk-low"
    assert code(settings, "service") == "service-away"


def test_a_service_that_is_not_ready_is_asked_why(tmp_path: Path) -> None:
    given = {"secret_key": SECRET_KEY, "metrics_token": "a-token-of-metrics", "min_free_bytes": 10**15}
    with live_service(tmp_path / "home", **given) as live:
        finding = found(live.services.settings.model_copy(update={"public_url": live.url}))["service"]
    assert (finding.code, "disk (disk-low)" in finding.message) == ("service-not-ready", True)


def test_a_database_of_another_version(migrated: ServiceSettings) -> None:
    assert code(migrated, "database") is None
    database = Database(migrated.database, pool_size=1)
    downgrade(database, "0004")
    assert code(migrated, "database") == "database-not-migrated"
    upgrade(database)
    database.close()


def test_backups_that_are_missing_or_old(migrated: ServiceSettings) -> None:
    assert code(migrated, "backup") == "backup-old"
    database = Database(migrated.database, pool_size=1)
    for hours, expected in ((30, "backup-old"), (2, None)):
        with database.session() as session:
            state.record_backup(session, "made", {"at": (now() - datetime.timedelta(hours=hours)).isoformat()})
        assert code(migrated, "backup") == expected
    database.close()


@pytest.mark.parametrize(
    ("change", "part", "expected"),
    [
        ({"secret_key": "a" * 40}, "secrets", "secret-weak"),
        ({"s3_secret": "minioadmin"}, "secrets", "secret-weak"),
        ({"store": "/proc/nowhere"}, "store", "write-failed"),
        ({"redis_url": "redis://127.0.0.1:1/0"}, "redis", "redis-away"),
        ({"public_url": "https://127.0.0.1:1"}, "certificate", "certificate-wrong"),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, change: dict[str, str], part: str, expected: str) -> None:
    given = {"home": tmp_path / "home", "secret_key": SECRET_KEY, "public_url": "http://127.0.0.1:1"} | change
    settings = ServiceSettings(**given)  # type: ignore[arg-type]
    assert code(settings, part) == expected


def test_the_page_that_was_not_built(tmp_path: Path) -> None:
    with pytest.raises(E2E3DError) as caught:
        examinations.page_is_built(tmp_path / "index.html")
    assert caught.value.code == "page-missing"


@pytest.mark.parametrize(("days", "expected"), [(3, "certificate-ends"), (90, None)])
def test_a_certificate_that_is_about_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, expected: str | None
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", not_after=now() + datetime.timedelta(days=days)).configure_cert(context)
    with socket.create_server(("localhost", 0)) as listener:

        def answer_once() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

        threading.Thread(target=answer_once, daemon=True).start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        settings = ServiceSettings(home=tmp_path / "home", secret_key=SECRET_KEY, public_url=url)
        database = Database(settings.database, pool_size=1)
        examine = examinations.examinations(settings, database)["certificate"]
        if expected is None:
            assert examine().startswith("good until")
        else:
            with pytest.raises(E2E3DError) as caught:
                examine()
            assert caught.value.code == expected
        database.close()


@pytest.mark.slow
def test_servers_that_are_away_or_refuse(
    migrated: ServiceSettings, s3_server: S3Server, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = {"s3_endpoint": s3_server.options.endpoint, "s3_key": WRITER, "s3_secret": SECRET, "store": f"s3://{BUCKET}/d"}
    settings = migrated.model_copy(update=s3 | {"redis_url": redis_server.url})
    healthy = found(settings)
    assert (healthy["store"].code, healthy["redis"].code) == (None, None)
    assert code(settings.model_copy(update={"s3_secret": "another-secret"}), "store") == "store-denied"
    if not settings.embedded:
        assert healthy["clock"].code is None
        away = settings.model_copy(update={"database_url": f"postgresql://e2e3d@127.0.0.1:{free_port()}/none"})
        assert code(away, "database") == "database-away"
        monkeypatch.setattr(examinations, "server_time", lambda session: now() + datetime.timedelta(minutes=1))
        assert code(settings, "clock") == "clock-wrong"


@pytest.mark.slow
def test_the_command_says_what_to_do_and_ends_with_5(tmp_path: Path) -> None:
    done = e2e3d("admin", "doctor", E2E3D_HOME=str(tmp_path / "home"), E2E3D_PORT=str(free_port()))
    assert done.returncode == 5
    assert "FAIL  database" in done.stdout
    assert "Start e2e3d serve of this version once" in done.stdout
