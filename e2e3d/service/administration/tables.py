"""What all processes of the service share beside its users' data."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from e2e3d.service.database.table_base import Base, now


class ServiceStateRow(Base):
    """A value that operators change while the service runs, such as the log level."""

    __tablename__ = "service_state"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime.datetime] = mapped_column(default=now, onupdate=now)
