"""How far audit records that waited in files were taken over."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "audit_spools",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False, comment="bytes of the file that are in audit"),
        sa.PrimaryKeyConstraint("name", name="pk_audit_spools"),
    )
