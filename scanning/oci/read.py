"""Reads manifests, indexes and image configurations strictly: what this accepts, every other reader takes the same way.

    bytes --strict_json--> objects --fields--> typed values --here--> Manifest, ImageConfig

OCI image specification, manifest.md, image-index.md and config.md; Docker image manifest version 2, schema 2.
"""

from collections.abc import Mapping

from scanning.errors import InvalidDigestError, InvalidJsonError, InvalidManifestError
from scanning.oci import media_types
from scanning.oci.classify import classify
from scanning.oci.descriptors import DESCRIPTOR, read_descriptor, read_media_type
from scanning.oci.digest import Digest
from scanning.oci.fields import Fields, Schema
from scanning.oci.manifest import Descriptor, HistoryEntry, ImageConfig, Manifest, ManifestKind, Platform
from scanning.oci.strict_json import parse

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""The largest manifest that is read (OCI distribution specification, "Pushing manifests"; threat 33)."""
MAX_CONFIG_BYTES = 8 * 1024 * 1024
"""The largest image configuration that is read."""
MAX_DESCRIPTORS = 4096
"""The most layers, or children of an index, that a manifest may list."""

_MANIFEST = Schema(
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
    "blobs",
)
_CONFIG = Schema(
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "created",
    "author",
    "config",
    "rootfs",
    "history",
    "container",
    "container_config",
    "docker_version",
    "id",
    "parent",
)
_RUN_CONFIG = Schema(
    "User",
    "ExposedPorts",
    "Env",
    "Entrypoint",
    "Cmd",
    "Volumes",
    "WorkingDir",
    "Labels",
    "StopSignal",
    "ArgsEscaped",
    "Healthcheck",
    "OnBuild",
    "Shell",
    "StopTimeout",
    "Image",
    "Hostname",
    "Domainname",
)
_HEALTHCHECK = Schema("Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries")
_ROOTFS = Schema("type", "diff_ids")
_HISTORY = Schema("created", "created_by", "author", "comment", "empty_layer")


def read_manifest(body: bytes, content_type: str, algorithm: str = "sha256") -> Manifest:
    """Read a manifest or index that was sent as `content_type`; its digest is computed with `algorithm`.

    Raises `InvalidManifestError` for whatever another reader could take differently or not at all.
    """
    try:
        return _read_manifest(body, content_type, algorithm)
    except (InvalidJsonError, InvalidDigestError) as error:
        raise InvalidManifestError(str(error)) from error


def read_config(body: bytes) -> ImageConfig:
    """Read an image configuration. Raises `InvalidManifestError`."""
    try:
        return _read_config(body)
    except (InvalidJsonError, InvalidDigestError) as error:
        raise InvalidManifestError(str(error)) from error


def check_descriptor_sizes(manifest: Manifest, sizes: Mapping[Digest, int]) -> None:
    """Check that every blob is as large as its descriptor says (threat 45). `sizes` are the true sizes in bytes.

    Raises `InvalidManifestError`, naming the blob, also for one that `sizes` does not hold and that cannot lie
    elsewhere.
    """
    for blob in manifest.blobs:
        true_size = sizes.get(blob.digest)
        if true_size is None:
            if blob.may_lie_elsewhere:
                continue
            raise InvalidManifestError(f"the size of blob {blob.digest} is not known; push it before the manifest")
        if true_size != blob.size:
            raise InvalidManifestError(
                f"the manifest says that blob {blob.digest} has {blob.size} bytes, but it has {true_size}"
            )


def _read_manifest(body: bytes, content_type: str, algorithm: str) -> Manifest:
    declared = _declared_type(content_type)
    fields = Fields.of(parse(body, "the manifest", MAX_MANIFEST_BYTES), "the manifest", _MANIFEST)
    _check_version(fields)
    _check_media_type(fields, declared)
    is_index = declared in media_types.INDEXES
    _check_shape(fields, is_index=is_index)
    config = None if is_index else read_descriptor(fields.child("config", DESCRIPTOR))
    layers = _read_descriptors(fields, "layers")
    subject = fields.optional_child("subject", DESCRIPTOR)
    manifest = Manifest(
        digest=Digest.of(body, algorithm),
        media_type=declared,
        size=len(body),
        kind=ManifestKind.INDEX if config is None else classify(declared, config, layers),
        config=config,
        layers=layers,
        children=_read_descriptors(fields, "manifests"),
        subject=read_descriptor(subject) if subject else None,
        artifact_type=read_media_type(fields, "artifactType"),
        annotations=fields.text_map("annotations"),
    )
    _check_consistent_sizes((*manifest.children, *manifest.layers, *((config,) if config else ())))
    return manifest


def _declared_type(content_type: str) -> str:
    """The media type in a Content-Type header, without its parameters, which carry no meaning here."""
    declared = content_type.partition(";")[0].strip().lower()
    if declared in media_types.SCHEMA1:
        raise InvalidManifestError(_SCHEMA1)
    if declared not in media_types.MANIFESTS:
        raise InvalidManifestError(
            f"Content-Type {content_type[:200]!a} is not that of a manifest or index:"
            f" send {' or '.join(media_types.ACCEPT_MANIFESTS)}"
        )
    return declared


_SCHEMA1 = (
    "the manifest has Docker's schema 1, which was withdrawn because it cannot be verified;"
    " push it again with a client newer than 2016 (schema 2 or OCI)"
)


def _check_version(fields: Fields) -> None:
    version = fields.integer("schemaVersion")
    if version == 1 or "fsLayers" in fields.values:
        raise InvalidManifestError(_SCHEMA1)
    if version != 2:
        raise InvalidManifestError(f"the manifest has schemaVersion {version}; only 2 exists")


def _check_media_type(fields: Fields, declared: str) -> None:
    """Threat 42. OCI documents may leave mediaType out, Docker's may not."""
    stated = fields.text("mediaType")
    if not stated and declared in (media_types.OCI_MANIFEST, media_types.OCI_INDEX):
        return
    if stated != declared:
        raise InvalidManifestError(
            f"the manifest was sent as {declared} but has the mediaType {stated[:200]!a}: they must be equal,"
            " or readers could take it for different things"
        )


