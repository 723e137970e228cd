"""What cosign 2.6.5 wrote into a docker-registry 2.8.2, kept byte for byte in the folder `golden`.

Made once, for the image `image.manifest.json`, with keys that were thrown away (`*.pub` are theirs):

    cosign sign --key KEY --tlog-upload=false --allow-http-registry -y IMAGE@DIGEST                      *.sig.*
    cosign sign --key KEY --tlog-upload=false --new-bundle-format --allow-http-registry -y IMAGE@DIGEST  *.bundle.*
    cosign attest --key KEY --tlog-upload=false --new-bundle-format --type custom … IMAGE@DIGEST         *.attestation.*

`both` is one image signed with the P-256 and with the RSA key, with `-a team=core`. For Ed25519 keys cosign 2 signs
the SHA-512 of the payload (Ed25519ph), which neither it nor the gate verifies.
"""

from pathlib import Path

from config.policy import Signer
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.read import read_manifest
from scanning.signatures.discover import documents, wanted_blobs
from scanning.signatures.model import SignatureEvidence

_FOLDER = Path(__file__).parent / "golden"


def content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


def manifest(name: str) -> Manifest:
    return read_manifest(content(f"{name}.manifest.json"), OCI_MANIFEST)


def signer(name: str) -> Signer:
    return Signer(key=content(f"{name}.pub").decode())


IMAGE = Digest.of(content("image.manifest.json"))


def evidence(name: str, blob: str) -> SignatureEvidence:
    """The evidence that the gate would collect from the manifest `name`, whose layers hold `blob`."""
    found = manifest(name)
    return SignatureEvidence(documents(found, IMAGE, {wanted.digest: content(blob) for wanted in wanted_blobs(found)}))
