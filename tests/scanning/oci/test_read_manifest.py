"""Manifests and indexes are read in one way only, or refused."""

import base64
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import InvalidContentError, InvalidManifestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind, Platform
from scanning.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)
from scanning.oci.read import MAX_DESCRIPTORS, MAX_MANIFEST_BYTES, check_descriptor_sizes, read_manifest
from tests.scanning.oci.shapes import (
    AMD64,
    MANIFESTS,
    OCI_LAYER,
    Document,
    body,
    descriptor,
    digest,
    index,
    manifest,
    without,
)


def refusal(document: Any, content_type: str = OCI_MANIFEST) -> str:
    with pytest.raises(InvalidManifestError) as caught:
        read_manifest(document if isinstance(document, bytes) else body(document), content_type)
    return str(caught.value)


def with_layer(**fields: Any) -> Document:
    return {**manifest(OCI_CONFIG), "layers": [{**descriptor(OCI_LAYER), **fields}]}


@pytest.mark.parametrize("writer", MANIFESTS)
def test_what_real_tools_write_is_read(writer: str) -> None:
    document, kind = MANIFESTS[writer]
    content = body(document)
    read = read_manifest(content, document.get("mediaType", OCI_MANIFEST))
    assert read.kind is kind
    assert read.digest == Digest.of(content)
    assert read.size == len(content)
    assert [str(layer.digest) for layer in read.layers] == [layer["digest"] for layer in document.get("layers") or ()]
    assert [str(child.digest) for child in read.children] == [
        child["digest"] for child in document.get("manifests", ())
    ]


def test_everything_a_manifest_says_is_kept() -> None:
    read = read_manifest(
        body(
            manifest(
                OCI_CONFIG,
                OCI_LAYER,
                subject=descriptor(OCI_MANIFEST, "subject", 7),
                artifactType="application/vnd.example",
                annotations={"a": "b"},
            )
        ),
        OCI_MANIFEST,
    )
    assert read.config is not None
    assert str(read.config.digest) == digest("config")
    assert read.layers[0].media_type == OCI_LAYER
    assert read.layers[0].size == 1234
    assert read.subject is not None
    assert (str(read.subject.digest), read.subject.size) == (digest("subject"), 7)
    assert read.artifact_type == "application/vnd.example"
    assert read.annotations == {"a": "b"}


def test_the_digest_is_computed_with_the_algorithm_asked_for() -> None:
    content = body(manifest())
    assert read_manifest(content, OCI_MANIFEST, "sha512").digest == Digest.of(content, "sha512")


def test_the_platform_of_a_child_is_kept() -> None:
    read = read_manifest(body(index(descriptor(OCI_MANIFEST, platform={**AMD64, "variant": "v2"}))), OCI_INDEX)
    assert read.children[0].platform == Platform("linux", "amd64", "v2")


@pytest.mark.parametrize("content_type", [DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED])
def test_t38_schema_1_is_refused_by_its_content_type(content_type: str) -> None:
    assert refusal({"schemaVersion": 1}, content_type).startswith("the manifest has Docker's schema 1")


