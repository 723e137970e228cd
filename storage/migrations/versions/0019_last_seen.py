"""When each version of a package was last seen, so that those which are gone can be forgotten."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the column. Whatever is on record was seen now: nobody knows better."""
    last_seen = sa.column("last_seen", sa.DateTime(timezone=True))
    with op.batch_alter_table("package_sightings") as table:
        table.add_column(sa.Column(last_seen.name, last_seen.type))
    op.execute(sa.table("package_sightings", last_seen).update().values(last_seen=datetime.now(UTC)))
    with op.batch_alter_table("package_sightings") as table:
        table.alter_column(
            last_seen.name, nullable=False, comment="when an image with it was last judged, to the month"
        )
        table.create_index("ix_package_sightings_last_seen", ["last_seen"])
