"""The list of referrers under a tag, in front of docker-registry, which has no API for it."""

import json
from typing import Any

import aiohttp
import pytest

from proxy.upstream.port import StoredManifest
from proxy.upstream.referrers import ReferrersTags
from proxy.upstream.remote import RemoteUpstream
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_INDEX, OCI_MANIFEST
from scanning.oci.names import Reference, Repository
from scanning.oci.read import read_manifest
from scanning.oci.referrers import referrers_tag
from tests.proxy.upstream.oci_content import image_manifest, index_of, push_image
from tests.registries import RealRegistry

pytestmark = pytest.mark.real


async def push_referrer(upstream: RemoteUpstream, repository: Repository, subject: bytes, text: str) -> bytes:
    """Push a manifest that names `subject`."""
    await push_image(upstream, repository, text)
    made = image_manifest(json.dumps({"of": text}).encode(), text.encode(), subject)
    await upstream.put_manifest(repository, Digest.of(made), OCI_MANIFEST, made)
    return made


async def listed(upstream: RemoteUpstream, repository: Repository, subject: bytes) -> list[dict[str, Any]]:
    """What a client of the registry alone reads under the tag."""
    index = await upstream.get_manifest(repository, referrers_tag(Digest.of(subject)))
    assert index is not None
    entries: list[dict[str, Any]] = json.loads(index.body)["manifests"]
    return entries


async def test_what_is_pushed_through_the_gate_is_listed_beside_what_was_there(
    remote: RemoteUpstream, repository: Repository
) -> None:
    subject, before = [await push_image(remote, repository, text) for text in ("subject", "before the gate")]
    await remote.put_manifest(repository, Digest.of(before), OCI_MANIFEST, before)
    await remote.put_manifest(repository, referrers_tag(Digest.of(subject)), OCI_INDEX, index_of(before))

    made = await push_referrer(remote, repository, subject, "sbom")
    await remote.put_manifest(repository, Digest.of(made), OCI_MANIFEST, made)

    entries = await listed(remote, repository, subject)
    assert [entry["digest"] for entry in entries] == [str(Digest.of(before)), str(Digest.of(made))]
    assert entries[1] == {
        "mediaType": OCI_MANIFEST,
        "digest": str(Digest.of(made)),
        "size": len(made),
        "artifactType": "application/vnd.oci.image.config.v1+json",
    }


async def test_what_is_deleted_is_listed_no_more(remote: RemoteUpstream, repository: Repository) -> None:
    subject = await push_image(remote, repository, "subject")
    kept, gone = [await push_referrer(remote, repository, subject, text) for text in ("kept", "gone")]
    assert await remote.delete_manifest(repository, Digest.of(gone)) is True
    assert [entry["digest"] for entry in await listed(remote, repository, subject)] == [str(Digest.of(kept))]


async def test_what_was_deleted_without_the_gate_does_not_keep_others_out(
    remote: RemoteUpstream, docker_registry: RealRegistry, repository: Repository
) -> None:
    subject = await push_image(remote, repository, "subject")
    gone = await push_referrer(remote, repository, subject, "gone")
    address = f"{docker_registry.url}/v2/{repository}/manifests/{Digest.of(gone)}"
    async with aiohttp.ClientSession() as session, session.delete(address) as answer:
        assert answer.status == 202

    made = await push_referrer(remote, repository, subject, "new")

    assert [entry["digest"] for entry in await listed(remote, repository, subject)] == [str(Digest.of(made))]


async def test_a_tag_that_names_something_else_is_left_alone(remote: RemoteUpstream, repository: Repository) -> None:
    subject, image = [await push_image(remote, repository, text) for text in ("subject", "an image")]
    await remote.put_manifest(repository, referrers_tag(Digest.of(subject)), OCI_MANIFEST, image)
    await push_referrer(remote, repository, subject, "sbom")
    found = await remote.get_manifest(repository, referrers_tag(Digest.of(subject)))
    assert found is not None
    assert found.digest == Digest.of(image)


async def test_t70_a_list_that_somebody_else_wrote_over_is_written_again(repository: Repository) -> None:
    subject = image_manifest(b"config", b"layer")
    ours, theirs = [image_manifest(b"config", text, subject) for text in (b"ours", b"theirs")]
    lists = [index_of()]

    async def get(_repository: Repository, _reference: Reference) -> StoredManifest:
        return StoredManifest(Digest.of(lists[-1]), OCI_INDEX, lists[-1])

    async def put(_repository: Repository, _reference: Reference, _media_type: str, body: bytes) -> None:
        lists.append(body)
        if len(lists) == 2:
            lists.append(index_of(theirs))

    await ReferrersTags(get, put).add(repository, read_manifest(ours, OCI_MANIFEST))

    names = [entry["digest"] for entry in json.loads(lists[-1])["manifests"]]
    assert names == [str(Digest.of(theirs)), str(Digest.of(ours))]
