"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _what_was_found()
    _manifests()
    _edges()
    _what_was_decided()
    _access()
    _registry()


def _what_was_found() -> None:
    op.create_table(
        "documents",
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="zlib-compressed"),
        sa.PrimaryKeyConstraint("digest", name="pk_documents"),
    )
    op.create_table(
        "layers",
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="FACTS_VERSION that inspected it"),
        sa.Column("facts", sa.String(length=135), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True, comment="why the layer cannot be read, where it cannot"),
        sa.Column("inspected_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["facts"], ["documents.digest"], name="fk_layers_facts_documents"),
        sa.PrimaryKeyConstraint("digest", "version", name="pk_layers"),
    )


def _manifests() -> None:
    op.create_table(
        "manifests",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False, comment="kept by the gate only; the upstream does not have it"),
        sa.Column("subject", sa.String(length=135), nullable=True),
        sa.Column("artifact_type", sa.String(length=255), nullable=False),
        sa.Column("facts", sa.String(length=135), nullable=True),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["facts"], ["documents.digest"], name="fk_manifests_facts_documents"),
        sa.PrimaryKeyConstraint("repository", "digest", name="pk_manifests"),
    )
    op.create_index("ix_manifests_held", "manifests", ["held"], unique=False)
    op.create_index("ix_manifests_repository_subject", "manifests", ["repository", "subject"], unique=False)


def _edges() -> None:
    op.create_table(
        "manifest_blobs",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("manifest", sa.String(length=135), nullable=False),
        sa.Column("blob", sa.String(length=135), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "manifest"],
            ["manifests.repository", "manifests.digest"],
            name="fk_blobs_manifest",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "manifest", "blob", name="pk_manifest_blobs"),
    )
    op.create_index("ix_manifest_blobs_repository_blob", "manifest_blobs", ["repository", "blob"], unique=False)
    op.create_table(
        "manifest_children",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("parent", sa.String(length=135), nullable=False),
        sa.Column("child", sa.String(length=135), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "parent"],
            ["manifests.repository", "manifests.digest"],
            name="fk_children_manifest",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "parent", "child", name="pk_manifest_children"),
    )
    op.create_index("ix_manifest_children_repository_child", "manifest_children", ["repository", "child"], unique=False)
    op.create_table(
        "held_tags",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("manifest", sa.String(length=135), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "manifest"],
            ["manifests.repository", "manifests.digest"],
            name="fk_tags_manifest",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "tag", name="pk_held_tags"),
    )


def _what_was_decided() -> None:
    op.create_table(
        "verdicts",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("judged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="the whole verdict, JSON"),
        sa.PrimaryKeyConstraint("number", name="pk_verdicts"),
        sa.UniqueConstraint("id", name="uq_verdicts_id"),
    )
    op.create_index(
        "ix_verdicts_repository_digest_number", "verdicts", ["repository", "digest", "number"], unique=False
    )
    op.create_table(
        "audit",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("reference", sa.String(length=135), nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("outcome", sa.String(length=32), nullable=False),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)


def _access() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("repositories", sa.JSON(), nullable=False, comment="patterns"),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signing_keys"),
    )


def _registry() -> None:
    op.create_table(
        "registry_blobs",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("repository", "digest", name="pk_registry_blobs"),
    )
    op.create_index("ix_registry_blobs_digest", "registry_blobs", ["digest"], unique=False)
    op.create_table(
        "registry_manifests",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("subject", sa.String(length=135), nullable=True),
        sa.PrimaryKeyConstraint("repository", "digest", name="pk_registry_manifests"),
    )
    op.create_index(
        "ix_registry_manifests_repository_subject", "registry_manifests", ["repository", "subject"], unique=False
    )
    op.create_table(
        "registry_tags",
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("tag", sa.String(length=128), nullable=False),
        sa.Column("digest", sa.String(length=135), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository", "digest"],
            ["registry_manifests.repository", "registry_manifests.digest"],
            name="fk_registry_tags_manifest",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository", "tag", name="pk_registry_tags"),
    )
