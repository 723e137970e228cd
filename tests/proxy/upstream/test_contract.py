"""What the port promises, on the embedded registry and on docker-registry alike."""

import json
from collections.abc import AsyncIterator

import pytest

from proxy.upstream.port import (
    DigestMismatchError,
    Upload,
    UploadOffsetError,
    UploadUnknownError,
    Upstream,
    UpstreamRefusedError,
)
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_INDEX, OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from scanning.oci.read import MAX_MANIFEST_BYTES
from tests.proxy.upstream.oci_content import chunks, image_manifest, index_of, push_blob, push_image
from tests.registries import fresh_repository

NOWHERE = Digest.of(b"nobody has this")


async def read(upstream: Upstream, repository: Repository, digest: Digest, *bounds: int) -> bytes:
    async with upstream.open_blob(repository, digest, *bounds) as stream:
        assert stream is not None
        return b"".join([chunk async for chunk in stream.chunks])


async def interrupted(content: bytes) -> AsyncIterator[bytes]:
    yield content
    raise ConnectionResetError("the client went away")


# --- blobs


async def test_an_uploaded_blob_can_be_read_whole(upstream: Upstream, repository: Repository) -> None:
    content = bytes(range(256)) * 4096
    digest = await push_blob(upstream, repository, content)
    assert await upstream.blob_size(repository, digest) == len(content)
    async with upstream.open_blob(repository, digest) as stream:
        assert stream is not None
        assert (stream.size, stream.start, stream.end) == (len(content), 0, len(content))
        assert b"".join([chunk async for chunk in stream.chunks]) == content


@pytest.mark.parametrize(("start", "end"), [(0, 1), (0, 10), (3, 7), (9, 10)])
async def test_a_part_of_a_blob_can_be_read(upstream: Upstream, repository: Repository, start: int, end: int) -> None:
    digest = await push_blob(upstream, repository, b"0123456789")
    async with upstream.open_blob(repository, digest, start, end) as stream:
        assert stream is not None
        assert (stream.size, stream.start, stream.end) == (10, start, end)
        assert b"".join([chunk async for chunk in stream.chunks]) == b"0123456789"[start:end]


async def test_a_part_without_an_end_goes_to_the_last_byte(upstream: Upstream, repository: Repository) -> None:
    digest = await push_blob(upstream, repository, b"0123456789")
    assert await read(upstream, repository, digest, 4) == b"456789"


async def test_an_open_blob_can_be_left_before_its_end(upstream: Upstream, repository: Repository) -> None:
    digest = await push_blob(upstream, repository, bytes(5_000_000))
    async with upstream.open_blob(repository, digest) as stream:
        assert stream is not None
        assert await anext(stream.chunks)
    assert await upstream.blob_size(repository, digest) == 5_000_000


async def test_an_empty_blob_is_a_blob(upstream: Upstream, repository: Repository) -> None:
    await upstream.finish_upload(repository, await upstream.begin_upload(repository), Digest.of(b""))
    assert await upstream.blob_size(repository, Digest.of(b"")) == 0
    assert await read(upstream, repository, Digest.of(b"")) == b""


async def test_a_blob_by_its_sha512_digest_is_a_blob(upstream: Upstream, repository: Repository) -> None:
    digest = await push_blob(upstream, repository, b"content", "sha512")
    assert await read(upstream, repository, digest) == b"content"


async def test_a_blob_that_is_not_there_is_none(upstream: Upstream, repository: Repository) -> None:
    assert await upstream.blob_size(repository, NOWHERE) is None
    async with upstream.open_blob(repository, NOWHERE) as stream:
        assert stream is None
    async with upstream.open_blob(repository, NOWHERE, 1, 2) as stream:
        assert stream is None


async def test_t17_a_blob_of_another_repository_is_none(upstream: Upstream, repository: Repository) -> None:
    digest = await push_blob(upstream, repository, b"private")
    other = fresh_repository()
    assert await upstream.blob_size(other, digest) is None
    async with upstream.open_blob(other, digest) as stream:
        assert stream is None


