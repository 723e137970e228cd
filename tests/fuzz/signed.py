"""Signatures that are changed after or before they were made: what counts was signed, and about this image."""

import base64
import json

from cryptography.hazmat.primitives.asymmetric import ec

from scanning.documents import decode, encode
from scanning.signatures.bundle import SIGNED_PREDICATE
from scanning.signatures.model import SignatureDocument, SignatureEvidence, SignatureFormat, SignatureReport
from scanning.signatures.verify import verify
from tests.fuzz import forge
from tests.fuzz.reading import NOW
from tests.scanning.signatures.signing import (
    IMAGE,
    MANIFEST,
    bundle,
    bundle_text,
    envelope,
    message_signature,
    payload_of,
    sign,
    signer,
    simple_signing,
    statement_of,
)

_KEY = ec.derive_private_key(7**80, ec.SECP256R1())
_SIGNERS = {"release": signer(_KEY)}
_STATEMENT, _PAYLOAD = statement_of(IMAGE), payload_of(IMAGE)
_ENVELOPE = json.loads(bundle(dsseEnvelope=envelope(_KEY, _STATEMENT)).payload)
_MESSAGE = json.loads(bundle(messageSignature=message_signature(_KEY, b"image")).payload)
_SIMPLE = simple_signing(_KEY, _PAYLOAD)


def signed(data: bytes) -> None:
    """A signature of each kind: the first byte chooses it, and whether it is changed before it is made."""
    choice, changes = data[:1] or b"\0", data[1:]
    match choice[0] % 5:
        case 0:
            document = forge.forged(_ENVELOPE, changes)
            if _report(bundle_text(json.dumps(document))).verified:
                assert json.loads(base64.b64decode(document["dsseEnvelope"]["payload"])) == _STATEMENT
        case 1:
            document = forge.forged(_MESSAGE, changes)
            if _report(bundle_text(json.dumps(document))).verified:
                digest = base64.b64decode(document["messageSignature"]["messageDigest"]["digest"])
                assert digest.hex() == IMAGE.hex
        case 2:
            payload = forge.content(_SIMPLE.payload.encode(), changes)
            if _report(_simple(payload, _SIMPLE.signature)).verified:
                assert payload == _SIMPLE.payload.encode()
        case 3:
            statement = forge.forged(_STATEMENT, changes)
            if _report(bundle(dsseEnvelope=envelope(_KEY, forge.text_of(statement)))).verified:
                assert statement["predicateType"] == SIGNED_PREDICATE
                assert IMAGE.hex in [(one.get("digest") or {}).get("sha256") for one in statement["subject"]]
        case _:
            claim = forge.forged(_PAYLOAD, changes)
            payload = forge.text_of(claim)
            if _report(_simple(payload, sign(_KEY, payload))).verified:
                assert claim["critical"]["image"]["docker-manifest-digest"] == str(IMAGE)
                assert claim["critical"]["type"] == _PAYLOAD["critical"]["type"]


def _simple(payload: bytes, signature: str) -> SignatureDocument:
    text = payload.decode("utf-8", "replace")
    return SignatureDocument(SignatureFormat.COSIGN_SIMPLE_SIGNING, MANIFEST, IMAGE, text, signature)


def _report(document: SignatureDocument) -> SignatureReport:
    report = verify(SignatureEvidence((document,)), _SIGNERS, NOW)
    assert len(report.verified) + len(report.failed) == 1
    assert decode(SignatureReport, encode(report)) == report
    return report
