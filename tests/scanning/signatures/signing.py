"""Makes keys and signatures as cosign does, whole or deliberately wrong."""

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.policy import Signer
from scanning.oci.digest import Digest
from scanning.oci.media_types import IN_TOTO, SIGSTORE_BUNDLE
from scanning.signatures.bundle import SIGNED_PREDICATE
from scanning.signatures.model import SignatureDocument, SignatureFormat

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
Document = dict[str, Any]

IMAGE = Digest.of(b"image")
OTHER = Digest.of(b"another image")
MANIFEST = Digest.of(b"signature manifest")


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def signer(key: PrivateKey, **more: Any) -> Signer:
    return Signer(key=pem(key), **more)


def sign(key: PrivateKey, message: bytes) -> str:
    """The signature cosign would make, base64."""
    match key:
        case ec.EllipticCurvePrivateKey():
            strength = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
            signature = key.sign(message, ec.ECDSA(strength))
        case rsa.RSAPrivateKey():
            signature = key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            signature = key.sign(message)
    return base64.b64encode(signature).decode()


def payload_of(digest: Digest | str, kind: str = "cosign container image signature") -> Document:
    return {
        "critical": {
            "identity": {"docker-reference": "registry.example/team/app"},
            "image": {"docker-manifest-digest": str(digest)},
            "type": kind,
        },
        "optional": None,
    }


def simple_signing(key: PrivateKey, payload: Document | bytes, subject: Digest = IMAGE) -> SignatureDocument:
    """A signature of the tag `sha256-<hex>.sig`, over any payload."""
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return SignatureDocument(
        SignatureFormat.COSIGN_SIMPLE_SIGNING, MANIFEST, subject, content.decode(), sign(key, content)
    )


def statement_of(digest: Digest, predicate: str = SIGNED_PREDICATE, version: str = "v1") -> Document:
    return {
        "_type": f"https://in-toto.io/Statement/{version}",
        "subject": [{"digest": {digest.algorithm: digest.hex}}],
        "predicateType": predicate,
    }


def envelope(key: PrivateKey, statement: Document | bytes, payload_type: str = IN_TOTO) -> Document:
    content = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
    kind = payload_type.encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(content), content)
    return {
        "payload": base64.b64encode(content).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": sign(key, message)}],
    }


def message_signature(key: PrivateKey, content: bytes, algorithm: str = "SHA2_256") -> Document:
    """A bundle's signature over a manifest's own bytes."""
    return {
        "messageDigest": {
            "algorithm": algorithm,
            "digest": base64.b64encode(bytes.fromhex(Digest.of(content).hex)).decode(),
        },
        "signature": sign(key, content),
    }


def bundle(subject: Digest = IMAGE, **content: Any) -> SignatureDocument:
    """A bundle with the given `dsseEnvelope` or `messageSignature`, and other fields replaced."""
    document = {
        "mediaType": SIGSTORE_BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "anything"}},
        **content,
    }
    return bundle_text(json.dumps(document), subject)


def bundle_text(text: str, subject: Digest = IMAGE) -> SignatureDocument:
    return SignatureDocument(SignatureFormat.SIGSTORE_BUNDLE, MANIFEST, subject, text)
