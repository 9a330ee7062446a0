"""The command ``e2e3d admin doctor``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from e2e3d.runtime.reporting import reporting


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each part.")] = False,
) -> None:
    """Look a deployment over, part by part, and say what is wrong and what to do; exit code 5 if anything is.

    Run it with the settings of the service, beside it: database, store, disk, clock, Redis, secrets, page, certificate,
    the age of the newest backup, and what the service says of itself and of Ray.
    """

    def work() -> int:
        from e2e3d.config.deployment import load_service_settings
        from e2e3d.service.database import Database
        from e2e3d.service.diagnosis.diagnose import diagnose

        settings = load_service_settings()
        database = Database(settings.database, pool_size=2)
        wrong = 0
        try:
            for finding in diagnose(settings, database):
                wrong += finding.code is not None
                sys.stdout.write(f"{json.dumps(vars(finding)) if as_json else finding.line()}\n")
                sys.stdout.flush()
        finally:
            database.close()
        return 5 if wrong else 0

    sys.exit(reporting(work))
