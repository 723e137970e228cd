"""What a manifest is, decided so that nothing a runtime could unpack is called anything but an image (threat 46).

Who would run what, whatever the manifest calls itself:

    docker (classic store)  config and layers whose types are, or lie below (a dot follows), application/vnd.oci.image,
                            application/vnd.docker, application/octet-stream, application/json or text/html, in any
                            mixture; unpacks every layer
    podman, CRI-O           the OCI image config type, or any Docker schema 2 manifest; unpacks every layer
    containerd              the two image config types; unpacks the layers whose type starts with
                            application/vnd.oci.image.layer. or is one of Docker's

So in this order:

1. nothing but signature and attestation documents for layers   -> signature
   (cosign's `.sig` and buildkit's attestations carry an image config, so docker and podman would still unpack them:
   `check_documents` proves from the blobs' first bytes that there is nothing to unpack)
2. a Docker schema 2 manifest                                   -> image
3. nothing but bills of materials for layers                    -> artifact
   (ko and `cosign attach sbom` write an image config beside them too: `check_bills` proves that none can be unpacked)
4. an image config, whatever the layers are                     -> image
5. the empty config `{}`, by type and digest                    -> artifact
   (it names no layer, so every runtime refuses to run what has any; `oras push` writes image layer types beside it)
6. any layer of an image layer type, whatever the config is     -> image
7. nothing but types that docker would take                     -> image
8. anything else                                                -> artifact

What is in an artifact is judged as well (`scanning.artifacts`).

`artifactType`, annotations, and who is asking are never looked at.
"""

from collections.abc import Collection, Mapping, Sequence

from scanning.errors import InvalidManifestError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest, ManifestKind

DOCUMENT_HEAD = 512
"""How many of a layer's first bytes `check_documents` wants: one tar header."""

_JSON_DOCUMENTS = frozenset(
    {
        media_types.COSIGN_SIMPLE_SIGNING,
        media_types.SIGSTORE_BUNDLE,
        media_types.DSSE_ENVELOPE,
        media_types.IN_TOTO,
        "application/jose+json",
    }
)
_COSE = "application/cose"
_COSE_SIGN1_TAG = b"\xd2"
_IMAGE_CONFIGS = ("application/vnd.oci.image.", "application/vnd.docker.")
_IMAGE_LAYERS = ("application/vnd.oci.image.layer.", "application/vnd.docker.")
_DOCKER_TYPES = (
    "application/vnd.oci.image",
    "application/vnd.docker",
    "application/octet-stream",
    "application/json",
    "text/html",
)
_EMPTY_OBJECT = Digest.of(b"{}")
_CHECKSUM = slice(148, 156)


def classify(media_type: str, config: Descriptor, layers: Sequence[Descriptor]) -> ManifestKind:
    """What a manifest (not an index) of `media_type` with this config and these layers is."""
    if layers and all(layer.media_type in _JSON_DOCUMENTS or layer.media_type == _COSE for layer in layers):
        return ManifestKind.SIGNATURE
    if media_type == media_types.DOCKER_MANIFEST:
        return ManifestKind.IMAGE
    if layers and all(layer.media_type in media_types.SBOMS for layer in layers):
        return ManifestKind.ARTIFACT
    types = [layer.media_type.lower() for layer in layers]
    if config.media_type.lower().startswith(_IMAGE_CONFIGS):
        return ManifestKind.IMAGE
    if config.media_type == media_types.OCI_EMPTY and config.digest == _EMPTY_OBJECT:
        return ManifestKind.ARTIFACT
    if any(layer.startswith(_IMAGE_LAYERS) for layer in types):
        return ManifestKind.IMAGE
    if all(map(_is_for_docker, (config.media_type.lower(), *types))):
        return ManifestKind.IMAGE
    return ManifestKind.ARTIFACT


def _is_for_docker(media_type: str) -> bool:
    return any(media_type == taken or media_type.startswith(f"{taken}.") for taken in _DOCKER_TYPES)


def check_documents(manifest: Manifest, heads: Mapping[Digest, bytes]) -> None:
    """Check that the blobs of a signature manifest are documents and nothing that could be unpacked.

    `heads` holds at least the first `DOCUMENT_HEAD` bytes of every blob (all of it if it is shorter). Every archive
    and compression that a runtime tries is known by these. Raises `InvalidManifestError`, naming the blob.
    """
    if manifest.kind is not ManifestKind.SIGNATURE:
        return
    for blob in manifest.blobs:
        head = heads.get(blob.digest)
        if head is None:
            raise InvalidManifestError(f"blob {blob.digest} of a signature is not there, so it cannot be checked")
        start = _COSE_SIGN1_TAG if blob.media_type == _COSE else b"{"
        if not head.startswith(start) or is_tar_header(head[:DOCUMENT_HEAD]):
            raise _in_disguise(blob)


def check_bills(manifest: Manifest, archives: Collection[Digest]) -> None:
    """Check that an artifact with an image config, which can only hold bills of materials, has none of `archives`: the
    blobs that a runtime could unpack. Raises `InvalidManifestError`, naming the blob.
    """
    config = manifest.config
    if config is None or not config.media_type.lower().startswith(_IMAGE_CONFIGS):
        return
    for blob in manifest.blobs:
        if blob.digest in archives:
            raise _in_disguise(blob)


def _in_disguise(blob: Descriptor) -> InvalidManifestError:
    return InvalidManifestError(
        f"blob {blob.digest} calls itself {blob.media_type}, but is not such a document: a runtime could unpack it;"
        " push images under the media types of images"
    )


def is_tar_header(block: bytes) -> bool:
    """Whether some tar reader would take `block` for a header: its checksum is right, signed or not."""
    if len(block) < DOCUMENT_HEAD:
        return False
    try:
        stated = int(block[_CHECKSUM].strip(b" \0").partition(b"\0")[0], 8)
    except ValueError:
        return False
    blanked = block[: _CHECKSUM.start] + b" " * 8 + block[_CHECKSUM.stop :]
    signed = sum(byte - 256 if byte > 127 else byte for byte in blanked)
    return stated in (sum(blanked), signed)
