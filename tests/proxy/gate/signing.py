"""Signatures of images as cosign pushes them: the tag `sha256-<hex>.sig`, and the bundle that refers to the image."""

import json

from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Reference
from scanning.signatures.discover import signature_tag
from tests.images import TestImage, descriptor
from tests.scanning.signatures.signing import (
    PrivateKey,
    bundle,
    envelope,
    payload_of,
    simple_signing,
    statement_of,
)

_EMPTY = b"{}"


def legacy_signature(key: PrivateKey, subject: Digest) -> tuple[TestImage, Reference]:
    """cosign's first format, and the tag to push it under."""
    document = simple_signing(key, payload_of(subject), subject)
    payload = document.payload.encode()
    config = b'{"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}'
    layer = descriptor(payload, media_types.COSIGN_SIMPLE_SIGNING) | {
        "annotations": {"dev.cosignproject.cosign/signature": document.signature}
    }
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(config, media_types.OCI_CONFIG),
        "layers": [layer],
    }
    return _image(body, config, payload), signature_tag(subject)


def bundle_signature(key: PrivateKey, subject: TestImage) -> tuple[TestImage, Reference]:
    """A Sigstore bundle that refers to `subject`, pushed by digest."""
    content = bundle(subject.digest, dsseEnvelope=envelope(key, statement_of(subject.digest))).payload.encode()
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": media_types.SIGSTORE_BUNDLE,
        "config": descriptor(_EMPTY, "application/vnd.oci.empty.v1+json"),
        "layers": [descriptor(content, media_types.SIGSTORE_BUNDLE)],
        "subject": descriptor(subject.manifest, subject.media_type),
    }
    signature = _image(body, _EMPTY, content)
    return signature, signature.digest


def signature_of(key: PrivateKey, subject: TestImage, kind: str) -> tuple[TestImage, Reference]:
    """A signature of either kind, `legacy` or `bundle`."""
    return legacy_signature(key, subject.digest) if kind == "legacy" else bundle_signature(key, subject)


def _image(body: object, *blobs: bytes) -> TestImage:
    return TestImage(json.dumps(body).encode(), media_types.OCI_MANIFEST, {Digest.of(blob): blob for blob in blobs})
