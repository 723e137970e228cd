"""What was admitted under each tag."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tag_history",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("manifest", sa.String(length=135), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="greater is newer"),
        sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("repository", "tag", "manifest", name="pk_tag_history"),
    )
    op.create_index("ix_tag_history_repository_manifest", "tag_history", ["repository", "manifest"], unique=False)
