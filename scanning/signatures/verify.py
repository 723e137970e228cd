"""Verifies signatures with the keys that the policy trusts.

1. take the document apart, without reading what it claims
2. find the signers whose key made it; a key past its end counts for nobody
3. only then read the claim: it must name the digest beside which the document was found
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from config.policy import Signer
from scanning.errors import InvalidContentError, InvalidSignatureError
from scanning.signatures.bundle import read_bundle
from scanning.signatures.cosign import read_simple_signing
from scanning.signatures.keys import VerificationKey, load_key
from scanning.signatures.model import (
    FailedSignature,
    SignatureDocument,
    SignatureEvidence,
    SignatureFormat,
    SignatureReport,
    VerifiedSignature,
)
from scanning.signatures.signed import Signed

MAX_DOCUMENTS = 256
"""The most documents of one image that are verified; the rest count for nothing (threat 58)."""


@dataclass(frozen=True, slots=True)
class _Trusted:
    name: str
    key: VerificationKey
    signer: Signer


def verify(evidence: SignatureEvidence, signers: Mapping[str, Signer], now: datetime) -> SignatureReport:
    """Say which of the policy's `signers` (by name) made which of the signatures in `evidence`, at `now` (aware).

    Whatever the documents hold, it never raises: what does not verify is reported as failed, with the reason. How
    many signatures are enough is the policy's to say, by distinct `VerifiedSignature.key`. Raises
    `InvalidSignatureError` only for a signer whose key is unusable.
    """
    trusted = tuple(_Trusted(name, _load(name, signer), signer) for name, signer in sorted(signers.items()))
    verified: list[VerifiedSignature] = []
    failed: list[FailedSignature] = []
    for document in evidence.documents[:MAX_DOCUMENTS]:
        try:
            verified += _verify(document, trusted, now)
        except InvalidContentError as error:
            failed.append(FailedSignature(document.manifest, str(error)))
    unread = f"it is not among the first {MAX_DOCUMENTS}; no more are verified"
    failed += [FailedSignature(document.manifest, unread) for document in evidence.documents[MAX_DOCUMENTS:]]
    return SignatureReport(now, tuple(verified), tuple(failed))


def _load(name: str, signer: Signer) -> VerificationKey:
    try:
        return load_key(signer.key)
    except InvalidSignatureError as error:
        raise InvalidSignatureError(f"signer {name} of the policy cannot be used: {error}") from error


def _verify(document: SignatureDocument, trusted: tuple[_Trusted, ...], now: datetime) -> list[VerifiedSignature]:
    signed = _take_apart(document)
    makers = [one for one in trusted if any(one.key.verifies(each, signed.message) for each in signed.signatures)]
    if not makers:
        raise InvalidSignatureError("none of the policy's signers made it")
    current = [one for one in makers if not one.signer.has_ended(now)]
    if not current:
        names = ", ".join(f"{one.name} (trusted until {one.signer.not_after})" for one in makers)
        raise InvalidSignatureError(f"the key that made it is no longer trusted: {names}")
    reference = signed.check(document.subject)
    return [
        VerifiedSignature(
            signer=one.name,
            key=one.key.fingerprint,
            format=document.format,
            manifest=document.manifest,
            subject=document.subject,
            reference=reference,
        )
        for one in current
    ]


def _take_apart(document: SignatureDocument) -> Signed:
    if document.problem:
        raise InvalidSignatureError(document.problem)
    match document.format:
        case SignatureFormat.COSIGN_SIMPLE_SIGNING:
            return read_simple_signing(document.payload, document.signature)
        case SignatureFormat.SIGSTORE_BUNDLE:
            return read_bundle(document.payload)
