"""Which signatures beside an image were by a signer of the policy when they were pushed."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column. What is there already keeps its turn by age."""
    op.add_column(
        "manifests",
        sa.Column(
            "vouched",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="a signer of the policy made it, whom nothing else beside its subject was by when it was pushed",
        ),
    )
