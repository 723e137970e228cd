"""From settings to a content store."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.settings import S3, Content
from storage.content.build import build_content
from storage.content.filesystem import FilesystemContent
from storage.content.s3 import S3Content, S3Location
from tests.storage.content.test_contract import BODY, DIGEST, load, store


def bucket(location: S3Location, **more: object) -> Content:
    """The settings that name a test's bucket."""
    endpoint, region = location.endpoint_url or "", location.region or ""
    values = {"bucket": location.bucket, "prefix": "gate", "endpoint_url": endpoint, "region": region, **more}
    return Content(kind="s3", s3=S3.model_validate(values))


async def test_blobs_lie_in_a_folder_unless_a_bucket_is_named(tmp_path: Path, s3_location: S3Location) -> None:
    assert isinstance(build_content(Content(), tmp_path), FilesystemContent)
    content = build_content(bucket(s3_location), tmp_path)
    assert isinstance(content, S3Content)
    await store(content, BODY)
    assert await load(S3Content(replace(s3_location, prefix="gate/"), tmp_path), DIGEST) == BODY


@pytest.mark.parametrize(("seconds", "begins"), [(0, None), (60, "https://blobs.example/")])
async def test_clients_read_by_themselves_where_that_is_allowed(
    tmp_path: Path, s3_location: S3Location, seconds: int, begins: str | None
) -> None:
    settings = bucket(s3_location, presigned_seconds=seconds, public_endpoint_url="https://blobs.example")
    address = await build_content(settings, tmp_path).address(DIGEST)
    assert (address or "").startswith(begins or "")
    assert (address is None) == (begins is None)


async def test_gates_that_share_a_folder_go_on_with_each_others_uploads(
    tmp_path: Path, s3_location: S3Location
) -> None:
    settings = bucket(s3_location, uploads_folder=str(tmp_path / "shared"))
    one, other = build_content(settings, tmp_path / "one"), build_content(settings, tmp_path / "other")
    staging = await one.begin()
    third = len(BODY) // 3
    for gate, part in ((one, BODY[:third]), (other, BODY[third : 2 * third]), (one, BODY[2 * third :])):
        await gate.append(staging, part)
    assert await other.commit(staging, DIGEST) == len(BODY)
    assert await load(one, DIGEST) == BODY
