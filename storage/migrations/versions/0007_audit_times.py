"""How often it happened: identical pulls of one second are one record."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column. What is on record happened once each."""
    op.add_column(
        "audit",
        sa.Column("times", sa.Integer(), nullable=False, server_default="1", comment="how often, within a second"),
    )
