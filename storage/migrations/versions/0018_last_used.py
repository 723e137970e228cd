"""When a token was last used."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the column. Nobody knows of uses before."""
    op.add_column("grants", sa.Column("last_used_at", sa.DateTime(timezone=True), comment="to the minute"))
