"""DSSE envelopes (Dead Simple Signing Envelope, version 1.0.2)."""

from dataclasses import dataclass

from scanning.errors import InvalidSignatureError
from scanning.oci.fields import Fields, Schema
from scanning.signatures.signed import decode_base64, decode_signature

MAX_SIGNATURES = 8
"""The most signatures of one envelope that are tried."""

ENVELOPE = Schema("payload", "payloadType", "signatures")
_SIGNATURE = Schema("keyid", "sig")


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload that is not to be parsed before one of `signatures` over `pae()` is verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[bytes, ...]

    def pae(self) -> bytes:
        """The pre-authentication encoding: what is signed."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


def read_envelope(fields: Fields, payload_type: str) -> Envelope:
    """Read an envelope (checked against `ENVELOPE`) that must carry `payload_type`.

    Raises `InvalidJsonError` or `InvalidSignatureError`. `keyid` is a hint that nobody signed: it is not used.
    """
    found = fields.required_text("payloadType")
    if found != payload_type:
        raise InvalidSignatureError(f"the envelope carries {found[:200]!a}, not {payload_type}")
    signatures = fields.children("signatures", _SIGNATURE)
    if not 0 < len(signatures) <= MAX_SIGNATURES:
        raise InvalidSignatureError(
            f"the envelope has {len(signatures)} signatures; it must have between 1 and {MAX_SIGNATURES}"
        )
    return Envelope(
        found,
        decode_base64(fields.required_text("payload"), "the envelope's payload"),
        tuple(decode_signature(signature.required_text("sig")) for signature in signatures),
    )
