"""The tables.

    documents       what verdicts were made of (facts, policies, signature evidence), by digest, never changed;
                    what nothing names any more goes
    layers          what inspecting a layer gave, by layer digest: paid once for every image that has it
    malware_scans   what a malware scanner said of a blob, by digest: the newest
    manifests       every manifest the gate has judged, per repository, with its edges:
      manifest_blobs      manifest -> the blobs a puller of it may read
      manifest_children   index -> its manifests
      sboms               bills of materials that lie, or are to lie, beside an image
      held_tags           tags that wait for a quarantined manifest
      tag_history         what was admitted under each tag, in that order
      tag_packages        the newest version of each package that a tag has had, where the policy asks for it
    verdicts        never changed; old ones go
    audit           append-only
    last_pulls      what each caller got at the last pull of a tag, as audit says
    audit_spools    how far each file of records that wait was taken over into audit
    grants          access tokens, by the hash of their secret
    package_sightings   when each version of a package was first seen, and lately
    approvals       base images and packages that an admin approved; revoked ones stay
    waivers         exceptions that an admin made beside the policy file; ended ones stay
    latest_time     the latest time that a gate has seen
    signing_keys    the keys the gate signs its own tokens and upload states with
    ended_sessions  sessions of the console that somebody signed out of, until they would have ended
    interrupted_uploads     where uploads to remote registries stand whose last chunk broke off
    registry_*      the embedded registry's index: which repository holds which blobs, manifests and tags, and which
                    manifest refers to which blobs

Times are aware and in UTC. Digests are text. Names in these tables were valid when they were written.
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC on every database (SQLite forgets the zone)."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """To UTC; a naive time is a mistake in the caller."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone: {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """SQLite gives a naive value back, which was UTC when it was written."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


