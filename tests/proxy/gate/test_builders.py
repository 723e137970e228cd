"""What every builder writes is admitted, and its packages are found: no builder's habits are mistaken for an attack."""

import gzip
from collections.abc import Callable, Mapping

import pytest

from proxy.errors import DeniedError
from scanning.documents import decode
from scanning.facts import ImageFacts
from scanning.oci.digest import Digest
from scanning.verdict import Outcome
from storage import documents
from tests import builders
from tests.images import TestImage, tar
from tests.proxy.gate.world import World
from tests.scanning.layers.lazy import TOC_DIGEST, Lazy, Member, Table, estargz

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = "deb base-files 12.4"

FOUND: dict[Callable[[], TestImage], set[str]] = {
    builders.kaniko: {BASE, "deb libthing1 1.0-2"},
    builders.jib: {
        *(BASE, "maven org.yaml:snakeyaml 1.33", "maven org.apache.commons:commons-text 1.10.0"),
        f"maven {builders.LONG_NAME} 1.2.3",
    },
    builders.bazel: {BASE, "pypi requests 2.32.0"},
    builders.apko: {"apk wolfi-baselayout 20230201-r24", "apk glibc 2.41-r3"},
    builders.nix: {"nix glibc 2.40-66", "nix hello 2.12.1"},
    builders.buildkit: {BASE, "pypi flask 3.0.0"},
    builders.podman_chunked: {BASE},
    builders.windows_of_ko: set(),
}


async def facts_of(world: World, digest: Digest) -> ImageFacts:
    """What was found in an image."""
    verdict = await world.verdict(digest)
    assert verdict.outcome is Outcome.ADMIT
    assert verdict.inputs.facts is not None
    async with world.database.snapshot() as tx:
        document = await documents.get(tx, verdict.inputs.facts)
    assert document is not None
    return decode(ImageFacts, document)


def told(facts: ImageFacts) -> set[str]:
    """Its packages."""
    return {f"{package.type} {package.name} {package.version}" for package in facts.packages}


@pytest.mark.parametrize("build", FOUND, ids=lambda build: build.__name__)
async def test_what_a_builder_writes_is_admitted_with_its_packages(
    build: Callable[[], TestImage], small_world: World
) -> None:
    image = build()
    pushed = await small_world.push(image)

    assert [warning for warning in pushed.warnings if "executable file" not in warning] == []
    assert told(await facts_of(small_world, image.digest)) == FOUND[build]
    assert (await small_world.pull()).body == image.manifest


def lazy_image(lazy: Lazy, annotations: Mapping[str, str]) -> TestImage:
    """An image of one eStargz layer."""
    layer = builders.Layer(f"{builders.OCI_TAR}+gzip", lazy.blob, Digest.of(lazy.archive), annotations)
    return builders.image_of((layer,), {"config": {"User": "1000"}})


def with_another_program(table: Table) -> None:
    table["entries"].append({"name": "usr/bin/nc", "type": "reg", "mode": 0o755})


async def test_t88_a_table_of_contents_that_shows_lazy_runtimes_something_else_is_refused(small_world: World) -> None:
    program = (Member("usr/bin/app", b"#!/bin/sh\n", mode=0o755),)
    forged = estargz(program, with_another_program)
    with pytest.raises(DeniedError, match="lists a path that the archive does not have") as refused:
        await small_world.push(lazy_image(forged, forged.annotations))
    assert "usr/bin/nc" in str(refused.value)
    assert "H26" in str(refused.value)

    true = estargz(program)
    await small_world.push(lazy_image(true, true.annotations))
    with pytest.raises(DeniedError, match=r"toc\.digest 'sha256:0000"):
        await small_world.push(lazy_image(true, {TOC_DIGEST: f"sha256:{'0' * 64}"}))


async def test_t88_images_that_were_converted_for_other_lazy_runtimes_are_refused(small_world: World) -> None:
    """Nydus keeps the files in blobs of its own, and OverlayBD in a block device."""
    table = tar({"image/image.boot": b"\xe2\xe1\xf5\xe0" + bytes(1020)})
    device = tar({"overlaybd.commit": b"LSMT\0\1\2\0" + bytes(4088)})
    blob = builders.Layer(
        "application/vnd.oci.image.layer.nydus.blob.v1",
        b"chunks of files" * 100,
        Digest.of(b"chunks of files" * 100),
        {"containerd.io/snapshot/nydus-blob": "true"},
    )
    bootstrap = builders.Layer(
        f"{builders.OCI_TAR}+gzip",
        gzip.compress(table),
        Digest.of(table),
        {"containerd.io/snapshot/nydus-bootstrap": "true"},
    )
    overlaybd = builders.Layer(
        builders.OCI_TAR,
        device,
        Digest.of(device),
        {"containerd.io/snapshot/overlaybd/blob-digest": str(Digest.of(device))},
    )
    for layers in ((blob, bootstrap), (bootstrap,), (overlaybd,)):
        with pytest.raises(DeniedError, match="before it was converted for lazy pulling"):
            await small_world.push(builders.image_of(layers, {"config": {"User": "1000"}}))


async def test_what_kaniko_hides_is_hidden_and_what_it_links_is_there(small_world: World) -> None:
    image = builders.kaniko()
    await small_world.push(image)

    facts = await facts_of(small_world, image.digest)
    assert facts.files == 5  # os-release, passwd, status and the two names of one program
    assert facts.executables == 2


async def test_an_index_of_buildkit_is_admitted_with_what_it_attests(small_world: World) -> None:
    index = builders.buildkit_index()
    await small_world.push(index)

    for child in index.children:
        assert (await small_world.pull(child.digest)).body == child.manifest
        assert (await small_world.verdict(child.digest)).outcome is Outcome.ADMIT
    assert (await small_world.pull()).digest == index.digest
