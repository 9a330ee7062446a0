"""Alembic migrations, run by :mod:`e2e3d.service.database.upgrade` within its connection."""
