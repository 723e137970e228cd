"""What is true of the bucket only."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import boto3
import pytest
from yarl import URL

from scanning.oci.digest import Digest
from storage.content.s3 import S3Content, S3Location
from storage.errors import StorageUnavailableError
from tests.storage.content.test_contract import BODY, DIGEST, size_of, store


async def test_a_blob_is_an_object_under_its_digest(s3_location: S3Location, tmp_path: Path) -> None:
    content = S3Content(s3_location, tmp_path)
    await store(content, BODY)

    client = boto3.client("s3", endpoint_url=s3_location.endpoint_url, region_name=s3_location.region)
    listed = client.list_objects_v2(Bucket=s3_location.bucket)["Contents"]
    client.close()
    assert [found["Key"] for found in listed] == [f"gate/blobs/sha256/{DIGEST.hex[:2]}/{DIGEST.hex}"]
    assert content.path(DIGEST) is None
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a look at a test's own folder


async def test_what_is_there_already_is_not_sent_again(
    s3_location: S3Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = S3Content(s3_location, tmp_path)
    await store(content, BODY)

    def fail(*_: object, **__: object) -> None:
        pytest.fail("it was sent")

    monkeypatch.setattr("boto3.s3.inject.upload_file", fail)
    again = S3Content(s3_location, tmp_path)
    await store(again, BODY)
    assert await again.find(DIGEST) is not None
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a look at a test's own folder


async def test_an_object_of_the_wrong_length_is_replaced(s3_location: S3Location, tmp_path: Path) -> None:
    content = S3Content(s3_location, tmp_path)
    await store(content, BODY)
    client = boto3.client("s3", endpoint_url=s3_location.endpoint_url, region_name=s3_location.region)
    client.put_object(Bucket=s3_location.bucket, Key=f"gate/blobs/sha256/{DIGEST.hex[:2]}/{DIGEST.hex}", Body=BODY[:-1])
    client.close()
    await store(content, BODY)
    assert await size_of(content, DIGEST) == len(BODY)


async def test_an_address_lets_anybody_read_the_blob_for_a_short_time(s3_location: S3Location, tmp_path: Path) -> None:
    content = S3Content(replace(s3_location, presigned_seconds=60), tmp_path)
    await store(content, BODY)
    address = await content.address(DIGEST)

    assert address is not None
    assert {"X-Amz-Expires=60", "X-Amz-Algorithm=AWS4-HMAC-SHA256"} <= set(urlsplit(address).query.split("&"))
    async with aiohttp.ClientSession() as session, session.get(URL(address, encoded=True)) as answer:
        assert await answer.read() == BODY
    assert await S3Content(s3_location, tmp_path).address(DIGEST) is None


async def test_clients_may_know_the_store_by_another_name(s3_location: S3Location, tmp_path: Path) -> None:
    public = replace(s3_location, presigned_seconds=60, public_endpoint_url="https://blobs.example")
    address = await S3Content(public, tmp_path).address(DIGEST)
    assert address is not None
    assert address.startswith(f"https://blobs.example/{s3_location.bucket}/gate/blobs/sha256/")


async def test_a_large_blob_goes_in_parts(s3_location: S3Location, tmp_path: Path) -> None:
    content = S3Content(s3_location, tmp_path)
    body = BODY * 6
    digest = await store(content, body)

    assert len(body) > 16 << 20
    assert Digest.of(b"".join([chunk async for chunk in content.read(digest)])) == digest


@pytest.mark.parametrize("wrong", ["bucket", "endpoint"])
async def test_a_bucket_that_does_not_answer_is_unavailable(
    s3_location: S3Location, tmp_path: Path, wrong: str
) -> None:
    elsewhere = replace(s3_location, endpoint_url="http://127.0.0.1:1")
    content = S3Content(replace(s3_location, bucket="none") if wrong == "bucket" else elsewhere, tmp_path)
    staging = await content.begin()
    await content.append(staging, BODY)

    with pytest.raises(StorageUnavailableError, match="check its name"):
        await content.check()
    with pytest.raises(StorageUnavailableError):
        await content.commit(staging, DIGEST)
    assert await content.staged(staging) == len(BODY)


async def test_without_credentials_it_is_unavailable(
    s3_location: S3Location, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with pytest.raises(StorageUnavailableError, match="credentials"):
        await S3Content(s3_location, tmp_path).find(DIGEST)
