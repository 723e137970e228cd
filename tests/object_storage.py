"""A server that speaks S3's protocol, and buckets in it. Import the fixtures into a `conftest.py` to use them."""

import secrets
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from storage.content.s3 import S3Location


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_location(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> S3Location:
    """A bucket of the test's own."""
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    location = S3Location(f"bucket-{secrets.token_hex(8)}", "gate/", s3_endpoint, "us-east-1")
    client = boto3.client("s3", endpoint_url=location.endpoint_url, region_name=location.region)
    client.create_bucket(Bucket=location.bucket)
    client.close()
    return location
