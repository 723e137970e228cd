"""Which manifest of the embedded registry refers to which blobs, and when a blob was last counted on."""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table, and fill it from the manifests there are. What is there now counts as used now."""
    op.create_table(
        "registry_manifest_blobs",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("manifest", sa.String(length=135), nullable=False),
        sa.Column("blob", sa.String(length=135), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "manifest"],
            ["registry_manifests.repository", "registry_manifests.digest"],
            name="fk_registry_blobs_manifest",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "manifest", "blob", name="pk_registry_manifest_blobs"),
    )
    op.create_index(
        "ix_registry_manifest_blobs_repository_blob", "registry_manifest_blobs", ["repository", "blob"], unique=False
    )
    op.add_column(
        "registry_blobs",
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True, comment="when somebody last counted on it"),
    )
    blobs = sa.table("registry_blobs", sa.column("used_at", sa.DateTime(timezone=True)))
    op.execute(blobs.update().values(used_at=datetime.now(UTC)))
    with op.batch_alter_table("registry_blobs") as batch:
        batch.alter_column("used_at", existing_type=sa.DateTime(timezone=True), nullable=False)
    op.create_index("ix_registry_blobs_used_at", "registry_blobs", ["used_at"], unique=False)
    _record_references(op.get_bind())


def _record_references(connection: sa.Connection) -> None:
    manifests = sa.table("registry_manifests", *map(sa.column, ("repository", "digest", "body")))
    edges = sa.table("registry_manifest_blobs", *map(sa.column, ("repository", "manifest", "blob")))
    for repository, digest in connection.execute(sa.select(manifests.c.repository, manifests.c.digest)).all():
        body = connection.execute(
            sa.select(manifests.c.body).where(manifests.c.repository == repository, manifests.c.digest == digest)
        ).scalar_one()
        rows = [{"repository": repository, "manifest": digest, "blob": blob} for blob in _blobs(json.loads(body))]
        if rows:
            connection.execute(edges.insert(), rows)


def _blobs(document: dict[str, object]) -> list[str]:
    """What a stored manifest, which was read strictly once, refers to beside other manifests."""
    config, layers = document.get("config"), document.get("layers")
    descriptors = [config, *layers] if isinstance(layers, list) else [config]
    return sorted({str(descriptor["digest"]) for descriptor in descriptors if isinstance(descriptor, dict)})
