"""A key of the demo's own, and signatures as `cosign sign --key` makes them (cosign, SIGNATURE_SPEC.md)."""

import base64
import json

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from proxy.demo.images import Image, build_manifest, describe
from scanning.oci import media_types
from scanning.oci.digest import Digest

_ANNOTATION = "dev.cosignproject.cosign/signature"


class SigningKey:
    """A fresh ECDSA key on P-256, in memory only."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> str:
        """The public key in PEM form, for the policy: what cosign calls cosign.pub."""
        info = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return info.decode()

    def sign(self, image: Digest, reference: str) -> Image:
        """The signature of `image` as an image of its own, to push under `signature_tag(image)`.

        `reference` is the name it was signed under, such as `127.0.0.1:5000/team/app`.
        """
        payload = simple_signing_payload(image, reference)
        signature = self._key.sign(payload, ec.ECDSA(hashes.SHA256()))
        layer = describe(payload, media_types.COSIGN_SIMPLE_SIGNING)
        layer["annotations"] = {_ANNOTATION: base64.b64encode(signature).decode()}
        config = {"architecture": "", "os": "", "config": {}}
        config["rootfs"] = {"type": "layers", "diff_ids": [str(Digest.of(payload))]}
        return build_manifest(json.dumps(config).encode(), [(payload, layer)])


def simple_signing_payload(image: Digest, reference: str) -> bytes:
    """What is signed: the statement that somebody vouches for `image`."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": str(image)},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()
