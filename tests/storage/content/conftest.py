"""The content stores that the contract is tried on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage.content.filesystem import FilesystemContent
from storage.content.s3 import S3Content, S3Location
from tests.object_storage import s3_endpoint, s3_location

__all__ = ["s3_endpoint", "s3_location"]

Content = FilesystemContent | S3Content
OpenContent = Callable[[], Content]
"""Opens the same store once more, as after a restart."""


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
