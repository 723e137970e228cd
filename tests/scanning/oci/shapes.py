"""Manifests and image configurations as real builders and tools write them, shortened where only length is lost."""

import json
from typing import Any

from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.media_types import (
    COSIGN_SIMPLE_SIGNING,
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    IN_TOTO,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    SIGSTORE_BUNDLE,
)

Document = dict[str, Any]

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(name: str) -> str:
    """A digest that stands for the content called `name`."""
    return str(Digest.of(name.encode()))


def descriptor(media_type: str, name: str = "content", size: int = 1234, **more: Any) -> Document:
    return {"mediaType": media_type, "size": size, "digest": digest(name), **more}


def empty_config() -> Document:
    return {"mediaType": OCI_EMPTY, "digest": str(Digest.of(b"{}")), "size": 2, "data": "e30="}


def manifest(config: str = OCI_CONFIG, *layers: str, media_type: str = OCI_MANIFEST, **more: Any) -> Document:
    """A manifest with a config of the type `config` and one layer of each of the types `layers`."""
    return {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config, "config"),
        "layers": [descriptor(layer, f"layer {number}") for number, layer in enumerate(layers)],
        **more,
    }


def index(*children: Document, media_type: str = OCI_INDEX, **more: Any) -> Document:
    return {"schemaVersion": 2, "mediaType": media_type, "manifests": list(children), **more}


def body(document: Any) -> bytes:
    return json.dumps(document).encode()


def without(document: Document, name: str) -> Document:
    return {key: value for key, value in document.items() if key != name}


AMD64 = {"architecture": "amd64", "os": "linux"}

MANIFESTS: dict[str, tuple[Document, ManifestKind]] = {
    "docker push": (
        manifest(DOCKER_CONFIG, DOCKER_LAYER, DOCKER_LAYER, media_type=DOCKER_MANIFEST),
        ManifestKind.IMAGE,
    ),
    "docker manifest list": (
        index(
            descriptor(DOCKER_MANIFEST, "one", platform=AMD64),
            descriptor(DOCKER_MANIFEST, "two", platform={"architecture": "arm", "os": "linux", "variant": "v7"}),
            media_type=DOCKER_INDEX,
        ),
        ManifestKind.INDEX,
    ),
    "buildkit index": (
        index(
            descriptor(OCI_MANIFEST, "image", platform=AMD64),
            descriptor(
                OCI_MANIFEST,
                "attestation",
                platform={"architecture": "unknown", "os": "unknown"},
                annotations={
                    "vnd.docker.reference.digest": digest("image"),
                    "vnd.docker.reference.type": "attestation-manifest",
                },
            ),
        ),
        ManifestKind.INDEX,
    ),
    "buildkit attestation": (manifest(OCI_CONFIG, IN_TOTO, IN_TOTO), ManifestKind.SIGNATURE),
    "buildkit attestation artifact": (
        {
            **manifest(OCI_EMPTY, IN_TOTO, artifactType="application/vnd.docker.attestation.manifest.v1+json"),
            "config": empty_config(),
            "subject": descriptor(OCI_MANIFEST, "image"),
        },
        ManifestKind.SIGNATURE,
    ),
    "buildah": (
        manifest(
            OCI_CONFIG,
            OCI_LAYER,
            annotations={"org.opencontainers.image.base.digest": "", "org.opencontainers.image.base.name": ""},
        ),
        ManifestKind.IMAGE,
    ),
    "kaniko": (manifest(DOCKER_CONFIG, DOCKER_LAYER, media_type=DOCKER_MANIFEST), ManifestKind.IMAGE),
    "ko": (
        manifest(OCI_CONFIG, OCI_LAYER, annotations={"org.opencontainers.image.base.name": "base"}),
        ManifestKind.IMAGE,
    ),
    "jib": (manifest(DOCKER_CONFIG, DOCKER_LAYER, media_type=DOCKER_MANIFEST), ManifestKind.IMAGE),
    "umoci, without mediaType": (without(manifest(OCI_CONFIG, OCI_LAYER), "mediaType"), ManifestKind.IMAGE),
    "an image without layers": (manifest(OCI_CONFIG), ManifestKind.IMAGE),
    "go, no layers as null": ({**manifest(OCI_EMPTY), "layers": None}, ManifestKind.ARTIFACT),
    "helm": (
        manifest(
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "application/vnd.cncf.helm.chart.provenance.v1.prov",
        ),
        ManifestKind.ARTIFACT,
    ),
    "oras": (
        {
            **manifest(OCI_EMPTY, "application/spdx+json", artifactType="application/vnd.example.sbom"),
            "config": empty_config(),
            "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"},
        },
        ManifestKind.ARTIFACT,
    ),
    "oras push without a type": (
        {
            **manifest(
                OCI_EMPTY,
                "application/vnd.oci.image.layer.v1.tar",
                OCI_LAYER,
                artifactType="application/vnd.unknown.artifact.v1",
            ),
            "config": empty_config(),
        },
        ManifestKind.ARTIFACT,
    ),
    "wasm": (manifest("application/vnd.wasm.config.v0+json", "application/wasm"), ManifestKind.ARTIFACT),
    "cosign signature": (manifest(OCI_CONFIG, COSIGN_SIMPLE_SIGNING), ManifestKind.SIGNATURE),
    "cosign signature in docker types": (
        manifest(DOCKER_CONFIG, COSIGN_SIMPLE_SIGNING, media_type=DOCKER_MANIFEST),
        ManifestKind.SIGNATURE,
    ),
    "cosign bundle": (
        {
            **manifest(OCI_EMPTY, SIGSTORE_BUNDLE, artifactType=SIGSTORE_BUNDLE),
            "subject": descriptor(OCI_MANIFEST, "image"),
        },
        ManifestKind.SIGNATURE,
    ),
    "cosign attestation": (
        manifest(OCI_CONFIG, "application/vnd.dsse.envelope.v1+json"),
        ManifestKind.SIGNATURE,
    ),
    "notation": (
        manifest(
            "application/vnd.cncf.notary.signature",
            "application/jose+json",
            subject=descriptor(OCI_MANIFEST, "image"),
        ),
        ManifestKind.SIGNATURE,
    ),
}
"""Name of the writer -> what it writes, and what that is."""

