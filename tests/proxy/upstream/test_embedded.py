"""What the embedded registry does beyond the port's contract."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.port import BrokenContentError, UploadOffsetError, UpstreamRefusedError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from scanning.oci.read import read_manifest
from storage.content.filesystem import FilesystemContent
from storage.database import Database
from tests.proxy.upstream.oci_content import chunks, image_manifest, push_blob, push_image
from tests.registries import fresh_repository


async def test_a_blob_is_a_file_that_can_be_sent_as_it_is(embedded: EmbeddedUpstream, repository: Repository) -> None:
    digest = await push_blob(embedded, repository, b"content")
    async with embedded.open_blob(repository, digest) as stream:
        assert stream is not None
        assert stream.file is not None
        assert stream.file.read_bytes() == b"content"


async def test_bytes_go_when_nobody_links_them(embedded: EmbeddedUpstream, repository: Repository) -> None:
    other = fresh_repository()
    digest = await push_blob(embedded, repository, b"shared")
    await embedded.mount_blob(other, digest, repository)
    async with embedded.open_blob(repository, digest) as stream:
        assert stream is not None
        file = stream.file
    assert file is not None
    await embedded.delete_blob(repository, digest)
    assert file.exists()
    await embedded.delete_blob(other, digest)
    assert not file.exists()


async def test_a_tag_can_be_deleted_alone(embedded: EmbeddedUpstream, repository: Repository) -> None:
    body = await push_image(embedded, repository)
    for tag in ("one", "two"):
        await embedded.put_manifest(repository, Tag(tag), OCI_MANIFEST, body)
    assert await embedded.delete_tag(repository, Tag("one")) is True
    assert await embedded.delete_tag(repository, Tag("one")) is False
    assert await embedded.tags(repository) == (Tag("two"),)
    assert await embedded.get_manifest(repository, Digest.of(body)) is not None


async def test_a_repository_without_tags_is_still_known(embedded: EmbeddedUpstream, repository: Repository) -> None:
    body = await push_image(embedded, repository)
    await embedded.put_manifest(repository, Digest.of(body), OCI_MANIFEST, body)
    assert await embedded.tags(repository) == ()


async def test_a_manifest_may_come_before_its_subject(embedded: EmbeddedUpstream, repository: Repository) -> None:
    await push_image(embedded, repository)
    later = image_manifest(b"later", b"layer")
    early = image_manifest(b'{"of": "a layer"}', b"a layer", later)
    await embedded.put_manifest(repository, Digest.of(early), OCI_MANIFEST, early)
    assert [one.body for one in await embedded.referrers(repository, Digest.of(later))] == [early]


async def test_what_is_no_manifest_is_not_stored(embedded: EmbeddedUpstream, repository: Repository) -> None:
    with pytest.raises(UpstreamRefusedError) as refusal:
        await embedded.put_manifest(repository, Tag("v1"), OCI_MANIFEST, b"[]")
    assert refusal.value.code == "MANIFEST_INVALID"


async def test_two_writers_of_one_upload_do_not_go_unnoticed(
    embedded: EmbeddedUpstream, repository: Repository
) -> None:
    upload = await embedded.begin_upload(repository)
    second_is_done = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        await second_is_done.wait()
        yield b"first"

    first = asyncio.create_task(embedded.append(repository, upload, slow()))
    await asyncio.sleep(0)
    await embedded.append(repository, upload, chunks(b"second"))
    second_is_done.set()
    with pytest.raises(UploadOffsetError):
        await first


async def test_t66_a_blob_whose_file_was_cut_is_broken(embedded: EmbeddedUpstream, repository: Repository) -> None:
    digest = await push_blob(embedded, repository, b"0123456789")
    async with embedded.open_blob(repository, digest) as stream:
        assert stream is not None
        assert stream.file is not None
        stream.file.chmod(0o600)
        stream.file.write_bytes(b"012345")
        with pytest.raises(BrokenContentError, match="lacks 4 bytes"):
            assert [chunk async for chunk in stream.chunks]


async def test_what_was_pushed_is_there_after_a_restart(tmp_path: Path, repository: Repository) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'gate.sqlite3'}"
    first = await Database.open(url)
    before = EmbeddedUpstream(first, FilesystemContent(tmp_path / "content"))
    body = await push_image(before, repository)
    await before.put_manifest(repository, Tag("v1"), OCI_MANIFEST, body)
    upload = await before.append(repository, await before.begin_upload(repository), chunks(b"half"))
    await first.close()
    second = await Database.open(url)
    try:
        after = EmbeddedUpstream(second, FilesystemContent(tmp_path / "content"))
        found = await after.get_manifest(repository, Tag("v1"))
        assert found is not None
        assert found.body == body
        assert (await after.upload_status(repository, upload)).offset == 4
    finally:
        await second.close()


async def test_no_manifest_is_read_on_the_event_loop(
    embedded: EmbeddedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []

    def noting(*arguments: Any) -> Manifest:
        readers.append(threading.current_thread())
        return read_manifest(*arguments)

    monkeypatch.setattr("proxy.upstream.embedded.read_manifest", noting)
    with pytest.raises(UpstreamRefusedError):
        await embedded.put_manifest(Repository("team/app"), Tag("1.0"), OCI_MANIFEST, b"{}")

    assert len(readers) == 1
    assert readers[0] is not threading.current_thread()
