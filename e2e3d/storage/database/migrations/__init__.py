"""Alembic migrations, run by :mod:`e2e3d.storage.database.upgrade` within its connection."""
