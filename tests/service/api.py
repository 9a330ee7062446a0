"""The application in this process, with users to call it as."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.exceptions import StarletteDeprecationWarning

from e2e3d.config.deployment import ServiceSettings
from e2e3d.serve.app import create_app
from e2e3d.service.accounts import queries as accounts
from e2e3d.service.accounts.records import Quotas
from e2e3d.service.database import upgrade
from e2e3d.service.database.table_base import new_id, now
from e2e3d.service.services import Services, build_services
from e2e3d.service.sign_in import queries as tokens

with warnings.catch_warnings():
    warnings.simplefilter("ignore", StarletteDeprecationWarning)
    from starlette.testclient import TestClient

PASSWORD, METRICS_TOKEN = "correct horse battery", "a-token-of-the-metrics"


@dataclass
class Api:
    """The application and a client of it."""

    services: Services
    app: FastAPI
    client: TestClient
    password_hash: str

    def user(self, email: str, role: str = "user") -> str:
        """Make a user; returns its id."""
        with self.services.database.session() as session:
            quotas = Quotas(photos=100, bytes=10**9, jobs=10)
            return accounts.create(session, email, "", role, self.password_hash, quotas).id

    def headers(self, user_id: str, login: str | None = None) -> dict[str, str]:
        """Headers of a new login of a user, made without its password."""
        family = login or new_id()
        with self.services.database.session() as session:
            tokens.add_refresh(session, user_id, family, new_id(), now(), 3600)
        return {"Authorization": f"Bearer {self.services.tokens.sign(user_id, family, now())}"}

    def log_in(self, email: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        return self.client.post("/v1/auth/login", json={"email": email, "password": password}, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def settings_of(database_url: str, home: Path, **changes: Any) -> ServiceSettings:
    given = {"home": home, "database_url": database_url, "secret_key": "k" * 40, "admin_password": PASSWORD}
    given["metrics_token"] = METRICS_TOKEN
    return ServiceSettings(**(given | changes))


@contextlib.contextmanager
def open_api(database_url: str, home: Path, **changes: Any) -> Iterator[Api]:
    services = build_services(settings_of(database_url, home, **changes))
    try:
        upgrade(services.database)
        app = create_app(services)
        with TestClient(app, raise_server_exceptions=False) as client:
            yield Api(services, app, client, services.passwords.hash(PASSWORD))
    finally:
        services.close()
