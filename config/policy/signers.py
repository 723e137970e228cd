"""Who can sign."""

from datetime import datetime
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, AwareDatetime, Field

from config.policy.model import Document

_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


def _public_key(pem: str) -> str:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("this is not a public key in PEM form; paste the whole content of cosign.pub") from error
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return pem
        case rsa.RSAPublicKey() if key.key_size >= 2048:
            return pem
        case ed25519.Ed25519PublicKey():
            return pem
        case _:
            raise ValueError("the key must be ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits")


PublicKeyPem = Annotated[str, AfterValidator(_public_key)]


class Signer(Document):
    """Somebody whose signatures count, by a public key in PEM form (`cosign.pub`)."""

    key: PublicKeyPem = Field(description="The public key, PEM (SubjectPublicKeyInfo): the content of cosign.pub.")
    not_after: AwareDatetime | None = Field(None, description="From this time on the key is no longer trusted.")

    def has_ended(self, now: datetime) -> bool:
        """Whether the key is no longer trusted at `now`."""
        return self.not_after is not None and now >= self.not_after
