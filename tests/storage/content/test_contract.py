"""The contract of `storage.content.port`, on every store."""

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from scanning.oci.digest import Digest
from storage.content.port import ContentStore
from storage.errors import ContentMismatchError, ContentMissingError, ContentMovedError
from tests.storage.content.conftest import Content, OpenContent

MIB = 1 << 20
BODY = random.Random(1).randbytes(3 * MIB + 17)  # noqa: S311 - test data
DIGEST = Digest.of(BODY)
ALGORITHMS = ("sha256", "sha512")
HOSTILE_NAMES = ["", ".", "..", "../blobs/sha256/00/x", "/etc/passwd", "a/b", "a\0b", "x" * 65, "é"]


async def store(content: ContentStore, body: bytes, algorithm: str = "sha256") -> Digest:
    """Upload a blob."""
    staging = await content.begin()
    await content.append(staging, body)
    digest = Digest.of(body, algorithm)
    await content.commit(staging, digest)
    return digest


async def size_of(content: ContentStore, digest: Digest) -> int | None:
    """The size of a blob that is there."""
    found = await content.find(digest)
    return found.size if found is not None else None


async def load(content: ContentStore, digest: Digest, start: int = 0, end: int | None = None) -> bytes:
    """Read a blob, or some of it."""
    return b"".join([chunk async for chunk in content.read(digest, start, end)])


def test_every_store_keeps_the_port(content: Content) -> None:
    port: ContentStore = content
    assert port is content


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_what_is_appended_and_committed_can_be_read(content: Content, algorithm: str) -> None:
    staging = await content.begin()
    lengths = [await content.append(staging, BODY[start : start + 700_000]) for start in range(0, len(BODY), 700_000)]
    assert lengths == [min(start + 700_000, len(BODY)) for start in range(0, len(BODY), 700_000)]
    assert await content.staged(staging) == len(BODY)

    digest = Digest.of(BODY, algorithm)
    assert await content.commit(staging, digest) == len(BODY)
    assert await size_of(content, digest) == len(BODY)
    assert await load(content, digest) == BODY


async def test_what_is_staged_is_counted_by_whom_it_is_for(open_content: OpenContent) -> None:
    one, other = open_content(), open_content()
    first, second = await one.begin("team1"), await other.begin("team1")
    await one.append(first, b"a" * 10)
    await other.append(second, b"a" * 5)
    await one.append(await one.begin("team10"), b"b" * 100)
    await one.append(await one.begin(), b"c" * 1000)

    assert await one.staged_by("team1") == await other.staged_by("team1") == 15

    await one.commit(first, Digest.of(b"a" * 10))
    await other.abandon(second)
    assert await one.staged_by("team1") == 0


async def test_what_is_begun_is_counted_by_who_began_it_until_it_is_over(open_content: OpenContent) -> None:
    one, other = open_content(), open_content()
    first, second = await one.begin("x" * 31, "y" * 31), await other.begin(by="y" * 31)
    await one.begin("y" * 31, "z")
    await one.begin()
    assert await one.begun_by("y" * 31) == await other.begun_by("y" * 31) == 2

    await one.append(first, BODY)
    await one.commit(first, DIGEST)
    await other.abandon(second)
    assert await one.begun_by("y" * 31) == 0


@pytest.mark.parametrize("owner", ["../x", "a-b", "x" * 32])
async def test_what_is_no_name_of_an_owner_is_a_mistake(content: Content, owner: str) -> None:
    for names in ((owner, ""), ("", owner)):
        with pytest.raises(ValueError, match="cannot own uploads"):
            await content.begin(*names)


async def test_what_is_verified_is_not_published_yet(content: Content) -> None:
    staging = await content.begin()
    await content.append(staging, BODY)
    assert await content.verify(staging, DIGEST) == len(BODY)
    assert await content.find(DIGEST) is None
    assert await content.commit(staging, DIGEST) == len(BODY)

    wrong = await content.begin()
    await content.append(wrong, b"other")
    with pytest.raises(ContentMismatchError):
        await content.verify(wrong, DIGEST)
    with pytest.raises(ContentMissingError):
        await content.staged(wrong)


