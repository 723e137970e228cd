"""When the upstream was last known to have a manifest."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column. Nothing is known of what is on record: the upstream is asked."""
    op.add_column(
        "manifests",
        sa.Column("seen_at", sa.DateTime(timezone=True), comment="when the upstream was last known to have it"),
    )
