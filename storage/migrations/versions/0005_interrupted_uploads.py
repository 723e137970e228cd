"""Where uploads stand whose last chunk broke off."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "interrupted_uploads",
        sa.Column("upload", sa.String(length=135), nullable=False, comment="hash of the upload's address"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("noted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("upload", name="pk_interrupted_uploads"),
    )
    op.create_index("ix_interrupted_uploads_noted_at", "interrupted_uploads", ["noted_at"], unique=False)
