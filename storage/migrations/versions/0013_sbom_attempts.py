"""How often attaching a bill of materials failed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns. What waits is tried at once."""
    op.add_column(
        "sboms",
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0", comment="that failed in a row"),
    )
    op.add_column("sboms", sa.Column("retry_at", sa.DateTime(timezone=True), comment="when to try again"))
