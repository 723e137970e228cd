"""Threat 46: nothing that a runtime could unpack is called anything but an image."""

import io
import posixpath
import re
import tarfile

import pytest

from scanning.errors import InvalidManifestError
from scanning.oci.classify import DOCUMENT_HEAD, check_bills, check_documents
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.oci.media_types import (
    COSIGN_SIMPLE_SIGNING,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DSSE_ENVELOPE,
    FOREIGN_LAYERS,
    IN_TOTO,
    LAYER_COMPRESSION,
    OCI_CONFIG,
    OCI_EMPTY,
    OCI_MANIFEST,
    SBOMS,
    SIGSTORE_BUNDLE,
)
from scanning.oci.read import read_manifest
from tests.scanning.oci.shapes import OCI_LAYER, Document, body, digest, manifest

DOCUMENTS = [COSIGN_SIMPLE_SIGNING, SIGSTORE_BUNDLE, DSSE_ENVELOPE, IN_TOTO, "application/jose+json"]


def read(document: Document) -> Manifest:
    return read_manifest(body(document), document["mediaType"])


@pytest.mark.parametrize("dummy", [*DOCUMENTS, "application/wasm", "application/vnd.wasm.content.layer.v1+wasm"])
@pytest.mark.parametrize("layer", sorted(LAYER_COMPRESSION | dict.fromkeys(FOREIGN_LAYERS, "")))
@pytest.mark.parametrize("config", [OCI_CONFIG, DOCKER_CONFIG, OCI_EMPTY, "application/vnd.example+json"])
def test_t46_one_dummy_layer_does_not_hide_an_image(dummy: str, layer: str, config: str) -> None:
    assert read(manifest(config, dummy, layer)).kind is ManifestKind.IMAGE
    assert read(manifest(config, layer, dummy)).kind is ManifestKind.IMAGE


@pytest.mark.parametrize(
    "layer",
    [
        OCI_LAYER.upper(),
        OCI_LAYER + "+encrypted",
        "application/vnd.oci.image.layer.v9.unknown",
        "application/vnd.docker.image.rootfs.diff.tar.lzma",
    ],
)
def test_t46_unknown_layer_types_of_images_make_an_image(layer: str) -> None:
    assert read(manifest(OCI_EMPTY, layer)).kind is ManifestKind.IMAGE


def test_t46_only_the_true_empty_config_makes_layers_of_images_an_artifact() -> None:
    document = manifest(OCI_EMPTY, OCI_LAYER)
    empty = document["config"] | {"digest": str(Digest.of(b"{}"))}
    assert read(document | {"config": empty}).kind is ManifestKind.ARTIFACT
    assert read(document).kind is ManifestKind.IMAGE
    assert read(document | {"config": empty | {"mediaType": OCI_CONFIG}}).kind is ManifestKind.IMAGE
    assert read(document | {"config": empty | {"mediaType": "application/json"}}).kind is ManifestKind.IMAGE
    docker = document | {"config": empty, "mediaType": DOCKER_MANIFEST}
    assert read(docker).kind is ManifestKind.IMAGE


@pytest.mark.parametrize(
    "config",
    [
        OCI_CONFIG,
        OCI_CONFIG.upper(),
        DOCKER_CONFIG,
        "application/vnd.oci.image.anything",
        "application/vnd.docker.plugin.v1+json",
    ],
)
def test_t46_podman_unpacks_any_layer_below_an_image_config(config: str) -> None:
    assert read(manifest(config, "application/wasm")).kind is ManifestKind.IMAGE


@pytest.mark.parametrize("config", ["application/octet-stream", "application/json", "text/html"])
def test_t46_docker_takes_unspecific_types_for_old_images(config: str) -> None:
    assert read(manifest(config, "application/octet-stream")).kind is ManifestKind.IMAGE
    assert read(manifest(config, "application/octet-stream", "application/wasm")).kind is ManifestKind.ARTIFACT


@pytest.mark.parametrize(
    ("config", "layer"),
    [
        ("application/json", "application/vnd.oci.image"),
        ("application/json", "application/vnd.oci.image.rootfs.v1"),
        ("application/json", "application/vnd.docker"),
        ("application/json", "application/octet-stream.v1"),
        ("application/json.v1", "application/octet-stream"),
        ("application/vnd.oci.image", "text/html"),
        ("application/vnd.docker", "APPLICATION/OCTET-STREAM"),
    ],
)
def test_t46_docker_takes_its_types_in_any_mixture_and_whatever_lies_below_them(config: str, layer: str) -> None:
    assert read(manifest(config, layer)).kind is ManifestKind.IMAGE


@pytest.mark.parametrize("config", [OCI_EMPTY, "application/vnd.example+json"])
def test_t46_podman_unpacks_any_docker_manifest(config: str) -> None:
    document = manifest(config, "application/wasm", media_type=DOCKER_MANIFEST)
    assert read(document).kind is ManifestKind.IMAGE


@pytest.mark.parametrize("artifact_type", [SIGSTORE_BUNDLE, "application/vnd.cncf.notary.signature"])
def test_t46_an_artifact_type_does_not_hide_an_image(artifact_type: str) -> None:
    document = manifest(OCI_CONFIG, OCI_LAYER, artifactType=artifact_type)
    assert read(document).kind is ManifestKind.IMAGE


