"""Who refers to a document is found at once, so that those that nobody refers to can go."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make the indexes."""
    for table, column in (
        ("layers", "facts"),
        ("manifests", "facts"),
        ("tag_packages", "packages"),
        ("approvals", "content"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])
