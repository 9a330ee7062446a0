"""Settings of the service: its address, its database and secrets, its limits."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import secrets
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from e2e3d.config.deployment.identity import IdentitySettings
from e2e3d.config.deployment.s3 import S3Options
from e2e3d.config.deployment.sources import read_settings
from e2e3d.errors import MachineError, SettingsError

_DAY_S = 86400
_GB = 1_000_000_000
_MOST = 2_000_000_000
_MOST_BYTES = 2**53 - 1  # what every JSON reader understands
_NAMES = Annotated[tuple[str, ...], NoDecode]


class ServiceSettings(IdentitySettings):
    """Settings of ``e2e3d serve`` beside those of the engine; the defaults make a service for one machine.

    Attributes:
        home: folder of everything that an embedded service keeps.
        database_url: ``sqlite:///path`` or ``postgresql+psycopg2://…``; None = SQLite in `home`.
        redis_url: for throttling and event streams between replicas; None = the database does both.
        secret_key: signs tokens and links; None = made once and kept in `home`, with SQLite only.
        host, port: where HTTP is answered.
        replicas: processes that answer HTTP.
        public_url: how users reach the service; None = ``http://host:port``.
        runner_jobs: jobs that the runner computes at once.
        queue_jobs: jobs of all users that may wait; further ones are refused for the time being.
        quota_photos, quota_bytes, quota_jobs: of new users: photographs a job, stored bytes, and unfinished
            jobs (queued and running ones together).
        access_token_s, refresh_token_s: how long tokens are good for.
        retention_days_results, retention_days_uploads: days until finished jobs' results, and what no job uses, go.
        retention_days_users: days until deleted users go with all they own; until then they can be restored.
        allowed_s3_prefixes: ``s3://bucket/prefix`` of which users may import photographs.
        webhook_allowed_networks: private networks that webhooks may reach, such as ``10.1.0.0/16``.
        max_upload_bytes: largest single upload.
        admin_email, admin_password: of the first administrator; None = a random password, printed once.
        metrics_token: of programs that ask for metrics; None = only administrators may.
        runner_metrics_port: on which the runner answers ``/metrics``, to the token; None = nowhere.
        min_free_bytes: least free space in local folders with which the service is ready.
        s3_public_endpoint: URL under which users reach the S3 server, where it is not `s3_endpoint`.
        backup_s3_endpoint, backup_s3_key, backup_s3_secret: of backups in S3, where not as the store.
        log_json: log lines are JSON objects.
        traces_endpoint: of an OTLP/HTTP receiver of traces, such as ``http://collector:4318``; None = none are made.
        trusted_proxies: addresses and networks of proxies whose ``X-Forwarded-For`` is believed.
        address_connections: that one address may have open at once.
        serve_labels: of the Ray nodes on which replicas and the runner may run, such as ``role=service``; none = any.
        internal_port, front_token: where Ray Serve listens behind the front, and what proves that a request came
            through it; set by ``e2e3d serve``. None = there is no front.
    """

    home: Path = Field(default_factory=lambda: Path.home() / ".local/share/e2e3d")
    database_url: str | None = Field(default=None, repr=False)
    redis_url: str | None = Field(default=None, repr=False)
    secret_key: str | None = Field(default=None, min_length=32, repr=False)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    replicas: int = Field(default=1, ge=1, le=1000)
    public_url: str | None = None
    runner_jobs: int = Field(default=1, ge=1, le=1000)
    queue_jobs: int = Field(default=10_000, ge=1, le=_MOST)
    quota_photos: int = Field(default=1000, ge=1, le=_MOST)
    quota_bytes: int = Field(default=100 * _GB, ge=1, le=_MOST_BYTES)
    quota_jobs: int = Field(default=20, ge=1, le=_MOST)
    access_token_s: int = Field(default=900, ge=1, le=366 * _DAY_S)
    refresh_token_s: int = Field(default=30 * _DAY_S, ge=1, le=3660 * _DAY_S)
    retention_days_results: float = Field(default=30, gt=0, le=36_600)
    retention_days_uploads: float = Field(default=7, gt=0, le=36_600)
    retention_days_users: float = Field(default=30, ge=0, le=36_600)
    allowed_s3_prefixes: _NAMES = ()
    webhook_allowed_networks: _NAMES = ()
    max_upload_bytes: int = Field(default=10 * _GB, ge=1, le=_MOST_BYTES)
    admin_email: str = "admin@localhost"
    admin_password: str | None = Field(default=None, min_length=10, max_length=256, repr=False)
    metrics_token: str | None = Field(default=None, min_length=16, repr=False)
    runner_metrics_port: int | None = Field(default=None, ge=1, le=65535)
    min_free_bytes: int = Field(default=_GB, ge=0, le=_MOST_BYTES)
    s3_public_endpoint: str | None = None
    backup_s3_endpoint: str | None = None
    backup_s3_key: str | None = None
    backup_s3_secret: str | None = Field(default=None, repr=False)
    log_json: bool = True
    traces_endpoint: str | None = None
    trusted_proxies: _NAMES = ()
    address_connections: int = Field(default=256, ge=1, le=2000)
    serve_labels: Annotated[tuple[tuple[str, str], ...], NoDecode] = ()
    internal_port: int | None = Field(default=None, ge=1, le=65535)
    front_token: str | None = Field(default=None, repr=False)

    @field_validator("allowed_s3_prefixes", "webhook_allowed_networks", "trusted_proxies", mode="before")
    @classmethod
    def _comma_separated(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("serve_labels", mode="before")
    @classmethod
    def _labels(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        labels = tuple(part.strip().partition("=") for part in value.split(",") if part.strip())
        if not all(name and equals and label for name, equals, label in labels):
            raise ValueError("must be label=value, several separated by commas")
        return tuple((name, label) for name, _, label in labels)

    @field_validator("allowed_s3_prefixes")
    @classmethod
    def _prefixes_are_s3(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for prefix in value:
            if not prefix.startswith("s3://") or len(prefix) <= len("s3://"):
                raise ValueError(f"{prefix} must begin with s3://bucket")
        return value

    @field_validator("webhook_allowed_networks", "trusted_proxies")
    @classmethod
    def _networks_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ipaddress.ip_network(network)) for network in value)

    @field_validator("public_url", "s3_public_endpoint", "backup_s3_endpoint", "traces_endpoint")
    @classmethod
    def _public_url_is_url(cls, value: str | None) -> str | None:
        if value and not value.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/") if value else None

    @field_validator("home")
    @classmethod
    def _home_is_absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def s3_options(self) -> S3Options:
        """How to reach S3, and how users do."""
        return dataclasses.replace(super().s3_options, public_endpoint=self.s3_public_endpoint)

    @property
    def backup_s3_options(self) -> S3Options:
        """How to reach backups in S3: as the store, but for what is set for them."""
        given = (self.backup_s3_endpoint, self.backup_s3_key, self.backup_s3_secret)
        named = zip(("endpoint", "key", "secret"), given, strict=True)
        return dataclasses.replace(super().s3_options, **{name: value for name, value in named if value is not None})

    @property
    def database(self) -> str:
        """The URL of the database, the embedded one when none is set."""
        return self.database_url or f"sqlite:///{self.home / 'e2e3d.sqlite'}"

    @property
    def store_url(self) -> str:
        """The store, in `home` when none is set."""
        return self.store or str(self.home / "store")

    @property
    def local_folders(self) -> tuple[Path, ...]:
        """Folders on disks of this machine that the service writes to: of the store and the embedded database."""
        found = []
        if "://" not in self.store_url or self.store_url.startswith("file://"):
            found.append(Path(self.store_url.removeprefix("file://")).expanduser().absolute())
        if self.database_file is not None:
            found.append(self.database_file.parent)
        return tuple(dict.fromkeys(found))

    @property
    def database_file(self) -> Path | None:
        """Where the embedded database lies; None when the database is none."""
        path = self.database.partition(":///")[2].partition("?")[0]
        return Path(path).expanduser().absolute() if self.embedded else None

    @property
    def url(self) -> str:
        """How users reach the service, without a slash at the end."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def embedded(self) -> bool:
        """Whether the database is the embedded one."""
        return self.database.startswith("sqlite")


