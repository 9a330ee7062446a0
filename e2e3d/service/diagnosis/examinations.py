"""What is looked at in a deployment: each examination raises an error that says what to do, or returns what it saw."""

from __future__ import annotations

import datetime
import secrets
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import e2e3d
from e2e3d.config.deployment import ServiceSettings
from e2e3d.errors import MachineError, SettingsError
from e2e3d.service.administration import state
from e2e3d.service.database import Database, current_revision, newest_revision
from e2e3d.service.database.table_base import now
from e2e3d.service.diagnosis.queries import server_time
from e2e3d.service.health.readiness import require_space
from e2e3d.storage.opening import open_objects

_CLOCK = datetime.timedelta(seconds=5)
_BACKUP = datetime.timedelta(hours=26)
_CERTIFICATE = datetime.timedelta(days=14)
_ANSWER_S = 5.0
_KNOWN_PASSWORDS = ("", "e2e3d", "postgres", "password", "minioadmin", "secret", "changeme", "admin")


def examinations(settings: ServiceSettings, database: Database) -> Mapping[str, Callable[[], str]]:
    """What there is to look at, by name, in the order in which it is worth mending."""
    found: dict[str, Callable[[], str]] = {
        "secrets": lambda: _secrets(settings, database),
        "disk": lambda: require_space(settings),
        "database": lambda: _database(database),
        "store": lambda: _store(settings),
        "page": lambda: page_is_built(Path(e2e3d.__path__[0]) / "serve" / "page_files" / "index.html"),
        "backup": lambda: _backup(database),
    }
    if not database.is_sqlite:
        found["clock"] = lambda: _clock(database)
    if settings.redis_url:
        found["redis"] = lambda: _redis(str(settings.redis_url))
    if settings.url.startswith("https://"):
        found["certificate"] = lambda: _certificate(settings.url)
    found["service"] = lambda: _service(settings)
    return found


def _secrets(settings: ServiceSettings, database: Database) -> str:
    if len(set(str(settings.secret_key))) < 10:
        raise SettingsError(
            "secret-weak",
            "E2E3D_SECRET_KEY can be guessed.",
            "Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
        )
    given = {"E2E3D_DATABASE_URL": database.engine.url.password, "E2E3D_S3_SECRET": settings.s3_secret}
    for name, value in given.items():
        if value is not None and str(value) in _KNOWN_PASSWORDS:
            raise SettingsError("secret-weak", f"The password in {name} is one that everybody tries.", "Change it.")
    return "none that can be guessed"


def _require_migrated(database: Database) -> str:
    has, needs = current_revision(database), newest_revision()
    if has != needs:
        raise MachineError(
            "database-not-migrated",
            f"The tables in {database.place} are at {has or 'nothing'}, and this version needs {needs}.",
            "Start e2e3d serve of this version once: it migrates. A later version than this one needs that version.",
        )
    return needs


def _database(database: Database) -> str:
    has = _require_migrated(database)
    with database.session() as session:
        state.beat(session, now())
    return f"{database.place}, tables at {has}, can be written"


def _clock(database: Database) -> str:
    with database.reading() as session:
        apart = abs(server_time(session) - now())
    if apart > _CLOCK:
        raise MachineError(
            "clock-wrong",
            f"The clocks of this machine and of the database are {apart.total_seconds():.0f} s apart.",
            "Let both follow NTP: leases and tokens depend on the time.",
        )
    return f"{apart.total_seconds():.1f} s from the database's"


def _store(settings: ServiceSettings) -> str:
    files = open_objects(settings.store_url, settings.s3_options)
    name, content = f"health/doctor-{secrets.token_hex(4)}", secrets.token_bytes(64)
    files.write(name, [content])
    try:
        if b"".join(files.read(name)) != content or [info.name for info in files.find("health")].count(name) != 1:
            raise MachineError("store-wrong", "The store gives back something else than was written.", "Check it.")
    finally:
        files.delete(name)
    return f"{settings.store_url}: written, read, listed, deleted"


def page_is_built(document: Path) -> str:
    """Whether the page's document is there. Raises MachineError ``page-missing``."""
    if not document.is_file():
        raise MachineError("page-missing", "The web page has not been built.", "Run python scripts/build_web.py.")
    return "built"


def _backup(database: Database) -> str:
    _require_migrated(database)
    with database.reading() as session:
        made = state.last_backups(session)
    if "made" not in made or now() - made["made"] > _BACKUP:
        when = f"is of {made['made']:%Y-%m-%d %H:%M}" if "made" in made else "was never made"
        raise MachineError("backup-old", f"The newest backup {when}.", "Schedule: e2e3d admin backup PLACE.")
    return f"the newest is of {made['made']:%Y-%m-%d %H:%M}"


def _redis(url: str) -> str:
    import redis

    try:
        with redis.Redis.from_url(url, socket_timeout=_ANSWER_S, socket_connect_timeout=_ANSWER_S) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        raise MachineError(
            "redis-away",
            f"Redis does not answer: {error}.",
            "Check E2E3D_REDIS_URL, or unset it: the database does both.",
        ) from error
    return "answers"


def _certificate(url: str) -> str:
    parts = urlsplit(url)
    where = (str(parts.hostname), parts.port or 443)
    try:
        with (
            socket.create_connection(where, _ANSWER_S) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=where[0]) as secured,
        ):
            ends = ssl.cert_time_to_seconds(str((secured.getpeercert() or {})["notAfter"]))
    except OSError as error:
        raise MachineError(
            "certificate-wrong", f"{url} cannot be reached with TLS: {error}.", "Check the proxy and its certificate."
        ) from error
    until = datetime.datetime.fromtimestamp(ends, datetime.UTC)
    if until - now() < _CERTIFICATE:
        raise MachineError("certificate-ends", f"The certificate of {url} ends on {until:%Y-%m-%d}.", "Renew it.")
    return f"good until {until:%Y-%m-%d}"


def _service(settings: ServiceSettings) -> str:
    """Ask for readiness, which also says how Ray is; parts are named to whoever sends the token of the metrics."""
    import httpx

    token = settings.metrics_token
    try:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{settings.url}/readyz", headers=headers, timeout=2 * _ANSWER_S)
        told = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise MachineError(
            "service-away",
            f"{settings.url} does not answer: {error}.",
            "Start e2e3d serve, or correct E2E3D_PUBLIC_URL.",
        ) from error
    parts = told.get("parts") or {}
    wrong = {name: part.get("detail") for name, part in parts.items() if part["status"] != "ok"}
    if answer.status_code != 200:
        which = (
            ", ".join(f"{name} ({detail})" for name, detail in wrong.items())
            or "set E2E3D_METRICS_TOKEN to hear of what"
        )
        raise MachineError("service-not-ready", f"{settings.url} is not ready: {which}.", "Mend that; read its log.")
    return f"{settings.url} is ready{': ' + ', '.join(parts) if parts else ''}"
