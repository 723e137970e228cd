"""Who got what at the last pull of a tag is found without searching the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Make the table, and fill it from the audit."""
    op.create_table(
        "last_pulls",
        sa.Column("repository", sa.String(255), nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(135), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("repository", "tag", "actor", name="pk_last_pulls"),
    )
    op.execute(
        "INSERT INTO last_pulls (repository, tag, actor, digest, at)"
        " SELECT repository, reference, actor, digest, at FROM ("
        " SELECT repository, reference, actor, digest, at,"
        " row_number() OVER (PARTITION BY repository, reference, actor ORDER BY at DESC, number DESC) AS place"
        " FROM audit WHERE event = 'pull' AND outcome = 'served' AND reference NOT LIKE '%:%' AND digest <> ''"
        ") AS served WHERE place = 1"
    )