async def test_a_deleted_blob_is_gone_from_that_repository_only(upstream: Upstream, repository: Repository) -> None:
    other = fresh_repository()
    digest = await push_blob(upstream, repository, b"shared")
    await push_blob(upstream, other, b"shared")
    assert await upstream.delete_blob(repository, digest) is True
    assert await upstream.delete_blob(repository, digest) is False
    assert await upstream.blob_size(repository, digest) is None
    assert await read(upstream, other, digest) == b"shared"


async def test_a_deleted_blob_can_be_pushed_again(upstream: Upstream, repository: Repository) -> None:
    content = repository.name.encode()
    digest = await push_blob(upstream, repository, content)
    await upstream.delete_blob(repository, digest)
    await push_blob(upstream, repository, content)
    assert await read(upstream, repository, digest) == content


# --- mounts


async def test_a_blob_is_mounted_from_a_repository_that_has_it(upstream: Upstream, repository: Repository) -> None:
    target = fresh_repository()
    digest = await push_blob(upstream, repository, b"shared layer")
    assert await upstream.mount_blob(target, digest, repository) is True
    assert await read(upstream, target, digest) == b"shared layer"


async def test_a_mount_by_sha512_is_one_only_if_the_blob_is_there_by_that_name(
    upstream: Upstream, repository: Repository
) -> None:
    target, digest = fresh_repository(), Digest.of(b"shared layer", "sha512")
    await push_blob(upstream, repository, b"shared layer", "sha512")
    is_mounted = await upstream.mount_blob(target, digest, repository)
    assert (await upstream.blob_size(target, digest) is not None) is is_mounted


async def test_t13_a_mount_of_what_the_source_lacks_links_nothing(upstream: Upstream, repository: Repository) -> None:
    target = fresh_repository()
    assert await upstream.mount_blob(target, NOWHERE, repository) is False
    assert await upstream.blob_size(target, NOWHERE) is None


# --- uploads


async def test_an_upload_grows_chunk_by_chunk(upstream: Upstream, repository: Repository) -> None:
    upload = await upstream.begin_upload(repository)
    assert upload.offset == 0
    for count in range(1, 4):
        upload = await upstream.append(repository, upload, chunks(b"ab", b"", b"c"))
        assert upload.offset == 3 * count
        assert (await upstream.upload_status(repository, upload)).offset == 3 * count
    await upstream.finish_upload(repository, upload, Digest.of(b"abcabcabc"))
    assert await read(upstream, repository, Digest.of(b"abcabcabc")) == b"abcabcabc"


async def test_a_new_upload_stands_at_nothing(upstream: Upstream, repository: Repository) -> None:
    upload = await upstream.begin_upload(repository)
    assert (await upstream.upload_status(repository, upload)).offset == 0


async def test_an_upload_of_one_byte_stands_at_one(upstream: Upstream, repository: Repository) -> None:
    upload = await upstream.append(repository, await upstream.begin_upload(repository), chunks(b"x"))
    assert (await upstream.upload_status(repository, upload)).offset == 1


async def test_a_chunk_that_breaks_off_is_kept_and_the_upload_goes_on(
    upstream: Upstream, repository: Repository
) -> None:
    begun = await upstream.begin_upload(repository)
    with pytest.raises(ConnectionResetError):
        await upstream.append(repository, begun, interrupted(b"first half, "))
    resumed = await upstream.upload_status(repository, begun)
    assert resumed.offset == 12
    done = await upstream.append(repository, resumed, chunks(b"second half"))
    await upstream.finish_upload(repository, done, Digest.of(b"first half, second half"))
    assert await upstream.blob_size(repository, Digest.of(b"first half, second half")) == 23


@pytest.mark.parametrize("offset", [0, 2, 4])
async def test_a_chunk_at_the_wrong_offset_is_refused_and_nothing_is_lost(
    upstream: Upstream, repository: Repository, offset: int
) -> None:
    upload = await upstream.append(repository, await upstream.begin_upload(repository), chunks(b"abc"))
    with pytest.raises(UploadOffsetError) as refusal:
        await upstream.append(repository, Upload(upload.state, offset), chunks(b"x"))
    assert refusal.value.offset == 3
    assert (await upstream.upload_status(repository, upload)).offset == 3
    await upstream.finish_upload(repository, upload, Digest.of(b"abc"))


