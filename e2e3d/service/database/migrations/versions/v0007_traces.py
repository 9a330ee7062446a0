"""The span of the request that submitted a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column."""
    op.add_column("jobs", sa.Column("trace_parent", sa.String(length=55)))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "trace_parent")