_DIGEST = sa.String(135)
_REPOSITORY = sa.String(255)
_TAG = sa.String(128)
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Counts up. SQLite does so for its own INTEGER only, which is as big."""

documents = sa.Table(
    "documents",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="zlib-compressed"),
)

layers = sa.Table(
    "layers",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, comment="FACTS_VERSION that inspected it"),
    sa.Column("facts", _DIGEST, sa.ForeignKey("documents.digest")),
    sa.Column("refusal", sa.Text, comment="why the layer cannot be read, where it cannot"),
    sa.Column("inspected_at", Instant, nullable=False),
    sa.Index(None, "facts"),
)

malware_scans = sa.Table(
    "malware_scans",
    metadata,
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("scanner", sa.Text, nullable=False, comment="its version and that of its signatures"),
    sa.Column("scanned_at", Instant, nullable=False),
    sa.Column("scan", sa.Text, nullable=False, comment="all that it said, JSON"),
    sa.Column("is_archive", sa.Boolean, nullable=False, comment="it was unpacked for that"),
    sa.Column("found_since", Instant, comment="NULL where it is clean"),
    sa.Column("settled", sa.Boolean, nullable=False, comment="what has the blob was judged again since"),
    sa.Column("tried_at", Instant, comment="when somebody began to look again"),
    sa.Index(None, "scanned_at"),
    sa.Index(None, "settled"),
)

manifests = sa.Table(
    "manifests",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("media_type", sa.String(255), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("held", sa.Boolean, nullable=False, comment="kept by the gate only; the upstream does not have it"),
    sa.Column("subject", _DIGEST),
    sa.Column("artifact_type", sa.String(255), nullable=False),
    sa.Column("facts", _DIGEST, sa.ForeignKey("documents.digest")),
    sa.Column("first_seen", Instant, nullable=False),
    sa.Column("seen_at", Instant, comment="when the upstream was last known to have it"),
    sa.Column(
        "vouched",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="a signer of the policy made it, whom nothing else beside its subject was by when it was pushed",
    ),
    sa.Column("doubted_at", Instant, comment="what was judged before that does not stand"),
    sa.Index(None, "repository", "subject"),
    sa.Index(None, "held"),
    sa.Index(None, "doubted_at"),
    sa.Index(None, "facts"),
)

_OF_MANIFEST = ("manifests.repository", "manifests.digest")

manifest_blobs = sa.Table(
    "manifest_blobs",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("manifest", _DIGEST, primary_key=True),
    sa.Column("blob", _DIGEST, primary_key=True),
    sa.ForeignKeyConstraint(["repository", "manifest"], _OF_MANIFEST, ondelete="CASCADE", name="fk_blobs_manifest"),
    sa.Index(None, "repository", "blob"),
)

manifest_children = sa.Table(
    "manifest_children",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("parent", _DIGEST, primary_key=True),
    sa.Column("child", _DIGEST, primary_key=True),
    sa.ForeignKeyConstraint(["repository", "parent"], _OF_MANIFEST, ondelete="CASCADE", name="fk_children_manifest"),
    sa.Index(None, "repository", "child"),
)

sboms = sa.Table(
    "sboms",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("subject", _DIGEST, primary_key=True),
    sa.Column("form", sa.String(16), primary_key=True),
    sa.Column("verdict", sa.String(32), nullable=False, comment="the one that it is made of"),
    sa.Column("facts", _DIGEST, nullable=False, comment="those of the verdict"),
    sa.Column("told", _DIGEST, comment="the facts that have been told of"),
    sa.Column("artifact", _DIGEST, comment="the manifest that is attached"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0", comment="that failed in a row"),
    sa.Column("retry_at", Instant, comment="when to try again"),
    sa.ForeignKeyConstraint(["repository", "subject"], _OF_MANIFEST, ondelete="CASCADE", name="fk_sboms_manifest"),
)

held_tags = sa.Table(
    "held_tags",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("tag", _TAG, primary_key=True),
    sa.Column("manifest", _DIGEST, nullable=False),
    sa.Column("held_at", Instant, nullable=False),
    sa.ForeignKeyConstraint(["repository", "manifest"], _OF_MANIFEST, ondelete="CASCADE", name="fk_tags_manifest"),
)

tag_history = sa.Table(
    "tag_history",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("tag", _TAG, primary_key=True),
    sa.Column("manifest", _DIGEST, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False, comment="greater is newer"),
    sa.Column("admitted_at", Instant, nullable=False),
    sa.Index(None, "repository", "manifest"),
)

tag_packages = sa.Table(
    "tag_packages",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("tag", _TAG, primary_key=True),
    sa.Column("packages", _DIGEST, sa.ForeignKey("documents.digest"), nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, comment="how far of tag_history is in it"),
    sa.Index(None, "packages"),
)

verdicts = sa.Table(
    "verdicts",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("repository", _REPOSITORY, nullable=False),
    sa.Column("digest", _DIGEST, nullable=False),
    sa.Column(
        "tag", _TAG, nullable=False, server_default=sa.text("''"), comment="the tag it is about, where it is about one"
    ),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("judged_at", Instant, nullable=False),
    sa.Column("valid_until", Instant, comment="when time alone can change it"),
    sa.Column("body", sa.Text, nullable=False, comment="the whole verdict, JSON"),
    sa.Index(None, "repository", "digest", "number"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", Instant, nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("actor", sa.String(128), nullable=False),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("repository", _REPOSITORY, nullable=False),
    sa.Column("reference", sa.String(135), nullable=False),
    sa.Column("digest", _DIGEST, nullable=False),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("verdict", sa.String(32), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("times", sa.Integer, nullable=False, server_default="1", comment="how often, within a second"),
    sa.Index(None, "at"),
)

last_pulls = sa.Table(
    "last_pulls",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("tag", _TAG, primary_key=True),
    sa.Column("actor", sa.String(128), primary_key=True),
    sa.Column("digest", _DIGEST, nullable=False),
    sa.Column("at", Instant, nullable=False),
)
audit_spools = sa.Table(
    "audit_spools",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("taken", sa.BigInteger, nullable=False, comment="bytes of the file that are in audit"),
)

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("repositories", sa.JSON, nullable=False, comment="patterns"),
    sa.Column("secret_hash", sa.String(64), nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("expires_at", Instant),
    sa.Column("revoked_at", Instant),
    sa.Column("last_used_at", Instant, comment="to the minute"),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("name", sa.String(512), nullable=False, comment="what it was made from"),
    sa.Column("repositories", sa.JSON, nullable=False, comment="patterns"),
    sa.Column("content", _DIGEST, sa.ForeignKey("documents.digest"), nullable=False),
    sa.Column("owner", sa.String(128), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("approved_at", Instant, nullable=False),
    sa.Column("approved_by", sa.String(128), nullable=False),
    sa.Column("revoked_at", Instant),
    sa.Column("revoked_by", sa.String(128), nullable=False),
    sa.Index(None, "content"),
)

waivers = sa.Table(
    "waivers",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("waiver", sa.Text, nullable=False, comment="all of it, JSON as in the policy"),
    sa.Column("expires", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("created_by", sa.String(128), nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("ended_by", sa.String(128), nullable=False),
)

package_sightings = sa.Table(
    "package_sightings",
    metadata,
    sa.Column("package", sa.String(64), primary_key=True, comment="sha256 of its purl, without qualifiers"),
    sa.Column("first_seen", Instant, nullable=False),
    sa.Column("last_seen", Instant, nullable=False, comment="when an image with it was last judged, to the month"),
    sa.Index(None, "last_seen"),
)

latest_time = sa.Table(
    "latest_time",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False, comment="1: there is one row"),
    sa.Column("at", Instant, nullable=False),
)

signing_keys = sa.Table(
    "signing_keys",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
)

ended_sessions = sa.Table(
    "ended_sessions",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("until", Instant, nullable=False, comment="when it would have ended by itself"),
    sa.Index(None, "until"),
)

interrupted_uploads = sa.Table(
    "interrupted_uploads",
    metadata,
    sa.Column("upload", _DIGEST, primary_key=True, comment="hash of the upload's address"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("offset", sa.BigInteger, nullable=False),
    sa.Column("noted_at", Instant, nullable=False),
    sa.Index(None, "noted_at"),
)

registry_blobs = sa.Table(
    "registry_blobs",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("used_at", Instant, nullable=False, comment="when somebody last counted on it"),
    sa.Index(None, "digest"),
    sa.Index(None, "used_at"),
)

registry_manifests = sa.Table(
    "registry_manifests",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("digest", _DIGEST, primary_key=True),
    sa.Column("media_type", sa.String(255), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("subject", _DIGEST),
    sa.Index(None, "repository", "subject"),
)

registry_manifest_blobs = sa.Table(
    "registry_manifest_blobs",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("manifest", _DIGEST, primary_key=True),
    sa.Column("blob", _DIGEST, primary_key=True),
    sa.ForeignKeyConstraint(
        ["repository", "manifest"],
        ("registry_manifests.repository", "registry_manifests.digest"),
        ondelete="CASCADE",
        name="fk_registry_blobs_manifest",
    ),
    sa.Index(None, "repository", "blob"),
)

registry_tags = sa.Table(
    "registry_tags",
    metadata,
    sa.Column("repository", _REPOSITORY, primary_key=True),
    sa.Column("tag", _TAG, primary_key=True),
    sa.Column("digest", _DIGEST, nullable=False),
    sa.ForeignKeyConstraint(
        ["repository", "digest"],
        ("registry_manifests.repository", "registry_manifests.digest"),
        ondelete="CASCADE",
        name="fk_registry_tags_manifest",
    ),
)
