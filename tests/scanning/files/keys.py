"""Private keys in every form people write them, made anew for each run."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    format_: PrivateFormat,
    encryption: KeySerializationEncryption | None = None,
) -> str:
    return key.private_bytes(Encoding.PEM, format_, encryption or NoEncryption()).decode()


EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED25519_KEY = ed25519.Ed25519PrivateKey.generate()
RSA_KEY = rsa.generate_private_key(65537, 2048)
KEYS = {
    "EC SEC1": pem(EC_KEY, PrivateFormat.TraditionalOpenSSL),
    "EC PKCS8": pem(EC_KEY, PrivateFormat.PKCS8),
    "EC PKCS8 encrypted": pem(EC_KEY, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "EC SEC1 encrypted": pem(EC_KEY, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")),
    "EC OpenSSH": pem(EC_KEY, PrivateFormat.OpenSSH),
    "Ed25519 PKCS8": pem(ED25519_KEY, PrivateFormat.PKCS8),
    "Ed25519 OpenSSH": pem(ED25519_KEY, PrivateFormat.OpenSSH),
    "RSA PKCS1": pem(RSA_KEY, PrivateFormat.TraditionalOpenSSL),
}
