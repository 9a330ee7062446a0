"""Turns of users and jobs in the queue, and how often a job was interrupted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; jobs that wait already keep their age as order, before all that come later."""
    op.add_column("jobs", sa.Column("start_tag", sa.Double(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("cost_s", sa.Double(), nullable=False, server_default="60"))
    op.add_column("jobs", sa.Column("interruptions", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("users", sa.Column("start_tag", sa.Double(), nullable=False, server_default="0"))
    op.add_column("users", sa.Column("finish_tag", sa.Double(), nullable=False, server_default="0"))
    op.create_index("ix_users_start_tag", "users", ["start_tag"])
    op.create_index("ix_users_finish_tag", "users", ["finish_tag"])
    op.drop_index("ix_jobs_claim", "jobs")
    op.create_index("ix_jobs_claim", "jobs", ["state", "start_tag", "queued_at", "id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_jobs_claim", "jobs")
    op.create_index("ix_jobs_claim", "jobs", ["state", sa.text("priority DESC"), "queued_at", "id"])
    op.drop_index("ix_users_finish_tag", "users")
    op.drop_index("ix_users_start_tag", "users")
    for column in ("finish_tag", "start_tag"):
        op.drop_column("users", column)
    for column in ("claimed_at", "interruptions", "cost_s", "start_tag"):
        op.drop_column("jobs", column)
