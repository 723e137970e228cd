"""cosign's first format: a signed "simple signing" payload, the layer of the tag `sha256-<hex>.sig`.

The signature, in an annotation of the layer, is over the payload's bytes as they are (cosign specification,
SIGNATURE_SPEC.md).
"""

from functools import partial

from scanning.errors import InvalidSignatureError
from scanning.oci.digest import Digest
from scanning.oci.fields import Fields, Schema
from scanning.oci.strict_json import parse
from scanning.signatures.signed import Signed, decode_signature

MAX_PAYLOAD_BYTES = 64 * 1024
"""The largest payload that is read. cosign's own have about 250 bytes, plus annotations."""

_TYPE = "cosign container image signature"
_PAYLOAD = Schema("critical", "optional")
_CRITICAL = Schema("identity", "image", "type")
_IDENTITY = Schema("docker-reference")
_IMAGE = Schema("docker-manifest-digest")


def read_simple_signing(payload: str, signature: str) -> Signed:
    """Take the layer's content and its signature annotation apart. Raises `InvalidSignatureError`."""
    message = payload.encode()
    return Signed(message, (decode_signature(signature),), partial(_check, message))


def _check(payload: bytes, digest: Digest) -> str:
    what = "the signed payload"
    critical = Fields.of(parse(payload, what, MAX_PAYLOAD_BYTES), what, _PAYLOAD).child("critical", _CRITICAL)
    stated = critical.text("type")
    if stated != _TYPE:
        raise InvalidSignatureError(f"critical.type is {stated[:80]!a}, not {_TYPE!a}: it signs something else")
    signed = critical.child("image", _IMAGE).text("docker-manifest-digest")
    if signed != str(digest):
        raise InvalidSignatureError(f"it signs {signed[:200]!a}, not {digest}, beside which it was found")
    identity = critical.optional_child("identity", _IDENTITY)
    # Not enforced: images are copied between registries and signed under other names.
    return identity.text("docker-reference") if identity else ""
