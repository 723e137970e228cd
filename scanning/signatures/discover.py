"""Where signatures lie, and how the manifests found there become documents to verify. The fetching is done elsewhere.

signature_tag(digest) or a referrer -> Manifest -> wanted_blobs -> (fetch) -> documents -> verify
"""

import re
from collections.abc import Mapping

from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest
from scanning.oci.names import Reference, Tag
from scanning.signatures.bundle import MAX_BUNDLE_BYTES
from scanning.signatures.cosign import MAX_PAYLOAD_BYTES
from scanning.signatures.model import SignatureDocument, SignatureFormat

MAX_SIGNATURES_PER_MANIFEST = 64
"""The most layers of one signature manifest that are read: the last, since cosign appends (threat 58)."""
MAX_SIGNATURE_BLOB = max(MAX_BUNDLE_BYTES, MAX_PAYLOAD_BYTES)
"""No blob larger than this, in bytes, is ever wanted (threat 58)."""

_SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"
_FORMATS = {
    media_types.COSIGN_SIMPLE_SIGNING: (SignatureFormat.COSIGN_SIMPLE_SIGNING, MAX_PAYLOAD_BYTES),
    media_types.SIGSTORE_BUNDLE: (SignatureFormat.SIGSTORE_BUNDLE, MAX_BUNDLE_BYTES),
}
_SIGNATURE_TAG = re.compile(r"(sha256|sha512)-([0-9a-f]{64})(?:\.sig)?")
_TAG_HEX = 64
"""A tag is too short for a whole sha512: cut, as the OCI distribution specification does for referrers tags."""


def signature_tag(digest: Digest) -> Tag:
    """The tag under which cosign keeps the signatures of `digest`."""
    return Tag(f"{digest.algorithm}-{digest.hex[:_TAG_HEX]}.sig")


def signed_prefix(reference: Reference) -> str | None:
    """How the digest begins whose signatures a tag holds, cosign's `sha256-<hex>.sig` or the referrers tag
    `sha256-<hex>`: all of a sha256, and what fits into a tag of a sha512.
    """
    match = _SIGNATURE_TAG.fullmatch(reference.name) if isinstance(reference, Tag) else None
    return f"{match[1]}:{match[2]}" if match else None


def is_signature_tag(reference: Reference) -> bool:
    """Whether `reference` is a tag that cosign keeps the signatures of a digest under, and not a list of referrers."""
    return isinstance(reference, Tag) and reference.name.endswith(".sig") and signed_prefix(reference) is not None


def wanted_blobs(manifest: Manifest) -> tuple[Descriptor, ...]:
    """The blobs that `documents` needs, each once and none larger than `MAX_SIGNATURE_BLOB`."""
    wanted = (layer for layer in signature_layers(manifest) if layer.size <= _FORMATS[layer.media_type][1])
    return tuple({layer.digest: layer for layer in wanted}.values())


def weight(manifest: Manifest) -> int:
    """How many bytes of content `documents` makes of a manifest at most: a blob counts as often as it is listed."""
    sizes = ((layer.size, _FORMATS[layer.media_type][1]) for layer in signature_layers(manifest))
    return sum(size for size, limit in sizes if size <= limit)


def documents(manifest: Manifest, subject: Digest, blobs: Mapping[Digest, bytes]) -> tuple[SignatureDocument, ...]:
    """The signatures in a manifest that was found beside `subject`; none if it says it belongs to another.

    `blobs` is what was fetched of `wanted_blobs`. A signature whose blob is missing, too large or not what its
    descriptor says becomes a document with a `problem`, so that it is reported and counts for nothing.
    """
    if manifest.subject is not None and manifest.subject.digest != subject:
        return ()
    return tuple(
        _document(manifest.digest, subject, layer, blobs.get(layer.digest)) for layer in signature_layers(manifest)
    )


def signature_layers(manifest: Manifest) -> tuple[Descriptor, ...]:
    """The layers of a manifest that are read as signatures."""
    layers = tuple(layer for layer in manifest.layers if layer.media_type in _FORMATS)
    return layers[-MAX_SIGNATURES_PER_MANIFEST:]


def _document(manifest: Digest, subject: Digest, layer: Descriptor, blob: bytes | None) -> SignatureDocument:
    kind, limit = _FORMATS[layer.media_type]
    payload, problem = _payload(layer, limit, blob)
    signature = layer.annotations.get(_SIGNATURE_ANNOTATION, "")
    return SignatureDocument(kind, manifest, subject, payload, signature, problem)


def _payload(layer: Descriptor, limit: int, blob: bytes | None) -> tuple[str, str]:
    if layer.size > limit:
        return "", f"it has {layer.size} bytes; a signature of its kind has at most {limit}"
    if blob is None:
        return "", f"its content {layer.digest} is not in the registry"
    if len(blob) != layer.size or not layer.digest.matches(blob):
        return "", f"its content is not what its descriptor says: {layer.size} bytes, {layer.digest}"
    try:
        return blob.decode(), ""
    except UnicodeDecodeError:
        return "", "its content is not UTF-8"
