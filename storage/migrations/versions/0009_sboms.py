"""Bills of materials that lie, or are to lie, beside images."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sboms",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=135), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False, comment="the one that it is made of"),
        sa.Column("facts", sa.String(length=135), nullable=False, comment="those of the verdict"),
        sa.Column("told", sa.String(length=135), nullable=True, comment="the facts that have been told of"),
        sa.Column("artifact", sa.String(length=135), nullable=True, comment="the manifest that is attached"),
        sa.ForeignKeyConstraint(
            ["repository", "subject"],
            ["manifests.repository", "manifests.digest"],
            name="fk_sboms_manifest",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "subject", "form", name="pk_sboms"),
    )
