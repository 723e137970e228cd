"""Several serving processes read a blob once: who reads it has a claim, and the others wait for what is found."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.gate.claims import ReadingClaims
from proxy.gate.layers import LayerInspector
from proxy.gate.recorded import RecordedKnowledge
from proxy.inspection.pool import InspectionPool
from proxy.upstream.port import BlobStream, UpstreamUnavailableError
from scanning.facts import LayerFacts, LayerRefusal
from scanning.layers.limits import InspectionLimits
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.database import Database
from tests.images import debian, image
from tests.proxy.face import Time
from tests.proxy.gate.world import layers_of
from tests.simulators import MemoryUpstream

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

REPOSITORY = Repository("team/app")
IMAGE = image(debian(), {"one": b"1"})
ONE, OTHER = layers_of(IMAGE)
BROKEN_LAYER = b"\x1f\x8b\x08\x00 and no more of it"
BROKEN = Digest.of(BROKEN_LAYER)


class HeldUpstream(MemoryUpstream):
    """Notes what is opened; whoever opens what is in `held` waits, and once, if it is in `lost`, gets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.blobs = {(REPOSITORY, digest): content for digest, content in IMAGE.blobs.items()}
        self.blobs[REPOSITORY, BROKEN] = BROKEN_LAYER
        self.opened: list[Digest] = []
        self.held: dict[Digest, asyncio.Event] = {}
        self.lost: set[Digest] = set()
        self._begun = asyncio.Condition()

    @asynccontextmanager
    async def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AsyncIterator[BlobStream | None]:
        async with self._begun:
            self.opened.append(digest)
            self._begun.notify_all()
        if digest in self.held:
            await self.held[digest].wait()
        if digest in self.lost:
            self.lost.discard(digest)
            raise UpstreamUnavailableError("the registry is gone")
        async with super().open_blob(repository, digest, start, end) as stream:
            yield stream

    async def has_opened(self, count: int) -> None:
        """Wait until so many blobs were opened."""
        async with self._begun:
            await self._begun.wait_for(lambda: len(self.opened) >= count)


class WatchedClaims(ReadingClaims):
    """Tells when it was found that another process reads."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.met_another = asyncio.Event()

    def is_held(self, digest: Digest) -> bool:
        held = super().is_held(digest)
        if held:
            self.met_another.set()
        return held


Both = tuple[LayerInspector, LayerInspector]
Claims = tuple[WatchedClaims, WatchedClaims]
Pools = tuple[InspectionPool, InspectionPool]


@pytest.fixture
def upstream() -> HeldUpstream:
    return HeldUpstream()


@pytest.fixture
def claims(tmp_path: Path) -> Iterator[Claims]:
    """The claims of two processes; a lock belongs to the file as it was opened, so two are enough to be two."""
    made = WatchedClaims(tmp_path / "claims"), WatchedClaims(tmp_path / "claims")
    yield made
    for each in made:
        each.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pools() -> AsyncIterator[Pools]:
    """Their workers, one for each."""
    made = InspectionPool(1, InspectionLimits()), InspectionPool(1, InspectionLimits())
    await asyncio.gather(*(pool.start() for pool in made))
    yield made
    await asyncio.gather(*(pool.close() for pool in made))


@pytest.fixture
def first_and_second(database: Database, time: Time, upstream: HeldUpstream, claims: Claims, pools: Pools) -> Both:
    """The inspectors of two processes on one database."""
    first, second = (
        LayerInspector(RecordedKnowledge(database, time.now), upstream, pool, claims=own)
        for pool, own in zip(pools, claims, strict=True)
    )
    return first, second


async def test_what_one_reads_behind_an_upload_the_other_waits_for(
    first_and_second: Both, upstream: HeldUpstream, claims: Claims
) -> None:
    first, second = first_and_second
    upstream.held[ONE] = asyncio.Event()
    first.inspect_ahead(REPOSITORY, ONE, "ci")
    await upstream.has_opened(1)
    asking = asyncio.create_task(second.outcomes(REPOSITORY, [ONE]))
    await claims[1].met_another.wait()
    upstream.held[ONE].set()

    assert isinstance((await asking)[ONE], LayerFacts)
    assert upstream.opened == [ONE]


async def test_meanwhile_it_reads_what_nobody_reads_yet(
    first_and_second: Both, upstream: HeldUpstream, claims: Claims
) -> None:
    first, second = first_and_second
    upstream.held[ONE] = asyncio.Event()
    first.inspect_ahead(REPOSITORY, ONE, "ci")
    await upstream.has_opened(1)
    asking = asyncio.create_task(second.outcomes(REPOSITORY, [ONE, OTHER]))
    await upstream.has_opened(2)
    assert upstream.opened == [ONE, OTHER]
    upstream.held[ONE].set()

    assert (await asking).keys() == {ONE, OTHER}
    assert upstream.opened == [ONE, OTHER]


async def test_what_the_other_could_not_read_is_read_here(
    first_and_second: Both, upstream: HeldUpstream, claims: Claims
) -> None:
    first, second = first_and_second
    upstream.held[ONE] = asyncio.Event()
    upstream.lost.add(ONE)
    first.inspect_ahead(REPOSITORY, ONE, "ci")
    await upstream.has_opened(1)
    asking = asyncio.create_task(second.outcomes(REPOSITORY, [ONE]))
    await claims[1].met_another.wait()
    upstream.held[ONE].set()

    assert isinstance((await asking)[ONE], LayerFacts)
    assert upstream.opened == [ONE, ONE]


async def test_a_refusal_that_the_other_recorded_holds_here(
    first_and_second: Both, upstream: HeldUpstream, claims: Claims
) -> None:
    first, second = first_and_second
    upstream.held[BROKEN] = asyncio.Event()
    refused = asyncio.create_task(first.outcomes(REPOSITORY, [BROKEN]))
    await upstream.has_opened(1)
    asking = asyncio.create_task(second.outcomes(REPOSITORY, [BROKEN]))
    await claims[1].met_another.wait()
    upstream.held[BROKEN].set()

    assert isinstance((await asking)[BROKEN], LayerRefusal)
    assert await refused == await asking
    assert upstream.opened == [BROKEN, BROKEN]  # the second time to prove that the refused bytes are the blob's


async def test_who_waits_for_a_worker_keeps_nobody_waiting(
    first_and_second: Both, upstream: HeldUpstream, pools: Pools
) -> None:
    first, second = first_and_second
    busy = await pools[0].begin()
    queued = asyncio.create_task(first.outcomes(REPOSITORY, [ONE]))
    assert isinstance((await second.outcomes(REPOSITORY, [ONE]))[ONE], LayerFacts)
    await busy.abandon()

    assert isinstance((await queued)[ONE], LayerFacts)
    assert upstream.opened == [ONE]
