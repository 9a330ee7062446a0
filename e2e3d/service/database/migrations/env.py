"""What Alembic runs to migrate: everything in the one transaction that the caller has begun."""

from __future__ import annotations

from alembic import context

from e2e3d.service.all_tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
