"""What the server of the database says of itself."""

from __future__ import annotations

import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def server_time(session: Session) -> datetime.datetime:
    """The clock of PostgreSQL."""
    moment: datetime.datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(datetime.UTC)
