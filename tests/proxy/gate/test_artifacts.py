"""Artifacts that are not images: which are allowed where, and what they cannot bring past the gate."""

import bz2
import gzip
import json
import re
from collections.abc import Callable

import pytest

from proxy.errors import BlobUnknownError, DeniedError
from scanning.errors import InvalidManifestError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Tag
from scanning.verdict import Outcome
from tests.images import File, TestImage, debian, descriptor, image, tar
from tests.proxy.gate.signing import legacy_signature
from tests.proxy.gate.world import LATEST, World, layers_of, policy_text, wants_signature
from tests.scanning.files.keys import KEYS
from tests.scanning.signatures.signing import new_key, pem
from tests.scanning.test_lazy_pulling import SOCI_V1, ZTOC, soci_index

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = new_key()
CLEAN = image(debian())
SSH = {"usr/bin/ssh": File(b"\x7fELF", 0o755)}
WITH_SSH = image(debian(), SSH)
SHELL = tar({"srv/run": File(b"#!/bin/sh\n", 0o755)})
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
REPORT = "application/vnd.example.report"


def artifact(
    *contents: bytes,
    layer: str = REPORT,
    config: str = media_types.OCI_EMPTY,
    configuration: bytes = b"{}",
    artifact_type: str = REPORT,
) -> TestImage:
    """An artifact of these contents."""
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": descriptor(configuration, config),
        "layers": [descriptor(content, layer) for content in contents],
    }
    blobs = {Digest.of(blob): blob for blob in (configuration, *contents)}
    return TestImage(json.dumps(body).encode(), media_types.OCI_MANIFEST, blobs)


CHART = artifact(
    gzip.compress(tar({"app/Chart.yaml": b"name: app\n"}), mtime=0),
    layer=HELM_CHART,
    config=HELM_CONFIG,
    configuration=b'{"name": "app"}',
    artifact_type="",
)
SBOM = artifact(b'{"spdxVersion": "SPDX-2.3"}', layer="application/spdx+json", artifact_type="application/spdx+json")
WASM = artifact(
    b"\0asm\x01\0\0\0", layer="application/wasm", config="application/vnd.wasm.config.v0+json", artifact_type=""
)
ATTACHED_SBOM = artifact(
    b"SPDXVersion: SPDX-2.3",
    layer="text/spdx",
    config=media_types.OCI_CONFIG,
    configuration=b'{"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}',
    artifact_type="",
)
OTHER = artifact(b"numbers")
EACH = {"helm-chart": CHART, "sbom": SBOM, "wasm": WASM, "other": OTHER}


