"""Images for tests, made from nothing: layers, configuration and manifest as bytes, or as an OCI layout folder."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanning.oci import media_types
from scanning.oci.digest import Digest

OS_RELEASE_12 = b'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'
PASSWD = b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a layer."""

    content: bytes = b""
    mode: int = 0o644


def tar(files: Mapping[str, File | bytes]) -> bytes:
    """An uncompressed layer with these files, in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, file in files.items():
            content = file.content if isinstance(file, File) else file
            member = tarfile.TarInfo(path)
            member.size = len(content)
            member.mode = file.mode if isinstance(file, File) else 0o644
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class TestImage:
    """An image as bytes. `blobs` holds layers and configuration."""

    __test__ = False

    manifest: bytes
    media_type: str
    blobs: Mapping[Digest, bytes]
    children: tuple["TestImage", ...] = field(default=())

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return Digest.of(self.manifest)

    def write_layout(self, folder: Path, tag: str = "latest") -> Path:
        """Write it as an OCI layout that any client can copy from."""
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        for image in (self, *self.children):
            for digest, content in {**image.blobs, image.digest: image.manifest}.items():
                (blobs / digest.hex).write_bytes(content)
        entry = descriptor(self.manifest, self.media_type) | {"annotations": {"org.opencontainers.image.ref.name": tag}}
        index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [entry]}
        (folder / "index.json").write_text(json.dumps(index))
        return folder


def descriptor(content: bytes, media_type: str) -> dict[str, Any]:
    """The descriptor of `content`."""
    return {"mediaType": media_type, "digest": str(Digest.of(content)), "size": len(content)}


def image(
    *layers: Mapping[str, File | bytes],
    user: str = "app",
    env: Iterable[str] = ("PATH=/usr/local/bin:/usr/bin:/bin",),
    architecture: str = "amd64",
    docker: bool = False,
    extra_config: Mapping[str, Any] | None = None,
) -> TestImage:
    """An image of gzip layers with these files."""
    plain = [tar(layer) for layer in layers]
    packed = [(gzip.compress(layer, mtime=0), Digest.of(layer)) for layer in plain]
    media_type = media_types.DOCKER_MANIFEST if docker else media_types.OCI_MANIFEST
    return image_of_layers(
        packed, user=user, env=env, architecture=architecture, media_type=media_type, extra_config=extra_config
    )


def image_of_layers(
    layers: Sequence[tuple[bytes, Digest]],
    *,
    media_type: str,
    user: str = "app",
    env: Iterable[str] = ("PATH=/usr/local/bin:/usr/bin:/bin",),
    architecture: str = "amd64",
    extra_config: Mapping[str, Any] | None = None,
) -> TestImage:
    """An image of gzip layers given as (compressed bytes, diffID)."""
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"User": user, "Env": list(env), **(extra_config or {})},
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for _, diff_id in layers]},
            "history": [{"created_by": f"layer {number}"} for number in range(len(layers))],
        }
    ).encode()
    docker = media_type == media_types.DOCKER_MANIFEST
    layer_type = (
        "application/vnd.docker.image.rootfs.diff.tar.gzip" if docker else "application/vnd.oci.image.layer.v1.tar+gzip"
    )
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config, media_types.DOCKER_CONFIG if docker else media_types.OCI_CONFIG),
            "layers": [descriptor(packed, layer_type) for packed, _ in layers],
        }
    ).encode()
    blobs = {Digest.of(content): content for content in (config, *(packed for packed, _ in layers))}
    return TestImage(manifest, media_type, blobs)


def index(*children: TestImage) -> TestImage:
    """An index that lists `children`."""
    entries = []
    for child in children:
        platform = {"os": "linux", "architecture": "amd64"}
        for content in child.blobs.values():
            if content.startswith(b'{"architecture"'):
                platform["architecture"] = json.loads(content)["architecture"]
        entries.append(descriptor(child.manifest, child.media_type) | {"platform": platform})
    body = json.dumps({"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": entries}).encode()
    return TestImage(body, media_types.OCI_INDEX, {}, children)


def dpkg_status(*packages: tuple[str, str] | tuple[str, str, str]) -> bytes:
    """A dpkg database of (name, version) or (name, version, source)."""
    paragraphs = [
        f"Package: {package[0]}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {package[1]}\n"
        + (f"Source: {package[2]}\n" if len(package) == 3 else "")
        + "Description: made for a test\n"
        for package in packages
    ]
    return "\n".join(paragraphs).encode()


def debian(*packages: tuple[str, str] | tuple[str, str, str]) -> dict[str, File | bytes]:
    """The files that make a layer a Debian 12 with these packages."""
    return {
        "etc/os-release": OS_RELEASE_12,
        "etc/passwd": PASSWD,
        "var/lib/dpkg/status": dpkg_status(*(packages or (("base-files", "12.4+deb12u11"),))),
    }
