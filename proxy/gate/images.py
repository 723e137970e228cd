"""An image manifest becomes image facts: its configuration and its layers' facts, put together off the event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from functools import partial

from config.vocabulary import ArtifactKind
from proxy.errors import ManifestBlobUnknownError
from proxy.gate.content import read_blob
from proxy.gate.layers import LayerInspector, largest_first
from proxy.upstream.port import ContentSource
from scanning.artifacts import ARTIFACT_HEAD, assemble_artifact, could_be_unpacked
from scanning.errors import InvalidManifestError
from scanning.facts import ImageFacts, LayerFacts, LayerRefusal
from scanning.layers.history import build_steps
from scanning.layers.overlay import assemble
from scanning.oci.classify import DOCUMENT_HEAD, check_bills, check_documents
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, ImageConfig, Manifest, ManifestKind, Platform
from scanning.oci.names import Repository
from scanning.oci.read import MAX_CONFIG_BYTES, check_descriptor_sizes, read_config
from storage.batches import batches

_AT_ONCE = 16
"""How many blobs of one manifest the upstream is asked for at the same time: all that most images have."""


class ImageInspector:
    """Facts of whole images."""

    def __init__(self, source: ContentSource, layers: LayerInspector) -> None:
        self._source = source
        self._layers = layers

    def is_enough(self, facts: ImageFacts) -> bool:
        """Whether nothing has to be read again to judge these facts today."""
        return facts.is_current and facts.is_understood

    async def check_blobs(self, repository: Repository, manifest: Manifest) -> None:
        """Every blob is in the repository with the size its descriptor says (threat 45), but for layers that lie
        elsewhere.

        Raises `ManifestBlobUnknownError` or `InvalidManifestError`.
        """
        known: dict[Digest, int] = {}
        async for blob, size in self._sizes(repository, manifest.blobs):
            if size is not None:
                known[blob.digest] = size
            elif not blob.may_lie_elsewhere:
                raise ManifestBlobUnknownError(
                    f"blob {blob.digest} is not in repository {repository}; push it before the manifest"
                )
        check_descriptor_sizes(manifest, known)

    async def _sizes(
        self, repository: Repository, blobs: Sequence[Descriptor]
    ) -> AsyncIterator[tuple[Descriptor, int | None]]:
        """Each blob with the size it has, None if it is not there; some at a time are asked for, and no more once
        nobody wants to know: a manifest can name thousands, and the upstream is there for others too.
        """
        for some in batches(blobs, _AT_ONCE):
            sizes = await asyncio.gather(*(self._source.blob_size(repository, blob.digest) for blob in some))
            for found in zip(some, sizes, strict=True):
                yield found

    async def check_documents(self, repository: Repository, manifest: Manifest) -> None:
        """What calls itself a signature holds documents, and nothing that a runtime could unpack (threat 46).

        Raises `InvalidManifestError`, or `ManifestBlobUnknownError` for missing content.
        """
        heads = {blob.digest: await self._head(repository, blob, DOCUMENT_HEAD) for blob in manifest.blobs}
        check_documents(manifest, heads)

    async def inspect_artifact(self, repository: Repository, manifest: Manifest, tenant: str = "") -> ImageFacts:
        """What an artifact is, and what lies in those of its blobs that a runtime could unpack (threat 46).

        Raises as `inspect` does, and `InvalidManifestError` for an image that calls its layers bills of materials.
        """
        heads, archives = await self._heads(repository, manifest.blobs)
        check_bills(manifest, archives)
        outcomes = await self._layers.outcomes(repository, archives, tenant)
        refused = tuple(outcome for outcome in outcomes.values() if isinstance(outcome, LayerRefusal))
        if refused:
            return _unreadable(manifest, refusals=refused)
        facts = [outcome for outcome in outcomes.values() if isinstance(outcome, LayerFacts)]
        most = self._layers.limits.packages
        return await asyncio.to_thread(partial(assemble_artifact, manifest, heads, facts, most_packages=most))

    async def archives(self, repository: Repository, blobs: Iterable[Descriptor]) -> tuple[Digest, ...]:
        """Those of the blobs that a runtime could unpack. Raises `ManifestBlobUnknownError` for missing content."""
        _, archives = await self._heads(repository, blobs)
        return archives

    async def _heads(
        self, repository: Repository, blobs: Iterable[Descriptor]
    ) -> tuple[Mapping[Digest, bytes], tuple[Digest, ...]]:
        heads: dict[Digest, bytes] = {}
        archives: list[Digest] = []
        for blob in blobs:
            head = await self._head(repository, blob, ARTIFACT_HEAD)
            heads[blob.digest] = head[:DOCUMENT_HEAD]
            if await asyncio.to_thread(could_be_unpacked, head, is_whole=blob.size <= ARTIFACT_HEAD):
                archives.append(blob.digest)
        return heads, tuple(archives)

    async def _head(self, repository: Repository, blob: Descriptor, most: int) -> bytes:
        if blob.size == 0:
            return b""  # no range says so
        async with self._source.open_blob(repository, blob.digest, 0, min(blob.size, most)) as stream:
            if stream is None:
                raise ManifestBlobUnknownError(
                    f"blob {blob.digest} is not in repository {repository}; push it before the manifest"
                )
            return b"".join([chunk async for chunk in stream.chunks])

    async def inspect(self, repository: Repository, manifest: Manifest, tenant: str = "") -> ImageFacts:
        """What a container made from the image would see. What cannot be read becomes `refusals` or
        `problems`.

        Raises `ManifestBlobUnknownError` for missing content, `BusyError` when inspection itself fails,
        `TooManyRequestsError` when too much of the tenant's waits for it already.
        """
        try:
            config = await self._config(repository, manifest)
        except InvalidManifestError as error:
            return _unreadable(manifest, problems=(str(error),))
        elsewhere = await self._elsewhere(repository, manifest)
        if elsewhere:
            return _unreadable(manifest, problems=elsewhere)
        outcomes = await self._layers.outcomes(repository, largest_first(manifest.layers), tenant)
        found = [outcomes[layer.digest] for layer in manifest.layers]
        refused = tuple(outcome for outcome in found if isinstance(outcome, LayerRefusal))
        refused += tuple(
            LayerRefusal(layer.digest, f"the layer has {outcome.size} bytes, and the manifest says {layer.size}")
            for layer, outcome in zip(manifest.layers, found, strict=True)
            if isinstance(outcome, LayerFacts) and outcome.size != layer.size
        )
        if refused:
            steps = build_steps(config, len(manifest.layers))
            return _unreadable(manifest, refusals=tuple(dict.fromkeys(refused)), created_by=steps)
        facts = [outcome for outcome in found if isinstance(outcome, LayerFacts)]
        most = self._layers.limits.packages
        return await asyncio.to_thread(partial(assemble, manifest, config, facts, most_packages=most))

    async def _elsewhere(self, repository: Repository, manifest: Manifest) -> tuple[str, ...]:
        """Why the layers that only lie elsewhere cannot be read: nobody fetches them from there (threat 44)."""
        layers = tuple({layer.digest: layer for layer in manifest.layers if layer.may_lie_elsewhere}.values())
        return tuple(
            [
                f"layer {layer.digest} lies elsewhere, at {layer.urls[0]}, and is not fetched from there: push it here"
                async for layer, size in self._sizes(repository, layers)
                if size is None
            ]
        )

    async def _config(self, repository: Repository, manifest: Manifest) -> ImageConfig:
        if manifest.config is None:
            raise InvalidManifestError("the image manifest has no configuration, so its layers cannot be verified")
        content = await read_blob(self._source, repository, manifest.config, MAX_CONFIG_BYTES)
        if content is None:
            raise ManifestBlobUnknownError(
                f"configuration {manifest.config.digest} is not in repository {repository}; push it before the manifest"
            )
        return await asyncio.to_thread(read_config, content)


def _unreadable(
    manifest: Manifest,
    *,
    problems: tuple[str, ...] = (),
    refusals: tuple[LayerRefusal, ...] = (),
    created_by: tuple[str, ...] = (),
) -> ImageFacts:
    return ImageFacts(
        manifest=manifest.digest,
        config=manifest.config.digest if manifest.config else manifest.digest,
        platform=Platform(),
        layers=tuple(layer.digest for layer in manifest.layers),
        diff_ids=(),
        user="",
        runs_as_root=True,
        problems=problems,
        refusals=refusals,
        created_by=created_by,
        artifact=ArtifactKind.OTHER if manifest.kind is ManifestKind.ARTIFACT else None,
    )
