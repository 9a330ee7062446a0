"""What has to be done before the service starts: ``python -m e2e3d.serve.preparation`` answers with one JSON object."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import Any

from e2e3d.config.deployment import load_service_settings
from e2e3d.errors import E2E3DError
from e2e3d.runtime.tracing import start_tracing, stop_tracing
from e2e3d.service.accounts.logins import create_first_admin
from e2e3d.service.database import upgrade
from e2e3d.service.services import build_services


def prepare() -> dict[str, Any]:
    """Migrate the database and make the first administrator; ``admin`` is what to tell of a new one."""
    try:
        settings = load_service_settings()
        start_tracing(settings.traces_endpoint, "preparation")  # says here what is missing for it
        services = build_services(settings)
        try:
            upgrade(services.database)
            made = create_first_admin(services)
            return {"error": None, "admin": None if made is None else dataclasses.asdict(made)}
        finally:
            services.close()
            stop_tracing()
    except E2E3DError as error:
        return {"error": [type(error).__name__, error.code, error.message, error.hint], "admin": None}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(prepare()))
