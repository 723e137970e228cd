"""The latest time that a gate has seen."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "latest_time",
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False, comment="1: there is one row"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_latest_time"),
    )
