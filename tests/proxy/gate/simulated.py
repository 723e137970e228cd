"""Upstreams that misbehave at one chosen moment."""

import asyncio
from dataclasses import dataclass, field

from proxy.upstream.port import StoredManifest, UpstreamUnavailableError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from scanning.oci.read import read_manifest
from tests.images import TestImage
from tests.simulators import MemoryUpstream


@dataclass
class RestlessUpstream(MemoryUpstream):
    """Its tags mean another image each time somebody asks."""

    meanings: tuple[TestImage, ...] = ()
    asked: int = 0

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        if not isinstance(reference, Tag) or reference.name.endswith(".sig"):
            return await super().get_manifest(repository, reference)
        image = self.meanings[self.asked % len(self.meanings)]
        self.asked += 1
        return StoredManifest(image.digest, image.media_type, image.manifest)


@dataclass
class PausingUpstream(MemoryUpstream):
    """Makes whoever asks for `reference` wait for `go`."""

    reference: Reference | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        if reference == self.reference:
            self.reached.set()
            await self.go.wait()
        return await super().get_manifest(repository, reference)

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        found = [manifest for (name, _), manifest in self.manifests.items() if name == repository]
        unique = {manifest.digest: manifest for manifest in found}
        return tuple(manifest for manifest in unique.values() if _subject(manifest) == subject)


@dataclass
class SlowUpstream(MemoryUpstream):
    """Makes the first who puts something under `reference` wait for `go`."""

    reference: Reference | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        if reference == self.reference and not self.reached.is_set():
            self.reached.set()
            await self.go.wait()
        await super().put_manifest(repository, reference, media_type, body)


@dataclass
class ForgetfulUpstream(MemoryUpstream):
    """Fails when it is asked for signatures: by the referrers API, or by the tag."""

    fails: str = ""

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        if self.fails == "referrers":
            raise UpstreamUnavailableError("the simulated upstream cannot list referrers")
        return ()

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        if self.fails == "tag" and isinstance(reference, Tag) and reference.name.endswith(".sig"):
            raise UpstreamUnavailableError("the simulated upstream cannot find the tag")
        return await super().get_manifest(repository, reference)


@dataclass
class LyingUpstream(MemoryUpstream):
    """Sends garbage of the right length instead of a blob."""

    def corrupt(self, repository: Repository, digest: Digest) -> bytes:
        """Replace a blob; gives what it was."""
        truth = self.blobs[repository, digest]
        self.blobs[repository, digest] = bytes(byte ^ 0xFF for byte in truth)
        return truth


def _subject(stored: StoredManifest) -> Digest | None:
    subject = read_manifest(stored.body, stored.media_type).subject
    return subject.digest if subject else None
