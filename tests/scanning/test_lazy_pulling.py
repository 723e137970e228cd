"""Threat 88: what leads runtimes that pull lazily past the archives is refused: SOCI, Nydus, OverlayBD."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from config.policy import Policy
from scanning.judge import judge
from scanning.oci import media_types
from scanning.oci.manifest import ManifestKind
from scanning.oci.read import read_manifest
from scanning.verdict import Outcome, Verdict
from tests.images import descriptor
from tests.scanning.test_judge import NOW, case, policy

SOCI_V1 = "application/vnd.amazon.soci.index.v1+json"
SOCI_V2 = "application/vnd.amazon.soci.index.v2+json"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
NYDUS_BLOB = "application/vnd.oci.image.layer.nydus.blob.v1"
ZTOC = b"\x18\0\0\0\0\0\0\0\x0e\0\x18\0\x04\0\x08\0\x0c\0\x10\0\x14\0"  # how a table of SOCI begins: flatbuffers
SUBJECT = descriptor(b"an image", media_types.OCI_MANIFEST)


def manifest(
    *layers: Mapping[str, Any], config: str = media_types.OCI_CONFIG, content: bytes = b"{}", **more: Any
) -> bytes:
    """A manifest as Go writes it."""
    document = {"schemaVersion": 2, "mediaType": media_types.OCI_MANIFEST, "config": descriptor(content, config)}
    return json.dumps({**document, "layers": layers, **more}, separators=(",", ":")).encode()


def soci_index(config: str, **more: Any) -> bytes:
    """As `soci create` (v1) or `soci convert` (v2) writes it."""
    table = descriptor(ZTOC, "application/octet-stream") | {
        "annotations": {
            "com.amazon.soci.image-layer-digest": f"sha256:{'1' * 64}",
            "com.amazon.soci.image-layer-mediaType": GZIP,
            "com.amazon.soci.span-size": "4194304",
        }
    }
    tool = {"com.amazon.soci.build-tool-identifier": "AWS SOCI CLI v0.2"}
    return manifest(table, config=config, annotations=tool, **more)


def layer(annotations: Mapping[str, str], media_type: str = GZIP) -> dict[str, Any]:
    return descriptor(b"content", media_type) | {"annotations": annotations}


def judged(body: bytes, under: Policy) -> Verdict:
    read = read_manifest(body, media_types.OCI_MANIFEST)
    plain = case()
    return judge(replace(plain, manifest=read), under, NOW)


@pytest.mark.parametrize(
    "index",
    [
        pytest.param(soci_index(SOCI_V1, subject=SUBJECT), id="v1"),
        pytest.param(soci_index(SOCI_V2), id="v2"),
        pytest.param(soci_index(media_types.OCI_EMPTY, artifactType=SOCI_V1, subject=SUBJECT), id="by its type alone"),
        pytest.param(soci_index(SOCI_V2, artifactType="application/vnd.example.report"), id="called something else"),
    ],
)
@pytest.mark.parametrize("artifacts", [True, ["other"], ["other", "application/vnd.example.report"]])
def test_t88_an_index_of_soci_is_refused_unless_the_policy_names_it(index: bytes, artifacts: Any) -> None:
    verdict = judged(index, policy(artifacts=artifacts))
    assert verdict.outcome is Outcome.REJECT
    assert [one.rule for one in verdict.violations] == ["artifacts"]
    assert "it is a SOCI index" in verdict.violations[0].sentence
    assert "in artifacts of the policy" in verdict.violations[0].sentence


@pytest.mark.parametrize("kind", ["application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.in-toto+json"])
def test_t88_an_index_of_soci_that_poses_as_an_image_or_a_signature(kind: str) -> None:
    posing = manifest(descriptor(ZTOC, kind), config=SOCI_V2)
    assert read_manifest(posing, media_types.OCI_MANIFEST).kind in {ManifestKind.IMAGE, ManifestKind.SIGNATURE}
    assert "it is a SOCI index" in judged(posing, policy()).violations[0].sentence


def test_an_index_of_soci_that_the_policy_names_is_admitted() -> None:
    assert judged(soci_index(SOCI_V2), policy(artifacts=[SOCI_V2])).outcome is Outcome.ADMIT
    assert judged(soci_index(SOCI_V1, subject=SUBJECT), policy(artifacts=[SOCI_V2])).outcome is Outcome.REJECT


def test_an_image_that_names_its_index_of_soci_is_an_image() -> None:
    """The index is judged by itself, and nobody can get it from the gate unless it is admitted."""
    converted = manifest(
        descriptor(b"content", GZIP), annotations={"com.amazon.soci.index-digest": f"sha256:{'2' * 64}"}
    )
    assert judged(converted, policy()).outcome is Outcome.ADMIT


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        pytest.param(
            (
                layer({"containerd.io/snapshot/nydus-blob": "true"}, NYDUS_BLOB),
                layer(
                    {
                        "containerd.io/snapshot/nydus-bootstrap": "true",
                        "containerd.io/snapshot/nydus-fs-version": "6",
                    }
                ),
            ),
            "nydus-blob",
            id="Nydus",
        ),
        pytest.param((layer({"containerd.io/snapshot/nydus-bootstrap": "true"}),), "nydus-bootstrap", id="table alone"),
        pytest.param(
            (
                layer(
                    {
                        "containerd.io/snapshot/overlaybd/blob-digest": f"sha256:{'3' * 64}",
                        "containerd.io/snapshot/overlaybd/blob-size": "4096",
                    },
                    "application/vnd.oci.image.layer.v1.tar",
                ),
            ),
            "overlaybd/blob-digest",
            id="OverlayBD",
        ),
        pytest.param(
            (layer({"containerd.io/snapshot/remote/soci.index.digest": f"sha256:{'4' * 64}"}),),
            "soci.index.digest",
            id="SOCI, by a label",
        ),
        pytest.param(
            (layer({"containerd.io/snapshot/stargz/layer.digest": f"sha256:{'7' * 64}"}),),
            "stargz/layer.digest",
            id="eStargz, its tables as another image",
        ),
        pytest.param((layer({"containerd.io/snapshot.ref": "a"}),), "snapshot.ref", id="another snapshot"),
        pytest.param((layer({"containerd.io/snapshot/of-tomorrow": "a"}),), "of-tomorrow", id="not known yet"),
    ],
)
@pytest.mark.parametrize("config", [media_types.OCI_CONFIG, "application/vnd.example.config"])
def test_t88_annotations_that_snapshotters_obey_are_refused(
    layers: tuple[Mapping[str, Any], ...], told: str, config: str
) -> None:
    verdict = judged(manifest(*layers, config=config, subject=SUBJECT), policy(artifacts=True))
    assert (verdict.outcome, verdict.violations[0].check) == (Outcome.REJECT, "H26")
    assert told in verdict.violations[0].sentence
    assert "before it was converted for lazy pulling" in verdict.violations[0].sentence


def test_t88_one_sentence_for_all_layers_of_an_image() -> None:
    blobs = [
        descriptor(b"%d" % number, NYDUS_BLOB) | {"annotations": {"containerd.io/snapshot/nydus-blob": "true"}}
        for number in range(5)
    ]
    (violation,) = judged(manifest(*blobs), policy()).violations
    assert "layer 1 and 4 more: its annotation" in violation.sentence


def test_annotations_that_say_nothing_to_snapshotters_are_admitted() -> None:
    plain = layer(
        {
            "containerd.io/snapshot/stargz/toc.digest": f"sha256:{'5' * 64}",
            "io.containers.estargz.uncompressed-size": "1024",
            "containerd.io/uncompressed": f"sha256:{'6' * 64}",
            "buildkit/rewritten-timestamp": "0",
        }
    )
    assert judged(manifest(plain), policy()).outcome is Outcome.ADMIT
