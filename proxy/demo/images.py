"""Images made in memory: layers, configuration and manifest as bytes (OCI image specification)."""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scanning.oci import media_types
from scanning.oci.digest import Digest

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_USER = "10001:10001"
_PATH = "PATH=/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a layer, owned by root."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest and what it refers to. An OCI artifact, such as a signature, has the same shape."""

    manifest: bytes
    blobs: Mapping[Digest, bytes]
    media_type: str = media_types.OCI_MANIFEST

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return Digest.of(self.manifest)


def build_image(*layers: Mapping[str, File]) -> Image:
    """An image of gzip layers, each a mapping of paths (no leading slash) to files; the same files, the same bytes."""
    archives = [_tar(layer) for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": _USER, "Env": [_PATH]},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(archive)) for archive in archives]},
        "history": [{"created_by": "imagegate demo"} for _ in archives],
    }
    packed = [gzip.compress(archive, mtime=0) for archive in archives]
    return build_manifest(json.dumps(config).encode(), [(content, describe(content, _LAYER)) for content in packed])


def build_manifest(config: bytes, layers: list[tuple[bytes, dict[str, Any]]]) -> Image:
    """A manifest of an image configuration and of layers with their descriptors."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": describe(config, media_types.OCI_CONFIG),
        "layers": [descriptor for _, descriptor in layers],
    }
    blobs = {Digest.of(content): content for content in (config, *(content for content, _ in layers))}
    return Image(json.dumps(manifest).encode(), blobs)


def describe(content: bytes, media_type: str) -> dict[str, Any]:
    """The descriptor of `content`."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def _tar(files: Mapping[str, File]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, file in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.size = len(file.content)
            member.mode = file.mode
            archive.addfile(member, io.BytesIO(file.content))
    return buffer.getvalue()