def load_service_settings() -> ServiceSettings:
    """Read the settings of the service, with the secret key that `home` keeps when none is set.

    Raises:
        SettingsError: ``environment``, naming the variable; ``secret-key`` when PostgreSQL is used without one;
            ``metrics-token`` when the runner is to answer for metrics without one; ``oidc-client-id``.
        MachineError: ``no-permission`` when `home` cannot be written.
    """
    settings = read_settings(ServiceSettings)
    if settings.runner_metrics_port is not None and settings.metrics_token is None:
        raise SettingsError(
            "metrics-token",
            "E2E3D_RUNNER_METRICS_PORT is set and E2E3D_METRICS_TOKEN is not: anybody could read the runner's metrics.",
            "Set E2E3D_METRICS_TOKEN to what Prometheus sends, 16 characters or more.",
        )
    if settings.oidc_issuer is not None and settings.oidc_client_id is None:
        raise SettingsError(
            "oidc-client-id",
            "E2E3D_OIDC_ISSUER is set and E2E3D_OIDC_CLIENT_ID is not.",
            "Register the service with the provider, and set the client id that it gives.",
        )
    if settings.secret_key is not None:
        return settings
    if not settings.embedded:
        raise SettingsError(
            "secret-key",
            "E2E3D_SECRET_KEY is not set, and processes on several machines need the same one.",
            "Set it to the answer of: python -c 'import secrets; print(secrets.token_urlsafe(48))'",
        )
    return settings.model_copy(update={"secret_key": _kept_secret(settings.home / "secret-key")})


def _kept_secret(path: Path) -> str:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(temporary, path)  # whoever links first wins, so processes that start together agree
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise MachineError(
            "no-permission", f"{path.parent} cannot be written: {error.strerror}.", "Set E2E3D_HOME to another folder."
        ) from error
