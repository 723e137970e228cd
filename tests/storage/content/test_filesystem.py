"""What is true of the folder only."""

import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from storage.content.filesystem import FilesystemContent
from storage.errors import StorageUnavailableError
from tests.storage.content.test_contract import BODY, DIGEST, load, store


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the system takes what fits, and fails then, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files(folder: Path) -> list[str]:
    """The names of all files below a folder."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_a_blob_is_a_file_under_its_digest(tmp_path: Path) -> None:
    content = FilesystemContent(tmp_path)
    await store(content, BODY)

    place = tmp_path / "blobs" / "sha256" / DIGEST.hex[:2] / DIGEST.hex
    assert content.path(DIGEST) == place
    assert place.read_bytes() == BODY
    assert files(tmp_path) == [DIGEST.hex]


async def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    content = FilesystemContent(tmp_path / "content")
    await store(content, BODY)
    await content.append(await content.begin(), b"upload")

    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in (tmp_path / "content").rglob("*"))


async def test_t68_a_full_disk_takes_nothing_and_the_upload_can_go_on(tmp_path: Path) -> None:
    content = FilesystemContent(tmp_path)
    staging = await content.begin()
    await content.append(staging, BODY[:1000])

    with room_for(2000), pytest.raises(StorageUnavailableError, match="not full"):
        await content.append(staging, BODY[1000:])

    assert await content.staged(staging) == 1000
    assert await content.append(staging, BODY[1000:]) == len(BODY)
    await content.commit(staging, DIGEST)
    assert await load(content, DIGEST) == BODY


@pytest.mark.parametrize("step", ["fsync", "replace"])
async def test_t68_a_disk_that_fails_at_the_commit_leaves_no_blob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    content = FilesystemContent(tmp_path)
    staging = await content.begin()
    await content.append(staging, BODY)

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(*{"fsync": (os, "fsync", fail), "replace": (Path, "replace", fail)}[step])
        with pytest.raises(StorageUnavailableError, match="No space left"):
            await content.commit(staging, DIGEST)

    assert await content.find(DIGEST) is None
    assert files(tmp_path) == [staging]
    await content.commit(staging, DIGEST)
    assert files(tmp_path) == [DIGEST.hex]


async def test_a_commit_is_on_the_disk_before_it_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FilesystemContent(tmp_path)
    staging = await content.begin()
    await content.append(staging, BODY)
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append(f"fsync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        sync(handle)

    def rename(old: Path, new: Path) -> Path:
        steps.append("rename")
        return replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", rename)
    await content.commit(staging, DIGEST)

    assert steps == [f"fsync {staging}", "rename", f"fsync {DIGEST.hex[:2]}"]


async def test_a_folder_that_cannot_be_used_is_unavailable(tmp_path: Path) -> None:
    content = FilesystemContent(tmp_path / "content")
    (tmp_path / "content" / "uploads").rmdir()

    with pytest.raises(StorageUnavailableError, match="check that its disk"):
        await content.check()
    (tmp_path / "file").touch()
    with pytest.raises(StorageUnavailableError):
        FilesystemContent(tmp_path / "file")


async def test_a_blob_that_is_deleted_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    content = FilesystemContent(tmp_path)
    await store(content, BODY)

    chunks = content.read(DIGEST)
    body = await anext(chunks)
    await content.delete(DIGEST)
    async for chunk in chunks:
        body += chunk

    assert Digest.of(body) == DIGEST
