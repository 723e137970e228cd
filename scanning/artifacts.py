"""What an artifact is and what is in it: told by its blobs' first bytes, and by all of those that could be unpacked.

    first bytes of a blob --could_be_unpacked--> inspected as a layer --> LayerFacts
    manifest + first bytes + LayerFacts --assemble_artifact--> ImageFacts, with the artifact's kind

An artifact can refer to any blob of its repository, the layers of a refused image among them, packed anew or not. So
what a runtime could unpack is judged by what it holds, wherever it lies (threat 46).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from config.vocabulary import ArtifactKind
from scanning.errors import NotALayerError, UnreadableLayerError
from scanning.facts import ImageFacts, LayerFacts
from scanning.layers.compression import Decompressor
from scanning.layers.header import BLOCK_BYTES, ZERO_BLOCK
from scanning.layers.limits import MOST_PACKAGES, InspectionLimits
from scanning.layers.overlay import assemble, crowded
from scanning.oci import media_types
from scanning.oci.classify import is_tar_header
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, ImageConfig, Manifest, Platform

ARTIFACT_HEAD = 64 * 1024
"""How many of a blob's first bytes `could_be_unpacked` wants."""

_HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
_HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
_HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
_WASM = frozenset({"application/wasm", "application/vnd.wasm.content.layer.v1+wasm"})
_WASM_MAGIC = b"\0asm"
_SBOM_STARTS = (b"{", b"<", b"SPDXVersion:")


def declared_type(manifest: Manifest) -> str:
    """What an artifact calls itself (OCI image specification, "Guidelines for Artifact Usage"); "" if it does not."""
    config = manifest.config.media_type if manifest.config else ""
    return manifest.artifact_type or ("" if config == media_types.OCI_EMPTY else config)


def could_be_unpacked(head: bytes, *, is_whole: bool) -> bool:
    """Whether a runtime could unpack the blob that begins with `head`, its first `ARTIFACT_HEAD` bytes or all of it:
    a tar archive, packed in any way that one of them knows. True as well where these bytes do not tell.
    """
    if is_tar_header(head[:BLOCK_BYTES]):
        return True
    block = b""
    decompressor = Decompressor(InspectionLimits())
    steps: Iterable[Callable[[], Iterable[bytes]]] = (
        lambda: decompressor.feed(head),
        lambda: decompressor.finish() if is_whole else (),
    )
    try:
        for step in steps:
            for chunk in step():
                block += chunk[:BLOCK_BYTES]
                if len(block) >= BLOCK_BYTES:
                    return block[:BLOCK_BYTES] == ZERO_BLOCK or is_tar_header(block[:BLOCK_BYTES])
    except NotALayerError:
        return False
    except UnreadableLayerError:
        return True  # other readers may take it
    return not is_whole


def assemble_artifact(
    manifest: Manifest,
    heads: Mapping[Digest, bytes],
    archives: Sequence[LayerFacts],
    *,
    most_packages: int = MOST_PACKAGES,
) -> ImageFacts:
    """The facts of an artifact: what each of its `archives` holds by itself, taken together, so that none hides what
    is in another. `heads` holds the first bytes of its layers. If they tell of more than `most_packages`, that is a
    problem, and no more is looked at. Nothing is raised.
    """
    parts: list[ImageFacts] = []
    problems: tuple[str, ...] = ()
    packages = 0
    for archive in archives:
        parts.append(_alone(manifest, archive, most_packages))
        packages += len(parts[-1].packages)
        if packages > most_packages:
            problems = (crowded(most_packages),)
            break
    return ImageFacts(
        manifest=manifest.digest,
        config=manifest.config.digest if manifest.config else manifest.digest,
        platform=Platform(),
        layers=tuple(layer.digest for layer in manifest.layers),
        diff_ids=tuple(facts.diff_id for facts in archives),
        user="",
        runs_as_root=False,
        distribution=next((part.distribution for part in parts if part.distribution), None),
        packages=tuple(package for part in parts for package in part.packages),
        tools=tuple(tool for part in parts for tool in part.tools),
        secrets=tuple(secret for part in parts for secret in part.secrets),
        files=sum(part.files for part in parts),
        executables=sum(part.executables for part in parts),
        size=sum(layer.size for layer in manifest.layers),
        problems=(*problems, *(problem for part in parts for problem in part.problems)),
        refusals=tuple(refusal for part in parts for refusal in part.refusals),
        artifact=_kind(manifest, heads, archives),
    )


def _alone(manifest: Manifest, facts: LayerFacts, most_packages: int) -> ImageFacts:
    """As an image of this one layer."""
    packed = "" if facts.compression == "none" else f"+{facts.compression}"
    only = Descriptor(f"application/vnd.oci.image.layer.v1.tar{packed}", facts.digest, facts.size)
    config = ImageConfig(platform=Platform(), diff_ids=(facts.diff_id,))
    return assemble(replace(manifest, layers=(only,)), config, [facts], most_packages=most_packages)


def _kind(manifest: Manifest, heads: Mapping[Digest, bytes], archives: Sequence[LayerFacts]) -> ArtifactKind:
    types = {layer.media_type for layer in manifest.layers}
    starts = [heads.get(layer.digest, b"") for layer in manifest.layers]
    if not types:
        return ArtifactKind.OTHER
    if types <= _WASM and all(start.startswith(_WASM_MAGIC) for start in starts):
        return ArtifactKind.WASM
    if types <= media_types.SBOMS and all(start.startswith(_SBOM_STARTS) for start in starts):
        return ArtifactKind.SBOM
    if _is_chart(manifest, types, archives):
        return ArtifactKind.HELM_CHART
    return ArtifactKind.OTHER


def _is_chart(manifest: Manifest, types: set[str], archives: Sequence[LayerFacts]) -> bool:
    """One archive with a Chart.yaml in its only folder, and perhaps a signature of it that Helm made."""
    if manifest.config is None or manifest.config.media_type != _HELM_CONFIG:
        return False
    charts = {layer.digest for layer in manifest.layers if layer.media_type == _HELM_CHART}
    if not types <= {_HELM_CHART, _HELM_PROVENANCE} or {facts.digest for facts in archives} != charts:
        return False
    return (
        all(
            any(entry.path.endswith("/Chart.yaml") and entry.path.count("/") == 1 for entry in facts.entries)
            for facts in archives
        )
        and len(charts) == 1
    )