@pytest.mark.parametrize("content_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_t38_schema_1_is_refused_by_its_content(content_type: str) -> None:
    schema1 = {"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [], "history": [], "signatures": []}
    assert refusal(schema1, content_type).startswith("the manifest has Docker's schema 1")


def test_t38_schema_1_layers_in_a_schema_2_manifest_are_refused() -> None:
    assert refusal(manifest(fsLayers=[])).startswith("the manifest has Docker's schema 1")


@pytest.mark.parametrize("key", ["Layers", "LAYERS", "layer\u017f"])
def test_t39_a_second_list_of_layers_under_another_spelling_is_refused(key: str) -> None:
    assert "differ only in case" in refusal({**manifest(OCI_CONFIG), key: [descriptor(OCI_LAYER)]})


FIELDS = ("schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "annotations")


@pytest.mark.parametrize(
    ("name", "key"),
    [(name, name.upper()) for name in FIELDS]
    + [(name, name.capitalize()) for name in FIELDS]
    + [(name, name.replace("s", "\u017f")) for name in FIELDS if "s" in name],
)
def test_t39_a_lone_field_spelt_in_another_case_is_refused(name: str, key: str) -> None:
    document = without(manifest(OCI_CONFIG), name)
    assert f"some readers take it as {name}: spell it {name}" in refusal({**document, key: []})


@pytest.mark.parametrize("key", ["Digest", "SIZE", "mediatype", "URLS", "dige\u017ft", "Data", "Platform"])
def test_t39_a_field_of_a_descriptor_spelt_in_another_case_is_refused(key: str) -> None:
    layer = without(descriptor(OCI_LAYER), key.casefold())
    message = refusal({**manifest(OCI_CONFIG), "layers": [{**layer, key: "x"}]})
    assert message.startswith("the manifest.layers[0] holds the key") or "differ only in case" in message


def test_t39_a_platform_field_spelt_in_another_case_is_refused() -> None:
    document = index(descriptor(OCI_MANIFEST, platform={"OS": "linux", "architecture": "amd64"}))
    assert "the manifest.manifests[0].platform holds the key 'OS'" in refusal(document, OCI_INDEX)


def test_t40_what_cannot_be_parsed_is_refused_as_a_manifest() -> None:
    assert "nests deeper" in refusal(b'{"a":' * 1_100 + b"1" + b"}" * 1_100)
    assert "64 bits" in refusal(b'{"schemaVersion": ' + b"2" * 5_000 + b"}")
    assert "not UTF-8" in refusal(b'{"schemaVersion": 2, "\xff": 1}')


def test_t41_a_second_list_of_layers_is_refused() -> None:
    content = body(manifest(OCI_CONFIG, OCI_LAYER))
    assert "holds the key 'layers' twice" in refusal(content[:-1] + b', "layers": []}')


@pytest.mark.parametrize(
    ("sent", "stated"),
    [(OCI_MANIFEST, OCI_INDEX), (OCI_INDEX, OCI_MANIFEST), (OCI_MANIFEST, DOCKER_MANIFEST), (DOCKER_INDEX, OCI_INDEX)],
)
def test_t42_a_content_type_that_differs_from_the_media_type_is_refused(sent: str, stated: str) -> None:
    shape = index() if sent in (OCI_INDEX, DOCKER_INDEX) else manifest()
    assert f"was sent as {sent} but has the mediaType '{stated}'" in refusal({**shape, "mediaType": stated}, sent)


@pytest.mark.parametrize("value", [[], None, [{"mediaType": OCI_MANIFEST}]])
def test_t42_a_manifest_that_also_lists_manifests_is_refused(value: Any) -> None:
    assert "is an image manifest but holds manifests" in refusal(manifest(OCI_CONFIG, OCI_LAYER, manifests=value))


@pytest.mark.parametrize("name", ["config", "layers", "blobs"])
@pytest.mark.parametrize("value", [[], {}, None])
def test_t42_an_index_that_also_has_parts_of_an_image_is_refused(name: str, value: Any) -> None:
    assert f"is an index but holds {name}" in refusal(index(**{name: value}), OCI_INDEX)


def test_t42_empty_manifests_do_not_turn_an_image_into_an_index() -> None:
    document = without(manifest(OCI_CONFIG, OCI_LAYER, manifests=[]), "mediaType")
    assert "is an image manifest but holds manifests" in refusal(document, OCI_MANIFEST)
    assert "is an index but holds config" in refusal(document, OCI_INDEX)


def test_t42_an_index_without_children_is_an_index() -> None:
    assert read_manifest(body(index()), OCI_INDEX).kind is ManifestKind.INDEX


@pytest.mark.parametrize("content_type", [OCI_MANIFEST + "; charset=utf-8", OCI_MANIFEST.upper(), f" {OCI_MANIFEST} "])
def test_parameters_and_case_of_the_content_type_carry_no_meaning(content_type: str) -> None:
    assert read_manifest(body(manifest()), content_type).media_type == OCI_MANIFEST


@pytest.mark.parametrize("content_type", ["", "application/json", f"{OCI_MANIFEST}, {OCI_INDEX}", "text/plain\x1b[0m"])
def test_an_unknown_content_type_is_refused(content_type: str) -> None:
    message = refusal(manifest(), content_type)
    assert "is not that of a manifest or index" in message
    assert "\x1b" not in message


@pytest.mark.parametrize(("shape", "content_type"), [(manifest(), DOCKER_MANIFEST), (index(), DOCKER_INDEX)])
def test_docker_documents_must_name_their_media_type(shape: Document, content_type: str) -> None:
    assert "has the mediaType ''" in refusal(without(shape, "mediaType"), content_type)


@pytest.mark.parametrize("name", ["schemaVersion", "config", "layers"])
def test_what_a_manifest_must_have_may_not_be_missing(name: str) -> None:
    assert f"lacks {name}" in refusal(without(manifest(), name))


def test_an_index_must_list_manifests() -> None:
    assert "is an index but lacks manifests" in refusal(without(index(), "manifests"), OCI_INDEX)


@pytest.mark.parametrize("version", [0, 3, -2])
def test_only_schema_version_2_exists(version: int) -> None:
    assert f"has schemaVersion {version}" in refusal({**manifest(), "schemaVersion": version})


@pytest.mark.parametrize("version", [True, 2.0, "2", [2]])
def test_the_schema_version_is_an_integer(version: Any) -> None:
    assert "the manifest.schemaVersion must be an integer" in refusal({**manifest(), "schemaVersion": version})


@pytest.mark.parametrize("document", [[], "text", 1, None, True])
def test_a_manifest_is_an_object(document: Any) -> None:
    assert "the manifest must be an object" in refusal(document)


@pytest.mark.parametrize("value", ["", "latest", "sha256:abc", "sha256:" + "A" * 64, "md5:" + "0" * 32])
def test_a_descriptor_needs_a_registered_digest(value: str) -> None:
    message = refusal(with_layer(digest=value))
    assert "is not a digest" in message or "lacks digest" in message


@pytest.mark.parametrize("value", ["12", 1.0, True, None, [1]])
def test_a_size_is_an_integer(value: Any) -> None:
    message = refusal(with_layer(size=value))
    assert "layers[0].size must be an integer" in message or "layers[0] lacks size" in message


def test_t45_a_negative_size_is_refused() -> None:
    assert refusal(with_layer(size=-1)) == "the manifest.layers[0].size is -1; a blob cannot be smaller than empty"


@pytest.mark.parametrize("value", ["", "tar", "a/", "/b", "a/b/c", "a/b; c=d", "a/b c", "a/" + "b" * 128, "\u0430/b"])
def test_a_media_type_follows_its_grammar(value: str) -> None:
    message = refusal(with_layer(mediaType=value))
    assert "is not a media type" in message or "lacks mediaType" in message


@pytest.mark.parametrize("value", [{"a": 1}, {"a": None}, ["a"], "a"])
def test_annotations_are_strings(value: Any) -> None:
    assert "annotations" in refusal(manifest(annotations=value))


def test_t44_urls_are_kept_for_the_policy_to_judge() -> None:
    read = read_manifest(body(with_layer(urls=["http://169.254.169.254/latest/meta-data"])), OCI_MANIFEST)
    assert read.layers[0].urls == ("http://169.254.169.254/latest/meta-data",)


@pytest.mark.parametrize("value", ["http://a", [1], {"a": "b"}])
def test_t44_urls_that_are_no_list_of_strings_are_refused(value: Any) -> None:
    assert "layers[0].urls" in refusal(with_layer(urls=value))


def embedded(content: bytes, **fields: Any) -> Document:
    return with_layer(
        **{
            "data": base64.b64encode(content).decode(),
            "digest": str(Digest.of(content)),
            "size": len(content),
            **fields,
        }
    )


def test_embedded_data_is_kept() -> None:
    assert read_manifest(body(embedded(b"{}")), OCI_MANIFEST).layers[0].data == b"{}"


@pytest.mark.parametrize("fields", [{"size": 3}, {"digest": digest("else")}])
def test_embedded_data_must_be_what_the_descriptor_says(fields: Document) -> None:
    assert "is not the content that its digest and size name" in refusal(embedded(b"{}", **fields))


@pytest.mark.parametrize("data", ["e30", "e3\n0=", "e30= ", "-_-_"])
def test_embedded_data_is_plain_base64(data: str) -> None:
    assert "data is not base64" in refusal(embedded(b"{}", data=data))


def test_t45_one_blob_cannot_have_two_sizes() -> None:
    layers = [descriptor(OCI_LAYER, "same", 1), descriptor(OCI_LAYER, "same", 2)]
    assert "two different sizes" in refusal({**manifest(), "layers": layers})


def test_the_same_layer_may_appear_twice() -> None:
    layers = [descriptor(OCI_LAYER, "same"), descriptor(OCI_LAYER, "same")]
    read = read_manifest(body({**manifest(), "layers": layers}), OCI_MANIFEST)
    assert len(read.layers) == 2
    assert len(read.blobs) == 2


def test_the_number_of_layers_is_bounded() -> None:
    layers = [descriptor(OCI_LAYER)] * (MAX_DESCRIPTORS + 1)
    assert f"lists {MAX_DESCRIPTORS + 1} layers" in refusal({**manifest(), "layers": layers})


def test_t33_a_manifest_over_4_mib_is_refused() -> None:
    assert f"at most {MAX_MANIFEST_BYTES} are read" in refusal(b" " * (MAX_MANIFEST_BYTES + 1))


def test_t45_true_sizes_pass() -> None:
    read = read_manifest(body(manifest(OCI_CONFIG, OCI_LAYER)), OCI_MANIFEST)
    check_descriptor_sizes(read, {blob.digest: 1234 for blob in read.blobs})


@pytest.mark.parametrize("wrong", ["config", "layer 0"])
def test_t45_a_size_that_differs_from_the_blob_is_refused_naming_the_blob(wrong: str) -> None:
    read = read_manifest(body(manifest(OCI_CONFIG, OCI_LAYER)), OCI_MANIFEST)
    sizes = {blob.digest: 1234 for blob in read.blobs} | {Digest.parse(digest(wrong)): 99}
    with pytest.raises(InvalidManifestError, match=f"blob {digest(wrong)} has 1234 bytes, but it has 99"):
        check_descriptor_sizes(read, sizes)


def test_t45_a_blob_of_unknown_size_is_refused() -> None:
    read = read_manifest(body(manifest(OCI_CONFIG)), OCI_MANIFEST)
    with pytest.raises(InvalidManifestError, match=f"the size of blob {digest('config')} is not known"):
        check_descriptor_sizes(read, {})


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from([OCI_LAYER, digest("a"), 2]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mediaType", "digest", "size", "data", "urls", "platform"]), inner)
    ),
    max_leaves=10,
)


@given(st.sampled_from(sorted(MANIFESTS)), st.dictionaries(st.sampled_from(FIELDS), VALUE, max_size=3))
def test_whatever_stands_in_a_field_is_read_or_refused(writer: str, changes: Document) -> None:
    document, _ = MANIFESTS[writer]
    with suppress(InvalidContentError):
        read_manifest(body({**document, **changes}), document.get("mediaType", OCI_MANIFEST))


@given(st.binary(max_size=100), st.text(max_size=80) | st.sampled_from([OCI_MANIFEST, DOCKER_MANIFEST, DOCKER_CONFIG]))
def test_any_bytes_are_read_or_refused(content: bytes, content_type: str) -> None:
    with pytest.raises(InvalidManifestError):
        read_manifest(content, content_type)
