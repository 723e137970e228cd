"""What an artifact is, whatever it calls itself, and what lies in it."""

import bz2
import gzip
import json
import lzma

import pytest
import zstandard

from config.vocabulary import ArtifactKind, ToolKind
from scanning.artifacts import ARTIFACT_HEAD, assemble_artifact, could_be_unpacked, declared_type
from scanning.facts import ImageFacts
from scanning.files.examine import Examiner
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.read import read_manifest
from tests.images import File, debian, descriptor, dpkg_status, tar

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"
WASM_MODULE = b"\0asm\x01\0\0\0"
CHART = gzip.compress(tar({"app/Chart.yaml": b"name: app\n", "app/templates/pod.yaml": b"kind: Pod\n"}))
SHELL = tar({"usr/bin/ssh": File(b"\x7fELF", 0o755)})
OPAQUE = "application/octet-stream.example"


def artifact(*layers: tuple[str, bytes], config: str = media_types.OCI_EMPTY, content: bytes = b"{}") -> Manifest:
    """An artifact of layers given as (media type, content), whose config of the type `config` is `content`."""
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(content, config),
        "layers": [descriptor(layer, media_type) for media_type, layer in layers],
    }
    return read_manifest(json.dumps(body).encode(), media_types.OCI_MANIFEST)


def facts_of(*layers: tuple[str, bytes], config: str = media_types.OCI_EMPTY) -> ImageFacts:
    """What is found in an artifact."""
    heads = {Digest.of(layer): layer[:512] for _, layer in layers}
    archives = [
        inspect_layer([layer], InspectionLimits(), Examiner())
        for _, layer in layers
        if could_be_unpacked(layer[:ARTIFACT_HEAD], is_whole=len(layer) <= ARTIFACT_HEAD)
    ]
    return assemble_artifact(artifact(*layers, config=config), heads, archives)


def test_t114_blobs_with_too_many_packages_together_are_a_problem_whatever_else_is_in_them() -> None:
    blobs = [
        ("application/x-tar", tar({"var/lib/dpkg/status": dpkg_status((name, "1"), ("bash", "5"))})) for name in "abc"
    ]
    archives = [inspect_layer([blob], InspectionLimits(), Examiner()) for _, blob in blobs]
    for most, problems in ((6, 0), (3, 1)):
        facts = assemble_artifact(artifact(*blobs), {}, archives, most_packages=most)
        assert [f"inspection limit packages of {most} is passed" in one for one in facts.problems] == [True] * problems
        assert len(facts.packages) <= most + 2


@pytest.mark.parametrize(
    "content",
    [
        SHELL,
        gzip.compress(SHELL),
        gzip.compress(b"") * 50 + gzip.compress(SHELL),
        zstandard.compress(SHELL),
        b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(SHELL),
        bz2.compress(SHELL),
        lzma.compress(SHELL),
        SHELL + b"\0" * ARTIFACT_HEAD,
        gzip.compress(bytes(4096)),
        bytes(4096),
        gzip.compress(SHELL)[:-9],
    ],
    ids=[
        "tar",
        "gzip",
        "gzip after empty members",
        "zstd",
        "zstd after a skippable frame",
        "bzip2",
        "xz",
        "long tar",
        "packed zeros",
        "zeros",
        "gzip cut short",
    ],
)
def test_t46_whatever_a_runtime_could_unpack_is_known_by_its_first_bytes(content: bytes) -> None:
    head = content[:ARTIFACT_HEAD]
    assert could_be_unpacked(head, is_whole=len(content) <= ARTIFACT_HEAD)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\x7fELF" + b"x" * 1000,
        WASM_MODULE,
        gzip.compress(b"{}"),
        gzip.compress(b"x" * 10_000),
        b"PK\x03\x04",
    ],
    ids=["empty", "JSON", "a program", "WASM", "packed JSON", "packed text", "zip"],
)
def test_what_no_runtime_could_unpack_is_left_alone(content: bytes) -> None:
    assert not could_be_unpacked(content, is_whole=True)


