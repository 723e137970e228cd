"""One request of a client makes few to the upstream."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from proxy.errors import ManifestBlobUnknownError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.images import TestImage, descriptor
from tests.proxy.gate.conftest import MakeWorld
from tests.simulators import MemoryUpstream

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass
class CountingUpstream(MemoryUpstream):
    """Counts who asks for the size of a blob, and how many do at the same time."""

    asked: int = 0
    asking: int = 0
    most: int = 0

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        self.asked += 1
        self.asking += 1
        self.most = max(self.most, self.asking)
        await asyncio.sleep(0)
        self.asking -= 1
        return await super().blob_size(repository, digest)


def of_many_layers(count: int) -> TestImage:
    """The manifest of an artifact that names so many different blobs; they are in `blobs`."""
    blobs = [b"layer %d" % number for number in range(count)]
    body = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": descriptor(b"{}", media_types.OCI_EMPTY),
        "layers": [descriptor(blob, "application/vnd.example.thing") for blob in blobs],
    }
    contents = {Digest.of(blob): blob for blob in (b"{}", *blobs)}
    return TestImage(json.dumps(body).encode(), media_types.OCI_MANIFEST, contents)


async def test_a_manifest_that_names_thousands_of_blobs_takes_few_connections_at_a_time(make_world: MakeWorld) -> None:
    upstream = CountingUpstream()
    world = make_world(upstream)
    await world.push(of_many_layers(100))
    assert (upstream.asked, upstream.most) == (101, 16)


async def test_it_takes_no_more_than_that_where_they_do_not_exist(make_world: MakeWorld) -> None:
    upstream = CountingUpstream()
    world = make_world(upstream)
    with pytest.raises(ManifestBlobUnknownError):
        await world.push_manifest(of_many_layers(4000))
    assert upstream.asked == 16