@pytest.mark.parametrize("bill", sorted(SBOMS))
def test_bills_of_materials_beside_the_config_of_an_image_are_an_artifact(bill: str) -> None:
    assert read(manifest(OCI_CONFIG, bill)).kind is ManifestKind.ARTIFACT
    assert read(manifest(OCI_CONFIG, bill, OCI_LAYER)).kind is ManifestKind.IMAGE
    assert read(manifest(OCI_CONFIG, bill, "application/wasm")).kind is ManifestKind.IMAGE
    assert read(manifest(DOCKER_CONFIG, bill, media_type=DOCKER_MANIFEST)).kind is ManifestKind.IMAGE


def test_t46_what_a_runtime_could_unpack_is_no_bill_of_materials() -> None:
    bills = read(manifest(OCI_CONFIG, "text/spdx+json", "text/spdx+json"))
    check_bills(bills, [])
    for blob in bills.blobs:
        with pytest.raises(InvalidManifestError, match=f"{blob.digest} calls itself .*a runtime could unpack it"):
            check_bills(bills, [blob.digest])
    other = read(manifest("application/vnd.example+json", "text/spdx+json"))
    check_bills(other, [blob.digest for blob in other.blobs])  # no runtime takes it: what is in it is judged


def test_t46_an_image_without_layers_is_an_image() -> None:
    assert read(manifest(OCI_CONFIG)).kind is ManifestKind.IMAGE


def heads(*layers: bytes, config: bytes = b"{}") -> dict[Digest, bytes]:
    """The first bytes of the blobs of a manifest that `shapes` made."""
    named = {f"layer {number}": layer for number, layer in enumerate(layers)} | {"config": config}
    return {Digest.parse(digest(name)): content[:DOCUMENT_HEAD] for name, content in named.items()}


def tar(name: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        writer.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def polyglot() -> bytes:
    """A tar archive (of the oldest kind) that begins like JSON and whose one file is `bin/sh` once unpacked."""
    header = b'{"a":"/../bin/sh'.ljust(100, b" ") + b"0000755 0000000 0000000 00000001000 00000000000 "
    header += b" " * 8 + b"0" + b" " * (DOCUMENT_HEAD - 157)
    checksum = b"%06o  " % sum(header)
    return header[:148] + checksum + header[156:] + b"x" * 510 + b'"}'


@pytest.mark.parametrize("media_type", DOCUMENTS)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x1f\x8b\x08\x00",
        b"\x28\xb5\x2f\xfd",
        b"\x50\x2a\x4d\x18",
        b"BZh9",
        b"\xfd7zXZ\x00",
        bytes(1024),
        tar("bin/sh", b"#!"),
        tar("{}", b"#!"),
        polyglot(),
    ],
    ids=["empty", "gzip", "zstd", "zstd-skippable", "bzip2", "xz", "zeros", "tar", "tar-of-braces", "polyglot"],
)
@pytest.mark.parametrize("config", [OCI_CONFIG, OCI_EMPTY])
def test_t46_an_archive_dressed_as_a_signature_is_refused(media_type: str, content: bytes, config: str) -> None:
    signature = read(manifest(config, media_type))
    assert signature.kind is ManifestKind.SIGNATURE
    with pytest.raises(InvalidManifestError, match="a runtime could unpack it"):
        check_documents(signature, heads(content))


def test_t46_an_archive_dressed_as_the_config_of_a_signature_is_refused() -> None:
    signature = read(manifest(OCI_CONFIG, COSIGN_SIMPLE_SIGNING))
    with pytest.raises(InvalidManifestError, match=f"blob {digest('config')} calls itself {re.escape(OCI_CONFIG)}"):
        check_documents(signature, heads(b"{}", config=tar("bin/sh", b"#!")))


def test_t46_the_polyglot_is_a_tar_archive_of_a_shell() -> None:
    with tarfile.open(fileobj=io.BytesIO(polyglot())) as archive:
        assert [posixpath.normpath(entry.name.strip()) for entry in archive] == ["/bin/sh"]


@pytest.mark.parametrize("content", [b"{}", b'{"critical": {}}', b'{"a": "' + b"x" * 5000 + b'"}'])
def test_documents_are_signatures(content: bytes) -> None:
    check_documents(read(manifest(OCI_CONFIG, COSIGN_SIMPLE_SIGNING)), heads(content))


def test_a_cose_signature_is_a_document_and_a_tar_archive_is_none() -> None:
    signature = read(manifest("application/vnd.cncf.notary.signature", "application/cose"))
    check_documents(signature, heads(b"\xd2\x84"))
    with pytest.raises(InvalidManifestError, match="application/cose, but is not such a document"):
        check_documents(signature, heads(tar("bin/sh", b"#!")))


def test_every_layer_of_a_signature_must_be_there_to_be_checked() -> None:
    signature = read(manifest(OCI_CONFIG, COSIGN_SIMPLE_SIGNING, COSIGN_SIMPLE_SIGNING))
    with pytest.raises(InvalidManifestError, match=f"blob {digest('layer 1')} of a signature is not there"):
        check_documents(signature, heads(b"{}"))


def test_what_is_no_signature_has_no_documents_to_check() -> None:
    check_documents(read_manifest(body(manifest(OCI_CONFIG, OCI_LAYER)), OCI_MANIFEST), {})
