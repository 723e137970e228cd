"""What was found beside an image, and what verifying it gave."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanning.oci.digest import Digest


class SignatureFormat(StrEnum):
    """How a signature lies in the registry."""

    COSIGN_SIMPLE_SIGNING = "cosign-simple-signing"
    """A layer of the tag `sha256-<hex>.sig`."""
    SIGSTORE_BUNDLE = "sigstore-bundle"
    """The single layer of an OCI 1.1 referrer."""


@dataclass(frozen=True, slots=True)
class SignatureDocument:
    """One unverified signature, as fetched.

    `manifest` is the signature's own manifest, `subject` the digest it was found beside: the image itself, or an
    index that lists it. `payload` is the simple-signing JSON or the bundle's JSON; `signature` the base64 text of
    cosign's annotation, "" for bundles.
    """

    format: SignatureFormat
    manifest: Digest
    subject: Digest
    payload: str
    signature: str = ""
    problem: str = ""
    """Why its content could not be had; `payload` is empty then."""


@dataclass(frozen=True, slots=True)
class SignatureEvidence:
    """All signatures found for one image, in a fixed order. Kept with the verdict, so that it can be replayed."""

    documents: tuple[SignatureDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """A signature that one of the policy's signers made over `subject`."""

    signer: str
    key: str
    """The key's fingerprint: SHA-256 of its SubjectPublicKeyInfo, hex."""
    format: SignatureFormat
    manifest: Digest
    subject: Digest
    reference: str = ""
    """The image name that was signed along (cosign's docker-reference): recorded, not enforced."""


@dataclass(frozen=True, slots=True)
class FailedSignature:
    """A signature that counts for nothing, and why."""

    manifest: Digest
    reason: str


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """What verifying `SignatureEvidence` against the policy's signers at `verified_at` gave."""

    verified_at: datetime
    verified: tuple[VerifiedSignature, ...] = ()
    failed: tuple[FailedSignature, ...] = ()
