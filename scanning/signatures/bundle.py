"""Sigstore bundles, version 0.3, signed with a key: what cosign writes as a referrer of the image.

Only what says "signed" counts: an attestation about the image (an SBOM, provenance) is no signature of it.
Transparency log entries and timestamps are not looked at: the trust lies in the key.
"""

from functools import partial

from scanning.errors import InvalidSignatureError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.fields import Fields, Schema
from scanning.oci.strict_json import parse
from scanning.signatures.dsse import ENVELOPE, read_envelope
from scanning.signatures.signed import Signed, decode_base64, decode_signature
from scanning.signatures.statement import check_statement

MAX_BUNDLE_BYTES = 1024 * 1024
"""The largest bundle that is read. cosign's signatures have about 700 bytes; larger ones are attestations."""

SIGNED_PREDICATE = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type by which cosign says "I sign this image"."""

_BUNDLE = Schema("mediaType", "verificationMaterial", "dsseEnvelope", "messageSignature")
_MATERIAL = Schema("publicKey", "certificate", "x509CertificateChain", "tlogEntries", "timestampVerificationData")
_PUBLIC_KEY = Schema("hint")
_MESSAGE_SIGNATURE = Schema("messageDigest", "signature")
_MESSAGE_DIGEST = Schema("algorithm", "digest")
_ALGORITHMS = {"SHA2_256": "sha256", "SHA2_512": "sha512"}


def read_bundle(bundle: str) -> Signed:
    """Take a bundle apart. Raises `InvalidJsonError`, `InvalidDigestError` or `InvalidSignatureError`."""
    fields = Fields.of(parse(bundle.encode(), "the bundle", MAX_BUNDLE_BYTES), "the bundle", _BUNDLE)
    version = fields.text("mediaType")
    if version != media_types.SIGSTORE_BUNDLE:
        raise InvalidSignatureError(f"the bundle is {version[:200]!a}; only {media_types.SIGSTORE_BUNDLE} is read")
    material = fields.child("verificationMaterial", _MATERIAL)
    if material.optional_child("publicKey", _PUBLIC_KEY) is None:
        raise InvalidSignatureError("the bundle is signed with a certificate; only signatures with a key are verified")
    envelope = fields.optional_child("dsseEnvelope", ENVELOPE)
    message_signature = fields.optional_child("messageSignature", _MESSAGE_SIGNATURE)
    match envelope, message_signature:
        case Fields(), None:
            return _read_envelope(envelope)
        case None, Fields():
            return _read_message_signature(message_signature)
        case _:
            raise InvalidSignatureError("the bundle must hold one of dsseEnvelope and messageSignature")


def _read_envelope(fields: Fields) -> Signed:
    envelope = read_envelope(fields, media_types.IN_TOTO)
    return Signed(envelope.pae(), envelope.signatures, partial(_check_statement, envelope.payload))


def _check_statement(statement: bytes, digest: Digest) -> str:
    return check_statement(statement, SIGNED_PREDICATE, digest, MAX_BUNDLE_BYTES)


def _read_message_signature(fields: Fields) -> Signed:
    """A signature over the manifest's own bytes. `messageDigest` names them; it must be the digest asked about."""
    message_digest = fields.child("messageDigest", _MESSAGE_DIGEST)
    algorithm = message_digest.text("algorithm")
    if algorithm not in _ALGORITHMS:
        raise InvalidSignatureError(
            f"the bundle's messageDigest uses {algorithm[:80]!a}, not {' or '.join(_ALGORITHMS)}"
        )
    value = decode_base64(message_digest.required_text("digest"), "the bundle's messageDigest")
    digest = Digest(_ALGORITHMS[algorithm], value.hex())
    return Signed(digest, (decode_signature(fields.required_text("signature")),), partial(_check_digest, digest))


def _check_digest(signed: Digest, digest: Digest) -> str:
    if signed != digest:
        raise InvalidSignatureError(f"it signs {signed}, not {digest}, beside which it was found")
    return ""