async def test_every_blob_is_listed_with_its_size_and_time(content: Content) -> None:
    began = datetime.now(UTC) - timedelta(seconds=5)
    await content.append(await content.begin(), b"not a blob yet")
    expected = {await store(content, body, algorithm): len(body) for body in (b"a", b"bb") for algorithm in ALGORITHMS}

    found = [blob async for blob in content.blobs()]
    assert {blob.digest: blob.size for blob in found} == expected
    assert all(began <= blob.published_at <= datetime.now(UTC) + timedelta(seconds=5) for blob in found)


async def test_an_empty_blob_is_a_blob(content: Content) -> None:
    digest = await store(content, b"")

    assert await size_of(content, digest) == 0
    assert await load(content, digest) == b""
    assert await load(content, digest, 5, 9) == b""


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, None), (0, 1), (5, 5), (MIB - 1, MIB + 1), (17, None), (len(BODY) - 1, None), (0, len(BODY) + 9)],
)
async def test_a_range_is_read_as_asked(content: Content, start: int, end: int | None) -> None:
    await store(content, BODY)

    assert await load(content, DIGEST, start, end) == BODY[start:end]


async def test_a_range_beyond_the_end_is_empty(content: Content) -> None:
    await store(content, BODY)

    assert await load(content, DIGEST, len(BODY), None) == b""
    assert await load(content, DIGEST, len(BODY) + 5, len(BODY) + 9) == b""


async def test_reading_can_be_given_up(content: Content) -> None:
    await store(content, BODY)

    async with aclosing(content.read(DIGEST)) as chunks:
        first = await anext(chunks)
    assert BODY.startswith(first)
    assert await load(content, DIGEST) == BODY


async def test_one_blob_is_read_by_many_at_once(content: Content) -> None:
    await store(content, BODY)

    assert await asyncio.gather(*(load(content, DIGEST) for _ in range(5))) == [BODY] * 5


async def test_nothing_is_read_of_a_blob_that_is_not_there(content: Content) -> None:
    assert await content.find(DIGEST) is None
    assert content.path(DIGEST) is None
    with pytest.raises(ContentMissingError, match=str(DIGEST)):
        await load(content, DIGEST)
    with pytest.raises(ContentMissingError):
        await load(content, DIGEST, 5, 5)


async def test_bytes_with_another_digest_are_never_kept(content: Content) -> None:
    staging = await content.begin()
    await content.append(staging, b"evil")

    with pytest.raises(ContentMismatchError, match=str(Digest.of(b"evil"))):
        await content.commit(staging, DIGEST)

    assert await content.find(DIGEST) is None
    assert await content.find(Digest.of(b"evil")) is None
    with pytest.raises(ContentMissingError):
        await content.staged(staging)


async def test_a_staging_area_is_used_up_by_its_commit(content: Content) -> None:
    staging = await content.begin()
    await content.append(staging, BODY)
    await content.commit(staging, DIGEST)

    with pytest.raises(ContentMissingError):
        await content.append(staging, b"more")
    with pytest.raises(ContentMissingError):
        await content.commit(staging, DIGEST)
    assert await load(content, DIGEST) == BODY


async def test_the_same_blob_can_be_committed_again(content: Content) -> None:
    await store(content, BODY)
    await store(content, BODY)

    assert await load(content, DIGEST) == BODY


async def test_an_abandoned_upload_is_gone(content: Content) -> None:
    staging = await content.begin()
    await content.append(staging, BODY)
    await content.abandon(staging)
    await content.abandon(staging)

    with pytest.raises(ContentMissingError):
        await content.append(staging, b"more")


