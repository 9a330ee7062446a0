"""What the routes need to take photographs in."""

from __future__ import annotations

import datetime

from e2e3d.service.intake.intake import Intake
from e2e3d.service.services import Services


def now() -> datetime.datetime:
    """This moment, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def intake_of(services: Services) -> Intake:
    """What takes photographs in."""
    return Intake(services.database, services.files, now)
