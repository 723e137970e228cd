"""What every signature format comes down to: bytes that were signed, signatures, and a claim to check afterwards."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from scanning.errors import InvalidSignatureError
from scanning.oci.digest import Digest

MAX_SIGNATURE_BYTES = 1024
"""The longest signature that is tried: an RSA key of 8192 bits."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A document taken apart, nothing of it believed yet.

    `message` is what was signed: the bytes, or the digest of content that is not at hand. Only when a trusted key
    made one of `signatures`, `check` may read the claim. It takes the digest that must be claimed, returns the image
    reference the signer named ("" if none), and raises `InvalidContentError`.
    """

    message: bytes | Digest
    signatures: tuple[bytes, ...]
    check: Callable[[Digest], str]


def decode_base64(text: str, what: str) -> bytes:
    """Decode standard base64 with padding, nothing else. Raises `InvalidSignatureError`, naming `what`."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidSignatureError(f"{what} is not base64: {error}") from error


def decode_signature(text: str) -> bytes:
    """Decode one signature. Raises `InvalidSignatureError` if it is empty or too long."""
    signature = decode_base64(text, "the signature")
    if not 0 < len(signature) <= MAX_SIGNATURE_BYTES:
        raise InvalidSignatureError(
            f"the signature has {len(signature)} bytes; it must have between 1 and {MAX_SIGNATURE_BYTES}"
        )
    return signature
