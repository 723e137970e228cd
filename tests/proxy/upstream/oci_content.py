"""Small content to push, and the two steps a client pushes a blob in."""

import json
from collections.abc import AsyncIterator

from proxy.upstream.port import Upstream
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST
from scanning.oci.names import Repository

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    """The parts, as a client sends them."""
    for part in parts:
        yield part


async def push_blob(upstream: Upstream, repository: Repository, content: bytes, algorithm: str = "sha256") -> Digest:
    """Upload a blob whole."""
    digest = Digest.of(content, algorithm)
    upload = await upstream.append(repository, await upstream.begin_upload(repository), chunks(content))
    await upstream.finish_upload(repository, upload, digest)
    return digest


async def push_image(upstream: Upstream, repository: Repository, text: str = "a layer") -> bytes:
    """Push the blobs of an image of one layer; gives its manifest, which is not pushed."""
    layer, config = text.encode(), json.dumps({"of": text}).encode()
    for blob in (layer, config):
        await push_blob(upstream, repository, blob)
    return image_manifest(config, layer)


def image_manifest(config: bytes, layer: bytes, subject: bytes | None = None) -> bytes:
    """A manifest of one layer."""
    document: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, config),
        "layers": [descriptor(LAYER_TYPE, layer)],
    }
    if subject is not None:
        document["subject"] = descriptor(OCI_MANIFEST, subject)
    return json.dumps(document).encode()


def index_of(*manifests: bytes) -> bytes:
    """An index of manifests."""
    children = [descriptor(OCI_MANIFEST, manifest) for manifest in manifests]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()


def descriptor(media_type: str, content: bytes) -> dict[str, object]:
    """A descriptor of `content`."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}
