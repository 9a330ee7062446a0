"""Signing in by an OpenID provider in a real browser: there, back, and told why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from e2e3d.config.deployment.service import ServiceSettings
from e2e3d.service.accounts.tables import UserRow
from e2e3d.service.database import upgrade
from e2e3d.service.services import build_services
from tests.live import serving
from tests.servers import free_port
from tests.service.open_id.provider_of_tests import CLIENT_ID, CLIENT_SECRET, open_id_provider
from tests.web.scripts_of_browser import seen_by


@pytest.mark.slow
def test_a_browser_signs_in_by_the_provider(tmp_path: Path) -> None:
    port = free_port()
    with open_id_provider() as provider:
        provider.claims = {"email": "ada@example.org", "email_verified": True}
        settings = ServiceSettings(
            home=tmp_path,
            secret_key="k" * 40,
            public_url=f"http://127.0.0.1:{port}",
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT_ID,
            oidc_client_secret=CLIENT_SECRET,
            oidc_name="Example Institute",
        )
        services = build_services(settings)
        try:
            upgrade(services.database)
            with serving(services, port) as url:
                seen_by("signing_in.mjs", URL=url)
            with services.database.reading() as session:
                assert session.scalars(select(UserRow.email)).all() == ["ada@example.org"]
        finally:
            services.close()