class TestAllowed:
    async def test_a_bill_of_materials_that_cosign_or_ko_attached_is_one(self, world: World) -> None:
        await world.change_policy(policy_text(artifacts=["sbom"]))
        await world.push(ATTACHED_SBOM)

        assert (await world.pull()).body == ATTACHED_SBOM.manifest

    @pytest.mark.parametrize("name", EACH)
    async def test_all_are_unless_the_policy_says_otherwise(self, world: World, name: str) -> None:
        pushed = EACH[name]
        await world.push(pushed)

        assert (await world.pull()).body == pushed.manifest
        for blob in pushed.blobs:
            await world.check_blob(blob)

    @pytest.mark.parametrize("name", EACH)
    async def test_none_is_where_the_policy_says_so(self, small_world: World, name: str) -> None:
        await small_world.change_policy(policy_text(artifacts=False))

        with pytest.raises(DeniedError, match=r"this repository takes images only \[artifacts\]"):
            await small_world.push(EACH[name])
        await small_world.push(CLEAN)

    @pytest.mark.parametrize("allowed", EACH)
    async def test_a_kind_is_where_it_is_named(self, small_world: World, allowed: str) -> None:
        await small_world.change_policy(policy_text(artifacts=[allowed]))

        for name, pushed in EACH.items():
            if name == allowed:
                await small_world.push(pushed, Tag(name))
            else:
                with pytest.raises(DeniedError, match=f"and this repository takes {allowed}"):
                    await small_world.push(pushed, Tag(name))

    async def test_t88_a_soci_index_is_only_where_its_type_is_named(self, small_world: World) -> None:
        """It tells the SOCI snapshotter which files an image has, signed or not, so who may push it may change that."""
        table = TestImage(
            soci_index(SOCI_V1, subject=descriptor(CLEAN.manifest, CLEAN.media_type)),
            media_types.OCI_MANIFEST,
            {Digest.of(content): content for content in (b"{}", ZTOC)},
        )
        await small_world.push(CLEAN)
        with pytest.raises(DeniedError, match="it is a SOCI index"):
            await small_world.push(table, table.digest)

        await small_world.change_policy(policy_text(artifacts=["other", SOCI_V1]))
        await small_world.push(table, table.digest)
        assert (await small_world.pull(table.digest)).body == table.manifest

        await small_world.change_policy(policy_text())
        with pytest.raises(DeniedError, match="it is a SOCI index"):
            await small_world.pull(table.digest)
        assert (await small_world.pull()).body == CLEAN.manifest

    async def test_a_type_is_where_it_is_named(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(artifacts=["sbom", REPORT]))

        await small_world.push(OTHER)
        await small_world.push(SBOM)
        with pytest.raises(DeniedError, match=f"content is that of a Helm chart, .* takes sbom, {REPORT}"):
            await small_world.push(CHART)

    async def test_t46_a_name_alone_makes_nothing_a_chart(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(artifacts=["helm-chart"]))
        posing = artifact(gzip.compress(SHELL), layer=HELM_CHART, config=HELM_CONFIG, artifact_type="")

        with pytest.raises(DeniedError, match=rf"{re.escape(HELM_CONFIG)}: .* an artifact of no kind"):
            await small_world.push(posing)

    async def test_signatures_always_are(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(artifacts=[]))
        await small_world.push(CLEAN)

        signature, reference = legacy_signature(KEY, CLEAN.digest)

        assert (await small_world.push(signature, reference)).digest == signature.digest