def test_t46_what_the_first_bytes_do_not_tell_counts_as_an_archive() -> None:
    empty_members = gzip.compress(b"") * (ARTIFACT_HEAD // 20 + 1)
    skipped = b"\x50\x2a\x4d\x18" + (1 << 20).to_bytes(4, "little")
    for start in (empty_members, skipped + bytes(ARTIFACT_HEAD)):
        assert could_be_unpacked(start[:ARTIFACT_HEAD], is_whole=False)


def test_a_type_is_what_the_artifact_says_else_what_its_config_is() -> None:
    assert declared_type(artifact((OPAQUE, b"x"), config=HELM_CONFIG)) == HELM_CONFIG
    assert declared_type(artifact((OPAQUE, b"x"))) == ""


class TestKind:
    @pytest.mark.parametrize(
        ("layers", "config", "kind"),
        [
            ([(HELM_CHART, CHART)], HELM_CONFIG, ArtifactKind.HELM_CHART),
            ([(HELM_CHART, CHART), (HELM_PROVENANCE, b"-----BEGIN PGP")], HELM_CONFIG, ArtifactKind.HELM_CHART),
            ([("application/wasm", WASM_MODULE)], "application/vnd.wasm.config.v0+json", ArtifactKind.WASM),
            ([("application/spdx+json", b'{"spdxVersion": "SPDX-2.3"}')], media_types.OCI_EMPTY, ArtifactKind.SBOM),
            ([("application/vnd.cyclonedx+xml", b"<?xml")], media_types.OCI_EMPTY, ArtifactKind.SBOM),
            ([("text/spdx", b"SPDXVersion: SPDX-2.3")], media_types.OCI_EMPTY, ArtifactKind.SBOM),
            ([(OPAQUE, b"anything")], media_types.OCI_EMPTY, ArtifactKind.OTHER),
            ([], HELM_CONFIG, ArtifactKind.OTHER),
        ],
        ids=["chart", "signed chart", "wasm", "spdx", "cyclonedx", "spdx text", "other", "nothing"],
    )
    def test_it_is_told_by_type_and_content(
        self, layers: list[tuple[str, bytes]], config: str, kind: ArtifactKind
    ) -> None:
        assert facts_of(*layers, config=config).artifact is kind

    @pytest.mark.parametrize(
        ("layers", "config"),
        [
            ([(HELM_CHART, gzip.compress(SHELL))], HELM_CONFIG),
            ([(HELM_CHART, b"no archive")], HELM_CONFIG),
            ([(HELM_CHART, CHART), (HELM_CHART, gzip.compress(SHELL))], HELM_CONFIG),
            ([(HELM_CHART, CHART), (HELM_PROVENANCE, gzip.compress(SHELL))], HELM_CONFIG),
            ([(HELM_CHART, CHART), (OPAQUE, b"more")], HELM_CONFIG),
            ([(HELM_CHART, CHART)], media_types.OCI_EMPTY),
            ([("application/wasm", gzip.compress(SHELL))], media_types.OCI_EMPTY),
            ([("application/wasm", WASM_MODULE), ("application/wasm", b"#!")], media_types.OCI_EMPTY),
            ([("application/spdx+json", gzip.compress(SHELL))], media_types.OCI_EMPTY),
        ],
        ids=[
            "a layer as chart",
            "nothing as chart",
            "two charts",
            "a layer as provenance",
            "a chart and more",
            "a chart by half",
            "a layer as wasm",
            "a script as wasm",
            "a layer as SBOM",
        ],
    )
    def test_t46_what_its_content_does_not_bear_out_is_another_thing(
        self, layers: list[tuple[str, bytes]], config: str
    ) -> None:
        assert facts_of(*layers, config=config).artifact is ArtifactKind.OTHER


class TestContent:
    def test_t46_what_lies_in_its_archives_is_found(self) -> None:
        facts = facts_of((OPAQUE, gzip.compress(tar(debian(("openssl", "3.0"))))), (OPAQUE, SHELL))

        assert [tool.kind for tool in facts.tools] == [ToolKind.SSH_CLIENT]
        assert "openssl" in [package.name for package in facts.packages]
        assert facts.holds_programs

    def test_t46_no_archive_hides_what_is_in_another(self) -> None:
        for over in (tar({"usr/bin/ssh": b"harmless"}), tar({"usr/.wh.bin": b""})):
            for archives in ((SHELL, over), (over, SHELL)):
                facts = facts_of(*((OPAQUE, archive) for archive in archives))
                assert [tool.path for tool in facts.tools] == ["usr/bin/ssh"]

    def test_a_chart_holds_no_programs(self) -> None:
        facts = facts_of((HELM_CHART, CHART), config=HELM_CONFIG)

        assert (facts.files, facts.holds_programs, facts.problems) == (2, False, ())
