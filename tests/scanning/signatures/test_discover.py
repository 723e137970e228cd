"""Where signatures lie, and what becomes a document."""

from dataclasses import replace
from typing import Any

import pytest

from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, Manifest, ManifestKind
from scanning.oci.media_types import COSIGN_SIMPLE_SIGNING, IN_TOTO, OCI_MANIFEST, SIGSTORE_BUNDLE
from scanning.oci.names import Tag
from scanning.signatures.bundle import MAX_BUNDLE_BYTES
from scanning.signatures.cosign import MAX_PAYLOAD_BYTES
from scanning.signatures.discover import (
    MAX_SIGNATURE_BLOB,
    MAX_SIGNATURES_PER_MANIFEST,
    documents,
    signature_tag,
    signed_prefix,
    wanted_blobs,
)
from scanning.signatures.model import SignatureFormat
from tests.scanning.signatures.signing import IMAGE, MANIFEST, OTHER


def layer(content: bytes, media_type: str = COSIGN_SIMPLE_SIGNING, **more: Any) -> Descriptor:
    annotations = {"dev.cosignproject.cosign/signature": "c2ln"}
    return replace(Descriptor(media_type, Digest.of(content), len(content), annotations), **more)


def signatures(*layers: Descriptor, subject: Digest | None = None) -> Manifest:
    beside = Descriptor(OCI_MANIFEST, subject, 1) if subject else None
    return Manifest(MANIFEST, OCI_MANIFEST, 1, ManifestKind.SIGNATURE, layers=layers, subject=beside)


def test_the_tag_of_signatures_is_cosigns() -> None:
    assert signature_tag(IMAGE) == Tag(f"sha256-{IMAGE.hex}.sig")


def test_the_tag_of_signatures_of_a_sha512_digest_fits_into_a_tag() -> None:
    digest = Digest.of(b"image", "sha512")
    assert signature_tag(digest) == Tag(f"sha512-{digest.hex[:64]}.sig")


@pytest.mark.parametrize("suffix", ["", ".sig"])
def test_a_tag_of_signatures_names_what_they_sign(suffix: str) -> None:
    assert signed_prefix(Tag(f"sha256-{IMAGE.hex}{suffix}")) == str(IMAGE)


@pytest.mark.parametrize("suffix", ["", ".sig"])
def test_t108_and_as_much_of_a_sha512_as_fits(suffix: str) -> None:
    digest = Digest.of(b"image", "sha512")
    assert signed_prefix(Tag(f"sha512-{digest.hex[:64]}{suffix}")) == str(digest)[: len("sha512:") + 64]


@pytest.mark.parametrize("reference", [Tag("latest"), Tag(f"sha256-{IMAGE.hex}.att"), Tag("sha256-abc.sig"), IMAGE])
def test_other_references_name_nothing_signed(reference: Tag | Digest) -> None:
    assert signed_prefix(reference) is None


def test_each_blob_is_wanted_once() -> None:
    one = layer(b"{}")
    assert wanted_blobs(signatures(one, one)) == (one,)


def test_only_signatures_are_wanted() -> None:
    assert wanted_blobs(signatures(layer(b"{}", IN_TOTO))) == ()
    assert documents(signatures(layer(b"{}", IN_TOTO)), IMAGE, {}) == ()


@pytest.mark.parametrize(
    ("media_type", "limit"), [(COSIGN_SIMPLE_SIGNING, MAX_PAYLOAD_BYTES), (SIGSTORE_BUNDLE, MAX_BUNDLE_BYTES)]
)
def test_t58_huge_attachments_are_neither_wanted_nor_signatures(media_type: str, limit: int) -> None:
    huge = layer(b"{}", media_type, size=limit + 1)
    assert limit <= MAX_SIGNATURE_BLOB
    assert wanted_blobs(signatures(huge)) == ()
    [document] = documents(signatures(huge), IMAGE, {huge.digest: b"{}"})
    assert document.payload == ""
    assert document.problem == f"it has {limit + 1} bytes; a signature of its kind has at most {limit}"


def test_t58_endless_signatures_are_cut_to_the_newest() -> None:
    layers = [layer(b"%d" % number) for number in range(MAX_SIGNATURES_PER_MANIFEST + 10)]
    assert wanted_blobs(signatures(*layers)) == tuple(layers[10:])
    assert len(documents(signatures(*layers), IMAGE, {})) == MAX_SIGNATURES_PER_MANIFEST


def test_a_layer_becomes_a_document() -> None:
    [document] = documents(
        signatures(layer(b'{"a": "\xc3\xa9"}')), IMAGE, {layer(b'{"a": "\xc3\xa9"}').digest: b'{"a": "\xc3\xa9"}'}
    )
    assert document.format is SignatureFormat.COSIGN_SIMPLE_SIGNING
    assert document.manifest == MANIFEST
    assert document.subject == IMAGE
    assert document.payload == '{"a": "é"}'
    assert document.signature == "c2ln"
    assert document.problem == ""


def test_a_signature_that_belongs_to_another_image_is_none_of_this_one() -> None:
    assert documents(signatures(layer(b"{}"), subject=OTHER), IMAGE, {layer(b"{}").digest: b"{}"}) == ()


def test_a_missing_blob_is_reported() -> None:
    [document] = documents(signatures(layer(b"{}")), IMAGE, {})
    assert document.problem == f"its content {Digest.of(b'{}')} is not in the registry"


@pytest.mark.parametrize("content", [b"[]", b"{} ", b""])
def test_t60_a_blob_that_its_descriptor_does_not_describe_is_reported(content: bytes) -> None:
    [document] = documents(signatures(layer(b"{}")), IMAGE, {Digest.of(b"{}"): content})
    assert document.payload == ""
    assert document.problem == f"its content is not what its descriptor says: 2 bytes, {Digest.of(b'{}')}"


def test_a_blob_that_is_no_text_is_reported() -> None:
    [document] = documents(signatures(layer(b"\xff")), IMAGE, {Digest.of(b"\xff"): b"\xff"})
    assert (document.payload, document.problem) == ("", "its content is not UTF-8")
