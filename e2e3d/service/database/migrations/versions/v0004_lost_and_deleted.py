"""Bytes that are known to be lost, and users that wait for their removal."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("blobs", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("purge_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_users_purge_at", "users", ["purge_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_users_purge_at", "users")
    op.drop_column("users", "purge_at")
    op.drop_column("users", "deleted_at")
    op.drop_column("blobs", "lost_at")
