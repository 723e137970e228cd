"""Makes the content store the settings ask for."""

from pathlib import Path

from config.settings import Content
from storage.content.filesystem import FilesystemContent
from storage.content.port import ContentStore


def build_content(settings: Content, folder: Path) -> ContentStore:
    """Make the store; `folder` is for its blobs, or where these lie elsewhere for uploads that are not blobs yet.

    Raises `StorageUnavailableError` if the folder cannot be made.
    """
    if settings.kind == "filesystem":
        return FilesystemContent(folder)
    from storage.content.s3 import S3Content, S3Location  # noqa: PLC0415 - boto3 is large, and most gates need none

    s3 = settings.s3
    location = S3Location(
        bucket=s3.bucket,
        prefix=s3.prefix,
        endpoint_url=s3.endpoint_url or None,
        region=s3.region or None,
        presigned_seconds=s3.presigned_seconds,
        public_endpoint_url=s3.public_endpoint_url or None,
    )
    return S3Content(location, Path(s3.uploads_folder) if s3.uploads_folder else folder / "uploads")