ROOTFS = {"type": "layers", "diff_ids": [digest("layer one"), digest("layer two")]}

CONFIGS: dict[str, Document] = {
    "docker build": {
        "architecture": "amd64",
        "config": {
            "Hostname": "",
            "Domainname": "",
            "User": "app",
            "AttachStdin": False,
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/bin"],
            "Cmd": ["serve"],
            "Image": digest("base"),
            "Volumes": {"/data": {}},
            "WorkingDir": "/srv",
            "Entrypoint": ["/entry"],
            "OnBuild": None,
            "Labels": {"Vendor": "one", "vendor": "two"},
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000},
        },
        "container": "abc",
        "container_config": {"Hostname": "abc", "Cmd": ["/bin/sh"], "Labels": None},
        "created": "2026-01-01T00:00:00.123456789Z",
        "docker_version": "20.10.24",
        "history": [
            {"created": "2026-01-01T00:00:00Z", "created_by": "/bin/sh -c #(nop) ADD file:x in / "},
            {"created_by": "ENV A=1", "comment": "buildkit.dockerfile.v0", "empty_layer": True},
        ],
        "os": "linux",
        "rootfs": ROOTFS,
    },
    "buildah, with nulls": {
        "created": "2026-01-01T00:00:00Z",
        "architecture": "arm64",
        "variant": "v8",
        "os": "linux",
        "config": {"Env": None, "Cmd": None, "Entrypoint": None, "Labels": None, "Volumes": None, "Healthcheck": None},
        "rootfs": ROOTFS,
        "history": None,
    },
    "jib": {
        "created": "1970-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": [],
            "Entrypoint": ["java", "-cp", "@/app/classpath", "Main"],
            "ExposedPorts": {},
            "Labels": {},
        },
        "history": [{"created": "1970-01-01T00:00:00Z", "author": "Jib", "created_by": "jib-maven-plugin:3.4.0"}],
        "rootfs": ROOTFS,
    },
    "cosign signature": {
        "architecture": "",
        "created": "0001-01-01T00:00:00Z",
        "history": [{"created": "0001-01-01T00:00:00Z"}],
        "os": "",
        "rootfs": ROOTFS,
        "config": {},
    },
    "apko, config left out": {"architecture": "amd64", "os": "linux", "rootfs": ROOTFS},
}
"""Name of the writer -> the image configuration it writes."""
