"""What the model of a job is worth."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; jobs that ended before have no judgement."""
    op.add_column(
        "jobs", sa.Column("judgement", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True)
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("jobs", "judgement")
