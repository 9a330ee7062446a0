"""The database of the service: tables, migrations, and the repository with all SQL."""

from sqlalchemy.orm import Session

from e2e3d.storage.database.engine import Database
from e2e3d.storage.database.upgrade import downgrade, upgrade

__all__ = ["Database", "Session", "downgrade", "upgrade"]
