"""When packages were first seen, and until when verdicts stand."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the table and the column. Packages of images on record were seen when these were: that is looked up."""
    op.create_table(
        "package_sightings",
        sa.Column("package", sa.String(length=64), nullable=False, comment="sha256 of its purl, without qualifiers"),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("package", name="pk_package_sightings"),
    )
    op.add_column(
        "verdicts",
        sa.Column("valid_until", sa.DateTime(timezone=True), comment="when time alone can change it"),
    )
