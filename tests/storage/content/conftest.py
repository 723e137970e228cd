"""The content stores that the contract is tried on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from storage.content.filesystem import FilesystemContent
from storage.content.s3 import S3Content, S3Location

Content = FilesystemContent | S3Content
OpenContent = Callable[[], Content]
"""Opens the same store once more, as after a restart."""


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3's protocol."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_location(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> S3Location:
    """A bucket of the test's own."""
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    location = S3Location(f"bucket-{id(request)}", "gate/", s3_endpoint, "us-east-1")
    client = boto3.client("s3", endpoint_url=location.endpoint_url, region_name=location.region)
    client.create_bucket(Bucket=location.bucket)
    client.close()
    return location


@pytest.fixture(params=["filesystem", "s3"])
def open_content(request: pytest.FixtureRequest, tmp_path: Path) -> OpenContent:
    """One store of each kind."""
    if request.param == "filesystem":
        return lambda: FilesystemContent(tmp_path / "content")
    location: S3Location = request.getfixturevalue("s3_location")
    return lambda: S3Content(location, tmp_path / "staging")


@pytest.fixture
def content(open_content: OpenContent) -> Content:
    """An open, empty store."""
    return open_content()
