"""Manifests, indexes and image configurations as values, and what each of them is.

The strict reader that makes these values from bytes is `scanning.oci.read`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from scanning.oci.digest import Digest
from scanning.oci.media_types import FOREIGN_LAYERS


@dataclass(frozen=True, slots=True)
class Platform:
    """Where an image runs. An attestation child of an index has `unknown`/`unknown`."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A typed, sized link to content (OCI image specification, descriptor.md). `size` is in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: Platform | None = None
    urls: tuple[str, ...] = ()
    data: bytes | None = None

    @property
    def may_lie_elsewhere(self) -> bool:
        """Whether a registry need not have it: a layer that may not be distributed, with addresses to get it from."""
        return bool(self.urls) and self.media_type in FOREIGN_LAYERS


class ManifestKind(StrEnum):
    """What a manifest is by its content, whatever it calls itself (threats 42 and 46)."""

    IMAGE = "image"
    INDEX = "index"
    SIGNATURE = "signature"
    """Only signature or attestation documents: no layer a runtime would unpack."""
    ARTIFACT = "artifact"
    """Anything else a registry may hold: Helm charts, SBOMs, WASM."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One parsed manifest of any kind. `children` is for indexes; `config` and `layers` for the others."""

    digest: Digest
    media_type: str
    size: int
    kind: ManifestKind
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The blobs it references, each once, configuration first."""
        found = (self.config, *self.layers) if self.config else self.layers
        return tuple({blob.digest: blob for blob in found}.values())


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One build step of an image configuration."""

    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What the gate reads of an image configuration (OCI image specification, config.md)."""

    platform: Platform
    diff_ids: tuple[Digest, ...]
    user: str = ""
    environment: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    """The command that tells whether it works; () where there is none, or it is switched off."""
    working_directory: str = ""
    stop_signal: str = ""
    created: str = ""
    history: tuple[HistoryEntry, ...] = ()
