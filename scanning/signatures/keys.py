"""Public keys that verify signatures, each with the one algorithm that cosign uses for its kind."""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from scanning.errors import InvalidSignatureError
from scanning.oci.digest import Digest

_SMALLEST_RSA_KEY = 2048
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and the hash its signatures are made over: never chosen by the signature (None for Ed25519).

    ECDSA over P-256, P-384, P-521 with SHA-256, SHA-384, SHA-512; RSA PKCS #1 v1.5 with SHA-256; Ed25519 as in
    RFC 8032, not prehashed. `fingerprint` is the SHA-256 of the SubjectPublicKeyInfo, hex.
    """

    public_key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
    hash: hashes.HashAlgorithm | None
    fingerprint: str

    def verifies(self, signature: bytes, signed: bytes | Digest) -> bool:
        """Whether this key made `signature` over a message, or over the content that has a digest.

        A digest can be checked only by a key that hashes with the same algorithm.
        """
        try:
            match signed:
                case bytes():
                    self._verify(signature, signed, self.hash)
                case Digest():
                    self._verify(signature, bytes.fromhex(signed.hex), self._prehashed(signed))
        except InvalidSignature:
            return False
        return True

    def _prehashed(self, digest: Digest) -> utils.Prehashed:
        if self.hash is None or self.hash.name != digest.algorithm:
            raise InvalidSignature
        return utils.Prehashed(self.hash)

    def _verify(
        self, signature: bytes, message: bytes, algorithm: hashes.HashAlgorithm | utils.Prehashed | None
    ) -> None:
        match self.public_key:
            case ec.EllipticCurvePublicKey() as key if algorithm is not None:
                key.verify(signature, message, ec.ECDSA(algorithm))
            case rsa.RSAPublicKey() as key if algorithm is not None:
                key.verify(signature, message, padding.PKCS1v15(), algorithm)
            case ed25519.Ed25519PublicKey() as key if algorithm is None:
                key.verify(signature, message)
            case _:
                raise InvalidSignature


def load_key(pem: str) -> VerificationKey:
    """Read a SubjectPublicKeyInfo in PEM form. Raises `InvalidSignatureError` for a key that cannot be trusted."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidSignatureError(f"the key is not a public key in PEM form: {error}") from error
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = hashlib.sha256(info).hexdigest()
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVE_HASHES:
            return VerificationKey(key, _CURVE_HASHES[key.curve.name], fingerprint)
        case rsa.RSAPublicKey() if key.key_size >= _SMALLEST_RSA_KEY:
            return VerificationKey(key, hashes.SHA256(), fingerprint)
        case ed25519.Ed25519PublicKey():
            return VerificationKey(key, None, fingerprint)
        case _:
            raise InvalidSignatureError(
                f"the key must be ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of at least {_SMALLEST_RSA_KEY} bits"
            )