class TestRefusedLayers:
    """A refused image's layers are still in the registry. No artifact makes them pullable (threats 35 and 46)."""

    async def test_t46_an_artifact_that_refers_to_them_is_refused_as_the_image_is(self, world: World) -> None:
        with pytest.raises(DeniedError):
            await world.push(WITH_SSH)
        layer = layers_of(WITH_SSH)[1]
        posing = artifact(WITH_SSH.blobs[layer])

        with pytest.raises(DeniedError, match=r"ssh in usr/bin/ssh of layer .*: .*\[deny\.tools\]"):
            await world.push(posing)

        with pytest.raises(BlobUnknownError):
            await world.check_blob(layer)

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["unpacked", "packed anew"])
    async def test_t46_nor_does_packing_them_anew_help(self, world: World, pack: Callable[[bytes], bytes]) -> None:
        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.push(artifact(pack(tar(SSH))))

    async def test_t46_nor_leaving_them_the_types_of_layers_beside_an_empty_config(self, world: World) -> None:
        """As `oras push` does with everything."""
        layer = "application/vnd.oci.image.layer.v1.tar"
        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.push(artifact(tar(SSH), layer=layer))
        report = artifact(b"a report", layer=layer, artifact_type="application/vnd.unknown.artifact.v1")

        await world.push(report)

        assert (await world.pull()).digest == report.digest

    async def test_t46_nor_a_packing_that_only_some_runtimes_know(self, small_world: World) -> None:
        with pytest.raises(DeniedError, match=r"H26 ambiguous archive in layer .* compressed with bzip2"):
            await small_world.push(artifact(bz2.compress(tar(SSH))))

    async def test_t46_nor_calling_a_layer_the_config(self, world: World) -> None:
        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.push(artifact(b"report", config="application/vnd.example.config", configuration=tar(SSH)))

    @pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["plain", "gzip", "bzip2"])
    async def test_t46_nor_calling_it_a_bill_of_materials_beside_the_config_of_an_image(
        self, world: World, pack: Callable[[bytes], bytes]
    ) -> None:
        dressed = artifact(pack(SHELL), layer="text/spdx+json", config=media_types.OCI_CONFIG, artifact_type="")
        with pytest.raises(InvalidManifestError, match=r"calls itself text/spdx\+json, .*a runtime could unpack it"):
            await world.push(dressed)

        await world.upload(dressed)
        await world.upstream.put_manifest(world.repository, LATEST, dressed.media_type, dressed.manifest)
        with pytest.raises((DeniedError, InvalidManifestError)):
            await world.pull()

    async def test_t46_nor_the_config_of_a_signature(self, world: World) -> None:
        posing = artifact(b"{}", layer=media_types.COSIGN_SIMPLE_SIGNING, configuration=gzip.compress(tar(SSH)))

        with pytest.raises(InvalidManifestError, match="a runtime could unpack it"):
            await world.push(posing)

    async def test_t46_nor_putting_it_past_the_gate(self, world: World) -> None:
        posing = artifact(tar(SSH))
        await world.put_behind(posing)

        with pytest.raises(DeniedError, match="ssh in usr/bin/ssh"):
            await world.pull()
        for blob in posing.blobs:
            with pytest.raises(DeniedError):
                await world.check_blob(blob)

    async def test_t46_programs_in_an_artifact_need_the_signatures_that_images_need(self, world: World) -> None:
        await world.change_policy(policy_text(signers={"release": pem(KEY)}, require=wants_signature("release")))
        unsigned = artifact(gzip.compress(SHELL))
        await world.push(unsigned)
        await world.push(CHART, Tag("chart"))
        with pytest.raises(DeniedError, match="in quarantine"):
            await world.pull()
        with pytest.raises(DeniedError):
            await world.check_blob(layers_of(unsigned)[0])
        assert (await world.pull(Tag("chart"))).digest == CHART.digest

        await world.push(*legacy_signature(KEY, unsigned.digest))

        assert (await world.pull()).digest == unsigned.digest

    async def test_a_key_in_a_chart_is_found(self, small_world: World) -> None:
        await small_world.change_policy(policy_text(deny={"secrets": {}}))
        leaky = artifact(
            gzip.compress(tar({"app/Chart.yaml": b"name: app\n", "app/files/id": KEYS["EC PKCS8"].encode()})),
            layer=HELM_CHART,
            config=HELM_CONFIG,
        )

        with pytest.raises(DeniedError, match=r"app/files/id .*\[deny\.secrets\]"):
            await small_world.push(leaky)


async def test_the_rules_about_images_alone_leave_artifacts_alone(small_world: World) -> None:
    """Nobody runs a chart as root, and no advisory is about an SBOM."""
    await small_world.change_policy(
        policy_text(
            deny={"root_user": {"effect": "reject"}},
            require={"advisories": {"effect": "reject"}, "vetted_packages": {"purls": ["pkg:deb/debian/*"]}},
        )
    )

    for name, pushed in EACH.items():
        assert (await small_world.push(pushed, Tag(name))).warnings == ()


async def test_artifacts_wait_for_signatures_where_the_policy_wants_them(world: World) -> None:
    signed = wants_signature("release", artifacts=True)
    await world.change_policy(policy_text(signers={"release": pem(KEY)}, require=signed))
    await world.push(CHART)
    with pytest.raises(DeniedError, match=r"in quarantine.*\[require\.signatures\]"):
        await world.pull()

    await world.push(*legacy_signature(KEY, CHART.digest))

    assert await world.behind(LATEST) == CHART.digest
    assert (await world.pull()).digest == CHART.digest


async def test_the_verdict_on_an_artifact_can_be_made_again(small_world: World) -> None:
    await small_world.change_policy(policy_text(artifacts=["helm-chart"]))
    await small_world.push(CHART)
    verdict = await small_world.verdict(CHART.digest)

    assert verdict.inputs.facts is not None
    assert verdict.outcome is Outcome.ADMIT
    assert await small_world.replay.again(verdict) == verdict


async def test_an_artifact_is_inspected_once(small_world: World) -> None:
    await small_world.push(CHART)
    await small_world.push(CHART, Tag("again"))
    await small_world.change_policy(policy_text(artifacts=["helm-chart"]))
    await small_world.pull()

    assert small_world.pool.begun == 1
