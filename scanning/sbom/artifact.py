"""A bill of materials as an artifact that refers to its image (OCI image specification, "Artifact Usage")."""

import json
from datetime import datetime

from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.media_types import OCI_EMPTY, OCI_MANIFEST
from scanning.oci.names import Tag

EMPTY = b"{}"
"""The content of the configuration that artifacts have."""


def write_artifact(subject: Descriptor, media_type: str, document: bytes, created: datetime, title: str) -> bytes:
    """The manifest of `document`, whose artifact type is its media type. Equal arguments give equal bytes.

    `title` is the file that clients write when they pull it.
    """
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": media_type,
            "config": _descriptor(OCI_EMPTY, EMPTY),
            "layers": [
                _descriptor(media_type, document) | {"annotations": {"org.opencontainers.image.title": title}},
            ],
            "subject": {
                "mediaType": subject.media_type,
                "digest": str(subject.digest),
                "size": subject.size,
            },
            "annotations": {"org.opencontainers.image.created": f"{created:%Y-%m-%dT%H:%M:%SZ}"},
        }
    ).encode()


def cosign_tag(subject: Digest) -> Tag | None:
    """The tag where `cosign download sbom` looks for the bill of materials of a manifest; it knows sha256 only."""
    return Tag(f"sha256-{subject.hex}.sbom") if subject.algorithm == "sha256" else None


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
