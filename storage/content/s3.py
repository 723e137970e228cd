"""A content store in a bucket of S3, or of anything that speaks its protocol.

    <prefix>blobs/<algorithm>/<2 hex>/<hex>     one object a blob, written in one piece once it is verified

Uploads are staged on a local disk, since objects cannot be appended to: an upload goes on at the replica that
began it. boto3 blocks, and so works in threads. Credentials come from where boto3 looks for them.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from scanning.errors import InvalidDigestError
from scanning.oci.digest import Digest
from storage.content.disk import disk_errors
from storage.content.port import StoredBlob
from storage.content.staged import StagedContent
from storage.content.threads import read_ahead, to_its_end
from storage.errors import ContentMissingError, StorageUnavailableError

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2RequestTypeDef

_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_ATTEMPTS = 3
_CONNECTIONS = 32
_MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True, slots=True)
class S3Location:
    """Where blobs lie. `prefix` ends in `/` or is empty; `endpoint_url` is for stores that are not Amazon's.

    Clients may read from it for `presigned_seconds` at a time (0: not at all), at `public_endpoint_url` where that is
    not the gate's own way to it.
    """

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    presigned_seconds: int = 0
    public_endpoint_url: str | None = None


class S3Content(StagedContent):
    """`storage.content.port.ContentStore` in a bucket, with uploads staged in a local folder."""

    def __init__(self, location: S3Location, staging: Path) -> None:
        self._location = location
        super().__init__(staging)
        with self._errors():
            session = boto3.session.Session()
            self._client = _client(session, location.endpoint_url, location.region)
            public = location.public_endpoint_url
            self._signer = _client(session, public, location.region) if public else self._client

    async def commit(self, staging: str, digest: Digest) -> int:
        """Verify and publish a staging area; gives its size in bytes."""
        async with self._staging.seal(staging, digest) as (file, length):
            await to_its_end(self._publish, file, digest, length)
        return length

    async def find(self, digest: Digest) -> StoredBlob | None:
        """A blob's size and time."""
        return await to_its_end(self._find, digest)

    async def read(self, digest: Digest, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` up to, not including, `end`."""
        found = await self.find(digest)
        if found is None:
            raise _missing(digest)
        end = found.size if end is None else min(end, found.size)
        if start >= end:
            return
        body = await to_its_end(self._open, digest, start, end)

        def read(length: int) -> bytes:
            with self._errors():
                return body.read(length) if length else b""

        try:
            async with aclosing(read_ahead(read, end - start)) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            body.close()

    def path(self, digest: Digest) -> Path | None:
        """No blob is a file here."""
        return None

    async def blobs(self) -> AsyncGenerator[StoredBlob, None]:
        """Every blob, a page of them at a time."""
        token = ""
        while True:
            page, token = await to_its_end(self._list, token)
            for blob in page:
                yield blob
            if not token:
                return

    async def address(self, digest: Digest) -> str | None:
        """A presigned GET, where that is allowed."""
        return await to_its_end(self._presign, digest) if self._location.presigned_seconds else None

    async def delete(self, digest: Digest) -> None:
        """Remove a blob."""
        await to_its_end(self._delete, digest)

    async def check(self) -> None:
        """Return if the bucket answers and uploads can be staged."""
        await self._staging.check()
        await to_its_end(self._check)

    def _key(self, digest: Digest) -> str:
        return f"{self._location.prefix}blobs/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"

    def _publish(self, file: Path, digest: Digest, length: int) -> None:
        """Large files go in parts, which become visible together; S3 compares a checksum of each. What is there
        already, as the layers of a base image are for every image on it, is not sent again.
        """
        found = self._find(digest)
        if found is not None and found.size == length:
            return
        with self._errors(), disk_errors(file.parent):
            self._client.upload_file(
                str(file),
                self._location.bucket,
                self._key(digest),
                ExtraArgs={"ChecksumAlgorithm": "SHA256", "ContentType": "application/octet-stream"},
            )

    def _find(self, digest: Digest) -> StoredBlob | None:
        with self._errors():
            try:
                found = self._client.head_object(Bucket=self._location.bucket, Key=self._key(digest))
            except ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise
        return StoredBlob(digest, found["ContentLength"], found["LastModified"])

    def _open(self, digest: Digest, start: int, end: int) -> "StreamingBody":
        with self._errors():
            try:
                return self._client.get_object(
                    Bucket=self._location.bucket, Key=self._key(digest), Range=f"bytes={start}-{end - 1}"
                )["Body"]
            except ClientError as error:
                if _code(error) in _MISSING:
                    raise _missing(digest) from error
                raise

    def _presign(self, digest: Digest) -> str:
        """Computed here; only to find credentials may the network be asked."""
        with self._errors():
            return self._signer.generate_presigned_url(
                "get_object",
                Params={"Bucket": self._location.bucket, "Key": self._key(digest)},
                ExpiresIn=self._location.presigned_seconds,
                HttpMethod="GET",
            )

    def _list(self, token: str) -> tuple[list[StoredBlob], str]:
        """The blobs of one page, and what asks for the next page; objects that are no blobs are left out."""
        following: ListObjectsV2RequestTypeDef = {
            "Bucket": self._location.bucket,
            "Prefix": f"{self._location.prefix}blobs/",
        }
        if token:
            following["ContinuationToken"] = token
        with self._errors():
            page = self._client.list_objects_v2(**following)
        blobs: list[StoredBlob] = []
        for found in page.get("Contents", []):
            algorithm, _, name = found["Key"].removeprefix(f"{self._location.prefix}blobs/").partition("/")
            with suppress(InvalidDigestError):
                digest = Digest.parse(f"{algorithm}:{name.rpartition('/')[2]}")
                if self._key(digest) == found["Key"]:
                    blobs.append(StoredBlob(digest, found["Size"], found["LastModified"]))
        return blobs, page.get("NextContinuationToken", "")

    def _delete(self, digest: Digest) -> None:
        with self._errors():
            self._client.delete_object(Bucket=self._location.bucket, Key=self._key(digest))

    def _check(self) -> None:
        with self._errors():
            self._client.put_object(Bucket=self._location.bucket, Key=f"{self._location.prefix}check", Body=b"")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError) as error:
            raise StorageUnavailableError(
                f"the bucket {self._location.bucket} cannot be used ({error}), so nothing was recorded; check its name,"
                " its endpoint, and what the gate's credentials allow"
            ) from error


def _client(session: boto3.session.Session, endpoint_url: str | None, region: str | None) -> "S3Client":
    return session.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        config=Config(
            signature_version="s3v4",  # else presigned addresses may be signed in an older way
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_CONNECTIONS,
        ),
    )


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _missing(digest: Digest) -> ContentMissingError:
    return ContentMissingError(f"the blob {digest} is not in the content store; push it again")