@pytest.mark.parametrize("name", ["0" * 32, *HOSTILE_NAMES])
async def test_t18_an_upload_that_is_not_there_is_missing_whatever_its_name(content: Content, name: str) -> None:
    for attempt in (content.append(name, b"x"), content.staged(name), content.commit(name, Digest.of(b"x"))):
        with pytest.raises(ContentMissingError):
            await attempt
    await content.abandon(name)


async def test_an_upload_goes_on_after_a_restart(open_content: OpenContent) -> None:
    first = open_content()
    staging = await first.begin()
    await first.append(staging, BODY[:MIB])

    second = open_content()
    assert await second.staged(staging) == MIB
    assert await second.append(staging, BODY[MIB:]) == len(BODY)
    assert await second.commit(staging, DIGEST) == len(BODY)
    assert await load(first, DIGEST) == BODY


async def test_bytes_are_added_only_where_their_writer_thinks_the_upload_ends(content: Content) -> None:
    staging = await content.begin()
    assert await content.append(staging, BODY[:MIB], at=0) == MIB
    for at in (0, MIB - 1, MIB + 1):
        with pytest.raises(ContentMovedError) as refused:
            await content.append(staging, b"elsewhere", at=at)
        assert refused.value.length == MIB
    assert await content.append(staging, BODY[MIB:], at=MIB) == len(BODY)
    assert await content.commit(staging, DIGEST) == len(BODY)


async def test_two_processes_that_write_one_upload_never_mix_their_bytes(open_content: OpenContent) -> None:
    """The rest of a cut request may still be arriving at one when the client goes on at the other."""
    stores = (open_content(), open_content())
    staging = await stores[0].begin()

    async def write(store: Content) -> bool:
        offset = 0
        while offset < len(BODY):
            try:
                offset = await store.append(staging, BODY[offset : offset + 65_536], at=offset)
            except ContentMovedError:
                return False
        return True

    assert sorted(await asyncio.gather(*map(write, stores))) == [False, True]
    assert await stores[1].commit(staging, DIGEST) == len(BODY)
    assert await load(stores[0], DIGEST) == BODY


async def test_bytes_that_another_process_appended_are_hashed_too(open_content: OpenContent) -> None:
    ours, theirs = open_content(), open_content()
    staging = await ours.begin()
    await ours.append(staging, b"good")
    await theirs.append(staging, b"evil")

    with pytest.raises(ContentMismatchError):
        await ours.commit(staging, Digest.of(b"good"))


async def test_appends_at_once_are_all_there(content: Content) -> None:
    staging = await content.begin()

    lengths = await asyncio.gather(*(content.append(staging, bytes([number]) * 1000) for number in range(20)))

    assert sorted(lengths) == [1000 * count for count in range(1, 21)]
    assert await content.staged(staging) == 20_000


async def test_a_cancelled_append_is_over_when_it_says_so(content: Content) -> None:
    staging = await content.begin()
    task = asyncio.create_task(content.append(staging, BODY))
    await asyncio.sleep(0)  # until it is in its thread
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    before = await content.staged(staging)
    assert before in (0, len(BODY))
    assert await content.append(staging, b"more") == before + 4


async def test_a_deleted_blob_is_gone(content: Content) -> None:
    await store(content, BODY)
    await content.delete(DIGEST)
    await content.delete(DIGEST)

    assert await content.find(DIGEST) is None


async def test_stale_uploads_are_swept_and_others_stay(content: Content) -> None:
    staging = await content.begin()
    await content.append(staging, BODY)

    assert await content.sweep(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert await content.staged(staging) == len(BODY)
    assert await content.sweep(datetime.now(UTC) + timedelta(hours=1)) == 1
    with pytest.raises(ContentMissingError):
        await content.staged(staging)


async def test_a_store_that_works_passes_its_check(content: Content) -> None:
    await content.check()

    assert await content.sweep(datetime.now(UTC) + timedelta(hours=1)) == 0
