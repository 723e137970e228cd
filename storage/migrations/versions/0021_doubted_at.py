"""Since when the last verdict on a manifest does not stand, whatever becomes of judging it again."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add the column. Nothing is in doubt."""
    comment = "what was judged before that does not stand"
    op.add_column("manifests", sa.Column("doubted_at", sa.DateTime(timezone=True), comment=comment))
    op.create_index("ix_manifests_doubted_at", "manifests", ["doubted_at"])