async def test_bytes_of_another_digest_are_refused_and_the_upload_is_gone(
    upstream: Upstream, repository: Repository
) -> None:
    upload = await upstream.append(repository, await upstream.begin_upload(repository), chunks(b"evil"))
    with pytest.raises(DigestMismatchError):
        await upstream.finish_upload(repository, upload, Digest.of(b"good"))
    assert await upstream.blob_size(repository, Digest.of(b"good")) is None
    assert await upstream.blob_size(repository, Digest.of(b"evil")) is None
    with pytest.raises(UploadUnknownError):
        await upstream.upload_status(repository, upload)


async def test_a_cancelled_upload_is_unknown(upstream: Upstream, repository: Repository) -> None:
    upload = await upstream.begin_upload(repository)
    await upstream.cancel_upload(repository, upload)
    await upstream.cancel_upload(repository, upload)
    with pytest.raises(UploadUnknownError):
        await upstream.upload_status(repository, upload)
    with pytest.raises(UploadUnknownError):
        await upstream.append(repository, upload, chunks(b"x"))
    with pytest.raises(UploadUnknownError):
        await upstream.finish_upload(repository, upload, Digest.of(b""))


async def test_t18_an_upload_is_unknown_in_another_repository(upstream: Upstream, repository: Repository) -> None:
    upload = await upstream.begin_upload(repository)
    with pytest.raises(UploadUnknownError):
        await upstream.upload_status(fresh_repository(), upload)


@pytest.mark.parametrize(
    "state",
    ["", "nonsense", "../../secret", "http://127.0.0.1:1/v2/x/blobs/uploads/1", "/v2/a/blobs/uploads/../../x", "/ x"],
)
async def test_a_state_that_is_none_of_ours_is_unknown(upstream: Upstream, repository: Repository, state: str) -> None:
    with pytest.raises(UploadUnknownError):
        await upstream.upload_status(repository, Upload(state, 0))


# --- manifests


async def test_a_manifest_is_fetched_by_tag_and_by_digest_as_it_was_pushed(
    upstream: Upstream, repository: Repository
) -> None:
    body = await push_image(upstream, repository)
    await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
    by_tag = await upstream.get_manifest(repository, Tag("v1"))
    by_digest = await upstream.get_manifest(repository, Digest.of(body))
    assert by_tag is not None
    assert by_tag == by_digest
    assert (by_tag.digest, by_tag.media_type, by_tag.body) == (Digest.of(body), OCI_MANIFEST, body)


async def test_a_manifest_of_nearly_four_mebibytes_is_stored(upstream: Upstream, repository: Repository) -> None:
    document = json.loads(await push_image(upstream, repository))
    body = json.dumps({**document, "annotations": {"filler": "x" * (MAX_MANIFEST_BYTES - 2000)}}).encode()
    await upstream.put_manifest(repository, Tag("large"), OCI_MANIFEST, body)
    found = await upstream.get_manifest(repository, Tag("large"))
    assert found is not None
    assert found.body == body


async def test_a_manifest_pushed_by_digest_has_no_tag(upstream: Upstream, repository: Repository) -> None:
    body = await push_image(upstream, repository)
    await upstream.put_manifest(repository, Digest.of(body), OCI_MANIFEST, body)
    assert await upstream.get_manifest(repository, Digest.of(body)) is not None
    assert not await upstream.tags(repository)


async def test_a_manifest_under_a_wrong_digest_is_refused(upstream: Upstream, repository: Repository) -> None:
    body = await push_image(upstream, repository)
    with pytest.raises((DigestMismatchError, UpstreamRefusedError)):
        await upstream.put_manifest(repository, NOWHERE, OCI_MANIFEST, body)
    assert await upstream.get_manifest(repository, NOWHERE) is None


async def test_a_tag_moves_to_the_manifest_pushed_last(upstream: Upstream, repository: Repository) -> None:
    first, second = [await push_image(upstream, repository, text) for text in ("one", "two")]
    for body in (first, second):
        await upstream.put_manifest(repository, Tag("latest"), OCI_MANIFEST, body)
    found = await upstream.get_manifest(repository, Tag("latest"))
    assert found is not None
    assert found.body == second
    assert await upstream.get_manifest(repository, Digest.of(first)) is not None