def _check_shape(fields: Fields, *, is_index: bool) -> None:
    """An index lists manifests, a manifest has a config and layers, and nothing has both, even empty or null."""
    foreign = ("config", "layers", "blobs") if is_index else ("manifests", "blobs")
    required = "manifests" if is_index else "layers"
    called = "an index" if is_index else "an image manifest"
    for name in foreign:
        if name in fields.values:
            raise InvalidManifestError(
                f"the manifest is {called} but holds {name}, so readers could disagree what it is"
            )
    if required not in fields.values:
        raise InvalidManifestError(f"the manifest is {called} but lacks {required}")


def _read_descriptors(fields: Fields, name: str) -> tuple[Descriptor, ...]:
    count = len(fields.items(name))
    if count > MAX_DESCRIPTORS:
        raise InvalidManifestError(f"the manifest lists {count} {name}; at most {MAX_DESCRIPTORS} are read")
    return tuple(read_descriptor(child) for child in fields.children(name, DESCRIPTOR))


def _check_consistent_sizes(descriptors: tuple[Descriptor, ...]) -> None:
    sizes: dict[Digest, int] = {}
    for descriptor in descriptors:
        if sizes.setdefault(descriptor.digest, descriptor.size) != descriptor.size:
            raise InvalidManifestError(f"the manifest gives {descriptor.digest} two different sizes")


def _read_config(body: bytes) -> ImageConfig:
    what = "the image configuration"
    fields = Fields.of(parse(body, what, MAX_CONFIG_BYTES), what, _CONFIG)
    rootfs = fields.child("rootfs", _ROOTFS)
    if rootfs.text("type") != "layers":
        raise InvalidManifestError(f"{rootfs.where}.type must be layers, not {rootfs.text('type')[:80]!a}")
    run = fields.optional_child("config", _RUN_CONFIG) or Fields(f"{what}.config", {})
    return ImageConfig(
        platform=Platform(fields.text("os"), fields.text("architecture"), fields.text("variant")),
        diff_ids=tuple(Digest.parse(diff_id) for diff_id in rootfs.texts("diff_ids")),
        user=run.text("User"),
        environment=run.texts("Env"),
        labels=run.text_map("Labels"),
        entrypoint=run.texts("Entrypoint"),
        command=run.texts("Cmd"),
        exposed_ports=tuple(run.entries("ExposedPorts")),
        volumes=tuple(run.entries("Volumes")),
        healthcheck=_healthcheck(run),
        working_directory=run.text("WorkingDir"),
        stop_signal=run.text("StopSignal"),
        created=fields.text("created"),
        history=tuple(_read_history(entry) for entry in fields.children("history", _HISTORY)),
    )


def _healthcheck(run: Fields) -> tuple[str, ...]:
    healthcheck = run.optional_child("Healthcheck", _HEALTHCHECK)
    test = healthcheck.texts("Test") if healthcheck else ()
    return () if test[:1] == ("NONE",) else test


def _read_history(entry: Fields) -> HistoryEntry:
    return HistoryEntry(entry.text("created_by"), entry.text("comment"), entry.flag("empty_layer"))
