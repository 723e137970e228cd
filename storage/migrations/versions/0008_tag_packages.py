"""The packages that tags have had, and verdicts on images under a tag."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table and the column. No verdict on record is about a tag."""
    op.create_table(
        "tag_packages",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("packages", sa.String(length=135), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="how far of tag_history is in it"),
        sa.ForeignKeyConstraint(["packages"], ["documents.digest"], name="fk_tag_packages_packages_documents"),
        sa.PrimaryKeyConstraint("repository", "tag", name="pk_tag_packages"),
    )
    op.add_column(
        "verdicts",
        sa.Column(
            "tag",
            sa.String(length=128),
            nullable=False,
            server_default=sa.text("''"),
            comment="the tag it is about, where it is about one",
        ),
    )