async def test_an_index_is_stored_when_its_manifests_are(upstream: Upstream, repository: Repository) -> None:
    child = await push_image(upstream, repository)
    index = index_of(child)
    with pytest.raises(UpstreamRefusedError) as refusal:
        await upstream.put_manifest(repository, Tag("multi"), OCI_INDEX, index)
    assert refusal.value.code == "MANIFEST_BLOB_UNKNOWN"
    await upstream.put_manifest(repository, Digest.of(child), OCI_MANIFEST, child)
    await upstream.put_manifest(repository, Tag("multi"), OCI_INDEX, index)
    found = await upstream.get_manifest(repository, Tag("multi"))
    assert found is not None
    assert (found.media_type, found.body) == (OCI_INDEX, index)


async def test_a_manifest_whose_blobs_are_missing_is_refused(upstream: Upstream, repository: Repository) -> None:
    with pytest.raises(UpstreamRefusedError) as refusal:
        await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, image_manifest(b"{}", b"nowhere"))
    assert refusal.value.code == "MANIFEST_BLOB_UNKNOWN"
    assert await upstream.get_manifest(repository, Tag("v1")) is None


async def test_what_is_no_manifest_is_none(upstream: Upstream, repository: Repository) -> None:
    assert await upstream.get_manifest(repository, Tag("latest")) is None
    assert await upstream.get_manifest(repository, NOWHERE) is None


async def test_a_manifest_of_another_repository_is_none(upstream: Upstream, repository: Repository) -> None:
    body = await push_image(upstream, repository)
    await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
    assert await upstream.get_manifest(fresh_repository(), Digest.of(body)) is None


async def test_a_deleted_manifest_takes_its_tags_with_it(upstream: Upstream, repository: Repository) -> None:
    kept, gone = [await push_image(upstream, repository, text) for text in ("kept", "gone")]
    await upstream.put_manifest(repository, Tag("kept"), OCI_MANIFEST, kept)
    for tag in ("gone", "gone-too"):
        await upstream.put_manifest(repository, Tag(tag), OCI_MANIFEST, gone)
    assert await upstream.delete_manifest(repository, Digest.of(gone)) is True
    assert await upstream.delete_manifest(repository, Digest.of(gone)) is False
    assert await upstream.get_manifest(repository, Tag("gone")) is None
    assert await upstream.tags(repository) == (Tag("kept"),)


# --- referrers


async def test_referrers_are_the_manifests_with_that_subject(upstream: Upstream, repository: Repository) -> None:
    subject = await push_image(upstream, repository)
    await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, subject)
    assert await upstream.referrers(repository, Digest.of(subject)) == ()
    signature = image_manifest(b'{"of": "a layer"}', b"a layer", subject)
    await upstream.put_manifest(repository, Digest.of(signature), OCI_MANIFEST, signature)
    found = await upstream.referrers(repository, Digest.of(subject))
    assert [(one.digest, one.media_type, one.body) for one in found] == [
        (Digest.of(signature), OCI_MANIFEST, signature)
    ]


async def test_nothing_refers_to_what_nobody_knows(upstream: Upstream, repository: Repository) -> None:
    assert await upstream.referrers(repository, NOWHERE) == ()


# --- lists


async def test_all_tags_are_listed_in_order(upstream: Upstream, repository: Repository) -> None:
    body = await push_image(upstream, repository)
    names = [f"v{number}" for number in range(120)]
    for name in names:
        await upstream.put_manifest(repository, Tag(name), OCI_MANIFEST, body)
    assert await upstream.tags(repository) == tuple(Tag(name) for name in sorted(names))


async def test_an_unknown_repository_has_no_list_of_tags(upstream: Upstream, repository: Repository) -> None:
    assert await upstream.tags(repository) is None


async def test_repositories_are_listed_in_order(upstream: Upstream) -> None:
    pushed = [fresh_repository() for _ in range(3)]
    for repository in pushed:
        body = await push_image(upstream, repository)
        await upstream.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
    found = await upstream.repositories()
    assert set(pushed) <= set(found)
    assert list(found) == sorted(found)


async def test_it_answers(upstream: Upstream) -> None:
    await upstream.check()
