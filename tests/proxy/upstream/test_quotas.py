"""Quotas of the embedded registry: refused before it is too late, whoever else pushes at the same time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest

from config.patterns import RepositoryPattern
from config.settings import Quota
from proxy.errors import to_wire
from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.port import QuotaExceededError, UploadUnknownError, Upstream
from proxy.upstream.quotas import Quotas
from proxy.upstream.slots import TENANT
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.proxy.upstream.oci_content import chunks, push_blob

APP, OTHER, FREE = Repository("team/app"), Repository("team/other"), Repository("free/app")
BYTES = 100
OpenRegistry = Callable[..., EmbeddedUpstream]


def quota(limit: int, *patterns: str) -> Quota:
    return Quota(repositories=tuple(map(RepositoryPattern, patterns)), bytes=limit)


@pytest.fixture
async def open_registry(database_url: str, tmp_path: Path) -> AsyncIterator[OpenRegistry]:
    """The same registry, as often as one likes, as replicas have it."""
    opened = [await Database.open(database_url) for _ in range(3)]
    left = iter(opened)

    def open_one(*quotas: Quota) -> EmbeddedUpstream:
        content = FilesystemContent(tmp_path / "content")
        return EmbeddedUpstream(next(left), content, quotas=Quotas(quotas or (quota(BYTES, "team/**"),)))

    yield open_one
    for database in opened:
        await database.close()


async def untouched() -> AsyncIterator[bytes]:
    """A body that nobody may read."""
    pytest.fail("the body was read")
    yield b""


async def refusal_of(work: Iterable[object] | object) -> str:
    """The sentence of the `QuotaExceededError` that awaiting `work` raises."""
    with pytest.raises(QuotaExceededError) as caught:
        await work  # type: ignore[misc]
    return str(caught.value)


async def test_what_is_known_to_be_too_long_is_refused_before_it_is_read(open_registry: OpenRegistry) -> None:
    registry = open_registry()
    await push_blob(registry, APP, bytes(60))
    upload = await registry.begin_upload(APP)
    said = await refusal_of(registry.append(APP, upload, untouched(), length=41))
    assert "the quota of team/** is 100 bytes, 60 of them are used, and 41 more bytes are wanted" in said
    assert "content.quotas" in said
    with pytest.raises(UploadUnknownError):
        await registry.upload_status(APP, upload)


async def test_what_turns_out_too_long_is_refused_when_it_passes_the_quota(
    open_registry: OpenRegistry, tmp_path: Path
) -> None:
    registry = open_registry()
    upload = await registry.append(APP, await registry.begin_upload(APP), chunks(bytes(60)))
    said = await refusal_of(registry.append(APP, upload, chunks(bytes(30), bytes(11), bytes(1 << 20))))
    assert "101 more bytes are wanted" in said
    assert not any((tmp_path / "content" / "uploads").iterdir())


async def test_a_quota_can_be_used_to_the_last_byte_and_then_no_upload_begins(open_registry: OpenRegistry) -> None:
    registry = open_registry()
    await push_blob(registry, APP, bytes(BYTES))
    assert "an upload is wanted" in await refusal_of(registry.begin_upload(APP))
    assert (await registry.begin_upload(FREE)).offset == 0


async def test_all_repositories_of_a_pattern_share_its_quota(open_registry: OpenRegistry) -> None:
    registry = open_registry()
    await push_blob(registry, APP, b"a" * 60)
    await refusal_of(push_blob(registry, OTHER, b"b" * 60))
    assert await registry.blob_size(OTHER, Digest.of(b"b" * 60)) is None


async def test_the_most_specific_pattern_decides(open_registry: OpenRegistry) -> None:
    registry = open_registry(quota(10, "**"), quota(50, "team/*"), quota(0, "team/other"))
    await push_blob(registry, APP, bytes(50))
    await refusal_of(push_blob(registry, OTHER, b"b"))
    await push_blob(registry, FREE, bytes(10))
    await refusal_of(push_blob(registry, FREE, b"b"))


async def test_a_blob_that_the_repository_has_costs_nothing_again(open_registry: OpenRegistry) -> None:
    registry = open_registry()
    for _ in range(2):
        await push_blob(registry, APP, bytes(50))
    upload = await registry.append(APP, await registry.begin_upload(APP), chunks(bytes(50)))
    await push_blob(registry, APP, b"b" * 50)
    await registry.finish_upload(APP, upload, Digest.of(bytes(50)))


async def test_a_mount_costs_what_an_upload_does(open_registry: OpenRegistry) -> None:
    registry = open_registry()
    digest = await push_blob(registry, FREE, bytes(60))
    assert await registry.mount_blob(APP, digest, FREE) is True
    assert await registry.mount_blob(APP, digest, FREE) is True
    await refusal_of(registry.mount_blob(OTHER, digest, FREE))
    assert await registry.blob_size(OTHER, digest) is None


async def test_deleting_makes_room(open_registry: OpenRegistry) -> None:
    registry = open_registry()
    digest = await push_blob(registry, APP, bytes(60))
    await refusal_of(push_blob(registry, APP, b"b" * 60))
    await registry.delete_blob(APP, digest)
    await push_blob(registry, APP, b"b" * 60)


async def test_replicas_that_finish_at_once_do_not_pass_the_quota_together(open_registry: OpenRegistry) -> None:
    replicas = [open_registry() for _ in range(3)]
    await push_blob(replicas[0], OTHER, bytes(33))
    contents = [bytes([number]) * 25 for number in range(4)]

    async def uploaded(replica: Upstream, content: bytes) -> bool:
        upload = await replica.append(APP, await replica.begin_upload(APP), chunks(content))
        await every.wait()  # all are past the earlier checks
        try:
            await replica.finish_upload(APP, upload, Digest.of(content))
        except QuotaExceededError:
            return False
        return True

    every = asyncio.Barrier(len(contents))
    done = await asyncio.gather(*(uploaded(replicas[number % 3], each) for number, each in enumerate(contents)))
    assert sum(done) == 2, "67 bytes were left"
    held = [content for content in contents if await replicas[0].blob_size(APP, Digest.of(content)) is not None]
    assert held == [content for content, ok in zip(contents, done, strict=True) if ok]


async def test_uploads_that_nobody_finishes_do_not_fill_the_disk_past_the_quota(open_registry: OpenRegistry) -> None:
    replicas = [open_registry() for _ in range(3)]
    kept = [await replicas[0].append(APP, await replicas[0].begin_upload(APP), chunks(bytes(50))) for _ in range(2)]

    for replica, repository in zip(replicas, (APP, OTHER, OTHER), strict=True):
        upload = await replica.begin_upload(repository)
        said = await refusal_of(replica.append(repository, upload, chunks(*[bytes(1)] * 50)))
        assert "uploads that are not finished would take 101 bytes, and the quota of team/** is 100" in said
        assert "finish or cancel some" in said

    await replicas[1].append(FREE, await replicas[1].begin_upload(FREE), chunks(bytes(1000)))
    await replicas[1].cancel_upload(APP, kept.pop())
    await push_blob(replicas[2], OTHER, bytes(50))


async def test_what_would_be_too_much_with_unfinished_uploads_is_refused_before_it_is_read(
    open_registry: OpenRegistry,
) -> None:
    registry = open_registry()
    await registry.append(APP, await registry.begin_upload(APP), chunks(bytes(50)))
    upload = await registry.begin_upload(OTHER)
    said = await refusal_of(registry.append(OTHER, upload, untouched(), length=51))
    assert "would take 101 bytes" in said


def test_a_client_is_told_denied() -> None:
    answer = to_wire(QuotaExceededError("team/app has no room"))
    assert (answer.status, answer.code, answer.message) == (403, "DENIED", "team/app has no room")


async def test_t75_a_token_begins_no_more_uploads_than_it_may_leave_unfinished(
    open_registry: OpenRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.upstream.embedded._MOST_UPLOADS", 2)
    registry, replica = open_registry(), open_registry()
    TENANT.set("one")
    first = await registry.begin_upload(FREE)
    await replica.begin_upload(APP)
    said = await refusal_of(registry.begin_upload(FREE))
    assert "2 uploads that were begun with this token are not finished, and no more than 2 may be" in said

    TENANT.set("another")
    await registry.begin_upload(FREE)
    TENANT.set("one")
    await registry.cancel_upload(FREE, first)
    await registry.begin_upload(FREE)
