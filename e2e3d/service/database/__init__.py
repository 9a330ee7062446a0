"""The database of the service: tables, migrations, and the repository with all SQL."""

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from e2e3d.service.database.database_engine import Database
from e2e3d.service.database.upgrade import current_revision, downgrade, known_revision, newest_revision, upgrade

__all__ = [
    "Connection",
    "Database",
    "Session",
    "current_revision",
    "downgrade",
    "known_revision",
    "newest_revision",
    "upgrade",
]
